/* How jobs ended, and removing them; see recovery.h.
 *
 * The result is a JSON object as in Flink's job result store: {"result":{"id":...,"application-status":...},"version":1}, and
 * whether files of checkpoints go, too. */
#include "common/fs/fs.h"
#include "common/text/json_writer.h"
#include "jobmanager/recovery/recovery_internal.h"

#define DIRTY "_DIRTY.json"
#define CLEAN ".json"

/* A job that ended under this leadership. */
struct ended_job {
    bool files_go;     /* is written down */
    bool deleter_came; /* who deletes the files that go: the job's checkpointer */
    uint32_t n_deleting;
    enum { ENDED_KEPT, ENDED_LEAVING, ENDED_GONE } state; /* LEAVING: once files are deleted */
};

/* Under the lock: what is written down tells the next leader what is left to do. */
static bool must_stay(const struct ended_job *e)
{
    return e->n_deleting > 0 || (e->files_go && !e->deleter_came);
}

static const struct {
    enum job_status status;
    const char *application;
} words[] = {
    {JOB_STATUS_FINISHED, "SUCCEEDED"},
    {JOB_STATUS_CANCELED, "CANCELED"},
    {JOB_STATUS_FAILED, "FAILED"},
};

static void write_result(const char *job_hex, const char *status, bool files_go, struct str *ret)
{
    struct json_writer w;
    const char *application = "UNKNOWN";
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        bool is_it = strcmp(status, job_status_name(words[i].status)) == 0;
        application = is_it ? words[i].application : application;
    }
    json_writer_init(&w, ret, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    json_writer_key(&w, "result");
    json_writer_object(&w);
    json_writer_put_string(&w, "id", job_hex);
    json_writer_put_string(&w, "application-status", application);
    json_writer_put_bool(&w, "checkpoints-go", files_go);
    json_writer_end(&w);
    json_writer_put_int(&w, "version", 1);
    json_writer_end(&w);
    json_writer_finish(&w);
}

int results_end_job(struct recovery *r, const char *job_hex, const char *status, bool files_go,
                    bool holds, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO json = STR_INIT;
    int rc = 0;
    recovery_name(&name, "results", job_hex, DIRTY);
    pthread_mutex_lock(&r->lock);
    struct ended_job *e = map_find(&r->ended, job_hex);
    if (e == NULL || (files_go && !e->files_go && e->state != ENDED_GONE)) {
        write_result(job_hex, status, files_go, &json);
        rc = FAILPOINT(err, "recovery.end.before_result");
        if (rc == 0 && !PLANTED("recovery.end_is_not_written")) {
            rc = ha_put(r->ha, &r->token, str_cstr(&name), str_slice(&json), err);
        }
        if (rc == 0) {
            rc = FAILPOINT(err, "recovery.end.after_result");
        }
    }
    if (rc == 0 && e == NULL) {
        e = MEM_NEW(struct ended_job);
        map_put(&r->ended, job_hex, e);
    }
    if (rc == 0) {
        e->files_go |= files_go;
        e->deleter_came |= files_go && holds;
        e->n_deleting += holds && e->state != ENDED_GONE;
    }
    pthread_mutex_unlock(&r->lock);
    if (rc < 0) {
        error_context(err, "writing down that job %s has ended", job_hex);
    }
    return rc;
}

int recovery_end_job(struct recovery *r, const char *job_hex, const char *status,
                     enum recovery_files files, struct error *err)
{
    return results_end_job(r, job_hex, status, files == RECOVERY_FILES_GO, false, err);
}

int results_find(struct recovery *r, const char *job_hex, bool *ret_dirty, struct error *err)
{
    static const char *const endings[] = {CLEAN, DIRTY};
    STR_AUTO name = STR_INIT;
    STR_AUTO value = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        recovery_name(&name, "results", job_hex, endings[i]);
        int rc = ha_get(r->ha, &r->token, str_cstr(&name), &value, err);
        if (rc == 0) {
            *ret_dirty = i == 1;
            return 1;
        }
        if (rc != ERR_NOT_FOUND) {
            return rc;
        }
    }
    error_clear(err);
    return 0;
}

int recovery_find_end(struct recovery *r, const char *job_hex, enum job_status *ret_status,
                      struct error *err)
{
    bool dirty;
    STR_AUTO name = STR_INIT;
    STR_AUTO json = STR_INIT;
    int rc = results_find(r, job_hex, &dirty, err);
    if (rc != 1) {
        return rc;
    }
    recovery_name(&name, "results", job_hex, dirty ? DIRTY : CLEAN);
    TRY(ha_get(r->ha, &r->token, str_cstr(&name), &json, err));
    *ret_status = JOB_STATUS_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        STR_AUTO word = STR_INIT;
        str_printf(&word, "\"%s\"", words[i].application);
        if (strstr(str_cstr(&json), str_cstr(&word)) != NULL) {
            *ret_status = words[i].status;
        }
    }
    return 1;
}

/* The result of a job that has one turns clean, or goes. */
static int finish_result(struct recovery *r, const char *job_hex, struct error *err)
{
    STR_AUTO dirty = STR_INIT;
    STR_AUTO clean = STR_INIT;
    STR_AUTO value = STR_INIT;
    recovery_name(&dirty, "results", job_hex, DIRTY);
    recovery_name(&clean, "results", job_hex, CLEAN);
    int rc = ha_get(r->ha, &r->token, str_cstr(&dirty), &value, err);
    if (rc == ERR_NOT_FOUND) { /* it never began */
        error_clear(err);
        return 0;
    }
    if (rc == 0 && r->keeps_results) {
        rc = ha_put(r->ha, &r->token, str_cstr(&clean), str_slice(&value), err);
    }
    return rc < 0 ? rc : ha_remove(r->ha, &r->token, str_cstr(&dirty), err);
}

static int remove_job(struct recovery *r, const char *job_hex, struct error *err)
{
    STR_AUTO name = STR_INIT;
    TRY(FAILPOINT(err, "recovery.remove.before"));
    if (PLANTED("recovery.result_goes_first")) {
        TRY(finish_result(r, job_hex, err));
    }
    recovery_name(&name, "jobs", job_hex, "");
    TRY(ha_remove_all(r->ha, &r->token, str_cstr(&name), err));
    recovery_name(&name, "jobgraphs", job_hex, "");
    int rc = ha_remove(r->ha, &r->token, str_cstr(&name), err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return rc;
    }
    error_clear(err);
    bundles_delete(r, job_hex);
    TRY(FAILPOINT(err, "recovery.remove.before_result"));
    return finish_result(r, job_hex, err);
}

int recovery_remove_job(struct recovery *r, const char *job_hex, struct error *err)
{
    pthread_mutex_lock(&r->lock);
    struct ended_job *e = map_find(&r->ended, job_hex);
    bool waits = e != NULL && must_stay(e);
    if (e != NULL) {
        e->state = waits ? ENDED_LEAVING : ENDED_GONE;
    }
    pthread_mutex_unlock(&r->lock);
    return waits ? 0 : remove_job(r, job_hex, err);
}

void results_let_go(struct recovery *r, const char *job_hex)
{
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&r->lock);
    struct ended_job *e = map_find(&r->ended, job_hex);
    if (e != NULL && e->n_deleting > 0) {
        e->n_deleting--;
    }
    bool removes = e != NULL && e->state == ENDED_LEAVING && !must_stay(e);
    if (removes) {
        e->state = ENDED_GONE;
    }
    pthread_mutex_unlock(&r->lock);
    if (removes && remove_job(r, job_hex, &err) < 0) {
        LOG_WARN(RECOVERY_TOPIC,
                 "What is kept of job %s, which has ended, cannot be removed; the next leader does "
                 "it: %s",
                 job_hex, err.message);
    }
}

/* ---- what a former leader has left of ended jobs ------------------------------------------------------- */

/* <root>/<job>/chk-7: all of <root>/<job>; else the folder alone. */
static void delete_checkpoint(const char *job_hex, const char *directory)
{
    STR_AUTO folder = STR_INIT;
    struct error err = ERROR_INIT;
    const char *slash = strrchr(directory, '/');
    str_append_cstr(&folder, directory);
    if (slash != NULL && slash - directory > ID_HEX_LEN &&
        strncmp(slash - ID_HEX_LEN, job_hex, ID_HEX_LEN) == 0) {
        str_clear(&folder);
        str_append(&folder, directory, (size_t)(slash - directory));
    }
    int rc = fs_delete(str_cstr(&folder), FS_DELETE_RECURSIVE, &err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN(RECOVERY_TOPIC, "%s is not needed any more and could not be deleted; it stays: %s",
                 str_cstr(&folder), err.message);
    }
}

static int delete_checkpoints(struct recovery *r, const char *job_hex, struct error *err)
{
    STR_AUTO name = STR_INIT;
    struct vec ids = VEC_INIT(char *);
    recovery_name(&name, "jobs", job_hex, "/checkpoints");
    int rc = ha_list(r->ha, &r->token, str_cstr(&name), &ids, err);
    for (size_t i = 0; rc == 0 && i < ids.len; i++) {
        STR_AUTO one = STR_INIT;
        STR_AUTO value = STR_INIT;
        str_printf(&one, "%s/%s", str_cstr(&name), (char *)vec_ptr(&ids, i));
        rc = ha_get(r->ha, &r->token, str_cstr(&one), &value, err);
        if (rc == 0 && str_cstr(&value)[0] == 'D') {
            delete_checkpoint(job_hex, str_cstr(&value) + 1);
        }
    }
    ha_names_fini(&ids);
    return rc;
}

int recovery_keep_details(struct recovery *r, const char *job_hex, struct slice details,
                          struct error *err)
{
    STR_AUTO name = STR_INIT;
    recovery_name(&name, "jobs", job_hex, "/details");
    return ha_put(r->ha, &r->token, str_cstr(&name), details, err);
}

/* True: somebody else removes the job. */
static bool hand_over(struct recovery *r, const struct recovery_left *left, const char *job_hex)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO details = STR_INIT;
    struct error err = ERROR_INIT;
    if (left == NULL) {
        return false;
    }
    recovery_name(&name, "jobs", job_hex, "/details");
    int rc = ha_get(r->ha, &r->token, str_cstr(&name), &details, &err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN(RECOVERY_TOPIC, "What is known of job %s, which has ended, cannot be read: %s",
                 job_hex, err.message);
    }
    return rc == 0 && left->take(left->arg, job_hex, str_slice(&details));
}

static int clean_one(struct recovery *r, const struct recovery_left *left, const char *job_hex,
                     struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO json = STR_INIT;
    recovery_name(&name, "results", job_hex, DIRTY);
    TRY(ha_get(r->ha, &r->token, str_cstr(&name), &json, err));
    LOG_INFO(RECOVERY_TOPIC, "Job %s has ended under a former leader; what it left is removed.",
             job_hex);
    if (strstr(str_cstr(&json), "\"checkpoints-go\":true") != NULL) {
        TRY(delete_checkpoints(r, job_hex, err));
    }
    return hand_over(r, left, job_hex) ? 0 : recovery_remove_job(r, job_hex, err);
}

void results_clean(struct recovery *r, const struct recovery_left *left)
{
    struct vec names = VEC_INIT(char *);
    struct error err = ERROR_INIT;
    if (ha_list(r->ha, &r->token, "results", &names, &err) < 0) {
        LOG_WARN(RECOVERY_TOPIC, "Results of jobs cannot be listed: %s", err.message);
    }
    for (size_t i = 0; i < names.len; i++) {
        char *name = vec_ptr(&names, i);
        if (!cstr_ends_with(name, DIRTY)) {
            continue;
        }
        name[strlen(name) - strlen(DIRTY)] = '\0';
        error_clear(&err);
        if (clean_one(r, left, name, &err) < 0) {
            char text[ERROR_MESSAGE_MAX];
            LOG_WARN(RECOVERY_TOPIC,
                     "What job %s has left cannot be removed; the next leader tries again: %s",
                     name, error_format(&err, text, sizeof(text)));
        }
    }
    ha_names_fini(&names);
}
