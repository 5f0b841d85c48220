/* Bugs that Flink had with submissions, by their numbers (docs/internals/known-bugs.md): each test runs as the
 * product is, and with the guard switched off, when it must notice the bug. */
#include "tests/unit/jobmanager_dispatcher/dispatcher_world.h"

enum { SUBMITTERS = 8 };

static void switch_off(const char *guard)
{
    struct error err = ERROR_INIT;
    assert_int_equal(guard != NULL ? failpoint_configure(guard, &err) : 0, 0);
}

/* ---- FLINK-11846 ---------------------------------------------------------------------------------- */

static int submit_with(struct world *w, struct blob_store *blobs, const char *name)
{
    struct job_submission s = {.graph = job_graph(1, name)};
    struct blob_key key;
    uint64_t size = 0;
    struct error err = ERROR_INIT;
    s.graph->n_libraries = 1;
    s.graph->libraries = graph_zalloc(sizeof(s.graph->libraries[0]));
    s.graph->libraries[0] = graph_zalloc(sizeof(Flinc__Library));
    flinc__library__init(s.graph->libraries[0]);
    s.graph->libraries[0]->name = strdup("wordcount.so");
    s.graph->libraries[0]->path = strdup("/here.so");
    s.graph->libraries[0]->build_id = strdup("abcd");
    assert_int_equal(blob_store_put_file(blobs, "/proc/self/exe", &key, &size, &err), 0);
    s.blobs = mem_dup(&key, sizeof(key));
    s.n_blobs = 1;
    return dispatcher_submit_sync(w->d, &s, WORLD_PATIENCE_S * 1000, &err);
}

/* How many files are there when another job of the same id and bundle has been refused. */
static uint32_t files_after_a_duplicate(const char *without)
{
    struct world w;
    struct error err = ERROR_INIT;
    struct blob_store *blobs = NULL;
    struct blob_key key;
    uint64_t size = 0;
    STR_AUTO dir = STR_INIT;
    world_init(&w);
    str_printf(&dir, "%s-blobs", w.folder);
    const struct blob_store_options store = {.dir = str_cstr(&dir)};
    assert_int_equal(blob_store_open(&store, &blobs, &err), 0);
    struct dispatcher_options o = {.conf = &w.conf,
                                   .mode = COMPONENT_THREAD,
                                   .resourcemanager = &w.rm,
                                   .blobs = blobs,
                                   .io_executor = w.executor};
    assert_int_equal(dispatcher_new(&o, &w.d, &err), 0);
    assert_int_equal(dispatcher_start(w.d, &err), 0);
    assert_int_equal(submit_with(&w, blobs, "one"), 0);
    switch_off(without);
    assert_int_equal(submit_with(&w, blobs, "other"), ERR_ALREADY_EXISTS);
    failpoint_clear_all();
    uint32_t n = blob_store_n(blobs);
    if (n == 0) { /* the live job gives it back at its end */
        assert_int_equal(blob_store_put_file(blobs, "/proc/self/exe", &key, &size, &err), 0);
    }
    world_fini(&w);
    assert_int_equal(blob_store_n(blobs), 0);
    blob_store_close(blobs);
    assert_int_equal(fs_delete(str_cstr(&dir), FS_DELETE_RECURSIVE, &err), 0);
    return n;
}

/* FLINK-11846: a second submission that is refused deletes the files of the job that lives. */
static void flink_11846_a_duplicate_deletes_no_files(void **state)
{
    assert_int_equal(files_after_a_duplicate(NULL), 1);
}

static void flink_11846_guard(void **state)
{
    assert_int_equal(files_after_a_duplicate("planted.blob.deleted_while_used=error"), 0);
}

/* ---- FLINK-30596 ---------------------------------------------------------------------------------- */

struct submitter {
    struct world *w;
    int number, rc;
};

static void *submit_from_thread(void *arg)
{
    struct submitter *s = arg;
    struct error err = ERROR_INIT;
    char name[16];
    (void)snprintf(name, sizeof(name), "job %d", s->number);
    s->rc = world_submit(s->w, job_graph(1, name), &err);
    return NULL;
}

/* How many of several submissions of one id at once become jobs. */
static uint32_t jobs_of_one_id(const char *without)
{
    struct world w;
    struct submitter submitters[SUBMITTERS];
    pthread_t threads[SUBMITTERS];
    uint32_t n_accepted = 0;
    world_init(&w);
    world_start(&w);
    switch_off(without);
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){.w = &w, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_from_thread, &submitters[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        n_accepted += submitters[i].rc == 0;
    }
    failpoint_clear_all();
    assert_int_equal(w.rm.n_added, n_accepted);
    world_fini(&w);
    return n_accepted;
}

/* FLINK-30596: of submissions of one id at once more than one becomes a job. */
static void flink_30596_one_of_parallel_submissions_is_taken(void **state)
{
    assert_int_equal(jobs_of_one_id(NULL), 1);
}

static void flink_30596_guard(void **state)
{
    assert_true(jobs_of_one_id("planted.dispatcher.takes_any_id=error") > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flink_11846_a_duplicate_deletes_no_files),
        cmocka_unit_test(flink_11846_guard),
        cmocka_unit_test(flink_30596_one_of_parallel_submissions_is_taken),
        cmocka_unit_test(flink_30596_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
