/* Watermark alignment: the coordinator by a table and by random interleavings with readers, and the half of
 * a subtask in its operator. */
#include "engine/operators/time/alignment.h"

#include "coordinator_fixture.h"
#include "tests/unit/seeds.h"

static const char schema[] = "ROW<k INT, at BIGINT NOT NULL>";
static struct clock_manual test_clock;
static size_t reports_seen;

enum { NONE = INT_MIN }; /* no watermark yet */

static Flinc__WatermarkConfig *strategy(const char *group, int64_t drift_ms, int64_t interval_ms)
{
    static Flinc__WatermarkConfig config;
    static Flinc__WatermarkAlignment alignment;
    flinc__watermark_alignment__init(&alignment);
    alignment.group = (char *)(uintptr_t)group;
    alignment.max_drift_ms = drift_ms;
    alignment.interval_ms = interval_ms;
    flinc__watermark_config__init(&config);
    config.kind = FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS;
    config.has_column = true;
    config.column = 1;
    config.has_alignment = true;
    config.alignment = &alignment;
    return &config;
}

/* ---- coordinator -------------------------------------------------------------------------------- */

static int send(struct fake_coordinator *f, uint32_t subtask, Flinc__AlignmentReport r,
                struct error *err)
{
    uint8_t bytes[64];
    return f->c->desc->on_event(f->c, subtask, bytes, flinc__alignment_report__pack(&r, bytes),
                                err);
}

static void report(struct fake_coordinator *f, uint32_t subtask, int64_t watermark_ms, bool idle)
{
    Flinc__AlignmentReport r = FLINC__ALIGNMENT_REPORT__INIT;
    r.version = ALIGNMENT_VERSION;
    r.watermark_ms = watermark_ms;
    r.is_idle = idle;
    must(send(f, subtask, r, &err));
}

static void finish(struct fake_coordinator *f, uint32_t subtask)
{
    Flinc__AlignmentReport r = FLINC__ALIGNMENT_REPORT__INIT;
    r.version = ALIGNMENT_VERSION;
    r.is_finished = true;
    must(send(f, subtask, r, &err));
}

static Flinc__AlignmentAnnouncement *announcement(const struct fake_event *e)
{
    Flinc__AlignmentAnnouncement *m =
        flinc__alignment_announcement__unpack(NULL, e->bytes.len, (const uint8_t *)e->bytes.data);
    assert_non_null(m);
    assert_int_equal(m->version, ALIGNMENT_VERSION);
    return m;
}

/* Fires the timer; what it announces: "subtask:limit ...". */
static const char *round_of(struct fake_coordinator *f)
{
    static char text[200];
    size_t len = 0;
    text[0] = '\0';
    fake_clear_events(f);
    fake_fire_timer(f);
    for (size_t i = 0; i < f->events.len; i++) {
        const struct fake_event *e = VEC_AT(&f->events, struct fake_event, i);
        Flinc__AlignmentAnnouncement *m = announcement(e);
        if (m->limit_ms == INT64_MAX) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%u:max ", e->subtask);
        } else {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%u:%lld ", e->subtask,
                                    (long long)m->limit_ms);
        }
        flinc__alignment_announcement__free_unpacked(m, NULL);
    }
    return text;
}

/* One coordinator with a drift of 100, from report to report. */
static void announcements_follow_the_least(void **state)
{
    static const struct {
        enum { REPORT, IDLE, FINISH, RESET, RESET_ALL } what;
        uint32_t subtask;
        int64_t watermark_ms;
        const char *announced;
    } steps[] = {
        {REPORT, 0, 10, ""}, /* 1 and 2 are not known */
        {REPORT, 1, NONE, ""},
        {REPORT, 2, 500, ""}, /* 1 has no watermark */
        {REPORT, 1, 20, "0:110 1:110 2:110 "},
        {REPORT, 2, 510, ""}, /* nothing new */
        {REPORT, 0, 30, "0:120 1:120 2:120 "},
        {IDLE, 1, 20, "0:130 1:130 2:130 "},
        {REPORT, 1, 25, "0:125 1:125 2:125 "}, /* active, and behind */
        {FINISH, 1, 0, "0:130 2:130 "},
        {REPORT, 1, 26, ""},  /* too late */
        {RESET, 0, 0, ""},    /* starts anew: what was said stays */
        {REPORT, 2, 600, ""}, /* ... until it is known */
        {REPORT, 0, NONE, ""},
        {REPORT, 0, 5, "0:105 2:105 "},
        {IDLE, 0, 5, "0:700 2:700 "},
        {IDLE, 2, 600, "0:max 2:max "}, /* nobody counts */
        {RESET, 1, 0, ""},
        {REPORT, 1, 40, "0:140 1:140 2:140 "}, /* even one that had finished */
        {RESET_ALL, 0, 0, ""},
        {REPORT, 0, 1, ""},
        {REPORT, 1, 2, ""},
        {REPORT, 2, 3, "0:101 1:101 2:101 "},
        {FINISH, 0, 0, "1:102 2:102 "},
        {FINISH, 1, 0, "2:103 "},
        {FINISH, 2, 0, ""},
    };
    struct fake_coordinator f;
    fake_start(&f, "flinc.watermark_alignment", 3, &strategy("all", 100, 1000)->base);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t ms = steps[i].watermark_ms == NONE ? INT64_MIN : steps[i].watermark_ms;
        switch (steps[i].what) {
        case REPORT:
        case IDLE:
            report(&f, steps[i].subtask, ms, steps[i].what == IDLE);
            break;
        case FINISH:
            finish(&f, steps[i].subtask);
            break;
        case RESET:
            f.c->desc->subtask_reset(f.c, steps[i].subtask, 7);
            break;
        case RESET_ALL:
            must(f.c->desc->reset(f.c, &err));
            break;
        }
        const char *announced = round_of(&f);
        if (strcmp(announced, steps[i].announced) != 0) {
            fail_msg("step %zu: '%s' instead of '%s'", i, announced, steps[i].announced);
        }
    }
    fake_close(&f);
}

/* Sources of one group see each other, those of another do not; each has its own drift. */
static void groups_are_of_several_sources(void **state)
{
    struct fake_coordinator f[3];
    for (size_t i = 0; i < 3; i++) {
        fake_make(&f[i], "flinc.watermark_alignment", 1,
                  &strategy(i < 2 ? "a" : "b", 100 * (int64_t)(i + 1), 1000)->base);
        f[i].others = f;
        f[i].n_others = i + 1; /* those behind are not made yet */
        must(f[i].c->desc->start(f[i].c, &f[i].ctx, &err));
    }
    f[0].n_others = f[1].n_others = f[2].n_others = 3;
    assert_int_equal(f[0].timer_delay_ms, 50); /* not known yet: more often */
    report(&f[0], 0, 10, false);
    report(&f[2], 0, 1000, false);
    assert_string_equal(round_of(&f[0]), "");
    assert_string_equal(round_of(&f[2]), "0:1300 ");
    assert_int_equal(f[2].timer_delay_ms, 1000);
    report(&f[1], 0, 70, false);
    assert_string_equal(round_of(&f[1]), "0:210 ");
    assert_string_equal(round_of(&f[0]), "0:110 ");
    report(&f[0], 0, INT64_MAX - 1, false); /* no overflow */
    finish(&f[1], 0);
    assert_string_equal(round_of(&f[1]), "");
    assert_string_equal(round_of(&f[0]), "0:max ");
    for (size_t i = 0; i < 3; i++) {
        fake_close(&f[i]);
    }
}

static void damaged_reports_fail(void **state)
{
    struct fake_coordinator f;
    Flinc__AlignmentReport r = FLINC__ALIGNMENT_REPORT__INIT;
    fake_start(&f, "flinc.watermark_alignment", 1, &strategy("all", 100, 1000)->base);
    must_fail(f.c->desc->on_event(f.c, 0, (const uint8_t *)"\xff", 1, &err), ERR_PARSE, "damaged");
    r.version = ALIGNMENT_VERSION + 1;
    must_fail(send(&f, 0, r, &err), ERR_PARSE, "another version");
    r.version = ALIGNMENT_VERSION;
    must_fail(send(&f, 1, r, &err), ERR_PARSE, "damaged");
    fake_close(&f);
    fake_make(&f, "flinc.watermark_alignment", 1, &strategy("", 100, 1000)->base);
    must_fail(f.c->desc->start(f.c, &f.ctx, &err), ERR_CORRUPT, "damaged");
    fake_close(&f);
}

/* ---- random lives ------------------------------------------------------------------------------- */

/* Readers as subtasks are, in short: they read while they may, report when they must, and take what comes
 * whenever it does. */
struct reader {
    int64_t watermark_ms, limit_ms, reported_ms;
    int64_t speed, left;
    bool finished;
};

static void read_some(struct fake_coordinator *f, uint32_t i, struct reader *r)
{
    if (r->finished || r->watermark_ms > r->limit_ms) {
        return;
    }
    r->watermark_ms = (r->watermark_ms == INT64_MIN ? 0 : r->watermark_ms) + r->speed;
    if (--r->left == 0) {
        r->finished = true;
        finish(f, i);
    } else if (r->watermark_ms > r->limit_ms) {
        r->reported_ms = r->watermark_ms;
        report(f, i, r->watermark_ms, false);
    }
}

static void take_events(struct fake_coordinator *f, struct reader *readers)
{
    for (size_t i = 0; i < f->events.len; i++) {
        const struct fake_event *e = VEC_AT(&f->events, struct fake_event, i);
        Flinc__AlignmentAnnouncement *m = announcement(e);
        readers[e->subtask].limit_ms = m->limit_ms;
        flinc__alignment_announcement__free_unpacked(m, NULL);
    }
    fake_clear_events(f);
}

/* Whatever the order of reads, reports and announcements: nobody who has not been restarted is further ahead
 * than the drift and one read, and all come to their end. */
static void random_interleavings(void **state)
{
    enum { READERS = 5, DRIFT = 50, SPEED_MAX = 20 };
    const struct seeds seeds = seeds_from(1, 200);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct fake_coordinator f;
        struct reader readers[READERS];
        struct rng rng;
        bool was_reset = false, all_finished = false;
        rng_init(&rng, seed);
        fake_start(&f, "flinc.watermark_alignment", READERS, &strategy("g", DRIFT, 10)->base);
        for (uint32_t i = 0; i < READERS; i++) {
            readers[i] = (struct reader){.watermark_ms = INT64_MIN,
                                         .limit_ms = INT64_MIN,
                                         .reported_ms = INT64_MIN,
                                         .speed = 1 + (int64_t)(rng_next(&rng) % SPEED_MAX),
                                         .left = 1 + (int64_t)(rng_next(&rng) % 200)};
        }
        for (int step = 0; !all_finished; step++) {
            uint32_t i = (uint32_t)(rng_next(&rng) % READERS);
            struct reader *r = &readers[i];
            assert_true(step < 1000000); /* else they wait for each other */
            switch (rng_next(&rng) % 5) {
            case 0:
                fake_fire_timer(&f);
                break;
            case 1:
                take_events(&f, readers);
                break;
            case 2:
                if (!r->finished && r->reported_ms != r->watermark_ms) {
                    r->reported_ms = r->watermark_ms;
                    report(&f, i, r->watermark_ms, false);
                }
                break;
            default:
                read_some(&f, i, r);
            }
            if (rng_next(&rng) % 2000 == 0 && !r->finished) {
                take_events(&f, readers); /* those of the attempt that dies are lost with it */
                f.c->desc->subtask_reset(f.c, i, 0);
                r->watermark_ms = r->limit_ms = r->reported_ms = INT64_MIN;
                was_reset = true;
                report(&f, i, INT64_MIN, false);
            }
            int64_t least = INT64_MAX, greatest = INT64_MIN;
            all_finished = true;
            for (uint32_t j = 0; j < READERS; j++) {
                if (!readers[j].finished) {
                    all_finished = false;
                    least = MIN(least, readers[j].watermark_ms);
                    greatest = MAX(greatest, readers[j].watermark_ms);
                }
            }
            if (!was_reset && !all_finished && least > INT64_MIN) {
                assert_true(greatest - least <= DRIFT + SPEED_MAX);
            }
        }
        fake_close(&f);
    }
}

/* ---- subtask ------------------------------------------------------------------------------------ */

static struct harness *opened_source(Flinc__WatermarkConfig *config)
{
    clock_manual_init(&test_clock);
    reports_seen = 0;
    return opened(&(struct harness_options){.kind = "flinc.timestamps_and_watermarks",
                                            .config = &config->base,
                                            .clock = &test_clock.base,
                                            .input_schemas = {schema},
                                            .output_schemas = {schema}});
}

static void pass_time(struct harness *h, int64_t ms)
{
    clock_manual_advance_ms(&test_clock, ms);
    must(harness_processing_time(h, &err));
}

/* What was reported since the last time: "watermark", "idle watermark" or "finished". */
static void expect_reports(struct harness *h, const char *want)
{
    STR_AUTO text = STR_INIT;
    for (; reports_seen < harness_event_count(h); reports_seen++) {
        struct slice event = harness_event(h, reports_seen);
        Flinc__AlignmentReport *r =
            flinc__alignment_report__unpack(NULL, event.len, (const uint8_t *)event.data);
        assert_non_null(r);
        assert_int_equal(r->version, ALIGNMENT_VERSION);
        if (r->is_finished) {
            str_append_cstr(&text, "finished ");
        } else if (r->watermark_ms == INT64_MIN) {
            str_append_cstr(&text, r->is_idle ? "idle none " : "none ");
        } else {
            str_printf(&text, "%s%lld ", r->is_idle ? "idle " : "", (long long)r->watermark_ms);
        }
        flinc__alignment_report__free_unpacked(r, NULL);
    }
    assert_string_equal(str_cstr(&text), want);
}

static void announce(struct harness *h, int64_t least_ms, int64_t limit_ms)
{
    Flinc__AlignmentAnnouncement m = FLINC__ALIGNMENT_ANNOUNCEMENT__INIT;
    uint8_t bytes[64];
    m.version = ALIGNMENT_VERSION;
    m.least_ms = least_ms;
    m.limit_ms = limit_ms;
    must(harness_send_event(h, bytes, flinc__alignment_announcement__pack(&m, bytes), &err));
}

static void sources_are_held_beyond_the_limit(void **state)
{
    struct harness *h = opened_source(strategy("g", 100, 1000));
    expect_reports(h, "none ");
    assert_false(harness_holds_sources(h));
    must(harness_push_rows(h, 0, "1, 50", &err)); /* before anything is announced */
    assert_true(harness_holds_sources(h));
    expect_reports(h, "49 ");
    announce(h, 40, 140);
    assert_false(harness_holds_sources(h));
    must(harness_push_rows(h, 0, "1, 100", &err));
    assert_false(harness_holds_sources(h));
    expect_reports(h, "");
    pass_time(h, 1000);
    expect_reports(h, "99 "); /* every interval */
    pass_time(h, 1000);
    expect_reports(h, "");                         /* if there is news */
    must(harness_push_rows(h, 0, "1, 141", &err)); /* its watermark: the limit */
    assert_false(harness_holds_sources(h));
    must(harness_push_rows(h, 0, "1, 142", &err));
    assert_true(harness_holds_sources(h));
    expect_reports(h, "141 ");
    announce(h, 40, 140);
    assert_true(harness_holds_sources(h));
    announce(h, INT64_MAX, INT64_MAX);
    assert_false(harness_holds_sources(h));
    announce(h, 0, 100);
    assert_true(harness_holds_sources(h));
    must(harness_watermark(h, 0, INT64_MAX, &err)); /* a drain */
    assert_false(harness_holds_sources(h));
    expect_reports(h, "finished ");
    announce(h, 0, 100); /* crossed it */
    assert_false(harness_holds_sources(h));
    must_fail(harness_send_event(h, (const uint8_t *)"\x08\x07", 2, &err), ERR_PARSE, "version");
    harness_free(h);
}

/* Idle: reported at once; who is held is not idle. */
static void holding_is_not_idleness(void **state)
{
    Flinc__WatermarkConfig *c = strategy("g", 100, 100000);
    c->idle_timeout_ms = 1000;
    struct harness *h = opened_source(c);
    expect_reports(h, "none ");
    pass_time(h, 1000);
    expect_reports(h, "idle none ");
    must(harness_push_rows(h, 0, "1, 50", &err));
    expect_reports(h, "49 ");
    assert_true(harness_holds_sources(h));
    harness_clear(h); /* events, too */
    reports_seen = 0;
    pass_time(h, 900);
    pass_time(h, 900);
    pass_time(h, 900);
    assert_string_equal(harness_rows(h, 0), "watermark 49"); /* and not idle */
    announce(h, 40, 140);
    pass_time(h, 999);
    expect_reports(h, "");
    announce(h, 50, 150); /* says nothing about records */
    pass_time(h, 1);
    expect_reports(h, "idle 49 ");
    assert_string_equal(harness_rows(h, 0), "watermark 49\nidle");
    harness_free(h);
}

static void an_earlier_end_is_reported(void **state)
{
    struct harness *h = NULL;
    struct harness_options options = {.kind = "flinc.timestamps_and_watermarks",
                                      .config = &strategy("g", 100, 1000)->base,
                                      .input_schemas = {schema},
                                      .output_schemas = {schema}};
    reports_seen = 0;
    must(harness_new(&options, &h, &err));
    must(harness_end_restored(h, &err));
    expect_reports(h, "finished ");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announcements_follow_the_least),
        cmocka_unit_test(groups_are_of_several_sources),
        cmocka_unit_test(damaged_reports_fail),
        cmocka_unit_test(random_interleavings),
        cmocka_unit_test(sources_are_held_beyond_the_limit),
        cmocka_unit_test(holding_is_not_idleness),
        cmocka_unit_test(an_earlier_end_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
