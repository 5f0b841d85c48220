/* The network's thread: rounds of its loop, and the calls of other threads as operations of it.
 *
 * A round: what the loop has (operations, timers, sockets), then the ready queue and the drain queue, then
 * all connections that have something to write.  Both queues wake the loop as a post does. */
#include "taskmanager/network/network.h"
#include "common/base/log.h"
#include "taskmanager/network/dialed.h"
#include "taskmanager/network/secure.h"
#include "taskmanager/network/served.h"
#include <unistd.h>

#define TOPIC "flinc.taskmanager.network"

enum network_op { /* from any thread to the network's */
                  NETWORK_OP_ACCEPT,
                  NETWORK_OP_OPEN,
                  NETWORK_OP_STOP,
};

/* ---- connections with something to write ------------------------------------------------------------ */

void network_dirty(struct network *n, struct connection *c)
{
    c->dirty = true;
    c->next_dirty = n->dirty_head;
    c->prev_dirty = NULL;
    if (n->dirty_head != NULL) {
        n->dirty_head->prev_dirty = c;
    }
    n->dirty_head = c;
}

void network_clean(struct network *n, struct connection *c)
{
    if (!c->dirty) {
        return;
    }
    c->dirty = false;
    *(c->prev_dirty != NULL ? &c->prev_dirty->next_dirty : &n->dirty_head) = c->next_dirty;
    if (c->next_dirty != NULL) {
        c->next_dirty->prev_dirty = c->prev_dirty;
    }
}

/* Each once; those with more to do stay for the next round.  Pumping one may break it, and it only. */
static void network_pump(struct network *n)
{
    struct connection *c = n->dirty_head;
    n->dirty_head = NULL;
    while (c != NULL) {
        struct connection *next = c->next_dirty;
        if (next != NULL) {
            next->prev_dirty = NULL;
        }
        c->dirty = false;
        if (connection_pump(c) && !c->dirty) {
            network_dirty(n, c);
        }
        c = next;
    }
}

void network_count_connections(struct network *n, int change)
{
    n->n_connections += (uint32_t)change;
    metric_gauge_set(&n->metrics.connections, n->n_connections);
    if (n->n_connections == 0) {
        buffer_pool_trim(n->pool); /* a worker that exchanges nothing keeps nothing */
    }
}

/* ---- queues of channels ----------------------------------------------------------------------------- */

static void collect_lane(struct network *n, enum channel_lane lane)
{
    struct channel *c = ready_queue_has(n->ready, lane) ? ready_queue_take(n->ready, lane) : NULL;
    while (c != NULL) {
        struct channel *next = channel_next_ready(c, lane);
        outbound_on_ready(table_get(&n->outbound, channel_index(c)), lane);
        c = next;
    }
}

void network_collect_ready(struct network *n)
{
    collect_lane(n, CHANNEL_LANE_PRIORITY);
    collect_lane(n, CHANNEL_LANE_DATA);
}

static void network_collect_drained(struct network *n)
{
    struct channel *c = drain_queue_take(n->drained);
    while (c != NULL) {
        struct channel *next = channel_next_drained(c);
        inbound_on_drained(table_get(&n->inbound, channel_producer_tag(c)));
        c = next;
    }
}

static void network_on_sweep(void *arg)
{
    struct network *n = arg;
    n->sweep_timer = 0;
    network_sweep_outbound(n);
    network_schedule_sweep(n);
}

void network_schedule_sweep(struct network *n)
{
    if (n->sweep_timer == 0 && n->n_outbound + n->n_zombies > 0) {
        n->sweep_timer = loop_schedule(n->loop, NETWORK_SWEEP_INTERVAL_MS, network_on_sweep, n);
    }
}

/* ---- the thread ------------------------------------------------------------------------------------- */

int network_step(struct network *n, int64_t timeout_ms, struct error *err)
{
    int ran = loop_run_once(n->loop, n->dirty_head != NULL ? 0 : timeout_ms, err);
    TRY(ran);
    network_collect_ready(n);
    network_collect_drained(n);
    network_pump(n);
    network_reap_dialed(n);
    return ran > 0 || n->dirty_head != NULL;
}

static void *network_main(void *arg)
{
    struct network *n = arg;
    struct error err = ERROR_INIT;
    buffer_pool_adopt(n->pool);
    while (!n->stopping) {
        if (network_step(n, -1, &err) < 0) {
            char text[ERROR_MESSAGE_MAX];
            LOG_ERROR(TOPIC, "the exchange with other workers ends: %s",
                      error_format(&err, text, sizeof(text)));
            break;
        }
    }
    return NULL;
}

static void op_stop(void *target, void *payload)
{
    struct network *n = target;
    n->stopping = true;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void network_init_tables(struct network *n)
{
    table_init(&n->dialed);
    table_init(&n->served);
    table_init(&n->outbound);
    table_init(&n->inbound);
    map_init(&n->open_ids, NULL);
    n->ready = ready_queue_new(n->mailbox);
    n->drained = drain_queue_new(n->mailbox);
}

int network_new_stepped(const struct network_options *options, struct network **ret,
                        struct error *err)
{
    struct network_settings settings;
    TRY(network_settings_read(options->conf, &settings, err));
    struct network *n = MEM_NEW(struct network);
    n->settings = settings;
    n->registry = options->registry;
    n->job_id = options->job_id;
    n->incarnation = options->incarnation;
    n->clock = &clock_system;
    n->name = mem_strdup(options->name);
    int rc = network_open_tls(n, options->conf, err);
    if (rc == 0) {
        rc = loop_new(&(struct loop_options){.name = options->name}, &n->loop, err);
    }
    if (rc < 0) {
        network_close_tls(n);
        mem_free(n->name);
        mem_free(n);
        return rc;
    }
    n->mailbox = mailbox_ref(loop_mailbox(n->loop));
    n->pool = buffer_pool_new(
        &(struct buffer_pool_options){.name = options->name, .budget = options->budget});
    network_init_tables(n);
    network_metrics_init(&n->metrics, options->metrics);
    *ret = n;
    return 0;
}

int network_new(const struct network_options *options, struct network **ret, struct error *err)
{
    struct network *n = NULL;
    TRY(network_new_stepped(options, &n, err));
    int rc = thread_start(&n->thread, options->name, network_main, n, err);
    if (rc < 0) {
        network_free(n);
        return rc;
    }
    n->has_thread = true;
    *ret = n;
    return 0;
}

/* Nothing runs any more: everything is dropped on the caller's thread. */
static void network_drop_channels(struct network *n)
{
    for (uint32_t i = 0; i < table_end(&n->served); i++) {
        struct served *s = table_get(&n->served, i);
        if (s != NULL) {
            served_free(s);
        }
    }
    for (uint32_t i = 0; i < table_end(&n->inbound); i++) {
        struct inbound *in = table_get(&n->inbound, i);
        if (in != NULL && in->state != INBOUND_ZOMBIE) {
            inbound_end(in, NULL);
        }
    }
    network_collect_drained(n);
    network_collect_ready(n);
    for (uint32_t i = 0; i < table_end(&n->inbound); i++) {
        struct inbound *in = table_get(&n->inbound, i);
        if (in != NULL) {
            inbound_free(in);
        }
    }
    for (uint32_t i = 0; i < table_end(&n->outbound); i++) {
        struct outbound *o = table_get(&n->outbound, i);
        if (o != NULL) {
            outbound_free(o);
        }
    }
    n->reap = true;
    network_reap_dialed(n);
}

static void network_drop_spares(struct network *n)
{
    while (n->spare_frames != NULL) {
        struct out_frame *f = n->spare_frames;
        n->spare_frames = f->next;
        mem_free(f);
    }
    while (n->spare_encodings != NULL) {
        struct encoding *e = n->spare_encodings;
        n->spare_encodings = e->next;
        batch_encoder_fini(&e->encoder);
        mem_free(e);
    }
    buffer_unref(n->compress_raw);
}

struct network *network_free(struct network *n)
{
    if (n == NULL) {
        return NULL;
    }
    const struct mailbox_op stop = {.kind = NETWORK_OP_STOP, .run = op_stop, .target = n};
    if (n->has_thread) {
        if (mailbox_post_internal(n->mailbox, MAILBOX_LANE_DATA, &stop) == 0) {
            thread_join(n->thread);
        }
    }
    buffer_pool_adopt(n->pool);
    executor_free(n->resolver);
    mailbox_close(n->mailbox);
    network_drop_channels(n);
    network_drop_spares(n);
    network_metrics_fini(&n->metrics);
    ready_queue_unref(n->ready);
    drain_queue_unref(n->drained);
    loop_free(n->loop);
    mailbox_unref(n->mailbox);
    map_fini(&n->open_ids);
    table_fini(&n->dialed);
    table_fini(&n->served);
    table_fini(&n->outbound);
    table_fini(&n->inbound);
    buffer_pool_close(n->pool);
    network_close_tls(n);
    mem_free(n->name);
    mem_free(n);
    return NULL;
}

/* ---- calls of other threads ------------------------------------------------------------------------- */

struct accepted {
    int fd;     /* Owns */
    char *peer; /* Owns */
};

static void accepted_free(void *payload)
{
    struct accepted *a = payload;
    if (a->fd >= 0) {
        close(a->fd);
    }
    mem_free(a->peer);
    mem_free(a);
}

static int accepted_take_fd(struct accepted *a)
{
    int fd = a->fd;
    a->fd = -1;
    return fd;
}

static void op_accept(void *target, void *payload)
{
    struct network *n = target;
    struct accepted *a = payload;
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX];
    if (n->n_connections >= NETWORK_SERVED_MAX) {
        LOG_WARN(TOPIC, "refused a connection from %s: there are %u already", a->peer,
                 n->n_connections);
    } else if (served_new(n, accepted_take_fd(a), a->peer, &err) < 0) {
        LOG_WARN(TOPIC, "refused a connection from %s: %s", a->peer,
                 error_format(&err, text, sizeof(text)));
    }
    accepted_free(a);
}

void network_accept(struct network *n, int take_fd, const char *peer)
{
    struct accepted *a = MEM_NEW(struct accepted);
    a->fd = take_fd;
    a->peer = mem_strdup(peer != NULL ? peer : "a worker");
    const struct mailbox_op op = {.kind = NETWORK_OP_ACCEPT,
                                  .run = op_accept,
                                  .target = n,
                                  .payload = a,
                                  .drop = accepted_free};
    if (mailbox_post_internal(n->mailbox, MAILBOX_LANE_DATA, &op) < 0) {
        accepted_free(a);
    }
}

struct opening {
    struct inbound *in; /* Owns */
    struct data_location location;
};

static void opening_free(void *payload)
{
    struct opening *o = payload;
    if (o->in != NULL) {
        channel_close_producer(o->in->channel);
        inbound_free(o->in);
    }
    mem_free(o);
}

static void op_open(void *target, void *payload)
{
    struct opening *o = payload;
    inbound_start(STEAL(o->in), &o->location);
    opening_free(o);
}

int network_open_input(struct network *n, const struct remote_input *input,
                       struct channel **ret_channel, struct error *err)
{
    TRY(FAILPOINT(err, "network.open_input"));
    struct opening *o = MEM_NEW(struct opening);
    o->location = input->location;
    o->in = MEM_NEW(struct inbound);
    *o->in = (struct inbound){
        .network = n,
        .channel = channel_new(),
        .schema = schema_ref(input->schema),
        .id = input->id,
        .consumer_attempt = input->consumer_attempt,
        .bounds = input->channel,
        .on_broken = input->on_broken,
        .on_released = input->on_released,
        .arg = input->arg,
    };
    struct channel *channel = channel_ref(o->in->channel);
    const struct mailbox_op op = {
        .kind = NETWORK_OP_OPEN, .run = op_open, .target = n, .payload = o, .drop = opening_free};
    if (mailbox_post_internal(n->mailbox, MAILBOX_LANE_DATA, &op) < 0) {
        o->in->on_released = NULL;
        opening_free(o);
        channel_unref(channel);
        return error_set(err, ERR_CLOSED, "the exchange with other workers has ended");
    }
    *ret_channel = channel;
    return 0;
}
