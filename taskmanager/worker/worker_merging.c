/* File merging of a worker: its settings, which are the job's, and what people see of it.
 *
 * Thread: the worker's; gauges are read by any.  Flink: FileMergingSnapshotManagerBuilder,
 * FileMergingMetricGroup. */
#include "engine/snapshot/merging.h"
#include "taskmanager/worker/worker_internal.h"

static void gauge_stat(void *arg, struct metric_value *ret_value)
{
    metric_value_set_i64(ret_value, atomic_load((const _Atomic int64_t *)arg));
}

static void add_gauges(struct worker *w)
{
    const struct file_merging_stats *s = file_merging_stats(w->env.merging);
    const struct {
        const char *name;
        const _Atomic int64_t *value;
    } gauges[] = {
        {"logicalFileCount", &s->n_sections},
        {"logicalFileSize", &s->section_bytes},
        {"physicalFileCount", &s->n_files},
        {"physicalFileSize", &s->file_bytes},
    };
    if (w->job_metrics == NULL) {
        return;
    }
    struct metric_group *g = metric_group_add(w->job_metrics, "fileMerging");
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metric_group_gauge_fn(g, gauges[i].name, gauge_stat, (void *)(uintptr_t)gauges[i].value);
    }
}

void worker_start_merging(struct worker *w, const struct deployment *d)
{
    const struct conf *conf = &d->conf;
    if (w->env.merging != NULL ||
        !conf_bool(conf, "execution.checkpointing.file-merging.enabled")) {
        return;
    }
    w->env.merging = file_merging_new(&(struct file_merging_options){
        .max_file_bytes = conf_memory(conf, "execution.checkpointing.file-merging.max-file-size"),
        .max_subtasks_per_file =
            (uint32_t)conf_int(conf, "execution.checkpointing.file-merging.max-subtasks-per-file"),
        .max_space_amplification =
            conf_double(conf, "execution.checkpointing.file-merging.max-space-amplification"),
        .across_checkpoints =
            conf_bool(conf, "execution.checkpointing.file-merging.across-checkpoint-boundary"),
        .pool_blocking = conf_bool(conf, "execution.checkpointing.file-merging.pool-blocking"),
        .executor = w->options.io_executor,
    });
    add_gauges(w);
}
