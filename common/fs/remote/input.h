/* Files of servers that are read by ranges: ahead when they are read from end to end, else just what is asked for.  A driver
 * says how a stretch is asked for; this is the rest of its fs_input.
 *
 * Memory: REMOTE_READS_AHEAD pieces of read_bytes of a file that is read from end to end, none of another.
 * Thread: any, one at a time inside of one that is read ahead. */
#ifndef FLINC_COMMON_FS_REMOTE_INPUT_H
#define FLINC_COMMON_FS_REMOTE_INPUT_H

#include "common/fs/driver.h"

enum {
    REMOTE_READ_BYTES =
        4 * 1024 * 1024,    /* asked for at a time when a file is read from end to end, */
    REMOTE_READS_AHEAD = 4, /* so many of them at once */
};

struct remote_stretch {
    uint64_t offset;
    size_t size;
    uint8_t *sink; /* Borrows; stays until wait() or free() */
};
struct remote_input_ops {
    size_t read_bytes; /* asked for at a time; REMOTE_READ_BYTES unless requests are dear */
    /* The stretch is on its way.  `call`: what an earlier one of the same place left, to be used again; NULL: none. */
    int (*start)(void *file, const struct remote_stretch *stretch, void **call, struct error *err);
    /* All of it has come. */
    int (*wait)(void *file, const struct remote_stretch *stretch, void *call, struct error *err);
    void (*free_call)(void *call);
    void (*free_file)(void *file);
};
/* `file` is the driver's, freed when the input is closed; `uri` is copied. */
struct fs_input *remote_input_new(const char *uri, uint64_t size_bytes, enum fs_access access,
                                  const struct remote_input_ops *ops, void *file);

#endif
