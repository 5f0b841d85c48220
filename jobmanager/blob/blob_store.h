/* The blob store: files by content hash (SHA-256), in one folder of the job manager.  A blob is kept while
 * somebody holds a reference (a job) and removed with the last one; the folder is bounded, and belongs to the
 * process: it goes with it, or, after a kill, when the next process starts.  What has a key is whole.  Flink: BlobServer (blob.storage.directory).  Thread: any (lock: blob, a leaf; no I/O under it). */
#ifndef FLINC_JOBMANAGER_BLOB_BLOB_STORE_H
#define FLINC_JOBMANAGER_BLOB_BLOB_STORE_H

#include "common/base/error.h"
#include "common/base/str.h"
#include <stdint.h>

struct blob_key {
    uint8_t hash[32];
};
/* False: the bytes are no key. */
bool blob_key_from_bytes(const void *bytes, size_t size, struct blob_key *ret_key);

struct blob_store;
struct blob_store_options {
    const char *dir;    /* made; a folder of its own is made in it */
    uint64_t max_bytes; /* 0: 8 GiB; over it a put is ERR_LIMIT */
};
int blob_store_open(const struct blob_store_options *options, struct blob_store **ret,
                    struct error *err) MUST_CHECK;
struct blob_store *blob_store_close(struct blob_store *s); /* removes everything */
/* Copies a file in, which stays the caller's; so is the reference.  ERR_NO_SPACE names the folder. */
int blob_store_put_file(struct blob_store *s, const char *path, struct blob_key *ret_key,
                        uint64_t *ret_size, struct error *err) MUST_CHECK;
void blob_store_ref(struct blob_store *s, const struct blob_key *key);
void blob_store_unref(struct blob_store *s, const struct blob_key *key);
/* The path of a blob that the caller holds. */
int blob_store_path(struct blob_store *s, const struct blob_key *key, struct str *ret_path,
                    struct error *err) MUST_CHECK;
/* Part of a blob, for task managers. */
int blob_store_read(struct blob_store *s, const struct blob_key *key, uint64_t offset,
                    uint32_t max_bytes, struct str *ret_data, uint64_t *ret_total,
                    struct error *err) MUST_CHECK;
uint64_t blob_store_bytes(struct blob_store *s);
uint32_t blob_store_n(struct blob_store *s);

#endif
