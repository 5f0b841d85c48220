/* The coordinator half of flinc.source.text: finds files, cuts them into splits, hands them out to
 * readers that ask, and looks for new files every so often when it is told to.
 *
 * Splits that were handed to a subtask are remembered: when the subtask runs anew without a checkpoint
 * to start from, all of them go back.  A search that fails fails the job; when that restarts, it does so
 * with a new enumerator.
 *
 * Thread: the job master's mailbox; files are looked for on an I/O thread.
 * Flink: ContinuousFileSplitEnumerator, StaticFileSplitEnumerator. */
#include "engine/operators/io/text_splits.h"
#include "engine/operators/registry.h"

enum {
    ASSIGN_SPLITS_MAX = 16,            /* splits in one answer, */
    ASSIGN_BYTES_TARGET = 1024 * 1024, /* or until they have so many bytes */
};

/* One search for files; its own, so that it outlives a closed enumerator. */
struct file_scan {
    Flinc__TextSourceConfig *config; /* Owns */
    struct map seen;                 /* the enumerator's, moved here while the scan is out */
    struct vec files;                /* struct text_file, Owns: what is new */
    bool first;                      /* the input must be there */
    int rc;
    struct error err;
};

struct text_enumerator {
    struct coordinator c;
    Flinc__TextSourceConfig *config; /* Owns */
    struct map seen;                 /* paths found before; empty while a scan is out */
    struct vec unassigned;           /* Flinc__FileSplit *, Owns; a queue from `head` on */
    size_t head;                     /* those before are NULL */
    struct vec *assigned;            /* Owns; by subtask: Flinc__FileSplit *, Owns */
    bool *waiting;                   /* Owns; by subtask: asked, and nothing was there */
    uint64_t next_id;                /* of splits */
    uint32_t parallelism;
    bool scanned;  /* the first scan is in */
    bool scanning; /* one is out */
};

static void start_scan(struct text_enumerator *e);

/* ---- handing out ---------------------------------------------------------------------------------- */

static size_t unassigned_len(const struct text_enumerator *e)
{
    return e->unassigned.len - e->head;
}

/* The queue is moved to the front of its array when half of that is empty: constant time on average. */
static Flinc__FileSplit *take_split(struct text_enumerator *e)
{
    Flinc__FileSplit **splits = e->unassigned.data;
    Flinc__FileSplit *split = STEAL(splits[e->head]);
    e->head++;
    size_t left = unassigned_len(e);

    if (e->head >= left) {
        memcpy(splits, splits + e->head, left * sizeof(splits[0]));
        e->unassigned.len = left;
        e->head = 0;
    }
    return split;
}

/* All splits of a subtask go back. */
static void give_back(struct text_enumerator *e, uint32_t subtask)
{
    struct vec *assigned = &e->assigned[subtask];

    for (size_t i = 0; i < assigned->len; i++) {
        vec_push_ptr(&e->unassigned, vec_ptr(assigned, i));
    }
    vec_clear(assigned);
    e->waiting[subtask] = false;
}

static void send(struct text_enumerator *e, uint32_t subtask, const Flinc__EnumeratorEvent *event)
{
    size_t size = flinc__enumerator_event__get_packed_size(event);
    uint8_t *bytes = mem_alloc(size + 1);

    flinc__enumerator_event__pack(event, bytes);
    e->c.ctx->host->send_event(e->c.ctx, subtask, bytes, size);
    mem_free(bytes);
}

static void assign(struct text_enumerator *e, uint32_t subtask)
{
    Flinc__EnumeratorEvent event = FLINC__ENUMERATOR_EVENT__INIT;
    Flinc__AssignSplits assignment = FLINC__ASSIGN_SPLITS__INIT;
    Flinc__FileSplit *splits[ASSIGN_SPLITS_MAX];
    /* Small files are handed out several at a time, but never more than a fair share. */
    size_t most = MIN(unassigned_len(e) / e->parallelism + 1, (size_t)ASSIGN_SPLITS_MAX);
    uint64_t bytes = 0;

    while (assignment.n_splits < most && unassigned_len(e) > 0 && bytes < ASSIGN_BYTES_TARGET) {
        Flinc__FileSplit *s = take_split(e);
        splits[assignment.n_splits++] = s;
        bytes += s->length;
        vec_push_ptr(&e->assigned[subtask], s);
    }
    assignment.splits = splits;
    event.body_case = FLINC__ENUMERATOR_EVENT__BODY_ASSIGN;
    event.assign = &assignment;
    send(e, subtask, &event);
}

static void answer(struct text_enumerator *e, uint32_t subtask)
{
    if (unassigned_len(e) > 0) {
        e->waiting[subtask] = false;
        assign(e, subtask);
    } else if (e->scanned && e->config->discovery_interval_ms == 0) {
        Flinc__EnumeratorEvent event = FLINC__ENUMERATOR_EVENT__INIT;
        Flinc__NoMoreSplits no_more = FLINC__NO_MORE_SPLITS__INIT;
        e->waiting[subtask] = false;
        event.body_case = FLINC__ENUMERATOR_EVENT__BODY_NO_MORE;
        event.no_more = &no_more;
        send(e, subtask, &event);
    } else {
        e->waiting[subtask] = true;
    }
}

static void answer_waiting(struct text_enumerator *e)
{
    for (uint32_t i = 0; i < e->parallelism; i++) {
        if (e->waiting[i]) {
            answer(e, i);
        }
    }
}

/* ---- looking for files ------------------------------------------------------------------------------ */

static void scan_work(void *arg)
{
    struct file_scan *s = arg;
    uint32_t flags =
        (s->config->recursive ? TEXT_FIND_RECURSIVE : 0) | (s->first ? 0 : TEXT_FIND_OPTIONAL);

    s->rc =
        text_files_find(s->config->paths, s->config->n_paths, flags, &s->seen, &s->files, &s->err);
}

static void scan_drop(void *arg)
{
    struct file_scan *s = arg;

    flinc__text_source_config__free_unpacked(s->config, NULL);
    map_fini(&s->seen);
    text_files_fini(&s->files);
    mem_free(s);
}

static void rescan(struct coordinator *c)
{
    start_scan((struct text_enumerator *)c);
}

static void scan_done(struct coordinator *c, void *arg)
{
    struct text_enumerator *e = (struct text_enumerator *)c;
    struct file_scan *s = arg;

    e->scanning = false;
    e->seen = s->seen;
    map_init(&s->seen, NULL);
    if (s->rc < 0) {
        c->ctx->host->fail(c->ctx, &s->err);
        scan_drop(s);
        return;
    }
    text_files_split(&s->files, e->config->split_bytes, e->parallelism, &e->next_id,
                     &e->unassigned);
    e->scanned = true;
    scan_drop(s);
    answer_waiting(e);
    if (e->config->discovery_interval_ms > 0) {
        c->ctx->host->schedule(c->ctx, (int64_t)e->config->discovery_interval_ms, rescan);
    }
}

static Flinc__TextSourceConfig *parse_config(const struct coordinator_context *ctx)
{
    return flinc__text_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
}

static void start_scan(struct text_enumerator *e)
{
    struct file_scan *s = MEM_NEW(struct file_scan);

    ASSERT(!e->scanning); /* the next is arranged when one is in */
    s->config = parse_config(e->c.ctx);
    s->first = !e->scanned;
    s->seen = e->seen;
    map_init(&e->seen, NULL);
    vec_init(&s->files, sizeof(struct text_file));
    e->scanning = true;
    e->c.ctx->host->run_async(e->c.ctx, scan_work, scan_done, scan_drop, s);
}

/* ---- the coordinator -------------------------------------------------------------------------------- */

static int text_enumerator_start(struct coordinator *c, struct coordinator_context *ctx,
                                 struct error *err)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    c->ctx = ctx;
    e->parallelism = ctx->parallelism;
    map_init(&e->seen, NULL);
    vec_init(&e->unassigned, sizeof(void *));
    e->assigned = MEM_NEW_ARRAY(struct vec, e->parallelism);
    e->waiting = MEM_NEW_ARRAY(bool, e->parallelism);
    for (uint32_t i = 0; i < e->parallelism; i++) {
        vec_init(&e->assigned[i], sizeof(void *));
    }
    e->config = parse_config(ctx);
    if (e->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the text source is damaged");
    }
    start_scan(e);
    return 0;
}

static int text_enumerator_on_event(struct coordinator *c, uint32_t subtask, const uint8_t *data,
                                    size_t size, struct error *err)
{
    struct text_enumerator *e = (struct text_enumerator *)c;
    Flinc__SourceReaderEvent *event = flinc__source_reader_event__unpack(NULL, size, data);
    bool good = event != NULL && subtask < e->parallelism &&
                event->body_case == FLINC__SOURCE_READER_EVENT__BODY_REQUEST_SPLIT;

    flinc__source_reader_event__free_unpacked(event, NULL);
    if (!good) {
        return error_set(err, ERR_PARSE, "an event of reader %u of the text source is damaged",
                         subtask);
    }
    answer(e, subtask);
    return 0;
}

static void text_enumerator_subtask_reset(struct coordinator *c, uint32_t subtask,
                                          uint64_t checkpoint_id)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    give_back(e, subtask);
    answer_waiting(e);
}

static void free_splits(struct vec *splits)
{
    for (size_t i = 0; i < splits->len; i++) {
        flinc__file_split__free_unpacked(vec_ptr(splits, i), NULL);
    }
    vec_fini(splits);
}

static void text_enumerator_close(struct coordinator *c)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    for (uint32_t i = 0; i < e->parallelism; i++) {
        free_splits(&e->assigned[i]);
    }
    free_splits(&e->unassigned);
    mem_free(e->assigned);
    mem_free(e->waiting);
    map_fini(&e->seen);
    if (e->config != NULL) {
        flinc__text_source_config__free_unpacked(e->config, NULL);
    }
}

const struct coordinator_desc coordinator_source_text = {
    .struct_size = sizeof(struct coordinator_desc),
    .kind = "flinc.source.text",
    .instance_size = sizeof(struct text_enumerator),
    .start = text_enumerator_start,
    .on_event = text_enumerator_on_event,
    .subtask_reset = text_enumerator_subtask_reset,
    .close = text_enumerator_close,
};
