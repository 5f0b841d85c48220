/* Task-local recovery: copies of the task's snapshot files on this machine, for its next attempt.
 *
 * Thread: the task's.  Flink: TaskStateManagerImpl, LocalRecoveryConfig. */
#include "common/base/log.h"
#include "taskmanager/worker/task.h"

static const char topic[] = "flinc.taskmanager.worker";

static bool is_on(const struct task *t, const char *option)
{
    return conf_bool(&t->deployment->conf, option);
}

static void find_copies(struct task *t)
{
    Flinc__TaskRestore *restore = t->spec->restore; /* this subtask's part of the message */
    struct local_found found;
    if (restore == NULL) {
        return;
    }
    local_copies_find(t->local, restore, &found);
    if (found.n_local + found.n_remote > 0) {
        LOG_INFO(
            topic,
            "task %s restores checkpoint %llu: %u files (%llu bytes) from local copies, %u files "
            "(%llu bytes) from the checkpoint folder%s",
            t->name, (unsigned long long)restore->checkpoint_id, found.n_local,
            (unsigned long long)found.local_bytes, found.n_remote,
            (unsigned long long)found.remote_bytes,
            found.n_damaged > 0 ? "; copies were damaged" : "");
    }
}

void task_local_open(struct task *t)
{
    char vertex[ID_HEX_LEN + 1] = "";
    const ProtobufCBinaryData *id = &t->deployment->tasks->vertex->id;
    bool writes = is_on(t, "execution.checkpointing.local-backup.enabled");
    bool reads = is_on(t, "execution.state-recovery.from-local");
    if (t->env->local_dirs.n == 0 || (!writes && !reads) || id->len != sizeof(struct flinc_id)) {
        return;
    }
    struct flinc_id vertex_id = id_of_bytes(id);
    id_format(&vertex_id, vertex);
    t->local = local_copies_new(&t->env->local_dirs, vertex, t->spec->subtask, t->env->io_executor);
    t->makes_local_copies = writes;
    if (reads) {
        find_copies(t);
    }
}

void task_local_on_notice(struct task *t, const struct checkpoint_notice *n)
{
    if (t->local == NULL) {
        return;
    }
    if (n->notice == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE) {
        local_copies_on_complete(t->local, n->checkpoint_id);
    } else if (n->notice == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED) {
        local_copies_on_abort(t->local, n->checkpoint_id);
    }
}

void task_local_close(struct task *t)
{
    t->local = local_copies_unref(t->local);
}
