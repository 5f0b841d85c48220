/* The timer service: setting and deleting.
 *
 * What is asked for names rows of the batch at hand and is collected, per kind, in two lists: first all
 * deletions are done, then all additions.  That is the order in which they were asked for as far as it
 * matters, because a deletion of a timer that waits to be added makes both lists be done first.
 * Thread: one owner (the task). */
#include "engine/state/timers/timer_internal.h"

#include "common/base/failpoint.h"
#include "engine/data/hash.h"

enum { GARBAGE_ROWS_MIN = 4 * BATCH_ROWS_MAX }; /* deleted timers in the queue that do no harm */

/* ---- the lists --------------------------------------------------------------------------------- */

void timer_pending_fini(struct timer_pending *p)
{
    mem_free(p->times_ms);
    mem_free(p->name_spaces);
    mem_free(p->rows);
}

static void pending_clear(struct timer_pending *p)
{
    p->n = 0;
    p->least_ms = INT64_MAX;
}

static void pending_start(struct timer_pending *p)
{
    p->times_ms = MEM_NEW_ARRAY(int64_t, TIMER_PENDING_ROWS);
    p->name_spaces = MEM_NEW_ARRAY(int64_t, TIMER_PENDING_ROWS);
    p->rows = MEM_NEW_ARRAY(uint16_t, TIMER_PENDING_ROWS);
    pending_clear(p);
}

static inline void pending_put(struct timer_pending *p, uint32_t row, int64_t name_space,
                               int64_t time_ms)
{
    p->times_ms[p->n] = time_ms;
    p->name_spaces[p->n] = name_space;
    p->rows[p->n++] = (uint16_t)row;
    p->least_ms = MIN(p->least_ms, time_ms);
}

/* ---- batches of timers -------------------------------------------------------------------------- */

/* The key columns of the batch at hand, without what else its rows have. */
static struct batch *keys_at_hand(struct timer_service *t)
{
    if (t->at_keys == NULL) {
        for (uint32_t i = 0; i < t->n_keys; i++) {
            t->column_map[i] = (int32_t)t->key_columns[i];
        }
        t->at_keys = batch_project(t->pool, t->batch, t->key_schema, t->column_map);
        t->at_keys->timestamps = buffer_unref(t->at_keys->timestamps);
        t->at_keys->row_kinds = buffer_unref(t->at_keys->row_kinds);
        t->at_keys->hashes = buffer_unref(t->at_keys->hashes);
        t->at_keys->hashes = buffer_ref(t->batch->hashes);
    }
    return t->at_keys;
}

static struct buffer *numbers_of(struct timer_service *t, const int64_t *values, uint32_t n)
{
    struct buffer *b = buffer_get(t->pool, n * sizeof(int64_t));
    b->size = n * sizeof(int64_t);
    memcpy(b->data, values, b->size);
    return b;
}

/* The keys of the rows of a list: all rows of the batch as they are, where it is these. */
static struct batch *keys_of(struct timer_service *t, const struct timer_pending *p)
{
    struct batch *at_hand = keys_at_hand(t);
    if (at_hand->sel == NULL && p->n == at_hand->n_rows &&
        memcmp(p->rows, t->in_order, p->n * sizeof(*p->rows)) == 0) {
        return batch_ref(at_hand);
    }
    t->keys.rows_hint = p->n;
    builder_append_rows(&t->keys, at_hand, p->rows, p->n);
    return builder_finish(&t->keys);
}

/* The timers of a list. */
static struct batch *batch_of(struct timer_service *t, const struct timer_pending *p)
{
    struct batch *keys = keys_of(t, p);
    for (uint32_t i = 0; i < t->n_keys; i++) {
        t->column_map[i] = (int32_t)i;
    }
    t->column_map[t->n_keys] = t->column_map[t->n_keys + 1] = -1;
    struct batch *b = batch_project(t->pool, keys, t->schema, t->column_map);
    if (b->hashes == NULL) {
        b->hashes = buffer_ref(keys->hashes);
    }
    batch_unref(keys);
    column_set_values(&b->columns[t->n_keys], numbers_of(t, p->times_ms, p->n));
    column_set_values(&b->columns[t->n_keys + 1], numbers_of(t, p->name_spaces, p->n));
    return b;
}

/* ---- doing it ---------------------------------------------------------------------------------- */

static int apply_deletes(struct timer_service *t, struct timer_half *h, struct error *err)
{
    if (h->deletes.n == 0) {
        return 0;
    }
    uint32_t slots[TIMER_PENDING_ROWS], n = 0;
    if (PLANTED("timers.delete_under_another_key")) {
        for (uint32_t i = 0; i < h->deletes.n; i++) {
            h->deletes.rows[i] = h->deletes.rows[0];
        }
    }
    struct batch *b = batch_of(t, &h->deletes);
    int rc = timer_half_find(t, h, b, 0, b->n_rows, slots, err);
    batch_unref(b);
    TRY(rc);
    timer_slot_set_clear(&t->slot_set);
    for (uint32_t i = 0; i < h->deletes.n; i++) {
        if (slots[i] != KEYED_SLOT_NONE && timer_slot_set_add(&t->slot_set, slots[i])) {
            slots[n++] = slots[i];
        }
    }
    timer_half_remove(h, slots, n);
    pending_clear(&h->deletes);
    return 0;
}

static int apply_adds(struct timer_service *t, struct timer_half *h, struct error *err)
{
    const struct timer_pending *p = &h->adds;
    if (p->n == 0) {
        return 0;
    }
    uint32_t slots[TIMER_PENDING_ROWS], n_new = 0;
    uint8_t is_new[TIMER_PENDING_ROWS];
    if (h->order != NULL) {
        TRY(timer_half_make_room(h, p->n, err));
    }
    TRY(timer_queue_reserve(&h->queue, p->n, p->least_ms, err));
    struct batch *b = batch_of(t, p);
    batch_extend_hashes(t->pool, b, t->columns + t->n_keys, 2);
    int rc = h->order != NULL
                 ? paged_order_upsert(h->order, b, t->columns, slots, is_new, err)
                 : keyed_state_upsert(h->state, NAMESPACE_VOID, b, t->columns, slots, is_new, err);
    if (rc < 0) {
        batch_unref(b);
        /* Some may be in the state now, and have to be in order too. */
        int order_rc = timer_half_order(t, h, NULL);
        return order_rc < 0 ? order_rc : rc;
    }
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    for (uint32_t i = 0; i < p->n; i++) {
        if (LIKELY(is_new[i])) {
            timer_queue_add(&h->queue, p->times_ms[i], hashes[i]);
            n_new++;
        }
    }
    h->n_set += n_new;
    batch_unref(b);
    pending_clear(&h->adds);
    return 0;
}

int timer_pending_apply(struct timer_service *t, struct error *err)
{
    for (int kind = 0; kind < TIMER_KINDS; kind++) {
        struct timer_half *h = &t->halves[kind];
        TRY(timer_half_drop_fired(t, h, err));
        if (h->adds.n + h->deletes.n > 0) {
            h->slots_good = false;
            TRY(apply_deletes(t, h, err));
            TRY(apply_adds(t, h, err));
            h->seen.n = 0;
        }
        if (h->order != NULL) {
            TRY(paged_order_tend(h->order, err));
        }
        if (UNLIKELY(h->queue.n > 2 * h->n_set + GARBAGE_ROWS_MIN)) {
            TRY(timer_half_order(t, h, err));
        }
    }
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------------- */

int timer_service_begin(struct timer_service *t, struct batch *b, const uint32_t *key_columns,
                        struct error *err)
{
    TRY(timer_service_settle(t, err));
    ASSERT(b->hashes != NULL);
    t->batch = batch_ref(b);
    t->key_columns = key_columns;
    return 0;
}

int timer_service_settle(struct timer_service *t, struct error *err)
{
    TRY(timer_pending_apply(t, err));
    t->at_keys = batch_unref(t->at_keys);
    t->batch = batch_unref(t->batch);
    return 0;
}

/* Something that was to fire in the round at hand, or will now. */
static inline void note_disturbance(struct timer_half *h, int64_t time_ms)
{
    h->disturbed = h->disturbed || time_ms <= h->firing_until_ms;
}

static COLD int make_room(struct timer_service *t, struct timer_pending *p, struct error *err)
{
    if (p->rows == NULL) {
        pending_start(p);
        return 0;
    }
    return timer_pending_apply(t, err);
}

static inline bool has_room(const struct timer_pending *p)
{
    return p->rows != NULL && p->n < TIMER_PENDING_ROWS;
}

int timer_service_add(struct timer_service *t, enum timer_kind kind, uint32_t row,
                      int64_t name_space, int64_t time_ms, struct error *err)
{
    struct timer_half *h = &t->halves[kind];
    ASSERT(t->batch != NULL && row < t->batch->n_rows);
    if (UNLIKELY(!has_room(&h->adds))) {
        TRY(make_room(t, &h->adds, err));
    }
    note_disturbance(h, time_ms);
    pending_put(&h->adds, row, name_space, time_ms);
    return 0;
}

static uint64_t mark_of(const struct timer_service *t, uint32_t row, int64_t name_space,
                        int64_t time_ms)
{
    uint64_t hash = ((const uint64_t *)(const void *)t->batch->hashes->data)[row];
    hash = key_hash_combine(hash, key_hash_i64(time_ms));
    return name_space == NAMESPACE_VOID ? hash : key_hash_combine(hash, key_hash_i64(name_space));
}

/* Where a mark is, or is to go. */
static struct timer_seen_entry *seen_find(const struct timer_seen *s, uint64_t mark)
{
    uint32_t at = (uint32_t)(mark >> (64 - TIMER_SEEN_BITS));
    while (s->entries[at].round == s->this_round && s->entries[at].mark != mark) {
        at = (at + 1) % (1u << TIMER_SEEN_BITS);
    }
    return &s->entries[at];
}

/* True when a timer that waits to be added could be this one. */
static bool waits_to_be_added(const struct timer_service *t, struct timer_half *h, uint32_t row,
                              int64_t name_space, int64_t time_ms)
{
    struct timer_seen *s = &h->seen;
    if (h->adds.n == 0) {
        return false;
    }
    if (s->entries == NULL) {
        s->entries = MEM_NEW_ARRAY(struct timer_seen_entry, 1u << TIMER_SEEN_BITS);
        memset(s->entries, 0, sizeof(*s->entries) << TIMER_SEEN_BITS);
    }
    if (s->n == 0 && ++s->this_round == 0) {
        memset(s->entries, 0, sizeof(*s->entries) << TIMER_SEEN_BITS);
        s->this_round = 1;
    }
    for (; s->n < h->adds.n; s->n++) {
        uint64_t mark =
            mark_of(t, h->adds.rows[s->n], h->adds.name_spaces[s->n], h->adds.times_ms[s->n]);
        *seen_find(s, mark) = (struct timer_seen_entry){.mark = mark, .round = s->this_round};
    }
    return seen_find(s, mark_of(t, row, name_space, time_ms))->round == s->this_round;
}

int timer_service_delete(struct timer_service *t, enum timer_kind kind, uint32_t row,
                         int64_t name_space, int64_t time_ms, struct error *err)
{
    struct timer_half *h = &t->halves[kind];
    ASSERT(t->batch != NULL && row < t->batch->n_rows);
    if (waits_to_be_added(t, h, row, name_space, time_ms)) {
        TRY(timer_pending_apply(t, err));
    }
    if (UNLIKELY(!has_room(&h->deletes))) {
        TRY(make_room(t, &h->deletes, err));
    }
    note_disturbance(h, time_ms);
    pending_put(&h->deletes, row, name_space, time_ms);
    return 0;
}

int timer_service_add_rows(struct timer_service *t, enum timer_kind kind, const uint16_t *rows,
                           const int64_t *name_spaces, const int64_t *times_ms, uint32_t n,
                           struct error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t name_space = name_spaces != NULL ? name_spaces[i] : NAMESPACE_VOID;
        TRY(timer_service_add(t, kind, rows[i], name_space, times_ms[i], err));
    }
    return 0;
}

int timer_service_delete_rows(struct timer_service *t, enum timer_kind kind, const uint16_t *rows,
                              const int64_t *name_spaces, const int64_t *times_ms, uint32_t n,
                              struct error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t name_space = name_spaces != NULL ? name_spaces[i] : NAMESPACE_VOID;
        TRY(timer_service_delete(t, kind, rows[i], name_space, times_ms[i], err));
    }
    return 0;
}
