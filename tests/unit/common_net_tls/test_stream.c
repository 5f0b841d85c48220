/* Streams over transports that tear, cut and damage; who is refused, and what both sides read then; reloading. */
#include "tests/unit/common_net_tls/stream_pair.h"
#include "tests/unit/seeds.h"

/* ---- bytes ---------------------------------------------------------------------------------------------- */

enum { PAYLOAD = 300 * 1000 };

static uint8_t byte_at(int side, size_t i)
{
    return (uint8_t)(i * 31 + i / 251 + (size_t)side * 7);
}

struct passing {
    uint8_t *data[2]; /* by sender */
    size_t sent[2], received[2];
    bool ended[2];
    int rc[2];
    struct error err[2];
};

static void passing_init(struct passing *x)
{
    *x = (struct passing){.sent = {0}};
    for (int i = 0; i < 2; i++) {
        x->data[i] = malloc(PAYLOAD);
        for (size_t k = 0; k < PAYLOAD; k++) {
            x->data[i][k] = byte_at(i, k);
        }
    }
}

static void passing_fini(struct passing *x)
{
    free(x->data[0]);
    free(x->data[1]);
}

/* Pieces of all sizes. */
static int write_some(struct stream_pair *p, struct passing *x, int side)
{
    struct iovec pieces[5];
    uint32_t n = 0;
    size_t at = x->sent[side], taken;
    while (n < ARRAY_LEN(pieces) && at < PAYLOAD) {
        uint64_t most = rng_below(&p->rng, 2) == 0 ? 100 : 40000;
        size_t size = MIN((size_t)rng_below(&p->rng, most), PAYLOAD - at);
        pieces[n++] = (struct iovec){x->data[side] + at, size};
        at += size;
    }
    TRY(tls_stream_write(p->streams[side], pieces, n, &taken, &x->err[side]));
    x->sent[side] += taken;
    assert_true(tls_stream_unsent(p->streams[side]) <= TLS_STREAM_OUT_BYTES);
    return 0;
}

static int read_some(struct stream_pair *p, struct passing *x, int side)
{
    uint8_t buf[20000];
    size_t n;
    TRY(tls_stream_read(p->streams[side], buf, 1 + (size_t)rng_below(&p->rng, sizeof(buf)), &n,
                        &x->ended[side], &x->err[side]));
    for (size_t k = 0; k < n; k++) {
        assert_int_equal(buf[k], byte_at(1 - side, x->received[side] + k));
    }
    x->received[side] += n;
    return 0;
}

static int turn(struct stream_pair *p, struct passing *x, int side)
{
    if (!x->ended[side]) {
        TRY(read_some(p, x, side));
    }
    if (tls_stream_is_open(p->streams[side])) {
        return x->sent[side] < PAYLOAD ? write_some(p, x, side)
                                       : tls_stream_close(p->streams[side], &x->err[side]);
    }
    return tls_stream_flush(p->streams[side], &x->err[side]);
}

/* Until both sides have seen the end, or an error. */
static void pass(struct stream_pair *p, struct passing *x)
{
    for (int i = 0; i < PAIR_TURNS; i++) {
        bool over = true;
        for (int side = 0; side < 2; side++) {
            if (x->rc[side] == 0) {
                x->rc[side] = turn(p, x, side);
            }
            if (x->rc[side] < 0) {
                p->halves[side].out->ended = true;
            }
            over = over && (x->rc[side] < 0 || (x->ended[side] && x->sent[side] == PAYLOAD &&
                                                tls_stream_unsent(p->streams[side]) == 0));
        }
        if (over) {
            return;
        }
    }
    fail_msg("it does not end");
}

static void check_passed(const struct passing *x)
{
    for (int side = 0; side < 2; side++) {
        if (x->rc[side] < 0) {
            fail_msg("side %d: %s", side, x->err[side].message);
        }
        assert_int_equal(x->received[side], PAYLOAD);
        assert_true(x->ended[side]);
    }
}

static void pass_all(uint64_t seed, uint32_t torn, size_t room, const char *protocol)
{
    struct stream_pair p;
    struct passing x;
    pair_init(&p, seed);
    set(&p.server_conf, "security.ssl.protocol", protocol);
    set(&p.client_conf, "security.ssl.protocol", protocol);
    for (int i = 0; i < 2; i++) {
        p.halves[i].torn = torn;
        p.wires[i].room = room;
    }
    passing_init(&x);
    pair_open(&p);
    pair_connect(&p);
    assert_string_equal(tls_stream_version(p.streams[0]), protocol);
    pass(&p, &x);
    check_passed(&x);
    passing_fini(&x);
    pair_fini(&p);
}

static void test_passes(void **state)
{
    pass_all(1, 0, 1 << 20, "TLSv1.2");
    pass_all(1, 0, 1 << 20, "TLSv1.3");
}

static void test_torn(void **state)
{
    struct seeds s = seeds_from(1, 4);
    for (uint64_t seed = s.first; seed < s.end; seed++) {
        pass_all(seed, 70, seed % 2 == 0 ? 700 : 70000, seed % 4 < 2 ? "TLSv1.2" : "TLSv1.3");
    }
}

/* Whatever byte of whatever direction is the last: both sides end with an error, and what came was right. */
static void test_cut(void **state)
{
    struct seeds s = seeds_from(1, UNDER_SANITIZER ? 10 : 40);
    for (uint64_t seed = s.first; seed < s.end; seed++) {
        struct stream_pair p;
        struct passing x;
        int rc[2];
        struct error err[2] = {ERROR_INIT, ERROR_INIT};
        pair_init(&p, seed);
        p.wires[seed % 2].cut_at = rng_below(&p.rng, seed % 3 == 0 ? PAYLOAD : 4000);
        passing_init(&x);
        pair_open(&p);
        pair_shake(&p, rc, err);
        assert_true(rc[0] != 0 && rc[1] != 0);
        if (rc[0] == 1 && rc[1] == 1) {
            pass(&p, &x);
            assert_true(x.rc[0] < 0 || x.rc[1] < 0);
            assert_int_equal(x.rc[seed % 2], ERR_UNAVAILABLE);
            expect_text(x.err[seed % 2].message, "close_notify");
        } else {
            assert_true(rc[seed % 2] < 0);
            expect_text(err[seed % 2].message, "security.ssl.internal.enabled");
        }
        passing_fini(&x);
        pair_fini(&p);
    }
}

static void test_damaged(void **state)
{
    struct seeds s = seeds_from(1, UNDER_SANITIZER ? 10 : 40);
    for (uint64_t seed = s.first; seed < s.end; seed++) {
        struct stream_pair p;
        struct passing x;
        int rc[2];
        struct error err[2] = {ERROR_INIT, ERROR_INIT};
        pair_init(&p, seed);
        p.wires[seed % 2].damage_at = rng_below(&p.rng, seed % 3 == 0 ? PAYLOAD : 4000);
        passing_init(&x);
        pair_open(&p);
        /* A damaged length can leave one side waiting for what does not come: then the other gives up first. */
        for (int i = 0; i < 2; i++) {
            p.wires[i].room = 1 << 22;
        }
        rc[0] = rc[1] = 0;
        pair_shake(&p, rc, err);
        if (rc[0] == 1 && rc[1] == 1) {
            pass(&p, &x);
            assert_true(x.rc[0] < 0 || x.rc[1] < 0);
        }
        passing_fini(&x);
        pair_fini(&p);
    }
}

static void test_socket_error(void **state)
{
    struct stream_pair p;
    struct error err = ERROR_INIT;
    char byte;
    size_t n;
    bool end;
    pair_init(&p, 1);
    pair_open(&p);
    pair_connect(&p);
    p.halves[1].fail_errno = ECONNRESET;
    assert_true(tls_stream_read(p.streams[1], &byte, 1, &n, &end, &err) < 0);
    expect_text(err.message, "reading from server:2");
    expect_text(err.message, "reset");
    pair_close_streams(&p);
    pair_fini(&p);
}

/* ---- refusals --------------------------------------------------------------------------------------------- */

struct refusal {
    const char *server_key, *server_value, *client_key, *client_value;
    const char *server_says, *client_says;
};

/* What the client of TLS 1.3 does not know yet when its handshake is over comes with the first read. */
static void shake_and_read(struct stream_pair *p, int rc[2], struct error err[2])
{
    pair_shake(p, rc, err);
    for (int i = 0; i < 2; i++) {
        char byte;
        size_t n;
        bool end;
        if (rc[i] == 1) {
            rc[i] = tls_stream_read(p->streams[i], &byte, 1, &n, &end, &err[i]);
        }
    }
}

static void check_refusal(const struct refusal *r, enum tls_scope scope, const char *host,
                          const char *protocol)
{
    struct stream_pair p;
    int rc[2];
    struct error err[2] = {ERROR_INIT, ERROR_INIT};
    pair_init(&p, 1);
    for (int i = 0; i < 2; i++) {
        struct conf *conf = i == 0 ? &p.server_conf : &p.client_conf;
        set(conf, "security.ssl.protocol", protocol);
        set(conf, "security.ssl.rest.enabled", "true");
        set(conf, "security.ssl.rest.keystore", certificate("node.pem"));
        set(conf, "security.ssl.rest.truststore", certificate("ca.pem"));
    }
    if (r->server_key != NULL) {
        set(&p.server_conf, r->server_key, r->server_value);
    }
    if (r->client_key != NULL) {
        set(&p.client_conf, r->client_key, r->client_value);
    }
    pair_open_scope(&p, scope, host);
    shake_and_read(&p, rc, err);
    assert_true(rc[0] < 0 && rc[1] < 0);
    expect_text(err[0].message, r->server_says);
    expect_text(err[0].message, "client:1");
    expect_text(err[1].message, r->client_says);
    expect_text(err[1].message, "server:2");
    pair_fini(&p);
}

#define KEYSTORE "security.ssl.internal.keystore"
#define TRUSTSTORE "security.ssl.internal.truststore"
#define FINGERPRINT "security.ssl.internal.cert.fingerprint"
#define NO_FINGERPRINT "0000000000000000000000000000000000000000"

static void test_certificates_refused(void **state)
{
    static const char *const protocols[] = {"TLSv1.2", "TLSv1.3"};
    char other[400], expired[400], future[400], stranger[400];
    snprintf(other, sizeof(other), "%s", certificate("otherca.pem"));
    snprintf(expired, sizeof(expired), "%s", certificate("expired.pem"));
    snprintf(future, sizeof(future), "%s", certificate("future.pem"));
    snprintf(stranger, sizeof(stranger), "%s", certificate("stranger.pem"));
    const struct refusal cases[] = {
        {NULL, NULL, TRUSTSTORE, other, "does not accept our certificate", TRUSTSTORE},
        {TRUSTSTORE, other, NULL, NULL, TRUSTSTORE, "does not accept our certificate"},
        {KEYSTORE, expired, NULL, NULL, "does not accept our certificate", "has expired"},
        {NULL, NULL, KEYSTORE, expired, "has expired", "does not accept our certificate"},
        {NULL, NULL, KEYSTORE, future, "not yet valid", "does not accept our certificate"},
        {KEYSTORE, stranger, NULL, NULL, "does not accept our certificate", "self-signed"},
        {NULL, NULL, FINGERPRINT, NO_FINGERPRINT, "does not accept our certificate", FINGERPRINT},
        {FINGERPRINT, NO_FINGERPRINT, NULL, NULL, FINGERPRINT, "does not accept our certificate"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int v = 0; v < 2; v++) {
            check_refusal(&cases[i], TLS_SCOPE_INTERNAL, NULL, protocols[v]);
        }
    }
}

static void test_rest_refused(void **state)
{
    char elsewhere[400];
    snprintf(elsewhere, sizeof(elsewhere), "%s", certificate("elsewhere.pem"));
    const struct refusal no_certificate = {
        "security.ssl.rest.authentication-enabled", "true", NULL, NULL, "showed no certificate",
        "security.ssl.rest.authentication-enabled"};
    check_refusal(&no_certificate, TLS_SCOPE_REST, NULL, "TLSv1.2");
    check_refusal(&no_certificate, TLS_SCOPE_REST, NULL, "TLSv1.3");
    const struct refusal wrong_host = {"security.ssl.rest.keystore",        elsewhere,
                                       "security.ssl.rest.verify-hostname", "true",
                                       "does not accept our certificate",   "hostname mismatch"};
    check_refusal(&wrong_host, TLS_SCOPE_REST, "localhost", "TLSv1.2");
    const struct refusal wrong_address = {
        "security.ssl.rest.keystore",        elsewhere,
        "security.ssl.rest.verify-hostname", "true",
        "does not accept our certificate",   "IP address mismatch"};
    check_refusal(&wrong_address, TLS_SCOPE_REST, "127.0.0.1", "TLSv1.3");
}

static void test_no_agreement(void **state)
{
    const struct refusal ciphers = {
        "security.ssl.algorithms", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "security.ssl.algorithms", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "security.ssl.algorithms", "security.ssl.algorithms"};
    check_refusal(&ciphers, TLS_SCOPE_INTERNAL, NULL, "TLSv1.2");
    const struct refusal protocols = {NULL,
                                      NULL,
                                      "security.ssl.protocol",
                                      "TLSv1.3",
                                      "security.ssl.protocol",
                                      "security.ssl.protocol"};
    check_refusal(&protocols, TLS_SCOPE_INTERNAL, NULL, "TLSv1.2");
}

static void test_accepted(void **state)
{
    struct stream_pair p;
    char line[100];
    static const char *const files[] = {"node.sha1", "node.sha256"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        FILE *f = fopen(certificate(files[i]), "r");
        assert_non_null(fgets(line, sizeof(line), f));
        fclose(f);
        line[strcspn(line, "\n")] = '\0';
        pair_init(&p, 1);
        set(&p.server_conf, FINGERPRINT, line);
        set(&p.client_conf, FINGERPRINT, line);
        pair_open(&p);
        pair_connect(&p);
        pair_fini(&p);
    }
    /* The certificate itself is trusted, no CA is needed; PKCS12; the name of the host. */
    pair_init(&p, 1);
    set(&p.server_conf, TRUSTSTORE, certificate("node.crt"));
    set(&p.client_conf, KEYSTORE, certificate("node.p12"));
    set(&p.client_conf, "security.ssl.internal.keystore-password", "secret");
    pair_open(&p);
    pair_connect(&p);
    pair_fini(&p);
    pair_init(&p, 1);
    set(&p.server_conf, "security.ssl.rest.keystore", certificate("node.pem"));
    set(&p.client_conf, "security.ssl.rest.truststore", certificate("ca.pem"));
    set(&p.client_conf, "security.ssl.rest.verify-hostname", "true");
    pair_open_scope(&p, TLS_SCOPE_REST, "localhost");
    pair_connect(&p);
    pair_close_streams(&p);
    pair_open_scope(&p, TLS_SCOPE_REST, "127.0.0.1");
    pair_connect(&p);
    pair_fini(&p);
}

static void test_no_tls(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n",
                                        "FLNCDATA and more of that kind"};
    struct stream_pair p;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (int side = 0; side < 2; side++) {
            struct error err = ERROR_INIT;
            pair_init(&p, 1);
            pair_open(&p);
            int rc = tls_stream_handshake(p.streams[side], &err);
            assert_int_equal(rc, 0);
            str_append_cstr(&p.wires[side].bytes, texts[i]);
            rc = tls_stream_handshake(p.streams[side], &err);
            assert_int_equal(rc, ERR_UNAVAILABLE);
            expect_text(err.message, "does not speak TLS");
            expect_text(err.message, "security.ssl.internal.enabled");
            pair_fini(&p);
        }
    }
}

/* ---- reloading -------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    char command[900];
    snprintf(command, sizeof(command), "cp %s %s.new && mv %s.new %s", certificate(from),
             certificate(to), certificate(to), certificate(to));
    assert_int_equal(system(command), 0);
}

static void test_reload(void **state)
{
    struct stream_pair p;
    int rc[2];
    struct error err[2] = {ERROR_INIT, ERROR_INIT};
    copy_file("node.pem", "live.pem");
    pair_init(&p, 1);
    set(&p.server_conf, KEYSTORE, certificate("live.pem"));
    pair_open(&p);
    pair_connect(&p);
    struct tls_stream *kept = p.streams[0];
    assert_int_equal(tls_context_loads(p.contexts[0]), 1);
    pair_close_streams(&p);
    kept = NULL;
    /* Another certificate: new connections have it. */
    copy_file("expired.pem", "live.pem");
    pair_open(&p);
    pair_shake(&p, rc, err);
    assert_int_equal(tls_context_loads(p.contexts[0]), 2);
    expect_text(err[1].message, "has expired");
    pair_close_streams(&p);
    copy_file("node.pem", "live.pem");
    pair_open(&p);
    pair_connect(&p);
    assert_int_equal(tls_context_loads(p.contexts[0]), 3);
    pair_close_streams(&p);
    /* Nonsense, and none at all: the one before stays. */
    copy_file("serial", "live.pem");
    pair_open(&p);
    pair_connect(&p);
    pair_close_streams(&p);
    assert_int_equal(unlink(certificate("live.pem")), 0);
    pair_open(&p);
    pair_connect(&p);
    assert_int_equal(tls_context_loads(p.contexts[0]), 3);
    pair_fini(&p);
    (void)kept;
}

/* A session is resumed, but not over a change of certificates. */
static void test_sessions(void **state)
{
    static const char *const protocols[] = {"TLSv1.2", "TLSv1.3"};
    for (int v = 0; v < 2; v++) {
        struct stream_pair p;
        copy_file("ca.pem", "live-ca.pem");
        pair_init(&p, 1);
        set(&p.client_conf, "security.ssl.protocol", protocols[v]);
        set(&p.server_conf, "security.ssl.protocol", protocols[v]);
        set(&p.server_conf, TRUSTSTORE, certificate("live-ca.pem"));
        for (int round = 0; round < 4; round++) {
            char byte;
            size_t n;
            bool end;
            if (round == 2) {
                copy_file("ca.pem", "live-ca.pem");
            }
            pair_open(&p);
            pair_connect(&p);
            assert_int_equal(tls_stream_read(p.streams[1], &byte, 1, &n, &end, NULL), 0);
            assert_int_equal(tls_stream_is_resumed(p.streams[1]), round == 1 || round == 3);
            pair_close_streams(&p);
        }
        pair_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),       cmocka_unit_test(test_torn),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_socket_error), cmocka_unit_test(test_certificates_refused),
        cmocka_unit_test(test_rest_refused), cmocka_unit_test(test_no_agreement),
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_reload),       cmocka_unit_test(test_sessions),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
