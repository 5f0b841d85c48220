/* Inside of flinc.keyed_aggregate: rolling sum, min, max, minBy, maxBy and reduce of a keyed stream.
 *
 * Two ways.  By value: sum, min and max of a number in a stream that has no columns but the key and
 * that number, which is what word counts look like; the state is the number, updated in place.  By
 * record: everything else; the state is the whole record as a C struct.
 * Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_KEYED_AGGREGATE_H
#define FLINC_ENGINE_OPERATORS_KEYED_AGGREGATE_H

#include "engine/operators/record_fold.h"
#include "engine/operators/row_operator.h"
#include "engine/state/state.h"

/* One batch for a kernel: value i of the batch goes into the state at slots[i]. */
struct value_run {
    char *values; /* of the state; slot s at values + s * stride */
    uint32_t stride;
    const uint32_t *slots;
    const uint8_t *is_new;
    const uint16_t *sel; /* NULL: all rows */
    uint32_t n;
    const void *in;       /* by physical row */
    const uint8_t *valid; /* of `in`; NULL: no NULLs */
    void *out;            /* by physical row: the running value; NULL: not wanted */
    uint8_t *out_valid;   /* all ones at first; for columns that may be NULL */
};
typedef void (*value_kernel)(const struct value_run *run);

/* The half before the exchange, in BATCH mode: it adds up what it sees and sends on one partial value
 * per key, when it has many keys or the input ends.  Where keys hardly repeat it steps aside. */
struct local_aggregate {
    bool enabled;
    bool pass_through;   /* keys hardly repeat: records go on as they are */
    uint64_t rows, keys; /* since the last partial values were sent */
};
enum {
    LOCAL_KEYS_MAX = 64 * 1024, /* partial values kept: a table that stays in the cache */
    LOCAL_ROWS_PER_KEY_MIN = 4, /* with fewer it does not pay */
};

struct keyed_aggregate {
    struct row_operator rows; /* functions (reduce), reader, queue and place of the way by record */
    struct row_writer writer; /* by record */
    Flinc__AggregateKind kind;
    uint32_t column; /* the aggregated one; not for reduce */
    bool first;      /* minBy, maxBy: the first of equals stays */
    bool final_only; /* BATCH mode: results at the end of input only */
    bool by_value;
    bool ended;            /* results are being emitted */
    uint32_t *key_columns; /* in the task's arena */
    uint32_t n_keys;
    struct schema *key_schema;         /* Owns a ref */
    struct record_layout value_layout; /* by value: of the state; else empty */
    struct keyed_backend
        *own_backend;          /* Owns; before the exchange; else the task's is used: NULL */
    struct keyed_state *state; /* the backend's */
    struct keyed_walk *walk;   /* Owns: over the results that are being emitted */
    uint32_t n_walked, walked; /* slots at hand, and how many of them were written */
    struct local_aggregate local;
    value_kernel kernel;     /* by value */
    uint32_t value_width;    /* by value: bytes of a number */
    struct record_fold fold; /* by record, but not reduce */
    char *scratch;           /* Owns: one record */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

/* The kernel of an aggregate of a column; NULL: it cannot be done by value. */
value_kernel value_kernel_find(Flinc__AggregateKind kind, const struct data_type *type);
/* Bytes of state per key: the number, and whether there is one if it may be NULL. */
uint32_t value_state_bytes(const struct data_type *type);
/* What these bytes are, for snapshots. */
void value_layout_init(struct record_layout *l, const struct schema *schema, uint32_t column);

/* By value.  Takes the batch, whose slots are found. */
int aggregate_values(struct keyed_aggregate *a, struct op_context *ctx, struct batch *take_batch,
                     struct error *err) MUST_CHECK;
/* Emits one batch of results; OP_MORE, or OP_DONE when there are no more. */
int aggregate_values_emit(struct keyed_aggregate *a, struct op_context *ctx,
                          struct error *err) MUST_CHECK;

/* By record. */
int aggregate_records_open(struct keyed_aggregate *a, struct op_context *ctx,
                           const Flinc__KeyedAggregateConfig *config, struct error *err) MUST_CHECK;
void aggregate_records_close(struct keyed_aggregate *a);
/* Goes on with the batch at hand (a->rows), whose slots are found. */
int aggregate_records(struct keyed_aggregate *a, struct op_context *ctx,
                      struct error *err) MUST_CHECK;
int aggregate_records_emit(struct keyed_aggregate *a, struct op_context *ctx,
                           struct error *err) MUST_CHECK;

#endif
