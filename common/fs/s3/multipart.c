/* Uploads in parts (inside.h): begun by the first, sent or copied one by one, completed or given up. */
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"
#include "common/fs/remote/xml.h"

#include <stdatomic.h>
#include <stdio.h>

static void call_init(struct s3_call *call, const struct s3_upload *u, const char *method)
{
    *call =
        (struct s3_call){.method = method, .bucket = u->bucket, .key = u->key, .doing = u->doing};
}

void s3_upload_init(struct s3_upload *u, struct s3_fs *fs, const char *bucket, const char *key,
                    const char *writer)
{
    *u = (struct s3_upload){
        .fs = fs, .bucket = mem_strdup(bucket), .key = mem_strdup(key), .doing = "writing"};
    ASSERT(strlen(writer) <= ID_HEX_LEN);
    memcpy(u->writer, writer, strlen(writer));
    vec_init(&u->noted, sizeof(struct s3_noted_part));
}

void s3_upload_go_on(struct s3_upload *u, const char *id, uint32_t n_parts)
{
    ASSERT(u->id == NULL);
    u->id = mem_strdup(id);
    u->n_parts = n_parts;
}

static int begin_once(struct s3_upload *u, struct error *err)
{
    struct s3_call call;
    STR_AUTO id = STR_INIT;
    call_init(&call, u, "POST");
    s3_call_add_query(&call, "uploads", "");
    s3_call_add_header(&call, "x-amz-meta-flinc-writer", u->writer);
    if (u->has_checksums) {
        s3_call_add_header(&call, "x-amz-checksum-algorithm", "CRC32C");
    }
    int rc = FAILPOINT(err, "fs.s3.upload.begin");
    rc = rc == 0 ? s3_call_run(u->fs->client, &call, err) : rc;
    if (rc == 0 &&
        !xml_find(str_slice(&call.x.answer), "InitiateMultipartUploadResult/UploadId", &id)) {
        rc = error_set(err, ERR_CORRUPT, "%s s3://%s/%s: the server gave no number for an upload",
                       u->doing, u->bucket, u->key);
    }
    if (rc == 0 && id.len > S3_UPLOAD_ID_MAX) {
        rc =
            error_set(err, ERR_CORRUPT, "%s s3://%s/%s: the server's name of an upload is %zu long",
                      u->doing, u->bucket, u->key, id.len);
    }
    /* One that knows nothing of them may not even like to see them in the list of parts. */
    if (rc == 0 && u->has_checksums && call.x.checksum_algorithm[0] == '\0') {
        s3_client_note_ignored_checksums(u->fs->client);
        u->has_checksums = false;
    }
    s3_call_fini(&call);
    TRY(rc);
    u->id = str_take(&id);
    return 0;
}

static int begin(struct s3_upload *u, struct error *err)
{
    struct error why = ERROR_INIT;
    u->has_checksums = !u->is_copied && s3_client_has_checksums(u->fs->client);
    int rc = begin_once(u, &why);
    if (rc == ERR_UNSUPPORTED && u->has_checksums) {
        s3_client_note_no_checksums(u->fs->client);
        u->has_checksums = false;
        error_clear(&why);
        rc = begin_once(u, &why);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

uint64_t s3_part_bytes(const struct s3_fs *fs, uint32_t number)
{
    uint32_t n_doubled = MIN((number - 1) / S3_PARTS_ALIKE, (uint32_t)S3_PART_DOUBLED_MAX);
    uint64_t most = MAX(fs->part_bytes, (uint64_t)S3_PART_BYTES_MAX);
    return MIN(fs->part_bytes << n_doubled, most);
}

/* ---- parts ------------------------------------------------------------------------------------------------- */

/* Its call, to be filled further and started. */
static int next_part(struct s3_upload *u, struct s3_part *part, struct error *err)
{
    struct s3_call *call = &part->call;
    TRY_CTX(err, FAILPOINT(err, "fs.s3.upload.part"), "%s s3://%s/%s", u->doing, u->bucket, u->key);
    if (u->id == NULL) {
        TRY(begin(u, err));
    }
    if (u->n_parts == S3_PARTS_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "%s s3://%s/%s: S3 takes %d parts of a file; raise "
                         "s3.upload.min.part.size (now %llu bytes)",
                         u->doing, u->bucket, u->key, S3_PARTS_MAX,
                         (unsigned long long)u->fs->part_bytes);
    }
    part->number = ++u->n_parts;
    snprintf(part->number_text, sizeof(part->number_text), "%u", part->number);
    call->method = "PUT";
    call->bucket = u->bucket;
    call->key = u->key;
    call->n_query = call->n_headers = 0;
    call->crc32c[0] = '\0';
    s3_call_add_query(call, "partNumber", part->number_text);
    s3_call_add_query(call, "uploadId", u->id);
    return 0;
}

int s3_upload_start(struct s3_upload *u, struct slice bytes, struct s3_part *part,
                    struct error *err)
{
    TRY(next_part(u, part, err));
    part->call.doing = "writing a part of";
    part->call.body = bytes;
    if (u->has_checksums) {
        s3_call_add_crc32c(&part->call);
    }
    return s3_call_start(u->fs->client, &part->call, err);
}

static int no_etag(const struct s3_upload *u, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "%s s3://%s/%s: the server gave no ETag for a part",
                     u->doing, u->bucket, u->key);
}

int s3_upload_wait(struct s3_upload *u, struct s3_part *part, struct error *err)
{
    TRY(s3_call_wait(&part->call, err));
    if (part->call.x.etag[0] == '\0') {
        return no_etag(u, err);
    }
    s3_upload_note(u, part->number, part->call.x.etag, part->call.crc32c);
    return 0;
}

int s3_upload_send(struct s3_upload *u, struct slice bytes, struct error *err)
{
    struct s3_part part = {.number = 0};
    int rc = s3_upload_start(u, bytes, &part, err);
    rc = rc == 0 ? s3_upload_wait(u, &part, err) : rc;
    if (rc < 0 && part.number != 0) {
        u->n_parts--;
    }
    s3_call_fini(&part.call);
    return rc;
}

int s3_upload_copy(struct s3_upload *u, const char *bucket, const char *key, uint64_t offset,
                   uint64_t n_bytes, struct error *err)
{
    struct s3_part part = {.number = 0};
    STR_AUTO source = STR_INIT;
    STR_AUTO etag = STR_INIT;
    STR_AUTO crc32c = STR_INIT;
    char range[64];
    TRY(next_part(u, &part, err));
    s3_copy_source(bucket, key, &source);
    s3_call_add_header(&part.call, "x-amz-copy-source", str_cstr(&source));
    if (n_bytes > 0) {
        snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset,
                 (unsigned long long)(offset + n_bytes - 1));
        s3_call_add_header(&part.call, "x-amz-copy-source-range", range);
    }
    part.call.doing = u->doing;
    int rc = s3_call_run(u->fs->client, &part.call, err);
    if (rc == 0 && !xml_find(str_slice(&part.call.x.answer), "CopyPartResult/ETag", &etag)) {
        rc = no_etag(u, err);
    }
    if (rc == 0) {
        if (u->has_checksums) {
            (void)xml_find(str_slice(&part.call.x.answer), "CopyPartResult/ChecksumCRC32C",
                           &crc32c);
        }
        s3_upload_note(u, part.number, str_cstr(&etag), str_cstr(&crc32c));
    } else {
        u->n_parts--;
    }
    s3_call_fini(&part.call);
    return rc;
}

void s3_upload_note(struct s3_upload *u, uint32_t number, const char *etag, const char *crc32c)
{
    while (u->noted.len < number) {
        (void)vec_push(&u->noted);
    }
    struct s3_noted_part *p = VEC_AT(&u->noted, struct s3_noted_part, number - 1);
    mem_free(p->etag);
    p->etag = mem_strdup(etag);
    snprintf(p->crc32c, sizeof(p->crc32c), "%s", crc32c);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static int complete(struct s3_upload *u, struct slice body, bool is_conditional, struct error *err)
{
    struct s3_call call;
    call_init(&call, u, "POST");
    call.body = body;
    s3_call_add_query(&call, "uploadId", u->id);
    if (is_conditional) {
        s3_call_add_header(&call, "if-none-match", "*");
    }
    int rc = FAILPOINT(err, "fs.s3.upload.complete");
    rc = rc == 0 ? s3_call_run(u->fs->client, &call, err) : rc;
    s3_call_fini(&call);
    return rc;
}

static void list_parts(const struct s3_upload *u, struct str *ret_body)
{
    str_append_cstr(ret_body, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < u->noted.len; i++) {
        const struct s3_noted_part *p = VEC_AT(&u->noted, struct s3_noted_part, i);
        ASSERT(p->etag != NULL);
        str_printf(ret_body, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        xml_escape(ret_body, slice_cstr(p->etag));
        str_append_cstr(ret_body, "</ETag>");
        if (u->has_checksums && p->crc32c[0] != '\0') {
            str_append_cstr(ret_body, "<ChecksumCRC32C>");
            xml_escape(ret_body, slice_cstr(p->crc32c));
            str_append_cstr(ret_body, "</ChecksumCRC32C>");
        }
        str_append_cstr(ret_body, "</Part>");
    }
    str_append_cstr(ret_body, "</CompleteMultipartUpload>");
}

int s3_upload_complete(struct s3_upload *u, bool is_new, struct error *err)
{
    STR_AUTO body = STR_INIT;
    struct error why = ERROR_INIT;
    int rc = ERR_UNSUPPORTED;
    list_parts(u, &body);
    if (!is_new || !atomic_load(&u->fs->lacks_conditions)) {
        rc = complete(u, str_slice(&body), is_new, &why);
    }
    if (is_new && rc == ERR_UNSUPPORTED) {
        s3_note_no_conditions(u->fs);
        error_clear(&why);
        rc = s3_check_new(u->fs, u->bucket, u->key, u->writer, &why);
        rc = rc == 0 ? complete(u, str_slice(&body), false, &why) : rc;
    }
    /* A completion whose answer was lost is asked for again, and then there is no such upload. */
    if ((rc == ERR_NOT_FOUND || rc == ERR_ALREADY_EXISTS || rc == ERR_TIMEOUT ||
         rc == ERR_UNAVAILABLE) &&
        s3_is_of(u->fs, u->bucket, u->key, u->writer)) {
        rc = 0;
    }
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    mem_free(STEAL(u->id));
    return 0;
}

void s3_upload_abort(struct s3_upload *u)
{
    struct s3_call call;
    if (u->id == NULL) {
        return;
    }
    call_init(&call, u, "DELETE");
    call.doing = "giving up writing";
    s3_call_add_query(&call, "uploadId", u->id);
    int rc = s3_call_run(u->fs->client, &call, NULL);
    (void)rc;
    s3_call_fini(&call);
    mem_free(STEAL(u->id));
}

void s3_upload_fini(struct s3_upload *u)
{
    for (size_t i = 0; i < u->noted.len; i++) {
        mem_free(VEC_AT(&u->noted, struct s3_noted_part, i)->etag);
    }
    vec_fini(&u->noted);
    mem_free(u->bucket);
    mem_free(u->key);
    mem_free(u->id);
    *u = (struct s3_upload){.fs = u->fs};
}

void s3_copy_source(const char *bucket, const char *key, struct str *ret_source)
{
    STR_AUTO plain = STR_INIT;
    str_printf(&plain, "/%s/%s", bucket, key);
    sigv4_escape(ret_source, str_slice(&plain), true);
}
