/* What is known, and what handlers are given; see history.h. */
#include "jobmanager/history/history_internal.h"

#include "common/base/thread.h"
#include "jobmanager/history/page_file.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERVIEW_NAME "overview.json"

/* ---- options -------------------------------------------------------------------------------------- */

static void add_folder(struct history *h, const char *uri)
{
    struct fs_location at = {.authority = NULL};
    struct error err = ERROR_INIT;
    if (fs_location_parse(uri, &at, &err) < 0) {
        LOG_WARN(HISTORY_TOPIC, "%s (historyserver.archive.fs.dir) will not be looked into: %s",
                 uri, err.message);
        return;
    }
    fs_location_fini(&at);
    for (size_t i = 0; i < h->folders.len; i++) {
        if (strcmp(VEC_AT(&h->folders, struct history_folder, i)->uri, uri) == 0) {
            return;
        }
    }
    VEC_PUSH(&h->folders, struct history_folder)->uri = mem_strdup(uri);
}

static int read_folders(struct history *h, struct error *err)
{
    const char *list = conf_string(h->conf, "historyserver.archive.fs.dir");
    struct slice rest = slice_cstr(list), item;
    if (list == NULL || slice_trim(rest).len == 0) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "historyserver.archive.fs.dir is not set: give the folders that job managers "
            "archive their jobs in (jobmanager.archive.fs.dir)");
    }
    while (slice_next(&rest, ',', &item)) {
        item = slice_trim(item);
        if (item.len > 0 && h->folders.len < HISTORY_FOLDERS_MAX) {
            char *uri = mem_strndup(item.data, item.len);
            add_folder(h, uri);
            mem_free(uri);
        }
    }
    return h->folders.len > 0
               ? 0
               : error_set(err, ERR_INVALID_CONFIG,
                           "historyserver.archive.fs.dir: none of '%s' can be looked into; the log "
                           "says why",
                           list);
}

static int read_retention(struct history *h, struct error *err)
{
    h->cleans_expired = conf_bool(h->conf, "historyserver.archive.clean-expired-jobs");
    h->retained_jobs = conf_int(h->conf, "historyserver.archive.retained-jobs");
    h->retained_ttl_ms = -1;
    if (h->retained_jobs == 0 || h->retained_jobs < -1) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "historyserver.archive.retained-jobs is %d: a positive number of jobs, or -1 "
            "for all, is expected",
            h->retained_jobs);
    }
    if (conf_has_value(h->conf, "historyserver.archive.retained-ttl")) {
        h->retained_ttl_ms = conf_duration_ms(h->conf, "historyserver.archive.retained-ttl");
        if (h->retained_ttl_ms <= 0) {
            return error_set(
                err, ERR_INVALID_CONFIG,
                "historyserver.archive.retained-ttl must be more than 0 ms; leave it out "
                "to keep archives for ever");
        }
    }
    h->interval_ms =
        MAX(conf_duration_ms(h->conf, "historyserver.archive.fs.refresh-interval"), (int64_t)1);
    return 0;
}

static int make_copies(struct history *h, struct error *err)
{
    STR_AUTO tmp = STR_INIT;
    const char *dir = conf_string(h->conf, "historyserver.web.tmpdir");
    if (dir == NULL || dir[0] == '\0') {
        const char *list = conf_string(h->conf, "io.tmp.dirs");
        str_append(&tmp, list, strcspn(list, ",:|"));
        dir = str_cstr(&tmp);
    }
    TRY_CTX(err, owned_dir_make(&h->copies, dir, "flink-web-history", err),
            "making the folder of fetched archives (historyserver.web.tmpdir)");
    LOG_INFO(HISTORY_TOPIC, "Using directory %s as local cache.", h->copies.path);
    return 0;
}

static int history_init(struct history *h, struct error *err)
{
    TRY(read_folders(h, err));
    TRY(read_retention(h, err));
    TRY(make_copies(h, err));
    return history_publish(h, err);
}

int history_new(const struct history_options *options, struct history **ret, struct error *err)
{
    struct history *h = MEM_NEW(struct history);
    h->conf = options->conf;
    h->copies = (struct owned_dir)OWNED_DIR_INIT;
    vec_init(&h->folders, sizeof(struct history_folder));
    map_init(&h->jobs, history_job_free);
    pthread_mutex_init(&h->lock, NULL);
    h->stopping = cancel_token_new();
    int rc = history_init(h, err);
    if (rc < 0) {
        history_free(h);
        return rc;
    }
    *ret = h;
    return 0;
}

struct history *history_free(struct history *h)
{
    if (h == NULL) {
        return NULL;
    }
    cancel_token_cancel(h->stopping);
    if (h->runs) {
        thread_join(h->thread);
    }
    for (size_t i = 0; i < h->folders.len; i++) {
        mem_free(VEC_AT(&h->folders, struct history_folder, i)->uri);
    }
    vec_fini(&h->folders);
    map_fini(&h->jobs);
    owned_dir_remove(&h->copies);
    pthread_mutex_destroy(&h->lock);
    cancel_token_unref(h->stopping);
    mem_free(h);
    return NULL;
}

/* ---- the thread ----------------------------------------------------------------------------------- */

void history_refresh(struct history *h, struct history_round *ret)
{
    *ret = (struct history_round){0};
    h->round++;
    history_look(h, ret);
}

static void *run(void *arg)
{
    struct history *h = arg;
    struct error err = ERROR_INIT;
    int fd = cancel_token_fd(h->stopping, &err);
    while (!cancel_token_is_cancelled(h->stopping)) {
        struct history_round round;
        history_refresh(h, &round);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, fd >= 0 ? 1 : 0, (int)MIN(h->interval_ms, (int64_t)INT32_MAX));
    }
    return NULL;
}

int history_start(struct history *h, struct error *err)
{
    TRY(thread_start(&h->thread, "history", run, h, err));
    h->runs = true;
    return 0;
}

/* ---- jobs; thread: the fetching one ----------------------------------------------------------------- */

struct history_job *history_job_new(const char *id)
{
    struct history_job *job = MEM_NEW(struct history_job);
    (void)snprintf(job->id, sizeof(job->id), "%s", id);
    return job;
}

void history_job_free(void *job)
{
    if (job != NULL) {
        mem_free(((struct history_job *)job)->overview);
        mem_free(job);
    }
}

void history_copy_path(const struct history *h, const char *name, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/%s", h->copies.path, name);
}

void history_put(struct history *h, struct history_job *take)
{
    pthread_mutex_lock(&h->lock);
    (void)map_put(&h->jobs, take->id, take);
    pthread_mutex_unlock(&h->lock);
}

void history_drop(struct history *h, const char *id)
{
    STR_AUTO path = STR_INIT;
    history_copy_path(h, id, &path); /* before: the id may be the entry's own */
    pthread_mutex_lock(&h->lock);
    struct history_job *job = map_take(&h->jobs, id);
    pthread_mutex_unlock(&h->lock);
    (void)unlink(str_cstr(&path));
    history_job_free(job);
}

static int compare_jobs(const void *a, const void *b)
{
    const struct history_job *x = *(const struct history_job *const *)a;
    const struct history_job *y = *(const struct history_job *const *)b;
    if (x->modified_ms != y->modified_ms) {
        return x->modified_ms < y->modified_ms ? 1 : -1;
    }
    return strcmp(x->id, y->id);
}

static int write_overview(struct history *h, FILE *file)
{
    struct vec shown = VEC_INIT(struct history_job *);
    MAP_FOREACH (&h->jobs, e) { /* this thread alone changes it */
        const struct history_job *job = e->value;
        if (job->overview != NULL) {
            vec_push_ptr(&shown, job);
        }
    }
    if (shown.len > 1) {
        qsort(shown.data, shown.len, sizeof(struct history_job *), compare_jobs);
    }
    (void)fputs("{\"jobs\":[", file);
    for (size_t i = 0; i < shown.len; i++) {
        const struct history_job *job = vec_ptr(&shown, i);
        (void)fputs(i > 0 ? "," : "", file);
        (void)fputs(job->overview, file);
    }
    (void)fputs("]}", file);
    vec_fini(&shown);
    return ferror(file) ? -1 : 0;
}

int history_publish(struct history *h, struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO part = STR_INIT;
    history_copy_path(h, OVERVIEW_NAME, &path);
    history_copy_path(h, OVERVIEW_NAME ".part", &part);
    FILE *file = fopen(str_cstr(&part), "wbe");
    if (file == NULL) {
        return error_set_errno(err, errno, "making %s (historyserver.web.tmpdir)", str_cstr(&part));
    }
    int bad = write_overview(h, file);
    if ((fclose(file) != 0 || bad != 0) || rename(str_cstr(&part), str_cstr(&path)) < 0) {
        return error_set_errno(err, errno, "writing %s (historyserver.web.tmpdir)",
                               str_cstr(&path));
    }
    return 0;
}

/* ---- for handlers --------------------------------------------------------------------------------- */

static bool is_shown(struct history *h, const char *id)
{
    pthread_mutex_lock(&h->lock);
    const struct history_job *job = map_find(&h->jobs, id);
    bool is = job != NULL && job->overview != NULL;
    pthread_mutex_unlock(&h->lock);
    return is;
}

uint32_t history_n_jobs(struct history *h)
{
    uint32_t n = 0;
    pthread_mutex_lock(&h->lock);
    MAP_FOREACH (&h->jobs, e) {
        n += ((const struct history_job *)e->value)->overview != NULL;
    }
    pthread_mutex_unlock(&h->lock);
    return n;
}

int history_open_page(struct history *h, const char *job_hex, const char *page, int *ret_fd,
                      uint64_t *ret_offset, uint64_t *ret_size, struct error *err)
{
    STR_AUTO path = STR_INIT;
    if (!is_shown(h, job_hex)) { /* so the name is one of ours */
        return error_set(err, ERR_NOT_FOUND, "File not found: there is no archive of job %.64s.",
                         job_hex);
    }
    history_copy_path(h, job_hex, &path);
    int fd = open(str_cstr(&path), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? error_set(err, ERR_NOT_FOUND, "File not found: the archive of job %s is gone.",
                               job_hex)
                   : error_set_errno(err, errno, "opening %s", str_cstr(&path));
    }
    struct error why = ERROR_INIT;
    int rc = page_file_find(fd, page, ret_offset, ret_size, &why);
    if (rc < 0) {
        (void)close(fd);
        return rc == ERR_NOT_FOUND
                   ? error_set(err, rc, "File not found: the archive of job %s has no %.200s.",
                               job_hex, page)
                   : error_set(err, rc, "%s", why.message);
    }
    *ret_fd = fd;
    return 0;
}

int history_open_overview(struct history *h, int *ret_fd, uint64_t *ret_size, struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct stat st;
    history_copy_path(h, OVERVIEW_NAME, &path);
    int fd = open(str_cstr(&path), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int rc = error_set_errno(err, errno, "opening %s", str_cstr(&path));
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)st.st_size;
    return 0;
}
