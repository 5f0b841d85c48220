/* Values of panes, and the stacks that windows are put together from (pane_window.h).
 *
 * Values are put together in the order in which their first records came, so that what is that of the first
 * record (the other columns of a sum, the first of equals) is that of the first record of the window. */
#include "engine/operators/window/pane_window.h"

typedef int (*reduce_fn)(flinc_ctx *ctx, const void *a, const void *b, void *out);
typedef int (*add_fn)(flinc_ctx *ctx, const void *in, void *accumulator);
typedef int (*merge_fn)(flinc_ctx *ctx, const void *other, void *accumulator);

/* ---- life -------------------------------------------------------------------------------------- */

int pane_values_open(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    static const char *const names[] = {"<pane end>", "<arrival>"};
    struct general_window *g = &w->general;
    const struct record_layout *base = &g->sides[0].record;
    vec_init(&w->spare, sizeof(struct pane_value *));
    if (g->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE) {
        TRY(values_open_accumulator(g, ctx, err));
        base = &g->values.accumulator;
    }
    TRY(record_layout_extend(&w->layout, base, names, ARRAY_LEN(names), sizeof(int64_t), err));
    w->meta_offset = (base->size + 7) & ~7u;
    w->scratch = mem_alloc_aligned(16, w->layout.size);
    pass_tile_open(&g->values.tile, g);
    return 0;
}

static struct pane_value *free_value(struct pane_value *v)
{
    mem_free(v->record);
    str_fini(&v->bytes);
    mem_free(v);
    return NULL;
}

void pane_values_close(struct pane_window *w)
{
    for (size_t i = 0; i < w->spare.len; i++) {
        free_value(vec_ptr(&w->spare, i));
    }
    vec_fini(&w->spare);
    mem_free(w->scratch);
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
    }
}

/* ---- values outside of state ------------------------------------------------------------------- */

static struct pane_value *take_value(struct pane_window *w)
{
    if (w->spare.len > 0) {
        struct pane_value *v = vec_ptr(&w->spare, w->spare.len - 1);
        vec_pop(&w->spare);
        return v;
    }
    struct pane_value *v = MEM_NEW(struct pane_value);
    v->record = mem_alloc_aligned(16, w->layout.size);
    return v;
}

void pane_values_forget(struct pane_window *w, struct pane_value **inout_value)
{
    if (*inout_value != NULL) {
        vec_push_ptr(&w->spare, *inout_value);
        *inout_value = NULL;
    }
}

/* Makes *inout_value a copy of `record`, which may lie in what it was; NULL: nothing. */
static void keep_value(struct pane_window *w, struct pane_value **inout_value, const char *record)
{
    struct pane_value *fresh = record != NULL ? take_value(w) : NULL;
    if (fresh != NULL) {
        record_copy(&w->layout, fresh->record, record, &fresh->bytes);
    }
    pane_values_forget(w, inout_value);
    *inout_value = fresh;
}

/* ---- putting together -------------------------------------------------------------------------- */

static struct pane_meta *meta_in(const struct pane_window *w, const char *record)
{
    return (void *)((char *)(uintptr_t)record + w->meta_offset);
}

/* Whether `b`, which came after `a`, takes its place.  Only minBy and maxBy replace a record. */
static bool replaces(const struct pane_window *w, const char *a, const char *b)
{
    const struct record_fold *fold = &w->general.fold;
    return w->general.base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD &&
           (fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY ||
            fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY) &&
           record_fold_is_better(fold, a, b);
}

/* `a` and `b`, which came after it, in w->scratch; `b` is a value or a record. */
static int combine(struct pane_window *w, const char *a, const char *b, int64_t b_arrival,
                   bool b_is_record, struct error *err)
{
    struct general_window *g = &w->general;
    const uint32_t size = w->layout.size;
    struct pane_meta meta = *meta_in(w, a);
    struct user_function *f = &g->rows.functions.items[0];
    int rc = 0;
    if (replaces(w, a, b)) {
        meta.arrival = b_arrival;
    }
    switch (g->base.config->function) {
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE:
        memset(w->scratch, 0, size);
        rc = ((reduce_fn)f->call)(&f->ctx, a, b, w->scratch);
        break;
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE:
        memcpy(w->scratch, a, size);
        if (b_is_record) {
            rc = ((add_fn)f->call)(&f->ctx, b, w->scratch);
        } else {
            f = g->merge;
            rc = ((merge_fn)f->call)(&f->ctx, b, w->scratch);
        }
        break;
    default:
        memcpy(w->scratch, a, size);
        record_fold_add(&g->fold, g->sides[0].record.size, w->scratch, b);
        break;
    }
    *meta_in(w, w->scratch) = meta;
    return UNLIKELY(rc < 0) ? user_function_failed(f, rc, err) : user_function_check(f, err);
}

/* Two values, either of which may be NULL; the result is one of them or w->scratch. */
static int merge(struct pane_window *w, const char *a, const char *b, const char **ret,
                 struct error *err)
{
    if (a == NULL || b == NULL) {
        *ret = a != NULL ? a : b;
        return 0;
    }
    bool swap = meta_in(w, b)->arrival < meta_in(w, a)->arrival;
    const char *first = swap ? b : a, *second = swap ? a : b;
    TRY(combine(w, first, second, meta_in(w, second)->arrival, false, err));
    *ret = w->scratch;
    return 0;
}

/* ---- records ----------------------------------------------------------------------------------- */

/* What the stacks have of a pane holds no more. */
static void invalidate(struct pane_window *w, int64_t key, int64_t end)
{
    struct pane_key *k = pane_key_at(w, key);
    if (end <= k->front_end) {
        k->fresh_end = MAX(k->fresh_end, end + 1);
    } else if (end <= k->back_end) {
        k->back_end = k->front_end;
        pane_values_forget(w, &k->back);
    }
}

int pane_values_add(struct pane_window *w, uint32_t i, struct error *err)
{
    struct general_window *g = &w->general;
    const bool aggregates =
        g->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE;
    const uint32_t slot = w->slots[i], size = g->sides[0].record.size;
    const char *kept = keyed_state_value(w->panes, slot), *record = NULL;
    const struct pane_meta meta = *meta_in(w, kept);
    const int64_t arrival = ++w->arrivals;
    TRY(pass_tile_row(g, &g->values.tile, i, &record, err));
    if (i % USER_CANCEL_ROWS == 0 && g->rows.functions.n > 0) {
        TRY(user_function_check_cancelled(&g->rows.functions.items[0], err));
    }
    if (meta.arrival != 0 || aggregates) { /* an accumulator is all zero at first */
        TRY(combine(w, kept, record, arrival, true, err));
    } else {
        memset(w->scratch, 0, w->layout.size);
        memcpy(w->scratch, record, size);
        *meta_in(w, w->scratch) = meta;
    }
    if (meta.arrival == 0) {
        meta_in(w, w->scratch)->arrival = arrival;
    }
    invalidate(w, meta.key, meta.end);
    return keyed_state_keep(w->panes, slot, w->scratch, err);
}

/* ---- windows ----------------------------------------------------------------------------------- */

/* NULL: the pane's records of the batch at hand are still to come. */
static const char *value_of(const struct pane_window *w, const struct pane *p)
{
    const char *value = keyed_state_value(w->panes, p->slot);
    return meta_in(w, value)->arrival != 0 ? value : NULL;
}

static const char *record_of(const struct pane_value *v)
{
    return v != NULL ? v->record : NULL;
}

/* A window out of its turn: a late one, or time has gone back. */
static int put_together(struct pane_window *w, struct pane_key *k, int64_t end,
                        const char **ret_value, struct error *err)
{
    struct pane_value *so_far = NULL;
    const char *value = NULL;
    int rc = 0;
    for (uint32_t i = pane_list_above(k, end - w->general.size);
         rc >= 0 && i < k->n && pane_list_at(k, i)->end <= end; i++) {
        rc = merge(w, value, value_of(w, pane_list_at(k, i)), &value, err);
        if (rc >= 0 && value == w->scratch) {
            keep_value(w, &so_far, value);
            value = so_far->record;
        }
    }
    if (rc >= 0 && value != NULL) {
        memcpy(w->scratch, value, w->layout.size);
        *ret_value = w->scratch;
    }
    pane_values_forget(w, &so_far); /* its strings stay until it is taken again */
    return rc;
}

/* Values from each pane of the front to its end, where they are not right or not there. */
static int fill_front(struct pane_window *w, struct pane_key *k, uint32_t head, struct error *err)
{
    if (pane_list_at(k, head)->end >= k->fresh_end) {
        return 0; /* mostly: a firing must not look at all panes of the window */
    }
    uint32_t behind = pane_list_above(k, k->front_end);
    for (uint32_t i = behind; i > head; i--) {
        struct pane *p = pane_list_at(k, i - 1);
        const char *value = NULL;
        if (p->end >= k->fresh_end) {
            continue;
        }
        TRY(merge(w, value_of(w, p), i < behind ? record_of(pane_list_at(k, i)->front) : NULL,
                  &value, err));
        keep_value(w, &p->front, value);
    }
    k->fresh_end = pane_list_at(k, head)->end;
    return 0;
}

static int fill_back(struct pane_window *w, struct pane_key *k, int64_t end, struct error *err)
{
    for (uint32_t i = pane_list_above(k, k->back_end); i < k->n && pane_list_at(k, i)->end <= end;
         i++) {
        const char *value = NULL;
        TRY(merge(w, record_of(k->back), value_of(w, pane_list_at(k, i)), &value, err));
        keep_value(w, &k->back, value);
    }
    k->back_end = MAX(k->back_end, end);
    return 0;
}

int pane_values_get(struct pane_window *w, struct pane_key *k, int64_t end, const char **ret_value,
                    struct error *err)
{
    uint32_t head = pane_list_above(k, end - w->general.size);
    ASSERT(head < k->n);
    if (end < k->back_end || end < k->front_end) {
        return put_together(w, k, end, ret_value, err);
    }
    if (pane_list_at(k, head)->end > k->front_end) { /* the window has left the front */
        k->front_end = k->back_end = end;
        k->fresh_end = INT64_MAX;
        pane_values_forget(w, &k->back);
    }
    TRY(fill_front(w, k, head, err));
    TRY(fill_back(w, k, end, err));
    return merge(w, record_of(pane_list_at(k, head)->front), record_of(k->back), ret_value, err);
}
