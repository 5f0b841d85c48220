/* Keys with several sessions: joining and firing them, on a list in order of time (session_window.h). */
#include "engine/operators/window/session_window.h"

enum { EARLIER_BYTES_MAX = 16 * 1024 * 1024 }; /* of one key */

static struct session *session_at(const struct session_window *w, size_t i)
{
    return (struct session *)(void *)(w->list + i * w->session_bytes);
}
static char *words_at(const struct session_window *w, size_t i)
{
    return w->list + i * w->session_bytes + sizeof(struct session);
}

/* The sessions of an entry as w->list, with room for one more; their number. */
static size_t load_list(struct session_window *w, struct session_entry *e)
{
    const flinc_string *earlier = session_earlier(w, e);
    size_t n = earlier->len / w->session_bytes;
    size_t bytes = (n + 2) * w->session_bytes;
    if (bytes > w->list_bytes) {
        w->list_bytes = bytes * 2;
        w->list = mem_realloc(w->list, w->list_bytes);
    }
    if (n > 0) {
        memcpy(w->list, earlier->data, earlier->len);
    }
    if (!session_is_empty(e)) {
        *session_at(w, n) = e->latest;
        memcpy(words_at(w, n), session_words(e), w->words_bytes);
        n++;
    }
    return n;
}

/* Makes the `n` > 0 sessions of w->list those of the entry. */
static int store_list(struct session_window *w, uint32_t slot, size_t n, struct error *err)
{
    struct session_entry *e = session_entry_at(w, slot);
    keyed_state_touch(w->state, slot);
    if (n == 1 && session_earlier(w, e)->len == 0) {
        e->latest = *session_at(w, 0);
        memcpy(session_words(e), words_at(w, 0), w->words_bytes);
        return 0;
    }
    struct session_entry *copy = (struct session_entry *)(void *)w->scratch;
    memset(copy, 0, w->layout.size);
    copy->latest = *session_at(w, n - 1);
    copy->due_ms = e->due_ms;
    memcpy(session_words(copy), words_at(w, n - 1), w->words_bytes);
    if ((n - 1) * w->session_bytes > EARLIER_BYTES_MAX) {
        return error_set(
            err, ERR_LIMIT,
            "one key has %zu sessions that have not ended; is the watermark far behind "
            "the records?",
            n);
    }
    *session_earlier(w, copy) = (flinc_string){n > 1 ? w->list : NULL, (n - 1) * w->session_bytes};
    return keyed_state_keep(w->state, slot, w->scratch, err);
}

/* The accumulator of one row. */
static void accumulate_row(struct session_window *w, const struct batch *b, uint16_t row,
                           char *words)
{
    static const uint32_t first = 0;
    static const uint8_t yes = 1;
    memset(words, 0, w->words_bytes);
    struct accumulator_run run = {
        .values = words, .stride = 0, .slots = &first, .is_new = &yes, .n = 1};
    window_columns_add(&w->columns, b, &row, &run);
}

/* Joins session `i` with those behind it that it meets; the number of sessions left. */
static size_t join_from(struct session_window *w, size_t i, size_t n)
{
    struct session *s = session_at(w, i);
    while (i + 1 < n && session_at(w, i + 1)->start <= s->end) {
        s->end = MAX(s->end, session_at(w, i + 1)->end);
        window_columns_merge(&w->columns, words_at(w, i), words_at(w, i + 1), false);
        memmove(session_at(w, i + 1), session_at(w, i + 2), (n - i - 2) * w->session_bytes);
        n--;
    }
    return n;
}

int session_add_slowly(struct session_window *w, const struct batch *b, uint16_t row, uint32_t slot,
                       struct session own, struct error *err)
{
    struct session_entry *e = session_entry_at(w, slot);
    size_t n = load_list(w, e), at = n;
    while (at > 0 && session_at(w, at - 1)->start > own.start) {
        at--;
    }
    memmove(session_at(w, at + 1), session_at(w, at), (n - at) * w->session_bytes);
    *session_at(w, at) = own;
    accumulate_row(w, b, row, words_at(w, at));
    n++;
    const int64_t was_due_ms = w->timers != NULL ? session_due_ms(w, e) : e->due_ms;
    bool meets_before = at > 0 && session_at(w, at - 1)->end >= own.start;
    n = join_from(w, meets_before ? at - 1 : at, n);
    int64_t due_ms = session_at(w, 0)->end - 1;
    TRY(store_list(w, slot, n, err));
    return due_ms < was_due_ms ? session_schedule(w, slot, e, err) : 0;
}

static void add_result(struct session_window *w, uint32_t slot, struct session s, const char *words,
                       bool is_last)
{
    uint32_t i = w->n_results++;
    w->result_slots[i] = slot;
    w->result_is_last[i] = is_last;
    w->starts[i] = s.start;
    w->ends[i] = s.end;
    char *copy = w->result_words + (size_t)i * w->words_bytes;
    memcpy(copy, words, w->words_bytes);
    w->accumulators[i] = copy;
}

/* The usual case: one session.  It is over, or was extended since it was put into the index. */
static int fire_latest(struct session_window *w, uint32_t slot, struct session_entry *e,
                       int64_t now, struct error *err)
{
    if (e->latest.end - 1 > now) {
        return session_schedule(w, slot, e, err);
    }
    e->due_ms = INT64_MIN; /* gone once its result is made */
    add_result(w, slot, e->latest, session_words(e), true);
    return 0;
}

int session_fire_entry(struct session_window *w, uint32_t slot, int64_t now, struct error *err)
{
    struct session_entry *e = session_entry_at(w, slot);
    if (LIKELY(session_earlier(w, e)->len == 0)) {
        return fire_latest(w, slot, e, now, err);
    }
    size_t n = load_list(w, e), fired = 0;
    while (fired < n && session_at(w, fired)->end - 1 <= now && w->n_results < BATCH_ROWS_TARGET) {
        add_result(w, slot, *session_at(w, fired), words_at(w, fired), fired + 1 == n);
        fired++;
    }
    if (fired == n) {
        e->due_ms = INT64_MIN;
        return 0;
    }
    if (fired > 0) {
        memmove(session_at(w, 0), session_at(w, fired), (n - fired) * w->session_bytes);
        TRY(store_list(w, slot, n - fired, err));
    }
    return session_schedule(w, slot, e, err);
}
