/* Records of the file kind: one file each, made once, never changed.
 *
 *   "FLHA" | version 2 | kind 2 | payload size 4 | CRC-32C of the payload 4 | payload      (little endian)
 *
 *   STATE   token 16, epoch 8, owner's name (2 + n), entries 4, each: name (2 + n), value (4 + n)
 *   PUT     name (2 + n), value (4 + n)
 *   REMOVE  name (2 + n)
 *   CLOSE   token 16, epoch 8, owner's name (2 + n): who goes on with the next segment; token 0: nobody yet
 *
 * Thread: any. */
#ifndef FLINC_COMMON_HA_FILE_RECORD_H
#define FLINC_COMMON_HA_FILE_RECORD_H

#include "common/ha/entries.h"

enum {
    FILE_RECORD_VERSION = 1,
    FILE_RECORD_HEADER_BYTES = 16,
    FILE_RECORD_BYTES_MAX = 256 * 1024 * 1024,
};

enum file_record_kind {
    FILE_RECORD_STATE = 1,
    FILE_RECORD_PUT,
    FILE_RECORD_REMOVE,
    FILE_RECORD_CLOSE,
};

/* Who leads by the records so far, and what they keep.  Caller's memory. */
struct file_state {
    struct flinc_id owner; /* all zero: nobody */
    uint64_t epoch;        /* counts takeovers */
    struct str owner_name; /* Owns; for people */
    struct map entries;    /* Owns */
    bool closed;           /* by a CLOSE: the owner is that of the next segment */
};
void file_state_init(struct file_state *s);
void file_state_fini(struct file_state *s);
bool file_state_is_vacant(const struct file_state *s);

void file_record_state(const struct file_state *s, struct str *ret);
void file_record_write(enum ha_write what, const char *name, struct slice value, struct str *ret);
void file_record_close(const struct flinc_id *owner, uint64_t epoch, const char *owner_name,
                       struct str *ret);
/* Applies a record; a STATE replaces everything and must be the first (is_first).  ERR_CORRUPT says what is wrong with the
 * bytes, ERR_UNSUPPORTED names the version of a newer build; the state is as before then. */
int file_record_apply(struct file_state *s, struct slice bytes, bool is_first,
                      struct error *err) MUST_CHECK;

#endif
