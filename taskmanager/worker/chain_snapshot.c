/* What an operator's snapshot consists of, and its way out (chain_snapshot.h). */
#include "taskmanager/worker/chain_snapshot.h"
#include "common/base/failpoint.h"
#include "engine/snapshot/local_copies.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"
#include "taskmanager/worker/chain_host.h"

/* Of one operator. */
struct op_snapshot {
    struct keyed_snapshot *keyed;               /* Owns; NULL: none, or written */
    struct operator_state_snapshot *unkeyed;    /* Owns; likewise */
    Flinc__KeyedHandle *keyed_handle;           /* Owns (protobuf-c); when written */
    Flinc__OperatorStateHandle *unkeyed_handle; /* Owns (protobuf-c); when written */
};

struct chain_snapshot {
    struct chain *chain; /* Borrows */
    uint64_t checkpoint_id;
    struct snapshot_target *target; /* Owns a ref */
    struct op_snapshot *ops;        /* Owns; by operator */
};

/* ---- taking ------------------------------------------------------------------------------------- */

static int op_snapshot_take(struct chain_op *op, const struct op_checkpoint *checkpoint,
                            struct snapshot_target *target, struct op_snapshot *s,
                            struct error *err)
{
    TRY(FAILPOINT(err, "task.checkpoint.snapshot"));
    if (op->op->desc->snapshot != NULL) {
        chain_begin_call(op);
        int rc = op->op->desc->snapshot(op->op, &op->ctx, checkpoint, err);
        ASSERT(op->n_emitted == 0);
        rc = chain_end_call(op, rc, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (op->keyed != NULL) {
        const struct keyed_freeze how = {
            .checkpoint_id = checkpoint->id, .kind = checkpoint->kind, .target = target};
        TRY_CTX(err, keyed_backend_freeze(op->keyed, &how, &s->keyed, err), "%s", op->label);
    }
    if (op->operator_state != NULL && !operator_state_is_empty(op->operator_state)) {
        TRY_CTX(err, operator_state_freeze(op->operator_state, target, &s->unkeyed, err), "%s",
                op->label);
    }
    return 0;
}

int chain_snapshot_take(struct chain *c, const struct op_checkpoint *checkpoint,
                        struct snapshot_target *target, struct chain_snapshot **ret_snapshot,
                        struct error *err)
{
    struct chain_snapshot *s = MEM_NEW(struct chain_snapshot);
    s->chain = c;
    s->checkpoint_id = checkpoint->id;
    s->target = snapshot_target_ref(target);
    s->ops = MEM_NEW_ARRAY(struct op_snapshot, c->n_ops);
    for (uint32_t i = 0; i < c->n_ops; i++) {
        int rc = op_snapshot_take(&c->ops[i], checkpoint, target, &s->ops[i], err);
        if (rc < 0) {
            chain_snapshot_free(s);
            return rc;
        }
    }
    *ret_snapshot = s;
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* 1: more is to be done, 0: this operator's is written. */
static int op_snapshot_step(struct op_snapshot *s, struct error *err)
{
    int left = 0;
    if (s->keyed != NULL) {
        Flinc__KeyedHandle handle = FLINC__KEYED_HANDLE__INIT;
        int rc = keyed_snapshot_step(s->keyed, CHAIN_SNAPSHOT_STEP_ENTRIES, &handle, err);
        if (rc < 0) {
            return rc;
        }
        left |= rc;
        if (rc == 0) {
            s->keyed = keyed_snapshot_free(s->keyed);
            s->keyed_handle = mem_dup(&handle, sizeof(handle));
        }
    }
    if (s->unkeyed != NULL) {
        Flinc__OperatorStateHandle handle = FLINC__OPERATOR_STATE_HANDLE__INIT;
        int rc = operator_state_snapshot_poll(s->unkeyed, &handle, err);
        if (rc < 0) {
            return rc;
        }
        left |= rc == 0;
        if (rc > 0) {
            s->unkeyed = operator_state_snapshot_free(s->unkeyed);
            s->unkeyed_handle = mem_dup(&handle, sizeof(handle));
        }
    }
    return left;
}

int chain_snapshot_step(struct chain_snapshot *s, struct error *err)
{
    int left = 0;
    for (uint32_t i = 0; i < s->chain->n_ops; i++) {
        int rc = op_snapshot_step(&s->ops[i], err);
        if (rc < 0) {
            return error_context(err, "%s", s->chain->ops[i].label), rc;
        }
        left |= rc;
    }
    return left;
}

bool chain_snapshot_is_steppable(const struct chain_snapshot *s)
{
    for (uint32_t i = 0; i < s->chain->n_ops; i++) {
        if (s->ops[i].keyed != NULL && keyed_snapshot_is_writable(s->ops[i].keyed)) {
            return true;
        }
    }
    return false;
}

/* ---- handing over ------------------------------------------------------------------------------- */

struct snapshot_bytes {
    uint64_t checkpoint_id;
    uint64_t bytes, new_bytes;
};

static void count_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    struct snapshot_bytes *b = arg;
    b->bytes += blob->size;
    b->new_bytes += checkpoint_id == b->checkpoint_id ? blob->size : 0;
}

static Flinc__OperatorSubtaskState *op_snapshot_fill(struct op_snapshot *s,
                                                     const Flinc__Operator *spec)
{
    Flinc__OperatorSubtaskState *state = mem_alloc(sizeof(*state));
    flinc__operator_subtask_state__init(state);
    state->operator_id = (ProtobufCBinaryData){spec->id.len, mem_dup(spec->id.data, spec->id.len)};
    if (s->keyed_handle != NULL) {
        state->n_keyed = 1;
        state->keyed = mem_alloc(sizeof(*state->keyed));
        state->keyed[0] = STEAL(s->keyed_handle);
    }
    if (s->unkeyed_handle != NULL) {
        state->n_operator_state = 1;
        state->operator_state = mem_alloc(sizeof(*state->operator_state));
        state->operator_state[0] = STEAL(s->unkeyed_handle);
    }
    local_copies_forget_paths(state); /* of this machine, and of what was restored */
    return state;
}

void chain_snapshot_fill(struct chain_snapshot *s, Flinc__TaskSnapshot *ret_snapshot,
                         uint64_t *ret_bytes, uint64_t *ret_new_bytes)
{
    uint32_t n_ops = s->chain->n_ops;
    struct snapshot_bytes bytes = {.checkpoint_id = s->checkpoint_id};
    ret_snapshot->operators = mem_alloc((n_ops + 1) * sizeof(*ret_snapshot->operators));
    for (uint32_t i = 0; i < n_ops; i++) {
        struct op_snapshot *op = &s->ops[i];
        if (op->keyed_handle != NULL) {
            keyed_handle_each_blob(op->keyed_handle, count_blob, &bytes);
        }
        if (op->unkeyed_handle != NULL && op->unkeyed_handle->blob != NULL) {
            count_blob(&bytes, op->unkeyed_handle->blob, s->checkpoint_id);
        }
        if (op->keyed_handle != NULL || op->unkeyed_handle != NULL) {
            ret_snapshot->operators[ret_snapshot->n_operators++] =
                op_snapshot_fill(op, s->chain->ops[i].ctx.spec);
        }
    }
    *ret_bytes = bytes.bytes;
    *ret_new_bytes = bytes.new_bytes;
}

/* What is written of this checkpoint and was not handed over; what earlier ones wrote is theirs. */
static void discard_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    const struct chain_snapshot *s = arg;
    if (checkpoint_id == s->checkpoint_id) {
        snapshot_target_discard(s->target, blob);
    }
}

static void op_snapshot_discard(struct op_snapshot *op, struct chain_snapshot *s)
{
    if (op->keyed_handle != NULL) {
        keyed_handle_each_blob(op->keyed_handle, discard_blob, s);
    }
    if (op->unkeyed_handle != NULL && op->unkeyed_handle->blob != NULL) {
        snapshot_target_discard(s->target, op->unkeyed_handle->blob);
    }
}

struct chain_snapshot *chain_snapshot_free(struct chain_snapshot *s)
{
    if (s == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < s->chain->n_ops; i++) {
        struct op_snapshot *op = &s->ops[i];
        keyed_snapshot_free(op->keyed);
        operator_state_snapshot_free(op->unkeyed);
        op_snapshot_discard(op, s);
        if (op->keyed_handle != NULL) {
            flinc__keyed_handle__free_unpacked(op->keyed_handle, NULL);
        }
        if (op->unkeyed_handle != NULL) {
            flinc__operator_state_handle__free_unpacked(op->unkeyed_handle, NULL);
        }
    }
    snapshot_target_unref(s->target);
    mem_free(s->ops);
    mem_free(s);
    return NULL;
}
