/* Requests, turns and the end of served channels (served.h). */
#include "taskmanager/network/served.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/network/secure.h"
#include <inttypes.h>
#include <stdio.h>

#define TOPIC "flinc.taskmanager.network"

enum { FRAMES_PER_PUMP = 256 };

/* ---- the run list --------------------------------------------------------------------------------- */

static void run_add(struct served *s, struct outbound *o)
{
    if (o->running) {
        return;
    }
    o->running = true;
    o->next_run = NULL;
    o->prev_run = s->run_tail;
    if (s->run_tail != NULL) {
        s->run_tail->next_run = o;
    } else {
        s->run_head = o;
    }
    s->run_tail = o;
    connection_touch(&s->connection);
}

static void run_remove(struct served *s, struct outbound *o)
{
    if (!o->running) {
        return;
    }
    o->running = false;
    *(o->prev_run != NULL ? &o->prev_run->next_run : &s->run_head) = o->next_run;
    *(o->next_run != NULL ? &o->next_run->prev_run : &s->run_tail) = o->prev_run;
}

/* The next turn is its. */
static void run_add_first(struct served *s, struct outbound *o)
{
    run_remove(s, o);
    o->running = true;
    o->prev_run = NULL;
    o->next_run = s->run_head;
    *(s->run_head != NULL ? &s->run_head->prev_run : &s->run_tail) = o;
    s->run_head = o;
    connection_touch(&s->connection);
}

void outbound_on_ready(struct outbound *o, enum channel_lane lane)
{
    o->has[lane] = true;
    if (o->state == OUTBOUND_ZOMBIE) {
        return;
    }
    o->state = OUTBOUND_OPEN;
    if (lane == CHANNEL_LANE_PRIORITY) {
        run_add_first(o->served, o);
    } else if (o->credit >= o->needs) {
        run_add(o->served, o);
    }
}

static bool served_produce(struct connection *c)
{
    struct served *s = CONTAINER_OF(c, struct served, connection);
    /* They overtake frames that are made already, so they do not wait for room. */
    while (s->run_head != NULL && s->run_head->has[CHANNEL_LANE_PRIORITY]) {
        struct outbound *o = s->run_head;
        if (!outbound_step_priority(o)) {
            run_remove(s, o);
            run_add(s, o);
        }
    }
    for (uint32_t i = 0; i < FRAMES_PER_PUMP && connection_has_room(c) && s->run_head != NULL;
         i++) {
        struct outbound *o = s->run_head;
        run_remove(s, o);
        if (outbound_step(o) && o->served == s) {
            run_add(s, o);
        }
    }
    return s->run_head != NULL;
}

/* ---- requests ------------------------------------------------------------------------------------- */

void served_drop_channel(struct served *s, struct outbound *o)
{
    run_remove(s, o);
    *VEC_AT(&s->channels, struct outbound *, o->number) = NULL;
    s->n_open--;
}

static void refuse(struct served *s, uint32_t number, enum close_reason reason, const char *text)
{
    struct frame_header h = {.kind = FRAME_REFUSED, .channel = number, .info = (uint32_t)reason};
    metric_counter_add(&s->connection.network->metrics.refused, 1);
    connection_send_small(&s->connection, &h, text, MIN(strlen(text), (size_t)FRAME_TEXT_MAX));
}

/* Numbers are dense: the next one, or one that was closed. */
static int check_number(struct served *s, uint32_t number, struct error *err)
{
    if (number > s->channels.len || number >= NETWORK_CHANNELS_MAX ||
        (number < s->channels.len && vec_ptr(&s->channels, number) != NULL)) {
        return error_set(err, ERR_CORRUPT,
                         "an OPEN of channel %" PRIu32 ", which is no free number", number);
    }
    if (number == s->channels.len) {
        vec_push_ptr(&s->channels, NULL);
    }
    return 0;
}

static struct outbound *outbound_new(struct served *s, const struct frame_header *h,
                                     const struct open_request *r, struct channel *take_channel)
{
    struct network *n = s->connection.network;
    struct outbound *o = MEM_NEW(struct outbound);
    o->network = n;
    o->served = s;
    o->channel = take_channel;
    o->number = h->channel;
    memcpy(o->id.producer_attempt.bytes, r->producer_attempt, sizeof(r->producer_attempt));
    o->id.edge = r->edge;
    o->id.subpartition = r->subpartition;
    o->capacity = o->credit = r->credit_bytes;
    o->charge_min = r->batch_charge_min;
    o->since_ms = clock_monotonic_ms(n->clock);
    o->tag = table_add(&n->outbound, o);
    return o;
}

static int on_open(struct served *s, const struct frame_header *h, const uint8_t *payload,
                   struct error *err)
{
    struct network *n = s->connection.network;
    struct open_request r;
    struct subpartition_id id;
    struct channel *channel = NULL;
    struct error why = ERROR_INIT;
    char text[FRAME_TEXT_MAX];
    memcpy(&r, payload, sizeof(r));
    TRY(check_number(s, h->channel, err));
    memcpy(id.producer_attempt.bytes, r.producer_attempt, sizeof(r.producer_attempt));
    id.edge = r.edge;
    id.subpartition = r.subpartition;
    if (n->n_outbound + n->n_zombies >= NETWORK_OUTBOUND_MAX) {
        refuse(s, h->channel, CLOSE_REASON_LIMIT, "the worker serves too many channels already");
        return 0;
    }
    if (map_find_bytes(&n->open_ids, &id, sizeof(id)) != NULL) {
        refuse(s, h->channel, CLOSE_REASON_ALREADY_OPEN, "it has a consumer already");
        return 0;
    }
    if (FAILPOINT(&why, "network.served.open") < 0 ||
        partition_registry_connect(n->registry, &id, CHANNEL_SIDE_CONSUMER, &channel, &why) < 0) {
        refuse(s, h->channel,
               why.code == ERR_ALREADY_EXISTS ? CLOSE_REASON_ALREADY_OPEN : CLOSE_REASON_LIMIT,
               error_format(&why, text, sizeof(text)));
        return 0;
    }
    struct outbound *o = outbound_new(s, h, &r, channel);
    *VEC_AT(&s->channels, struct outbound *, h->channel) = o;
    map_put_bytes(&n->open_ids, &o->id, sizeof(o->id), o);
    s->n_open++;
    n->n_outbound++;
    metric_gauge_set(&n->metrics.channels_out, n->n_outbound);
    channel_attach_consumer(channel, n->ready, o->tag);
    /* It counts as queued: it is looked at once without being told. */
    o->has[CHANNEL_LANE_DATA] = o->has[CHANNEL_LANE_PRIORITY] = true;
    run_add(s, o);
    network_schedule_sweep(n);
    return 0;
}

static int served_on_frame(struct connection *c, const struct frame_header *h,
                           const uint8_t *payload, struct buffer *own, struct error *err)
{
    struct served *s = CONTAINER_OF(c, struct served, connection);
    if (h->kind == FRAME_OPEN) {
        return on_open(s, h, payload, err);
    }
    struct outbound *o = h->channel < s->channels.len ? vec_ptr(&s->channels, h->channel) : NULL;
    if (o == NULL) {
        return 0; /* closed meanwhile: CLOSED is on its way */
    }
    if (h->kind == FRAME_CLOSE) {
        outbound_finish(o, FRAME_CLOSED, CLOSE_REASON_END, "");
        return 0;
    }
    if (h->value > o->capacity - o->credit) {
        return error_set(err, ERR_CORRUPT, "a CREDIT over the capacity of channel %" PRIu32,
                         h->channel);
    }
    o->credit += PLANTED("network.credit_is_lost") ? 0 : h->value;
    if (h->value > 0) {
        channel_release(o->channel);
    }
    if (h->info != o->window) {
        o->window = h->info;
        o->needs = 0; /* it depends on the window */
        channel_set_window(o->channel, h->info != 0 ? h->info : UINT64_MAX);
    }
    if (o->credit >= o->needs) {
        run_add(s, o);
    }
    return 0;
}

static bool served_place(struct connection *c, const struct frame_header *h,
                         struct buffer **ret_buffer, uint64_t *ret_offset)
{
    return false;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void served_on_broken(struct connection *c, const struct error *why)
{
    struct served *s = CONTAINER_OF(c, struct served, connection);
    char text[ERROR_MESSAGE_MAX];
    if (why->code != 0 || s->n_open > 0) {
        metric_counter_add(&c->network->metrics.broken, 1);
        LOG_WARN(TOPIC, "lost the consumer's worker at %s with %u channels open: %s", c->peer,
                 s->n_open, why->code != 0 ? error_format(why, text, sizeof(text)) : "it closed");
    }
    served_free(s);
}

static const struct connection_role served_role = {
    .receives = FRAME_TO_PRODUCER,
    .place = served_place,
    .on_frame = served_on_frame,
    .produce = served_produce,
    .on_broken = served_on_broken,
};

int served_new(struct network *n, int take_fd, const char *peer, struct error *err)
{
    struct served *s = MEM_NEW(struct served);
    connection_init(&s->connection, n, &served_role, peer);
    vec_init(&s->channels, sizeof(struct outbound *));
    int rc = connection_attach(&s->connection, take_fd, err);
    if (rc < 0) {
        connection_fini(&s->connection);
        vec_fini(&s->channels);
        mem_free(s);
        return rc;
    }
    if (n->tls_server != NULL) {
        rc = connection_secure(&s->connection, n->tls_server, err);
        if (rc < 0) {
            connection_fini(&s->connection);
            vec_fini(&s->channels);
            mem_free(s);
            return rc;
        }
    }
    s->index = table_add(&n->served, s);
    metric_counter_add(&n->metrics.accepted, 1);
    network_count_connections(n, 1);
    struct frame_header h = {.kind = FRAME_WELCOME, .info = FRAME_VERSION};
    connection_send_small(&s->connection, &h, n->incarnation.bytes, sizeof(n->incarnation.bytes));
    return 0;
}

struct served *served_free(struct served *s)
{
    struct network *n = s->connection.network;
    connection_reset(&s->connection);
    for (size_t i = 0; i < s->channels.len; i++) {
        struct outbound *o = vec_ptr(&s->channels, i);
        if (o != NULL) {
            outbound_finish(o, FRAME_CLOSED, CLOSE_REASON_END, "");
        }
    }
    table_remove(&n->served, s->index);
    network_count_connections(n, -1);
    connection_fini(&s->connection);
    vec_fini(&s->channels);
    mem_free(s);
    return NULL;
}

/* ---- sweep ---------------------------------------------------------------------------------------- */

static void sweep_one(struct outbound *o, int64_t now_ms)
{
    struct network *n = o->network;
    char text[FRAME_TEXT_MAX];
    if (o->state == OUTBOUND_ZOMBIE) {
        o->doomed = channel_is_unique(o->channel);
        return;
    }
    if (channel_has_producer(o->channel)) {
        o->state = OUTBOUND_OPEN;
    }
    if (o->state == OUTBOUND_WAITING && now_ms - o->since_ms >= n->settings.partition_timeout_ms) {
        snprintf(text, sizeof(text),
                 "its producer has not come for %" PRId64 " ms "
                 "(taskmanager.network.partition-request-timeout)",
                 n->settings.partition_timeout_ms);
        metric_counter_add(&n->metrics.refused, 1);
        outbound_finish(o, FRAME_REFUSED, CLOSE_REASON_TIMEOUT, text);
        return;
    }
    /* Closed is read first: what was pushed before is then seen. */
    if (channel_is_producer_closed(o->channel) && !o->has_pending &&
        !channel_has(o->channel, CHANNEL_LANE_DATA) &&
        !channel_has(o->channel, CHANNEL_LANE_PRIORITY)) {
        outbound_finish(o, FRAME_CLOSED, CLOSE_REASON_PRODUCER_GONE,
                        "its producer ended without an end of data: it failed or was cancelled");
    }
}

void network_sweep_outbound(struct network *n)
{
    int64_t now_ms = clock_monotonic_ms(n->clock);
    for (uint32_t i = 0; i < table_end(&n->outbound); i++) {
        struct outbound *o = table_get(&n->outbound, i);
        if (o != NULL) {
            sweep_one(o, now_ms);
        }
    }
    /* Nobody can put a doomed one into the ready queue any more; one may be there still. */
    network_collect_ready(n);
    for (uint32_t i = 0; i < table_end(&n->outbound); i++) {
        struct outbound *o = table_get(&n->outbound, i);
        if (o != NULL && o->doomed) {
            table_remove(&n->outbound, i);
            n->n_zombies--;
            outbound_free(o);
        }
    }
}
