/* State of a chain's operators: made when an operator asks for it in open(), restored from the
 * deployment, told how checkpoints ended.  Thread: the task's.
 * Flink: StreamTaskStateInitializerImpl. */
#include "common/base/failpoint.h"
#include "common/conf/conf.h"
#include "engine/data/hash.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"
#include "taskmanager/worker/chain_host.h"
#include "taskmanager/worker/state_disk.h"

const Flinc__OperatorSubtaskState *chain_state_restored(const struct chain_op *op)
{
    const Flinc__TaskRestore *restore = op->chain->options.restore;
    for (size_t i = 0; restore != NULL && i < restore->n_operators; i++) {
        const ProtobufCBinaryData *id = &restore->operators[i]->operator_id;
        const ProtobufCBinaryData *own = &op->ctx.spec->id;
        if (id->len == own->len && memcmp(id->data, own->data, id->len) == 0) {
            return restore->operators[i];
        }
    }
    return NULL;
}

/* ---- keyed -------------------------------------------------------------------------------------- */

static int chain_restore_keyed(struct chain_op *op, struct keyed_backend *b, struct error *err)
{
    const Flinc__TaskRestore *restore = op->chain->options.restore;
    const Flinc__OperatorSubtaskState *state = chain_state_restored(op);
    TRY(FAILPOINT(err, "task.restore.keyed_state"));
    if (state == NULL || state->n_keyed == 0) {
        return 0;
    }
    TRY_CTX(err, keyed_backend_restore(b, state, restore->directory, restore->checkpoint_id, err),
            "restoring keyed state of checkpoint %llu", (unsigned long long)restore->checkpoint_id);
    return 0;
}

/* A backend that was not made leaves the disk for the end of the chain. */
static int chain_open_disk(struct chain_op *op, const char *kind, struct error *err)
{
    struct state_disk *disk = op->chain->options.state_disk;
    if (strcmp(kind, "rocksdb") != 0 || disk == NULL || op->disk != NULL) {
        return 0;
    }
    return state_disk_open(disk, op->ctx.conf, &op->disk, err);
}

int chain_state_keyed(struct chain_op *op, struct keyed_backend **ret_backend, struct error *err)
{
    if (op->keyed == NULL) {
        struct keyed_backend_options options = {
            .operator_name = op->ctx.spec->name,
            .pool = op->ctx.pool,
            .budget = op->ctx.state_budget,
            .metrics = op->ctx.metrics,
            .max_parallelism = op->ctx.max_parallelism,
            .compress_snapshots =
                op->ctx.conf != NULL &&
                conf_bool(op->ctx.conf, "execution.checkpointing.snapshot-compression"),
        };
        const char *kind =
            op->ctx.conf != NULL ? conf_string(op->ctx.conf, "state.backend.type") : "hashmap";
        key_group_range(op->ctx.subtask, op->ctx.max_parallelism, op->ctx.parallelism,
                        &options.first_group, &options.last_group);
        TRY(chain_open_disk(op, kind, err));
        options.disk = op->disk;
        struct keyed_backend *b = NULL;
        TRY(keyed_backend_new(kind, &options, &b, err));
        int rc = chain_restore_keyed(op, b, err);
        if (rc < 0) {
            keyed_backend_free(b);
            return rc;
        }
        op->keyed = b;
    }
    *ret_backend = op->keyed;
    return 0;
}

/* ---- operator state ----------------------------------------------------------------------------- */

static int chain_restore_operator(struct chain_op *op, struct operator_state *s, struct error *err)
{
    const Flinc__TaskRestore *restore = op->chain->options.restore;
    const Flinc__OperatorSubtaskState *state = chain_state_restored(op);
    TRY(FAILPOINT(err, "task.restore.operator_state"));
    if (state == NULL || (state->n_operator_state == 0 && !state->union_in_metadata)) {
        return 0;
    }
    TRY_CTX(err, operator_state_restore(s, state, restore->directory, err),
            "restoring operator state of checkpoint %llu",
            (unsigned long long)restore->checkpoint_id);
    return 0;
}

int chain_state_operator(struct chain_op *op, struct operator_state **ret_state, struct error *err)
{
    if (op->operator_state == NULL) {
        struct operator_state *s = operator_state_new(op->ctx.spec->name, op->ctx.state_budget);
        int rc = chain_restore_operator(op, s, err);
        if (rc < 0) {
            operator_state_free(s);
            return rc;
        }
        op->operator_state = s;
    }
    *ret_state = op->operator_state;
    return 0;
}

/* ---- life --------------------------------------------------------------------------------------- */

int chain_state_carry(struct chain_op *op, struct error *err)
{
    const Flinc__OperatorSubtaskState *state = chain_state_restored(op);
    struct keyed_backend *keyed;
    struct operator_state *unkeyed;
    if (state != NULL && state->n_keyed > 0) {
        TRY(chain_state_keyed(op, &keyed, err));
    }
    if (state != NULL && (state->n_operator_state > 0 || state->union_in_metadata)) {
        TRY(chain_state_operator(op, &unkeyed, err));
    }
    return 0;
}

void chain_state_fini(struct chain_op *op)
{
    op->keyed = keyed_backend_free(op->keyed);
    if (op->disk != NULL) {
        op->disk = state_disk_close(op->chain->options.state_disk, op->disk);
    }
    op->operator_state = operator_state_free(op->operator_state);
}

/* ---- notices ------------------------------------------------------------------------------------ */

int chain_notify(struct chain *c, enum op_notice notice, uint64_t checkpoint_id, struct error *err)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        struct chain_op *op = &c->ops[i];
        if (notice == OP_NOTICE_COMPLETE && op->keyed != NULL) {
            keyed_backend_confirm(op->keyed, checkpoint_id);
        }
        if (op->op->desc->notify == NULL) {
            continue;
        }
        ASSERT(!op->more);
        chain_begin_call(op);
        int rc = op->op->desc->notify(op->op, &op->ctx, notice, checkpoint_id, err);
        rc = chain_end_call(op, rc, err);
        if (rc < 0) {
            return rc;
        }
        ASSERT(rc == OP_DONE || !op->finished);
        TRY(chain_op_after(op, rc, CHAIN_CALL_OTHER, err));
    }
    return 0;
}
