/* Keyed state behind an interface: what operators that keep something per key stand on.
 *
 * An address is (state, key group, key, namespace).  A state is declared once per operator by its name;
 * the key group follows from the key's hash; a namespace is a number, NAMESPACE_VOID where there is
 * none, and is dropped as a whole.  A value is either fixed-size memory or a record (record.h), zeroed
 * when its key is new.
 *
 * Access is by batch: keyed_state_upsert() turns the keys of a batch into slots, and keyed_state_value()
 * is the value of a slot, changed in place.  Slots are good until the next call of a function that takes
 * the state without const, except keyed_state_keep(); a removal moves no other slot.
 *
 * Thread: one owner (the task).  Flink: KeyedStateBackend, InternalKvState. */
#ifndef FLINC_ENGINE_STATE_STATE_H
#define FLINC_ENGINE_STATE_STATE_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "engine/state/keyed_table.h"
#include "engine/state/record.h"
#include "proto/snapshot.pb-c.h"

struct executor;
struct paged_state;
struct paged_store;
struct rocks_shared;

#define NAMESPACE_VOID INT64_C(0)
/* A state of this kind has a BIGINT NOT NULL behind the columns that decide the key group, and no other columns but such
 * behind it: a store on disk has the entries of a key group in the order of that number (paged/order.h). */
#define KEYED_KIND_TIMERS "timers"

enum {
    STATE_NAME_MAX = 255,
    STATES_MAX = 256, /* per operator */
    STATE_NAMESPACES_MAX = 1 << 20,
};

/* Entries with a time stamp, an int64 of ms at `offset` of the value.  Those of a restored state that had none
 * count as written when they are restored. */
struct keyed_expiry {
    const struct clock *clock; /* Borrows; NULL: entries have no stamp */
    uint32_t offset;
    uint64_t ttl_ms;
    /* Those whose stamp is `ttl_ms` or more ago are not in full snapshots (but in increments and in what
     * these build on). */
    bool is_left_out;
};

/* Whether the time of an entry with this stamp is over at `now_ms`. */
static inline bool keyed_stamp_is_over(int64_t stamp_ms, uint64_t ttl_ms, int64_t now_ms)
{
    int64_t end;
    return !__builtin_add_overflow(stamp_ms, (int64_t)ttl_ms, &end) && end <= now_ms;
}

/* What a state is; given by the operator that opens it. */
struct keyed_state_desc {
    const char *name;                   /* stable: snapshots know it by this */
    const struct schema *key_schema;    /* the key columns: names and types */
    uint32_t value_bytes;               /* of a fixed-size value; not for records */
    const struct record_layout *record; /* Borrows, as long as the state; NULL: fixed-size */
    /* The first columns of the key, which decide the key group; those behind them only distinguish (map
     * keys, time stamps).  0: all. */
    uint32_t n_key_columns;
    /* Who opens it keeps no slot past a call that takes the state without const, not even one that adds nothing, or looks at
     * the table's `numbering`: then a large table grows a piece per upsert, and a backend may keep on disk what
     * does not fit memory: keys of a namespace, and namespaces as a whole, whose tables go while others are used.
     * Others grow when a key is added, by all entries at once, and stay in memory as a whole. */
    bool grows_in_pieces;
    /* It is made again from the entries of another state where a snapshot does not have it, and only those that consist
     * of a backend's own files do (keyed_state.was_stored). */
    bool is_derived;
    const struct keyed_value_ops
        *ops;         /* Borrows, as long as the state; of a derived one: what its values own */
    const char *kind; /* for people and checks: "value", "list", "map", "timers"; NULL: "value" */
    /* What a fixed-size value is, for snapshots: the layout of its columns.  With `record` NULL and this
     * NULL the state is not in snapshots. */
    const struct record_layout *value_layout; /* Borrows, as long as the state */
    uint64_t ttl_ms;                          /* 0: none; kept in snapshots for checks */
    struct keyed_expiry expiry;
};

/* What a backend that keeps state on local disks is given; lives as long as the backend. */
struct keyed_disk {
    struct rocks_shared *shared; /* Borrows: of the process */
    const char *directory;       /* the backend's own; made by it, and deleted when it is closed */
    struct executor *executor;   /* Borrows: writes to disk; NULL: the task does */
    uint64_t cache_bytes;        /* of what is at hand of the states that are paged, */
    const _Atomic uint32_t
        *n_sharing;                /* Borrows: shared equally by so many backends; NULL: by one */
    uint32_t n_transfer_threads;   /* files that are uploaded at a time; 0: a default */
    struct rocks_metrics *metrics; /* Borrows: what is wanted of RocksDB; NULL: nothing */
    bool
        names_states; /* in metrics the state is a variable, <column_family>, not a part of names alone */
    bool evicts_always; /* for tests: at each call some of what may leave the cache does */
};

/* What a backend gets to know; copied. */
struct keyed_backend_options {
    const char *operator_name;        /* Borrows: for messages */
    struct buffer_pool *pool;         /* Borrows: the task's, for batches that are made */
    struct mem_budget *budget;        /* Borrows: of state; may be NULL */
    uint32_t max_parallelism;         /* number of key groups */
    uint32_t first_group, last_group; /* those of this subtask */
    uint64_t seed;                    /* of tables; 0: each has its own */
    uint32_t tables_mapped_from;      /* keyed_table_options.mapped_from */
    bool compress_snapshots;          /* LZ4 */
    const struct keyed_disk *disk;    /* Borrows; NULL: the backend keeps all in memory */
    struct metric_group *metrics;     /* Borrows: the operator's; may be NULL */
};

/* The last confirmed checkpoint that increments build upon, and those that wait to be confirmed. */
struct keyed_chain {
    struct vec segments; /* Flinc__KeyedSegment *: a base and increments; Owns */
    uint64_t base_bytes, delta_bytes;
    struct vec pending; /* struct keyed_pending, oldest first; Owns */
};

struct keyed_backend {
    const struct keyed_backend_desc *desc;
    struct keyed_backend_options options;
    struct vec states;  /* struct keyed_state *, Owns */
    struct vec adopted; /* struct keyed_adopted: what lives as long as the states */
    /* For snapshots. */
    struct keyed_track track;
    struct keyed_chain chain;
    struct keyed_snapshot *snapshot; /* Borrows: the one that is being written; NULL */
    struct keyed_restored *restored; /* Owns: states that were restored and not opened; NULL */
    struct paged_store *paged;       /* Owns: of what does not fit memory; NULL: all is there */
};
struct keyed_adopted {
    void *object; /* Owns */
    void (*free)(void *object);
};

struct keyed_state {
    struct keyed_backend *backend;
    char *name;                /* Owns */
    struct schema *key_schema; /* Owns a ref */
    uint32_t n_key_columns;    /* those that decide the key group; the desc's 0 settled */
    uint32_t value_bytes;      /* of a slot */
    bool grows_in_pieces, is_derived;
    bool was_stored; /* all that it has was restored with a backend's own files, as it was */
    const struct record_layout *record; /* Borrows; NULL: fixed-size */
    const struct keyed_value_ops *ops;  /* Borrows; may be NULL */
    char *kind;                         /* Owns; for snapshots, as all below */
    uint64_t ttl_ms;
    struct keyed_expiry expiry;
    struct keyed_rows *rows; /* Owns; NULL: the state is in no snapshot */
    struct vec dropped;      /* struct keyed_dropped: namespaces, oldest first; Owns */
    struct record_layout
        *carried; /* Owns; restored and not opened: what its values are; else NULL */
    /* The table that the last batched call was about: where slots point into.  NULL: nothing yet. */
    struct keyed_table *table; /* Borrows: the backend's */
    /* Owns: the cache that its tables are; NULL: all of it is in memory. */
    struct paged_state *paged;
};

/* One kind of backend; const, last in its file. */
struct keyed_backend_desc {
    uint32_t struct_size;
    const char *kind;     /* "hashmap", as state.backend.type has it */
    size_t instance_size; /* of the backend; starts with struct keyed_backend */
    size_t state_size;    /* of one state; starts with struct keyed_state */
    int (*open)(struct keyed_backend *b, struct error *err);
    void (*close)(struct keyed_backend *b);
    int (*open_state)(struct keyed_state *s, struct error *err);
    void (*close_state)(struct keyed_state *s);
    /* Sets s->table to the table of a namespace, made when it is not there (`create`), else NULL. */
    int (*select)(struct keyed_state *s, int64_t name_space, bool create, struct error *err);
    /* The batched face, on s->table. */
    int (*upsert)(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                  uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err);
    int (*find)(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                uint32_t *ret_slots, struct error *err);
    int (*find_hashed)(struct keyed_state *s, uint32_t column, const struct keyed_hashed *wanted,
                       uint32_t n, uint32_t *ret_slots, struct error *err);
    void (*remove)(struct keyed_state *s, const uint32_t *slots, uint32_t n);
    void (*drop_namespace)(struct keyed_state *s, int64_t name_space);
    /* The least namespace that has a table, or keys on disk, and is not below `from`. */
    bool (*next_namespace)(const struct keyed_state *s, int64_t from, int64_t *ret_name_space);
    /* The table of the least namespace that has one at hand and is not below *inout_name_space, which it becomes; NULL. */
    struct keyed_table *(*table_from)(const struct keyed_state *s, int64_t *inout_name_space);
    uint64_t (*bytes)(const struct keyed_state *s);
};

/* ---- backends and states ----------------------------------------------------------------------- */

/* ERR_NOT_FOUND names the kinds there are. */
int keyed_backend_new(const char *kind, const struct keyed_backend_options *options,
                      struct keyed_backend **ret_backend, struct error *err) MUST_CHECK;
/* Closes its states too.  NULL is fine; returns NULL. */
struct keyed_backend *keyed_backend_free(struct keyed_backend *b);
/* Has free(object) called after the states are closed: for what stands on states and lends them its
 * layouts. */
void keyed_backend_adopt(struct keyed_backend *b, void *take_object, void (*free)(void *object));
uint64_t keyed_backend_bytes(const struct keyed_backend *b);
/* Whether it keeps on disk what does not fit memory, of states with grows_in_pieces. */
static inline bool keyed_backend_pages(const struct keyed_backend *b)
{
    return b->paged != NULL;
}

/* Opens a state, or gives the one of this name when key and value agree (else ERR_STATE).  It lives
 * as long as the backend. */
int keyed_backend_state(struct keyed_backend *b, const struct keyed_state_desc *desc,
                        struct keyed_state **ret_state, struct error *err) MUST_CHECK;

/* ---- snapshots ------------------------------------------------------------------------------------ */

struct snapshot_target;
struct keyed_snapshot;

/* Which snapshot is to be made. */
struct keyed_freeze {
    uint64_t checkpoint_id;
    Flinc__CheckpointKind
        kind; /* INCREMENTAL: changes since the last confirmed one, where there is one */
    struct snapshot_target *target; /* a reference is taken */
};
/* Keeps the state as it is at this moment for a snapshot: microseconds to a few milliseconds, whatever
 * the size.  The state may be changed at once.  At most one snapshot at a time (asserted). */
int keyed_backend_freeze(struct keyed_backend *b, const struct keyed_freeze *how,
                         struct keyed_snapshot **ret_snapshot, struct error *err) MUST_CHECK;
/* Writes up to about `n_entries` entries.  1: call again when keyed_snapshot_is_writable(); 0: all is
 * written, and *ret_handle is filled (parts allocated by protobuf-c's allocator, the caller frees).
 * Called between batches by the task's thread. */
int keyed_snapshot_step(struct keyed_snapshot *s, uint32_t n_entries,
                        Flinc__KeyedHandle *ret_handle, struct error *err) MUST_CHECK;
bool keyed_snapshot_is_writable(const struct keyed_snapshot *s);
/* Gives up what is not finished; the state forgets it.  NULL is fine; returns NULL. */
struct keyed_snapshot *keyed_snapshot_free(struct keyed_snapshot *s);
/* The job master completed a checkpoint: later increments may build on it.  Until then changes since the
 * last confirmed one are kept. */
void keyed_backend_confirm(struct keyed_backend *b, uint64_t checkpoint_id);
/* Before any state is opened: takes the groups of this subtask out of the handles.  States get their
 * entries when they are opened with a fitting (or migratable) description; those never opened again
 * are carried along into later snapshots. */
int keyed_backend_restore(struct keyed_backend *b, const Flinc__OperatorSubtaskState *state,
                          const char *directory, uint64_t checkpoint_id,
                          struct error *err) MUST_CHECK;

/* ---- the batched face -------------------------------------------------------------------------- */

/* Sets b->hashes (`b` must be unique) to the hashes of `key_columns` as this state wants them.  They are
 * those of the key's first columns, batch_hash_keys(), and with columns behind them batch_extend_hashes():
 * key group = (uint32_t)hash % max_parallelism for every state. */
void keyed_state_hash(const struct keyed_state *s, struct batch *b, const uint32_t *key_columns);
/* Slots of the keys of all selected rows, adding those that are not there; as keyed_table_upsert().
 * `b->hashes` must be there, keyed_state_hash().  Every slot that it gives may be changed. */
int keyed_state_upsert(struct keyed_state *s, int64_t name_space, const struct batch *b,
                       const uint32_t *key_columns, uint32_t *ret_slots, uint8_t *ret_is_new,
                       struct error *err) MUST_CHECK;
/* The same for keys none of which is there, but for those that stand in the batch twice: who calls knows.  A backend need
 * not look for them on disk. */
int keyed_state_add(struct keyed_state *s, int64_t name_space, const struct batch *b,
                    const uint32_t *key_columns, uint32_t *ret_slots, uint8_t *ret_is_new,
                    struct error *err) MUST_CHECK;
/* Room for `n_keys` keys in a namespace, before many are added. */
int keyed_state_reserve(struct keyed_state *s, int64_t name_space, uint64_t n_keys,
                        struct error *err) MUST_CHECK;
/* Without adding: KEYED_SLOT_NONE for a key that has no value.  Its slots are for reading: a value that is
 * to be changed needs keyed_state_touch() before. */
int keyed_state_find(struct keyed_state *s, int64_t name_space, const struct batch *b,
                     const uint32_t *key_columns, uint32_t *ret_slots,
                     struct error *err) MUST_CHECK;
/* The value of this slot, which a find or an iteration gave, is changed next: snapshots hear of it. */
static inline void keyed_state_touch(struct keyed_state *s, uint32_t slot)
{
    keyed_table_touch(s->table, slot);
}
static inline void *keyed_state_value(const struct keyed_state *s, uint32_t slot)
{
    return keyed_table_value(s->table, slot);
}
/* For kernels: the value of slot i is at base + i * stride. */
static inline char *keyed_state_values(const struct keyed_state *s, uint32_t *ret_stride)
{
    *ret_stride = s->table->stride;
    return s->table->entries + s->table->value_offset;
}
/* Counts the times when slots got other numbers: 0 before the first key. */
static inline uint32_t keyed_state_numbering(const struct keyed_state *s)
{
    return s->table != NULL ? s->table->numbering : 0;
}
/* Adds which state of which operator it was. */
int keyed_state_failed(const struct keyed_state *s, int rc, struct error *err) COLD;
/* Makes the record of a slot a copy of `record` (record_keep()). */
static inline int keyed_state_keep(struct keyed_state *s, uint32_t slot, const char *record,
                                   struct error *err)
{
    keyed_state_touch(s, slot);
    int rc = record_keep(s->record, &s->table->heap, keyed_state_value(s, slot), record, err);
    return __builtin_expect(rc < 0, 0) ? keyed_state_failed(s, rc, err) : 0;
}
/* All keys of a namespace, wherever the backend has them, a block of slots at a time.  Keys may be removed on the way; of those that
 * are added some may be met.  The state must not go before the walk. */
struct keyed_walk;
int keyed_walk_start(struct keyed_state *s, int64_t name_space, struct keyed_walk **ret_walk,
                     struct error *err) MUST_CHECK;
/* Up to `max` slots (at most BATCH_ROWS_MAX), good until the next call on the state: their number, or 0 at the
 * end. */
int keyed_walk_next(struct keyed_walk *w, uint32_t max, uint32_t *ret_slots,
                    struct error *err) MUST_CHECK;
struct keyed_walk *keyed_walk_free(struct keyed_walk *w); /* NULL is fine; returns NULL */
/* The next slot of a namespace from `from` on, KEYED_SLOT_NONE at the end; of a state that is paged only what is at
 * hand. */
uint32_t keyed_state_next(struct keyed_state *s, int64_t name_space, uint32_t from);
/* The keys of slots as a batch; keyed_table_read_keys(). */
int keyed_state_read_keys(struct keyed_state *s, const uint32_t *slots, uint32_t n,
                          struct batch **ret_batch, struct error *err) MUST_CHECK;
/* Slots by hash and a number, keyed_table_find_hashed(); they are for reading. */
int keyed_state_find_hashed(struct keyed_state *s, int64_t name_space, uint32_t column,
                            const struct keyed_hashed *wanted, uint32_t n, uint32_t *ret_slots,
                            struct error *err) MUST_CHECK;
/* Removes one key of the namespace of the last call, with what its value owns. */
void keyed_state_remove(struct keyed_state *s, uint32_t slot);
void keyed_state_remove_many(struct keyed_state *s, const uint32_t *slots, uint32_t n);
/* Removes a namespace with all its keys, and gives its memory back. */
void keyed_state_drop_namespace(struct keyed_state *s, int64_t name_space);
/* The same when no key is left in it: a table keeps its size, and its place among the namespaces.  Where it is paged that
 * may happen later. */
void keyed_state_drop_if_empty(struct keyed_state *s, int64_t name_space);
/* The least namespace with a table, or with keys on disk, that is not below `from`; false: there is none.  All of them:
 *   for (int64_t ns = INT64_MIN; keyed_state_next_namespace(s, ns, &ns) && ...; ns++) */
bool keyed_state_next_namespace(const struct keyed_state *s, int64_t from, int64_t *ret_name_space);
uint64_t keyed_state_bytes(const struct keyed_state *s);

#endif
