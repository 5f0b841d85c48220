/* Sources that are restored: sequence, data generator, elements.  Every record once, at any parallelism,
 * from any number of restarts on. */
#include "common/base/failpoint.h"
#include "proto/operators.pb-c.h"
#include "state_fixture.h"
#include "struct_fixture.h"

FLINC_STRUCT(number, FLINC_INT64(n));

enum { NUMBERS_MAX = 100000 };

/* A job of one source. */
struct job {
    struct harness_options options;
    struct harness *subtasks[DEALT_SUBTASKS_MAX];
    uint32_t parallelism;
    uint8_t seen[NUMBERS_MAX];
    uint64_t n_seen;
    uint64_t limit; /* numbers below it are of interest */
};

static void on_batch(void *arg, uint32_t output, struct batch *take_batch)
{
    struct job *j = arg;
    const int64_t *values = (const int64_t *)(const void *)take_batch->columns[0].values->data;
    for (uint32_t i = 0; i < take_batch->n_sel; i++) {
        int64_t n = values[batch_row(take_batch, i)];
        if (n >= 0 && (uint64_t)n < j->limit) {
            assert_int_equal(j->seen[n], 0);
            j->seen[n] = 1;
            j->n_seen++;
        }
    }
    batch_unref(take_batch);
}

static void open_job(struct job *j, uint32_t parallelism, const struct job_state *from)
{
    j->parallelism = parallelism;
    for (uint32_t i = 0; i < parallelism; i++) {
        struct harness_options o = j->options;
        Flinc__OperatorSubtaskState *own = from != NULL ? deal(from, i, parallelism) : NULL;
        o.subtask = i;
        o.parallelism = parallelism;
        o.restore = own;
        o.restore_checkpoint = 1;
        o.on_batch = on_batch;
        o.on_batch_arg = j;
        j->subtasks[i] = opened(&o);
        if (own != NULL) {
            flinc__operator_subtask_state__free_unpacked(own, NULL);
        }
    }
}

static void snapshot_job(struct job *j, struct job_state *ret)
{
    ret->n = j->parallelism;
    for (uint32_t i = 0; i < j->parallelism; i++) {
        must(harness_snapshot(j->subtasks[i], 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                              &ret->subtasks[i], &err));
    }
}

static void close_job(struct job *j)
{
    for (uint32_t i = 0; i < j->parallelism; i++) {
        harness_free(j->subtasks[i]);
    }
}

/* Up to n polls of each subtask; true when all have ended. */
static bool poll_job(struct job *j, int n)
{
    bool ended = true;
    for (uint32_t i = 0; i < j->parallelism; i++) {
        int rc = OP_DONE;
        for (int k = 0; k < n + (int)i && rc == OP_DONE; k++) {
            rc = harness_poll(j->subtasks[i], NULL);
            assert_true(rc >= 0);
        }
        ended &= rc == OP_END;
    }
    return ended;
}

/* Through parallelisms to the end; what is read behind a snapshot is read again. */
static void run(struct job *j, uint64_t n_numbers, int polls)
{
    static const uint32_t parallelisms[] = {1, 4, 4, 3, 7, 1, 2, 16, 5};
    struct job_state state = {.n = 0};
    j->limit = n_numbers;
    memset(j->seen, 0, sizeof(j->seen));
    j->n_seen = 0;
    for (size_t i = 0; i < ARRAY_LEN(parallelisms); i++) {
        struct job_state next;
        open_job(j, parallelisms[i], i > 0 ? &state : NULL);
        job_state_clear(&state);
        (void)poll_job(j, polls);
        snapshot_job(j, &next);
        state = next;
        uint8_t *before = mem_dup(j->seen, sizeof(j->seen));
        uint64_t n_before = j->n_seen;
        (void)poll_job(j, 1); /* lost with the failure */
        memcpy(j->seen, before, sizeof(j->seen));
        j->n_seen = n_before;
        mem_free(before);
        close_job(j);
    }
    open_job(j, 2, &state);
    job_state_clear(&state);
    for (int i = 0; i < 1000 && j->n_seen < n_numbers; i++) {
        (void)poll_job(j, 10);
    }
    assert_int_equal(j->n_seen, n_numbers);
    snapshot_job(j, &state);
    close_job(j);
    job_state_clear(&state);
}

static struct job job_of(const char *kind, const ProtobufCMessage *config)
{
    return (struct job){
        .options = {.kind = kind, .config = config, .outputs = {FLINC_TYPE(number)}}};
}

static void test_sequence(void **state)
{
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    c.to = NUMBERS_MAX - 1;
    struct job *j = MEM_NEW(struct job);
    *j = job_of("flinc.source.sequence", &c.base);
    run(j, NUMBERS_MAX, 1);
    c.to = INT64_MAX; /* no end */
    run(j, 50000, 1);
    mem_free(j);
}

static int same(flinc_ctx *ctx, int64_t index, number *out)
{
    out->n = index;
    return 0;
}

static void run_datagen(int64_t count, uint64_t n_numbers)
{
    struct arena arena;
    Flinc__DatagenSourceConfig c = FLINC__DATAGEN_SOURCE_CONFIG__INIT;
    struct job *j = MEM_NEW(struct job);
    arena_init(&arena, 0);
    c.count = count;
    c.record = struct_desc_of(FLINC_TYPE(number), &arena);
    *j = job_of("flinc.source.datagen", &c.base);
    j->options.functions[0] = (struct harness_function)FN(FLINC_FN_GENERATE, same);
    run(j, n_numbers, 1);
    mem_free(j);
    arena_fini(&arena);
}

static void test_datagen(void **state)
{
    run_datagen(NUMBERS_MAX, NUMBERS_MAX);
    run_datagen(-1, 50000); /* without an end */
    run_datagen(10, 10);
}

/* A source that has made everything does not begin anew when it is restored, whoever gets its state. */
static void test_ended(void **state)
{
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    struct job_state taken;
    c.to = 9;
    struct job *j = MEM_NEW(struct job);
    *j = job_of("flinc.source.sequence", &c.base);
    j->limit = 10;
    open_job(j, 2, NULL);
    assert_true(poll_job(j, 10));
    snapshot_job(j, &taken);
    close_job(j);
    for (uint32_t p = 1; p <= 4; p++) {
        open_job(j, p, &taken);
        assert_true(poll_job(j, 1));
        close_job(j);
    }
    assert_int_equal(j->n_seen, 10);
    job_state_clear(&taken);
    mem_free(j);
}

/* Random records are those of their index. */
static void test_random_records(void **state)
{
    struct arena arena;
    Flinc__DatagenSourceConfig c = FLINC__DATAGEN_SOURCE_CONFIG__INIT;
    STR_AUTO whole = STR_INIT;
    Flinc__OperatorSubtaskState *taken = NULL;
    arena_init(&arena, 0);
    c.count = 5000;
    c.seed = 7;
    c.record = struct_desc_of(FLINC_TYPE(number), &arena);
    struct harness_options o = {
        .kind = "flinc.source.datagen", .config = &c.base, .outputs = {FLINC_TYPE(number)}};
    struct harness *h = opened(&o);
    for (int i = 0; i < 3; i++) {
        assert_true(harness_poll(h, NULL) >= 0);
    }
    str_append_cstr(&whole, harness_rows(h, 0));
    harness_free(h);
    h = opened(&o);
    STR_AUTO parts = STR_INIT;
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &taken, &err));
    str_append_cstr(&parts, harness_rows(h, 0));
    harness_free(h);
    o.restore = taken;
    h = opened(&o);
    for (int i = 0; i < 3; i++) {
        assert_true(harness_poll(h, NULL) >= 0);
    }
    str_printf(&parts, "\n%s", harness_rows(h, 0));
    harness_free(h);
    assert_string_equal(str_cstr(&parts), str_cstr(&whole));
    flinc__operator_subtask_state__free_unpacked(taken, NULL);
    arena_fini(&arena);
}

static void test_damaged(void **state)
{
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    Flinc__OperatorSubtaskState *taken = NULL;
    c.to = 9;
    struct harness_options o = {
        .kind = "flinc.source.sequence", .config = &c.base, .outputs = {FLINC_TYPE(number)}};
    struct harness *h = opened(&o);
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &taken, &err));
    Flinc__OperatorStatePart *p = taken->operator_state[0]->parts[0];
    p->sizes[0]--;
    harness_free(h);
    o.restore = taken;
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_CORRUPT,
              "a range of numbers in the checkpoint is damaged");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(taken, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence), cmocka_unit_test(test_datagen),
        cmocka_unit_test(test_ended),    cmocka_unit_test(test_random_records),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
