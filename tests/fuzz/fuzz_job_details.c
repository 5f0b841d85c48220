/* Packed details of a job from any bytes: a good checksum is put on, so that the fields are reached. */
#include "common/base/crc32c.h"
#include "jobmanager/jobmaster/job_details.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct job_details *d = NULL;
    STR_AUTO bytes = STR_INIT;
    uint8_t head[16] = {'F', 'L', 'J', 'D', 1};
    for (int i = 0; i < 8; i++) {
        head[8 + i] = (uint8_t)(size >> (8 * i));
    }
    str_append(&bytes, (const char *)head, sizeof(head));
    str_append(&bytes, (const char *)data, size);
    uint32_t crc = crc32c(0, bytes.data, bytes.len);
    for (int i = 0; i < 4; i++) {
        str_append_char(&bytes, (char)(crc >> (8 * i)));
    }
    if (job_details_unpack((const uint8_t *)bytes.data, bytes.len, &d, NULL) == 0) {
        STR_AUTO again = STR_INIT;
        job_details_pack(d, &again);
        ASSERT(again.len <= bytes.len);
        job_details_unref(d);
    }
    return 0;
}
