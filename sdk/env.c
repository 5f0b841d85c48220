/* Environments: settings, the sticky error, and what lives as long as the job's main.
 * Flink: StreamExecutionEnvironment.  Thread: one owner. */
#include "common/base/log.h"
#include "sdk/internal.h"
#include <stdio.h>
#include <stdlib.h>

enum { ENV_ARENA_BYTES = 16 * 1024 };

/* For calls on a NULL stream, which cannot say which environment they belong to. */
static _Thread_local flinc_env *latest_env;

flinc_env *env_new(const struct env_options *options)
{
    flinc_env *env = MEM_NEW(flinc_env);

    env->mode = options->mode;
    env->one_job = options->one_job;
    env->listener = options->listener;
    conf_init(&env->conf, NULL);
    if (options->conf != NULL) {
        conf_merge(&env->conf, options->conf);
    }
    map_init(&env->job_conf, mem_free);
    stream_graph_init(&env->graph);
    arena_init(&env->arena, ENV_ARENA_BYTES);
    vec_init(&env->schemas, sizeof(void *));
    vec_init(&env->libraries, sizeof(void *));
    vec_init(&env->params, sizeof(void *));
    env->broken.env = env;
    if (options->bundle_path != NULL && options->bundle_name != NULL) {
        env->bundle_path = realpath(options->bundle_path, NULL);
        env->bundle_name = mem_strdup(options->bundle_name);
    }
    job_result_init(&env->result);
    rng_init_system(&env->rng);
    latest_env = env;
    return env;
}

/* In somebody else's program the engine speaks up when something is wrong, and else keeps quiet. */
static void set_log_level(const struct conf *conf)
{
    enum log_level level = LOG_LEVEL_WARN;

    if (conf_has(conf, "env.log.level")) {
        (void)log_level_parse(conf_string(conf, "env.log.level"), &level);
    }
    log_set_level(level);
}

flinc_env *flinc_env_new_local(const char *conf_dir)
{
    struct env_options options = {.mode = ENV_MODE_EXECUTE};
    flinc_env *env = env_new(&options);

    if (conf_dir != NULL) {
        struct conf loaded;
        struct error err = ERROR_INIT;
        conf_init(&loaded, NULL);
        if (conf_load_dir(&loaded, conf_dir, &err) < 0) {
            (void)env_fail_at(env, flinc_place_at(NULL, 0), err.code, "%s", err.message);
        } else {
            conf_merge(&env->conf, &loaded);
            conf_log_warnings(&loaded);
        }
        conf_fini(&loaded);
    }
    set_log_level(&env->conf);
    return env;
}

/* A setting of the environment itself, not of its jobs. */
static void set_own(flinc_env *env, const char *key, const char *value)
{
    struct error err = ERROR_INIT;

    if (conf_set(&env->conf, key, value, &err) < 0) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), err.code, "%s", err.message);
    }
}

flinc_env *flinc_env_new_remote(const char *host, int port)
{
    struct env_options options = {.mode = ENV_MODE_EXECUTE};
    flinc_env *env = env_new(&options);
    char text[16];

    if (host == NULL || host[0] == '\0' || port < 1 || port > 65535) {
        flinc_env_fail(env,
                       "flinc_env_new_remote: the address '%s:%d' is none; give the host and the "
                       "REST port (8081) of a job manager",
                       host != NULL ? host : "", port);
        return env;
    }
    (void)snprintf(text, sizeof(text), "%d", port);
    set_own(env, "execution.target", "remote");
    set_own(env, "execution.attached", "true");
    set_own(env, "rest.address", host);
    set_own(env, "rest.port", text);
    set_log_level(&env->conf);
    return env;
}

static void params_free(flinc_params *params)
{
    map_fini(&params->values);
    mem_free(params);
}

void flinc_env_free(flinc_env *env)
{
    if (env == NULL) {
        return;
    }
    if (latest_env == env) {
        latest_env = NULL;
    }
    for (size_t i = 0; i < env->params.len; i++) {
        params_free(vec_ptr(&env->params, i));
    }
    for (size_t i = 0; i < env->schemas.len; i++) {
        schema_unref(vec_ptr(&env->schemas, i));
    }
    vec_fini(&env->params);
    vec_fini(&env->libraries);
    vec_fini(&env->schemas);
    if (env->captured != NULL) {
        flinc__job_graph__free_unpacked(env->captured, NULL);
    }
    job_result_fini(&env->result);
    stream_graph_fini(&env->graph);
    arena_fini(&env->arena);
    map_fini(&env->job_conf);
    conf_fini(&env->conf);
    mem_free(env->error_text);
    free(env->bundle_path);
    mem_free(env->bundle_name);
    mem_free(env);
}

/* ---- the sticky error ------------------------------------------------------------------------ */

const char *env_location(flinc_env *env, flinc_place at)
{
    const char *slash = at.file != NULL ? strrchr(at.file, '/') : NULL;

    if (at.file == NULL) {
        return "";
    }
    return arena_printf(&env->arena, "%s:%d", slash != NULL ? slash + 1 : at.file, at.line);
}

flinc_stream *env_fail_at(flinc_env *env, flinc_place at, int code, const char *fmt, ...)
{
    if (env->err.code == 0) { /* the first mistake counts, later ones follow from it */
        STR_AUTO text = STR_INIT;
        va_list ap;
        if (at.file != NULL) {
            str_printf(&text, "%s: ", env_location(env, at));
        }
        va_start(ap, fmt);
        str_vprintf(&text, fmt, ap);
        va_end(ap);
        (void)error_set(&env->err, code, "%s", str_cstr(&text));
        env->error_text = str_take(&text);
    }
    return &env->broken;
}

void flinc_env_fail(flinc_env *env, const char *format, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;

    va_start(ap, format);
    str_vprintf(&text, format, ap);
    va_end(ap);
    (void)env_fail_at(env, flinc_place_at(NULL, 0), ERR_INVALID_ARGUMENT, "%s", str_cstr(&text));
}

const char *flinc_env_error(const flinc_env *env)
{
    return env->error_text;
}

int env_get_error(const flinc_env *env, struct error *err)
{
    if (env->err.code != 0 && err != NULL) {
        error_copy(err, &env->err);
    }
    return env->err.code;
}

flinc_env *env_of(const flinc_stream *s)
{
    return s != NULL ? s->env : latest_env;
}

/* ---- settings --------------------------------------------------------------------------------- */

void flinc_env_set(flinc_env *env, const char *key, const char *value)
{
    struct error err = ERROR_INIT;

    if (conf_set(&env->conf, key, value, &err) < 0) {
        (void)env_fail_at(env, flinc_place_at(NULL, 0), err.code, "%s", err.message);
        return;
    }
    (void)map_put(&env->job_conf, key, mem_strdup(value));
}

static void set_positive(flinc_env *env, const char *what, const char *key, int value)
{
    char text[16];

    if (value < 1) {
        flinc_env_fail(env, "%s must be at least 1, not %d", what, value);
        return;
    }
    (void)snprintf(text, sizeof(text), "%d", value);
    flinc_env_set(env, key, text);
}

void flinc_env_set_parallelism(flinc_env *env, int parallelism)
{
    set_positive(env, "the parallelism", "parallelism.default", parallelism);
}

void flinc_env_set_max_parallelism(flinc_env *env, int max_parallelism)
{
    set_positive(env, "the maximum parallelism", "pipeline.max-parallelism", max_parallelism);
}

void flinc_env_set_runtime_mode(flinc_env *env, flinc_runtime_mode mode)
{
    static const char *const names[] = {
        [FLINC_STREAMING] = "STREAMING", [FLINC_BATCH] = "BATCH", [FLINC_AUTOMATIC] = "AUTOMATIC"};

    if ((unsigned)mode >= ARRAY_LEN(names)) {
        flinc_env_fail(env, "there is no execution mode %d", (int)mode);
        return;
    }
    flinc_env_set(env, "execution.runtime-mode", names[mode]);
}

int flinc_env_parallelism(const flinc_env *env)
{
    return conf_int(&env->conf, "parallelism.default");
}

uint32_t env_execute_calls(const flinc_env *env)
{
    return env->execute_calls;
}

const Flinc__JobGraph *env_captured_graph(const flinc_env *env)
{
    return env->captured;
}

const struct job_result *env_result(const flinc_env *env)
{
    return &env->result;
}
