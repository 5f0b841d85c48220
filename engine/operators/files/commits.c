/* Files that wait for their checkpoint: state and commits; see commits.h. */
#include "engine/operators/files/commits.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/recoverable.h"
#include "engine/operators/files/compact.h"
#include "engine/operators/files/hand_over.h"
#include "engine/operators/files/packer.h"
#include "engine/operators/io/list_state.h"

struct pending_file {
    char *bucket;           /* Owns */
    struct str handle;      /* Owns; commits it */
    struct vec sources;     /* char *, Owns: hidden files that go then */
    uint64_t checkpoint_id; /* the first that has it; 0: none yet */
    uint32_t flags;         /* enum file_commit_flags */
};

static void pending_fini(struct pending_file *p)
{
    str_fini(&p->handle);
    mem_free(p->bucket);
    for (size_t i = 0; i < p->sources.len; i++) {
        mem_free(vec_ptr(&p->sources, i));
    }
    vec_fini(&p->sources);
}

void file_commits_init(struct file_commits *c, struct op_context *ctx,
                       const Flinc__FileSinkConfig *config, const char *uid,
                       struct file_compactor *compactor)
{
    *c = (struct file_commits){.ctx = ctx,
                               .config = config,
                               .uid = uid,
                               .compactor = compactor,
                               .pending = VEC_INIT(struct pending_file)};
    map_init(&c->restored, NULL);
}

void file_commits_name(struct file_commits *c, const char *front, struct str *out)
{
    str_printf(out, "%s%s-%s-%llu%s%s", front, c->config->part_prefix, c->uid,
               (unsigned long long)c->next_number++, c->config->part_suffix,
               file_packer_suffix(c->config->compression));
}

void file_commits_fini(struct file_commits *c)
{
    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_file *p = VEC_AT(&c->pending, struct pending_file, i);
        if (p->checkpoint_id == 0 && (p->flags & FILE_COMMIT_PERSISTED) == 0) {
            /* What cannot be deleted stays hidden; the next attempt removes it by its name. */
            (void)!recoverable_cleanup(str_slice(&p->handle), NULL);
        }
        pending_fini(p);
    }
    vec_fini(&c->pending);
    map_fini(&c->restored);
    leftovers_fini(&c->leftovers);
}

void file_commits_add(struct file_commits *c, const char *bucket, struct str take_handle,
                      struct vec *take_sources, uint32_t flags)
{
    struct pending_file *p = VEC_PUSH(&c->pending, struct pending_file);

    p->bucket = mem_strdup(bucket);
    p->handle = take_handle;
    p->flags = flags;
    vec_init(&p->sources, sizeof(char *));
    if (take_sources != NULL) {
        p->sources = *take_sources;
        vec_init(take_sources, sizeof(char *));
    }
}

/* ---- committing ------------------------------------------------------------------------------------- */

/* A bug that the checker must find: the part appears under a second name, too. */
static int planted_second_copy(struct slice handle, struct error *err)
{
    struct recoverable_handle h;
    struct recoverable *copy = NULL;
    struct fs_input *in = NULL;
    STR_AUTO name = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    size_t n = 0;

    TRY(recoverable_handle_decode(handle, &h, err));
    str_printf(&name, "%s-again", h.target_uri);
    str_reserve(&bytes, h.length_bytes + 1);
    int rc = fs_open(h.target_uri, FS_ACCESS_SEQUENTIAL, &in, err);
    rc = rc < 0 ? rc : fs_input_read_at(in, 0, bytes.data, h.length_bytes, &n, err);
    rc = rc < 0 ? rc : recoverable_open(str_cstr(&name), &copy, err);
    rc = rc < 0 ? rc : recoverable_write(copy, bytes.data, n, err);
    str_clear(&name);
    rc = rc < 0 ? rc : recoverable_close_for_commit(&copy, &name, err);
    rc = rc < 0 ? rc : recoverable_commit(str_slice(&name), err);
    recoverable_abort(copy);
    fs_input_close(in);
    recoverable_handle_fini(&h);
    return rc;
}

static void remove_source(const char *path)
{
    struct error err = ERROR_INIT;
    int rc = fs_delete(path, FS_DELETE_ONE, &err);

    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN("sink", "a hidden file that was compacted stays: %s", err.message);
    }
}

static int commit_file(const struct pending_file *p, struct error *err)
{
    TRY(FAILPOINT(err, "sink.file.commit.before"));
    TRY(recoverable_commit(str_slice(&p->handle), err));
    TRY(FAILPOINT(err, "sink.file.commit.after"));
    for (size_t i = 0; i < p->sources.len; i++) {
        TRY(FAILPOINT(err, "sink.file.compact.remove"));
        remove_source(vec_ptr(&p->sources, i));
    }
    return PLANTED("double_commit") ? planted_second_copy(str_slice(&p->handle), err) : 0;
}

/* Those up to a checkpoint (UINT64_MAX: also those that are in none), in the order of their making. */
static int commit_up_to(struct file_commits *c, uint64_t checkpoint_id, struct error *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_file *p = VEC_AT(&c->pending, struct pending_file, i);
        bool due = p->checkpoint_id != 0 && p->checkpoint_id <= checkpoint_id;
        if (rc == 0 && (due || checkpoint_id == UINT64_MAX)) {
            rc = commit_file(p, err);
            if (rc == 0) {
                pending_fini(p);
                continue;
            }
        }
        *VEC_AT(&c->pending, struct pending_file, kept++) = *p;
    }
    c->pending.len = kept;
    return rc;
}

int file_commits_all(struct file_commits *c, struct error *err)
{
    return commit_up_to(c, UINT64_MAX, err);
}

int file_commits_complete(struct file_commits *c, uint64_t checkpoint_id, struct error *err)
{
    TRY(commit_up_to(c, checkpoint_id, err));
    leftovers_complete(&c->leftovers, checkpoint_id);
    return 0;
}

/* ---- snapshots -------------------------------------------------------------------------------------- */

/* Hidden files of this subtask may be needed by a savepoint from now on. */
static int mark_savepoint(const struct file_commits *c, struct error *err)
{
    STR_AUTO stem = STR_INIT;
    STR_AUTO name = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct fs_output *out = NULL;

    leftovers_stem(c->config, c->ctx->subtask, &stem);
    str_printf(&name, ".%s.savepoint", str_cstr(&stem));
    TRY(fs_join(c->config->path, str_cstr(&name), &path, err));
    TRY(fs_create(str_cstr(&path), FS_OVERWRITE, &out, err));
    return fs_output_close(&out, err);
}

static Flinc__FileSinkCommittable message_of(const struct pending_file *p)
{
    Flinc__FileSinkCommittable m = FLINC__FILE_SINK_COMMITTABLE__INIT;

    m.handle.data = (uint8_t *)p->handle.data;
    m.handle.len = p->handle.len;
    m.checkpoint_id = p->checkpoint_id;
    m.n_sources = p->sources.len;
    m.sources = p->sources.data;
    return m;
}

static int save_pending(struct file_commits *c, const struct pending_file *p, struct error *err)
{
    Flinc__FileSinkCommittable m = message_of(p);
    return list_state_add(c->parts, &m.base, err);
}

int file_commits_hand_over(struct file_commits *c, struct file_hand_over *to, struct error *err)
{
    MAP_FOREACH (&c->restored, e) {
        TRY(file_hand_over_file(to, e->key, NULL, err));
        (void)map_remove(&c->restored, e->key);
    }
    c->has_handed_over |= c->pending.len > 0;
    for (size_t i = 0; i < c->pending.len; i++) {
        const struct pending_file *p = VEC_AT(&c->pending, struct pending_file, i);
        Flinc__FileSinkCommittable m = message_of(p);
        TRY(FAILPOINT(err, "sink.file.hand_over"));
        TRY(file_hand_over_file(to, p->bucket, &m, err));
    }
    for (size_t i = 0; i < c->pending.len; i++) {
        pending_fini(VEC_AT(&c->pending, struct pending_file, i));
    }
    c->pending.len = 0;
    return 0;
}

int file_commits_save_persisted(struct file_commits *c, struct slice handle, const char *bucket,
                                uint64_t checkpoint_id, struct error *err)
{
    Flinc__FileSinkCommittable m = FLINC__FILE_SINK_COMMITTABLE__INIT;

    m.handle.data = (uint8_t *)(uintptr_t)handle.data;
    m.handle.len = handle.len;
    m.checkpoint_id = checkpoint_id;
    m.persisted = true;
    m.hidden = file_compactor_is_on(c->compactor);
    m.bucket = (char *)(uintptr_t)bucket;
    return c->parts != NULL ? list_state_add(c->parts, &m.base, err) : 0;
}

static int save_counter(struct file_commits *c, struct error *err)
{
    Flinc__TextSinkCounter m = FLINC__TEXT_SINK_COUNTER__INIT;

    operator_list_clear(c->counters);
    m.subtask = c->ctx->subtask;
    m.next_part = c->next_number;
    return list_state_add(c->counters, &m.base, err);
}

int file_commits_snapshot(struct file_commits *c, const struct op_checkpoint *checkpoint,
                          struct error *err)
{
    if (c->parts == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "sink.file.snapshot"));
    if (file_commits_is_savepoint(checkpoint) &&
        (c->pending.len > 0 || c->has_handed_over || file_compactor_has_files(c->compactor))) {
        TRY(mark_savepoint(c, err));
    }
    operator_list_clear(c->parts);
    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_file *p = VEC_AT(&c->pending, struct pending_file, i);
        p->checkpoint_id = p->checkpoint_id == 0 ? checkpoint->id : p->checkpoint_id;
        TRY(save_pending(c, p, err));
    }
    if (c->config->numbered_names) {
        TRY(save_counter(c, err));
    }
    leftovers_snapshot(&c->leftovers, checkpoint->id);
    return PLANTED("sink_commits_early") ? file_commits_all(c, err) : 0;
}

/* ---- restoring -------------------------------------------------------------------------------------- */

/* It may have been committed before, by the attempt that made it or by one that was restored. */
static int commit_restored(const Flinc__FileSinkCommittable *m, struct error *err)
{
    struct error cause = ERROR_INIT;
    struct slice handle = slice_make((const char *)m->handle.data, m->handle.len);

    TRY(FAILPOINT(err, "sink.file.restore.before_commit"));
    int rc = m->persisted ? recoverable_commit_persisted(handle, &cause)
                          : recoverable_commit_after_recovery(handle, &cause);
    if (rc == ERR_NOT_FOUND) {
        /* A finished file may be taken away by those who read it; the job must not fail for it. */
        LOG_WARN("sink", "taken as committed and moved away since: %s", cause.message);
        rc = 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &cause);
    }
    TRY(rc);
    for (size_t i = 0; i < m->n_sources; i++) {
        remove_source(m->sources[i]);
    }
    return FAILPOINT(err, "sink.file.restore.after_commit");
}

/* What was open when the checkpoint was made had a hidden name to be, and waits to be compacted from now on. */
static int compact_restored(struct file_commits *c, const Flinc__FileSinkCommittable *m,
                            struct error *err)
{
    struct recoverable_handle h;

    TRY(recoverable_handle_decode(slice_make((const char *)m->handle.data, m->handle.len), &h,
                                  err));
    file_compactor_add_restored(c->compactor, m->bucket, h.target_uri, h.length_bytes);
    recoverable_handle_fini(&h);
    return 0;
}

static int restore_files(struct file_commits *c, struct error *err)
{
    for (size_t i = 0; i < operator_list_len(c->parts); i++) {
        struct slice bytes = operator_list_get(c->parts, i);
        Flinc__FileSinkCommittable *m =
            flinc__file_sink_committable__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "a finished file of the file sink in the checkpoint is damaged");
        }
        int rc = commit_restored(m, err);
        if (m->persisted && !m->hidden && c->config->hand_over != NULL) {
            map_put(&c->restored, m->bucket, c);
        }
        if (rc == 0 && m->hidden) {
            rc = compact_restored(c, m, err);
        }
        flinc__file_sink_committable__free_unpacked(m, NULL);
        TRY(rc);
    }
    return 0;
}

/* Numbers go on above those of all subtasks. */
static int restore_counters(struct file_commits *c, struct error *err)
{
    for (size_t i = 0; i < operator_list_len(c->counters); i++) {
        struct slice bytes = operator_list_get(c->counters, i);
        Flinc__TextSinkCounter *m =
            flinc__text_sink_counter__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "the part number of the text sink in the checkpoint is damaged");
        }
        c->next_number = MAX(c->next_number, m->next_part);
        flinc__text_sink_counter__free_unpacked(m, NULL);
    }
    return 0;
}

int file_commits_open(struct file_commits *c, struct error *err)
{
    uint32_t flags = c->ctx->flags;

    TRY(list_state_open(c->ctx, "parts", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &c->parts, err));
    if (c->parts != NULL && c->config->numbered_names) {
        TRY(list_state_open(c->ctx, "counters", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                            &c->counters, err));
        TRY(restore_counters(c, err));
    }
    if (c->parts == NULL) {
        return 0;
    }
    TRY(restore_files(c, err));
    bool has_past = c->ctx->attempt_number > 0 || (flags & OP_FLAG_RESTORED) != 0;
    if (has_past && (flags & OP_FLAG_CHECKPOINTS) != 0) {
        struct map keep;
        map_init(&keep, NULL);
        file_compactor_names(c->compactor, &keep);
        leftovers_start(&c->leftovers, c->ctx, c->config,
                        &(struct leftover_options){&keep, c->uid});
        map_fini(&keep);
    }
    return 0;
}
