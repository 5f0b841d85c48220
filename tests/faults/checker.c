/* A job that checks itself.  Record i of key i % --keys is number i / --keys of its key; what is kept about a key, and
 * about a subtask, must fit that, whatever is lost meanwhile.  Rule i of rule kind i % RULE_KINDS is number i /
 * RULE_KINDS of its kind, and is broadcast.  What is wrong fails the job with a sentence that begins with VIOLATION;
 * what is right is written to --output for the oracle (chaos.py):
 *   R key number         a record, behind the check of its place, its payload and all keyed state
 *   T key session        the event-time timer of a session, in order
 *   W key session n      a session window of n records
 *   V key session n      a tumbling window that kept its n records, each checked
 *   L token count run    an item of list state, and how many records were counted in it
 *   U subtask count run  what a subtask knows by union list state of the records counted before it, and counted itself
 *   B subtask kind count run   rules of a kind in the subtask's broadcast state
 * L, U and B are written at the end of the input by each subtask, of the run of the job that --run says: run.parallelism.
 * With --light no window keeps records: the state is small.  With --loose records may come again, as they may in the mode AT_LEAST_ONCE; none may be missing. */
#include <flinc/broadcast.h>
#include <flinc/flinc.h>
#include <flinc/state.h>
#include <flinc/time.h>
#include <flinc/window.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSION = 40,
    STEP_MS = 100,
    GAP_MS = 60000,
    SESSION_MS = SESSION * STEP_MS + GAP_MS,
    RECORDS_PER_RULE = 160,
    RULE_KINDS = 192,
    TOKENS = 97,         /* items of list state that a subtask of the first run begins with */
    SUBTASK_MAX = 128,   /* pipeline.max-parallelism */
    PROCESSING_EACH = 8, /* records between two processing-time timers of a key */
    PROCESSING_MS = 20,
    TEXT_MAX = 256,
};
/* Behind all records; the watermark of the rules never holds back what the records say. */
static const int64_t RULES_MS = INT64_C(1) << 49, END_MS = INT64_C(1) << 50;

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(number), FLINC_INT64(at_ms),
             FLINC_STRING(payload), FLINC_INT64(hash));
FLINC_STRUCT(rule, FLINC_INT64(kind), FLINC_INT64(number), FLINC_INT64(at_ms));
FLINC_STRUCT(progress, FLINC_INT64(next), FLINC_INT64(timers), FLINC_INT64(mixed),
             FLINC_INT64(rules), FLINC_INT64(processing_ms));
FLINC_STRUCT(mark, FLINC_INT64(records), FLINC_STRING(text));
FLINC_STRUCT(token, FLINC_INT64(id), FLINC_INT64(all), FLINC_INT64(counted));
FLINC_STRUCT(share, FLINC_INT64(subtask), FLINC_INT64(parallelism), FLINC_INT64(rules),
             FLINC_INT64(tokens), FLINC_INT64(all_tokens), FLINC_INT64(counted));
FLINC_STRUCT(session, FLINC_INT64(key), FLINC_INT64(window_start), FLINC_INT64(n));
FLINC_STRUCT(settings, FLINC_INT64(keys), FLINC_INT64(loose), FLINC_INT64(run));

static int64_t hash_of(const char *data, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
    }
    return (int64_t)h;
}

static flinc_string payload_of(int64_t index, char *text)
{
    int len = snprintf(text, TEXT_MAX, "%lld:%.*s", (long long)index, (int)(index % 50),
                       "the quick brown fox jumps over the lazy dog and back again");

    return (flinc_string){text, (size_t)len};
}

/* ---- sources ----------------------------------------------------------------------------------------- */

static int open_text(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, calloc(1, TEXT_MAX));
    return 0;
}

static void free_user(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

static int make(flinc_ctx *ctx, int64_t index, event *out)
{
    const settings *s = flinc_ctx_config(ctx);

    out->key = index % s->keys;
    out->number = index / s->keys;
    out->at_ms = out->number * STEP_MS + out->number / SESSION * GAP_MS;
    out->payload = payload_of(index, flinc_ctx_user(ctx));
    out->hash = hash_of(out->payload.data, out->payload.len);
    return 0;
}

static int make_rule(flinc_ctx *ctx, int64_t index, rule *out)
{
    (void)ctx;
    *out = (rule){index % RULE_KINDS, index / RULE_KINDS, RULES_MS};
    return 0;
}

/* ---- what a subtask keeps ---------------------------------------------------------------------------- */

struct keeper {
    flinc_value_state *progress, *last;
    flinc_list_state *session;
    flinc_map_state *marks;
    flinc_reducing_state *sum;
    flinc_operator_list *tokens, *shares;
    flinc_broadcast_state *rules;
    token mine[SUBTASK_MAX * TOKENS];
    size_t n_mine;
    uint64_t turn;
    int64_t counted;  /* by this subtask, and by those before a restore that it goes on for */
    int64_t fired_ms; /* processing-time timers up to this have fired in this attempt */
    bool told;
    char text[TEXT_MAX];
};

static int add_up(flinc_ctx *ctx, const int64_t *a, const int64_t *b, int64_t *out)
{
    (void)ctx;
    *out = *a + *b;
    return 0;
}

static bool is_loose(const flinc_ctx *ctx)
{
    return ((const settings *)flinc_ctx_config(ctx))->loose != 0;
}

static int64_t rules_known(struct keeper *k, int64_t kind)
{
    const int64_t *n = flinc_broadcast_get(k->rules, &kind);

    return n != NULL ? *n : 0;
}

/* The same for the same broadcast state, whatever its order. */
static int64_t rules_hash(struct keeper *k)
{
    uint64_t mixed = flinc_broadcast_len(k->rules);

    for (int64_t kind = 0; kind < RULE_KINDS; kind++) {
        const int64_t pair[] = {kind, rules_known(k, kind)};
        mixed += (uint64_t)hash_of((const char *)pair, sizeof(pair));
    }
    return (int64_t)mixed;
}

/* List state: this subtask's even part of the items, each in one place. */
static int take_tokens(flinc_ctx *ctx, struct keeper *k)
{
    size_t n = flinc_operator_list_len(k->tokens);
    int64_t parallelism = flinc_ctx_parallelism(ctx);

    for (size_t i = 0; i < n; i++) {
        const token *t = flinc_operator_list_get(k->tokens, i);
        if (t == NULL) {
            return -1;
        }
        if ((int64_t)n < t->all / parallelism || (int64_t)n > t->all / parallelism + 1) {
            return flinc_ctx_fail(ctx, "VIOLATION: list state: %zu of %lld items for one of %lld",
                                  n, (long long)t->all, (long long)parallelism);
        }
        k->mine[k->n_mine++] = *t;
    }
    return 0;
}

/* Union list state: what every subtask of the snapshot said, and all of it fits. */
static int take_shares(flinc_ctx *ctx, struct keeper *k)
{
    bool seen[SUBTASK_MAX] = {false};
    size_t n = flinc_operator_list_len(k->shares);
    int64_t tokens = 0, all_tokens = 0, counted = 0, rules = rules_hash(k);

    for (size_t i = 0; i < n; i++) {
        const share *s = flinc_operator_list_get(k->shares, i);
        if (s == NULL) {
            return -1;
        }
        if (s->parallelism != (int64_t)n || s->subtask < 0 || s->subtask >= s->parallelism ||
            seen[s->subtask]) {
            return flinc_ctx_fail(ctx, "VIOLATION: union state: item %zu of %zu is of %lld of %lld",
                                  i, n, (long long)s->subtask, (long long)s->parallelism);
        }
        if (s->rules != rules && !is_loose(ctx)) {
            return flinc_ctx_fail(
                ctx, "VIOLATION: broadcast state is not that which subtask %lld had, of %zu",
                (long long)s->subtask, n);
        }
        seen[s->subtask] = true;
        tokens += s->tokens;
        all_tokens = s->all_tokens;
        /* With the same parallelism each goes on for itself: some have told theirs when a checkpoint is cut
         * between the ends of subtasks. */
        counted +=
            s->subtask % flinc_ctx_parallelism(ctx) == flinc_ctx_subtask(ctx) ? s->counted : 0;
    }
    if (tokens != all_tokens) {
        return flinc_ctx_fail(ctx, "VIOLATION: list state: there were %lld items, not %lld",
                              (long long)tokens, (long long)all_tokens);
    }
    k->counted = counted;
    return 0;
}

static void make_tokens(flinc_ctx *ctx, struct keeper *k)
{
    int64_t all = (int64_t)flinc_ctx_parallelism(ctx) * TOKENS;

    for (int64_t i = 0; i < TOKENS; i++) {
        k->mine[k->n_mine++] = (token){(int64_t)flinc_ctx_subtask(ctx) * TOKENS + i, all, 0};
    }
}

static int open_keeper(flinc_ctx *ctx)
{
    struct keeper *k = calloc(1, sizeof(*k));

    flinc_ctx_set_user(ctx, k);
    k->progress =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "progress", .type = FLINC_TYPE(progress)));
    k->last =
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "last", .type = FLINC_TYPE(flinc_string),
                                               .ttl = {.ms = UINT64_C(864000000)}));
    k->session =
        flinc_ctx_list_state(ctx, FLINC_STATE(.name = "session", .type = FLINC_TYPE(flinc_int64)));
    k->marks = flinc_ctx_map_state(ctx, FLINC_STATE(.name = "marks", .type = FLINC_TYPE(mark),
                                                    .key_type = FLINC_TYPE(flinc_int64)));
    k->sum =
        flinc_ctx_reducing_state(ctx, FLINC_STATE(.name = "sum", .type = FLINC_TYPE(flinc_int64),
                                                  .reduce = (flinc_reduce_fn)add_up));
    k->tokens =
        flinc_ctx_operator_list(ctx, FLINC_STATE(.name = "tokens", .type = FLINC_TYPE(token)));
    k->shares = flinc_ctx_union_list(ctx, FLINC_STATE(.name = "shares", .type = FLINC_TYPE(share)));
    k->rules =
        flinc_ctx_broadcast_state(ctx, FLINC_STATE(.name = "rules", .type = FLINC_TYPE(flinc_int64),
                                                   .key_type = FLINC_TYPE(flinc_int64)));
    if (flinc_operator_list_len(k->shares) == 0) {
        make_tokens(ctx, k);
        return 0;
    }
    int rc = take_tokens(ctx, k);
    return rc == 0 ? take_shares(ctx, k) : rc;
}

static int keep(flinc_ctx *ctx)
{
    struct keeper *k = flinc_ctx_user(ctx);
    const share mine = {.subtask = flinc_ctx_subtask(ctx),
                        .parallelism = flinc_ctx_parallelism(ctx),
                        .rules = rules_hash(k),
                        .tokens = (int64_t)k->n_mine,
                        .all_tokens = k->n_mine > 0 ? k->mine[0].all : 0,
                        .counted = k->counted};

    flinc_operator_list_clear(k->tokens);
    flinc_operator_list_clear(k->shares);
    for (size_t i = 0; i < k->n_mine; i++) {
        flinc_operator_list_add(k->tokens, &k->mine[i]);
    }
    return flinc_operator_list_add(k->shares, &mine);
}

/* ---- the records of a key ---------------------------------------------------------------------------- */

static int emit_line(flinc_out *out, char kind, int64_t key, int64_t number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%c %lld %lld", kind, (long long)key, (long long)number);

    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

static int check_payload(flinc_ctx *ctx, const event *in)
{
    if (in->hash != hash_of(in->payload.data, in->payload.len)) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: the payload of record %lld is damaged",
                              (long long)in->key, (long long)in->number);
    }
    return 0;
}

/* What other state of the key says of the records before this one. */
static int check_state(flinc_ctx *ctx, struct keeper *k, const event *in)
{
    const settings *s = flinc_ctx_config(ctx);
    const int64_t *sum = flinc_reducing_get(k->sum);
    int64_t n = in->number;

    if ((sum != NULL ? *sum : 0) != n * (n - 1) / 2) {
        return flinc_ctx_fail(ctx,
                              "VIOLATION: key %lld: reducing state is not that of %lld records",
                              (long long)in->key, (long long)n);
    }
    const flinc_string *last = flinc_value_get(k->last);
    flinc_string want =
        n > 0 ? payload_of((n - 1) * s->keys + in->key, k->text) : (flinc_string){0};
    if ((last != NULL) != (n > 0) ||
        (last != NULL && (last->len != want.len || memcmp(last->data, want.data, want.len) != 0))) {
        return flinc_ctx_fail(ctx,
                              "VIOLATION: key %lld: value state with a time to live is not of "
                              "record %lld",
                              (long long)in->key, (long long)n - 1);
    }
    return 0;
}

/* The list has the records of this session; the map how many each session had. */
static int end_session(flinc_ctx *ctx, struct keeper *k, const event *in)
{
    int64_t number = in->number / SESSION, n = 0;
    const int64_t *p;

    flinc_list_begin(k->session);
    for (; (p = flinc_list_next(k->session)) != NULL && *p == number * SESSION + n; n++) {
    }
    if (n != SESSION || p != NULL) {
        return flinc_ctx_fail(ctx,
                              "VIOLATION: key %lld: list state of session %lld has %lld in "
                              "their places, then %lld, of %d from %lld on",
                              (long long)in->key, (long long)number, (long long)n,
                              p != NULL ? (long long)*p : -1LL, SESSION,
                              (long long)(number * SESSION));
    }
    flinc_list_clear(k->session);
    const mark m = {n, in->payload};
    flinc_map_put(k->marks, &number, &m);
    return flinc_ctx_timer_event(ctx, in->at_ms + STEP_MS);
}

/* Timers of processing time fire in the order of their times: one that others have passed is lost. */
static int check_processing(flinc_ctx *ctx, struct keeper *k, progress *p, const event *in)
{
    if (p->processing_ms != 0 && p->processing_ms < k->fired_ms) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: the processing-time timer of %lld is lost",
                              (long long)in->key, (long long)p->processing_ms);
    }
    if (p->processing_ms == 0 && in->number % PROCESSING_EACH == 0) {
        p->processing_ms = flinc_ctx_now(ctx) + PROCESSING_MS;
        k->fired_ms =
            p->processing_ms <= k->fired_ms ? 0 : k->fired_ms; /* the clock was set back */
        return flinc_ctx_timer_processing(ctx, p->processing_ms);
    }
    return 0;
}

/* All subtasks have the same rules in a snapshot: a key never meets fewer than before. */
static int check_rules(flinc_ctx *ctx, struct keeper *k, progress *p, const event *in)
{
    int64_t known = rules_known(k, in->key % RULE_KINDS);

    if (known < p->rules && !is_loose(ctx)) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: %lld rules in broadcast state, after %lld",
                              (long long)in->key, (long long)known, (long long)p->rules);
    }
    p->rules = known;
    return 0;
}

static void count_record(struct keeper *k)
{
    k->counted++;
    if (k->n_mine > 0) {
        k->mine[k->turn++ % k->n_mine].counted++;
    }
}

static int keep_record(flinc_ctx *ctx, struct keeper *k, progress *p, const event *in)
{
    int rc = check_state(ctx, k, in);

    if (rc == 0) {
        rc = check_rules(ctx, k, p, in);
    }
    if (rc == 0) {
        rc = check_processing(ctx, k, p, in);
    }
    if (rc < 0) {
        return rc;
    }
    p->next++;
    p->mixed = p->mixed * 31 + in->hash;
    count_record(k);
    flinc_value_set(k->last, &in->payload);
    flinc_reducing_add(k->sum, &in->number);
    flinc_list_add(k->session, &in->number);
    if (in->number == 0) {
        rc = flinc_ctx_timer_event(ctx, END_MS);
    }
    return rc == 0 && in->number % SESSION == SESSION - 1 ? end_session(ctx, k, in) : rc;
}

static int check(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);
    progress *p = flinc_value_edit(k->progress);

    if (p == NULL) {
        return -1;
    }
    if (in->number != p->next && !(is_loose(ctx) && in->number < p->next)) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: record %lld came instead of %lld",
                              (long long)in->key, (long long)in->number, (long long)p->next);
    }
    int rc = check_payload(ctx, in);
    if (rc == 0 && in->number == p->next) {
        rc = keep_record(ctx, k, p, in);
    }
    return rc == 0 ? emit_line(out, 'R', in->key, in->number) : rc;
}

/* ---- timers ------------------------------------------------------------------------------------------ */

static int tell(flinc_ctx *ctx, flinc_out *out, const char *what, int64_t value)
{
    const settings *s = flinc_ctx_config(ctx);
    char text[128];
    int len = snprintf(text, sizeof(text), "%s %lld %lld.%d", what, (long long)value,
                       (long long)s->run, (int)flinc_ctx_parallelism(ctx));

    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

/* The end of the input: each subtask says once what it keeps. */
static int tell_end(flinc_ctx *ctx, struct keeper *k, flinc_out *out)
{
    int64_t subtask = flinc_ctx_subtask(ctx);
    char what[64];
    int rc = 0;

    if (k->told) {
        return 0;
    }
    k->told = true;
    for (size_t i = 0; i < k->n_mine && rc == 0; i++) {
        snprintf(what, sizeof(what), "L %lld", (long long)k->mine[i].id);
        rc = tell(ctx, out, what, k->mine[i].counted);
    }
    for (int64_t kind = 0; kind < RULE_KINDS && rc == 0; kind++) {
        snprintf(what, sizeof(what), "B %lld %lld", (long long)subtask, (long long)kind);
        rc = tell(ctx, out, what, rules_known(k, kind));
    }
    snprintf(what, sizeof(what), "U %lld", (long long)subtask);
    return rc == 0 ? tell(ctx, out, what, k->counted) : rc;
}

static int on_processing(flinc_ctx *ctx, struct keeper *k, progress *p, int64_t time_ms)
{
    if (p->processing_ms != time_ms) {
        return flinc_ctx_fail(
            ctx, "VIOLATION: key %lld: the processing-time timer of %lld fired, set was %lld",
            (long long)flinc_ctx_key_int64(ctx, 0), (long long)time_ms,
            (long long)p->processing_ms);
    }
    p->processing_ms = 0;
    k->fired_ms = time_ms > k->fired_ms ? time_ms : k->fired_ms;
    return 0;
}

static int on_session_end(flinc_ctx *ctx, struct keeper *k, progress *p, int64_t time_ms,
                          flinc_out *out)
{
    int64_t number = time_ms / SESSION_MS, key = flinc_ctx_key_int64(ctx, 0);

    if (number != p->timers || p->next < (number + 1) * SESSION) {
        return flinc_ctx_fail(
            ctx, "VIOLATION: key %lld: timer %lld came instead of %lld, after %lld records",
            (long long)key, (long long)number, (long long)p->timers, (long long)p->next);
    }
    const settings *s = flinc_ctx_config(ctx);
    flinc_string want = payload_of(((number + 1) * SESSION - 1) * s->keys + key, k->text);
    const mark *m = flinc_map_get(k->marks, &number);
    if (m == NULL || m->records != SESSION || m->text.len != want.len ||
        memcmp(m->text.data, want.data, want.len) != 0) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: map state of session %lld is %s",
                              (long long)key, (long long)number, m == NULL ? "lost" : "wrong");
    }
    flinc_map_remove(k->marks, &number);
    p->timers++;
    return emit_line(out, 'T', key, number);
}

static int on_timer(flinc_ctx *ctx, int64_t time_ms, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);

    if (flinc_ctx_timer_is_event(ctx) && time_ms == END_MS) {
        return tell_end(ctx, k, out);
    }
    progress *p = flinc_value_edit(k->progress);
    if (p == NULL) {
        return -1;
    }
    return flinc_ctx_timer_is_event(ctx) ? on_session_end(ctx, k, p, time_ms, out)
                                         : on_processing(ctx, k, p, time_ms);
}

/* ---- rules ------------------------------------------------------------------------------------------- */

static int on_rule(flinc_ctx *ctx, const rule *in, flinc_out *out)
{
    struct keeper *k = flinc_ctx_user(ctx);
    int64_t known = rules_known(k, in->kind);

    (void)out;
    if (in->number < known && is_loose(ctx)) {
        return 0;
    }
    if (in->number != known) {
        return flinc_ctx_fail(ctx, "VIOLATION: rule %lld of kind %lld came instead of %lld",
                              (long long)in->number, (long long)in->kind, (long long)known);
    }
    known++;
    return flinc_broadcast_put(k->rules, &in->kind, &known);
}

/* ---- windows ----------------------------------------------------------------------------------------- */

static int emit_window(flinc_out *out, char kind, int64_t key, int64_t start_ms, int64_t n)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "%c %lld %lld %lld", kind, (long long)key,
                       (long long)(start_ms / SESSION_MS), (long long)n);

    return flinc_emit_string(out, (flinc_string){text, (size_t)len});
}

static int session_line(flinc_ctx *ctx, const session *in, flinc_out *out)
{
    if (in->window_start % SESSION_MS != 0 && !is_loose(ctx)) {
        return flinc_ctx_fail(ctx, "VIOLATION: key %lld: a session begins at %lld",
                              (long long)in->key, (long long)in->window_start);
    }
    return emit_window(out, 'W', in->key, in->window_start, in->n);
}

/* A window of the length of a session and the pause behind it has one session: its records in their order. */
static int check_pane(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int64_t first = pane->start_ms / SESSION_MS * SESSION;
    const event *e = NULL;

    for (size_t i = 0; i < pane->n; i++) {
        e = FLINC_PANE_RECORD(pane, event, i);
        int rc = check_payload(ctx, e);
        if (rc < 0) {
            return rc;
        }
        if (e->number != first + (int64_t)i && !is_loose(ctx)) {
            return flinc_ctx_fail(ctx,
                                  "VIOLATION: key %lld: record %lld is at place %zu of the "
                                  "window at %lld",
                                  (long long)e->key, (long long)e->number, i,
                                  (long long)pane->start_ms);
        }
    }
    return emit_window(out, 'V', e->key, pane->start_ms, (int64_t)pane->n);
}

/* ---- the job ----------------------------------------------------------------------------------------- */

static flinc_stream *read_records(flinc_env *env, flinc_params *p, const settings *s)
{
    flinc_stream *made = flinc_from_datagen(
        env,
        FLINC_DATAGEN(.generate = FLINC_FUNCTION(make, .open = open_text, .close = free_user,
                                                 .config = s, .config_size = sizeof(*s)),
                      .type = FLINC_TYPE(event), .count = flinc_params_int(p, "records", 1228800),
                      .rows_per_second = (double)flinc_params_int(p, "rate", 0)));

    return flinc_uid(
        flinc_assign_timestamps(flinc_uid(made, "records"),
                                FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED,
                                                 .max_out_of_orderness_ms = GAP_MS + 10000,
                                                 .timestamp = "at_ms")),
        "times");
}

static flinc_stream *read_rules(flinc_env *env, flinc_params *p)
{
    flinc_stream *made = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(make_rule), .type = FLINC_TYPE(rule),
                           .count = flinc_params_int(p, "records", 1228800) / RECORDS_PER_RULE,
                           .rows_per_second =
                               (double)flinc_params_int(p, "rate", 0) / RECORDS_PER_RULE));

    /* By kind, because the order of what is dealt round is not kept when it was in flight. */
    flinc_stream *kinds = flinc_key_by(flinc_set_parallelism(flinc_uid(made, "rules"), 1), "kind");

    return flinc_uid(
        flinc_assign_timestamps(
            kinds, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "at_ms")),
        "rule-times");
}

static flinc_stream *keep_panes(flinc_stream *keyed, const settings *s)
{
    flinc_windowed *windows =
        flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_TUMBLING(SESSION_MS)));

    return flinc_uid(
        flinc_window_process(windows,
                             FLINC_FUNCTION(check_pane, .config = s, .config_size = sizeof(*s)),
                             FLINC_TYPE(flinc_string)),
        "panes");
}

static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records", "keys",  "rate", "output",
                                        "loose",   "light", "run",  NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const settings s = {.keys = flinc_params_int(p, "keys", 3072),
                        .loose = flinc_params_int(p, "loose", 0),
                        .run = flinc_params_int(p, "run", 0)};

    flinc_env_set_runtime_mode(env, FLINC_STREAMING);
    flinc_stream *keyed = flinc_key_by(read_records(env, p, &s), "key");
    flinc_stream *checked = flinc_uid(
        flinc_broadcast_process(keyed, flinc_broadcast(read_rules(env, p)),
                                FLINC_FUNCTION(check, .open = open_keeper, .close = free_user,
                                               .config = &s, .config_size = sizeof(s),
                                               .on_timer = on_timer, .snapshot = keep),
                                FLINC_FUNCTION(on_rule, .config = &s, .config_size = sizeof(s)),
                                FLINC_TYPE(flinc_string)),
        "order");
    flinc_stream *sessions =
        flinc_uid(flinc_window_columns(
                      flinc_window(keyed, FLINC_WINDOW(.assigner = FLINC_SESSION(GAP_MS / 2))),
                      "count() as n", FLINC_TYPE(session)),
                  "sessions");
    flinc_stream *lines = flinc_union(
        checked, flinc_flat_map(
                     sessions, FLINC_FUNCTION(session_line, .config = &s, .config_size = sizeof(s)),
                     FLINC_TYPE(flinc_string)));
    if (flinc_params_int(p, "light", 0) == 0) {
        lines = flinc_union(lines, keep_panes(keyed, &s));
    }
    flinc_uid(
        flinc_write_text(lines, FLINC_TEXT_SINK(.path = flinc_params_get(p, "output", "checked"))),
        "lines");
    return flinc_env_execute(env, "checker");
}
FLINC_JOB(job)
