/* The hand-made job of these tests; see fixture.h. */
#include "tests/unit/jobmanager_rest/fixture.h"
#include <stdlib.h>

struct flinc_id fixture_id(const char *hex)
{
    struct flinc_id id;
    assert_true(id_parse(hex, &id));
    return id;
}

/* ---- job ------------------------------------------------------------------------------------------ */

static void fill_attempt(struct attempt_details *a, struct arena *arena, int tm, uint32_t number,
                         Flinc__ExecutionState state)
{
    memset(a, 0, sizeof(*a));
    a->number = number;
    a->state = state;
    a->attempt_id = fixture_id("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_CREATED] = STARTED_MS;
    a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED] = STARTED_MS + 10;
    a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING] = STARTED_MS + 20 + tm;
    a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING] = STARTED_MS + 40;
    a->since_ms[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] = STARTED_MS + 50;
    if (state != FLINC__EXECUTION_STATE__EXECUTION_RUNNING) {
        a->since_ms[state] = STARTED_MS + 1000 + tm;
        a->io_complete = true;
    }
    a->on_worker = true;
    a->tm_id = arena_strdup(arena, tm == 0 ? TM_1 : TM_2);
    a->host = arena_strdup(arena, tm == 0 ? "tm-1" : "tm-2");
    a->endpoint = arena_strdup(arena, tm == 0 ? "tm-1:40001" : "tm-2:40002");
    a->io = (struct task_counters){100, 200, 10 + (uint64_t)tm, 20, 300, 400, 500};
    a->n_accumulators = 1;
    a->accumulators = arena_zalloc(arena, sizeof(*a->accumulators));
    a->accumulators[0] = (struct task_accumulator){arena_strdup(arena, "words"),
                                                   arena_strdup(arena, "LongCounter"), 7 + tm, 0};
}

static void fill_vertex(struct vertex_details *v, struct arena *arena, const char *id,
                        const char *name, Flinc__ExecutionState state)
{
    v->id = fixture_id(id);
    v->name = arena_strdup(arena, name);
    v->slot_sharing_group = arena_strdup(arena, "default");
    v->slot_sharing_group_id = fixture_id("33333333333333333333333333333333");
    v->parallelism = v->n_subtasks = 2;
    v->max_parallelism = 128;
    v->subtasks = arena_zalloc(arena, 2 * sizeof(*v->subtasks));
    for (int i = 0; i < 2; i++) {
        fill_attempt(&v->subtasks[i].current, arena, i, 0, state);
    }
}

static struct error make_error(const char *text)
{
    struct error e = ERROR_INIT;
    error_set(&e, ERR_USER_CODE, "%s", text);
    error_context(&e, "running Sink: Print (1/2)");
    return e;
}

static void add_failure(struct job_details *d, struct arena *arena)
{
    struct failure_details *f = d->failures = arena_zalloc(arena, sizeof(*f));
    d->n_failures = 1;
    f->root =
        (struct job_failure){.timestamp_ms = STARTED_MS + 30, .error = make_error("it broke")};
    snprintf(f->root.task_name, sizeof(f->root.task_name), "Sink: Print (1/2)");
    f->tm_id = arena_strdup(arena, TM_1);
    f->endpoint = arena_strdup(arena, "tm-1:40001");
    f->n_concurrent = 1;
    f->concurrent = arena_zalloc(arena, sizeof(*f->concurrent));
    f->concurrent_tm_ids = arena_zalloc(arena, sizeof(char *));
    f->concurrent_endpoints = arena_zalloc(arena, sizeof(char *));
    f->concurrent[0].timestamp_ms = STARTED_MS + 31;
    f->concurrent[0].error = make_error("so did I");
}

/* Checkpoint 3 is complete, 4 in progress (one of three subtasks has acknowledged), 2 failed. */
const struct checkpoint_stats *fixture_checkpoints(void)
{
    static struct subtask_checkpoint_stats subtasks[] = {
        {.acknowledged = true,
         .ack_ms = STARTED_MS + 120,
         .state_bytes = 100,
         .written_bytes = 40,
         .processed_bytes = 5,
         .sync_ms = 1,
         .async_ms = 2,
         .alignment_ms = 3,
         .start_delay_ms = 4},
        {.acknowledged = true, .ack_ms = STARTED_MS + 110, .state_bytes = 50, .written_bytes = 50},
        {.acknowledged = false},
    };
    static struct vertex_checkpoint_stats done[1], half[1];
    static struct checkpoint_details completed, pending, failed;
    static const struct checkpoint_details *history[] = {&pending, &completed, &failed};
    static struct checkpoint_stats stats;
    struct flinc_id source = fixture_id(SOURCE_ID);
    done[0] =
        (struct vertex_checkpoint_stats){source, 2, 2, STARTED_MS + 120, 150, 90, 5, 0, subtasks};
    half[0] = (struct vertex_checkpoint_stats){source, 2, 1, STARTED_MS + 110, 50,
                                               50,     0, 0, subtasks + 1};
    completed = (struct checkpoint_details){
        .id = 3,
        .status = CHECKPOINT_STATUS_COMPLETED,
        .trigger_ms = STARTED_MS + 100,
        .latest_ack_ms = STARTED_MS + 120,
        .ended_ms = STARTED_MS + 125,
        .n_subtasks = 2,
        .n_acknowledged = 2,
        .state_bytes = 150,
        .written_bytes = 90,
        .processed_bytes = 5,
        .path = (char *)"file:/c/chk-3",
        .vertices = done,
        .n_vertices = 1,
    };
    pending = completed;
    pending.id = 4;
    pending.status = CHECKPOINT_STATUS_IN_PROGRESS;
    pending.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
    pending.n_acknowledged = 1;
    pending.vertices = half;
    failed = pending;
    failed.id = 2;
    failed.status = CHECKPOINT_STATUS_FAILED;
    failed.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL;
    failed.failure = (char *)"Checkpoint expired before completing.";
    stats = (struct checkpoint_stats){
        .refs = 1000000, /* lives for ever */
        .config = {.interval_ms = 1000,
                   .timeout_ms = 600000,
                   .max_concurrent = 1,
                   .retention = CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION,
                   .storage = CHECKPOINT_STORAGE_FILESYSTEM,
                   .after_tasks_finish = true,
                   .state_backend = (char *)"hashmap"},
        .counts = {1, 3, 1, 1, 1},
        .latest_completed = &completed,
        .latest_failed = &failed,
        .latest_restored = {1, STARTED_MS, true, (char *)"file:/s/savepoint-1"},
        .history = history,
        .n_history = 3,
    };
    int64_t bytes[] = {90}, durations[] = {20};
    checkpoint_summarize(bytes, 1, &stats.written_bytes);
    checkpoint_summarize(durations, 1, &stats.duration_ms);
    checkpoint_summarize(bytes, 0, &stats.state_bytes);
    checkpoint_summarize(bytes, 0, &stats.processed_bytes);
    return &stats;
}

struct job_details *fixture_job(enum job_status status)
{
    static const char plan[] =
        "{\"jid\":\"" JOB_ID "\",\"name\":\"two\",\"type\":\"STREAMING\",\"nodes\":[]}";
    struct arena *arena;
    struct job_details *d = job_details_new(&arena);
    bool ended = job_status_is_globally_terminal(status);
    Flinc__ExecutionState state = ended ? FLINC__EXECUTION_STATE__EXECUTION_FINISHED
                                        : FLINC__EXECUTION_STATE__EXECUTION_RUNNING;
    d->id = fixture_id(JOB_ID);
    d->name = arena_strdup(arena, "two \"vertices\"");
    d->status = status;
    d->status_since_ms[JOB_STATUS_INITIALIZING] = STARTED_MS;
    d->status_since_ms[JOB_STATUS_CREATED] = STARTED_MS + 1;
    d->status_since_ms[JOB_STATUS_RUNNING] = STARTED_MS + 2;
    if (status != JOB_STATUS_RUNNING) {
        d->status_since_ms[status] = STARTED_MS + 2000;
    }
    d->taken_ms = TAKEN_MS;
    if (!ended) { /* the one that has ended was a batch job */
        d->checkpoints = checkpoint_stats_ref(fixture_checkpoints());
    }
    d->parallelism = 2;
    d->restarts = 1;
    d->plan_json = arena_strdup(arena, plan);
    d->restart_strategy = arena_strdup(arena, "fixed delay");
    d->config = arena_zalloc(arena, sizeof(*d->config));
    d->n_config = 1;
    d->config[0].key = arena_strdup(arena, "pipeline.name");
    d->config[0].value = arena_strdup(arena, "two");
    d->n_vertices = 2;
    d->vertices = arena_zalloc(arena, 2 * sizeof(*d->vertices));
    fill_vertex(&d->vertices[0], arena, SOURCE_ID, "Source: Text", state);
    fill_vertex(&d->vertices[1], arena, SINK_ID, "Sink: Print", state);
    struct subtask_details *retried = &d->vertices[1].subtasks[0];
    retried->current.number = 1;
    retried->n_prior = 1;
    retried->prior = arena_zalloc(arena, sizeof(*retried->prior));
    fill_attempt(retried->prior, arena, 0, 0, FLINC__EXECUTION_STATE__EXECUTION_FAILED);
    add_failure(d, arena);
    if (status == JOB_STATUS_FAILED) {
        d->cause = arena_zalloc(arena, sizeof(*d->cause));
        *d->cause = make_error("it broke");
    }
    d->n_accumulators = 1;
    d->accumulators = d->vertices[0].subtasks[0].current.accumulators;
    return d;
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

void shape_begin(struct shape_text *s)
{
    memset(s, 0, sizeof(*s));
    json_writer_init(&s->w, &s->text, JSON_STYLE_COMPACT);
}

void shape_end(struct shape_text *s)
{
    struct error err = ERROR_INIT;
    json_writer_finish(&s->w);
    int rc = json_parse(str_slice(&s->text), NULL, &s->root, &err);
    if (rc < 0) {
        fail_msg("%s: %s", err.message, str_cstr(&s->text));
    }
}

void shape_fini(struct shape_text *s)
{
    json_node_free(s->root);
    str_fini(&s->text);
}

static const struct json_node *find(const struct json_node *node, const char *path)
{
    struct slice rest = slice_cstr(path), piece;
    while (node != NULL && slice_next(&rest, '.', &piece)) {
        char key[128];
        snprintf(key, sizeof(key), "%.*s", (int)piece.len, piece.data);
        if (json_node_type(node) == JSON_TYPE_ARRAY) {
            size_t i = strtoul(key, NULL, 10);
            node = i < json_node_count(node) ? json_node_at(node, i) : NULL;
        } else {
            node = json_node_type(node) == JSON_TYPE_OBJECT ? json_node_find(node, key) : NULL;
        }
    }
    return node;
}

bool has(const struct json_node *root, const char *path)
{
    return find(root, path) != NULL;
}

const struct json_node *node_at(const struct json_node *root, const char *path)
{
    const struct json_node *node = find(root, path);
    if (node == NULL) {
        fail_msg("there is no %s", path);
    }
    return node;
}

int64_t int_at(const struct json_node *root, const char *path)
{
    const struct json_node *node = node_at(root, path);
    assert_int_equal(json_node_type(node), JSON_TYPE_INT);
    return json_node_as_int(node);
}

const char *text_at(const struct json_node *root, const char *path)
{
    const struct json_node *node = node_at(root, path);
    assert_int_equal(json_node_type(node), JSON_TYPE_STRING);
    return json_node_as_string(node).data;
}

bool bool_at(const struct json_node *root, const char *path)
{
    const struct json_node *node = node_at(root, path);
    assert_int_equal(json_node_type(node), JSON_TYPE_BOOL);
    return json_node_as_bool(node);
}

double double_at(const struct json_node *root, const char *path)
{
    return json_node_as_double(node_at(root, path));
}

size_t count_at(const struct json_node *root, const char *path)
{
    return json_node_count(node_at(root, path));
}
