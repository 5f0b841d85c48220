#include "fake_s3.h"

#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/thread.h"
#include "common/fs/s3/s3.h"
#include "common/net/client/crypto.h"
#include "tests/unit/common_fs/fake_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
    struct fake_s3 *server;
    int fd;
    struct str in; /* bytes that came */
    size_t used;   /* of the request before */
};

struct request {
    char method[8];
    char path[2048]; /* decoded, "bucket/key" */
    char query[2048];
    struct slice headers, body;
};

struct answer {
    int status;
    struct str headers, body;
    size_t content_length; /* of HEAD; else the body's */
    bool is_head;
};

static void free_object(void *o)
{
    if (o != NULL) {
        str_fini(&((struct fake_object *)o)->bytes);
        mem_free(o);
    }
}

/* ---- requests --------------------------------------------------------------------------------------- */

static bool header(const struct request *rq, const char *name, char *ret, size_t size)
{
    struct slice rest = rq->headers, line;
    size_t len = strlen(name);
    while (slice_next(&rest, '\n', &line)) {
        if (line.len > len && strncasecmp(line.data, name, len) == 0 && line.data[len] == ':') {
            struct slice v = slice_trim(slice_make(line.data + len + 1, line.len - len - 1));
            snprintf(ret, size, "%.*s", (int)v.len, v.data);
            return true;
        }
    }
    return false;
}

static bool parameter(const struct request *rq, const char *name, char *ret, size_t size)
{
    return fake_parameter(rq->query, name, ret, size);
}

/* The next request; false: the connection has ended. */
static bool next_request(struct connection *c, struct request *rq)
{
    if (c->used > 0) {
        memmove(c->in.data, c->in.data + c->used, c->in.len - c->used);
        c->in.len -= c->used;
        c->used = 0;
    }
    char *end;
    while (c->in.len == 0 || (end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4)) == NULL) {
        if (!fake_fill(c->fd, &c->in)) {
            return false;
        }
    }
    size_t head = (size_t)(end - c->in.data) + 4;
    char length[32] = "0";
    struct request probe = {.headers = slice_make(c->in.data, head)};
    (void)header(&probe, "content-length", length, sizeof(length));
    size_t body = strtoull(length, NULL, 10);
    while (c->in.len < head + body) {
        if (!fake_fill(c->fd, &c->in)) {
            return false;
        }
    }
    *rq = (struct request){.headers = slice_make(c->in.data, head),
                           .body = slice_make(c->in.data + head, body)};
    const char *blank = memchr(c->in.data, ' ', head), *target = blank + 1;
    snprintf(rq->method, sizeof(rq->method), "%.*s", (int)(blank - c->in.data), c->in.data);
    size_t target_len = (size_t)((const char *)memchr(target, ' ', head) - target);
    const char *mark = memchr(target, '?', target_len);
    size_t path_len = mark != NULL ? (size_t)(mark - target) : target_len;
    fake_decode(target + 1, path_len - 1, rq->path, sizeof(rq->path));
    if (mark != NULL) {
        snprintf(rq->query, sizeof(rq->query), "%.*s", (int)(target_len - path_len - 1), mark + 1);
    }
    c->used = head + body;
    return true;
}

/* ---- what it does ------------------------------------------------------------------------------------------- */

static void refuse(struct answer *a, int status, const char *code)
{
    a->status = status;
    str_clear(&a->body);
    str_printf(&a->body, "<Error><Code>%s</Code><Message>as the test wants it</Message></Error>",
               code);
}

static struct fake_object *put_object(struct map *to, const char *name, struct slice bytes)
{
    struct fake_object *o = MEM_NEW(struct fake_object);
    str_append_slice(&o->bytes, bytes);
    snprintf(o->etag, sizeof(o->etag), "\"%016llx\"",
             (unsigned long long)hash_bytes(bytes.data, bytes.len, bytes.len));
    (void)map_put(to, name, o);
    return o;
}

static void begin_upload(struct fake_s3 *s, const struct request *rq, struct answer *a)
{
    char id[32], name[64];
    snprintf(id, sizeof(id), "u%u", ++s->n_uploads);
    snprintf(name, sizeof(name), "%s/0", id);
    struct fake_object *o = put_object(&s->parts, name, SLICE_LIT(""));
    (void)header(rq, "x-amz-meta-flinc-writer", o->writer, sizeof(o->writer));
    if (s->checksums == FAKE_CHECKS &&
        header(rq, "x-amz-checksum-algorithm", o->crc32c, sizeof(o->crc32c))) {
        str_printf(&a->headers, "x-amz-checksum-algorithm: %s\r\n", o->crc32c);
    }
    str_printf(
        &a->body,
        "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>",
        id);
}

/* Drops its parts, and puts the first ones together; false: there is no such upload. */
static bool end_upload(struct fake_s3 *s, const char *id, uint32_t n_wanted, struct str *ret_bytes,
                       char ret_writer[64])
{
    char name[128];
    for (uint32_t i = 0;; i++) {
        snprintf(name, sizeof(name), "%s/%u", id, i);
        struct fake_object *o = map_take(&s->parts, name);
        if (o == NULL) {
            return i > 0;
        }
        if (i == 0) {
            memcpy(ret_writer, o->writer, sizeof(o->writer));
        }
        if (i <= n_wanted) {
            str_append_slice(ret_bytes, str_slice(&o->bytes));
        }
        free_object(o);
    }
}

static uint32_t count_marks(const struct request *rq, const char *mark)
{
    uint32_t n = 0;
    size_t len = strlen(mark);
    for (size_t at = 0; at + len <= rq->body.len; at++) {
        n += memcmp(rq->body.data + at, mark, len) == 0;
    }
    return n;
}

static bool is_checked_upload(const struct fake_s3 *s, const char *id)
{
    char name[128];
    snprintf(name, sizeof(name), "%s/0", id);
    const struct fake_object *o = map_find(&s->parts, name);
    return o != NULL && o->crc32c[0] != '\0';
}

/* Of the bytes, as a server writes it. */
static void checksum_of(struct slice bytes, char ret[16])
{
    const struct crypto *crypto = NULL;
    struct error err = ERROR_INIT;
    uint32_t crc = htonl(crc32c(0, bytes.data, bytes.len));
    STR_AUTO text = STR_INIT;
    ASSERT(crypto_load(&crypto, &err) == 0);
    crypto_append_base64(&text, (const uint8_t *)&crc, sizeof(crc));
    snprintf(ret, 16, "%s", str_cstr(&text));
}

/* What was said of the body is not what came; or the test wants no check sums. */
static bool is_refused(struct fake_s3 *s, const struct request *rq, struct answer *a)
{
    char said[80] = "", sum[16] = "", found[16], id[64];
    const struct crypto *crypto = NULL;
    struct error err = ERROR_INIT;
    uint8_t digest[CRYPTO_SHA256_BYTES];
    STR_AUTO hex_text = STR_INIT;
    bool has_sum = header(rq, "x-amz-checksum-crc32c", sum, sizeof(sum)) ||
                   header(rq, "x-amz-checksum-algorithm", sum, sizeof(sum));
    (void)header(rq, "x-amz-content-sha256", said, sizeof(said));
    bool is_unsigned = strcmp(said, "UNSIGNED-PAYLOAD") == 0;
    if (strcmp(rq->method, "PUT") == 0 && rq->body.len > 0) {
        s->n_signed += !is_unsigned;
        s->n_unsigned += is_unsigned;
        s->n_checked += has_sum;
    }
    if (has_sum && s->checksums == FAKE_REFUSES_CHECKSUMS) {
        refuse(a, 501, "NotImplemented");
        return true;
    }
    ASSERT(crypto_load(&crypto, &err) == 0);
    crypto_sha256(crypto, rq->body, digest);
    str_append_hex(&hex_text, digest, sizeof(digest));
    if (!is_unsigned && said[0] != '\0' && strcmp(said, str_cstr(&hex_text)) != 0) {
        refuse(a, 400, "XAmzContentSHA256Mismatch");
        return true;
    }
    checksum_of(rq->body, found);
    if (has_sum && s->checksums == FAKE_CHECKS && strcmp(rq->method, "PUT") == 0 &&
        strcmp(sum, found) != 0) {
        refuse(a, 400, "BadDigest");
        return true;
    }
    if (parameter(rq, "partNumber", id, sizeof(id)) && parameter(rq, "uploadId", id, sizeof(id)) &&
        is_checked_upload(s, id) && !has_sum && rq->body.len > 0) {
        refuse(a, 400, "InvalidRequest");
        return true;
    }
    return false;
}

/* A server that checks answers with what it found. */
static void note_checksum(const struct fake_s3 *s, const struct request *rq, struct fake_object *o,
                          struct answer *a)
{
    char said[16];
    if (s->checksums == FAKE_CHECKS && header(rq, "x-amz-checksum-crc32c", said, sizeof(said))) {
        memcpy(o->crc32c, said, sizeof(said));
        str_printf(&a->headers, "x-amz-checksum-crc32c: %s\r\n", said);
    }
}

static void complete_upload(struct fake_s3 *s, const struct request *rq, const char *id,
                            struct answer *a)
{
    char writer[64] = "", condition[8];
    STR_AUTO bytes = STR_INIT;
    if (header(rq, "if-none-match", condition, sizeof(condition)) &&
        map_has(&s->objects, rq->path)) {
        refuse(a, 412, "PreconditionFailed");
    } else if (count_marks(rq, "<ChecksumCRC32C>") !=
               (is_checked_upload(s, id) ? count_marks(rq, "<PartNumber>") : 0)) {
        refuse(a, 400, "InvalidRequest");
    } else if (!end_upload(s, id, count_marks(rq, "<PartNumber>"), &bytes, writer)) {
        refuse(a, 404, "NoSuchUpload");
    } else {
        struct fake_object *o = put_object(&s->objects, rq->path, str_slice(&bytes));
        memcpy(o->writer, writer, sizeof(writer));
        str_printf(&a->body,
                   "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
    }
}

static void do_put(struct fake_s3 *s, const struct request *rq, struct answer *a)
{
    char source[2048], decoded[2048], id[64], number[16], name[128], condition[8];
    struct slice bytes = rq->body;
    bool is_copy = header(rq, "x-amz-copy-source", source, sizeof(source));
    if (is_copy) {
        fake_decode(source + 1, strlen(source) - 1, decoded, sizeof(decoded));
        const struct fake_object *from = map_find(&s->objects, decoded);
        if (from == NULL) {
            refuse(a, 404, "NoSuchKey");
            return;
        }
        bytes = str_slice(&from->bytes);
    }
    if (parameter(rq, "uploadId", id, sizeof(id)) &&
        parameter(rq, "partNumber", number, sizeof(number))) {
        snprintf(name, sizeof(name), "%s/%s", id, number);
        STR_AUTO part = STR_INIT;
        str_append_slice(&part, bytes);
        struct fake_object *o = put_object(&s->parts, name, str_slice(&part));
        str_printf(&a->headers, "ETag: %s\r\n", o->etag);
        note_checksum(s, rq, o, a);
        if (is_copy) {
            str_printf(&a->body, "<CopyPartResult><ETag>%s</ETag>", o->etag);
            if (is_checked_upload(s, id)) {
                checksum_of(str_slice(&o->bytes), o->crc32c);
                str_printf(&a->body, "<ChecksumCRC32C>%s</ChecksumCRC32C>", o->crc32c);
            }
            str_append_cstr(&a->body, "</CopyPartResult>");
        }
        return;
    }
    if (header(rq, "if-none-match", condition, sizeof(condition)) &&
        map_has(&s->objects, rq->path)) {
        refuse(a, 412, "PreconditionFailed");
        return;
    }
    STR_AUTO copied = STR_INIT;
    str_append_slice(&copied, bytes);
    struct fake_object *o = put_object(&s->objects, rq->path, str_slice(&copied));
    (void)header(rq, "x-amz-meta-flinc-writer", o->writer, sizeof(o->writer));
    str_printf(&a->headers, "ETag: %s\r\n", o->etag);
    note_checksum(s, rq, o, a);
    if (is_copy) {
        str_printf(&a->body, "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>");
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pages of three, so that paging is met. */
static void do_list(struct fake_s3 *s, const char *bucket, const struct request *rq,
                    struct answer *a)
{
    enum { PAGE = 3 };
    char prefix[1024] = "", delimiter[4] = "", token[1024] = "", last_folder[2048] = "";
    const char *names[512];
    size_t n = 0, skip = strlen(bucket) + 1, given = 0;
    bool more = false;
    (void)parameter(rq, "prefix", prefix, sizeof(prefix));
    (void)parameter(rq, "delimiter", delimiter, sizeof(delimiter));
    (void)parameter(rq, "continuation-token", token, sizeof(token));
    for (const struct map_entry *e = map_next(&s->objects, NULL); e != NULL && n < 512;
         e = map_next(&s->objects, e)) {
        if (strncmp(e->key, bucket, skip - 1) == 0 && cstr_starts_with(e->key + skip, prefix)) {
            names[n++] = e->key + skip;
        }
    }
    qsort(names, n, sizeof(names[0]), compare_names);
    str_append_cstr(&a->body, "<ListBucketResult>");
    for (size_t i = 0; i < n; i++) {
        const char *slash = delimiter[0] != '\0' ? strchr(names[i] + strlen(prefix), '/') : NULL;
        char shown[2048];
        snprintf(shown, sizeof(shown), "%.*s", slash != NULL ? (int)(slash + 1 - names[i]) : 2000,
                 names[i]);
        if (strcmp(shown, token) <= 0 || strcmp(shown, last_folder) == 0) {
            continue;
        }
        if (given == PAGE) {
            more = true;
            break;
        }
        given++;
        snprintf(last_folder, sizeof(last_folder), "%s", shown);
        if (slash != NULL) {
            str_printf(&a->body, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", shown);
        } else {
            STR_AUTO full = STR_INIT;
            str_printf(&full, "%s/%s", bucket, names[i]);
            const struct fake_object *o = map_find(&s->objects, str_cstr(&full));
            str_printf(
                &a->body,
                "<Contents><Key>%s</Key><Size>%zu</Size><LastModified>2026-11-22T08:00:00.250Z"
                "</LastModified></Contents>",
                names[i], o->bytes.len);
        }
    }
    if (more) {
        str_printf(&a->body, "<NextContinuationToken>%s</NextContinuationToken>", last_folder);
    }
    str_printf(&a->body, "<IsTruncated>%s</IsTruncated></ListBucketResult>",
               more ? "true" : "false");
}

static void do_get(struct fake_s3 *s, const struct request *rq, struct answer *a)
{
    char range[64], condition[64];
    const struct fake_object *o = map_find(&s->objects, rq->path);
    if (o == NULL) {
        refuse(a, 404, "NoSuchKey");
        return;
    }
    if (header(rq, "if-match", condition, sizeof(condition)) && strcmp(condition, o->etag) != 0) {
        refuse(a, 412, "PreconditionFailed");
        return;
    }
    str_printf(&a->headers, "ETag: %s\r\nLast-Modified: Sun, 22 Nov 2026 08:00:00 GMT\r\n",
               o->etag);
    str_printf(&a->headers, "x-amz-meta-flinc-writer: %s\r\n", o->writer);
    struct slice bytes = str_slice(&o->bytes);
    if (header(rq, "range", range, sizeof(range))) {
        unsigned long long first = 0, last = 0;
        (void)sscanf(range, "bytes=%llu-%llu", &first, &last);
        bytes = slice_make(bytes.data + first,
                           (size_t)MIN(last + 1, (unsigned long long)bytes.len) - first);
        a->status = 206;
    }
    a->content_length = bytes.len;
    if (!a->is_head) {
        str_append_slice(&a->body, bytes);
    }
}

static void do_post(struct fake_s3 *s, const struct request *rq, struct answer *a)
{
    char id[64];
    if (parameter(rq, "uploads", id, sizeof(id))) {
        begin_upload(s, rq, a);
    } else if (parameter(rq, "uploadId", id, sizeof(id))) {
        complete_upload(s, rq, id, a);
    } else {
        struct slice rest = rq->body, piece;
        char *text = mem_dup(rest.data, rest.len + 1);
        text[rest.len] = '\0';
        for (char *at = text; (at = strstr(at, "<Key>")) != NULL; at++) {
            char *end = strstr(at, "</Key>");
            STR_AUTO name = STR_INIT;
            str_printf(&name, "%s/%.*s", rq->path, (int)(end - at - 5), at + 5);
            (void)map_remove(&s->objects, str_cstr(&name));
        }
        (void)piece;
        mem_free(text);
        str_append_cstr(&a->body, "<DeleteResult></DeleteResult>");
    }
}

static void list_parts(struct fake_s3 *s, const char *id, struct answer *a)
{
    char name[128];
    snprintf(name, sizeof(name), "%s/0", id);
    if (!map_has(&s->parts, name)) {
        refuse(a, 404, "NoSuchUpload");
        return;
    }
    str_append_cstr(&a->body, "<ListPartsResult>");
    for (uint32_t i = 1;; i++) {
        snprintf(name, sizeof(name), "%s/%u", id, i);
        const struct fake_object *o = map_find(&s->parts, name);
        if (o == NULL) {
            break;
        }
        str_printf(&a->body, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag><Size>%zu</Size>", i,
                   o->etag, o->bytes.len);
        if (is_checked_upload(s, id)) {
            str_printf(&a->body, "<ChecksumCRC32C>%s</ChecksumCRC32C>", o->crc32c);
        }
        str_append_cstr(&a->body, "</Part>");
    }
    if (is_checked_upload(s, id)) {
        str_append_cstr(&a->body, "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>");
    }
    str_append_cstr(&a->body, "<IsTruncated>false</IsTruncated></ListPartsResult>");
}

static void act(struct fake_s3 *s, struct request *rq, struct answer *a)
{
    char id[64], condition[8];
    size_t len = strlen(rq->path);
    bool is_bucket = strchr(rq->path, '/') == NULL || rq->path[len - 1] == '/';
    if (is_bucket && len > 0 && rq->path[len - 1] == '/') {
        rq->path[len - 1] = '\0';
    }
    if (is_refused(s, rq, a)) {
    } else if (s->has_no_conditions && header(rq, "if-none-match", condition, sizeof(condition))) {
        refuse(a, 501, "NotImplemented");
    } else if (cstr_starts_with(rq->path, "missing")) {
        refuse(a, 404, "NoSuchBucket");
    } else if (strcmp(rq->method, "PUT") == 0) {
        do_put(s, rq, a);
    } else if (strcmp(rq->method, "POST") == 0) {
        do_post(s, rq, a);
    } else if (strcmp(rq->method, "DELETE") == 0) {
        char writer[64];
        STR_AUTO bytes = STR_INIT;
        if (parameter(rq, "uploadId", id, sizeof(id))) {
            s->n_aborted += end_upload(s, id, 0, &bytes, writer);
        } else {
            (void)map_remove(&s->objects, rq->path);
        }
        a->status = 204;
    } else if (!is_bucket && parameter(rq, "uploadId", id, sizeof(id))) {
        list_parts(s, id, a);
    } else if (is_bucket && strcmp(rq->method, "GET") == 0) {
        do_list(s, rq->path, rq, a);
    } else {
        do_get(s, rq, a);
    }
}

/* ---- connections -------------------------------------------------------------------------------------------------- */

static enum fake_fault take_fault(struct fake_s3 *s, const struct request *rq)
{
    if (s->n_faults == 0 || (s->fault_method != NULL && strcmp(s->fault_method, rq->method) != 0)) {
        return FAKE_NONE;
    }
    s->n_faults--;
    return s->fault;
}

static void note_signature(struct fake_s3 *s, const struct request *rq)
{
    s->last_token[0] = '\0';
    (void)header(rq, "x-amz-security-token", s->last_token, sizeof(s->last_token));
    if (header(rq, "authorization", s->last_authorization, sizeof(s->last_authorization))) {
        (void)sscanf(s->last_authorization, "%*[^/]/%*[^/]/%39[^/]", s->last_region);
    }
}

/* Under lock. */
static void wait_for_others(struct fake_s3 *s)
{
    if (s->n_together > 0 && --s->n_together == 0) {
        pthread_cond_broadcast(&s->came);
    }
    while (s->n_together > 0 && !s->is_ending) {
        pthread_cond_wait(&s->came, &s->lock);
    }
}

/* Under lock. */
static bool is_skewed(const struct fake_s3 *s, const struct request *rq)
{
    char text[40];
    struct tm tm = {0};
    if (s->clock_off_s == 0 || !header(rq, "x-amz-date", text, sizeof(text)) ||
        strptime(text, "%Y%m%dT%H%M%SZ", &tm) == NULL) {
        return false;
    }
    int64_t off_s = timegm(&tm) - (time(NULL) + s->clock_off_s);
    return off_s > 900 || off_s < -900;
}

/* false: the connection ends. */
static bool serve(struct connection *c, struct request *rq)
{
    struct fake_s3 *s = c->server;
    struct answer a = {.status = 200, .is_head = strcmp(rq->method, "HEAD") == 0};
    STR_AUTO out = STR_INIT;
    pthread_mutex_lock(&s->lock);
    s->n_requests++;
    note_signature(s, rq);
    wait_for_others(s);
    enum fake_fault fault = is_skewed(s, rq) ? FAKE_SKEWED : take_fault(s, rq);
    int64_t clock_off_s = s->clock_off_s != 0    ? s->clock_off_s
                          : fault == FAKE_SKEWED ? -24 * 3600
                                                 : 0;
    switch (fault) {
    case FAKE_SLOW_DOWN:
        refuse(&a, 503, "SlowDown");
        break;
    case FAKE_ERROR:
        refuse(&a, 500, "InternalError");
        break;
    case FAKE_SKEWED:
        refuse(&a, 403, "RequestTimeTooSkewed");
        break;
    case FAKE_DENIED:
        refuse(&a, 403, "AccessDenied");
        break;
    case FAKE_ERROR_IN_200:
        refuse(&a, 200, "InternalError");
        break;
    case FAKE_OTHER_REGION:
        refuse(&a, 301, "PermanentRedirect");
        str_append_cstr(&a.headers, "x-amz-bucket-region: eu-test-9\r\n");
        break;
    case FAKE_RESET:
        break;
    case FAKE_FLIPPED:
        ASSERT(rq->body.len > 0);
        c->in.data[c->used - 1] ^= 4;
        act(s, rq, &a);
        break;
    default:
        act(s, rq, &a);
    }
    pthread_mutex_unlock(&s->lock);
    size_t length = a.is_head ? a.content_length : a.body.len;
    char date[40];
    time_t now = time(NULL) + clock_off_s;
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    str_printf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nDate: %s\r\n%s\r\n", a.status, length,
               date, str_cstr(&a.headers));
    size_t body = a.is_head ? 0 : fault == FAKE_CUT ? a.body.len / 2 : a.body.len;
    bool goes_on = fault != FAKE_RESET && fault != FAKE_LOST &&
                   fake_send_all(c->fd, out.data, out.len) &&
                   fake_send_all(c->fd, a.body.data, body) && fault != FAKE_CUT;
    str_fini(&a.headers);
    str_fini(&a.body);
    return goes_on;
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct fake_s3 *s = c->server;
    struct request *rq = MEM_NEW(struct request);
    while (next_request(c, rq) && serve(c, rq)) {
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->connections.len; i++) {
        if (*VEC_AT(&s->connections, int, i) == c->fd) {
            vec_remove_swap(&s->connections, i);
            break;
        }
    }
    close(c->fd);
    s->n_threads--;
    pthread_cond_signal(&s->thread_ended);
    pthread_mutex_unlock(&s->lock);
    mem_free(rq);
    str_fini(&c->in);
    mem_free(c);
    return NULL;
}

static void *listener_main(void *arg)
{
    struct fake_s3 *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        struct connection *c = MEM_NEW(struct connection);
        pthread_t thread;
        c->server = s;
        c->fd = fd;
        pthread_mutex_lock(&s->lock);
        *VEC_PUSH(&s->connections, int) = fd;
        s->n_threads++;
        s->n_connections++;
        pthread_mutex_unlock(&s->lock);
        (void)pthread_create(&thread, NULL, connection_main, c);
        (void)pthread_detach(thread);
    }
    return NULL;
}

void fake_s3_start(struct fake_s3 *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *s = (struct fake_s3){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->thread_ended, NULL);
    pthread_cond_init(&s->came, NULL);
    map_init(&s->objects, free_object);
    map_init(&s->parts, free_object);
    vec_init(&s->connections, sizeof(int));
    ASSERT(bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0);
    ASSERT(listen(s->listener, 64) == 0);
    ASSERT(getsockname(s->listener, (struct sockaddr *)&at, &len) == 0);
    s->port = ntohs(at.sin_port);
    ASSERT(pthread_create(&s->thread, NULL, listener_main, s) == 0);
}

void fake_s3_configure(const struct fake_s3 *s, const char *key, const char *value)
{
    struct conf conf;
    struct error err = ERROR_INIT;
    char endpoint[64];
    conf_init(&conf, NULL);
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", s->port);
    const char *const settings[][2] = {
        {"s3.endpoint", endpoint},
        {"s3.access-key", "key"},
        {"s3.secret-key", "secret"},
        {"s3.path-style-access", "true"},
        {"s3.retry.max-num-retries", "3"},
        {"s3.entropy.key", "_entropy_"},
        {key, value},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings) - (key == NULL); i++) {
        ASSERT(conf_set(&conf, settings[i][0], settings[i][1], &err) == 0);
    }
    s3_shut_down();
    ASSERT(s3_register(&conf, &err) == 0);
    conf_fini(&conf);
}

void fake_s3_stop(struct fake_s3 *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->connections.len; i++) {
        shutdown(*VEC_AT(&s->connections, int, i), SHUT_RDWR);
    }
    while (s->n_threads > 0) {
        pthread_cond_wait(&s->thread_ended, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    map_fini(&s->objects);
    map_fini(&s->parts);
    vec_fini(&s->connections);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->thread_ended);
    pthread_cond_destroy(&s->came);
}

void fake_s3_fail(struct fake_s3 *s, enum fake_fault fault, const char *method, uint32_t n)
{
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    s->fault_method = method;
    s->n_faults = n;
    pthread_mutex_unlock(&s->lock);
}

const struct fake_object *fake_s3_find(struct fake_s3 *s, const char *bucket_and_key)
{
    pthread_mutex_lock(&s->lock);
    const struct fake_object *o = map_find(&s->objects, bucket_and_key);
    pthread_mutex_unlock(&s->lock);
    return o;
}
