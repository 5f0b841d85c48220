/* What a file system implements: a const table of functions by scheme.  The wrappers of fs.h check
 * arguments, resolve the location and call these; drivers add nothing to the interface.  In a process
 * drivers are registered before threads start. */
#ifndef FLINC_COMMON_FS_DRIVER_H
#define FLINC_COMMON_FS_DRIVER_H

#include "common/fs/fs.h"
#include "common/fs/recoverable.h"

enum { FS_DRIVERS_MAX = 64 };

struct fs_input_ops {
    int (*read_at)(struct fs_input *in, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                   struct error *err);
    int (*read_cached)(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                       size_t *ret_n);                                        /* NULL: never */
    void (*advise)(struct fs_input *in, uint64_t offset, uint64_t size);      /* may be NULL */
    void (*drop_behind)(struct fs_input *in, uint64_t offset, uint64_t size); /* may be NULL */
    int (*map)(struct fs_input *in, const uint8_t **ret_data, uint64_t *ret_size,
               struct error *err); /* NULL: unsupported */
    void (*close)(struct fs_input *in);
};
/* First member of a driver's input. */
struct fs_input {
    const struct fs_input_ops *ops;
    char *path; /* Owns; as shown in messages */
    uint64_t size_bytes;
};

struct fs_output_ops {
    int (*write)(struct fs_output *out, const void *data, size_t size, struct error *err);
    int (*flush)(struct fs_output *out, struct error *err);
    int (*sync)(struct fs_output *out, struct error *err);
    int (*close)(struct fs_output *out, struct error *err); /* frees it, failed or not */
    void (*abandon)(struct fs_output *out);                 /* frees it */
};
/* First member of a driver's output. */
struct fs_output {
    const struct fs_output_ops *ops;
    char *path; /* Owns */
    uint64_t position_bytes;
};

/* First member of a driver's recoverable file.  `inprogress` is whatever the driver needs to find the
 * unfinished file again; the handles carry it. */
struct recoverable {
    const struct recoverable_ops *ops;
    char *target_uri;      /* Owns */
    char *inprogress;      /* Owns */
    uint64_t length_bytes; /* written so far */
};
enum recoverable_commit_mode {
    RECOVERABLE_COMMIT_FIRST, /* the file must be there, exactly as it was closed */
    RECOVERABLE_COMMIT_AGAIN, /* it may have been committed before, or be longer than persisted */
};
struct recoverable_ops {
    int (*open)(const struct fs_location *target, struct recoverable **ret_file, struct error *err);
    int (*recover)(const struct recoverable_handle *handle, struct recoverable **ret_file,
                   struct error *err);
    int (*write)(struct recoverable *f, const void *data, size_t size, struct error *err);
    int (*sync)(struct recoverable *f, struct error *err); /* all bytes to the disk */
    void (*close)(struct recoverable *f);                  /* frees it, leaves what is on disk */
    int (*commit)(const struct recoverable_handle *handle, enum recoverable_commit_mode mode,
                  struct error *err);
    int (*cleanup)(const struct recoverable_handle *handle, struct error *err);
    /* Before a commit of persisted bytes: whoever has the unfinished file open writes to what is not it any more.  Fine
     * when it is gone.  NULL: there is no such thing. */
    int (*seal)(const struct recoverable_handle *handle, struct error *err);
};

struct fs_driver {
    const char *scheme;      /* "file" */
    const char *description; /* "local files" */
    int (*open)(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
                struct error *err);
    int (*create)(const struct fs_location *at, enum fs_write_mode mode,
                  struct fs_output **ret_output, struct error *err);
    int (*stat)(const struct fs_location *at, struct fs_status *ret_status, struct error *err);
    int (*list)(const struct fs_location *at, struct fs_list *ret_list, struct error *err);
    int (*mkdirs)(const struct fs_location *at, struct error *err);
    int (*rename)(const struct fs_location *from, const struct fs_location *to, struct error *err);
    int (*remove)(const struct fs_location *at, enum fs_delete_mode mode, struct error *err);
    int (*sync_folder)(const struct fs_location *at, struct error *err); /* NULL: nothing to do */
    const struct recoverable_ops *recoverable; /* NULL: no recoverable writer */
    bool has_no_folders;                       /* fs_has_folders() is false */
    bool hides_unfinished;                     /* fs_hides_unfinished() is true */
};

extern const struct fs_driver fs_driver_local;

/* ERR_ALREADY_EXISTS for a scheme that is taken, ERR_LIMIT above FS_DRIVERS_MAX. */
int fs_driver_register(const struct fs_driver *driver, struct error *err) MUST_CHECK;
/* NULL when no driver has the scheme. */
const struct fs_driver *fs_driver_find(const char *scheme);
/* Appends the known schemes, "file, s3". */
void fs_driver_schemes(struct str *ret_list);

/* Said behind the schemes that there are when somebody asks for another one: where others would come from.  Copied. */
void fs_driver_set_hint(const char *hint);
const char *fs_driver_hint(void); /* "" when there is none */

/* For drivers: appends an entry (names are copied) / sorts what list() found. */
int fs_list_add(struct fs_list *list, const char *name, const char *path,
                const struct fs_status *status, struct error *err) MUST_CHECK;
void fs_list_sort(struct fs_list *list);

#endif
