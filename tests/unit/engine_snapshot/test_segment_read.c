/* Blocks of a segment: order, kinds, and the rows of wanted key groups alone. */
#include "tests/unit/engine_snapshot/fixture.h"

static void check_words(const struct segment_block *b, uint32_t first, uint32_t last, uint32_t each)
{
    assert_int_equal(b->n_runs, last - first + 1);
    assert_int_equal(b->rows->n_rows, each * b->n_runs);
    assert_null(b->rows->sel);
    for (uint32_t i = 0; i < b->n_runs; i++) {
        assert_int_equal(b->runs[i].group, first + i);
        assert_int_equal(b->runs[i].first_row, i * each);
        assert_int_equal(b->runs[i].n_rows, each);
        for (uint32_t k = 0; k < each && b->kind == SEGMENT_BLOCK_PUT; k++) {
            char want[80];
            STR_AUTO got = STR_INIT;
            snprintf(want, sizeof(want), "+I[word-%u-of-a-longer-kind-%u, %u]", first + i, k,
                     (first + i) * 1000 + k);
            batch_print_row(b->rows, i * each + k, &got);
            assert_string_equal(str_cstr(&got), want);
        }
    }
    assert_ok(batch_validate(b->rows, &ok_err));
}

static void write_all_kinds(struct buffer_pool *pool, uint64_t threshold, Flinc__KeyedSegment *ret)
{
    struct words w;
    words_open(&w, pool, threshold);
    words_put(&w, SEGMENT_BLOCK_PUT, -5, 10, 19, 30);
    words_put(&w, SEGMENT_BLOCK_REMOVE, 8, 12, 13, 2);
    assert_ok(segment_writer_put(w.writer, 0, SEGMENT_BLOCK_DROP, 77, NULL, NULL, 0, &ok_err));
    words_put(&w, SEGMENT_BLOCK_PUT, 9, 19, 19, 4000);
    words_finish(&w, ret);
    assert_int_equal(ret->n_entries, 300 + 4 + 4000);
}

static void blocks_come_in_order(void **state)
{
    static const uint64_t THRESHOLDS[] = {0, 1 << 20};
    for (uint32_t i = 0; i < ARRAY_LEN(THRESHOLDS); i++) {
        Flinc__KeyedSegment s;
        struct segment_reader *r = NULL;
        struct segment_block b;
        struct error err = ERROR_INIT;
        write_all_kinds(*state, THRESHOLDS[i], &s);
        assert_int_equal(s.blob->location[0] == '\0', i);
        assert_ok(segment_reader_open(&s, fixture_dir, &r, &ok_err));
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 1);
        assert_int_equal(b.kind, SEGMENT_BLOCK_PUT);
        assert_int_equal(b.name_space, -5);
        assert_int_equal(b.number, 0);
        check_words(&b, 10, 19, 30);
        batch_unref(b.rows);
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 1);
        assert_int_equal(b.kind, SEGMENT_BLOCK_REMOVE);
        assert_int_equal(b.rows->n_columns, 1);
        check_words(&b, 12, 13, 2);
        batch_unref(b.rows);
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 1);
        assert_int_equal(b.kind, SEGMENT_BLOCK_DROP);
        assert_int_equal(b.name_space, 77);
        assert_null(b.rows);
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 1);
        check_words(&b, 19, 19, 4000);
        assert_int_equal(b.number, 3);
        struct batch *kept = b.rows;
        struct segment_stats stats;
        segment_reader_stats(r, 0, &stats);
        assert_int_equal(stats.n_blocks, 4);
        assert_int_equal(stats.n_put_rows, 300 + 4000);
        assert_int_equal(stats.n_removed_rows, 4);
        assert_true(stats.size_bytes < s.blob->size && stats.size_bytes > s.blob->size / 2);
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 0);
        segment_reader_close(r);
        assert_ok(batch_validate(kept, &ok_err)); /* rows outlive the reader */
        batch_unref(kept);
        keyed_segment_clear(&s);
    }
}

static void only_wanted_groups(void **state)
{
    Flinc__KeyedSegment s;
    write_all_kinds(*state, 0, &s);
    for (uint32_t first = 8; first < 22; first++) {
        for (uint32_t last = first; last < 22; last++) {
            struct segment_reader *r = NULL;
            struct segment_block b;
            struct error err = ERROR_INIT;
            uint32_t rows = 0, drops = 0, want = 0;
            int rc;
            assert_ok(segment_reader_open(&s, fixture_dir, &r, &ok_err));
            while ((rc = segment_reader_next(r, *state, first, last, &b, &err)) == 1) {
                drops += b.kind == SEGMENT_BLOCK_DROP;
                if (b.rows != NULL) {
                    rows += b.rows->n_rows;
                    check_words(&b, b.runs[0].group, b.runs[b.n_runs - 1].group, b.runs[0].n_rows);
                    assert_true(b.runs[0].group >= first && b.runs[b.n_runs - 1].group <= last);
                    batch_unref(b.rows);
                }
            }
            assert_int_equal(rc, 0);
            for (uint32_t g = MAX(first, 10u); g <= MIN(last, 19u); g++) {
                want += 30 + (g == 12 || g == 13 ? 2 : 0) + (g == 19 ? 4000 : 0);
            }
            assert_int_equal(rows, want);
            assert_int_equal(drops, first <= 19 && last >= 10);
            segment_reader_close(r);
        }
    }
    keyed_segment_clear(&s);
}

static void rows_of_a_namespace_are_counted_ahead(void **state)
{
    static const uint64_t ROWS[] = {300 + 60, 60, 0, 4000};
    static const uint64_t ROWS_11_TO_18[] = {240 + 60, 60, 0, 0};
    static const uint64_t SEEDS[] = {0, 77, 77, UINT64_MAX};
    Flinc__KeyedSegment s;
    struct segment_reader *r = NULL;
    struct segment_block b;
    struct words w;
    words_open(&w, *state, 0);
    words_put(&w, SEGMENT_BLOCK_PUT, -5, 10, 19, 30);
    segment_writer_set_seed(w.writer, 77);
    words_put(&w, SEGMENT_BLOCK_PUT, -5, 11, 12, 30);
    words_put(&w, SEGMENT_BLOCK_REMOVE, -5, 12, 13, 2);
    segment_writer_set_seed(w.writer, UINT64_MAX);
    words_put(&w, SEGMENT_BLOCK_PUT, 9, 19, 19, 4000);
    words_finish(&w, &s);
    assert_ok(segment_reader_open(&s, fixture_dir, &r, &ok_err));
    for (uint32_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        uint64_t rows = 0;
        struct error err = ERROR_INIT;
        assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 1);
        assert_ok(segment_reader_rows_ahead(r, &b, 0, 127, &rows, &ok_err));
        assert_int_equal(rows, ROWS[i]);
        /* Of some groups, by the runs. */
        assert_ok(segment_reader_rows_ahead(r, &b, 11, 18, &rows, &ok_err));
        assert_int_equal(rows, ROWS_11_TO_18[i]);
        assert_int_equal(b.table_seed, SEEDS[i]);
        batch_unref(b.rows);
    }
    segment_reader_close(r);
    keyed_segment_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(blocks_come_in_order),
        SNAPSHOT_TEST(only_wanted_groups),
        SNAPSHOT_TEST(rows_of_a_namespace_are_counted_ahead),
    };
    return cmocka_run_group_tests_name("segment_read", tests, NULL, NULL);
}
