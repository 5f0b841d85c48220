/* Uploaded bundles: files "<uuid>_<name>.so" of one folder.  The folder is the only record: what an
 * administrator puts there is listed too, and it survives a restart when web.upload.dir is set.  Ids that
 * clients give are compared with the names that are there, never joined to a path.
 * Flink: JarListHandler and its kin.  Thread: any. */
#ifndef FLINC_JOBMANAGER_REST_BUNDLE_DIR_H
#define FLINC_JOBMANAGER_REST_BUNDLE_DIR_H

#include "common/base/vec.h"
#include "jobmanager/rest/bundle_entry.h"

enum { BUNDLE_NAME_MAX = 120, BUNDLE_ID_MAX = BUNDLE_NAME_MAX + 64 };

struct bundle {
    char id[BUNDLE_ID_MAX + 1];            /* "<uuid>_<name>" */
    char name[BUNDLE_NAME_MAX + 1];        /* "wordcount.so" */
    char entry[BUNDLE_ENTRY_NAME_MAX + 1]; /* of its job; "": it exports none */
    int64_t uploaded_ms;
    int64_t uploaded_ns; /* the same, finer: what the order goes by */
};

/* Newest first; of struct bundle. */
void bundle_dir_list(const char *dir, struct vec *ret_bundles);
/* ERR_NOT_FOUND: "Jar file X does not exist".  The entry is not read. */
int bundle_dir_find(const char *dir, const char *id, struct bundle *ret, struct str *ret_path,
                    struct error *err) MUST_CHECK;
/* Moves a checked upload in.  ERR_LIMIT: there are `max` already. */
int bundle_dir_add(const char *dir, uint32_t max, const char *upload_path, const char *filename,
                   struct str *ret_path, struct error *err) MUST_CHECK;
int bundle_dir_remove(const char *dir, const char *id, struct error *err) MUST_CHECK;

/* Is this upload one that can be a bundle?  By its name and its first bytes; the text names the file as
 * the client does, and says what a Java archive is and what to do instead. */
int bundle_check_upload(const char *path, const char *filename, struct error *err) MUST_CHECK;

#endif
