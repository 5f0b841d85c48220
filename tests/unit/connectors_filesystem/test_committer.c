/* The committer behind the writers: files appear with checkpoints, complete partitions are told, once and again. */
#include "tests/unit/engine_table/table_fixture.h"

#include "common/fs/recoverable.h"
#include "connectors/filesystem/filesystem.h"
#include "engine/operators/files/hand_over.h"
#include "engine/operators/harness.h"
#include "proto/connectors.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char base[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/filesystem_committer_XXXXXX");
    return mkdtemp(base) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return fs_delete(base, FS_DELETE_RECURSIVE, NULL) < 0 ? -1 : 0;
}

static bool is_there(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    return access(path, F_OK) == 0;
}

static void forget(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    assert_int_equal(unlink(path), 0);
}

/* ---- a committer ---------------------------------------------------------------------------------- */

struct bed {
    struct clock_manual clock;
    Flinc__PartitionTrigger trigger;
    Flinc__FilesystemCommitConfig config;
    Flinc__OperatorSubtaskState *state; /* of the last checkpoint; Owns */
    uint32_t flags;
    struct harness *h;
};

static void bed_init(struct bed *b)
{
    *b = (struct bed){.flags = OP_FLAG_CHECKPOINTS};
    clock_manual_init(&b->clock);
    flinc__partition_trigger__init(&b->trigger);
    flinc__filesystem_commit_config__init(&b->config);
    b->config.path = base;
    b->config.part_prefix = (char *)(uintptr_t) "part";
    b->config.run_id = (char *)(uintptr_t) "00000007";
    b->config.is_partitioned = true;
    b->config.trigger = &b->trigger;
    b->config.success_file = (char *)(uintptr_t) "_SUCCESS";
}

static void bed_open(struct bed *b)
{
    struct error err = ERROR_INIT;
    struct harness_options o = {.desc = &operator_table_committer,
                                .input_schemas = {FILE_HAND_OVER_SCHEMA},
                                .config = &b->config.base,
                                .clock = &b->clock.base,
                                .flags = b->flags | (b->state != NULL ? OP_FLAG_RESTORED : 0),
                                .restore = b->state,
                                .restore_checkpoint = 1};
    expect_ok(harness_new(&o, &b->h, &err), &err);
    expect_ok(harness_open(b->h, &err), &err);
}

static void bed_end(struct bed *b)
{
    b->h = harness_free(b->h);
    if (b->state != NULL) {
        flinc__operator_subtask_state__free_unpacked(b->state, NULL);
    }
    b->state = NULL;
}

static void push_event(struct bed *b, const Flinc__FileSinkEvent *e)
{
    struct error err = ERROR_INIT;
    struct builder rows;
    uint8_t bytes[2048];
    size_t size = flinc__file_sink_event__get_packed_size(e);
    assert_true(size <= sizeof(bytes));
    flinc__file_sink_event__pack(e, bytes);
    builder_init(&rows, harness_pool(b->h), harness_input_schema(b->h, 0), 0);
    builder_begin(&rows);
    expect_ok(builder_put_bytes(&rows, 0, (const char *)bytes, size, &err), &err);
    builder_end_row(&rows);
    expect_ok(harness_push(b->h, 0, builder_finish(&rows), &err), &err);
    builder_fini(&rows);
}

/* A closed file of a partition. */
static void push_file(struct bed *b, const char *partition, const char *name)
{
    struct error err = ERROR_INIT;
    struct recoverable *f = NULL;
    STR_AUTO handle = STR_INIT;
    char path[256];
    Flinc__FileSinkCommittable file = FLINC__FILE_SINK_COMMITTABLE__INIT;
    Flinc__FileSinkEvent e = FLINC__FILE_SINK_EVENT__INIT;
    snprintf(path, sizeof(path), "%s/%s/%s", base, partition, name);
    expect_ok(recoverable_open(path, &f, &err), &err);
    expect_ok(recoverable_write(f, "1\n", 2, &err), &err);
    expect_ok(recoverable_close_for_commit(&f, &handle, &err), &err);
    file.handle.data = (uint8_t *)handle.data;
    file.handle.len = handle.len;
    e.bucket = (char *)(uintptr_t)partition;
    e.file = &file;
    push_event(b, &e);
}

static void push_open(struct bed *b, const char *partition)
{
    Flinc__FileSinkEvent e = FLINC__FILE_SINK_EVENT__INIT;
    e.bucket = (char *)(uintptr_t)partition;
    e.is_open = true;
    push_event(b, &e);
}

static void barrier(struct bed *b, uint64_t id)
{
    struct error err = ERROR_INIT;
    if (b->state != NULL) {
        flinc__operator_subtask_state__free_unpacked(b->state, NULL);
    }
    expect_ok(harness_snapshot(b->h, id, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &b->state, &err),
              &err);
}

static void complete(struct bed *b, uint64_t id)
{
    struct error err = ERROR_INIT;
    expect_ok(harness_notify(b->h, OP_NOTICE_COMPLETE, id, &err), &err);
}

static void checkpoint(struct bed *b, uint64_t id)
{
    barrier(b, id);
    complete(b, id);
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void files_appear_with_their_checkpoint(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b);
    bed_open(&b);
    push_file(&b, "dt=1", "part-1");
    barrier(&b, 1);
    push_file(&b, "dt=1", "part-2");
    assert_false(is_there("dt=1/part-1"));
    complete(&b, 1);
    assert_true(is_there("dt=1/part-1"));
    assert_false(is_there("dt=1/part-2"));
    checkpoint(&b, 2);
    assert_true(is_there("dt=1/part-2"));
    bed_end(&b);
}

static void told_behind_a_delay(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b);
    b.trigger.delay_ms = 1000;
    bed_open(&b);
    push_file(&b, "dt=1", "part-1");
    checkpoint(&b, 1);
    assert_true(is_there("dt=1/part-1"));
    assert_false(is_there("dt=1/_SUCCESS"));
    clock_manual_advance_ms(&b.clock, 1000);
    checkpoint(&b, 2);
    assert_true(is_there("dt=1/_SUCCESS"));
    forget("dt=1/_SUCCESS");
    checkpoint(&b, 3);
    assert_false(is_there("dt=1/_SUCCESS")); /* once */
    push_file(&b, "dt=1", "part-2");         /* late: incomplete again */
    clock_manual_advance_ms(&b.clock, 1000);
    checkpoint(&b, 4);
    assert_true(is_there("dt=1/_SUCCESS"));
    bed_end(&b);
}

static void told_by_the_watermark_of_the_checkpoint(void **state)
{
    struct error err = ERROR_INIT;
    struct bed b;
    (void)state;
    bed_init(&b);
    b.trigger.kind = FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PARTITION_TIME;
    bed_open(&b);
    push_file(&b, "dt=1970-01-01", "part-1");
    push_file(&b, "dt=1970-01-02", "part-2");
    barrier(&b, 1);
    expect_ok(harness_watermark(b.h, 0, 1, &err), &err);
    complete(&b, 1); /* the watermark came behind its barrier */
    assert_false(is_there("dt=1970-01-01/_SUCCESS"));
    checkpoint(&b, 2);
    assert_true(is_there("dt=1970-01-01/_SUCCESS"));
    assert_false(is_there("dt=1970-01-02/_SUCCESS"));
    expect_ok(harness_end_of_input(b.h, 0, &err), &err);
    checkpoint(&b, 3);
    assert_true(is_there("dt=1970-01-02/_SUCCESS"));
    bed_end(&b);
}

static void open_files_hold_it_back(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b);
    b.trigger.delay_ms = 1000;
    bed_open(&b);
    push_file(&b, "dt=1", "part-1");
    push_open(&b, "dt=1");
    push_file(&b, "dt=2", "part-2");
    clock_manual_advance_ms(&b.clock, 1000);
    checkpoint(&b, 1);
    assert_false(is_there("dt=1/_SUCCESS"));
    assert_true(is_there("dt=2/_SUCCESS"));
    push_file(&b, "dt=1", "part-3");
    checkpoint(&b, 2);
    assert_true(is_there("dt=1/_SUCCESS"));
    bed_end(&b);
}

/* Rows never pause: it is told when all rows of the first delay are there. */
static void not_for_ever(void **state)
{
    struct bed b;
    (void)state;
    for (int joins = 0; joins < 2; joins++) {
        bed_init(&b);
        b.config.joins = joins == 1;
        b.trigger.delay_ms = 1000;
        bed_open(&b);
        for (uint64_t id = 1; id <= 2; id++) {
            char name[32];
            snprintf(name, sizeof(name), "part-%d-%d", joins, (int)id);
            push_file(&b, "dt=1", name);
            push_open(&b, "dt=1");
            clock_manual_advance_ms(&b.clock, 1000);
            checkpoint(&b, id);
            assert_int_equal(is_there("dt=1/_SUCCESS"), id == 2 && joins == 0);
        }
        push_file(&b, "dt=1", joins == 1 ? "part-1-3" : "part-0-3");
        clock_manual_advance_ms(&b.clock, 1000);
        checkpoint(&b, 3);
        forget("dt=1/_SUCCESS"); /* once more, or at last */
        bed_end(&b);
    }
}

static void goes_on_after_a_failure(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b);
    b.trigger.delay_ms = 1000;
    bed_open(&b);
    push_file(&b, "dt=1", "part-1");
    barrier(&b, 1);
    b.h = harness_free(b.h); /* before it heard that the checkpoint is complete */
    bed_open(&b);
    assert_true(is_there("dt=1/part-1"));
    assert_false(is_there("dt=1/_SUCCESS"));
    clock_manual_advance_ms(&b.clock, 1000);
    b.h = harness_free(b.h); /* once more from the same state: it changes nothing */
    bed_open(&b);
    checkpoint(&b, 2);
    assert_true(is_there("dt=1/_SUCCESS"));
    bed_end(&b);
}

static void put_old_file(const char *name)
{
    struct error err = ERROR_INIT;
    struct fs_output *out = NULL;
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    expect_ok(fs_create(path, FS_CREATE_NEW, &out, &err), &err);
    expect_ok(fs_output_close(&out, &err), &err);
}

static void batch_overwrites_at_the_end(void **state)
{
    struct error err = ERROR_INIT;
    struct bed b;
    (void)state;
    bed_init(&b);
    b.flags = OP_FLAG_BATCH_MODE | OP_FLAG_INPUTS_BOUNDED;
    b.config.overwrite = true;
    put_old_file("dt=1/old");
    put_old_file(
        "dt=1/part-00000007-0000-0-0"); /* of this run: an attempt before has committed it */
    put_old_file("dt=2/old");
    put_old_file("dt=3/old");
    b.config.has_target = true;
    b.config.target = (char *)(uintptr_t) "dt=3";
    bed_open(&b);
    push_file(&b, "dt=1", "part-1");
    assert_true(is_there("dt=1/old"));
    expect_ok(harness_end_of_input(b.h, 0, &err), &err);
    assert_false(is_there("dt=1/old"));
    assert_true(is_there("dt=1/part-1"));
    assert_true(is_there("dt=1/part-00000007-0000-0-0"));
    assert_true(is_there("dt=1/_SUCCESS"));
    assert_true(is_there("dt=2/old"));  /* no rows came for it */
    assert_false(is_there("dt=3/old")); /* it was named */
    bed_end(&b);
}

static void what_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    struct bed b;
    Flinc__FilesystemCommitConfig nothing = FLINC__FILESYSTEM_COMMIT_CONFIG__INIT;
    (void)state;
    bed_init(&b);
    struct harness_options o = {.desc = &operator_table_committer,
                                .input_schemas = {FILE_HAND_OVER_SCHEMA},
                                .config = &b.config.base};
    expect_ok(harness_new(&o, &b.h, &err), &err);
    expect_error(harness_open(b.h, &err), ERR_INVALID_CONFIG, &err,
                 "execution.checkpointing.interval");
    b.h = harness_free(b.h);
    o.config = &nothing.base;
    expect_ok(harness_new(&o, &b.h, &err), &err);
    expect_error(harness_open(b.h, &err), ERR_PARSE, &err, "damaged");
    b.h = harness_free(b.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_appear_with_their_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(told_behind_a_delay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(told_by_the_watermark_of_the_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_files_hold_it_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(goes_on_after_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(batch_overwrites_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
