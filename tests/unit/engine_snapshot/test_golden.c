/* Version 1 of the formats, byte by byte: what is written today is what was written first, and what was
 * written first is read.  A change here needs a new version that reads the old one too.
 *
 * FLINC_PRINT_GOLDEN=1 prints the bytes; the corpora of fuzz_segment and fuzz_snapshot_metadata have them too. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/golden.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "common/base/crc32c.h"

static void show(const char *name, const uint8_t *bytes, size_t size)
{
    if (getenv("FLINC_PRINT_GOLDEN") != NULL) {
        printf("static const char %s[] =\n    \"", name);
        for (size_t i = 0; i < size; i++) {
            printf("%s%02x", i % 44 == 0 && i > 0 ? "\"\n    \"" : "", bytes[i]);
        }
        printf("\";\n");
    }
}

static size_t from_hex(const char *hex, uint8_t **ret)
{
    size_t n = strlen(hex) / 2;
    *ret = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        (*ret)[i] = (uint8_t)byte;
    }
    return n;
}

static void check_golden(const char *hex, const uint8_t *bytes, size_t size)
{
    uint8_t *want = NULL;
    size_t n = from_hex(hex, &want);
    assert_int_equal(size, n);
    assert_memory_equal(bytes, want, n);
    mem_free(want);
}

static void segment(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    words_open(&w, *state, 1 << 20);
    words_put(&w, SEGMENT_BLOCK_PUT, -1, 12, 13, 2);
    words_put(&w, SEGMENT_BLOCK_REMOVE, 5, 19, 19, 1);
    assert_ok(segment_writer_put(w.writer, 0, SEGMENT_BLOCK_DROP, 6, NULL, NULL, 0, &ok_err));
    words_finish(&w, &s);
    show("GOLDEN_SEGMENT", s.blob->inline_data.data, s.blob->size);
    check_golden(GOLDEN_SEGMENT, s.blob->inline_data.data, s.blob->size);
    keyed_segment_clear(&s);
}

/* Blocks that tell the seed of their table; those above, as all that were written before there were seeds,
 * have zeros in its place. */
static void seeded(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    words_open(&w, *state, 1 << 20);
    segment_writer_set_seed(w.writer, UINT64_C(0x0123456789abcdef));
    words_put(&w, SEGMENT_BLOCK_PUT, -1, 12, 13, 2);
    words_finish(&w, &s);
    show("GOLDEN_SEEDED", s.blob->inline_data.data, s.blob->size);
    check_golden(GOLDEN_SEEDED, s.blob->inline_data.data, s.blob->size);
    keyed_segment_clear(&s);
}

/* Version 1 with blocks that are compressed: it is read, for ever; what LZ4 makes of the same bytes may
 * differ between its versions, so that what is written today is only read back. */
static void read_golden(const char *hex, struct buffer_pool *pool, struct segment_block *ret)
{
    uint8_t *bytes = NULL;
    size_t n = from_hex(hex, &bytes);
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    Flinc__KeyedSegment s = FLINC__KEYED_SEGMENT__INIT;
    struct segment_reader *r = NULL;
    struct error err = ERROR_INIT;
    blob.size = n;
    blob.inline_data = (ProtobufCBinaryData){n, bytes};
    s.blob = &blob;
    s.first_group = 10;
    s.last_group = 19;
    s.checkpoint_id = 7;
    s.is_base = true;
    s.n_entries = 200;
    assert_ok(segment_reader_open(&s, "", &r, &ok_err));
    assert_int_equal(segment_reader_next(r, pool, 0, 127, ret, &err), 1);
    assert_int_equal(ret->rows->n_rows, 200);
    segment_reader_close(r);
    mem_free(bytes);
}

static void compressed(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    struct segment_block written, golden;
    words_open_as(&w, *state, 1 << 20, SEGMENT_COMPRESSION_LZ4);
    words_put(&w, SEGMENT_BLOCK_PUT, -1, 10, 19, 20);
    words_finish(&w, &s);
    show("GOLDEN_COMPRESSED", s.blob->inline_data.data, s.blob->size);
    assert_true(s.saved_bytes > s.blob->size);
    STR_AUTO hex = STR_INIT;
    for (size_t i = 0; i < s.blob->size; i++) {
        str_printf(&hex, "%02x", s.blob->inline_data.data[i]);
    }
    read_golden(str_cstr(&hex), *state, &written);
    read_golden(GOLDEN_COMPRESSED, *state, &golden);
    assert_true(batch_equals(written.rows, golden.rows));
    batch_unref(written.rows);
    batch_unref(golden.rows);
    keyed_segment_clear(&s);
}

static void metadata(void **state)
{
    (void)state;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = make_metadata(), *got = NULL;
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 2, 128);
    add_keyed(o, add_subtask(o, 1), "aabb-1-0-42-00ff");
    add_list(add_subtask(o, 0), "l", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 2);
    m->version = 1; /* what nobody writes any more, */
    assert_ok(metadata_encode(m, &bytes, &ok_err));
    show("GOLDEN_METADATA", (const uint8_t *)bytes.data, bytes.len);
    check_golden(GOLDEN_METADATA, (const uint8_t *)bytes.data, bytes.len);
    assert_ok(metadata_decode((const uint8_t *)bytes.data, bytes.len, "golden", &got, &ok_err));
    flinc__checkpoint_metadata__free_unpacked(got, NULL);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

/* Version 2: files of a backend, parts with an index. */
static void metadata_2(void **state)
{
    (void)state;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = make_metadata(), *got = NULL;
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 2, 128);
    Flinc__SubtaskSnapshot *s = add_subtask(o, 1);
    add_files(add_keyed(o, s, "aabb-1-0-42-00ff"), "file:/c/shared/aabb-1-0-41-00fe");
    Flinc__OperatorStatePart *p =
        add_list(s, "l", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 9)->parts[0];
    p->n_offsets = p->n_sizes = 0;
    p->n_items = p->index_items = 3;
    p->items_offset = 8;
    p->index_offset = 40;
    m->version = 2;
    assert_ok(metadata_encode(m, &bytes, &ok_err));
    show("GOLDEN_METADATA_2", (const uint8_t *)bytes.data, bytes.len);
    check_golden(GOLDEN_METADATA_2, (const uint8_t *)bytes.data, bytes.len);
    assert_ok(metadata_decode((const uint8_t *)bytes.data, bytes.len, "golden", &got, &ok_err));
    const Flinc__OperatorSubtaskState *read = got->operators[0]->subtasks[0]->state;
    assert_int_equal(read->keyed[0]->files[0]->files[0]->block_crcs[1], 0x12345678);
    assert_int_equal(read->operator_state[0]->parts[0]->index_offset, 40);
    flinc__checkpoint_metadata__free_unpacked(got, NULL);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

/* Version 3: blobs that are sections of files with others. */
static void metadata_3(void **state)
{
    (void)state;
    STR_AUTO bytes = STR_INIT;
    Flinc__CheckpointMetadata *m = make_metadata(), *got = NULL;
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 2, 128);
    Flinc__SubtaskSnapshot *s = add_subtask(o, 1);
    Flinc__StateBlob *b = add_keyed(o, s, "file:/c/taskowned/aabb-1-0-41-00fe")->segments[0]->blob;
    b->offset = 4096;
    b->merged_since = 41;
    assert_ok(metadata_encode(m, &bytes, &ok_err));
    show("GOLDEN_METADATA_3", (const uint8_t *)bytes.data, bytes.len);
    check_golden(GOLDEN_METADATA_3, (const uint8_t *)bytes.data, bytes.len);
    assert_ok(metadata_decode((const uint8_t *)bytes.data, bytes.len, "golden", &got, &ok_err));
    b = got->operators[0]->subtasks[0]->state->keyed[0]->segments[0]->blob;
    assert_int_equal(b->offset, 4096);
    assert_int_equal(b->merged_since, 41);
    flinc__checkpoint_metadata__free_unpacked(got, NULL);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SNAPSHOT_TEST(segment),    SNAPSHOT_TEST(seeded),
                                       SNAPSHOT_TEST(compressed), SNAPSHOT_TEST(metadata),
                                       SNAPSHOT_TEST(metadata_2), SNAPSHOT_TEST(metadata_3)};
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
