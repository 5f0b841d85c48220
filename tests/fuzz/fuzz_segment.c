/* Segments of keyed state: any bytes are refused or give valid rows of the groups that were asked for.
 *
 * The first byte chooses whether check sums are made right first, where parts seem to be, so that what lies
 * behind them is reached. */
#include "engine/snapshot/segment_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_crc(uint8_t *part, uint64_t size, size_t crc_at)
{
    uint32_t crc = segment_crc(part, size, crc_at);
    memcpy(part + crc_at, &crc, sizeof(crc));
}

static void repair_records(uint8_t *bytes, uint64_t size, const uint8_t *entries, uint64_t n,
                           size_t entry_size, size_t head_size, size_t crc_at)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t offset;
        uint32_t record;
        memcpy(&offset, entries + i * entry_size, sizeof(offset));
        memcpy(&record, entries + i * entry_size + sizeof(offset), sizeof(record));
        if (offset < size && record <= size - offset && record >= head_size) {
            put_crc(bytes + offset, record, crc_at);
        }
    }
}

static void repair(uint8_t *bytes, uint64_t size)
{
    struct segment_index_record index;
    if (size < sizeof(struct segment_head) + sizeof(index) + sizeof(struct segment_foot)) {
        return;
    }
    uint8_t *foot_at = bytes + size - sizeof(struct segment_foot);
    struct segment_foot foot;
    memcpy(&foot, foot_at, sizeof(foot));
    put_crc(bytes, sizeof(struct segment_head), offsetof(struct segment_head, crc));
    if (foot.index_offset < size && foot.index_size <= size - foot.index_offset &&
        foot.index_size >= sizeof(index)) {
        uint8_t *at = bytes + foot.index_offset;
        memcpy(&index, at, sizeof(index));
        uint64_t room = foot.index_size - sizeof(index);
        const uint8_t *states = at + sizeof(index);
        uint64_t states_size = index.n_states * sizeof(struct segment_index_state);
        if (index.n_states <= SEGMENT_STATES_MAX && states_size <= room &&
            index.n_blocks <= (room - states_size) / sizeof(struct segment_index_block)) {
            repair_records(bytes, size, states, index.n_states, sizeof(struct segment_index_state),
                           sizeof(struct segment_state_record),
                           offsetof(struct segment_state_record, crc));
            repair_records(bytes, size, states + states_size, index.n_blocks,
                           sizeof(struct segment_index_block), sizeof(struct segment_block_record),
                           offsetof(struct segment_block_record, crc));
        }
        put_crc(at, foot.index_size, offsetof(struct segment_index_record, crc));
    }
    put_crc(foot_at, sizeof(foot), offsetof(struct segment_foot, crc));
}

static void check_block(const struct segment_block *b, uint32_t first, uint32_t last)
{
    uint32_t rows = 0;
    if (b->rows == NULL) {
        ASSERT(b->kind == SEGMENT_BLOCK_DROP);
        return;
    }
    int rc = batch_validate(b->rows, NULL);
    ASSERT(rc == 0 && b->n_runs > 0);
    for (uint32_t i = 0; i < b->n_runs; i++) {
        ASSERT(b->runs[i].first_row == rows && b->runs[i].group >= first &&
               b->runs[i].group <= last);
        rows += b->runs[i].n_rows;
    }
    ASSERT(rows == b->rows->n_rows);
}

static void read_segment(struct buffer_pool *pool, uint8_t *bytes, size_t size)
{
    struct segment_head head = {0};
    struct segment_foot foot = {0};
    struct segment_index_record index = {0};
    memcpy(&head, bytes, MIN(size, sizeof(head)));
    if (size >= sizeof(foot)) {
        memcpy(&foot, bytes + size - sizeof(foot), sizeof(foot));
    }
    if (foot.index_offset < size && size - foot.index_offset >= sizeof(index)) {
        memcpy(&index, bytes + foot.index_offset, sizeof(index));
    }
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    Flinc__KeyedSegment segment = FLINC__KEYED_SEGMENT__INIT;
    blob.inline_data = (ProtobufCBinaryData){size, bytes};
    blob.size = size;
    segment.blob = &blob;
    segment.first_group = head.first_group;
    segment.last_group = head.last_group;
    segment.checkpoint_id = head.checkpoint_id;
    segment.is_base = head.is_base != 0;
    segment.n_entries = index.n_entries;
    struct segment_reader *r = NULL;
    if (segment_reader_open(&segment, NULL, &r, NULL) < 0) {
        return;
    }
    struct segment_block b;
    uint32_t first = head.first_group + 1;
    while (segment_reader_next(r, pool, first, head.last_group, &b, NULL) == 1) {
        uint64_t rows;
        check_block(&b, first, head.last_group);
        int rc = segment_reader_rows_ahead(r, &b, first, head.last_group, &rows, NULL);
        ASSERT(rc < 0 || b.kind != SEGMENT_BLOCK_PUT || rows >= b.rows->n_rows);
        batch_unref(b.rows);
    }
    segment_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buffer_pool *pool; /* for the whole run */
    if (pool == NULL) {
        pool = buffer_pool_new(&(struct buffer_pool_options){.name = "fuzz"});
    }
    if (size < 1) {
        return 0;
    }
    uint8_t *bytes = mem_alloc(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 4 != 0) {
        repair(bytes, size - 1);
    }
    read_segment(pool, bytes, size - 1);
    mem_free(bytes);
    ASSERT(buffer_pool_out_count(pool) == 0);
    return 0;
}
