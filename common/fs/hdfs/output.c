/* Writing files: to a hidden name, and renamed when they are closed.  A small one goes by one request that may be tried again, from the
 * buffer; of a larger one the buffer becomes a ring, from which one request takes the bytes while they are written, once.
 * (A server closes what it has of a file whose connection broke: without another name, half a file would look like a whole
 * one.)  Thread: one owner. */
#include "common/fs/hdfs/inside.h"

#include "common/base/failpoint.h"
#include "common/fs/hdfs/pipe.h"

struct hdfs_output {
    struct fs_output base;
    struct hdfs_place place;
    enum fs_write_mode mode;
    char *target, *hidden; /* Own */
    bool has_failed;
    uint8_t *buffer; /* Owns, until it is the pipe's */
    size_t used;
    struct pipe pipe; /* with bytes once the file is larger than the buffer */
    struct hdfs_call call;
    struct exchange_source source;
    struct remote_progress progress;
};

static struct hdfs_output *output_of(struct fs_output *out)
{
    return (struct hdfs_output *)out;
}

static bool is_streaming(const struct hdfs_output *o)
{
    return o->pipe.bytes != NULL;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

void hdfs_new_id(char ret_id[HDFS_ID_BYTES])
{
    struct rng random;
    struct flinc_id id;
    _Static_assert(ID_HEX_LEN + 1 == HDFS_ID_BYTES, "the digits and a NUL");
    rng_init_system(&random);
    id_random(&id, &random);
    id_format(&id, ret_id);
}

void hdfs_hidden_path(const char *path, const char *id, struct str *ret_path)
{
    const char *name = fs_base_name(path);
    str_clear(ret_path);
    str_printf(ret_path, "%.*s.%s.inprogress.%s", (int)(name - path), path, name, id);
}

/* ---- whole ---------------------------------------------------------------------------------------------------- */

static void describe_put(struct hdfs_call *call, const struct hdfs_place *place, const char *path)
{
    *call = (struct hdfs_call){.site = place->site,
                               .method = "PUT",
                               .op = "CREATE",
                               .path = path,
                               .kind = REMOTE_KIND_WRITE,
                               .names_tries = true,
                               .doing = "writing"};
    hdfs_call_add(call, "overwrite", "false");
}

int hdfs_put(const struct hdfs_place *place, const char *path, struct slice bytes,
             struct error *err)
{
    struct hdfs_call call;
    STR_AUTO used = STR_INIT;
    describe_put(&call, place, path);
    call.body = bytes.len > 0 ? bytes : SLICE_LIT("");
    int rc = FAILPOINT(err, "fs.hdfs.put");
    rc = rc == 0 ? hdfs_call_run(place->fs->client, &call, err) : rc;
    str_append_slice(&used, str_slice(&call.used_path));
    bool is_late = call.n_tries > 1;
    hdfs_call_fini(&call);
    TRY(rc);
    /* What an earlier try left is replaced, and what it still does is done to nothing. */
    return is_late ? hdfs_rename_path(place, str_cstr(&used), path, FS_OVERWRITE, err) : 0;
}

/* ---- while it is written ------------------------------------------------------------------------------------------ */

static int start_stream(struct hdfs_output *o, struct error *err)
{
    TRY(FAILPOINT(err, "fs.hdfs.stream"));
    pipe_init(&o->pipe, STEAL(o->buffer), o->place.fs->buffer_bytes, o->used, &o->call.ended);
    describe_put(&o->call, &o->place, o->hidden);
    o->source = (struct exchange_source){pipe_read, &o->pipe};
    o->call.source = &o->source;
    return hdfs_call_start(o->place.fs->client, &o->call, err);
}

/* There is room in the ring, or the request has ended before its time. */
static int wait_for_room(struct hdfs_output *o, struct error *err)
{
    while (true) {
        uint32_t ticket = event_count_prepare(&o->call.ended);
        if (hdfs_call_has_ended(&o->call) || !pipe_is_full(&o->pipe)) {
            event_count_cancel(&o->call.ended);
            break;
        }
        (void)event_count_wait(&o->call.ended, ticket, -1);
    }
    if (!hdfs_call_has_ended(&o->call)) {
        return 0;
    }
    TRY(hdfs_call_wait(&o->call, err));
    return error_set(err, ERR_IO, "writing %s: the server answered before it had all",
                     o->base.path);
}

static int stream_some(struct hdfs_output *o, const uint8_t *data, size_t size, struct error *err)
{
    while (size > 0) {
        bool poke = false;
        TRY(wait_for_room(o, err));
        size_t n = pipe_put(&o->pipe, data, size, &poke);
        if (poke) {
            hdfs_call_poke(&o->call);
        }
        remote_progress_add(&o->progress, &clock_system, "writing", o->base.path, n, 0);
        data += n;
        size -= n;
    }
    return 0;
}

static int write_some(struct hdfs_output *o, const uint8_t *data, size_t size, struct error *err)
{
    if (!is_streaming(o)) {
        size_t cap = o->place.fs->buffer_bytes, n = MIN(size, cap - o->used);
        o->buffer = o->buffer != NULL ? o->buffer : mem_alloc(cap);
        memcpy(o->buffer + o->used, data, n);
        o->used += n;
        data += n;
        size -= n;
        if (size == 0) {
            return 0;
        }
        TRY(start_stream(o, err));
    }
    return stream_some(o, data, size, err);
}

static int output_write(struct fs_output *base, const void *data, size_t size, struct error *err)
{
    struct hdfs_output *o = output_of(base);
    if (o->has_failed) {
        return error_set(err, ERR_IO, "writing %s: a write before has failed", base->path);
    }
    int rc = write_some(o, data, size, err);
    o->has_failed = rc < 0;
    return rc;
}

/* Bytes are as safe as HDFS makes them once the file is closed, and not seen before. */
static int output_flush(struct fs_output *base, struct error *err)
{
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

/* All was sent; an answer that was lost is told from a file that is not whole by its length. */
static int end_stream(struct hdfs_output *o, struct error *err)
{
    struct error why = ERROR_INIT;
    struct fs_status status;
    pipe_end(&o->pipe);
    hdfs_call_poke(&o->call);
    int rc = hdfs_call_wait(&o->call, &why);
    if (rc < 0 && o->call.is_uncertain && o->pipe.len == 0 &&
        hdfs_stat_path(&o->place, str_cstr(&o->call.used_path), &status, NULL) == 0 &&
        status.size_bytes == o->base.position_bytes) {
        rc = 0;
    }
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    mem_free(o->hidden);
    o->hidden = mem_strdup(str_cstr(&o->call.used_path));
    return 0;
}

static int finish(struct hdfs_output *o, struct error *err)
{
    if (o->has_failed) {
        return error_set(err, ERR_IO, "closing %s: a write before has failed", o->base.path);
    }
    if (is_streaming(o)) {
        TRY(end_stream(o, err));
    } else {
        TRY(hdfs_put(&o->place, o->hidden, slice_make((const char *)o->buffer, o->used), err));
    }
    TRY(FAILPOINT(err, "fs.hdfs.show"));
    return hdfs_rename_path(&o->place, o->hidden, o->target, o->mode, err);
}

static void output_free(struct hdfs_output *o)
{
    hdfs_call_fini(&o->call);
    pipe_fini(&o->pipe);
    mem_free(o->buffer);
    mem_free(o->target);
    mem_free(o->hidden);
    mem_free(o->base.path);
    mem_free(o);
}

/* What lies under the hidden name goes, if the server can be asked at all; nothing refers to it. */
static void give_up(struct hdfs_output *o)
{
    if (is_streaming(o)) {
        hdfs_call_give_up(&o->call);
        if (o->call.is_started) {
            (void)!hdfs_call_wait(&o->call, NULL);
        }
        if (o->call.used_path.len > 0) {
            (void)!hdfs_remove_path(&o->place, str_cstr(&o->call.used_path), FS_DELETE_ONE, NULL);
        }
    }
}

static int output_close(struct fs_output *base, struct error *err)
{
    struct hdfs_output *o = output_of(base);
    int rc = finish(o, err);
    if (rc == ERR_ALREADY_EXISTS && o->mode == FS_CREATE_NEW) {
        rc = error_set(err, ERR_ALREADY_EXISTS, "%s is there already", base->path);
    }
    if (rc < 0 && is_streaming(o)) {
        give_up(o);
    } else if (rc < 0 && !o->has_failed) {
        (void)!hdfs_remove_path(&o->place, o->hidden, FS_DELETE_ONE, NULL);
    }
    output_free(o);
    return rc;
}

static void output_abandon(struct fs_output *base)
{
    give_up(output_of(base));
    output_free(output_of(base));
}

static const struct fs_output_ops output_ops = {
    .write = output_write,
    .flush = output_flush,
    .sync = output_flush,
    .close = output_close,
    .abandon = output_abandon,
};

/* Said before gigabytes are sent; the server decides at the end. */
static int check_name(const struct hdfs_place *place, const char *path, enum fs_write_mode mode,
                      const char *uri, struct error *err)
{
    struct fs_status status;
    struct error why = ERROR_INIT;
    int rc = hdfs_stat_path(place, path, &status, &why);
    if (rc == 0 && status.kind == FS_KIND_DIRECTORY) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a folder, not a file", uri);
    }
    if (rc == 0 && mode == FS_CREATE_NEW) {
        return error_set(err, ERR_ALREADY_EXISTS, "%s is there already", uri);
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    return 0;
}

int hdfs_create(const struct fs_location *at, enum fs_write_mode mode,
                struct fs_output **ret_output, struct error *err)
{
    struct hdfs_place place;
    STR_AUTO uri = STR_INIT;
    STR_AUTO hidden = STR_INIT;
    char id[HDFS_ID_BYTES];
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.create"));
    fs_location_format(at, &uri);
    TRY(check_name(&place, at->path, mode, str_cstr(&uri), err));
    hdfs_new_id(id);
    hdfs_hidden_path(at->path, id, &hidden);
    struct hdfs_output *o = MEM_NEW(struct hdfs_output);
    o->base = (struct fs_output){.ops = &output_ops, .path = str_take(&uri)};
    o->place = place;
    o->mode = mode;
    o->target = mem_strdup(at->path);
    o->hidden = str_take(&hidden);
    *ret_output = &o->base;
    return 0;
}
