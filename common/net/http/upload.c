/* Uploads: the parts of a form, files into files of ours, attributes into memory.  The names on disk
 * are ours; what the client calls a file is data.  Files that nobody took (renamed) are removed with
 * the request.  Flink: FileUploadHandler.  Thread: the request's. */
#include "common/net/http/state.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Disk errors say which folder it is about and what helps. */
static int disk_error(struct http_request *rq, int errno_value, struct error *err)
{
    int rc = error_set_errno(err, errno_value, "storing an upload in %s (web.upload.dir)",
                             rq->loop->server->options.upload_dir);
    LOG_WARN("flinc.http", "%s; the request is refused", err != NULL ? err->message : "no disk");
    return rc;
}

static int open_file(struct http_request *rq, const char **ret_path, int *ret_fd, struct error *err)
{
    struct http_server *s = rq->loop->server;
    struct flinc_id id;
    char hex[33];
    pthread_mutex_lock(&s->random_lock);
    id_random(&id, &s->random);
    pthread_mutex_unlock(&s->random_lock);
    id_format(&id, hex);
    const char *path = arena_printf(&rq->arena, "%s/upload-%s", s->options.upload_dir, hex);
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == ENOENT) {
        /* Cleaners of /tmp take folders of processes that run for weeks. */
        if (mkdir(s->options.upload_dir, 0700) == 0 || errno == EEXIST) {
            fd = open(path, flags, 0600);
        }
    }
    if (fd < 0) {
        return disk_error(rq, errno, err);
    }
    *ret_path = path;
    *ret_fd = fd;
    return 0;
}

static int on_begin(void *arg, const struct multipart_part *part, struct error *err)
{
    struct http_request *rq = arg;
    if (part->filename == NULL) {
        if (strcmp(part->name, "request") != 0) {
            return error_set(err, ERR_INVALID_ARGUMENT, "Received unknown attribute %s.",
                             part->name);
        }
        struct http_attribute *a = VEC_PUSH(&rq->attributes, struct http_attribute);
        a->name = arena_strdup(&rq->arena, part->name);
        return 0;
    }
    const char *path = NULL;
    TRY(open_file(rq, &path, &rq->upload_fd, err));
    struct http_upload *u = VEC_PUSH(&rq->uploads, struct http_upload);
    u->field = arena_strdup(&rq->arena, part->name);
    u->filename = arena_strdup(&rq->arena, part->filename);
    u->path = path;
    return 0;
}

static int write_part(struct http_request *rq, struct slice data, struct error *err)
{
    if (FAILPOINT(NULL, "http.upload.write") < 0) {
        return disk_error(rq, ENOSPC, err);
    }
    return fd_write_all(rq->upload_fd, data.data, data.len) == 0 ? 0 : disk_error(rq, errno, err);
}

static int on_data(void *arg, struct slice data, struct error *err)
{
    struct http_request *rq = arg;
    if (rq->upload_fd >= 0) {
        TRY(write_part(rq, data, err));
        VEC_AT(&rq->uploads, struct http_upload, rq->uploads.len - 1)->size += data.len;
        return 0;
    }
    struct http_attribute *a =
        VEC_AT(&rq->attributes, struct http_attribute, rq->attributes.len - 1);
    if (a->value.len + data.len > HTTP_ATTRIBUTE_MAX) {
        return error_set(err, ERR_TOO_LARGE, "The attribute %s is larger than %d bytes.", a->name,
                         HTTP_ATTRIBUTE_MAX);
    }
    TRY(http_request_charge(rq, data.len, err));
    str_append_slice(&a->value, data);
    return 0;
}

static int on_end(void *arg, struct error *err)
{
    struct http_request *rq = arg;
    int fd = rq->upload_fd;
    rq->upload_fd = -1;
    if (fd >= 0 && close(fd) < 0) {
        return disk_error(rq, errno, err);
    }
    return 0;
}

int http_upload_begin(struct http_request *rq, const char *content_type, struct error *err)
{
    const struct multipart_sink sink = {
        .begin = on_begin, .data = on_data, .end = on_end, .arg = rq};
    if (rq->loop->server->options.upload_dir == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "File upload not allowed");
    }
    return multipart_new(content_type, &sink, &rq->multipart, err);
}

void http_upload_fini(struct http_request *rq)
{
    if (rq->upload_fd >= 0) {
        close(rq->upload_fd);
        rq->upload_fd = -1;
    }
    for (size_t i = 0; i < rq->uploads.len; i++) {
        const char *path = VEC_AT(&rq->uploads, struct http_upload, i)->path;
        if (unlink(path) < 0 && errno != ENOENT) {
            LOG_WARN("flinc.http", "an upload could not be removed: %s: %s; it stays on disk", path,
                     strerror(errno));
        }
    }
    vec_clear(&rq->uploads);
}
