/* A job whose functions keep state of every kind: per key (value, list, map, reducing and aggregating state)
 * and broadcast.  The last record of a key reports what its state holds; the order of records does not matter.
 *
 *   kinds.so --count N --keys K --output DIR     numbers 1..N, keys v % K
 *   kinds.so --fill                              a map per key that grows until the budget is spent */
#include <flinc/flinc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FLINC_STRUCT(number, FLINC_INT64(key), FLINC_INT64(v));
FLINC_STRUCT(line, FLINC_STRING(text));
FLINC_STRUCT(mean, FLINC_INT64(n), FLINC_INT64(sum));
FLINC_STRUCT(note, FLINC_STRING(text), FLINC_NULLABLE(FLINC_INT64(v)));

struct settings {
    int64_t count, keys;
};

struct kinds {
    flinc_value_state *seen, *last;
    flinc_list_state *list;
    flinc_map_state *map;
    flinc_reducing_state *greatest;
    flinc_aggregating_state *average;
};

static int keyed(flinc_ctx *ctx, const int64_t *in, number *out)
{
    const struct settings *s = flinc_ctx_config(ctx);
    *out = (number){.key = *in % s->keys, .v = *in};
    return 0;
}

/* ---- callbacks of states ----------------------------------------------------------------------- */

static int greater(flinc_ctx *ctx, const void *a, const void *b, void *out)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    (void)ctx;
    *(int64_t *)out = x > y ? x : y;
    return 0;
}

static int mean_add(flinc_ctx *ctx, void *accumulator, const void *value)
{
    mean *m = accumulator;
    (void)ctx;
    m->n++;
    m->sum += *(const int64_t *)value;
    return 0;
}

static int mean_result(flinc_ctx *ctx, const void *accumulator, void *out)
{
    const mean *m = accumulator;
    (void)ctx;
    *(int64_t *)out = m->sum / m->n;
    return 0;
}

/* ---- the function ------------------------------------------------------------------------------ */

static int kinds_open(flinc_ctx *ctx)
{
    struct kinds *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        return flinc_ctx_fail(ctx, "no memory");
    }
    flinc_ctx_set_user(ctx, k);
    k->seen =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "seen", .type = FLINC_TYPE(flinc_int64)));
    k->last = flinc_ctx_value_state(
        ctx, FLINC_STATE(.name = "last", .type = FLINC_TYPE(flinc_string), .ttl = {.ms = 3600000}));
    k->list = flinc_ctx_list_state(ctx, FLINC_STATE(.name = "list", .type = FLINC_TYPE(note)));
    k->map = flinc_ctx_map_state(ctx, FLINC_STATE(.name = "map", .type = FLINC_TYPE(flinc_int64),
                                                  .key_type = FLINC_TYPE(flinc_string)));
    k->greatest = flinc_ctx_reducing_state(
        ctx, FLINC_STATE(.name = "greatest", .type = FLINC_TYPE(flinc_int64), .reduce = greater));
    k->average =
        flinc_ctx_aggregating_state(ctx, FLINC_STATE(.name = "average", .type = FLINC_TYPE(mean),
                                                     .add = mean_add, .result = mean_result));
    return 0;
}

static void kinds_close(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

/* "key seen listed nulls mapped greatest average last": sums that do not depend on the order. */
static int report(flinc_ctx *ctx, struct kinds *k, const number *in, flinc_out *out)
{
    int64_t listed = 0, nulls = 0, mapped = 0, average = 0;
    const void *key, *value;
    char text[256];
    flinc_list_begin(k->list);
    for (const note *n; (n = flinc_list_next(k->list)) != NULL;) {
        listed += n->v_is_null ? (int64_t)n->text.len : n->v;
        nulls += n->v_is_null;
    }
    flinc_map_begin(k->map);
    while (flinc_map_next(k->map, &key, &value)) {
        mapped += *(const int64_t *)value;
    }
    if (flinc_aggregating_get(k->average, &average) != 1) {
        return flinc_ctx_fail(ctx, "no average");
    }
    flinc_string last = flinc_value_get_string(k->last, FLINC_STR("none"));
    int len =
        snprintf(text, sizeof(text), "%lld %lld %lld %lld %lld %lld %lld %.*s", (long long)in->key,
                 (long long)flinc_value_get_int64(k->seen, 0), (long long)listed, (long long)nulls,
                 (long long)mapped, (long long)*(const int64_t *)flinc_reducing_get(k->greatest),
                 (long long)average, (int)last.len, last.data);
    return FLINC_EMIT(out, line, .text = {text, (size_t)len});
}

static int keep(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    const struct settings *s = flinc_ctx_config(ctx);
    struct kinds *k = flinc_ctx_user(ctx);
    int64_t *seen = flinc_value_edit(k->seen);
    char text[64];
    if (seen == NULL) {
        return -1;
    }
    int64_t n = ++*seen;
    snprintf(text, sizeof(text), "digit %lld of a number", (long long)(in->v / s->keys % 10));
    flinc_string name = FLINC_STR(text);
    flinc_value_set_string(k->last, FLINC_STR("the same for each record"));
    note no = {.text = name, .v = in->v, .v_is_null = in->v / s->keys % 5 == 0};
    flinc_list_add(k->list, &no);
    const int64_t *count = flinc_map_get(k->map, &name);
    int64_t next = count != NULL ? *count + 1 : 1;
    flinc_map_put(k->map, &name, &next);
    flinc_reducing_add(k->greatest, &in->v);
    flinc_aggregating_add(k->average, &in->v);
    return n == s->count / s->keys ? report(ctx, k, in, out) : 0;
}

/* ---- broadcast --------------------------------------------------------------------------------- */

static int rules_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_broadcast_state(
                                ctx, FLINC_STATE(.name = "rules", .type = FLINC_TYPE(flinc_string),
                                                 .key_type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int ignore(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    (void)out;
    return flinc_broadcast_len(flinc_ctx_user(ctx)) > 10
               ? flinc_ctx_fail(ctx, "at %lld", (long long)in->v)
               : 0;
}

/* The tenth rule tells what all of them are. */
static int learn(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    flinc_broadcast_state *rules = flinc_ctx_user(ctx);
    const void *key, *value;
    int64_t keys = 0, bytes = 0;
    char text[100];
    snprintf(text, sizeof(text), "rule number %lld", (long long)*in);
    flinc_string name = FLINC_STR(text);
    flinc_broadcast_put(rules, in, &name);
    if (flinc_broadcast_len(rules) < 10) {
        return 0;
    }
    flinc_broadcast_begin(rules);
    while (flinc_broadcast_next(rules, &key, &value)) {
        keys += *(const int64_t *)key;
        bytes += (int64_t)((const flinc_string *)value)->len;
    }
    int len = snprintf(text, sizeof(text), "rules %lld %lld", (long long)keys, (long long)bytes);
    return FLINC_EMIT(out, line, .text = {text, (size_t)len});
}

static int as_text(flinc_ctx *ctx, const line *in, flinc_text *out)
{
    (void)ctx;
    flinc_text_append(out, in->text.data, in->text.len);
    return 0;
}

/* ---- filling the budget ------------------------------------------------------------------------ */

static int fill(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    struct kinds *k = flinc_ctx_user(ctx);
    char text[64];
    (void)out;
    snprintf(text, sizeof(text), "a map key of its own for %lld", (long long)in->v);
    flinc_string name = FLINC_STR(text);
    return flinc_map_put(k->map, &name, &in->v);
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"count", "keys", "output", "fill", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const struct settings s = {.count = flinc_params_int(params, "count", INT64_MAX - 1),
                               .keys = flinc_params_int(params, "keys", 100)};
    const char *output = flinc_params_get(params, "output", NULL);
    flinc_stream *numbers = flinc_map(flinc_from_sequence(env, 1, s.count),
                                      FLINC_FUNCTION(keyed, .config = &s, .config_size = sizeof(s)),
                                      FLINC_TYPE(number));
    flinc_stream *by_key = flinc_key_by(numbers, "key");
    if (output == NULL) {
        flinc_discard(flinc_name(
            flinc_flat_map(by_key, FLINC_FUNCTION(fill, .open = kinds_open, .close = kinds_close),
                           FLINC_TYPE(line)),
            "Fill"));
        return flinc_env_execute(env, "fill");
    }
    flinc_stream *kept =
        flinc_flat_map(by_key,
                       FLINC_FUNCTION(keep, .open = kinds_open, .close = kinds_close, .config = &s,
                                      .config_size = sizeof(s)),
                       FLINC_TYPE(line));
    flinc_stream *rules = flinc_broadcast(flinc_from_sequence(env, 1, 10));
    flinc_stream *learnt =
        flinc_co_flat_map(by_key, rules, FLINC_FUNCTION(ignore, .open = rules_open),
                          FLINC_FN(learn), FLINC_TYPE(line));
    flinc_write_text(flinc_union(kept, learnt),
                     FLINC_TEXT_SINK(.path = output, .format = FLINC_FN(as_text)));
    return flinc_env_execute(env, "kinds");
}
FLINC_JOB(job)
