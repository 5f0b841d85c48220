/* A job with every kind of state, to be restored at other parallelisms: a value and timers per key, an operator
 * list, a union list and broadcast state of one operator.  Record i of key i % --keys counts; the output is
 *   R key n       the n-th record of a key
 *   T key n       the timer that the n-th record set
 *   L subtask n   items of the operator list that a subtask was given at its start, added up
 *   U subtask n   and of the union list
 *   B subtask n   rules in the broadcast state, at the first record of a subtask */
#include <flinc/broadcast.h>
#include <flinc/flinc.h>
#include <flinc/state.h>
#include <flinc/time.h>
#include <stdio.h>
#include <stdlib.h>

enum { RULES = 7, ITEMS = 3, TIMER_EACH = 5, TIMER_MS = 50 };

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(at_ms));
FLINC_STRUCT(rule, FLINC_INT64(id), FLINC_INT64(value));
FLINC_STRUCT(counters, FLINC_INT64(n), FLINC_INT64(timers));
FLINC_STRUCT(settings, FLINC_INT64(keys));

struct keeper {
    flinc_value_state *counters;
    flinc_operator_list *list, *union_list;
    flinc_broadcast_state *rules;
    int64_t counted, given_list, given_union;
    bool told;
};

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    out->key = index % ((const settings *)flinc_ctx_config(ctx))->keys;
    out->at_ms = index / 100;
    return 0;
}

static int64_t sum_of(flinc_operator_list *list)
{
    int64_t sum = 0;

    for (size_t i = 0; i < flinc_operator_list_len(list); i++) {
        sum += *(const int64_t *)flinc_operator_list_get(list, i);
    }
    return sum;
}

static int open_keeper(flinc_ctx *ctx)
{
    struct keeper *k = calloc(1, sizeof(*k));

    flinc_ctx_set_user(ctx, k);
    k->counters =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "counters", .type = FLINC_TYPE(counters)));
    k->list = flinc_ctx_operator_list(
        ctx, FLINC_STATE(.name = "counted", .type = FLINC_TYPE(flinc_int64)));
    k->union_list =
        flinc_ctx_union_list(ctx, FLINC_STATE(.name = "all", .type = FLINC_TYPE(flinc_int64)));
    k->rules =
        flinc_ctx_broadcast_state(ctx, FLINC_STATE(.name = "rules", .type = FLINC_TYPE(flinc_int64),
                                                   .key_type = FLINC_TYPE(flinc_int64)));
    k->given_list = k->counted = sum_of(k->list);
    k->given_union = sum_of(k->union_list);
    return 0;
}

static void close_keeper(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

/* What was counted goes into ITEMS items, so that there is something to deal out. */
static int keep(flinc_ctx *ctx)
{
    struct keeper *k = flinc_ctx_user(ctx);

    flinc_operator_list_clear(k->list);
    flinc_operator_list_clear(k->union_list);
    flinc_operator_list_add(k->union_list, &k->counted);
    for (int64_t i = 0; i < ITEMS; i++) {
        int64_t part = i == 0 ? k->counted - (ITEMS - 1) : 1;
        flinc_operator_list_add(k->list, &part);
    }
    return 0;
}

static int line(flinc_out *out, char kind, int64_t key, int64_t number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%c %lld %lld", kind, (long long)key, (long long)number);

    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

/* The rules as they are: value = id * id. */
static int64_t count_rules(struct keeper *k)
{
    int64_t n = 0;

    for (int64_t id = 0; id < RULES; id++) {
        const int64_t *value = flinc_broadcast_get(k->rules, &id);
        n += value != NULL && *value == id * id;
    }
    return n;
}

static int tell_start(flinc_ctx *ctx, struct keeper *k, flinc_out *out)
{
    int64_t subtask = flinc_ctx_subtask(ctx);

    k->told = true;
    line(out, 'L', subtask, k->given_list);
    line(out, 'U', subtask, k->given_union);
    return line(out, 'B', subtask, count_rules(k));
}

static int on_event(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);

    if (!k->told) {
        tell_start(ctx, k, out);
    }
    counters *c = flinc_value_edit(k->counters);
    if (c == NULL) {
        return -1;
    }
    c->n++;
    k->counted++;
    if (c->n % TIMER_EACH == 0) {
        flinc_ctx_timer_event(ctx, in->at_ms + TIMER_MS);
    }
    return line(out, 'R', in->key, c->n);
}

static int on_timer(flinc_ctx *ctx, int64_t timestamp, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);
    counters *c = flinc_value_edit(k->counters);

    if (c == NULL) {
        return -1;
    }
    c->timers++;
    return line(out, 'T', flinc_ctx_key_int64(ctx, 0), c->timers);
}

static int on_rule(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    return flinc_broadcast_put(((struct keeper *)flinc_ctx_user(ctx))->rules, &in->id, &in->value);
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records", "keys", "rate", "output", NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 480)};
    rule rules[RULES];

    for (int64_t id = 0; id < RULES; id++) {
        rules[id] = (rule){id, id * id};
    }
    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *events = flinc_uid(
        flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .config = &s, .config_size = sizeof(s)),
                          .type = FLINC_TYPE(event), .count = flinc_params_int(p, "records", -1),
                          .rows_per_second = (double)flinc_params_int(p, "rate", 0))),
        "events");
    flinc_stream *timed =
        flinc_uid(flinc_assign_timestamps(events, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                                                                   .max_out_of_orderness_ms = 1000,
                                                                   .timestamp = "at_ms")),
                  "times");
    flinc_stream *ruled =
        flinc_uid(flinc_from_elements(env, rules, RULES, FLINC_TYPE(rule)), "rules");
    flinc_stream *lines = flinc_uid(
        flinc_broadcast_process(flinc_key_by(timed, "key"), flinc_broadcast(ruled),
                                FLINC_FUNCTION(on_event, .open = open_keeper, .close = close_keeper,
                                               .on_timer = on_timer, .snapshot = keep),
                                FLINC_FN(on_rule), FLINC_TYPE(flinc_string)),
        "keeper");
    flinc_uid(flinc_write_text(lines, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", ""))),
              "lines");
    return flinc_env_execute(env, "rescale");
}
FLINC_JOB(job)
