/* Restoring a keyed backend: segments are opened and compared at once; a state gets its entries when it
 * is opened, straight into its own layout, by way of a schema migration where it is needed.
 *
 * Of every handle only the groups of this subtask are read.  A namespace that an increment dropped is
 * dropped for the groups of its handle alone: handles of other subtasks may still have it.
 *
 * States that nobody opens stay in the segments of the chain, and are made states of their own when a
 * base has to be written.  Thread: one owner.  Flink: HeapRestoreOperation, StateSerializerProvider. */
#include "engine/state/keyed_loader.h"
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "common/rpc/message.h"
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
            int loaded = loader_add_block(l, &block, err);
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
    TRY(loader_begin(l, was, err));
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
        return loader_misfit(l, err,
                             "it was kept on disk, and is of a kind now that is kept in memory");
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
            rc = loader_add_handle(l, err);
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
        rc = rc < 0 ? rc : loader_add_block(l, &block, err);
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
    int rc = loader_begin(l, &was, err);
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
