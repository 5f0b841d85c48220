/* Triggers of user functions: what is called when, and what they remember.
 *
 * Per window and key there is a record of keyed state, keyed as the windows' entries: the user's struct, and
 * behind it the window's timers but the next one of each time, which is what its entry waits for.  So timers
 * are in snapshots and go with their window, and a window with one timer of each time keeps no list.
 *
 * Thread: the task's.  Flink: Trigger, WindowOperator.Context. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_CUSTOM_H
#define FLINC_ENGINE_OPERATORS_WINDOW_GENERAL_CUSTOM_H

#include "engine/operators/time/user_time.h"
#include "engine/operators/window/general_window.h"

enum {
    CUSTOM_TIMERS_MAX = 1024, /* of a window: each change copies those behind the next one */
};

/* In the order of the operator's functions. */
enum custom_call {
    CUSTOM_ON_ELEMENT,
    CUSTOM_ON_EVENT_TIME,
    CUSTOM_ON_PROCESSING_TIME,
    CUSTOM_ON_MERGE,
    CUSTOM_CLEAR,
    CUSTOM_CALLS,
};

struct custom_timer {
    int64_t time_ms;
    int64_t kind; /* enum general_time */
};

struct general_custom {
    struct user_function *calls[CUSTOM_CALLS]; /* Borrows; NULL: there is none */
    struct keyed_state *state;                 /* the backend's */
    struct record_layout record;
    uint32_t timers_offset; /* in it */
    struct pass_tile tile;
    uint32_t slots[BATCH_ROWS_MAX]; /* by row of the pass */
    /* The window at hand. */
    struct user_window_timers face;
    struct window_entry *entry;
    char *scratch; /* Owns: its record */
    char *other;   /* Owns: the record of a window that comes into it */
    struct str other_bytes;
    struct vec timers; /* struct custom_timer */
    bool timers_known, timers_changed;
};

/* Adds the functions that there are to `kinds`, and notes where they will be. */
void custom_add_functions(struct general_window *w, uint32_t *kinds, uint32_t *inout_n);
int custom_open(struct general_window *w, struct op_context *ctx, struct error *err) MUST_CHECK;
void custom_close(struct general_window *w);

/* As delta_begin(). */
int custom_begin(struct general_window *w, const struct batch *keys, struct error *err) MUST_CHECK;
/* Row `i` of the pass has come to its window. */
int custom_on_element(struct general_window *w, uint32_t i, const struct window_at_hand *at,
                      int64_t ts, unsigned *ret_result, struct error *err) MUST_CHECK;
/* The time that the window's entry waits for has come. */
int custom_on_time(struct general_window *w, const struct window_at_hand *at,
                   enum general_time kind, unsigned *ret_result, struct error *err) MUST_CHECK;
/* The session of row `i` of the pass has grown to what `into` says; `from`: by this one, which is forgotten
 * here; NULL: by the row alone. */
int custom_on_merge(struct general_window *w, uint32_t i, const struct window_at_hand *into,
                    const struct window_at_hand *from, struct error *err) MUST_CHECK;
/* The window goes. */
int custom_forget(struct general_window *w, const struct window_at_hand *at,
                  struct error *err) MUST_CHECK;

#endif
