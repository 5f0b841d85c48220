/* The blobs (job bundles) of all jobs of a task manager: files <dir>/<hex of SHA-256>.so, downloaded once,
 * checked against their name, and removed when no job uses them.
 *
 *   FETCHING ──► READY        FETCHING ──► FAILED (asked for again, it is fetched again)
 *
 * Thread: the owner's component; downloads on the executor.  Flink: PermanentBlobCache. */
#ifndef FLINC_TASKMANAGER_HOST_BLOB_CACHE_H
#define FLINC_TASKMANAGER_HOST_BLOB_CACHE_H

#include "common/base/str.h"
#include "common/loop/executor.h"

enum { BLOB_HASH_BYTES = 32, BLOB_CACHE_BLOBS_MAX = 4096 };
#define BLOB_CACHE_BLOB_BYTES_MAX ((uint64_t)1024 * 1024 * 1024)

enum blob_state {
    BLOB_FETCHING,
    BLOB_READY,
    BLOB_FAILED,
};

struct blob_cache_options {
    const char *dir;           /* copied; made when missing */
    struct executor *executor; /* Borrows */
    struct mailbox *mailbox;   /* a reference is taken: of the owner's component */
    int (*fetch)(void *owner, const uint8_t hash[BLOB_HASH_BYTES], uint64_t offset,
                 struct str *ret_data, uint64_t *ret_total, struct cancel_token *cancel,
                 struct error *err);
    void *fetch_owner; /* Borrows: outlives the executor's jobs */
    /* A blob became READY or FAILED. */
    void (*on_changed)(void *owner);
    void *owner; /* Borrows */
};

struct blob;
struct blob_cache;
int blob_cache_new(const struct blob_cache_options *options, struct blob_cache **ret,
                   struct error *err) MUST_CHECK;
/* Removes the files and the folder.  Downloads that still run find nobody.  NULL is fine; returns NULL. */
struct blob_cache *blob_cache_free(struct blob_cache *c);
/* Downloads so far, good ones and others.  Thread: any. */
void blob_cache_get_counters(const struct blob_cache *c, uint64_t *ret_fetched,
                             uint64_t *ret_failed);
const char *blob_cache_dir(const struct blob_cache *c);

/* A reference; the download starts when it is not there.  size 0: unknown. */
int blob_cache_get(struct blob_cache *c, const uint8_t hash[BLOB_HASH_BYTES], uint64_t size,
                   struct blob **ret, struct error *err) MUST_CHECK;
/* The last one removes the file.  NULL is fine; returns NULL. */
struct blob *blob_unref(struct blob *b);
enum blob_state blob_get_state(const struct blob *b);
const char *blob_hash_text(const struct blob *b);     /* hex; lives with it */
const struct error *blob_error(const struct blob *b); /* FAILED: why */

#endif
