/* The gRPC calls of the job manager, over loopback. */
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/process/calls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { DEADLINE_MS = 30 * 1000 };

struct world {
    char folder[64];
    struct conf conf;
    struct rpc_runtime *runtime;
    struct resourcemanager *rm;
    struct blob_store *blobs;
    struct calls *calls;
    struct rpc_client *client;
};

static void set(struct world *w, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set(&w->conf, key, value, &err), 0);
}

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    struct error err = ERROR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/calls-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    conf_init(&w->conf, NULL);
    set(w, "jobmanager.bind-host", "localhost");
    set(w, "jobmanager.rpc.port", "0");
    struct rpc_runtime_options runtime = {.n_threads = 1};
    assert_int_equal(rpc_runtime_new(&runtime, &w->runtime, &err), 0);
    struct resourcemanager_options rm = {.conf = &w->conf, .mode = COMPONENT_THREAD, .seed = 1};
    assert_int_equal(resourcemanager_new(&rm, &w->rm, &err), 0);
    assert_int_equal(resourcemanager_start(w->rm, &err), 0);
    struct blob_store_options blobs = {.dir = w->folder};
    assert_int_equal(blob_store_open(&blobs, &w->blobs, &err), 0);
    struct calls_options o = {
        .runtime = w->runtime, .resourcemanager = w->rm, .blobs = w->blobs, .conf = &w->conf};
    assert_int_equal(calls_start(&o, &w->calls, &err), 0);
    struct rpc_client_options client = {
        .runtime = w->runtime, .host = "localhost", .port = calls_port(w->calls)};
    assert_int_equal(rpc_client_new(&client, &w->client, &err), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    rpc_client_free(w->client);
    resourcemanager_free(w->rm);
    calls_stop(w->calls);
    rpc_runtime_free(w->runtime);
    blob_store_close(w->blobs);
    conf_fini(&w->conf);
    assert_int_equal(fs_delete(w->folder, FS_DELETE_RECURSIVE, &err), 0);
    mem_free(w);
    return 0;
}

static void test_ping(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    Flinc__PingRequest ping = FLINC__PING_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    ping.payload = (ProtobufCBinaryData){5, (uint8_t *)"hello"};
    assert_int_equal(rpc_client_call_sync(w->client, "/flinc.Cluster/Ping", &ping.base,
                                          &flinc__ping_answer__descriptor, DEADLINE_MS, &answer,
                                          &err),
                     0);
    Flinc__PingAnswer *pong = (Flinc__PingAnswer *)answer;
    assert_int_equal(pong->payload.len, 5);
    assert_memory_equal(pong->payload.data, "hello", 5);
    assert_string_equal(pong->product_version, FLINC_VERSION);
    rpc_message_free(answer);
}

static Flinc__GetBlobAnswer *get_blob(struct world *w, const void *key, size_t key_size,
                                      uint64_t offset, uint32_t max_bytes)
{
    struct error err = ERROR_INIT;
    Flinc__GetBlobRequest rq = FLINC__GET_BLOB_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    rq.content_hash = (ProtobufCBinaryData){key_size, (uint8_t *)key};
    rq.offset = offset;
    rq.max_bytes = max_bytes;
    if (rpc_client_call_sync(w->client, "/flinc.Cluster/GetBlob", &rq.base,
                             &flinc__get_blob_answer__descriptor, DEADLINE_MS, &answer, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return (Flinc__GetBlobAnswer *)answer;
}

static void test_get_blob(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_key key;
    uint64_t size = 0;
    uint64_t got = 0;
    assert_int_equal(blob_store_put_file(w->blobs, "/proc/self/exe", &key, &size, &err), 0);
    while (got < size) {
        Flinc__GetBlobAnswer *part = get_blob(w, key.hash, sizeof(key.hash), got, UINT32_MAX);
        assert_true(part->error == NULL || part->error->code == 0);
        assert_int_equal(part->total_size, size);
        assert_true(part->data.len > 0 && part->data.len <= 4 * 1024 * 1024);
        got += part->data.len;
        rpc_message_free(&part->base);
    }
    assert_int_equal(got, size);
    key.hash[0] ^= 1;
    Flinc__GetBlobAnswer *none = get_blob(w, key.hash, sizeof(key.hash), 0, 10);
    assert_int_equal(none->error->code, ERR_NOT_FOUND);
    rpc_message_free(&none->base);
    none = get_blob(w, "../../etc/passwd", 16, 0, 10);
    assert_int_equal(none->error->code, ERR_INVALID_ARGUMENT);
    rpc_message_free(&none->base);
}

static void test_port_in_use(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct calls *other = NULL;
    char port[16];
    (void)snprintf(port, sizeof(port), "%u", calls_port(w->calls));
    set(w, "jobmanager.rpc.bind-port", port);
    struct calls_options o = {
        .runtime = w->runtime, .resourcemanager = w->rm, .blobs = w->blobs, .conf = &w->conf};
    assert_true(calls_start(&o, &other, &err) < 0);
    assert_non_null(strstr(err.message, port));
    assert_non_null(strstr(err.message, "jobmanager.rpc.port"));
}

/* Behind a proxy or a NAT: it listens at one port and tells another, with high availability, too. */
static void test_bind_port(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct calls *calls;
    struct calls_options o = {.runtime = w->runtime,
                              .resourcemanager = w->rm,
                              .blobs = w->blobs,
                              .conf = &w->conf,
                              .port_option = "high-availability.jobmanager.port"};
    set(w, "jobmanager.rpc.bind-port", "0");
    set(w, "high-availability.jobmanager.port", "17");
    assert_int_equal(calls_start(&o, &calls, &err), 0); /* port 17 is not taken */
    assert_int_equal(calls_port(calls), 17);
    calls_stop(calls);
    set(w, "high-availability.jobmanager.port", "0");
    assert_int_equal(calls_start(&o, &calls, &err), 0);
    assert_true(calls_port(calls) > 17);
    calls_stop(calls);
    set(w, "high-availability.jobmanager.port", "7000-7010");
    assert_int_equal(calls_start(&o, &calls, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "jobmanager.rpc.bind-port"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_ping), TEST(test_get_blob), TEST(test_bind_port),
                                       TEST(test_port_in_use)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
