/* Making connections to producers' workers, and their channels (dialed.h). */
#include "taskmanager/network/dialed.h"
#include "common/base/log.h"
#include "taskmanager/network/resolve.h"
#include "taskmanager/network/secure.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TOPIC "flinc.taskmanager.network"

static void dialed_begin(void *arg);
static void dialed_failed(struct dialed *d, const struct error *why);
static const struct connection_role dialed_role;

static const char *const state_names[] = {
    [DIALED_RESOLVING] = "RESOLVING", [DIALED_CONNECTING] = "CONNECTING",
    [DIALED_GREETING] = "GREETING",   [DIALED_OPEN] = "OPEN",
    [DIALED_BACKOFF] = "BACKOFF",     [DIALED_CLOSED] = "CLOSED",
};
_Static_assert(ARRAY_LEN(state_names) == DIALED_STATES, "a name per state");

#define BIT(state) (1u << (state))
static const uint32_t moves[DIALED_STATES] = {
    [DIALED_RESOLVING] = BIT(DIALED_CONNECTING) | BIT(DIALED_BACKOFF) | BIT(DIALED_CLOSED),
    [DIALED_CONNECTING] = BIT(DIALED_GREETING) | BIT(DIALED_BACKOFF) | BIT(DIALED_CLOSED),
    [DIALED_GREETING] = BIT(DIALED_OPEN) | BIT(DIALED_BACKOFF) | BIT(DIALED_CLOSED),
    [DIALED_OPEN] = BIT(DIALED_CLOSED),
    [DIALED_BACKOFF] = BIT(DIALED_RESOLVING) | BIT(DIALED_CLOSED),
};
#undef BIT

const char *dialed_state_name(enum dialed_state state)
{
    return (unsigned)state < DIALED_STATES ? state_names[state] : "UNKNOWN";
}

static void dialed_transition(struct dialed *d, enum dialed_state to)
{
    ASSERT((moves[d->state] & (1u << to)) != 0);
    LOG_DEBUG(TOPIC, "connection to %s: %s to %s", d->connection.peer, dialed_state_name(d->state),
              dialed_state_name(to));
    d->state = to;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static bool is_same_place(const struct data_location *a, const struct data_location *b)
{
    return a->port == b->port && id_eq(&a->incarnation, &b->incarnation) &&
           strcmp(a->host, b->host) == 0;
}

static struct dialed *dialed_new(struct network *n, const struct data_location *location)
{
    struct dialed *d = MEM_NEW(struct dialed);
    char peer[sizeof(location->host) + 64], id[ID_HEX_LEN + 1];
    id_format(&location->incarnation, id);
    snprintf(peer, sizeof(peer), "worker %.8s at %s:%u", id, location->host, location->port);
    connection_init(&d->connection, n, &dialed_role, peer);
    d->location = *location;
    d->state = DIALED_RESOLVING;
    d->connecting_fd = -1;
    d->serial = n->next_serial++;
    d->index = table_add(&n->dialed, d);
    table_init(&d->channels);
    vec_init(&d->waiting, sizeof(struct inbound *));
    network_count_connections(n, 1);
    return d;
}

static void stop_connecting(struct dialed *d)
{
    d->connecting_watch = loop_del(d->connecting_watch);
    if (d->connecting_fd >= 0) {
        close(d->connecting_fd);
        d->connecting_fd = -1;
    }
    if (d->timer != 0) {
        loop_cancel(d->connection.network->loop, d->timer);
        d->timer = 0;
    }
}

struct dialed *dialed_free(struct dialed *d)
{
    struct network *n = d->connection.network;
    ASSERT(d->n_channels == 0);
    stop_connecting(d);
    connection_fini(&d->connection);
    table_remove(&n->dialed, d->index);
    network_count_connections(n, -1);
    table_fini(&d->channels);
    vec_fini(&d->waiting);
    mem_free(d);
    return NULL;
}

struct dialed *dialed_find(struct network *n, const struct data_location *location)
{
    for (uint32_t i = 0; i < table_end(&n->dialed); i++) {
        struct dialed *d = table_get(&n->dialed, i);
        if (d != NULL && d->state != DIALED_CLOSED && is_same_place(&d->location, location)) {
            return d;
        }
    }
    struct dialed *d = dialed_new(n, location);
    /* Begun from the loop: whoever asked for it has a channel to add first. */
    d->timer = loop_schedule(n->loop, 0, dialed_begin, d);
    return d;
}

void network_reap_dialed(struct network *n)
{
    if (!n->reap) {
        return;
    }
    n->reap = false;
    for (uint32_t i = 0; i < table_end(&n->dialed); i++) {
        struct dialed *d = table_get(&n->dialed, i);
        /* What waits to be written are CLOSEs at most, which the end of the connection says as well. */
        if (d != NULL && d->n_channels == 0) {
            dialed_free(d);
        }
    }
}

/* ---- channels ------------------------------------------------------------------------------------- */

static void open_channel(struct dialed *d, struct inbound *in)
{
    struct open_request r;
    inbound_request(in, &r);
    in->number = table_add(&d->channels, in);
    struct frame_header h = {.kind = FRAME_OPEN, .channel = in->number};
    connection_send_small(&d->connection, &h, &r, sizeof(r));
    inbound_opened(in);
}

void dialed_add(struct dialed *d, struct inbound *in)
{
    in->dialed = d;
    d->n_channels++;
    if (d->state == DIALED_OPEN || d->state == DIALED_GREETING) {
        open_channel(d, in);
    } else {
        vec_push_ptr(&d->waiting, in);
    }
}

static void forget_credit(struct dialed *d, struct inbound *in)
{
    struct inbound *before = NULL;
    if (!in->has_credit) {
        return;
    }
    for (struct inbound *i = d->credits_head; i != in; i = i->next_credit) {
        before = i;
    }
    *(before != NULL ? &before->next_credit : &d->credits_head) = in->next_credit;
    if (d->credits_tail == in) {
        d->credits_tail = before;
    }
    in->has_credit = false;
    in->credit = 0;
}

void dialed_remove(struct dialed *d, struct inbound *in)
{
    forget_credit(d, in);
    if (in->state == INBOUND_WAITING) {
        for (size_t i = 0; i < d->waiting.len; i++) {
            if (vec_ptr(&d->waiting, i) == in) {
                vec_remove(&d->waiting, i);
                break;
            }
        }
    } else {
        table_remove(&d->channels, in->number);
    }
    if (--d->n_channels == 0) {
        d->connection.network->reap = true;
    }
}

bool dialed_send_close(struct dialed *d, struct inbound *in)
{
    if (in->state == INBOUND_WAITING) {
        return false;
    }
    forget_credit(d, in);
    struct frame_header h = {.kind = FRAME_CLOSE, .channel = in->number};
    connection_send_small(&d->connection, &h, NULL, 0);
    return true;
}

void dialed_give_credit(struct dialed *d, struct inbound *in)
{
    if (!in->has_credit) {
        in->has_credit = true;
        in->next_credit = NULL;
        *(d->credits_tail != NULL ? &d->credits_tail->next_credit : &d->credits_head) = in;
        d->credits_tail = in;
    }
    connection_touch(&d->connection);
}

static bool dialed_produce(struct connection *c)
{
    struct dialed *d = CONTAINER_OF(c, struct dialed, connection);
    while (d->credits_head != NULL && connection_has_room(c)) {
        struct inbound *in = d->credits_head;
        uint64_t window = channel_window(in->channel);
        struct frame_header h = {.kind = FRAME_CREDIT,
                                 .channel = in->number,
                                 .value = in->credit,
                                 .info = window <= UINT32_MAX ? (uint32_t)window : 0};
        d->credits_head = in->next_credit;
        if (d->credits_head == NULL) {
            d->credits_tail = NULL;
        }
        in->has_credit = false;
        in->credit = 0;
        connection_send_small(c, &h, NULL, 0);
    }
    return d->credits_head != NULL;
}

/* ---- frames --------------------------------------------------------------------------------------- */

static int on_welcome(struct dialed *d, const struct frame_header *h, const uint8_t *payload,
                      struct error *err)
{
    if (d->state != DIALED_GREETING) {
        return error_set(err, ERR_CORRUPT, "a second WELCOME");
    }
    if (h->info != FRAME_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "version %u of the data protocol, this program speaks version %d", h->info,
                         FRAME_VERSION);
    }
    if (memcmp(payload, d->location.incarnation.bytes, sizeof(d->location.incarnation.bytes)) !=
        0) {
        return error_set(err, ERR_FENCED, "another worker answered: the one called is gone");
    }
    loop_cancel(d->connection.network->loop, d->timer);
    d->timer = 0;
    d->n_attempts = 0;
    dialed_transition(d, DIALED_OPEN);
    metric_counter_add(&d->connection.network->metrics.connected, 1);
    return 0;
}

static int dialed_on_frame(struct connection *c, const struct frame_header *h,
                           const uint8_t *payload, struct buffer *own, struct error *err)
{
    struct dialed *d = CONTAINER_OF(c, struct dialed, connection);
    if (h->kind == FRAME_WELCOME) {
        return on_welcome(d, h, payload, err);
    }
    if (d->state != DIALED_OPEN) {
        return error_set(err, ERR_CORRUPT, "a %s before WELCOME", frame_kind_name(h->kind));
    }
    struct inbound *in = table_get(&d->channels, h->channel);
    if (in == NULL) {
        return error_set(err, ERR_CORRUPT, "a %s for channel %" PRIu32 ", which is not open",
                         frame_kind_name(h->kind), h->channel);
    }
    switch (h->kind) {
    case FRAME_DATA:
        return inbound_on_data(in, h, payload, own, own != NULL && c->own_is_placed, err);
    case FRAME_CONTROL:
        return inbound_on_control(in, h, payload, err);
    default:
        return inbound_on_closed(in, h, payload, err);
    }
}

static bool dialed_place(struct connection *c, const struct frame_header *h,
                         struct buffer **ret_buffer, uint64_t *ret_offset)
{
    struct dialed *d = CONTAINER_OF(c, struct dialed, connection);
    struct inbound *in = table_get(&d->channels, h->channel);
    return in != NULL && inbound_place(in, h, ret_buffer, ret_offset);
}

/* ---- the end -------------------------------------------------------------------------------------- */

/* Ends all channels; the connection is freed at the end of the round. */
static void dialed_break(struct dialed *d, const struct error *why)
{
    char text[ERROR_MESSAGE_MAX];
    struct network *n = d->connection.network;
    stop_connecting(d);
    connection_reset(&d->connection);
    dialed_transition(d, DIALED_CLOSED);
    metric_counter_add(&n->metrics.broken, 1);
    LOG_WARN(TOPIC, "%u inputs end: %s", d->n_channels, error_format(why, text, sizeof(text)));
    while (d->waiting.len > 0) {
        inbound_end(vec_ptr(&d->waiting, d->waiting.len - 1), why);
    }
    for (uint32_t i = 0; i < table_end(&d->channels); i++) {
        struct inbound *in = table_get(&d->channels, i);
        if (in != NULL) {
            inbound_end(in, why);
        }
    }
    n->reap = true;
}

static void dialed_on_broken(struct connection *c, const struct error *why)
{
    struct dialed *d = CONTAINER_OF(c, struct dialed, connection);
    struct error said = ERROR_INIT;
    if (why->code == 0) {
        error_set(&said, ERR_UNAVAILABLE, "%s closed the connection", c->peer);
    } else {
        char text[ERROR_MESSAGE_MAX / 2];
        error_set(&said, why->code, "lost the connection to %s: %s", c->peer,
                  error_format(why, text, sizeof(text)));
        error_set_class(&said, ERROR_CLASS_TRANSIENT);
    }
    if (d->state == DIALED_GREETING && !c->got_frames) {
        dialed_failed(d, &said);
    } else {
        dialed_break(d, &said);
    }
}

/* ---- connecting ----------------------------------------------------------------------------------- */

static int64_t backoff_ms(const struct dialed *d)
{
    const struct network_settings *s = &d->connection.network->settings;
    int64_t ms = s->backoff_initial_ms;
    for (uint32_t i = 1; i < d->n_attempts && ms < s->backoff_max_ms; i++) {
        ms *= 2;
    }
    return MIN(ms, s->backoff_max_ms);
}

/* The attempt came to nothing: another one, or the end. */
static void dialed_failed(struct dialed *d, const struct error *why)
{
    struct network *n = d->connection.network;
    char text[ERROR_MESSAGE_MAX];
    stop_connecting(d);
    connection_reset(&d->connection);
    for (uint32_t i = 0; i < table_end(&d->channels); i++) {
        struct inbound *in = table_get(&d->channels, i);
        if (in != NULL && in->state == INBOUND_CLOSING) {
            inbound_end(in, NULL);
        } else if (in != NULL) {
            forget_credit(d, in);
            table_remove(&d->channels, i);
            inbound_reset(in);
            vec_push_ptr(&d->waiting, in);
        }
    }
    /* Numbers begin anew on the next connection. */
    table_fini(&d->channels);
    table_init(&d->channels);
    d->n_attempts++;
    if (d->n_attempts > (uint32_t)n->settings.retries) {
        dialed_break(d, why);
        return;
    }
    dialed_transition(d, DIALED_BACKOFF);
    metric_counter_add(&n->metrics.retries, 1);
    int64_t pause_ms = backoff_ms(d);
    LOG_INFO(TOPIC, "attempt %u of %d in %" PRId64 " ms: %s", d->n_attempts + 1,
             n->settings.retries + 1, pause_ms, error_format(why, text, sizeof(text)));
    d->timer = loop_schedule(n->loop, pause_ms, dialed_begin, d);
}

static int greet(struct dialed *d, struct error *err)
{
    struct network *n = d->connection.network;
    struct data_hello hello = {.version = DATA_HELLO_VERSION};
    memcpy(hello.magic, DATA_HELLO_MAGIC, sizeof(hello.magic));
    memcpy(hello.job_id, n->job_id.bytes, sizeof(hello.job_id));
    memcpy(hello.incarnation, d->location.incarnation.bytes, sizeof(hello.incarnation));
    int fd = d->connecting_fd;
    d->connecting_fd = -1;
    TRY(connection_attach(&d->connection, fd, err));
    dialed_transition(d, DIALED_GREETING);
    TRY(FAILPOINT(err, "network.dialed.hello"));
    TRY(connection_send_raw(&d->connection, &hello, sizeof(hello), err));
    if (n->tls_client != NULL) {
        TRY(connection_secure(&d->connection, n->tls_client, err));
    }
    for (size_t i = 0; i < d->waiting.len; i++) {
        struct inbound *in = vec_ptr(&d->waiting, i);
        open_channel(d, in);
        inbound_settle(in); /* its consumer may have left meanwhile */
    }
    vec_clear(&d->waiting);
    return 0;
}

static void connect_next(struct dialed *d, const struct error *why);

static void dialed_on_connected(void *arg, int fd, uint32_t events)
{
    struct dialed *d = arg;
    struct error err = ERROR_INIT;
    int errno_value = 0;
    socklen_t len = sizeof(errno_value);
    d->connecting_watch = loop_del(d->connecting_watch);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno_value, &len) < 0) {
        errno_value = errno;
    }
    if (errno_value != 0) {
        error_set_errno(&err, errno_value, "connecting to %s", d->connection.peer);
        close(d->connecting_fd);
        d->connecting_fd = -1;
        connect_next(d, &err);
    } else if (greet(d, &err) < 0) {
        dialed_failed(d, &err);
    }
}

static int connect_address(struct dialed *d, const struct dialed_address *a, struct error *err)
{
    TRY(FAILPOINT(err, "network.dialed.connect"));
    d->connecting_fd = socket(a->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->connecting_fd < 0) {
        return error_set_errno(err, errno, "connecting to %s", d->connection.peer);
    }
    if (connect(d->connecting_fd, (const struct sockaddr *)&a->address, a->len) < 0 &&
        errno != EINPROGRESS) {
        return error_set_errno(err, errno, "connecting to %s", d->connection.peer);
    }
    return loop_add(d->connection.network->loop, d->connecting_fd, LOOP_WRITE, dialed_on_connected,
                    d, &d->connecting_watch, err);
}

/* Tries the addresses that are left; `why` is what the one before came to. */
static void connect_next(struct dialed *d, const struct error *why)
{
    struct error err = ERROR_INIT;
    error_copy(&err, why);
    while (d->next_address < d->n_addresses) {
        if (connect_address(d, &d->addresses[d->next_address++], &err) == 0) {
            return;
        }
        if (d->connecting_fd >= 0) {
            close(d->connecting_fd);
            d->connecting_fd = -1;
        }
    }
    dialed_failed(d, &err);
}

static void dialed_on_timeout(void *arg)
{
    struct dialed *d = arg;
    struct error err = ERROR_INIT;
    d->timer = 0;
    error_set(&err, ERR_TIMEOUT,
              "connecting to %s took longer than %" PRId64
              " ms (taskmanager.network.netty.client.connectTimeoutSec)",
              d->connection.peer, d->connection.network->settings.connect_timeout_ms);
    dialed_failed(d, &err);
}

static void dialed_on_resolved(void *target, uint64_t serial,
                               const struct dialed_address *addresses, uint32_t n_addresses,
                               const struct error *err)
{
    struct network *n = target;
    struct dialed *d = NULL;
    for (uint32_t i = 0; i < table_end(&n->dialed) && d == NULL; i++) {
        d = table_get(&n->dialed, i);
        d = d != NULL && d->serial == serial && d->state == DIALED_RESOLVING ? d : NULL;
    }
    if (d == NULL) {
        return; /* given up meanwhile */
    }
    if (n_addresses == 0) {
        dialed_failed(d, err);
        return;
    }
    memcpy(d->addresses, addresses, n_addresses * sizeof(*addresses));
    d->n_addresses = n_addresses;
    d->next_address = 0;
    dialed_transition(d, DIALED_CONNECTING);
    connect_next(d, err);
}

static void dialed_begin(void *arg)
{
    struct dialed *d = arg;
    struct network *n = d->connection.network;
    if (d->state == DIALED_BACKOFF) {
        dialed_transition(d, DIALED_RESOLVING);
    }
    d->serial = n->next_serial++;
    d->timer = loop_schedule(n->loop, n->settings.connect_timeout_ms, dialed_on_timeout, d);
    resolve_host(n, d->location.host, d->location.port, d->serial, dialed_on_resolved);
}

static const struct connection_role dialed_role = {
    .receives = FRAME_TO_CONSUMER,
    .place = dialed_place,
    .on_frame = dialed_on_frame,
    .produce = dialed_produce,
    .on_broken = dialed_on_broken,
};
