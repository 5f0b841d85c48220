/* The coordinator half of flinc.source.text: finds files, cuts them into splits, hands them out to
 * readers that ask, and looks for new files every so often when it is told to.
 *
 * A split that was handed out is remembered until a checkpoint with it is complete: from then on it is
 * the reader's own state.  Each assignment carries the first checkpoint whose snapshot was taken behind
 * it; a subtask that starts anew from checkpoint n gives back what it got behind that snapshot, no more
 * (it would be read twice) and no less (it would be lost).  Without checkpoints everything goes back.
 * A search that fails fails the job; when that restarts, it does so with a new enumerator.
 *
 * Thread: the job master's mailbox; files are looked for on an I/O thread.
 * Flink: ContinuousFileSplitEnumerator, StaticFileSplitEnumerator, SplitAssignmentTracker. */
#include "common/base/failpoint.h"
#include "engine/operators/io/text_enumerator_state.h"
#include "engine/operators/io/text_splits.h"
#include "engine/operators/registry.h"

#include <stdatomic.h>

enum {
    ASSIGN_SPLITS_MAX = 16,            /* splits in one answer, */
    ASSIGN_BYTES_TARGET = 1024 * 1024, /* or until they have so many bytes */
};

/* Files that were found in watched folders.  A search reads it while it is out, and nobody writes then. */
struct seen_files {
    _Atomic uint32_t refs;
    struct map paths;
};

/* One search for files; its own, so that it outlives a closed enumerator. */
struct file_scan {
    Flinc__TextSourceConfig *config; /* Owns */
    struct seen_files *seen;         /* Owns a reference */
    struct vec files;                /* struct text_file, Owns: what is new */
    bool first;                      /* the input must be there */
    int rc;
    struct error err;
};

struct assignment {
    Flinc__FileSplit *split; /* Owns */
    uint64_t checkpoint_id;  /* the first whose snapshot was taken behind it; 0: none yet */
};

struct text_enumerator {
    struct coordinator c;
    Flinc__TextSourceConfig *config; /* Owns */
    struct seen_files *seen;         /* Owns a reference; empty where no folder is watched */
    struct vec unassigned;           /* Flinc__FileSplit *, Owns; a queue from `head` on */
    size_t head;                     /* those before are NULL */
    struct vec *assigned;            /* Owns; by subtask: struct assignment */
    bool *waiting;                   /* Owns; by subtask: asked, and nothing was there */
    uint64_t next_id;                /* of splits */
    uint32_t parallelism;
    bool scanned;                           /* the first scan is in */
    bool scanning;                          /* one is out */
    struct text_enumerator_state *restored; /* Owns; from restore() to start() */
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

/* What a subtask got behind the snapshot of a checkpoint goes back; the rest is in that checkpoint. */
static void give_back(struct text_enumerator *e, uint32_t subtask, uint64_t checkpoint_id)
{
    struct vec *assigned = &e->assigned[subtask];

    for (size_t i = 0; i < assigned->len; i++) {
        struct assignment *a = VEC_AT(assigned, struct assignment, i);
        bool in_checkpoint = a->checkpoint_id != 0 && a->checkpoint_id <= checkpoint_id;
        if (a->checkpoint_id > checkpoint_id && PLANTED("enumerator_trusts_any_snapshot")) {
            in_checkpoint = true; /* a bug: it was not completed */
        } else if (a->checkpoint_id == 0 && PLANTED("enumerator_trusts_sending")) {
            in_checkpoint = true; /* a bug: sent is not received */
        } else if (PLANTED("enumerator_gives_back_all")) {
            in_checkpoint = false; /* a bug: the reader has it, too */
        }
        if (in_checkpoint) {
            flinc__file_split__free_unpacked(a->split, NULL);
        } else {
            vec_push_ptr(&e->unassigned, a->split);
        }
    }
    vec_clear(assigned);
    e->waiting[subtask] = false;
}

/* Splits that are in a complete checkpoint are their readers' from now on. */
static void forget(struct vec *assigned, uint64_t checkpoint_id)
{
    size_t kept = 0;

    for (size_t i = 0; i < assigned->len; i++) {
        struct assignment *a = VEC_AT(assigned, struct assignment, i);
        if (a->checkpoint_id != 0 && a->checkpoint_id <= checkpoint_id) {
            flinc__file_split__free_unpacked(a->split, NULL);
        } else {
            *VEC_AT(assigned, struct assignment, kept++) = *a;
        }
    }
    assigned->len = kept;
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
        *VEC_PUSH(&e->assigned[subtask], struct assignment) = (struct assignment){.split = s};
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

static struct seen_files *seen_files_unref(struct seen_files *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        map_fini(&s->paths);
        mem_free(s);
    }
    return NULL;
}

static void scan_work(void *arg)
{
    struct file_scan *s = arg;
    uint32_t flags = (s->config->recursive ? TEXT_FIND_RECURSIVE : 0) |
                     (s->first && !s->config->optional ? 0 : TEXT_FIND_OPTIONAL);

    s->rc = text_files_find(s->config->paths, s->config->n_paths, flags, &s->seen->paths, &s->files,
                            &s->err);
    if (s->rc == 0 && s->config->path_pattern[0] != '\0') {
        s->rc = text_files_match(&s->files, s->config->path_pattern, &s->err);
    }
}

static void scan_drop(void *arg)
{
    struct file_scan *s = arg;

    flinc__text_source_config__free_unpacked(s->config, NULL);
    seen_files_unref(s->seen);
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
    if (s->rc < 0) {
        c->ctx->host->fail(c->ctx, &s->err);
        scan_drop(s);
        return;
    }
    if (e->config->discovery_interval_ms > 0) {
        text_files_remember(&s->files, &e->seen->paths);
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
    atomic_fetch_add(&e->seen->refs, 1);
    s->seen = e->seen;
    vec_init(&s->files, sizeof(struct text_file));
    e->scanning = true;
    e->c.ctx->host->run_async(e->c.ctx, scan_work, scan_done, scan_drop, s);
}

/* ---- the coordinator -------------------------------------------------------------------------------- */

/* Takes over what restore() read. */
static void take_restored(struct text_enumerator *e)
{
    struct text_enumerator_state *s = STEAL(e->restored);

    e->next_id = s->next_id;
    e->scanned = s->scanned;
    e->unassigned = s->pending;
    vec_init(&s->pending, sizeof(void *));
    e->seen->paths = s->seen;
    map_init(&s->seen, NULL);
    text_enumerator_state_fini(s);
    mem_free(s);
}

static int text_enumerator_start(struct coordinator *c, struct coordinator_context *ctx,
                                 struct error *err)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    c->ctx = ctx;
    e->parallelism = ctx->parallelism;
    e->seen = MEM_NEW(struct seen_files);
    atomic_store(&e->seen->refs, 1);
    map_init(&e->seen->paths, NULL);
    vec_init(&e->unassigned, sizeof(void *));
    e->assigned = MEM_NEW_ARRAY(struct vec, e->parallelism);
    e->waiting = MEM_NEW_ARRAY(bool, e->parallelism);
    for (uint32_t i = 0; i < e->parallelism; i++) {
        vec_init(&e->assigned[i], sizeof(struct assignment));
    }
    if (e->restored != NULL) {
        take_restored(e);
    }
    e->config = parse_config(ctx);
    if (e->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the text source is damaged");
    }
    if (!e->scanned || e->config->discovery_interval_ms > 0) {
        start_scan(e);
    }
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

    give_back(e, subtask, checkpoint_id);
    answer_waiting(e);
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

static int text_enumerator_snapshot(struct coordinator *c, uint64_t checkpoint_id,
                                    struct str *ret_state, struct error *err)
{
    struct text_enumerator *e = (struct text_enumerator *)c;
    Flinc__FileSplit **pending = e->unassigned.data;
    size_t n_pending = unassigned_len(e);

    TRY(FAILPOINT(err, "source.text.enumerator.snapshot"));
    if (n_pending > 0 && PLANTED("enumerator_state_is_ahead")) {
        n_pending--; /* a bug: the last one counts as sent */
    }
    text_enumerator_state_encode(e->next_id, e->scanned, pending != NULL ? pending + e->head : NULL,
                                 n_pending, &e->seen->paths, ret_state);
    for (uint32_t i = 0; i < e->parallelism; i++) {
        for (size_t k = 0; k < e->assigned[i].len; k++) {
            struct assignment *a = VEC_AT(&e->assigned[i], struct assignment, k);
            a->checkpoint_id = a->checkpoint_id == 0 ? checkpoint_id : a->checkpoint_id;
        }
    }
    return 0;
}

static int text_enumerator_restore(struct coordinator *c, uint64_t checkpoint_id,
                                   const uint8_t *state, size_t size, struct error *err)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    (void)checkpoint_id;
    ASSERT(e->restored == NULL && e->assigned == NULL);
    TRY(FAILPOINT(err, "source.text.enumerator.restore"));
    e->restored = MEM_NEW(struct text_enumerator_state);
    text_enumerator_state_init(e->restored);
    return text_enumerator_state_decode(state, size, e->restored, err);
}

static void text_enumerator_notify(struct coordinator *c, enum op_notice notice,
                                   uint64_t checkpoint_id)
{
    struct text_enumerator *e = (struct text_enumerator *)c;

    for (uint32_t i = 0; i < e->parallelism && notice == OP_NOTICE_COMPLETE; i++) {
        forget(&e->assigned[i], checkpoint_id);
    }
}

/* ---- life -------------------------------------------------------------------------------------------- */

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
        forget(&e->assigned[i], UINT64_MAX);
        give_back(e, i, UINT64_MAX);
        vec_fini(&e->assigned[i]);
    }
    free_splits(&e->unassigned);
    mem_free(e->assigned);
    mem_free(e->waiting);
    seen_files_unref(e->seen);
    if (e->restored != NULL) {
        text_enumerator_state_fini(e->restored);
        mem_free(e->restored);
    }
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
    .snapshot = text_enumerator_snapshot,
    .restore = text_enumerator_restore,
    .notify = text_enumerator_notify,
};
