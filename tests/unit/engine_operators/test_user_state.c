/* Keyed state of user functions: every kind through the SDK's face, in flatMap, map and filter, restored at
 * another parallelism; and what is refused. */
#include "flinc/state.h"

#include "struct_fixture.h"

#include "engine/data/hash.h"
#include "proto/operators.pb-c.h"

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_INT64(n));
FLINC_STRUCT(count, FLINC_STRING(key), FLINC_INT64(n));
FLINC_STRUCT(summary, FLINC_STRING(key), FLINC_STRING(last), FLINC_INT64(listed),
             FLINC_INT64(evens), FLINC_INT64(greatest), FLINC_DOUBLE(average));
FLINC_STRUCT(mean, FLINC_INT64(n), FLINC_INT64(sum));

/* ---- harness ----------------------------------------------------------------------------------- */

struct setup {
    const char *kind;
    uint32_t fn_kind;
    flinc_any_fn call;
    int (*open)(flinc_ctx *ctx);
    const flinc_struct *out;
    bool unkeyed;
    uint32_t subtask, parallelism;
    Flinc__OperatorSubtaskState *restore;
    const struct clock *clock;
};

static struct harness *make(const struct setup *s)
{
    struct arena arena;
    struct harness *h = NULL;
    struct error err = ERROR_INIT;
    uint32_t key = 0;
    arena_init(&arena, 0);
    Flinc__FunctionOperatorConfig config = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *in = struct_desc_of(FLINC_TYPE(event), &arena);
    Flinc__StructDesc *out = struct_desc_of(s->out, &arena);
    config.inputs = &in;
    config.n_inputs = 1;
    config.outputs = &out;
    config.n_outputs = 1;
    config.key_columns = &key;
    config.n_key_columns = s->unkeyed ? 0 : 1;
    struct harness_options o = {
        .kind = s->kind,
        .functions = {{s->fn_kind, s->call, "f", "test.c:1"},
                      {FLINC_FN_OPEN, (flinc_any_fn)s->open, "f", "test.c:1"}},
        .inputs = {FLINC_TYPE(event)},
        .outputs = {s->out},
        .config = &config.base,
        .subtask = s->subtask,
        .parallelism = s->parallelism,
        .restore = s->restore,
        .restore_checkpoint = s->restore != NULL,
        .clock = s->clock,
    };
    if (harness_new(&o, &h, &err) < 0) {
        fail_msg("%s", err.message);
    }
    arena_fini(&arena);
    return h;
}

static struct harness *open_harness(const struct setup *s)
{
    struct harness *h = make(s);
    struct error err = ERROR_INIT;
    if (harness_open(h, &err) < 0) {
        fail_msg("%s\n%s", err.message, err.frames);
    }
    return h;
}

static void push(struct harness *h, const char *rows)
{
    struct error err = ERROR_INIT;
    if (harness_push_rows(h, 0, rows, &err) < 0 || harness_flush(h, &err) < 0) {
        fail_msg("%s\n%s", err.message, err.frames);
    }
}

/* `expected` ends each row with a newline. */
static void check_output(struct harness *h, const char *expected)
{
    STR_AUTO rows = STR_INIT;
    str_printf(&rows, "%s\n", harness_rows(h, 0));
    assert_string_equal(str_cstr(&rows), expected);
}

/* ---- one value --------------------------------------------------------------------------------- */

static int counter_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_value_state(
                                ctx, FLINC_STATE(.name = "sum", .type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int counter(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_value_state *s = flinc_ctx_user(ctx);
    int64_t n = flinc_value_get_int64(s, 0) + in->n;
    if (in->n < 0) {
        flinc_value_clear(s);
        n = flinc_value_get_int64(s, -1);
    } else {
        flinc_value_set_int64(s, n);
    }
    return FLINC_EMIT(out, count, .key = in->key, .n = n);
}

static const struct setup counting = {.kind = "flinc.flat_map",
                                      .fn_kind = FLINC_FN_FLAT_MAP,
                                      .call = (flinc_any_fn)counter,
                                      .open = counter_open,
                                      .out = &count_struct};

static void a_value_per_key(void **state)
{
    struct harness *h = open_harness(&counting);
    push(h, "a, 1\nb, 10\na, 2\na, -1\na, 5\nb, 1");
    check_output(h, "+I[a, 1]\n+I[b, 10]\n+I[a, 3]\n+I[a, -1]\n+I[a, 5]\n"
                    "+I[b, 11]\n");
    harness_clear(h);
    push(h, "b, 1\na, 1\nc, 7");
    check_output(h, "+I[b, 12]\n+I[a, 6]\n+I[c, 7]\n");
    harness_free(h);
}

static int edit(flinc_ctx *ctx, const event *in, count *out)
{
    int64_t *n = flinc_value_edit(flinc_ctx_user(ctx));
    if (n == NULL) {
        return -1;
    }
    *n += in->n;
    *out = (count){.key = in->key, .n = *n};
    return 0;
}

static int only_first(flinc_ctx *ctx, const event *in)
{
    flinc_value_state *s = flinc_ctx_user(ctx);
    bool seen = flinc_value_get(s) != NULL;
    flinc_value_set_int64(s, 1);
    return !seen;
}

static void map_and_filter_have_state_too(void **state)
{
    struct setup s = counting;
    s.kind = "flinc.map";
    s.fn_kind = FLINC_FN_MAP;
    s.call = (flinc_any_fn)edit;
    struct harness *h = open_harness(&s);
    push(h, "a, 1\nb, 10\na, 2");
    check_output(h, "+I[a, 1]\n+I[b, 10]\n+I[a, 3]\n");
    harness_free(h);
    s.kind = "flinc.filter";
    s.fn_kind = FLINC_FN_FILTER;
    s.call = (flinc_any_fn)only_first;
    s.out = FLINC_TYPE(event);
    h = open_harness(&s);
    push(h, "a, 1\nb, 10\na, 2");
    push(h, "b, 1\nc, 3\nc, 4");
    check_output(h, "+I[a, 1]\n+I[b, 10]\n+I[c, 3]\n");
    harness_free(h);
}

static void many_keys_in_many_batches(void **state)
{
    enum { KEYS = 3000, ROUNDS = 4 };
    struct harness *h = open_harness(&counting);
    for (int round = 1; round <= ROUNDS; round++) {
        STR_AUTO rows = STR_INIT;
        STR_AUTO expected = STR_INIT;
        for (int k = 0; k < KEYS; k++) {
            str_printf(&rows, "%skey-number-%d, %d", k > 0 ? "\n" : "", k, k);
            str_printf(&expected, "+I[key-number-%d, %d]\n", k, k * round);
        }
        harness_clear(h);
        push(h, str_cstr(&rows));
        check_output(h, str_cstr(&expected));
    }
    harness_free(h);
}

/* ---- all kinds --------------------------------------------------------------------------------- */

struct kinds {
    flinc_value_state *last;
    flinc_list_state *list;
    flinc_map_state *evens;
    flinc_reducing_state *greatest;
    flinc_aggregating_state *average;
};
static struct kinds kinds; /* of the only harness that is open */

static int greater(flinc_ctx *ctx, const void *a, const void *b, void *out)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    *(int64_t *)out = x > y ? x : y;
    return 0;
}

static int mean_add(flinc_ctx *ctx, void *accumulator, const void *value)
{
    mean *m = accumulator;
    m->n++;
    m->sum += *(const int64_t *)value;
    return 0;
}

static int mean_result(flinc_ctx *ctx, const void *accumulator, void *out)
{
    const mean *m = accumulator;
    *(double *)out = (double)m->sum / (double)m->n;
    return 0;
}

static int kinds_open(flinc_ctx *ctx)
{
    kinds.last =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "last", .type = FLINC_TYPE(flinc_string)));
    kinds.list = flinc_ctx_list_state(ctx, FLINC_STATE(.name = "list", .type = FLINC_TYPE(event)));
    kinds.evens = flinc_ctx_map_state(ctx, FLINC_STATE(.name = "evens", .type = FLINC_TYPE(event),
                                                       .key_type = FLINC_TYPE(flinc_int64)));
    kinds.greatest = flinc_ctx_reducing_state(
        ctx, FLINC_STATE(.name = "greatest", .type = FLINC_TYPE(flinc_int64), .reduce = greater));
    kinds.average =
        flinc_ctx_aggregating_state(ctx, FLINC_STATE(.name = "average", .type = FLINC_TYPE(mean),
                                                     .add = mean_add, .result = mean_result));
    return 0;
}

/* 0: a summary; negative: that number is no more among the even ones; else it is added everywhere. */
static int all_kinds(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    int64_t listed = 0, evens = 0;
    double average = 0;
    if (in->n < 0) {
        int64_t n = -in->n;
        flinc_map_remove(kinds.evens, &n);
        return 0;
    }
    if (in->n > 0) {
        char text[64];
        snprintf(text, sizeof(text), "the number that came last is %d", (int)in->n);
        flinc_value_set_string(kinds.last, FLINC_STR(text));
        flinc_list_add(kinds.list, in);
        if (in->n % 2 == 0 && !flinc_map_contains(kinds.evens, &in->n)) {
            flinc_map_put(kinds.evens, &in->n, in);
        }
        flinc_reducing_add(kinds.greatest, &in->n);
        return flinc_aggregating_add(kinds.average, &in->n);
    }
    flinc_list_begin(kinds.list);
    for (const event *e; (e = flinc_list_next(kinds.list)) != NULL;) {
        listed = listed * 10 + e->n;
    }
    const void *key, *value;
    flinc_map_begin(kinds.evens);
    while (flinc_map_next(kinds.evens, &key, &value)) {
        evens += *(const int64_t *)key + 100 * ((const event *)value)->n;
    }
    const int64_t *greatest = flinc_reducing_get(kinds.greatest);
    if (flinc_aggregating_get(kinds.average, &average) == 0 ||
        flinc_list_is_empty(kinds.list) != (listed == 0) ||
        flinc_map_is_empty(kinds.evens) != (evens == 0)) {
        return flinc_ctx_fail(ctx, "empty or not");
    }
    flinc_string last = flinc_value_get_string(kinds.last, FLINC_STR("none"));
    return FLINC_EMIT(out, summary, .key = in->key, .last = last, .listed = listed, .evens = evens,
                      .greatest = greatest != NULL ? *greatest : -1, .average = average);
}

static const struct setup all = {.kind = "flinc.flat_map",
                                 .fn_kind = FLINC_FN_FLAT_MAP,
                                 .call = (flinc_any_fn)all_kinds,
                                 .open = kinds_open,
                                 .out = &summary_struct};

static void every_kind_keeps_its_own(void **state)
{
    struct harness *h = open_harness(&all);
    push(h, "a, 1\nb, 4\na, 2\na, 4\nb, 6\nb, 5");
    push(h, "a, 0\nb, 0");
    check_output(h, "+I[a, the number that came last is 4, 124, 606, 4, 2.3333333333333335]\n"
                    "+I[b, the number that came last is 5, 465, 1010, 6, 5.0]\n");
    harness_clear(h);
    push(h, "a, -2\na, 0\nb, -4\nb, -6\nb, 0");
    check_output(h, "+I[a, the number that came last is 4, 124, 404, 4, 2.3333333333333335]\n"
                    "+I[b, the number that came last is 5, 465, 0, 6, 5.0]\n");
    harness_free(h);
}

static Flinc__OperatorSubtaskState *snapshot(struct harness *h)
{
    struct error err = ERROR_INIT;
    Flinc__OperatorSubtaskState *s = NULL;
    if (harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err) < 0) {
        fail_msg("%s\n%s", err.message, err.frames);
    }
    return s;
}

/* The rows that a subtask of two gives for keys k0 to k9: only those that it owns are right. */
static void state_moves_with_its_keys(void **state)
{
    struct harness *h = open_harness(&all);
    for (int k = 0; k < 10; k++) {
        char rows[100];
        snprintf(rows, sizeof(rows), "k%d, %d\nk%d, 2", k, 2 * k + 1, k);
        push(h, rows);
    }
    Flinc__OperatorSubtaskState *s = snapshot(h);
    harness_free(h);
    uint32_t seen = 0;
    for (uint32_t subtask = 0; subtask < 2; subtask++) {
        struct setup half = all;
        half.subtask = subtask;
        half.parallelism = 2;
        half.restore = s;
        h = open_harness(&half);
        for (int k = 0; k < 10; k++) {
            char key[16], rows[100], expected[200];
            snprintf(key, sizeof(key), "k%d", k);
            uint32_t group = (uint32_t)key_hash_bytes(key, 2) % 128;
            if (key_group_subtask(group, 128, 2) != subtask) {
                continue;
            }
            snprintf(rows, sizeof(rows), "k%d, 3\nk%d, 0", k, k);
            int first = 2 * k + 1, greatest = first > 3 ? first : 3, sum = first + 5;
            harness_clear(h);
            push(h, rows);
            snprintf(expected, sizeof(expected),
                     "+I[k%d, the number that came last is 3, %d, 202, %d, ", k, first * 100 + 23,
                     greatest);
            assert_memory_equal(harness_rows(h, 0), expected, strlen(expected));
            assert_true(strtod(harness_rows(h, 0) + strlen(expected), NULL) == sum / 3.0);
            seen++;
        }
        harness_free(h);
    }
    assert_int_equal(seen, 10);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void check_refused(const struct setup *s, const char *part)
{
    struct error err = ERROR_INIT;
    struct harness *h = make(s);
    int rc = harness_open(h, &err);
    if (rc == 0) {
        rc = harness_push_rows(h, 0, "a, 1", &err);
    }
    assert_true(rc < 0);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, part);
    }
    harness_free(h);
}

static int open_two_kinds(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64)));
    (void)flinc_ctx_list_state(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64)));
    return 0;
}

static int open_without_name(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.type = FLINC_TYPE(flinc_int64)));
    return 0;
}

static int open_without_type(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x"));
    return 0;
}

static int open_without_reduce(flinc_ctx *ctx)
{
    (void)flinc_ctx_reducing_state(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64)));
    return 0;
}

static int open_and_use(flinc_ctx *ctx)
{
    flinc_value_set_int64(
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64))), 1);
    return 0;
}

static int change_under_walk(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_list_add(kinds.list, in);
    flinc_list_begin(kinds.list);
    while (flinc_list_next(kinds.list) != NULL) {
        flinc_list_add(kinds.list, in);
    }
    return 0; /* the first mistake counts all the same */
}

static void mistakes_are_named(void **state)
{
    struct setup s = counting;
    s.unkeyed = true;
    check_refused(&s, "value state 'sum': the stream is not keyed: call flinc_key_by");
    s.unkeyed = false;
    s.open = open_two_kinds;
    check_refused(&s, "list state 'x': it was declared before, as value state");
    s.open = open_without_name;
    check_refused(&s, "a state needs a name of 1 to 200 bytes");
    s.open = open_without_type;
    check_refused(&s, "value state 'x': its value: its type is missing");
    s.open = open_without_reduce;
    check_refused(&s, "reducing state 'x': reducing state needs .reduce");
    s.open = open_and_use;
    check_refused(&s, "value state 'x': there is no key at hand");
    s = all;
    s.call = (flinc_any_fn)change_under_walk;
    check_refused(&s, "list state 'list' was changed while its elements were walked over");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_per_key),
        cmocka_unit_test(map_and_filter_have_state_too),
        cmocka_unit_test(many_keys_in_many_batches),
        cmocka_unit_test(every_kind_keeps_its_own),
        cmocka_unit_test(state_moves_with_its_keys),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
