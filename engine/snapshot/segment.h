/* A segment: blocks of keyed state in one run of bytes.  docs/internals/snapshots.md has it byte by byte.
 *
 *   header | state declaration ... | block ... | index | footer        each with its own CRC32C
 *
 * A block holds rows of one state and namespace: an encoded batch of the state's row schema (key columns,
 * then value columns), sorted by key group, with the runs of groups in front, so that a reader takes only
 * the groups that it wants.  PUT blocks set values, REMOVE blocks (key columns only) take keys away, DROP
 * blocks drop a whole namespace.  Blocks of a segment apply in their order.
 *
 * The same format serves increments, full checkpoints and canonical savepoints.
 * Thread: one owner.  Flink: KeyGroupsStateHandle and what is behind it. */
#ifndef FLINC_ENGINE_SNAPSHOT_SEGMENT_H
#define FLINC_ENGINE_SNAPSHOT_SEGMENT_H

#include "engine/data/batch.h"
#include "engine/snapshot/output.h"

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_STATES_MAX = 1024,
    SEGMENT_STATE_NAME_MAX = 255,
};

/* A state as it is declared in a segment. */
struct segment_state {
    const char *name; /* Borrows */
    const char
        *kind; /* Borrows: "value", "list", "map", "timers", ...: for people and for checks */
    const struct schema
        *key_schema;        /* Borrows: key columns, first those that decide the key group */
    uint32_t n_key_columns; /* how many of them do */
    const struct schema *value_schema; /* Borrows; may have no columns */
    uint64_t ttl_ms;                   /* 0: none */
};

enum segment_block_kind {
    SEGMENT_BLOCK_PUT,
    SEGMENT_BLOCK_REMOVE,
    SEGMENT_BLOCK_DROP, /* a namespace; no rows */
};

/* Rows [first_row, first_row + n_rows) are of `group`. */
struct segment_run {
    uint32_t group, first_row, n_rows;
};

/* How the batch of a block lies in the segment. */
enum segment_compression {
    SEGMENT_COMPRESSION_NONE = 0,
    SEGMENT_COMPRESSION_LZ4 =
        1, /* LZ4 block format; blocks that gain too little stay as they are */
};

/* ---- writing ---------------------------------------------------------------------------------- */

struct segment_writer;
struct segment_writer_options {
    struct snapshot_output *output; /* taken, also on failure */
    struct buffer_pool *pool;       /* Borrows */
    uint32_t first_group, last_group, max_parallelism;
    uint64_t checkpoint_id;
    bool is_base;
    enum segment_compression compression;
};
int segment_writer_new(const struct segment_writer_options *options, struct segment_writer **ret,
                       struct error *err) MUST_CHECK;
int segment_writer_add_state(struct segment_writer *w, const struct segment_state *state,
                             uint32_t *ret_id, struct error *err) MUST_CHECK;
bool segment_writer_is_writable(const struct segment_writer *w);
/* Of the blocks that follow: the seed of the table whose entries they are, which is also the order in that
 * they come.  0, as at first: there is none.  For readers it is a hint. */
void segment_writer_set_seed(struct segment_writer *w, uint64_t table_seed);
/* `rows`: columns of the key schema, then (PUT) of the value schema; no selection; borrowed.  `runs`: in
 * ascending order of their groups, covering all rows; asserted.  A batch without rows writes nothing. */
int segment_writer_put(struct segment_writer *w, uint32_t state_id, enum segment_block_kind kind,
                       int64_t name_space, const struct batch *rows, const struct segment_run *runs,
                       uint32_t n_runs, struct error *err) MUST_CHECK;
/* No more blocks; then poll as snapshot_output_poll().  Nothing written: an empty segment. */
int segment_writer_finish(struct segment_writer *w, struct error *err) MUST_CHECK;
int segment_writer_poll(struct segment_writer *w, Flinc__KeyedSegment *ret_segment,
                        struct error *err) MUST_CHECK;
struct segment_writer *segment_writer_free(struct segment_writer *w); /* abandons; returns NULL */

/* ---- reading ---------------------------------------------------------------------------------- */

struct segment_reader;
/* Checks header, declarations, index and footer; blocks are checked as they are read.  The handle need
 * not outlive the call. */
int segment_reader_open(const Flinc__KeyedSegment *segment, const char *directory,
                        struct segment_reader **ret, struct error *err) MUST_CHECK;
uint32_t segment_reader_n_states(const struct segment_reader *r);
const struct segment_state *segment_reader_state(const struct segment_reader *r, uint32_t id);
struct segment_block {
    uint32_t state_id;
    enum segment_block_kind kind;
    int64_t name_space;
    struct batch *rows; /* Owns a ref; only wanted groups, no selection; NULL for DROP */
    const struct segment_run *runs; /* Borrows until the next call: of `rows` as given */
    uint32_t n_runs;
    uint64_t number;     /* in the segment, for messages */
    uint64_t table_seed; /* as the writer had it; 0: none */
};
/* From now on only blocks of this state. */
void segment_reader_select(struct segment_reader *r, uint32_t id);
/* The next block that has rows of groups [first, last]; 1: there is one, 0: no more. */
int segment_reader_next(struct segment_reader *r, struct buffer_pool *pool, uint32_t first_group,
                        uint32_t last_group, struct segment_block *ret_block,
                        struct error *err) MUST_CHECK;
/* PUT rows of groups [first, last] in the block that was read last and in those behind it that are of its
 * namespace, as far as they follow each other: only their heads are read. */
int segment_reader_rows_ahead(const struct segment_reader *r, const struct segment_block *block,
                              uint32_t first_group, uint32_t last_group, uint64_t *ret_rows,
                              struct error *err) MUST_CHECK;
/* True: it has all of what was there, false: changes. */
bool segment_reader_is_base(const struct segment_reader *r);
/* What a segment has of a state, by its index. */
struct segment_stats {
    uint64_t n_blocks, n_put_rows, n_removed_rows;
    uint64_t size_bytes; /* of the blocks */
};
void segment_reader_stats(const struct segment_reader *r, uint32_t state_id,
                          struct segment_stats *ret_stats);
uint32_t segment_reader_max_parallelism(const struct segment_reader *r);
struct segment_reader *segment_reader_close(struct segment_reader *r); /* returns NULL */

/* ---- schema evolution -------------------------------------------------------------------------- */

/* How a batch of an older schema becomes one of a newer: fields found by name; a new field is NULL (or
 * zero where it may not be NULL), one that is gone is left out, integers and floats widen.  ERR_STATE
 * with the reason ("field 'count' was BIGINT and is STRING now") for anything else.
 * Flink: POJO and Avro schema evolution. */
struct schema_migration;
int schema_migration_new(const struct schema *from, const struct schema *to,
                         struct schema_migration **ret, struct error *err) MUST_CHECK;
bool schema_migration_is_identity(const struct schema_migration *m);
int schema_migration_apply(const struct schema_migration *m, struct buffer_pool *pool,
                           const struct batch *b, struct batch **ret, struct error *err) MUST_CHECK;
struct schema_migration *schema_migration_free(struct schema_migration *m);

#endif
