#include "fake_hdfs.h"

#include "common/base/error.h"
#include "common/fs/hdfs/client.h"
#include "common/fs/hdfs/hdfs.h"
#include "tests/unit/common_fs/fake_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct fake_hdfs *server;
    int fd;
    uint32_t node;
};

struct request {
    char method[8], op[32], path[1024], query[8192];
    struct str in, body; /* in: the head and what came with it */
    bool is_data;        /* at the data node */
    bool is_whole;
};

struct answer {
    int status;
    struct str headers, body;
};

static void free_node(void *n)
{
    if (n != NULL) {
        str_fini(&((struct fake_node *)n)->bytes);
        mem_free(n);
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static bool parameter(const struct request *rq, const char *name, char *ret, size_t size)
{
    ret[0] = '\0';
    return fake_parameter(rq->query, name, ret, size);
}

/* Chunk by chunk, from what came behind the head. */
static bool read_chunks(int fd, struct request *rq, size_t at)
{
    while (true) {
        const char *end;
        while ((end = rq->in.len > at ? memmem(rq->in.data + at, rq->in.len - at, "\r\n", 2)
                                      : NULL) == NULL) {
            if (!fake_fill(fd, &rq->in)) {
                return false;
            }
        }
        size_t size = strtoul(rq->in.data + at, NULL, 16);
        at = (size_t)(end + 2 - rq->in.data);
        size_t taken = 0;
        while (taken < size) {
            size_t n = MIN(rq->in.len - at, size - taken);
            str_append(&rq->body, rq->in.data + at, n);
            at += n;
            taken += n;
            if (taken < size && !fake_fill(fd, &rq->in)) {
                return false;
            }
        }
        while (rq->in.len < at + 2) {
            if (!fake_fill(fd, &rq->in)) {
                return false;
            }
        }
        at += 2;
        if (size == 0) {
            return true;
        }
    }
}

static bool read_body(int fd, struct request *rq, size_t at, size_t size)
{
    str_append(&rq->body, rq->in.data + at, MIN(rq->in.len - at, size));
    while (rq->body.len < size) {
        if (!fake_fill(fd, &rq->body)) {
            return false;
        }
    }
    return true;
}

static bool read_request(int fd, struct request *rq)
{
    const char *end;
    while ((end = rq->in.len > 0 ? strstr(str_cstr(&rq->in), "\r\n\r\n") : NULL) == NULL) {
        if (!fake_fill(fd, &rq->in)) {
            return false;
        }
    }
    size_t head = (size_t)(end - rq->in.data) + 4;
    const char *blank = strchr(rq->in.data, ' '), *target = blank + 1;
    size_t target_len = strcspn(target, " "), path_len = strcspn(target, " ?");
    static const char top[] = "/webhdfs/v1";
    snprintf(rq->method, sizeof(rq->method), "%.*s", (int)(blank - rq->in.data), rq->in.data);
    fake_decode(target + sizeof(top) - 1, path_len - (sizeof(top) - 1), rq->path, sizeof(rq->path));
    snprintf(rq->query, sizeof(rq->query), "%.*s", (int)(target_len - path_len - 1),
             target + path_len + 1);
    char step[8];
    (void)parameter(rq, "op", rq->op, sizeof(rq->op));
    rq->is_data = parameter(rq, "data", step, sizeof(step));
    char *headers = mem_strndup(rq->in.data, head);
    const char *length = strcasestr(headers, "\r\ncontent-length:");
    bool is_chunked = strcasestr(headers, "transfer-encoding: chunked") != NULL;
    size_t size = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    mem_free(headers);
    rq->is_whole = is_chunked ? read_chunks(fd, rq, head) : read_body(fd, rq, head, size);
    return true;
}

/* ---- what it does ----------------------------------------------------------------------------------------------- */

static void refuse(struct answer *a, int status, const char *exception, const char *message)
{
    a->status = status;
    str_clear(&a->headers);
    str_clear(&a->body);
    str_printf(&a->body,
               "{\"RemoteException\":{\"exception\":\"%s\",\"javaClassName\":\"x.%s\",\"message\":"
               "\"%s\\n\\tat x.y(Z.java:1)\"}}",
               exception, exception, message);
}

static void say_bool(struct answer *a, bool value)
{
    str_printf(&a->body, "{\"boolean\":%s}", value ? "true" : "false");
}

static struct fake_node *add_node(struct fake_hdfs *s, const char *path, bool is_folder)
{
    char parent[1024];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (!map_has(&s->nodes, parent)) {
            struct fake_node *folder = MEM_NEW(struct fake_node);
            folder->is_folder = true;
            (void)map_put(&s->nodes, parent, folder);
        }
    }
    struct fake_node *n = MEM_NEW(struct fake_node);
    n->is_folder = is_folder;
    (void)map_put(&s->nodes, path, n);
    return n;
}

static void do_create(struct fake_hdfs *s, const struct request *rq, struct answer *a,
                      size_t n_bytes)
{
    char overwrite[8];
    (void)parameter(rq, "overwrite", overwrite, sizeof(overwrite));
    if (map_has(&s->nodes, rq->path) && strcmp(overwrite, "true") != 0) {
        refuse(a, 403, "FileAlreadyExistsException", "it is there");
        return;
    }
    struct fake_node *n = add_node(s, rq->path, false);
    str_append(&n->bytes, rq->body.data, n_bytes);
    a->status = 201;
}

static void say_status(struct str *out, const char *name, const struct fake_node *n)
{
    str_printf(out,
               "{\"accessTime\":1,\"length\":%zu,\"modificationTime\":1795357717958,\"pathSuffix\":"
               "\"%s\",\"type\":\"%s\"}",
               n->bytes.len, name, n->is_folder ? "DIRECTORY" : "FILE");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pages of three, so that paging is met. */
static void do_list(struct fake_hdfs *s, const struct request *rq, struct answer *a, bool is_paged)
{
    const char *names[512];
    size_t n = 0, given = 0, skip = strlen(rq->path) + (rq->path[1] != '\0');
    char after[512];
    (void)parameter(rq, "startAfter", after, sizeof(after));
    MAP_FOREACH (&s->nodes, e) {
        if (strncmp(e->key, rq->path, skip - 1) == 0 && e->key[skip - 1] == '/' &&
            e->key[skip] != '\0' && strchr(e->key + skip, '/') == NULL) {
            names[n++] = e->key;
        }
    }
    qsort(names, n, sizeof(names[0]), compare_names);
    size_t from = 0;
    while (is_paged && from < n && strcmp(names[from] + skip, after) <= 0) {
        from++;
    }
    size_t until = is_paged ? MIN(n, from + 3) : n;
    str_append_cstr(&a->body, is_paged ? "{\"DirectoryListing\":{\"partialListing\":" : "");
    str_append_cstr(&a->body, "{\"FileStatuses\":{\"FileStatus\":[");
    for (size_t i = from; i < until; i++) {
        str_append_cstr(&a->body, given++ > 0 ? "," : "");
        say_status(&a->body, names[i] + skip, map_find(&s->nodes, names[i]));
    }
    str_append_cstr(&a->body, "]}}");
    if (is_paged) {
        str_printf(&a->body, ",\"remainingEntries\":%zu}}", n - until);
    }
}

static void do_rename(struct fake_hdfs *s, const struct request *rq, struct answer *a)
{
    char to[1024], how[32];
    struct fake_node *n = map_find(&s->nodes, rq->path);
    bool has_options = parameter(rq, "renameoptions", how, sizeof(how)) && !s->is_gateway;
    (void)parameter(rq, "destination", to, sizeof(to));
    if (n == NULL && has_options) {
        refuse(a, 404, "FileNotFoundException", "rename source is not found.");
        return;
    }
    bool is_taken = map_has(&s->nodes, to) && !(has_options && strcmp(how, "OVERWRITE") == 0);
    if (n != NULL && is_taken && has_options) {
        refuse(a, 403, "FileAlreadyExistsException", "rename destination already exists");
        return;
    }
    if (n != NULL && !is_taken) {
        n = map_take(&s->nodes, rq->path);
        (void)map_put(&s->nodes, to, n);
    }
    if (!has_options) {
        say_bool(a, n != NULL && !is_taken);
    }
}

static void do_concat(struct fake_hdfs *s, const struct request *rq, struct answer *a)
{
    char sources[8192];
    struct fake_node *n = map_find(&s->nodes, rq->path);
    (void)parameter(rq, "sources", sources, sizeof(sources));
    struct slice rest = slice_cstr(sources), one;
    bool there = n != NULL;
    while (there && slice_next(&rest, ',', &one)) {
        char *path = mem_strndup(one.data, one.len);
        there = map_has(&s->nodes, path);
        mem_free(path);
    }
    if (!there) {
        refuse(a, 404, "FileNotFoundException", "File does not exist");
        return;
    }
    rest = slice_cstr(sources);
    while (slice_next(&rest, ',', &one)) {
        char *path = mem_strndup(one.data, one.len);
        struct fake_node *from = map_take(&s->nodes, path);
        str_append_slice(&n->bytes, str_slice(&from->bytes));
        free_node(from);
        mem_free(path);
    }
}

static void do_delete(struct fake_hdfs *s, const struct request *rq, struct answer *a)
{
    char recursive[8];
    size_t len = strlen(rq->path);
    bool was_there = map_has(&s->nodes, rq->path);
    (void)parameter(rq, "recursive", recursive, sizeof(recursive));
    MAP_FOREACH (&s->nodes, e) {
        if (strncmp(e->key, rq->path, len) == 0 && e->key[len] == '/') {
            if (strcmp(recursive, "true") != 0) {
                refuse(a, 403, "PathIsNotEmptyDirectoryException", "Directory is not empty");
                return;
            }
            (void)map_remove(&s->nodes, e->key);
        }
    }
    (void)map_remove(&s->nodes, rq->path);
    say_bool(a, was_there);
}

static void do_open(struct fake_hdfs *s, const struct request *rq, struct answer *a)
{
    char offset[24], length[24];
    const struct fake_node *n = map_find(&s->nodes, rq->path);
    (void)parameter(rq, "offset", offset, sizeof(offset));
    (void)parameter(rq, "length", length, sizeof(length));
    if (n == NULL) {
        refuse(a, 404, "FileNotFoundException", "File does not exist");
        return;
    }
    size_t at = MIN(strtoul(offset, NULL, 10), n->bytes.len);
    str_append(&a->body, n->bytes.data + at, MIN(strtoul(length, NULL, 10), n->bytes.len - at));
}

static void act(struct fake_hdfs *s, uint32_t node, const struct request *rq, struct answer *a)
{
    bool goes_on = strcmp(rq->op, "CREATE") == 0 || strcmp(rq->op, "OPEN") == 0;
    const struct fake_node *n = map_find(&s->nodes, rq->path);
    bool is_page = strcmp(rq->op, "LISTSTATUS_BATCH") == 0;
    if (goes_on && !rq->is_data) {
        a->status = 307;
        STR_AUTO escaped = STR_INIT;
        hdfs_escape(&escaped, slice_cstr(rq->path), true);
        str_printf(&a->headers, "Location: http://127.0.0.1:%u/webhdfs/v1%s?%s&data=true\r\n",
                   s->ports[node], str_cstr(&escaped), rq->query);
    } else if (strcmp(rq->op, "CREATE") == 0) {
        do_create(s, rq, a, rq->body.len);
    } else if (strcmp(rq->op, "OPEN") == 0) {
        do_open(s, rq, a);
    } else if (strcmp(rq->op, "RENAME") == 0) {
        do_rename(s, rq, a);
    } else if (strcmp(rq->op, "DELETE") == 0) {
        do_delete(s, rq, a);
    } else if (strcmp(rq->op, "CONCAT") == 0) {
        do_concat(s, rq, a);
    } else if (strcmp(rq->op, "MKDIRS") == 0) {
        if (n != NULL && !n->is_folder) {
            refuse(a, 403, "FileAlreadyExistsException", "Path is not a directory");
        } else {
            (void)(n == NULL ? add_node(s, rq->path, true) : NULL);
            say_bool(a, true);
        }
    } else if (is_page && s->is_gateway) {
        refuse(a, 400, "IllegalArgumentException", "Invalid value for webhdfs parameter op");
    } else if (n == NULL) {
        refuse(a, 404, "FileNotFoundException", "File does not exist");
    } else if (is_page || strcmp(rq->op, "LISTSTATUS") == 0) {
        do_list(s, rq, a, is_page);
    } else {
        str_append_cstr(&a->body, "{\"FileStatus\":");
        say_status(&a->body, "", n);
        str_append_char(&a->body, '}');
    }
}

/* ---- connections -------------------------------------------------------------------------------------------------- */

static enum fake_fault take_fault(struct fake_hdfs *s, const struct request *rq)
{
    if (s->n_faults == 0 || (s->fault_op != NULL && strcmp(s->fault_op, rq->op) != 0) ||
        (s->fault_stage != 0 && (s->fault_stage == 2) != rq->is_data)) {
        return FAKE_NONE;
    }
    s->n_faults--;
    return s->fault;
}

static bool act_badly(struct fake_hdfs *s, enum fake_fault fault, const struct request *rq,
                      struct answer *a)
{
    static const struct {
        enum fake_fault fault;
        int status;
        const char *exception, *message;
    } refusals[] = {
        {FAKE_SAFE_MODE, 403, "SafeModeException", "Name node is in safe mode."},
        {FAKE_RETRIABLE, 403, "RetriableException", "Name node still not started"},
        {FAKE_STANDBY, 403, "StandbyException", "not supported in state standby"},
        {FAKE_DENIED, 403, "AccessControlException", "Permission denied: user=me, access=WRITE"},
        {FAKE_QUOTA, 403, "DSQuotaExceededException", "The DiskSpace quota of /q is exceeded"},
        {FAKE_NO_CONCAT, 403, "HadoopIllegalArgumentException",
         "concat can not be called for files in an encryption zone."},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].fault == fault) {
            refuse(a, refusals[i].status, refusals[i].exception, refusals[i].message);
            return true;
        }
    }
    if (fault == FAKE_BUSY) {
        a->status = 503;
    } else if (fault == FAKE_LOOP) {
        a->status = 307;
        str_printf(&a->headers, "Location: http://127.0.0.1:%u/webhdfs/v1%s?%s\r\n", s->ports[0],
                   rq->path, rq->query);
    } else if (fault == FAKE_HALF) {
        do_create(s, rq, a, rq->body.len / 2);
    }
    return fault == FAKE_BUSY || fault == FAKE_LOOP || fault == FAKE_HALF || fault == FAKE_RESET;
}

static void serve(struct connection *c, struct request *rq)
{
    struct fake_hdfs *s = c->server;
    struct answer a = {.status = 200};
    STR_AUTO out = STR_INIT;
    pthread_mutex_lock(&s->lock);
    s->n_requests++;
    snprintf(s->last_query, sizeof(s->last_query), "%.1000s", rq->query);
    snprintf(s->last_path, sizeof(s->last_path), "%.500s", rq->path);
    enum fake_fault fault = FAKE_NONE;
    if (!rq->is_whole) { /* kept as it came */
        do_create(s, rq, &a, rq->body.len);
        fault = FAKE_RESET;
    } else if (!rq->is_data && c->node != s->active) {
        refuse(&a, 403, "StandbyException",
               "Operation category READ is not supported in state "
               "standby");
    } else {
        fault = take_fault(s, rq);
        if (!act_badly(s, fault, rq, &a)) {
            act(s, c->node, rq, &a);
        }
    }
    pthread_mutex_unlock(&s->lock);
    str_printf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
               a.status, a.body.len, str_cstr(&a.headers));
    if (fault != FAKE_RESET && fault != FAKE_LOST && fault != FAKE_HALF &&
        fake_send_all(c->fd, out.data, out.len)) {
        (void)fake_send_all(c->fd, a.body.data, fault == FAKE_CUT ? a.body.len / 2 : a.body.len);
    }
    str_fini(&a.headers);
    str_fini(&a.body);
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct fake_hdfs *s = c->server;
    struct request *rq = MEM_NEW(struct request);
    if (read_request(c->fd, rq)) {
        serve(c, rq);
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->connections.len; i++) {
        if (*VEC_AT(&s->connections, int, i) == c->fd) {
            vec_remove_swap(&s->connections, i);
            break;
        }
    }
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    s->n_threads--;
    pthread_cond_signal(&s->thread_ended);
    pthread_mutex_unlock(&s->lock);
    str_fini(&rq->in);
    str_fini(&rq->body);
    mem_free(rq);
    mem_free(c);
    return NULL;
}

static void *listener_main(void *arg)
{
    struct connection *first = arg;
    struct fake_hdfs *s = first->server;
    int fd;
    while ((fd = accept(s->listeners[first->node], NULL, NULL)) >= 0) {
        struct connection *c = MEM_NEW(struct connection);
        pthread_t thread;
        *c = (struct connection){s, fd, first->node};
        pthread_mutex_lock(&s->lock);
        *VEC_PUSH(&s->connections, int) = fd;
        s->n_threads++;
        pthread_mutex_unlock(&s->lock);
        (void)pthread_create(&thread, NULL, connection_main, c);
        (void)pthread_detach(thread);
    }
    mem_free(first);
    return NULL;
}

void fake_hdfs_start(struct fake_hdfs *s)
{
    *s = (struct fake_hdfs){.active = 0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->thread_ended, NULL);
    map_init(&s->nodes, free_node);
    vec_init(&s->connections, sizeof(int));
    (void)add_node(s, "/", true);
    for (uint32_t i = 0; i < 2; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(at);
        struct connection *first = MEM_NEW(struct connection);
        s->listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT(bind(s->listeners[i], (struct sockaddr *)&at, sizeof(at)) == 0);
        ASSERT(listen(s->listeners[i], 64) == 0);
        ASSERT(getsockname(s->listeners[i], (struct sockaddr *)&at, &len) == 0);
        s->ports[i] = ntohs(at.sin_port);
        *first = (struct connection){s, -1, i};
        ASSERT(pthread_create(&s->threads[i], NULL, listener_main, first) == 0);
    }
}

void fake_hdfs_configure(const struct fake_hdfs *s, const char *const *more)
{
    struct conf conf;
    struct error err = ERROR_INIT;
    char addresses[2][64];
    conf_init(&conf, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(addresses[i], sizeof(addresses[i]), "127.0.0.1:%u", s->ports[i]);
    }
    const char *const settings[][2] = {
        {"flink.hadoop.fs.defaultFS", "hdfs://fake"},
        {"flink.hadoop.dfs.nameservices", "fake"},
        {"flink.hadoop.dfs.ha.namenodes.fake", "a, b"},
        {"flink.hadoop.dfs.namenode.http-address.fake.a", addresses[0]},
        {"flink.hadoop.dfs.namenode.http-address.fake.b", addresses[1]},
        {"fs.hdfs.user", "me & you"},
        {"fs.hdfs.retry.max-num-retries", "3"},
        {"fs.hdfs.write-buffer", "64 kb"},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        ASSERT(conf_set(&conf, settings[i][0], settings[i][1], &err) == 0);
    }
    for (; more != NULL && *more != NULL; more += 2) {
        ASSERT(conf_set(&conf, more[0], more[1], &err) == 0);
    }
    hdfs_shut_down();
    ASSERT(hdfs_register(&conf, &err) == 0);
    conf_fini(&conf);
}

void fake_hdfs_stop(struct fake_hdfs *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        shutdown(s->listeners[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->listeners[i]);
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->connections.len; i++) {
        shutdown(*VEC_AT(&s->connections, int, i), SHUT_RDWR);
    }
    while (s->n_threads > 0) {
        pthread_cond_wait(&s->thread_ended, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    map_fini(&s->nodes);
    vec_fini(&s->connections);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->thread_ended);
}

void fake_hdfs_fail(struct fake_hdfs *s, enum fake_fault fault, const char *op, int stage,
                    uint32_t n)
{
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    s->fault_op = op;
    s->fault_stage = stage;
    s->n_faults = n;
    pthread_mutex_unlock(&s->lock);
}

const struct str *fake_hdfs_find(struct fake_hdfs *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    const struct fake_node *n = map_find(&s->nodes, path);
    pthread_mutex_unlock(&s->lock);
    return n != NULL && !n->is_folder ? &n->bytes : NULL;
}

uint32_t fake_hdfs_count(struct fake_hdfs *s)
{
    uint32_t n = 0;
    pthread_mutex_lock(&s->lock);
    MAP_FOREACH (&s->nodes, e) {
        n += !((const struct fake_node *)e->value)->is_folder;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void fake_hdfs_put(struct fake_hdfs *s, const char *path, struct slice bytes)
{
    pthread_mutex_lock(&s->lock);
    str_append_slice(&add_node(s, path, false)->bytes, bytes);
    pthread_mutex_unlock(&s->lock);
}
