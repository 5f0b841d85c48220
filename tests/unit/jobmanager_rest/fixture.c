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
