/* Values, and the stacks that sliding windows are put together from (value_window.h).
 *
 * Values are put together in the order in which their first records came, so that what is that of the first
 * record (the other columns of a sum, the first of equals) is that of the first record of the window. */
#include "engine/operators/window/value_window.h"

/* ---- putting together -------------------------------------------------------------------------- */

/* Whether `b`, which came after `a`, takes its place.  Only minBy and maxBy replace a record. */
static bool replaces(const struct value_window *w, const char *a, const char *b)
{
    const struct record_fold *fold = &w->general.fold;
    return w->general.base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD &&
           (fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY ||
            fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY) &&
           record_fold_is_better(fold, a, b);
}

/* `a` and `b`, which came after it with `b_arrival`, in w->scratch. */
static int combine(struct value_window *w, const char *a, const char *b, int64_t b_arrival,
                   enum value_source b_is, struct error *err)
{
    struct value_meta meta = *value_meta_in(w, a);
    if (replaces(w, a, b)) {
        meta.arrival = b_arrival;
    }
    TRY(values_combine(&w->general, a, b, b_is, w->scratch, err));
    *value_meta_in(w, w->scratch) = meta;
    return 0;
}

int value_merge(struct value_window *w, const char *a, const char *b, const char **ret,
                struct error *err)
{
    if (a == NULL || b == NULL) {
        *ret = a != NULL ? a : b;
        return 0;
    }
    bool swap = value_meta_in(w, b)->arrival < value_meta_in(w, a)->arrival;
    const char *first = swap ? b : a, *second = swap ? a : b;
    TRY(combine(w, first, second, value_meta_in(w, second)->arrival, VALUE_OF_RECORDS, err));
    *ret = w->scratch;
    return 0;
}

/* Makes what a node or a key has outside of state a copy of `value`, which may lie in what it was. */
static int keep(struct value_window *w, char *to, const char *value, struct error *err)
{
    if (to == value) {
        return 0;
    }
    if (w->layout.n_strings > 0) {
        return record_keep(&w->layout, &w->strings, to, value, err);
    }
    memcpy(to, value, w->layout.size);
    return 0;
}

/* NULL: its records of the batch at hand are still to come. */
static const char *value_in_state(const struct value_window *w, const struct value_node *n)
{
    const char *value = keyed_table_value(n->table, n->slot);
    return value_meta_in(w, value)->arrival != 0 ? value : NULL;
}

/* ---- records ----------------------------------------------------------------------------------- */

/* A record that came into a pane which the stacks have already. */
static int add_to_stacks(struct value_window *w, const char *entry, int64_t end, const char *record,
                         int64_t arrival, struct error *err)
{
    const uint32_t number = value_node_at(w, (uint32_t)value_meta_in(w, entry)->node)->key;
    struct value_key *k = value_key_at(w, number);
    value_key_activate(w, number);
    if (end <= w->front_end) {
        k->stale_end = MAX(k->stale_end, end);
        return 0;
    }
    const char *value = entry;
    if (k->back_round == w->back_round) {
        TRY(combine(w, value_of_back(k), record, arrival, VALUE_OF_RECORD, err));
        value = w->scratch;
    }
    k->back_round = w->back_round;
    return keep(w, value_of_back(k), value, err);
}

/* The first record of an entry, or one more. */
static int add_record(struct value_window *w, struct keyed_table *t, char *entry,
                      const char *record, int64_t arrival, struct error *err)
{
    struct general_window *g = &w->general;
    const struct value_meta meta = *value_meta_in(w, entry);
    const bool aggregates =
        g->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    if (meta.arrival != 0 || aggregates) { /* an accumulator is all zero at first */
        if (g->values.in_place) {
            TRY(values_combine(g, entry, record, VALUE_OF_RECORD, entry, err));
            value_meta_in(w, entry)->arrival = meta.arrival != 0 ? meta.arrival : arrival;
            return 0;
        }
        TRY(combine(w, entry, record, arrival, VALUE_OF_RECORD, err));
    } else {
        memset(w->scratch, 0, w->layout.size);
        memcpy(w->scratch, record, g->sides[0].record.size);
        *value_meta_in(w, w->scratch) = meta;
    }
    if (meta.arrival == 0) {
        value_meta_in(w, w->scratch)->arrival = arrival;
    }
    int rc = record_keep(&w->layout, &t->heap, entry, w->scratch, err);
    return UNLIKELY(rc < 0) ? keyed_state_failed(w->values, rc, err) : 0;
}

int value_add(struct value_window *w, uint32_t i, struct error *err)
{
    struct general_window *g = &w->general;
    const int64_t end = g->ends[w->batch_rows[i]], arrival = w->arrivals + 1 + i;
    char *entry = keyed_table_value(w->tables[i], w->slots[i]);
    const char *record = NULL;
    TRY(pass_tile_row(g, &g->values.tile, i, &record, err));
    if (i % USER_CANCEL_ROWS == 0 && g->rows.functions.n > 0) {
        TRY(user_function_check_cancelled(&g->rows.functions.items[0], err));
    }
    TRY(add_record(w, w->tables[i], entry, record, arrival, err));
    return UNLIKELY(w->has_stacks && end <= w->back_end)
               ? add_to_stacks(w, entry, end, record, arrival, err)
               : 0;
}

/* ---- the stacks ---------------------------------------------------------------------------------- */

/* What the node's value comes to with those behind it in the front. */
static int fill_node(struct value_window *w, struct value_node *n, struct error *err)
{
    struct value_node *next = n->next != 0 ? value_node_at(w, n->next) : NULL;
    const char *behind = next != NULL && next->end <= w->front_end ? value_of_node(next) : NULL;
    const char *value = NULL;
    TRY(value_merge(w, value_in_state(w, n), behind, &value, err));
    return keep(w, value_of_node(n), value, err);
}

static int flip_pane(struct value_window *w, const struct value_pane *p, struct error *err)
{
    for (uint32_t number = p->first; number != 0;) {
        struct value_node *n = value_node_at(w, number);
        TRY(fill_node(w, n, err));
        value_key_activate(w, n->key);
        value_key_at(w, n->key)->stale_end = INT64_MIN;
        number = n->peer;
    }
    return 0;
}

static int fold_pane(struct value_window *w, const struct value_pane *p, struct error *err)
{
    for (uint32_t number = p->first; number != 0;) {
        const struct value_node *n = value_node_at(w, number);
        struct value_key *k = value_key_at(w, n->key);
        const char *back = k->back_round == w->back_round ? value_of_back(k) : NULL, *value = NULL;
        TRY(value_merge(w, back, value_in_state(w, n), &value, err));
        TRY(keep(w, value_of_back(k), value, err));
        k->back_round = w->back_round;
        value_key_activate(w, n->key);
        number = n->peer;
    }
    return 0;
}

/* From the last pane of the window to its first. */
static int flip(struct value_window *w, struct error *err)
{
    const size_t from = value_panes_above(w, w->fire_end - w->general.size);
    uint32_t n = 0;
    while (w->at > from && n < VALUE_STEP_NODES) {
        const struct value_pane *p = value_pane_at(w, --w->at);
        TRY(flip_pane(w, p, err));
        n += keyed_table_len(p->table);
    }
    return w->at > from;
}

static int fold(struct value_window *w, struct error *err)
{
    const size_t to = value_panes_above(w, w->fire_end);
    uint32_t n = 0;
    while (w->at < to && n < VALUE_STEP_NODES) {
        const struct value_pane *p = value_pane_at(w, w->at++);
        TRY(fold_pane(w, p, err));
        n += keyed_table_len(p->table);
    }
    return w->at < to;
}

static void begin(struct value_window *w)
{
    if (w->front_end <= w->fire_end - w->general.size) { /* the window has left the front */
        w->step = VALUE_FLIP;
        w->at = (uint32_t)value_panes_above(w, w->fire_end);
        w->front_end = w->fire_end;
        w->back_round++;
    } else {
        w->step = VALUE_FOLD;
        w->at = (uint32_t)value_panes_above(w, w->back_end);
    }
}

int value_stacks_step(struct value_window *w, struct error *err)
{
    if (w->step == VALUE_IDLE) {
        begin(w);
    }
    int rc = w->step == VALUE_FLIP ? flip(w, err) : fold(w, err);
    if (rc == 0) {
        w->back_end = w->fire_end;
        w->step = VALUE_EMIT;
        w->at = 0;
    }
    return rc;
}

/* ---- windows ----------------------------------------------------------------------------------- */

/* Nodes from the head up to k->stale_end, from the last to the first. */
static int freshen(struct value_window *w, struct value_key *k, struct error *err)
{
    struct vec numbers = VEC_INIT(uint32_t);
    int rc = 0;
    for (uint32_t at = k->head; at != 0 && value_node_at(w, at)->end <= k->stale_end;
         at = value_node_at(w, at)->next) {
        *VEC_PUSH(&numbers, uint32_t) = at;
    }
    for (size_t i = numbers.len; rc >= 0 && i > 0; i--) {
        rc = fill_node(w, value_node_at(w, *VEC_AT(&numbers, uint32_t, i - 1)), err);
    }
    vec_fini(&numbers);
    k->stale_end = INT64_MIN;
    return rc;
}

int value_stacks_get(struct value_window *w, struct value_key *k, const char **ret_value,
                     struct error *err)
{
    const int64_t start = w->fire_end - w->general.size;
    struct value_node *head = NULL;
    while (k->head != 0 && (head = value_node_at(w, k->head))->end <= start) {
        k->head = head->next;
    }
    if (k->stale_end > start) {
        TRY(freshen(w, k, err));
    }
    const char *front = k->head != 0 && head->end <= w->front_end ? value_of_node(head) : NULL;
    const char *back = k->back_round == w->back_round ? value_of_back(k) : NULL;
    return value_merge(w, front, back, ret_value, err);
}

int value_put_together(struct value_window *w, const struct value_key *k, int64_t end,
                       const char **ret_value, struct error *err)
{
    const char *value = NULL;
    for (uint32_t at = k->first; at != 0; at = value_node_at(w, at)->next) {
        const struct value_node *n = value_node_at(w, at);
        if (n->end <= end - w->general.size || n->end > end) {
            continue;
        }
        TRY(value_merge(w, value, value_in_state(w, n), &value, err));
        if (value == w->scratch) {
            TRY(keep(w, w->so_far, value, err));
            value = w->so_far;
        }
    }
    *ret_value = value;
    return 0;
}
