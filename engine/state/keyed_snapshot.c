/* Writing a snapshot of a keyed backend: frozen at once, written in slices between batches.
 *
 * State after state: dropped namespaces, then table by table its removed keys and its entries, first the
 * copies of those that were changed meanwhile.  Tables of namespaces that are dropped meanwhile come to
 * the snapshot and are written at the end of their state.
 *
 * Thread: one owner (the task).  Flink: HeapSnapshotStrategy, CopyOnWriteStateTableSnapshot. */
#include "engine/state/keyed_snapshot.h"

#include "common/base/failpoint.h"
#include "engine/state/keyed_table_probe.h"
#include "engine/state/paged/paged.h"

#include <stdlib.h>

enum {
    BLOCK_BYTES = 512 * 1024, /* of the entries of one block, about */
    GROUPS_PER_ENTRY = 4,     /* looking at so many groups counts as writing an entry */
};

enum snapshot_stage {
    SNAPSHOT_DROPS,  /* of the state at hand */
    SNAPSHOT_TABLES, /* that are there */
    SNAPSHOT_DOOMED, /* that were dropped since the freeze */
    SNAPSHOT_NEXT,   /* another state */
    SNAPSHOT_STORED, /* rows of paged states, of a canonical savepoint */
    SNAPSHOT_ENDING, /* all is written; the output is not done */
};

struct doomed_table {
    struct keyed_state *state; /* Borrows */
    int64_t name_space;
    struct keyed_table *table; /* Owns */
};

struct keyed_snapshot {
    struct keyed_backend *backend; /* Borrows */
    uint64_t checkpoint_id;
    bool in_chain, is_base, is_canonical;
    enum snapshot_stage stage;
    struct segment_writer *writer; /* Owns; NULL: ended, or nothing to write */
    uint32_t n_states;             /* at the freeze */
    uint32_t n_blocks;
    uint32_t state;                 /* at hand */
    bool is_declared;               /* in the segment */
    uint32_t declared;              /* its number there */
    uint32_t *all_declared;         /* Owns; by state */
    struct paged_snapshot *paged;   /* Owns; NULL: no state is paged */
    struct snapshot_target *target; /* Owns a ref */
    size_t next_drop;               /* where DROPS goes on */
    int64_t name_space;             /* where TABLES goes on */
    bool tables_done;               /* no namespace is above */
    struct vec doomed;              /* struct doomed_table; Owns */
    uint32_t work;                  /* left in this slice */
    uint32_t frozen_at;             /* version of the freeze */
    uint32_t n_entries;             /* gathered for a block */
    uint32_t n_copy_blocks;         /* blocks of copies among them */
    bool is_taken;                  /* the segment, from its writer: */
    Flinc__KeyedSegment *segment;   /* Owns; NULL: there is none, or the handle has it */
    struct segment_run runs[BATCH_ROWS_MAX];
    struct keyed_entry entries[2 * BATCH_ROWS_MAX]; /* half of it for sorting */
};

/* ---- freezing ---------------------------------------------------------------------------------- */

static bool kind_is_chain(Flinc__CheckpointKind kind)
{
    return kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL;
}

static int open_writer(struct keyed_snapshot *s, struct snapshot_target *target, struct error *err)
{
    const struct keyed_backend_options *o = &s->backend->options;
    for (size_t i = 0; s->in_chain && !s->is_base && i < s->backend->chain.segments.len; i++) {
        const Flinc__KeyedSegment *segment = vec_ptr(&s->backend->chain.segments, i);
        snapshot_target_count_inline(target, segment->blob);
    }
    struct segment_writer_options options = {
        .output = snapshot_output_open(target, s->in_chain ? SNAPSHOT_SCOPE_SHARED
                                                           : SNAPSHOT_SCOPE_EXCLUSIVE),
        .pool = o->pool,
        .first_group = o->first_group,
        .last_group = o->last_group,
        .max_parallelism = o->max_parallelism,
        .checkpoint_id = s->checkpoint_id,
        .is_base = s->is_base,
        .compression = o->compress_snapshots ? SEGMENT_COMPRESSION_LZ4 : SEGMENT_COMPRESSION_NONE,
    };
    return segment_writer_new(&options, &s->writer, err);
}

int keyed_backend_freeze(struct keyed_backend *b, const struct keyed_freeze *how,
                         struct keyed_snapshot **ret_snapshot, struct error *err)
{
    ASSERT(b->snapshot == NULL);
    TRY(FAILPOINT(err, "state.keyed.freeze"));
    bool in_chain = kind_is_chain(how->kind);
    bool is_base = !in_chain || keyed_chain_is_due(&b->chain) ||
                   keyed_chain_is_waste(&b->chain, how->target) ||
                   keyed_track_needs_base(&b->track);
    if (is_base) {
        TRY(keyed_restored_open_rest(b, err));
    }
    struct keyed_snapshot *s = MEM_NEW(struct keyed_snapshot);
    s->backend = b;
    s->checkpoint_id = how->checkpoint_id;
    s->in_chain = in_chain;
    s->is_base = is_base;
    s->is_canonical = how->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL;
    s->n_states = (uint32_t)b->states.len;
    s->all_declared = MEM_NEW_ARRAY(uint32_t, s->n_states + 1);
    s->stage = SNAPSHOT_NEXT;
    s->state = UINT32_MAX; /* the one before the first */
    vec_init(&s->doomed, sizeof(struct doomed_table));
    int rc = open_writer(s, how->target, err);
    if (rc < 0) {
        vec_fini(&s->doomed);
        mem_free(s->all_declared);
        mem_free(s);
        return rc;
    }
    s->target = snapshot_target_ref(how->target);
    if (b->paged != NULL) {
        s->paged = paged_snapshot_begin(b->paged, how);
    }
    if (how->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL) {
        /* It is asked for when files of earlier checkpoints must not be referred to any more. */
        keyed_chain_forget(&b->chain);
    }
    keyed_track_freeze(&b->track, is_base ? KEYED_FROZEN_ALL : KEYED_FROZEN_CHANGES, in_chain);
    s->frozen_at = b->track.frozen_at;
    b->snapshot = s;
    *ret_snapshot = s;
    return 0;
}

static void thaw(struct keyed_snapshot *s)
{
    struct keyed_backend *b = s->backend;
    for (size_t i = 0; i < s->doomed.len; i++) {
        struct doomed_table *d = VEC_AT(&s->doomed, struct doomed_table, i);
        keyed_table_free(d->table);
    }
    vec_clear(&s->doomed);
    if (b->snapshot == s) {
        keyed_track_thaw(&b->track);
        b->snapshot = NULL;
    }
}

struct keyed_snapshot *keyed_snapshot_free(struct keyed_snapshot *s)
{
    if (s != NULL) {
        thaw(s);
        paged_snapshot_free(s->paged);
        segment_writer_free(s->writer);
        if (s->segment != NULL) {
            snapshot_target_discard(s->target, s->segment->blob);
            flinc__keyed_segment__free_unpacked(s->segment, NULL);
        }
        snapshot_target_unref(s->target);
        vec_fini(&s->doomed);
        mem_free(s->all_declared);
        mem_free(s);
    }
    return NULL;
}

bool keyed_snapshot_is_writable(const struct keyed_snapshot *s)
{
    if (s->backend->track.snapshot_lost) {
        return true;
    }
    bool paged = s->paged == NULL || paged_snapshot_is_writable(s->paged);
    bool own = s->writer == NULL || s->is_taken || segment_writer_is_writable(s->writer);
    if (s->is_taken || s->stage == SNAPSHOT_STORED) {
        return paged && own;
    }
    return own || (s->paged != NULL && paged_snapshot_is_frozen(s->paged) && paged);
}

/* ---- dropped namespaces ------------------------------------------------------------------------ */

/* Forgets those that the confirmed checkpoint knows of; nothing while a snapshot goes through the rest. */
static void trim_dropped(struct keyed_state *s)
{
    const uint32_t confirmed = s->backend->track.confirmed_freeze;
    size_t old = 0;
    while (old < s->dropped.len &&
           VEC_AT(&s->dropped, struct keyed_dropped, old)->version < confirmed) {
        old++;
    }
    if (old > 0) {
        size_t left = s->dropped.len - old;
        memmove(s->dropped.data, (char *)s->dropped.data + old * sizeof(struct keyed_dropped),
                left * sizeof(struct keyed_dropped));
        s->dropped.len = left;
    }
}

void keyed_state_note_drop(struct keyed_state *s, int64_t name_space,
                           const struct keyed_table *table)
{
    struct keyed_track *k = &s->backend->track;
    if (!keyed_state_is_in_segments(s) || table->created >= k->chain_frozen_at ||
        keyed_track_ignores_removals(k)) {
        return;
    }
    trim_dropped(s);
    if (s->dropped.len == DROPPED_MAX) {
        keyed_track_forget(k);
        return;
    }
    *VEC_PUSH(&s->dropped, struct keyed_dropped) =
        (struct keyed_dropped){.name_space = name_space, .version = k->version};
}

bool keyed_snapshot_take_table(struct keyed_state *s, int64_t name_space, struct keyed_table *table)
{
    struct keyed_snapshot *snapshot = s->backend->snapshot;
    const struct keyed_track *k = &s->backend->track;
    if (snapshot == NULL || !keyed_state_is_in_segments(s) || k->what == KEYED_FROZEN_NOTHING ||
        table->created >= k->frozen_at || keyed_table_is_written(table)) {
        return false;
    }
    *VEC_PUSH(&snapshot->doomed, struct doomed_table) =
        (struct doomed_table){.state = s, .name_space = name_space, .table = table};
    return true;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static struct keyed_state *state_at_hand(const struct keyed_snapshot *s)
{
    return vec_ptr(&s->backend->states, s->state);
}

static int declare(struct keyed_snapshot *s, struct error *err)
{
    const struct keyed_state *state = state_at_hand(s);
    if (s->is_declared) {
        return 0;
    }
    TRY(segment_writer_add_state(s->writer,
                                 &(struct segment_state){.name = state->name,
                                                         .kind = state->kind,
                                                         .key_schema = state->rows->key,
                                                         .n_key_columns = state->n_key_columns,
                                                         .value_schema = state->rows->value,
                                                         .ttl_ms = state->ttl_ms},
                                 &s->declared, err));
    s->all_declared[s->state] = s->declared;
    s->is_declared = true;
    return 0;
}

static int put_block(struct keyed_snapshot *s, enum segment_block_kind kind, int64_t name_space,
                     const struct batch *rows, uint32_t n_runs, struct error *err)
{
    TRY(declare(s, err));
    s->n_blocks++;
    return segment_writer_put(s->writer, s->declared, kind, name_space, rows, s->runs, n_runs, err);
}

static void add_entry(struct keyed_snapshot *s, const struct keyed_table *t, const char *entry,
                      bool is_null)
{
    uint64_t hash = keyed_entry_hash(t, entry, is_null);
    s->entries[s->n_entries++] =
        (struct keyed_entry){.entry = entry,
                             .group = (uint32_t)hash % s->backend->options.max_parallelism,
                             .is_null = is_null};
}

/* Takes entries whose time is over out of those that were gathered for a full snapshot. */
static void leave_out_expired(struct keyed_snapshot *s, const struct keyed_table *t)
{
    const struct keyed_expiry *x = &state_at_hand(s)->expiry;
    if (x->clock == NULL || !x->is_left_out || s->in_chain) {
        return;
    }
    int64_t now_ms = clock_now_ms(x->clock), stamp;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_entries; i++) {
        memcpy(&stamp, s->entries[i].entry + t->value_offset + x->offset, sizeof(stamp));
        s->entries[kept] = s->entries[i];
        kept += !keyed_stamp_is_over(stamp, x->ttl_ms, now_ms);
    }
    s->work -= MIN(s->work, s->n_entries - kept);
    s->n_entries = kept;
}

/* Writes the entries that were gathered. */
static int put_entries(struct keyed_snapshot *s, enum segment_block_kind kind, int64_t name_space,
                       const struct keyed_table *t, struct error *err)
{
    const struct keyed_rows *rows = state_at_hand(s)->rows;
    struct buffer_pool *pool = s->backend->options.pool;
    struct batch *batch = NULL;
    if (kind == SEGMENT_BLOCK_PUT) {
        leave_out_expired(s, t);
    }
    if (s->n_entries == 0) {
        return 0;
    }
    uint32_t n = s->n_entries, n_runs = keyed_entries_sort(s->entries, n, s->runs);
    TRY(kind == SEGMENT_BLOCK_PUT ? keyed_rows_gather(rows, t, pool, s->entries, n, &batch, err)
                                  : keyed_keys_gather(rows, t, pool, s->entries, n, &batch, err));
    segment_writer_set_seed(s->writer, t->seed);
    int rc = put_block(s, kind, name_space, batch, n_runs, err);
    batch_unref(batch);
    s->work -= MIN(s->work, n);
    return rc;
}

static int put_drops(struct keyed_snapshot *s, struct error *err)
{
    const struct keyed_state *state = state_at_hand(s);
    const struct keyed_track *k = &s->backend->track;
    while (!s->is_base && s->next_drop < state->dropped.len) {
        const struct keyed_dropped *d = VEC_AT(&state->dropped, struct keyed_dropped, s->next_drop);
        if (d->version >= k->frozen_at) {
            break;
        }
        if (s->work == 0 || !segment_writer_is_writable(s->writer)) {
            return 0;
        }
        s->work--;
        s->next_drop++;
        TRY(put_block(s, SEGMENT_BLOCK_DROP, d->name_space, NULL, 0, err));
    }
    s->stage = SNAPSHOT_TABLES;
    return 0;
}

/* ---- entries of a table ------------------------------------------------------------------------ */

/* 1: there was a block, 0: no more. */
static int put_removed(struct keyed_snapshot *s, int64_t name_space, struct keyed_table *t,
                       struct error *err)
{
    const struct keyed_track *k = t->track;
    size_t from = t->removed_start + t->removed_written;
    s->n_entries = 0;
    for (size_t i = from; i < t->removed.len && s->n_entries < BATCH_ROWS_MAX; i++) {
        const struct keyed_removed *r = VEC_AT(&t->removed, struct keyed_removed, i);
        if (r->version >= k->frozen_at) {
            break;
        }
        s->entries[s->n_entries++] =
            (struct keyed_entry){.entry = r->key,
                                 .group = (uint32_t)r->hash % s->backend->options.max_parallelism,
                                 .is_null = r->is_null};
    }
    if (s->n_entries == 0) {
        return 0;
    }
    t->removed_written += s->n_entries;
    TRY(put_entries(s, SEGMENT_BLOCK_REMOVE, name_space, t, err));
    return 1;
}

static size_t entry_bytes(const struct keyed_table *t, const char *entry)
{
    size_t bytes = t->stride;
    if (t->key_has_view) {
        uint32_t len;
        memcpy(&len, entry, sizeof(len));
        bytes += len;
    }
    return bytes +
           (t->record != NULL ? record_string_bytes(t->record, entry + t->value_offset) : 0);
}

static size_t gather_copies(struct keyed_snapshot *s, struct keyed_table *t)
{
    size_t bytes = 0;
    s->n_copy_blocks = 0;
    for (struct keyed_copies *c = keyed_table_copies(t);
         c != NULL && s->n_entries + c->n <= BATCH_ROWS_MAX && bytes < BLOCK_BYTES; c = c->next) {
        for (uint32_t i = 0; i < c->n; i++) {
            const char *entry = c->entries + (size_t)i * t->stride;
            bytes += entry_bytes(t, entry);
            add_entry(s, t, entry, i == c->null_at);
        }
        s->n_copy_blocks++;
    }
    return bytes;
}

/* Frozen entries that are in their slots; they count as written. */
static void gather_slots(struct keyed_snapshot *s, struct keyed_table *t, size_t bytes)
{
    uint32_t n_groups = keyed_table_n_groups(t);
    uint32_t looked_at = 0;
    const uint32_t most = s->work * GROUPS_PER_ENTRY, rows = MIN(s->work, (uint32_t)BATCH_ROWS_MAX);
    while (t->scan_group < n_groups && looked_at < most) {
        uint32_t group = keyed_table_scanned_group(t);
        struct keyed_group *g = &t->groups[group];
        keyed_group_catch_up(t->track, g);
        while (g->frozen != 0) {
            if (s->n_entries >= rows || bytes >= BLOCK_BYTES) {
                return;
            }
            uint32_t at = (uint32_t)__builtin_ctz(g->frozen);
            uint32_t slot = group * KEYED_GROUP_SLOTS + at;
            const char *entry = t->entries + (size_t)slot * t->stride;
            g->frozen &= (uint8_t)(g->frozen - 1);
            bytes += entry_bytes(t, entry);
            add_entry(s, t, entry, slot == t->null_slot);
        }
        t->scan_group++;
        looked_at++;
    }
    s->work -= MIN(s->work, looked_at / GROUPS_PER_ENTRY);
}

/* Some of what a table has: 1, or 0 when all is written. */
static int put_table(struct keyed_snapshot *s, int64_t name_space, struct keyed_table *t,
                     struct error *err)
{
    if (t->scan_at != t->track->frozen_at) {
        t->scan_at = t->track->frozen_at;
        t->scan_group = 0;
        t->removed_written = 0;
        keyed_table_trim_removed(t);
    }
    if (!s->is_base) {
        int rc = put_removed(s, name_space, t, err);
        if (rc != 0) {
            return rc;
        }
    }
    s->n_entries = 0;
    gather_slots(s, t, gather_copies(s, t));
    if (s->n_entries > 0) {
        TRY(put_entries(s, SEGMENT_BLOCK_PUT, name_space, t, err));
        while (s->n_copy_blocks > 0) {
            keyed_table_pop_copies(t);
            s->n_copy_blocks--;
        }
        return 1;
    }
    return keyed_table_is_written(t) ? 0 : 1;
}

static void leave_table(struct keyed_snapshot *s)
{
    s->tables_done = s->name_space == INT64_MAX;
    s->name_space += s->name_space < INT64_MAX;
    s->work -= s->work > 0;
}

/* The table at hand; NULL: there are no more, or the slice is over. */
static struct keyed_table *next_table(struct keyed_snapshot *s)
{
    struct keyed_state *state = state_at_hand(s);
    const struct keyed_track *k = &s->backend->track;
    while (!s->tables_done && s->work > 0) {
        struct keyed_table *t = state->backend->desc->table_from(state, &s->name_space);
        if (t == NULL) {
            s->tables_done = true;
        } else if (!keyed_table_is_cache(state, t) && t->created < k->frozen_at &&
                   (s->is_base || !keyed_table_is_clean(t))) {
            return t;
        } else {
            leave_table(s);
        }
    }
    return NULL;
}

static int put_from_tables(struct keyed_snapshot *s, struct error *err)
{
    struct keyed_table *t = next_table(s);
    if (t == NULL) {
        s->stage = s->tables_done ? SNAPSHOT_DOOMED : SNAPSHOT_TABLES;
        return 0;
    }
    int rc = put_table(s, s->name_space, t, err);
    if (rc == 0) {
        leave_table(s);
    }
    return rc < 0 ? rc : 0;
}

static int put_from_doomed(struct keyed_snapshot *s, struct error *err)
{
    for (size_t i = 0; i < s->doomed.len; i++) {
        struct doomed_table *d = VEC_AT(&s->doomed, struct doomed_table, i);
        if (d->state == state_at_hand(s)) {
            int rc = put_table(s, d->name_space, d->table, err);
            if (rc == 0) {
                keyed_table_free(d->table);
                vec_remove_swap(&s->doomed, i);
            }
            return rc < 0 ? rc : 0;
        }
    }
    s->stage = SNAPSHOT_NEXT;
    return 0;
}

/* The next state that is in snapshots, or the end. */
static int begin_state(struct keyed_snapshot *s, struct error *err)
{
    do {
        s->state++;
    } while (s->state < s->n_states && !keyed_state_is_in_segments(state_at_hand(s)));
    if (s->state >= s->n_states) {
        s->stage = s->paged != NULL && s->is_canonical ? SNAPSHOT_STORED : SNAPSHOT_ENDING;
        return 0;
    }
    s->stage = SNAPSHOT_DROPS;
    s->is_declared = false;
    s->next_drop = 0;
    trim_dropped(state_at_hand(s));
    s->name_space = INT64_MIN;
    s->tables_done = false;
    /* A base tells of every state, also of an empty one. */
    return s->is_base ? declare(s, err) : 0;
}

static uint32_t number_of(const struct keyed_snapshot *s, const struct keyed_state *state)
{
    uint32_t i = 0;
    while (i < s->n_states && vec_ptr(&s->backend->states, i) != state) {
        i++;
    }
    return i;
}

/* When all of them are in the store, a block of those it has. */
static int put_stored(struct keyed_snapshot *s, struct error *err)
{
    struct keyed_state *state = NULL;
    struct batch *rows = NULL;
    uint32_t n_runs = 0;
    int64_t name_space = NAMESPACE_VOID;
    if (paged_snapshot_is_frozen(s->paged)) {
        s->work = 0;
        return 0;
    }
    int rc = paged_snapshot_rows(s->paged, &state, &name_space, &rows, s->runs, &n_runs, err);
    if (rc <= 0) {
        s->stage = SNAPSHOT_ENDING;
        return rc;
    }
    s->state = number_of(s, state);
    ASSERT(s->state < s->n_states);
    s->declared = s->all_declared[s->state];
    s->is_declared = true;
    rc = put_block(s, SEGMENT_BLOCK_PUT, name_space, rows, n_runs, err);
    s->work -= MIN(s->work, rows->n_rows);
    batch_unref(rows);
    return rc;
}

static int write_some(struct keyed_snapshot *s, struct error *err)
{
    switch (s->stage) {
    case SNAPSHOT_NEXT:
        return begin_state(s, err);
    case SNAPSHOT_DROPS:
        return put_drops(s, err);
    case SNAPSHOT_TABLES:
        return put_from_tables(s, err);
    case SNAPSHOT_DOOMED:
        return put_from_doomed(s, err);
    case SNAPSHOT_STORED:
        return put_stored(s, err);
    case SNAPSHOT_ENDING:
        break;
    }
    return 0;
}

/* ---- slices ------------------------------------------------------------------------------------ */

static int lost(const struct keyed_snapshot *s, struct error *err)
{
    const struct keyed_backend_options *o = &s->backend->options;
    const struct keyed_state *state =
        s->state < s->n_states ? vec_ptr(&s->backend->states, s->state) : NULL;
    return error_set(err, ERR_LIMIT,
                     "checkpoint %llu of operator '%s' is given up: keeping entries that changed "
                     "while state '%s' was written needs more memory than the budget '%s' has; the "
                     "state is unharmed; raise taskmanager.memory.managed.size",
                     (unsigned long long)s->checkpoint_id, o->operator_name,
                     state != NULL ? state->name : "", o->budget != NULL ? o->budget->name : "");
}

/* Everything is in the writer's hands: changes need no copies any more. */
static int end_writing(struct keyed_snapshot *s, struct error *err)
{
    thaw(s);
    if (!s->is_base && s->n_blocks == 0) {
        s->writer = segment_writer_free(s->writer);
        return 0;
    }
    return segment_writer_finish(s->writer, err);
}

static void fill_handle(struct keyed_snapshot *s, Flinc__KeyedSegment *take_segment,
                        Flinc__KeyedHandle *handle)
{
    const struct keyed_backend_options *o = &s->backend->options;
    const char *name = s->is_canonical ? KEYED_BACKEND_CANONICAL : s->backend->desc->kind;
    flinc__keyed_handle__init(handle);
    handle->backend = strdup(name);
    handle->version = KEYED_HANDLE_VERSION;
    handle->first_group = o->first_group;
    handle->last_group = o->last_group;
    if (s->in_chain) {
        keyed_chain_add(&s->backend->chain, s->checkpoint_id, s->frozen_at, take_segment, handle);
    } else {
        keyed_handle_add(handle, take_segment);
    }
}

/* The segment, when it is written: 1, or 0: not yet. */
static int take_segment(struct keyed_snapshot *s, struct error *err)
{
    if (s->writer != NULL && !s->is_taken) {
        Flinc__KeyedSegment polled;
        int rc = segment_writer_poll(s->writer, &polled, err);
        if (rc <= 0) {
            return rc;
        }
        s->segment = malloc(sizeof(*s->segment));
        ASSERT(s->segment != NULL);
        *s->segment = polled;
    }
    s->is_taken = true;
    return 1;
}

static int finish(struct keyed_snapshot *s, Flinc__KeyedHandle *ret_handle, struct error *err)
{
    int rc = take_segment(s, err);
    if (rc <= 0) {
        return rc < 0 ? rc : 1;
    }
    if (s->paged != NULL) {
        rc = paged_snapshot_step(s->paged, 0, err);
        if (rc != 0) {
            return rc;
        }
    }
    Flinc__KeyedHandle files = FLINC__KEYED_HANDLE__INIT;
    if (s->paged != NULL) {
        TRY(paged_snapshot_take(s->paged, &files, err));
    }
    fill_handle(s, STEAL(s->segment), ret_handle);
    ret_handle->files = files.files;
    ret_handle->n_files = files.n_files;
    ret_handle->stored_states = files.stored_states;
    ret_handle->n_stored_states = files.n_stored_states;
    return 0;
}

/* Writes what is in memory until a slice is full. */
static int write_own(struct keyed_snapshot *s, struct error *err)
{
    while (s->stage != SNAPSHOT_ENDING) {
        if (s->backend->track.snapshot_lost) {
            return lost(s, err);
        }
        if (s->work == 0 || !segment_writer_is_writable(s->writer)) {
            return 1;
        }
        TRY(FAILPOINT(err, "state.keyed.step"));
        TRY(write_some(s, err));
    }
    return end_writing(s, err);
}

static int step(struct keyed_snapshot *s, uint32_t n_entries, Flinc__KeyedHandle *ret_handle,
                struct error *err)
{
    s->work = n_entries;
    if (s->paged != NULL && paged_snapshot_is_frozen(s->paged) &&
        paged_snapshot_is_writable(s->paged)) {
        int rc = paged_snapshot_step(s->paged, n_entries, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (s->backend->snapshot == s) {
        int rc = write_own(s, err);
        if (rc != 0) {
            return rc;
        }
    }
    return finish(s, ret_handle, err);
}

int keyed_snapshot_step(struct keyed_snapshot *s, uint32_t n_entries,
                        Flinc__KeyedHandle *ret_handle, struct error *err)
{
    int rc = step(s, n_entries, ret_handle, err);
    if (rc < 0) {
        thaw(s);
        s->paged = paged_snapshot_free(s->paged);
    }
    return rc;
}

void keyed_backend_confirm(struct keyed_backend *b, uint64_t checkpoint_id)
{
    uint32_t frozen_at;
    if (b->paged != NULL) {
        shared_files_confirm(b->paged->shared_files, checkpoint_id);
    }
    if (keyed_chain_confirm(&b->chain, checkpoint_id, &frozen_at) &&
        frozen_at == b->track.chain_frozen_at) {
        keyed_track_confirm(&b->track);
    }
    /* Of an earlier freeze: what changed since is still told apart from nothing, so the next increment has
     * more than it needs, which does no harm. */
}
