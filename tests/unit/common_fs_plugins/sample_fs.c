/* A file system that does not keep to its contract; by macros also one that cannot be loaded. */
#include <flinc/filesystem.h>

#ifndef TEST_VERSION
#define TEST_VERSION FLINC_FS_ABI_VERSION
#endif
#ifndef TEST_SIZE
#define TEST_SIZE sizeof(flinc_fs_plugin)
#endif
#ifndef TEST_READ
#define TEST_READ read_at
#endif
#ifndef TEST_RECOVER
#define TEST_RECOVER recover
#endif
#ifndef TEST_SCHEME
#define TEST_SCHEME "liar"
#endif
#ifndef TEST_START
#define TEST_START 0
#endif
#ifndef TEST_ENTRY
#define TEST_ENTRY flinc_file_system_entry
#endif

#ifdef TEST_CALL
void TEST_CALL(void);
#endif

static int start(const flinc_fs_settings *settings, void **ret_fs, flinc_fs_error *error)
{
#ifdef TEST_CALL
    TEST_CALL();
#endif
    *ret_fs = NULL;
    return TEST_START ? flinc_fs_fail(error, FLINC_FS_UNAVAILABLE, "the service of %s is away",
                                      settings->process)
                      : 0;
}

static int open_file(void *fs, const flinc_fs_path *path, void **ret_file, uint64_t *ret_size,
                     flinc_fs_error *error)
{
    if (strstr(path->path, "missing") != NULL) {
        return FLINC_FS_NOT_FOUND; /* and no word why */
    }
    if (strstr(path->path, "strange") != NULL) {
        memset(error->message, 'x', sizeof(error->message)); /* without its NUL */
        return 4711;
    }
    *ret_file = fs;
    *ret_size = 1;
    return 0;
}

static int __attribute__((unused))
read_at(void *file, uint64_t offset, void *buf, size_t size, size_t *ret_n, flinc_fs_error *error)
{
    *ret_n = size + 1;
    return 0;
}

static void close_file(void *file)
{
}

/* What was written, as sizes of pieces: create() of ".../sizes" gives it to the next stat() as a size. */
static uint64_t smallest, n_pieces;

static int create(void *fs, const flinc_fs_path *path, enum flinc_fs_create_mode mode,
                  void **ret_output, flinc_fs_error *error)
{
    smallest = UINT64_MAX;
    n_pieces = 0;
    *ret_output = fs;
    return 0;
}

static int write_file(void *output, const void *data, size_t size, flinc_fs_error *error)
{
    smallest = size < smallest ? size : smallest;
    n_pieces++;
    return 0;
}

static int sync_file(void *output, flinc_fs_error *error)
{
    return 0;
}

static int stat_path(void *fs, const flinc_fs_path *path, flinc_fs_status *ret_status,
                     flinc_fs_error *error)
{
    ret_status->kind = FLINC_FS_FILE;
    ret_status->size_bytes = smallest;
    ret_status->modified_ms = (int64_t)n_pieces;
    return 0;
}

static int list(void *fs, const flinc_fs_path *path,
                int (*add)(void *arg, const char *name, const flinc_fs_status *status), void *arg,
                flinc_fs_error *error)
{
    flinc_fs_status status = {sizeof(status), FLINC_FS_FILE, 1, 1};
    return add(arg, "../up", &status);
}

static int on_path(void *fs, const flinc_fs_path *path, flinc_fs_error *error)
{
    return 0;
}

static int rename_path(void *fs, const flinc_fs_path *from, const flinc_fs_path *to,
                       flinc_fs_error *error)
{
    return 0;
}

static int remove_path(void *fs, const flinc_fs_path *path, int recursive, flinc_fs_error *error)
{
    return 0;
}

static int recoverable_open(void *fs, const flinc_fs_path *path, char *ret_token, void **ret_file,
                            flinc_fs_error *error)
{
    memset(ret_token, 't', FLINC_FS_TOKEN_MAX); /* no end */
    *ret_file = fs;
    return 0;
}

static int __attribute__((unused)) recover(void *fs, const flinc_fs_path *path, const char *token,
                                           uint64_t length, void **ret_file, flinc_fs_error *error)
{
    *ret_file = fs;
    return 0;
}

static int persist(void *file, char *token, flinc_fs_error *error)
{
    return 0;
}

static int commit(void *fs, const flinc_fs_path *path, const char *token, uint64_t length,
                  enum flinc_fs_commit_mode mode, flinc_fs_error *error)
{
    return 0;
}

static int cleanup(void *fs, const flinc_fs_path *path, const char *token, flinc_fs_error *error)
{
    return 0;
}

static const char *const schemes[] = {TEST_SCHEME, NULL};
static const flinc_fs_plugin plugin = {
    .struct_size = TEST_SIZE,
    .abi_version = TEST_VERSION,
    .name = "sample",
    .schemes = schemes,
    .start = start,
    .open = open_file,
    .read_at = TEST_READ,
    .close = close_file,
    .create = create,
    .write = write_file,
    .sync = sync_file,
    .finish = sync_file,
    .abandon = close_file,
    .stat = stat_path,
    .list = list,
    .mkdirs = on_path,
    .rename = rename_path,
    .remove = remove_path,
    .recoverable_open = recoverable_open,
    .recoverable_recover = TEST_RECOVER,
    .recoverable_write = write_file,
    .recoverable_persist = persist,
    .recoverable_close = close_file,
    .recoverable_commit = commit,
    .recoverable_cleanup = cleanup,
};

FLINC_API const flinc_fs_plugin *TEST_ENTRY(void);
FLINC_API const flinc_fs_plugin *TEST_ENTRY(void)
{
    return &plugin;
}
