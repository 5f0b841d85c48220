/* Records to buckets to files, rolling, barriers; see sink_file.h.
 *
 * Thread: the task's, on which files are written and synced.  Flink: FileWriter, DefaultRollingPolicy. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "engine/operators/files/packer.h"
#include "engine/operators/files/sink_file.h"
#include "engine/operators/io/io_counter.h"

#include <stdio.h>

/* ---- life ------------------------------------------------------------------------------------------------ */

/* "1a2b3c4d-0007-5e6f-7081-92a3b4c5d6e7": run, subtask, and what is the attempt's alone. */
static void make_uid(struct file_sink *s, const struct op_context *ctx)
{
    STR_AUTO stem = STR_INIT;
    struct rng rng;

    leftovers_stem(s->config, ctx->subtask, &stem);
    const char *uid = str_cstr(&stem) + strlen(s->config->part_prefix) + 1;
    if (s->config->numbered_names) {
        snprintf(s->uid, sizeof(s->uid), "%s", uid);
        return;
    }
    rng_init_system(&rng);
    uint64_t random = rng_next(&rng);
    snprintf(s->uid, sizeof(s->uid), "%s-%04x-%04x-%04x%08x", uid, (unsigned)(random & 0xffff),
             (unsigned)(random >> 16 & 0xffff), (unsigned)(random >> 32 & 0xffff),
             (unsigned)rng_next(&rng));
}

static int open_functions(struct file_sink *s, struct op_context *ctx, struct error *err)
{
    const Flinc__FileSinkConfig *c = s->config;
    uint32_t kinds[2];
    uint32_t n = 0;

    if (c->has_encoder) {
        kinds[n++] = FLINC_FN_FORMAT;
    }
    if (c->buckets != NULL && c->buckets->kind == FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION) {
        kinds[n++] = FLINC_FN_BUCKET;
    }
    TRY(user_functions_open(&s->functions, ctx, kinds, n, err));
    struct user_function *encoder = c->has_encoder ? &s->functions.items[0] : NULL;
    struct user_function *bucket =
        n > 0 && kinds[n - 1] == FLINC_FN_BUCKET ? &s->functions.items[n - 1] : NULL;
    TRY(file_buckets_open(&s->buckets, ctx, c, bucket, err));
    struct file_encoder_context of = {
        .schema = ctx->input_schemas[0], .pool = ctx->pool, .config = c, .function = encoder};
    s->format.compression = c->compression;
    return file_encoder_new(&of, &s->format.encoder, err);
}

int file_sink_start(struct file_sink *s, struct op_context *ctx, Flinc__FileSinkConfig *config,
                    struct error *err)
{
    s->config = config;
    s->bytes_send = io_bytes_send(ctx);
    s->records_send = io_counter(ctx, "numRecordsSend", "numRecordsSendPerSecond");
    s->bounded = (ctx->flags & OP_FLAG_INPUTS_BOUNDED) != 0;
    s->checkpointed = (ctx->flags & OP_FLAG_CHECKPOINTS) != 0;
    file_compactor_init(&s->compactor, ctx, config, &s->commits);
    make_uid(s, ctx);
    file_commits_init(&s->commits, ctx, config, s->uid, &s->compactor);
    TRY(file_hand_over_open(&s->hand_over, ctx, config, err));
    TRY(open_functions(s, ctx, err));
    s->compactor.header = s->format.encoder->header;
    TRY_CTX(err, fs_mkdirs(config->path, err), "making the output folder %s", config->path);
    if (ctx->attempt_number > 0 && !s->checkpointed) {
        TRY_CTX(err, leftovers_remove_all(ctx, config, err),
                "removing files of an earlier attempt");
    }
    TRY(file_compactor_open(&s->compactor, err));
    TRY(file_commits_open(&s->commits, err));
    return file_compactor_poll(&s->compactor, err);
}

/* What no checkpoint has is of no attempt's use: it goes. */
void file_sink_stop(struct file_sink *s)
{
    if (s->config == NULL) {
        return;
    }
    MAP_FOREACH (&s->buckets.by_id, e) {
        part_drop(&((struct file_bucket *)e->value)->part, &s->format);
    }
    file_compactor_fini(&s->compactor);
    file_commits_fini(&s->commits);
    file_hand_over_fini(&s->hand_over);
    file_buckets_fini(&s->buckets);
    part_format_fini(&s->format);
    file_encoder_free(s->format.encoder);
    user_functions_close(&s->functions);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

/* The folder of a bucket with "/" behind. */
static void bucket_folder(const struct file_sink *s, const struct file_bucket *k, struct str *out)
{
    str_append_cstr(out, s->config->path);
    if (!cstr_ends_with(s->config->path, "/")) {
        str_append_char(out, '/');
    }
    if (k->id[0] != '\0') {
        str_printf(out, "%s/", k->id);
    }
}

/* The path of the next file whose name is free.  Numbers are, but for a folder that somebody filled. */
static int next_path(struct file_sink *s, const struct file_bucket *k, struct str *ret,
                     struct error *err)
{
    for (;;) {
        STR_AUTO folder = STR_INIT;
        STR_AUTO name = STR_INIT;
        bucket_folder(s, k, &folder);
        file_commits_name(&s->commits, file_compactor_is_on(&s->compactor) ? "." : "", &name);
        str_clear(ret);
        TRY(fs_join(str_cstr(&folder), str_cstr(&name), ret, err));
        int taken = s->config->numbered_names ? fs_exists(str_cstr(ret), err) : 0;
        if (taken <= 0) {
            return taken;
        }
    }
}

static int write_staged(struct file_sink *s, struct file_bucket *k, struct error *err)
{
    uint64_t bytes = 0;

    if (k->part.staged.len > 0 && k->part.file == NULL) {
        TRY(next_path(s, k, &k->part.path, err));
    }
    TRY(part_write(&k->part, &bytes, err));
    metric_counter_add(s->bytes_send, (int64_t)bytes);
    return 0;
}

/* Nothing else says when a file is complete. */
static bool shows_at_once(const struct file_sink *s)
{
    return !s->bounded && !s->checkpointed && !file_hand_over_is_on(&s->hand_over);
}

/* A closed file that is to be compacted can be read at once, under a name that readers leave out. */
static int hide(struct file_sink *s, const struct file_bucket *k, const char *path, uint64_t size,
                struct slice handle, struct error *err)
{
    TRY(FAILPOINT(err, "sink.file.hide"));
    TRY(recoverable_commit(handle, err));
    file_compactor_add(&s->compactor, k->id, path, size);
    return file_compactor_poll(&s->compactor, err);
}

/* Closes a bucket's file; it becomes visible now, at the end of input, or with a checkpoint. */
static int finish_part(struct file_sink *s, struct file_bucket *k, struct error *err)
{
    struct str handle = STR_INIT;
    STR_AUTO path = STR_INIT;
    uint64_t bytes = 0;

    if (!k->part.is_begun) {
        return 0;
    }
    TRY(write_staged(s, k, err));
    if (k->part.file == NULL) { /* all of it is in the packer or the format */
        TRY(next_path(s, k, &k->part.path, err));
    }
    str_append_slice(&path, str_slice(&k->part.path));
    uint32_t flags = k->part.persisted.len > 0 ? FILE_COMMIT_PERSISTED : 0;
    int rc = part_close(&k->part, &s->format, &bytes, &handle, err);
    if (rc < 0) {
        str_fini(&handle);
        return rc;
    }
    s->n_open--;
    metric_counter_add(s->bytes_send, (int64_t)bytes);
    if (file_compactor_is_on(&s->compactor)) {
        struct recoverable_handle h;
        rc = recoverable_handle_decode(str_slice(&handle), &h, err);
        if (rc == 0) {
            rc = hide(s, k, str_cstr(&path), h.length_bytes, str_slice(&handle), err);
            recoverable_handle_fini(&h);
        }
        str_fini(&handle);
        TRY(rc);
    } else {
        file_commits_add(&s->commits, k->id, handle, NULL, flags);
    }
    TRY(FAILPOINT(err, "sink.file.close.after"));
    return shows_at_once(s) ? file_commits_all(&s->commits, err) : 0;
}

static int finish_all(struct file_sink *s, struct error *err)
{
    MAP_FOREACH (&s->buckets.by_id, e) {
        TRY(finish_part(s, e->value, err));
    }
    return 0;
}

/* ---- rolling --------------------------------------------------------------------------------------------- */

static bool rolls_on_checkpoint(const struct file_sink *s)
{
    return s->config->bulk || s->config->rolling->on_checkpoint;
}

static bool is_over(int64_t since_ms, int64_t now_ms, uint64_t limit_ms)
{
    return limit_ms > 0 && (uint64_t)(now_ms - since_ms) >= limit_ms;
}

static bool should_roll(const struct file_sink *s, const struct file_part *p, int64_t now_ms)
{
    const Flinc__FileRolling *r = s->config->rolling;
    const struct file_encoder_desc *d = s->format.encoder->desc;

    if (!p->is_begun) {
        return false;
    }
    uint64_t kept = d->kept != NULL ? d->kept(s->format.encoder, p->state) : 0;
    return (r->part_bytes > 0 && p->bytes + kept >= r->part_bytes && p->bytes + kept > 0) ||
           is_over(p->begun_ms, now_ms, r->interval_ms) ||
           is_over(p->used_ms, now_ms, r->inactivity_ms);
}

static bool has_times(const struct file_sink *s)
{
    return s->config->rolling->interval_ms > 0 || s->config->rolling->inactivity_ms > 0;
}

/* The timer that looks at ages goes while there is a file. */
static void set_timer(struct file_sink *s, struct op_context *ctx)
{
    if (!has_times(s) || s->n_open == 0 || s->next_check_ms != 0) {
        return;
    }
    uint64_t every = s->config->rolling->check_interval_ms;
    s->next_check_ms = clock_now_ms(ctx->clock) +
                       (int64_t)(every > 0 ? every : (uint64_t)FILE_CHECK_INTERVAL_MS_DEFAULT);
    op_timer_at(ctx, s->next_check_ms);
}

int file_sink_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                              struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;
    int64_t now = clock_monotonic_ms(ctx->clock);

    if (s->next_check_ms == 0 || now_ms < s->next_check_ms) {
        return OP_DONE;
    }
    s->next_check_ms = 0;
    MAP_FOREACH (&s->buckets.by_id, e) {
        struct file_bucket *k = e->value;
        if (should_roll(s, &k->part, now)) {
            TRY(finish_part(s, k, err));
        }
    }
    file_buckets_sweep(&s->buckets);
    set_timer(s, ctx);
    return OP_DONE;
}

/* Above the limit the file that was written least recently is finished. */
static int make_room(struct file_sink *s, struct error *err)
{
    uint32_t max =
        s->config->open_files_max > 0 ? s->config->open_files_max : (uint32_t)FILE_OPEN_MAX_DEFAULT;

    while (s->n_open >= max) {
        struct file_bucket *oldest = NULL;
        MAP_FOREACH (&s->buckets.by_id, e) {
            struct file_bucket *k = e->value;
            if (k->part.is_begun && (oldest == NULL || k->batch < oldest->batch)) {
                oldest = k;
            }
        }
        TRY(finish_part(s, oldest, err));
    }
    return 0;
}

/* ---- records ----------------------------------------------------------------------------------------------- */

static int write_rows(struct file_sink *s, struct file_bucket *k, const struct batch *b,
                      int64_t now_ms, struct error *err)
{
    struct file_part *p = &k->part;

    if (should_roll(s, p, now_ms)) {
        TRY(finish_part(s, k, err));
    }
    if (!p->is_begun) {
        TRY(make_room(s, err));
        TRY(part_begin(p, &s->format, now_ms, err));
        s->n_open++;
    }
    p->used_ms = now_ms;
    TRY(part_encode(p, &s->format, b, err));
    return p->staged.len >= FILE_STAGED_BYTES ? write_staged(s, k, err) : 0;
}

/* The rows of one group, as a selection of the batch. */
static void select_group(struct file_sink *s, struct op_context *ctx, struct batch *b,
                         const struct bucket_group *g)
{
    struct buffer *sel = buffer_get(ctx->pool, (uint64_t)g->n * sizeof(uint16_t));

    memcpy(sel->data, s->buckets.rows + g->first, (size_t)g->n * sizeof(uint16_t));
    sel->size = (uint64_t)g->n * sizeof(uint16_t);
    batch_set_selection(b, sel, g->n);
}

static int write_batch(struct file_sink *s, struct op_context *ctx, struct batch *b,
                       struct error *err)
{
    int64_t now_ms = clock_monotonic_ms(ctx->clock);

    for (uint32_t g = 0; g < s->buckets.n_groups; g++) {
        if (s->buckets.n_groups > 1) {
            select_group(s, ctx, b, &s->buckets.groups[g]);
        }
        TRY(write_rows(s, s->buckets.groups[g].bucket, b, now_ms, err));
    }
    return 0;
}

int file_sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                      struct batch *take_batch, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;
    struct batch *b = take_batch;
    uint32_t n = b->n_sel;

    (void)input;
    int rc = file_buckets_group(&s->buckets, b, err);
    if (rc == 0) {
        if (s->buckets.n_groups > 1) {
            b = batch_make_unique(ctx->pool, b);
        }
        rc = write_batch(s, ctx, b, err);
    }
    batch_unref(b);
    TRY(rc);
    metric_counter_add(s->records_send, n);
    if (file_hand_over_is_on(&s->hand_over) && s->commits.pending.len >= FILE_HAND_OVER_WAITING) {
        TRY(file_commits_hand_over(&s->commits, &s->hand_over, err));
        file_hand_over_emit(&s->hand_over);
    }
    file_buckets_sweep(&s->buckets);
    set_timer(s, ctx);
    return OP_DONE;
}

int file_sink_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)ctx;
    MAP_FOREACH (&s->buckets.by_id, e) {
        TRY(write_staged(s, e->value, err));
    }
    return OP_DONE;
}

/* A merge has ended. */
int file_sink_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)ctx;
    TRY(file_compactor_poll(&s->compactor, err));
    if (shows_at_once(s)) {
        TRY(file_commits_all(&s->commits, err));
    }
    return OP_DONE;
}

int file_sink_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)input;
    TRY(finish_all(s, err));
    TRY(file_compactor_flush(&s->compactor, err));
    leftovers_finish(&s->commits.leftovers, ctx);
    if (file_hand_over_is_on(&s->hand_over)) {
        TRY(file_commits_hand_over(&s->commits, &s->hand_over, err));
        file_hand_over_emit(&s->hand_over);
    } else if (!s->checkpointed) { /* else the last checkpoint of the job does it */
        TRY(file_commits_all(&s->commits, err));
    }
    return OP_DONE;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------ */

/* Files of partitions that are complete are closed, whatever their size: their rows are waited for. */
static int finish_due(struct file_sink *s, const struct op_context *ctx, struct error *err)
{
    MAP_FOREACH (&s->buckets.by_id, e) {
        struct file_bucket *k = e->value;
        struct partition_age age = {k->part.begun_ms, clock_monotonic_ms(ctx->clock),
                                    op_watermark(ctx)};
        bool due = false;
        if (k->part.is_begun) {
            TRY(partition_trigger_is_due(s->hand_over.trigger, k->id, &age, &due, err));
        }
        if (due) {
            TRY(finish_part(s, k, err));
        }
    }
    return 0;
}

/* Before the barrier: files that are closed, then which buckets have more to come. */
static int hand_over(struct file_sink *s, struct error *err)
{
    if (!file_hand_over_is_on(&s->hand_over)) {
        return 0;
    }
    TRY(file_commits_hand_over(&s->commits, &s->hand_over, err));
    MAP_FOREACH (&s->buckets.by_id, e) {
        struct file_bucket *k = e->value;
        if (k->part.is_begun) {
            TRY(file_hand_over_open_bucket(&s->hand_over, k->id, err));
        }
    }
    TRY(file_compactor_tell(&s->compactor, &s->hand_over, err));
    file_hand_over_emit(&s->hand_over);
    return 0;
}

/* Behind a stop nothing of this job is written any more: what there is is finished.  What a savepoint has is finished,
 * too, as it may be restored when the job has long gone on with its files. */
int file_sink_prepare_barrier(struct operator* op, struct op_context *ctx,
                              const struct op_checkpoint *checkpoint, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;
    bool stops = checkpoint->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE;

    TRY(file_sink_flush(op, ctx, err));
    if (rolls_on_checkpoint(s) || stops || file_commits_is_savepoint(checkpoint)) {
        TRY(finish_all(s, err));
    } else if (s->hand_over.trigger != NULL) {
        TRY(finish_due(s, ctx, err));
    }
    TRY(stops ? file_compactor_flush(&s->compactor, err) : file_compactor_poll(&s->compactor, err));
    TRY(hand_over(s, err));
    return OP_DONE;
}

static int persist_open(struct file_sink *s, uint64_t checkpoint_id, struct error *err)
{
    MAP_FOREACH (&s->buckets.by_id, e) {
        struct file_bucket *k = e->value;
        if (k->part.is_begun) {
            TRY(part_persist(&k->part, err));
            TRY(file_commits_save_persisted(&s->commits, str_slice(&k->part.persisted), k->id,
                                            checkpoint_id, err));
        }
    }
    return 0;
}

int file_sink_snapshot(struct operator* op, struct op_context *ctx,
                       const struct op_checkpoint *checkpoint, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)ctx;
    TRY(file_commits_snapshot(&s->commits, checkpoint, err));
    TRY(persist_open(s, checkpoint->id, err));
    TRY(file_compactor_snapshot(&s->compactor, err));
    return file_compactor_poll(&s->compactor, err);
}

int file_sink_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                     uint64_t checkpoint_id, struct error *err)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)ctx; /* aborted: the files wait for the next checkpoint */
    if (notice != OP_NOTICE_COMPLETE) {
        return 0;
    }
    file_buckets_sweep(&s->buckets);
    return file_commits_complete(&s->commits, checkpoint_id, err);
}
