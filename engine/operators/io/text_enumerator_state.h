/* What an enumerator of text files writes into a checkpoint: splits that no reader has, and in watched
 * folders the files that were found before.
 *
 * Paths are written as what differs from the path before, so that a folder of a million files takes about
 * ten bytes for each.  The decoder takes bytes from anywhere: everything is checked before it is used.
 * Thread: any.  Flink: PendingSplitsCheckpoint and its serializer. */
#ifndef FLINC_ENGINE_OPERATORS_IO_TEXT_ENUMERATOR_STATE_H
#define FLINC_ENGINE_OPERATORS_IO_TEXT_ENUMERATOR_STATE_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "proto/operators.pb-c.h"

enum {
    TEXT_ENUMERATOR_STATE_VERSION = 1,
    TEXT_ENUMERATOR_STATE_BYTES_MAX = 1024 * 1024 * 1024,
    TEXT_PATH_BYTES_MAX = 64 * 1024, /* a path with its scheme is far below it */
};

struct text_enumerator_state {
    uint64_t next_id;
    bool scanned;
    struct vec pending; /* Flinc__FileSplit *, Owns */
    struct map seen;    /* paths; the values mean nothing */
};

void text_enumerator_state_init(struct text_enumerator_state *s);
void text_enumerator_state_fini(struct text_enumerator_state *s);

/* Appends the state; `n` splits of `pending` and the paths of `seen` (may be NULL) stay the caller's. */
void text_enumerator_state_encode(uint64_t next_id, bool scanned, Flinc__FileSplit *const *pending,
                                  size_t n, const struct map *seen, struct str *ret_bytes);
/* Into a state that was initialized; on failure it is as after init.  ERR_UNSUPPORTED: of a newer
 * program; ERR_CORRUPT. */
int text_enumerator_state_decode(const uint8_t *data, size_t size,
                                 struct text_enumerator_state *ret, struct error *err) MUST_CHECK;

/* Whether a split that came from a state makes sense: ERR_CORRUPT. */
int file_split_check(const Flinc__FileSplit *split, struct error *err) MUST_CHECK;

#endif
