/* Looking into the folders: what is new is fetched, what is too old goes; see history.h.
 * Thread: the fetching one. */
#include "jobmanager/history/history_internal.h"

#include "common/text/json.h"
#include "common/text/json_writer.h"
#include "jobmanager/history/archive_reader.h"
#include "jobmanager/history/page_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- one archive ---------------------------------------------------------------------------------- */

struct fetching {
    struct page_writer *writer;
    const char *id;
    char *overview; /* Owns; the job's line in the list */
};

/* The item of {"jobs":[...]} that is this job. */
static int take_overview(struct fetching *f, struct slice json, struct error *err)
{
    static const struct json_limits limits = {.max_bytes = HISTORY_OVERVIEW_MAX,
                                              .duplicates = JSON_DUPLICATES_LAST};
    JSON_AUTO root = NULL;
    TRY_CTX(err, json_parse(json, &limits, &root, err), "reading /jobs/overview");
    const struct json_node *jobs =
        json_node_type(root) == JSON_TYPE_OBJECT ? json_node_find(root, "jobs") : NULL;
    size_t n = jobs != NULL && json_node_type(jobs) == JSON_TYPE_ARRAY ? json_node_count(jobs) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct json_node *job = json_node_at(jobs, i);
        const char *id = NULL;
        if (json_node_type(job) == JSON_TYPE_OBJECT &&
            json_member_string(job, "jid", JSON_REQUIRED, &id, NULL) == 0 &&
            strcmp(id, f->id) == 0) {
            struct str text = STR_INIT;
            struct json_writer w;
            json_writer_init(&w, &text, JSON_STYLE_COMPACT);
            json_node_write(job, &w);
            json_writer_finish(&w);
            mem_free(f->overview);
            f->overview = str_take(&text);
            return 0;
        }
    }
    return error_set(err, ERR_CORRUPT, "its /jobs/overview does not have job %s", f->id);
}

static int on_entry(void *arg, struct slice path, struct slice json, struct error *err)
{
    struct fetching *f = arg;
    return slice_eq_cstr(path, "overview") ? take_overview(f, json, err)
                                           : page_writer_add(f->writer, path, json, err);
}

static int read_into(struct fetching *f, const char *uri, const char *part, struct error *err)
{
    const struct archive_sink sink = {.entry = on_entry, .arg = f};
    TRY(FAILPOINT(err, "history.fetch"));
    TRY(page_writer_open(part, &f->writer, err));
    TRY(archive_read(uri, f->id, &sink, err));
    if (f->overview == NULL) {
        return error_set(err, ERR_CORRUPT, "%s is no archive of a job: it has no /jobs/overview",
                         uri);
    }
    return page_writer_close(&f->writer, err);
}

/* Its copy is there, whole, or as it was before. */
static int fetch(struct history *h, const struct fs_entry *e, char **ret_overview,
                 struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO part = STR_INIT;
    struct fetching f = {.id = e->name};
    history_copy_path(h, e->name, &path);
    str_printf(&part, "%s.part", str_cstr(&path));
    int rc = read_into(&f, e->path, str_cstr(&part), err);
    f.writer = page_writer_abandon(f.writer);
    if (rc == 0 && rename(str_cstr(&part), str_cstr(&path)) < 0) {
        rc = error_set_errno(err, errno, "writing %s (historyserver.web.tmpdir)", str_cstr(&path));
    }
    if (rc < 0) {
        (void)unlink(str_cstr(&part));
        mem_free(f.overview);
        return rc;
    }
    *ret_overview = f.overview;
    return 0;
}

static void refuse(struct history *h, struct history_job *job, const struct fs_entry *e,
                   const struct error *why)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    uint32_t rounds = job->tries < 6 ? 1u << job->tries : (uint32_t)HISTORY_RETRY_ROUNDS_MAX;
    job->tries++;
    job->next_round = h->round + rounds;
    LOG_WARN(
        HISTORY_TOPIC,
        "The archive %s is passed over: %s. It is looked at again when it changes, and at times.",
        e->path, error_format(why, text, sizeof(text)));
}

/* True: the list has changed. */
static bool take_archive(struct history *h, uint32_t folder, const struct fs_entry *e,
                         struct history_round *round)
{
    struct history_job *known = map_find(&h->jobs, e->name);
    struct error err = ERROR_INIT;
    bool is_same = known != NULL && known->modified_ms == e->status.modified_ms &&
                   known->size_bytes == e->status.size_bytes;
    if (known != NULL) {
        if (known->folder != folder && known->overview != NULL) {
            return false; /* another folder has it */
        }
        known->seen_round = h->round;
        if (is_same && (known->overview != NULL || known->next_round > h->round)) {
            return false;
        }
    }
    struct history_job *job = history_job_new(e->name);
    job->folder = folder;
    job->modified_ms = e->status.modified_ms;
    job->size_bytes = e->status.size_bytes;
    job->seen_round = h->round;
    job->tries = is_same ? known->tries : 0;
    LOG_DEBUG(HISTORY_TOPIC, "Processing archive %s.", e->path);
    int rc = fetch(h, e, &job->overview, &err);
    if (rc == ERR_NOT_FOUND) { /* it went meanwhile */
        history_job_free(job);
        return false;
    }
    if (rc < 0) {
        refuse(h, job, e, &err);
        round->refused++;
        if (known != NULL && known->overview != NULL) { /* what was fetched before is still shown */
            job->overview = STEAL(known->overview);
        }
    } else {
        round->fetched++;
    }
    history_put(h, job);
    return rc == 0;
}

/* ---- one folder ----------------------------------------------------------------------------------- */

static bool is_archive(const struct fs_entry *e)
{
    size_t n = strlen(e->name);
    return e->status.kind == FS_KIND_FILE && n == HISTORY_ID_LEN &&
           strspn(e->name, "0123456789abcdef") == n;
}

static int compare_entries(const void *a, const void *b)
{
    const struct fs_entry *x = *(const struct fs_entry *const *)a;
    const struct fs_entry *y = *(const struct fs_entry *const *)b;
    if (x->status.modified_ms != y->status.modified_ms) {
        return x->status.modified_ms < y->status.modified_ms ? 1 : -1;
    }
    return strcmp(x->name, y->name);
}

/* Deletes an archive that is not to be kept, and its copy. */
static bool delete_archive(struct history *h, const struct fs_entry *e, struct history_round *round)
{
    struct error err = ERROR_INIT;
    int rc = FAILPOINT(&err, "history.delete");
    if (rc == 0) {
        rc = fs_delete(e->path, FS_DELETE_ONE, &err);
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        if (round->undeleted++ == 0) { /* one of them says it */
            LOG_WARN(HISTORY_TOPIC,
                     "The archive %s is not to be kept (historyserver.archive.retained-jobs, "
                     ".retained-ttl) and cannot be deleted: %s",
                     e->path, err.message);
        }
    } else {
        round->deleted++;
    }
    bool was_shown = map_has(&h->jobs, e->name);
    history_drop(h, e->name);
    return was_shown;
}

static void publish(struct history *h)
{
    struct error err = ERROR_INIT;
    if (history_publish(h, &err) < 0) {
        LOG_ERROR(HISTORY_TOPIC, "The list of jobs cannot be written: %s", err.message);
    }
}

static bool is_kept(const struct history *h, const struct fs_entry *e, size_t number)
{
    int64_t age_ms = clock_now_ms(&clock_system) - e->status.modified_ms;
    return (h->retained_jobs < 0 || number < (size_t)h->retained_jobs) &&
           (h->retained_ttl_ms < 0 || age_ms < h->retained_ttl_ms);
}

/* Newest first, so that what is left out above a limit is the oldest. */
static bool look_at_archives(struct history *h, uint32_t folder, const struct vec *archives,
                             struct history_round *round)
{
    bool changed = false;
    uint32_t published = round->fetched;
    for (size_t i = 0; i < archives->len && !cancel_token_is_cancelled(h->stopping); i++) {
        const struct fs_entry *e = vec_ptr(archives, i);
        if (!is_kept(h, e, i)) {
            changed |= delete_archive(h, e, round);
        } else if (h->jobs.len < HISTORY_JOBS_MAX || map_has(&h->jobs, e->name)) {
            changed |= take_archive(h, folder, e, round);
            if (round->fetched - published >= HISTORY_PUBLISH_EVERY) {
                published = round->fetched;
                publish(h);
            }
        } else if (!h->says_too_many) {
            h->says_too_many = true;
            LOG_WARN(HISTORY_TOPIC,
                     "There are more than %d archives; older ones are not shown. Set "
                     "historyserver.archive.retained-jobs or historyserver.archive.retained-ttl.",
                     HISTORY_JOBS_MAX);
        }
    }
    return changed;
}

/* Jobs whose archives are gone. */
static bool drop_expired(struct history *h, uint32_t folder, struct history_round *round)
{
    struct vec gone = VEC_INIT(char *);
    MAP_FOREACH (&h->jobs, e) {
        const struct history_job *job = e->value;
        if (job->folder == folder && job->seen_round != h->round &&
            (h->cleans_expired || job->overview == NULL)) {
            vec_push_ptr(&gone, mem_strdup(job->id));
        }
    }
    for (size_t i = 0; i < gone.len; i++) {
        history_drop(h, vec_ptr(&gone, i));
        mem_free(vec_ptr(&gone, i));
        round->removed++;
    }
    bool changed = gone.len > 0;
    vec_fini(&gone);
    return changed;
}

static int list_folder(struct history_folder *folder, struct fs_list *ret, struct error *err)
{
    TRY(FAILPOINT(err, "history.list"));
    return fs_list_dir(folder->uri, ret, err);
}

static bool look_into(struct history *h, uint32_t number, struct history_round *round)
{
    struct history_folder *folder = VEC_AT(&h->folders, struct history_folder, number);
    struct fs_list list = FS_LIST_INIT;
    struct vec archives = VEC_INIT(struct fs_entry *);
    struct error err = ERROR_INIT;
    int rc = list_folder(folder, &list, &err);
    if (rc < 0) {
        if (rc != ERR_NOT_FOUND) {
            LOG_ERROR(HISTORY_TOPIC, "Failed to access job archive location for path %s: %s",
                      folder->uri, err.message);
        } else if (!folder->missing) {
            LOG_INFO(HISTORY_TOPIC, "%s does not exist yet; it is looked for again.", folder->uri);
        }
        folder->missing = rc == ERR_NOT_FOUND;
        return false;
    }
    folder->missing = false;
    for (size_t i = 0; i < list.n; i++) {
        if (is_archive(&list.entries[i])) {
            vec_push_ptr(&archives, &list.entries[i]);
        } else if (list.entries[i].name[0] != '.') {
            LOG_DEBUG(HISTORY_TOPIC,
                      "Archive directory %s contained file with unexpected name %s. Ignoring.",
                      folder->uri, list.entries[i].name);
        }
    }
    if (archives.len > 1) {
        qsort(archives.data, archives.len, sizeof(struct fs_entry *), compare_entries);
    }
    bool changed = look_at_archives(h, number, &archives, round);
    if (!cancel_token_is_cancelled(h->stopping)) {
        changed |= drop_expired(h, number, round);
    }
    vec_fini(&archives);
    fs_list_fini(&list);
    return changed;
}

void history_look(struct history *h, struct history_round *ret)
{
    bool changed = false;
    int64_t start_ms = clock_monotonic_ms(&clock_system);
    for (uint32_t i = 0; i < h->folders.len; i++) {
        changed |= look_into(h, i, ret);
    }
    if (changed) {
        publish(h);
    }
    if (ret->fetched + ret->refused + ret->removed + ret->deleted > 0) {
        LOG_INFO(
            HISTORY_TOPIC,
            "Fetched %u archives in %lld ms; %u were passed over, %u jobs are gone, %u archives "
            "were deleted; %u jobs are shown.",
            ret->fetched, (long long)(clock_monotonic_ms(&clock_system) - start_ms), ret->refused,
            ret->removed, ret->deleted, history_n_jobs(h));
    }
}
