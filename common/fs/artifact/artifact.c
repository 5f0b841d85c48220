/* Fetching by file systems and by HTTP; see artifact.h. */
#include "common/fs/artifact/artifact.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/net/client/http_client.h"
#include "common/plugin/elf_check.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.artifact";

enum { PIECE_BYTES = 1024 * 1024, NAME_BYTES_MAX = 200, HEADERS_MAX = 64 };

/* ---- addresses ------------------------------------------------------------------------------------ */

/* Length of the scheme in front of ":/"; 0: it is a path. */
static size_t scheme_len(const char *address)
{
    size_t n = 0;
    while (isalnum((unsigned char)address[n]) ||
           (n > 0 && address[n] != '\0' && strchr("+-.", address[n]) != NULL)) {
        n++;
    }
    return n > 0 && isalpha((unsigned char)address[0]) && address[n] == ':' && address[n + 1] == '/'
               ? n
               : 0;
}

static bool has_scheme(const char *address, const char *scheme)
{
    size_t n = scheme_len(address);
    return n == strlen(scheme) && strncasecmp(address, scheme, n) == 0;
}

bool artifact_is_remote(const char *address)
{
    return scheme_len(address) > 0 && !has_scheme(address, "file") && !has_scheme(address, "local");
}

const char *artifact_local_path(const char *address)
{
    size_t n = scheme_len(address);
    if (n > 0 && !artifact_is_remote(address)) {
        address += n + 1;
        return cstr_starts_with(address, "///") ? address + 2 : address;
    }
    return address;
}

/* The last component, in letters that every file system takes. */
static void local_name(const char *address, struct str *ret)
{
    size_t len = strcspn(address, "?#");
    while (len > 0 && address[len - 1] == '/') {
        len--;
    }
    size_t from = len;
    while (from > 0 && address[from - 1] != '/') {
        from--;
    }
    from = MAX(from, len > NAME_BYTES_MAX ? len - NAME_BYTES_MAX : 0);
    for (size_t i = from; i < len; i++) {
        char c = address[i];
        bool plain =
            isalnum((unsigned char)c) || c == '_' || c == '-' || (c == '.' && ret->len > 0);
        str_append_char(ret, plain ? c : '_');
    }
    if (ret->len == 0) {
        str_append_cstr(ret, "artifact");
    }
}

/* ---- one file on its way --------------------------------------------------------------------------- */

struct fetching {
    const struct artifact_options *options;
    const char *address;
    int fd;
    const char *part; /* Borrows: the local file until it is whole */
    uint64_t done;
    int64_t start_ms, said_ms;
};

static int write_piece(struct fetching *f, const void *data, size_t size, uint64_t total,
                       struct error *err)
{
    TRY(cancel_token_check(f->options->cancel, "fetching a bundle", err));
    if (f->options->is_stopped != NULL && f->options->is_stopped()) {
        return error_set(err, ERR_CANCELLED, "interrupted");
    }
    if (fd_write_all(f->fd, data, size) < 0) {
        return error_set_errno(err, errno, "writing %s (user.artifacts.base-dir)", f->part);
    }
    f->done += size;
    int64_t now = clock_monotonic_ms(&clock_system);
    if (now - f->said_ms >= ARTIFACT_LOG_MS) {
        f->said_ms = now;
        LOG_INFO(topic, "Fetching %s: %llu of %llu bytes so far.", f->address,
                 (unsigned long long)f->done, (unsigned long long)total);
    }
    return 0;
}

static int check_size(const struct fetching *f, uint64_t size, struct error *err)
{
    if (size > ARTIFACT_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "%s has %llu bytes; a bundle has at most %llu",
                         f->address, (unsigned long long)size,
                         (unsigned long long)ARTIFACT_BYTES_MAX);
    }
    return size > 0 ? 0 : error_set(err, ERR_INVALID_ARGUMENT, "%s is empty", f->address);
}

static int copy_input(struct fetching *f, struct fs_input *in, struct error *err)
{
    char *buf = mem_alloc(PIECE_BYTES);
    uint64_t size = fs_input_size(in);
    int rc = check_size(f, size, err);
    while (rc == 0 && f->done < size) {
        size_t n = 0;
        rc = FAILPOINT(err, "artifact.read");
        if (rc == 0) {
            rc = fs_input_read_at(in, f->done, buf, PIECE_BYTES, &n, err);
        }
        if (rc == 0 && n == 0) {
            rc = error_set(err, ERR_IO, "%s became shorter while it was read", f->address);
        }
        if (rc == 0) {
            rc = write_piece(f, buf, n, size, err);
        }
    }
    mem_free(buf);
    return rc;
}

static int fetch_by_fs(struct fetching *f, struct error *err)
{
    struct fs_input *in = NULL;
    TRY(fs_open(f->address, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = copy_input(f, in, err);
    fs_input_close(in);
    return rc;
}

/* ---- HTTP ------------------------------------------------------------------------------------------ */

static int error_of_status(const char *address, int status, struct error *err)
{
    switch (status) {
    case 200:
        return 0;
    case 401:
    case 403:
        return error_set(
            err, ERR_PERMISSION,
            "%s may not be fetched: the server answers %d; user.artifacts.http-headers can send "
            "what it asks for",
            address, status);
    case 404:
    case 410:
        return error_set(err, ERR_NOT_FOUND, "%s does not exist: the server answers %d", address,
                         status);
    default:
        return error_set(
            err, status >= 500 || status == 429 ? ERR_UNAVAILABLE : ERR_INVALID_ARGUMENT,
            "%s cannot be fetched: the server answers %d%s", address, status,
            status >= 300 && status < 400 ? ", which is not followed: give the address it leads to"
                                          : "");
    }
}

/* "name: value", NULL-terminated, of user.artifacts.http-headers. */
static void read_headers(const struct conf *conf, char **ret)
{
    struct text_map map = TEXT_MAP_INIT;
    size_t n = 0;
    conf_map(conf, "user.artifacts.http-headers", &map);
    for (; n < map.keys.n && n < HEADERS_MAX; n++) {
        struct str header = STR_INIT;
        str_printf(&header, "%s: %s", map.keys.items[n], map.values.items[n]);
        ret[n] = str_take(&header);
    }
    ret[n] = NULL;
    text_map_fini(&map);
}

static int ask(struct fetching *f, struct http_client *client, struct error *err)
{
    struct http_exchange x = {.method = "GET", .url = f->address};
    int rc = http_client_run(client, &x, err);
    if (rc == 0) {
        rc = error_of_status(f->address, x.status, err);
    }
    if (rc == 0) {
        rc = check_size(f, x.answer.len, err);
    }
    if (rc == 0) {
        rc = write_piece(f, x.answer.data, x.answer.len, x.answer.len, err);
    }
    str_fini(&x.answer);
    return rc;
}

static int fetch_by_http(struct fetching *f, struct error *err)
{
    const struct conf *conf = f->options->conf;
    char *headers[HEADERS_MAX + 1];
    struct http_client *client = NULL;
    if (has_scheme(f->address, "http") && !conf_bool(conf, "user.artifacts.raw-http-enabled")) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: fetching over plain HTTP is off, since anybody on the way can change "
                         "what comes; use "
                         "https, or set user.artifacts.raw-http-enabled: true",
                         f->address);
    }
    read_headers(conf, headers);
    struct http_client_options o = {.cancel = f->options->cancel,
                                    .headers = (const char *const *)headers};
    int rc = http_client_new(&o, &client, err);
    for (int i = 0; rc == 0 && i < ARTIFACT_TRIES; i++) {
        if (i > 0) {
            (void)usleep((useconds_t)(ARTIFACT_PAUSE_MS * 1000) << (i - 1));
        }
        error_clear(err);
        int one = ask(f, client, err);
        if ((one != ERR_UNAVAILABLE && one != ERR_TIMEOUT) || i + 1 == ARTIFACT_TRIES ||
            cancel_token_is_cancelled(f->options->cancel)) {
            rc = one;
            break;
        }
    }
    http_client_free(client);
    for (size_t i = 0; headers[i] != NULL; i++) {
        mem_free(headers[i]);
    }
    return rc;
}

/* ---- all ------------------------------------------------------------------------------------------- */

static int check_kind(const struct fetching *f, enum artifact_kind kind, struct error *err)
{
    struct error why = ERROR_INIT;
    if (kind == ARTIFACT_FILE || elf_check_shared_object(f->part, &why) == 0) {
        return 0;
    }
    const char *said = strstr(why.message, f->part); /* it speaks of the copy */
    return error_set(err, ERR_INVALID_ARGUMENT, "%s is no job bundle:%s", f->address,
                     said != NULL ? said + strlen(f->part) : why.message);
}

static int fetch_part(struct fetching *f, enum artifact_kind kind, struct error *err)
{
    TRY(FAILPOINT(err, "artifact.fetch"));
    if (has_scheme(f->address, "http") || has_scheme(f->address, "https")) {
        TRY(fetch_by_http(f, err));
    } else {
        TRY(fetch_by_fs(f, err));
    }
    return check_kind(f, kind, err);
}

int artifact_fetch(const struct artifact_options *options, const char *address,
                   enum artifact_kind kind, struct str *ret_path, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO part = STR_INIT;
    struct fetching f = {.options = options, .address = address};
    local_name(address, &name);
    str_printf(&path, "%s/%s", options->dir, str_cstr(&name));
    str_printf(&part, "%s/.%s.XXXXXX", options->dir, str_cstr(&name));
    f.fd = mkostemp(part.data, O_CLOEXEC);
    if (f.fd < 0) {
        return error_set_errno(err, errno, "creating a file in %s (user.artifacts.base-dir)",
                               options->dir);
    }
    f.part = str_cstr(&part);
    f.start_ms = f.said_ms = clock_monotonic_ms(&clock_system);
    LOG_INFO(topic, "Fetching %s.", address);
    int rc = fetch_part(&f, kind, err);
    if (rc == 0 && (fchmod(f.fd, 0755) < 0 || rename(f.part, str_cstr(&path)) < 0)) {
        rc = error_set_errno(err, errno, "renaming %s (user.artifacts.base-dir)", f.part);
    }
    (void)close(f.fd);
    if (rc < 0) {
        (void)unlink(f.part);
        error_context(err, "fetching %s", address);
        return rc;
    }
    LOG_INFO(topic, "Fetched %s: %llu bytes in %lld ms.", address, (unsigned long long)f.done,
             (long long)(clock_monotonic_ms(&clock_system) - f.start_ms));
    str_clear(ret_path);
    str_append_slice(ret_path, str_slice(&path));
    return 0;
}

int artifact_folder(const struct conf *conf, struct owned_dir *own, const char **ret_dir,
                    struct error *err)
{
    STR_AUTO tmp = STR_INIT;
    if (conf_has(conf, "user.artifacts.base-dir")) {
        const char *dir = conf_string(conf, "user.artifacts.base-dir");
        if (artifact_is_remote(dir)) {
            return error_set(err, ERR_INVALID_CONFIG,
                             "user.artifacts.base-dir is %s: a local folder is expected", dir);
        }
        *ret_dir = artifact_local_path(dir);
        TRY_CTX(err, fs_mkdirs(*ret_dir, err), "making the folder of user.artifacts.base-dir");
        return 0;
    }
    const char *list = conf_string(conf, "io.tmp.dirs");
    str_append(&tmp, list, strcspn(list, ",:|"));
    TRY_CTX(err, owned_dir_make(own, str_cstr(&tmp), "flinc-artifacts", err),
            "making the folder of fetched bundles (io.tmp.dirs)");
    *ret_dir = own->path;
    return 0;
}

int artifact_fetch_list(const struct artifact_options *options, struct error *err)
{
    struct text_list list = TEXT_LIST_INIT;
    int rc = 0;
    conf_list(options->conf, "user.artifacts.artifact-list", &list);
    if (list.n > ARTIFACT_LIST_MAX) {
        rc = error_set(err, ERR_TOO_LARGE,
                       "user.artifacts.artifact-list has %zu addresses; the limit is %d", list.n,
                       ARTIFACT_LIST_MAX);
    }
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        STR_AUTO path = STR_INIT;
        if (artifact_is_remote(list.items[i])) {
            rc = artifact_fetch(options, list.items[i], ARTIFACT_FILE, &path, err);
        } else if (access(artifact_local_path(list.items[i]), R_OK) < 0) {
            rc = error_set_errno(err, errno, "user.artifacts.artifact-list: %s", list.items[i]);
        }
    }
    text_list_fini(&list);
    return rc;
}
