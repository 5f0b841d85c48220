/* Bundles, and files that they need, named by their addresses: fetched into a local folder.  See README.md.
 * Thread: any; blocks. */
#ifndef FLINC_COMMON_FS_ARTIFACT_ARTIFACT_H
#define FLINC_COMMON_FS_ARTIFACT_ARTIFACT_H

#include "common/conf/conf.h"
#include "common/fs/owned_dir.h"
#include "common/loop/cancel.h"

enum {
    ARTIFACT_TRIES = 3,
    ARTIFACT_PAUSE_MS = 500, /* before the second try by HTTP; doubled for each further one */
    ARTIFACT_LOG_MS = 10 * 1000,
    ARTIFACT_LIST_MAX = 100,
};
#define ARTIFACT_BYTES_MAX (UINT64_C(1) << 30)

/* "s3://...", "https://...": not a path, nor file: or local:. */
bool artifact_is_remote(const char *address);
/* The path of "file:///x", "local:///x" and "/x". */
const char *artifact_local_path(const char *address);

enum artifact_kind {
    ARTIFACT_BUNDLE, /* must be a shared object of this machine */
    ARTIFACT_FILE,
};
struct artifact_options {
    const struct conf *conf;     /* Borrows: user.artifacts.* */
    const char *dir;             /* an existing local folder */
    struct cancel_token *cancel; /* may be NULL */
    bool (*is_stopped)(void);    /* the same, asked between pieces; may be NULL */
};
/* Where files go: user.artifacts.base-dir, which is made, when it is set; else a folder of this process, which the caller ends by
 * owned_dir_remove().  *ret_dir lives as long as both. */
int artifact_folder(const struct conf *conf, struct owned_dir *own, const char **ret_dir,
                    struct error *err) MUST_CHECK;
/* *ret_path: the local file.  ERR_NOT_FOUND, ERR_PERMISSION, ERR_TOO_LARGE, ERR_INVALID_ARGUMENT (no bundle), ERR_UNSUPPORTED (the
 * scheme; plain HTTP), or what the file system says; messages name the address. */
int artifact_fetch(const struct artifact_options *options, const char *address,
                   enum artifact_kind kind, struct str *ret_path, struct error *err) MUST_CHECK;
/* All of user.artifacts.artifact-list, which may be empty. */
int artifact_fetch_list(const struct artifact_options *options, struct error *err) MUST_CHECK;

#endif
