/* A local folder that belongs to one living process: its temporary files.
 *
 * Beside the folder `<prefix>-<id>` lies `<prefix>-<id>.lock`, locked as long as the process lives.  A
 * process that makes such a folder first removes those of the same prefix whose lock nobody holds: what
 * killed processes left behind.  Flink: WorkingDirectory, BlobUtils.createBlobStorageDirectory.
 * Thread: one owner. */
#ifndef FLINC_COMMON_FS_OWNED_DIR_H
#define FLINC_COMMON_FS_OWNED_DIR_H

#include "common/base/error.h"

struct owned_dir {
    char *path;      /* Owns; absolute; NULL: none */
    char *lock_path; /* Owns */
    int lock_fd;
};
#define OWNED_DIR_INIT                                 \
    {                                                  \
        .path = NULL, .lock_path = NULL, .lock_fd = -1 \
    }

/* Makes `parent` when it is missing, clears leftovers, makes a folder (mode 0700).  The prefix is a name
 * without '/'. */
int owned_dir_make(struct owned_dir *d, const char *parent, const char *prefix,
                   struct error *err) MUST_CHECK;
/* Removes the folder with all that is in it, and leftovers that could not be removed before.  Nothing to remove is fine. */
void owned_dir_remove(struct owned_dir *d);

#endif
