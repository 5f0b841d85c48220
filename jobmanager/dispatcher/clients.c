/* Clients that wait for their jobs (flink run -sae): a job whose client has not been heard of in time is
 * cancelled.  The time runs from the submission on: a client that is killed before its first heartbeat is missed, too.
 * Nothing is looked at while no job has such a client.
 *
 * Thread: heartbeats any, the rest the dispatcher's.  Flink: Dispatcher.reportJobClientHeartbeat,
 * Dispatcher.checkJobClientAliveness. */
#include "common/base/log.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"

static const char topic[] = "flinc.dispatcher";

enum { CLIENTS_GONE_MAX = 16 }; /* of one look; the others are found by the next */

/* Cancels what is overdue; says whether anybody is left to look at. */
static bool check_clients(struct dispatcher *d)
{
    char gone[CLIENTS_GONE_MAX][ID_HEX_LEN + 1];
    int64_t now_ms = clock_now_ms(d->clock);
    uint32_t n_gone = 0;
    bool any = false;

    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->live.len; i++) {
        struct dispatched_job *j = vec_ptr(&d->live, i);
        if (j->client_expires_ms == 0 || j->state != DISPATCHED_RUNNING) {
            continue;
        }
        if (now_ms < j->client_expires_ms || n_gone == CLIENTS_GONE_MAX) {
            any = true;
            continue;
        }
        j->client_expires_ms = 0;
        memcpy(gone[n_gone++], j->hex, sizeof(j->hex));
        jobmaster_cancel(j->jm); /* a post */
    }
    pthread_mutex_unlock(&d->lock);
    for (uint32_t i = 0; i < n_gone; i++) {
        LOG_WARN(
            topic,
            "The client of job %s was not heard of in time (client.heartbeat.timeout): the job "
            "is cancelled.",
            gone[i]);
    }
    return any;
}

static void on_clients_timer(void *arg)
{
    struct dispatcher *d = arg;

    d->watches_clients = !d->shutting_down && check_clients(d);
    if (d->watches_clients) {
        (void)component_schedule(d->component, DISPATCHER_CLIENTS_MS, on_clients_timer, d);
    }
}

void dispatcher_watch_clients(struct dispatcher *d)
{
    if (!d->watches_clients) {
        on_clients_timer(d);
    }
}

static void run_client(void *owner, void *payload)
{
    (void)payload;
    dispatcher_watch_clients(owner);
}

int dispatcher_client_heartbeat(struct dispatcher *d, const struct flinc_id *job_id,
                                int64_t expires_ms, struct error *err)
{
    struct job_overview overview;

    pthread_mutex_lock(&d->lock);
    struct dispatched_job *j = dispatcher_find(d, job_id);
    bool found = j != NULL || job_store_find(d->store, job_id, &overview, NULL);
    if (j != NULL && expires_ms > 0) {
        j->client_expires_ms = expires_ms;
    }
    pthread_mutex_unlock(&d->lock);
    if (!found) {
        return error_set(err, ERR_NOT_FOUND, "Job could not be found.");
    }
    if (j != NULL && expires_ms > 0) {
        return component_post(d->component, MAILBOX_LANE_DATA, DISPATCHER_OP_CLIENT, run_client,
                              NULL, NULL);
    }
    return 0;
}
