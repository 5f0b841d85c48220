/* What is at hand: room for keys, and values from the store.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

#include "engine/state/keyed_table_probe.h"

#include <stdlib.h>

enum {
    CLUSTERS_AT_ONCE = 16, /* that the second hand looks at between two looks at the room */
    ROUNDS_OF_COLD = 4,    /* of the second hand, before it takes what is hot, */
    ROUNDS_MAX = 12,       /* and before what has changed is written for room */
    BATCHES_MIN = 2,       /* whose keys a table has room for, however little memory there is */
    ROOM_ROWS =
        512, /* that room is made for at least: who adds key by key has not to find its slots again for each */
    ROOM_TRIES = 64, /* pieces that are waited for until there is room */
};

/* ---- room ------------------------------------------------------------------------------------------ */

static bool has_room(const struct paged_table *p, uint32_t n_rows)
{
    const struct keyed_table *t = p->table;
    return t->moving.n_slots > 0 ||
           (t->n_used + (uint64_t)n_rows <= PAGED_FULL(t->n_slots) &&
            (t->heap.used_bytes == 0 ||
             paged_table_bytes(p) <= paged_table_limit(p) + PAGED_HEAP_MIN));
}

/* 1: a larger table, or one of the same size without removed slots, was begun or made, and has room; others may have gone for
 * it. */
static int grow(struct paged_table *p, uint32_t n_rows, struct error *err)
{
    struct keyed_table *t = p->table;
    if (PAGED_FULL(t->n_slots) < BATCHES_MIN * (uint64_t)n_rows) {
        /* The keys of a batch must find room. */
        TRY(paged_state_balance(p, BATCHES_MIN * (uint64_t)n_rows * 2 * t->stride, err));
        return keyed_table_reserve(t, BATCHES_MIN * (uint64_t)n_rows, NULL) == 0 &&
               has_room(p, n_rows);
    }
    uint64_t bytes = keyed_table_slots_bytes(t, keyed_table_next_size(t));
    if (bytes + t->heap.used_bytes > paged_table_limit(p) && p->n_walks == 0) {
        return 0;
    }
    TRY(paged_state_balance(p, bytes, err));
    if (keyed_table_grows_gradually(t)) {
        keyed_table_make_room(t, n_rows);
        return t->moving.n_slots > 0;
    }
    return keyed_table_grow(t, NULL, 0, NULL) == 0 && has_room(p, n_rows);
}

static void forget_absent(struct paged_table *p)
{
    keyed_table_clear(&p->of->absent);
    p->of->absent_of = p;
}

/* The hand has come around: where what is cold and clean is much, it takes but a part of it each time. */
static void note_round(struct paged_table *p)
{
    struct keyed_evict_hand *hand = &p->hand;
    hand->part_bits = hand->n_cold > p->table->n_slots / 4   ? 2
                      : hand->n_cold > p->table->n_slots / 8 ? 1
                                                             : 0;
    hand->n_cold = 0;
    p->hand_seen = 0;
}

/* A few clusters; returns how many groups they have. */
static uint64_t evict_some(struct paged_table *p)
{
    struct keyed_table *t = p->table;
    uint32_t n_groups = t->n_slots / KEYED_GROUP_SLOTS;
    uint64_t seen = 0;
    for (int i = 0; i < CLUSTERS_AT_ONCE; i++) {
        uint32_t from = p->hand.group;
        p->store->n_evicted += keyed_table_evict(t, &p->hand);
        uint32_t went = (p->hand.group - from) & (n_groups - 1);
        seen += went > 0 ? went : n_groups;
    }
    p->hand_seen += (uint32_t)seen;
    if (p->hand_seen >= n_groups) {
        note_round(p);
    }
    return seen;
}

/* The second hand goes on until there is room, and some more, or a few times around, at last taking what is hot, too; true: there
 * is. */
static bool evict(struct paged_table *p, uint32_t n_rows)
{
    struct keyed_table *t = p->table;
    uint32_t wanted = MAX(n_rows, (uint32_t)ROOM_ROWS);
    uint64_t n_groups = t->n_slots / KEYED_GROUP_SLOTS, seen = 0;
    bool has = false;
    forget_absent(p);
    p->is_whole = false;
    while (seen < n_groups * ROUNDS_MAX && !has) {
        p->hand.takes_hot = seen >= n_groups * ROUNDS_OF_COLD;
        seen += evict_some(p);
        has = has_room(p, wanted);
    }
    p->hand.takes_hot = false;
    return has || has_room(p, n_rows);
}

/* Waits until some of what has changed is in the store. */
static int wait_for_piece(struct paged_table *p, struct error *err)
{
    struct paged_store *s = p->store;
    if (s->is_frozen) {
        return paged_store_advance(s, err);
    }
    TRY(paged_store_settle(s, PAGED_WAIT, err));
    TRY(paged_table_write_some(p, PAGED_PICK_COLD, err));
    return paged_store_settle(s, PAGED_WAIT, err);
}

/* For tests: some of what may go goes. */
static int evict_always(struct paged_table *p, struct error *err)
{
    enum { CALLS_PER_PIECE = 64, CALLS_PER_TABLE = 64, CALLS_PER_EMPTY = 96, CLUSTERS = 128 };
    struct keyed_table *t = p->table;
    struct paged_store *s = p->store;
    if (p->of->n_calls % CALLS_PER_TABLE == 0) {
        TRY(paged_state_let_go(p, err));
    }
    if (t->n_slots == 0 || t->moving.n_slots > 0 || p->n_walks > 0) {
        return 0;
    }
    if (++p->n_calls % CALLS_PER_PIECE == 0 && !s->is_frozen) {
        TRY(paged_store_settle(s, PAGED_WAIT, err));
        TRY(paged_table_write_some(p, PAGED_PICK_COLD, err));
        TRY(paged_store_settle(s, PAGED_WAIT, err));
    }
    if (p->n_calls % CALLS_PER_EMPTY == 0 && !s->is_frozen && p->of->order_column == 0) {
        return paged_table_empty(p, err);
    }
    forget_absent(p);
    uint64_t before = s->n_evicted;
    p->hand.takes_hot = p->n_calls % 2 == 0;
    for (int i = 0; i < CLUSTERS; i++) {
        s->n_evicted += keyed_table_evict(t, &p->hand);
    }
    p->hand.takes_hot = false;
    p->is_whole = p->is_whole && s->n_evicted == before;
    return 0;
}

int paged_table_make_room(struct paged_table *p, uint32_t n_rows, struct error *err)
{
    struct keyed_table *t = p->table;
    struct paged_store *s = p->store;
    paged_store_publish(s);
    TRY(paged_store_settle(s, PAGED_POLL, err));
    TRY(paged_state_note_use(p, err));
    if (UNLIKELY(s->options->disk->evicts_always)) {
        TRY(evict_always(p, err));
    }
    if (p->n_walks == 0) {
        TRY(paged_table_tend_removals(p, err));
    }
    if (t->n_slots > 0 && LIKELY(has_room(p, n_rows))) {
        return 0;
    }
    int rc = grow(p, n_rows, err);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    TRY(paged_table_write_cold(p, err));
    if (s->piece != NULL && paged_piece_is_sent(s->piece) &&
        s->piece_frozen_at != s->track.frozen_at) {
        /* A freeze came behind it: its entries are not marked any more. */
        TRY(paged_store_settle(s, PAGED_WAIT, err));
    }
    for (uint32_t tries = 0; !evict(p, n_rows); tries++) {
        if (tries == ROOM_TRIES) {
            return error_set(err, ERR_LIMIT,
                             "the cache of state '%s' has no room for a batch: its keys and values "
                             "are too long for "
                             "%llu bytes; raise taskmanager.memory.managed.size",
                             p->of->state->name, (unsigned long long)paged_table_limit(p));
        }
        TRY(wait_for_piece(p, err));
    }
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b, void *store)
{
    const struct paged_place *x = a, *y = b;
    const struct paged_store *s = store;
    const struct paged_key *keys = s->keys.data;
    return slice_compare(slice_make(s->key_bytes.data + keys[x->at].at, keys[x->at].size),
                         slice_make(s->key_bytes.data + keys[y->at].at, keys[y->at].size));
}

/* True: the store may have the key.  A removed one that comes back is known there until the removal is. */
static bool may_be_stored(struct paged_table *p, uint32_t slot)
{
    struct keyed_table *t = p->table;
    const struct keyed_table *absent = &p->of->absent;
    if (LIKELY(p->gone.n_keys + absent->n_keys == 0)) {
        return true;
    }
    bool is_null = slot == t->null_slot;
    const char *key = keyed_table_entry(t, slot);
    uint64_t hash = keyed_table_hash(t, slot);
    if (keyed_table_find_entry(&p->gone, key, hash, is_null) != KEYED_SLOT_NONE) {
        keyed_table_set_known(t, slot, false);
        return false;
    }
    return p->of->absent_of != p ||
           keyed_table_find_entry(absent, key, hash, is_null) == KEYED_SLOT_NONE;
}

static const struct paged_key *key_in_order(const struct paged_store *s, size_t i)
{
    return VEC_AT(&s->keys, struct paged_key, VEC_AT(&s->order, struct paged_place, i)->at);
}

/* The keys to be read, in their order. */
static void gather_keys(struct paged_table *p, const uint32_t *slots, const uint8_t *is_new,
                        uint32_t n)
{
    struct paged_store *s = p->store;
    struct keyed_table *t = p->table;
    str_clear(&s->key_bytes);
    vec_clear(&s->keys);
    vec_clear(&s->order);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_new[i] || !may_be_stored(p, slots[i])) {
            continue;
        }
        struct paged_key *k = VEC_PUSH(&s->keys, struct paged_key);
        k->row = i;
        k->at = (uint32_t)s->key_bytes.len;
        paged_key_put(p, keyed_table_entry(t, slots[i]), keyed_table_hash(t, slots[i]),
                      slots[i] == t->null_slot, &s->key_bytes);
        k->size = (uint32_t)s->key_bytes.len - k->at;
        *VEC_PUSH(&s->order, struct paged_place) =
            (struct paged_place){.first = paged_order_number(s->key_bytes.data + k->at, k->size),
                                 .second = paged_order_second(s->key_bytes.data + k->at, k->size),
                                 .at = s->keys.len - 1};
    }
    if (s->keys.len == 0) {
        return;
    }
    paged_places_sort(&s->order, &s->order_scratch, compare_keys, s);
    vec_reserve(&s->read_keys, s->keys.len);
    vec_reserve(&s->read_values, s->keys.len);
    s->read_keys.len = s->read_values.len = s->keys.len;
    for (size_t i = 0; i < s->keys.len; i++) {
        const struct paged_key *k = key_in_order(s, i);
        *VEC_AT(&s->read_keys, struct rocks_bytes, i) =
            (struct rocks_bytes){s->key_bytes.data + k->at, k->size};
    }
}

static int take_value(struct paged_table *p, uint32_t slot, const struct rocks_bytes *v,
                      struct error *err)
{
    struct keyed_table *t = p->table;
    char *value = keyed_table_value(t, slot);
    return t->ops != NULL
               ? t->ops->decode(t->ops->arg, &t->heap, slice_make(v->data, v->size), value, err)
               : record_row_decode(&p->of->row, &t->heap, v->data, v->size, value, err);
}

/* An entry whose time is over is as none: a compaction may take it, but not before all that stands on it.  1: it is. */
static int take_living_value(struct paged_table *p, uint32_t slot, const struct rocks_bytes *v,
                             int64_t now_ms, struct error *err)
{
    struct keyed_table *t = p->table;
    const struct keyed_expiry *x = &p->of->state->expiry;
    int64_t stamp;
    TRY(take_value(p, slot, v, err));
    if (x->clock != NULL) {
        char *value = keyed_table_value(t, slot);
        memcpy(&stamp, value + x->offset, sizeof(stamp));
        if (keyed_stamp_is_over(stamp, x->ttl_ms, now_ms)) {
            keyed_value_drop(t, &t->heap, value);
            memset(value, 0, t->value_bytes);
            return 0;
        }
    }
    return 1;
}

static int64_t now_of(const struct paged_table *p)
{
    const struct keyed_expiry *x = &p->of->state->expiry;
    return x->clock != NULL ? clock_now_ms(x->clock) : 0;
}

static int take_values(struct paged_table *p, const uint32_t *slots, uint8_t *inout_is_new,
                       struct error *err)
{
    struct paged_store *s = p->store;
    struct keyed_table *t = p->table;
    int64_t now_ms = s->keys.len > 0 ? now_of(p) : 0;
    for (size_t i = 0; i < s->keys.len; i++) {
        const struct rocks_bytes *v = VEC_AT(&s->read_values, struct rocks_bytes, i);
        uint32_t row = key_in_order(s, i)->row;
        if (v->data == NULL) {
            continue;
        }
        int rc = take_living_value(p, slots[row], v, now_ms, err);
        if (rc <= 0) {
            TRY(rc);
            continue;
        }
        keyed_table_set_known(t, slots[row], false);
        inout_is_new[row] = 0;
        s->n_found++;
    }
    return 0;
}

int paged_table_load(struct paged_table *p, const uint32_t *slots, uint8_t *inout_is_new,
                     uint32_t n, struct error *err)
{
    struct paged_store *s = p->store;
    if ((p->is_whole && p->gone.n_keys == 0) || memchr(inout_is_new, 1, n) == NULL) {
        return 0;
    }
    gather_keys(p, slots, inout_is_new, n);
    if (s->keys.len == 0 || p->is_whole || p->of->is_blind) {
        return 0;
    }
    s->n_reads++;
    s->n_misses += s->keys.len;
    TRY(rocks_store_read(s->rocks, s->read_keys.data, (uint32_t)s->keys.len, s->read_values.data,
                         err));
    int rc = take_values(p, slots, inout_is_new, err);
    if (rc < 0) {
        error_context(err, "reading state '%s' from local disk", p->of->state->name);
        error_set_class(err, ERROR_CLASS_TRANSIENT);
    }
    return rc;
}

/* Those that the store has are in the table afterwards; of the others the keys are noted as absent. */
static int take_in(struct paged_table *p, struct batch *missing, struct error *err)
{
    struct keyed_table *t = p->table;
    uint32_t slots[BATCH_ROWS_MAX], absent;
    uint8_t is_new[BATCH_ROWS_MAX], was_new[BATCH_ROWS_MAX];
    uint32_t columns[KEYED_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < missing->schema->n_fields; i++) {
        columns[i] = i;
    }
    TRY(keyed_table_upsert(t, missing, columns, slots, is_new, err));
    memcpy(was_new, is_new, missing->n_sel);
    TRY(paged_table_load(p, slots, is_new, missing->n_sel, err));
    for (uint32_t i = 0; i < missing->n_sel; i++) {
        if (is_new[i]) {
            TRY(keyed_table_add_entry(&p->of->absent, keyed_table_entry(t, slots[i]),
                                      keyed_table_hash(t, slots[i]), slots[i] == t->null_slot,
                                      &absent, err));
            keyed_table_drop_unknown(t, slots[i]);
        } else if (was_new[i]) {
            keyed_table_set_known(t, slots[i], true);
        }
    }
    return 0;
}

/* The rows without a slot, as a batch of the key columns alone; NULL: there are none. */
static struct batch *missing_rows(struct paged_table *p, const struct batch *b,
                                  const uint32_t *key_columns, const uint32_t *slots)
{
    struct buffer_pool *pool = p->store->options->pool;
    const struct schema *schema = p->of->state->key_schema;
    int32_t map[KEYED_KEY_COLUMNS_MAX];
    struct buffer *sel = buffer_get(pool, b->n_sel * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        rows[n] = (uint16_t)batch_row(b, i);
        n += slots[i] == KEYED_SLOT_NONE;
    }
    if (n == 0) {
        buffer_unref(sel);
        return NULL;
    }
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        map[i] = (int32_t)key_columns[i];
    }
    struct batch *missing = batch_project(pool, (struct batch *)(uintptr_t)b, schema, map);
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(missing, sel, n);
    return missing;
}

int paged_table_find(struct paged_table *p, const struct batch *b, const uint32_t *key_columns,
                     uint32_t *ret_slots, struct error *err)
{
    TRY(paged_table_make_room(p, b->n_sel, err));
    TRY(keyed_table_find(p->table, b, key_columns, ret_slots, err));
    keyed_table_note_use(p->table, ret_slots, NULL, b->n_sel);
    if (p->is_whole) {
        return 0;
    }
    struct batch *missing = missing_rows(p, b, key_columns, ret_slots);
    if (missing == NULL) {
        return 0;
    }
    forget_absent(p);
    int rc = take_in(p, missing, err);
    batch_unref(missing);
    return rc < 0 ? rc : keyed_table_find(p->table, b, key_columns, ret_slots, err);
}

/* ---- walks ----------------------------------------------------------------------------------------- */

/* Rows of a block of the store that the table lacks: those that were not removed since come into it. */
static int take_missing(struct paged_table *p, const struct batch *missing, const uint32_t *columns,
                        const struct rocks_bytes *values, struct error *err)
{
    struct keyed_table *t = p->table;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    int64_t now_ms = now_of(p);
    int rc = keyed_table_upsert(t, missing, columns, slots, is_new, err);
    for (uint32_t i = 0; i < missing->n_sel && rc >= 0; i++) {
        const char *entry = keyed_table_entry(t, slots[i]);
        bool is_gone = p->gone.n_keys > 0 &&
                       keyed_table_find_entry(&p->gone, entry, keyed_table_hash(t, slots[i]),
                                              slots[i] == t->null_slot) != KEYED_SLOT_NONE;
        rc = is_gone ? 0
                     : take_living_value(p, slots[i], &values[batch_row(missing, i)], now_ms, err);
        if (rc > 0) {
            keyed_table_set_known(t, slots[i], true);
        } else {
            keyed_table_drop_unknown(t, slots[i]);
        }
    }
    return MIN(rc, 0);
}

static int take_block(struct paged_table *p, struct batch *keys, const struct rocks_bytes *values,
                      uint32_t *ret_slots, struct error *err)
{
    uint32_t columns[KEYED_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < keys->schema->n_fields; i++) {
        columns[i] = i;
    }
    keyed_state_hash(p->of->state, keys, columns);
    TRY(paged_table_make_room(p, keys->n_sel, err));
    TRY(keyed_table_find(p->table, keys, columns, ret_slots, err));
    struct batch *missing = missing_rows(p, keys, columns, ret_slots);
    if (missing == NULL) {
        return 0;
    }
    int rc = take_missing(p, missing, columns, values, err);
    batch_unref(missing);
    return rc < 0 ? rc : keyed_table_find(p->table, keys, columns, ret_slots, err);
}

int paged_table_take_rows(struct paged_table *p, struct paged_rows *rows, uint32_t max,
                          uint32_t *ret_slots, struct error *err)
{
    struct rocks_bytes values[BATCH_ROWS_MAX];
    uint32_t n = 0;
    while (n == 0) {
        struct batch *keys = NULL;
        int rc = paged_rows_next_keys(rows, max, &keys, values, err);
        if (rc <= 0) {
            return rc;
        }
        rc = take_block(p, keys, values, ret_slots, err);
        for (uint32_t i = 0; i < keys->n_sel && rc == 0; i++) {
            ret_slots[n] = ret_slots[i];
            n += ret_slots[i] != KEYED_SLOT_NONE;
        }
        batch_unref(keys);
        TRY(rc);
    }
    return (int)n;
}

/* ---- removal --------------------------------------------------------------------------------------- */

void paged_table_note_removal(struct paged_table *p, uint32_t slot)
{
    struct keyed_table *t = p->table;
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    uint32_t gone;
    keyed_group_catch_up(t->track, g);
    if ((g->known >> slot % KEYED_GROUP_SLOTS & 1) == 0) {
        return;
    }
    /* Of no budget: it cannot fail. */
    int rc = keyed_table_add_entry(&p->gone, keyed_table_entry(t, slot), keyed_table_hash(t, slot),
                                   slot == t->null_slot, &gone, NULL);
    ASSERT(rc == 0);
    ++*(uint64_t *)keyed_table_value(&p->gone, gone);
}
