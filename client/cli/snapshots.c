/* `flink savepoint`, `flink stop`, `flink checkpoint` and `flink cancel -s`: a request that starts an
 * operation of the cluster, then polls of how it ended.  Output lines are Flink's (CliFrontend).
 *
 * The operation goes on when the command is interrupted: it belongs to the job.  Thread: main. */
#include "client/cli/cli.h"
#include "client/submit/rest_client.h"
#include "common/base/clock.h"
#include "common/text/json_writer.h"
#include <stdio.h>
#include <time.h>

enum { POLL_FIRST_MS = 5, POLL_MAX_MS = 200 };

/* An operation of a cluster under way. */
struct operation {
    struct rest_client *client; /* Owns */
    struct str poll_path;       /* without the trigger's id at first */
    char trigger[ID_HEX_LEN + 1];
};

static void operation_fini(struct operation *o)
{
    (void)rest_client_free(o->client);
    str_fini(&o->poll_path);
}

static int check_job_id(const char *text, const char *doing, struct error *err)
{
    struct flinc_id id;

    if (text == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Missing JobID. Specify a JobID to %s; flink list shows them.", doing);
    }
    if (strlen(text) != ID_HEX_LEN || !id_parse(text, &id)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "'%s' is no JobID: those are 32 hexadecimal digits, as flink list shows "
                         "them.",
                         text);
    }
    return 0;
}

/* Posts the request; the answer names the trigger. */
static int operation_start(struct operation *o, const struct cli_args *args, const char *path,
                           struct slice body, struct error *err)
{
    struct json_node *answer = NULL;

    TRY(rest_client_new(&args->conf, NULL, &o->client, err));
    TRY(rest_client_request(o->client, "POST", path, body, &answer, err));
    (void)snprintf(o->trigger, sizeof(o->trigger), "%s", json_field_text(answer, "request-id", ""));
    json_node_free(answer);
    if (o->trigger[0] == '\0') {
        return error_set(err, ERR_INTERNAL, "the answer to POST %s has no request-id", path);
    }
    str_append_cstr(&o->poll_path, "/");
    str_append_cstr(&o->poll_path, o->trigger);
    return 0;
}

/* The first line of a failure: behind it is what Java clients show as a stack trace. */
static int failed(const struct json_node *cause, struct error *err)
{
    const char *text = json_field_text(cause, "stack-trace", "the operation failed");
    size_t len = strcspn(text, "\n");

    return error_set(err, ERR_STATE, "%.*s", (int)len, text);
}

/* Waits for the end.  *ret_operation: the "operation" of the last answer, in *ret_answer (the caller's). */
static int operation_wait(struct operation *o, struct json_node **ret_answer,
                          const struct json_node **ret_operation, struct error *err)
{
    for (int64_t pause_ms = POLL_FIRST_MS;; pause_ms = MIN(pause_ms * 2, POLL_MAX_MS)) {
        struct json_node *answer = NULL;
        TRY(rest_client_request(o->client, "GET", str_cstr(&o->poll_path), (struct slice){NULL, 0},
                                &answer, err));
        const struct json_node *status = json_field(answer, "status", JSON_TYPE_OBJECT);
        if (strcmp(json_field_text(status, "id", ""), "COMPLETED") == 0) {
            const struct json_node *operation = json_field(answer, "operation", JSON_TYPE_OBJECT);
            const struct json_node *cause =
                json_field(operation, "failure-cause", JSON_TYPE_OBJECT);
            cause = cause != NULL ? cause : json_field(operation, "failureCause", JSON_TYPE_OBJECT);
            if (cause != NULL) {
                int rc = failed(cause, err);
                json_node_free(answer);
                return rc;
            }
            *ret_answer = answer;
            *ret_operation = operation;
            return 0;
        }
        json_node_free(answer);
        if (cli_is_interrupted()) {
            return error_set(err, ERR_CANCELLED,
                             "interrupted; the operation goes on in the cluster as %s", o->trigger);
        }
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000 * 1000}, NULL);
    }
}

/* Waits for a savepoint and gives its path. */
static int wait_for_savepoint(struct operation *o, struct str *ret_path, struct error *err)
{
    struct json_node *answer;
    const struct json_node *operation;

    TRY(operation_wait(o, &answer, &operation, err));
    str_append_cstr(ret_path, json_field_text(operation, "location", ""));
    json_node_free(answer);
    return 0;
}

/* ---- savepoint ---------------------------------------------------------------------------------- */

static void write_format(struct json_writer *w, const struct cli_args *args)
{
    json_writer_key(w, "formatType");
    json_writer_string(w, args->native_format ? "NATIVE" : "CANONICAL");
}

static void write_optional(struct json_writer *w, const char *key, const char *value)
{
    if (value != NULL) {
        json_writer_key(w, key);
        json_writer_string(w, value);
    }
}

static int dispose(const struct cli_args *args, struct error *err)
{
    struct operation o = {.poll_path = STR_INIT};
    struct json_node *answer = NULL;
    const struct json_node *operation;
    STR_AUTO body = STR_INIT;
    struct json_writer w;

    printf("Disposing savepoint '%s'.\nWaiting for response...\n", args->dispose);
    (void)fflush(stdout);
    json_writer_init(&w, &body, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    write_optional(&w, "savepoint-path", args->dispose);
    json_writer_end(&w);
    json_writer_finish(&w);
    str_append_cstr(&o.poll_path, "/savepoint-disposal");
    int rc = operation_start(&o, args, "/savepoint-disposal", str_slice(&body), err);
    if (rc == 0) {
        rc = operation_wait(&o, &answer, &operation, err);
    }
    if (rc == 0) {
        json_node_free(answer);
        printf("Savepoint '%s' disposed.\n", args->dispose);
    } else {
        error_context(err, "disposing of the savepoint '%s'", args->dispose);
    }
    operation_fini(&o);
    return rc;
}

/* Posts {"target-directory", "cancel-job", "formatType"} for the job. */
static int start_savepoint(struct operation *o, const struct cli_args *args, const char *job,
                           const char *directory, bool cancel_job, struct error *err)
{
    STR_AUTO body = STR_INIT;
    struct json_writer w;

    json_writer_init(&w, &body, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    write_optional(&w, "target-directory", directory);
    json_writer_key(&w, "cancel-job");
    json_writer_bool(&w, cancel_job);
    write_format(&w, args);
    json_writer_end(&w);
    json_writer_finish(&w);
    str_printf(&o->poll_path, "/jobs/%s/savepoints", job);
    return operation_start(o, args, str_cstr(&o->poll_path), str_slice(&body), err);
}

static int savepoint(struct cli_args *args, struct error *err)
{
    struct operation o = {.poll_path = STR_INIT};
    STR_AUTO path = STR_INIT;

    TRY(check_job_id(args->bundle, "trigger a savepoint", err));
    printf("Triggering savepoint for job %s.\nWaiting for response...\n", args->bundle);
    (void)fflush(stdout);
    const char *directory =
        args->n_job_args > 0 ? cli_absolute_path(args, args->job_args[0]) : NULL;
    int rc = start_savepoint(&o, args, args->bundle, directory, false, err);
    if (rc == 0 && args->detached) {
        printf("Successfully trigger manual savepoint, triggerId: %s\n", o.trigger);
    } else if (rc == 0) {
        rc = wait_for_savepoint(&o, &path, err);
    }
    if (rc == 0 && !args->detached) {
        printf("Savepoint completed. Path: %s\n"
               "You can resume your program from this savepoint with the run command.\n",
               str_cstr(&path));
    }
    if (rc < 0) {
        error_context(err, "triggering a savepoint for the job %s", args->bundle);
    }
    operation_fini(&o);
    return rc;
}

int cli_savepoint(struct cli_args *args)
{
    struct error err = ERROR_INIT;
    args->dispose = cli_absolute_path(args, args->dispose);
    int rc = args->dispose != NULL ? dispose(args, &err) : savepoint(args, &err);

    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}

/* ---- stop, cancel -s ------------------------------------------------------------------------------ */

static int start_stop(struct operation *o, const struct cli_args *args, struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO body = STR_INIT;
    struct json_writer w;

    json_writer_init(&w, &body, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    write_optional(&w, "targetDirectory", args->savepoint);
    json_writer_key(&w, "drain");
    json_writer_bool(&w, args->drain);
    write_format(&w, args);
    json_writer_end(&w);
    json_writer_finish(&w);
    str_printf(&path, "/jobs/%s/stop", args->bundle);
    str_printf(&o->poll_path, "/jobs/%s/savepoints", args->bundle);
    return operation_start(o, args, str_cstr(&path), str_slice(&body), err);
}

int cli_stop(struct cli_args *args)
{
    struct operation o = {.poll_path = STR_INIT};
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;

    args->savepoint = cli_absolute_path(args, args->savepoint);
    int rc = check_job_id(args->bundle, "stop a job", &err);
    if (rc == 0) {
        printf("%s job \"%s\" with a %s savepoint.\n", args->drain ? "Draining" : "Suspending",
               args->bundle, args->native_format ? "NATIVE" : "CANONICAL");
        printf("Triggering stop-with-savepoint for job %s.\nWaiting for response...\n",
               args->bundle);
        (void)fflush(stdout);
        rc = start_stop(&o, args, &err);
    }
    if (rc == 0 && args->detached) {
        printf("Successfully trigger stop-with-savepoint, triggerId: %s\n", o.trigger);
    } else if (rc == 0) {
        rc = wait_for_savepoint(&o, &path, &err);
        if (rc == 0) {
            printf("Savepoint completed. Path: %s\n", str_cstr(&path));
        }
    }
    if (rc < 0 && args->bundle != NULL) {
        error_context(&err, "stopping the job %s with a savepoint", args->bundle);
    }
    operation_fini(&o);
    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}

int cli_cancel_with_savepoint(struct cli_args *args)
{
    struct operation o = {.poll_path = STR_INIT};
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    /* `cancel -s JOB`: the folder may be left out, then the only word is the job. */
    const char *job = args->bundle != NULL ? args->bundle : args->savepoint;
    const char *directory = args->bundle != NULL ? cli_absolute_path(args, args->savepoint) : NULL;

    int rc = check_job_id(job, "cancel a job", &err);
    if (rc == 0) {
        fprintf(stderr,
                "DEPRECATION WARNING: Cancelling a job with savepoint is deprecated. Use \"stop\" "
                "instead.\n");
        printf("Cancelling job %s with CANONICAL savepoint to %s.\n", job,
               directory != NULL ? directory : "default savepoint directory");
        (void)fflush(stdout);
        rc = start_savepoint(&o, args, job, directory, true, &err);
    }
    if (rc == 0) {
        rc = wait_for_savepoint(&o, &path, &err);
    }
    if (rc == 0) {
        printf("Cancelled job %s. Savepoint stored in %s.\n", job, str_cstr(&path));
    }
    operation_fini(&o);
    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}

/* ---- checkpoint ------------------------------------------------------------------------------------ */

int cli_checkpoint(struct cli_args *args)
{
    struct operation o = {.poll_path = STR_INIT};
    struct error err = ERROR_INIT;
    struct json_node *answer = NULL;
    const struct json_node *operation;
    const char *body =
        args->full ? "{\"checkpointType\":\"FULL\"}" : "{\"checkpointType\":\"CONFIGURED\"}";

    int rc = check_job_id(args->bundle, "trigger a checkpoint", &err);
    if (rc == 0) {
        printf("Triggering checkpoint for job %s.\nWaiting for response...\n", args->bundle);
        (void)fflush(stdout);
        str_printf(&o.poll_path, "/jobs/%s/checkpoints", args->bundle);
        STR_AUTO path = STR_INIT;
        str_append_cstr(&path, str_cstr(&o.poll_path));
        rc = operation_start(&o, args, str_cstr(&path), slice_cstr(body), &err);
    }
    if (rc == 0) {
        rc = operation_wait(&o, &answer, &operation, &err);
    }
    if (rc == 0) {
        printf("Checkpoint %lld for job %s completed.\n",
               (long long)json_field_int(operation, "checkpointId", 0), args->bundle);
        json_node_free(answer);
    } else if (args->bundle != NULL) {
        error_context(&err, "triggering a checkpoint for the job %s", args->bundle);
    }
    operation_fini(&o);
    return rc < 0 ? cli_fail(&err) : CLI_EXIT_OK;
}
