/* Routes of checkpoints and savepoints while nothing takes any: what is read answers as Flink does when
 * checkpointing is off, what is triggered is refused with the reason. */
#include "jobmanager/rest/rest_internal.h"
#include <strings.h>

static int not_enabled(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct job_overview job;
    return rest_has_job(owner, rq, rs, &job)
               ? rest_fail(rs, 404, "Checkpointing has not been enabled.")
               : 0;
}

/* ---- triggers ------------------------------------------------------------------------------------- */

/* A text that is one of a list, if it is there at all; otherwise the answer is 400. */
static bool check_word(struct http_response *rs, const struct json_node *body, const char *key,
                       const char *words)
{
    const char *value = NULL;
    struct error err = ERROR_INIT;
    if (json_member_string(body, key, JSON_OPTIONAL, &value, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    struct slice rest = slice_cstr(words), word;
    while (value != NULL && slice_next(&rest, '|', &word)) {
        if (strlen(value) == word.len && strncasecmp(value, word.data, word.len) == 0) {
            return true;
        }
    }
    if (value != NULL) {
        rest_fail(rs, 400, "%s must be one of %s", key, words);
    }
    return value == NULL;
}

static int trigger_checkpoint(void *owner, const struct http_request *rq, struct http_response *rs,
                              struct error *err)
{
    const struct json_node *body;
    struct job_overview job;
    if (!rest_body_object(rq, rs, "CheckpointTriggerRequestBody", &body) ||
        !check_word(rs, body, "checkpointType", "CONFIGURED|FULL|INCREMENTAL") ||
        !rest_has_job(owner, rq, rs, &job)) {
        return 0;
    }
    return rest_fail(rs, 400,
                     "Checkpointing has not been enabled: this version of Flinc takes no "
                     "checkpoints yet.");
}

/* Is there a folder for savepoints, given or configured? */
static bool has_directory(struct rest_server *s, struct http_response *rs,
                          const struct json_node *body, const char *key)
{
    const char *directory = NULL;
    struct error err = ERROR_INIT;
    if (json_member_string(body, key, JSON_OPTIONAL, &directory, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    if (directory == NULL && !conf_has_value(s->o.conf, "execution.checkpointing.savepoint-dir")) {
        rest_fail(rs, 400,
                  "Config key [execution.checkpointing.savepoint-dir] is not set. Property [%s] "
                  "must be provided.",
                  key);
        return false;
    }
    return true;
}

static int trigger(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                   const char *directory_key)
{
    const struct json_node *body;
    struct job_overview job;
    if (!rest_body_object(rq, rs, "SavepointTriggerRequestBody", &body) ||
        !check_word(rs, body, "formatType", "CANONICAL|NATIVE") || !rest_has_job(s, rq, rs, &job) ||
        !has_directory(s, rs, body, directory_key)) {
        return 0;
    }
    if (job_status_is_globally_terminal(job.status)) {
        return rest_fail(rs, 409, "The job has already reached the terminal state %s.",
                         job_status_name(job.status));
    }
    return rest_fail(rs, 400,
                     "This version of Flinc takes no savepoints yet. The job goes on; to end it "
                     "without one, cancel it (PATCH /jobs/:jobid?mode=cancel).");
}

static int trigger_savepoint(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *err)
{
    return trigger(owner, rq, rs, "target-directory");
}

static int trigger_stop(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    return trigger(owner, rq, rs, "targetDirectory");
}

static int dispose_savepoint(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *unused)
{
    const struct json_node *body;
    const char *path = NULL;
    struct error err = ERROR_INIT;
    if (!rest_body_object(rq, rs, "SavepointDisposalRequest", &body)) {
        return 0;
    }
    if (json_member_string(body, "savepoint-path", JSON_REQUIRED, &path, &err) < 0) {
        return rest_fail(rs, 400, "Field savepoint-path must not be omitted or be null.");
    }
    return rest_fail(rs, 400,
                     "This version of Flinc has no savepoints of its own yet, and it does not "
                     "touch those of others: a savepoint of Flink is removed with Flink's tools, "
                     "or by removing its folder.");
}

/* ---- rows ----------------------------------------------------------------------------------------- */

#define CHECKPOINTS "/jobs/:jobid/checkpoints"

static const struct rest_route routes[] = {
    REST_ROW(GET, CHECKPOINTS, 0, not_enabled, "Statistics of checkpoints.", "-",
             "CheckpointingStatistics"),
    REST_ROW(POST, CHECKPOINTS, 0, trigger_checkpoint, "Triggers a checkpoint.",
             "CheckpointTriggerRequestBody", "TriggerResponse"),
    REST_ROW(GET, CHECKPOINTS "/config", 0, not_enabled, "How checkpoints are taken.", "-",
             "CheckpointConfigInfo"),
    REST_ROW(GET, CHECKPOINTS "/details/:checkpointid", 0, not_enabled, "A checkpoint.", "-",
             "CheckpointStatistics"),
    REST_ROW(GET, CHECKPOINTS "/details/:checkpointid/subtasks/:vertexid", 0, not_enabled,
             "A checkpoint of a vertex.", "-", "TaskCheckpointStatisticsWithSubtaskDetails"),
    REST_ROW(GET, CHECKPOINTS "/:triggerid", 0, rest_unknown_trigger,
             "How a triggered checkpoint ended.", "-", "AsynchronousOperationResult"),
    REST_ROW(POST, "/jobs/:jobid/savepoints", 0, trigger_savepoint, "Triggers a savepoint.",
             "SavepointTriggerRequestBody", "TriggerResponse"),
    REST_ROW(GET, "/jobs/:jobid/savepoints/:triggerid", 0, rest_unknown_trigger,
             "How a triggered savepoint ended.", "-", "AsynchronousOperationResult"),
    REST_ROW(POST, "/jobs/:jobid/stop", 0, trigger_stop, "Stops a job with a savepoint.",
             "StopWithSavepointRequestBody", "TriggerResponse"),
    REST_ROW(POST, "/savepoint-disposal", 0, dispose_savepoint, "Removes a savepoint.",
             "SavepointDisposalRequest", "TriggerResponse"),
    REST_ROW(GET, "/savepoint-disposal/:triggerid", 0, rest_unknown_trigger, "How a removal ended.",
             "-", "AsynchronousOperationResult"),
};
const struct rest_family rest_checkpoints_family =
    REST_FAMILY("Checkpoints and savepoints", routes);
