/* Glob patterns and locations from hostile text: the input is a pattern, a NUL and a name.  Matching
 * ends and stays inside both. */
#include "common/fs/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t pattern_len = strnlen((const char *)data, size);
    size_t name_at = MIN(pattern_len + 1, size);
    /* Copies of the exact size, so that a read behind an end is seen. */
    char *pattern = mem_strndup((const char *)data, pattern_len);
    char *name = mem_strndup((const char *)data + name_at, size - name_at);
    (void)fs_glob_match(pattern, name);
    ASSERT(name[0] == '.' || fs_glob_match("*", name));
    (void)fs_is_glob(pattern);
    struct fs_location at;
    if (fs_location_parse(pattern, &at, NULL) == 0) {
        struct str uri = STR_INIT;
        struct fs_location again;
        ASSERT(at.path[0] == '/' && strstr(at.path, "//") == NULL);
        fs_location_format(&at, &uri);
        ASSERT(fs_location_parse(str_cstr(&uri), &again, NULL) == 0);
        ASSERT(strcmp(again.path, at.path) == 0);
        fs_location_fini(&again);
        fs_location_fini(&at);
        str_fini(&uri);
    }
    mem_free(pattern);
    mem_free(name);
    return 0;
}
