/* Pending part files: state, commits, leftovers; see text_commits.h. */
#include "engine/operators/io/text_commits.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/recoverable.h"
#include "engine/operators/io/list_state.h"

#include <stdlib.h>

struct pending_part {
    struct str handle;      /* Owns; commits it */
    uint64_t checkpoint_id; /* the first that has it; 0: none yet */
};

void text_commits_init(struct text_commits *c, struct op_context *ctx,
                       const Flinc__TextSinkConfig *config)
{
    *c = (struct text_commits){.ctx = ctx,
                               .config = config,
                               .pending = VEC_INIT(struct pending_part),
                               .leftovers = VEC_INIT(char *)};
}

void text_commits_fini(struct text_commits *c)
{
    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_part *p = VEC_AT(&c->pending, struct pending_part, i);
        if (p->checkpoint_id == 0) {
            /* What cannot be deleted stays hidden; the next attempt removes it by its name. */
            (void)!recoverable_cleanup(str_slice(&p->handle), NULL);
        }
        str_fini(&p->handle);
    }
    vec_fini(&c->pending);
    for (size_t i = 0; i < c->leftovers.len; i++) {
        mem_free(vec_ptr(&c->leftovers, i));
    }
    vec_fini(&c->leftovers);
}

void text_commits_add(struct text_commits *c, struct str take_handle)
{
    VEC_PUSH(&c->pending, struct pending_part)->handle = take_handle;
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

static int commit_part(const struct pending_part *p, struct error *err)
{
    TRY(FAILPOINT(err, "sink.text.commit.before"));
    TRY(recoverable_commit(str_slice(&p->handle), err));
    TRY(FAILPOINT(err, "sink.text.commit.after"));
    return PLANTED("double_commit") ? planted_second_copy(str_slice(&p->handle), err) : 0;
}

/* Those up to a checkpoint (UINT64_MAX: also those that are in none), in the order of their making. */
static int commit_up_to(struct text_commits *c, uint64_t checkpoint_id, struct error *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_part *p = VEC_AT(&c->pending, struct pending_part, i);
        bool due = p->checkpoint_id != 0 && p->checkpoint_id <= checkpoint_id;
        if (rc == 0 && (due || checkpoint_id == UINT64_MAX)) {
            rc = commit_part(p, err);
            if (rc == 0) {
                str_fini(&p->handle);
                continue;
            }
        }
        *VEC_AT(&c->pending, struct pending_part, kept++) = *p;
    }
    c->pending.len = kept;
    return rc;
}

int text_commits_all(struct text_commits *c, struct error *err)
{
    return commit_up_to(c, UINT64_MAX, err);
}

static void remove_leftovers(struct text_commits *c)
{
    for (size_t i = 0; i < c->leftovers.len; i++) {
        char *path = vec_ptr(&c->leftovers, i);
        struct error err = ERROR_INIT;
        int rc = fs_delete(path, FS_DELETE_ONE, &err);
        if (rc < 0 && rc != ERR_NOT_FOUND) {
            LOG_WARN("sink", "a hidden file of an earlier attempt stays: %s", err.message);
        }
        mem_free(path);
    }
    vec_clear(&c->leftovers);
}

int text_commits_complete(struct text_commits *c, uint64_t checkpoint_id, struct error *err)
{
    TRY(commit_up_to(c, checkpoint_id, err));
    if (c->first_checkpoint != 0 && checkpoint_id >= c->first_checkpoint) {
        remove_leftovers(c);
    }
    return 0;
}

/* ---- snapshots -------------------------------------------------------------------------------------- */

static void mark_path(const struct text_commits *c, uint64_t subtask, struct str *ret)
{
    str_printf(ret, ".%s-%s-%llu.savepoint", c->config->part_prefix, c->config->run_id,
               (unsigned long long)subtask);
}

/* Hidden files of this subtask may be needed by a savepoint from now on. */
static int mark_savepoint(const struct text_commits *c, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct fs_output *out = NULL;

    mark_path(c, c->ctx->subtask, &name);
    TRY(fs_join(c->config->path, str_cstr(&name), &path, err));
    TRY(fs_create(str_cstr(&path), FS_OVERWRITE, &out, err));
    return fs_output_close(&out, err);
}

static int add_message(struct operator_list *list, const ProtobufCMessage *m, struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = mem_alloc(size + 1);

    protobuf_c_message_pack(m, bytes);
    int rc = operator_list_add(list, bytes, size, err);
    mem_free(bytes);
    return rc;
}

static int save_part(struct text_commits *c, const struct pending_part *p, struct error *err)
{
    Flinc__TextSinkCommittable m = FLINC__TEXT_SINK_COMMITTABLE__INIT;

    m.handle.data = (uint8_t *)p->handle.data;
    m.handle.len = p->handle.len;
    m.checkpoint_id = p->checkpoint_id;
    return add_message(c->parts, &m.base, err);
}

static int save_counter(struct text_commits *c, struct error *err)
{
    Flinc__TextSinkCounter m = FLINC__TEXT_SINK_COUNTER__INIT;

    m.subtask = c->ctx->subtask;
    m.next_part = c->next_part;
    return add_message(c->counters, &m.base, err);
}

int text_commits_snapshot(struct text_commits *c, const struct op_checkpoint *checkpoint,
                          struct error *err)
{
    bool savepoint = checkpoint->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL ||
                     checkpoint->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;

    if (c->parts == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "sink.text.snapshot"));
    if (savepoint && c->pending.len > 0) {
        TRY(mark_savepoint(c, err));
    }
    operator_list_clear(c->parts);
    for (size_t i = 0; i < c->pending.len; i++) {
        struct pending_part *p = VEC_AT(&c->pending, struct pending_part, i);
        p->checkpoint_id = p->checkpoint_id == 0 ? checkpoint->id : p->checkpoint_id;
        TRY(save_part(c, p, err));
    }
    operator_list_clear(c->counters);
    TRY(save_counter(c, err));
    c->first_checkpoint = c->first_checkpoint == 0 ? checkpoint->id : c->first_checkpoint;
    return PLANTED("sink_commits_early") ? text_commits_all(c, err) : 0;
}

/* ---- restoring -------------------------------------------------------------------------------------- */

/* It may have been committed before, by the attempt that made it or by one that was restored. */
static int commit_restored(struct slice handle, struct error *err)
{
    struct error cause = ERROR_INIT;

    TRY(FAILPOINT(err, "sink.text.restore.before_commit"));
    int rc = recoverable_commit_after_recovery(handle, &cause);
    if (rc == ERR_NOT_FOUND) {
        /* A finished part may be taken away by those who read it; the job must not fail for it. */
        LOG_WARN("sink", "taken as committed and moved away since: %s", cause.message);
        rc = 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &cause);
    }
    TRY(rc);
    return FAILPOINT(err, "sink.text.restore.after_commit");
}

static int restore_parts(struct text_commits *c, struct error *err)
{
    for (size_t i = 0; i < operator_list_len(c->parts); i++) {
        struct slice bytes = operator_list_get(c->parts, i);
        Flinc__TextSinkCommittable *m =
            flinc__text_sink_committable__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "a finished part of the text sink in the checkpoint is damaged");
        }
        int rc = commit_restored(slice_make((const char *)m->handle.data, m->handle.len), err);
        flinc__text_sink_committable__free_unpacked(m, NULL);
        TRY(rc);
    }
    return 0;
}

/* Numbers go on above those of all subtasks. */
static int restore_counters(struct text_commits *c, struct error *err)
{
    for (size_t i = 0; i < operator_list_len(c->counters); i++) {
        struct slice bytes = operator_list_get(c->counters, i);
        Flinc__TextSinkCounter *m =
            flinc__text_sink_counter__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "the part number of the text sink in the checkpoint is damaged");
        }
        c->next_part = MAX(c->next_part, m->next_part);
        flinc__text_sink_counter__free_unpacked(m, NULL);
    }
    return 0;
}

/* ---- leftovers -------------------------------------------------------------------------------------- */

/* The subtask of a hidden part of this run: ".PREFIX-RUN-<subtask>-<number>SUFFIX.inprogress.". */
static bool parse_hidden(const struct text_commits *c, const char *name, uint32_t *ret_subtask)
{
    STR_AUTO before = STR_INIT;
    STR_AUTO behind = STR_INIT;
    char *end = NULL;

    str_printf(&before, ".%s-%s-", c->config->part_prefix, c->config->run_id);
    str_printf(&behind, "%s.inprogress.", c->config->part_suffix);
    if (!cstr_starts_with(name, str_cstr(&before))) {
        return false;
    }
    *ret_subtask = (uint32_t)strtoul(name + before.len, &end, 10);
    if (*end != '-') {
        return false;
    }
    (void)strtoull(end + 1, &end, 10);
    return cstr_starts_with(end, str_cstr(&behind));
}

/* Files of this subtask's earlier attempts, and of subtasks that there are no more. */
static bool is_mine(const struct text_commits *c, uint32_t subtask)
{
    return subtask == c->ctx->subtask ||
           (subtask >= c->ctx->parallelism && subtask % c->ctx->parallelism == c->ctx->subtask);
}

static bool is_marked(const struct fs_list *list, const struct text_commits *c, uint32_t subtask)
{
    STR_AUTO mark = STR_INIT;

    mark_path(c, subtask, &mark);
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->entries[i].name, str_cstr(&mark)) == 0) {
            return true;
        }
    }
    return false;
}

/* Among them may be parts that other subtasks have restored and not committed yet.  By the time that a
 * checkpoint of this attempt is complete they have: the names are gone then. */
static int list_leftovers(struct text_commits *c, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    uint32_t subtask = 0;

    int rc = fs_list_dir(c->config->path, &list, err);
    if (rc == ERR_NOT_FOUND) {
        rc =
            0; /* made when the sink was opened; without a file there is no such thing on an object store */
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        const struct fs_entry *e = &list.entries[i];
        if (e->status.kind == FS_KIND_FILE && parse_hidden(c, e->name, &subtask) &&
            is_mine(c, subtask) && !is_marked(&list, c, subtask)) {
            vec_push_ptr(&c->leftovers, mem_strdup(e->path));
        }
    }
    fs_list_fini(&list);
    return rc;
}

int text_commits_open(struct text_commits *c, struct error *err)
{
    uint32_t flags = c->ctx->flags;

    TRY(list_state_open(c->ctx, "parts", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &c->parts, err));
    TRY(list_state_open(c->ctx, "counters", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                        &c->counters, err));
    if (c->parts == NULL) {
        return 0;
    }
    TRY(restore_counters(c, err));
    TRY(restore_parts(c, err));
    bool has_past = c->ctx->attempt_number > 0 || (flags & OP_FLAG_RESTORED) != 0;
    return has_past && (flags & OP_FLAG_CHECKPOINTS) != 0 ? list_leftovers(c, err) : 0;
}
