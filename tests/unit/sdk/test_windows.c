/* Windowed streams: the operators that the builders add, and what their mistakes are told as. */
#include "flinc/flinc.h"
#include "proto/window.pb-c.h"
#include "sdk/environment.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

FLINC_STRUCT(pair, FLINC_STRING(word), FLINC_INT64(count));
FLINC_STRUCT(sale, FLINC_INT64(shop), FLINC_DOUBLE(amount), FLINC_INT32(items));
FLINC_STRUCT(totals, FLINC_TIMESTAMP(window_end), FLINC_INT64(shop), FLINC_INT64(n),
             FLINC_DOUBLE(total), FLINC_DOUBLE(mean), FLINC_INT32(largest));
FLINC_STRUCT(shop_count, FLINC_INT64(shop), FLINC_INT64(count));

FLINC_STRUCT(all_count, FLINC_INT64(count));

static flinc_env *capturing(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE, .one_job = true};
    return env_new(&o);
}

static flinc_stream *sales(flinc_env *env)
{
    static const sale all[] = {{1, 2.5, 3}};
    return flinc_from_elements(env, all, 1, FLINC_TYPE(sale));
}

/* The window operator, or the interval join, of the graph. */
static const Flinc__Operator *window_of(flinc_env *env, Flinc__WindowConfig **ret_config)
{
    assert_int_equal(flinc_env_execute(env, "job"), 0);
    const Flinc__JobGraph *g = env_captured_graph(env);
    for (size_t v = 0; v < g->n_vertices; v++) {
        for (size_t i = 0; i < g->vertices[v]->n_operators; i++) {
            const Flinc__Operator *op = g->vertices[v]->operators[i];
            if (strncmp(op->kind, "flinc.window", 12) == 0 ||
                strcmp(op->kind, "flinc.interval_join") == 0) {
                *ret_config = flinc__window_config__unpack(NULL, op->config.len, op->config.data);
                assert_non_null(*ret_config);
                return op;
            }
        }
    }
    fail_msg("there is no window operator");
    return NULL;
}

static void columns_by_name(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_windowed *w =
        flinc_window(flinc_key_by(sales(env), "shop"),
                     FLINC_WINDOW(.assigner = FLINC_SLIDING(60000, 1000, .offset_ms = -500),
                                  .late_tag = "late"));
    flinc_stream *s = flinc_window_columns(
        w, "count() as n, sum(amount) as total, avg( amount ) AS mean, max(items) as largest",
        FLINC_TYPE(totals));
    flinc_discard(s);
    flinc_discard(flinc_side_output(s, "late", FLINC_TYPE(sale)));
    const Flinc__Operator *op = window_of(env, &c);
    assert_string_equal(op->kind, "flinc.window.slices");
    assert_int_equal(c->assigner->kind, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING);
    assert_int_equal(c->assigner->size_ms, 60000);
    assert_int_equal(c->assigner->slide_ms, 1000);
    assert_int_equal(c->assigner->offset_ms, -500);
    assert_int_equal(c->late_output, 1);
    assert_int_equal(c->n_key_columns, 1);
    assert_int_equal(c->n_columns, 6);
    static const Flinc__WindowColumnKind kinds[] = {FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END,
                                                    FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY,
                                                    FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT,
                                                    FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM,
                                                    FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG,
                                                    FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX};
    static const uint32_t columns[] = {0, 0, 0, 1, 1, 2};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(c->columns[i]->kind, kinds[i]);
        assert_int_equal(c->columns[i]->column, columns[i]);
    }
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static void one_column_of_the_records(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    static const pair all[] = {{{"a", 1}, 1}};
    flinc_stream *s = flinc_from_elements(env, all, 1, FLINC_TYPE(pair));
    flinc_windowed *w =
        flinc_window(flinc_key_by(s, "word"),
                     FLINC_WINDOW(.assigner = FLINC_TUMBLING(5000, .time = FLINC_PROCESSING_TIME)));
    flinc_discard(flinc_window_sum(w, "count"));
    (void)window_of(env, &c);
    assert_true(c->assigner->processing_time);
    assert_int_equal(c->columns[1]->kind, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static double apart(flinc_ctx *ctx, const sale *older, const sale *newer)
{
    return newer->amount - older->amount;
}

static void delta_triggers_and_whole_records(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_windowed *w;
    {
        const int config = 7;
        w = flinc_window(
            flinc_key_by(sales(env), "shop"),
            FLINC_WINDOW(.assigner = FLINC_GLOBAL(),
                         .trigger = FLINC_ON_DELTA(2.5,
                                                   FLINC_FUNCTION(apart, .config = &config,
                                                                  .config_size = sizeof(config)),
                                                   .purging = true),
                         .evictor = FLINC_KEEP_DELTA(4, FLINC_FN(apart))));
    } /* the functions are copied */
    flinc_discard(flinc_window_max_by(w, "amount"));
    const Flinc__Operator *op = window_of(env, &c);
    assert_string_equal(op->kind, "flinc.window.general");
    assert_int_equal(op->n_functions, 2);
    assert_int_equal(op->functions[0]->config.len, sizeof(int));
    assert_int_equal(op->functions[0]->config.data[0], 7);
    assert_true(c->trigger->threshold == 2.5 && c->evictor->threshold == 4);
    assert_true(c->trigger->purging && c->first);
    assert_int_equal(c->function, FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD);
    assert_int_equal(c->aggregate, FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY);
    assert_int_equal(c->column, 1);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    /* A stream with further columns: they are those of the first record. */
    env = capturing();
    flinc_discard(flinc_window_sum(
        flinc_window(flinc_key_by(sales(env), "shop"), FLINC_WINDOW(.assigner = FLINC_TUMBLING(5))),
        "items"));
    (void)window_of(env, &c);
    assert_int_equal(c->function, FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static void all_records_in_one_subtask(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_windowed *w =
        flinc_window_all(sales(env), FLINC_WINDOW(.assigner = FLINC_TUMBLING(5000)));
    flinc_discard(flinc_window_count(w, FLINC_TYPE(all_count)));
    (void)window_of(env, &c);
    assert_int_equal(c->n_key_columns, 0);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static void assert_error(flinc_env *env, const char *text)
{
    assert_true(flinc_env_execute(env, "job") < 0);
    const char *error = flinc_env_error(env);
    assert_non_null(error);
    if (strstr(error, text) == NULL) {
        fail_msg("expected '%s' in '%s'", text, error);
    }
    flinc_env_free(env);
}

static int add(flinc_ctx *ctx, const sale *a, const sale *b, sale *out)
{
    *out = *a;
    out->amount += b->amount;
    return 0;
}

static int count_in(flinc_ctx *ctx, const sale *in, shop_count *acc)
{
    acc->shop = in->shop;
    acc->count++;
    return 0;
}

static int count_together(flinc_ctx *ctx, const shop_count *other, shop_count *acc)
{
    acc->count += other->count;
    return 0;
}

static int count_out(flinc_ctx *ctx, const shop_count *acc, shop_count *out)
{
    *out = *acc;
    return 0;
}

static int list(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    return FLINC_EMIT(out, shop_count, .shop = FLINC_PANE_RECORD(pane, shop_count, 0)->shop,
                      .count = (int64_t)pane->n);
}

static int evict_none(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                      uint8_t *evict)
{
    return 0;
}

static void evictors_may_be_functions(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_discard(flinc_window_reduce(
        flinc_window(flinc_key_by(sales(env), "shop"),
                     FLINC_WINDOW(.assigner = FLINC_TUMBLING(5),
                                  .evictor = FLINC_EVICT(FLINC_FN(evict_none), NULL))),
        FLINC_FN(add)));
    const Flinc__Operator *op = window_of(env, &c);
    assert_int_equal(op->n_functions, 2);
    assert_int_equal(op->functions[1]->kind, FLINC_FN_EVICT);
    assert_int_equal(c->evictor->kind, FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION);
    assert_true(c->evictor->has_before && !c->evictor->has_after);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    env = capturing();
    flinc_discard(
        flinc_window_reduce(flinc_window(flinc_key_by(sales(env), "shop"),
                                         FLINC_WINDOW(.assigner = FLINC_TUMBLING(5),
                                                      .evictor = FLINC_EVICT(NULL, NULL))),
                            FLINC_FN(add)));
    assert_error(env, "FLINC_EVICT takes a function");
}

static void kind_of_reduce_is(flinc_window_options o, const char *kind)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_discard(
        flinc_window_reduce(flinc_window(flinc_key_by(sales(env), "shop"), o), FLINC_FN(add)));
    assert_string_equal(window_of(env, &c)->kind, kind);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static void windows_are_made_of_panes_where_they_can(void **state)
{
    static const char values[] = "flinc.window.values", general[] = "flinc.window.general";
    const flinc_assigner sliding = FLINC_SLIDING(10, 5);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = sliding), values);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = sliding, .allowed_lateness_ms = 5), values);
    kind_of_reduce_is(
        FLINC_WINDOW(.assigner = sliding, .trigger = {.kind = FLINC_TRIGGER_EVENT_TIME}), values);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = FLINC_SLIDING(5, 5)), values);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = FLINC_SLIDING(5, 10)), general);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = FLINC_TUMBLING(5)), values);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = sliding, .trigger = FLINC_ON_COUNT(2)), general);
    kind_of_reduce_is(FLINC_WINDOW(.assigner = sliding, .evictor = FLINC_KEEP_LAST(2)), general);
    kind_of_reduce_is(
        FLINC_WINDOW(.assigner = sliding, .allowed_lateness_ms = 5, .trigger = {.purging = true}),
        general);
}

static void columns_take_any_windows(void **state)
{
    const flinc_window_options options[] = {
        FLINC_WINDOW(.assigner = FLINC_TUMBLING(5), .trigger = FLINC_ON_COUNT(2)),
        FLINC_WINDOW(.assigner = FLINC_SLIDING(10, 5), .evictor = FLINC_KEEP_LAST(2)),
        FLINC_WINDOW(.assigner = FLINC_TUMBLING(5), .allowed_lateness_ms = 7),
        FLINC_WINDOW(.assigner = FLINC_GLOBAL(), .trigger = FLINC_ON_COUNT(2))};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        flinc_env *env = capturing();
        Flinc__WindowConfig *c;
        flinc_windowed *w = flinc_window(flinc_key_by(sales(env), "shop"), options[i]);
        flinc_discard(flinc_window_count(w, FLINC_TYPE(shop_count)));
        assert_string_equal(window_of(env, &c)->kind, "flinc.window.general");
        assert_int_equal(c->function, FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS);
        assert_non_null(c->output);
        flinc__window_config__free_unpacked(c, NULL);
        flinc_env_free(env);
    }
}

static void functions_triggers_and_evictors(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_windowed *w = flinc_window(
        flinc_key_by(sales(env), "shop"),
        FLINC_WINDOW(.assigner = FLINC_GLOBAL(),
                     .trigger = FLINC_EVERY_EVENT_TIME(500, .purging = true),
                     .evictor = FLINC_KEEP_TIME(10000, .after = true), .allowed_lateness_ms = 7));
    flinc_discard(flinc_window_aggregate_process(
        w,
        FLINC_AGGREGATE(.add = FLINC_FN(count_in), .result = FLINC_FN(count_out),
                        .merge = FLINC_FN(count_together), .accumulator = FLINC_TYPE(shop_count),
                        .type = FLINC_TYPE(shop_count)),
        FLINC_FN(list), FLINC_TYPE(shop_count)));
    const Flinc__Operator *op = window_of(env, &c);
    assert_string_equal(op->kind, "flinc.window.general");
    assert_int_equal(op->n_functions, 4);
    assert_int_equal(op->functions[2]->kind, FLINC_FN_AGGREGATE_MERGE);
    assert_true(c->merges);
    assert_int_equal(c->trigger->kind, FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CONTINUOUS_EVENT_TIME);
    assert_int_equal(c->trigger->interval_ms, 500);
    assert_true(c->trigger->purging && c->process);
    assert_int_equal(c->evictor->kind, FLINC__WINDOW_EVICTOR_KIND__EVICTOR_TIME);
    assert_true(c->evictor->after);
    assert_int_equal(c->allowed_lateness_ms, 7);
    assert_int_equal(c->assigner->kind, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    env = capturing();
    flinc_discard(flinc_window_reduce(
        flinc_count_window_sliding(flinc_key_by(sales(env), "shop"), 10, 5), FLINC_FN(add)));
    op = window_of(env, &c);
    assert_int_equal(op->n_functions, 1);
    assert_int_equal(c->trigger->kind, FLINC__WINDOW_TRIGGER_KIND__TRIGGER_COUNT);
    assert_int_equal(c->trigger->count, 5);
    assert_int_equal(c->evictor->count, 10);
    assert_false(c->process);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static int64_t gap_of(flinc_ctx *ctx, const sale *in)
{
    return in->items;
}

/* Whatever function they have, sessions have a gap: the same for all, a column, a function's. */
static void sessions_of_functions(void **state)
{
    const flinc_assigner assigners[] = {FLINC_SESSION(5, .time = FLINC_PROCESSING_TIME),
                                        FLINC_SESSION_GAP_COLUMN("items"),
                                        FLINC_SESSION_GAP(FLINC_FN(gap_of))};
    for (size_t i = 0; i < ARRAY_LEN(assigners); i++) {
        for (int columns = 0; columns < 2; columns++) {
            flinc_env *env = capturing();
            Flinc__WindowConfig *c;
            flinc_windowed *w = flinc_window(flinc_key_by(sales(env), "shop"),
                                             FLINC_WINDOW(.assigner = assigners[i]));
            flinc_discard(columns ? flinc_window_count(w, FLINC_TYPE(shop_count))
                                  : flinc_window_reduce(w, FLINC_FN(add)));
            const Flinc__Operator *op = window_of(env, &c);
            assert_string_equal(op->kind,
                                columns ? "flinc.window.sessions" : "flinc.window.general");
            assert_int_equal(c->assigner->kind, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION);
            assert_int_equal(c->assigner->gap_ms, i == 0 ? 5 : 0);
            assert_int_equal(c->assigner->processing_time, i == 0);
            assert_int_equal(c->assigner->n_gap_columns, i == 1 ? 1 : 0);
            assert_int_equal(c->assigner->gap_function, i == 2);
            assert_int_equal(op->n_functions, (columns ? 0 : 1) + (i == 2));
            if (i == 2) {
                assert_int_equal(op->functions[op->n_functions - 1]->kind, FLINC_FN_SESSION_GAP);
            }
            flinc__window_config__free_unpacked(c, NULL);
            flinc_env_free(env);
        }
    }
}

static void check_mistake(flinc_env *env, const char *expected)
{
    assert_true(flinc_env_execute(env, "job") < 0);
    if (strstr(flinc_env_error(env), expected) == NULL) {
        fail_msg("'%s' is not in: %s", expected, flinc_env_error(env));
    }
    flinc_env_free(env);
}

static int pair_up(flinc_ctx *ctx, const sale *a, const shop_count *b, flinc_out *out)
{
    return FLINC_EMIT(out, shop_count, .shop = a->shop, .count = b->count);
}

FLINC_STRUCT(trigger_memory, FLINC_INT64(n));

static int fire_each(flinc_ctx *ctx, const sale *in, int64_t timestamp, trigger_memory *m)
{
    return FLINC_FIRE;
}
static int fire_at(flinc_ctx *ctx, int64_t time_ms, trigger_memory *m)
{
    return FLINC_FIRE_AND_PURGE;
}
static int forget_it(flinc_ctx *ctx, trigger_memory *m)
{
    return 0;
}

static void triggers_of_functions(void **state)
{
    static const uint32_t kinds[] = {FLINC_FN_TRIGGER_ELEMENT, FLINC_FN_TRIGGER_TIME,
                                     FLINC_FN_TRIGGER_CLEAR};
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    flinc_stream *keyed = flinc_key_by(sales(env), "shop");
    flinc_windowed *w = flinc_window(
        keyed, FLINC_WINDOW(.assigner = FLINC_SLIDING(20, 10),
                            .trigger = FLINC_TRIGGER(
                                FLINC_FN(fire_each), .on_processing_time = FLINC_FN(fire_at),
                                .clear = FLINC_FN(forget_it), .state = FLINC_TYPE(trigger_memory),
                                .purging = true)));
    flinc_discard(flinc_window_max_by(w, "amount"));
    const Flinc__Operator *op = window_of(env, &c);
    assert_string_equal(op->kind, "flinc.window.general"); /* no panes */
    assert_int_equal(op->n_functions, ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(op->functions[i]->kind, kinds[i]);
    }
    assert_int_equal(c->trigger->kind, FLINC__WINDOW_TRIGGER_KIND__TRIGGER_CUSTOM);
    assert_true(c->trigger->on_processing_time && c->trigger->clear && c->trigger->purging);
    assert_true(!c->trigger->on_event_time && !c->trigger->on_merge);
    assert_string_equal(c->trigger->state->name, "trigger_memory");
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
}

static void what_triggers_of_functions_cannot_do(void **state)
{
    static const shop_count counts[] = {{1, 2}};
    flinc_env *env = capturing();
    flinc_window_options o =
        FLINC_WINDOW(.assigner = FLINC_TUMBLING(10), .trigger = FLINC_TRIGGER(FLINC_FN(fire_each)));
    flinc_stream *b =
        flinc_key_by(flinc_from_elements(env, counts, 1, FLINC_TYPE(shop_count)), "shop");
    (void)flinc_window_join(flinc_key_by(sales(env), "shop"), b, o, FLINC_FN(pair_up),
                            FLINC_TYPE(shop_count));
    check_mistake(env, "sees the records of one stream only");
    env = capturing();
    o.assigner = FLINC_SESSION(10);
    flinc_discard(flinc_window_max_by(flinc_window(flinc_key_by(sales(env), "shop"), o), "amount"));
    check_mistake(env, "it has no .on_merge");
    env = capturing();
    o.trigger = FLINC_TRIGGER(NULL);
    flinc_discard(flinc_window_max_by(flinc_window(flinc_key_by(sales(env), "shop"), o), "amount"));
    check_mistake(env, "takes a function to call with each record");
}

static double difference_of(flinc_ctx *ctx, const sale *older, const sale *newer)
{
    return newer->amount - older->amount;
}

static void what_sessions_cannot_be(void **state)
{
    flinc_env *env = capturing();
    flinc_stream *s = flinc_key_by(sales(env), "shop");
    (void)flinc_window_process(
        flinc_window(s, FLINC_WINDOW(.assigner = FLINC_SESSION(5),
                                     .trigger = FLINC_ON_DELTA(5, FLINC_FN(difference_of)))),
        FLINC_FN(list), FLINC_TYPE(shop_count));
    check_mistake(env, "this trigger cannot");
    env = capturing();
    s = flinc_key_by(sales(env), "shop");
    (void)flinc_window_aggregate(
        flinc_window(s, FLINC_WINDOW(.assigner = FLINC_SESSION(5))),
        FLINC_AGGREGATE(.add = FLINC_FN(count_in), .result = FLINC_FN(count_out),
                        .accumulator = FLINC_TYPE(shop_count), .type = FLINC_TYPE(shop_count)));
    check_mistake(env, "the aggregate needs its .merge function");
    env = capturing();
    s = flinc_key_by(sales(env), "shop");
    (void)flinc_window_reduce(
        flinc_window(s, FLINC_WINDOW(.assigner = FLINC_SESSION_GAP_COLUMN("amount"))),
        FLINC_FN(add));
    check_mistake(env, "one column of whole numbers");
    env = capturing();
    s = flinc_key_by(sales(env), "shop");
    (void)flinc_window(s, FLINC_WINDOW(.assigner = FLINC_SESSION_GAP_COLUMN("items", .gap_ms = 7)));
    check_mistake(env, "sessions have one gap");
}

static void two_streams(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    static const shop_count counts[] = {{1, 2}};
    flinc_stream *a = flinc_key_by(sales(env), "shop");
    flinc_stream *b = flinc_from_elements(env, counts, 1, FLINC_TYPE(shop_count));
    flinc_discard(flinc_window_join(a, flinc_key_by(b, "shop"),
                                    FLINC_WINDOW(.assigner = FLINC_TUMBLING(10)), FLINC_FN(pair_up),
                                    FLINC_TYPE(shop_count)));
    const Flinc__Operator *op = window_of(env, &c);
    assert_string_equal(op->kind, "flinc.window.join");
    assert_int_equal(c->function, FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN);
    assert_int_equal(c->n_key_columns_second, 1);
    assert_non_null(c->input_second);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    env = capturing();
    a = flinc_key_by(sales(env), "items");
    b = flinc_from_elements(env, counts, 1, FLINC_TYPE(shop_count));
    (void)flinc_window_join(a, flinc_key_by(b, "shop"),
                            FLINC_WINDOW(.assigner = FLINC_TUMBLING(10)), FLINC_FN(pair_up),
                            FLINC_TYPE(shop_count));
    assert_true(flinc_env_execute(env, "job") < 0);
    assert_non_null(strstr(flinc_env_error(env), "keyed by columns of the same types"));
    flinc_env_free(env);
}

static void interval_joins(void **state)
{
    flinc_env *env = capturing();
    Flinc__WindowConfig *c;
    static const shop_count counts[] = {{1, 2}};
    flinc_stream *a = flinc_key_by(sales(env), "shop");
    flinc_stream *b =
        flinc_key_by(flinc_from_elements(env, counts, 1, FLINC_TYPE(shop_count)), "shop");
    flinc_stream *s = flinc_interval_join(
        a, b,
        FLINC_INTERVAL(.lower_ms = -5, .upper_ms = 10, .lower_exclusive = true,
                       .upper_exclusive = true, .late_first_tag = "a", .late_second_tag = "b"),
        FLINC_FN(pair_up), FLINC_TYPE(shop_count));
    flinc_discard(s);
    flinc_discard(flinc_side_output(s, "b", FLINC_TYPE(shop_count)));
    flinc_discard(flinc_side_output(s, "a", FLINC_TYPE(sale)));
    const Flinc__Operator *op = window_of(env, &c);
    assert_int_equal(op->n_outputs, 3);
    assert_int_equal(c->lower_ms, -4);
    assert_int_equal(c->upper_ms, 9);
    assert_int_equal(c->late_output, 1);
    assert_int_equal(c->late_output_second, 2);
    flinc__window_config__free_unpacked(c, NULL);
    flinc_env_free(env);
    env = capturing();
    a = flinc_key_by(sales(env), "shop");
    (void)flinc_interval_join(a, a,
                              FLINC_INTERVAL(.lower_ms = 5, .upper_ms = 5, .upper_exclusive = true),
                              FLINC_FN(pair_up), FLINC_TYPE(shop_count));
    assert_error(env, "nothing is between 5 ms and 5 ms");
    env = capturing();
    a = flinc_key_by(sales(env), "shop");
    (void)flinc_interval_join(a, sales(env), FLINC_INTERVAL(.upper_ms = 5), FLINC_FN(pair_up),
                              FLINC_TYPE(shop_count));
    assert_error(env, "both streams are keyed by columns of the same types");
    env = capturing();
    a = flinc_key_by(sales(env), "shop");
    (void)flinc_interval_join(a, a, FLINC_INTERVAL(.late_first_tag = "x", .late_second_tag = "x"),
                              FLINC_FN(pair_up), FLINC_TYPE(shop_count));
    assert_error(env, "give them different tags");
}

static void mistakes_are_told(void **state)
{
    flinc_window_options five = FLINC_WINDOW(.assigner = FLINC_TUMBLING(5000));
    flinc_env *env = capturing();
    (void)flinc_window_count(flinc_window(sales(env), five), FLINC_TYPE(shop_count));
    assert_error(env, "flinc_window: the stream is not keyed");
    env = capturing();
    (void)flinc_window(flinc_key_by(sales(env), "shop"), FLINC_WINDOW(.late_tag = "x"));
    assert_error(env, "the windows need an assigner");
    env = capturing();
    (void)flinc_window(flinc_key_by(sales(env), "shop"),
                       FLINC_WINDOW(.assigner = FLINC_TUMBLING(5, .offset_ms = 5)));
    assert_error(env, "an offset is below the slide");
    env = capturing();
    flinc_windowed *w = flinc_window(flinc_key_by(sales(env), "shop"), five);
    (void)flinc_window_columns(w, "median(amount) as count", FLINC_TYPE(shop_count));
    assert_error(env, "'median(amount) as count' is none of count()");
    env = capturing();
    w = flinc_window(flinc_key_by(sales(env), "shop"), five);
    (void)flinc_window_columns(w, "sum(amont) as count", FLINC_TYPE(shop_count));
    assert_error(env, "did you mean 'amount'?");
    env = capturing();
    w = flinc_window(flinc_key_by(sales(env), "shop"), five);
    (void)flinc_window_columns(w, "count() as count, sum(amount) as total", FLINC_TYPE(shop_count));
    assert_error(env, "the result 'shop_count' has no field 'total'");
    env = capturing();
    w = flinc_window(flinc_key_by(sales(env), "items"), five);
    (void)flinc_window_count(w, FLINC_TYPE(shop_count));
    assert_error(env, "the result's field 'shop' is no key of the stream");
    env = capturing();
    w = flinc_window(flinc_key_by(sales(env), "shop"), five);
    (void)flinc_side_output(flinc_window_count(w, FLINC_TYPE(shop_count)), "late",
                            FLINC_TYPE(sale));
    assert_error(env, "that of windows the one of their .late_tag");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_by_name),
        cmocka_unit_test(one_column_of_the_records),
        cmocka_unit_test(delta_triggers_and_whole_records),
        cmocka_unit_test(triggers_of_functions),
        cmocka_unit_test(what_triggers_of_functions_cannot_do),
        cmocka_unit_test(all_records_in_one_subtask),
        cmocka_unit_test(windows_are_made_of_panes_where_they_can),
        cmocka_unit_test(evictors_may_be_functions),
        cmocka_unit_test(columns_take_any_windows),
        cmocka_unit_test(functions_triggers_and_evictors),
        cmocka_unit_test(sessions_of_functions),
        cmocka_unit_test(what_sessions_cannot_be),
        cmocka_unit_test(two_streams),
        cmocka_unit_test(interval_joins),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
