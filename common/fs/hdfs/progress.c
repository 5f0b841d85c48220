/* Progress as text (progress.h). */
#include "common/fs/hdfs/progress.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PROGRESS_VERSION = 1,
    PARTS_MAX = 1000 * 1000, /* of a writer, as the next: no file has so many */
    READ_WRITERS_MAX = 1000,
};

uint32_t hdfs_count_parts(const struct hdfs_progress *p)
{
    uint32_t n = 0;
    for (size_t i = 0; i < p->writers.len; i++) {
        n += hdfs_writer_at(p, i)->n_parts;
    }
    return n;
}

void hdfs_progress_fini(struct hdfs_progress *p)
{
    vec_fini(&p->writers);
}

void hdfs_progress_format(const struct hdfs_progress *p, struct str *ret_text)
{
    str_printf(ret_text, "%d %llu %u %llu", PROGRESS_VERSION, (unsigned long long)p->part_bytes,
               p->tail_number, (unsigned long long)p->tail_bytes);
    for (size_t i = 0; i < p->writers.len; i++) {
        str_printf(ret_text, " %s:%u", hdfs_writer_at(p, i)->id, hdfs_writer_at(p, i)->n_parts);
    }
}

static bool take_writer(struct hdfs_progress *p, struct slice text)
{
    struct flinc_id id;
    struct hdfs_writer w;
    char number[12];
    if (text.len <= ID_HEX_LEN + 1 || text.len - ID_HEX_LEN - 1 >= sizeof(number) ||
        text.data[ID_HEX_LEN] != ':') {
        return false;
    }
    snprintf(w.id, sizeof(w.id), "%.*s", ID_HEX_LEN, text.data);
    snprintf(number, sizeof(number), "%.*s", (int)(text.len - ID_HEX_LEN - 1),
             text.data + ID_HEX_LEN + 1);
    char *end;
    unsigned long n_parts = strtoul(number, &end, 10);
    w.n_parts = (uint32_t)n_parts;
    *VEC_PUSH(&p->writers, struct hdfs_writer) = w;
    return id_parse(w.id, &id) && *end == '\0' && n_parts <= PARTS_MAX &&
           p->writers.len <= READ_WRITERS_MAX;
}

int hdfs_progress_read(const char *inprogress, struct hdfs_progress *ret, struct error *err)
{
    int version = 0, end = 0;
    unsigned long long part_bytes = 0, tail_bytes = 0;
    vec_init(&ret->writers, sizeof(struct hdfs_writer));
    int n = sscanf(inprogress, "%d %llu %u %llu%n", &version, &part_bytes, &ret->tail_number,
                   &tail_bytes, &end);
    bool is_good = n == 4 && version == PROGRESS_VERSION && part_bytes >= 1 &&
                   part_bytes <= HDFS_BUFFER_BYTES_MAX && tail_bytes <= part_bytes &&
                   (ret->tail_number == 0) == (tail_bytes == 0) && inprogress[end] == ' ';
    struct slice rest = slice_cstr(is_good ? inprogress + end + 1 : ""), one;
    while (is_good && slice_next(&rest, ' ', &one)) {
        is_good = take_writer(ret, one);
    }
    ret->part_bytes = part_bytes;
    ret->tail_bytes = tail_bytes;
    if (!is_good || ret->writers.len == 0) {
        return error_set(err, ERR_CORRUPT, "'%.100s' is no progress of a file of HDFS", inprogress);
    }
    return 0;
}

int hdfs_progress_read_whole(const struct recoverable_handle *h, struct hdfs_progress *ret,
                             struct error *err)
{
    TRY(hdfs_progress_read(h->inprogress, ret, err));
    if (hdfs_count_parts(ret) * ret->part_bytes + ret->tail_bytes != h->length_bytes) {
        return error_set(err, ERR_CORRUPT, "'%.100s' has not the %llu bytes of its handle",
                         h->inprogress, (unsigned long long)h->length_bytes);
    }
    return 0;
}

void hdfs_piece_path(const struct fs_location *target, const struct hdfs_progress *p, uint32_t i,
                     struct str *ret_path)
{
    size_t k = 0;
    while (k + 1 < p->writers.len && i >= hdfs_writer_at(p, k)->n_parts) {
        i -= hdfs_writer_at(p, k)->n_parts;
        k++;
    }
    const struct hdfs_writer *w = hdfs_writer_at(p, k);
    hdfs_hidden_path(target->path, w->id, ret_path);
    if (i < w->n_parts) {
        str_printf(ret_path, ".%u", i + 1);
    } else {
        str_printf(ret_path, ".t%u", p->tail_number);
    }
}

uint32_t hdfs_count_pieces(const struct hdfs_progress *p)
{
    return hdfs_count_parts(p) + (p->tail_bytes > 0);
}
