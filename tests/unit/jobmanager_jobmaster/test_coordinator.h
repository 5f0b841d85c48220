/* A coordinator that does what events tell it, and writes down what happens to it. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_TEST_COORDINATOR_H
#define FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_TEST_COORDINATOR_H

#include "engine/operators/operator.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"

struct coordination {
    struct str log; /* "start;event 0 hello;" */
    bool start_fails;
    const char *state; /* what snapshot() gives; NULL: it is an error */
    bool keeps_state;
};

struct test_coordinator {
    struct coordinator base;
    uint64_t magic;
};
static struct coordination *coordination; /* the coordinators' only way to the test */

static inline void coordinator_log(struct coordinator *c, const char *what)
{
    assert_int_equal(((struct test_coordinator *)c)->magic, 0x1234);
    str_printf(&coordination->log, "%s;", what);
}

static inline int test_coordinator_start(struct coordinator *c, struct coordinator_context *ctx,
                                         struct error *err)
{
    ((struct test_coordinator *)c)->magic = 0x1234;
    coordinator_log(c, "start");
    if (coordination->start_fails) {
        return error_set(err, ERR_NOT_FOUND, "no such folder: /missing");
    }
    return 0;
}

static inline void test_work(void *arg)
{
    str_append_cstr(arg, " worked");
}

static inline void test_work_drop(void *arg)
{
    str_fini(arg);
    mem_free(arg);
    str_append_cstr(&coordination->log, "dropped;");
}

static inline void test_work_done(struct coordinator *c, void *arg)
{
    coordinator_log(c, str_cstr(arg));
    str_fini(arg);
    mem_free(arg);
}

static inline void test_timer(struct coordinator *c)
{
    coordinator_log(c, "timer");
}

static inline int test_coordinator_on_event(struct coordinator *c, uint32_t subtask,
                                            const uint8_t *data, size_t size, struct error *err)
{
    struct coordinator_context *ctx = c->ctx;
    STR_AUTO text = STR_INIT;
    STR_AUTO line = STR_INIT;
    str_append(&text, (const char *)data, size);
    str_printf(&line, "event %u %s", subtask, str_cstr(&text));
    coordinator_log(c, str_cstr(&line));
    const char *t = str_cstr(&text);
    if (strncmp(t, "send ", 5) == 0) { /* "send <subtask> <text>" */
        ctx->host->send_event(ctx, (uint32_t)(t[5] - '0'), (const uint8_t *)t + 7, strlen(t) - 7);
    } else if (strcmp(t, "async") == 0) {
        struct str *arg = MEM_NEW(struct str);
        str_append_cstr(arg, "async");
        ctx->host->run_async(ctx, test_work, test_work_done, test_work_drop, arg);
    } else if (strcmp(t, "schedule") == 0) {
        ctx->host->schedule(ctx, 100, test_timer);
    } else if (strcmp(t, "fail") == 0) {
        struct error why = test_error(ERR_IO, "the coordinator gave up");
        (ctx->host->fail)(ctx, &why); /* cmocka has a macro of that name */
    } else if (strcmp(t, "error") == 0) {
        return error_set(err, ERR_IO, "the event was bad");
    }
    return 0;
}

static inline void test_coordinator_subtask_reset(struct coordinator *c, uint32_t subtask,
                                                  uint64_t checkpoint_id)
{
    STR_AUTO line = STR_INIT;
    str_printf(&line, "subtask_reset %u", subtask);
    if (checkpoint_id != 0) {
        str_printf(&line, " to %llu", (unsigned long long)checkpoint_id);
    }
    coordinator_log(c, str_cstr(&line));
}

static inline int test_coordinator_reset(struct coordinator *c, struct error *err)
{
    coordinator_log(c, "reset");
    return 0;
}

static inline int test_coordinator_snapshot(struct coordinator *c, uint64_t checkpoint_id,
                                            struct str *ret_state, struct error *err)
{
    STR_AUTO line = STR_INIT;
    if (!coordination->keeps_state) {
        return 0;
    }
    str_printf(&line, "snapshot %llu", (unsigned long long)checkpoint_id);
    coordinator_log(c, str_cstr(&line));
    if (coordination->state == NULL) {
        return error_set(err, ERR_IO, "the coordinator has no state to give");
    }
    str_append_cstr(ret_state, coordination->state);
    return 0;
}

static inline int test_coordinator_restore(struct coordinator *c, uint64_t checkpoint_id,
                                           const uint8_t *state, size_t size, struct error *err)
{
    if (coordination->keeps_state) {
        str_printf(&coordination->log, "restore %llu %.*s;", (unsigned long long)checkpoint_id,
                   (int)size, (const char *)state);
    }
    return 0;
}

static inline void test_coordinator_notify(struct coordinator *c, enum op_notice notice,
                                           uint64_t checkpoint_id)
{
    static const char *const names[] = {"complete", "aborted", "subsumed"};
    if (coordination->keeps_state) {
        str_printf(&coordination->log, "%s %llu;", names[notice],
                   (unsigned long long)checkpoint_id);
    }
}

static inline void test_coordinator_close(struct coordinator *c)
{
    coordinator_log(c, "close");
}

static const struct coordinator_desc test_coordinator_desc = {
    .struct_size = sizeof(test_coordinator_desc),
    .kind = "test.coordinator",
    .instance_size = sizeof(struct test_coordinator),
    .start = test_coordinator_start,
    .on_event = test_coordinator_on_event,
    .subtask_reset = test_coordinator_subtask_reset,
    .reset = test_coordinator_reset,
    .close = test_coordinator_close,
    .snapshot = test_coordinator_snapshot,
    .restore = test_coordinator_restore,
    .notify = test_coordinator_notify,
};

static inline const struct coordinator_desc *find_test_coordinator(const char *kind)
{
    return strcmp(kind, test_coordinator_desc.kind) == 0 ? &test_coordinator_desc : NULL;
}

#endif
