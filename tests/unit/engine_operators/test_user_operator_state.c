/* Operator state of user functions: lists brought up to date by the snapshot part, union lists, broadcast
 * maps; restored at other parallelisms; and what is refused. */
#include "flinc/state.h"

#include "fixture.h"

FLINC_STRUCT(number, FLINC_INT64(v));
FLINC_STRUCT(rule, FLINC_INT64(id), FLINC_STRING(name));

static struct {
    int64_t sum, parts, all;
    flinc_operator_list *list, *everyone;
    flinc_broadcast_state *rules;
} my; /* of the harness that was opened last */

/* ---- harness ----------------------------------------------------------------------------------- */

static struct harness *open_harness(const struct harness_options *o)
{
    struct harness *h = NULL;
    struct error err = ERROR_INIT;
    if (harness_new(o, &h, &err) < 0 || harness_open(h, &err) < 0) {
        fail_msg("%s\n%s", err.message, err.frames);
    }
    return h;
}

static void push(struct harness *h, uint32_t input, const char *rows)
{
    struct error err = ERROR_INIT;
    if (harness_push_rows(h, input, rows, &err) < 0 || harness_flush(h, &err) < 0) {
        fail_msg("%s\n%s", err.message, err.frames);
    }
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

/* ---- lists ------------------------------------------------------------------------------------- */

static int sums_open(flinc_ctx *ctx)
{
    my.list =
        flinc_ctx_operator_list(ctx, FLINC_STATE(.name = "sum", .type = FLINC_TYPE(flinc_int64)));
    my.everyone = flinc_ctx_union_list(ctx, FLINC_STATE(.name = "rules", .type = FLINC_TYPE(rule)));
    my.sum = 0;
    my.parts = (int64_t)flinc_operator_list_len(my.list);
    for (size_t i = 0; i < flinc_operator_list_len(my.list); i++) {
        my.sum += *(const int64_t *)flinc_operator_list_get(my.list, i);
    }
    my.all = 0;
    for (size_t i = 0; i < flinc_operator_list_len(my.everyone); i++) {
        const rule *r = flinc_operator_list_get(my.everyone, i);
        my.all += r->id * 100 + (int64_t)r->name.len;
    }
    return 0;
}

static int add_up(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    my.sum += in->v;
    return 0;
}

static int sums_snapshot(flinc_ctx *ctx)
{
    rule r = {.id = 1 + flinc_ctx_subtask(ctx), .name = FLINC_STR("a name that is not short")};
    flinc_operator_list_clear(my.list);
    flinc_operator_list_clear(my.everyone);
    flinc_operator_list_add(my.list, &my.sum);
    flinc_operator_list_add(my.list, &my.sum);
    return flinc_operator_list_add(my.everyone, &r);
}

static struct harness_options sums(uint32_t subtask, uint32_t parallelism,
                                   const Flinc__OperatorSubtaskState *restore)
{
    return (struct harness_options){
        .kind = "flinc.flat_map",
        .functions = {{FLINC_FN_FLAT_MAP, (flinc_any_fn)add_up, "add_up", "test.c:1"},
                      {FLINC_FN_OPEN, (flinc_any_fn)sums_open, "add_up", "test.c:1"},
                      {FLINC_FN_SNAPSHOT, (flinc_any_fn)sums_snapshot, "add_up", "test.c:1"}},
        .inputs = {FLINC_TYPE(number)},
        .outputs = {FLINC_TYPE(number)},
        .subtask = subtask,
        .parallelism = parallelism,
        .restore = restore,
        .restore_checkpoint = restore != NULL,
    };
}

static void lists_are_what_the_snapshot_part_left(void **state)
{
    struct harness_options o = sums(0, 1, NULL);
    struct harness *h = open_harness(&o);
    assert_int_equal(my.parts, 0);
    push(h, 0, "3\n4");
    Flinc__OperatorSubtaskState *s = snapshot(h);
    push(h, 0, "100");
    harness_free(h);
    o = sums(0, 1, s);
    h = open_harness(&o);
    assert_int_equal(my.parts, 2);
    assert_int_equal(my.sum, 14);
    assert_int_equal(my.all, 100 + 24);
    push(h, 0, "1");
    flinc__operator_subtask_state__free_unpacked(s, NULL);
    s = snapshot(h);
    harness_free(h);
    o = sums(0, 1, s);
    h = open_harness(&o);
    assert_int_equal(my.sum, 30);
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

/* ---- broadcast --------------------------------------------------------------------------------- */

static int rules_open(flinc_ctx *ctx)
{
    my.rules = flinc_ctx_broadcast_state(ctx, FLINC_STATE(.name = "rules",
                                                          .type = FLINC_TYPE(flinc_string),
                                                          .key_type = FLINC_TYPE(flinc_int64)));
    return 0;
}

/* 0: all rules; else the rule of this number. */
static int apply(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    const void *key, *value;
    if (in->v != 0) {
        const flinc_string *name = flinc_broadcast_get(my.rules, &in->v);
        return FLINC_EMIT(out, rule, .id = in->v, .name = name != NULL ? *name : FLINC_STR("none"));
    }
    flinc_broadcast_begin(my.rules);
    while (flinc_broadcast_next(my.rules, &key, &value)) {
        int rc = FLINC_EMIT(out, rule, .id = *(const int64_t *)key,
                            .name = *(const flinc_string *)value);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int learn(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    if (in->id < 0) {
        return flinc_broadcast_clear(my.rules);
    }
    return in->name.len > 0 ? flinc_broadcast_put(my.rules, &in->id, &in->name)
                            : flinc_broadcast_remove(my.rules, &in->id);
}

static struct harness_options rules(const Flinc__OperatorSubtaskState *restore)
{
    return (struct harness_options){
        .kind = "flinc.co_flat_map",
        .functions = {{FLINC_FN_FLAT_MAP, (flinc_any_fn)apply, "apply", "test.c:1"},
                      {FLINC_FN_OPEN, (flinc_any_fn)rules_open, "apply", "test.c:1"},
                      {FLINC_FN_FLAT_MAP, (flinc_any_fn)learn, "learn", "test.c:2"}},
        .inputs = {FLINC_TYPE(number), FLINC_TYPE(rule)},
        .outputs = {FLINC_TYPE(rule)},
        .restore = restore,
        .restore_checkpoint = restore != NULL,
    };
}

static void a_broadcast_map_is_read_and_restored(void **state)
{
    struct harness_options o = rules(NULL);
    struct harness *h = open_harness(&o);
    push(h, 1, "7, seven\n3, a rule with a long name\n5, five");
    push(h, 0, "3\n4\n7");
    assert_string_equal(harness_rows(h, 0), "+I[3, a rule with a long name]\n+I[4, none]\n"
                                            "+I[7, seven]");
    harness_clear(h);
    push(h, 1, "7, another\n5, ''\n9, nine");
    push(h, 0, "0");
    const char *all = "+I[7, another]\n+I[3, a rule with a long name]\n+I[9, nine]";
    assert_string_equal(harness_rows(h, 0), all);
    Flinc__OperatorSubtaskState *s = snapshot(h);
    harness_free(h);
    o = rules(s);
    h = open_harness(&o);
    push(h, 0, "0");
    assert_string_equal(harness_rows(h, 0), all);
    harness_clear(h);
    push(h, 1, "-1, x");
    push(h, 0, "0\n9");
    assert_string_equal(harness_rows(h, 0), "+I[9, none]");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

/* The function of the side that is not broadcast writes. */
static int write_anyway(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    flinc_string s = FLINC_STR("x");
    (void)flinc_broadcast_put(my.rules, &in->v, &s);
    return 0;
}

static void only_what_is_broadcast_changes_broadcast_state(void **state)
{
    struct error err = ERROR_INIT;
    struct harness_options o = rules(NULL);
    o.kind = "flinc.broadcast_process";
    for (size_t i = 0; i < 3; i += 2) {
        o.functions[i].kind = FLINC_FN_PROCESS;
    }
    struct harness *h = open_harness(&o);
    push(h, 1, "7, seven");
    push(h, 0, "7");
    assert_string_equal(harness_rows(h, 0), "+I[7, seven]");
    harness_free(h);
    o.functions[0].call = (flinc_any_fn)write_anyway;
    h = open_harness(&o);
    push(h, 1, "7, seven");
    assert_true(harness_push_rows(h, 0, "8", &err) < 0);
    assert_non_null(strstr(err.message, "broadcast state 'rules': records that are not broadcast "
                                        "may only read it"));
    harness_free(h);
}

/* ---- what is refused --------------------------------------------------------------------------- */

static int two_kinds_open(flinc_ctx *ctx)
{
    (void)flinc_ctx_operator_list(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64)));
    (void)flinc_ctx_union_list(ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64)));
    return 0;
}

static int ttl_open(flinc_ctx *ctx)
{
    (void)flinc_ctx_operator_list(
        ctx, FLINC_STATE(.name = "x", .type = FLINC_TYPE(flinc_int64), .ttl = {.ms = 5}));
    return 0;
}

static void check_open_fails(int (*open)(flinc_ctx *ctx), const char *part)
{
    struct harness *h = NULL;
    struct error err = ERROR_INIT;
    struct harness_options o = sums(0, 1, NULL);
    o.functions[1].call = (flinc_any_fn)open;
    assert_int_equal(harness_new(&o, &h, NULL), 0);
    assert_true(harness_open(h, &err) < 0);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, part);
    }
    harness_free(h);
}

static void mistakes_are_named(void **state)
{
    check_open_fails(two_kinds_open, "union list state 'x': it was declared before, as operator "
                                     "list state");
    check_open_fails(ttl_open, "only keyed state has a time to live");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_what_the_snapshot_part_left),
        cmocka_unit_test(a_broadcast_map_is_read_and_restored),
        cmocka_unit_test(only_what_is_broadcast_changes_broadcast_state),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
