/* `flink run` and `flink info`: load a bundle, call its main with an environment, show what comes of it. */
#include "client/cli/cli.h"
#include "client/cli/progress.h"
#include "common/fs/artifact/artifact.h"
#include "sdk/bundle.h"
#include "sdk/environment.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The main of a job that calls exit() would end the command without a word. */
static bool in_main;

static void on_exit_in_main(void)
{
    if (in_main) {
        fprintf(stderr,
                "\nThe job's main called exit(); it must return instead, with the result of "
                "flinc_env_execute().\n");
        _exit(CLI_EXIT_ERROR);
    }
}

/* The first bytes of a Flink savepoint's _metadata. */
static bool is_flink_savepoint(const char *path)
{
    static const unsigned char magic[] = {0x49, 0x60, 0x67, 0x2d};
    unsigned char head[sizeof(magic)] = {0};
    char file[PATH_MAX];
    const char *local = cstr_starts_with(path, "file:") ? path + 5 : path;

    (void)snprintf(file, sizeof(file), "%s/_metadata", local);
    FILE *f = fopen(file, "re");
    f = f != NULL ? f : fopen(local, "re");
    bool read = f != NULL && fread(head, 1, sizeof(head), f) == sizeof(head);
    if (f != NULL) {
        (void)fclose(f);
    }
    return read && memcmp(head, magic, sizeof(magic)) == 0;
}

static int check_savepoint(const struct cli_args *args, struct error *err)
{
    if (args->savepoint == NULL) {
        return 0;
    }
    if (is_flink_savepoint(args->savepoint)) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "'%s' is a savepoint of Apache Flink. Its state is made of serialized Java "
            "objects, which a job in C cannot read: start the job without -s, and "
            "replay its input from where the savepoint was taken.",
            args->savepoint);
    }
    return 0;
}

/* Fills in the default target, and execution.attached. */
static int check_target(struct cli_args *args, struct error *err)
{
    static const struct conf_place here = {CONF_ORIGIN_COMMAND_LINE, NULL, 0};

    if (args->bundle == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The job bundle was not specified; give the path of a shared object built "
                         "with FLINC_JOB.");
    }
    if (!conf_has_value(&args->conf, "execution.target")) {
        TRY(conf_set_at(&args->conf, here, "execution.target", "remote", err));
    }
    const char *target = conf_string(&args->conf, "execution.target");
    if (job_executor_find(target) == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "There is no execution target '%s' in this release; use -t remote (a "
                         "cluster) or -t local (this process).",
                         target);
    }
    if (args->detached && strcmp(target, "local") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "A job of -t local lives in this process and cannot be detached: leave -d "
                         "away.");
    }
    TRY(check_savepoint(args, err));
    return conf_set_at(&args->conf, here, "execution.attached", args->detached ? "false" : "true",
                       err);
}

/* Runs the bundle's main in the environment, so that a crash in it is told apart from one in a task. */
static int run_main(const struct cli_args *args, flinc_env *env, struct bundle *bundle,
                    struct error *err)
{
    struct crash_site site = {.job_name = args->bundle,
                              .job_id = "",
                              .task_name = "main",
                              .operator_name = bundle->job->name,
                              .attempt = ""};

    crash_slot_set(&cli_crash_slot, &site);
    in_main = true;
    int rc = bundle_run_main(bundle, env, args->n_job_args, args->job_args, err);
    in_main = false;
    crash_slot_set(&cli_crash_slot, NULL);
    return rc;
}

/* What is fetched for the command, which goes with it. */
struct fetched {
    struct owned_dir own;
    struct str path;
    const char *address; /* Borrows; NULL: the bundle is a local file */
};

/* A bundle that is named by its address becomes a local file, and so do the files of user.artifacts.artifact-list. */
static int fetch_bundle(struct cli_args *args, struct fetched *f, struct error *err)
{
    struct artifact_options o = {.conf = &args->conf, .is_stopped = cli_is_interrupted};
    bool remote = artifact_is_remote(args->bundle);
    if (!remote) {
        args->bundle = artifact_local_path(args->bundle);
    }
    if (!remote && !conf_has(&args->conf, "user.artifacts.artifact-list")) {
        return 0;
    }
    TRY(artifact_folder(&args->conf, &f->own, &o.dir, err));
    TRY(artifact_fetch_list(&o, err));
    if (remote) {
        TRY(artifact_fetch(&o, args->bundle, ARTIFACT_BUNDLE, &f->path, err));
        f->address = args->bundle;
        args->bundle = str_cstr(&f->path);
    }
    return 0;
}

static int run_local_bundle(const struct cli_args *args, const struct env_options *options,
                            void (*show)(flinc_env *env), struct error *err)
{
    struct bundle bundle;

    TRY(bundle_open(&bundle, args->bundle, err));
    if (args->entry != NULL && strcmp(args->entry, bundle.job->name) != 0) {
        int rc =
            error_set(err, ERR_INVALID_ARGUMENT, "The bundle %s holds the job '%s', not '%s' (-c).",
                      args->bundle, bundle.job->name, args->entry);
        bundle_close(&bundle);
        return rc;
    }
    flinc_env *env = env_new(options);
    int rc = run_main(args, env, &bundle, err);
    if (rc == 0) {
        show(env);
    }
    flinc_env_free(env);
    bundle_close(&bundle);
    return rc;
}

static int with_bundle(struct cli_args *args, const struct env_options *options,
                       void (*show)(flinc_env *env), struct error *err)
{
    struct fetched f = {.own = OWNED_DIR_INIT, .path = STR_INIT};
    int rc = fetch_bundle(args, &f, err);
    if (rc == 0) {
        rc = run_local_bundle(args, options, show, err);
        if (rc < 0 && f.address != NULL) {
            error_context(err, "running %s", f.address);
        }
    }
    str_fini(&f.path);
    owned_dir_remove(&f.own);
    return rc;
}

/* ---- run --------------------------------------------------------------------------------------------- */

static char submitted_job_id[33];

static void on_submitted(void *arg, const char *job_id_hex, const char *job_name)
{
    (void)arg;
    (void)job_name;
    (void)snprintf(submitted_job_id, sizeof(submitted_job_id), "%s", job_id_hex);
    printf("Job has been submitted with JobID %s\n", job_id_hex);
    (void)fflush(stdout);
}

static bool on_progress(void *arg, const char *state, uint64_t records, uint64_t bytes,
                        uint32_t running, uint32_t total)
{
    progress_show(arg, state, records, bytes, running, total);
    return !cli_is_interrupted();
}

static bool detached;

static void show_result(flinc_env *env)
{
    if (detached) {
        return;
    }
    printf("Program execution finished\nJob with JobID %s has finished.\nJob Runtime: %lld ms\n",
           submitted_job_id, (long long)flinc_env_runtime_ms(env));
    if (env_result(env)->accumulators.len > 0) {
        printf("Accumulator Results: \n");
        MAP_FOREACH (&env_result(env)->accumulators, e) {
            printf("- %s (java.lang.Long): %lld\n", e->key, (long long)*(const int64_t *)e->value);
        }
    }
}

int cli_run(struct cli_args *args)
{
    struct progress progress;
    struct job_listener listener = {
        .arg = &progress, .on_submitted = on_submitted, .on_progress = on_progress};
    struct env_options options = {
        .mode = ENV_MODE_EXECUTE, .conf = &args->conf, .one_job = true, .listener = &listener};
    struct error err = ERROR_INIT;

    progress_init(&progress);
    (void)atexit(on_exit_in_main);
    detached = args->detached;
    int rc = check_target(args, &err);
    if (rc == 0) {
        rc = with_bundle(args, &options, show_result, &err);
    }
    progress_clear(&progress);
    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}

/* ---- info --------------------------------------------------------------------------------------------- */

static void show_plan(flinc_env *env)
{
    printf("----------------------- Execution Plan -----------------------\n%s\n"
           "--------------------------------------------------------------\n\n"
           "No description provided.\n",
           env_captured_graph(env)->plan_json);
}

int cli_info(struct cli_args *args)
{
    struct env_options options = {.mode = ENV_MODE_CAPTURE, .conf = &args->conf, .one_job = true};
    struct error err = ERROR_INIT;
    int rc = 0;

    (void)atexit(on_exit_in_main);
    if (args->bundle == NULL) {
        rc = error_set(&err, ERR_INVALID_ARGUMENT, "The job bundle was not specified.");
    }
    if (rc == 0) {
        rc = with_bundle(args, &options, show_plan, &err);
    }
    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}
