/* The shapes of jobs under the adaptive scheduler: what they may use, how they rescale, their rescales.
 * Flink: JobResourceRequirementsBody, JobRescaleConfigInfo, JobRescaleDetails. */
#include "jobmanager/rest/shape/shape.h"

void rest_write_requirements(struct json_writer *w, const struct job_details *d)
{
    char hex[ID_HEX_LEN + 1];
    json_writer_object(w);
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        id_format(&d->vertices[i].id, hex);
        json_writer_key(w, hex);
        json_writer_object(w);
        json_writer_key(w, "parallelism");
        json_writer_object(w);
        json_writer_put_int(w, "lowerBound", d->elastic->bounds[i]->lower);
        json_writer_put_int(w, "upperBound", d->elastic->bounds[i]->upper);
        json_writer_end(w);
        json_writer_end(w);
    }
    json_writer_end(w);
}

void rest_write_rescale_config(struct json_writer *w, const struct job_details *d)
{
    const Flinc__ElasticJob *e = d->elastic;
    json_writer_object(w);
    json_writer_put_int(w, "rescaleHistoryMax", e->history_max);
    json_writer_key(w, "schedulerExecutionMode");
    if (e->reactive) {
        json_writer_string(w, "REACTIVE");
    } else {
        json_writer_null(w);
    }
    json_writer_put_int(w, "submissionResourceWaitTimeoutInMillis",
                        e->submission_resource_wait_timeout_ms);
    json_writer_put_int(w, "submissionResourceStabilizationTimeoutInMillis",
                        e->submission_resource_stabilization_timeout_ms);
    json_writer_put_int(w, "slotIdleTimeoutInMillis", e->slot_idle_timeout_ms);
    json_writer_put_int(w, "executingCooldownTimeoutInMillis", e->executing_cooldown_timeout_ms);
    json_writer_put_int(w, "executingResourceStabilizationTimeoutInMillis",
                        e->executing_resource_stabilization_timeout_ms);
    json_writer_put_int(w, "maximumDelayForTriggeringRescaleInMillis", e->max_delay_for_trigger_ms);
    json_writer_put_int(w, "rescaleOnFailedCheckpointCount", e->max_checkpoint_failures);
    json_writer_end(w);
}

/* ---- a rescale ------------------------------------------------------------------------------------ */

static const char *const cause_names[] = {
    [FLINC__RESCALE_CAUSE__RESCALE_INITIAL_SCHEDULE] = "INITIAL_SCHEDULE",
    [FLINC__RESCALE_CAUSE__RESCALE_UPDATE_REQUIREMENT] = "UPDATE_REQUIREMENT",
    [FLINC__RESCALE_CAUSE__RESCALE_NEW_RESOURCE_AVAILABLE] = "NEW_RESOURCE_AVAILABLE",
    [FLINC__RESCALE_CAUSE__RESCALE_RECOVERABLE_FAILOVER] = "RECOVERABLE_FAILOVER",
};
/* NULL: it has none (yet). */
static const char *const end_names[] = {
    [FLINC__RESCALE_END__RESCALE_COMPLETED] = "COMPLETED",
    [FLINC__RESCALE_END__RESCALE_FAILED] = "FAILED",
    [FLINC__RESCALE_END__RESCALE_IGNORED] = "IGNORED",
};
static const char *const reason_names[] = {
    [FLINC__RESCALE_REASON__RESCALE_SUCCEEDED] = "SUCCEEDED",
    [FLINC__RESCALE_REASON__RESCALE_EXCEPTION_OCCURRED] = "EXCEPTION_OCCURRED",
    [FLINC__RESCALE_REASON__RESCALE_RESOURCE_REQUIREMENTS_UPDATED] =
        "RESOURCE_REQUIREMENTS_UPDATED",
    [FLINC__RESCALE_REASON__RESCALE_NO_RESOURCES_OR_PARALLELISMS_CHANGE] =
        "NO_RESOURCES_OR_PARALLELISMS_CHANGE",
    [FLINC__RESCALE_REASON__RESCALE_JOB_FINISHED] = "JOB_FINISHED",
    [FLINC__RESCALE_REASON__RESCALE_JOB_FAILED] = "JOB_FAILED",
    [FLINC__RESCALE_REASON__RESCALE_JOB_CANCELED] = "JOB_CANCELED",
    [FLINC__RESCALE_REASON__RESCALE_JOB_FAILOVER_RESTARTING] = "JOB_FAILOVER_RESTARTING",
};

static void put_name(struct json_writer *w, const char *key, const char *const *names, size_t n,
                     int value)
{
    const char *name = value >= 0 && (size_t)value < n ? names[value] : NULL;
    json_writer_key(w, key);
    if (name != NULL) {
        json_writer_string(w, name);
    } else {
        json_writer_null(w);
    }
}

/* 0: null. */
static void put_some(struct json_writer *w, const char *key, int64_t value)
{
    json_writer_key(w, key);
    if (value != 0) {
        json_writer_int(w, value);
    } else {
        json_writer_null(w);
    }
}

static void put_data_id(struct json_writer *w, const char *key, const ProtobufCBinaryData *id)
{
    struct flinc_id copy = {0};
    memcpy(copy.bytes, id->data, MIN(id->len, sizeof(copy.bytes)));
    rest_put_id(w, key, &copy);
}

static struct flinc_id group_id(const struct job_details *d, const char *group)
{
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        if (strcmp(d->vertices[i].slot_sharing_group, group) == 0) {
            return d->vertices[i].slot_sharing_group_id;
        }
    }
    return (struct flinc_id){0};
}

static void put_group(struct json_writer *w, const struct job_details *d, const char *group)
{
    struct flinc_id id = group_id(d, group);
    rest_put_id(w, "slotSharingGroupId", &id);
    json_writer_put_string(w, "slotSharingGroupName", group);
}

static void write_vertices(struct json_writer *w, const struct job_details *d,
                           const Flinc__Rescale *r)
{
    char hex[ID_HEX_LEN + 1];
    json_writer_object(w);
    for (size_t i = 0; i < r->n_vertices; i++) {
        const Flinc__RescaledVertex *v = r->vertices[i];
        struct flinc_id id = {0};
        memcpy(id.bytes, v->vertex_id.data, MIN(v->vertex_id.len, sizeof(id.bytes)));
        id_format(&id, hex);
        json_writer_key(w, hex);
        json_writer_object(w);
        rest_put_id(w, "jobVertexId", &id);
        json_writer_put_string(w, "jobVertexName", v->name);
        put_group(w, d, v->slot_sharing_group);
        json_writer_put_int(w, "desiredParallelism", v->desired);
        json_writer_put_int(w, "sufficientParallelism", v->sufficient);
        put_some(w, "preRescaleParallelism", v->before);
        put_some(w, "postRescaleParallelism", v->after);
        json_writer_end(w);
    }
    json_writer_end(w);
}

/* NULL: as Flink shows a profile that nobody asked for. */
static void put_profile(struct json_writer *w, const char *key, const Flinc__ResourceProfile *p)
{
    static const char *const fields[] = {"cpuCores", "taskHeapMemory", "taskOffHeapMemory",
                                         "managedMemory", "networkMemory"};
    json_writer_key(w, key);
    if (p != NULL) {
        rest_write_resource(w, p);
        return;
    }
    json_writer_object(w);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        json_writer_put_int(w, fields[i], -1);
    }
    json_writer_key(w, "extendedResources");
    json_writer_object(w);
    json_writer_end(w);
    json_writer_end(w);
}

static void write_slots(struct json_writer *w, const struct job_details *d, const Flinc__Rescale *r)
{
    char hex[ID_HEX_LEN + 1];
    json_writer_object(w);
    for (size_t i = 0; i < r->n_slots; i++) {
        const Flinc__RescaledSlots *s = r->slots[i];
        struct flinc_id id = group_id(d, s->slot_sharing_group);
        id_format(&id, hex);
        json_writer_key(w, hex);
        json_writer_object(w);
        put_group(w, d, s->slot_sharing_group);
        put_profile(w, "requestResourceProfile", s->profile);
        json_writer_put_int(w, "desiredSlots", s->desired);
        json_writer_put_int(w, "minimalRequiredSlots", s->sufficient);
        put_some(w, "preRescaleSlots", s->before);
        put_some(w, "postRescaleSlots", s->after);
        put_profile(w, "acquiredResourceProfile", s->profile);
        json_writer_end(w);
    }
    json_writer_end(w);
}

static void write_states(struct json_writer *w, const Flinc__Rescale *r, int64_t now_ms)
{
    json_writer_array(w);
    for (size_t i = 0; i < r->n_states; i++) {
        const Flinc__SchedulerStateSpan *s = r->states[i];
        json_writer_object(w);
        json_writer_put_string(w, "state", s->state);
        json_writer_put_int(w, "enterTimestampInMillis", s->enter_ms);
        put_some(w, "leaveTimestampInMillis", s->leave_ms);
        json_writer_put_int(w, "durationInMillis",
                            (s->leave_ms != 0 ? s->leave_ms : now_ms) - s->enter_ms);
        json_writer_key(w, "stringifiedException");
        if (s->exception[0] != '\0') {
            json_writer_string(w, s->exception);
        } else {
            json_writer_null(w);
        }
        json_writer_end(w);
    }
    json_writer_end(w);
}

void rest_write_rescale(struct json_writer *w, const struct job_details *d, const Flinc__Rescale *r)
{
    json_writer_object(w);
    put_data_id(w, "rescaleUuid", &r->uuid);
    put_data_id(w, "resourceRequirementsUuid", &r->requirements_uuid);
    json_writer_put_int(w, "rescaleAttemptId", (int64_t)r->attempt);
    json_writer_key(w, "vertices");
    write_vertices(w, d, r);
    json_writer_key(w, "slots");
    write_slots(w, d, r);
    json_writer_key(w, "schedulerStates");
    write_states(w, r, d->taken_ms);
    json_writer_put_int(w, "startTimestampInMillis", r->start_ms);
    put_some(w, "endTimestampInMillis", r->end_ms);
    put_name(w, "terminalState", end_names, ARRAY_LEN(end_names), (int)r->end);
    put_name(w, "triggerCause", cause_names, ARRAY_LEN(cause_names), (int)r->cause);
    put_name(w, "terminatedReason", reason_names, ARRAY_LEN(reason_names), (int)r->reason);
    json_writer_end(w);
}
