/* The packed form of a job's details, for the store of finished jobs; see job_details.h.
 *
 *   "FLJD" | version u32 | length of the body u64 | body | CRC32C of all before u32       little-endian
 *
 * One function per struct walks its fields for both directions, so that what is written and what is read
 * cannot differ.  Writing stores nothing into the details, which others read at the same time.  In the body texts are a length + 1 (0: NULL) and bytes, arrays a count and items. */
#include "jobmanager/jobmaster/job_details.h"

#include "common/base/crc32c.h"

/* 2: the checkpoints of the job come behind what is in 1; details without any are written as 1.
 * 3: behind those of a job under the adaptive scheduler comes its ElasticJob (proto/elastic.proto).
 * 4: with what unaligned checkpoints need, and whether an ElasticJob comes.
 * 5: behind all that comes what coordinators left; details without any are written as 4 or 1. */
enum {
    DETAILS_VERSION = 5,
    DETAILS_VERSION_RESULTS = 5,
    DETAILS_VERSION_UNALIGNED = 4,
    DETAILS_VERSION_ELASTIC = 3,
    DETAILS_VERSION_CHECKPOINTS = 2,
    DETAILS_VERSION_NO_CHECKPOINTS = 1,
    HEAD_BYTES = 16,
    CRC_BYTES = 4,
};

static const char magic[4] = {'F', 'L', 'J', 'D'};

/* Writing: `out`.  Reading: what is left, and the arena for what is read; once `bad`, all reads give zeros. */
struct codec {
    struct str *out;
    const uint8_t *next, *end;
    struct arena *arena;
    uint32_t version;
    bool bad;
};

/* ---- scalars -------------------------------------------------------------------------------------- */

static void code_bytes(struct codec *c, void *data, size_t size)
{
    if (c->out != NULL) {
        str_append(c->out, data, size);
    } else if (c->bad || (size_t)(c->end - c->next) < size) {
        c->bad = true;
        memset(data, 0, size);
    } else {
        memcpy(data, c->next, size);
        c->next += size;
    }
}

static void code_u64(struct codec *c, uint64_t *v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(*v >> (8 * i));
    }
    code_bytes(c, bytes, sizeof(bytes));
    uint64_t read = 0;
    for (int i = 0; i < 8; i++) {
        read |= (uint64_t)bytes[i] << (8 * i);
    }
    if (c->out == NULL) {
        *v = read;
    }
}

static void code_i64(struct codec *c, int64_t *v)
{
    uint64_t u = (uint64_t)*v;
    code_u64(c, &u);
    if (c->out == NULL) {
        *v = (int64_t)u;
    }
}

static void code_u32(struct codec *c, uint32_t *v)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(*v >> (8 * i));
    }
    code_bytes(c, bytes, sizeof(bytes));
    if (c->out == NULL) {
        *v = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
             (uint32_t)bytes[3] << 24;
    }
}

/* A value below `n`. */
static uint32_t code_choice(struct codec *c, uint32_t v, uint32_t n)
{
    code_u32(c, &v);
    if (v >= n) {
        c->bad = true;
        return 0;
    }
    return v;
}
#define CODE_CHOICE(c, field, n)                                     \
    do {                                                             \
        uint32_t choice_ = code_choice((c), (uint32_t)(field), (n)); \
        if ((c)->out == NULL) {                                      \
            (field) = (typeof(field))choice_;                        \
        }                                                            \
    } while (0)

static void code_flag(struct codec *c, bool *v)
{
    CODE_CHOICE(c, *v, 2);
}

static void code_double(struct codec *c, double *v)
{
    uint64_t bits;
    memcpy(&bits, v, sizeof(bits));
    code_u64(c, &bits);
    if (c->out == NULL) {
        memcpy(v, &bits, sizeof(bits));
    }
}

static void code_id(struct codec *c, struct flinc_id *id)
{
    code_bytes(c, id->bytes, sizeof(id->bytes));
}

/* ---- texts, arrays -------------------------------------------------------------------------------- */

static void code_text(struct codec *c, char **text)
{
    uint32_t n = c->out != NULL && *text != NULL ? (uint32_t)strlen(*text) + 1 : 0;
    code_u32(c, &n);
    if (c->out != NULL) {
        str_append(c->out, *text != NULL ? *text : "", n > 0 ? n - 1 : 0);
        return;
    }
    *text = NULL;
    if (n == 0) {
        return;
    }
    if (c->bad || (size_t)(c->end - c->next) < n - 1) {
        c->bad = true;
        return;
    }
    *text = arena_strndup(c->arena, (const char *)c->next, n - 1);
    c->next += n - 1;
}

/* A text that is always there. */
static void code_name(struct codec *c, char **text)
{
    code_text(c, text);
    if (c->out == NULL && *text == NULL) {
        c->bad = true;
        *text = arena_strdup(c->arena, "");
    }
}

/* In an array of chars. */
static void code_chars(struct codec *c, char *text, size_t size)
{
    char *read = text;
    code_name(c, &read);
    if (c->out == NULL) {
        size_t n = strlen(read);
        if (n >= size) {
            c->bad = true;
            n = 0;
        }
        memcpy(text, read, n);
        text[n] = '\0';
    }
}

/* The number of items and, reading, the memory for them.  An item takes at least `packed` bytes, so that
 * a forged number is found out before memory is taken for it. */
static uint32_t code_array(struct codec *c, uint32_t *n, void *items, size_t item_size,
                           size_t packed)
{
    code_u32(c, n);
    if (c->out == NULL) {
        if (c->bad || *n > (size_t)(c->end - c->next) / packed) {
            c->bad = true;
            *n = 0;
        }
        void *memory = *n > 0 ? arena_zalloc(c->arena, *n * item_size) : NULL;
        memcpy(items, &memory, sizeof(memory));
    }
    return *n;
}
#define CODE_ARRAY(c, n, items, packed) code_array((c), &(n), &(items), sizeof(*(items)), (packed))

/* ---- structs, inner first ------------------------------------------------------------------------- */

static void code_error(struct codec *c, struct error *e)
{
    uint32_t code = (uint32_t)-e->code;
    code_u32(c, &code);
    if (c->out == NULL) {
        e->code = -(int)(code & INT32_MAX);
    }
    CODE_CHOICE(c, e->cls, ERROR_CLASS_BUG + 1);
    code_chars(c, e->message, sizeof(e->message));
    code_chars(c, e->frames, sizeof(e->frames));
}

/* One that may not be there. */
static void code_error_pointer(struct codec *c, struct error **e)
{
    bool there = *e != NULL;
    code_flag(c, &there);
    if (c->out == NULL) {
        *e = there ? arena_zalloc(c->arena, sizeof(**e)) : NULL;
    }
    if (there) {
        code_error(c, *e);
    }
}

static void code_accumulator(struct codec *c, struct task_accumulator *a)
{
    code_name(c, &a->name);
    code_name(c, &a->type);
    code_i64(c, &a->long_value);
    code_double(c, &a->double_value);
}

static void code_attempt(struct codec *c, struct attempt_details *a)
{
    uint64_t *const io[] = {&a->io.bytes_in,        &a->io.bytes_out, &a->io.records_in,
                            &a->io.records_out,     &a->io.busy_ms,   &a->io.idle_ms,
                            &a->io.backpressured_ms};
    code_id(c, &a->attempt_id);
    code_id(c, &a->allocation_id);
    code_u32(c, &a->number);
    CODE_CHOICE(c, a->state, EXECUTION_STATES);
    for (uint32_t i = 0; i < EXECUTION_STATES; i++) {
        code_i64(c, &a->since_ms[i]);
    }
    code_flag(c, &a->on_worker);
    code_text(c, &a->tm_id);
    code_text(c, &a->host);
    code_text(c, &a->endpoint);
    for (size_t i = 0; i < ARRAY_LEN(io); i++) {
        code_u64(c, io[i]);
    }
    code_flag(c, &a->io_complete);
    uint32_t n = CODE_ARRAY(c, a->n_accumulators, a->accumulators, 24);
    for (uint32_t i = 0; i < n; i++) {
        code_accumulator(c, &a->accumulators[i]);
    }
    code_error_pointer(c, &a->failure);
}

static void code_subtask(struct codec *c, struct subtask_details *s)
{
    code_attempt(c, &s->current);
    uint32_t n = CODE_ARRAY(c, s->n_prior, s->prior, 128);
    for (uint32_t i = 0; i < n; i++) {
        code_attempt(c, &s->prior[i]);
    }
}

static void code_operator(struct codec *c, struct operator_details *o)
{
    code_id(c, &o->id);
    code_name(c, &o->name);
    code_flag(c, &o->has_coordinator);
}

static void code_vertex(struct codec *c, struct vertex_details *v)
{
    code_id(c, &v->id);
    code_name(c, &v->name);
    code_text(c, &v->slot_sharing_group);
    code_id(c, &v->slot_sharing_group_id);
    code_u32(c, &v->parallelism);
    code_u32(c, &v->max_parallelism);
    code_flag(c, &v->is_source);
    uint32_t n = CODE_ARRAY(c, v->n_subtasks, v->subtasks, 128);
    for (uint32_t i = 0; i < n; i++) {
        code_subtask(c, &v->subtasks[i]);
    }
    n = CODE_ARRAY(c, v->n_operators, v->operators, 24);
    for (uint32_t i = 0; i < n; i++) {
        code_operator(c, &v->operators[i]);
    }
}

static void code_failure(struct codec *c, struct job_failure *f)
{
    code_i64(c, &f->timestamp_ms);
    code_error(c, &f->error);
    code_chars(c, f->task_name, sizeof(f->task_name));
    code_id(c, &f->attempt_id);
    code_u32(c, &f->attempt_number);
    code_u32(c, &f->n_concurrent);
    code_u64(c, &f->number);
}

static void code_failures(struct codec *c, struct failure_details *f)
{
    code_failure(c, &f->root);
    code_text(c, &f->tm_id);
    code_text(c, &f->endpoint);
    uint32_t n = CODE_ARRAY(c, f->n_concurrent, f->concurrent, 64);
    if (c->out == NULL && n > 0) {
        f->concurrent_tm_ids = arena_zalloc(c->arena, n * sizeof(char *));
        f->concurrent_endpoints = arena_zalloc(c->arena, n * sizeof(char *));
    }
    for (uint32_t i = 0; i < n; i++) {
        code_failure(c, &f->concurrent[i]);
        code_text(c, &f->concurrent_tm_ids[i]);
        code_text(c, &f->concurrent_endpoints[i]);
    }
}

static void code_details(struct codec *c, struct job_details *d)
{
    code_id(c, &d->id);
    code_name(c, &d->name);
    CODE_CHOICE(c, d->status, JOB_STATUS_COUNT);
    for (uint32_t i = 0; i < JOB_STATUS_COUNT; i++) {
        code_i64(c, &d->status_since_ms[i]);
    }
    code_i64(c, &d->taken_ms);
    code_u32(c, &d->parallelism);
    code_u32(c, &d->max_parallelism);
    code_u32(c, &d->restarts);
    CODE_CHOICE(c, d->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_BATCH + 1);
    code_text(c, &d->plan_json);
    code_text(c, &d->restart_strategy);
    uint32_t n = CODE_ARRAY(c, d->n_config, d->config, 8);
    for (uint32_t i = 0; i < n; i++) {
        code_name(c, &d->config[i].key);
        code_name(c, &d->config[i].value);
    }
    n = CODE_ARRAY(c, d->n_vertices, d->vertices, 64);
    for (uint32_t i = 0; i < n; i++) {
        code_vertex(c, &d->vertices[i]);
    }
    n = CODE_ARRAY(c, d->n_failures, d->failures, 64);
    for (uint32_t i = 0; i < n; i++) {
        code_failures(c, &d->failures[i]);
    }
    code_flag(c, &d->failures_truncated);
    code_error_pointer(c, &d->cause);
    n = CODE_ARRAY(c, d->n_accumulators, d->accumulators, 24);
    for (uint32_t i = 0; i < n; i++) {
        code_accumulator(c, &d->accumulators[i]);
    }
}

/* ---- checkpoints: on the heap, since they are counted by themselves --------------------------------- */

static void code_heap_text(struct codec *c, char **text)
{
    char *read = *text;
    code_text(c, &read);
    if (c->out == NULL) {
        *text = read != NULL ? mem_strdup(read) : NULL;
    }
}

/* Reading: zeroed memory for the items, which is the caller's. */
static uint32_t code_heap_array(struct codec *c, uint32_t *n, void *items, size_t item_size,
                                size_t packed)
{
    code_u32(c, n);
    if (c->out == NULL) {
        if (c->bad || *n > (size_t)(c->end - c->next) / packed) {
            c->bad = true;
            *n = 0;
        }
        void *memory = mem_zalloc_array((size_t)*n + 1, item_size);
        memcpy(items, &memory, sizeof(memory));
    }
    return *n;
}
#define CODE_HEAP_ARRAY(c, n, items, packed) \
    code_heap_array((c), &(n), &(items), sizeof(*(items)), (packed))

static void code_subtask_checkpoint(struct codec *c, struct subtask_checkpoint_stats *s)
{
    code_flag(c, &s->acknowledged);
    code_i64(c, &s->ack_ms);
    code_u64(c, &s->state_bytes);
    code_u64(c, &s->written_bytes);
    code_u64(c, &s->processed_bytes);
    if (c->version >= DETAILS_VERSION_UNALIGNED) {
        code_u64(c, &s->persisted_bytes);
        code_flag(c, &s->unaligned);
    }
    code_i64(c, &s->sync_ms);
    code_i64(c, &s->async_ms);
    code_i64(c, &s->alignment_ms);
    code_i64(c, &s->start_delay_ms);
    code_i64(c, &s->pause_us);
}

static void code_vertex_checkpoint(struct codec *c, struct vertex_checkpoint_stats *v)
{
    code_id(c, &v->vertex_id);
    code_u32(c, &v->n_acknowledged);
    code_i64(c, &v->latest_ack_ms);
    code_u64(c, &v->state_bytes);
    code_u64(c, &v->written_bytes);
    code_u64(c, &v->processed_bytes);
    if (c->version >= DETAILS_VERSION_UNALIGNED) {
        code_u64(c, &v->persisted_bytes);
    }
    uint32_t n = CODE_HEAP_ARRAY(c, v->n_subtasks, v->subtasks, 76);
    for (uint32_t i = 0; i < n; i++) {
        code_subtask_checkpoint(c, &v->subtasks[i]);
    }
}

static void code_checkpoint(struct codec *c, struct checkpoint_details *d)
{
    code_u64(c, &d->id);
    CODE_CHOICE(c, d->status, CHECKPOINT_STATUS_COUNT);
    CODE_CHOICE(c, d->kind, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE + 1);
    CODE_CHOICE(c, d->stop, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN + 1);
    code_i64(c, &d->trigger_ms);
    code_i64(c, &d->latest_ack_ms);
    code_i64(c, &d->ended_ms);
    code_u32(c, &d->n_subtasks);
    code_u32(c, &d->n_acknowledged);
    code_u64(c, &d->state_bytes);
    code_u64(c, &d->written_bytes);
    code_u64(c, &d->processed_bytes);
    if (c->version >= DETAILS_VERSION_UNALIGNED) {
        code_u64(c, &d->persisted_bytes);
        code_flag(c, &d->unaligned);
    }
    code_u64(c, &d->metadata_bytes);
    code_heap_text(c, &d->path);
    code_flag(c, &d->discarded);
    code_heap_text(c, &d->failure);
    uint32_t n = CODE_HEAP_ARRAY(c, d->n_vertices, d->vertices, 48);
    for (uint32_t i = 0; i < n; i++) {
        code_vertex_checkpoint(c, &d->vertices[i]);
    }
}

/* One that may not be there. */
static void code_checkpoint_pointer(struct codec *c, const struct checkpoint_details **d)
{
    bool there = *d != NULL;
    code_flag(c, &there);
    if (c->out == NULL) {
        *d = there ? checkpoint_details_new_empty() : NULL;
    }
    if (there) {
        code_checkpoint(c, (struct checkpoint_details *)*d); /* writing changes nothing */
    }
}

static void code_summary(struct codec *c, struct checkpoint_summary *s)
{
    code_u64(c, &s->n);
    code_i64(c, &s->min);
    code_i64(c, &s->max);
    code_i64(c, &s->avg);
    double *const quantiles[] = {&s->p50, &s->p90, &s->p95, &s->p99, &s->p999};
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        code_double(c, quantiles[i]);
    }
}

static void code_checkpoint_config(struct codec *c, struct checkpoint_config *k)
{
    CODE_CHOICE(c, k->mode, CHECKPOINT_MODE_AT_LEAST_ONCE + 1);
    CODE_CHOICE(c, k->storage, CHECKPOINT_STORAGE_FILESYSTEM + 1);
    CODE_CHOICE(c, k->retention, CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION + 1);
    CODE_CHOICE(c, k->claim, CHECKPOINT_CLAIM_NO_CLAIM + 1);
    code_i64(c, &k->interval_ms);
    code_i64(c, &k->min_pause_ms);
    code_i64(c, &k->timeout_ms);
    code_u32(c, &k->max_concurrent);
    code_u32(c, &k->tolerable_failures);
    code_u32(c, &k->num_retained);
    code_u32(c, &k->history);
    code_u64(c, &k->inline_threshold_bytes);
    bool *const flags[] = {&k->incremental, &k->after_tasks_finish, &k->create_subdir,
                           &k->allow_non_restored_state};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        code_flag(c, flags[i]);
    }
    if (c->version >= DETAILS_VERSION_UNALIGNED) {
        code_flag(c, &k->unaligned);
        code_i64(c, &k->aligned_timeout_ms);
    }
    char **const texts[] = {&k->directory, &k->savepoint_directory, &k->state_backend,
                            &k->restore_path};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        code_heap_text(c, texts[i]);
    }
}

static void code_checkpoints(struct codec *c, struct checkpoint_stats *s)
{
    uint64_t *const counts[] = {&s->counts.restored, &s->counts.total, &s->counts.in_progress,
                                &s->counts.completed, &s->counts.failed};
    code_checkpoint_config(c, &s->config);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        code_u64(c, counts[i]);
    }
    code_summary(c, &s->written_bytes);
    code_summary(c, &s->state_bytes);
    code_summary(c, &s->duration_ms);
    code_summary(c, &s->processed_bytes);
    if (c->version >= DETAILS_VERSION_UNALIGNED) {
        code_summary(c, &s->persisted_bytes);
    }
    code_checkpoint_pointer(c, &s->latest_completed);
    code_checkpoint_pointer(c, &s->latest_savepoint);
    code_checkpoint_pointer(c, &s->latest_failed);
    code_u64(c, &s->latest_restored.id);
    code_i64(c, &s->latest_restored.restore_ms);
    code_flag(c, &s->latest_restored.is_savepoint);
    code_heap_text(c, &s->latest_restored.path);
    uint32_t n = CODE_HEAP_ARRAY(c, s->n_history, s->history, 4);
    for (uint32_t i = 0; i < n; i++) {
        code_checkpoint_pointer(c, &s->history[i]);
        c->bad = c->bad || s->history[i] == NULL;
    }
}

static void drop_checkpoints(void *arg)
{
    checkpoint_stats_unref(arg);
}

static void read_checkpoints(struct codec *c, struct job_details *d)
{
    struct checkpoint_stats *s = checkpoint_stats_new_empty();
    d->checkpoints = s;
    arena_on_fini(c->arena, drop_checkpoints, s);
    code_checkpoints(c, s);
}

/* ---- the adaptive scheduler's part ------------------------------------------------------------------ */

static void write_elastic(struct codec *c, const Flinc__ElasticJob *e)
{
    size_t size = flinc__elastic_job__get_packed_size(e);
    uint64_t length = size;
    uint8_t *bytes = mem_alloc(size + 1);
    flinc__elastic_job__pack(e, bytes);
    code_u64(c, &length);
    code_bytes(c, bytes, size);
    mem_free(bytes);
}

static void free_elastic(void *arg)
{
    flinc__elastic_job__free_unpacked(arg, NULL);
}

static void read_elastic(struct codec *c, struct job_details *d)
{
    uint64_t size = 0;
    code_u64(c, &size);
    if (c->bad || size > (uint64_t)(c->end - c->next)) {
        c->bad = true;
        return;
    }
    Flinc__ElasticJob *e = flinc__elastic_job__unpack(NULL, size, c->next);
    if (e != NULL) {
        arena_on_fini(c->arena, free_elastic, e);
    }
    c->next += size;
    c->bad = e == NULL || e->n_bounds != d->n_vertices;
    d->elastic = e;
}

/* ---- what coordinators left --------------------------------------------------------------------------- */

static void code_result(struct codec *c, struct coordinator_result *r)
{
    code_name(c, &r->operator_uid);
    code_id(c, &r->operator_id);
    code_u32(c, &r->size);
    if (c->out == NULL) {
        if (c->bad || r->size > (uint64_t)(c->end - c->next)) {
            c->bad = true;
            r->size = 0;
        }
        r->data = arena_alloc(c->arena, (size_t)r->size + 1);
    }
    if (r->size > 0) {
        code_bytes(c, r->data, r->size);
    }
}

static void code_results(struct codec *c, struct job_details *d)
{
    uint32_t n = CODE_ARRAY(c, d->n_results, d->results, 24);
    for (uint32_t i = 0; i < n; i++) {
        code_result(c, &d->results[i]);
    }
}

/* ---- the file --------------------------------------------------------------------------------------- */

void job_details_pack(const struct job_details *d, struct str *ret_bytes)
{
    struct str body = STR_INIT;
    struct codec c = {.out = &body, .version = DETAILS_VERSION};
    struct codec head = {.out = ret_bytes};
    uint32_t version = DETAILS_VERSION_NO_CHECKPOINTS;
    size_t start = ret_bytes->len;
    code_details(&c, (struct job_details *)d); /* writing changes nothing */
    bool has_checkpoints = d->checkpoints != NULL, has_results = d->n_results > 0;
    if (has_results) {
        version = DETAILS_VERSION_RESULTS;
        code_flag(&c, &has_checkpoints);
    }
    if (has_checkpoints) {
        bool is_elastic = d->elastic != NULL; /* no job is without checkpoints */
        version = MAX(version, (uint32_t)DETAILS_VERSION_UNALIGNED);
        code_checkpoints(&c, (struct checkpoint_stats *)d->checkpoints); /* likewise */
        code_flag(&c, &is_elastic);
        if (is_elastic) {
            write_elastic(&c, d->elastic);
        }
    }
    if (has_results) {
        code_results(&c, (struct job_details *)d); /* likewise */
    }
    uint64_t size = body.len;
    str_append(ret_bytes, magic, sizeof(magic));
    code_u32(&head, &version);
    code_u64(&head, &size);
    str_append_slice(ret_bytes, str_slice(&body));
    uint32_t crc = crc32c(0, ret_bytes->data + start, ret_bytes->len - start);
    code_u32(&head, &crc);
    str_fini(&body);
}

static int check_frame(const uint8_t *bytes, size_t size, uint32_t *ret_version, struct error *err)
{
    struct codec c = {.next = bytes + sizeof(magic), .end = bytes + size};
    uint32_t version = 0, crc = 0;
    uint64_t body = 0;
    if (size < HEAD_BYTES + CRC_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0) {
        return error_set(err, ERR_CORRUPT, "these are no details of a job");
    }
    code_u32(&c, &version);
    code_u64(&c, &body);
    if (version < DETAILS_VERSION_NO_CHECKPOINTS || version > DETAILS_VERSION) {
        return error_set(err, ERR_UNSUPPORTED, "details of a job in version %u, this is version %d",
                         version, DETAILS_VERSION);
    }
    c.next = bytes + size - CRC_BYTES;
    code_u32(&c, &crc);
    if (body != size - HEAD_BYTES - CRC_BYTES || crc != crc32c(0, bytes, size - CRC_BYTES)) {
        return error_set(err, ERR_CORRUPT, "damaged details of a job: length or checksum is wrong");
    }
    *ret_version = version;
    return 0;
}

int job_details_unpack(const uint8_t *bytes, size_t size, const struct job_details **ret,
                       struct error *err)
{
    struct codec c = {.next = bytes + HEAD_BYTES};
    uint32_t version = 0;
    TRY(check_frame(bytes, size, &version, err));
    struct job_details *d = job_details_new(&c.arena);
    c.version = version;
    c.end = bytes + size - CRC_BYTES;
    code_details(&c, d);
    bool has_checkpoints = version >= DETAILS_VERSION_CHECKPOINTS;
    if (version >= DETAILS_VERSION_RESULTS) {
        code_flag(&c, &has_checkpoints);
    }
    if (has_checkpoints) {
        read_checkpoints(&c, d);
    }
    bool is_elastic = version == DETAILS_VERSION_ELASTIC;
    if (has_checkpoints && version > DETAILS_VERSION_ELASTIC) {
        code_flag(&c, &is_elastic);
    }
    if (is_elastic) {
        read_elastic(&c, d);
    }
    if (version >= DETAILS_VERSION_RESULTS) {
        code_results(&c, d);
    }
    if (c.bad || c.next != c.end) {
        job_details_unref(d);
        return error_set(err, ERR_CORRUPT, "damaged details of a job at byte %zu",
                         (size_t)(c.next - bytes));
    }
    *ret = d;
    return 0;
}
