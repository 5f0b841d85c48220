/* Progress as text (progress.h). */
#include "common/fs/s3/progress.h"

#include <stdio.h>

enum { PROGRESS_VERSION = 1 };

void s3_progress_format(const struct s3_progress *p, struct str *ret_text)
{
    str_printf(ret_text, "%d %s %s %u %u %llu", PROGRESS_VERSION, p->writer,
               p->upload[0] != '\0' ? p->upload : "-", p->n_parts, p->tail_number,
               (unsigned long long)p->tail_bytes);
}

int s3_progress_read(const char *inprogress, struct s3_progress *ret, struct error *err)
{
    struct flinc_id id;
    int version = 0, end = 0;
    int n = sscanf(inprogress, "%d %32s %1024s %u %u %lu%n", &version, ret->writer, ret->upload,
                   &ret->n_parts, &ret->tail_number, &ret->tail_bytes, &end);
    if (n != 6 || inprogress[end] != '\0' || version != PROGRESS_VERSION ||
        strlen(ret->writer) != ID_HEX_LEN || !id_parse(ret->writer, &id) ||
        ret->n_parts > S3_PARTS_MAX || (ret->n_parts > 0 && strcmp(ret->upload, "-") == 0) ||
        (ret->tail_number == 0) != (ret->tail_bytes == 0)) {
        return error_set(err, ERR_CORRUPT, "'%.100s' is no progress of a file of S3", inprogress);
    }
    if (strcmp(ret->upload, "-") == 0) {
        ret->upload[0] = '\0';
    }
    return 0;
}

void s3_tail_key(const struct fs_location *target, const char *writer, uint32_t number,
                 struct str *ret_key)
{
    const char *key = s3_key_of(target), *name = fs_base_name(key);
    str_clear(ret_key);
    str_printf(ret_key, "%.*s.%s.inprogress.%s.%u", (int)(name - key), key, name, writer, number);
}
