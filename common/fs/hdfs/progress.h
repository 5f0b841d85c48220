/* What a handle of a recoverable file says, its `inprogress`: "1 PART_BYTES TAIL_NUMBER TAIL_BYTES WRITER:PARTS WRITER:PARTS ...",
 * the last writer is the tail's; and the names of the files that are meant.  Inside of the room.  Thread: one at a time. */
#ifndef FLINC_COMMON_FS_HDFS_PROGRESS_H
#define FLINC_COMMON_FS_HDFS_PROGRESS_H

#include "common/base/vec.h"
#include "common/fs/hdfs/inside.h"

struct hdfs_writer {
    char id[HDFS_ID_BYTES];
    uint32_t n_parts;
};

/* What a handle says. */
struct hdfs_progress {
    uint64_t part_bytes;
    uint32_t tail_number; /* 0: there is no tail */
    uint64_t tail_bytes;
    struct vec writers; /* struct hdfs_writer; at least one */
};
static inline struct hdfs_writer *hdfs_writer_at(const struct hdfs_progress *p, size_t i)
{
    return (struct hdfs_writer *)vec_at(&p->writers, i);
}
void hdfs_progress_format(const struct hdfs_progress *p, struct str *ret_text);
/* The caller ends *ret, failed or not.  ERR_CORRUPT: it says no such thing. */
int hdfs_progress_read(const char *inprogress, struct hdfs_progress *ret,
                       struct error *err) MUST_CHECK;
/* The same, of a handle whose bytes are wanted. */
int hdfs_progress_read_whole(const struct recoverable_handle *h, struct hdfs_progress *ret,
                             struct error *err) MUST_CHECK;
void hdfs_progress_fini(struct hdfs_progress *p);
uint32_t hdfs_count_parts(const struct hdfs_progress *p);
uint32_t hdfs_count_pieces(const struct hdfs_progress *p); /* with the tail */
/* Of part i from 0; behind the parts: of the tail. */
void hdfs_piece_path(const struct fs_location *target, const struct hdfs_progress *p, uint32_t i,
                     struct str *ret_path);

#endif
