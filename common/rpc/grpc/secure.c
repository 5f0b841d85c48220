/* TLS below gRPC; secure.h.  Thread: any. */
#include "common/rpc/grpc/secure.h"

#include "common/base/mem.h"
#include <string.h>
#include <unistd.h>

struct rpc_secure_end {
    _Atomic uint32_t refs;
    _Atomic bool over;
    pthread_mutex_t lock; /* guards why; a leaf */
    struct error why;
};

struct rpc_secure_end *rpc_secure_end_ref(struct rpc_secure_end *e)
{
    if (e != NULL) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    }
    return e;
}

struct rpc_secure_end *rpc_secure_end_unref(struct rpc_secure_end *e)
{
    if (e != NULL && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&e->lock);
        mem_free(e);
    }
    return NULL;
}

bool rpc_secure_end_is_over(const struct rpc_secure_end *e)
{
    return atomic_load(&e->over);
}

void rpc_secure_end_explain(struct rpc_secure_end *e, struct error *why)
{
    if (why->code != ERR_UNAVAILABLE) {
        return;
    }
    if (e == NULL) {
        /* gRPC keeps the words of a GOAWAY to itself: they may be those of on_plaintext() below. */
        if (strstr(why->message, "GOAWAY received") != NULL) {
            error_context(why, "speaking without TLS; security.ssl.internal.enabled must be the "
                               "same on both sides");
        }
        return;
    }
    pthread_mutex_lock(&e->lock);
    if (e->why.code != 0) {
        error_set(why, ERR_UNAVAILABLE, "%s", e->why.message);
    }
    pthread_mutex_unlock(&e->lock);
}

/* Before the plain socket closes, so that whoever sees that finds the reason here. */
static void on_end(void *arg, const struct error *why)
{
    struct rpc_secure_end *e = arg;
    pthread_mutex_lock(&e->lock);
    if (why != NULL) {
        error_copy(&e->why, why);
    }
    pthread_mutex_unlock(&e->lock);
    atomic_store(&e->over, true);
    rpc_secure_end_unref(e);
}

int rpc_secure_connect(struct rpc_runtime *r, struct tls_context *context, const char *host,
                       uint32_t port, const char *peer, struct rpc_secure_end **ret_end,
                       int *ret_fd, struct error *err)
{
    struct tls_relay *relay;
    TRY(rpc_runtime_relay(r, &relay, err));
    struct rpc_secure_end *e = MEM_NEW(struct rpc_secure_end);
    atomic_init(&e->refs, 2); /* the caller's and the link's */
    pthread_mutex_init(&e->lock, NULL);
    const struct tls_link_options o = {
        .context = context, .peer = peer, .whole = true, .on_end = on_end, .arg = e};
    int rc = tls_relay_connect(relay, host, port, &o, ret_fd, err);
    if (rc < 0) {
        atomic_store(&e->refs, 1);
        rpc_secure_end_unref(e);
        return rc;
    }
    *ret_end = e;
    return 0;
}

/* HTTP/2's way to end a connection with words: empty settings, then GOAWAY, whose text gRPC shows. */
static bool on_plaintext(struct slice said, struct str *ret_answer)
{
    static const char text[] = "this port speaks TLS: is security.ssl.internal.enabled the same on "
                               "both sides?";
    static const uint8_t settings[9] = {0, 0, 0, 4};
    const uint8_t goaway[17] = {0, 0, sizeof(text) - 1 + 8,
                                7, [16] = 0xc /* INADEQUATE_SECURITY */};
    if (slice_starts_with(said, "PRI")) {
        str_append(ret_answer, (const char *)settings, sizeof(settings));
        str_append(ret_answer, (const char *)goaway, sizeof(goaway));
        str_append(ret_answer, text, sizeof(text) - 1);
    }
    return true;
}

int rpc_secure_accept(struct rpc_runtime *r, struct tls_context *context, int take_fd,
                      uint32_t first_bytes, int *ret_fd, struct error *err)
{
    struct tls_relay *relay;
    int rc = rpc_runtime_relay(r, &relay, err);
    if (rc < 0) {
        close(take_fd);
        return rc;
    }
    const struct tls_link_options o = {
        .context = context, .first_bytes = first_bytes, .on_plaintext = on_plaintext};
    return tls_relay_add(relay, take_fd, &o, ret_fd, err);
}

bool rpc_secure_is_handshake(const char *bytes, size_t n)
{
    return n >= 2 && bytes[0] == 0x16 && bytes[1] == 3;
}
