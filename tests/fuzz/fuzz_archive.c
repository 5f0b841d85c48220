/* Archives of jobs from hostile bytes: read or refused, and what is read has paths that no file system would follow
 * anywhere. */
#include "jobmanager/history/archive_reader.h"

static int check(void *arg, struct slice path, struct slice json, struct error *err)
{
    ASSERT(path.len <= ARCHIVE_PATH_MAX && json.len <= ARCHIVE_ENTRY_MAX);
    ASSERT(memmem(path.data, path.len, "..", 2) == NULL || path.data[0] != '.');
    ASSERT(memmem(path.data, path.len, "/.", 2) == NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct archive_sink sink = {.entry = check};
    struct slice text = slice_make((const char *)data, size);
    int rc = archive_read_text("fuzz", text, "0123456789abcdef0123456789abcdef", &sink, NULL);
    ASSERT(rc <= 0);
    return 0;
}
