/* Restoring a keyed backend: segments are opened and compared at once; a state gets its entries when it
 * is opened, straight into its own layout, by way of a schema migration where it is needed.
 *
 * Of every handle only the groups of this subtask are read.  A namespace that an increment dropped is
 * dropped for the groups of its handle alone: handles of other subtasks may still have it.
 *
 * States that nobody opens stay in the segments of the chain, and are made states of their own when a
 * base has to be written.  Thread: one owner.  Flink: HeapRestoreOperation, StateSerializerProvider. */
#include "engine/state/keyed_snapshot.h"
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "common/rpc/message.h"

/* A state that some segment has. */
struct restored_state {
    char *name; /* Owns */
    bool is_loaded;
};

struct keyed_restored {
    Flinc__OperatorSubtaskState *handles; /* Owns */
    char *directory;                      /* Owns */
    uint64_t checkpoint_id;
    struct vec states; /* struct restored_state; Owns */
};

/* PUT rows of one namespace that come one after another. */
struct rows_ahead {
    int64_t name_space;
    uint64_t n_left; /* 0: there are none */
    uint64_t n_seen; /* before those, */
    uint64_t n_new;  /* of which so many were of keys that were not there */
};

/* Filling one state. */
struct loader {
    struct keyed_state *state;         /* Borrows */
    const struct keyed_restored *from; /* Borrows */
    const Flinc__KeyedHandle *handle;  /* Borrows: at hand */
    uint32_t first_group, last_group;  /* wanted of it */
    struct schema_migration *values;   /* Owns: of the segment at hand; NULL: not needed */
    const struct schema *old_values;   /* Borrows: the segment's */
    bool adds_stamps;                  /* its entries have no time stamp, those of the state do */
    int64_t now_ms;                    /* which is this one */
    uint32_t *key_columns;             /* Owns: 0, 1, ... */
    struct rows_ahead ahead;           /* in the segment at hand */
    bool is_first;                     /* which is the first one, a base: its keys are all new */
    bool has_rows;                     /* segments have some */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

struct keyed_restored *keyed_restored_free(struct keyed_restored *r)
{
    if (r != NULL) {
        for (size_t i = 0; i < r->states.len; i++) {
            mem_free(VEC_AT(&r->states, struct restored_state, i)->name);
        }
        vec_fini(&r->states);
        if (r->handles != NULL) {
            flinc__operator_subtask_state__free_unpacked(r->handles, NULL);
        }
        mem_free(r->directory);
        mem_free(r);
    }
    return NULL;
}

static struct restored_state *find_restored(const struct keyed_restored *r, const char *name)
{
    for (size_t i = 0; i < r->states.len; i++) {
        struct restored_state *s = VEC_AT(&r->states, struct restored_state, i);
        if (strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int add_states(struct keyed_backend *b, struct keyed_restored *r,
                      const Flinc__KeyedSegment *segment, struct error *err)
{
    struct segment_reader *reader;
    TRY(segment_reader_open(segment, r->directory, &reader, err));
    uint32_t max_parallelism = segment_reader_max_parallelism(reader);
    for (uint32_t i = 0; i < segment_reader_n_states(reader); i++) {
        const char *name = segment_reader_state(reader, i)->name;
        if (find_restored(r, name) == NULL) {
            VEC_PUSH(&r->states, struct restored_state)->name = mem_strdup(name);
        }
    }
    segment_reader_close(reader);
    if (max_parallelism != b->options.max_parallelism) {
        return error_set(err, ERR_STATE,
                         "operator '%s' has maximum parallelism %u, its state was written with %u: "
                         "set it to %u",
                         b->options.operator_name, b->options.max_parallelism, max_parallelism,
                         max_parallelism);
    }
    return 0;
}

static bool handle_is_wanted(const struct keyed_backend *b, const Flinc__KeyedHandle *h)
{
    return h->last_group >= b->options.first_group && h->first_group <= b->options.last_group;
}

static int open_handles(struct keyed_backend *b, struct keyed_restored *r, struct error *err)
{
    for (size_t i = 0; i < r->handles->n_keyed; i++) {
        const Flinc__KeyedHandle *h = r->handles->keyed[i];
        bool is_rocksdb = strcmp(h->backend, KEYED_BACKEND_ROCKSDB) == 0;
        if (is_rocksdb && b->paged == NULL) {
            return error_set(err, ERR_UNSUPPORTED,
                             "keyed state of operator '%s' was written by backend 'rocksdb' in its "
                             "own format, and "
                             "the backend is '%s': set state.backend.type to rocksdb, or use a "
                             "canonical savepoint",
                             b->options.operator_name, b->desc->kind);
        }
        if (h->version != KEYED_HANDLE_VERSION ||
            (!is_rocksdb && strcmp(h->backend, KEYED_BACKEND_HASHMAP) != 0 &&
             strcmp(h->backend, KEYED_BACKEND_CANONICAL) != 0)) {
            return error_set(
                err, ERR_UNSUPPORTED,
                "keyed state of operator '%s' was written by backend '%s', version "
                "%u; this Flinc reads '%s', '%s' and '%s', version %d: use the Flinc that "
                "wrote it, or a canonical savepoint",
                b->options.operator_name, h->backend, h->version, KEYED_BACKEND_HASHMAP,
                KEYED_BACKEND_ROCKSDB, KEYED_BACKEND_CANONICAL, KEYED_HANDLE_VERSION);
        }
        for (size_t k = 0; k < h->n_segments && handle_is_wanted(b, h); k++) {
            TRY(add_states(b, r, h->segments[k], err));
        }
        for (size_t k = 0; k < h->n_stored_states; k++) {
            if (find_restored(r, h->stored_states[k]->name) == NULL) {
                VEC_PUSH(&r->states, struct restored_state)->name =
                    mem_strdup(h->stored_states[k]->name);
            }
        }
    }
    return 0;
}

/* Later increments may build on what was restored: it is all of this subtask and nothing else, and its
 * files are shared ones. */
static bool may_continue(const struct keyed_backend *b, const Flinc__OperatorSubtaskState *state)
{
    if (state->n_keyed != 1) {
        return false;
    }
    const Flinc__KeyedHandle *h = state->keyed[0];
    bool fits = h->first_group == b->options.first_group &&
                h->last_group == b->options.last_group && h->n_segments > 0 &&
                h->segments[0]->is_base && strcmp(h->backend, b->desc->kind) == 0;
    for (size_t i = 0; i < h->n_segments; i++) {
        const Flinc__StateBlob *blob = h->segments[i]->blob;
        fits = fits && (blob->shared || blob->location[0] == '\0');
    }
    return fits;
}

int keyed_backend_restore(struct keyed_backend *b, const Flinc__OperatorSubtaskState *state,
                          const char *directory, uint64_t checkpoint_id, struct error *err)
{
    ASSERT(b->states.len == 0 && b->restored == NULL);
    TRY(FAILPOINT(err, "state.keyed.restore"));
    struct keyed_restored *r = MEM_NEW(struct keyed_restored);
    r->handles = message_copy(&state->base);
    r->directory = mem_strdup(directory);
    r->checkpoint_id = checkpoint_id;
    vec_init(&r->states, sizeof(struct restored_state));
    int rc = open_handles(b, r, err);
    if (rc == 0 && b->paged != NULL) {
        rc = paged_store_restore(b->paged, state, directory, err);
    }
    if (rc < 0) {
        error_context(err, "restoring keyed state of operator '%s' from checkpoint %llu",
                      b->options.operator_name, (unsigned long long)checkpoint_id);
        keyed_restored_free(r);
        return rc;
    }
    b->restored = r;
    if (may_continue(b, state)) {
        keyed_chain_restore(&b->chain, state->keyed[0]);
        /* As if it had been frozen and confirmed here. */
        b->track.version = 1;
        b->track.chain_frozen_at = b->track.confirmed_freeze = b->track.confirmed_at = 1;
    }
    return 0;
}

static struct loader *loader_new(struct keyed_state *s)
{
    const uint32_t n_keys = s->rows->key->n_fields;
    struct loader *l = MEM_NEW(struct loader);
    l->state = s;
    l->from = s->backend->restored;
    l->now_ms = s->expiry.clock != NULL ? clock_now_ms(s->expiry.clock) : 0;
    l->key_columns = MEM_NEW_ARRAY(uint32_t, n_keys);
    for (uint32_t i = 0; i < n_keys; i++) {
        l->key_columns[i] = i;
    }
    return l;
}

static void loader_free(struct loader *l)
{
    schema_migration_free(l->values);
    mem_free(l->key_columns);
    mem_free(l);
}

/* ---- fitting ----------------------------------------------------------------------------------- */

static int misfit(const struct loader *l, struct error *err, const char *why)
{
    return error_set(err, ERR_STATE,
                     "state '%s' of operator '%s' cannot be restored from checkpoint %llu: %s",
                     l->state->name, l->state->backend->options.operator_name,
                     (unsigned long long)l->from->checkpoint_id, why);
}

static int check_key(const struct loader *l, const struct segment_state *old, struct error *err)
{
    const struct schema *key = l->state->rows->key;
    bool same = key->n_fields == old->key_schema->n_fields;
    for (uint32_t i = 0; i < key->n_fields && same; i++) {
        same = type_equals(key->fields[i].type, old->key_schema->fields[i].type);
    }
    if (!same || old->n_key_columns != l->state->n_key_columns) {
        STR_AUTO why = STR_INIT;
        str_append_cstr(&why, "its key was ");
        schema_print(old->key_schema, &why);
        str_append_cstr(&why, " and is ");
        schema_print(key, &why);
        str_append_cstr(&why, " now, and keys cannot change their type");
        return misfit(l, err, str_cstr(&why));
    }
    return 0;
}

/* Compares a state of a segment with the one that is being opened. */
static int begin_segment(struct loader *l, const struct segment_state *old, struct error *err)
{
    if (strcmp(old->kind, l->state->kind) != 0) {
        STR_AUTO why = STR_INIT;
        str_printf(&why, "it was a %s state and is a %s state now", old->kind, l->state->kind);
        return misfit(l, err, str_cstr(&why));
    }
    TRY(check_key(l, old, err));
    struct error why = ERROR_INIT;
    if (schema_migration_new(old->value_schema, l->state->rows->value, &l->values, &why) < 0) {
        return misfit(l, err, why.message);
    }
    l->old_values = old->value_schema;
    l->adds_stamps = l->state->expiry.clock != NULL && old->ttl_ms == 0;
    if (schema_migration_is_identity(l->values)) {
        l->values = schema_migration_free(l->values);
    } else {
        /* Increments would be of another schema than their base. */
        keyed_chain_forget(&l->state->backend->chain);
    }
    return 0;
}

/* What a handle says of a state whose rows are in files. */
struct stored_schema {
    struct schema *key, *value; /* Own refs */
    struct segment_state state;
};

static void stored_schema_fini(struct stored_schema *s)
{
    schema_unref(s->key);
    schema_unref(s->value);
}

static int stored_schema_init(struct stored_schema *s, const Flinc__StoredState *as,
                              struct error *err)
{
    *s = (struct stored_schema){0};
    int rc = schema_parse(slice_cstr(as->key_schema), &s->key, err);
    rc = rc < 0 ? rc : schema_parse(slice_cstr(as->value_schema), &s->value, err);
    if (rc < 0) {
        error_context(err, "reading what is said of state '%s'", as->name);
        stored_schema_fini(s);
        return rc;
    }
    s->state = (struct segment_state){.name = as->name,
                                      .kind = as->kind,
                                      .key_schema = s->key,
                                      .n_key_columns = as->n_key_columns,
                                      .value_schema = s->value,
                                      .ttl_ms = as->ttl_ms};
    return 0;
}

/* ---- loading ----------------------------------------------------------------------------------- */

/* Rows of this state's schema out of rows of the segment's. */
static int migrate(struct loader *l, struct batch **inout_rows, struct error *err)
{
    const struct keyed_rows *rows = l->state->rows;
    struct buffer_pool *pool = l->state->backend->options.pool;
    const uint32_t n_keys = rows->key->n_fields, n_old = l->old_values->n_fields;
    struct batch *old = *inout_rows, *values = NULL;
    int32_t *map = MEM_NEW_ARRAY(int32_t, MAX(n_old, rows->row->n_fields) + 1);
    for (uint32_t i = 0; i < n_old; i++) {
        map[i] = (int32_t)(n_keys + i);
    }
    struct batch *old_values = batch_project(pool, old, l->old_values, map);
    int rc = schema_migration_apply(l->values, pool, old_values, &values, err);
    batch_unref(old_values);
    if (rc == 0) {
        for (uint32_t i = 0; i < rows->row->n_fields; i++) {
            map[i] = i < n_keys ? (int32_t)i : -1;
        }
        struct batch *b = batch_project(pool, old, rows->row, map);
        for (uint32_t i = n_keys; i < rows->row->n_fields; i++) {
            column_share(pool, &b->columns[i], &values->columns[i - n_keys]);
        }
        batch_unref(values);
        batch_unref(old);
        *inout_rows = b;
    }
    mem_free(map);
    return rc;
}

/* A time to live is new: it begins now. */
static void add_stamps(struct loader *l, uint32_t n)
{
    const struct keyed_state *s = l->state;
    for (uint32_t i = 0; l->adds_stamps && i < n; i++) {
        char *value = keyed_state_value(s, l->slots[i]);
        memcpy(value + s->expiry.offset, &l->now_ms, sizeof(l->now_ms));
    }
}

static int add_keys(struct loader *l, const struct segment_block *block, struct error *err)
{
    struct keyed_state *s = l->state;
    TRY(s->backend->desc->select(s, block->name_space, true, err));
    if (!l->is_first || keyed_table_is_cache(s, s->table)) {
        return keyed_state_upsert(s, block->name_space, block->rows, l->key_columns, l->slots,
                                  l->is_new, err);
    }
    int rc = keyed_table_add(s->table, block->rows, l->key_columns, l->slots, err);
    return rc < 0 ? keyed_state_failed(s, rc, err) : 0;
}

static int put_rows(struct loader *l, const struct segment_block *block, struct error *err)
{
    struct keyed_state *s = l->state;
    keyed_state_hash(s, block->rows, l->key_columns);
    if (block->kind == SEGMENT_BLOCK_PUT) {
        TRY(add_keys(l, block, err));
        int rc = keyed_rows_scatter(s->rows, s->table, block->rows, l->slots, err);
        add_stamps(l, block->rows->n_sel);
        return rc < 0 ? keyed_state_failed(s, rc, err) : 0;
    }
    TRY(keyed_state_find(s, block->name_space, block->rows, l->key_columns, l->slots, err));
    for (uint32_t i = 0; i < block->rows->n_sel; i++) {
        /* A key that came and went more than once is told of as often. */
        if (l->slots[i] != KEYED_SLOT_NONE && keyed_table_is_live(s->table, l->slots[i])) {
            keyed_state_remove(s, l->slots[i]);
        }
    }
    return 0;
}

/* A namespace that this handle dropped. */
static int drop_groups(struct loader *l, int64_t name_space, struct error *err)
{
    struct keyed_state *s = l->state;
    if (l->from->handles->n_keyed == 1) {
        keyed_state_drop_namespace(s, name_space);
        return 0;
    }
    struct keyed_walk *walk = NULL;
    TRY(keyed_walk_start(s, name_space, &walk, err));
    int n;
    while ((n = keyed_walk_next(walk, BATCH_ROWS_MAX, l->slots, err)) > 0) {
        for (int i = 0; i < n; i++) {
            uint32_t group = (uint32_t)keyed_table_hash(s->table, l->slots[i]) %
                             s->backend->options.max_parallelism;
            if (group >= l->handle->first_group && group <= l->handle->last_group) {
                keyed_state_remove(s, l->slots[i]);
            }
        }
    }
    keyed_walk_free(walk);
    return n;
}

static int load_block(struct loader *l, struct segment_block *block, struct error *err)
{
    int rc = 0;
    l->has_rows = true;
    if (l->state->paged != NULL) {
        /* The files have them from now on; were they to stay in segments, too, these would come over what becomes of them. */
        keyed_chain_forget(&l->state->backend->chain);
    }
    if (block->kind == SEGMENT_BLOCK_DROP) {
        return drop_groups(l, block->name_space, err);
    }
    if (block->kind == SEGMENT_BLOCK_PUT && l->values != NULL) {
        rc = migrate(l, &block->rows, err);
    }
    if (rc == 0) {
        rc = put_rows(l, block, err);
    }
    batch_unref(block->rows);
    return rc;
}

/* Where rows of a namespace begin: a table without any takes their order. */
static int begin_rows(struct loader *l, const struct segment_reader *reader,
                      const struct segment_block *block, struct error *err)
{
    struct keyed_state *s = l->state;
    l->ahead = (struct rows_ahead){.name_space = block->name_space};
    TRY(segment_reader_rows_ahead(reader, block, l->first_group, l->last_group, &l->ahead.n_left,
                                  err));
    TRY(s->backend->desc->select(s, block->name_space, true, err));
    keyed_table_take_seed(s->table, block->table_seed);
    return 0;
}

static void note_rows(struct loader *l, uint32_t n_rows, uint32_t n_new)
{
    l->ahead.n_seen += n_rows;
    l->ahead.n_new += n_new;
}

/* How many keys of a block are new, before any is added. */
static int look_at_rows(struct loader *l, const struct segment_block *block, struct error *err)
{
    uint32_t n_new = 0;
    keyed_state_hash(l->state, block->rows, l->key_columns);
    TRY(keyed_state_find(l->state, block->name_space, block->rows, l->key_columns, l->slots, err));
    for (uint32_t i = 0; i < block->rows->n_sel; i++) {
        n_new += l->slots[i] == KEYED_SLOT_NONE;
    }
    note_rows(l, block->rows->n_sel, n_new);
    return 0;
}

/* Room for the rows that come, before those of this block: a table that grew with them would move its entries
 * again and again, and where they come in its own order it would be filled from one end.  All rows of a first
 * segment are new; of others as many as of those that were seen, which are like the rest. */
static int make_room(struct loader *l, const struct segment_reader *reader,
                     const struct segment_block *block, struct error *err)
{
    struct keyed_state *s = l->state;
    struct rows_ahead *a = &l->ahead;
    if (a->n_left == 0 || a->name_space != block->name_space) {
        TRY(begin_rows(l, reader, block, err));
    }
    TRY(s->backend->desc->select(s, block->name_space, true, err));
    if (keyed_table_is_cache(s, s->table)) {
        return 0;
    }
    uint64_t n_keys = keyed_table_len(s->table);
    if (n_keys + a->n_left <= s->table->n_slots / 4 * 3) {
        return 0;
    }
    if (l->is_first) {
        int rc = keyed_table_reserve(s->table, n_keys + a->n_left, err);
        return rc < 0 ? keyed_state_failed(s, rc, err) : 0;
    }
    if (a->n_seen == 0) {
        TRY(look_at_rows(l, block, err));
    }
    /* Where there is no memory for it, there may be enough for what comes. */
    int rc = keyed_table_reserve(s->table, n_keys + a->n_left * a->n_new / a->n_seen, NULL);
    return rc < 0 && rc != ERR_LIMIT ? rc : 0;
}

/* One block of a segment. */
static int load_rows(struct loader *l, const struct segment_reader *reader,
                     struct segment_block *take_block, struct error *err)
{
    if (take_block->kind != SEGMENT_BLOCK_PUT) {
        l->ahead.n_left = 0;
        return load_block(l, take_block, err);
    }
    int rc = make_room(l, reader, take_block, err);
    if (rc < 0) {
        batch_unref(take_block->rows);
        return rc;
    }
    uint32_t n_rows = take_block->rows->n_rows, n_before = keyed_table_len(l->state->table);
    TRY(load_block(l, take_block, err));
    l->ahead.n_left -= MIN(l->ahead.n_left, (uint64_t)n_rows);
    note_rows(l, n_rows, keyed_table_len(l->state->table) - n_before);
    return 0;
}

static int load_segment(struct loader *l, struct segment_reader *reader, struct error *err)
{
    const char *name = l->state->name;
    uint32_t id = 0;
    while (id < segment_reader_n_states(reader) &&
           strcmp(segment_reader_state(reader, id)->name, name) != 0) {
        id++;
    }
    if (id == segment_reader_n_states(reader)) {
        return 0;
    }
    TRY(begin_segment(l, segment_reader_state(reader, id), err));
    segment_reader_select(reader, id);
    l->ahead = (struct rows_ahead){0};
    for (;;) {
        struct segment_block block;
        int rc = segment_reader_next(reader, l->state->backend->options.pool, l->first_group,
                                     l->last_group, &block, err);
        if (rc <= 0) {
            return rc;
        }
        TRY(load_rows(l, reader, &block, err));
    }
}

static int load_handle(struct loader *l, struct error *err)
{
    for (size_t i = 0; i < l->handle->n_segments; i++) {
        struct segment_reader *reader;
        if (i + 1 < l->handle->n_segments) {
            state_blob_advise(l->handle->segments[i + 1]->blob, l->from->directory);
        }
        TRY(segment_reader_open(l->handle->segments[i], l->from->directory, &reader, err));
        l->is_first = i == 0 && segment_reader_is_base(reader);
        paged_state_set_blind(l->state, l->is_first);
        int rc = load_segment(l, reader, err);
        paged_state_set_blind(l->state, false);
        l->values = schema_migration_free(l->values);
        segment_reader_close(reader);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* What was loaded is what the restored checkpoint has. */
static void set_clean(struct keyed_state *s)
{
    struct keyed_table *t;
    for (int64_t at = INT64_MIN; (t = s->backend->desc->table_from(s, &at)) != NULL; at++) {
        if (!keyed_table_is_cache(s, t)) {
            keyed_table_set_clean(t);
            t->created = 0;
        }
        if (at == INT64_MAX) {
            break;
        }
    }
}

static size_t largest_handle(const Flinc__OperatorSubtaskState *handles)
{
    size_t largest = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < handles->n_keyed; i++) {
        const Flinc__KeyedHandle *h = handles->keyed[i];
        uint64_t size = 0;
        for (size_t k = 0; k < h->n_segments; k++) {
            size += h->segments[k]->blob->size;
        }
        largest = size > most ? i : largest;
        most = MAX(size, most);
    }
    return largest;
}

static struct paged_rows *all_stored_rows(struct paged_state *ps, const struct record_layout *value)
{
    struct vec name_spaces = VEC_INIT(int64_t);
    for (size_t i = 0; i < ps->all.len; i++) {
        *VEC_PUSH(&name_spaces, int64_t) = VEC_AT(&ps->all, struct paged_space, i)->name_space;
    }
    struct paged_rows *rows = paged_rows_new(ps, value, name_spaces.data, name_spaces.len);
    vec_fini(&name_spaces);
    return rows;
}

/* Rows of a state that are in the store as they were written: into the state as it is now. */
static int convert_stored(struct loader *l, const struct segment_state *was, struct error *err)
{
    struct record_layout old;
    struct segment_run runs[BATCH_ROWS_MAX];
    uint32_t n_runs;
    int rc;
    TRY(record_layout_init(&old, was->value_schema, err));
    struct paged_rows *rows = all_stored_rows(l->state->paged, &old);
    do {
        struct segment_block block = {.kind = SEGMENT_BLOCK_PUT};
        rc = paged_rows_next(rows, BATCH_ROWS_MAX, &block.rows, runs, &n_runs, err);
        if (rc > 0) {
            block.name_space = paged_rows_name_space(rows);
            int loaded = load_block(l, &block, err);
            rc = loaded < 0 ? loaded : rc;
        }
    } while (rc > 0);
    paged_rows_free(rows);
    record_layout_fini(&old);
    return rc;
}

/* What the files of the handles have of a state stays there when it is of the same schema. */
static int load_stored_as(struct loader *l, struct segment_state *was, struct error *err)
{
    TRY(begin_segment(l, was, err));
    int rc = 0;
    l->state->was_stored = l->values == NULL && !l->adds_stamps && !l->has_rows;
    if (l->values != NULL || l->adds_stamps) {
        l->is_first = false;
        paged_state_set_blind(l->state, true);
        rc = convert_stored(l, was, err);
        paged_state_set_blind(l->state, false);
    }
    l->values = schema_migration_free(l->values);
    return rc;
}

/* Whether the files have a derived state as it would be written now. */
static bool derived_is_same(const struct loader *l, const struct stored_schema *was,
                            const Flinc__StoredState *as)
{
    const struct keyed_state *s = l->state;
    return as->is_derived && strcmp(as->kind, s->kind) == 0 && as->ttl_ms == s->ttl_ms &&
           as->n_key_columns == s->n_key_columns && schema_equals(was->key, s->rows->key) &&
           schema_equals(was->value, s->rows->value);
}

/* One that is not the same is made again. */
static void load_derived(struct loader *l, const struct stored_schema *was,
                         const Flinc__StoredState *as)
{
    struct keyed_state *s = l->state;
    s->was_stored = derived_is_same(l, was, as);
    if (!s->was_stored) {
        paged_state_clear(s->paged);
    }
}

static int load_stored(struct loader *l, struct error *err)
{
    struct keyed_state *s = l->state;
    const struct keyed_backend *b = s->backend;
    const Flinc__StoredState *as =
        b->paged != NULL ? paged_store_find_stored(b->paged, s->name) : NULL;
    if (as == NULL) {
        return 0;
    }
    if (s->paged == NULL) {
        return misfit(l, err, "it was kept on disk, and is of a kind now that is kept in memory");
    }
    struct stored_schema was;
    TRY(stored_schema_init(&was, as, err));
    int rc = 0;
    if (s->is_derived) {
        load_derived(l, &was, as);
    } else {
        rc = load_stored_as(l, &was.state, err);
    }
    stored_schema_fini(&was);
    if (rc == 0) {
        paged_store_take_stored(b->paged, s->name);
    }
    return rc;
}

int keyed_restored_load(struct keyed_state *s, struct error *err)
{
    const struct keyed_backend_options *o = &s->backend->options;
    const struct keyed_restored *r = s->backend->restored;
    struct restored_state *old = r != NULL ? find_restored(r, s->name) : NULL;
    if (old == NULL || old->is_loaded || s->rows == NULL) {
        return 0;
    }
    struct loader *l = loader_new(s);
    const size_t largest = largest_handle(r->handles);
    int rc = 0;
    for (size_t i = 0; i < r->handles->n_keyed && rc == 0; i++) {
        /* Its order becomes that of the tables. */
        l->handle = r->handles->keyed[i == 0 ? largest : i <= largest ? i - 1 : i];
        l->first_group = MAX(o->first_group, l->handle->first_group);
        l->last_group = MIN(o->last_group, l->handle->last_group);
        l->first_group += PLANTED("state.key_group_off_by_one") ? 1 : 0;
        if (handle_is_wanted(s->backend, l->handle)) {
            rc = load_handle(l, err);
        }
    }
    rc = rc < 0 ? rc : load_stored(l, err);
    loader_free(l);
    if (rc == 0) {
        set_clean(s);
        old->is_loaded = true;
    }
    return rc;
}

/* ---- states that nobody opened ----------------------------------------------------------------- */

/* Opens a state that only files have. */
static int carry_stored(struct keyed_backend *b, const char *name, struct error *err)
{
    const Flinc__StoredState *as = paged_store_find_stored(b->paged, name);
    struct stored_schema was;
    if (as == NULL || as->is_derived) {
        return 0; /* who opens the state makes it again */
    }
    TRY(stored_schema_init(&was, as, err));
    int rc = keyed_backend_carry(b, &was.state, err);
    stored_schema_fini(&was);
    return rc;
}

/* Opens a state as the newest segment that has it describes it. */
static int open_as_written(struct keyed_backend *b, const char *name, struct error *err)
{
    const struct keyed_restored *r = b->restored;
    for (size_t i = r->handles->n_keyed; i-- > 0;) {
        const Flinc__KeyedHandle *h = r->handles->keyed[i];
        for (size_t k = handle_is_wanted(b, h) ? h->n_segments : 0; k-- > 0;) {
            struct segment_reader *reader;
            int rc = 1;
            TRY(segment_reader_open(h->segments[k], r->directory, &reader, err));
            for (uint32_t id = 0; id < segment_reader_n_states(reader); id++) {
                const struct segment_state *s = segment_reader_state(reader, id);
                if (strcmp(s->name, name) == 0) {
                    rc = keyed_backend_carry(b, s, err);
                }
            }
            segment_reader_close(reader);
            if (rc <= 0) {
                return rc;
            }
        }
    }
    return b->paged != NULL ? carry_stored(b, name, err) : 0;
}

int keyed_restored_open_rest(struct keyed_backend *b, struct error *err)
{
    for (size_t i = 0; b->restored != NULL && i < b->restored->states.len; i++) {
        const struct restored_state *s = VEC_AT(&b->restored->states, struct restored_state, i);
        if (!s->is_loaded) {
            TRY_CTX(err, open_as_written(b, s->name, err),
                    "carrying along state '%s' of operator '%s', which nobody opened", s->name,
                    b->options.operator_name);
        }
    }
    return 0;
}

/* All entries of a table, a batch at a time. */
static int convert_table(struct loader *l, const struct keyed_state *from, int64_t name_space,
                         const struct keyed_table *t, struct error *err)
{
    struct keyed_entry *entries = MEM_NEW_ARRAY(struct keyed_entry, BATCH_ROWS_TARGET);
    uint32_t slot = keyed_table_next(t, 0);
    int rc = 0;
    while (rc == 0 && slot != KEYED_SLOT_NONE) {
        struct segment_block block = {.kind = SEGMENT_BLOCK_PUT, .name_space = name_space};
        uint32_t n = 0;
        for (; n < BATCH_ROWS_TARGET && slot != KEYED_SLOT_NONE;
             slot = keyed_table_next(t, slot + 1)) {
            entries[n++] = (struct keyed_entry){.entry = t->entries + (size_t)slot * t->stride,
                                                .is_null = slot == t->null_slot};
        }
        rc = keyed_rows_gather(from->rows, t, from->backend->options.pool, entries, n, &block.rows,
                               err);
        rc = rc < 0 ? rc : load_block(l, &block, err);
    }
    mem_free(entries);
    return rc;
}

int keyed_carried_convert(const struct keyed_state *from, struct keyed_state *to, struct error *err)
{
    struct segment_state was = {.name = from->name,
                                .kind = from->kind,
                                .key_schema = from->rows->key,
                                .n_key_columns = from->n_key_columns,
                                .value_schema = from->rows->value,
                                .ttl_ms = from->ttl_ms};
    struct loader *l = loader_new(to);
    const struct keyed_table *t;
    int rc = begin_segment(l, &was, err);
    for (int64_t at = INT64_MIN;
         rc == 0 && (t = from->backend->desc->table_from(from, &at)) != NULL; at++) {
        rc = convert_table(l, from, at, t, err);
        if (at == INT64_MAX) {
            break;
        }
    }
    loader_free(l);
    if (rc == 0) {
        /* What the entries were to earlier checkpoints is not known any more. */
        keyed_track_forget(&to->backend->track);
        keyed_track_lose(&to->backend->track);
    }
    return rc;
}
