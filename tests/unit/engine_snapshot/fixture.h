/* What the tests of the room share: a folder and a pool per test, targets, and segments of words and
 * counts. */
#ifndef FLINC_TESTS_ENGINE_SNAPSHOT_FIXTURE_H
#define FLINC_TESTS_ENGINE_SNAPSHOT_FIXTURE_H

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "engine/data/builder.h"
#include "engine/snapshot/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char fixture_dir[256];

static inline int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(fixture_dir, sizeof(fixture_dir), "%s/flinc-snapshot-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(fixture_dir) == NULL) {
        return -1;
    }
    *state = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    buffer_pool_adopt(*state);
    return 0;
}

static inline int teardown(void **state)
{
    failpoint_clear_all();
    assert_int_equal(buffer_pool_out_count(*state), 0);
    buffer_pool_close(*state);
    return fs_delete(fixture_dir, FS_DELETE_RECURSIVE, NULL);
}

#define SNAPSHOT_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#define assert_ok(expr)                                  \
    do {                                                 \
        struct error ok_err = ERROR_INIT;                \
        if ((expr) < 0) {                                \
            char text_[4096];                            \
            error_format(&ok_err, text_, sizeof(text_)); \
            fail_msg("%s: %s", #expr, text_);            \
        }                                                \
    } while (0)

static inline void check_error(int rc, int code, const struct error *err, const char *part)
{
    char text[4096];
    error_format(err, text, sizeof(text));
    if (rc != code || strstr(text, part) == NULL) {
        fail_msg("%s (%d): '%s' is not %s or does not say '%s'", error_code_name(rc), rc, text,
                 error_code_name(code), part);
    }
}

static inline uint32_t files_in(const char *folder)
{
    struct fs_list list = FS_LIST_INIT;
    assert_int_equal(fs_list_dir(folder, &list, NULL), 0);
    uint32_t n = (uint32_t)list.n;
    fs_list_fini(&list);
    return n;
}

/* Which location outputs get: files from `threshold` + 1 bytes on, in the folder of the test. */
static inline Flinc__CheckpointLocation location_in_dir(uint64_t threshold)
{
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    l.directory = fixture_dir;
    l.inline_threshold = threshold;
    return l;
}

static inline struct snapshot_target *target_in_dir(uint64_t threshold, struct executor *executor)
{
    Flinc__CheckpointLocation l = location_in_dir(threshold);
    return snapshot_target_new(&(struct snapshot_target_options){
        .location = &l, .checkpoint_id = 7, .owner = "aabb-3-1", .executor = executor});
}

static inline struct schema *schema_of(const char *text)
{
    struct schema *s = NULL;
    assert_ok(schema_parse(slice_cstr(text), &s, &ok_err));
    return s;
}

/* ---- a segment of words: state 'count', key `word`, value `n` ---------------------------------- */

struct words {
    struct buffer_pool *pool;
    struct schema *key, *value, *row;
    struct segment_writer *writer;
    uint32_t state;
    int64_t bonus; /* added to values */
};

static inline void words_open_as(struct words *w, struct buffer_pool *pool, uint64_t threshold,
                                 enum segment_compression compression)
{
    struct snapshot_target *target = target_in_dir(threshold, NULL);
    w->bonus = 0;
    w->pool = pool;
    w->key = schema_of("ROW<`word` STRING NOT NULL>");
    w->value = schema_of("ROW<`n` BIGINT NOT NULL>");
    w->row = schema_of("ROW<`word` STRING NOT NULL, `n` BIGINT NOT NULL>");
    const struct segment_writer_options options = {
        .output = snapshot_output_open(target, SNAPSHOT_SCOPE_EXCLUSIVE),
        .pool = pool,
        .first_group = 10,
        .last_group = 19,
        .max_parallelism = 128,
        .checkpoint_id = 7,
        .is_base = true,
        .compression = compression,
    };
    snapshot_target_unref(target);
    assert_ok(segment_writer_new(&options, &w->writer, &ok_err));
    const struct segment_state state = {.name = "count",
                                        .kind = "value",
                                        .key_schema = w->key,
                                        .n_key_columns = 1,
                                        .value_schema = w->value,
                                        .ttl_ms = 5000};
    assert_ok(segment_writer_add_state(w->writer, &state, &w->state, &ok_err));
}

static inline void words_open(struct words *w, struct buffer_pool *pool, uint64_t threshold)
{
    words_open_as(w, pool, threshold, SEGMENT_COMPRESSION_NONE);
}

/* Rows `first` ... of the groups [first_group, last_group], `per_group` each: word-<i> has i. */
static inline void words_put(struct words *w, enum segment_block_kind kind, int64_t name_space,
                             uint32_t first_group, uint32_t last_group, uint32_t per_group)
{
    struct builder b;
    struct segment_run runs[128];
    uint32_t n_runs = 0;
    builder_init(&b, w->pool, kind == SEGMENT_BLOCK_PUT ? w->row : w->key, BATCH_ROWS_MAX);
    b.target_bytes = UINT64_MAX;
    builder_begin(&b);
    for (uint32_t group = first_group; group <= last_group; group++) {
        runs[n_runs++] = (struct segment_run){group, builder_rows(&b), per_group};
        for (uint32_t i = 0; i < per_group; i++) {
            char text[64];
            int len = snprintf(text, sizeof(text), "word-%u-of-a-longer-kind-%u", group, i);
            builder_begin(&b);
            assert_int_equal(builder_put_bytes(&b, 0, text, (size_t)len, NULL), 0);
            if (kind == SEGMENT_BLOCK_PUT) {
                builder_put_i64(&b, 1, (int64_t)group * 1000 + i + w->bonus);
            }
            builder_end_row(&b);
        }
    }
    struct batch *rows = builder_finish(&b);
    assert_ok(
        segment_writer_put(w->writer, w->state, kind, name_space, rows, runs, n_runs, &ok_err));
    batch_unref(rows);
    builder_fini(&b);
}

static inline void words_close(struct words *w)
{
    segment_writer_free(w->writer);
    schema_unref(w->key);
    schema_unref(w->value);
    schema_unref(w->row);
}

static inline void words_finish(struct words *w, Flinc__KeyedSegment *ret)
{
    assert_ok(segment_writer_finish(w->writer, &ok_err));
    struct error err = ERROR_INIT;
    assert_int_equal(segment_writer_poll(w->writer, ret, &err), 1);
    words_close(w);
}

static inline void keyed_segment_clear(Flinc__KeyedSegment *s)
{
    state_blob_clear(s->blob);
    mem_free(s->blob);
}

#endif
