/* The file that a bucket writes to: begun with the first bytes, opened on disk when they are written.
 *
 *   part_begin ─► part_encode (staged) ─► part_write ─► persist | close: a handle
 *
 * Thread: the task's.  Flink: InProgressFileWriter. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_PART_H
#define FLINC_ENGINE_OPERATORS_FILES_PART_H

#include "common/fs/recoverable.h"
#include "engine/operators/files/encoder.h"

enum {
    FILE_STAGED_BYTES = 64 * 1024,        /* written together */
    FILE_STAGED_KEEP_BYTES = 1024 * 1024, /* of memory, from one write to the next */
};

struct file_packer;

struct file_part {
    bool is_begun;
    struct recoverable *file;   /* Owns; NULL: nothing is written yet */
    struct file_packer *packer; /* Owns; NULL: not compressed */
    void *state;                /* Owns; the format's */
    struct str path;   /* of the file that appears; made by the sink before the first write */
    struct str staged; /* not written yet */
    uint64_t bytes;    /* written and staged */
    int64_t begun_ms, used_ms; /* of the monotonic clock */
    struct str persisted;      /* handle of the last persist; "": there was none */
    bool is_changed;           /* since that */
};

struct part_format {
    struct file_encoder *encoder; /* Borrows */
    const char *compression;      /* Borrows */
    struct str unpacked;          /* between encoder and packer */
};
void part_format_fini(struct part_format *f);

int part_begin(struct file_part *p, struct part_format *f, int64_t now_ms,
               struct error *err) MUST_CHECK;
/* Appends the selected rows of a batch to what is staged. */
int part_encode(struct file_part *p, struct part_format *f, const struct batch *b,
                struct error *err) MUST_CHECK;
/* What is staged goes to the file; *ret_bytes: how much it was. */
int part_write(struct file_part *p, uint64_t *ret_bytes, struct error *err) MUST_CHECK;
/* Everything is on disk, and p->persisted is its handle.  Only formats that are appendable. */
int part_persist(struct file_part *p, struct error *err) MUST_CHECK;
/* Writes the end and closes: *ret_handle commits it; the part is as before part_begin(). */
int part_close(struct file_part *p, struct part_format *f, uint64_t *ret_bytes,
               struct str *ret_handle, struct error *err) MUST_CHECK;
/* Gives up: the file goes, but for one that a checkpoint may refer to.  Fine when it is not begun. */
void part_drop(struct file_part *p, struct part_format *f);

#endif
