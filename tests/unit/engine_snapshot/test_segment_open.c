/* Opening segments: damage, other versions, other segments than the metadata describes. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "engine/snapshot/segment_format.h"

/* Reads all of it; the first error, or 0. */
static int read_all(struct buffer_pool *pool, const Flinc__KeyedSegment *s, struct error *err)
{
    struct segment_reader *r = NULL;
    struct segment_block b;
    TRY(segment_reader_open(s, fixture_dir, &r, err));
    int rc;
    while ((rc = segment_reader_next(r, pool, 0, 127, &b, err)) == 1) {
        batch_unref(b.rows);
    }
    segment_reader_close(r);
    return rc;
}

static void write_some_as(struct buffer_pool *pool, enum segment_compression compression,
                          Flinc__KeyedSegment *ret)
{
    struct words w;
    words_open_as(&w, pool, 1 << 20, compression);
    words_put(&w, SEGMENT_BLOCK_PUT, 1, 10, 19, 3);
    words_put(&w, SEGMENT_BLOCK_REMOVE, 8, 12, 13, 2);
    assert_ok(segment_writer_put(w.writer, 0, SEGMENT_BLOCK_DROP, 77, NULL, NULL, 0, &ok_err));
    words_finish(&w, ret);
}

static void write_some(struct buffer_pool *pool, Flinc__KeyedSegment *ret)
{
    write_some_as(pool, SEGMENT_COMPRESSION_NONE, ret);
}

static void every_bit_counts_as(struct buffer_pool *pool, enum segment_compression compression)
{
    Flinc__KeyedSegment s;
    write_some_as(pool, compression, &s);
    assert_true((s.saved_bytes > 0) == (compression == SEGMENT_COMPRESSION_LZ4));
    uint8_t *bytes = s.blob->inline_data.data;
    for (size_t bit = 0; bit < s.blob->size * 8; bit++) {
        struct error err = ERROR_INIT;
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        int rc = read_all(pool, &s, &err);
        check_error(rc, ERR_CORRUPT, &err, "keyed state inside the snapshot's metadata is damaged");
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
    }
    assert_ok(read_all(pool, &s, &ok_err));
    keyed_segment_clear(&s);
}

static void every_bit_counts(void **state)
{
    every_bit_counts_as(*state, SEGMENT_COMPRESSION_NONE);
    every_bit_counts_as(*state, SEGMENT_COMPRESSION_LZ4);
}

static void blocks_are_named(void **state)
{
    Flinc__KeyedSegment s;
    struct error err = ERROR_INIT;
    write_some(*state, &s);
    struct segment_state_record first;
    uint8_t *bytes = s.blob->inline_data.data;
    memcpy(&first, bytes + sizeof(struct segment_head), sizeof(first));
    bytes[sizeof(struct segment_head) + first.size + sizeof(struct segment_block_record)] ^= 1;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err,
                "block 0 at byte 176: the check sum");
    keyed_segment_clear(&s);
}

static void every_length_counts(void **state)
{
    Flinc__KeyedSegment s;
    write_some(*state, &s);
    Flinc__StateBlob *blob = s.blob;
    uint64_t size = blob->size;
    for (uint64_t n = 0; n < size; n++) {
        struct error err = ERROR_INIT;
        blob->inline_data.len = n;
        check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, "damaged");
        blob->size = n;
        check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, "damaged");
        blob->size = size;
    }
    blob->inline_data.len = size;
    keyed_segment_clear(&s);
}

static void the_metadata_must_fit(void **state)
{
    Flinc__KeyedSegment s;
    struct error err = ERROR_INIT;
    const char *what = "not the segment that the snapshot's metadata describes";
    write_some(*state, &s);
    s.first_group--;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, what);
    s.first_group++;
    s.last_group++;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, what);
    s.last_group--;
    s.checkpoint_id++;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, what);
    s.checkpoint_id--;
    s.is_base = !s.is_base;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, what);
    s.is_base = !s.is_base;
    s.n_entries++;
    check_error(read_all(*state, &s, &err), ERR_CORRUPT, &err, what);
    s.n_entries--;
    assert_ok(read_all(*state, &s, &ok_err));
    keyed_segment_clear(&s);
}

static void a_newer_version_says_so(void **state)
{
    Flinc__KeyedSegment s;
    struct error err = ERROR_INIT;
    write_some(*state, &s);
    struct segment_head head;
    memcpy(&head, s.blob->inline_data.data, sizeof(head));
    head.version = 2;
    head.crc = segment_crc(&head, sizeof(head), offsetof(struct segment_head, crc));
    memcpy(s.blob->inline_data.data, &head, sizeof(head));
    check_error(read_all(*state, &s, &err), ERR_UNSUPPORTED, &err, "version 2");
    keyed_segment_clear(&s);
}

static void files_that_are_gone_or_cut(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    struct error err = ERROR_INIT;
    words_open(&w, *state, 0);
    words_put(&w, SEGMENT_BLOCK_PUT, 1, 10, 19, 3);
    words_finish(&w, &s);
    assert_ok(read_all(*state, &s, &ok_err));
    assert_ok(failpoint_configure("snapshot.segment.read=error:planned,nth=5", &ok_err));
    check_error(read_all(*state, &s, &err), ERR_IO, &err, "planned");
    failpoint_clear_all();
    STR_AUTO path = STR_INIT;
    assert_int_equal(fs_join(fixture_dir, s.blob->location, &path, NULL), 0);
    assert_ok(fs_delete(str_cstr(&path), FS_DELETE_ONE, &ok_err));
    check_error(read_all(*state, &s, &err), ERR_NOT_FOUND, &err, str_cstr(&path));
    keyed_segment_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(every_bit_counts),        SNAPSHOT_TEST(blocks_are_named),
        SNAPSHOT_TEST(every_length_counts),     SNAPSHOT_TEST(the_metadata_must_fit),
        SNAPSHOT_TEST(a_newer_version_says_so), SNAPSHOT_TEST(files_that_are_gone_or_cut),
    };
    return cmocka_run_group_tests_name("segment_open", tests, NULL, NULL);
}
