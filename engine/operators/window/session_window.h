/* Inside of flinc.window.sessions: session windows of built-in aggregates.
 *
 * A key has one entry in keyed state: its latest session inline, and the earlier ones that have not fired
 * (records out of order) as bytes, sorted by start.  Nearly every record extends the latest session, which is
 * an addition in place.  An entry is due when its earliest session was last known to end; then it fires, or
 * is put off to the end that it has by now, so that extending a session costs nothing.
 *
 * With a backend that pages, entries go to disk and come back elsewhere; then a key's moment is a timer of a derived
 * service, which has one at or before the end of each key's earliest session (session_paged.c).
 *
 *   entry: start, end (exclusive), when it is looked at next, accumulator words, earlier sessions
 *   earlier session: start, end, accumulator words
 * Thread: the task's.  Flink: WindowOperator with MergingWindowSet. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_SESSION_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_SESSION_WINDOW_H

#include "engine/operators/window/due_index.h"
#include "engine/operators/window/session_gap.h"
#include "engine/operators/window/window_base.h"
#include "engine/operators/window/window_columns.h"
#include "engine/state/timers/timers.h"

#include "flinc/out.h"

enum { SESSION_LOOK_AHEAD = 64 };

/* The front of an entry; empty while start == end. */
struct session {
    int64_t start, end;
};
struct session_entry {
    struct session latest;
    int64_t due_ms; /* of its item in the index; not in snapshots */
    /* uint64_t words[]; flinc_string earlier; */
};

struct session_window {
    struct window_base base;
    struct window_columns columns;
    struct session_gap gap;
    struct user_functions functions; /* the gap's, if it is one */
    int64_t gaps[BATCH_ROWS_MAX];    /* by number of the selected row, where records bring theirs */
    struct keyed_state *state;
    struct record_layout layout; /* of an entry */
    uint32_t words_bytes, earlier_offset, session_bytes;
    struct timer_service *timers; /* Owns: when keys are looked at; NULL: the index says it */
    enum timer_kind timer_kind;
    uint32_t timer_row; /* of the key at hand, in the batch that the timers are about */
    struct due_index due;
    /* Of the table when the index was made: a rebuilt table has other slots. */
    const char *indexed_entries;
    uint32_t indexed_slots;
    char *list; /* Owns: sessions of one key */
    size_t list_bytes;
    char *scratch; /* Owns: an entry */
    /* Rows that go into the latest sessions of their keys, not added yet. */
    struct accumulator_run run;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    uint16_t run_rows[BATCH_ROWS_MAX];
    uint32_t run_slots[BATCH_ROWS_MAX];
    uint8_t run_is_new[BATCH_ROWS_MAX];
    /* Firing. */
    int64_t fire_now;
    struct due_item
        looked_at[SESSION_LOOK_AHEAD]; /* due; their entries are on the way to the cache */
    uint32_t n_looked_at, next_looked_at;
    uint32_t n_results;
    /* Of sessions that fire, until their batch is made. */
    uint32_t result_slots[BATCH_ROWS_TARGET];
    bool result_is_last[BATCH_ROWS_TARGET]; /* the entry is empty afterwards */
    int64_t starts[BATCH_ROWS_TARGET], ends[BATCH_ROWS_TARGET];
    const char *accumulators[BATCH_ROWS_TARGET];
    char *result_words; /* Owns: accumulators of the results */
};

static inline struct session_entry *session_entry_at(const struct session_window *w, uint32_t slot)
{
    return keyed_state_value(w->state, slot);
}
static inline char *session_words(struct session_entry *e)
{
    return (char *)(e + 1);
}
static inline flinc_string *session_earlier(const struct session_window *w, struct session_entry *e)
{
    return (flinc_string *)(void *)((char *)e + w->earlier_offset);
}
static inline bool session_is_empty(const struct session_entry *e)
{
    return e->latest.start == e->latest.end;
}

/* When the earliest session of an entry is over. */
static inline int64_t session_due_ms(const struct session_window *w, struct session_entry *e)
{
    const flinc_string *earlier = session_earlier(w, e);
    int64_t end = e->latest.end;
    if (earlier->len > 0) {
        memcpy(&end, earlier->data + offsetof(struct session, end), sizeof(end));
    }
    return end - 1;
}
/* Has an entry looked at then. */
int session_schedule(struct session_window *w, uint32_t slot, struct session_entry *e,
                     struct error *err) MUST_CHECK;
/* The results go out, and the entries that are empty by then go. */
int session_emit(struct session_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;

/* ---- session_paged.c: with a backend that pages ------------------------------------------------------- */

/* Opens the timers, and sets them again where they were not restored.  Nothing to do with other backends. */
int session_timers_open(struct session_window *w, struct op_context *ctx,
                        struct error *err) MUST_CHECK;
/* Fires what is due: OP_DONE, or OP_MORE. */
int session_timers_fire(struct session_window *w, struct op_context *ctx,
                        struct error *err) MUST_CHECK;

/* ---- session_merge.c: keys with several sessions ------------------------------------------------- */

/* Adds one row to a key whose sessions its own window may join or stand beside. */
int session_add_slowly(struct session_window *w, const struct batch *b, uint16_t row, uint32_t slot,
                       struct session own, struct error *err) MUST_CHECK;
/* Moves the sessions that are over at `now` to the results, as many as fit. */
int session_fire_entry(struct session_window *w, uint32_t slot, int64_t now,
                       struct error *err) MUST_CHECK;

#endif
