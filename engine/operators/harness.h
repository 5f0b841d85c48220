/* The operator harness: runs one operator without a cluster, for unit tests and benchmarks.
 *
 *   FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));
 *   struct harness *h;
 *   harness_new(&(struct harness_options){
 *       .kind = "flinc.flat_map",
 *       .functions = {{FLINC_FN_FLAT_MAP, (flinc_any_fn)split, "split", "test.c:12"}},
 *       .inputs = {FLINC_TYPE(line)}, .outputs = {FLINC_TYPE(word_count)}}, &h, &err);
 *   harness_open(h, &err);
 *   harness_push_rows(h, 0, "to be or\nnot to be", &err);
 *   harness_end_of_input(h, 0, &err);
 *   harness_rows(h, 0)  ->  "+I[to, 1]\n+I[be, 1]\n..."
 *   harness_free(h);
 *
 * It is the chain driver of a task in small: it resumes while the operator returns OP_MORE, asserts that a
 * call emits no more than it may, and closes what it opened.  User functions are given by address.
 * Emitted batches are validated and kept as text, or handed to on_batch.
 *
 * Thread: one owner; the waker is for any thread.  Flink: OneInputStreamOperatorTestHarness. */
#ifndef FLINC_ENGINE_OPERATORS_HARNESS_H
#define FLINC_ENGINE_OPERATORS_HARNESS_H

#include "common/base/str.h"
#include "engine/operators/operator.h"
#include "engine/state/state.h"
#include "flinc/function.h"

enum {
    HARNESS_OUTPUTS_MAX = 8,
    HARNESS_FUNCTIONS_MAX = 8,
};

struct harness_function {
    uint32_t kind; /* flinc_fn_kind */
    flinc_any_fn call;
    const char *name, *location;
    const void *config;
    size_t config_size;
};

struct harness_options {
    const char *kind;                 /* of the operator */
    const struct operator_desc *desc; /* Borrows: one that is not registered, instead of `kind` */
    const char *name;                 /* NULL: "Test" */
    uint32_t flags;                   /* enum op_flags */
    struct harness_function functions[HARNESS_FUNCTIONS_MAX]; /* up to the first of kind 0 */
    /* Streams as C structs, up to the first NULL; or as schema texts ("ROW<a INT>"), which come first
     * where both are given. */
    const flinc_struct *inputs[OPERATOR_INPUTS_MAX];
    const flinc_struct *outputs[HARNESS_OUTPUTS_MAX];
    const char *input_schemas[OPERATOR_INPUTS_MAX];
    const char *output_schemas[HARNESS_OUTPUTS_MAX];
    const char *tags[HARNESS_OUTPUTS_MAX]; /* of side outputs; tags[0] is not used */
    const char *keys[OPERATOR_INPUTS_MAX]; /* key columns, "a" or "a,b"; NULL: not keyed */
    /* The operator's message of operators.proto; NULL: a FunctionOperatorConfig made of the structs. */
    const ProtobufCMessage *config;
    bool batch_callback;
    uint32_t subtask, parallelism, max_parallelism; /* 0: 0 of 1, 128 */
    const struct clock *clock;                      /* NULL: clock_system */
    struct executor *io_executor;                   /* may be NULL */
    /* Restores from what harness_snapshot() of another harness (or several, of other subtasks) gave. */
    const Flinc__OperatorSubtaskState *restore; /* Borrows until harness_open(); NULL: afresh */
    uint64_t restore_checkpoint;
    struct conf *conf; /* may be NULL */
    /* Takes what is emitted; NULL: kept as text. */
    void (*on_batch)(void *arg, uint32_t output, struct batch *take_batch);
    void *on_batch_arg;
};

struct harness;

/* Keyed state of harnesses that are opened from now on is of the backend rocksdb, in folders of their own below disk->directory
 * (borrowed); NULL: of hashmap again.  Thread: the tests'. */
void harness_set_disk(const struct keyed_disk *disk);
/* ERR_NOT_FOUND for an unknown kind.  The operator is not opened yet. */
int harness_new(const struct harness_options *options, struct harness **ret_harness,
                struct error *err) MUST_CHECK;
/* Closes the operator if it was opened, and checks that no buffer is left.  NULL is fine; returns
 * NULL. */
struct harness *harness_free(struct harness *h);
int harness_open(struct harness *h, struct error *err) MUST_CHECK;
/* Instead of all else: restored_finished(). */
int harness_end_restored(struct harness *h, struct error *err) MUST_CHECK;
struct op_context *harness_context(struct harness *h);
struct operator* harness_operator(struct harness *h);
struct buffer_pool *harness_pool(struct harness *h);
const struct schema *harness_input_schema(const struct harness *h, uint32_t input);

/* ---- driving; each resumes until the operator is done ------------------------------------------ */

/* One batch; taken. */
int harness_push(struct harness *h, uint32_t input, struct batch *take_batch,
                 struct error *err) MUST_CHECK;
/* One batch of rows given as text, harness_parse_rows(). */
int harness_push_rows(struct harness *h, uint32_t input, const char *rows,
                      struct error *err) MUST_CHECK;
/* Goes on after OP_WAIT (harness_push() returned it), or where the operator was woken. */
int harness_resume(struct harness *h, struct error *err) MUST_CHECK;
int harness_flush(struct harness *h, struct error *err) MUST_CHECK;
int harness_end_of_input(struct harness *h, uint32_t input, struct error *err) MUST_CHECK;
/* A source: one poll(); OP_DONE, OP_IDLE, OP_END or a negative code. */
int harness_poll(struct harness *h, struct error *err) MUST_CHECK;
int harness_send_event(struct harness *h, const uint8_t *data, size_t size,
                       struct error *err) MUST_CHECK;
/* The watermark of an input; what the operator gets is the minimum over its inputs.  Emitted watermarks
 * show among the rows of output 0 as "watermark 1000" ("watermark MAX"), idleness as "idle" and "active";
 * those that the chain would only pass on do not. */
int harness_watermark(struct harness *h, uint32_t input, int64_t watermark_ms,
                      struct error *err) MUST_CHECK;
/* An idle input does not hold the watermark back. */
int harness_idle(struct harness *h, uint32_t input, bool idle, struct error *err) MUST_CHECK;
/* Calls processing_time() while op_timer_at() is due by the harness's (manual) clock. */
int harness_processing_time(struct harness *h, struct error *err) MUST_CHECK;
int64_t harness_timer(const struct harness *h);      /* of op_timer_at(); INT64_MAX: none */
bool harness_holds_sources(const struct harness *h); /* op_hold_sources() */
/* A whole checkpoint: prepare_barrier(), flush(), snapshot(), freezing, writing to the end, inline: of
 * keyed state; operator state follows when there is one.  The caller frees
 * (flinc__operator_subtask_state__free_unpacked). */
int harness_snapshot(struct harness *h, uint64_t checkpoint_id, Flinc__CheckpointKind kind,
                     Flinc__OperatorSubtaskState **ret_state, struct error *err) MUST_CHECK;
/* The states of several subtasks as one, for .restore of a harness of any subtask and parallelism: it takes
 * its key groups out of them. */
Flinc__OperatorSubtaskState *harness_join_states(Flinc__OperatorSubtaskState **take_states,
                                                 size_t n);
/* COMPLETE confirms the checkpoint to the state, too: later increments build on it. */
int harness_notify(struct harness *h, enum op_notice notice, uint64_t checkpoint_id,
                   struct error *err) MUST_CHECK;
void harness_cancel(struct harness *h); /* sets the flag that operators poll */
/* Waits until the operator was woken since the last call, or the time is over: false. */
bool harness_wait_wake(struct harness *h, int64_t timeout_ms);
/* The delay of the last op_wake_after(); -1: there was none since the last call. */
int64_t harness_take_wake_delay(struct harness *h);

/* ---- results ----------------------------------------------------------------------------------- */

/* Rows emitted on an output since the last harness_clear(): "+I[a, 1]" per line, in order; a
 * timestamp follows as " @1000".  Good until the next call that drives. */
const char *harness_rows(const struct harness *h, uint32_t output);
uint64_t harness_row_count(const struct harness *h, uint32_t output);
uint64_t harness_batch_count(const struct harness *h, uint32_t output);
/* How often the operator has returned OP_MORE, and the most that one call emitted. */
uint64_t harness_more_count(const struct harness *h);
uint32_t harness_max_emitted(const struct harness *h);
void harness_clear(struct harness *h);
/* Events that the operator sent; `i` from 0. */
size_t harness_event_count(const struct harness *h);
struct slice harness_event(const struct harness *h, size_t i);
int64_t harness_accumulator(const struct harness *h, const char *name); /* 0: never added to */

/* ---- rows as text ------------------------------------------------------------------------------ */

/* A batch from lines: `[kind] value, value, ... [@timestamp]`.  A value is NULL, a number, true or
 * false, a bare string without comma or a string in single quotes; times are their numbers. */
int harness_parse_rows(struct buffer_pool *pool, const struct schema *schema, const char *rows,
                       struct batch **ret_batch, struct error *err) MUST_CHECK;
/* The schema of a C struct, as the SDK makes it. */
struct schema *harness_struct_schema(const flinc_struct *type);

#endif
