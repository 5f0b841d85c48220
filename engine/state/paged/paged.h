/* Keyed tables as a write-back cache over a store on local disks: inside the rocksdb backend.
 *
 *   table  -- the keys that are at hand, as in the hashmap backend, with marks of what changed
 *   store  -- all keys, as bytes in RocksDB (engine/rocksdb)
 *
 * A batch is probed in the table; keys that it lacks are read from the store together.  Two hands go around the
 * table: the first writes changed entries that were not used lately, the second, when room is needed, drops those that are as in the
 * store, and were not used lately, either.  Changed entries leave in pieces: sorted runs
 * which an executor writes and hands to RocksDB; until one is there its entries stay in the table.
 *
 * The bits of an entry (keyed_track.h): dirty: changed since it was last put into a piece; unconfirmed: of a checkpoint
 * whose pieces are not in the store yet; frozen: to be written by the checkpoint at hand as it is, or in a piece that is
 * not in the store yet; known: the store has the key, or will have it, so that its removal must be told.  An entry
 * that has none of the first three is as in the store.
 *
 * Removed keys are in `gone` until the store knows of it, since the store would still answer with them.
 *
 * Namespaces.  Each has a table of its own, which comes when it is selected and goes as a whole, written, when others of the
 * state need its room longer than it was not used; what is left then is a descriptor.  A namespace that is dropped goes
 * without being written, but for what a checkpoint at hand still has to write of it (is_doomed), and the next piece
 * begins with the removal of all its keys; one that comes again before that is empty and does not ask the store.
 * Keys of the store: key group | infix | key in NAMESPACE_VOID, key group | another infix | namespace | key in the others.
 *
 * Thread: one owner (the task); pieces are written by an executor's.
 * Flink: RocksDBKeyedStateBackend with its write buffers. */
#ifndef FLINC_ENGINE_STATE_PAGED_PAGED_H
#define FLINC_ENGINE_STATE_PAGED_PAGED_H

#include "common/loop/executor.h"
#include "common/metrics/registry.h"
#include "engine/rocksdb/rocks_store.h"
#include "engine/snapshot/shared_files.h"
#include "engine/state/keyed_snapshot.h"
#include "engine/state/keyed_table_evict.h"
#include "engine/state/keyed_table_key.h"
#include "engine/state/record_row.h"

enum {
    PAGED_KEY_PREFIX = 6,      /* key group, state */
    PAGED_INFIX = 4,           /* bytes of a state in keys of the store */
    PAGED_SPACE_INFIX = 4 + 8, /* of another namespace than NAMESPACE_VOID */
    PAGED_HEAP_MIN = 1 << 20,  /* bytes of long keys and strings */
    PAGED_TABLE_MIN =
        256 << 10, /* bytes of a table's slots at least, if the cache as a whole has so many */
    PAGED_SPACES_MIN = 1 << 20,  /* the same of all tables of a state with several namespaces */
    PAGED_PIECE_BYTES = 8 << 20, /* of a piece at most, about, */
    PAGED_PIECE_BYTES_MIN = 256 << 10, /* and with little memory */
    PAGED_WARM_CALLS = 64, /* a table that was not used in so many calls of its state is cold */
    PAGED_FIGURES_MAX = 8,
};

/* Slots of a table that are used at most when a batch begins. */
#define PAGED_FULL(n_slots) ((n_slots) / 16 * 11)

struct paged_store;
struct paged_piece;
struct paged_table;
struct shown_row;

/* Behind the key group in keys of the store: a state, or one namespace of it. */
struct paged_infix {
    char bytes[PAGED_SPACE_INFIX];
    uint32_t size;
};

/* What is known of a namespace without its table. */
struct paged_space {
    int64_t name_space;
    struct paged_table *table; /* Owns; NULL: nothing of it is at hand */
    bool is_stored; /* the store may have keys of it; while there is a table, that knows */
};

/* A state that is paged. */
struct paged_state {
    struct paged_store *store;  /* Borrows */
    struct keyed_state *state;  /* Borrows */
    struct paged_infix infix;   /* of NAMESPACE_VOID */
    struct paged_infix spaces;  /* in front of the other namespaces */
    struct keyed_table *shape;  /* Owns: empty, what all tables are like */
    struct record_layout value; /* Owns: of the value alone */
    struct record_row row;      /* of it */
    uint32_t order_column;      /* of the number that its entries sort by; 0: none (order.h) */
    struct keyed_number order_number; /* where it is in a key */
    struct vec all; /* struct paged_space, by namespace; NAMESPACE_VOID is always there */
    struct paged_table *at_hand; /* Borrows: the one of state->table; NULL: none */
    struct keyed_table absent;   /* keys that the last find did not find in the store, either, of */
    const struct paged_table *absent_of; /* this table; NULL: of none */
    uint64_t n_calls;                    /* of its tables together */
    uint32_t n_warm;                     /* tables that are not cold */
    uint32_t n_tables;                   /* at hand */
    uint64_t next_serial;
    bool is_blind;              /* rows are put without a look at what the store has: restoring */
    struct metric_group *shown; /* Owns; NULL: nothing is wanted */
};

/* What is at hand of one namespace. */
struct paged_table {
    struct paged_state *of;    /* Borrows */
    struct paged_store *store; /* Borrows */
    struct keyed_table *table; /* Owns */
    int64_t name_space;
    struct paged_infix infix;
    uint64_t serial; /* no other table of the state has it */
    bool is_stored;  /* the store may have keys of it */
    bool is_whole;   /* the store has no key that is not here, but for removed ones */
    bool
        is_doomed; /* the namespace was dropped; a checkpoint still has to write what was frozen of it */
    uint32_t n_asked; /* whether it is empty, when nothing of it was at hand */
    uint32_t
        n_walks; /* that go over its slots: it stays, and so does each entry that is not removed */
    uint64_t n_puts;         /* pieces that something of it was put into */
    uint64_t used_at;        /* of->n_calls then */
    uint64_t limit_seen;     /* the most that its state might have while it was filled */
    struct keyed_table gone; /* keys to counts of their removals that the store has not heard of */
    uint32_t write_group;    /* the first hand */
    struct keyed_evict_hand hand; /* the second */
    uint32_t hand_seen;           /* groups that it came by on its way around */
    uint32_t
        look_dirty; /* changed entries from which on a piece may be due: until then too many were hot */
    uint8_t takes_all;            /* 0xff: the piece has all changed entries; 0: half of them */
    uint32_t piece_from, piece_n; /* groups whose entries are in the piece at hand */
    size_t piece_removed;         /* the first items of table->removed that are in it */
    uint32_t n_calls;             /* with keyed_disk.evicts_always */
};

/* A key that a table lacked. */
struct paged_key {
    uint32_t at, size; /* of its bytes, in the store's key_bytes */
    uint32_t row;
};
/* Up to eight bytes as a number whose order is theirs. */
static inline uint64_t paged_order_number(const char *data, size_t len)
{
    uint64_t v = 0;
    memcpy(&v, data, MIN(len, sizeof(v)));
    return __builtin_bswap64(v);
}
/* The same of those behind the first eight. */
static inline uint64_t paged_order_second(const char *data, size_t len)
{
    return len > sizeof(uint64_t)
               ? paged_order_number(data + sizeof(uint64_t), len - sizeof(uint64_t))
               : 0;
}

/* ---- sort.c: keys in their order ----------------------------------------------------------------------- */

/* A key, for sorting. */
struct paged_place {
    uint64_t first, second; /* its first bytes as numbers (paged_order_number()) */
    uint64_t at;            /* where the rest of it is, for the comparison */
};
typedef int (*paged_compare_fn)(const void *a, const void *b, void *arg);
/* struct paged_place; `compare` is asked of those that have both numbers in common, or of all.  `scratch`: of the same items, used
 * again. */
void paged_places_sort(struct vec *places, struct vec *scratch, paged_compare_fn compare,
                       void *arg);

/* ---- store.c: the store and pieces under way ------------------------------------------------------ */

struct paged_store {
    const struct keyed_backend_options *options; /* Borrows */
    struct keyed_track track;                    /* of paged tables: of what the store lacks */
    struct rocks_store *rocks;                   /* Owns */
    struct paged_ttl *ttl;                       /* Owns */
    struct vec states;                           /* struct paged_state *; Borrows */
    uint32_t n_ordered;                          /* of them those that sort by a number */
    struct vec tables;   /* struct paged_table *, with doomed ones; Borrows, but for these */
    struct vec drops;    /* struct paged_infix: what the store is to forget, oldest first */
    size_t piece_drops;  /* the first of them, in the piece at hand */
    size_t frozen_drops; /* the first of them, from before the freeze, that it has not heard of */
    struct paged_piece *piece;         /* Owns: being filled or written; NULL: none */
    struct paged_table *writing;       /* Borrows: whose entries the piece has */
    bool is_empty;                     /* nothing was ever written to it */
    uint32_t piece_frozen_at;          /* the track's, when the piece was filled */
    bool is_frozen;                    /* a checkpoint is being written */
    bool wants_files;                  /* which needs the store's files */
    struct snapshot_target *target;    /* Borrows: of the checkpoint, to be woken */
    struct vec linked;                 /* struct rocks_files: of the last checkpoint; Owns */
    struct error unlinked;             /* why it has none; its code 0: it has them, or will */
    struct shared_files *shared_files; /* Owns */
    struct vec unopened; /* Flinc__StoredState *: restored states that nobody opened; Owns */
    size_t frozen_table; /* goes on with this one */
    bool last_is_sent;   /* the piece behind which the files are linked */
    /* Of a read. */
    struct str key_bytes;
    struct vec keys;                   /* struct paged_key */
    struct vec order, order_scratch;   /* struct paged_place: of them, `at` is which */
    struct vec read_keys, read_values; /* struct rocks_bytes */
    struct error failed;               /* of what could not say so then; its code 0: nothing */
    struct paged_snapshot *snapshot;   /* Borrows: the one that is frozen; NULL */
    uint64_t n_restored;               /* folders of files that were downloaded */
    /* Figures. */
    uint64_t n_reads, n_misses, n_found, n_evicted, n_written, n_pieces;
    struct vec shown;             /* struct metric_group *; Owns */
    struct shown_row *shown_rows; /* Owns: what gauges of RocksDB's figures read */
    struct metric_gauge *gauges[PAGED_FIGURES_MAX]; /* Borrows; NULL: nobody looks */
};

/* `options`: borrowed as long as the store. */
int paged_store_new(const struct keyed_backend_options *options, struct paged_store **ret_store,
                    struct error *err) MUST_CHECK;
/* Waits for a piece that is being written.  NULL is fine; returns NULL. */
struct paged_store *paged_store_free(struct paged_store *s);
/* Knows the namespaces that restored files have. */
int paged_state_new(struct paged_store *s, struct keyed_state *state,
                    struct paged_state **ret_state, struct error *err) MUST_CHECK;
/* Before its state is closed.  NULL is fine; returns NULL. */
struct paged_state *paged_state_free(struct paged_state *ps);
/* Of what is at hand of all its states. */
uint64_t paged_store_limit(const struct paged_store *s);
/* Of a piece, about. */
uint64_t paged_store_piece_bytes(const struct paged_store *s);
/* Of its tables, heaps and what they know. */
uint64_t paged_state_limit(const struct paged_state *ps);
/* Of a table, its heap and what it knows, given how many are in use. */
uint64_t paged_table_limit(const struct paged_table *p);

/* ---- space.c: namespaces ------------------------------------------------------------------------------- */

/* Sets state->table to that of a namespace; where there is none it is made, if the namespace is there or with `create`, else NULL.
 * It fails only where it creates. */
int paged_state_select(struct paged_state *ps, int64_t name_space, bool create,
                       struct error *err) MUST_CHECK;
/* The table of a namespace, if it is at hand; NULL. */
struct paged_table *paged_state_table(const struct paged_state *ps, int64_t name_space);
void paged_state_drop(struct paged_state *ps, int64_t name_space);
/* All namespaces. */
void paged_state_clear(struct paged_state *ps);
/* The least one that is there and not below `from`. */
bool paged_state_next_space(const struct paged_state *ps, int64_t from, int64_t *ret_name_space);
/* The table of the least one that is at hand and not below *inout_name_space, which it becomes; NULL. */
struct keyed_table *paged_state_table_from(const struct paged_state *ps, int64_t *inout_name_space);
uint64_t paged_state_bytes(const struct paged_state *ps);
/* Of slots and what is in the heap; pieces of the heap that are free are used again. */
static inline uint64_t paged_table_bytes(const struct paged_table *p)
{
    return p->table->held_bytes + p->table->heap.used_bytes;
}
/* Once per call on one of its tables: which are in use.  Now and then what is cold begins to be written, and a single table
 * whose part has shrunk starts anew: indexes and filters grow with the files. */
int paged_state_note_use(struct paged_table *p, struct error *err) MUST_CHECK;
/* Makes room for so many more bytes of a table by letting go of others, the coldest first, as far as there are any. */
int paged_state_balance(struct paged_table *p, uint64_t more_bytes, struct error *err) MUST_CHECK;
/* Whether a namespace is known to have no key, which may need a look at the disk; one that has none may be found out later, when it
 * is asked again or its table goes. */
int paged_state_is_empty(struct paged_state *ps, int64_t name_space, bool *ret_is_empty,
                         struct error *err) MUST_CHECK;
/* All of it is written, and its memory given back, which evicted keys leave for others only. */
int paged_table_empty(struct paged_table *p, struct error *err) MUST_CHECK;
/* For tests: another table than this one goes. */
int paged_state_let_go(struct paged_table *p, struct error *err) MUST_CHECK;
/* Frees a table that is not needed any more. */
void paged_table_free(struct paged_table *p);
struct paged_infix paged_state_infix(const struct paged_state *ps, int64_t name_space);
/* The store forgets all keys behind it with the next piece. */
void paged_store_note_drop(struct paged_store *s, const struct paged_infix *infix);

/* ---- metrics.c ------------------------------------------------------------------------------------------ */

/* Gauges of the cache and of RocksDB's tickers in the operator's group; of its properties in one for each state. */
void paged_store_show(struct paged_store *s);
void paged_state_show(struct paged_state *ps);
/* Sets those of the cache; once per batch. */
void paged_store_publish(struct paged_store *s);

/* ---- cache.c: what is at hand ----------------------------------------------------------------------- */

/* Room for `n_rows` more keys; goes on with writing. */
int paged_table_make_room(struct paged_table *p, uint32_t n_rows, struct error *err) MUST_CHECK;
/* After an upsert: values of the keys that were new in the table, from the store; those are not new any more. */
int paged_table_load(struct paged_table *p, const uint32_t *slots, uint8_t *inout_is_new,
                     uint32_t n, struct error *err) MUST_CHECK;
/* Slots of the keys of a batch, those that only the store has taken into the table. */
int paged_table_find(struct paged_table *p, const struct batch *b, const uint32_t *key_columns,
                     uint32_t *ret_slots, struct error *err) MUST_CHECK;
/* Keys and values that a walk found in the store are taken into the table, which was not written since it began: slots of those
 * that were not removed meanwhile; their number, or 0 at the end. */
struct paged_rows;
int paged_table_take_rows(struct paged_table *p, struct paged_rows *rows, uint32_t max,
                          uint32_t *ret_slots, struct error *err) MUST_CHECK;
/* Before an entry is removed. */
void paged_table_note_removal(struct paged_table *p, uint32_t slot);

/* ---- write.c ------------------------------------------------------------------------------------------ */

/* Takes the end of a piece, if one has ended; `wait`: waits for it. */
enum paged_wait { PAGED_POLL, PAGED_WAIT };
int paged_store_settle(struct paged_store *s, enum paged_wait wait, struct error *err) MUST_CHECK;
/* Writes when more keys were removed than the store should not have heard of; waits when they are many more. */
int paged_table_tend_removals(struct paged_table *p, struct error *err) MUST_CHECK;
/* Begins a piece with changed entries of a table, when none is under way and no checkpoint.  COLD: when there are enough of those
 * that were not used lately, these alone. */
enum paged_pick { PAGED_PICK_COLD, PAGED_PICK_ALL };
int paged_table_write_some(struct paged_table *p, enum paged_pick pick,
                           struct error *err) MUST_CHECK;
/* A piece of cold entries, if there are enough. */
int paged_table_write_cold(struct paged_table *p, struct error *err) MUST_CHECK;
/* All changes of a table are written, and waited for. */
int paged_table_flush(struct paged_table *p, struct error *err) MUST_CHECK;
int paged_table_put_entry(struct paged_table *p, const char *entry, bool is_null,
                          struct error *err) MUST_CHECK;
void paged_table_put_removal(struct paged_table *p, const struct keyed_removed *r);
/* The store has heard of the oldest `n` removals. */
void paged_table_forget_removals(struct paged_table *p, size_t n);
/* Begins a piece, with the first `n_drops` namespaces that are to be forgotten. */
void paged_store_begin_piece(struct paged_store *s, struct paged_table *writing, size_t n_drops);
/* It is given up unless it was sent. */
void paged_store_drop_piece(struct paged_store *s);
/* Sends off the piece that was filled. */
int paged_store_write_piece(struct paged_store *s, struct error *err) MUST_CHECK;

/* ---- freeze.c: what a checkpoint writes ----------------------------------------------------------------- */

/* What the store lacks is to be written as it is now, and then the store's files linked, if they are wanted.  `target` (borrowed
 * until the end) is woken when a piece is in the store. */
enum paged_files { PAGED_NO_FILES, PAGED_FILES };
void paged_store_freeze(struct paged_store *s, enum paged_files files,
                        struct snapshot_target *target);
/* Goes on with it, for about `n_entries`.  DONE: all of it is in the store; MORE: it can go on; WRITING: a piece is on
 * its way. */
enum paged_step { PAGED_DONE, PAGED_MORE, PAGED_WRITING };
int paged_store_step(struct paged_store *s, uint32_t n_entries, struct error *err) MUST_CHECK;
/* Goes on with all of it, for a task that needs room and cannot wait to be asked.  A checkpoint without
 * memory for copies of what changed, or whose files could not be linked, is given up: it fails when it is asked for, the
 * state goes on. */
int paged_store_advance(struct paged_store *s, struct error *err) MUST_CHECK;
/* What is frozen is written to its end, and waited for, or given up. */
int paged_store_finish(struct paged_store *s, struct error *err) MUST_CHECK;
/* Everything that the store lacks is written, and waited for. */
int paged_store_flush(struct paged_store *s, struct error *err) MUST_CHECK;
/* Whether a step finds something to do. */
bool paged_store_has_news(const struct paged_store *s);
/* Appends the files that were wanted. */
void paged_store_take_files(struct paged_store *s,
                            struct vec *ret_partitions /* struct rocks_files */);
/* Gives it up; harmless without one. */
void paged_store_thaw(struct paged_store *s);

/* ---- key.c ---------------------------------------------------------------------------------------------- */

/* Appends the bytes of an entry's key. */
void paged_key_put(const struct paged_table *p, const char *key, uint64_t hash, bool is_null,
                   struct str *out);

/* The other way: an entry's key, `prefix` bytes behind the beginning, as long as `bytes` is there.  ERR_CORRUPT. */
int paged_key_get(const struct paged_state *ps, struct rocks_bytes bytes, uint32_t prefix,
                  char *ret_key, bool *ret_is_null, struct error *err) MUST_CHECK;

/* ---- rows.c: entries of the store as rows ----------------------------------------------------------------- */

/* All entries that the store has now of some namespaces, whatever becomes of it later, one after the other in the order of
 * key groups.  `value`: the layout of values as they were written (copied). */
struct paged_rows;
struct paged_rows *paged_rows_new(struct paged_state *ps, const struct record_layout *value,
                                  const int64_t *name_spaces, size_t n);
/* Those whose time is over do not come, where the state wants it so (keyed_expiry.is_left_out). */
void paged_rows_leave_out_expired(struct paged_rows *r);
/* 1: a block of up to `max` rows, key columns first, with its runs (room for as many); 0: no more. */
int paged_rows_next(struct paged_rows *r, uint32_t max, struct batch **ret_rows,
                    struct segment_run *ret_runs, uint32_t *ret_n_runs,
                    struct error *err) MUST_CHECK;
/* Starts anew with the entries whose keys in the store are in [from, until). */
void paged_rows_seek(struct paged_rows *r, struct rocks_bytes from, struct rocks_bytes until);
/* The entry that the next block begins with, good until then; false: the last block was the end. */
bool paged_rows_peek(const struct paged_rows *r, struct rocks_bytes *ret_key);
/* The same with the keys alone; ret_values[i] is the value of row i as it was written, until the next call. */
int paged_rows_next_keys(struct paged_rows *r, uint32_t max, struct batch **ret_keys,
                         struct rocks_bytes *ret_values, struct error *err) MUST_CHECK;
struct keyed_state *paged_rows_state(const struct paged_rows *r);
int64_t paged_rows_name_space(const struct paged_rows *r); /* of the last block */
struct paged_rows *paged_rows_free(struct paged_rows *r);  /* NULL is fine; returns NULL */

/* ---- snapshot.c: the paged part of a keyed snapshot -------------------------------------------------------- */

enum { PAGED_FILE_IS_RUN = 1 }; /* SharedFile.flags */
struct paged_snapshot;
struct paged_snapshot *paged_snapshot_begin(struct paged_store *s, const struct keyed_freeze *how);
/* 1: call again when it is writable; 0: done. */
int paged_snapshot_step(struct paged_snapshot *x, uint32_t n_entries, struct error *err) MUST_CHECK;
bool paged_snapshot_is_writable(const struct paged_snapshot *x);
/* Everything is in the store. */
void paged_snapshot_note_written(struct paged_snapshot *x);
/* It was given up: its next step fails with this. */
void paged_snapshot_note_lost(struct paged_snapshot *x, const struct error *why);
/* Entries that change are copied for it. */
bool paged_snapshot_is_frozen(const struct paged_snapshot *x);
/* Of a canonical savepoint, when it is done: rows of one state after the other.  1: a block; 0: no more. */
int paged_snapshot_rows(struct paged_snapshot *x, struct keyed_state **ret_state,
                        int64_t *ret_name_space, struct batch **ret_rows,
                        struct segment_run *ret_runs, uint32_t *ret_n_runs,
                        struct error *err) MUST_CHECK;
/* When it is done: adds files and states to the handle. */
int paged_snapshot_take(struct paged_snapshot *x, Flinc__KeyedHandle *handle,
                        struct error *err) MUST_CHECK;
struct paged_snapshot *
paged_snapshot_free(struct paged_snapshot *x); /* NULL is fine; returns NULL */

/* ---- restore.c ------------------------------------------------------------------------------------------------ */

/* Takes the files of handles over that have key groups of this store. */
int paged_store_restore(struct paged_store *s, const Flinc__OperatorSubtaskState *state,
                        const char *directory, struct error *err) MUST_CHECK;
/* While a state is filled from rows that are all there is of their keys: nothing is read.  Harmless for a state that is
 * not paged. */
void paged_state_set_blind(struct keyed_state *s, bool is_blind);
/* What the restored files say of a state; NULL: they have none of this name, or it was taken. */
const Flinc__StoredState *paged_store_find_stored(const struct paged_store *s, const char *name);
/* Its rows are a table's now, or are not wanted any more. */
void paged_store_take_stored(struct paged_store *s, const char *name);
/* ---- ttl.c: entries whose time is over ---------------------------------------------------------------------- */

struct paged_ttl;
struct paged_ttl *paged_ttl_new(void);
struct paged_ttl *paged_ttl_free(struct paged_ttl *t); /* NULL is fine; returns NULL */
/* Nothing is added for a state without a time to live. */
void paged_ttl_add(struct paged_ttl *t, const struct paged_state *ps);
/* Thread: any; `arg`: the struct paged_ttl. */
bool paged_ttl_is_over(const void *arg, struct rocks_bytes key, struct rocks_bytes value);

/* ---- piece.c: what is written together ------------------------------------------------------------------ */

/* A piece under construction: puts and removals in any order; of puts and removals of a key the last counts. */
struct paged_piece *paged_piece_new(struct rocks_store *rocks, struct mem_budget *budget);
/* Behind it the store's files are linked; paged_piece_take_files() appends them to a list.  Negative: they could not be; what
 * was written is in the store nevertheless. */
void paged_piece_link_files(struct paged_piece *x);
int paged_piece_take_files(struct paged_piece *x,
                           struct vec *ret_partitions /* struct rocks_files */,
                           struct error *err) MUST_CHECK;
/* Begins an item, whose key and then value are appended to the string; paged_piece_end() says how long the key
 * is. */
struct str *paged_piece_bytes(struct paged_piece *x);
void paged_piece_end(struct paged_piece *x, uint32_t key_bytes, uint32_t value_bytes);
void paged_piece_end_removal(struct paged_piece *x, uint32_t key_bytes);
/* All keys with these bytes behind their key group go, but for those of this piece. */
void paged_piece_remove_all(struct paged_piece *x, const struct paged_infix *infix);
uint64_t paged_piece_size(const struct paged_piece *x); /* bytes */
uint32_t paged_piece_len(const struct paged_piece *x);
bool paged_piece_is_empty(const struct paged_piece *x); /* nor removes anything */
/* Sorts and writes it, on an executor's thread or, without one, at once.  `wake` (may be NULL) is woken at its end. */
void paged_piece_write(struct paged_piece *x, struct executor *executor,
                       struct snapshot_target *wake);
bool paged_piece_is_sent(const struct paged_piece *x); /* or has ended */
bool paged_piece_has_ended(const struct paged_piece *x);
/* 1: it is in the store; 0: not yet; negative: it is not, and the store is of no use any more. */
int paged_piece_poll(struct paged_piece *x, enum paged_wait wait, struct error *err) MUST_CHECK;
/* Waits when it is being written.  NULL is fine; returns NULL. */
struct paged_piece *paged_piece_free(struct paged_piece *x);

#endif
