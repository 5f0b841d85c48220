/* A checkpoint of a thousand tasks with 100 MB of union state: taken, completed, restored after a failure and by
 * a new job.  Tasks write and read with what real ones use, in processes of their own, so that the memory of
 * this process is the job manager's (and, small, its fake workers').
 *
 * Bounds are asserted; FLINC_PRINT=1 prints the figures of docs/performance.md. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

#include "engine/snapshot/output.h"
#include "engine/state/operator_state.h"

#include <sys/wait.h>

enum {
    TASKS = 1000,
    ITEMS = 1000, /* of a task */
    ITEM_BYTES = 100,
    WORKERS = 4,
    DEPLOYMENT_BYTES_MAX = 1024 * TASKS, /* of all tasks */
    METADATA_BYTES_MAX = 1024 * TASKS,
    MEMORY_MAX_KB = 48 * 1024, /* above what the job manager has with the job running */
};

/* ---- figures ----------------------------------------------------------------------------------- */

static uint64_t status_kb(const char *field)
{
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            (void)sscanf(line + strlen(field), ": %llu", &kb);
        }
    }
    (void)fclose(f);
    return kb;
}

static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f != NULL) { /* not everywhere: the peak is then that of all before it */
        (void)fputs("5", f);
        (void)fclose(f);
    }
}

struct phase {
    uint64_t rss_kb;
    int64_t begin_ns;
};

static struct phase phase_begin(void)
{
    reset_peak();
    return (struct phase){status_kb("VmRSS"), clock_monotonic_ns(&clock_system)};
}

static void phase_end(struct phase p, const char *what)
{
    int64_t ms = (clock_monotonic_ns(&clock_system) - p.begin_ns) / 1000000;
    uint64_t peak_kb = status_kb("VmHWM");
    uint64_t more_kb = peak_kb > p.rss_kb ? peak_kb - p.rss_kb : 0;
    if (getenv("FLINC_PRINT") != NULL) {
        printf("%-44s %6lld ms, peak %4llu MB, %3llu MB more than before\n", what, (long long)ms,
               (unsigned long long)peak_kb >> 10, (unsigned long long)more_kb >> 10);
    }
    assert_in_range(more_kb, 0, MEMORY_MAX_KB);
}

/* ---- tasks -------------------------------------------------------------------------------------- */

static Flinc__JobGraph *scale_graph(void)
{
    static const struct vertex_spec vertices[] = {{"Source", TASKS, NULL, NULL}};
    Flinc__JobGraph *g = graph_new(vertices, 1, NULL, 0);
    g->vertices[0]->max_parallelism = TASKS;
    return g;
}

/* The bytes of item `k` of subtask `i`. */
static void make_item(uint32_t i, uint32_t k, char ret_item[ITEM_BYTES])
{
    memset(ret_item, (int)('a' + (i + k) % 26), ITEM_BYTES);
    memcpy(ret_item, &i, sizeof(i));
    memcpy(ret_item + sizeof(i), &k, sizeof(k));
}

static void check(bool ok, const char *what, const struct error *err)
{
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, err->message);
        _exit(1);
    }
}

static void write_state(uint32_t i, const Flinc__CheckpointLocation *location, uint64_t id,
                        FILE *to)
{
    struct error err = ERROR_INIT;
    struct operator_state_snapshot *snapshot = NULL;
    struct operator_list *l = NULL;
    Flinc__OperatorStateHandle handle;
    char owner[64], item[ITEM_BYTES];
    snprintf(owner, sizeof(owner), "vertex-%u-0", i);
    struct snapshot_target *t = snapshot_target_new(&(struct snapshot_target_options){
        .location = location, .checkpoint_id = id, .owner = owner});
    struct operator_state *s = operator_state_new("Source", NULL);
    check(operator_state_list(s, "offsets", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                              "ROW<a BYTES>", &l, &err) == 0,
          "declaring", &err);
    for (uint32_t k = 0; k < ITEMS; k++) {
        make_item(i, k, item);
        check(operator_list_add(l, item, ITEM_BYTES, &err) == 0, "adding", &err);
    }
    check(operator_state_freeze(s, t, &snapshot, &err) == 0, "freezing", &err);
    check(operator_state_snapshot_poll(snapshot, &handle, &err) == 1, "writing", &err);
    uint32_t size = (uint32_t)flinc__operator_state_handle__get_packed_size(&handle);
    uint8_t *bytes = mem_alloc(size);
    flinc__operator_state_handle__pack(&handle, bytes);
    check(fwrite(&size, sizeof(size), 1, to) == 1 && fwrite(bytes, size, 1, to) == 1, "noting",
          &err);
    mem_free(bytes);
    operator_state_snapshot_free(snapshot);
    operator_state_free(s);
    snapshot_target_unref(t);
}

static void wait_for(pid_t child)
{
    int status = 0;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A process that is all tasks: their files, and what they will acknowledge, one behind the other in `path`. */
static void write_all(const Flinc__CheckpointLocation *location, uint64_t id, const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct error none = ERROR_INIT;
        FILE *to = fopen(path, "w");
        check(to != NULL, path, &none);
        for (uint32_t i = 0; i < TASKS; i++) {
            write_state(i, location, id, to);
        }
        _exit(fclose(to) == 0 ? 0 : 1);
    }
    wait_for(child);
}

static void acknowledge(struct fake_task *t, uint64_t id, Flinc__OperatorStateHandle *handle)
{
    Flinc__OperatorStateHandle *handles[] = {handle};
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT, *states[] = {&state};
    Flinc__TaskSnapshot snapshot = FLINC__TASK_SNAPSHOT__INIT;
    Flinc__CheckpointTaskStats stats = FLINC__CHECKPOINT_TASK_STATS__INIT;
    Flinc__CheckpointAck ack = FLINC__CHECKPOINT_ACK__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    state.operator_id = (ProtobufCBinaryData){sizeof(t->operator_id.bytes), t->operator_id.bytes};
    state.n_operator_state = 1;
    state.operator_state = handles;
    snapshot.n_operators = 1;
    snapshot.operators = states;
    stats.state_bytes = stats.written_bytes = handle->blob->size;
    ack.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    ack.checkpoint_id = id;
    ack.snapshot = &snapshot;
    ack.stats = &stats;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK;
    m.checkpoint_ack = &ack;
    worker_say(t->worker, &m);
}

static void acknowledge_all(struct checkpoint_world *cw, uint64_t id, const char *path)
{
    FILE *from = fopen(path, "r");
    assert_non_null(from);
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t size = 0;
        assert_int_equal(fread(&size, sizeof(size), 1, from), 1);
        uint8_t *bytes = mem_alloc(size);
        assert_int_equal(fread(bytes, size, 1, from), 1);
        Flinc__OperatorStateHandle *h = flinc__operator_state_handle__unpack(NULL, size, bytes);
        assert_non_null(h);
        acknowledge(world_task(&cw->w, "Source", i), id, h);
        flinc__operator_state_handle__free_unpacked(h, NULL);
        mem_free(bytes);
    }
    (void)fclose(from);
    world_settle(&cw->w);
}

/* A task of its own process gets everything from everybody. */
static void restore_one(const Flinc__TaskRestore *restore)
{
    pid_t child = fork();
    if (child == 0) {
        struct error err = ERROR_INIT;
        struct operator_list *l = NULL;
        char want[ITEM_BYTES];
        int64_t begin_ns = clock_monotonic_ns(&clock_system);
        struct operator_state *s = operator_state_new("Source", NULL);
        check(operator_state_restore(s, restore->operators[0], restore->directory, &err) == 0,
              "restoring", &err);
        check(operator_state_list(s, "offsets", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                                  "ROW<a BYTES>", &l, &err) == 0,
              "declaring", &err);
        check(operator_list_len(l) == (size_t)TASKS * ITEMS, "number of items", &err);
        for (uint32_t i = 0; i < TASKS; i++) {
            for (uint32_t k = 0; k < ITEMS; k++) {
                struct slice got = operator_list_get(l, (size_t)i * ITEMS + k);
                make_item(i, k, want);
                check(got.len == ITEM_BYTES && memcmp(got.data, want, ITEM_BYTES) == 0, "item",
                      &err);
            }
        }
        if (getenv("FLINC_PRINT") != NULL) {
            printf("%-44s %6lld ms\n", "a task restores 100 MB of 1,000 tasks",
                   (long long)(clock_monotonic_ns(&clock_system) - begin_ns) / 1000000);
            (void)fflush(stdout);
        }
        _exit(0);
    }
    wait_for(child);
}

/* ---- the job master's part ----------------------------------------------------------------------- */

static void start(struct checkpoint_world *cw)
{
    world_set(&cw->w, "jobmanager.execution.failover-strategy", "full");
    for (uint32_t i = 0; i < WORKERS; i++) {
        world_add_worker(&cw->w, TASKS / WORKERS, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    }
    world_start(&cw->w);
    assert_int_equal(world_n_tasks(&cw->w, RUNNING), TASKS);
}

static uint64_t deployment_bytes(const struct checkpoint_world *cw, uint64_t id)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        const Flinc__DeployTasks *d = cw->w.workers[i].last_deploy;
        bytes += flinc__deploy_tasks__get_packed_size(d);
        assert_int_equal(d->subtasks[0]->restore->checkpoint_id, id);
        assert_true(d->subtasks[0]->restore->operators[0]->union_in_metadata);
    }
    return bytes;
}

static void check_deployments(const struct checkpoint_world *cw, uint64_t id)
{
    uint64_t bytes = deployment_bytes(cw, id);
    if (getenv("FLINC_PRINT") != NULL) {
        printf("%-44s %6llu KB\n", "deployments of 1,000 tasks", (unsigned long long)bytes >> 10);
        (void)fflush(stdout);
    }
    assert_in_range(bytes, TASKS, DEPLOYMENT_BYTES_MAX);
    restore_one(cw->w.workers[1].last_deploy->subtasks[3]->restore);
}

static void check_metadata(const char *directory)
{
    char path[700];
    struct fs_status st;
    struct error err = ERROR_INIT;
    snprintf(path, sizeof(path), "%s/_metadata", directory);
    assert_int_equal(fs_stat(path, &st, &err), 0);
    if (getenv("FLINC_PRINT") != NULL) {
        printf("%-44s %6llu KB\n", "_metadata", (unsigned long long)st.size_bytes >> 10);
    }
    assert_in_range(st.size_bytes, TASKS, METADATA_BYTES_MAX);
}

/* A checkpoint, a failure, the restart; leaves the checkpoint's folder in *ret_directory. */
static uint64_t take_and_restart(struct checkpoint_world *cw, char ret_directory[600])
{
    char acks[600], shared[600];
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    start(cw);
    struct phase p = phase_begin();
    uint64_t id = cw_next_trigger(cw);
    phase_end(p, "triggering a checkpoint of 1,000 tasks");
    snprintf(ret_directory, 600, "%s/" JOB_DIR "/chk-%llu", cw->dir, (unsigned long long)id);
    snprintf(shared, sizeof(shared), "%s/" JOB_DIR "/shared", cw->dir);
    snprintf(acks, sizeof(acks), "%s/acks", cw->dir);
    location.directory = ret_directory;
    location.shared_directory = shared;
    location.inline_threshold = 20 * 1024;
    write_all(&location, id, acks);
    p = phase_begin();
    acknowledge_all(cw, id, acks);
    phase_end(p, "1,000 acknowledgements, completing");
    assert_true(cw_exists(cw, METADATA, id));
    check_metadata(ret_directory);
    p = phase_begin();
    cw_fail_task(cw, "Source", 7);
    assert_int_equal(world_n_tasks(&cw->w, RUNNING), TASKS);
    phase_end(p, "a failure, all tasks deployed from it");
    check_deployments(cw, id);
    return id;
}

static void a_thousand_tasks(void **state)
{
    struct checkpoint_world cw, again;
    char directory[600];
    (void)state;
    cw_init_graph(&cw, scale_graph());
    uint64_t id = take_and_restart(&cw, directory);

    cw_init_graph(&again, scale_graph());
    world_set(&again.w, "execution.state-recovery.path", directory);
    struct phase p = phase_begin();
    start(&again);
    phase_end(p, "a new job of 1,000 tasks starts from it");
    check_deployments(&again, id);
    cw_fini(&again);
    cw_fini(&cw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thousand_tasks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
