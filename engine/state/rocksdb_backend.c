/* The backend for state that is larger than memory: keyed tables as a cache over RocksDB (paged/).
 *
 * The tables of a state that keeps no slots (grows_in_pieces) are paged, that of each namespace for itself.  Those of other states
 * are in memory as a whole, as in the hashmap backend.
 * Thread: one owner (the task).  Flink: EmbeddedRocksDBStateBackend. */
#include "engine/state/hashmap_backend.h"
#include "engine/state/paged/paged.h"

/* The table at hand; NULL: the state is not paged. */
static struct paged_table *paged_of(const struct keyed_state *s)
{
    return s->paged != NULL ? s->paged->at_hand : NULL;
}

static int rocksdb_open(struct keyed_backend *b, struct error *err)
{
    if (b->options.disk == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "the rocksdb state backend needs a folder on a local disk (io.tmp.dirs)");
    }
    return paged_store_new(&b->options, &b->paged, err);
}

static void rocksdb_close(struct keyed_backend *b)
{
    b->paged = paged_store_free(b->paged);
}

static int rocksdb_open_state(struct keyed_state *s, struct error *err)
{
    bool is_paged =
        s->grows_in_pieces && s->rows != NULL && s->key_schema->n_fields <= KEYED_KEY_COLUMNS_MAX;
    return is_paged ? paged_state_new(s->backend->paged, s, &s->paged, err)
                    : hashmap_open_state(s, err);
}

static void rocksdb_close_state(struct keyed_state *s)
{
    if (s->paged != NULL) {
        s->paged = paged_state_free(s->paged);
    } else {
        hashmap_close_state(s);
    }
}

static int rocksdb_select(struct keyed_state *s, int64_t name_space, bool create, struct error *err)
{
    return s->paged != NULL ? paged_state_select(s->paged, name_space, create, err)
                            : hashmap_select(s, name_space, create, err);
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
    keyed_table_note_use(p->table, ret_slots, ret_is_new, b->n_sel);
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

static void rocksdb_drop_namespace(struct keyed_state *s, int64_t name_space)
{
    if (s->paged != NULL) {
        paged_state_drop(s->paged, name_space);
    } else {
        hashmap_drop_namespace(s, name_space);
    }
}

static bool rocksdb_next_namespace(const struct keyed_state *s, int64_t from,
                                   int64_t *ret_name_space)
{
    return s->paged != NULL ? paged_state_next_space(s->paged, from, ret_name_space)
                            : hashmap_next_namespace(s, from, ret_name_space);
}

static struct keyed_table *rocksdb_table_from(const struct keyed_state *s,
                                              int64_t *inout_name_space)
{
    return s->paged != NULL ? paged_state_table_from(s->paged, inout_name_space)
                            : hashmap_table_from(s, inout_name_space);
}

static uint64_t rocksdb_bytes(const struct keyed_state *s)
{
    return s->paged != NULL ? paged_state_bytes(s->paged) : hashmap_bytes(s);
}

extern const struct keyed_backend_desc rocksdb_backend;
const struct keyed_backend_desc rocksdb_backend = {
    .struct_size = sizeof(struct keyed_backend_desc),
    .kind = KEYED_BACKEND_ROCKSDB,
    .instance_size = sizeof(struct keyed_backend),
    .state_size = sizeof(struct hashmap_state),
    .open = rocksdb_open,
    .close = rocksdb_close,
    .open_state = rocksdb_open_state,
    .close_state = rocksdb_close_state,
    .select = rocksdb_select,
    .upsert = rocksdb_upsert,
    .find = rocksdb_find,
    .find_hashed = hashmap_find_hashed,
    .remove = rocksdb_remove,
    .drop_namespace = rocksdb_drop_namespace,
    .next_namespace = rocksdb_next_namespace,
    .table_from = rocksdb_table_from,
    .bytes = rocksdb_bytes,
};
