/* The backend that keeps everything in memory: a keyed table per namespace, so that dropping a
 * namespace frees its table and touches no other key.
 *
 * Namespaces are few and used in runs, so they lie in an array sorted by number, and the one of the
 * last call is tried first.  Thread: one owner (the task).  Flink: HashMapStateBackend. */
#include "engine/state/hashmap_backend.h"

struct name_space_table {
    int64_t name_space;
    struct keyed_table *table; /* Owns */
};

static struct hashmap_state *hashmap_state_of(const struct keyed_state *s)
{
    return (struct hashmap_state *)(uintptr_t)s;
}

static int hashmap_open(struct keyed_backend *b, struct error *err)
{
    return 0;
}

static void hashmap_close(struct keyed_backend *b)
{
}

/* Position of a namespace, or of the first one above it. */
static size_t position_of(const struct hashmap_state *h, int64_t name_space)
{
    size_t low = 0, high = h->tables.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (VEC_AT(&h->tables, struct name_space_table, middle)->name_space < name_space) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct name_space_table *entry_at(const struct hashmap_state *h, size_t at,
                                         int64_t name_space)
{
    if (at < h->tables.len) {
        struct name_space_table *e = VEC_AT(&h->tables, struct name_space_table, at);
        return e->name_space == name_space ? e : NULL;
    }
    return NULL;
}

int hashmap_table_new(const struct keyed_state *s, struct keyed_track *track,
                      struct keyed_table **ret_table, struct error *err)
{
    /* The state's own copy: the operator may be closed before its backend. */
    const struct record_layout *owned = s->record != NULL ? &s->rows->layout : NULL;
    return keyed_table_new(
        &(struct keyed_table_options){.key_schema = s->key_schema,
                                      .value_bytes = s->value_bytes,
                                      .budget = s->backend->options.budget,
                                      .seed = s->backend->options.seed,
                                      .track = track,
                                      .grows_in_pieces = s->grows_in_pieces,
                                      .mapped_from = s->backend->options.tables_mapped_from,
                                      .record = owned,
                                      .ops = s->ops},
        ret_table, err);
}

static int insert_table(struct hashmap_state *h, size_t at, int64_t name_space,
                        struct keyed_table *table, struct error *err)
{
    if (h->tables.len == STATE_NAMESPACES_MAX) {
        return error_set(err, ERR_LIMIT, "state '%s' has %d namespaces, the limit", h->base.name,
                         STATE_NAMESPACES_MAX);
    }
    (void)VEC_PUSH(&h->tables, struct name_space_table);
    struct name_space_table *e = VEC_AT(&h->tables, struct name_space_table, at);
    memmove(e + 1, e, (h->tables.len - 1 - at) * sizeof(*e));
    *e = (struct name_space_table){.name_space = name_space, .table = table};
    return 0;
}

int hashmap_select(struct keyed_state *s, int64_t name_space, bool create, struct error *err)
{
    struct hashmap_state *h = hashmap_state_of(s);
    if (LIKELY(s->table != NULL && h->selected == name_space)) {
        return 0;
    }
    size_t at = position_of(h, name_space);
    struct name_space_table *e = entry_at(h, at, name_space);
    s->table = e != NULL ? e->table : NULL;
    if (e == NULL && create) {
        struct keyed_table *table;
        /* What is in no snapshot needs no books about its changes. */
        TRY(hashmap_table_new(s, keyed_state_is_in_segments(s) ? &s->backend->track : NULL, &table,
                              err));
        int rc = insert_table(h, at, name_space, table, err);
        if (rc < 0) {
            keyed_table_free(table);
            return rc;
        }
        s->table = table;
    }
    h->selected = name_space;
    return 0;
}

/* The void namespace is made at once: a key of an impossible type is found when the state is opened. */
int hashmap_open_state(struct keyed_state *s, struct error *err)
{
    struct hashmap_state *h = hashmap_state_of(s);
    vec_init(&h->tables, sizeof(struct name_space_table));
    int rc = hashmap_select(s, NAMESPACE_VOID, true, err);
    if (rc < 0) {
        vec_fini(&h->tables);
    }
    return rc;
}

void hashmap_close_state(struct keyed_state *s)
{
    struct hashmap_state *h = hashmap_state_of(s);
    for (size_t i = 0; i < h->tables.len; i++) {
        keyed_table_free(VEC_AT(&h->tables, struct name_space_table, i)->table);
    }
    vec_fini(&h->tables);
}

int hashmap_upsert(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                   uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err)
{
    return keyed_table_upsert(s->table, b, key_columns, ret_slots, ret_is_new, err);
}

int hashmap_find(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                 uint32_t *ret_slots, struct error *err)
{
    return keyed_table_find(s->table, b, key_columns, ret_slots, err);
}

int hashmap_find_hashed(struct keyed_state *s, uint32_t column, const struct keyed_hashed *wanted,
                        uint32_t n, uint32_t *ret_slots, struct error *err)
{
    keyed_table_find_hashed(s->table, column, wanted, n, ret_slots);
    return 0;
}

void hashmap_remove(struct keyed_state *s, const uint32_t *slots, uint32_t n)
{
    keyed_table_remove_many(s->table, slots, n);
}

void hashmap_drop_namespace(struct keyed_state *s, int64_t name_space)
{
    struct hashmap_state *h = hashmap_state_of(s);
    size_t at = position_of(h, name_space);
    struct name_space_table *e = entry_at(h, at, name_space);
    if (e != NULL) {
        if (s->table == e->table) {
            s->table = NULL;
        }
        keyed_state_note_drop(s, name_space, e->table);
        if (!keyed_snapshot_take_table(s, name_space, e->table)) {
            keyed_table_free(e->table);
        }
        vec_remove(&h->tables, at);
    }
}

struct keyed_table *hashmap_table_from(const struct keyed_state *s, int64_t *inout_name_space)
{
    const struct hashmap_state *h = hashmap_state_of(s);
    size_t at = position_of(h, *inout_name_space);
    if (at == h->tables.len) {
        return NULL;
    }
    const struct name_space_table *e = VEC_AT(&h->tables, struct name_space_table, at);
    *inout_name_space = e->name_space;
    return e->table;
}

bool hashmap_next_namespace(const struct keyed_state *s, int64_t from, int64_t *ret_name_space)
{
    const struct hashmap_state *h = hashmap_state_of(s);
    size_t at = position_of(h, from);
    if (at == h->tables.len) {
        return false;
    }
    *ret_name_space = VEC_AT(&h->tables, struct name_space_table, at)->name_space;
    return true;
}

uint64_t hashmap_bytes(const struct keyed_state *s)
{
    const struct hashmap_state *h = hashmap_state_of(s);
    uint64_t bytes = 0;
    for (size_t i = 0; i < h->tables.len; i++) {
        bytes += keyed_table_bytes(VEC_AT(&h->tables, struct name_space_table, i)->table);
    }
    return bytes;
}

extern const struct keyed_backend_desc hashmap_backend;
const struct keyed_backend_desc hashmap_backend = {
    .struct_size = sizeof(struct keyed_backend_desc),
    .kind = "hashmap",
    .instance_size = sizeof(struct keyed_backend),
    .state_size = sizeof(struct hashmap_state),
    .open = hashmap_open,
    .close = hashmap_close,
    .open_state = hashmap_open_state,
    .close_state = hashmap_close_state,
    .select = hashmap_select,
    .upsert = hashmap_upsert,
    .find = hashmap_find,
    .find_hashed = hashmap_find_hashed,
    .remove = hashmap_remove,
    .drop_namespace = hashmap_drop_namespace,
    .next_namespace = hashmap_next_namespace,
    .table_from = hashmap_table_from,
    .bytes = hashmap_bytes,
};
