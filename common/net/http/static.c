/* Static files: a path is looked up below the root one component at a time, without following links,
 * so that no name leads out of it.  Flink: StaticFileServerHandler.  Thread: the request's. */
#include "common/net/http/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STATIC_CACHE_S = 300 };

static const struct {
    const char *extension, *type;
} types[] = {
    {"css", "text/css"},
    {"eot", "application/vnd.ms-fontobject"},
    {"gif", "image/gif"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/x-icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "application/javascript"},
    {"json", "application/json"},
    {"log", "text/plain"},
    {"map", "application/json"},
    {"md", "text/markdown"},
    {"otf", "application/x-font-opentype"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"ttf", "application/x-font-ttf"},
    {"txt", "text/plain"},
    {"webp", "image/webp"},
    {"woff", "application/font-woff"},
    {"woff2", "application/font-woff2"},
    {"xml", "application/xml"},
};

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(types); i++) {
        if (strcmp(dot + 1, types[i].extension) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

static void format_date(int64_t seconds, char ret_text[64])
{
    struct tm tm;
    time_t t = (time_t)seconds;
    gmtime_r(&t, &tm);
    strftime(ret_text, 64, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static bool is_unmodified(const struct http_request *rq, int64_t modified_s)
{
    const char *since = http_request_header(rq, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    struct tm tm = {0};
    const char *end = since != NULL ? strptime(since, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    return end != NULL && *end == '\0' && timegm(&tm) >= modified_s;
}

enum { LOOKUP_MISSING = -1, LOOKUP_FORBIDDEN = -2 };

/* A descriptor of the file, or LOOKUP_x. */
static int look_up(const char *root, const char *path)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *p = path;
    while (fd >= 0) {
        char name[NAME_MAX + 1];
        p += strspn(p, "/");
        size_t len = strcspn(p, "/");
        if (len > NAME_MAX) {
            close(fd);
            return LOOKUP_MISSING;
        }
        memcpy(name, p, len);
        name[len] = '\0';
        p += len;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '\\') != NULL) {
            close(fd);
            return LOOKUP_FORBIDDEN;
        }
        bool last = *p == '\0';
        const char *looked_up = len > 0 ? name : "index.html";
        const int flags = last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
        int next = openat(fd, looked_up, flags | O_NOFOLLOW | O_CLOEXEC);
        int cause = errno;
        close(fd);
        if (next < 0) {
            return cause == ELOOP || cause == EACCES ? LOOKUP_FORBIDDEN : LOOKUP_MISSING;
        }
        if (last) {
            return next;
        }
        fd = next;
    }
    return LOOKUP_MISSING;
}

int http_serve_static(const char *root, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    const char *path = http_request_path(rq);
    struct stat st = {0};
    int fd = look_up(root, path);
    if (fd == LOOKUP_FORBIDDEN) {
        http_response_error(rs, MHD_HTTP_FORBIDDEN, "Forbidden.");
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        STR_AUTO text = STR_INIT;
        str_printf(&text, "Unable to load requested file %s.", path);
        http_response_error(rs, MHD_HTTP_NOT_FOUND, str_cstr(&text));
        return 0;
    }
    char date[64];
    const char *name = strrchr(path, '/') + 1;
    http_response_content_type(rs, type_of(name[0] != '\0' ? name : "index.html"));
    if (is_unmodified(rq, st.st_mtim.tv_sec)) {
        close(fd);
        http_response_status(rs, MHD_HTTP_NOT_MODIFIED);
        return 0;
    }
    format_date(st.st_mtim.tv_sec, date);
    http_response_header(rs, MHD_HTTP_HEADER_LAST_MODIFIED, date);
    format_date(clock_now_ms(&clock_system) / 1000 + STATIC_CACHE_S, date);
    http_response_header(rs, MHD_HTTP_HEADER_EXPIRES, date);
    http_response_header(rs, MHD_HTTP_HEADER_CACHE_CONTROL, "private, max-age=300");
    http_response_file(rs, fd, (uint64_t)st.st_size);
    return 0;
}
