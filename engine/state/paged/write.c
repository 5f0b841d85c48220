/* The first hand: changed entries on their way to the store.
 *
 * A piece begins with all removals that the store has not heard of, so that none can come behind a newer value of its
 * key.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

#include "engine/state/keyed_table_probe.h"

enum {
    REMOVALS_SHARE = 8, /* of a state's bytes, that the store has not heard of: one in so many, */
    REMOVALS_MIN = 4096,
    REMOVALS_MAX = 64 * 1024, /* until a piece begins, */
    REMOVALS_WAIT = 2,        /* and so many times more until it is waited for */
    REMOVALS_OF_TESTS = 512,  /* with keyed_disk.evicts_always */
    DIRTY_SHARE =
        2, /* of the keys that are not hot may have changed without a piece being due: one in so many */
    COLD_SHARE = 16, /* of the keys, for a piece of cold ones: one in so many */
    LOOK_SHARE = 32, /* of the keys that change until it is looked again how many are hot */
};

/* ---- into a piece ---------------------------------------------------------------------------------- */

int paged_table_put_entry(struct paged_table *p, const char *entry, bool is_null, struct error *err)
{
    struct paged_piece *x = p->store->piece;
    struct str *out = paged_piece_bytes(x);
    size_t start = out->len;
    paged_key_put(p, entry, keyed_entry_hash(p->table, entry, is_null), is_null, out);
    size_t key_end = out->len;
    const struct keyed_value_ops *ops = p->table->ops;
    const char *value = entry + p->table->value_offset;
    TRY(ops != NULL ? ops->encode(ops->arg, value, out, err)
                    : record_row_encode(&p->of->row, value, out, err));
    p->is_stored = true;
    paged_piece_end(x, (uint32_t)(key_end - start), (uint32_t)(out->len - key_end));
    return 0;
}

void paged_table_put_removal(struct paged_table *p, const struct keyed_removed *r)
{
    struct paged_piece *x = p->store->piece;
    struct str *out = paged_piece_bytes(x);
    size_t start = out->len;
    paged_key_put(p, r->key, r->hash, r->is_null, out);
    paged_piece_end_removal(x, (uint32_t)(out->len - start));
}

static void put_removals(struct paged_table *p)
{
    const struct keyed_table *t = p->table;
    for (size_t i = t->removed_start; i < t->removed.len; i++) {
        paged_table_put_removal(p, VEC_AT(&t->removed, struct keyed_removed, i));
    }
    p->piece_removed = t->removed.len - t->removed_start;
}

/* Half of the changed entries of a group, or all, hot ones only if wanted: they are in the piece now. */
static int put_group(struct paged_table *p, uint32_t group, enum paged_pick pick, struct error *err)
{
    struct keyed_table *t = p->table;
    struct keyed_group *g = &t->groups[group];
    keyed_group_catch_up(t->track, g);
    uint8_t changed = keyed_group_live(g) & (g->dirty | g->unconfirmed | g->frozen);
    uint8_t part = (uint8_t)((p->hand.random * (group + 1)) >> 48 | p->takes_all);
    uint8_t picked = changed & part;
    if (pick == PAGED_PICK_COLD) {
        picked &= keyed_table_cold_of(t, group);
    }
    for (uint8_t m = picked; m != 0; m &= (uint8_t)(m - 1)) {
        uint32_t slot = group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctz(m);
        TRY(paged_table_put_entry(p, keyed_table_entry(t, slot), slot == t->null_slot, err));
    }
    t->n_dirty -= MIN(t->n_dirty, (uint32_t)__builtin_popcount(g->dirty & picked));
    g->dirty = changed & (uint8_t)~picked;
    g->unconfirmed = 0;
    g->frozen = picked;
    g->known |= picked;
    return 0;
}

/* Entries of the groups from the hand on, once around, spread over all of them: what is evicted then leaves gaps everywhere,
 * and not a large one beside groups that are full.  The group of the NULL key is the last. */
static int put_changes(struct paged_table *p, enum paged_pick pick, struct error *err)
{
    const struct keyed_table *t = p->table;
    uint32_t n_groups = keyed_table_n_groups(t);
    struct paged_piece *x = p->store->piece;
    /* Every other piece has what the one before it left. */
    p->takes_all = p->takes_all == 0 ? 0xff : 0;
    if (pick == PAGED_PICK_COLD && p->hand.part_bits == 0) {
        p->takes_all = 0xff; /* they are few, and so will the gaps be */
    }
    p->write_group = p->write_group < n_groups ? p->write_group : 0;
    p->piece_from = p->write_group;
    p->piece_n = 0;
    const uint64_t piece_bytes = paged_store_piece_bytes(p->store);
    while (p->piece_n < n_groups && paged_piece_size(x) < piece_bytes) {
        TRY(put_group(p, p->write_group, pick, err));
        p->write_group = p->write_group + 1 < n_groups ? p->write_group + 1 : 0;
        p->piece_n++;
    }
    return 0;
}

void paged_store_begin_piece(struct paged_store *s, struct paged_table *writing, size_t n_drops)
{
    s->piece = paged_piece_new(s->rocks, s->options->budget);
    s->writing = writing;
    for (size_t i = 0; i < n_drops; i++) {
        paged_piece_remove_all(s->piece, VEC_AT(&s->drops, struct paged_infix, i));
    }
    s->piece_drops = n_drops;
}

void paged_store_drop_piece(struct paged_store *s)
{
    s->piece = paged_piece_free(s->piece);
    s->writing = NULL;
    s->piece_drops = 0;
}

/* Removals that a table may have: their bytes are of the budget, too. */
static size_t removals_max(const struct paged_table *p)
{
    if (p->store->options->disk->evicts_always) {
        return REMOVALS_OF_TESTS;
    }
    uint64_t n = paged_state_limit(p->of) / REMOVALS_SHARE / p->table->removed.item_size;
    n = MIN(n, (uint64_t)REMOVALS_MAX);
    return MAX(n, (size_t)REMOVALS_MIN);
}

int paged_table_tend_removals(struct paged_table *p, struct error *err)
{
    struct paged_store *s = p->store;
    size_t n = p->table->removed.len - p->table->removed_start;
    if (LIKELY(n <= REMOVALS_OF_TESTS)) {
        return 0;
    }
    size_t max = removals_max(p);
    if (n <= max) {
        return 0;
    }
    if (n > max * REMOVALS_WAIT) {
        TRY(s->is_frozen ? paged_store_advance(s, err) : paged_store_settle(s, PAGED_WAIT, err));
    }
    return paged_table_write_some(p, PAGED_PICK_COLD, err);
}

/* Entries that have changed and are cold. */
static uint32_t count_cold_changes(const struct paged_table *p)
{
    const struct keyed_table *t = p->table;
    uint32_t n_groups = keyed_table_n_groups(t), n = 0;
    for (uint32_t group = 0; group < n_groups; group++) {
        struct keyed_group *g = &t->groups[group];
        keyed_group_catch_up(t->track, g);
        uint8_t changed = keyed_group_live(g) & (g->dirty | g->unconfirmed | g->frozen);
        n += (uint32_t)__builtin_popcount(changed & keyed_table_cold_of(t, group));
    }
    return n;
}

static bool has_cold_changes(const struct paged_table *p)
{
    return !p->table->keeps_heat || count_cold_changes(p) >= p->table->n_keys / COLD_SHARE;
}

int paged_table_write_cold(struct paged_table *p, struct error *err)
{
    const struct keyed_table *t = p->table;
    struct paged_store *s = p->store;
    if (t->n_dirty <= t->n_keys / DIRTY_SHARE) {
        p->look_dirty = 0;
        return 0;
    }
    if (s->piece != NULL || s->is_frozen || t->n_slots == 0 || t->n_dirty < p->look_dirty) {
        return 0;
    }
    /* Those that are hot stay changed; the others are to be half changed, half written. */
    uint32_t cold = t->keeps_heat ? count_cold_changes(p) : t->n_dirty;
    uint32_t hot = t->n_dirty - MIN(cold, t->n_dirty);
    if (cold <= (t->n_keys - MIN(hot, t->n_keys)) / DIRTY_SHARE) {
        p->look_dirty = t->n_dirty + t->n_keys / LOOK_SHARE;
        return 0;
    }
    p->look_dirty = 0;
    return paged_table_write_some(p, PAGED_PICK_COLD, err);
}

int paged_table_write_some(struct paged_table *p, enum paged_pick pick, struct error *err)
{
    struct paged_store *s = p->store;
    struct keyed_table *t = p->table;
    if (s->piece != NULL || s->is_frozen || t->n_slots == 0) {
        return 0;
    }
    keyed_table_finish_growth(t);
    paged_store_begin_piece(s, p, s->drops.len);
    p->n_puts++;
    put_removals(p);
    TRY(put_changes(
        p, pick == PAGED_PICK_COLD && has_cold_changes(p) ? PAGED_PICK_COLD : PAGED_PICK_ALL, err));
    if (paged_piece_is_empty(s->piece)) {
        paged_store_drop_piece(s);
        return 0;
    }
    return paged_store_write_piece(s, err);
}

int paged_table_flush(struct paged_table *p, struct error *err)
{
    struct paged_store *s = p->store;
    bool is_sent = true;
    TRY(paged_store_finish(s, err));
    TRY(paged_store_settle(s, PAGED_WAIT, err));
    while (is_sent) {
        p->takes_all = 0; /* the piece has all of it */
        TRY(paged_table_write_some(p, PAGED_PICK_ALL, err));
        is_sent = s->piece != NULL;
        TRY(paged_store_settle(s, PAGED_WAIT, err));
    }
    return 0;
}

int paged_store_write_piece(struct paged_store *s, struct error *err)
{
    /* From here on the executor is in it, too. */
    TRY(rocks_store_complete(s->rocks, err));
    s->n_pieces++;
    s->n_written += paged_piece_len(s->piece);
    s->is_empty = false;
    s->piece_frozen_at = s->track.frozen_at;
    paged_piece_write(s->piece, s->options->disk->executor, s->is_frozen ? s->target : NULL);
    return 0;
}

/* ---- in the store ---------------------------------------------------------------------------------- */

void paged_table_forget_removals(struct paged_table *p, size_t n)
{
    struct keyed_table *t = p->table;
    for (size_t i = 0; i < n; i++) {
        const struct keyed_removed *r =
            VEC_AT(&t->removed, struct keyed_removed, t->removed_start + i);
        uint32_t slot = keyed_table_find_entry(&p->gone, r->key, r->hash, r->is_null);
        ASSERT(slot != KEYED_SLOT_NONE);
        if (--*(uint64_t *)keyed_table_value(&p->gone, slot) == 0) {
            keyed_table_remove(&p->gone, slot);
        }
    }
    keyed_table_drop_removed(t, n);
    if (p->gone.n_keys == 0) {
        keyed_table_clear(&p->gone);
    }
}

/* The store has forgotten what a piece told it to. */
static void confirm_drops(struct paged_store *s)
{
    size_t left = s->drops.len - s->piece_drops;
    if (s->piece_drops > 0) {
        memmove(s->drops.data, (struct paged_infix *)s->drops.data + s->piece_drops,
                left * sizeof(struct paged_infix));
        s->drops.len = left;
        s->frozen_drops -= MIN(s->frozen_drops, s->piece_drops);
    }
}

/* Entries that were changed since are dirty, too, and stay so. */
static void confirm_piece(struct paged_table *p)
{
    struct keyed_table *t = p->table;
    uint32_t n_groups = keyed_table_n_groups(t), group = p->piece_from;
    /* Behind a freeze frozen entries are those of the checkpoint.  Wherever the table has put entries meanwhile: those
     * that are frozen without one are of this piece, or of one before it. */
    bool is_marked = p->store->piece_frozen_at == t->track->frozen_at;
    for (uint32_t i = 0; is_marked && i < MIN(p->piece_n, n_groups); i++) {
        group = group < n_groups ? group : 0;
        keyed_group_catch_up(t->track, &t->groups[group]);
        t->groups[group++].frozen = 0;
    }
    paged_table_forget_removals(p, p->piece_removed);
}

int paged_store_settle(struct paged_store *s, enum paged_wait wait, struct error *err)
{
    if (UNLIKELY(s->failed.code != 0)) {
        if (err != NULL) {
            *err = s->failed;
        }
        return s->failed.code;
    }
    if (LIKELY(s->piece == NULL) || !paged_piece_is_sent(s->piece)) {
        return 0;
    }
    int rc = paged_piece_poll(s->piece, wait, err);
    if (rc == 0) {
        return 0;
    }
    struct paged_table *p = s->writing;
    if (s->is_frozen && s->piece_frozen_at == s->track.frozen_at) {
        /* Of the checkpoint at hand, not of one that was given up. */
        int files_rc = paged_piece_take_files(s->piece, &s->linked, &s->unlinked);
        if (files_rc < 0) {
            error_context(&s->unlinked, "state of operator '%s'", s->options->operator_name);
        }
    }
    if (rc > 0) {
        confirm_drops(s);
    }
    paged_store_drop_piece(s);
    if (rc < 0) {
        return error_context(err, "writing state of operator '%s' to local disk",
                             s->options->operator_name),
               rc;
    }
    if (p != NULL) {
        confirm_piece(p);
    }
    return 0;
}
