/* Copies of snapshot files on a local disk; see local_copies.h.
 *
 * Thread: the task's; `directories` are constant, so that any may add.  Flink: TaskLocalStateStoreImpl. */
#include "engine/snapshot/local_copies.h"

#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/fs/fs.h"
#include "engine/snapshot/output.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char topic[] = "flinc.snapshot.local";

enum { COPY_BYTES = 256 * 1024 };

struct noted_checkpoint {
    uint64_t id;
    struct map names; /* of its files; no values */
};

struct local_copies {
    _Atomic uint32_t refs;
    struct local_dirs job_directories; /* Owns */
    struct local_dirs directories;     /* Owns; of the task */
    struct executor *executor;         /* Borrows */
    struct vec noted;                  /* struct noted_checkpoint, by id */
};

/* ---- names ---- */

/* "<vertex>-<subtask>-<attempt>-<checkpoint>-<hex>"; UINT64_MAX: it is no such name. */
static uint64_t checkpoint_of(const char *name)
{
    const char *at = strrchr(name, '-');
    uint64_t id = 0, factor = 1;
    if (at == NULL) {
        return UINT64_MAX;
    }
    const char *end = at;
    while (at > name && at[-1] >= '0' && at[-1] <= '9' && end - at < 19) {
        at--;
        id += (uint64_t)(*at - '0') * factor;
        factor *= 10;
    }
    return at < end && at > name && at[-1] == '-' ? id : UINT64_MAX;
}

/* ---- life --------------------------------------------------------------------------------------- */

static void append_task_name(struct str *ret, struct slice vertex_hex, uint64_t subtask)
{
    str_printf(ret, "vtx_%.*s_sti_%llu", (int)vertex_hex.len, vertex_hex.data,
               (unsigned long long)subtask);
}

struct local_copies *local_copies_new(const struct local_dirs *job_directories,
                                      const char *vertex_hex, uint32_t subtask,
                                      struct executor *executor)
{
    struct local_copies *l = MEM_NEW(struct local_copies);
    STR_AUTO task = STR_INIT;
    append_task_name(&task, slice_cstr(vertex_hex), subtask);
    atomic_init(&l->refs, 1);
    local_dirs_copy(job_directories, NULL, &l->job_directories);
    local_dirs_copy(job_directories, str_cstr(&task), &l->directories);
    l->executor = executor;
    vec_init(&l->noted, sizeof(struct noted_checkpoint));
    return l;
}

struct local_copies *local_copies_ref(struct local_copies *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

static void forget_noted(struct local_copies *l, size_t i)
{
    map_fini(&VEC_AT(&l->noted, struct noted_checkpoint, i)->names);
    vec_remove(&l->noted, i);
}

struct local_copies *local_copies_unref(struct local_copies *l)
{
    if (l != NULL && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1) {
        while (l->noted.len > 0) {
            forget_noted(l, l->noted.len - 1);
        }
        vec_fini(&l->noted);
        local_dirs_fini(&l->job_directories);
        local_dirs_fini(&l->directories);
        mem_free(l);
    }
    return NULL;
}

/* ---- adding ------------------------------------------------------------------------------------- */

static int copy_bytes(struct fs_input *in, const Flinc__StateBlob *blob, struct fs_output *out,
                      struct error *err)
{
    uint8_t *bytes = mem_alloc(COPY_BYTES);
    uint64_t begin = state_blob_offset(blob);
    size_t n = 1;
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < blob->size && n > 0; at += n) {
        size_t size = (size_t)MIN(blob->size - at, (uint64_t)COPY_BYTES);
        rc = fs_input_read_at(in, begin + at, bytes, size, &n, err);
        rc = rc == 0 ? fs_output_write(out, bytes, n, err) : rc;
    }
    mem_free(bytes);
    return rc;
}

static int copy_blob(const Flinc__StateBlob *blob, const char *uri, const char *path,
                     struct error *err)
{
    struct fs_input *in = NULL;
    struct fs_output *out = NULL;
    TRY(fs_open(uri, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = fs_create(path, FS_OVERWRITE, &out, err);
    rc = rc == 0 ? copy_bytes(in, blob, out, err) : rc;
    rc = rc == 0 ? fs_output_close(&out, err) : rc;
    fs_output_abandon(out);
    fs_input_close(in);
    return rc;
}

/* 1: it is linked, 0: it cannot be. */
static int link_file(const char *uri, const char *path)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    if (fs_location_parse(uri, &at, NULL) < 0 || strcmp(at.scheme, "file") != 0) {
        return 0;
    }
    return link(at.path, path) == 0;
}

/* What a copy of the blob is called. */
static void copy_name(const Flinc__StateBlob *blob, uint64_t checkpoint_id, struct str *ret)
{
    str_clear(ret);
    str_append_cstr(ret, fs_base_name(blob->location));
    if (blob->merged_since != 0) {
        str_printf(ret, "-%llu-%llu", (unsigned long long)checkpoint_id,
                   (unsigned long long)blob->offset);
    }
}

static int add_copy(const struct local_copies *l, const Flinc__StateBlob *blob, const char *uri,
                    const char *name, struct error *err)
{
    STR_AUTO path = STR_INIT;
    const char *directory = local_dirs_of(&l->directories, checkpoint_of(name));
    TRY(FAILPOINT(err, "snapshot.local.add"));
    TRY(fs_join(directory, name, &path, err));
    TRY(fs_mkdirs(directory, err));
    STR_AUTO local = STR_INIT;
    str_printf(&local, "%s/%s", directory, name);
    if (blob->merged_since == 0 && link_file(uri, str_cstr(&local)) > 0) {
        return 0;
    }
    int rc = copy_blob(blob, uri, str_cstr(&path), err);
    if (rc < 0) {
        (void)unlink(str_cstr(&local));
    }
    return rc;
}

void local_copies_add(struct local_copies *l, const Flinc__StateBlob *blob, const char *uri,
                      uint64_t checkpoint_id)
{
    struct error err = ERROR_INIT;
    STR_AUTO name = STR_INIT;
    copy_name(blob, checkpoint_id, &name);
    if (add_copy(l, blob, uri, str_cstr(&name), &err) < 0) {
        LOG_WARN(topic, "There is no local copy of %s: %s. A restart reads it there.", uri,
                 err.message);
    }
}

/* ---- pruning ------------------------------------------------------------------------------------ */

/* What lies in the folders and is not needed. */
struct prune_job {
    struct local_dirs directories; /* Owns */
    struct map keep;               /* names */
    uint64_t first, last;          /* checkpoints whose files go */
};

static void prune_one(const struct prune_job *p, const char *directory)
{
    struct fs_list list = FS_LIST_INIT;
    if (fs_list_dir(directory, &list, NULL) < 0) {
        return; /* nothing was copied yet */
    }
    for (size_t i = 0; i < list.n; i++) {
        const struct fs_entry *e = &list.entries[i];
        uint64_t id = checkpoint_of(e->name);
        if (id >= p->first && id <= p->last && !map_has(&p->keep, e->name)) {
            int ignored = fs_delete(e->path, FS_DELETE_ONE, NULL); /* with the job at the latest */
            (void)ignored;
        }
    }
    fs_list_fini(&list);
}

static void prune(const struct prune_job *p)
{
    for (uint32_t i = 0; i < p->directories.n; i++) {
        prune_one(p, p->directories.paths[i]);
    }
}

static int prune_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)cancel;
    (void)err;
    prune(arg);
    return 0;
}

static void prune_drop(void *arg)
{
    struct prune_job *p = arg;
    map_fini(&p->keep);
    local_dirs_fini(&p->directories);
    mem_free(p);
}

/* Files of the checkpoints [first, last] that no noted one refers to. */
static void start_prune(const struct local_copies *l, uint64_t first, uint64_t last)
{
    struct prune_job *p = MEM_NEW(struct prune_job);
    local_dirs_copy(&l->directories, NULL, &p->directories);
    p->first = first;
    p->last = last;
    map_init(&p->keep, NULL);
    for (size_t i = 0; i < l->noted.len; i++) {
        MAP_FOREACH (&VEC_AT(&l->noted, struct noted_checkpoint, i)->names, e) {
            (void)map_put(&p->keep, e->key, p);
        }
    }
    const struct executor_job job = {
        .name = "deleting local state", .run = prune_run, .arg = p, .drop = prune_drop};
    if (l->executor == NULL || executor_submit(l->executor, &job, NULL) < 0) {
        prune(p);
        prune_drop(p);
    }
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

static void note_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    struct noted_checkpoint *n = arg;
    STR_AUTO name = STR_INIT;
    if (blob->location[0] != '\0') {
        copy_name(blob, checkpoint_id, &name);
        (void)map_put(&n->names, str_cstr(&name), n);
    }
}

static struct noted_checkpoint *note_new(struct local_copies *l, uint64_t checkpoint_id)
{
    if (l->noted.len == LOCAL_COPIES_NOTED_MAX) {
        forget_noted(l, 0);
    }
    struct noted_checkpoint *n = VEC_PUSH(&l->noted, struct noted_checkpoint);
    n->id = checkpoint_id;
    map_init(&n->names, NULL);
    return n;
}

void local_copies_note(struct local_copies *l, uint64_t checkpoint_id,
                       const Flinc__TaskSnapshot *snapshot)
{
    struct noted_checkpoint *n = note_new(l, checkpoint_id);
    for (size_t i = 0; i < snapshot->n_operators; i++) {
        subtask_state_each_blob(snapshot->operators[i], checkpoint_id, note_blob, n);
    }
}

static bool find_noted(const struct local_copies *l, uint64_t checkpoint_id, size_t *ret_at)
{
    for (size_t i = 0; i < l->noted.len; i++) {
        if (VEC_AT(&l->noted, struct noted_checkpoint, i)->id == checkpoint_id) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

void local_copies_on_complete(struct local_copies *l, uint64_t checkpoint_id)
{
    size_t at;
    if (!find_noted(l, checkpoint_id, &at)) {
        return; /* a savepoint, or one that this attempt did not take */
    }
    while (at > 0) {
        forget_noted(l, 0);
        at--;
    }
    start_prune(l, 0, checkpoint_id);
}

void local_copies_on_abort(struct local_copies *l, uint64_t checkpoint_id)
{
    size_t at;
    if (find_noted(l, checkpoint_id, &at)) {
        forget_noted(l, at);
    }
    start_prune(l, checkpoint_id, checkpoint_id);
}

/* ---- restoring ---------------------------------------------------------------------------------- */

struct finding {
    const struct local_copies *l;
    struct noted_checkpoint *noted;
    struct local_found found;
};

static int check_copy(const char *path, const Flinc__StateBlob *blob, struct error *err)
{
    struct fs_input *in = NULL;
    uint32_t crc = 0;
    size_t n = 1;
    TRY(FAILPOINT(err, "snapshot.local.find"));
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc =
        fs_input_size(in) == blob->size
            ? 0
            : error_set(err, ERR_CORRUPT, "%s has another size than what it is a copy of", path);
    uint8_t *bytes = mem_alloc(COPY_BYTES);
    for (uint64_t at = 0; rc == 0 && at < blob->size && n > 0; at += n) {
        rc = fs_input_read_at(in, at, bytes, COPY_BYTES, &n, err);
        crc = rc == 0 ? crc32c(crc, bytes, n) : 0;
    }
    mem_free(bytes);
    fs_input_close(in);
    if (rc == 0 && crc != blob->crc32c) {
        rc = error_set(err, ERR_CORRUPT, "%s is damaged: the check sum does not fit", path);
    }
    return rc;
}

/* Where the copy of a blob is, if there is one: a file's name begins with the task that wrote it, which need not be
 * this one (union lists, rescaling).  That of a file with sections of several tasks does not say who wrote the
 * section: it is looked for among this one's. */
static void copy_path(const struct local_copies *l, const Flinc__StateBlob *blob, const char *name,
                      struct str *ret)
{
    uint64_t id = checkpoint_of(name);
    if (blob->merged_since != 0) {
        str_printf(ret, "%s/%s", local_dirs_of(&l->directories, id), name);
        return;
    }
    size_t n = strcspn(name, "-");
    uint64_t subtask = name[n] == '-' ? strtoull(name + n + 1, NULL, 10) : 0;
    str_printf(ret, "%s/", local_dirs_of(&l->job_directories, id));
    append_task_name(ret, slice_make(name, n), subtask);
    str_printf(ret, "/%s", name);
}

static void find_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    struct finding *f = arg;
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO name = STR_INIT;
    if (blob->location[0] == '\0') {
        return;
    }
    note_blob(f->noted, blob, checkpoint_id);
    copy_name(blob, checkpoint_id, &name);
    copy_path(f->l, blob, str_cstr(&name), &path);
    int rc = check_copy(str_cstr(&path), blob, &err);
    if (rc == 0) {
        f->found.n_local++;
        f->found.local_bytes += blob->size;
        ((Flinc__StateBlob *)(uintptr_t)blob)->local_path = str_take(&path); /* the caller's own */
        return;
    }
    f->found.n_remote++;
    f->found.remote_bytes += blob->size;
    if (rc != ERR_NOT_FOUND) {
        f->found.n_damaged++;
        LOG_WARN(topic, "The local copy is of no use: %s. %s is read instead.", err.message,
                 blob->location);
        (void)unlink(str_cstr(&path)); /* else it would never be made anew */
    }
}

void local_copies_find(struct local_copies *l, Flinc__TaskRestore *restore,
                       struct local_found *ret_found)
{
    struct finding f = {.l = l, .noted = note_new(l, restore->checkpoint_id)};
    for (size_t i = 0; i < restore->n_operators; i++) {
        subtask_state_each_blob(restore->operators[i], restore->checkpoint_id, find_blob, &f);
    }
    *ret_found = f.found;
}

static void forget_path(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    Flinc__StateBlob *b = (Flinc__StateBlob *)(uintptr_t)blob;
    (void)arg;
    (void)checkpoint_id;
    if (b->local_path != protobuf_c_empty_string) {
        mem_free(b->local_path);
        b->local_path = (char *)(uintptr_t)protobuf_c_empty_string;
    }
}

void local_copies_forget_paths(Flinc__OperatorSubtaskState *state)
{
    subtask_state_each_blob(state, 0, forget_path, NULL);
}
