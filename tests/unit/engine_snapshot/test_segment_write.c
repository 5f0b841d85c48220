/* Segments: what is written comes back; limits; failures of the output. */
#include "tests/unit/engine_snapshot/fixture.h"

static void an_empty_segment(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    struct segment_reader *r = NULL;
    struct segment_block b;
    words_open(&w, *state, 4096);
    words_finish(&w, &s);
    assert_int_equal(s.n_entries, 0);
    assert_int_equal(s.first_group, 10);
    assert_int_equal(s.last_group, 19);
    assert_int_equal(s.checkpoint_id, 7);
    assert_true(s.is_base);
    assert_ok(segment_reader_open(&s, NULL, &r, &ok_err));
    assert_int_equal(segment_reader_n_states(r), 1);
    assert_int_equal(segment_reader_max_parallelism(r), 128);
    struct error err = ERROR_INIT;
    assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 0);
    segment_reader_close(r);
    keyed_segment_clear(&s);
}

static void states_come_back(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    struct segment_reader *r = NULL;
    words_open(&w, *state, 4096);
    struct schema *none = schema_new(NULL, NULL, 0);
    struct schema *key = schema_of("ROW<`a` INT, `t` BIGINT NOT NULL>");
    const struct segment_state timers = {.name = "_timers",
                                         .kind = "timers",
                                         .key_schema = key,
                                         .n_key_columns = 1,
                                         .value_schema = none};
    uint32_t id = 9;
    words_put(&w, SEGMENT_BLOCK_PUT, 0, 10, 10, 1);
    assert_ok(segment_writer_add_state(w.writer, &timers, &id, &ok_err));
    assert_int_equal(id, 1);
    words_put(&w, SEGMENT_BLOCK_PUT, 0, 10, 10, 1);
    words_finish(&w, &s);
    assert_ok(segment_reader_open(&s, NULL, &r, &ok_err));
    assert_int_equal(segment_reader_n_states(r), 2);
    const struct segment_state *count = segment_reader_state(r, 0);
    assert_string_equal(count->name, "count");
    assert_string_equal(count->kind, "value");
    assert_int_equal(count->ttl_ms, 5000);
    assert_int_equal(count->n_key_columns, 1);
    assert_string_equal(count->value_schema->fields[0].name, "n");
    const struct segment_state *t = segment_reader_state(r, 1);
    assert_true(schema_equals(t->key_schema, key));
    assert_int_equal(t->value_schema->n_fields, 0);
    segment_reader_close(r);
    schema_unref(none);
    schema_unref(key);
    keyed_segment_clear(&s);
}

static void names_have_limits(void **state)
{
    struct words w;
    struct error err = ERROR_INIT;
    char name[SEGMENT_STATE_NAME_MAX + 2];
    uint32_t id;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    words_open(&w, *state, 4096);
    struct segment_state st = {.name = name,
                               .kind = "value",
                               .key_schema = w.key,
                               .n_key_columns = 1,
                               .value_schema = w.value};
    check_error(segment_writer_add_state(w.writer, &st, &id, &err), ERR_TOO_LARGE, &err, "256");
    st.name = "";
    check_error(segment_writer_add_state(w.writer, &st, &id, &err), ERR_TOO_LARGE, &err, "0 bytes");
    st.name = name + 1;
    assert_ok(segment_writer_add_state(w.writer, &st, &id, &ok_err));
    words_close(&w);
}

static void a_batch_without_rows_is_no_block(void **state)
{
    struct words w;
    Flinc__KeyedSegment s;
    struct segment_reader *r = NULL;
    struct segment_block b;
    words_open(&w, *state, 4096);
    struct batch *none = batch_new(*state, w.row);
    assert_ok(segment_writer_put(w.writer, 0, SEGMENT_BLOCK_PUT, 0, none, NULL, 0, &ok_err));
    batch_unref(none);
    words_finish(&w, &s);
    assert_ok(segment_reader_open(&s, NULL, &r, &ok_err));
    struct error err = ERROR_INIT;
    assert_int_equal(segment_reader_next(r, *state, 0, 127, &b, &err), 0);
    segment_reader_close(r);
    keyed_segment_clear(&s);
}

static void failures_come_back(void **state)
{
    struct error err = ERROR_INIT;
    struct words w;
    words_open(&w, *state, 0);
    assert_ok(failpoint_configure("snapshot.output.create=error:planned", &ok_err));
    int rc = segment_writer_finish(w.writer, &err);
    Flinc__KeyedSegment s;
    if (rc == 0) {
        rc = segment_writer_poll(w.writer, &s, &err);
    }
    check_error(rc, ERR_IO, &err, "planned");
    words_close(&w);
    assert_int_equal(files_in(fixture_dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(an_empty_segment),   SNAPSHOT_TEST(states_come_back),
        SNAPSHOT_TEST(names_have_limits),  SNAPSHOT_TEST(a_batch_without_rows_is_no_block),
        SNAPSHOT_TEST(failures_come_back),
    };
    return cmocka_run_group_tests_name("segment_write", tests, NULL, NULL);
}
