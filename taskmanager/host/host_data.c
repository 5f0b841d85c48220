/* Data connections on their way to their worker: handed over by SCM_RIGHTS when it is ready, kept for a while
 * when it is starting.  A connection to a worker that is not here is closed: its incarnation was made here and
 * is known to nobody before, so it has ended. */
#include "common/base/log.h"
#include "taskmanager/host/host_internal.h"
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.host.data";

enum { SWEEP_MS = 1000 };

/* From the loop to the component. */
struct arrival {
    struct host_handle *handle; /* counted */
    struct data_hello hello;
    struct waiting_connection connection;
};

static void arrival_free(void *payload)
{
    struct arrival *a = payload;
    if (a->connection.fd >= 0) {
        close(a->connection.fd);
    }
    host_handle_unref(a->handle);
    mem_free(a);
}

static void hand_over(struct host_worker *w, int take_fd, char *peer)
{
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__DataConnection c = FLINC__DATA_CONNECTION__INIT;
    struct error err = ERROR_INIT;
    c.peer = peer;
    m.version = HOST_PROTOCOL;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_DATA_CONNECTION;
    m.data_connection = &c;
    if (rpc_socket_send_fd(w->channel, &m.base, take_fd, &err) < 0) {
        LOG_DEBUG(topic, "a data connection from %s is lost: %s", peer, err.message);
        atomic_fetch_add(&w->host->counters.n_data_refused, 1);
    } else {
        atomic_fetch_add(&w->host->counters.n_data_connections, 1);
    }
}

static bool arrival_wait(struct host_worker *w, struct waiting_connection *c)
{
    struct worker_host *h = w->host;
    if (h->n_waiting >= HOST_WAITING_MAX) {
        return false;
    }
    c->since_ms = clock_monotonic_ms(component_clock(h->options.component));
    *VEC_PUSH(&w->waiting, struct waiting_connection) = *c;
    c->fd = -1;
    if (h->n_waiting++ == 0) {
        h->sweep_timer = component_schedule(h->options.component, SWEEP_MS, host_sweep_waiting, h);
    }
    return true;
}

static void op_arrival(void *target, void *payload)
{
    struct arrival *a = payload;
    struct worker_host *h = a->handle->host;
    struct host_worker *w =
        h != NULL ? map_find_bytes(&h->jobs, a->hello.job_id, sizeof(a->hello.job_id)) : NULL;
    bool known = w != NULL && memcmp(w->incarnation.bytes, a->hello.incarnation,
                                     sizeof(a->hello.incarnation)) == 0;
    if (known && w->state == HOST_READY) {
        int fd = a->connection.fd;
        a->connection.fd = -1;
        hand_over(w, fd, a->connection.peer);
    } else if (h != NULL && !(known && w->state < HOST_READY && arrival_wait(w, &a->connection))) {
        LOG_DEBUG(topic, "a data connection from %s is refused: %s", a->connection.peer,
                  known ? "its worker is not ready, and too many wait" : "its worker is not here");
        atomic_fetch_add(&h->counters.n_data_refused, 1);
    }
    arrival_free(a);
}

/* On the loop. */
void host_on_connection(void *owner, const struct data_hello *hello, int take_fd, const char *peer)
{
    struct worker_host *h = owner; /* lives: the port is closed before it is freed */
    struct arrival *a = MEM_NEW(struct arrival);
    a->handle = host_handle_ref(h->handle);
    a->hello = *hello;
    a->connection.fd = take_fd;
    memcpy(a->connection.peer, peer, strnlen(peer, DATA_PORT_PEER_MAX - 1));
    if (component_post(h->options.component, MAILBOX_LANE_DATA, 0, op_arrival, a, arrival_free) <
        0) {
        arrival_free(a); /* more than the component can take in: the peer tries again */
    }
}

/* ---- waiting ------------------------------------------------------------------------------------- */

void host_worker_flush_waiting(struct host_worker *w)
{
    for (size_t i = 0; i < w->waiting.len; i++) {
        struct waiting_connection *c = VEC_AT(&w->waiting, struct waiting_connection, i);
        hand_over(w, c->fd, c->peer);
    }
    w->host->n_waiting -= (uint32_t)w->waiting.len;
    vec_clear(&w->waiting);
}

void host_worker_drop_waiting(struct host_worker *w)
{
    for (size_t i = 0; i < w->waiting.len; i++) {
        close(VEC_AT(&w->waiting, struct waiting_connection, i)->fd);
    }
    w->host->n_waiting -= (uint32_t)w->waiting.len;
    atomic_fetch_add(&w->host->counters.n_data_refused, w->waiting.len);
    vec_fini(&w->waiting);
}

static void sweep_worker(struct host_worker *w, int64_t now_ms)
{
    size_t i = 0;
    while (i < w->waiting.len) {
        struct waiting_connection *c = VEC_AT(&w->waiting, struct waiting_connection, i);
        if (now_ms - c->since_ms < HOST_WAITING_MS) {
            i++;
            continue;
        }
        close(c->fd);
        vec_remove(&w->waiting, i);
        w->host->n_waiting--;
        atomic_fetch_add(&w->host->counters.n_data_refused, 1);
    }
}

void host_sweep_waiting(void *arg)
{
    struct worker_host *h = arg;
    int64_t now_ms = clock_monotonic_ms(component_clock(h->options.component));
    h->sweep_timer = TIMER_NONE;
    for (size_t i = 0; i < h->workers.len; i++) {
        sweep_worker(vec_ptr(&h->workers, i), now_ms);
    }
    if (h->n_waiting > 0) {
        h->sweep_timer = component_schedule(h->options.component, SWEEP_MS, host_sweep_waiting, h);
    }
}
