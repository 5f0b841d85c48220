/* Session windows of flinc.window.general and flinc.window.join: windows that grow together.
 *
 * A session's entry, value and records are kept under the number of its state (engine/state/session_set.h),
 * which stays when the session grows; the entry says where the session begins and ends by now.  When a record
 * joins sessions, what is kept of the later ones goes into the earliest before the record is added.  What is
 * kept of sessions that are over is removed by the batch.
 *
 * A record's session is late when it is over by the watermark with all allowed lateness; a record that would
 * be late alone is not when it meets a session that is still kept.
 * Thread: the task's.  Flink: WindowOperator and EvictingWindowOperator with a MergingWindowAssigner. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_SESSIONS_H
#define FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_SESSIONS_H

#include "engine/operators/window/general_window.h"
#include "engine/operators/window/session_gap.h"
#include "engine/state/session_set.h"

struct general_sessions {
    struct session_set *set; /* the backend's */
    struct session_gap gap;
    /* Sessions have notes of where their entries lie in the table as it was then: the number of the table above
     * the slot + 1. */
    const char *noted_entries;
    uint32_t noted_slots, generation;
    /* The batch at hand. */
    struct batch *keys;                        /* Owns a ref: of the rows' entries */
    struct session_span spans[BATCH_ROWS_MAX]; /* by number of the selected row, as those below */
    int64_t gaps[BATCH_ROWS_MAX];
    uint8_t join_only[BATCH_ROWS_MAX], taken[BATCH_ROWS_MAX];
    uint16_t numbers[BATCH_ROWS_MAX]; /* of the rows that sessions took */
    struct vec joins;                 /* struct session_join */
    size_t next_join;
    /* Entries of sessions that are over. */
    uint32_t closed[BATCH_ROWS_TARGET];
    uint32_t n_closed;
};

/* Checks what sessions cannot be; then, with the functions there, opens the set. */
int sessions_open(struct general_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
int sessions_check(const struct general_window *w, const struct op_context *ctx,
                   struct error *err) MUST_CHECK;
void sessions_close(struct general_window *w);

/* Puts the rows of the batch into sessions: those taken in ret_rows, their states in w->ends. */
int sessions_assign(struct general_window *w, struct op_context *ctx, uint16_t *ret_rows,
                    uint32_t *ret_n, struct error *err) MUST_CHECK;
/* The entries of these rows, as keyed_state_upsert() gives them, where nobody needs their keys. */
int sessions_find_entries(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                          uint32_t n, struct error *err) MUST_CHECK;
/* Whether row `i` of the pass joins sessions: rows before it must be in their windows then. */
static inline bool sessions_joins_at(const struct general_sessions *s, uint32_t i)
{
    return s->next_join < s->joins.len &&
           VEC_AT(&s->joins, struct session_join, s->next_join)->row == s->numbers[i];
}
int sessions_join(struct general_window *w, uint32_t i, struct error *err) MUST_CHECK;
/* The window of row `i` of the pass becomes what it is with this row. */
static inline void sessions_grow(struct general_window *w, uint32_t i)
{
    const struct session_span *span = &w->sessions->spans[w->sessions->numbers[i]];
    struct window_entry *e = general_entry(w, w->slots[i]);
    if (e->start != span->start || e->end != span->end) {
        trigger_on_growth(w, e);
        e->start = span->start;
        e->end = span->end;
    }
}
/* Adds rows [from, to) of the pass to the lists of their windows. */
int sessions_append(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                    uint32_t from, uint32_t to, struct error *err) MUST_CHECK;

/* The window of this slot is over: it is removed by the next sessions_remove_closed(), which must come before
 * any record. */
int sessions_end(struct general_window *w, uint32_t slot, struct error *err) MUST_CHECK;
int sessions_remove_closed(struct general_window *w, struct error *err) MUST_CHECK;

#endif
