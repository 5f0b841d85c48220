/* Broadcast process functions: broadcast state written on one side and read on the other, beside keyed
 * state and timers; restored at another parallelism. */
#include "flinc/broadcast.h"
#include "flinc/time.h"
#include "tests/unit/engine_operators/window_fixture.h"

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_INT64(n));
FLINC_STRUCT(rule, FLINC_STRING(key), FLINC_INT64(limit));
FLINC_STRUCT(limit, FLINC_INT64(limit), FLINC_STRING(note));
FLINC_STRUCT(result, FLINC_STRING(key), FLINC_STRING(what), FLINC_INT64(n));

static flinc_broadcast_state *rules_of(flinc_ctx *ctx)
{
    return flinc_ctx_broadcast_state(ctx, FLINC_STATE(.name = "rules", .type = FLINC_TYPE(limit),
                                                      .key_type = FLINC_TYPE(flinc_string)));
}

static int open_rules(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, rules_of(ctx));
    return 0;
}

/* The limit of the event's key; a negative number tries to change it. */
static int on_event(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_broadcast_state *rules = flinc_ctx_user(ctx);
    const limit *l = flinc_broadcast_get(rules, &in->key);
    if (in->n < 0) {
        limit changed = {.limit = in->n};
        return flinc_broadcast_put(rules, &in->key, &changed);
    }
    if (l != NULL && in->n > l->limit) {
        FLINC_EMIT(out, result, .key = in->key, .what = l->note, .n = in->n);
    }
    return 0;
}

/* A rule of 0 is removed; the function tells how many there are. */
static int on_rule(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    flinc_broadcast_state *rules = rules_of(ctx);
    assert_ptr_equal(rules, flinc_ctx_user(ctx));
    if (in->limit == 0) {
        TRY(flinc_broadcast_remove(rules, &in->key));
        assert_false(flinc_broadcast_contains(rules, &in->key));
    } else {
        limit l = {.limit = in->limit, .note = flinc_cstring("a note of more than twelve bytes")};
        TRY(flinc_broadcast_put(rules, &in->key, &l));
        assert_true(flinc_broadcast_contains(rules, &in->key));
    }
    const void *key, *value;
    int64_t n = 0;
    flinc_broadcast_begin(rules);
    while (flinc_broadcast_next(rules, &key, &value)) {
        assert_true(((const limit *)value)->limit > 0);
        n++;
    }
    FLINC_EMIT(out, result, .key = in->key, .what = flinc_cstring("rules"), .n = n);
    return 0;
}

static struct harness *make(const char *kind, const struct harness_options *options)
{
    struct harness_options o = *options;
    o.kind = kind;
    o.inputs[0] = FLINC_TYPE(event);
    o.inputs[1] = FLINC_TYPE(rule);
    o.outputs[0] = FLINC_TYPE(result);
    if (o.functions[0].kind == 0) {
        o.functions[0] = (struct harness_function)FN(FLINC_FN_PROCESS, on_event);
        o.functions[1] = (struct harness_function)FN(FLINC_FN_OPEN, open_rules);
        o.functions[2] = (struct harness_function)FN(FLINC_FN_PROCESS, on_rule);
    }
    o.keys[0] = strstr(kind, "keyed") != NULL ? "key" : NULL;
    return opened(&o);
}

static void check(struct harness *h, uint32_t input, const char *in, const char *out)
{
    check_rows(h, input, in, out);
}

static const char *const kinds[] = {"flinc.broadcast_process", "flinc.keyed_broadcast_process"};

static void rules_are_seen_by_events(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct harness *h = make(kinds[i], &(struct harness_options){.kind = NULL});
        check(h, 0, "a, 5", "");
        check(h, 1, "a, 3\nb, 7", "+I[a, rules, 1]\n+I[b, rules, 2]");
        check(h, 0, "a, 5\na, 3\nb, 8\nc, 9",
              "+I[a, a note of more than twelve bytes, 5]\n"
              "+I[b, a note of more than twelve bytes, 8]");
        check(h, 1, "a, 0\nb, 9", "+I[a, rules, 1]\n+I[b, rules, 1]");
        check(h, 0, "a, 5\nb, 8", "");
        harness_free(h);
    }
}

static void only_broadcast_records_change_rules(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct harness *h = make(kinds[i], &(struct harness_options){.kind = NULL});
        must_fail(harness_push_rows(h, 0, "a, -1", &err), ERR_USER_CODE,
                  "'rules': records that are not broadcast may only read it");
        harness_free(h);
    }
}

static void rules_are_restored_everywhere(void **state)
{
    const char *kind = "flinc.keyed_broadcast_process";
    struct harness *h = make(kind, &(struct harness_options){.kind = NULL});
    Flinc__OperatorSubtaskState *snapshot = NULL;
    check(h, 1, "a, 3\nb, 7", "+I[a, rules, 1]\n+I[b, rules, 2]");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &snapshot, &err));
    harness_free(h);
    for (uint32_t i = 0; i < 3; i++) {
        h = make(kind,
                 &(struct harness_options){.restore = snapshot, .subtask = i, .parallelism = 3});
        check(h, 0, "a, 4\nb, 7", "+I[a, a note of more than twelve bytes, 4]");
        check(h, 1, "c, 1", "+I[c, rules, 3]");
        harness_free(h);
    }
    flinc__operator_subtask_state__free_unpacked(snapshot, NULL);
}

/* ---- with timers ------------------------------------------------------------------------------- */

static int wait_for(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    return flinc_ctx_timer_event(ctx, in->n);
}

static int waited(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    flinc_string key = flinc_ctx_key_string(ctx, 0);
    const limit *l = flinc_broadcast_get(flinc_ctx_user(ctx), &key);
    FLINC_EMIT(out, result, .key = key, .what = flinc_cstring("timer"),
               .n = l != NULL ? l->limit : -1);
    return 0;
}

static int rule_with_timer(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    return in->limit == 0 ? flinc_ctx_timer_event(ctx, 1) : on_rule(ctx, in, out);
}

static void timers_read_rules(void **state)
{
    struct harness *h = make(
        kinds[1],
        &(struct harness_options){
            .functions = {FN(FLINC_FN_PROCESS, wait_for), FN(FLINC_FN_OPEN, open_rules),
                          FN(FLINC_FN_ON_TIMER, waited), FN(FLINC_FN_PROCESS, rule_with_timer)}});
    check(h, 0, "a, 10\nb, 20", "");
    check(h, 1, "b, 7", "+I[b, rules, 1]");
    harness_clear(h);
    must(harness_watermark(h, 0, 30, &err));
    must(harness_watermark(h, 1, 30, &err));
    assert_string_equal(harness_rows(h, 0), "+I[a, timer, -1] @10\n+I[b, timer, 7] @20");
    must_fail(harness_push_rows(h, 1, "a, 0", &err), ERR_USER_CODE,
              "only be set while a record of a keyed stream");
    harness_free(h);
}

/* ---- all keys ---------------------------------------------------------------------------------- */

struct tallies {
    flinc_value_state *count;
    flinc_list_state *seen;
    flinc_map_state *by_n;
};

static int open_tallies(flinc_ctx *ctx)
{
    static struct tallies t;
    t.count =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "count", .type = FLINC_TYPE(flinc_int64)));
    t.seen =
        flinc_ctx_list_state(ctx, FLINC_STATE(.name = "seen", .type = FLINC_TYPE(flinc_int64)));
    t.by_n = flinc_ctx_map_state(ctx, FLINC_STATE(.name = "by n", .type = FLINC_TYPE(flinc_int64),
                                                  .key_type = FLINC_TYPE(flinc_int64)));
    flinc_ctx_set_user(ctx, &t);
    return 0;
}

/* Counts all, lists what is above 0, and maps what is above 100. */
static int tally(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    struct tallies *t = flinc_ctx_user(ctx);
    *(flinc_int64 *)flinc_value_edit(t->count) += 1;
    if (in->n > 0) {
        TRY(flinc_list_add(t->seen, &in->n));
    }
    if (in->n > 100) {
        TRY(flinc_map_put(t->by_n, &in->n, &in->n));
    }
    return 0;
}

struct telling {
    flinc_out *out;
    const rule *rule;
};

/* Shows the count of a key and what its list has; then: 1 adds 1000 to the count, 2 clears all, 3 fails, 4
 * sets a timer, 5 goes through all keys again. */
static int tell(flinc_ctx *ctx, void *arg)
{
    struct telling *telling = arg;
    struct tallies *t = flinc_ctx_user(ctx);
    const flinc_int64 *count = flinc_value_get(t->count);
    const void *element;
    int64_t sum = 0;
    flinc_list_begin(t->seen);
    while ((element = flinc_list_next(t->seen)) != NULL) {
        sum += *(const flinc_int64 *)element;
    }
    char text[32];
    int len = snprintf(text, sizeof(text), "%lld", (long long)sum);
    FLINC_EMIT(telling->out, result, .key = flinc_ctx_key_string(ctx, 0),
               .what = {text, (size_t)len}, .n = count != NULL ? *count : -1);
    switch (telling->rule->limit) {
    case 1:
        *(flinc_int64 *)flinc_value_edit(t->count) += 1000;
        break;
    case 2:
        flinc_value_clear(t->count);
        flinc_list_clear(t->seen);
        flinc_map_clear(t->by_n);
        break;
    case 3:
        return flinc_ctx_fail(ctx, "no more");
    case 4:
        return flinc_ctx_timer_event(ctx, 1);
    case 5:
        return flinc_ctx_apply_to_keyed_state(ctx, t->count, tell, arg);
    default:
        break;
    }
    return 0;
}

static int tell_all(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    struct tallies *t = flinc_ctx_user(ctx);
    struct telling telling = {.out = out, .rule = in};
    void *states[] = {t->count, t->seen, t->by_n, out};
    return flinc_ctx_apply_to_keyed_state(ctx, states[in->key.data[0] - 'a'], tell, &telling);
}

static struct harness *make_tallies(const struct harness_options *options)
{
    struct harness_options o = *options;
    const struct harness_function functions[] = {FN(FLINC_FN_PROCESS, tally),
                                                 FN(FLINC_FN_OPEN, open_tallies),
                                                 FN(FLINC_FN_PROCESS, tell_all)};
    memcpy(o.functions, functions, sizeof(functions));
    return make(kinds[1], &o);
}

static void check_all(struct harness *h, const char *in, const char *out)
{
    harness_clear(h);
    must(harness_push_rows(h, 1, in, &err));
    must(harness_flush(h, &err));
    check_sorted_rows(harness_rows(h, 0), out);
}

static void a_function_over_all_keys(void **state)
{
    struct harness *h = make_tallies(&(struct harness_options){.kind = NULL});
    check_all(h, "a, 0\nb, 0\nc, 0", ""); /* nothing is there */
    check(h, 0, "a key of more than twelve bytes, 5\nb, 7\nb, 8\nc, 0\nd, 101", "");
    check_all(h, "a, 1",
              "+I[a key of more than twelve bytes, 5, 1]\n+I[b, 15, 2]\n+I[c, 0, 1]\n"
              "+I[d, 101, 1]");
    check_all(h, "b, 0",
              "+I[a key of more than twelve bytes, 5, 1001]\n+I[b, 15, 1002]\n"
              "+I[d, 101, 1001]");
    check_all(h, "c, 0", "+I[d, 101, 1001]");
    /* Changes are in snapshots; each subtask has its own keys. */
    Flinc__OperatorSubtaskState *snapshot = NULL;
    STR_AUTO all = STR_INIT;
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &snapshot, &err));
    check_all(h, "c, 2", "+I[d, 101, 1001]");
    check_all(h, "a, 2\na, 0",
              "+I[a key of more than twelve bytes, 5, 1001]\n+I[b, 15, 1002]\n+I[c, 0, 1001]");
    check_all(h, "a, 0\nb, 0\nc, 0", "");
    check(h, 0, "b, 7", "");
    check_all(h, "a, 0", "+I[b, 7, 1]");
    harness_free(h);
    for (uint32_t i = 0; i < 3; i++) {
        h = make_tallies(
            &(struct harness_options){.restore = snapshot, .subtask = i, .parallelism = 3});
        must(harness_push_rows(h, 1, "a, 2\na, 0", &err));
        must(harness_flush(h, &err));
        str_printf(&all, "%s%s", all.len > 0 && harness_row_count(h, 0) > 0 ? "\n" : "",
                   harness_rows(h, 0));
        harness_free(h);
    }
    check_sorted_rows(str_cstr(&all), "+I[a key of more than twelve bytes, 5, 1001]\n"
                                      "+I[b, 15, 1002]\n+I[c, 0, 1001]\n+I[d, 101, 1001]");
    flinc__operator_subtask_state__free_unpacked(snapshot, NULL);
}

static void mistakes_with_all_keys(void **state)
{
    static const char *const mistakes[][2] = {
        {"a, 3", "no more"},
        {"a, 4", "timers need a callback"},
        {"a, 5", "the function of broadcast records"},
        {"d, 0", "no keyed state of this operator"},
    };
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        struct harness *h = make_tallies(&(struct harness_options){.kind = NULL});
        check(h, 0, "a, 1", "");
        must_fail(harness_push_rows(h, 1, mistakes[i][0], &err), ERR_USER_CODE, mistakes[i][1]);
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_seen_by_events),
        cmocka_unit_test(only_broadcast_records_change_rules),
        cmocka_unit_test(rules_are_restored_everywhere),
        cmocka_unit_test(timers_read_rules),
        cmocka_unit_test(a_function_over_all_keys),
        cmocka_unit_test(mistakes_with_all_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
