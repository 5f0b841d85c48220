/* All keys of a namespace: slot after slot, or, where the table has not all of them, as the store has them, with all that was
 * written to it before.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

struct keyed_walk {
    struct keyed_state *state; /* Borrows */
    int64_t name_space;
    uint32_t next_slot;      /* KEYED_SLOT_NONE: all were given */
    bool is_pinned;          /* the paged table with this serial: it has all keys */
    struct paged_rows *rows; /* Owns; NULL: all is in the table */
    uint64_t serial;
    uint64_t n_puts; /* of the paged table when the walk began */
    struct segment_run runs[BATCH_ROWS_MAX];
    uint32_t columns[KEYED_KEY_COLUMNS_MAX];
};

/* The paged table that the walk began with, if it is still there. */
static struct paged_table *same_table(const struct keyed_walk *w)
{
    struct paged_table *p = paged_state_table(w->state->paged, w->name_space);
    return p != NULL && p->serial == w->serial ? p : NULL;
}

static int start_paged(struct keyed_walk *w, struct error *err)
{
    struct paged_state *ps = w->state->paged;
    TRY(paged_state_select(ps, w->name_space, false, err));
    struct paged_table *p = ps->at_hand;
    if (p == NULL) {
        w->next_slot = KEYED_SLOT_NONE;
        return 0;
    }
    w->serial = p->serial;
    if (p->is_whole) {
        p->n_walks++;
        w->is_pinned = true;
        return 0;
    }
    TRY(paged_table_flush(p, err));
    w->n_puts = p->n_puts;
    w->rows = paged_rows_new(ps, &ps->value, &w->name_space, 1);
    for (uint32_t i = 0; i < w->state->key_schema->n_fields; i++) {
        w->columns[i] = i;
    }
    return 0;
}

int keyed_walk_start(struct keyed_state *s, int64_t name_space, struct keyed_walk **ret_walk,
                     struct error *err)
{
    struct keyed_walk *w = MEM_NEW(struct keyed_walk);
    w->state = s;
    w->name_space = name_space;
    int rc = s->paged != NULL ? start_paged(w, err) : 0;
    if (rc < 0) {
        mem_free(w);
        return rc;
    }
    *ret_walk = w;
    return 0;
}

struct keyed_walk *keyed_walk_free(struct keyed_walk *w)
{
    if (w != NULL) {
        struct paged_table *p = w->is_pinned ? same_table(w) : NULL;
        if (p != NULL) {
            p->n_walks--;
        }
        paged_rows_free(w->rows);
        mem_free(w);
    }
    return NULL;
}

static uint32_t next_slots(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots)
{
    uint32_t n = 0;
    if (w->next_slot == KEYED_SLOT_NONE) {
        return 0;
    }
    w->next_slot = keyed_state_next(w->state, w->name_space, w->next_slot);
    while (w->next_slot != KEYED_SLOT_NONE) {
        if (n == max) {
            return n;
        }
        ret_slots[n++] = w->next_slot;
        w->next_slot = keyed_table_next(w->state->table, w->next_slot + 1);
    }
    return n;
}

/* Rows of the store as the table has them by now: keys that were removed meanwhile are left out. */
static int find_rows(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots, struct error *err)
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

static int next_rows(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots, struct error *err)
{
    struct paged_table *p = same_table(w);
    if (p == NULL || p->n_puts != w->n_puts) {
        return find_rows(w, max, ret_slots, err);
    }
    TRY(paged_state_select(p->of, w->name_space, false, err));
    return paged_table_take_rows(p, w->rows, max, ret_slots, err);
}

int keyed_walk_next(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots, struct error *err)
{
    ASSERT(max > 0 && max <= BATCH_ROWS_MAX);
    return w->rows != NULL ? next_rows(w, max, ret_slots, err) : (int)next_slots(w, max, ret_slots);
}
