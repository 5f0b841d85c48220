/* All keys of a namespace: slot after slot, or, where the table is only a cache, as the store has them, with all that
 * was written to it before.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

struct keyed_walk {
    struct keyed_state *state; /* Borrows */
    int64_t name_space;
    uint32_t next_slot;      /* KEYED_SLOT_NONE: all were given */
    struct paged_rows *rows; /* Owns; NULL: all is in the table */
    struct segment_run runs[BATCH_ROWS_MAX];
    uint32_t columns[KEYED_KEY_COLUMNS_MAX];
};

int keyed_walk_start(struct keyed_state *s, int64_t name_space, struct keyed_walk **ret_walk,
                     struct error *err)
{
    struct keyed_walk *w = MEM_NEW(struct keyed_walk);
    w->state = s;
    w->name_space = name_space;
    if (s->paged != NULL && name_space == NAMESPACE_VOID && !s->paged->store->is_empty) {
        int rc = paged_store_flush(s->paged->store, err);
        if (rc < 0) {
            mem_free(w);
            return rc;
        }
        w->rows = paged_rows_new(s->paged, &s->paged->value);
        for (uint32_t i = 0; i < s->key_schema->n_fields; i++) {
            w->columns[i] = i;
        }
    }
    *ret_walk = w;
    return 0;
}

struct keyed_walk *keyed_walk_free(struct keyed_walk *w)
{
    if (w != NULL) {
        paged_rows_free(w->rows);
        mem_free(w);
    }
    return NULL;
}

static uint32_t next_slots(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots)
{
    uint32_t n = 0;
    while (n < max && w->next_slot != KEYED_SLOT_NONE) {
        uint32_t slot = keyed_state_next(w->state, w->name_space, w->next_slot);
        if (slot != KEYED_SLOT_NONE) {
            ret_slots[n++] = slot++;
        }
        w->next_slot = slot;
    }
    return n;
}

/* Keys that were removed meanwhile are left out. */
static int next_rows(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots, struct error *err)
{
    uint32_t n_runs, n = 0;
    while (n == 0) {
        struct batch *rows = NULL;
        int rc = paged_rows_next(w->rows, max, &rows, w->runs, &n_runs, err);
        if (rc <= 0) {
            return rc;
        }
        keyed_state_hash(w->state, rows, w->columns);
        rc = keyed_state_find(w->state, w->name_space, rows, w->columns, ret_slots, err);
        for (uint32_t i = 0; i < rows->n_sel && rc == 0; i++) {
            ret_slots[n] = ret_slots[i];
            n += ret_slots[i] != KEYED_SLOT_NONE;
        }
        batch_unref(rows);
        if (rc < 0) {
            return rc;
        }
    }
    return (int)n;
}

int keyed_walk_next(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots, struct error *err)
{
    ASSERT(max > 0 && max <= BATCH_ROWS_MAX);
    return w->rows != NULL ? next_rows(w, max, ret_slots, err) : (int)next_slots(w, max, ret_slots);
}
