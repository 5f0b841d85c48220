/* Names and allowed moves of JobStatus; see job_status.h. */
#include "jobmanager/jobmaster/job_status.h"

static const struct {
    const char *name;
    bool globally_terminal;
    uint16_t moves; /* bit `to` */
} status_rows[] = {
    [JOB_STATUS_INITIALIZING] = {"INITIALIZING", false,
                                 1 << JOB_STATUS_CREATED | 1 << JOB_STATUS_FAILED |
                                     1 << JOB_STATUS_SUSPENDED},
    [JOB_STATUS_CREATED] = {"CREATED", false,
                            1 << JOB_STATUS_RUNNING | 1 << JOB_STATUS_FAILING |
                                1 << JOB_STATUS_CANCELLING | 1 << JOB_STATUS_SUSPENDED |
                                1 << JOB_STATUS_RESTARTING},
    [JOB_STATUS_RUNNING] = {"RUNNING", false,
                            1 << JOB_STATUS_RESTARTING | 1 << JOB_STATUS_FAILING |
                                1 << JOB_STATUS_CANCELLING | 1 << JOB_STATUS_FINISHED |
                                1 << JOB_STATUS_SUSPENDED},
    [JOB_STATUS_FAILING] = {"FAILING", false,
                            1 << JOB_STATUS_FAILED | 1 << JOB_STATUS_CANCELLING |
                                1 << JOB_STATUS_SUSPENDED},
    [JOB_STATUS_FAILED] = {"FAILED", true, 0},
    [JOB_STATUS_CANCELLING] = {"CANCELLING", false,
                               1 << JOB_STATUS_CANCELED | 1 << JOB_STATUS_SUSPENDED},
    [JOB_STATUS_CANCELED] = {"CANCELED", true, 0},
    [JOB_STATUS_FINISHED] = {"FINISHED", true, 0},
    [JOB_STATUS_RESTARTING] = {"RESTARTING", false,
                               1 << JOB_STATUS_RUNNING | 1 << JOB_STATUS_CREATED |
                                   1 << JOB_STATUS_FAILING | 1 << JOB_STATUS_CANCELLING |
                                   1 << JOB_STATUS_SUSPENDED},
    [JOB_STATUS_SUSPENDED] = {"SUSPENDED", false, 0},
    [JOB_STATUS_RECONCILING] = {"RECONCILING", false, 0},
};
_Static_assert(ARRAY_LEN(status_rows) == JOB_STATUS_COUNT, "one row per status");

const char *job_status_name(enum job_status status)
{
    return (unsigned)status < JOB_STATUS_COUNT ? status_rows[status].name : "UNKNOWN";
}

bool job_status_is_globally_terminal(enum job_status status)
{
    return (unsigned)status < JOB_STATUS_COUNT && status_rows[status].globally_terminal;
}

bool job_status_may_move(enum job_status from, enum job_status to)
{
    return (unsigned)from < JOB_STATUS_COUNT && (unsigned)to < JOB_STATUS_COUNT &&
           (status_rows[from].moves & 1u << to) != 0;
}
