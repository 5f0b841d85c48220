/* Routes of task managers: list, details, logs, threads.  What only a task manager knows is asked of it
 * over its stream; its files come in parts into an unlinked file, so that none is held in memory. */
#include "jobmanager/rest/rest_internal.h"

#include "common/base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_PART_BYTES = 1024 * 1024,
    FILE_BYTES_MAX = 512 * 1024 * 1024, /* of one file that is shown */
};

/* ---- list and details ----------------------------------------------------------------------------- */

static const struct taskmanager_details *find(const struct taskmanager_list *list, const char *id)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].id, id) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

static int not_found(struct http_response *rs)
{
    return rest_fail(rs, 404, "Could not find the requested TaskExecutor: it is not registered.");
}

bool rest_has_taskmanager(struct rest_server *s, const struct http_request *rq,
                          struct http_response *rs)
{
    const struct taskmanager_list *list = resourcemanager_list(s->o.resourcemanager);
    bool there = find(list, http_request_param(rq, "taskmanagerid")) != NULL;
    taskmanager_list_unref(list);
    if (!there) {
        not_found(rs);
    }
    return there;
}

static int taskmanager_list_route(void *owner, const struct http_request *rq,
                                  struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    const struct taskmanager_list *list = resourcemanager_list(s->o.resourcemanager);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "taskmanagers");
    json_writer_array(w);
    for (uint32_t i = 0; i < list->n; i++) {
        json_writer_object(w);
        rest_put_taskmanager(w, &list->items[i]);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    taskmanager_list_unref(list);
    return 0;
}

static const char *metric_value(const void *arg, const char *name)
{
    const struct metric_set *set = arg;
    return set != NULL ? metric_set_get(set, name) : NULL;
}

static int taskmanager_details_route(void *owner, const struct http_request *rq,
                                     struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    const char *id = http_request_param(rq, "taskmanagerid");
    if (!rest_has_taskmanager(s, rq, rs)) {
        return 0;
    }
    metric_store_refresh(s->metrics);
    const struct taskmanager_list *list = resourcemanager_list(s->o.resourcemanager);
    const struct taskmanager_details *t = find(list, id);
    if (t == NULL) { /* lost meanwhile */
        taskmanager_list_unref(list);
        return not_found(rs);
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    rest_put_taskmanager(w, t);
    json_writer_key(w, "allocatedSlots");
    rest_write_slots(w, t);
    json_writer_key(w, "metrics");
    metric_store_lock(s->metrics);
    rest_write_taskmanager_metrics(w, metric_value, metric_store_taskmanager(s->metrics, id));
    metric_store_unlock(s->metrics);
    json_writer_end(w);
    taskmanager_list_unref(list);
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------------- */

/* Asks the task manager of the path.  NULL: *ret_rc says why, and err. */
static Flinc__QueryAnswer *ask(struct rest_server *s, const struct http_request *rq,
                               Flinc__Query *query, struct error *err)
{
    Flinc__QueryAnswer *answer = NULL;
    int rc = resourcemanager_query(s->o.resourcemanager, http_request_param(rq, "taskmanagerid"),
                                   query, s->ask_timeout_ms, &answer, err);
    if (rc < 0) {
        return NULL;
    }
    if (answer->error != NULL && answer->error->code < 0) {
        error_set(err, answer->error->code, "%s", answer->error->message);
        flinc__query_answer__free_unpacked(answer, NULL);
        return NULL;
    }
    return answer;
}

static int fail_asked(struct http_response *rs, const struct error *e, const char *not_there)
{
    if (e->code == ERR_NOT_FOUND) {
        return rest_fail(rs, 404, "%s", not_there);
    }
    if (e->code == ERR_UNAVAILABLE || e->code == ERR_CLOSED) {
        return rest_fail(rs, 404, "The task manager was lost while it was asked: %s", e->message);
    }
    return rest_fail_error(rs, e);
}

static int fail_strange(struct http_response *rs, Flinc__QueryAnswer *answer)
{
    flinc__query_answer__free_unpacked(answer, NULL);
    return rest_fail(rs, 404, "The task manager does not know how to answer this.");
}

static int thread_dump(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *unused)
{
    struct error err = ERROR_INIT;
    Flinc__ThreadDumpRequest request = FLINC__THREAD_DUMP_REQUEST__INIT;
    Flinc__Query query = FLINC__QUERY__INIT;
    query.body_case = FLINC__QUERY__BODY_THREAD_DUMP;
    query.thread_dump = &request;
    if (!rest_has_taskmanager(owner, rq, rs)) {
        return 0;
    }
    Flinc__QueryAnswer *answer = ask(owner, rq, &query, &err);
    if (answer == NULL) {
        return fail_asked(rs, &err, "The task manager is not registered any more.");
    }
    if (answer->body_case != FLINC__QUERY_ANSWER__BODY_THREAD_DUMP) {
        return fail_strange(rs, answer);
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "threadInfos");
    json_writer_array(w);
    for (size_t i = 0; i < answer->thread_dump->n_threads; i++) {
        json_writer_object(w);
        json_writer_put_string(w, "threadName", answer->thread_dump->threads[i]->name);
        json_writer_put_string(w, "stringifiedThreadInfo", answer->thread_dump->threads[i]->text);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    flinc__query_answer__free_unpacked(answer, NULL);
    return 0;
}

static int log_list(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *unused)
{
    struct error err = ERROR_INIT;
    Flinc__LogListRequest request = FLINC__LOG_LIST_REQUEST__INIT;
    Flinc__Query query = FLINC__QUERY__INIT;
    query.body_case = FLINC__QUERY__BODY_LOG_LIST;
    query.log_list = &request;
    if (!rest_has_taskmanager(owner, rq, rs)) {
        return 0;
    }
    Flinc__QueryAnswer *answer = ask(owner, rq, &query, &err);
    if (answer == NULL) {
        return fail_asked(rs, &err, "The task manager is not registered any more.");
    }
    if (answer->body_case != FLINC__QUERY_ANSWER__BODY_LOG_LIST) {
        return fail_strange(rs, answer);
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "logs");
    json_writer_array(w);
    for (size_t i = 0; i < answer->log_list->n_files; i++) {
        const Flinc__LogFile *f = answer->log_list->files[i];
        json_writer_object(w);
        json_writer_put_string(w, "name", f->name);
        json_writer_put_int(w, "size", (int64_t)f->size);
        json_writer_put_int(w, "mtime", f->mtime_ms);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    flinc__query_answer__free_unpacked(answer, NULL);
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------------- */

/* An empty file without a name, for the parts. */
static int scratch_file(struct rest_server *s)
{
    int fd = open(s->incoming_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* a file system that cannot */
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/file-XXXXXX", s->incoming_dir);
        fd = mkostemp(path.data, O_CLOEXEC);
        if (fd >= 0) {
            unlink(path.data);
        }
    }
    return fd;
}

static int write_part(int fd, const uint8_t *data, size_t size, struct error *err)
{
    return fd_write_all(fd, data, size) == 0
               ? 0
               : error_set_errno(err, errno, "keeping a task manager's file");
}

/* Asks for part after part until the size that the first one told. */
static int fetch_file(struct rest_server *s, const struct http_request *rq,
                      Flinc__FilePartRequest *part, int fd, struct error *err)
{
    Flinc__Query query = FLINC__QUERY__INIT;
    uint64_t total = 0;
    query.body_case = FLINC__QUERY__BODY_FILE_PART;
    query.file_part = part;
    part->max_bytes = FILE_PART_BYTES;
    do {
        Flinc__QueryAnswer *answer = ask(s, rq, &query, err);
        if (answer == NULL) {
            return err->code;
        }
        if (answer->body_case != FLINC__QUERY_ANSWER__BODY_FILE_PART) {
            flinc__query_answer__free_unpacked(answer, NULL);
            return error_set(err, ERR_UNSUPPORTED, "the task manager sends no files");
        }
        const ProtobufCBinaryData data = answer->file_part->data;
        if (part->offset == 0) {
            total = answer->file_part->total_size;
        }
        int rc = total > FILE_BYTES_MAX || data.len > FILE_PART_BYTES
                     ? error_set(err, ERR_TOO_LARGE,
                                 "the file has %llu bytes and at most %d are shown: look at it on "
                                 "the task manager's host",
                                 (unsigned long long)total, FILE_BYTES_MAX)
                     : write_part(fd, data.data, data.len, err);
        part->offset += data.len;
        bool ended = data.len == 0;
        flinc__query_answer__free_unpacked(answer, NULL);
        TRY(rc);
        if (ended) { /* it was truncated meanwhile */
            break;
        }
    } while (part->offset < total);
    return 0;
}

static int answer_file(struct rest_server *s, const struct http_request *rq,
                       struct http_response *rs, Flinc__FilePartRequest *part)
{
    struct error err = ERROR_INIT;
    if (!rest_has_taskmanager(s, rq, rs)) {
        return 0;
    }
    int fd = scratch_file(s);
    if (fd < 0) {
        error_set_errno(&err, errno, "making a scratch file in %s", s->incoming_dir);
        return rest_fail_error(rs, &err);
    }
    if (fetch_file(s, rq, part, fd, &err) == 0) {
        rest_answer_text_file(rs, fd, part->offset);
        return 0;
    }
    close(fd);
    if (err.code == ERR_NOT_FOUND && part->which == FLINC__FILE_PART_REQUEST__WHICH__FILE_STDOUT) {
        http_response_content_type(rs, "text/plain; charset=UTF-8");
        str_append_cstr(http_response_body(rs),
                        "The task manager keeps no standard output: it runs in the foreground, or "
                        "its output goes elsewhere.\n");
        return 0;
    }
    return fail_asked(rs, &err, "This file does not exist in TaskManager log dir.");
}

static int log_main(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    Flinc__FilePartRequest part = FLINC__FILE_PART_REQUEST__INIT;
    part.which = FLINC__FILE_PART_REQUEST__WHICH__FILE_LOG;
    return answer_file(owner, rq, rs, &part);
}

static int log_stdout(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    Flinc__FilePartRequest part = FLINC__FILE_PART_REQUEST__INIT;
    part.which = FLINC__FILE_PART_REQUEST__WHICH__FILE_STDOUT;
    return answer_file(owner, rq, rs, &part);
}

static int log_named(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    Flinc__FilePartRequest part = FLINC__FILE_PART_REQUEST__INIT;
    part.which = FLINC__FILE_PART_REQUEST__WHICH__FILE_NAMED;
    part.name = (char *)http_request_param(rq, "filename");
    return answer_file(owner, rq, rs, &part);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

#define TASKMANAGER "/taskmanagers/:taskmanagerid"

static const struct rest_route routes[] = {
    REST_ROW(GET, "/taskmanagers", 0, taskmanager_list_route,
             "All task managers with slots and resources.", "-", "TaskManagersInfo"),
    REST_ROW(GET, TASKMANAGER, HTTP_BLOCKING, taskmanager_details_route,
             "A task manager with its slots and memory.", "-", "TaskManagerDetailsInfo"),
    REST_ROW(GET, TASKMANAGER "/logs", HTTP_BLOCKING, log_list,
             "The files of a task manager's log folder.", "-", "LogListInfo"),
    REST_ROW(GET, TASKMANAGER "/log", HTTP_BLOCKING, log_main, "Its log.", "-", "text"),
    REST_ROW(GET, TASKMANAGER "/stdout", HTTP_BLOCKING, log_stdout, "Its standard output.", "-",
             "text"),
    REST_ROW(GET, TASKMANAGER "/logs/:filename", HTTP_BLOCKING, log_named,
             "A file of its log folder.", "-", "text"),
    REST_ROW(GET, TASKMANAGER "/thread-dump", HTTP_BLOCKING, thread_dump,
             "The native stacks of its threads.", "-", "ThreadDumpInfo"),
};
const struct rest_family rest_taskmanagers_family = REST_FAMILY("Task managers", routes);
