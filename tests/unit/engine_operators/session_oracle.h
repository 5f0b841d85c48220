/* Sessions of functions as Flink's WindowOperator has them, record by record, from the definition: every
 * session holds its records in a list, and whatever a function makes is made of the list.  What it
 * shares with the operator is nothing but arithmetic.  And the operator in several subtasks beside it. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_SESSION_ORACLE_H
#define FLINC_TESTS_ENGINE_OPERATORS_SESSION_ORACLE_H

#include "engine/data/hash.h"
#include "tests/unit/engine_operators/window_functions_fixture.h"

#define SESSION FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION
#define FUNCTION(name) FLINC__WINDOW_FUNCTION_KIND__WINDOW_##name
#define TRIGGER(name) FLINC__WINDOW_TRIGGER_KIND__TRIGGER_##name

FLINC_STRUCT(visit, FLINC_INT64(k), FLINC_INT64(v), FLINC_INT64(gap), FLINC_STRING(name));
FLINC_STRUCT(visit_sum, FLINC_INT64(k), FLINC_INT64(sum), FLINC_INT64(n), FLINC_STRING(name));

enum { ORACLE_SESSIONS_MAX = 4000, ORACLE_RECORDS_MAX = 512, ORACLE_TEXT_MAX = 4096 };

struct oracle_record {
    int64_t v, gap, ts;
};
struct oracle_session {
    int64_t key, start, end;
    struct oracle_record records[ORACLE_RECORDS_MAX];
    size_t n;
    int64_t count;   /* of the count trigger */
    bool is_waiting; /* for its end */
};

struct oracle {
    const struct window_config *c;
    int64_t watermark;
    struct oracle_session *sessions; /* Owns */
    size_t n;
    struct str out, late; /* rows since the last look */
};

/* ---- functions, the operator's and those over lists ------------------------------------------------ */

static inline int visits_add(flinc_ctx *ctx, const visit *a, const visit *b, visit *out)
{
    *out = *a;
    out->v = a->v + b->v;
    out->gap = 0;
    return 0;
}
static inline int visit_sum_add(flinc_ctx *ctx, const visit *in, visit_sum *acc)
{
    acc->k = in->k;
    acc->name = in->name;
    acc->sum += in->v;
    acc->n++;
    return 0;
}
static inline int visit_sum_merge(flinc_ctx *ctx, const visit_sum *other, visit_sum *acc)
{
    acc->sum += other->sum;
    acc->n += other->n;
    return 0;
}
static inline int visit_sum_result(flinc_ctx *ctx, const visit_sum *acc, visit_sum *out)
{
    *out = *acc;
    return 0;
}
static inline int64_t visit_gap(flinc_ctx *ctx, const visit *in)
{
    return in->gap;
}
static inline int visits_show(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    char text[ORACLE_TEXT_MAX];
    int len = snprintf(text, sizeof(text),
                       "%lld until %lld:", (long long)FLINC_PANE_RECORD(pane, visit, 0)->k,
                       (long long)pane->end_ms);
    for (size_t i = 0; i < pane->n; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %lld",
                        (long long)FLINC_PANE_RECORD(pane, visit, i)->v);
    }
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = pane->start_ms);
}
static inline int visit_sum_show(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const visit_sum *s = FLINC_PANE_RECORD(pane, visit_sum, 0);
    char text[200];
    int len = snprintf(text, sizeof(text), "%lld until %lld: %lld of %lld", (long long)s->k,
                       (long long)pane->end_ms, (long long)s->sum, (long long)s->n);
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = pane->start_ms);
}

static inline const char *visit_name(int64_t key)
{
    return key % 2 == 0 ? "even" : "a name that is kept in the heap";
}

static inline int64_t oracle_sum(const struct oracle_session *s)
{
    int64_t sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        sum += s->records[i].v;
    }
    return sum;
}

static inline void oracle_emit(struct oracle *o, const struct oracle_session *s)
{
    const Flinc__WindowConfig *c = &o->c->config;
    const struct oracle_record *least = &s->records[0];
    struct str *out = &o->out;
    str_printf(out, "%s+I[", out->len > 0 ? "\n" : "");
    switch (c->function) {
    case FUNCTION(BUFFER):
        str_printf(out, "%lld until %lld:", (long long)s->key, (long long)s->end);
        for (size_t i = 0; i < s->n; i++) {
            str_printf(out, " %lld", (long long)s->records[i].v);
        }
        str_printf(out, ", %lld", (long long)s->start);
        break;
    case FUNCTION(REDUCE):
        str_printf(out, "%lld, %lld, %lld, %s", (long long)s->key, (long long)oracle_sum(s),
                   (long long)(s->n == 1 ? s->records[0].gap : 0), visit_name(s->key));
        break;
    case FUNCTION(AGGREGATE):
        if (c->process) {
            str_printf(out, "%lld until %lld: %lld of %zu, %lld", (long long)s->key,
                       (long long)s->end, (long long)oracle_sum(s), s->n, (long long)s->start);
        } else {
            str_printf(out, "%lld, %lld, %zu, %s", (long long)s->key, (long long)oracle_sum(s),
                       s->n, visit_name(s->key));
        }
        break;
    default: /* minBy */
        for (size_t i = 1; i < s->n; i++) {
            least = s->records[i].v < least->v ? &s->records[i] : least;
        }
        str_printf(out, "%lld, %lld, %lld, %s", (long long)s->key, (long long)least->v,
                   (long long)least->gap, visit_name(s->key));
    }
    str_printf(out, "] @%lld", (long long)s->end - 1);
}

/* ---- sessions ------------------------------------------------------------------------------------ */

static inline void oracle_init(struct oracle *o, const struct window_config *c)
{
    *o = (struct oracle){.c = c, .watermark = INT64_MIN};
    o->sessions = MEM_NEW_ARRAY(struct oracle_session, ORACLE_SESSIONS_MAX);
}
static inline void oracle_fini(struct oracle *o)
{
    mem_free(o->sessions);
    str_fini(&o->out);
    str_fini(&o->late);
}

static inline void oracle_evict(const struct oracle *o, struct oracle_session *s)
{
    size_t keep = (size_t)o->c->config.evictor->count;
    size_t drop = s->n > keep ? s->n - keep : 0;
    memmove(s->records, s->records + drop, (s->n - drop) * sizeof(s->records[0]));
    s->n -= drop;
}

static inline void oracle_fire(struct oracle *o, struct oracle_session *s)
{
    const Flinc__WindowEvictor *evictor = o->c->config.evictor;
    if (evictor != NULL && !evictor->after) {
        oracle_evict(o, s);
    }
    if (s->n > 0) {
        oracle_emit(o, s);
        if (evictor != NULL && evictor->after) {
            oracle_evict(o, s);
        }
    }
    if (o->c->trigger.purging) {
        s->n = 0;
    }
}

/* The records of `from` behind those of `into`. */
static inline void oracle_merge(struct oracle_session *into, const struct oracle_session *from)
{
    assert_true(into->n + from->n < ORACLE_RECORDS_MAX);
    memcpy(into->records + into->n, from->records, from->n * sizeof(from->records[0]));
    into->n += from->n;
    into->count += from->count;
    into->is_waiting |= from->is_waiting;
    into->start = MIN(into->start, from->start);
    into->end = MAX(into->end, from->end);
}

/* Takes the earliest session of the key that meets [start, end) out; false: there is none. */
static inline bool oracle_take(struct oracle *o, int64_t key, int64_t start, int64_t end,
                               struct oracle_session *ret)
{
    size_t best = o->n;
    for (size_t i = 0; i < o->n; i++) {
        const struct oracle_session *s = &o->sessions[i];
        if (s->key == key && s->start <= end && start <= s->end &&
            (best == o->n || s->start < o->sessions[best].start)) {
            best = i;
        }
    }
    if (best == o->n) {
        return false;
    }
    *ret = o->sessions[best];
    o->sessions[best] = o->sessions[--o->n];
    return true;
}

static inline void oracle_add(struct oracle *o, int64_t key, struct oracle_record r)
{
    const Flinc__WindowAssigner *a = &o->c->assigner;
    const int64_t lateness = o->c->config.allowed_lateness_ms;
    int64_t gap = a->gap_ms > 0 ? a->gap_ms : r.gap, end = r.ts + gap;
    struct oracle_session *s = MEM_NEW(struct oracle_session), *from;
    from = MEM_NEW(struct oracle_session);
    bool joined = oracle_take(o, key, r.ts, end, s);
    if (!joined) {
        *s = (struct oracle_session){.key = key, .start = r.ts, .end = end};
    }
    while (joined && oracle_take(o, key, r.ts, end, from)) {
        oracle_merge(s, from);
    }
    s->start = MIN(s->start, r.ts);
    s->end = MAX(s->end, end);
    if (s->end - 1 + lateness <= o->watermark) {
        assert_false(joined);
        str_printf(&o->late, "%s+I[%lld, %lld, %lld, %s] @%lld", o->late.len > 0 ? "\n" : "",
                   (long long)key, (long long)r.v, (long long)r.gap, visit_name(key),
                   (long long)r.ts);
    } else {
        assert_true(s->n + 1 < ORACLE_RECORDS_MAX && o->n + 1 < ORACLE_SESSIONS_MAX);
        s->records[s->n++] = r;
        if (o->c->trigger.kind == TRIGGER(COUNT)) {
            if (++s->count >= o->c->trigger.count) {
                s->count = 0;
                oracle_fire(o, s);
            }
        } else if (s->end - 1 <= o->watermark) {
            oracle_fire(o, s);
        } else {
            s->is_waiting = true;
        }
        o->sessions[o->n++] = *s;
    }
    mem_free(s);
    mem_free(from);
}

static inline void oracle_advance(struct oracle *o, int64_t watermark)
{
    o->watermark = watermark;
    for (size_t i = 0; i < o->n;) {
        struct oracle_session *s = &o->sessions[i];
        if (s->is_waiting && s->end - 1 <= watermark) {
            s->is_waiting = false;
            oracle_fire(o, s);
        }
        int64_t gone = 0;
        if (__builtin_add_overflow(s->end - 1, o->c->config.allowed_lateness_ms, &gone)) {
            gone = INT64_MAX;
        }
        if (gone <= watermark) {
            *s = o->sessions[--o->n];
        } else {
            i++;
        }
    }
}

/* ---- the operator in several subtasks -------------------------------------------------------------- */

enum { SESSION_SUBTASKS_MAX = 4 };

struct session_vertex {
    struct general *g;
    uint32_t parallelism;
    struct harness *subtasks[SESSION_SUBTASKS_MAX];
};

static inline void session_vertex_open(struct session_vertex *v, uint32_t parallelism,
                                       const Flinc__OperatorSubtaskState *restore)
{
    v->parallelism = parallelism;
    v->g->o.config = &v->g->c.config.base;
    v->g->o.parallelism = parallelism;
    v->g->o.restore = restore;
    v->g->o.restore_checkpoint = 1;
    v->g->o.flags = restore != NULL ? OP_FLAG_RESTORED : 0;
    for (uint32_t i = 0; i < parallelism; i++) {
        v->g->o.subtask = i;
        v->subtasks[i] = opened(&v->g->o);
    }
}

static inline void session_vertex_close(struct session_vertex *v)
{
    for (uint32_t i = 0; i < v->parallelism; i++) {
        v->subtasks[i] = harness_free(v->subtasks[i]);
    }
}

static inline void session_vertex_restart(struct session_vertex *v, uint32_t parallelism)
{
    Flinc__OperatorSubtaskState *states[SESSION_SUBTASKS_MAX];
    for (uint32_t i = 0; i < v->parallelism; i++) {
        must(harness_snapshot(v->subtasks[i], 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                              &states[i], &err));
    }
    session_vertex_close(v);
    Flinc__OperatorSubtaskState *all = harness_join_states(states, v->parallelism);
    session_vertex_open(v, parallelism, all);
    flinc__operator_subtask_state__free_unpacked(all, NULL);
}

static inline uint32_t session_owner(const struct session_vertex *v, int64_t key)
{
    return key_group_subtask((uint32_t)key_hash_i64(key) % 128, 128, v->parallelism);
}

static inline void session_collect(struct str *all, const char *rows)
{
    if (rows[0] != '\0') {
        str_printf(all, "%s%s", all->len > 0 ? "\n" : "", rows);
    }
}

/* What came out of the operator since the last look is what came out of the oracle. */
static inline void session_check(struct session_vertex *v, struct oracle *o)
{
    STR_AUTO got = STR_INIT;
    STR_AUTO late = STR_INIT;
    for (uint32_t i = 0; i < v->parallelism; i++) {
        session_collect(&got, harness_rows(v->subtasks[i], 0));
        session_collect(&late, harness_rows(v->subtasks[i], 1));
        harness_clear(v->subtasks[i]);
    }
    check_sorted_rows(str_cstr(&got), str_cstr(&o->out));
    check_sorted_rows(str_cstr(&late), str_cstr(&o->late));
    str_clear(&o->out);
    str_clear(&o->late);
}

#endif
