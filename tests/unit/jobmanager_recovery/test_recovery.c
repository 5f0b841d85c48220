/* Jobs that are kept, found again by another leader, ended and removed, on the file kind of high availability. */
#include "tests/unit/common_ha/ha_fixture.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"

#include "jobmanager/recovery/recovery.h"
#include "jobmanager/recovery/requirements.h"

#define JOB "6a010000000000000000000000000000"

struct world {
    struct ha_fixture f;
    struct contender c;
    struct blob_store *blobs;
    struct recovery *r;
    char bundle[96];
    struct blob_key key;
    Flinc__JobGraph *graph;
};

static void lead(struct world *w)
{
    contender_open(&w->c, &w->f.conf, NULL);
    contender_lead(&w->c);
    w->r = recovery_new(&(struct recovery_options){.ha = w->c.ha,
                                                   .token = w->c.token,
                                                   .conf = &w->f.conf,
                                                   .blobs = w->blobs,
                                                   .tmp_dir = w->f.dir});
}

static void retire(struct world *w)
{
    w->r = recovery_free(w->r);
    contender_close(&w->c);
}

static int setup(void **state)
{
    static const struct vertex_spec vertices[] = {{"Source", 1, NULL, NULL},
                                                  {"Sink", 1, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    struct world *w = mem_zalloc(sizeof(*w));
    struct error err = ERROR_INIT;
    uint64_t size;
    fixture_init(&w->f, "file", "10 s");
    struct blob_store_options o = {.dir = w->f.dir};
    assert_int_equal(blob_store_open(&o, &w->blobs, &err), 0);
    snprintf(w->bundle, sizeof(w->bundle), "%s/job.so", w->f.dir);
    FILE *file = fopen(w->bundle, "w");
    assert_non_null(file);
    for (int i = 0; i < 300000; i++) {
        assert_true(fprintf(file, "%d\n", i) > 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(blob_store_put_file(w->blobs, w->bundle, &w->key, &size, &err), 0);
    w->graph = graph_new(vertices, 2, edges, 1);
    w->graph->n_libraries = 1;
    w->graph->libraries = graph_zalloc(sizeof(w->graph->libraries[0]));
    w->graph->libraries[0] = graph_zalloc(sizeof(*w->graph->libraries[0]));
    flinc__library__init(w->graph->libraries[0]);
    w->graph->libraries[0]->name = strdup("job.so");
    w->graph->libraries[0]->path = strdup(w->bundle);
    lead(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    retire(w);
    flinc__job_graph__free_unpacked(w->graph, NULL);
    blob_store_close(w->blobs);
    fixture_fini(&w->f);
    mem_free(w);
    return 0;
}

static int put(struct world *w, struct error *err)
{
    return recovery_put_job(w->r, w->graph, &w->key, 1, err);
}

static void check_jobs(struct world *w, size_t n)
{
    struct vec hexes = VEC_INIT(char *);
    struct error err = ERROR_INIT;
    assert_int_equal(recovery_list_jobs(w->r, NULL, &hexes, &err), 0);
    assert_int_equal(hexes.len, n);
    if (n > 0) {
        assert_string_equal(vec_ptr(&hexes, 0), JOB);
    }
    ha_names_fini(&hexes);
}

/* Of the job nothing is in the folder, nor under any name. */
static void check_nothing_left(struct world *w)
{
    static const char *const folders[] = {"jobgraphs", "jobs", "results"};
    struct error err = ERROR_INIT;
    STR_AUTO blob = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct vec names = VEC_INIT(char *);
        assert_int_equal(ha_list(w->c.ha, &w->c.token, folders[i], &names, &err), 0);
        assert_int_equal(names.len, 0);
        ha_names_fini(&names);
    }
    str_printf(&blob, "%s/blob/" JOB, ha_storage_dir(w->c.ha));
    assert_int_equal(fs_exists(str_cstr(&blob), &err), 0);
}

/* What was kept of a job at its end is handed to whoever archives it; then it is removed. */
struct left {
    struct str seen;
    bool takes;
};

static bool take_left(void *arg, const char *job_hex, struct slice details)
{
    struct left *l = arg;
    str_printf(&l->seen, "%s=%.*s ", job_hex, (int)details.len, details.data);
    return l->takes;
}

static void list_left(struct world *w, struct left *l, const char *seen)
{
    struct vec hexes = VEC_INIT(char *);
    struct error err = ERROR_INIT;
    struct recovery_left left = {.take = take_left, .arg = l};
    str_clear(&l->seen);
    assert_int_equal(recovery_list_jobs(w->r, &left, &hexes, &err), 0);
    assert_int_equal(hexes.len, 0); /* it is not run again */
    assert_string_equal(str_cstr(&l->seen), seen);
    ha_names_fini(&hexes);
}

static void test_details_are_handed_over(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct left l = {.takes = true};
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(recovery_keep_details(w->r, JOB, SLICE_LIT("old"), &err), 0);
    assert_int_equal(recovery_keep_details(w->r, JOB, SLICE_LIT("known"), &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_STAY, &err), 0);
    list_left(w, &l, JOB "=known "); /* taken: it stays until the taker removes it */
    list_left(w, &l, JOB "=known ");
    l.takes = false;
    list_left(w, &l, JOB "=known ");
    check_nothing_left(w);
    list_left(w, &l, "");
    str_fini(&l.seen);
}

static void test_found_by_the_next(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct recovered_job job;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(put(w, &err), ERR_ALREADY_EXISTS);
    assert_int_equal(p->reserve(p->arg, JOB, 9, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 12, &err), 0);
    assert_int_equal(p->add(p->arg, JOB, 8, SLICE_LIT("D/a/chk-8"), &err), 0);
    assert_int_equal(p->add(p->arg, JOB, 11, SLICE_LIT("D/a/chk-11"), &err), 0);
    assert_int_equal(p->remove(p->arg, JOB, 3, &err), 0);
    struct recovery *old = w->r;
    struct contender former = w->c;
    ha_resign(former.ha);
    w->r = NULL;
    lead(w);
    check_jobs(w, 1);
    assert_int_equal(recovery_get_job(w->r, JOB, &job, &err), 0);
    assert_string_equal(job.graph->name, "wordcount");
    assert_int_equal(job.n_blobs, 1);
    assert_memory_equal(job.blobs[0].hash, w->key.hash, sizeof(w->key.hash));
    assert_int_equal(job.checkpoints.next_id, 12);
    assert_int_equal(job.checkpoints.pointers.len, 2);
    const struct checkpoint_pointer *newest =
        VEC_AT(&job.checkpoints.pointers, struct checkpoint_pointer, 1);
    assert_int_equal(newest->id, 11);
    assert_string_equal(str_cstr(&newest->value), "D/a/chk-11");
    recovered_job_fini(&job, w->blobs);
    /* The former one can neither write nor remove. */
    assert_int_equal(p->add(p->arg, JOB, 12, SLICE_LIT("D/a/chk-12"), &err), ERR_FENCED);
    assert_int_equal(recovery_end_job(old, JOB, "FINISHED", RECOVERY_FILES_STAY, &err), ERR_FENCED);
    recovery_free(old);
    contender_close(&former);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    check_nothing_left(w);
}

static void test_end(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    enum job_status status;
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 1);
    assert_int_equal(status, JOB_STATUS_FINISHED);
    assert_int_equal(put(w, &err), ERR_ALREADY_EXISTS);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    check_nothing_left(w);
    /* Files of its checkpoints are deleted later than that. */
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(p->end_job(p->arg, JOB, "FINISHED", true, &err), 0);
    p->files_are_gone(p->arg, JOB);
    check_nothing_left(w);
}

/* What is written down of a job stays until its files are gone: the next leader would delete them. */
static void test_files_go_first(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    enum job_status status;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(p->end_job(p->arg, JOB, "FINISHED", true, &err), 0);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 1);
    p->files_are_gone(p->arg, JOB);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 0);
    check_nothing_left(w);
}

/* The same when the end is written down before anybody begins to delete: it says what goes. */
static void test_the_end_says_that_files_go(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    enum job_status status;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_GO, &err), 0);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 1);
    assert_int_equal(p->end_job(p->arg, JOB, "FINISHED", true, &err), 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 1);
    p->files_are_gone(p->arg, JOB);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 0);
    check_nothing_left(w);
}

static void check_the_next_deletes(struct world *w)
{
    struct error err = ERROR_INIT;
    STR_AUTO folder = STR_INIT;
    retire(w);
    lead(w);
    check_jobs(w, 0);
    check_nothing_left(w);
    str_printf(&folder, "%s/checkpoints/" JOB, w->f.dir);
    assert_int_equal(fs_exists(str_cstr(&folder), &err), 0);
}

static void put_checkpoint(struct world *w)
{
    struct error err = ERROR_INIT;
    STR_AUTO folder = STR_INIT;
    STR_AUTO pointer = STR_INIT;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    str_printf(&folder, "%s/checkpoints/" JOB "/chk-4", w->f.dir);
    str_printf(&pointer, "D%s", str_cstr(&folder));
    assert_int_equal(fs_mkdirs(str_cstr(&folder), &err), 0);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(p->add(p->arg, JOB, 4, str_slice(&pointer), &err), 0);
}

/* The former leader was killed when its dispatcher had removed the job, and before its checkpointer began to delete. */
static void test_next_leader_deletes_what_nobody_began(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    put_checkpoint(w);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_GO, &err), 0);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    check_the_next_deletes(w);
}

/* Of two checkpoints at the same time the lower number may be written down last. */
static void test_numbers_do_not_go_back(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct recovered_job job;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 7, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 6, &err), 0);
    assert_int_equal(recovery_get_job(w->r, JOB, &job, &err), 0);
    assert_int_equal(job.checkpoints.next_id, 7);
    recovered_job_fini(&job, w->blobs);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
}

/* What the I/O threads were about to write of a job that has ended. */
static void test_nothing_comes_after_the_end(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 7, &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "CANCELED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 8, &err), ERR_CANCELLED);
    assert_int_equal(p->add(p->arg, JOB, 6, SLICE_LIT("D/a/chk-6"), &err), ERR_CANCELLED);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    assert_int_equal(p->reserve(p->arg, JOB, 8, &err), ERR_CANCELLED);
    assert_int_equal(p->add(p->arg, JOB, 6, SLICE_LIT("D/a/chk-6"), &err), ERR_CANCELLED);
    check_nothing_left(w);
}

/* Vertex 0xab... may run 2 to 5 times, vertex 0xcd... once to 300 times. */
static const uint8_t golden_requirements[] = {
    0x08, 0x01,                                     /* version */
    0x12, 0x16, 0x0a, 0x10, 0xab, 0, 0, 0, 0, 0, 0, /* a vertex */
    0,    0,    0,    0,    0,    0, 0, 0, 0,       /* */
    0x10, 0x02, 0x18, 0x05,                         /* */
    0x12, 0x17, 0x0a, 0x10, 0xcd, 0, 0, 0, 0, 0, 0, /* another one */
    0,    0,    0,    0,    0,    0, 0, 0, 0,       /* */
    0x10, 0x01, 0x18, 0xac, 0x02,
};
static const struct job_requirement requirements[] = {
    {{{0xab}}, {2, 5}},
    {{{0xcd}}, {1, 300}},
};

static void test_requirements_as_bytes(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    struct vec read = VEC_INIT(struct job_requirement);
    (void)state;
    requirements_pack(requirements, 2, &bytes);
    assert_int_equal(bytes.len, sizeof(golden_requirements));
    assert_memory_equal(bytes.data, golden_requirements, bytes.len);
    assert_int_equal(requirements_unpack(str_slice(&bytes), &read, &err), 0);
    assert_int_equal(read.len, 2);
    assert_memory_equal(read.data, requirements, sizeof(requirements));
    assert_int_equal(requirements_unpack(SLICE_LIT("\x08\x02"), &read, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "version 2"));
    assert_int_equal(requirements_unpack(SLICE_LIT("\x08\x01\x12\x03\x0a\x01\xab"), &read, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.message, "has 1 bytes"));
    bytes.len--;
    assert_int_equal(requirements_unpack(str_slice(&bytes), &read, &err), ERR_CORRUPT);
    vec_fini(&read);
}

static void test_requirements(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct recovered_job job;
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(recovery_get_job(w->r, JOB, &job, &err), 0);
    assert_int_equal(job.requirements.len, 0);
    recovered_job_fini(&job, w->blobs);
    assert_int_equal(recovery_keep_requirements(w->r, JOB, &requirements[1], 1, &err), 0);
    assert_int_equal(recovery_keep_requirements(w->r, JOB, requirements, 2, &err), 0);
    retire(w);
    lead(w);
    assert_int_equal(recovery_get_job(w->r, JOB, &job, &err), 0);
    assert_int_equal(job.requirements.len, 2);
    assert_memory_equal(job.requirements.data, requirements, sizeof(requirements));
    recovered_job_fini(&job, w->blobs);
    assert_int_equal(recovery_end_job(w->r, JOB, "CANCELED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(recovery_keep_requirements(w->r, JOB, requirements, 2, &err), ERR_CANCELLED);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    check_nothing_left(w);
}

static void test_results_are_kept(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    enum job_status status;
    retire(w);
    assert_int_equal(conf_set(&w->f.conf, "job-result-store.delete-on-commit", "false", &err), 0);
    lead(w);
    assert_int_equal(put(w, &err), 0);
    assert_int_equal(recovery_end_job(w->r, JOB, "CANCELED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(recovery_remove_job(w->r, JOB, &err), 0);
    check_jobs(w, 0);
    retire(w);
    lead(w);
    check_jobs(w, 0);
    assert_int_equal(recovery_find_end(w->r, JOB, &status, &err), 1);
    assert_int_equal(status, JOB_STATUS_CANCELED);
    assert_int_equal(put(w, &err), ERR_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "has ended already"));
}

/* The former leader was killed between the result and the removal. */
static void test_next_leader_removes(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    const struct checkpoint_pointers *p = recovery_pointers(w->r);
    put_checkpoint(w);
    assert_int_equal(recovery_end_job(w->r, JOB, "FINISHED", RECOVERY_FILES_STAY, &err), 0);
    assert_int_equal(p->end_job(p->arg, JOB, "FINISHED", true, &err), 0);
    check_the_next_deletes(w);
}

/* A job is not kept half: neither after an error, nor when its bundle is damaged. */
static void test_errors(void **state)
{
    static const char *const points[] = {"recovery.put.before_bundles",
                                         "recovery.put.before_graph"};
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct recovered_job job;
    STR_AUTO pattern = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        STR_AUTO spec = STR_INIT;
        str_printf(&spec, "%s=error", points[i]);
        assert_int_equal(failpoint_configure(str_cstr(&spec), &err), 0);
        assert_true(put(w, &err) < 0);
        failpoint_clear_all();
        check_nothing_left(w);
    }
    assert_int_equal(put(w, &err), 0);
    str_printf(&pattern, "%s/blob/" JOB "/*", ha_storage_dir(w->c.ha));
    assert_int_equal(fs_glob(str_cstr(&pattern), &list, &err), 0);
    assert_int_equal(list.n, 1);
    assert_int_equal(truncate(strchr(list.entries[0].path, '/'), 1000), 0);
    fs_list_fini(&list);
    assert_int_equal(recovery_get_job(w->r, JOB, &job, &err), ERR_CORRUPT);
    check_jobs(w, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_details_are_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_found_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_go_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_says_that_files_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_leader_deletes_what_nobody_began, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_numbers_do_not_go_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_comes_after_the_end, setup, teardown),
        cmocka_unit_test(test_requirements_as_bytes),
        cmocka_unit_test_setup_teardown(test_requirements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_results_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_leader_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
