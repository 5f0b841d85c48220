/* Random cancels and failures: small jobs of random shape, parallelism and mode, with random failpoints
 * armed, cancelled at random instants.  However a job ends, no thread, buffer or descriptor is left, and a
 * job that finishes has counted every record exactly once, whatever went wrong on the way.
 *
 * FLINC_TEST_ROUNDS=50 makes 10,000 rounds.  A round that fails names its seed; with that as its argument
 * the test runs this one round, and says what it arms. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "tests/unit/minicluster/cluster_fixture.h"
#include "tests/unit/seeds.h"
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 200, LINES_PER_FILE = 300, FILES = 3 };

FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));

/* Places at which the process itself would stop are not for these tests: all others are. */
static const char *const places[] = {
    "exchange.partition.write",
    "fs.local.close",
    "fs.local.create",
    "fs.local.delete",
    "fs.local.list",
    "fs.local.mkdirs",
    "fs.local.open",
    "fs.local.read",
    "fs.local.read_cached",
    "fs.local.recoverable.after_rename",
    "fs.local.recoverable.before_rename",
    "fs.local.recoverable.cleanup",
    "fs.local.recoverable.open",
    "fs.local.recoverable.persist",
    "fs.local.rename",
    "fs.local.stat",
    "fs.local.sync",
    "fs.local.sync_parent",
    "fs.local.write",
    "jobmaster.cancel.before_send",
    "jobmaster.coordinator.before_event",
    "jobmaster.coordinator.before_reset",
    "jobmaster.coordinator.before_send",
    "jobmaster.coordinator.before_start",
    "jobmaster.deploy.after_send",
    "jobmaster.deploy.before_send",
    "jobmaster.end.before_release",
    "jobmaster.failover.before_cancel",
    "jobmaster.failover.before_restart",
    "jobmaster.slots.before_declare",
    "jobmaster.start",
    "jobmaster.state_update.before_apply",
    "loop.executor.run",
    "rpc.deliver",
    "rpc.send",
    "task.deploy.accept",
    "task.deploy.before_open",
    "task.deploy.before_setup",
    "task.deploy.connect_channel",
    "task.deploy.start_thread",
    "task.end.before_end_of_data",
    "task.end.before_finished",
    "task.init.open_operator",
    "task.run.before_state_running",
    "task.run.end_of_input",
    "task.run.end_of_source",
    "task.run.poll_input",
    "task.run.process",
};

/* ---- functions of the jobs ------------------------------------------------------------------------ */

/* A function that fails now and then: once in `one_in` records of its first attempts. */
struct trouble {
    uint64_t one_in;
    uint32_t attempts;
};

static int count(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    const struct trouble *t = flinc_ctx_config(ctx);

    *out = *in;
    if (t->one_in > 0 && flinc_ctx_attempt(ctx) < t->attempts &&
        (uint64_t)*in % t->one_in == t->one_in - 1) {
        return flinc_ctx_fail(ctx, "trouble with %" PRId64, *in);
    }
    return flinc_ctx_accumulate(ctx, "records", 1);
}

static int to_pair(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    (void)ctx;
    out->key = *in % 17;
    out->value = 1;
    return 0;
}

static int add_up(flinc_ctx *ctx, const pair *in, pair *out)
{
    *out = *in;
    return flinc_ctx_accumulate(ctx, "records", in->value);
}

static int split_by_kind(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    return flinc_emit_int64(*in % 2 == 0 ? out : flinc_ctx_side(ctx, "odd"), *in);
}

static int count_both(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    TRY(flinc_ctx_accumulate(ctx, "records", 1));
    return flinc_emit_int64(out, *in);
}

static int length(flinc_ctx *ctx, const flinc_string *line, flinc_out *out)
{
    TRY(flinc_ctx_accumulate(ctx, "records", 1));
    return FLINC_EMIT(out, pair, .key = (int64_t)line->len, .value = 1);
}

/* ---- jobs ----------------------------------------------------------------------------------------- */

struct job_round {
    struct rng rng;
    flinc_env *env;
    struct trouble trouble;
    int64_t n;        /* numbers of the source */
    int64_t expected; /* "records" of a job that finishes; negative: it never does */
    char output[128];
};

static char folder[64]; /* with in/ and the output of each round */
static bool tells;      /* one round is looked at closely */

static bool chance(struct job_round *j, uint64_t one_in)
{
    return rng_below(&j->rng, one_in) == 0;
}

static flinc_stream *route(struct job_round *j, flinc_stream *s)
{
    switch (rng_below(&j->rng, 5)) {
    case 0:
        return flinc_rebalance(s);
    case 1:
        return flinc_shuffle(s);
    case 2:
        return flinc_rescale(s);
    case 3:
        return flinc_global(s);
    default:
        return s;
    }
}

static flinc_stream *counted(struct job_round *j, flinc_stream *s)
{
    const flinc_function *fn =
        FLINC_FUNCTION(count, .config = &j->trouble, .config_size = sizeof(j->trouble));
    return flinc_map(s, fn, FLINC_TYPE(flinc_int64));
}

static void build_chain(struct job_round *j)
{
    flinc_stream *s = route(j, flinc_from_sequence(j->env, 1, j->n));

    flinc_discard(counted(j, s));
    j->expected = j->n;
}

static void build_endless(struct job_round *j)
{
    j->n = INT64_MAX - 1;
    build_chain(j);
    j->expected = -1;
}

/* Sums of keys; in BATCH mode the final ones, whose sum is the number of records. */
static void build_keyed(struct job_round *j)
{
    flinc_stream *pairs =
        flinc_map(flinc_from_sequence(j->env, 1, j->n), FLINC_FN(to_pair), FLINC_TYPE(pair));

    flinc_env_set_runtime_mode(j->env, FLINC_BATCH);
    flinc_discard(flinc_map(flinc_sum(flinc_key_by(pairs, "key"), "value"), FLINC_FN(add_up),
                            FLINC_TYPE(pair)));
    j->expected = j->n;
}

/* A diamond: a side output, two ways, one of them broadcast. */
static void build_diamond(struct job_round *j)
{
    flinc_stream *even = flinc_process(flinc_from_sequence(j->env, 1, j->n),
                                       FLINC_FN(split_by_kind), FLINC_TYPE(flinc_int64));
    flinc_stream *odd = flinc_side_output(even, "odd", FLINC_TYPE(flinc_int64));
    flinc_stream *both =
        flinc_co_flat_map(flinc_broadcast(odd), route(j, even), FLINC_FN(count_both),
                          FLINC_FN(count_both), FLINC_TYPE(flinc_int64));

    flinc_discard(flinc_union(both, route(j, odd)));
    j->expected = (j->n + 1) / 2 * flinc_env_parallelism(j->env) + j->n / 2;
}

static void build_files(struct job_round *j)
{
    char input[80];

    (void)snprintf(input, sizeof(input), "%s/in", folder);
    flinc_stream *lines =
        flinc_env_read_text(j->env, FLINC_TEXT_SOURCE(.path = input, .split_bytes = 1000));
    flinc_stream *pairs = flinc_flat_map(lines, FLINC_FN(length), FLINC_TYPE(pair));
    flinc_write_text(route(j, pairs), FLINC_TEXT_SINK(.path = j->output));
    j->expected = LINES_PER_FILE * FILES;
}

static void build(struct job_round *j)
{
    static void (*const shapes[])(struct job_round * j) = {build_chain, build_endless, build_keyed,
                                                           build_diamond, build_files};
    struct env_options o = {.mode = ENV_MODE_CAPTURE};

    j->env = env_new(&o);
    j->n = 1 + (int64_t)rng_below(&j->rng, chance(j, 4) ? 50000 : 500);
    flinc_env_set_parallelism(j->env, 1 + (int)rng_below(&j->rng, 4));
    if (chance(j, 3)) {
        j->trouble.one_in = 1 + rng_below(&j->rng, 2 * (uint64_t)MIN(j->n, 50000));
        j->trouble.attempts = (uint32_t)rng_below(&j->rng, 3);
    }
    shapes[rng_below(&j->rng, ARRAY_LEN(shapes))](j);
}

/* ---- what goes wrong -------------------------------------------------------------------------------- */

static void arm(struct job_round *j)
{
    STR_AUTO spec = STR_INIT;
    struct error err = ERROR_INIT;

    for (uint64_t n = rng_below(&j->rng, 4); n > 0; n--) {
        const char *place = places[rng_below(&j->rng, ARRAY_LEN(places))];
        /* Often among the first hits, sometimes far behind. */
        uint64_t at = 1 + rng_below(&j->rng, 1 + rng_below(&j->rng, 1 + rng_below(&j->rng, 300)));
        bool once = chance(j, 2); /* else now and then, but not always: it may be tried again */
        const char *what = chance(j, 6) ? "delay:1" : "error:armed";
        str_printf(&spec, "%s%s=%s,%s=%" PRIu64, spec.len > 0 ? ";" : "", place, what,
                   once ? "nth" : "one_in", once ? at : at + 1);
    }
    failpoint_seed(rng_next(&j->rng));
    if (failpoint_configure(str_cstr(&spec), &err) < 0) {
        fail_msg("%s", err.message);
    }
    if (tells) {
        fprintf(stderr, "failpoints: %s\n", str_cstr(&spec));
    }
}

/* Everything that waits for a while, here waits for a short one. */
static const char *const quick[] = {
    "restart-strategy.type",
    "fixed-delay",
    "restart-strategy.fixed-delay.delay",
    "1 ms",
    "restart-strategy.fixed-delay.attempts",
    "3",
    "slot.request.timeout",
    "20 ms",
    "heartbeat.interval",
    "20 ms",
    "task.cancellation.interval",
    "50 ms",
    NULL,
};

/* Lets it run for some time, or to its end; then cancels, or has it freed as it is. */
static void interfere(struct job_round *j, struct run *r)
{
    bool endless = j->expected < 0;

    if (!endless && !chance(j, 2)) {
        return;
    }
    (void)minicluster_wait(r->cluster, (int64_t)rng_below(&j->rng, 8));
    if (endless || !chance(j, 4)) {
        minicluster_cancel(r->cluster);
    }
}

static void run_round(uint64_t seed)
{
    struct job_round j = {.n = 0};
    struct run r = {.options = {.seed = seed}};
    struct error err = ERROR_INIT;

    rng_init(&j.rng, seed);
    (void)snprintf(j.output, sizeof(j.output), "%s/%016" PRIx64, folder, seed);
    build(&j);
    arm(&j);
    if (run_start(&r, j.env, quick, &err) == 0) {
        interfere(&j, &r);
        if (chance(&j, 8) && j.expected >= 0) {
            run_end(&r); /* in whatever state it is */
        } else {
            if (run_wait(&r) == JOB_STATUS_FINISHED) {
                assert_int_equal(run_accumulator(&r, "records"), j.expected);
            }
            run_end(&r);
        }
    }
    failpoint_clear_all();
    flinc_env_free(j.env);
}

/* ---- the test --------------------------------------------------------------------------------------- */

static uint64_t running_seed;

/* Says which round it was when an assertion of the engine ends the process. */
static void tell_seed(int number)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "\nin the round of seed %" PRIu64 "\n", running_seed);

    (void)!write(STDERR_FILENO, text, (size_t)n);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static struct seeds seeds; /* of the rounds */

static void test_random_rounds(void **state)
{
    (void)signal(SIGABRT, tell_seed);
    for (running_seed = seeds.first; running_seed < seeds.end; running_seed++) {
        run_round(running_seed);
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static int make_input(void **state)
{
    char path[96];

    (void)snprintf(folder, sizeof(folder), "/tmp/flinc-random-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/in", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    for (int f = 0; f < FILES; f++) {
        (void)snprintf(path, sizeof(path), "%s/in/%d", folder, f);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        for (int i = 0; i < LINES_PER_FILE; i++) {
            fprintf(file, "%.*s\n", i % 40, "a line of some letters, and of some more");
        }
        assert_int_equal(fclose(file), 0);
    }
    log_set_level(tells ? LOG_LEVEL_INFO : LOG_LEVEL_OFF); /* failures are what this is about */
    return 0;
}

static int remove_all(void **state)
{
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    seeds = seeds_from(1, ROUNDS);
    if (argc > 1) {
        seeds.first = strtoull(argv[1], NULL, 10);
        seeds.end = seeds.first + 1;
        tells = true;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_rounds, make_input, remove_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
