/* Locations: parsing and printing URIs and paths as Flink's Path does.  Thread: any (no state). */
#include "common/fs/driver.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <unistd.h>

/* Length of "scheme" when the text begins with "scheme:", else 0.  A colon behind a slash belongs to
 * the path. */
static size_t scheme_len(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) ||
           (n > 0 && strchr("+-.", text[n]) && text[n] != '\0')) {
        n++;
    }
    return text[n] == ':' && isalpha((unsigned char)text[0]) ? n : 0;
}

static void path_drop_last(struct str *path)
{
    while (path->len > 0) {
        char last = path->data[--path->len];
        path->data[path->len] = '\0';
        if (last == '/') {
            return;
        }
    }
}

/* Appends the components of `path` to an absolute one, resolving "." and "..". */
static void path_normalize(const char *path, struct str *out)
{
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            path_drop_last(out);
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            str_append_char(out, '/');
            str_append(out, path, len);
        }
        path += len + (path[len] == '/');
    }
}

static int working_directory(struct str *out, struct error *err)
{
    char buf[FS_PATH_MAX + 1];
    if (getcwd(buf, sizeof(buf)) == NULL) {
        return error_set_errno(err, errno, "finding the working directory");
    }
    path_normalize(buf, out);
    return 0;
}

static int location_driver(const char *uri, const char *scheme, const struct fs_driver **ret_driver,
                           struct error *err)
{
    *ret_driver = fs_driver_find(scheme);
    if (*ret_driver != NULL) {
        return 0;
    }
    STR_AUTO known = STR_INIT;
    fs_driver_schemes(&known);
    return error_set(
        err, ERR_UNSUPPORTED,
        "%s: there is no file system for scheme '%s' (there is: %s%s%s); a local file whose "
        "name has a colon is written ./%s",
        uri, scheme, str_cstr(&known), fs_driver_hint()[0] != '\0' ? "; " : "", fs_driver_hint(),
        uri);
}

/* Splits what is behind "scheme:" into authority and path. */
static int location_split(const char *uri, const char *rest, struct fs_location *at,
                          const char **ret_path, struct error *err)
{
    size_t len = 0;
    if (rest[0] == '/' && rest[1] == '/') {
        rest += 2;
        len = strcspn(rest, "/");
    }
    if (strcmp(at->scheme, "file") == 0 && len > 0 &&
        !(len == 9 && strncasecmp(rest, "localhost", 9) == 0)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: '%.*s' stands where a host would; a local path has three slashes: "
                         "file:///%s",
                         uri, (int)len, rest, rest);
    }
    if (rest[len] != '/' && !(rest[len] == '\0' && len > 0)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s: the path behind '%s:' must be absolute",
                         uri, at->scheme);
    }
    at->authority = mem_strndup(rest, strcmp(at->scheme, "file") == 0 ? 0 : len);
    *ret_path = rest + len;
    return 0;
}

int fs_location_parse(const char *uri, struct fs_location *ret_location, struct error *err)
{
    if (uri == NULL || uri[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "the path is empty");
    }
    struct fs_location at = {.authority = NULL};
    STR_AUTO path = STR_INIT;
    const char *rest = uri;
    size_t len = scheme_len(uri);
    if (len > FS_SCHEME_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s: the scheme is longer than %d letters", uri,
                         FS_SCHEME_MAX);
    }
    memcpy(at.scheme, len > 0 ? uri : "file", len > 0 ? len : 4);
    for (char *p = at.scheme; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    TRY(location_driver(uri, at.scheme, &at.driver, err));
    if (len > 0) {
        TRY(location_split(uri, uri + len + 1, &at, &rest, err));
    } else {
        at.authority = mem_strdup("");
        if (uri[0] != '/') {
            int rc = working_directory(&path, err);
            if (rc < 0) {
                fs_location_fini(&at);
                return rc;
            }
        }
    }
    path_normalize(rest, &path);
    if (path.len == 0) {
        str_append_char(&path, '/');
    }
    if (path.len > FS_PATH_MAX) {
        fs_location_fini(&at);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the path %.60s... has %zu bytes, the limit is %d", str_cstr(&path),
                         path.len, FS_PATH_MAX);
    }
    at.path = mem_strndup(path.data, path.len);
    *ret_location = at;
    return 0;
}

void fs_location_fini(struct fs_location *at)
{
    mem_free(at->authority);
    mem_free(at->path);
    at->authority = at->path = NULL;
}

void fs_location_format(const struct fs_location *at, struct str *ret_uri)
{
    if (at->authority[0] != '\0') {
        str_printf(ret_uri, "%s://%s%s", at->scheme, at->authority, at->path);
    } else {
        str_printf(ret_uri, "%s:%s", at->scheme, at->path);
    }
}

int fs_join(const char *parent, const char *name, struct str *ret_uri, struct error *err)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%s' is no name of a file in %s", name,
                         parent);
    }
    size_t len = strlen(parent);
    while (len > 1 && parent[len - 1] == '/') {
        len--;
    }
    str_append(ret_uri, parent, len);
    if (len == 0 || parent[len - 1] != '/') {
        str_append_char(ret_uri, '/');
    }
    str_append_cstr(ret_uri, name);
    return 0;
}
