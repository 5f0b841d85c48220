/* The moves of job and executions: the only writers of their states.  Each is logged in Flink's words,
 * counted for those who look, and told to the owner.
 * Thread: the job master's. */
#include "jobmanager/jobmaster/jobmaster_internal.h"

void job_transition(struct jobmaster *jm, enum job_status to)
{
    enum job_status from = jm->status;
    ASSERT(job_status_may_move(from, to));
    jm->status = to;
    jm->status_since_ms[to] = jobmaster_now_ms(jm);
    details_outdate(jm);
    job_metrics_set_status(&jm->metrics, to);
    char text[ERROR_MESSAGE_MAX] = "";
    if (to == JOB_STATUS_FAILING || to == JOB_STATUS_FAILED) {
        error_format(&jm->cause, text, sizeof(text));
    }
    LOG_INFO(JOBMASTER_TOPIC, "Job %s (%s) switched from state %s to %s.%s%s",
             jm->options.graph->name, jm->job_hex, job_status_name(from), job_status_name(to),
             text[0] != '\0' ? " " : "", text);
    snapshot_set_status(&jm->snapshot, to, jobmaster_now_ms(jm));
    checkpoints_on_status(jm, from, to);
    adaptive_on_status(jm, to);
    if (jm->options.on_status != NULL) {
        jm->options.on_status(jm->options.owner, from, to);
    }
}

static void log_execution(const struct execution *e, Flinc__ExecutionState from,
                          const struct error *why)
{
    char name[JOBMASTER_TASK_NAME_BYTES];
    char attempt[ID_HEX_LEN + 1];
    char text[ERROR_MESSAGE_MAX];
    execution_task_name(e, name, sizeof(name));
    id_format(&e->id, attempt);
    if (why == NULL) {
        LOG_INFO(JOBMASTER_TOPIC, "%s (%s) switched from %s to %s.", name, attempt,
                 execution_state_name(from), execution_state_name(e->state));
    } else {
        LOG_INFO(JOBMASTER_TOPIC, "%s (%s) switched from %s to %s on worker %u: %s", name, attempt,
                 execution_state_name(from), execution_state_name(e->state), e->slot.worker,
                 error_format(why, text, sizeof(text)));
    }
}

void execution_transition(struct jobmaster *jm, struct execution *e, Flinc__ExecutionState to,
                          const struct error *why)
{
    Flinc__ExecutionState from = e->state;
    ASSERT(execution_state_may_move(from, to));
    e->state = to;
    e->since_ms[to] = jobmaster_now_ms(jm);
    if (execution_state_is_terminal(to)) {
        jm->graph.n_live--;
        execution_region(&jm->graph, e)->n_live--;
        jm->graph.n_finished += to == FLINC__EXECUTION_STATE__EXECUTION_FINISHED;
        execution_drop_waiting_events(e);
    }
    details_outdate(jm);
    job_metrics_move_task(&jm->metrics, from, to);
    snapshot_move_task(&jm->snapshot, from, to);
    log_execution(e, from, why);
    checkpoints_on_task(jm, e);
}
