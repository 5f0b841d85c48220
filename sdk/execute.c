/* flinc_env_execute: the stream graph becomes a job graph, and the executor of execution.target runs
 * it (or it is kept, for plans and job builders).  Flink: StreamExecutionEnvironment.execute. */
#include "sdk/internal.h"

static struct job_executor const *executors[8];
static size_t n_executors;

void job_executor_register(const struct job_executor *executor)
{
    ASSERT(n_executors < ARRAY_LEN(executors));
    executors[n_executors++] = executor;
}

const struct job_executor *job_executor_find(const char *target)
{
    for (size_t i = 0; i < n_executors; i++) {
        if (strcmp(executors[i]->target, target) == 0) {
            return executors[i];
        }
    }
    return NULL;
}

void job_result_init(struct job_result *r)
{
    r->runtime_ms = 0;
    map_init(&r->accumulators, mem_free);
}

void job_result_fini(struct job_result *r)
{
    map_fini(&r->accumulators);
}

void job_result_add(struct job_result *r, const char *name, int64_t value)
{
    int64_t *sum = map_find(&r->accumulators, name);

    if (sum == NULL) {
        sum = MEM_NEW(int64_t);
        (void)map_put(&r->accumulators, name, sum);
    }
    *sum += value;
}

int64_t flinc_env_accumulator(const flinc_env *env, const char *name)
{
    const int64_t *sum = map_find(&env->result.accumulators, name);
    return sum != NULL ? *sum : 0;
}

int64_t flinc_env_runtime_ms(const flinc_env *env)
{
    return env->result.runtime_ms;
}

/* ---- translation ------------------------------------------------------------------------------- */

/* Where the job runs and how its client behaves is nothing that the job itself needs. */
static bool is_of_client(const char *key)
{
    static const char *const prefixes[] = {
        "rest.", "jobmanager.", "execution.target", "execution.attached", "client.", "env."};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (cstr_starts_with(key, prefixes[i])) {
            return true;
        }
    }
    return false;
}

static void add_setting(flinc_env *env, struct vec *settings, const char *key, const char *value)
{
    Flinc__KeyValue *kv = arena_alloc(&env->arena, sizeof(*kv));

    flinc__key_value__init(kv);
    kv->key = arena_strdup(&env->arena, key);
    kv->value = arena_strdup(&env->arena, value);
    vec_push_ptr(settings, kv);
}

/* What goes with the job: what its main set, and what the command line said (-D, -p). */
static void job_configuration(flinc_env *env, struct vec *ret_settings)
{
    MAP_FOREACH (&env->conf.entries, e) {
        const struct conf_entry *entry = e->value;
        if (entry->place.origin == CONF_ORIGIN_COMMAND_LINE && !is_of_client(entry->key) &&
            !map_has(&env->job_conf, entry->key)) {
            add_setting(env, ret_settings, entry->key, entry->value);
        }
    }
    MAP_FOREACH (&env->job_conf, e) {
        add_setting(env, ret_settings, e->key, e->value);
    }
}

static int translate(flinc_env *env, const char *job_name, Flinc__JobGraph **ret, struct error *err)
{
    const char *configured = conf_string(&env->conf, "pipeline.name");
    const char *mode = conf_raw(&env->conf, "execution.runtime-mode");
    struct translate_options o = {
        .job_name = job_name != NULL     ? job_name
                    : configured != NULL ? configured
                                         : "Flinc Streaming Job",
        .default_parallelism = conf_int(&env->conf, "parallelism.default"),
        .max_parallelism = conf_int(&env->conf, "pipeline.max-parallelism"),
        .chaining = conf_bool(&env->conf, "pipeline.operator-chaining.enabled"),
        .chain_different_max_parallelism =
            conf_bool(&env->conf, "pipeline.operator-chaining.chain-operators-with-different-max-"
                                  "parallelism"),
        .combine = conf_bool(&env->conf, "pipeline.batch.local-aggregation.enabled"),
        .require_uids = !conf_bool(&env->conf, "pipeline.auto-generate-uids"),
        .batch = mode != NULL && strcasecmp(mode, "BATCH") == 0,
        .automatic = mode != NULL && strcasecmp(mode, "AUTOMATIC") == 0,
        .libraries = env->libraries.data,
        .n_libraries = env->libraries.len,
    };

    struct vec settings;
    vec_init(&settings, sizeof(void *));
    job_configuration(env, &settings);
    o.config = settings.data;
    o.n_config = settings.len;
    id_random(&o.job_id, &env->rng);
    int rc = stream_graph_translate(&env->graph, &o, ret, err);
    vec_fini(&settings);
    return rc;
}

/* After a job the environment is empty again, as Flink's is, so that a program can build another. */
static void forget_graph(flinc_env *env)
{
    stream_graph_fini(&env->graph);
    stream_graph_init(&env->graph);
    env->libraries.len = 0;
}

static int run(flinc_env *env, const Flinc__JobGraph *graph, struct error *err)
{
    const char *target = conf_string(&env->conf, "execution.target");
    const struct job_executor *executor = job_executor_find(target != NULL ? target : "local");

    if (executor == NULL) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "there is no executor for execution.target '%s'; there are 'local' (this process) "
            "and 'remote' (a cluster, at rest.address:rest.port)",
            target);
    }
    job_result_fini(&env->result);
    job_result_init(&env->result);
    return executor->execute(graph, &env->conf, env->listener, &env->result, err);
}

static int check_executable(flinc_env *env)
{
    if (env->execute_calls++ > 0 && env->one_job) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), ERR_STATE,
                          "the job's main called flinc_env_execute twice: a bundle is one job; "
                          "build everything before the one call");
    }
    return env->err.code;
}

int flinc_env_execute(flinc_env *env, const char *job_name)
{
    struct error err = ERROR_INIT;
    Flinc__JobGraph *graph = NULL;

    TRY(check_executable(env));
    int rc = translate(env, job_name, &graph, &err);
    if (rc == 0 && env->mode == ENV_MODE_CAPTURE) {
        env->captured = graph;
        return 0;
    }
    if (rc == 0) {
        rc = run(env, graph, &err);
        flinc__job_graph__free_unpacked(graph, NULL);
        forget_graph(env);
    }
    if (rc < 0) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), rc, "%s", err.message);
        error_copy(&env->err, &err); /* with its class and context */
    }
    return rc;
}
