/* The text source, both halves: files to rows at any parallelism, restarts, watched folders, and what is
 * said about input that cannot be read. */
#include "common/metrics/registry.h"
#include "engine/operators/io/text_reader.h"

#include "coordinator_fixture.h"
#include "state_fixture.h"

/* A source of `parallelism` subtasks and its enumerator; events are carried by pump(). */
struct text_job {
    struct fake_coordinator f;
    uint32_t parallelism;
    struct harness *subtasks[SUBTASKS_MAX];
    struct executor *executor; /* Owns; stepped */
    Flinc__TextSourceConfig config;
    char *path;
    bool ended[SUBTASKS_MAX];
    size_t carried[SUBTASKS_MAX]; /* events of a subtask that the enumerator has */
};

static void open_subtask(struct text_job *j, uint32_t i)
{
    j->subtasks[i] = opened(&(struct harness_options){.kind = "flinc.source.text",
                                                      .config = &j->config.base,
                                                      .output_schemas = {"ROW<line STRING>"},
                                                      .io_executor = j->executor,
                                                      .subtask = i,
                                                      .parallelism = j->parallelism});
    j->ended[i] = false;
    j->carried[i] = 0;
}

static void start(struct text_job *j, uint32_t parallelism, const char *path, uint64_t split_bytes,
                  uint64_t interval_ms)
{
    *j = (struct text_job){.parallelism = parallelism, .path = mem_strdup(path)};
    must(executor_new(&(struct executor_options){.name = "io"}, &j->executor, &err));
    flinc__text_source_config__init(&j->config);
    j->config.paths = &j->path;
    j->config.n_paths = 1;
    j->config.recursive = true;
    j->config.split_bytes = split_bytes;
    j->config.discovery_interval_ms = interval_ms;
    fake_start(&j->f, "flinc.source.text", parallelism, &j->config.base);
    for (uint32_t i = 0; i < parallelism; i++) {
        open_subtask(j, i);
    }
}

static void finish(struct text_job *j)
{
    j->executor = executor_free(j->executor); /* a read that is out holds a buffer until then */
    for (uint32_t i = 0; i < j->parallelism; i++) {
        harness_free(j->subtasks[i]);
    }
    fake_close(&j->f);
    mem_free(j->path);
}

/* Carries events between the halves. */
static void carry_events(struct text_job *j)
{
    for (uint32_t i = 0; i < j->parallelism; i++) {
        while (j->carried[i] < harness_event_count(j->subtasks[i])) {
            struct slice e = harness_event(j->subtasks[i], j->carried[i]++);
            must(j->f.c->desc->on_event(j->f.c, i, (const uint8_t *)e.data, e.len, &err));
        }
    }
    for (size_t i = 0; i < j->f.events.len; i++) {
        const struct fake_event *e = VEC_AT(&j->f.events, struct fake_event, i);
        must(harness_send_event(j->subtasks[e->subtask], (const uint8_t *)e->bytes.data,
                                e->bytes.len, &err));
        assert_true(harness_wait_wake(j->subtasks[e->subtask], 0)); /* an answer wakes the task */
    }
    fake_clear_events(&j->f);
}

/* Polls all subtasks in turn until each is idle for good, or at its end, or one fails. */
static int pump(struct text_job *j, struct error *err)
{
    bool progress = true;
    while (progress) {
        progress = false;
        for (uint32_t i = 0; i < j->parallelism; i++) {
            int rc = j->ended[i] ? OP_END : harness_poll(j->subtasks[i], err);
            TRY(rc);
            progress |= rc == OP_DONE;
            j->ended[i] = rc == OP_END;
        }
        bool events = j->f.events.len > 0;
        for (uint32_t i = 0; i < j->parallelism; i++) {
            events |= harness_event_count(j->subtasks[i]) > j->carried[i];
        }
        carry_events(j);
        progress |= events || executor_run_once(j->executor);
    }
    return 0;
}

static bool all_ended(const struct text_job *j)
{
    for (uint32_t i = 0; i < j->parallelism; i++) {
        if (!j->ended[i]) {
            return false;
        }
    }
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void test_one_file(void **state)
{
    struct text_job j;
    const char *path = put_text("f", "to be\r\n\nor not\xff to be");
    start(&j, 1, path, 0, 0);
    fake_run_work(&j.f);
    must(pump(&j, &err));
    assert_true(all_ended(&j));
    assert_string_equal(harness_rows(j.subtasks[0], 0), "+I[to be]\n+I[]\n+I[or not\xff to be]");
    finish(&j);
}

/* Every line of many files once, whatever the parallelism and the splits. */
static void check_numbers(uint32_t parallelism, uint64_t split_bytes)
{
    enum { FILES = 7, LINES = 3000 };
    struct text_job j;
    bool *seen = MEM_NEW_ARRAY(bool, FILES *LINES);
    uint64_t total = 0;
    for (int i = 0; i < FILES; i++) {
        STR_AUTO text = STR_INIT;
        char name[32];
        for (int k = 0; k < LINES; k++) {
            str_printf(&text, "%d\n", i * LINES + k);
        }
        snprintf(name, sizeof(name), "in/%d", i);
        put_file(name, text.data, text.len);
    }
    start(&j, parallelism, in_dir("in"), split_bytes, 0);
    fake_run_work(&j.f);
    must(pump(&j, &err));
    assert_true(all_ended(&j));
    for (uint32_t i = 0; i < parallelism; i++) {
        struct slice rest = slice_cstr(harness_rows(j.subtasks[i], 0)), row;
        total += harness_row_count(j.subtasks[i], 0);
        while (rest.len > 0 && slice_next(&rest, '\n', &row)) {
            int n = atoi(row.data + strlen("+I["));
            assert_in_range(n, 0, FILES * LINES - 1);
            assert_false(seen[n]);
            seen[n] = true;
        }
    }
    assert_int_equal(total, FILES * LINES);
    mem_free(seen);
    finish(&j);
}

static void test_parallel(void **state)
{
    check_numbers(1, 0);
    check_numbers(3, 1000);
    check_numbers(8, 100);
    must(failpoint_configure("fs.local.read_cached=error", &err));
    check_numbers(4, 777);
}

/* A subtask that starts anew gets back what it had. */
static void test_restart(void **state)
{
    struct text_job j;
    put_text("f", "aaaa\nbbbb\ncccc\ndddd\n");
    start(&j, 2, in_dir("f"), 10, 0);
    fake_run_work(&j.f);
    for (int i = 0; i < 3; i++) {
        assert_true(harness_poll(j.subtasks[0], NULL) >= 0);
        carry_events(&j);
        (void)executor_run_once(j.executor);
    }
    harness_free(j.subtasks[0]);
    j.f.c->desc->subtask_reset(j.f.c, 0, 0);
    open_subtask(&j, 0);
    must(pump(&j, &err));
    assert_true(all_ended(&j));
    assert_int_equal(harness_row_count(j.subtasks[0], 0) + harness_row_count(j.subtasks[1], 0), 4);
    finish(&j);
}

static void test_watched_folder(void **state)
{
    struct text_job j;
    put_text("in/a", "a1\na2");
    start(&j, 1, in_dir("in"), 0, 500);
    fake_run_work(&j.f);
    must(pump(&j, &err));
    assert_false(all_ended(&j));
    assert_string_equal(harness_rows(j.subtasks[0], 0), "+I[a1]\n+I[a2]");
    harness_clear(j.subtasks[0]);
    j.carried[0] = 0;
    put_text("in/b", "b1\n");
    put_text("in/.c", "being written");
    fake_fire_timer(&j.f);
    fake_run_work(&j.f);
    must(pump(&j, &err));
    assert_string_equal(harness_rows(j.subtasks[0], 0), "+I[b1]");
    assert_int_equal(harness_poll(j.subtasks[0], NULL), OP_IDLE);
    finish(&j);
}

static void test_packed(void **state)
{
    struct text_job j;
    STR_AUTO gz = STR_INIT;
    STR_AUTO zst = STR_INIT;
    pack_gzip("g1\ng2\n", 6, &gz);
    pack_zstd("z1\nz2", 5, &zst);
    put_file("in/a.gz", gz.data, gz.len);
    put_file("in/b.zst", zst.data, zst.len);
    put_text("in/c.txt", "plain");
    start(&j, 1, in_dir("in"), 2, 0);
    fake_run_work(&j.f);
    must(pump(&j, &err));
    assert_true(all_ended(&j));
    assert_string_equal(harness_rows(j.subtasks[0], 0),
                        "+I[g1]\n+I[g2]\n+I[z1]\n+I[z2]\n+I[plain]");
    finish(&j);
}

/* ---- what goes wrong --------------------------------------------------------------------------- */

static void check_fails(const char *path, int code, const char *text)
{
    struct text_job j;
    start(&j, 1, path, 0, 0);
    fake_run_work(&j.f);
    must_fail(pump(&j, &err), code, text);
    finish(&j);
}

static void test_truncated(void **state)
{
    STR_AUTO gz = STR_INIT;
    STR_AUTO zst = STR_INIT;
    pack_gzip("some text\n", 10, &gz);
    pack_zstd("some text\n", 10, &zst);
    check_fails(put_file("cut.gz", gz.data, gz.len - 5), ERR_CORRUPT,
                "cut.gz ends in the middle of its gzip data, at byte");
    check_fails(put_file("cut.zst", zst.data, zst.len - 5), ERR_CORRUPT,
                "cut.zst ends in the middle of its zstd data, at byte");
    check_fails(put_text("no.gz", "this is no gzip"), ERR_CORRUPT, "no.gz");
}

static void test_vanished_file(void **state)
{
    struct text_job j;
    put_text("in/a", "x");
    start(&j, 1, in_dir("in"), 0, 0);
    fake_run_work(&j.f);
    assert_int_equal(unlink(in_dir("in/a")), 0);
    must_fail(pump(&j, &err), ERR_NOT_FOUND, "in/a");
    finish(&j);
}

static void test_bad_configuration(void **state)
{
    struct harness *h;
    Flinc__TextSourceConfig c = FLINC__TEXT_SOURCE_CONFIG__INIT;
    c.max_line_bytes = (uint64_t)TEXT_LINE_BYTES_MAX + 1;
    must(harness_new(&(struct harness_options){.kind = "flinc.source.text",
                                               .config = &c.base,
                                               .output_schemas = {"ROW<line STRING>"}},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT, "max_line_bytes");
    harness_free(h);
    c.max_line_bytes = 0;
    h = opened(&(struct harness_options){
        .kind = "flinc.source.text", .config = &c.base, .output_schemas = {"ROW<line STRING>"}});
    must_fail(harness_send_event(h, (const uint8_t *)"\xff\xff", 2, &err), ERR_PARSE, "damaged");
    must_fail(harness_send_event(h, NULL, 0, &err), ERR_PARSE, "damaged");
    harness_free(h);
}

static void find_bytes_in(void *arg, const struct metric_sample *sample)
{
    if (strcmp(sample->name, "numBytesIn") == 0) {
        *(int64_t *)arg = sample->value.i64;
    }
}

static void test_metrics(void **state)
{
    struct text_job j;
    struct metric_registry *registry;
    int64_t bytes_in = -1;
    must(metric_registry_new(&(struct metric_registry_options){.limit = 100}, &registry, &err));
    struct metric_group *group = metric_group_new(registry, NULL, METRIC_SCOPE_OPERATOR, NULL, 0);
    put_text("f", "to be\nor not to be\n");
    start(&j, 1, in_dir("f"), 0, 0);
    harness_free(j.subtasks[0]);
    must(harness_new(&(struct harness_options){.kind = "flinc.source.text",
                                               .config = &j.config.base,
                                               .output_schemas = {"ROW<line STRING>"}},
                     &j.subtasks[0], &err));
    harness_context(j.subtasks[0])->metrics = group;
    must(harness_open(j.subtasks[0], &err));
    fake_run_work(&j.f);
    must(pump(&j, &err));
    metric_registry_visit(registry, group, find_bytes_in, &bytes_in);
    assert_int_equal(bytes_in, 19);
    finish(&j);
    metric_group_free(group);
    metric_registry_free(registry);
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

/* A checkpoint of the job: the enumerator first, then every reader, events between them carried. */
struct checkpoint {
    struct job_state readers;
    struct str enumerator; /* Owns */
};

static void take_checkpoint(struct text_job *j, uint64_t id, struct checkpoint *ret)
{
    carry_events(j);
    ret->enumerator = (struct str)STR_INIT;
    must(j->f.c->desc->snapshot(j->f.c, id, &ret->enumerator, &err));
    ret->readers.n = j->parallelism;
    for (uint32_t i = 0; i < j->parallelism; i++) {
        must(harness_snapshot(j->subtasks[i], id, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL,
                              &ret->readers.subtasks[i], &err));
    }
}

static void drop_checkpoint(struct checkpoint *c)
{
    job_state_clear(&c->readers);
    str_fini(&c->enumerator);
}

static void open_restored(struct text_job *j, uint32_t i, const struct checkpoint *from)
{
    Flinc__OperatorSubtaskState *own = deal(&from->readers, i, j->parallelism);
    j->subtasks[i] = opened(&(struct harness_options){.kind = "flinc.source.text",
                                                      .config = &j->config.base,
                                                      .output_schemas = {"ROW<line STRING>"},
                                                      .io_executor = j->executor,
                                                      .subtask = i,
                                                      .parallelism = j->parallelism,
                                                      .restore = own,
                                                      .restore_checkpoint = 1});
    j->ended[i] = false;
    j->carried[i] = 0;
    flinc__operator_subtask_state__free_unpacked(own, NULL);
}

/* All of the job anew, at another parallelism. */
static void restart_job(struct text_job *j, uint32_t parallelism, const struct checkpoint *from)
{
    const struct str *state = &from->enumerator;
    while (executor_run_once(j->executor)) { /* reads that are out hold buffers */
    }
    for (uint32_t i = 0; i < j->parallelism; i++) {
        harness_free(j->subtasks[i]);
    }
    fake_close(&j->f);
    j->parallelism = parallelism;
    fake_make(&j->f, "flinc.source.text", parallelism, &j->config.base);
    must(j->f.c->desc->restore(j->f.c, 1, (const uint8_t *)state->data, state->len, &err));
    must(j->f.c->desc->start(j->f.c, &j->f.ctx, &err));
    for (uint32_t i = 0; i < parallelism; i++) {
        open_restored(j, i, from);
    }
}

/* A few steps of everything. */
static void step_job(struct text_job *j, int n)
{
    for (; n > 0; n--) {
        for (uint32_t i = 0; i < j->parallelism; i++) {
            int rc = j->ended[i] ? OP_END : harness_poll(j->subtasks[i], NULL);
            assert_true(rc >= 0);
            j->ended[i] = rc == OP_END;
        }
        carry_events(j);
        if (j->f.work.arg != NULL) {
            fake_run_work(&j->f);
        }
        (void)executor_run_once(j->executor);
    }
}

/* Counts the numbers that came out since the last call. */
static void count_lines(struct text_job *j, uint8_t *seen, int n)
{
    for (uint32_t i = 0; i < j->parallelism; i++) {
        struct slice rest = slice_cstr(harness_rows(j->subtasks[i], 0)), row;
        while (rest.len > 0 && slice_next(&rest, '\n', &row)) {
            int line = atoi(row.data + strlen("+I["));
            assert_in_range(line, 0, n - 1);
            assert_int_equal(seen[line], 0);
            seen[line] = 1;
        }
        carry_events(j); /* before they are cleared */
        harness_clear(j->subtasks[i]);
        j->carried[i] = 0;
    }
}

enum { NUMBER_FILES = 5, NUMBER_LINES = 9000 };

static void put_numbers(bool packed)
{
    for (int i = 0; i < NUMBER_FILES; i++) {
        STR_AUTO text = STR_INIT;
        STR_AUTO gzip = STR_INIT;
        char name[32];
        for (int k = 0; k < NUMBER_LINES; k++) {
            str_printf(&text, "%d\n", i * NUMBER_LINES + k);
        }
        snprintf(name, sizeof(name), "in/%d%s", i, packed ? ".gz" : "");
        if (packed) {
            pack_gzip(text.data, text.len, &gzip);
        }
        put_file(name, packed ? gzip.data : text.data, packed ? gzip.len : text.len);
    }
}

/* Restarted at random from the last checkpoint, as a whole or one subtask alone, at any parallelism: each
 * line is once in what was before the checkpoints and at the end. */
static void live(uint64_t seed, bool packed)
{
    enum { N = NUMBER_FILES * NUMBER_LINES };
    struct text_job j;
    struct checkpoint last, next;
    struct rng rng;
    uint8_t *seen = mem_zalloc(N), *at_checkpoint = mem_zalloc(N);
    rng_init(&rng, seed);
    start(&j, 3, in_dir("in"), packed ? 0 : 7000, 0);
    take_checkpoint(&j, 1, &last);
    for (uint64_t id = 2; id < 30; id++) {
        step_job(&j, (int)rng_below(&rng, 4));
        count_lines(&j, seen, N);
        if (rng_below(&rng, 2) == 0) {
            take_checkpoint(&j, id, &next);
            drop_checkpoint(&last);
            last = next;
            memcpy(at_checkpoint, seen, N);
            if (rng_below(&rng, 2) == 0) { /* else the notice is lost */
                j.f.c->desc->notify(j.f.c, OP_NOTICE_COMPLETE, id);
            }
        }
        if (rng_below(&rng, 3) == 0) {
            restart_job(&j, 1 + (uint32_t)rng_below(&rng, 5), &last);
            memcpy(seen, at_checkpoint, N);
        }
    }
    must(pump(&j, &err));
    while (j.f.work.arg != NULL) {
        fake_run_work(&j.f);
        must(pump(&j, &err));
    }
    count_lines(&j, seen, N);
    assert_true(all_ended(&j));
    for (int i = 0; i < N; i++) {
        assert_int_equal(seen[i], 1);
    }
    drop_checkpoint(&last);
    mem_free(seen);
    mem_free(at_checkpoint);
    finish(&j);
}

static void test_random_restarts(void **state)
{
    put_numbers(false);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        live(seed, false);
    }
}

static void test_random_restarts_packed(void **state)
{
    put_numbers(true);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        live(seed, true);
    }
}

/* One subtask starts anew from a checkpoint; the other one and the enumerator go on.  All lines come from
 * the two of subtask 0's attempts and subtask 1: as many as there are, unless the enumerator gives back
 * what is in the checkpoint, too. */
static void check_region_restart(const char *planted, bool expected)
{
    struct text_job j;
    struct checkpoint c;
    start(&j, 2, in_dir("in"), 7000, 0);
    step_job(&j, 6);
    take_checkpoint(&j, 1, &c);
    uint64_t before = harness_row_count(j.subtasks[0], 0);
    assert_true(before > 0);
    step_job(&j, 6);
    while (executor_run_once(j.executor)) {
    }
    harness_free(j.subtasks[0]);
    if (planted != NULL) {
        must(failpoint_configure(planted, &err));
    }
    j.f.c->desc->subtask_reset(j.f.c, 0, 1);
    open_restored(&j, 0, &c);
    failpoint_clear_all();
    must(pump(&j, &err));
    uint64_t total =
        before + harness_row_count(j.subtasks[0], 0) + harness_row_count(j.subtasks[1], 0);
    assert_int_equal(total == NUMBER_FILES * NUMBER_LINES, expected);
    drop_checkpoint(&c);
    finish(&j);
}

static void test_region_restart(void **state)
{
    put_numbers(false);
    check_region_restart(NULL, true);
    check_region_restart("planted.enumerator_gives_back_all=error", false);
}

/* Closing while splits wait and a read is out leaves nothing behind. */
static void test_close_early(void **state)
{
    struct text_job j;
    put_text("f", "aaaa\nbbbb\ncccc\ndddd\n");
    start(&j, 1, in_dir("f"), 5, 0);
    fake_run_work(&j.f);
    assert_int_equal(harness_poll(j.subtasks[0], NULL), OP_IDLE);
    carry_events(&j);
    assert_int_equal(harness_poll(j.subtasks[0], NULL), OP_IDLE);
    assert_int_equal(executor_queue_len(j.executor), 1);
    finish(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_one_file),        FILES_TEST(test_parallel),
        FILES_TEST(test_restart),         FILES_TEST(test_watched_folder),
        FILES_TEST(test_packed),          FILES_TEST(test_truncated),
        FILES_TEST(test_vanished_file),   FILES_TEST(test_bad_configuration),
        FILES_TEST(test_close_early),     FILES_TEST(test_metrics),
        FILES_TEST(test_random_restarts), FILES_TEST(test_random_restarts_packed),
        FILES_TEST(test_region_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
