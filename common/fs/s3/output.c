/* Writing objects: a small one by one request when it is closed, a larger one in parts that are sent while it is
 * written.  Nothing is seen of it before it is closed.  Thread: one owner. */
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"

#include <stdatomic.h>

/* A piece of the file, filled or on its way. */
struct part {
    uint8_t *bytes; /* Owns; size */
    size_t size, used;
    bool is_sent;
    struct s3_part sent;
};

struct s3_output {
    struct fs_output base;
    struct s3_fs *fs; /* Borrows */
    enum fs_write_mode mode;
    struct s3_upload upload; /* begun when there is more than a part; says bucket, key and writer */
    bool has_failed;
    struct remote_progress progress;
    struct part *parts; /* Owns; n_slots */
    uint32_t n_slots, at;
};

static struct s3_output *output_of(struct fs_output *out)
{
    return (struct s3_output *)out;
}

static int wait_for(struct s3_output *o, struct part *p, struct error *err)
{
    if (!p->is_sent) {
        return 0;
    }
    p->is_sent = false;
    int rc = s3_upload_wait(&o->upload, &p->sent, err);
    if (rc == 0) {
        remote_progress_add(&o->progress, &clock_system, "writing", o->base.path, p->used, 0);
    }
    p->used = 0;
    return rc;
}

/* Sends what is filled; the slot at hand is empty then. */
static int send_part(struct s3_output *o, struct error *err)
{
    struct part *p = &o->parts[o->at];
    TRY(s3_upload_start(&o->upload, slice_make((const char *)p->bytes, p->used), &p->sent, err));
    p->is_sent = true;
    o->at = (o->at + 1) % o->n_slots;
    return wait_for(o, &o->parts[o->at], err);
}

/* For the part that comes next. */
static void make_room(const struct s3_output *o, struct part *p)
{
    size_t wanted = (size_t)s3_part_bytes(o->fs, o->upload.n_parts + 1);
    if (p->size < wanted) {
        mem_free(p->bytes);
        p->bytes = mem_alloc(wanted);
        p->size = wanted;
    }
}

static int write_some(struct s3_output *o, const uint8_t *data, size_t size, struct error *err)
{
    while (size > 0) {
        struct part *p = &o->parts[o->at];
        if (p->used > 0 && p->used == p->size) {
            TRY(send_part(o, err));
            continue;
        }
        if (p->used == 0) {
            make_room(o, p);
        }
        size_t n = MIN(size, p->size - p->used);
        memcpy(p->bytes + p->used, data, n);
        p->used += n;
        data += n;
        size -= n;
    }
    return 0;
}

static int output_write(struct fs_output *base, const void *data, size_t size, struct error *err)
{
    struct s3_output *o = output_of(base);
    if (o->has_failed) {
        return error_set(err, ERR_IO, "writing %s: a write before has failed", base->path);
    }
    int rc = write_some(o, data, size, err);
    o->has_failed = rc < 0;
    return rc;
}

/* Bytes are as safe as S3 makes them once the file is closed, and not seen before. */
static int output_flush(struct fs_output *base, struct error *err)
{
    return 0;
}

static int put_bytes(struct s3_output *o, bool is_conditional, struct error *err)
{
    struct part *p = &o->parts[0];
    const struct s3_upload *u = &o->upload;
    struct s3_call call = {.method = "PUT",
                           .bucket = u->bucket,
                           .key = u->key,
                           .body = slice_make((const char *)p->bytes, p->used),
                           .doing = "writing"};
    s3_call_add_header(&call, "x-amz-meta-flinc-writer", u->writer);
    if (is_conditional) {
        s3_call_add_header(&call, "if-none-match", "*");
    }
    int rc = FAILPOINT(err, "fs.s3.put");
    rc = rc == 0 ? s3_call_run_file(o->fs->client, &call, err) : rc;
    s3_call_fini(&call);
    return rc;
}

/* The whole of a small file; the one that a lost answer left behind is ours: libcurl, too, sends a request again when
 * a kept connection turns out to be broken. */
static int put(struct s3_output *o, struct error *err)
{
    const struct s3_upload *u = &o->upload;
    struct error why = ERROR_INIT;
    bool is_new = o->mode == FS_CREATE_NEW;
    int rc = ERR_UNSUPPORTED;
    if (!is_new || !atomic_load(&o->fs->lacks_conditions)) {
        rc = put_bytes(o, is_new, &why);
    }
    if (is_new && rc == ERR_UNSUPPORTED) {
        s3_note_no_conditions(o->fs);
        error_clear(&why);
        rc = s3_check_new(o->fs, u->bucket, u->key, u->writer, &why);
        rc = rc == 0 ? put_bytes(o, false, &why) : rc;
    }
    if (rc == ERR_ALREADY_EXISTS && s3_is_of(o->fs, u->bucket, u->key, u->writer)) {
        rc = 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

static int finish(struct s3_output *o, struct error *err)
{
    if (o->has_failed) {
        return error_set(err, ERR_IO, "closing %s: a write before has failed", o->base.path);
    }
    if (o->upload.id == NULL) {
        return put(o, err);
    }
    if (o->parts[o->at].used > 0) {
        TRY(send_part(o, err));
    }
    for (uint32_t i = 0; i < o->n_slots; i++) {
        TRY(wait_for(o, &o->parts[i], err));
    }
    return s3_upload_complete(&o->upload, o->mode == FS_CREATE_NEW, err);
}

static void output_free(struct s3_output *o)
{
    for (uint32_t i = 0; i < o->n_slots; i++) {
        s3_call_fini(&o->parts[i].sent.call);
        mem_free(o->parts[i].bytes);
    }
    mem_free(o->parts);
    s3_upload_abort(&o->upload);
    s3_upload_fini(&o->upload);
    mem_free(o->base.path);
    mem_free(o);
}

static int output_close(struct fs_output *base, struct error *err)
{
    struct s3_output *o = output_of(base);
    int rc = finish(o, err);
    if (rc == ERR_ALREADY_EXISTS && o->mode == FS_CREATE_NEW) {
        rc = error_set(err, ERR_ALREADY_EXISTS, "%s is there already", base->path);
    }
    output_free(o);
    return rc;
}

static void output_abandon(struct fs_output *base)
{
    output_free(output_of(base));
}

static const struct fs_output_ops output_ops = {
    .write = output_write,
    .flush = output_flush,
    .sync = output_flush,
    .close = output_close,
    .abandon = output_abandon,
};

/* The key with its entropy: the mark becomes random letters, so that the names of many files spread over the
 * server's partitions. */
static char *key_with_entropy(const struct s3_fs *fs, const char *key, struct rng *random)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *mark = fs->entropy_key != NULL ? strstr(key, fs->entropy_key) : NULL;
    STR_AUTO with = STR_INIT;
    if (mark == NULL) {
        return mem_strdup(key);
    }
    str_append(&with, key, (size_t)(mark - key));
    for (uint32_t i = 0; i < fs->entropy_length; i++) {
        str_append_char(&with, letters[rng_below(random, sizeof(letters) - 1)]);
    }
    str_append_cstr(&with, mark + strlen(fs->entropy_key));
    return str_take(&with);
}

int s3_create(const struct fs_location *at, enum fs_write_mode mode, struct fs_output **ret_output,
              struct error *err)
{
    struct s3_fs *fs;
    struct s3_object object;
    STR_AUTO uri = STR_INIT;
    struct rng random;
    struct flinc_id id;
    char writer[ID_HEX_LEN + 1];
    TRY(s3_fs_get(&fs, err));
    TRY(FAILPOINT(err, "fs.s3.create"));
    fs_location_format(at, &uri);
    if (s3_key_of(at)[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a bucket, not a file", str_cstr(&uri));
    }
    if (mode == FS_CREATE_NEW) { /* said before gigabytes are sent; the server decides at the end */
        int rc = s3_head(fs, at->authority, s3_key_of(at), &object, err);
        if (rc == 0) {
            return error_set(err, ERR_ALREADY_EXISTS, "%s is there already", str_cstr(&uri));
        }
        if (rc != ERR_NOT_FOUND) {
            return rc;
        }
    }
    rng_init(&random, (uint64_t)clock_monotonic_ns(&clock_system) ^ (uint64_t)(uintptr_t)&random);
    id_random(&id, &random);
    id_format(&id, writer);
    char *key = key_with_entropy(fs, s3_key_of(at), &random);
    struct s3_output *o = MEM_NEW(struct s3_output);
    o->base = (struct fs_output){.ops = &output_ops, .path = str_take(&uri)};
    o->fs = fs;
    s3_upload_init(&o->upload, fs, at->authority, key, writer);
    mem_free(key);
    o->mode = mode;
    o->n_slots = fs->n_uploads + 1;
    o->parts = MEM_NEW_ARRAY(struct part, o->n_slots);
    *ret_output = &o->base;
    return 0;
}
