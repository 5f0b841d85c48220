/* Connectors of third parties: taken over or refused; a counting source and a sink in two phases by the generic operators. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/plugin/plugin.h"
#include "engine/operators/harness.h"
#include "proto/connectors.pb-c.h"
#include "tests/unit/engine_operators/state_fixture.h"

#include <stdlib.h>

/* ---- a plug-in: numbers of ranges --------------------------------------------------------------------- */

struct counter {
    int64_t next, last;
    flinc_connector_waker *waker;
    bool waited;
};

static int64_t number(const flinc_connector_table *t, const char *key)
{
    return strtoll(t->get(t, key), NULL, 10);
}

static int counter_splits(const flinc_connector_table *t, flinc_connector_bytes *ret,
                          flinc_connector_error *error)
{
    for (int64_t i = 0; i < number(t, "splits"); i++) {
        int64_t range[2] = {i * number(t, "each"), (i + 1) * number(t, "each") - 1};
        ret->add(ret, range, sizeof(range));
    }
    return 0;
}

static int counter_open(const flinc_connector_table *t, flinc_string split,
                        const flinc_string *position, flinc_connector_waker *waker,
                        void **ret_reader, flinc_connector_error *error)
{
    struct counter *c = calloc(1, sizeof(*c));
    memcpy(c, split.data, 2 * sizeof(int64_t));
    if (position != NULL) {
        memcpy(&c->next, position->data, sizeof(c->next));
    }
    c->waker = waker;
    *ret_reader = c;
    return 0;
}

static int counter_poll(void *reader, flinc_out *out, flinc_poll *ret, flinc_connector_error *error)
{
    struct counter *c = reader;
    uint32_t n = 0;

    if (!c->waited) { /* once, until it wakes itself */
        c->waited = true;
        ret->state = FLINC_POLL_WAIT;
        ret->wait_ms = 7;
        flinc_connector_wake(c->waker);
        return 0;
    }
    for (; c->next <= c->last && n < 10; n++, c->next++) {
        if (c->next == 666) {
            return flinc_connector_fail(error, FLINC_CONNECTOR_INVALID, "the number %d", 666);
        }
        flinc_out_begin_row(out);
        flinc_out_put_int64(out, 0, c->next);
        flinc_out_end_row(out);
    }
    ret->watermark_ms = c->next;
    ret->state = c->next > c->last ? FLINC_POLL_END : FLINC_POLL_MORE;
    return 0;
}

static int counter_position(void *reader, flinc_connector_bytes *ret, flinc_connector_error *error)
{
    struct counter *c = reader;
    ret->add(ret, &c->next, sizeof(c->next));
    return 0;
}

/* ---- and a sink that sums up --------------------------------------------------------------------------- */

static struct str journal;

struct adder {
    int64_t sum;
};

static int adder_open(const flinc_connector_table *t, void **ret_writer,
                      flinc_connector_error *error)
{
    *ret_writer = calloc(1, sizeof(struct adder));
    return 0;
}

static int adder_write(void *writer, const flinc_batch *rows, const uint8_t *kinds,
                       flinc_connector_error *error)
{
    for (uint32_t i = 0; i < rows->n_selected; i++) {
        uint32_t row = flinc_batch_row(rows, i);
        int64_t sign = kinds == NULL || (kinds[row] & 1) == 0 ? 1 : -1;
        ((struct adder *)writer)->sum += sign * flinc_batch_int64(rows, 0)[row];
    }
    return 0;
}

static int adder_prepare(void *writer, flinc_connector_bytes *ret, flinc_connector_error *error)
{
    struct adder *a = writer;
    char text[32];
    int len = snprintf(text, sizeof(text), "%lld", (long long)a->sum);
    a->sum = 0;
    ret->add(ret, text, (size_t)len);
    return 0;
}

static int adder_commit(void *writer, flinc_string bytes, flinc_connector_error *error)
{
    str_printf(&journal, "commit %.*s\n", (int)bytes.len, bytes.data);
    return 0;
}

static void adder_abort(void *writer, flinc_string bytes)
{
    str_printf(&journal, "abort %.*s\n", (int)bytes.len, bytes.data);
}

static int check_table(const flinc_connector_table *t, flinc_connector_error *error)
{
    return number(t, "each") == 13
               ? flinc_connector_fail(error, FLINC_CONNECTOR_INVALID, "each = 13 brings bad luck")
               : 0;
}

static const flinc_table_option sample_options[] = {
    {"splits", FLINC_TABLE_OPTION_INT, "2", NULL, "1", "100", "how many ranges", 0},
    {"each", FLINC_TABLE_OPTION_LONG, NULL, NULL, NULL, NULL, "numbers of a range",
     FLINC_TABLE_OPTION_REQUIRED},
    {NULL, FLINC_TABLE_OPTION_STRING, NULL, NULL, NULL, NULL, NULL, 0},
};
static const flinc_connector_source sample_source = {
    .struct_size = sizeof(sample_source),
    .splits = counter_splits,
    .open = counter_open,
    .poll = counter_poll,
    .position = counter_position,
    .close = free,
};
static const flinc_connector_sink sample_sink = {
    .struct_size = sizeof(sample_sink),
    .kinds = FLINC_ROWS_INSERT | FLINC_ROWS_DELETE,
    .open = adder_open,
    .write = adder_write,
    .prepare = adder_prepare,
    .commit = adder_commit,
    .abort = adder_abort,
    .close = free,
};
static const flinc_connector sample = {
    .struct_size = sizeof(sample),
    .abi_version = FLINC_CONNECTOR_ABI_VERSION,
    .name = "sample",
    .description = "numbers",
    .option_size = sizeof(flinc_table_option),
    .options = sample_options,
    .validate = check_table,
    .source = &sample_source,
    .sink = &sample_sink,
};

/* ---- taking it over ----------------------------------------------------------------------------------- */

static void expect_refused(const flinc_connector *c, int code, const char *part)
{
    struct error e = ERROR_INIT;
    expect_error(connector_plugin_add(c, "x/y.so", &e), code, &e, part);
    expect_error(code, code, &e, "x/y.so");
}

static void test_refused(void **state)
{
    flinc_connector c = sample;
    flinc_connector_source source = sample_source;
    flinc_connector_sink sink = sample_sink;
    flinc_table_option options[2] = {
        {.name = "a", .type = FLINC_TABLE_OPTION_ENUM, .description = "d"}};

    expect_refused(NULL, ERR_INVALID_ARGUMENT, "no table");
    c.name = "other";
    c.abi_version = 0;
    expect_refused(&c, ERR_UNSUPPORTED, "build it again with the headers of this version");
    c.abi_version = 2;
    expect_refused(&c, ERR_UNSUPPORTED, "made for a newer version");
    c.abi_version = 1;
    c.struct_size = 8;
    expect_refused(&c, ERR_INVALID_ARGUMENT, "sizes that cannot be");
    c.struct_size = sizeof(c);
    c.name = "Other";
    expect_refused(&c, ERR_INVALID_ARGUMENT, "no proper name");
    c.name = "other";
    c.options = options;
    expect_refused(&c, ERR_INVALID_ARGUMENT, "option 'a' has no type");
    c.options = NULL;
    c.source = &source;
    source.poll = NULL;
    expect_refused(&c, ERR_INVALID_ARGUMENT, "a source must have");
    c.source = NULL;
    c.sink = &sink;
    sink.commit = NULL;
    expect_refused(&c, ERR_INVALID_ARGUMENT, "a sink must have");
    c.sink = NULL;
    expect_refused(&c, ERR_INVALID_ARGUMENT, "neither a source nor a sink");
    c.name = "sample";
    c.sink = &sample_sink;
    expect_refused(&c, ERR_ALREADY_EXISTS, "'sample' already");
}

static void test_options(void **state)
{
    expect_bad_table("ROW<n BIGINT>", PAIRS("connector", "sample"), ERR_INVALID_CONFIG,
                     "Missing required options are:\n\neach");
    expect_bad_table("ROW<n BIGINT>", PAIRS("connector", "sample", "each", "1", "splits", "0"),
                     ERR_INVALID_CONFIG, "at least 1");
    expect_bad_table("ROW<n BIGINT>", PAIRS("connector", "sample", "each", "1", "split", "1"),
                     ERR_INVALID_CONFIG, "did you mean splits?");
    expect_bad_table("ROW<n BIGINT>", PAIRS("connector", "sample", "each", "13"),
                     ERR_INVALID_ARGUMENT,
                     "connector 'sample', checking table 'c.d.t': each = 13 brings bad luck");
}

/* ---- the source --------------------------------------------------------------------------------------- */

struct opened {
    struct table_fixture f;
    struct arena arena;
    struct table_node node;
    Flinc__PluginTableConfig *config;
};

static void open_table(struct opened *o, const char *each, bool as_sink)
{
    struct error e = ERROR_INIT;
    struct table_write write = {.kinds = TABLE_INSERT | TABLE_DELETE};

    expect_ok(table_fixture_open(&o->f, "ROW<n BIGINT>",
                                 PAIRS("connector", "sample", "each", each, "splits", "3"), &e),
              &e);
    arena_init(&o->arena, 0);
    expect_ok(as_sink ? table_plan_sink(&o->f.table, &write, &o->arena, &o->node, &e)
                      : table_plan_source(&o->f.table, &TABLE_SCAN_ALL, &o->arena, &o->node, &e),
              &e);
    o->config = flinc__plugin_table_config__unpack(NULL, o->node.config_size, o->node.config);
}

static void close_table(struct opened *o)
{
    flinc__plugin_table_config__free_unpacked(o->config, NULL);
    table_node_fini(&o->node);
    table_fixture_fini(&o->f);
    arena_fini(&o->arena);
}

static struct harness *harness_of(const struct opened *o, struct harness_options h)
{
    struct error e = ERROR_INIT;
    struct harness *ret = NULL;

    h.desc = table_operator_find(o->node.kind);
    h.config = &o->config->base;
    if (o->node.schema != NULL) {
        h.output_schemas[0] = "ROW<n BIGINT>";
    } else {
        h.input_schemas[0] = "ROW<n BIGINT>";
    }
    expect_ok(harness_new(&h, &ret, &e), &e);
    expect_ok(harness_open(ret, &e), &e);
    return ret;
}

static int drain(struct harness *h, struct error *e)
{
    int rc;
    while ((rc = harness_poll(h, e)) == OP_DONE || rc == OP_IDLE) {
    }
    return rc;
}

static void test_source(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;

    open_table(&o, "3", false);
    assert_true(o.node.bounded);
    struct harness *h = harness_of(&o, (struct harness_options){.subtask = 1, .parallelism = 2});
    assert_int_equal(harness_poll(h, &e), OP_IDLE);
    assert_int_equal(harness_take_wake_delay(h), 7);
    assert_int_equal(drain(h, &e), OP_END);
    assert_non_null(strstr(harness_rows(h, 0), "+I[3]\n+I[4]\n+I[5]"));
    assert_int_equal(harness_row_count(h, 0), 3);
    harness_free(h);
    close_table(&o);
}

static void test_source_fails(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;

    open_table(&o, "700", false);
    struct harness *h = harness_of(&o, (struct harness_options){.subtask = 0});
    expect_error(drain(h, &e), ERR_INVALID_ARGUMENT, &e,
                 "connector 'sample', reading table 'c.d.t': the number 666");
    harness_free(h);
    close_table(&o);
}

static uint8_t seen[300];

static void take_number(void *arg, uint32_t output, struct batch *b)
{
    for (uint32_t i = 0; i < b->n_rows; i++) {
        seen[column_get_int(&b->columns[0], i)]++;
    }
    batch_unref(b);
}

static void test_source_restarts(void **unused)
{
    struct error e = ERROR_INIT;
    struct opened o;
    struct job_state state = {.n = 2};

    open_table(&o, "100", false);
    for (uint32_t i = 0; i < 2; i++) {
        struct harness *h = harness_of(
            &o, (struct harness_options){.on_batch = take_number, .subtask = i, .parallelism = 2});
        for (uint32_t k = 0; k < 4 + 10 * i; k++) {
            assert_true(harness_poll(h, &e) >= 0);
        }
        expect_ok(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                                   &state.subtasks[i], &e),
                  &e);
        harness_free(h);
    }
    for (uint32_t i = 0; i < 3; i++) {
        Flinc__OperatorSubtaskState *dealt = deal(&state, i, 3);
        struct harness *h = harness_of(&o, (struct harness_options){.on_batch = take_number,
                                                                    .subtask = i,
                                                                    .parallelism = 3,
                                                                    .flags = OP_FLAG_RESTORED,
                                                                    .restore = dealt,
                                                                    .restore_checkpoint = 1});
        assert_int_equal(drain(h, &e), OP_END);
        harness_free(h);
        flinc__operator_subtask_state__free_unpacked(dealt, NULL);
    }
    job_state_clear(&state);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_int_equal(seen[i], 1);
    }
    close_table(&o);
}

/* ---- the sink ----------------------------------------------------------------------------------------- */

static void expect_journal(const char *text)
{
    assert_string_equal(str_cstr(&journal), text);
    str_clear(&journal);
}

static Flinc__OperatorSubtaskState *checkpoint(struct harness *h, uint64_t id)
{
    struct error e = ERROR_INIT;
    Flinc__OperatorSubtaskState *s = NULL;
    expect_ok(harness_snapshot(h, id, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &s, &e), &e);
    return s;
}

static void test_sink(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;

    open_table(&o, "1", true);
    struct harness *h = harness_of(&o, (struct harness_options){.flags = OP_FLAG_CHECKPOINTS});
    expect_ok(harness_push_rows(h, 0, "5\n7", &e), &e);
    flinc__operator_subtask_state__free_unpacked(checkpoint(h, 1), NULL);
    expect_ok(harness_push_rows(h, 0, "100\n-D 1", &e), &e);
    expect_ok(harness_notify(h, OP_NOTICE_COMPLETE, 1, &e), &e);
    expect_journal("commit 12\n");
    Flinc__OperatorSubtaskState *second = checkpoint(h, 2);
    expect_ok(harness_notify(h, OP_NOTICE_ABORTED, 2, &e), &e);
    flinc__operator_subtask_state__free_unpacked(checkpoint(h, 3), NULL);
    expect_journal("");
    expect_ok(harness_notify(h, OP_NOTICE_COMPLETE, 3, &e), &e);
    expect_journal("commit 99\ncommit 0\n");
    harness_free(h);
    expect_journal("");
    /* Again, from the second one. */
    h = harness_of(&o, (struct harness_options){.flags = OP_FLAG_CHECKPOINTS | OP_FLAG_RESTORED,
                                                .restore = second,
                                                .restore_checkpoint = 2});
    expect_journal("commit 99\n");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(second, NULL);
    close_table(&o);
}

static void test_sink_without_checkpoints(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;

    open_table(&o, "1", true);
    struct harness *h = harness_of(&o, (struct harness_options){.subtask = 0});
    expect_ok(harness_push_rows(h, 0, "5\n7", &e), &e);
    expect_ok(harness_end_of_input(h, 0, &e), &e);
    expect_journal("commit 12\n");
    harness_free(h);
    expect_journal("");
    close_table(&o);
}

/* Behind the end there are no barriers: what was written last belongs to the next snapshot, and to none before. */
static void test_sink_at_its_end(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;

    open_table(&o, "1", true);
    struct harness *h = harness_of(&o, (struct harness_options){.flags = OP_FLAG_CHECKPOINTS});
    flinc__operator_subtask_state__free_unpacked(checkpoint(h, 1), NULL);
    expect_ok(harness_push_rows(h, 0, "5\n7", &e), &e);
    expect_ok(harness_end_of_input(h, 0, &e), &e);
    expect_ok(harness_notify(h, OP_NOTICE_COMPLETE, 1, &e), &e);
    expect_journal("commit 0\n");
    flinc__operator_subtask_state__free_unpacked(checkpoint(h, 2), NULL);
    expect_ok(harness_notify(h, OP_NOTICE_COMPLETE, 2, &e), &e);
    expect_journal("commit 12\ncommit 0\n");
    harness_free(h);
    expect_journal("");
    close_table(&o);
}

static void test_missing_plugin(void **state)
{
    struct error e = ERROR_INIT;
    struct opened o;
    struct harness *h = NULL;

    open_table(&o, "1", false);
    char *name = o.config->connector;
    o.config->connector = (char *)(uintptr_t) "absent";
    expect_ok(harness_new(&(struct harness_options){.desc = &operator_plugin_source,
                                                    .config = &o.config->base,
                                                    .output_schemas = {"ROW<n BIGINT>"}},
                          &h, &e),
              &e);
    expect_error(harness_open(h, &e), ERR_NOT_FOUND, &e,
                 "must lie in plugins/ of every task manager");
    harness_free(h);
    o.config->connector = name;
    close_table(&o);
}

static int add_sample(void **state)
{
    int rc = table_operator_register(&operator_plugin_source, NULL);
    rc = rc < 0 ? rc : table_operator_register(&operator_plugin_sink, NULL);
    return rc < 0 ? rc : connector_plugin_add(&sample, "plugins/sample/sample.so", NULL);
}

static int end(void **state)
{
    str_fini(&journal);
    conf_schema_fini(table_connector_find("sample")->options);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_source_fails),
        cmocka_unit_test(test_source_restarts),
        cmocka_unit_test(test_sink),
        cmocka_unit_test(test_sink_without_checkpoints),
        cmocka_unit_test(test_sink_at_its_end),
        cmocka_unit_test(test_missing_plugin),
    };
    return cmocka_run_group_tests(tests, add_sample, end);
}
