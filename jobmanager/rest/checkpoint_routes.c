/* Routes of checkpoints and savepoints: statistics, and operations that are triggered and asked for by a
 * trigger id.
 *
 * A trigger's id may be the client's own; the same id again is the same operation.  What is asked of a job
 * that is unknown or has ended is refused at once (Flink accepts it, and fails the operation).
 * Flink: CheckpointingStatisticsHandler, CheckpointHandlers, SavepointHandlers, SavepointDisposalHandlers. */
#include "common/base/clock.h"
#include "jobmanager/rest/rest_internal.h"
#include <strings.h>

/* ---- statistics ------------------------------------------------------------------------------------ */

/* The job and its statistics; otherwise the answer is made.  The caller unrefs the job. */
static bool get_stats(struct rest_server *s, const struct http_request *rq,
                      struct http_response *rs, const struct job_details **ret_job)
{
    if (!rest_get_job(s, rq, rs, ret_job)) {
        return false;
    }
    if ((*ret_job)->checkpoints == NULL) {
        job_details_unref(*ret_job);
        rest_fail(rs, 404, "Checkpointing has not been enabled.");
        return false;
    }
    return true;
}

static int statistics(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    const struct job_details *job;
    if (get_stats(owner, rq, rs, &job)) {
        rest_write_checkpoint_statistics(http_response_json(rs), job->checkpoints);
        job_details_unref(job);
    }
    return 0;
}

static int configuration(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    const struct job_details *job;
    if (get_stats(owner, rq, rs, &job)) {
        rest_write_checkpoint_config(http_response_json(rs), &job->checkpoints->config);
        job_details_unref(job);
    }
    return 0;
}

/* The checkpoint of :checkpointid; otherwise the answer is made and nothing is to be unreffed. */
static bool get_checkpoint(struct rest_server *s, const struct http_request *rq,
                           struct http_response *rs, const struct job_details **ret_job,
                           const struct checkpoint_details **ret)
{
    uint32_t id;
    if (!rest_param_number(rq, rs, "checkpointid", &id) || !get_stats(s, rq, rs, ret_job)) {
        return false;
    }
    *ret = checkpoint_stats_find((*ret_job)->checkpoints, id);
    if (*ret == NULL) {
        job_details_unref(*ret_job);
        rest_fail(rs, 404, "Could not find checkpointing statistics for checkpoint %u.", id);
        return false;
    }
    return true;
}

static int checkpoint(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    const struct job_details *job;
    const struct checkpoint_details *d;
    if (get_checkpoint(owner, rq, rs, &job, &d)) {
        rest_write_checkpoint(http_response_json(rs), d);
        job_details_unref(job);
    }
    return 0;
}

static int vertex_checkpoint(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *err)
{
    const struct job_details *job;
    const struct checkpoint_details *d;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    if (!rest_param_id(rq, rs, "vertexid", &id) || !get_checkpoint(owner, rq, rs, &job, &d)) {
        return 0;
    }
    const struct vertex_checkpoint_stats *v = checkpoint_details_find_vertex(d, &id);
    if (v != NULL) {
        rest_write_vertex_checkpoint(http_response_json(rs), d, v);
    } else {
        id_format(&id, hex);
        rest_fail(rs, 404, "There is no checkpoint statistics for task %s.", hex);
    }
    job_details_unref(job);
    return 0;
}

/* ---- triggers -------------------------------------------------------------------------------------- */

/* A text that is one of a list; *ret_index stays where it is absent.  Otherwise the answer is 400. */
static bool read_word(struct http_response *rs, const struct json_node *body, const char *key,
                      const char *const *words, int *ret_index)
{
    const char *value = NULL;
    struct error err = ERROR_INIT;
    if (json_member_string(body, key, JSON_OPTIONAL, &value, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    if (value == NULL) {
        return true;
    }
    STR_AUTO all = STR_INIT;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *ret_index = i;
            return true;
        }
        str_printf(&all, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    rest_fail(rs, 400, "%s must be one of %s, not '%.40s'", key, str_cstr(&all), value);
    return false;
}

/* true, "true" (as the nexmark runner sends it), or absent. */
static bool read_truth(struct http_response *rs, const struct json_node *body, const char *key,
                       bool *ret)
{
    const struct json_node *node = json_node_find(body, key);
    if (node == NULL || json_node_type(node) == JSON_TYPE_NULL) {
        return true;
    }
    if (json_node_type(node) == JSON_TYPE_BOOL) {
        *ret = json_node_as_bool(node);
        return true;
    }
    static const char *const words[] = {"false", "true", NULL};
    int index = 0;
    if (!read_word(rs, body, key, words, &index)) {
        return false;
    }
    *ret = index == 1;
    return true;
}

/* The client's own triggerId, or a new one. */
static bool read_trigger_id(struct http_response *rs, const struct json_node *body,
                            struct flinc_id *ret)
{
    const char *text = NULL;
    struct error err = ERROR_INIT;
    if (json_member_string(body, "triggerId", JSON_OPTIONAL, &text, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    if (text == NULL) {
        struct rng rng;
        rng_init_system(&rng);
        id_random(ret, &rng);
        return true;
    }
    if (strlen(text) == ID_HEX_LEN && id_parse(text, ret)) {
        return true;
    }
    rest_fail(rs, 400, "triggerId must be 32 hexadecimal digits, not '%.40s'", text);
    return false;
}

static int answer_trigger(struct http_response *rs, int status, const struct flinc_id *trigger_id)
{
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    rest_put_id(w, "request-id", trigger_id);
    json_writer_end(w);
    http_response_status(rs, status);
    return 0;
}

/* The job of :jobid, which has not ended; otherwise the answer is made. */
static bool has_live_job(struct rest_server *s, const struct http_request *rq,
                         struct http_response *rs, struct flinc_id *ret_id)
{
    struct job_overview job;
    if (!rest_has_job(s, rq, rs, &job)) {
        return false;
    }
    if (job_status_is_globally_terminal(job.status)) {
        rest_fail(rs, 409, "The job has already reached the terminal state %s.",
                  job_status_name(job.status));
        return false;
    }
    *ret_id = job.id;
    return true;
}

/* An operation is begun; `start` makes it go on, or it ends here with its error. */
struct triggered {
    struct flinc_id job_id;
    enum checkpoint_operation_kind kind;
    enum checkpoint_type type;
    struct savepoint_request savepoint;
};

static void end_with(void *ticket, int rc, const struct error *err)
{
    struct checkpoint_result result = {.rc = rc};
    error_copy(&result.error, err);
    checkpoint_operations_end(ticket, &result);
}

static int start(struct rest_server *s, const struct triggered *t, void *ticket, struct error *err)
{
    return t->kind == CHECKPOINT_OPERATION_CHECKPOINT
               ? dispatcher_trigger_checkpoint(s->o.dispatcher, &t->job_id, t->type,
                                               checkpoint_operations_end, ticket, err)
               : dispatcher_trigger_savepoint(s->o.dispatcher, &t->job_id, &t->savepoint,
                                              checkpoint_operations_end, ticket, err);
}

static int trigger(struct rest_server *s, struct http_response *rs, const struct json_node *body,
                   const struct triggered *t)
{
    struct flinc_id trigger_id;
    struct error err = ERROR_INIT;
    void *ticket;
    if (!read_trigger_id(rs, body, &trigger_id)) {
        return 0;
    }
    int rc = checkpoint_operations_begin(s->o.operations, t->kind, &t->job_id, &trigger_id, &ticket,
                                         &err);
    if (rc < 0) {
        return rest_fail_error(rs, &err);
    }
    if (rc > 0 && (rc = start(s, t, ticket, &err)) < 0) {
        end_with(ticket, rc, &err);
    }
    return answer_trigger(rs, 202, &trigger_id);
}

static int trigger_checkpoint(void *owner, const struct http_request *rq, struct http_response *rs,
                              struct error *err)
{
    static const char *const types[] = {"CONFIGURED", "FULL", "INCREMENTAL", NULL};
    static const char refusal[] =
        "checkpointType INCREMENTAL cannot be asked for: whether checkpoints are increments is "
        "decided by execution.checkpointing.incremental; use CONFIGURED or FULL.";
    struct triggered t = {.kind = CHECKPOINT_OPERATION_CHECKPOINT};
    const struct json_node *body;
    int type = CHECKPOINT_TYPE_CONFIGURED;
    if (!rest_body_object(rq, rs, "CheckpointTriggerRequestBody", &body) ||
        !read_word(rs, body, "checkpointType", types, &type) ||
        !has_live_job(owner, rq, rs, &t.job_id)) {
        return 0;
    }
    if (type == CHECKPOINT_TYPE_INCREMENTAL) { /* Flink fails with a 500 */
        rest_fail(rs, 400, "%s", refusal);
        return 0;
    }
    t.type = (enum checkpoint_type)type;
    return trigger(owner, rs, body, &t);
}

/* What a savepoint and a stop have in common; the names of their fields differ. */
static bool read_savepoint(struct rest_server *s, struct http_response *rs,
                           const struct json_node *body, const char *directory_key,
                           struct savepoint_request *ret)
{
    static const char *const formats[] = {"CANONICAL", "NATIVE", NULL};
    struct error err = ERROR_INIT;
    int format = 0;
    if (!read_word(rs, body, "formatType", formats, &format)) {
        return false;
    }
    ret->format = format == 0 ? FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL
                              : FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
    if (json_member_string(body, directory_key, JSON_OPTIONAL, &ret->directory, &err) < 0) {
        rest_fail(rs, 400, "%s", err.message);
        return false;
    }
    return true;
}

/* The job may have a folder of its own in its configuration, which only the job master knows: it is asked
 * when the cluster has none. */
static bool has_directory(struct rest_server *s, const struct http_request *rq,
                          struct http_response *rs, const char *directory_key,
                          const struct savepoint_request *request)
{
    const struct job_details *job;
    if (request->directory != NULL ||
        conf_has_value(s->o.conf, "execution.checkpointing.savepoint-dir")) {
        return true;
    }
    if (!rest_get_job(s, rq, rs, &job)) {
        return false;
    }
    bool has = job->checkpoints != NULL && job->checkpoints->config.savepoint_directory != NULL;
    job_details_unref(job);
    if (!has) {
        rest_fail(rs, 400,
                  "Config key [execution.checkpointing.savepoint-dir] is not set. Property [%s] "
                  "must be provided.",
                  directory_key);
    }
    return has;
}

static int trigger_savepoint(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *err)
{
    struct triggered t = {.kind = CHECKPOINT_OPERATION_SAVEPOINT};
    const struct json_node *body;
    bool cancel = false;
    if (!rest_body_object(rq, rs, "SavepointTriggerRequestBody", &body) ||
        !read_savepoint(owner, rs, body, "target-directory", &t.savepoint) ||
        !read_truth(rs, body, "cancel-job", &cancel) || !has_live_job(owner, rq, rs, &t.job_id) ||
        !has_directory(owner, rq, rs, "target-directory", &t.savepoint)) {
        return 0;
    }
    t.savepoint.flags = cancel ? SAVEPOINT_CANCEL_JOB : 0;
    return trigger(owner, rs, body, &t);
}

static int trigger_stop(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    struct triggered t = {.kind = CHECKPOINT_OPERATION_SAVEPOINT};
    const struct json_node *body;
    bool drain = false;
    if (!rest_body_object(rq, rs, "StopWithSavepointRequestBody", &body) ||
        !read_savepoint(owner, rs, body, "targetDirectory", &t.savepoint) ||
        !read_truth(rs, body, "drain", &drain) || !has_live_job(owner, rq, rs, &t.job_id) ||
        !has_directory(owner, rq, rs, "targetDirectory", &t.savepoint)) {
        return 0;
    }
    t.savepoint.stop = drain ? FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN
                             : FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND;
    return trigger(owner, rs, body, &t);
}

/* On this handler's thread: it may wait. */
static int dispose_savepoint(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *unused)
{
    struct rest_server *s = owner;
    const struct flinc_id no_job = {{0}};
    const struct json_node *body;
    const char *path = NULL;
    struct flinc_id trigger_id;
    struct error err = ERROR_INIT;
    void *ticket;
    if (!rest_body_object(rq, rs, "SavepointDisposalRequest", &body)) {
        return 0;
    }
    if (json_member_string(body, "savepoint-path", JSON_REQUIRED, &path, &err) < 0) {
        return rest_fail(rs, 400, "Field savepoint-path must not be omitted or be null.");
    }
    if (!read_trigger_id(rs, body, &trigger_id)) {
        return 0;
    }
    int rc = checkpoint_operations_begin(s->o.operations, CHECKPOINT_OPERATION_DISPOSAL, &no_job,
                                         &trigger_id, &ticket, &err);
    if (rc < 0) {
        return rest_fail_error(rs, &err);
    }
    if (rc > 0) {
        rc = savepoint_dispose(path, &err);
        end_with(ticket, rc, &err);
    }
    return answer_trigger(rs, 200, &trigger_id);
}

/* ---- how they went ----------------------------------------------------------------------------------- */

static int poll(struct rest_server *s, const struct http_request *rq, struct http_response *rs,
                enum checkpoint_operation_kind kind)
{
    struct flinc_id job_id = {{0}}, trigger_id;
    struct checkpoint_operation op;
    struct error err = ERROR_INIT;
    if ((kind != CHECKPOINT_OPERATION_DISPOSAL && !rest_param_id(rq, rs, "jobid", &job_id)) ||
        !rest_param_id(rq, rs, "triggerid", &trigger_id)) {
        return 0;
    }
    if (checkpoint_operations_get(s->o.operations, kind, &job_id, &trigger_id, &op, &err) < 0) {
        return rest_unknown_trigger(s, rq, rs, NULL);
    }
    rest_write_operation(http_response_json(rs), kind, &op);
    checkpoint_operation_fini(&op);
    return 0;
}

static int poll_checkpoint(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    return poll(owner, rq, rs, CHECKPOINT_OPERATION_CHECKPOINT);
}

static int poll_savepoint(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    return poll(owner, rq, rs, CHECKPOINT_OPERATION_SAVEPOINT);
}

static int poll_disposal(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    return poll(owner, rq, rs, CHECKPOINT_OPERATION_DISPOSAL);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

#define CHECKPOINTS "/jobs/:jobid/checkpoints"

static const struct rest_route routes[] = {
    REST_ROW(GET, CHECKPOINTS, HTTP_BLOCKING, statistics, "Statistics of checkpoints.", "-",
             "CheckpointingStatistics"),
    REST_ROW(POST, CHECKPOINTS, 0, trigger_checkpoint, "Triggers a checkpoint.",
             "CheckpointTriggerRequestBody", "TriggerResponse"),
    REST_ROW(GET, CHECKPOINTS "/config", HTTP_BLOCKING, configuration, "How checkpoints are taken.",
             "-", "CheckpointConfigInfo"),
    REST_ROW(GET, CHECKPOINTS "/details/:checkpointid", HTTP_BLOCKING, checkpoint, "A checkpoint.",
             "-", "CheckpointStatistics"),
    REST_ROW(GET, CHECKPOINTS "/details/:checkpointid/subtasks/:vertexid", HTTP_BLOCKING,
             vertex_checkpoint, "A checkpoint of a vertex.", "-",
             "TaskCheckpointStatisticsWithSubtaskDetails"),
    REST_ROW(GET, CHECKPOINTS "/:triggerid", 0, poll_checkpoint,
             "How a triggered checkpoint ended.", "-", "AsynchronousOperationResult"),
    REST_ROW(POST, "/jobs/:jobid/savepoints", HTTP_BLOCKING, trigger_savepoint,
             "Triggers a savepoint.", "SavepointTriggerRequestBody", "TriggerResponse"),
    REST_ROW(GET, "/jobs/:jobid/savepoints/:triggerid", 0, poll_savepoint,
             "How a triggered savepoint ended.", "-", "AsynchronousOperationResult"),
    REST_ROW(POST, "/jobs/:jobid/stop", HTTP_BLOCKING, trigger_stop,
             "Stops a job with a savepoint.", "StopWithSavepointRequestBody", "TriggerResponse"),
    REST_ROW(POST, "/savepoint-disposal", HTTP_BLOCKING, dispose_savepoint, "Removes a savepoint.",
             "SavepointDisposalRequest", "TriggerResponse"),
    REST_ROW(GET, "/savepoint-disposal/:triggerid", 0, poll_disposal, "How a removal ended.", "-",
             "AsynchronousOperationResult"),
};
const struct rest_family rest_checkpoints_family =
    REST_FAMILY("Checkpoints and savepoints", routes);
