/* Partitions on their way to be complete; see partitions.h. */
#include "connectors/filesystem/partitions.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/metrics/registry.h"
#include "engine/operators/io/list_state.h"

struct waiting_partition {
    int64_t since_ms;
    uint64_t first, last; /* checkpoints that have files of it; 0: the next one */
    uint64_t open_at;     /* the last checkpoint at which a writer had more of it */
    bool is_open;         /* ... and of the next one */
};

static struct waiting_partition *waiting_of(struct partitions *p, const char *partition)
{
    struct waiting_partition *w = map_find(&p->waiting, partition);

    if (w == NULL) {
        w = MEM_NEW(struct waiting_partition);
        w->since_ms = clock_now_ms(p->ctx->clock);
        map_put(&p->waiting, partition, w);
    }
    return w;
}

static bool is_on(const struct partitions *p)
{
    return p->trigger != NULL;
}

void partitions_add(struct partitions *p, const char *partition)
{
    if (is_on(p)) {
        struct waiting_partition *w = waiting_of(p, partition);
        w->last = 0;
    }
}

void partitions_keep_open(struct partitions *p, const char *partition)
{
    if (is_on(p)) {
        struct waiting_partition *w = waiting_of(p, partition);
        w->is_open = true;
        w->last = 0;
    }
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int restore(struct partitions *p, struct error *err)
{
    for (size_t i = 0; p->state != NULL && i < operator_list_len(p->state); i++) {
        struct slice bytes = operator_list_get(p->state, i);
        Flinc__FilesystemPartition *m =
            flinc__filesystem_partition__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "a partition of the file committer in the checkpoint is damaged");
        }
        struct waiting_partition *w = waiting_of(p, m->partition);
        w->since_ms = m->since_ms;
        w->first = w->last = m->checkpoint_id;
        flinc__filesystem_partition__free_unpacked(m, NULL);
    }
    return 0;
}

int partitions_open(struct partitions *p, struct op_context *ctx,
                    const Flinc__FilesystemCommitConfig *config, struct error *err)
{
    *p = (struct partitions){.config = config, .ctx = ctx};
    map_init(&p->waiting, mem_free);
    if (config->trigger == NULL) {
        return 0;
    }
    p->told = ctx->metrics != NULL ? metric_group_counter(ctx->metrics, "numPartitionsCommitted")
                                   : arena_zalloc(ctx->arena, sizeof(*p->told));
    TRY(partition_trigger_new(config->trigger, &p->trigger, err));
    TRY(list_state_open(ctx, "partitions", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &p->state, err));
    return restore(p, err);
}

void partitions_fini(struct partitions *p)
{
    if (p->config != NULL) {
        map_fini(&p->waiting);
        partition_trigger_free(p->trigger);
    }
    *p = (struct partitions){.config = NULL};
}

/* ---- telling --------------------------------------------------------------------------------------- */

static int write_success_file(struct partitions *p, const char *partition, struct error *err)
{
    STR_AUTO folder = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct fs_output *out = NULL;

    str_printf(&folder, "%s%s%s", p->config->path, cstr_ends_with(p->config->path, "/") ? "" : "/",
               partition);
    TRY(fs_join(str_cstr(&folder), p->config->success_file, &path, err));
    TRY(fs_create(str_cstr(&path), FS_OVERWRITE, &out, err));
    return fs_output_close(&out, err);
}

static int tell(struct partitions *p, const char *partition, struct error *err)
{
    TRY(FAILPOINT(err, "sink.table_files.policy"));
    TRY_CTX(err, write_success_file(p, partition, err),
            "telling that the partition '%s' is complete", partition);
    LOG_INFO("sink", "the partition is complete partition=%s path=%s", partition, p->config->path);
    metric_counter_add(p->told, 1);
    return 0;
}

/* A writer had more of it to come, which is worth to wait for. */
static bool is_held(const struct partitions *p, const struct waiting_partition *w,
                    const struct partitions_mark *at)
{
    const Flinc__PartitionTrigger *t = p->config->trigger;
    bool by_clock = t->kind == FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PROCESS_TIME;

    return w->open_at >= at->checkpoint_id &&
           !(by_clock && !p->config->joins && at->now_ms >= w->since_ms + 2 * t->delay_ms);
}

/* By what was known at the checkpoint. */
static int is_due(const struct partitions *p, const char *partition,
                  const struct waiting_partition *w, const struct partitions_mark *at, bool *ret,
                  struct error *err)
{
    struct partition_age age = {w->since_ms, at->now_ms, at->watermark_ms};

    *ret = false;
    if (w->first == 0 || w->first > at->checkpoint_id || is_held(p, w, at)) {
        return 0;
    }
    if (at->is_last) {
        *ret = true;
        return 0;
    }
    return partition_trigger_is_due(p->trigger, partition, &age, ret, err);
}

static int tell_due(struct partitions *p, const struct partitions_mark *at, struct error *err)
{
    MAP_FOREACH (&p->waiting, e) {
        struct waiting_partition *w = e->value;
        bool due = false;
        TRY(is_due(p, e->key, w, at, &due, err));
        if (!due) {
            continue;
        }
        TRY(tell(p, e->key, err));
        if (w->last != 0 && w->last <= at->checkpoint_id) {
            (void)map_remove(&p->waiting, e->key);
        } else {
            w->first = w->last; /* what came since makes it incomplete again */
        }
    }
    return 0;
}

int partitions_complete_all(struct partitions *p, struct error *err)
{
    if (!is_on(p)) {
        return 0;
    }
    MAP_FOREACH (&p->waiting, e) {
        TRY(tell(p, e->key, err));
        (void)map_remove(&p->waiting, e->key);
    }
    return 0;
}

/* ---- checkpoints ----------------------------------------------------------------------------------- */

static void add_mark(struct partitions *p, uint64_t checkpoint_id, bool ended)
{
    if (p->n_marks == PARTITIONS_CHECKPOINTS_MAX) {
        memmove(p->marks, p->marks + 1, (p->n_marks - 1) * sizeof(p->marks[0]));
        p->n_marks--;
    }
    p->marks[p->n_marks++] = (struct partitions_mark){checkpoint_id, op_watermark(p->ctx),
                                                      clock_now_ms(p->ctx->clock), ended};
}

int partitions_snapshot(struct partitions *p, uint64_t checkpoint_id, bool ended, struct error *err)
{
    if (!is_on(p)) {
        return 0;
    }
    add_mark(p, checkpoint_id, ended);
    if (p->state != NULL) {
        operator_list_clear(p->state);
    }
    MAP_FOREACH (&p->waiting, e) {
        Flinc__FilesystemPartition m = FLINC__FILESYSTEM_PARTITION__INIT;
        struct waiting_partition *w = e->value;
        w->first = w->first == 0 ? checkpoint_id : w->first;
        w->last = w->last == 0 ? checkpoint_id : w->last;
        w->open_at = w->is_open ? checkpoint_id : w->open_at;
        w->is_open = false;
        m.partition = e->key;
        m.since_ms = w->since_ms;
        m.checkpoint_id = w->first;
        if (p->state != NULL) {
            TRY(list_state_add(p->state, &m.base, err));
        }
    }
    return 0;
}

int partitions_complete(struct partitions *p, uint64_t checkpoint_id, struct error *err)
{
    uint32_t done = 0;

    while (done < p->n_marks && p->marks[done].checkpoint_id <= checkpoint_id) {
        done++;
    }
    if (!is_on(p) || done == 0) {
        return 0;
    }
    const struct partitions_mark at = p->marks[done - 1];
    p->n_marks -= done;
    memmove(p->marks, p->marks + done, p->n_marks * sizeof(p->marks[0]));
    return tell_due(p, &at, err);
}
