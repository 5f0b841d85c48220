/* Segments into a state (keyed_loader.h): straight into its own layout, by way of a schema migration where it is needed.
 * Thread: one owner. */
#include "engine/state/keyed_loader.h"
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"

struct loader *loader_new(struct keyed_state *s)
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

void loader_free(struct loader *l)
{
    schema_migration_free(l->values);
    mem_free(l->key_columns);
    mem_free(l);
}

/* ---- fitting ----------------------------------------------------------------------------------- */

int loader_misfit(const struct loader *l, struct error *err, const char *why)
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
        return loader_misfit(l, err, str_cstr(&why));
    }
    return 0;
}

int loader_begin(struct loader *l, const struct segment_state *old, struct error *err)
{
    if (strcmp(old->kind, l->state->kind) != 0) {
        STR_AUTO why = STR_INIT;
        str_printf(&why, "it was a %s state and is a %s state now", old->kind, l->state->kind);
        return loader_misfit(l, err, str_cstr(&why));
    }
    TRY(check_key(l, old, err));
    struct error why = ERROR_INIT;
    if (schema_migration_new(old->value_schema, l->state->rows->value, &l->values, &why) < 0) {
        return loader_misfit(l, err, why.message);
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

int loader_add_block(struct loader *l, struct segment_block *block, struct error *err)
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
        return loader_add_block(l, take_block, err);
    }
    int rc = make_room(l, reader, take_block, err);
    if (rc < 0) {
        batch_unref(take_block->rows);
        return rc;
    }
    uint32_t n_rows = take_block->rows->n_rows, n_before = keyed_table_len(l->state->table);
    TRY(loader_add_block(l, take_block, err));
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
    TRY(loader_begin(l, segment_reader_state(reader, id), err));
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

int loader_add_handle(struct loader *l, struct error *err)
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
