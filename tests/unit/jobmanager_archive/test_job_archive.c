/* The text of an archive: which answers it has, and that they are those of REST. */
#include "jobmanager/archive/archive.h"
#include "tests/unit/jobmanager_rest/fixture.h"

static int append(void *arg, const void *data, size_t size, struct error *err)
{
    str_append(arg, data, size);
    return 0;
}

static struct json_node *archive_of(enum job_status status)
{
    STR_AUTO text = STR_INIT;
    struct conf conf;
    struct json_node *root = NULL;
    struct error err = ERROR_INIT;
    struct job_details *d = fixture_job(status);
    d->checkpoints = checkpoint_stats_ref(fixture_checkpoints());
    conf_init(&conf, NULL);
    assert_int_equal(conf_set(&conf, "s3.secret-key", "hidden", &err), 0);
    assert_int_equal(job_archive_write(d, &conf, append, &text, &err), 0);
    assert_int_equal(json_parse(str_slice(&text), NULL, &root, &err), 0);
    assert_null(strstr(str_cstr(&text), "hidden"));
    conf_fini(&conf);
    job_details_unref(d);
    return root;
}

/* The answer of a path, parsed; the caller frees it.  NULL: there is none. */
static struct json_node *answer(const struct json_node *root, const char *path)
{
    const struct json_node *entries = node_at(root, "archive");
    struct json_node *found = NULL;
    for (size_t i = 0; i < json_node_count(entries); i++) {
        const struct json_node *e = json_node_at(entries, i);
        if (strcmp(text_at(e, "path"), path) == 0) {
            assert_null(found); /* once */
            assert_int_equal(json_parse(slice_cstr(text_at(e, "json")), NULL, &found, NULL), 0);
        }
    }
    return found;
}

static const char *const paths[] = {
    "/jobs/overview",
    "/jobs/" JOB_ID,
    "/jobs/" JOB_ID "/config",
    "/jobs/" JOB_ID "/exceptions",
    "/jobs/" JOB_ID "/plan",
    "/jobs/" JOB_ID "/accumulators",
    "/jobs/" JOB_ID "/jobmanager/config",
    "/jobs/" JOB_ID "/jobmanager/environment",
    "/jobs/" JOB_ID "/checkpoints",
    "/jobs/" JOB_ID "/checkpoints/config",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID,
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/subtasktimes",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/taskmanagers",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/accumulators",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/subtasks/accumulators",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/subtasks/1",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/subtasks/1/attempts/0",
    "/jobs/" JOB_ID "/vertices/" SOURCE_ID "/subtasks/1/attempts/0/accumulators",
    "/jobs/" JOB_ID "/vertices/" SINK_ID "/subtasks/0/attempts/1",
    "/jobs/" JOB_ID "/vertices/" SINK_ID "/subtasks/0/attempts/0", /* an earlier one */
};

static void has_what_flink_archives(void **state)
{
    JSON_AUTO root = archive_of(JOB_STATUS_FINISHED);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        JSON_AUTO one = answer(root, paths[i]);
        if (one == NULL) {
            fail_msg("there is no %s", paths[i]);
        }
    }
}

static void says_what_rest_says(void **state)
{
    JSON_AUTO root = archive_of(JOB_STATUS_FAILED);
    JSON_AUTO overview = answer(root, "/jobs/overview");
    assert_int_equal(count_at(overview, "jobs"), 1);
    assert_string_equal(text_at(overview, "jobs.0.jid"), JOB_ID);
    assert_string_equal(text_at(overview, "jobs.0.state"), "FAILED");
    assert_int_equal(int_at(overview, "jobs.0.tasks.total"), 4);
    JSON_AUTO job = answer(root, "/jobs/" JOB_ID);
    assert_string_equal(text_at(job, "jid"), JOB_ID);
    assert_string_equal(text_at(job, "state"), "FAILED");
    assert_int_equal(count_at(job, "vertices"), 2);
    assert_string_equal(text_at(overview, "jobs.0.name"), text_at(job, "name"));
    assert_int_equal(int_at(overview, "jobs.0.start-time"), int_at(job, "start-time"));
    JSON_AUTO exceptions = answer(root, "/jobs/" JOB_ID "/exceptions");
    assert_true(count_at(exceptions, "exceptionHistory.entries") > 0);
    JSON_AUTO plan = answer(root, "/jobs/" JOB_ID "/plan");
    assert_true(has(plan, "plan"));
}

static void has_each_checkpoint(void **state)
{
    JSON_AUTO root = archive_of(JOB_STATUS_FINISHED);
    const struct checkpoint_stats *s = fixture_checkpoints();
    assert_true(s->n_history > 0);
    for (uint32_t i = 0; i < s->n_history; i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "/jobs/" JOB_ID "/checkpoints/details/%llu",
                   (unsigned long long)s->history[i]->id);
        JSON_AUTO one = answer(root, str_cstr(&path));
        assert_non_null(one);
        assert_int_equal(int_at(one, "id"), s->history[i]->id);
        if (s->history[i]->n_vertices > 0) {
            char hex[ID_HEX_LEN + 1];
            id_format(&s->history[i]->vertices[0].vertex_id, hex);
            str_printf(&path, "/subtasks/%s", hex);
            JSON_AUTO subtasks = answer(root, str_cstr(&path));
            assert_non_null(subtasks);
        }
    }
}

static int refuse(void *arg, const void *data, size_t size, struct error *err)
{
    ++*(int *)arg;
    return error_set(err, ERR_NO_SPACE, "full");
}

static void ends_with_the_first_error(void **state)
{
    struct conf conf;
    struct error err = ERROR_INIT;
    int calls = 0;
    struct job_details *d = fixture_job(JOB_STATUS_FINISHED);
    conf_init(&conf, NULL);
    assert_int_equal(job_archive_write(d, &conf, refuse, &calls, &err), ERR_NO_SPACE);
    assert_int_equal(calls, 1);
    conf_fini(&conf);
    job_details_unref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_what_flink_archives),
        cmocka_unit_test(says_what_rest_says),
        cmocka_unit_test(has_each_checkpoint),
        cmocka_unit_test(ends_with_the_first_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
