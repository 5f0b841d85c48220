/* flinc.table.filesystem_committer: the one task behind the writers of a table, where their files appear.
 *
 *   files of all writers ─► pending ─► in the snapshot of n ─► n is complete: visible ─► complete partitions are told
 *   without checkpoints (batch): all of it at the end of the input, behind the removal of what is overwritten
 *
 * List state "files" (FileSinkCommittable), "partitions" (FilesystemPartition).  Committing again changes nothing: what
 * was restored is committed when the operator opens.
 *
 * Thread: the task's.  Flink: PartitionCommitter, FileSystemCommitter. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/fs/recoverable.h"
#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/overwrite.h"
#include "connectors/filesystem/partitions.h"
#include "engine/operators/io/list_state.h"

struct committer {
    struct operator op;
    Flinc__FilesystemCommitConfig *config; /* Owns */
    struct operator_list *state;           /* Borrows; NULL: no state */
    struct vec pending;                    /* Flinc__FileSinkCommittable *, Owns */
    struct partitions partitions;
    bool checkpointed, ended;
};

static struct committer *committer_of(struct operator* op)
{
    return (struct committer *)op;
}

/* ---- files ----------------------------------------------------------------------------------------- */

static void remove_source(const char *path)
{
    struct error err = ERROR_INIT;
    int rc = fs_delete(path, FS_DELETE_ONE, &err);

    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN("sink", "a hidden file that was compacted stays: %s", err.message);
    }
}

/* An earlier attempt may have done it: that of a batch job, or one that had the same checkpoint. */
static int commit_file(const Flinc__FileSinkCommittable *m, struct error *err)
{
    struct error cause = ERROR_INIT;

    TRY(FAILPOINT(err, "sink.table_files.commit.before"));
    int rc = recoverable_commit_after_recovery(
        slice_make((const char *)m->handle.data, m->handle.len), &cause);
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &cause);
        }
        return rc;
    }
    TRY(FAILPOINT(err, "sink.table_files.commit.after"));
    for (size_t i = 0; i < m->n_sources; i++) {
        remove_source(m->sources[i]);
    }
    return 0;
}

/* Those up to a checkpoint; UINT64_MAX: all. */
static int commit_up_to(struct committer *c, uint64_t checkpoint_id, struct error *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < c->pending.len; i++) {
        Flinc__FileSinkCommittable *m = vec_ptr(&c->pending, i);
        bool due = m->checkpoint_id != 0 && m->checkpoint_id <= checkpoint_id;
        if (rc == 0 && (due || checkpoint_id == UINT64_MAX)) {
            rc = commit_file(m, err);
            if (rc == 0) {
                flinc__file_sink_committable__free_unpacked(m, NULL);
                continue;
            }
        }
        *(void **)vec_at(&c->pending, kept++) = m;
    }
    c->pending.len = kept;
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int restore_file(struct slice bytes, struct error *err)
{
    struct error cause = ERROR_INIT;
    Flinc__FileSinkCommittable *m =
        flinc__file_sink_committable__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);

    if (m == NULL) {
        return error_set(err, ERR_CORRUPT,
                         "a finished file of the file committer in the checkpoint is damaged");
    }
    int rc = commit_file(m, &cause);
    if (rc == ERR_NOT_FOUND) {
        /* A finished file may be taken away by those who read it; the job must not fail for it. */
        LOG_WARN("sink", "taken as committed and moved away since: %s", cause.message);
        rc = 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &cause);
    }
    flinc__file_sink_committable__free_unpacked(m, NULL);
    return rc;
}

static int check_mode(const struct committer *c, const struct op_context *ctx, struct error *err)
{
    if (c->checkpointed || (ctx->flags & OP_FLAG_INPUTS_BOUNDED) != 0) {
        return 0;
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "partitions of '%s' are committed by checkpoints, and there are none: set "
                     "'execution.checkpointing.interval'",
                     c->config->path);
}

static int committer_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct committer *c = committer_of(op);

    vec_init(&c->pending, sizeof(void *));
    c->config = flinc__filesystem_commit_config__unpack(NULL, ctx->spec->config.len,
                                                        ctx->spec->config.data);
    if (c->config == NULL || c->config->path[0] == '\0') {
        return error_set(err, ERR_PARSE, "the configuration of the file committer is damaged");
    }
    c->checkpointed = (ctx->flags & OP_FLAG_CHECKPOINTS) != 0;
    TRY(check_mode(c, ctx, err));
    TRY(partitions_open(&c->partitions, ctx, c->config, err));
    TRY(list_state_open(ctx, "files", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &c->state,
                        err));
    for (size_t i = 0; c->state != NULL && i < operator_list_len(c->state); i++) {
        TRY(restore_file(operator_list_get(c->state, i), err));
    }
    return 0;
}

/* Files that were not committed stay: who comes next may get them once more. */
static void committer_close(struct operator* op, struct op_context *ctx)
{
    struct committer *c = committer_of(op);

    (void)ctx;
    for (size_t i = 0; i < c->pending.len; i++) {
        flinc__file_sink_committable__free_unpacked(vec_ptr(&c->pending, i), NULL);
    }
    vec_fini(&c->pending);
    partitions_fini(&c->partitions);
    if (c->config != NULL) {
        flinc__filesystem_commit_config__free_unpacked(c->config, NULL);
    }
}

/* ---- events ---------------------------------------------------------------------------------------- */

static int take_event(struct committer *c, struct slice bytes, struct error *err)
{
    Flinc__FileSinkEvent *e =
        flinc__file_sink_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);

    if (e == NULL) {
        return error_set(err, ERR_PARSE, "an event of a file sink is damaged");
    }
    if (e->is_open) {
        partitions_keep_open(&c->partitions, e->bucket);
    } else {
        partitions_add(&c->partitions, e->bucket);
    }
    if (e->file != NULL) {
        e->file->bucket = STEAL(e->bucket);
        vec_push_ptr(&c->pending, STEAL(e->file));
    }
    flinc__file_sink_event__free_unpacked(e, NULL);
    return 0;
}

static int committer_process(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct batch *take_batch, struct error *err)
{
    struct committer *c = committer_of(op);
    int rc = 0;

    (void)ctx;
    (void)input;
    for (uint32_t i = 0; i < take_batch->n_sel && rc == 0; i++) {
        rc =
            take_event(c, column_get_bytes(&take_batch->columns[0], batch_row(take_batch, i)), err);
    }
    batch_unref(take_batch);
    return rc < 0 ? rc : OP_DONE;
}

/* Of INSERT OVERWRITE: the folders that get files, and the one that was named. */
static int overwrite(struct committer *c, struct error *err)
{
    CLEANUP(map_fini) struct map seen;

    map_init(&seen, NULL);
    if (!c->config->overwrite) {
        return 0;
    }
    if (c->config->has_target) {
        map_put(&seen, c->config->target, c);
        TRY(overwrite_folder(c->config, c->config->target, err));
    }
    for (size_t i = 0; i < c->pending.len; i++) {
        const Flinc__FileSinkCommittable *m = vec_ptr(&c->pending, i);
        if (!map_has(&seen, m->bucket)) {
            map_put(&seen, m->bucket, c);
            TRY(overwrite_folder(c->config, m->bucket, err));
        }
    }
    return 0;
}

static int committer_end(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct error *err)
{
    struct committer *c = committer_of(op);

    (void)ctx;
    (void)input;
    c->ended = true;
    if (c->checkpointed) {
        return OP_DONE; /* the last checkpoint of the job does it */
    }
    TRY(overwrite(c, err));
    TRY(commit_up_to(c, UINT64_MAX, err));
    TRY(partitions_complete_all(&c->partitions, err));
    return OP_DONE;
}

/* ---- checkpoints ----------------------------------------------------------------------------------- */

static int committer_snapshot(struct operator* op, struct op_context *ctx,
                              const struct op_checkpoint *checkpoint, struct error *err)
{
    struct committer *c = committer_of(op);

    (void)ctx;
    if (c->state != NULL) {
        operator_list_clear(c->state);
    }
    for (size_t i = 0; i < c->pending.len; i++) {
        Flinc__FileSinkCommittable *m = vec_ptr(&c->pending, i);
        m->checkpoint_id = m->checkpoint_id == 0 ? checkpoint->id : m->checkpoint_id;
        if (c->state != NULL) {
            TRY(list_state_add(c->state, &m->base, err));
        }
    }
    return partitions_snapshot(&c->partitions, checkpoint->id, c->ended, err);
}

static int committer_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                            uint64_t checkpoint_id, struct error *err)
{
    struct committer *c = committer_of(op);

    (void)ctx;
    if (notice != OP_NOTICE_COMPLETE) {
        return 0;
    }
    TRY(commit_up_to(c, checkpoint_id, err));
    return partitions_complete(&c->partitions, checkpoint_id, err);
}

const struct operator_desc operator_table_committer = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.filesystem_committer",
    .summary = "files of all writers of a table appear together; complete partitions are told",
    .instance_size = sizeof(struct committer),
    .n_inputs = 1,
    .open = committer_open,
    .process = committer_process,
    .end_of_input = committer_end,
    .close = committer_close,
    .snapshot = committer_snapshot,
    .notify = committer_notify,
};
