/* flinc/filesystem.h: file systems of third parties.  A plug-in is a shared object plugins/NAME/FILE.so that exports one
 * function, FLINC_FILE_SYSTEM(my_plugin); each process of Flinc that reads or writes files (job manager, task managers and their
 * workers, history server, `flink`) loads it at its start, and uses it for the schemes that it names, wherever a location is
 * given: checkpoints, savepoints, high availability, job inputs, the file sink, archives, bundles.
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) my_fs.c -o plugins/my-fs/my_fs.so
 *
 * It includes this header and links nothing of Flinc.
 *
 * Versions.  A struct begins with its size and FLINC_FS_ABI_VERSION of the header that it was compiled with.  New functions are
 * added at its end, and are absent for plug-ins that are older; what exists keeps its meaning, else the version grows and older
 * plug-ins are refused with a sentence.
 *
 * Threads.  start() and stop() are called once, by one thread, before and after all others.  Functions of paths are called by many threads
 * at the same time.  What open(), create() and recoverable_open() made is used by one thread at a time, except that read_at() of one file
 * may be called by several.  All functions may block; each must come to an end by itself, with FLINC_FS_TIMEOUT when need be.  A plug-in may
 * have threads of its own, made in start() or later and ended in stop(): a number that does not grow with files or jobs.  It blocks all
 * signals in them, and never forks.
 *
 * Ownership.  Arguments are borrowed for the call.  What a function returns by a void pointer belongs to the plug-in until the function
 * that ends it: close(), finish() or abandon(), recoverable_close().  Outputs are only read after 0 was returned.
 *
 * Errors.  0, or one of enum flinc_fs_code with flinc_fs_fail(); the code decides what happens (a transient failure may be tried again,
 * restarts the job), the message goes to people: the path, what was wrong, the remedy.
 *
 * Flink: FileSystemFactory, FileSystem, RecoverableWriter. */
#ifndef FLINC_FILESYSTEM_H
#define FLINC_FILESYSTEM_H

#include <stdarg.h>
#include <stdio.h>

#include "flinc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FLINC_FS_ABI_VERSION 1
#define FLINC_FS_MESSAGE_MAX 1024
#define FLINC_FS_TOKEN_MAX 2048 /* of an unfinished recoverable file, with its NUL */
#define FLINC_FS_SCHEMES_MAX 8  /* of one plug-in */
#define FLINC_FS_SCHEME_MAX 15  /* letters of a scheme */

enum flinc_fs_code {
    FLINC_FS_OK = 0,
    FLINC_FS_NOT_FOUND = 1,      /* there is no such file or folder */
    FLINC_FS_ALREADY_EXISTS = 2, /* FLINC_FS_CREATE_NEW, and there is one */
    FLINC_FS_PERMISSION = 3,
    FLINC_FS_INVALID = 4,     /* this location, or setting, can never work */
    FLINC_FS_UNSUPPORTED = 5, /* this file system cannot do it */
    FLINC_FS_NO_SPACE = 6,
    FLINC_FS_UNAVAILABLE = 7, /* the service is not reached now: transient */
    FLINC_FS_TIMEOUT = 8,     /* transient */
    FLINC_FS_IO = 9,          /* transient, and whatever fits none of these */
    FLINC_FS_CORRUPT = 10,    /* the data is damaged: trying again does not help */
    FLINC_FS_TOO_LARGE = 11
};

typedef struct flinc_fs_error {
    char message[FLINC_FS_MESSAGE_MAX]; /* NUL-terminated; a sentence without full stop */
} flinc_fs_error;

/* Sets the message (error may be NULL) and is the code. */
static inline int flinc_fs_fail(flinc_fs_error *error, enum flinc_fs_code code, const char *fmt,
                                ...) FLINC_PRINTF(3, 4);
static inline int flinc_fs_fail(flinc_fs_error *error, enum flinc_fs_code code, const char *fmt,
                                ...)
{
    if (error) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(error->message, sizeof(error->message), fmt, ap);
        va_end(ap);
    }
    return (int)code;
}

/* A location, taken apart: "scheme://authority/path". */
typedef struct flinc_fs_path {
    uint32_t struct_size;
    const char *scheme;    /* lower case */
    const char *authority; /* host, bucket ...; "" without one */
    const char *path; /* begins with '/'; no "." and "..", no double slashes, none at its end */
    const char *uri;  /* all of it, for messages */
} flinc_fs_path;

enum flinc_fs_kind { FLINC_FS_FILE = 0, FLINC_FS_FOLDER = 1 };

typedef struct flinc_fs_status {
    uint32_t struct_size; /* set by the caller */
    enum flinc_fs_kind kind;
    uint64_t size_bytes;
    int64_t modified_ms; /* since 1970 UTC */
} flinc_fs_status;

/* The configuration (config.yaml and -D), for start(). */
typedef struct flinc_fs_settings {
    uint32_t struct_size;
    void *arg;
    /* The text of fs.plugin.NAME.<key>, with the plug-in's name; else that of <key>, which may be one of Flinc's own; NULL: it is not set.
     * Valid during start(). */
    const char *(*get)(const struct flinc_fs_settings *settings, const char *key);
    const char
        *process; /* "flinc-taskworker": who loads it, for messages and logs of the plug-in */
} flinc_fs_settings;

enum flinc_fs_create_mode { FLINC_FS_CREATE_NEW = 0, FLINC_FS_OVERWRITE = 1 };

enum flinc_fs_commit_mode {
    FLINC_FS_COMMIT_FIRST = 0, /* the unfinished file must be there, with exactly this length */
    FLINC_FS_COMMIT_AGAIN = 1  /* it may have been committed before, or be longer: then it is cut */
};

enum flinc_fs_flags {
    FLINC_FS_HAS_NO_FOLDERS =
        1, /* a folder is there as long as a file lies in it; mkdirs() may be NULL */
    FLINC_FS_HIDES_UNFINISHED =
        2 /* a file is seen when its output is finished, whole, and not before */
};

typedef struct flinc_fs_plugin {
    uint32_t struct_size; /* sizeof(flinc_fs_plugin) */
    uint32_t abi_version; /* FLINC_FS_ABI_VERSION */
    const char *
        name; /* "my-fs": in messages, and in fs.plugin.my-fs.<key>; lower-case letters, digits, '-', '_' */
    const char *description; /* "files of my service" */
    const char *const
        *schemes;   /* NULL-terminated: lower-case letters, digits, '+', '-', '.'; a letter first */
    uint32_t flags; /* enum flinc_fs_flags */

    /* ---- the process ---- */

    /* *ret_fs is given to the functions of paths.  A failure leaves the plug-in out, with the message in the log. */
    int (*start)(const flinc_fs_settings *settings, void **ret_fs, flinc_fs_error *error);
    void (*stop)(
        void *fs); /* may be NULL; nothing is open any more, but the process may also just end */

    /* ---- reading ---- */

    /* A file, with its size as it is now.  FLINC_FS_NOT_FOUND; folders are FLINC_FS_INVALID. */
    int (*open)(void *fs, const flinc_fs_path *path, void **ret_file, uint64_t *ret_size,
                flinc_fs_error *error);
    /* Up to `size` bytes at `offset`; less only at the end of the file. */
    int (*read_at)(void *file, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                   flinc_fs_error *error);
    void (*close)(void *file);

    /* ---- writing ---- */

    /* Missing parent folders are made.  FLINC_FS_CREATE_NEW decides between several that create one name at the same time: all but
     * one of them get FLINC_FS_ALREADY_EXISTS, here or in finish(). */
    int (*create)(void *fs, const flinc_fs_path *path, enum flinc_fs_create_mode mode,
                  void **ret_output, flinc_fs_error *error);
    /* In pieces of 64 KiB or more, but for the last. */
    int (*write)(void *output, const void *data, size_t size, flinc_fs_error *error);
    /* What was written survives a crash afterwards (with FLINC_FS_HIDES_UNFINISHED: once it is finished). */
    int (*sync)(void *output, flinc_fs_error *error);
    /* The file is complete, and durable with FLINC_FS_HIDES_UNFINISHED.  Ends the output, whether it fails or not. */
    int (*finish)(void *output, flinc_fs_error *error);
    void (*abandon)(void *output); /* ends it; what was written may stay or go */

    /* ---- names ---- */

    int (*stat)(void *fs, const flinc_fs_path *path, flinc_fs_status *ret_status,
                flinc_fs_error *error);
    /* Calls add(arg, name, status) for each entry of a folder, in any order; name: without '/'.  When add() is not 0, list() ends with that.
     * FLINC_FS_NOT_FOUND: there is no such folder. */
    int (*list)(void *fs, const flinc_fs_path *path,
                int (*add)(void *arg, const char *name, const flinc_fs_status *status), void *arg,
                flinc_fs_error *error);
    int (*mkdirs)(void *fs, const flinc_fs_path *path,
                  flinc_fs_error *error); /* fine when it is there */
    /* Atomic, durable, and replaces a file of the new name. */
    int (*rename)(void *fs, const flinc_fs_path *from, const flinc_fs_path *to,
                  flinc_fs_error *error);
    /* A file or an empty folder; with `recursive` all that lies in it, too.  FLINC_FS_NOT_FOUND. */
    int (*remove)(void *fs, const flinc_fs_path *path, int recursive, flinc_fs_error *error);

    /* ---- recoverable files: those of the file sink (all or none; without them the sink refuses the scheme) ---- */

    /* A file that is seen when it is committed.  The token says, to any process, where its unfinished bytes are: a text of at most
     * FLINC_FS_TOKEN_MAX bytes with its NUL, which checkpoints keep. */
    int (*recoverable_open)(void *fs, const flinc_fs_path *path, char *ret_token, void **ret_file,
                            flinc_fs_error *error);
    /* Goes on behind `length` bytes, which were persisted under this token; what lies behind them is cut off. */
    int (*recoverable_recover)(void *fs, const flinc_fs_path *path, const char *token,
                               uint64_t length, void **ret_file, flinc_fs_error *error);
    int (*recoverable_write)(void *file, const void *data, size_t size, flinc_fs_error *error);
    /* Everything written so far survives a crash; `token` may be written anew. */
    int (*recoverable_persist)(void *file, char *token, flinc_fs_error *error);
    void (*recoverable_close)(void *file); /* the unfinished file stays */
    /* The file appears under its name, with `length` bytes, at once. */
    int (*recoverable_commit)(void *fs, const flinc_fs_path *path, const char *token,
                              uint64_t length, enum flinc_fs_commit_mode mode,
                              flinc_fs_error *error);
    /* Deletes the unfinished file; fine when it is gone. */
    int (*recoverable_cleanup)(void *fs, const flinc_fs_path *path, const char *token,
                               flinc_fs_error *error);
} flinc_fs_plugin;

/* Exported by the shared object; the plug-in lives as long as the process. */
typedef const flinc_fs_plugin *(*flinc_fs_entry)(void);
#define FLINC_FS_ENTRY_SYMBOL "flinc_file_system_entry"
#ifdef __cplusplus
#define FLINC_FILE_SYSTEM(plugin)                                              \
    extern "C" FLINC_API const flinc_fs_plugin *flinc_file_system_entry(void); \
    extern "C" FLINC_API const flinc_fs_plugin *flinc_file_system_entry(void)  \
    {                                                                          \
        return &(plugin);                                                      \
    }
#else
#define FLINC_FILE_SYSTEM(plugin)                                   \
    FLINC_API const flinc_fs_plugin *flinc_file_system_entry(void); \
    FLINC_API const flinc_fs_plugin *flinc_file_system_entry(void)  \
    {                                                               \
        return &(plugin);                                           \
    }
#endif

#ifdef __cplusplus
}
#endif

#endif
