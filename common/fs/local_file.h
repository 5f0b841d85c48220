/* Inside the room: what the parts of the local file system share. */
#ifndef FLINC_COMMON_FS_LOCAL_FILE_H
#define FLINC_COMMON_FS_LOCAL_FILE_H

#include "common/fs/driver.h"

/* "opening /x: Permission denied; check ...": path, cause, remedy. */
int local_error(struct error *err, int errno_value, const char *doing, const char *path) COLD;

/* Makes the folder of a file that is to be created. */
int local_make_parent(const char *path, struct error *err);
/* Makes a new or changed name in the folder of `path` survive a power failure. */
int local_sync_parent(const char *path, struct error *err);

/* A file being written through a buffer.  After a failed write nothing more is written: what is on
 * disk is known to be a beginning of what was meant.  Thread: one owner. */
struct local_sink {
    int fd;
    char *path;      /* Owns */
    uint8_t *buffer; /* Owns; FS_OUTPUT_BUFFER_BYTES, made at the first small write */
    size_t fill;     /* bytes in it */
    bool failed;
    bool name_synced; /* the folder entry is known to be on disk */
};

/* `flags` are open(2)'s; missing parent folders are made when it creates. */
int local_sink_open(struct local_sink *s, const char *path, int flags,
                    struct error *err) MUST_CHECK;
int local_sink_write(struct local_sink *s, const void *data, size_t size,
                     struct error *err) MUST_CHECK;
int local_sink_flush(struct local_sink *s, struct error *err) MUST_CHECK;
int local_sink_sync(struct local_sink *s, struct error *err) MUST_CHECK;
/* Closes and frees what it owns, failed or not; unflushed bytes are lost. */
int local_sink_close(struct local_sink *s, struct error *err);

/* The driver's functions by file. */
int local_create(const struct fs_location *at, enum fs_write_mode mode,
                 struct fs_output **ret_output, struct error *err);
int local_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
               struct error *err);
int local_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err);
int local_mkdirs_path(const char *path, struct error *err);
extern const struct recoverable_ops recoverable_ops_local;

#endif
