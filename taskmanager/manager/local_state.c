/* Folders of jobs with copies of their snapshot files (task-local recovery): kept while a job may come back to
 * this task manager, deleted afterwards.  What is left goes with the process's folder.
 *
 * A worker that dies gives its slots back, and the job asks for some again: so a job that is gone is waited for.
 * Thread: the component's; files are deleted on the I/O executor.
 * Flink: TaskExecutorLocalStateStoresManager. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/fs/fs.h"
#include "taskmanager/host/worker_host.h"

enum { LOCAL_STATE_KEPT_MS = 60 * 1000 };

/* A job that is gone. */
struct left_job {
    struct taskmanager *tm;
    struct flinc_id id;
    uint64_t timer;
};

static int delete_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)cancel;
    int rc = fs_delete(arg, FS_DELETE_RECURSIVE, err);
    if (rc < 0 && rc != ERR_NOT_FOUND) { /* it goes with the process */
        LOG_WARN(MANAGER_TOPIC, "Local state that is not needed any more stays: %s", err->message);
    }
    return 0;
}

static void delete_folders(const struct taskmanager *tm, const struct flinc_id *id)
{
    const struct local_dirs *dirs = &tm->options.local_state_dirs;
    char hex[ID_HEX_LEN + 1];
    id_format(id, hex);
    for (uint32_t i = 0; i < dirs->n; i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/" LOCAL_STATE_JOB_PREFIX "%s", dirs->paths[i], hex);
        const struct executor_job job = {.name = "deleting local state",
                                         .run = delete_run,
                                         .arg = mem_strdup(str_cstr(&path)),
                                         .drop = mem_free};
        if (executor_submit(tm->options.io_executor, &job, NULL) < 0) {
            mem_free(job.arg);
        }
    }
}

static void remove_left(struct taskmanager *tm, const struct left_job *left)
{
    for (size_t i = 0; i < tm->left_jobs.len; i++) {
        if (vec_ptr(&tm->left_jobs, i) == left) {
            vec_remove_swap(&tm->left_jobs, i);
            return;
        }
    }
}

static void on_due(void *arg)
{
    struct left_job *left = arg;
    struct taskmanager *tm = left->tm;
    remove_left(tm, left);
    if (tm_jobs_find(tm, &left->id) == NULL) { /* it has not come back */
        delete_folders(tm, &left->id);
    }
    mem_free(left);
}

void tm_local_state_on_left(struct taskmanager *tm, const struct flinc_id *job_id)
{
    if (tm->options.local_state_dirs.n == 0 || tm->options.io_executor == NULL) {
        return;
    }
    for (size_t i = 0; i < tm->left_jobs.len; i++) {
        struct left_job *left = vec_ptr(&tm->left_jobs, i);
        if (id_eq(&left->id, job_id)) { /* it was here again: from now on */
            tm_cancel_timer(tm, &left->timer);
            left->timer = component_schedule(tm->component, LOCAL_STATE_KEPT_MS, on_due, left);
            return;
        }
    }
    struct left_job *left = MEM_NEW(struct left_job);
    left->tm = tm;
    left->id = *job_id;
    left->timer = component_schedule(tm->component, LOCAL_STATE_KEPT_MS, on_due, left);
    vec_push_ptr(&tm->left_jobs, left);
}

void tm_local_state_fini(struct taskmanager *tm)
{
    for (size_t i = 0; i < tm->left_jobs.len; i++) {
        mem_free(vec_ptr(&tm->left_jobs, i));
    }
    vec_fini(&tm->left_jobs);
}
