/* Records of high availability on disk: any bytes are a record or an error. */
#include "common/ha/file_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct file_state s;
    struct error err = ERROR_INIT;
    file_state_init(&s);
    int rc = file_record_apply(&s, slice_make((const char *)data, size), true, &err);
    if (rc < 0) {
        entries_apply(&s.entries, HA_WRITE_CREATE, "a", slice_make("b", 1));
        rc = file_record_apply(&s, slice_make((const char *)data, size), false, &err);
    }
    (void)rc;
    file_state_fini(&s);
    return 0;
}
