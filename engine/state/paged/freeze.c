/* What a checkpoint writes: all changed entries as they were frozen, table by table in pieces, each of which begins when
 * the one before it is in the store.
 * Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "engine/state/keyed_table_probe.h"

enum { GROUPS_PER_ENTRY = 4 /* looking at so many groups counts as writing an entry */ };

void paged_store_freeze(struct paged_store *s, enum paged_files files,
                        struct snapshot_target *target)
{
    ASSERT(!s->is_frozen);
    keyed_track_freeze(&s->track, KEYED_FROZEN_CHANGES, true);
    s->is_frozen = true;
    s->frozen_table = 0;
    s->frozen_drops = s->drops.len;
    s->last_is_sent = false;
    s->wants_files = files == PAGED_FILES;
    s->target = target;
    rocks_files_drop(&s->linked);
    s->unlinked = (struct error)ERROR_INIT;
}

/* Of namespaces that were dropped meanwhile. */
static void free_doomed(struct paged_store *s)
{
    for (size_t i = s->tables.len; i-- > 0;) {
        struct paged_table *p = vec_ptr(&s->tables, i);
        if (p->is_doomed) {
            paged_table_free(p);
        }
    }
}

void paged_store_thaw(struct paged_store *s)
{
    if (s->is_frozen) {
        free_doomed(s);
        keyed_track_thaw(&s->track);
        s->is_frozen = false;
        s->target = NULL;
        if (s->piece != NULL && !paged_piece_is_sent(s->piece)) {
            paged_store_drop_piece(s);
        }
    }
}

bool paged_store_has_news(const struct paged_store *s)
{
    return s->piece == NULL || !paged_piece_is_sent(s->piece) || paged_piece_has_ended(s->piece) ||
           s->track.snapshot_lost;
}

void paged_store_take_files(struct paged_store *s, struct vec *ret_partitions)
{
    for (size_t i = 0; i < s->linked.len; i++) {
        *VEC_PUSH(ret_partitions, struct rocks_files) = *VEC_AT(&s->linked, struct rocks_files, i);
    }
    vec_clear(&s->linked);
}

/* Removals before the freeze. */
static size_t removals_of(const struct paged_table *p)
{
    const struct keyed_table *t = p->table;
    size_t n = 0;
    while (t->removed_start + n < t->removed.len &&
           VEC_AT(&t->removed, struct keyed_removed, t->removed_start + n)->version <
               t->track->frozen_at) {
        n++;
    }
    return n;
}

static void begin_table(struct paged_table *p)
{
    struct keyed_table *t = p->table;
    t->scan_at = t->track->frozen_at;
    t->scan_group = 0;
    p->n_puts++;
    p->piece_removed = removals_of(p);
    for (size_t i = 0; i < p->piece_removed; i++) {
        paged_table_put_removal(p, VEC_AT(&t->removed, struct keyed_removed, t->removed_start + i));
    }
}

static int put_copies(struct paged_table *p, struct error *err)
{
    struct keyed_table *t = p->table;
    for (struct keyed_copies *c; (c = keyed_table_copies(t)) != NULL; keyed_table_pop_copies(t)) {
        for (uint32_t i = 0; i < c->n; i++) {
            TRY(paged_table_put_entry(p, c->entries + (size_t)i * t->stride, i == c->null_at, err));
        }
    }
    return 0;
}

static int put_group(struct paged_table *p, uint32_t group, struct error *err)
{
    struct keyed_table *t = p->table;
    struct keyed_group *g = &t->groups[group];
    keyed_group_catch_up(t->track, g);
    for (; g->frozen != 0; g->frozen &= (uint8_t)(g->frozen - 1)) {
        uint32_t slot = group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctz(g->frozen);
        TRY(paged_table_put_entry(p, keyed_table_entry(t, slot), slot == t->null_slot, err));
    }
    return 0;
}

/* Some of a table: 1, or 0 when nothing is left of it. */
static int put_table(struct paged_table *p, uint32_t *inout_work, struct error *err)
{
    struct keyed_table *t = p->table;
    const struct paged_piece *x = p->store->piece;
    const uint64_t piece_bytes = paged_store_piece_bytes(p->store);
    if (t->created >= t->track->frozen_at) {
        return 0;
    }
    if (t->scan_at != t->track->frozen_at) {
        begin_table(p);
    }
    TRY(put_copies(p, err));
    while (t->scan_group < keyed_table_n_groups(t)) {
        if (*inout_work == 0 || paged_piece_size(x) >= piece_bytes) {
            return 1;
        }
        uint32_t before = paged_piece_len(x);
        TRY(put_group(p, keyed_table_scanned_group(t), err));
        uint32_t done = paged_piece_len(x) - before;
        t->scan_group++;
        *inout_work -= MIN(*inout_work, done + (t->scan_group % GROUPS_PER_ENTRY == 0));
    }
    return 0;
}

/* All of it is in the store. */
static void confirm(struct paged_store *s)
{
    for (size_t i = 0; i < s->tables.len; i++) {
        struct paged_table *p = vec_ptr(&s->tables, i);
        paged_table_forget_removals(p, removals_of(p));
    }
    free_doomed(s);
    keyed_track_thaw(&s->track);
    keyed_track_confirm(&s->track);
    s->is_frozen = false;
    s->target = NULL;
    if (s->snapshot != NULL) {
        paged_snapshot_note_written(s->snapshot);
    }
}

/* Why the checkpoint at hand cannot be right any more; 0: it can. */
static int check_lost(const struct paged_store *s, struct error *err)
{
    const struct keyed_backend_options *o = s->options;
    if (s->unlinked.code != 0) {
        error_copy(err, &s->unlinked);
        return s->unlinked.code;
    }
    return !s->track.snapshot_lost
               ? 0
               : error_set(err, ERR_LIMIT,
                           "keeping entries of operator '%s' that changed while a checkpoint was "
                           "written needs more memory than the budget '%s' has; the state is "
                           "unharmed; raise taskmanager.memory.managed.size",
                           o->operator_name, o->budget != NULL ? o->budget->name : "");
}

int paged_store_step(struct paged_store *s, uint32_t n_entries, struct error *err)
{
    uint32_t work = n_entries;
    ASSERT(s->is_frozen);
    TRY(FAILPOINT(err, "state.paged.step"));
    if (s->piece != NULL && paged_piece_is_sent(s->piece)) {
        TRY(paged_store_settle(s, PAGED_POLL, err));
        if (s->piece != NULL && !s->track.snapshot_lost) {
            return PAGED_WRITING;
        }
    }
    TRY(check_lost(s, err));
    if (s->piece == NULL) {
        paged_store_begin_piece(s, NULL, s->frozen_drops);
    }
    while (s->frozen_table < s->tables.len) {
        int rc = put_table(vec_ptr(&s->tables, s->frozen_table), &work, err);
        if (rc < 0) {
            return rc;
        }
        if (paged_piece_size(s->piece) >= paged_store_piece_bytes(s)) {
            TRY(paged_store_write_piece(s, err));
            return PAGED_WRITING;
        }
        if (rc == 1) {
            return PAGED_MORE;
        }
        s->frozen_table++;
    }
    if (!s->last_is_sent && (!paged_piece_is_empty(s->piece) || s->wants_files)) {
        s->last_is_sent = true;
        if (s->wants_files) {
            paged_piece_link_files(s->piece);
        }
        TRY(paged_store_write_piece(s, err));
        return PAGED_WRITING;
    }
    paged_store_drop_piece(s);
    confirm(s);
    return PAGED_DONE;
}

int paged_store_advance(struct paged_store *s, struct error *err)
{
    struct error why = ERROR_INIT;
    TRY(paged_store_settle(s, PAGED_WAIT, err));
    if (!s->is_frozen) {
        return 0;
    }
    if (check_lost(s, &why) < 0) {
        if (s->snapshot != NULL) {
            paged_snapshot_note_lost(s->snapshot, &why);
        }
        paged_store_thaw(s);
        return 0;
    }
    int rc = paged_store_step(s, UINT32_MAX, err);
    return rc < 0 ? rc : 0;
}

int paged_store_finish(struct paged_store *s, struct error *err)
{
    while (s->is_frozen) {
        TRY(paged_store_advance(s, err));
        TRY(paged_store_settle(s, PAGED_WAIT, err));
    }
    return 0;
}

int paged_store_flush(struct paged_store *s, struct error *err)
{
    TRY(paged_store_finish(s, err));
    paged_store_freeze(s, PAGED_NO_FILES, NULL);
    int rc = paged_store_finish(s, err);
    if (rc < 0) {
        paged_store_thaw(s);
    }
    return rc;
}
