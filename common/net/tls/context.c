/* Contexts: building, reloading, checking certificates; tls.h.
 *
 * `lock` guards `current`, the stamps and the sessions; files are read and logs written without it.  One thread at a
 * time reloads (`reloading`), others take what there is.  Thread: any. */
#include "common/net/tls/context.h"

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static const char topic[] = "flinc.net.tls";

/* What of a file changes when it is written or replaced. */
struct file_stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec written, changed;
};
enum { STAMPS = 2 };

struct tls_context {
    _Atomic uint32_t refs;
    const struct openssl *o;
    struct tls_settings settings;
    _Atomic uint64_t n_loads;
    pthread_mutex_t lock;
    SSL_CTX *current; /* Owns a ref */
    struct file_stamp stamps[STAMPS];
    bool reloading;
    struct map sessions; /* Owns: SSL_SESSION * by peer; of `current`; clients only */
};

/* ---- stamps ------------------------------------------------------------------------------------------ */

static void stamp_file(const char *path, struct file_stamp *ret)
{
    struct stat st;
    *ret = (struct file_stamp){.size = -1};
    if (path != NULL && stat(path, &st) == 0) {
        *ret = (struct file_stamp){.dev = st.st_dev,
                                   .ino = st.st_ino,
                                   .size = st.st_size,
                                   .written = st.st_mtim,
                                   .changed = st.st_ctim};
    }
}

static void stamp_files(const struct tls_settings *s, struct file_stamp ret[STAMPS])
{
    stamp_file(s->keystore.path, &ret[0]);
    stamp_file(s->truststore.path, &ret[1]);
}

static bool time_is_same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           time_is_same(a->written, b->written) && time_is_same(a->changed, b->changed);
}

/* ---- checking a peer ----------------------------------------------------------------------------------- */

static bool fingerprint_fits(const struct tls_context *c, X509 *cert, char ret_sha1[64])
{
    const struct tls_settings *s = &c->settings;
    uint8_t sha1[EVP_MAX_MD_SIZE], sha256[EVP_MAX_MD_SIZE];
    unsigned n1 = 0, n256 = 0;
    STR_AUTO hex = STR_INIT;
    if (c->o->X509_digest(cert, c->o->EVP_sha1(), sha1, &n1) != 1 ||
        c->o->X509_digest(cert, c->o->EVP_sha256(), sha256, &n256) != 1) {
        return false;
    }
    str_append_hex(&hex, sha1, n1);
    snprintf(ret_sha1, 64, "%s", str_cstr(&hex));
    for (uint32_t i = 0; i < s->n_fingerprints; i++) {
        const struct tls_fingerprint *f = &s->fingerprints[i];
        if (memcmp(f->digest, f->size == n1 ? sha1 : sha256, f->size) == 0) {
            return true;
        }
    }
    return false;
}

static int on_verify(X509_STORE_CTX *x, void *arg)
{
    const struct tls_context *c = arg;
    const struct tls_settings *s = &c->settings;
    char sha1[64] = "";
    tls_set_verify_note("%s", "");
    if (c->o->X509_verify_cert(x) != 1) {
        int code = c->o->X509_STORE_CTX_get_error(x);
        tls_set_verify_note("%s%s%s", c->o->X509_verify_cert_error_string(code),
                            s->truststore.path_key != NULL ? "; trusted is what lies in " : "",
                            s->truststore.path != NULL       ? s->truststore.path_key
                            : s->truststore.path_key != NULL ? "the system's certificates"
                                                             : "");
        return 0;
    }
    if (s->n_fingerprints > 0 && !fingerprint_fits(c, c->o->X509_STORE_CTX_get0_cert(x), sha1)) {
        tls_set_verify_note("its fingerprint, SHA-1 %s, is none of %s", sha1, s->fingerprint_key);
        c->o->X509_STORE_CTX_set_error(x, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    return 1;
}

/* ---- building ------------------------------------------------------------------------------------------- */

static int fail_configured(const struct tls_context *c, const char *what, struct error *err)
{
    char why[160];
    return error_set(err, ERR_INVALID_CONFIG, "%s: %s", what,
                     openssl_reason(c->o, why, sizeof(why)));
}

static int use_key(const struct tls_context *c, SSL_CTX *ctx, struct error *err)
{
    const struct openssl *o = c->o;
    const struct tls_store_spec *spec = &c->settings.keystore;
    struct tls_material m = {.key = NULL};
    struct str bytes = STR_INIT;
    char what[512];
    int rc = tls_store_read(spec, &bytes, err);
    if (rc == 0) {
        rc = tls_store_parse_key(spec, str_slice(&bytes), &m, err);
    }
    if (bytes.len > 0) {
        explicit_bzero(bytes.data, bytes.len);
    }
    str_fini(&bytes);
    TRY(rc);
    bool ok = o->SSL_CTX_use_certificate(ctx, m.certificates[0]) == 1 &&
              o->SSL_CTX_use_PrivateKey(ctx, m.key) == 1;
    for (uint32_t i = 1; i < m.n_certificates && ok; i++) {
        ok = o->SSL_CTX_ctrl(ctx, SSL_CTRL_CHAIN_CERT, 1, m.certificates[i]) == 1;
    }
    if (!ok) {
        snprintf(what, sizeof(what), "%s (%s) cannot be used", spec->path, spec->path_key);
        rc = fail_configured(c, what, err);
    }
    tls_material_fini(&m);
    return rc;
}

static int use_trust(const struct tls_context *c, SSL_CTX *ctx, struct error *err)
{
    const struct openssl *o = c->o;
    const struct tls_store_spec *spec = &c->settings.truststore;
    struct tls_material m = {.key = NULL};
    STR_AUTO bytes = STR_INIT;
    if (spec->path == NULL) {
        return o->SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? 0
                   : fail_configured(c, "reading the certificates that this system trusts", err);
    }
    TRY(tls_store_read(spec, &bytes, err));
    TRY(tls_store_parse_trust(spec, str_slice(&bytes), &m, err));
    X509_STORE *store = o->SSL_CTX_get_cert_store(ctx);
    bool ok = true;
    for (uint32_t i = 0; i < m.n_certificates && ok; i++) {
        ok = o->X509_STORE_add_cert(store, m.certificates[i]) == 1;
    }
    o->X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    tls_material_fini(&m);
    return ok ? 0 : fail_configured(c, spec->path_key, err);
}

static int configure_ciphers(const struct tls_context *c, SSL_CTX *ctx, struct error *err)
{
    const struct tls_settings *s = &c->settings;
    if (c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, s->min_version, NULL) != 1 ||
        c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MAX_PROTO_VERSION, s->max_version, NULL) != 1) {
        return fail_configured(c, "security.ssl.protocol", err);
    }
    if ((s->ciphers.len > 0 && c->o->SSL_CTX_set_cipher_list(ctx, str_cstr(&s->ciphers)) != 1) ||
        (s->suites.len > 0 && c->o->SSL_CTX_set_ciphersuites(ctx, str_cstr(&s->suites)) != 1)) {
        return fail_configured(c, "security.ssl.algorithms", err);
    }
    return 0;
}

/* Sessions are kept by whoever accepted them: a context's end is theirs, too. */
static void configure_sessions(struct tls_context *c, SSL_CTX *ctx)
{
    static const unsigned char own[] = "flinc";
    const struct tls_settings *s = &c->settings;
    long mode = s->side == TLS_SIDE_SERVER ? SSL_SESS_CACHE_SERVER
                                           : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;
    c->o->SSL_CTX_set_session_id_context(ctx, own, sizeof(own) - 1);
    c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, mode, NULL);
    c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_SIZE, s->session_cache_size, NULL);
    if (s->session_timeout_ms >= 0) {
        /* 0 is Java's "for ever". */
        long seconds = s->session_timeout_ms > 0 ? (long)(s->session_timeout_ms + 999) / 1000
                                                 : 365L * 24 * 3600;
        c->o->SSL_CTX_set_timeout(ctx, seconds);
    }
}

static int configure(struct tls_context *c, SSL_CTX *ctx, struct error *err)
{
    const struct tls_settings *s = &c->settings;
    c->o->ERR_clear_error();
    TRY(configure_ciphers(c, ctx, err));
    c->o->SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    if (s->keystore.path != NULL) {
        TRY(use_key(c, ctx, err));
    }
    if (s->checks_peer) {
        TRY(use_trust(c, ctx, err));
        int mode = SSL_VERIFY_PEER;
        mode |= s->side == TLS_SIDE_SERVER ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
        c->o->SSL_CTX_set_verify(ctx, mode, NULL);
        c->o->SSL_CTX_set_cert_verify_callback(ctx, on_verify, c);
    }
    return 0;
}

static int on_new_session(SSL *ssl, SSL_SESSION *take);

static int make_current(struct tls_context *c, SSL_CTX **ret, struct error *err)
{
    SSL_CTX *ctx = c->o->SSL_CTX_new(c->o->TLS_method());
    if (ctx == NULL) {
        return error_set(err, ERR_OUT_OF_MEMORY, "OpenSSL makes no context");
    }
    int rc = configure(c, ctx, err);
    if (rc < 0) {
        c->o->SSL_CTX_free(ctx);
        return rc;
    }
    configure_sessions(c, ctx);
    if (c->settings.side == TLS_SIDE_CLIENT) {
        c->o->SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    }
    c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    c->o->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    c->o->SSL_CTX_set_default_read_buffer_len(ctx, TLS_READ_AHEAD_BYTES);
    *ret = ctx;
    return 0;
}

/* ---- sessions of clients ---------------------------------------------------------------------------------- */

static const struct openssl *session_library; /* the one and only, once a session was kept */

static void free_session(void *value)
{
    session_library->SSL_SESSION_free(value);
}

/* OpenSSL gives a reference: 1 keeps it. */
static int on_new_session(SSL *ssl, SSL_SESSION *take)
{
    const struct openssl *o;
    if (openssl_load(&o, NULL) < 0) {
        return 0;
    }
    struct tls_session_home *home = o->SSL_get_ex_data(ssl, 0);
    if (home == NULL || home->peer_name == NULL) {
        return 0;
    }
    struct tls_context *c = home->context;
    bool keeps = false;
    pthread_mutex_lock(&c->lock);
    if (home->generation == atomic_load(&c->n_loads) &&
        (c->sessions.len < TLS_SESSIONS || map_find(&c->sessions, home->peer_name) != NULL)) {
        map_put(&c->sessions, home->peer_name, take);
        keeps = true;
    }
    pthread_mutex_unlock(&c->lock);
    return keeps;
}

/* ---- reloading ---------------------------------------------------------------------------------------------- */

static void say_reload(const struct tls_context *c, int rc, const struct error *why)
{
    const struct tls_settings *s = &c->settings;
    char text[ERROR_MESSAGE_MAX];
    const char *scope = s->scope == TLS_SCOPE_INTERNAL ? "internal" : "REST";
    const char *side = s->side == TLS_SIDE_SERVER ? "server" : "client";
    if (rc < 0) {
        LOG_WARN(topic,
                 "The changed certificates of the %s %s are not taken, the old ones stay in force: "
                 "%s",
                 scope, side, error_format(why, text, sizeof(text)));
    } else {
        LOG_INFO(topic, "The changed certificates of the %s %s are taken for new connections.",
                 scope, side);
    }
}

/* True: this thread reloads. */
static bool begin_reload(struct tls_context *c, const struct file_stamp now[STAMPS])
{
    pthread_mutex_lock(&c->lock);
    bool changed = false;
    for (int i = 0; i < STAMPS; i++) {
        changed = changed || !is_same(&c->stamps[i], &now[i]);
    }
    bool mine = changed && !c->reloading;
    c->reloading = c->reloading || mine;
    pthread_mutex_unlock(&c->lock);
    return mine;
}

static void look_at_files(struct tls_context *c)
{
    struct file_stamp now[STAMPS];
    struct error why = ERROR_INIT;
    SSL_CTX *fresh = NULL, *old = NULL;
    struct map sessions;
    stamp_files(&c->settings, now);
    if (!begin_reload(c, now)) {
        return;
    }
    int rc = make_current(c, &fresh, &why);
    map_init(&sessions, free_session);
    pthread_mutex_lock(&c->lock);
    memcpy(c->stamps, now, sizeof(now));
    c->reloading = false;
    if (rc == 0) {
        old = c->current;
        c->current = fresh;
        atomic_fetch_add(&c->n_loads, 1);
        struct map forgotten = c->sessions;
        c->sessions = sessions;
        sessions = forgotten;
    }
    pthread_mutex_unlock(&c->lock);
    if (old != NULL) {
        c->o->SSL_CTX_free(old);
    }
    map_fini(&sessions);
    say_reload(c, rc, &why);
}

/* ---- connections ---------------------------------------------------------------------------------------------- */

int tls_context_open(struct tls_context *c, struct tls_session_home *home, SSL **ret,
                     struct error *err)
{
    look_at_files(c);
    pthread_mutex_lock(&c->lock);
    SSL *ssl = c->o->SSL_new(c->current);
    if (ssl != NULL && home->peer_name != NULL) {
        home->generation = atomic_load(&c->n_loads);
        SSL_SESSION *kept = map_find(&c->sessions, home->peer_name);
        if (kept != NULL) {
            c->o->SSL_set_session(ssl, kept);
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (ssl == NULL) {
        return error_set(err, ERR_OUT_OF_MEMORY, "OpenSSL makes no connection");
    }
    home->context = c;
    c->o->SSL_set_ex_data(ssl, 0, home);
    *ret = ssl;
    return 0;
}

int tls_context_apply(struct tls_context *c, void *ssl_ctx, struct error *err)
{
    return configure(c, ssl_ctx, err);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

int tls_context_new(const struct conf *conf, enum tls_scope scope, enum tls_side side,
                    struct tls_context **ret, struct error *err)
{
    const struct openssl *o;
    struct tls_settings settings;
    TRY(openssl_load(&o, err));
    TRY(tls_settings_read(conf, scope, side, &settings, err));
    session_library = o;
    struct tls_context *c = MEM_NEW(struct tls_context);
    atomic_init(&c->refs, 1);
    c->o = o;
    c->settings = settings;
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->sessions, free_session);
    stamp_files(&c->settings, c->stamps);
    int rc = make_current(c, &c->current, err);
    if (rc < 0) {
        tls_context_unref(c);
        return rc;
    }
    atomic_store(&c->n_loads, 1);
    *ret = c;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

struct tls_context *tls_context_unref(struct tls_context *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    map_fini(&c->sessions);
    if (c->current != NULL) {
        c->o->SSL_CTX_free(c->current);
    }
    tls_settings_fini(&c->settings);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
    return NULL;
}

enum tls_scope tls_context_scope(const struct tls_context *c)
{
    return c->settings.scope;
}

enum tls_side tls_context_side(const struct tls_context *c)
{
    return c->settings.side;
}

bool tls_context_verifies_host(const struct tls_context *c)
{
    return c->settings.verifies_host;
}

bool tls_context_has_trust(const struct tls_context *c)
{
    return c->settings.truststore.path != NULL;
}

int64_t tls_context_handshake_ms(const struct tls_context *c)
{
    return c->settings.handshake_ms;
}

int64_t tls_context_close_flush_ms(const struct tls_context *c)
{
    return c->settings.close_flush_ms;
}

uint64_t tls_context_loads(const struct tls_context *c)
{
    return atomic_load(&c->n_loads);
}

const struct openssl *tls_context_openssl(const struct tls_context *c)
{
    return c->o;
}

const struct tls_settings *tls_context_settings(const struct tls_context *c)
{
    return &c->settings;
}
