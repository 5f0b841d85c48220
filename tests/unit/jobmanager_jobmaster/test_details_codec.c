/* The packed form of a job's details: everything comes back, damage is found, golden bytes. */
#include "common/base/crc32c.h"
#include "jobmanager/jobmaster/job_details.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { GOLDEN_BYTES = 0x4e7 };
#define GOLDEN_CRC 0xd60fd491u

static struct error *some_error(struct arena *a)
{
    struct error *e = arena_zalloc(a, sizeof(*e));
    (void)error_set(e, ERR_USER_CODE, "the moon is not full enough");
    error_context(e, "looking at the sky");
    return e;
}

static void fill_attempt(struct attempt_details *t, struct arena *a, uint8_t number)
{
    t->attempt_id.bytes[0] = number;
    t->allocation_id.bytes[1] = number;
    t->number = number;
    t->state = FLINC__EXECUTION_STATE__EXECUTION_FAILED;
    for (uint32_t i = 0; i < EXECUTION_STATES; i++) {
        t->since_ms[i] = 1000 + i;
    }
    t->on_worker = true;
    t->tm_id = arena_strdup(a, "tm-a");
    t->host = arena_strdup(a, "host-a");
    t->endpoint = arena_strdup(a, "host-a:4001");
    t->io = (struct task_counters){1, 2, 3, 4, 5, 6, 7};
    t->io_complete = true;
    t->n_accumulators = 1;
    t->accumulators = arena_zalloc(a, sizeof(*t->accumulators));
    t->accumulators[0] = (struct task_accumulator){arena_strdup(a, "words"),
                                                   arena_strdup(a, "LongCounter"), -5, 2.5};
    t->failure = some_error(a);
}

static void fill_vertex(struct vertex_details *v, struct arena *a)
{
    v->id.bytes[0] = 9;
    v->name = arena_strdup(a, "Flat Map");
    v->slot_sharing_group = arena_strdup(a, "default");
    v->parallelism = 1;
    v->max_parallelism = 128;
    v->is_source = true;
    v->n_subtasks = 1;
    v->subtasks = arena_zalloc(a, sizeof(*v->subtasks));
    fill_attempt(&v->subtasks[0].current, a, 2);
    v->subtasks[0].n_prior = 1;
    v->subtasks[0].prior = arena_zalloc(a, sizeof(*v->subtasks[0].prior));
    fill_attempt(&v->subtasks[0].prior[0], a, 1);
    v->n_operators = 1;
    v->operators = arena_zalloc(a, sizeof(*v->operators));
    v->operators[0].name = arena_strdup(a, "split");
    v->operators[0].has_coordinator = true;
}

static void fill_failure(struct job_failure *f)
{
    f->timestamp_ms = 77;
    (void)error_set(&f->error, ERR_IO, "lost");
    (void)snprintf(f->task_name, sizeof(f->task_name), "Flat Map (1/1)");
    f->attempt_id.bytes[0] = 1;
    f->n_concurrent = 1;
    f->number = 3;
}

static const struct job_details *full_details(void)
{
    struct arena *a = NULL;
    struct job_details *d = job_details_new(&a);
    d->id.bytes[0] = 0xab;
    d->name = arena_strdup(a, "wordcount");
    d->status = JOB_STATUS_FAILED;
    d->status_since_ms[JOB_STATUS_FAILED] = 123456789;
    d->taken_ms = 5;
    d->parallelism = 4;
    d->restarts = 2;
    d->runtime_mode = FLINC__RUNTIME_MODE__RUNTIME_BATCH;
    d->plan_json = arena_strdup(a, "{\"nodes\":[]}");
    d->restart_strategy = arena_strdup(a, "none");
    d->n_config = 1;
    d->config = arena_zalloc(a, sizeof(*d->config));
    d->config[0].key = arena_strdup(a, "a.password");
    d->config[0].value = arena_strdup(a, "******");
    d->n_vertices = 1;
    d->vertices = arena_zalloc(a, sizeof(*d->vertices));
    fill_vertex(&d->vertices[0], a);
    d->n_failures = 1;
    d->failures = arena_zalloc(a, sizeof(*d->failures));
    fill_failure(&d->failures[0].root);
    d->failures[0].tm_id = arena_strdup(a, "tm-a");
    d->failures[0].n_concurrent = 1;
    d->failures[0].concurrent = arena_zalloc(a, sizeof(struct job_failure));
    d->failures[0].concurrent_tm_ids = arena_zalloc(a, sizeof(char *));
    d->failures[0].concurrent_endpoints = arena_zalloc(a, sizeof(char *));
    fill_failure(&d->failures[0].concurrent[0]);
    d->failures_truncated = true;
    d->cause = some_error(a);
    d->n_accumulators = 1;
    d->accumulators = arena_zalloc(a, sizeof(*d->accumulators));
    d->accumulators[0] =
        (struct task_accumulator){arena_strdup(a, "words"), arena_strdup(a, "x"), 7, 0.5};
    return d;
}

static void everything_comes_back(void **state)
{
    const struct job_details *d = full_details();
    const struct job_details *back = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO again = STR_INIT;
    job_details_pack(d, &bytes);
    assert_int_equal(job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err), 0);
    assert_string_equal(back->name, "wordcount");
    assert_int_equal(back->status, JOB_STATUS_FAILED);
    assert_int_equal(back->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_BATCH);
    assert_int_equal(back->vertices[0].subtasks[0].prior[0].io.backpressured_ms, 7);
    assert_int_equal(back->vertices[0].subtasks[0].current.accumulators[0].long_value, -5);
    assert_string_equal(back->failures[0].concurrent[0].error.message, "lost");
    assert_null(back->failures[0].concurrent_endpoints[0]);
    assert_int_equal(back->cause->code, ERR_USER_CODE);
    assert_string_equal(back->cause->frames, "looking at the sky\n");
    job_details_pack(back, &again); /* and the rest is the same by its bytes */
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    job_details_unref(back);
    job_details_unref(d);
}

static void the_format_stays(void **state)
{
    const struct job_details *d = full_details();
    STR_AUTO bytes = STR_INIT;
    job_details_pack(d, &bytes);
    assert_memory_equal(bytes.data, "FLJD\1\0\0\0", 8);
    assert_int_equal(bytes.len, GOLDEN_BYTES);
    assert_int_equal(crc32c(0, bytes.data, bytes.len - 4), GOLDEN_CRC);
    job_details_unref(d);
}

/* Sets the checksum, so that the decoder behind it is what is tested. */
static void seal(struct str *bytes)
{
    uint32_t crc = crc32c(0, bytes->data, bytes->len - 4);
    for (int i = 0; i < 4; i++) {
        bytes->data[bytes->len - 4 + (size_t)i] = (char)(crc >> (8 * i));
    }
}

static void damage_is_found(void **state)
{
    const struct job_details *d = full_details();
    struct error err = ERROR_INIT;
    const struct job_details *back = NULL;
    STR_AUTO bytes = STR_INIT;
    job_details_pack(d, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x41;
        assert_true(job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err) < 0);
        bytes.data[i] ^= 0x41;
        assert_true(job_details_unpack((uint8_t *)bytes.data, i, &back, &err) < 0);
    }
    for (size_t i = 16; i < bytes.len - 4; i++) { /* forged with care: never more than an error */
        bytes.data[i] ^= 0xff;
        seal(&bytes);
        if (job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err) == 0) {
            job_details_unref(back);
        }
        bytes.data[i] ^= 0xff;
    }
    bytes.data[4] = 6; /* newer than this one */
    seal(&bytes);
    assert_int_equal(job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err),
                     ERR_UNSUPPORTED);
    job_details_unref(d);
}

/* A SELECT that has finished: its last rows outlive it. */
static void results_of_coordinators_come_back(void **state)
{
    struct job_details *d = (struct job_details *)full_details();
    struct coordinator_result result = {.operator_uid = "2_collect",
                                        .operator_id = {{1, 2, 3}},
                                        .data = (uint8_t *)"rows",
                                        .size = 4};
    const struct job_details *back = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    d->results = &result;
    d->n_results = 1;
    job_details_pack(d, &bytes);
    assert_int_equal(job_details_unpack((uint8_t *)bytes.data, bytes.len, &back, &err), 0);
    assert_int_equal(back->n_results, 1);
    assert_string_equal(back->results[0].operator_uid, "2_collect");
    assert_int_equal(back->results[0].operator_id.bytes[2], 3);
    assert_int_equal(back->results[0].size, 4);
    assert_memory_equal(back->results[0].data, "rows", 4);
    job_details_unref(back);
    for (size_t i = 0; i < bytes.len; i++) { /* cut short */
        assert_true(job_details_unpack((uint8_t *)bytes.data, i, &back, &err) < 0);
    }
    job_details_unref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(results_of_coordinators_come_back),
        cmocka_unit_test(the_format_stays),
        cmocka_unit_test(damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
