/* Entries and heads: what row lists and sorted maps have in common.
 *
 * Thread: one owner (the task). */
#include "engine/state/entries.h"

#include "engine/data/hash.h"

/* ---- life -------------------------------------------------------------------------------------- */

struct schema *entry_numbers_schema(const char *const *names, uint32_t n)
{
    struct data_type *types[ENTRY_EXTRA_MAX];
    ASSERT(n <= ENTRY_EXTRA_MAX);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = type_new(TYPE_BIGINT, false);
    }
    return schema_new(names, types, n);
}

/* The columns of `a`, then those of `b`. */
static struct schema *join_schemas(const struct schema *a, const struct schema *b)
{
    const char *names[ENTRY_KEYS_MAX + ENTRY_EXTRA_MAX];
    struct data_type *types[ENTRY_KEYS_MAX + ENTRY_EXTRA_MAX];
    uint32_t n = a->n_fields + b->n_fields;
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f = i < a->n_fields ? &a->fields[i] : &b->fields[i - a->n_fields];
        names[i] = f->name;
        types[i] = type_ref(f->type);
    }
    return schema_new(names, types, n);
}

static int make_layouts(struct entry_space *e, const struct entry_desc *desc, struct error *err)
{
    const struct record_layout *record = desc->record;
    uint32_t n_hidden = desc->timestamp_name != NULL;
    TRY_CTX(err, record_layout_extend(&e->kept, record, &desc->timestamp_name, n_hidden, 0, err),
            "opening state '%s'", desc->name);
    e->timestamp_offset = (record->size + 7) & ~7u;
    record_layout_init_fields(&e->rows, record->schema, record->size, record->fields,
                              record->n_fields);
    record_layout_init_fields(&e->in, record->schema, e->kept.size, record->fields,
                              record->n_fields);
    e->tile = mem_alloc_aligned(64, (size_t)e->kept.size * RECORD_TILE_ROWS);
    memset(e->tile, 0, (size_t)e->kept.size * RECORD_TILE_ROWS);
    return 0;
}

/* A head as a row of numbers; only their names where it is none. */
static int make_head_layout(struct entry_space *e, const struct entry_desc *desc, struct error *err)
{
    static const char *const names[] = {"$0", "$1", "$2", "$3"};
    uint32_t n = desc->head_ops != NULL ? 1 : desc->head_bytes / (uint32_t)sizeof(int64_t);
    ASSERT(n > 0 && n <= ARRAY_LEN(names));
    struct schema *numbers = entry_numbers_schema(names, n);
    int rc = record_layout_init(&e->head, numbers, err);
    schema_unref(numbers);
    ASSERT(rc < 0 || e->head.size == n * sizeof(int64_t));
    return rc;
}

static int open_states(struct entry_space *e, struct keyed_backend *b,
                       const struct entry_desc *desc, struct error *err)
{
    STR_AUTO heads = STR_INIT;
    struct keyed_expiry expiry = desc->expiry, head_expiry = desc->expiry;
    expiry.offset = e->timestamp_offset;
    head_expiry.offset = desc->head_stamp_offset;
    TRY(keyed_backend_state(b,
                            &(struct keyed_state_desc){.name = desc->name,
                                                       .kind = desc->kind,
                                                       .key_schema = e->entry_schema,
                                                       .record = &e->kept,
                                                       .grows_in_pieces = !desc->stays,
                                                       .ttl_ms = desc->ttl_ms,
                                                       .expiry = expiry,
                                                       .n_key_columns = e->n_group},
                            &e->entries, err));
    str_printf(&heads, "$heads/%s", desc->name);
    return keyed_backend_state(
        b,
        &(struct keyed_state_desc){.name = str_cstr(&heads),
                                   .kind = desc->head_kind != NULL ? desc->head_kind : "heads",
                                   .key_schema = e->key_schema,
                                   .n_key_columns = e->n_group,
                                   .value_bytes = desc->head_bytes,
                                   .value_layout = &e->head,
                                   .ops = desc->head_ops,
                                   .grows_in_pieces = !desc->stays,
                                   .is_derived = true,
                                   .ttl_ms = desc->ttl_ms,
                                   .expiry = head_expiry},
        &e->heads, err);
}

int entry_space_open(struct entry_space *e, struct keyed_backend *b, const struct entry_desc *desc,
                     struct error *err)
{
    uint32_t n_keys = desc->key_schema->n_fields, n_extra = desc->extra->n_fields;
    if (n_keys > ENTRY_KEYS_MAX || n_extra > ENTRY_EXTRA_MAX) {
        return error_set(err, ERR_UNSUPPORTED,
                         "state '%s' has a key of %u columns and %u in each entry; lists and maps "
                         "take up to %d each",
                         desc->name, n_keys, n_extra, ENTRY_KEYS_MAX);
    }
    *e = (struct entry_space){.n_keys = n_keys, .n_extra = n_extra};
    e->n_group = desc->n_key_columns != 0 ? desc->n_key_columns : n_keys;
    e->key_schema = schema_ref(desc->key_schema);
    e->entry_schema = join_schemas(desc->key_schema, desc->extra);
    for (uint32_t i = 0; i < ARRAY_LEN(e->columns); i++) {
        e->columns[i] = i;
    }
    e->slots = MEM_NEW_ARRAY(uint32_t, BATCH_ROWS_MAX);
    e->head_slots = MEM_NEW_ARRAY(uint32_t, BATCH_ROWS_MAX);
    e->is_new = MEM_NEW_ARRAY(uint8_t, BATCH_ROWS_MAX);
    builder_init(&e->gather, b->options.pool, e->key_schema, BATCH_ROWS_MAX);
    e->gather.target_bytes = UINT64_MAX;
    e->gather.max_row_bytes = UINT64_MAX;
    TRY(make_layouts(e, desc, err));
    TRY(make_head_layout(e, desc, err));
    return open_states(e, b, desc, err);
}

void entry_space_fini(struct entry_space *e)
{
    if (e->kept.schema != NULL) {
        record_layout_fini(&e->rows);
        record_layout_fini(&e->in);
        record_layout_fini(&e->kept);
    }
    if (e->head.schema != NULL) {
        record_layout_fini(&e->head);
    }
    builder_fini(&e->gather);
    schema_unref(e->key_schema);
    schema_unref(e->entry_schema);
    mem_free(e->tile);
    str_fini(&e->nested);
    mem_free(e->slots);
    mem_free(e->head_slots);
    mem_free(e->is_new);
    memset(e, 0, sizeof(*e));
}

/* ---- heads ------------------------------------------------------------------------------------- */

int entry_space_find_heads(struct entry_space *e, const struct state_keys *keys, struct error *err)
{
    return keyed_state_find(e->heads, keys->name_space, keys->batch, keys->key_columns,
                            e->head_slots, err);
}

int entry_space_add_heads(struct entry_space *e, const struct state_keys *keys, struct error *err)
{
    return keyed_state_upsert(e->heads, keys->name_space, keys->batch, keys->key_columns,
                              e->head_slots, e->is_new, err);
}

int entry_space_keep_heads(struct entry_space *e, const struct state_keys *keys,
                           struct buffer *slots, uint32_t *inout_numbering, struct error *err)
{
    if (*inout_numbering != keyed_state_numbering(e->heads)) {
        TRY(entry_space_find_heads(e, keys, err));
        memcpy(slots->data, e->head_slots, keys->batch->n_sel * sizeof(uint32_t));
        *inout_numbering = keyed_state_numbering(e->heads);
    }
    return 0;
}

int entry_space_find_owners(struct entry_space *e, const uint32_t *slots, uint32_t n,
                            struct batch **ret_keys, struct error *err)
{
    struct batch *b = NULL;
    TRY(keyed_state_read_keys(e->entries, slots, n, &b, err));
    keyed_state_hash(e->heads, b, e->columns);
    struct state_keys keys = {.name_space = NAMESPACE_VOID, .batch = b, .key_columns = e->columns};
    int rc = entry_space_find_heads(e, &keys, err);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    *ret_keys = b;
    return 0;
}

void entry_space_drop_namespace(struct entry_space *e, int64_t name_space)
{
    keyed_state_drop_namespace(e->entries, name_space);
    keyed_state_drop_namespace(e->heads, name_space);
}

void entry_space_drop_if_empty(struct entry_space *e, int64_t name_space)
{
    keyed_state_drop_if_empty(e->entries, name_space);
    keyed_state_drop_if_empty(e->heads, name_space);
}

/* ---- entries ----------------------------------------------------------------------------------- */

static void add_numbers(struct entry_space *e, struct batch *b)
{
    for (uint32_t i = 0; i < e->n_extra; i++) {
        uint64_t bytes = (uint64_t)b->n_rows * sizeof(int64_t);
        struct buffer *values = buffer_get(e->entries->backend->options.pool, bytes);
        values->size = bytes;
        column_set_values(&b->columns[e->n_keys + i], values);
    }
}

struct batch *entry_space_project(struct entry_space *e, const struct state_keys *keys)
{
    int32_t map[ENTRY_KEYS_MAX + ENTRY_EXTRA_MAX];
    for (uint32_t i = 0; i < e->n_keys + e->n_extra; i++) {
        map[i] = i < e->n_keys ? (int32_t)keys->key_columns[i] : -1;
    }
    struct batch *b =
        batch_project(e->entries->backend->options.pool, keys->batch, e->entry_schema, map);
    if (b->hashes == NULL) {
        b->hashes = buffer_ref(keys->batch->hashes);
    }
    add_numbers(e, b);
    return b;
}

struct batch *entry_space_gather(struct entry_space *e, const struct state_keys *keys,
                                 const uint32_t *owners, uint32_t n)
{
    struct buffer_pool *pool = e->entries->backend->options.pool;
    struct state_keys gathered = {.key_columns = e->columns};
    uint16_t rows[STATE_ROWS_MAX];
    int32_t map[ENTRY_KEYS_MAX];
    ASSERT(n > 0 && n <= STATE_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = (uint16_t)batch_row(keys->batch, owners[i]);
    }
    for (uint32_t i = 0; i < e->n_keys; i++) {
        map[i] = (int32_t)keys->key_columns[i];
    }
    struct batch *source = batch_project(pool, keys->batch, e->key_schema, map);
    if (source->hashes == NULL) {
        source->hashes = buffer_ref(keys->batch->hashes);
    }
    builder_append_rows(&e->gather, source, rows, n);
    gathered.batch = builder_finish(&e->gather);
    batch_unref(source);
    struct batch *b = entry_space_project(e, &gathered);
    batch_unref(gathered.batch);
    return b;
}

int64_t *entry_numbers(const struct entry_space *e, struct batch *b, uint32_t i)
{
    return COLUMN_VALUES(&b->columns[e->n_keys + i], int64_t);
}

static void hash_entries(struct entry_space *e, struct batch *b)
{
    if (e->n_group < e->n_keys) { /* the owners' hashes are extended already */
        keyed_state_hash(e->entries, b, e->columns);
        return;
    }
    batch_extend_hashes(e->entries->backend->options.pool, b, e->columns + e->n_keys, e->n_extra);
}

int entry_space_find(struct entry_space *e, int64_t name_space, struct batch *b, struct error *err)
{
    hash_entries(e, b);
    return keyed_state_find(e->entries, name_space, b, e->columns, e->slots, err);
}

int entry_space_put(struct entry_space *e, int64_t name_space, const struct batch *in,
                    struct batch *b, struct error *err)
{
    const int64_t *timestamps =
        in->timestamps != NULL ? (const int64_t *)(const void *)in->timestamps->data : NULL;
    hash_entries(e, b);
    TRY(keyed_state_add(e->entries, name_space, b, e->columns, e->slots, e->is_new, err));
    for (uint32_t from = 0; from < in->n_sel; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(in->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        TRY(record_read(&e->in, in, from, n, e->tile, &e->nested, err));
        for (uint32_t i = 0; i < n; i++) {
            char *record = e->tile + (size_t)i * e->in.size;
            int64_t t =
                timestamps != NULL ? timestamps[batch_row(in, from + i)] : BATCH_NO_TIMESTAMP;
            memcpy(record + e->timestamp_offset, &t, sizeof(t));
            TRY(keyed_state_keep(e->entries, e->slots[from + i], record, err));
        }
    }
    return 0;
}

void entry_space_collect(const struct entry_space *e, uint32_t n, struct state_rows *inout)
{
    uint32_t from = inout->n, to = inout->n;
    for (uint32_t i = 0; i < n; i++) {
        if (e->slots[i] == KEYED_SLOT_NONE) {
            continue;
        }
        const char *record = keyed_state_value(e->entries, e->slots[i]);
        inout->records[to] = record;
        memcpy(&inout->timestamps[to], record + e->timestamp_offset, sizeof(int64_t));
        inout->owners[to] = inout->owners[from + i];
        inout->sorts[to] = inout->sorts[from + i];
        to++;
    }
    inout->n = to;
}

/* ---- after a restore --------------------------------------------------------------------------- */

/* Entries in e->slots. */
static int rebuild_batch(struct entry_space *e, int64_t name_space, uint32_t n,
                         const struct entry_rebuild *how, struct error *err)
{
    struct batch *b = NULL;
    TRY(keyed_state_read_keys(e->entries, e->slots, n, &b, err));
    /* The heads' key columns are the first ones of the entries'. */
    keyed_state_hash(e->heads, b, e->columns);
    int rc = entry_space_add_heads(
        e, &(struct state_keys){.name_space = name_space, .batch = b, .key_columns = e->columns},
        err);
    if (rc == 0) {
        rc = how->add(how->owner, b, err);
    }
    batch_unref(b);
    return rc;
}

static int rebuild_namespace(struct entry_space *e, int64_t name_space,
                             const struct entry_rebuild *how, struct error *err)
{
    struct keyed_walk *walk = NULL;
    if (e->heads->was_stored) {
        if (e->entries->was_stored) {
            return 0;
        }
        keyed_state_drop_namespace(e->heads, name_space);
    }
    TRY(keyed_walk_start(e->entries, name_space, &walk, err));
    int rc;
    while ((rc = keyed_walk_next(walk, BATCH_ROWS_TARGET, e->slots, err)) > 0) {
        rc = rebuild_batch(e, name_space, (uint32_t)rc, how, err);
        if (rc < 0) {
            break;
        }
    }
    keyed_walk_free(walk);
    return rc;
}

int entry_space_rebuild(struct entry_space *e, const struct entry_rebuild *how, struct error *err)
{
    int64_t ns = INT64_MIN;
    while (keyed_state_next_namespace(e->entries, ns, &ns)) {
        TRY(rebuild_namespace(e, ns, how, err));
        if (ns == INT64_MAX) {
            break;
        }
        ns++;
    }
    return 0;
}
