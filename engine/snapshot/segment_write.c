/* Writing a segment: parts go to the output one by one, with their check sums; what the index needs is
 * kept until the end.
 *
 * Thread: one owner.  A writer lives from one snapshot's first block to its blob. */
#include "engine/snapshot/segment_format.h"

#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "engine/data/codec.h"
#include <lz4.h>

struct segment_writer {
    struct snapshot_output *output; /* Owns */
    uint32_t first_group, last_group;
    uint64_t checkpoint_id;
    bool is_base;
    bool finished;
    enum segment_compression compression;
    struct buffer_pool *pool; /* Borrows */
    uint64_t n_entries;
    uint64_t raw_bytes;    /* of blocks before their compression: */
    uint64_t stored_bytes; /* after it */
    uint64_t table_seed;   /* of the blocks that come */
    struct vec states;     /* struct segment_index_state */
    struct vec widths;     /* uint32_t: columns of a state's PUT blocks, by state */
    struct vec key_widths;
    struct vec blocks; /* struct segment_index_block */
    struct batch_encoder encoder;
    struct str part;           /* the bytes in front of a batch */
    struct buffer *compressed; /* Owns a ref: the batch at hand; NULL: it lies in the encoder */
};

static const char ZEROS[SEGMENT_ALIGN];

/* ---- life ------------------------------------------------------------------------------------- */

static int write_head(struct segment_writer *w, const struct segment_writer_options *options,
                      struct error *err)
{
    struct segment_head head = {
        .tag = SEGMENT_TAG_HEAD,
        .version = SEGMENT_VERSION,
        .is_base = options->is_base,
        .max_parallelism = options->max_parallelism,
        .first_group = options->first_group,
        .last_group = options->last_group,
        .checkpoint_id = options->checkpoint_id,
    };
    head.crc = segment_crc(&head, sizeof(head), offsetof(struct segment_head, crc));
    return snapshot_output_append(w->output, &head, sizeof(head), err);
}

int segment_writer_new(const struct segment_writer_options *options, struct segment_writer **ret,
                       struct error *err)
{
    ASSERT(options->first_group <= options->last_group &&
           options->last_group < options->max_parallelism &&
           snapshot_output_position(options->output) == 0);
    struct segment_writer *w = MEM_NEW(struct segment_writer);
    w->output = options->output;
    w->first_group = options->first_group;
    w->last_group = options->last_group;
    w->checkpoint_id = options->checkpoint_id;
    w->is_base = options->is_base;
    w->compression = options->compression;
    w->pool = options->pool;
    vec_init(&w->states, sizeof(struct segment_index_state));
    vec_init(&w->widths, sizeof(uint32_t));
    vec_init(&w->key_widths, sizeof(uint32_t));
    vec_init(&w->blocks, sizeof(struct segment_index_block));
    batch_encoder_init(&w->encoder, options->pool);
    w->encoder.omit = BATCH_PART_KINDS | BATCH_PART_TIMESTAMPS | BATCH_PART_HASHES;
    int rc = write_head(w, options, err);
    if (rc < 0) {
        segment_writer_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

struct segment_writer *segment_writer_free(struct segment_writer *w)
{
    if (w != NULL) {
        snapshot_output_free(w->output);
        vec_fini(&w->states);
        vec_fini(&w->widths);
        vec_fini(&w->key_widths);
        vec_fini(&w->blocks);
        batch_encoder_fini(&w->encoder);
        buffer_unref(w->compressed);
        str_fini(&w->part);
        mem_free(w);
    }
    return NULL;
}

bool segment_writer_is_writable(const struct segment_writer *w)
{
    return snapshot_output_is_writable(w->output);
}

/* ---- states ----------------------------------------------------------------------------------- */

static int check_state(const struct segment_writer *w, const struct segment_state *state,
                       struct error *err)
{
    if (w->states.len >= SEGMENT_STATES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "state '%s': an operator may have %d states",
                         state->name, SEGMENT_STATES_MAX);
    }
    size_t name_len = strlen(state->name);
    if (name_len == 0 || name_len > SEGMENT_STATE_NAME_MAX ||
        strlen(state->kind) > SEGMENT_STATE_NAME_MAX) {
        return error_set(err, ERR_TOO_LARGE, "state name '%s' has %zu bytes; 1 to %d are possible",
                         state->name, name_len, SEGMENT_STATE_NAME_MAX);
    }
    return 0;
}

static void print_schema(const struct schema *s, struct str *out)
{
    if (s->n_fields > 0) {
        schema_print(s, out);
    }
}

static void pad_part(struct str *part)
{
    str_append(part, ZEROS, (size_t)(segment_align(part->len) - part->len));
}

int segment_writer_add_state(struct segment_writer *w, const struct segment_state *state,
                             uint32_t *ret_id, struct error *err)
{
    ASSERT(!w->finished && state->n_key_columns <= state->key_schema->n_fields);
    TRY(check_state(w, state, err));
    STR_AUTO key = STR_INIT;
    STR_AUTO value = STR_INIT;
    print_schema(state->key_schema, &key);
    print_schema(state->value_schema, &value);
    if (key.len > SEGMENT_SCHEMA_TEXT_MAX || value.len > SEGMENT_SCHEMA_TEXT_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "state '%s': its type has %zu bytes as text, %d may be", state->name,
                         MAX(key.len, value.len), SEGMENT_SCHEMA_TEXT_MAX);
    }
    struct segment_state_record r = {
        .tag = SEGMENT_TAG_STATE,
        .id = (uint32_t)w->states.len,
        .ttl_ms = state->ttl_ms,
        .n_key_columns = state->n_key_columns,
        .name_len = (uint16_t)strlen(state->name),
        .kind_len = (uint16_t)strlen(state->kind),
        .key_schema_len = (uint32_t)key.len,
        .value_schema_len = (uint32_t)value.len,
    };
    str_clear(&w->part);
    str_append(&w->part, (const char *)&r, sizeof(r));
    str_append_cstr(&w->part, state->name);
    str_append_cstr(&w->part, state->kind);
    str_append_slice(&w->part, str_slice(&key));
    str_append_slice(&w->part, str_slice(&value));
    pad_part(&w->part);
    r.size = (uint32_t)w->part.len;
    memcpy(w->part.data, &r, sizeof(r));
    r.crc = segment_crc(w->part.data, w->part.len, offsetof(struct segment_state_record, crc));
    memcpy(w->part.data, &r, sizeof(r));
    uint64_t offset = snapshot_output_position(w->output);
    TRY_CTX(err, snapshot_output_append(w->output, w->part.data, w->part.len, err),
            "writing state '%s'", state->name);
    *VEC_PUSH(&w->states, struct segment_index_state) =
        (struct segment_index_state){.offset = offset, .size = r.size, .id = r.id};
    *VEC_PUSH(&w->key_widths, uint32_t) = state->key_schema->n_fields;
    *VEC_PUSH(&w->widths, uint32_t) = state->key_schema->n_fields + state->value_schema->n_fields;
    *ret_id = r.id;
    return 0;
}

/* ---- blocks ----------------------------------------------------------------------------------- */

static void check_runs(const struct segment_writer *w, const struct batch *rows,
                       const struct segment_run *runs, uint32_t n_runs)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < n_runs; i++) {
        ASSERT(runs[i].first_row == next && runs[i].n_rows > 0 && runs[i].group >= w->first_group &&
               runs[i].group <= w->last_group && (i == 0 || runs[i].group > runs[i - 1].group));
        next += runs[i].n_rows;
    }
    ASSERT(next == rows->n_rows && rows->sel == NULL);
}

/* Head and runs of a block in w->part, without check sum. */
static void make_block(struct segment_writer *w, struct segment_block_record *r,
                       const struct segment_run *runs)
{
    uint64_t in_front = segment_align(sizeof(*r) + r->n_runs * sizeof(struct segment_run_record));
    r->size = (uint32_t)(in_front + segment_align(r->stored_size));
    str_clear(&w->part);
    str_append(&w->part, (const char *)r, sizeof(*r));
    for (uint32_t i = 0; i < r->n_runs; i++) {
        struct segment_run_record run = {runs[i].group, runs[i].n_rows};
        str_append(&w->part, (const char *)&run, sizeof(run));
    }
    pad_part(&w->part);
}

/* What the encoder has, in one piece. */
static struct buffer *gather(struct segment_writer *w)
{
    const struct batch_encoder *e = &w->encoder;
    struct buffer *raw = buffer_get(w->pool, e->total_bytes);
    uint8_t *at = raw->data;
    for (uint32_t i = 0; i < e->n_iov; i++) {
        memcpy(at, e->iov[i].iov_base, e->iov[i].iov_len);
        at += e->iov[i].iov_len;
    }
    return raw;
}

/* Compresses the batch at hand if that is worth it.
 * Flink: SnappyStreamCompressionDecorator, over a whole key group. */
static void compress_block(struct segment_writer *w, struct segment_block_record *r)
{
    uint32_t limit = r->batch_size - r->batch_size / SEGMENT_GAIN_MIN;
    if (w->compression == SEGMENT_COMPRESSION_NONE || r->batch_size > LZ4_MAX_INPUT_SIZE) {
        return;
    }
    struct buffer *raw = gather(w), *to = buffer_get(w->pool, limit);
    int n = LZ4_compress_default((const char *)raw->data, (char *)to->data, (int)r->batch_size,
                                 (int)limit);
    buffer_unref(raw);
    if (n <= 0) {
        buffer_unref(to);
        return;
    }
    r->compression = SEGMENT_COMPRESSION_LZ4;
    r->stored_size = (uint32_t)n;
    w->compressed = to;
}

/* The batch lies in the encoder, in pieces, or in w->compressed. */
static int append_block(struct segment_writer *w, struct segment_block_record *r, struct error *err)
{
    const struct batch_encoder *e = &w->encoder;
    struct iovec one = {.iov_len = r->stored_size};
    const struct iovec *iov = e->iov;
    uint32_t n_iov = r->stored_size > 0 ? e->n_iov : 0;
    if (r->compression == SEGMENT_COMPRESSION_LZ4) {
        one.iov_base = w->compressed->data;
        iov = &one;
        n_iov = 1;
    }
    uint32_t crc =
        segment_crc(w->part.data, w->part.len, offsetof(struct segment_block_record, crc));
    for (uint32_t i = 0; i < n_iov; i++) {
        crc = crc32c(crc, iov[i].iov_base, iov[i].iov_len);
    }
    size_t pad = (size_t)(segment_align(r->stored_size) - r->stored_size);
    r->crc = crc32c(crc, ZEROS, pad);
    memcpy(w->part.data, r, sizeof(*r));
    TRY(snapshot_output_append(w->output, w->part.data, w->part.len, err));
    for (uint32_t i = 0; i < n_iov; i++) {
        TRY(snapshot_output_append(w->output, iov[i].iov_base, iov[i].iov_len, err));
    }
    return snapshot_output_append(w->output, ZEROS, pad, err);
}

void segment_writer_set_seed(struct segment_writer *w, uint64_t table_seed)
{
    w->table_seed = table_seed;
}

int segment_writer_put(struct segment_writer *w, uint32_t state_id, enum segment_block_kind kind,
                       int64_t name_space, const struct batch *rows, const struct segment_run *runs,
                       uint32_t n_runs, struct error *err)
{
    bool has_rows = kind != SEGMENT_BLOCK_DROP;
    ASSERT(!w->finished && state_id < w->states.len && has_rows == (rows != NULL));
    struct segment_block_record r = {
        .tag = SEGMENT_TAG_BLOCK,
        .state_id = state_id,
        .number = w->blocks.len,
        .name_space = name_space,
        .kind = (uint8_t)kind,
    };
    if (has_rows) {
        const struct vec *widths = kind == SEGMENT_BLOCK_PUT ? &w->widths : &w->key_widths;
        ASSERT(rows->n_columns == *VEC_AT(widths, uint32_t, state_id));
        if (rows->n_rows == 0) {
            return 0;
        }
        check_runs(w, rows, runs, n_runs);
        TRY(batch_encode(&w->encoder, rows, err));
        r.n_rows = rows->n_rows;
        r.n_runs = n_runs;
        r.table_seed = w->table_seed;
        r.stored_size = r.batch_size = (uint32_t)w->encoder.total_bytes;
        compress_block(w, &r);
    }
    TRY(FAILPOINT(err, "snapshot.segment.put"));
    uint64_t offset = snapshot_output_position(w->output);
    make_block(w, &r, runs);
    int rc = append_block(w, &r, err);
    w->compressed = buffer_unref(w->compressed);
    TRY_CTX(err, rc, "writing block %llu of a segment", (unsigned long long)r.number);
    *VEC_PUSH(&w->blocks, struct segment_index_block) = (struct segment_index_block){
        .offset = offset,
        .size = r.size,
        .first_group = has_rows ? runs[0].group : w->first_group,
        .last_group = has_rows ? runs[n_runs - 1].group : w->last_group,
        .n_rows = r.n_rows,
        .state_id = state_id,
        .kind = r.kind,
    };
    w->n_entries += r.n_rows;
    w->raw_bytes += r.batch_size;
    w->stored_bytes += r.stored_size;
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------------- */

int segment_writer_finish(struct segment_writer *w, struct error *err)
{
    ASSERT(!w->finished);
    w->finished = true;
    struct segment_index_record r = {
        .tag = SEGMENT_TAG_INDEX,
        .size = sizeof(r) + w->states.len * sizeof(struct segment_index_state) +
                w->blocks.len * sizeof(struct segment_index_block),
        .n_blocks = w->blocks.len,
        .n_entries = w->n_entries,
        .n_states = (uint32_t)w->states.len,
    };
    struct str *index = &w->part;
    str_clear(index);
    str_reserve(index, r.size);
    str_append(index, (const char *)&r, sizeof(r));
    if (w->states.len > 0) {
        str_append(index, w->states.data, w->states.len * sizeof(struct segment_index_state));
    }
    if (w->blocks.len > 0) {
        str_append(index, w->blocks.data, w->blocks.len * sizeof(struct segment_index_block));
    }
    r.crc = segment_crc(index->data, index->len, offsetof(struct segment_index_record, crc));
    memcpy(index->data, &r, sizeof(r));
    struct segment_foot foot = {
        .index_offset = snapshot_output_position(w->output),
        .index_size = r.size,
        .tag = SEGMENT_TAG_FOOT,
    };
    foot.crc = segment_crc(&foot, sizeof(foot), offsetof(struct segment_foot, crc));
    TRY(snapshot_output_append(w->output, index->data, index->len, err));
    TRY(snapshot_output_append(w->output, &foot, sizeof(foot), err));
    snapshot_output_finish(w->output);
    return 0;
}

int segment_writer_poll(struct segment_writer *w, Flinc__KeyedSegment *ret_segment,
                        struct error *err)
{
    Flinc__StateBlob blob;
    int rc = snapshot_output_poll(w->output, &blob, err);
    if (rc <= 0) {
        return rc;
    }
    Flinc__StateBlob *kept = mem_dup(&blob, sizeof(blob));
    flinc__keyed_segment__init(ret_segment);
    ret_segment->blob = kept;
    ret_segment->first_group = w->first_group;
    ret_segment->last_group = w->last_group;
    ret_segment->checkpoint_id = w->checkpoint_id;
    ret_segment->is_base = w->is_base;
    ret_segment->n_entries = w->n_entries;
    ret_segment->saved_bytes = w->raw_bytes - w->stored_bytes;
    return 1;
}
