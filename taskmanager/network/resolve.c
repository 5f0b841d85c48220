/* getaddrinfo, inline for numeric hosts, else by a one-thread executor (resolve.h). */
#include "taskmanager/network/resolve.h"
#include <netdb.h>
#include <stdio.h>

enum { RESOLVE_QUEUE_MAX = 1024, PORT_TEXT = 8 };

struct resolving {
    char host[sizeof(((struct data_location *)0)->host)];
    uint32_t port;
    uint64_t serial;
    resolved_fn done;
    struct dialed_address addresses[DIALED_ADDRESSES_MAX];
    uint32_t n_addresses;
};

static int look_up(struct resolving *r, int flags, struct error *err)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[PORT_TEXT];
    snprintf(port, sizeof(port), "%u", r->port);
    int rc = getaddrinfo(r->host, port, &hints, &list);
    if (rc != 0) {
        return error_set(err, ERR_UNAVAILABLE, "host '%s' cannot be looked up: %s", r->host,
                         gai_strerror(rc));
    }
    for (struct addrinfo *a = list; a != NULL && r->n_addresses < DIALED_ADDRESSES_MAX;
         a = a->ai_next) {
        if (a->ai_addrlen <= sizeof(r->addresses[0].address)) {
            struct dialed_address *to = &r->addresses[r->n_addresses++];
            memcpy(&to->address, a->ai_addr, a->ai_addrlen);
            to->len = a->ai_addrlen;
        }
    }
    freeaddrinfo(list);
    return 0;
}

static int resolve_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    return look_up(arg, 0, err);
}

static void resolve_done(void *target, void *arg, int rc, const struct error *err)
{
    struct resolving *r = arg;
    r->done(target, r->serial, r->addresses, rc < 0 ? 0 : r->n_addresses, err);
    mem_free(r);
}

static int submit(struct network *n, struct resolving *r, struct error *err)
{
    const struct executor_options options = {
        .name = "resolver", .n_threads = 1, .queue_limit = RESOLVE_QUEUE_MAX};
    if (n->resolver == NULL) {
        TRY(executor_new(&options, &n->resolver, err));
    }
    const struct executor_job job = {
        .name = "looking up a host",
        .run = resolve_run,
        .done = resolve_done,
        .target = n,
        .arg = r,
        .drop = mem_free,
        .reply_to = n->mailbox,
    };
    return executor_submit(n->resolver, &job, err);
}

void resolve_host(struct network *n, const char *host, uint32_t port, uint64_t serial,
                  resolved_fn done)
{
    struct error err = ERROR_INIT;
    struct resolving *r = MEM_NEW(struct resolving);
    snprintf(r->host, sizeof(r->host), "%s", host);
    r->port = port;
    r->serial = serial;
    r->done = done;
    if (look_up(r, AI_NUMERICHOST, NULL) == 0) {
        resolve_done(n, r, 0, &err);
        return;
    }
    int rc = submit(n, r, &err);
    if (rc < 0) {
        resolve_done(n, r, rc, &err);
    }
}
