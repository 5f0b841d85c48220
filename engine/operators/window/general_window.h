/* Inside of flinc.window.general: any trigger, evictor and user function over tumbling, sliding, session and
 * global windows.
 *
 * A window of a key has an entry in keyed state, keyed by (key, end): what its trigger remembers.  Its records
 * are in a row list whose namespace is the end.  A record that belongs to several windows is put into each.
 * Reduce and aggregate functions keep one value per window and key instead, in front of the entry, brought up to
 * date with each record; but behind an evictor they run over the records when the window fires, as they do in Flink.
 *
 *   general_window.c    records into windows, timers, life
 *   general_trigger.c   when a window fires, and what it waits for
 *   general_delta.c     the delta trigger and what it remembers
 *   general_custom.c    triggers of user functions (general_custom.h)
 *   general_values.c    values of reduce and aggregate functions
 *   general_contents.c  what fires: records, functions
 *   general_evictor.c   records that a firing window forgets
 *   general_paged.c     with a backend that pages: when windows are due, and slots that move
 *   general_sessions.c  windows that grow together (general_sessions.h); the end in keys is their state then
 * Thread: the task's.  Flink: WindowOperator, EvictingWindowOperator. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_WINDOW_H
#define FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_WINDOW_H

#include "engine/operators/flat_output.h"
#include "engine/operators/record_fold.h"
#include "engine/operators/window/due_index.h"
#include "engine/operators/window/window_base.h"
#include "engine/operators/window/window_columns.h"
#include "engine/state/row_list.h"
#include "engine/state/timers/timers.h"

#include "flinc/window.h"

enum { GENERAL_LOOK_AHEAD = 32 };

/* What a trigger says.  Flink: TriggerResult. */
enum trigger_result {
    TRIGGER_CONTINUE = 0,
    TRIGGER_FIRE = 1u << 0,
    TRIGGER_PURGE = 1u << 1,
};
enum general_time {
    GENERAL_EVENT,
    GENERAL_PROCESSING,
    GENERAL_TIMES,
};

/* When an evictor is asked. */
enum evict_moment { EVICT_BEFORE, EVICT_AFTER, EVICT_MOMENTS };

/* What is kept of a window, behind its value if it has one; times are INT64_MAX where nothing is waited for.
 * Of start, end and due there is nothing in snapshots but the former two of sessions. */
struct window_entry {
    /* Count trigger.  Continuous one of event time: 1 when it has fired at the end. */
    int64_t count;
    int64_t wait[GENERAL_TIMES]; /* when the trigger is asked next */
    int64_t is_open;             /* 0: made by an upsert a moment ago */
    int64_t has_value;           /* of reduce and aggregate functions */
    int64_t start, end;          /* of sessions */
    int64_t due[GENERAL_TIMES];  /* of its items in the indexes; 0: it was on disk, nobody knows */
};

/* The window at hand. */
struct window_at_hand {
    uint32_t slot;
    int64_t start, end;
    struct window_entry *entry;
};

/* An input: how its rows are kept, and those of the window that fires. */
struct general_side {
    struct schema *schema; /* Owns a ref: of kept rows; windowAll: with its constant key behind */
    uint32_t *row_columns; /* the keys in it; in the task's arena, as entry_map */
    int32_t *entry_map;    /* from kept rows to entries' keys */
    struct record_layout record; /* of kept rows: the user's struct in front */
    struct row_list *contents;
    struct state_rows_writer writer;
    const char **records; /* Owns */
    int64_t *times;       /* Owns */
    size_t n_records, cap_records;
    /* Of the records of the window at hand, where found rows do not stay: as many as managed memory has bytes, beside it.  What
     * a function looks at must not depend on how full the cache is. */
    struct state_heap copies;
    struct mem_budget copies_budget;
};

/* Some rows of the pass at hand as structs. */
struct pass_tile {
    char *records;     /* Owns */
    struct str nested; /* their nested values */
    uint32_t from, n;
};

/* The value of a reduce or aggregate function so far: the front of a window's entry. */
struct general_values {
    bool is_kept;                       /* else records are */
    bool in_place;                      /* values_change_in_place() */
    struct record_layout accumulator;   /* of aggregate functions */
    const struct record_layout *record; /* Borrows: of a value */
    struct pass_tile tile;
};

/* The delta trigger's memory: per window and key the record that it measures from. */
struct general_delta {
    struct keyed_state
        *last; /* the backend's; keyed as the entries.  NULL: there is no such trigger */
    struct pass_tile tile;
    uint32_t slots[BATCH_ROWS_MAX]; /* by row of the pass */
    uint8_t is_new[BATCH_ROWS_MAX];
};

struct general_window {
    struct window_base base;
    struct row_operator rows; /* functions and queue */
    struct flat_outputs outputs;
    int64_t size, slide, offset, lateness;
    struct general_side sides[OPERATOR_INPUTS_MAX];
    uint32_t n_sides;
    uint32_t *entry_columns;   /* 0, 1, 2 ...: of batches of entries' keys; in the task's arena */
    struct schema *entry_keys; /* Owns a ref: keys, end */
    struct keyed_state *entries;
    struct record_layout entry_layout;
    uint32_t entry_offset;      /* of struct window_entry in it */
    struct record_layout value; /* of what reduce and aggregate give */
    struct record_fold fold;
    struct window_columns columns; /* built-in aggregates */
    struct user_function *process; /* Borrows, as those below; NULL: there is none */
    struct user_function *merge;   /* of accumulators */
    struct user_function *trigger_delta, *evictor_delta;
    struct user_function *evict[EVICT_MOMENTS];
    uint8_t *evict_marks; /* Owns; by record of the window */
    size_t cap_marks;
    struct general_delta delta;
    struct general_custom *custom; /* Owns; NULL: the trigger is not one of user functions */
    struct general_values values;
    struct general_sessions *sessions; /* Owns; NULL: windows are no sessions */
    struct batch *pass_rows; /* Owns a ref: those of the pass at hand, where somebody reads them */
    uint32_t accumulator_bytes;
    char *scratch[2]; /* Owns: values under way */
    struct due_index due[GENERAL_TIMES];
    const char *indexed_entries;
    uint32_t indexed_slots;
    /* With a backend that pages; the indexes are not used then. */
    struct timer_service
        *timers;              /* Owns: when windows are looked at, by (key, end or session); NULL */
    uint32_t timer_row;       /* of the window at hand, in the batch that the timers are about, */
    int64_t timer_space;      /* and the end in its key */
    struct batch *fired;      /* Owns a ref: timers whose windows were asked for together, */
    struct batch *fired_keys; /* Owns a ref: and the keys of these */
    uint32_t numbering, custom_numbering; /* of the tables that the pass has slots of */
    /* The batch at hand: one pass per window that a record may belong to. */
    uint32_t side;       /* its input */
    struct batch *input; /* Owns a ref */
    struct batch *batch; /* Owns a ref: as rows are kept, hashed */
    /* By row: the window of this pass; INT64_MIN: none.  Sessions: their state. */
    int64_t ends[BATCH_ROWS_MAX];
    int64_t now_ms; /* processing time of the batch */
    uint32_t next_pass, n_passes;
    uint8_t in_window[BATCH_ROWS_MAX]; /* rows that some window took */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    /* Firing by time. */
    struct due_item ahead[GENERAL_LOOK_AHEAD]; /* due; their entries are on the way to the cache */
    uint32_t n_ahead, next_ahead;
    bool is_firing;
    enum general_time fire_kind;
    int64_t fire_now;
};

static inline struct window_entry *general_entry(const struct general_window *w, uint32_t slot)
{
    return (void *)((char *)keyed_state_value(w->entries, slot) + w->entry_offset);
}
/* The time of a row of the batch at hand. */
static inline int64_t general_time_of(const struct general_window *w, uint32_t row)
{
    return w->base.processing_time || w->input->timestamps == NULL
               ? w->now_ms
               : ((const int64_t *)(const void *)w->input->timestamps->data)[row];
}
/* When all that is kept of a window goes, in the assigner's time.  Flink: cleanupTime. */
static inline int64_t general_cleanup_time(const struct general_window *w, int64_t end)
{
    return w->base.is_global ? INT64_MAX : time_add(end - 1, w->lateness);
}

/* ---- general_window.c --------------------------------------------------------------------------- */

/* What the configuration says of size, slide and lateness. */
int general_read_config(struct general_window *w, const struct op_context *ctx,
                        struct error *err) MUST_CHECK;
/* Schemas and columns of kept rows and of entries' keys. */
void general_make_schemas(struct general_window *w, struct op_context *ctx);
/* The batch as its rows are kept: hashed, and with the constant key of windowAll; a new reference. */
struct batch *general_kept_rows(struct general_window *w, struct op_context *ctx, struct batch *b);
/* The keys of the entries of some rows of the batch at hand, hashed for `state`; a new reference. */
struct batch *general_entry_keys(struct general_window *w, struct op_context *ctx,
                                 const struct keyed_state *state, const uint16_t *rows, uint32_t n);
/* The selected rows of the pass become w->pass_rows. */
void general_set_pass_rows(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                           uint32_t n);
/* Rows of the batch at hand that no window took are late, those that come too late for all of them. */
void general_mark_late_rows(struct general_window *w, const struct op_context *ctx);
/* Emits what is queued and what is half built. */
int general_drain(struct general_window *w, struct op_context *ctx);
/* When a window is to be looked at in one of the two times; INT64_MAX: never. */
int64_t general_due(const struct general_window *w, const struct window_at_hand *at,
                    enum general_time kind);
/* Puts a window into the indexes, or sets timers, where it must be looked at sooner than they know. */
int general_schedule(struct general_window *w, const struct window_at_hand *at,
                     struct error *err) MUST_CHECK;
/* The window of a slot is looked at, as its time `time_ms` has come. */
int general_on_due(struct general_window *w, struct op_context *ctx, uint32_t slot, int64_t time_ms,
                   struct error *err) MUST_CHECK;
/* The window of a slot. */
int general_at(struct general_window *w, uint32_t slot, struct window_at_hand *ret,
               struct error *err) MUST_CHECK;
/* Gives back what general_window.c holds. */
void general_fini(struct general_window *w);

/* ---- general_paged.c ----------------------------------------------------------------------------- */

static inline bool general_is_paged(const struct general_window *w)
{
    return w->base.backend->paged != NULL;
}
/* Opens the timers, and sets them again where they were not restored; nothing to do with other backends. */
int general_timers_open(struct general_window *w, struct op_context *ctx,
                        struct error *err) MUST_CHECK;
void general_timers_close(struct general_window *w);
/* The rows of a pass come next, or have come.  Nothing to do without timers, as the next one. */
int general_timers_begin(struct general_window *w, struct error *err) MUST_CHECK;
int general_timers_settle(struct general_window *w, struct error *err) MUST_CHECK;
/* Slots of the rows [i, n) of the pass are right, whatever was looked up since. */
void general_note_slots(struct general_window *w);
int general_keep_slots(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                       uint32_t i, uint32_t n, struct error *err) MUST_CHECK;
/* Fires what is due until the queue is full: 1: there is more; 0: that was all. */
int general_timers_fire(struct general_window *w, struct op_context *ctx,
                        struct error *err) MUST_CHECK;

/* ---- general_trigger.c ---------------------------------------------------------------------------- */

/* A record has come to the window. */
unsigned trigger_on_element(const struct general_window *w, const struct op_context *ctx,
                            const struct window_at_hand *at, int64_t ts);
/* The time that the trigger waited for has come. */
unsigned trigger_on_time(const struct general_window *w, const struct window_at_hand *at,
                         enum general_time kind, int64_t time_ms);
int trigger_check(const struct general_window *w, const struct op_context *ctx,
                  struct error *err) MUST_CHECK;
/* Whether windows with this trigger can grow together.  Flink: Trigger.canMerge. */
bool trigger_can_merge(const struct general_window *w);
/* The session is about to grow.  A continuous trigger of event time that has fired at its end comes to that
 * moment again, with the next watermark, as it does in Flink. */
void trigger_on_growth(const struct general_window *w, struct window_entry *e);
/* What the trigger remembers of `from` goes into `into`; on_element for the merged window comes next. */
void trigger_on_merge(struct window_entry *into, const struct window_entry *from);

/* ---- general_delta.c ------------------------------------------------------------------------------ */

int delta_open(struct general_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void delta_close(struct general_window *w);
/* The rows of a pass come next; `keys` are those of their entries. */
int delta_begin(struct general_window *w, const struct batch *keys, struct error *err) MUST_CHECK;
/* Row `i` of the pass has come to its window; all are asked, in order. */
int delta_on_element(struct general_window *w, uint32_t i, unsigned *ret_result,
                     struct error *err) MUST_CHECK;
/* The window goes. */
int delta_forget(struct general_window *w, const struct window_at_hand *at,
                 struct error *err) MUST_CHECK;
/* How far a record is from an older one. */
int delta_measure(struct user_function *f, const char *older, const char *newer, double *ret_delta,
                  struct error *err) MUST_CHECK;

/* ---- general_values.c ----------------------------------------------------------------------------- */

/* The accumulator's struct over a schema of its own: w->values.accumulator. */
int values_open_accumulator(struct general_window *w, struct op_context *ctx,
                            struct error *err) MUST_CHECK;
int values_open(struct general_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void values_close(struct general_window *w);
/* Rows [from, to) of the pass come into the values of their windows. */
int values_add(struct general_window *w, const uint16_t *rows, uint32_t from, uint32_t to,
               struct error *err) MUST_CHECK;
/* What a value stems from: one record, or several that a value has already. */
enum value_source { VALUE_OF_RECORD, VALUE_OF_RECORDS };
/* `kept` with one more record, or with what came of several, in `out`: room for a value; `kept` itself only
 * when values_change_in_place(). */
int values_combine(struct general_window *w, const char *kept, const char *other,
                   enum value_source from, char *out, struct error *err) MUST_CHECK;
/* Whether the functions change a value in state without strings coming or going. */
bool values_change_in_place(const struct general_window *w);
/* The value of a window that has one. */
static inline const char *values_get(const struct general_window *w, uint32_t slot)
{
    return keyed_state_value(w->entries, slot);
}
/* A copy of `value` becomes that of a window. */
int values_keep(struct general_window *w, uint32_t slot, const char *value,
                struct error *err) MUST_CHECK;
/* The window is empty again. */
int values_clear(struct general_window *w, const struct window_at_hand *at,
                 struct error *err) MUST_CHECK;
void pass_tile_open(struct pass_tile *t, const struct general_window *w);
void pass_tile_close(struct pass_tile *t); /* safe on a zeroed struct */
/* Row `i` of the pass as a struct; rows are asked for in order. */
int pass_tile_row(struct general_window *w, struct pass_tile *t, uint32_t i,
                  const char **ret_record, struct error *err) MUST_CHECK;
/* The slot of a window in a state that is keyed as the entries; KEYED_SLOT_NONE. */
int pass_state_slot(struct general_window *w, struct keyed_state *s,
                    const struct window_at_hand *at, uint32_t *ret_slot,
                    struct error *err) MUST_CHECK;

/* ---- general_evictor.c ---------------------------------------------------------------------------- */

bool evictor_is_sound(const Flinc__WindowEvictor *e);
/* Takes the records that the evictor wants to go at this moment out of those of `pane`, which are the side's,
 * and counts them in. */
int evictor_run(struct general_window *w, enum evict_moment moment, const flinc_pane *pane,
                size_t *inout_evicted, struct error *err) MUST_CHECK;
void evictor_close(struct general_window *w);

/* ---- general_contents.c --------------------------------------------------------------------------- */

int contents_open(struct general_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
/* The functions, what they see and what they give, without lists of records; then
 * user_functions_start(). */
int contents_open_functions(struct general_window *w, struct op_context *ctx,
                            struct error *err) MUST_CHECK;
void contents_close(struct general_window *w);
/* Adds rows [from, to) of the pass, each to its window. */
int contents_append(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                    uint32_t from, uint32_t to, struct error *err) MUST_CHECK;
/* Hands the window's records to the functions; nothing when there are none. */
int contents_fire(struct general_window *w, struct op_context *ctx, const struct window_at_hand *at,
                  struct error *err) MUST_CHECK;
/* Hands a value, or the records of the sides, to the functions. */
int contents_fire_value(struct general_window *w, struct op_context *ctx,
                        const struct window_at_hand *at, const char *value,
                        struct error *err) MUST_CHECK;
int contents_fire_records(struct general_window *w, struct op_context *ctx,
                          const struct window_at_hand *at, struct error *err) MUST_CHECK;
/* Room for copies of records; contents_close() gives it back. */
void contents_init_copies(const struct general_window *w, struct general_side *side);
/* Makes a copy of a found record, which goes with the side's others. */
int contents_copy_record(struct general_side *side, const char **inout_record,
                         struct error *err) MUST_CHECK;
int contents_clear(struct general_window *w, struct op_context *ctx,
                   const struct window_at_hand *at, struct error *err) MUST_CHECK;
/* The same of a window that is over: no more records come for its end. */
int contents_forget(struct general_window *w, struct op_context *ctx,
                    const struct window_at_hand *at, struct error *err) MUST_CHECK;

#endif
