/* Where the sample plug-ins of this folder are, and small files for the tests. */
#ifndef FLINC_TESTS_UNIT_COMMON_PLUGIN_SAMPLE_H
#define FLINC_TESTS_UNIT_COMMON_PLUGIN_SAMPLE_H

#include "common/base/str.h"
#include <stdio.h>
#include <unistd.h>

/* <folder of the test program>/common_plugin/plugin_<variety>.so */
static inline void sample_path(const char *variety, struct str *out)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    ASSERT(n > 0);
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    ASSERT(slash != NULL);
    str_append(out, exe, (size_t)(slash - exe));
    str_printf(out, "/common_plugin/plugin_%s.so", variety);
}

static inline void sample_read(const char *variety, struct str *out)
{
    STR_AUTO path = STR_INIT;
    sample_path(variety, &path);
    FILE *f = fopen(str_cstr(&path), "rb");
    ASSERT(f != NULL);
    char buf[4096];
    for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;) {
        str_append(out, buf, n);
    }
    fclose(f);
}

static inline void sample_write(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "wb");
    ASSERT(f != NULL);
    ASSERT(bytes.len == 0 || fwrite(bytes.data, 1, bytes.len, f) == bytes.len);
    ASSERT(fclose(f) == 0);
}

#endif
