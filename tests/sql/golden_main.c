/* See golden_main.h. */
#include "tests/sql/golden_main.h"

#include "common/fs/fs.h"

#include <stdio.h>

static void run_file(const char *path, const struct golden_session_ops *ops, enum golden_mode mode,
                     struct golden_count *count)
{
    STR_AUTO out = STR_INIT;
    struct error err = ERROR_INIT;
    int rc = golden_run(path, ops, mode, count, &out, &err);
    fputs(str_cstr(&out), stdout);
    if (rc < 0) {
        printf("%s\n", err.message);
        count->failed++;
    }
}

/* A file, or the .test files of a folder. */
static int run(const char *path, const struct golden_session_ops *ops, enum golden_mode mode,
               struct golden_count *count)
{
    struct fs_status status;
    struct fs_list files = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    if (fs_stat(path, &status, &err) < 0) {
        printf("%s\n", err.message);
        return -1;
    }
    if (status.kind != FS_KIND_DIRECTORY) {
        run_file(path, ops, mode, count);
        return 0;
    }
    int rc = fs_list_dir(path, &files, &err);
    for (size_t i = 0; i < files.n && rc == 0; i++) {
        const char *file = files.entries[i].path;
        if (cstr_ends_with(file, ".test")) {
            run_file(strncmp(file, "file:", 5) == 0 ? file + 5 : file, ops, mode, count);
        }
    }
    fs_list_fini(&files);
    return rc;
}

int golden_main(int argc, char **argv, const struct golden_session_ops *ops)
{
    enum golden_mode mode = GOLDEN_COMPARE;
    struct golden_count count = {0, 0};
    int rc = 0;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--print") == 0) {
            mode = GOLDEN_PRINT;
        } else {
            rc = run(argv[i], ops, mode, &count);
        }
    }
    if (mode == GOLDEN_COMPARE) {
        printf("%u statements, %u failed\n", count.statements, count.failed);
    }
    return rc < 0 || count.failed > 0 || count.statements == 0 ? 1 : 0;
}
