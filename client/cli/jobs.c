/* `flink list` and `flink cancel`: what a cluster runs, and the end of one of its jobs.  Output lines are
 * Flink's (CliFrontend). */
#include "client/cli/cli.h"
#include "client/submit/rest_client.h"
#include "common/base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct listed_job {
    const char *id, *name, *state; /* Borrows: of the answer */
    int64_t start_ms;
};

static int by_start(const void *a, const void *b)
{
    const struct listed_job *x = a, *y = b;
    return x->start_ms < y->start_ms ? -1 : x->start_ms > y->start_ms;
}

static bool is_scheduled(const struct listed_job *j)
{
    return strcmp(j->state, "CREATED") == 0 || strcmp(j->state, "INITIALIZING") == 0;
}

static bool is_terminated(const struct listed_job *j)
{
    return strcmp(j->state, "FINISHED") == 0 || strcmp(j->state, "FAILED") == 0 ||
           strcmp(j->state, "CANCELED") == 0;
}

static bool is_running(const struct listed_job *j)
{
    return !is_scheduled(j) && !is_terminated(j);
}

static uint32_t read_jobs(const struct json_node *answer, struct vec *ret_jobs)
{
    const struct json_node *all = json_field(answer, "jobs", JSON_TYPE_ARRAY);

    for (size_t i = 0; all != NULL && i < json_node_count(all); i++) {
        const struct json_node *job = json_node_at(all, i);
        *VEC_PUSH(ret_jobs, struct listed_job) = (struct listed_job){
            json_field_text(job, "jid", ""),
            json_field_text(job, "name", ""),
            json_field_text(job, "state", ""),
            json_field_int(job, "start-time", 0),
        };
    }
    if (ret_jobs->len > 0) {
        qsort(ret_jobs->data, ret_jobs->len, sizeof(struct listed_job), by_start);
    }
    return (uint32_t)ret_jobs->len;
}

/* One table: a title, a line per job, a line of dashes; `none` when there is no job for it (NULL: nothing). */
static void print_jobs(const struct vec *jobs, bool (*shown)(const struct listed_job *j),
                       const char *title, const char *none)
{
    bool any = false;

    for (size_t i = 0; i < jobs->len; i++) {
        const struct listed_job *j = VEC_AT(jobs, struct listed_job, i);
        char when[32] = "";
        time_t seconds = (time_t)(j->start_ms / 1000);
        struct tm parts;
        if (!shown(j)) {
            continue;
        }
        if (!any) {
            printf("%s\n", title);
        }
        any = true;
        if (localtime_r(&seconds, &parts) != NULL) {
            (void)strftime(when, sizeof(when), "%d.%m.%Y %H:%M:%S", &parts);
        }
        printf("%s : %s : %s (%s)\n", when, j->id, j->name, j->state);
    }
    if (any) {
        printf("--------------------------------------------------------------\n");
    } else if (none != NULL) {
        printf("%s\n", none);
    }
}

static int ask(struct cli_args *args, const char *method, const char *path,
               struct json_node **ret_answer, struct error *err)
{
    struct rest_client *client = NULL;

    TRY(rest_client_new(&args->conf, NULL, &client, err));
    int rc = rest_client_request(client, method, path, (struct slice){NULL, 0}, ret_answer, err);
    (void)rest_client_free(client);
    return rc;
}

int cli_list(struct cli_args *args)
{
    struct error err = ERROR_INIT;
    struct json_node *answer = NULL;
    struct vec jobs;
    bool both = !args->list_running && !args->list_scheduled;

    printf("Waiting for response...\n");
    (void)fflush(stdout);
    int rc = ask(args, "GET", "/jobs/overview", &answer, &err);
    if (rc < 0) {
        error_context(&err, "retrieving the list of jobs");
        return cli_fail(&err);
    }
    vec_init(&jobs, sizeof(struct listed_job));
    (void)read_jobs(answer, &jobs);
    if (both || args->list_running || args->list_all) {
        print_jobs(&jobs, is_running,
                   "------------------ Running/Restarting Jobs -------------------",
                   "No running jobs.");
    }
    if (both || args->list_scheduled || args->list_all) {
        print_jobs(&jobs, is_scheduled,
                   "----------------------- Scheduled Jobs -----------------------",
                   "No scheduled jobs.");
    }
    if (args->list_all) {
        print_jobs(&jobs, is_terminated,
                   "---------------------- Terminated Jobs -----------------------", NULL);
    }
    vec_fini(&jobs);
    json_node_free(answer);
    return CLI_EXIT_OK;
}

int cli_cancel(struct cli_args *args)
{
    struct error err = ERROR_INIT;
    struct flinc_id id;
    STR_AUTO path = STR_INIT;
    int rc = 0;

    if (args->savepoint != NULL) {
        return cli_cancel_with_savepoint(args);
    }
    if (args->bundle == NULL) {
        rc = error_set(&err, ERR_INVALID_ARGUMENT,
                       "Missing JobID. Specify a JobID to cancel a job; flink list shows them.");
    } else if (!id_parse(args->bundle, &id)) {
        rc = error_set(&err, ERR_INVALID_ARGUMENT,
                       "'%s' is no JobID: those are 32 hexadecimal digits, as flink list shows "
                       "them.",
                       args->bundle);
    }
    if (rc == 0) {
        printf("Cancelling job %s.\n", args->bundle);
        (void)fflush(stdout);
        str_printf(&path, "/jobs/%s?mode=cancel", args->bundle);
        rc = ask(args, "PATCH", str_cstr(&path), NULL, &err);
        if (rc < 0) {
            error_context(&err, "cancelling job %s", args->bundle);
        }
    }
    if (rc < 0) {
        return cli_fail(&err);
    }
    printf("Cancelled job %s.\n", args->bundle);
    return CLI_EXIT_OK;
}
