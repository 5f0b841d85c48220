/* Inside of the room: the file system of the process and what its files share. */
#ifndef FLINC_COMMON_FS_S3_INSIDE_H
#define FLINC_COMMON_FS_S3_INSIDE_H

#include "common/fs/s3/client.h"
#include "common/fs/s3/s3.h"

struct s3_fs {
    struct s3_client *client; /* Owns */
    uint64_t part_bytes;
    uint32_t n_uploads; /* parts of one file at once */
    char *entropy_key;  /* Owns; NULL: none */
    uint32_t entropy_length;
    _Atomic bool lacks_conditions; /* the server answered 501 to If-None-Match */
};
/* The one of the process, made now if it is the first time. */
int s3_fs_get(struct s3_fs **ret_fs, struct error *err) MUST_CHECK;

/* "/a/b" of a location is the key "a/b". */
static inline const char *s3_key_of(const struct fs_location *at)
{
    return at->path + (at->path[0] == '/');
}

/* input.c */
int s3_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
            struct error *err);
/* output.c */
int s3_create(const struct fs_location *at, enum fs_write_mode mode, struct fs_output **ret_output,
              struct error *err);
/* recoverable.c */
extern const struct recoverable_ops s3_recoverable_ops;
/* names.c */
int s3_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err);
int s3_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err);
int s3_mkdirs(const struct fs_location *at, struct error *err);
int s3_rename(const struct fs_location *from, const struct fs_location *to, struct error *err);
int s3_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err);
/* All objects whose keys begin so. */
int s3_delete_below(struct s3_fs *fs, const char *bucket, const char *prefix,
                    struct error *err) MUST_CHECK;
/* Of an object alone; ERR_NOT_FOUND: there is none, but maybe a folder. */
struct s3_object {
    uint64_t size;
    int64_t modified_ms;
    char etag[128];
    char writer[64]; /* x-amz-meta-flinc-writer */
};
/* Why there is no object: the bucket is not there, it is a folder, or there is nothing.  Negative always. */
int s3_explain_missing(struct s3_fs *fs, const char *bucket, const char *key,
                       struct error *err) MUST_CHECK;
int s3_head(struct s3_fs *fs, const char *bucket, const char *key, struct s3_object *ret_object,
            struct error *err) MUST_CHECK;

/* The server takes no conditions: says so once, and from then on it is looked whether the name is taken. */
void s3_note_no_conditions(struct s3_fs *fs);
/* The object is there and has the mark of this writer: what it did although an answer was lost. */
bool s3_is_of(struct s3_fs *fs, const char *bucket, const char *key, const char *writer);
/* ERR_ALREADY_EXISTS: there is one, and not of this writer. */
int s3_check_new(struct s3_fs *fs, const char *bucket, const char *key, const char *writer,
                 struct error *err) MUST_CHECK;

/* The size of that part of a file that is written from end to end: the later ones are larger, so that S3_PARTS_MAX suffice
 * for files that are hundreds of GB long, while small files take little memory. */
enum { S3_PARTS_ALIKE = 1000, S3_PART_DOUBLED_MAX = 4, S3_PART_BYTES_MAX = 128 * 1024 * 1024 };
uint64_t s3_part_bytes(const struct s3_fs *fs, uint32_t number);

enum { S3_UPLOAD_ID_MAX = 1024 };

/* A part that the server has. */
struct s3_noted_part {
    char *etag; /* Owns; NULL: it has not come yet */
    char crc32c[S3_CRC32C_BYTES];
};

/* multipart.c: uploads in parts, which become an object together.  Thread: one at a time. */
struct s3_upload {
    struct s3_fs *fs;   /* Borrows */
    char *bucket, *key; /* Own */
    char writer[64];    /* the mark that the object gets */
    const char *doing;  /* "writing", for messages */
    char *id;           /* Owns; NULL: not begun, or it has ended */
    uint32_t n_parts;   /* so far, with those on their way */
    struct vec noted;   /* struct s3_noted_part: by part; Owns */
    bool is_copied;     /* all of it, so that there is nothing to check */
    bool has_checksums; /* it was begun so: each part has one */
};
/* `writer`: at most ID_HEX_LEN letters.  It is begun on the server by its first part. */
void s3_upload_init(struct s3_upload *u, struct s3_fs *fs, const char *bucket, const char *key,
                    const char *writer);
/* Goes on with one that was begun elsewhere and counts so many parts; what they are, and has_checksums, are noted by the
 * caller. */
void s3_upload_go_on(struct s3_upload *u, const char *id, uint32_t n_parts);
/* `crc32c`: "" of uploads without check sums. */
void s3_upload_note(struct s3_upload *u, uint32_t number, const char *etag, const char *crc32c);

/* A part on its way. */
struct s3_part {
    uint32_t number; /* from 1 */
    char number_text[12];
    struct s3_call call;
};
/* The next part is on its way; `bytes` stay until s3_upload_wait().  ERR_TOO_LARGE: there are S3_PARTS_MAX. */
int s3_upload_start(struct s3_upload *u, struct slice bytes, struct s3_part *part,
                    struct error *err) MUST_CHECK;
int s3_upload_wait(struct s3_upload *u, struct s3_part *part, struct error *err) MUST_CHECK;
/* Both; on failure the number is given again. */
int s3_upload_send(struct s3_upload *u, struct slice bytes, struct error *err) MUST_CHECK;
/* The next part is those bytes of another object; n_bytes 0: all of it. */
int s3_upload_copy(struct s3_upload *u, const char *bucket, const char *key, uint64_t offset,
                   uint64_t n_bytes, struct error *err) MUST_CHECK;
/* The object is there.  `is_new`: ERR_ALREADY_EXISTS when one was there, unless it is ours and its answer was lost. */
int s3_upload_complete(struct s3_upload *u, bool is_new, struct error *err) MUST_CHECK;
/* Harmless for one that was never begun or was completed; what fails is left to the bucket's own rules. */
void s3_upload_abort(struct s3_upload *u);
void s3_upload_fini(struct s3_upload *u);
/* The value of x-amz-copy-source, appended: "/bucket/key", escaped. */
void s3_copy_source(const char *bucket, const char *key, struct str *ret_source);

#endif
