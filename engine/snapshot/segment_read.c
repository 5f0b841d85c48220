/* Reading the blocks of a segment: the index says which have wanted key groups; only those are read,
 * checked and decoded.  A decoded batch refers to the buffer that its block was read into.
 *
 * Thread: one owner. */
#include "engine/snapshot/segment_read.h"

#include "engine/data/codec.h"
#include <lz4.h>

/* A block on its way from the file to the caller. */
struct raw_block {
    struct buffer *bytes; /* Owns a ref: as it lies in the file */
    struct buffer *frame; /* Owns a ref: decompressed; NULL: it was not compressed */
    struct segment_block_record head;
    const struct segment_run_record *runs; /* Borrows: of `bytes` */
    const uint8_t *batch;                  /* Borrows: of `frame`, else of `bytes` */
};

static int check_head(const struct segment_reader *r, uint64_t number, const struct raw_block *raw,
                      struct error *err)
{
    const struct segment_index_block *at = &r->blocks[number];
    const struct segment_block_record *h = &raw->head;
    if (h->size != at->size || h->number != number || h->kind != at->kind ||
        h->state_id != at->state_id || h->n_rows != at->n_rows || h->n_runs > h->n_rows ||
        (h->n_rows > 0) != (h->n_runs > 0)) {
        return segment_block_damaged(r, err, number,
                                     "it is not the block that the index describes");
    }
    uint64_t in_front = segment_align(sizeof(*h) + h->n_runs * sizeof(struct segment_run_record));
    if (in_front + segment_align(h->stored_size) != at->size ||
        (h->n_rows > 0) != (h->stored_size > 0)) {
        return segment_block_damaged(r, err, number, "it has another size than it says");
    }
    if (h->compression > SEGMENT_COMPRESSION_LZ4) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: block %llu is compressed by a method (%u) that this Flinc does not "
                         "know: use the Flinc that wrote it or a newer one",
                         r->name, (unsigned long long)number, h->compression);
    }
    if (h->compression == SEGMENT_COMPRESSION_NONE
            ? h->batch_size != h->stored_size
            : h->batch_size / SEGMENT_RATIO_MAX > h->stored_size || h->batch_size > INT32_MAX) {
        return segment_block_damaged(r, err, number, "its rows have another size than it says");
    }
    return 0;
}

/* Puts the batch as it was before its compression in the place of what was read. */
static int decompress(const struct segment_reader *r, struct buffer_pool *pool,
                      struct raw_block *raw, struct error *err)
{
    const struct segment_block_record *h = &raw->head;
    struct buffer *to = buffer_get(pool, h->batch_size);
    int n = LZ4_decompress_safe((const char *)raw->batch, (char *)to->data, (int)h->stored_size,
                                (int)h->batch_size);
    if (n < 0 || (uint32_t)n != h->batch_size) {
        buffer_unref(to);
        return segment_block_damaged(r, err, h->number, "it is no LZ4 block of the size it says");
    }
    to->size = h->batch_size;
    raw->frame = to;
    raw->batch = to->data;
    return 0;
}

static void raw_block_fini(struct raw_block *raw)
{
    buffer_unref(raw->bytes);
    buffer_unref(raw->frame);
}

static int read_raw(const struct segment_reader *r, struct buffer_pool *pool, uint64_t number,
                    struct raw_block *ret, struct error *err)
{
    const struct segment_index_block *at = &r->blocks[number];
    struct raw_block raw = {.bytes = buffer_get(pool, at->size)};
    raw.bytes->size = at->size;
    int rc = segment_reader_bytes(r, at->offset, raw.bytes->data, at->size, err);
    if (rc == 0) {
        memcpy(&raw.head, raw.bytes->data, sizeof(raw.head));
        size_t crc_at = offsetof(struct segment_block_record, crc);
        if (raw.head.tag != SEGMENT_TAG_BLOCK ||
            raw.head.crc != segment_crc(raw.bytes->data, at->size, crc_at)) {
            rc = segment_block_damaged(r, err, number, "the check sum does not fit");
        } else {
            rc = check_head(r, number, &raw, err);
        }
    }
    if (rc < 0) {
        buffer_unref(raw.bytes);
        return rc;
    }
    raw.runs = (const void *)(raw.bytes->data + sizeof(raw.head));
    raw.batch =
        raw.bytes->data + segment_align(sizeof(raw.head) + raw.head.n_runs * sizeof(*raw.runs));
    if (raw.head.compression == SEGMENT_COMPRESSION_LZ4) {
        rc = decompress(r, pool, &raw, err);
        if (rc < 0) {
            raw_block_fini(&raw);
            return rc;
        }
    }
    *ret = raw;
    return 0;
}

/* Fills r->runs with the wanted ones, counted from the first wanted row.  *ret_from: that row. */
static int take_runs(struct segment_reader *r, const struct raw_block *raw, uint32_t first_group,
                     uint32_t last_group, uint32_t *ret_from, struct error *err)
{
    const struct segment_index_block *at = &r->blocks[raw->head.number];
    const struct segment_run_record *runs = raw->runs;
    uint32_t n_runs = raw->head.n_runs;
    uint64_t rows = 0, from = 0, wanted = 0;
    vec_clear(&r->runs);
    for (uint32_t i = 0; i < n_runs; i++) {
        if (runs[i].n_rows == 0 || runs[i].n_rows > raw->head.n_rows ||
            (i > 0 && runs[i].group <= runs[i - 1].group)) {
            return segment_block_damaged(r, err, raw->head.number,
                                         "its key groups are in disorder");
        }
        if (runs[i].group >= first_group && runs[i].group <= last_group) {
            from = wanted == 0 ? rows : from;
            *VEC_PUSH(&r->runs, struct segment_run) =
                (struct segment_run){runs[i].group, (uint32_t)wanted, runs[i].n_rows};
            wanted += runs[i].n_rows;
        }
        rows += runs[i].n_rows;
    }
    if (rows != raw->head.n_rows || runs[0].group != at->first_group ||
        runs[n_runs - 1].group != at->last_group) {
        return segment_block_damaged(r, err, raw->head.number,
                                     "its key groups do not fit its rows");
    }
    *ret_from = (uint32_t)from;
    return 0;
}

static int decode_rows(const struct segment_reader *r, struct buffer_pool *pool,
                       const struct raw_block *raw, struct batch **ret, struct error *err)
{
    const struct reader_state *s = &r->states[raw->head.state_id];
    const struct batch_source source = {
        .data = raw->batch,
        .size = raw->head.batch_size,
        .frame = raw->frame != NULL ? raw->frame : raw->bytes,
        .max_row_bytes = UINT64_MAX, /* it was a legal record when it was written */
    };
    struct batch *rows = NULL;
    struct error why = ERROR_INIT;
    int rc = batch_decode(pool, raw->head.kind == SEGMENT_BLOCK_PUT ? s->row : s->key, &source,
                          &rows, &why);
    if (rc < 0) {
        return segment_block_damaged(r, err, raw->head.number, why.message);
    }
    if (rows->n_rows != raw->head.n_rows) {
        batch_unref(rows);
        return segment_block_damaged(r, err, raw->head.number, "it has another number of rows");
    }
    *ret = rows;
    return 0;
}

static struct batch *take_slice(struct buffer_pool *pool, struct batch *take_rows, uint32_t from,
                                uint32_t n)
{
    if (n == take_rows->n_rows) {
        return take_rows;
    }
    struct batch *slice = batch_slice(pool, take_rows, from, from + n);
    batch_unref(take_rows);
    return batch_materialize(pool, slice);
}

/* 1: *ret_block is filled; 0: no wanted group is in the block. */
static int take_block(struct segment_reader *r, struct buffer_pool *pool,
                      const struct raw_block *raw, uint32_t first_group, uint32_t last_group,
                      struct segment_block *ret_block, struct error *err)
{
    struct segment_block b = {
        .state_id = raw->head.state_id,
        .kind = raw->head.kind,
        .name_space = raw->head.name_space,
        .number = raw->head.number,
        .table_seed = raw->head.table_seed,
    };
    if (b.kind != SEGMENT_BLOCK_DROP) {
        uint32_t from = 0;
        TRY(take_runs(r, raw, first_group, last_group, &from, err));
        if (r->runs.len == 0) {
            return 0;
        }
        TRY(decode_rows(r, pool, raw, &b.rows, err));
        const struct segment_run *last = VEC_AT(&r->runs, struct segment_run, r->runs.len - 1);
        b.rows = take_slice(pool, b.rows, from, last->first_row + last->n_rows);
        b.runs = r->runs.data;
        b.n_runs = (uint32_t)r->runs.len;
    }
    *ret_block = b;
    return 1;
}

void segment_reader_select(struct segment_reader *r, uint32_t id)
{
    ASSERT(id < r->n_states);
    r->selected = true;
    r->only_state = id;
}

int segment_reader_next(struct segment_reader *r, struct buffer_pool *pool, uint32_t first_group,
                        uint32_t last_group, struct segment_block *ret_block, struct error *err)
{
    while (r->next < r->n_blocks) {
        uint64_t number = r->next++;
        const struct segment_index_block *at = &r->blocks[number];
        struct raw_block raw;
        if (at->last_group < first_group || at->first_group > last_group ||
            (r->selected && at->state_id != r->only_state)) {
            continue;
        }
        TRY(read_raw(r, pool, number, &raw, err));
        int rc = take_block(r, pool, &raw, first_group, last_group, ret_block, err);
        raw_block_fini(&raw);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Rows of wanted groups in a block, by its runs, whose check sum nobody has looked at. */
static int count_rows(const struct segment_reader *r, uint64_t number, uint32_t n_runs,
                      uint32_t first_group, uint32_t last_group, uint64_t *ret_rows,
                      struct error *err)
{
    const struct segment_index_block *at = &r->blocks[number];
    const size_t size = (size_t)n_runs * sizeof(struct segment_run_record);
    uint64_t rows = 0;
    if (n_runs > at->n_rows || sizeof(struct segment_block_record) + size > at->size) {
        return segment_block_damaged(r, err, number, "it has more key groups than rows");
    }
    struct segment_run_record *runs = mem_alloc(size + 1);
    int rc =
        segment_reader_bytes(r, at->offset + sizeof(struct segment_block_record), runs, size, err);
    for (uint32_t i = 0; rc == 0 && i < n_runs; i++) {
        bool wanted = runs[i].group >= first_group && runs[i].group <= last_group;
        rows += wanted ? runs[i].n_rows : 0;
    }
    mem_free(runs);
    *ret_rows = MIN(rows, (uint64_t)at->n_rows);
    return rc;
}

int segment_reader_rows_ahead(const struct segment_reader *r, const struct segment_block *block,
                              uint32_t first_group, uint32_t last_group, uint64_t *ret_rows,
                              struct error *err)
{
    uint64_t rows = 0;
    for (uint64_t number = block->number; number < r->n_blocks; number++) {
        const struct segment_index_block *at = &r->blocks[number];
        struct segment_block_record head;
        uint64_t more = 0;
        if (at->state_id != block->state_id) {
            continue;
        }
        TRY(segment_reader_bytes(r, at->offset, &head, sizeof(head), err));
        if (at->kind != SEGMENT_BLOCK_PUT || head.name_space != block->name_space) {
            break;
        }
        if (at->first_group >= first_group && at->last_group <= last_group) {
            more = at->n_rows;
        } else if (at->first_group <= last_group && at->last_group >= first_group) {
            TRY(count_rows(r, number, head.n_runs, first_group, last_group, &more, err));
        }
        rows += more;
    }
    *ret_rows = rows;
    return 0;
}
