/* Uploads in parts (inside.h).  Thread: one at a time. */
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"
#include "common/fs/s3/xml.h"

#include <stdio.h>

static void call_init(struct s3_call *call, const struct s3_upload *u, const char *method)
{
    *call =
        (struct s3_call){.method = method, .bucket = u->bucket, .key = u->key, .doing = "writing"};
}

int s3_upload_begin(struct s3_fs *fs, const char *bucket, const char *key, const char *writer,
                    struct s3_upload *ret_upload, struct error *err)
{
    struct s3_upload *u = ret_upload;
    struct s3_call call;
    STR_AUTO id = STR_INIT;
    *u = (struct s3_upload){.fs = fs, .bucket = mem_strdup(bucket), .key = mem_strdup(key)};
    vec_init(&u->etags, sizeof(char *));
    call_init(&call, u, "POST");
    s3_call_add_query(&call, "uploads", "");
    s3_call_add_header(&call, "x-amz-meta-flinc-writer", writer);
    int rc = FAILPOINT(err, "fs.s3.upload.begin");
    rc = rc == 0 ? s3_call_run(fs->client, &call, err) : rc;
    if (rc == 0 &&
        !xml_find(str_slice(&call.x.answer), "InitiateMultipartUploadResult/UploadId", &id)) {
        rc = error_set(err, ERR_CORRUPT,
                       "writing s3://%s/%s: the server gave no number for an upload", bucket, key);
    }
    s3_call_fini(&call);
    if (rc < 0) {
        s3_upload_fini(u);
        return rc;
    }
    u->id = str_take(&id);
    return 0;
}

void s3_upload_part(struct s3_upload *u, uint32_t number, struct slice bytes, struct s3_call *call,
                    char ret_number[12])
{
    call->method = "PUT";
    call->bucket = u->bucket;
    call->key = u->key;
    call->doing = "writing a part of";
    call->n_query = call->n_headers = 0;
    call->body = bytes;
    snprintf(ret_number, 12, "%u", number);
    s3_call_add_query(call, "partNumber", ret_number);
    s3_call_add_query(call, "uploadId", u->id);
}

void s3_upload_note(struct s3_upload *u, uint32_t number, const char *etag)
{
    while (u->etags.len < number) {
        vec_push_ptr(&u->etags, NULL);
    }
    char **at = VEC_AT(&u->etags, char *, number - 1);
    mem_free(*at);
    *at = mem_strdup(etag);
}

/* A completion whose answer was lost is asked for again, and then there is no such upload: the object says whose it
 * is. */
static bool is_ours(struct s3_upload *u, const char *writer)
{
    struct s3_object object;
    return s3_head(u->fs, u->bucket, u->key, &object, NULL) == 0 &&
           strcmp(object.writer, writer) == 0;
}

int s3_upload_complete(struct s3_upload *u, bool is_new, const char *writer, struct error *err)
{
    struct s3_call call;
    STR_AUTO body = STR_INIT;
    str_append_cstr(&body, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < u->etags.len; i++) {
        const char *etag = vec_ptr(&u->etags, i);
        ASSERT(etag != NULL);
        str_printf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        xml_escape(&body, slice_cstr(etag));
        str_append_cstr(&body, "</ETag></Part>");
    }
    str_append_cstr(&body, "</CompleteMultipartUpload>");
    call_init(&call, u, "POST");
    call.body = str_slice(&body);
    s3_call_add_query(&call, "uploadId", u->id);
    if (is_new) {
        s3_call_add_header(&call, "if-none-match", "*");
    }
    struct error why = ERROR_INIT;
    int rc = FAILPOINT(&why, "fs.s3.upload.complete");
    rc = rc == 0 ? s3_call_run(u->fs->client, &call, &why) : rc;
    if ((rc == ERR_NOT_FOUND || rc == ERR_ALREADY_EXISTS || rc == ERR_TIMEOUT ||
         rc == ERR_UNAVAILABLE) &&
        is_ours(u, writer)) {
        rc = 0;
    }
    s3_call_fini(&call);
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
    for (size_t i = 0; i < u->etags.len; i++) {
        mem_free(vec_ptr(&u->etags, i));
    }
    vec_fini(&u->etags);
    mem_free(u->bucket);
    mem_free(u->key);
    mem_free(u->id);
    *u = (struct s3_upload){.fs = u->fs};
}
