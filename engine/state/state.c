/* Keyed state: the front of all backends.  What is the same for each of them happens here: finding a
 * kind, opening a state once, checking that a second opening agrees.
 * Thread: one owner (the task). */
#include "engine/state/keyed_snapshot.h"
#include "engine/state/paged/paged.h"

#include "engine/data/hash.h"

extern const struct keyed_backend_desc hashmap_backend, rocksdb_backend;

static const struct keyed_backend_desc *const backends[] = {
    &hashmap_backend,
    &rocksdb_backend,
};

static const struct keyed_backend_desc *backend_find(const char *kind, struct error *err)
{
    STR_AUTO known = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        if (strcmp(backends[i]->kind, kind) == 0) {
            return backends[i];
        }
        str_printf(&known, "%s%s", i > 0 ? ", " : "", backends[i]->kind);
    }
    error_set(err, ERR_NOT_FOUND, "there is no state backend '%s'; known: %s", kind,
              str_cstr(&known));
    return NULL;
}

int keyed_backend_new(const char *kind, const struct keyed_backend_options *options,
                      struct keyed_backend **ret_backend, struct error *err)
{
    const struct keyed_backend_desc *desc = backend_find(kind, err);
    if (desc == NULL) {
        return ERR_NOT_FOUND;
    }
    ASSERT(options->max_parallelism > 0 && options->first_group <= options->last_group &&
           options->last_group < options->max_parallelism);
    struct keyed_backend *b = mem_zalloc(desc->instance_size);
    b->desc = desc;
    b->options = *options;
    vec_init(&b->states, sizeof(struct keyed_state *));
    vec_init(&b->adopted, sizeof(struct keyed_adopted));
    keyed_track_init(&b->track, options->budget);
    keyed_chain_init(&b->chain);
    int rc = desc->open(b, err);
    if (rc < 0) {
        keyed_backend_free(b);
        return rc;
    }
    *ret_backend = b;
    return 0;
}

/* A half-built one too, but for the backend's part. */
static void state_free(struct keyed_state *s)
{
    schema_unref(s->key_schema);
    if (s->rows != NULL) {
        keyed_rows_fini(s->rows);
        mem_free(s->rows);
    }
    if (s->carried != NULL) {
        record_layout_fini(s->carried);
        mem_free(s->carried);
    }
    vec_fini(&s->dropped);
    mem_free(s->kind);
    mem_free(s->name);
    mem_free(s);
}

struct keyed_backend *keyed_backend_free(struct keyed_backend *b)
{
    if (b == NULL) {
        return NULL;
    }
    ASSERT(b->snapshot == NULL);
    for (size_t i = 0; i < b->states.len; i++) {
        struct keyed_state *s = vec_ptr(&b->states, i);
        b->desc->close_state(s);
        state_free(s);
    }
    vec_fini(&b->states);
    for (size_t i = b->adopted.len; i-- > 0;) {
        const struct keyed_adopted *a = VEC_AT(&b->adopted, struct keyed_adopted, i);
        a->free(a->object);
    }
    vec_fini(&b->adopted);
    keyed_restored_free(b->restored);
    keyed_chain_fini(&b->chain);
    keyed_track_fini(&b->track);
    b->desc->close(b);
    mem_free(b);
    return NULL;
}

void keyed_backend_adopt(struct keyed_backend *b, void *take_object, void (*free)(void *object))
{
    *VEC_PUSH(&b->adopted, struct keyed_adopted) =
        (struct keyed_adopted){.object = take_object, .free = free};
}

uint64_t keyed_backend_bytes(const struct keyed_backend *b)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->states.len; i++) {
        bytes += keyed_state_bytes(vec_ptr(&b->states, i));
    }
    return bytes;
}

/* ---- states ------------------------------------------------------------------------------------ */

static uint32_t value_bytes_of(const struct keyed_state_desc *desc)
{
    return desc->record != NULL ? desc->record->size : desc->value_bytes;
}

static uint32_t group_columns_of(const struct keyed_state_desc *desc)
{
    ASSERT(desc->n_key_columns <= desc->key_schema->n_fields);
    return desc->n_key_columns > 0 ? desc->n_key_columns : desc->key_schema->n_fields;
}

static int check_same(const struct keyed_state *s, const struct keyed_state_desc *desc,
                      struct error *err)
{
    bool records_agree =
        (s->record == NULL) == (desc->record == NULL) &&
        (s->record == NULL || schema_equals(s->record->schema, desc->record->schema));
    if (!schema_equals(s->key_schema, desc->key_schema) ||
        s->n_key_columns != group_columns_of(desc) || s->value_bytes != value_bytes_of(desc) ||
        !records_agree) {
        return error_set(err, ERR_STATE,
                         "state '%s' of operator '%s' is opened a second time with another key or "
                         "value",
                         desc->name, s->backend->options.operator_name);
    }
    return 0;
}

static int state_new(struct keyed_backend *b, const struct keyed_state_desc *desc,
                     struct keyed_state **ret_state, struct error *err)
{
    const struct record_layout *layout = desc->record != NULL ? desc->record : desc->value_layout;
    struct keyed_state *s = mem_zalloc(b->desc->state_size);
    s->backend = b;
    s->name = mem_strdup(desc->name);
    s->key_schema = schema_ref(desc->key_schema);
    s->n_key_columns = group_columns_of(desc);
    s->value_bytes = value_bytes_of(desc);
    s->record = desc->record;
    s->grows_in_pieces = desc->grows_in_pieces;
    s->is_derived = desc->is_derived;
    s->ops = desc->ops;
    s->kind = mem_strdup(desc->kind != NULL ? desc->kind : "value");
    s->ttl_ms = desc->ttl_ms;
    s->expiry = desc->expiry;
    vec_init(&s->dropped, sizeof(struct keyed_dropped));
    if (layout != NULL && (!desc->is_derived || b->paged != NULL)) {
        ASSERT(layout->size <= s->value_bytes && (desc->record != NULL || layout->n_strings == 0));
        s->rows = MEM_NEW(struct keyed_rows);
        keyed_rows_init(s->rows, desc->key_schema, layout);
    }
    int rc = b->desc->open_state(s, err);
    if (rc < 0) {
        state_free(s);
        return rc;
    }
    rc = keyed_restored_load(s, err);
    if (rc < 0) {
        b->desc->close_state(s);
        state_free(s);
        return rc;
    }
    *ret_state = s;
    return 0;
}

/* Somebody opens what was only carried along. */
static int replace_carried(struct keyed_backend *b, const struct keyed_state_desc *desc, size_t at,
                           struct keyed_state **ret_state, struct error *err)
{
    struct keyed_state *carried = vec_ptr(&b->states, at), *s;
    TRY(state_new(b, desc, &s, err));
    int rc = s->rows != NULL ? keyed_carried_convert(carried, s, err) : 0;
    struct keyed_state *gone = rc < 0 ? s : carried;
    if (rc == 0) {
        *VEC_AT(&b->states, struct keyed_state *, at) = s;
        *ret_state = s;
    }
    b->desc->close_state(gone);
    state_free(gone);
    return rc;
}

int keyed_backend_state(struct keyed_backend *b, const struct keyed_state_desc *desc,
                        struct keyed_state **ret_state, struct error *err)
{
    size_t name_len = strlen(desc->name);
    ASSERT(name_len > 0 && name_len <= STATE_NAME_MAX);
    for (size_t i = 0; i < b->states.len; i++) {
        struct keyed_state *s = vec_ptr(&b->states, i);
        if (strcmp(s->name, desc->name) == 0 && s->carried != NULL) {
            return replace_carried(b, desc, i, ret_state, err);
        }
        if (strcmp(s->name, desc->name) == 0) {
            TRY(check_same(s, desc, err));
            *ret_state = s;
            return 0;
        }
    }
    if (b->states.len == STATES_MAX) {
        return error_set(err, ERR_LIMIT, "operator '%s' opens more than %d states",
                         b->options.operator_name, STATES_MAX);
    }
    TRY(state_new(b, desc, ret_state, err));
    vec_push_ptr(&b->states, *ret_state);
    return 0;
}

int keyed_backend_carry(struct keyed_backend *b, const struct segment_state *as, struct error *err)
{
    struct record_layout *layout = mem_alloc(sizeof(*layout));
    int rc = record_layout_init(layout, as->value_schema, err);
    if (rc < 0) {
        mem_free(layout);
        return rc;
    }
    struct keyed_state_desc desc = {.name = as->name,
                                    .key_schema = as->key_schema,
                                    .n_key_columns = as->n_key_columns,
                                    .record = layout,
                                    .grows_in_pieces = b->paged != NULL,
                                    .kind = as->kind,
                                    .ttl_ms = as->ttl_ms};
    struct keyed_state *s;
    rc = state_new(b, &desc, &s, err);
    if (rc < 0) {
        record_layout_fini(layout);
        mem_free(layout);
        return rc;
    }
    s->carried = layout;
    vec_push_ptr(&b->states, s);
    return 0;
}

/* ---- access ------------------------------------------------------------------------------------ */

void keyed_state_hash(const struct keyed_state *s, struct batch *b, const uint32_t *key_columns)
{
    struct buffer_pool *pool = s->backend->options.pool;
    uint32_t n = s->n_key_columns;
    batch_hash_keys(pool, b, key_columns, n);
    if (n < s->key_schema->n_fields) {
        batch_extend_hashes(pool, b, key_columns + n, s->key_schema->n_fields - n);
    }
}

int keyed_state_failed(const struct keyed_state *s, int rc, struct error *err)
{
    error_context(err, "state '%s' of operator '%s'", s->name, s->backend->options.operator_name);
    return rc;
}

int keyed_state_upsert(struct keyed_state *s, int64_t name_space, const struct batch *b,
                       const uint32_t *key_columns, uint32_t *ret_slots, uint8_t *ret_is_new,
                       struct error *err)
{
    const struct keyed_backend_desc *desc = s->backend->desc;
    TRY(desc->select(s, name_space, true, err));
    int rc = desc->upsert(s, b, key_columns, ret_slots, ret_is_new, err);
    return UNLIKELY(rc < 0) ? keyed_state_failed(s, rc, err) : 0;
}

int keyed_state_add(struct keyed_state *s, int64_t name_space, const struct batch *b,
                    const uint32_t *key_columns, uint32_t *ret_slots, uint8_t *ret_is_new,
                    struct error *err)
{
    paged_state_set_blind(s, true);
    int rc = keyed_state_upsert(s, name_space, b, key_columns, ret_slots, ret_is_new, err);
    paged_state_set_blind(s, false);
    return rc;
}

int keyed_state_reserve(struct keyed_state *s, int64_t name_space, uint64_t n_keys,
                        struct error *err)
{
    TRY(s->backend->desc->select(s, name_space, true, err));
    if (keyed_table_is_cache(s, s->table)) {
        return 0;
    }
    int rc = keyed_table_reserve(s->table, n_keys, err);
    return UNLIKELY(rc < 0) ? keyed_state_failed(s, rc, err) : 0;
}

int keyed_state_find(struct keyed_state *s, int64_t name_space, const struct batch *b,
                     const uint32_t *key_columns, uint32_t *ret_slots, struct error *err)
{
    const struct keyed_backend_desc *desc = s->backend->desc;
    TRY(desc->select(s, name_space, false, err));
    if (s->table == NULL) {
        memset(ret_slots, 0xff, b->n_sel * sizeof(*ret_slots));
        return 0;
    }
    return desc->find(s, b, key_columns, ret_slots, err);
}

uint32_t keyed_state_next(struct keyed_state *s, int64_t name_space, uint32_t from)
{
    /* Selecting without creating cannot fail. */
    int rc = s->backend->desc->select(s, name_space, false, NULL);
    ASSERT(rc == 0);
    return s->table != NULL ? keyed_table_next(s->table, from) : KEYED_SLOT_NONE;
}

int keyed_state_read_keys(struct keyed_state *s, const uint32_t *slots, uint32_t n,
                          struct batch **ret_batch, struct error *err)
{
    return keyed_table_read_keys(s->table, s->backend->options.pool, slots, n, ret_batch, err);
}

int keyed_state_find_hashed(struct keyed_state *s, int64_t name_space, uint32_t column,
                            const struct keyed_hashed *wanted, uint32_t n, uint32_t *ret_slots,
                            struct error *err)
{
    const struct keyed_backend_desc *desc = s->backend->desc;
    TRY(desc->select(s, name_space, false, err));
    if (s->table == NULL) {
        memset(ret_slots, 0xff, n * sizeof(*ret_slots));
        return 0;
    }
    return desc->find_hashed(s, column, wanted, n, ret_slots, err);
}

void keyed_state_remove(struct keyed_state *s, uint32_t slot)
{
    s->backend->desc->remove(s, &slot, 1);
}

void keyed_state_remove_many(struct keyed_state *s, const uint32_t *slots, uint32_t n)
{
    s->backend->desc->remove(s, slots, n);
}

void keyed_state_drop_namespace(struct keyed_state *s, int64_t name_space)
{
    s->backend->desc->drop_namespace(s, name_space);
}

void keyed_state_drop_if_empty(struct keyed_state *s, int64_t name_space)
{
    /* Selecting without creating cannot fail. */
    int rc = s->backend->desc->select(s, name_space, false, NULL);
    ASSERT(rc == 0);
    bool is_empty = s->table != NULL && s->table->n_keys == 0;
    if (is_empty && s->paged != NULL) {
        /* If the disk cannot tell, the next call that needs it says so. */
        struct error unread = ERROR_INIT;
        is_empty = paged_state_is_empty(s->paged, name_space, &is_empty, &unread) == 0 && is_empty;
    }
    if (is_empty) {
        s->backend->desc->drop_namespace(s, name_space);
    }
}

bool keyed_state_next_namespace(const struct keyed_state *s, int64_t from, int64_t *ret_name_space)
{
    return s->backend->desc->next_namespace(s, from, ret_name_space);
}

uint64_t keyed_state_bytes(const struct keyed_state *s)
{
    return s->backend->desc->bytes(s);
}
