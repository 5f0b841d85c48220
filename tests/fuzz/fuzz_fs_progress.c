/* What handles of recoverable files of S3 and HDFS say: refused, or what is read is written as what is read again. */
#include "common/fs/hdfs/progress.h"
#include "common/fs/s3/progress.h"

static void try_s3(const char *text)
{
    struct s3_progress p, again;
    struct str written = STR_INIT;
    if (s3_progress_read(text, &p, NULL) == 0) {
        s3_progress_format(&p, &written);
        ASSERT(s3_progress_read(str_cstr(&written), &again, NULL) == 0);
        ASSERT(p.n_parts == again.n_parts && p.tail_number == again.tail_number &&
               p.tail_bytes == again.tail_bytes && strcmp(p.upload, again.upload) == 0);
    }
    str_fini(&written);
}

static void try_hdfs(const char *text)
{
    struct hdfs_progress p, again;
    struct str written = STR_INIT, path = STR_INIT;
    char target_path[] = "/dir/name";
    struct fs_location target = {.path = target_path};
    if (hdfs_progress_read(text, &p, NULL) == 0) {
        hdfs_progress_format(&p, &written);
        ASSERT(hdfs_progress_read(str_cstr(&written), &again, NULL) == 0);
        ASSERT(hdfs_count_pieces(&p) == hdfs_count_pieces(&again));
        hdfs_piece_path(&target, &p, hdfs_count_parts(&p), &path);
        hdfs_progress_fini(&again);
    }
    hdfs_progress_fini(&p);
    str_fini(&written);
    str_fini(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = STR_INIT;
    str_append(&text, (const char *)data, size);
    try_s3(str_cstr(&text));
    try_hdfs(str_cstr(&text));
    str_fini(&text);
    return 0;
}
