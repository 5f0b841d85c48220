/* flinc.window.general: built-in aggregates of columns give what functions do over the same windows, with triggers,
 * evictors, allowed lateness, in sessions and global windows, through snapshots and restores. */
#include "tests/unit/engine_operators/window_functions_fixture.h"

FLINC_STRUCT(reading, FLINC_STRING(k), FLINC_INT32(v));
FLINC_STRUCT(summary, FLINC_STRING(k), FLINC_INT64(n), FLINC_INT64(sum), FLINC_INT32(low),
             FLINC_INT32(high), FLINC_DOUBLE(mean), FLINC_INT64(window_start),
             FLINC_INT64(window_end));

/* All of it by hand. */
static int summary_add(flinc_ctx *ctx, const reading *in, summary *acc)
{
    acc->k = in->k;
    acc->low = acc->n == 0 || in->v < acc->low ? in->v : acc->low;
    acc->high = acc->n == 0 || in->v > acc->high ? in->v : acc->high;
    acc->sum += in->v;
    acc->n++;
    return 0;
}

static int summary_merge(flinc_ctx *ctx, const summary *other, summary *acc)
{
    acc->low = other->low < acc->low ? other->low : acc->low;
    acc->high = other->high > acc->high ? other->high : acc->high;
    acc->sum += other->sum;
    acc->n += other->n;
    return 0;
}

static int summary_result(flinc_ctx *ctx, const summary *acc, summary *out)
{
    *out = *acc;
    out->mean = (double)acc->sum / (double)acc->n;
    out->window_start = flinc_ctx_window_start(ctx);
    out->window_end = flinc_ctx_window_end(ctx);
    return 0;
}

struct trial {
    uint64_t seed;
    Flinc__WindowAssignerKind assigner;
    int64_t size, slide, lateness;
    Flinc__WindowTriggerKind trigger;
    bool purging, evicts;
};

struct both {
    struct general configs[2]; /* of functions, of columns */
    struct harness *h[2];
};

static void set_functions(struct general *g)
{
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    g->c.config.merges = true;
    g->c.config.accumulator = g->c.config.value = general_desc(g, 2, FLINC_TYPE(summary));
    g->o.functions[0] = (struct harness_function)FN(FLINC_FN_AGGREGATE_ADD, summary_add);
    g->o.functions[1] = (struct harness_function)FN(FLINC_FN_AGGREGATE_RESULT, summary_result);
    g->o.functions[2] = (struct harness_function)FN(FLINC_FN_AGGREGATE_MERGE, summary_merge);
}

static void set_columns(struct general *g)
{
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS;
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY, 0);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT, 0);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM, 1);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN, 1);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX, 1);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG, 1);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_START, 0);
    window_config_add(&g->c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END, 0);
}

static void both_start(struct both *b, const struct trial *t)
{
    for (int i = 0; i < 2; i++) {
        struct general *g = &b->configs[i];
        general_init(g, t->assigner, t->size, t->slide);
        g->c.config.process = false;
        g->c.config.input = general_desc(g, 0, FLINC_TYPE(reading));
        g->c.config.output = general_desc(g, 1, FLINC_TYPE(summary));
        g->o.inputs[0] = FLINC_TYPE(reading);
        g->o.outputs[0] = FLINC_TYPE(summary);
        memset(g->o.functions, 0, sizeof(g->o.functions));
        g->c.config.allowed_lateness_ms = t->lateness;
        g->c.trigger.kind = t->trigger;
        g->c.trigger.count = 3;
        g->c.trigger.interval_ms = 5;
        g->c.trigger.purging = t->purging;
        g->c.evictor.kind = FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT;
        g->c.evictor.count = 4;
        g->c.config.evictor = t->evicts ? &g->c.evictor : NULL;
        if (i == 0) {
            set_functions(g);
        } else {
            set_columns(g);
        }
        b->h[i] = general_start(g);
    }
}

static void both_check(struct both *b)
{
    check_sorted_rows(harness_rows(b->h[1], 0), harness_rows(b->h[0], 0));
    harness_clear(b->h[0]);
    harness_clear(b->h[1]);
}

static void both_restore(struct both *b)
{
    for (int i = 0; i < 2; i++) {
        Flinc__OperatorSubtaskState *s = NULL;
        must(harness_snapshot(b->h[i], 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
        harness_free(b->h[i]);
        b->configs[i].o.restore = s;
        b->h[i] = general_start(&b->configs[i]);
        flinc__operator_subtask_state__free_unpacked(s, NULL);
        b->configs[i].o.restore = NULL;
    }
}

static void random_rows(struct rng *rng, int64_t now, struct str *rows)
{
    uint64_t n = rng_below(rng, 20);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = rng_below(rng, 7);
        str_printf(rows, "%s%s%llu, %lld @%lld", rows->len > 0 ? "\n" : "",
                   key % 3 == 0 ? "a-key-longer-than-twelve-" : "k", (unsigned long long)key,
                   (long long)rng_below(rng, 100) - 50,
                   (long long)(now + (int64_t)rng_below(rng, 30) - 15));
    }
}

static void run_trial(const struct trial *t)
{
    struct both b;
    struct rng rng;
    size_t results = 0;
    rng_init(&rng, t->seed);
    both_start(&b, t);
    for (int64_t now = -50, watermark = INT64_MIN; now < 300;) {
        STR_AUTO rows = STR_INIT;
        random_rows(&rng, now, &rows);
        if (rng_below(&rng, 8) == 0) {
            both_restore(&b);
        }
        now += (int64_t)rng_below(&rng, 8);
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, 15));
        for (int i = 0; i < 2; i++) {
            if (rows.len > 0) {
                must(harness_push_rows(b.h[i], 0, str_cstr(&rows), &err));
            }
            must(harness_watermark(b.h[i], 0, watermark, &err));
        }
        results += harness_row_count(b.h[0], 0);
        both_check(&b);
    }
    assert_true(results > 0);
    harness_free(b.h[0]);
    harness_free(b.h[1]);
}

/* ---- tests --------------------------------------------------------------------------------------- */

#define TRIGGER(name) FLINC__WINDOW_TRIGGER_KIND__TRIGGER_##name

static void columns_give_what_functions_give(void **state)
{
    static const Flinc__WindowTriggerKind triggers[] = {TRIGGER(DEFAULT), TRIGGER(COUNT),
                                                        TRIGGER(CONTINUOUS_EVENT_TIME)};
    static const Flinc__WindowAssignerKind assigners[] = {
        FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING,
        FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION};
    for (size_t a = 0; a < ARRAY_LEN(assigners); a++) {
        for (size_t k = 0; k < ARRAY_LEN(triggers); k++) {
            for (uint64_t way = 0; way < 8; way++) {
                run_trial(&(struct trial){.seed = a * 100 + k * 10 + way,
                                          .assigner = assigners[a],
                                          .size = a == 2 ? 4 : 20,
                                          .slide = a == 1 ? 10 : 20,
                                          .lateness = way & 1 ? 12 : 0,
                                          .trigger = triggers[k],
                                          .purging = (way & 2) != 0,
                                          .evicts = (way & 4) != 0});
            }
        }
    }
}

static void global_windows_count(void **state)
{
    for (uint64_t way = 0; way < 4; way++) {
        run_trial(&(struct trial){.seed = 1000 + way,
                                  .assigner = FLINC__WINDOW_ASSIGNER_KIND__WINDOW_GLOBAL,
                                  .trigger = TRIGGER(COUNT),
                                  .purging = (way & 1) != 0,
                                  .evicts = (way & 2) != 0});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_give_what_functions_give),
        cmocka_unit_test(global_windows_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
