/* Inside of the room: the file system of the process and what its files share. */
#ifndef FLINC_COMMON_FS_HDFS_INSIDE_H
#define FLINC_COMMON_FS_HDFS_INSIDE_H

#include "common/fs/hdfs/client.h"
#include "common/fs/hdfs/hdfs.h"

struct hdfs_fs {
    struct hdfs_client *client; /* Owns */
    size_t buffer_bytes;
    struct hadoop_conf conf;
    pthread_mutex_t lock;
    struct map
        sites; /* struct hdfs_site *, Own, by "scheme://authority"; guarded by lock; none is ever dropped */
};
/* A place: the file system of the process, made now if it is the first time, and where the location is. */
struct hdfs_place {
    struct hdfs_fs *fs;     /* Borrows */
    struct hdfs_site *site; /* Borrows */
};
int hdfs_place_of(const struct fs_location *at, struct hdfs_place *ret,
                  struct error *err) MUST_CHECK;
/* "hdfs://host/path" of another path at the same place. */
void hdfs_uri_of(const struct fs_location *at, const char *path, struct str *ret_uri);

/* input.c */
int hdfs_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
              struct error *err);
/* output.c */
int hdfs_create(const struct fs_location *at, enum fs_write_mode mode,
                struct fs_output **ret_output, struct error *err);
/* A file that nobody else knows of, whole; after several tries it may lie beside it for a moment. */
int hdfs_put(const struct hdfs_place *place, const char *path, struct slice bytes,
             struct error *err) MUST_CHECK;
/* "/dir/.NAME.inprogress.ID" */
enum { HDFS_ID_BYTES = 33 };
void hdfs_new_id(char ret_id[HDFS_ID_BYTES]);
void hdfs_hidden_path(const char *path, const char *id, struct str *ret_path);

/* recoverable.c */
extern const struct recoverable_ops hdfs_recoverable_ops;
/* commit.c */
int hdfs_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                struct error *err);
int hdfs_cleanup(const struct recoverable_handle *h, struct error *err);
/* ERR_CORRUPT: the file at the path, beside the target, has not so many. */
int hdfs_read_bytes(const struct fs_location *target, const char *path, uint64_t offset,
                    uint8_t *to, size_t size, struct error *err) MUST_CHECK;

/* names.c */
int hdfs_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err);
int hdfs_stat_path(const struct hdfs_place *place, const char *path, struct fs_status *ret_status,
                   struct error *err) MUST_CHECK;
int hdfs_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err);
int hdfs_mkdirs(const struct fs_location *at, struct error *err);
int hdfs_rename(const struct fs_location *from, const struct fs_location *to, struct error *err);
int hdfs_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err);
int hdfs_remove_path(const struct hdfs_place *place, const char *path, enum fs_delete_mode mode,
                     struct error *err) MUST_CHECK;
/* FS_CREATE_NEW: ERR_ALREADY_EXISTS when there is something of the new name, which the server decides. */
int hdfs_rename_path(const struct hdfs_place *place, const char *from, const char *to,
                     enum fs_write_mode mode, struct error *err) MUST_CHECK;
/* Files of a folder whose names begin so: deletes them.  Failures are left. */
void hdfs_remove_beginning(const struct hdfs_place *place, const char *path_prefix);

#endif
