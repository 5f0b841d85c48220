/* The backend for state that is larger than memory: keyed tables as a cache over RocksDB (paged/).
 *
 * The table of NAMESPACE_VOID of a state that keeps no slots (aggregates, values of user functions) is paged.
 * Tables of other namespaces and states are in memory as a whole, as in the hashmap backend.
 * Thread: one owner (the task).  Flink: EmbeddedRocksDBStateBackend. */
#include "engine/state/hashmap_backend.h"
#include "engine/state/paged/paged.h"

struct rocksdb_keyed_backend {
    struct keyed_backend base;
    struct paged_store *store; /* Owns */
};

struct rocksdb_state {
    struct hashmap_state base;
    struct paged_table *paged; /* Owns; NULL: all is in memory */
};

static struct rocksdb_state *state_of(const struct keyed_state *s)
{
    return (struct rocksdb_state *)(uintptr_t)s;
}

static struct rocksdb_keyed_backend *backend_of(const struct keyed_backend *b)
{
    return (struct rocksdb_keyed_backend *)(uintptr_t)b;
}

struct paged_store *paged_store_of(const struct keyed_backend *b)
{
    return backend_of(b)->store;
}

/* What is paged of the state at hand; NULL: nothing of it. */
static struct paged_table *paged_of(const struct keyed_state *s)
{
    struct paged_table *p = state_of(s)->paged;
    return p != NULL && p->table == s->table ? p : NULL;
}

static int rocksdb_open(struct keyed_backend *b, struct error *err)
{
    if (b->options.disk == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "the rocksdb state backend needs a folder on a local disk (io.tmp.dirs)");
    }
    return paged_store_new(&b->options, &backend_of(b)->store, err);
}

static void rocksdb_close(struct keyed_backend *b)
{
    backend_of(b)->store = paged_store_free(backend_of(b)->store);
}

static int rocksdb_open_state(struct keyed_state *s, struct error *err)
{
    struct rocksdb_state *r = state_of(s);
    struct paged_store *store = backend_of(s->backend)->store;
    bool is_paged =
        s->grows_in_pieces && s->rows != NULL && s->key_schema->n_fields <= KEYED_KEY_COLUMNS_MAX;
    r->base.void_track = is_paged ? &store->track : NULL;
    TRY(hashmap_open_state(s, err));
    if (!is_paged) {
        return 0;
    }
    int rc = paged_table_new(store, s, s->table, &r->paged, err);
    if (rc < 0) {
        hashmap_close_state(s);
    }
    return rc;
}

static void rocksdb_close_state(struct keyed_state *s)
{
    state_of(s)->paged = paged_table_free(state_of(s)->paged);
    hashmap_close_state(s);
}

static int rocksdb_upsert(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                          uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err)
{
    struct paged_table *p = paged_of(s);
    if (p == NULL) {
        return hashmap_upsert(s, b, key_columns, ret_slots, ret_is_new, err);
    }
    TRY(paged_table_make_room(p, b->n_sel, err));
    TRY(keyed_table_upsert(p->table, b, key_columns, ret_slots, ret_is_new, err));
    return paged_table_load(p, ret_slots, ret_is_new, b->n_sel, err);
}

static int rocksdb_find(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                        uint32_t *ret_slots, struct error *err)
{
    struct paged_table *p = paged_of(s);
    return p != NULL ? paged_table_find(p, b, key_columns, ret_slots, err)
                     : hashmap_find(s, b, key_columns, ret_slots, err);
}

static void rocksdb_remove(struct keyed_state *s, const uint32_t *slots, uint32_t n)
{
    struct paged_table *p = paged_of(s);
    for (uint32_t i = 0; p != NULL && i < n; i++) {
        paged_table_note_removal(p, slots[i]);
    }
    hashmap_remove(s, slots, n);
}

extern const struct keyed_backend_desc rocksdb_backend;
const struct keyed_backend_desc rocksdb_backend = {
    .struct_size = sizeof(struct keyed_backend_desc),
    .kind = "rocksdb",
    .instance_size = sizeof(struct rocksdb_keyed_backend),
    .state_size = sizeof(struct rocksdb_state),
    .open = rocksdb_open,
    .close = rocksdb_close,
    .open_state = rocksdb_open_state,
    .close_state = rocksdb_close_state,
    .select = hashmap_select,
    .upsert = rocksdb_upsert,
    .find = rocksdb_find,
    .find_hashed = hashmap_find_hashed,
    .remove = rocksdb_remove,
    .drop_namespace = hashmap_drop_namespace,
    .next_namespace = hashmap_next_namespace,
    .table_from = hashmap_table_from,
    .bytes = hashmap_bytes,
};
