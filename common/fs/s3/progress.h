/* What a handle of a recoverable file says, its `inprogress`: "1 WRITER UPLOAD PARTS TAIL BYTES": the writer's mark, the upload
 * ("-": none), the parts of it that count, the number and size of the tail (0: there is none).  Inside of the room. */
#ifndef FLINC_COMMON_FS_S3_PROGRESS_H
#define FLINC_COMMON_FS_S3_PROGRESS_H

#include "common/fs/s3/inside.h"

struct s3_progress {
    char writer[ID_HEX_LEN + 1];
    char upload[S3_UPLOAD_ID_MAX + 1]; /* "": none */
    uint32_t n_parts, tail_number;
    uint64_t tail_bytes;
};
void s3_progress_format(const struct s3_progress *p, struct str *ret_text);
/* ERR_CORRUPT: it says no such thing. */
int s3_progress_read(const char *inprogress, struct s3_progress *ret, struct error *err) MUST_CHECK;
/* "dir/.NAME.inprogress.WRITER.NUMBER" */
void s3_tail_key(const struct fs_location *target, const char *writer, uint32_t number,
                 struct str *ret_key);

#endif
