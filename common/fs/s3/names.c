/* Names: what lies where, copies, deletions.  A folder is what the keys of objects begin with.  Thread: any. */
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/remote/xml.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const char topic[] = "flinc.fs.s3";

enum { PAGE_KEYS = 1000, COPIES_AT_ONCE = 16 };

/* ---- one object ------------------------------------------------------------------------------------------------ */

int s3_head(struct s3_fs *fs, const char *bucket, const char *key, struct s3_object *ret_object,
            struct error *err)
{
    struct s3_call call = {.method = "HEAD", .bucket = bucket, .key = key, .doing = "looking at"};
    int rc = s3_call_run(fs->client, &call, err);
    if (rc == 0) {
        *ret_object = (struct s3_object){.size = call.x.content_length,
                                         .modified_ms = s3_http_time_ms(call.x.modified)};
        memcpy(ret_object->etag, call.x.etag, sizeof(ret_object->etag));
        memcpy(ret_object->writer, call.x.writer, sizeof(ret_object->writer));
    }
    s3_call_fini(&call);
    return rc;
}

void s3_note_no_conditions(struct s3_fs *fs)
{
    if (!atomic_exchange(&fs->lacks_conditions, true)) {
        LOG_WARN(
            topic,
            "the server of s3.endpoint has no conditional writes (If-None-Match): whether the name "
            "of a new file is taken is looked at before it is written, and two that "
            "write it at one time may both succeed");
    }
}

bool s3_is_of(struct s3_fs *fs, const char *bucket, const char *key, const char *writer)
{
    struct s3_object object;
    return s3_head(fs, bucket, key, &object, NULL) == 0 && strcmp(object.writer, writer) == 0;
}

int s3_check_new(struct s3_fs *fs, const char *bucket, const char *key, const char *writer,
                 struct error *err)
{
    struct s3_object object;
    struct error why = ERROR_INIT;
    int rc = s3_head(fs, bucket, key, &object, &why);
    if (rc == 0 && strcmp(object.writer, writer) != 0) {
        return error_set(err, ERR_ALREADY_EXISTS, "s3://%s/%s is there already", bucket, key);
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    return 0;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

struct found_object {
    char *key; /* Owns */
    uint64_t size;
    int64_t modified_ms;
};

/* What a listing finds. */
struct listing {
    struct vec objects; /* struct found_object; their keys Own */
    struct vec folders; /* char *: with the slash at the end; Own */
    struct found_object at_hand;
    struct str next; /* token; empty: no more */
    bool is_truncated;
};

static void listing_init(struct listing *l)
{
    *l = (struct listing){.next = STR_INIT};
    vec_init(&l->objects, sizeof(struct found_object));
    vec_init(&l->folders, sizeof(char *));
}

static void listing_clear(struct listing *l)
{
    for (size_t i = 0; i < l->objects.len; i++) {
        mem_free(VEC_AT(&l->objects, struct found_object, i)->key);
    }
    for (size_t i = 0; i < l->folders.len; i++) {
        mem_free(vec_ptr(&l->folders, i));
    }
    vec_clear(&l->objects);
    vec_clear(&l->folders);
}

static void listing_fini(struct listing *l)
{
    listing_clear(l);
    mem_free(l->at_hand.key);
    vec_fini(&l->objects);
    vec_fini(&l->folders);
    str_fini(&l->next);
}

static int on_listed(void *arg, const char *path, struct slice text, struct error *err)
{
    static const char top[] = "ListBucketResult/";
    struct listing *l = arg;
    if (!cstr_starts_with(path, top)) {
        return 0;
    }
    path += sizeof(top) - 1;
    if (strcmp(path, "Contents/Key") == 0) {
        mem_free(l->at_hand.key);
        l->at_hand.key = mem_dup(text.data != NULL ? text.data : "", text.len + 1);
        l->at_hand.key[text.len] = '\0';
    } else if (strcmp(path, "Contents/Size") == 0) {
        l->at_hand.size = strtoull(text.data != NULL ? text.data : "", NULL, 10);
    } else if (strcmp(path, "Contents/LastModified") == 0) {
        int64_t ms = s3_time_ms(text.data != NULL ? text.data : "");
        l->at_hand.modified_ms = ms != INT64_MIN ? ms : 0;
    } else if (strcmp(path, "Contents") == 0 && l->at_hand.key != NULL) {
        *VEC_PUSH(&l->objects, struct found_object) = l->at_hand;
        l->at_hand = (struct found_object){.key = NULL};
    } else if (strcmp(path, "CommonPrefixes/Prefix") == 0 && text.len > 0) {
        char *name = mem_dup(text.data, text.len + 1);
        name[text.len] = '\0';
        vec_push_ptr(&l->folders, name);
    } else if (strcmp(path, "NextContinuationToken") == 0) {
        str_clear(&l->next);
        str_append_slice(&l->next, text);
    } else if (strcmp(path, "IsTruncated") == 0) {
        l->is_truncated = slice_eq_cstr(text, "true");
    }
    return 0;
}

enum depth { THIS_FOLDER, ALL_BELOW };

/* The next page of keys that begin with `prefix`: appended.  1: there may be more; 0: no. */
static int list_page(struct s3_fs *fs, const char *bucket, const char *prefix, enum depth depth,
                     uint32_t max, struct listing *l, struct error *err)
{
    struct s3_call call = {.method = "GET", .bucket = bucket, .key = "", .doing = "listing"};
    char max_text[12];
    STR_AUTO token = STR_INIT;
    str_append_slice(&token, str_slice(&l->next));
    snprintf(max_text, sizeof(max_text), "%u", max);
    s3_call_add_query(&call, "list-type", "2");
    s3_call_add_query(&call, "prefix", prefix);
    s3_call_add_query(&call, "max-keys", max_text);
    if (depth == THIS_FOLDER) {
        s3_call_add_query(&call, "delimiter", "/");
    }
    if (token.len > 0) {
        s3_call_add_query(&call, "continuation-token", str_cstr(&token));
    }
    str_clear(&l->next);
    l->is_truncated = false;
    int rc = FAILPOINT(err, "fs.s3.list");
    rc = rc == 0 ? s3_call_run(fs->client, &call, err) : rc;
    rc = rc == 0 ? xml_read(str_slice(&call.x.answer), on_listed, l, err) : rc;
    s3_call_fini(&call);
    if (rc < 0) {
        error_context(err, "listing s3://%s/%s", bucket, prefix);
        return rc;
    }
    if (l->is_truncated && l->next.len == 0) {
        return error_set(err, ERR_CORRUPT,
                         "listing s3://%s/%s: the server says that there is more, and not where",
                         bucket, prefix);
    }
    return l->is_truncated;
}

/* "a/b" -> "a/b/"; of the bucket "". */
static void prefix_of(const char *key, struct str *ret_prefix)
{
    str_append_cstr(ret_prefix, key);
    if (key[0] != '\0' && !cstr_ends_with(key, "/")) {
        str_append_char(ret_prefix, '/');
    }
}

/* 1: an object lies below; 0: none. */
static int is_folder(struct s3_fs *fs, const char *bucket, const char *key, struct error *err)
{
    struct listing l;
    STR_AUTO prefix = STR_INIT;
    prefix_of(key, &prefix);
    listing_init(&l);
    int rc = list_page(fs, bucket, str_cstr(&prefix), ALL_BELOW, 1, &l, err);
    rc = rc < 0 ? rc : l.objects.len > 0 || key[0] == '\0';
    listing_fini(&l);
    return rc;
}

int s3_explain_missing(struct s3_fs *fs, const char *bucket, const char *key, struct error *err)
{
    int rc = is_folder(fs, bucket, key, err);
    if (rc < 0) {
        return rc;
    }
    return rc > 0 ? error_set(err, ERR_INVALID_ARGUMENT, "s3://%s/%s is a folder", bucket, key)
                  : error_set(err, ERR_NOT_FOUND, "s3://%s/%s: there is no such file", bucket, key);
}

int s3_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err)
{
    struct s3_fs *fs;
    struct s3_object object;
    const char *key = s3_key_of(at);
    TRY(s3_fs_get(&fs, err));
    TRY(FAILPOINT(err, "fs.s3.stat"));
    struct error why = ERROR_INIT;
    int rc = key[0] != '\0' ? s3_head(fs, at->authority, key, &object, &why) : ERR_NOT_FOUND;
    if (rc == 0) {
        *ret_status = (struct fs_status){
            .kind = FS_KIND_FILE, .size_bytes = object.size, .modified_ms = object.modified_ms};
        return 0;
    }
    if (rc != ERR_NOT_FOUND) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    rc = is_folder(fs, at->authority, key, err);
    if (rc <= 0) {
        return rc < 0 ? rc
                      : error_set(err, ERR_NOT_FOUND, "s3://%s/%s: there is no such file",
                                  at->authority, key);
    }
    *ret_status = (struct fs_status){.kind = FS_KIND_DIRECTORY};
    return 0;
}

static int add_entry(const struct fs_location *at, struct fs_list *list, const char *prefix,
                     const char *key, size_t key_len, const struct fs_status *status,
                     struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO path = STR_INIT;
    size_t skip = strlen(prefix);
    str_append(&name, key + skip, key_len - skip);
    str_printf(&path, "%s://%s/%.*s", at->scheme, at->authority, (int)key_len, key);
    return fs_list_add(list, str_cstr(&name), str_cstr(&path), status, err);
}

static int add_page(const struct fs_location *at, struct fs_list *list, const char *prefix,
                    const struct listing *l, struct error *err)
{
    for (size_t i = 0; i < l->objects.len; i++) {
        const struct found_object *f = VEC_AT(&l->objects, struct found_object, i);
        const struct fs_status status = {
            .kind = FS_KIND_FILE, .size_bytes = f->size, .modified_ms = f->modified_ms};
        if (strcmp(f->key, prefix) != 0) { /* a folder's mark, of other programs */
            TRY(add_entry(at, list, prefix, f->key, strlen(f->key), &status, err));
        }
    }
    for (size_t i = 0; i < l->folders.len; i++) {
        const char *folder = vec_ptr(&l->folders, i);
        const struct fs_status status = {.kind = FS_KIND_DIRECTORY};
        TRY(add_entry(at, list, prefix, folder, strlen(folder) - 1, &status, err));
    }
    return 0;
}

int s3_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err)
{
    struct s3_fs *fs;
    struct listing l;
    STR_AUTO prefix = STR_INIT;
    bool is_there = s3_key_of(at)[0] == '\0';
    int rc;
    TRY(s3_fs_get(&fs, err));
    prefix_of(s3_key_of(at), &prefix);
    listing_init(&l);
    do {
        rc = list_page(fs, at->authority, str_cstr(&prefix), THIS_FOLDER, PAGE_KEYS, &l, err);
        is_there = is_there || l.objects.len + l.folders.len > 0;
        int added = rc >= 0 ? add_page(at, ret_list, str_cstr(&prefix), &l, err) : 0;
        rc = added < 0 ? added : rc;
        listing_clear(&l);
    } while (rc > 0);
    listing_fini(&l);
    if (rc == 0 && !is_there) {
        return error_set(err, ERR_NOT_FOUND, "s3://%s/%s: there is no such folder", at->authority,
                         s3_key_of(at));
    }
    fs_list_sort(ret_list);
    return rc;
}

int s3_mkdirs(const struct fs_location *at, struct error *err)
{
    struct s3_fs *fs;
    struct s3_object object;
    TRY(s3_fs_get(&fs, err));
    TRY(FAILPOINT(err, "fs.s3.mkdirs"));
    if (s3_key_of(at)[0] == '\0') {
        return is_folder(fs, at->authority, "", err) < 0 ? err->code : 0;
    }
    int rc = s3_head(fs, at->authority, s3_key_of(at), &object, err);
    if (rc == 0 && object.size > 0) {
        return error_set(err, ERR_ALREADY_EXISTS, "s3://%s/%s is a file", at->authority,
                         s3_key_of(at));
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- deleting ---------------------------------------------------------------------------------------------------- */

static int on_deleted(void *arg, const char *path, struct slice text, struct error *err)
{
    struct str *first = arg;
    if (strcmp(path, "DeleteResult/Error/Message") == 0 && first->len == 0) {
        str_append_slice(first, text);
        str_append_cstr(first, text.len == 0 ? "it did not say why" : "");
    }
    return 0;
}

/* All objects of a page, by one request. */
static int delete_page(struct s3_fs *fs, const char *bucket, const struct listing *l,
                       struct error *err)
{
    const struct crypto *crypto = NULL;
    uint8_t digest[CRYPTO_MD5_BYTES];
    STR_AUTO body = STR_INIT;
    STR_AUTO md5 = STR_INIT;
    STR_AUTO failed = STR_INIT;
    TRY(crypto_load(&crypto, err));
    TRY(FAILPOINT(err, "fs.s3.delete"));
    str_append_cstr(&body, "<Delete><Quiet>true</Quiet>");
    for (size_t i = 0; i < l->objects.len; i++) {
        str_append_cstr(&body, "<Object><Key>");
        xml_escape(&body, slice_cstr(VEC_AT(&l->objects, struct found_object, i)->key));
        str_append_cstr(&body, "</Key></Object>");
    }
    str_append_cstr(&body, "</Delete>");
    crypto_md5(crypto, str_slice(&body), digest);
    crypto_append_base64(&md5, digest, sizeof(digest));
    struct s3_call call = {.method = "POST",
                           .bucket = bucket,
                           .key = "",
                           .body = str_slice(&body),
                           .doing = "deleting objects of"};
    s3_call_add_query(&call, "delete", "");
    s3_call_add_header(&call, "content-md5", str_cstr(&md5));
    int rc = s3_call_run(fs->client, &call, err);
    if (rc == 0 && call.x.answer.len > 0) {
        rc = xml_read(str_slice(&call.x.answer), on_deleted, &failed, err);
    }
    s3_call_fini(&call);
    if (rc == 0 && failed.len > 0) {
        rc = error_set(err, ERR_IO, "deleting objects of s3://%s: %s", bucket, str_cstr(&failed));
    }
    return rc;
}

static int delete_one(struct s3_fs *fs, const char *bucket, const char *key, struct error *err)
{
    struct s3_call call = {.method = "DELETE", .bucket = bucket, .key = key, .doing = "deleting"};
    int rc = FAILPOINT(err, "fs.s3.delete");
    rc = rc == 0 ? s3_call_run(fs->client, &call, err) : rc;
    s3_call_fini(&call);
    return rc;
}

int s3_delete_below(struct s3_fs *fs, const char *bucket, const char *prefix, struct error *err)
{
    struct listing l;
    int rc;
    listing_init(&l);
    do {
        str_clear(&l.next); /* what was listed is gone: the first page again */
        rc = list_page(fs, bucket, prefix, ALL_BELOW, PAGE_KEYS, &l, err);
        int deleted = rc >= 0 && l.objects.len > 0 ? delete_page(fs, bucket, &l, err) : 0;
        rc = deleted < 0 ? deleted : rc;
        listing_clear(&l);
    } while (rc > 0);
    listing_fini(&l);
    return rc;
}

int s3_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err)
{
    struct s3_fs *fs;
    struct fs_status status;
    STR_AUTO prefix = STR_INIT;
    const char *key = s3_key_of(at);
    TRY(s3_fs_get(&fs, err));
    TRY(s3_stat(at, &status, err));
    if (status.kind == FS_KIND_FILE) {
        return delete_one(fs, at->authority, key, err);
    }
    if (key[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "s3://%s is a bucket: it is not deleted",
                         at->authority);
    }
    if (mode == FS_DELETE_ONE) {
        return error_set(err, ERR_STATE, "s3://%s/%s is a folder with files in it", at->authority,
                         key);
    }
    prefix_of(key, &prefix);
    return s3_delete_below(fs, at->authority, str_cstr(&prefix), err);
}

/* ---- renaming ------------------------------------------------------------------------------------------------------- */

struct copy {
    char *source, *target; /* Own: "/bucket/key" escaped; key */
    struct s3_call call;
};

static void copy_start(struct copy *c, const struct fs_location *from, const char *from_key,
                       const char *to_bucket, const char *to_key)
{
    STR_AUTO source = STR_INIT;
    s3_copy_source(from->authority, from_key, &source);
    c->source = str_take(&source);
    c->target = mem_strdup(to_key);
    c->call = (struct s3_call){
        .method = "PUT", .bucket = to_bucket, .key = c->target, .doing = "renaming to"};
    s3_call_add_header(&c->call, "x-amz-copy-source", c->source);
}

static void copy_fini(struct copy *c)
{
    s3_call_fini(&c->call);
    mem_free(c->source);
    mem_free(c->target);
    *c = (struct copy){.source = NULL};
}

static int copy_in_parts(struct s3_fs *fs, const struct fs_location *from, const char *from_key,
                         uint64_t size, const struct fs_location *to, const char *to_key,
                         struct error *err)
{
    struct s3_upload u;
    int rc = 0;
    s3_upload_init(&u, fs, to->authority, to_key, "copy");
    u.doing = "renaming to";
    u.is_copied = true;
    for (uint64_t at = 0; at < size && rc == 0; at += S3_COPY_BYTES_MAX) {
        uint64_t n = MIN(size - at, (uint64_t)S3_COPY_BYTES_MAX);
        rc = s3_upload_copy(&u, from->authority, from_key, at, n, err);
    }
    rc = rc == 0 ? s3_upload_complete(&u, false, err) : rc;
    s3_upload_abort(&u);
    s3_upload_fini(&u);
    return rc;
}

static int copy_one(struct s3_fs *fs, const struct fs_location *from, const char *from_key,
                    uint64_t size, const struct fs_location *to, const char *to_key,
                    struct error *err)
{
    if (size > S3_COPY_BYTES_MAX) {
        return copy_in_parts(fs, from, from_key, size, to, to_key, err);
    }
    struct copy c;
    copy_start(&c, from, from_key, to->authority, to_key);
    int rc = FAILPOINT(err, "fs.s3.copy");
    rc = rc == 0 ? s3_call_run(fs->client, &c.call, err) : rc;
    copy_fini(&c);
    return rc;
}

/* The objects of a page, several at once. */
static int copy_page(struct s3_fs *fs, const struct fs_location *from, const char *from_prefix,
                     const struct fs_location *to, const char *to_prefix, const struct listing *l,
                     struct error *err)
{
    struct copy copies[COPIES_AT_ONCE] = {{.source = NULL}};
    int rc = 0;
    for (size_t i = 0; i < l->objects.len && rc == 0; i += COPIES_AT_ONCE) {
        size_t n = MIN(l->objects.len - i, (size_t)COPIES_AT_ONCE), n_started = 0;
        for (size_t k = 0; k < n && rc == 0; k++) {
            const struct found_object *f = VEC_AT(&l->objects, struct found_object, i + k);
            STR_AUTO target = STR_INIT;
            str_printf(&target, "%s%s", to_prefix, f->key + strlen(from_prefix));
            if (f->size > S3_COPY_BYTES_MAX) {
                rc = copy_in_parts(fs, from, f->key, f->size, to, str_cstr(&target), err);
                continue;
            }
            copy_start(&copies[n_started], from, f->key, to->authority, str_cstr(&target));
            rc = s3_call_start(fs->client, &copies[n_started].call, err);
            n_started++;
        }
        for (size_t k = 0; k < n_started; k++) {
            int one =
                copies[k].call.is_started ? s3_call_wait(&copies[k].call, rc == 0 ? err : NULL) : 0;
            rc = rc == 0 ? one : rc;
            copy_fini(&copies[k]);
        }
    }
    return rc;
}

static int rename_folder(struct s3_fs *fs, const struct fs_location *from,
                         const struct fs_location *to, struct error *err)
{
    struct listing l;
    STR_AUTO from_prefix = STR_INIT;
    STR_AUTO to_prefix = STR_INIT;
    int rc;
    prefix_of(s3_key_of(from), &from_prefix);
    prefix_of(s3_key_of(to), &to_prefix);
    if (strcmp(from->authority, to->authority) == 0 &&
        cstr_starts_with(str_cstr(&to_prefix), str_cstr(&from_prefix))) {
        return error_set(err, ERR_INVALID_ARGUMENT, "s3://%s/%s cannot be moved into itself",
                         from->authority, s3_key_of(from));
    }
    listing_init(&l);
    do {
        rc = list_page(fs, from->authority, str_cstr(&from_prefix), ALL_BELOW, PAGE_KEYS, &l, err);
        int copied =
            rc >= 0 ? copy_page(fs, from, str_cstr(&from_prefix), to, str_cstr(&to_prefix), &l, err)
                    : 0;
        rc = copied < 0 ? copied : rc;
        listing_clear(&l);
    } while (rc > 0);
    listing_fini(&l);
    return rc < 0 ? rc : s3_delete_below(fs, from->authority, str_cstr(&from_prefix), err);
}

int s3_rename(const struct fs_location *from, const struct fs_location *to, struct error *err)
{
    struct s3_fs *fs;
    struct fs_status status;
    TRY(s3_fs_get(&fs, err));
    TRY(s3_stat(from, &status, err));
    if (strcmp(from->authority, to->authority) == 0 && strcmp(from->path, to->path) == 0) {
        return 0;
    }
    if (status.kind == FS_KIND_DIRECTORY) {
        return rename_folder(fs, from, to, err);
    }
    TRY(copy_one(fs, from, s3_key_of(from), status.size_bytes, to, s3_key_of(to), err));
    return delete_one(fs, from->authority, s3_key_of(from), err);
}
