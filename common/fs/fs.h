/* File systems behind one interface, chosen by the scheme of a URI (Flink: FileSystem).  `file` is
 * built in and the default; others register a driver.
 *
 * Paths: `file:///x`, `/x`, and relative ones, which are made absolute by the working directory.
 * Messages name the path, the cause and, where one is known, the remedy; a full disk is ERR_NO_SPACE,
 * a missing file ERR_NOT_FOUND, a forbidden one ERR_PERMISSION.
 *
 * Thread: functions of paths any; an open file belongs to one thread at a time, except that
 * fs_input_read_at(), fs_input_read_cached() and fs_input_map() may be called by several. */
#ifndef FLINC_COMMON_FS_FS_H
#define FLINC_COMMON_FS_FS_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include <stdbool.h>

/* ---- locations ---------------------------------------------------------------------------------- */

enum { FS_SCHEME_MAX = 15, FS_PATH_MAX = 4095 };

struct fs_driver;

/* A parsed location. */
struct fs_location {
    const struct fs_driver *driver; /* Borrows */
    char scheme[FS_SCHEME_MAX + 1]; /* lower case */
    char *authority;                /* Owns; host or bucket, "" for file */
    char *path;                     /* Owns; absolute, "." and ".." and double slashes resolved */
};
int fs_location_parse(const char *uri, struct fs_location *ret_location,
                      struct error *err) MUST_CHECK;
void fs_location_fini(struct fs_location *location);
/* "file:/x" as Flink prints it; "s3://bucket/x". */
void fs_location_format(const struct fs_location *location, struct str *ret_uri);
/* What is behind the last '/' of a path; all of it without one. */
static inline const char *fs_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}
/* parent + "/" + name; the name must be one component without '/' (ERR_INVALID_ARGUMENT). */
int fs_join(const char *parent, const char *name, struct str *ret_uri,
            struct error *err) MUST_CHECK;

/* ---- reading ------------------------------------------------------------------------------------ */

enum fs_access {
    FS_ACCESS_SEQUENTIAL, /* read ahead far */
    FS_ACCESS_RANDOM,
};

struct fs_input;
int fs_open(const char *uri, enum fs_access access, struct fs_input **ret_input,
            struct error *err) MUST_CHECK;
/* Reads up to `size` bytes at `offset`; less only at the end of the file. */
int fs_input_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                     struct error *err) MUST_CHECK;
/* The same for bytes that the system has in memory: 1 when all of `size`, or all up to the end of the
 * file, were there; 0 when some are not, or the system cannot tell: then read_at() may wait for them.
 * Never waits; an error of reading is a 0, too. */
int fs_input_read_cached(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                         size_t *ret_n);
/* Says that this range is wanted soon; costs nothing when the system cannot use it. */
void fs_input_advise(struct fs_input *in, uint64_t offset, uint64_t size);
/* Says that this range is done with, so that a scan of a huge file does not empty the page cache. */
void fs_input_drop_behind(struct fs_input *in, uint64_t offset, uint64_t size);
/* Maps the file as it is now (size may be 0: data NULL).  The pages vanish when it is truncated
 * meanwhile (SIGBUS): for files that nobody changes.  ERR_UNSUPPORTED where there is no mapping. */
int fs_input_map(struct fs_input *in, const uint8_t **ret_data, uint64_t *ret_size,
                 struct error *err) MUST_CHECK;
uint64_t fs_input_size(const struct fs_input *in); /* at the time of the open */
const char *fs_input_path(const struct fs_input *in);
struct fs_input *fs_input_close(struct fs_input *in); /* NULL is fine; returns NULL */

/* ---- writing ------------------------------------------------------------------------------------ */

enum fs_write_mode {
    FS_CREATE_NEW, /* ERR_ALREADY_EXISTS when there is a file */
    FS_OVERWRITE,
};

enum { FS_OUTPUT_BUFFER_BYTES = 64 * 1024 };

/* Missing parent folders are made. */
struct fs_output;
int fs_create(const char *uri, enum fs_write_mode mode, struct fs_output **ret_output,
              struct error *err) MUST_CHECK;
int fs_output_write(struct fs_output *out, const void *data, size_t size,
                    struct error *err) MUST_CHECK;
int fs_output_flush(struct fs_output *out, struct error *err) MUST_CHECK; /* to the system */
/* To the disk; where a file is seen when it is closed (fs_hides_unfinished()) nothing: closing does it. */
int fs_output_sync(struct fs_output *out, struct error *err) MUST_CHECK;
uint64_t fs_output_position(const struct fs_output *out); /* bytes written, buffered ones too */
const char *fs_output_path(const struct fs_output *out);
/* Flushes and closes; an error means that the last bytes may be lost.  *out becomes NULL either way. */
int fs_output_close(struct fs_output **out, struct error *err) MUST_CHECK;
/* Closes without the buffered bytes; what is on disk stays.  NULL is fine; returns NULL. */
struct fs_output *fs_output_abandon(struct fs_output *out);

/* ---- names -------------------------------------------------------------------------------------- */

enum fs_kind {
    FS_KIND_FILE,
    FS_KIND_DIRECTORY,
    FS_KIND_SYMLINK, /* in listings only, and only dangling ones: links are followed */
    FS_KIND_OTHER,   /* devices, sockets, pipes */
};
const char *fs_kind_name(enum fs_kind kind);

struct fs_status {
    enum fs_kind kind;
    uint64_t size_bytes;
    int64_t modified_ms; /* since 1970 UTC */
    bool is_link;        /* the name is a symbolic link; the rest says what it leads to */
};
int fs_stat(const char *uri, struct fs_status *ret_status, struct error *err) MUST_CHECK;
/* 1: it is there, 0: it is not, negative: cannot tell. */
int fs_exists(const char *uri, struct error *err) MUST_CHECK;

struct fs_entry {
    char *name; /* Owns; of the entry alone */
    char *path; /* Owns; the location in full, ready for fs_open() */
    struct fs_status status;
};
enum {
    FS_LIST_LIMIT = 10 * 1000 * 1000, /* entries of one listing or glob */
    FS_DEPTH_MAX = 256,               /* folders in folders that a glob or a delete goes into */
    FS_BRACES_MAX = 1024,             /* patterns that the braces of one glob stand for */
};
struct fs_list {
    struct fs_entry *entries; /* Owns; sorted by path, bytewise */
    size_t n, cap;
};
#define FS_LIST_INIT \
    {                \
        NULL, 0, 0   \
    }
void fs_list_fini(struct fs_list *list);
/* What is in a folder.  Entries that vanish meanwhile are left out. */
int fs_list_dir(const char *uri, struct fs_list *ret_list, struct error *err) MUST_CHECK;
/* Existing files and folders that match: `*` and `?` within a component, `[a-z]` `[!a]`, `{a,b}`, `**` for
 * any number of folders (links to folders are not followed there); `\` quotes.  Hidden names (leading
 * dot) match only a pattern that begins with a dot.  A file whose name is the pattern as it stands is
 * taken for what was meant.  Nothing found is an empty list; ERR_INVALID_ARGUMENT: malformed pattern. */
int fs_glob(const char *pattern, struct fs_list *ret_list, struct error *err) MUST_CHECK;
bool fs_is_glob(const char *pattern);
/* Whether a name matches one component of a pattern. */
bool fs_glob_match(const char *pattern, const char *name);

/* Whether folders are things of their own, which are there once they are made and gone once they are deleted.  Else (object
 * stores) one is there while a file lies in it, and making one does nothing.  1, 0 or negative. */
int fs_has_folders(const char *uri, struct error *err) MUST_CHECK;
/* Whether a file is seen when its output is closed, whole, and not before: writers need no names to rename from, and nobody
 * can read what is still being written.  1, 0 or negative. */
int fs_hides_unfinished(const char *uri, struct error *err) MUST_CHECK;
int fs_mkdirs(const char *uri, struct error *err) MUST_CHECK; /* fine when it is there */
/* Atomic within one file system, and replaces a file of the new name. */
int fs_rename(const char *from_uri, const char *to_uri, struct error *err) MUST_CHECK;
/* Makes the names in a folder, made, renamed or deleted, survive a power failure; nothing to do where a
 * file system has no such thing. */
int fs_sync_folder(const char *uri, struct error *err) MUST_CHECK;
enum fs_delete_mode {
    FS_DELETE_ONE,       /* a file or an empty folder */
    FS_DELETE_RECURSIVE, /* links inside are removed, never followed */
};
/* ERR_NOT_FOUND when there is nothing. */
int fs_delete(const char *uri, enum fs_delete_mode mode, struct error *err) MUST_CHECK;

#endif
