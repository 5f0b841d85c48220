/* The search for leftovers; see leftovers.h. */
#include "engine/operators/files/leftovers.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/base/vec.h"
#include "common/fs/fs.h"
#include "common/loop/executor.h"

#include <stdlib.h>

enum { FINISH_POLL_MS = 100 }; /* how long a search may keep a cancellation waiting */

/* Shared by the sink and the I/O thread; the last of the two frees it.  The results belong to the I/O thread until
 * `done`. */
struct leftover_search {
    _Atomic uint32_t refs;
    _Atomic bool begun, done, given_up;
    struct event_count ends;
    char *path, *prefix, *suffix, *run_id, *own_uid; /* Owns */
    bool numbered_names, has_folders;
    uint32_t subtask, parallelism;
    struct map keep;  /* names */
    struct vec found; /* char *, Owns */
    uint32_t n_folders;
};

static struct leftover_search *search_unref(struct leftover_search *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        for (size_t i = 0; i < s->found.len; i++) {
            mem_free(vec_ptr(&s->found, i));
        }
        vec_fini(&s->found);
        map_fini(&s->keep);
        mem_free(s->path);
        mem_free(s->prefix);
        mem_free(s->suffix);
        mem_free(s->run_id);
        mem_free(s->own_uid);
        mem_free(s);
    }
    return NULL;
}

/* ---- names ----------------------------------------------------------------------------------------------- */

void leftovers_stem(const Flinc__FileSinkConfig *c, uint32_t subtask, struct str *out)
{
    str_printf(out, c->numbered_names ? "%s-%s-%u" : "%s-%s-%04x", c->part_prefix, c->run_id,
               subtask);
}

/* The subtask of a hidden file of this run: ".PREFIX-RUN-<subtask>-...", with a second dot while one is written that will
 * be hidden, and ".compacted-" in front of what is being compacted.  *ret_unfinished: it was still being written. */
static bool parse_hidden(const struct leftover_search *s, const char *name, uint32_t *ret_subtask,
                         bool *ret_unfinished)
{
    static const char compacted[] = ".compacted-";
    STR_AUTO before = STR_INIT;
    char *end = NULL;

    str_printf(&before, "%s-%s-", s->prefix, s->run_id);
    const char *at = cstr_starts_with(name, compacted)
                         ? name + sizeof(compacted) - 1
                         : name + 1 + (name[0] == '.' && name[1] == '.');
    if (name[0] != '.' || !cstr_starts_with(at, str_cstr(&before))) {
        return false;
    }
    at += before.len;
    *ret_subtask = (uint32_t)strtoul(at, &end, s->numbered_names ? 10 : 16);
    if (end == at || *end != '-') {
        return false;
    }
    *ret_unfinished = strstr(end, ".inprogress.") != NULL;
    if (s->numbered_names) { /* all of it: such a name may be another's */
        STR_AUTO behind = STR_INIT;
        str_printf(&behind, "%s.inprogress.", s->suffix);
        (void)strtoull(end + 1, &end, 10);
        return cstr_starts_with(end, str_cstr(&behind));
    }
    return !cstr_starts_with(at - strlen(s->run_id) - 1, s->own_uid);
}

/* Files of this subtask's earlier attempts, and of subtasks that there are no more. */
static bool is_mine(const struct leftover_search *s, uint32_t subtask)
{
    return subtask == s->subtask ||
           (subtask >= s->parallelism && subtask % s->parallelism == s->subtask);
}

/* ---- the search ------------------------------------------------------------------------------------------ */

typedef int (*visit_fn)(void *arg, const struct fs_entry *file, struct error *err);

static bool is_folder(const struct fs_entry *e)
{
    return e->status.kind == FS_KIND_DIRECTORY && e->name[0] != '.' && !e->status.is_link;
}

/* Calls fn for the files of a folder, then goes into its folders, last names first. */
static int walk(const char *folder, int depth, uint32_t *inout_folders, visit_fn fn, void *arg,
                struct error *err)
{
    struct fs_list list = FS_LIST_INIT;

    if (*inout_folders == 0) {
        return 0;
    }
    (*inout_folders)--;
    int rc = fs_list_dir(folder, &list, err);
    if (rc == ERR_NOT_FOUND) {
        rc = 0; /* where there are no folders, one without a file is none */
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        if (list.entries[i].status.kind == FS_KIND_FILE) {
            rc = fn(arg, &list.entries[i], err);
        }
    }
    for (size_t i = list.n; i-- > 0 && rc == 0 && depth > 1;) {
        if (is_folder(&list.entries[i])) {
            rc = walk(list.entries[i].path, depth - 1, inout_folders, fn, arg, err);
        }
    }
    fs_list_fini(&list);
    return rc;
}

static int note_hidden(void *arg, const struct fs_entry *file, struct error *err)
{
    struct leftover_search *s = arg;
    uint32_t subtask = 0;
    bool unfinished = false;

    (void)err;
    if (parse_hidden(s, file->name, &subtask, &unfinished) && is_mine(s, subtask) &&
        (unfinished || !map_has(&s->keep, file->name))) {
        vec_push_ptr(&s->found, mem_strdup(file->path));
    }
    return atomic_load(&s->given_up) ? ERR_CANCELLED : 0;
}

/* Savepoints' marks lie in the sink's folder itself. */
static int drop_marked(struct leftover_search *s, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    size_t kept = 0;

    int rc = fs_list_dir(s->path, &list, err);
    for (size_t i = 0; i < s->found.len; i++) {
        char *path = vec_ptr(&s->found, i);
        uint32_t subtask = 0;
        bool unfinished = false;
        bool marked = rc < 0; /* not known: then it stays */
        STR_AUTO mark = STR_INIT;
        (void)parse_hidden(s, fs_base_name(path), &subtask, &unfinished);
        str_printf(&mark, s->numbered_names ? ".%s-%s-%u.savepoint" : ".%s-%s-%04x.savepoint",
                   s->prefix, s->run_id, subtask);
        for (size_t k = 0; k < list.n && !marked; k++) {
            marked = strcmp(list.entries[k].name, str_cstr(&mark)) == 0;
        }
        if (marked) {
            mem_free(path);
        } else {
            *(char **)vec_at(&s->found, kept++) = path;
        }
    }
    s->found.len = kept;
    fs_list_fini(&list);
    return rc;
}

static int search_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct leftover_search *s = arg;
    struct error why = ERROR_INIT;
    uint32_t folders = LEFTOVER_FOLDERS_MAX;

    (void)cancel;
    (void)err;
    if (atomic_exchange(&s->begun, true)) { /* the task could not wait for its turn */
        return 0;
    }
    int rc = walk(s->path, s->has_folders ? LEFTOVER_DEPTH_MAX : 1, &folders, note_hidden, s, &why);
    if (rc == 0 && s->found.len > 0) {
        rc = drop_marked(s, &why);
    }
    if (rc < 0 && rc != ERR_CANCELLED) {
        LOG_WARN("sink", "hidden files of earlier attempts may stay in %s: %s", s->path,
                 why.message);
    } else if (folders == 0) {
        LOG_WARN("sink", "hidden files of earlier attempts may stay in the older folders of %s",
                 s->path);
    }
    atomic_store(&s->done, true);
    event_count_signal(&s->ends);
    return 0;
}

/* After the job has run, or in its stead when there are no I/O threads any more: then nothing is found. */
static void search_drop(void *arg)
{
    search_unref(arg);
}

void leftovers_finish(struct leftovers *l, const struct op_context *ctx)
{
    struct leftover_search *s = l->search;

    if (s == NULL) {
        return;
    }
    (void)search_run(s, NULL, NULL); /* nothing when it has begun */
    while (!atomic_load(&s->done) && !atomic_load(ctx->cancelled)) {
        uint32_t ticket = event_count_prepare(&s->ends);
        if (atomic_load(&s->done)) {
            event_count_cancel(&s->ends);
            return;
        }
        (void)event_count_wait(&s->ends, ticket, FINISH_POLL_MS * INT64_C(1000000));
    }
}

static struct leftover_search *search_new(const struct op_context *ctx,
                                          const Flinc__FileSinkConfig *c)
{
    struct leftover_search *s = MEM_NEW(struct leftover_search);

    atomic_store(&s->refs, 1);
    s->path = mem_strdup(c->path);
    s->prefix = mem_strdup(c->part_prefix);
    s->suffix = mem_strdup(c->part_suffix);
    s->run_id = mem_strdup(c->run_id);
    s->numbered_names = c->numbered_names;
    s->has_folders =
        c->buckets != NULL && c->buckets->kind != FLINC__FILE_BUCKET_KIND__FILE_BUCKET_BASE_PATH;
    s->subtask = ctx->subtask;
    s->parallelism = ctx->parallelism;
    vec_init(&s->found, sizeof(char *));
    map_init(&s->keep, NULL);
    return s;
}

void leftovers_start(struct leftovers *l, struct op_context *ctx, const Flinc__FileSinkConfig *c,
                     const struct leftover_options *o)
{
    struct leftover_search *s = search_new(ctx, c);
    struct executor_job job = {
        .name = "leftovers of a file sink", .run = search_run, .arg = s, .drop = search_drop};

    map_fini(&s->keep);
    s->keep = *o->take_keep;
    map_init(o->take_keep, NULL);
    s->own_uid = mem_strdup(o->own_uid);
    l->search = s;
    atomic_fetch_add(&s->refs, 1);
    if (c->numbered_names || ctx->io_executor == NULL ||
        executor_submit(ctx->io_executor, &job, NULL) < 0) {
        (void)search_run(s, NULL, NULL);
        search_drop(s);
    }
}

void leftovers_fini(struct leftovers *l)
{
    if (l->search != NULL) {
        atomic_store(&l->search->given_up, true);
        l->search = search_unref(l->search);
    }
}

void leftovers_snapshot(struct leftovers *l, uint64_t checkpoint_id)
{
    if (l->search != NULL && l->first_checkpoint == 0 && atomic_load(&l->search->done)) {
        l->first_checkpoint = checkpoint_id;
    }
}

static void remove_file(const char *path)
{
    struct error err = ERROR_INIT;
    int rc = fs_delete(path, FS_DELETE_ONE, &err);

    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN("sink", "a hidden file of an earlier attempt stays: %s", err.message);
    }
}

void leftovers_complete(struct leftovers *l, uint64_t checkpoint_id)
{
    if (l->first_checkpoint == 0 || checkpoint_id < l->first_checkpoint || l->search == NULL) {
        return;
    }
    for (size_t i = 0; i < l->search->found.len; i++) {
        remove_file(vec_ptr(&l->search->found, i));
    }
    l->search = search_unref(l->search);
}

/* ---- without checkpoints ---------------------------------------------------------------------------------- */

struct removal {
    struct str finished, hidden, hiding, compacted, compacting;
};

static int remove_own(void *arg, const struct fs_entry *file, struct error *err)
{
    const struct removal *r = arg;

    if (!cstr_starts_with(file->name, str_cstr(&r->finished)) &&
        !cstr_starts_with(file->name, str_cstr(&r->hidden)) &&
        !cstr_starts_with(file->name, str_cstr(&r->hiding)) &&
        !cstr_starts_with(file->name, str_cstr(&r->compacted)) &&
        !cstr_starts_with(file->name, str_cstr(&r->compacting))) {
        return 0;
    }
    int rc = fs_delete(file->path, FS_DELETE_ONE, err);
    return rc == ERR_NOT_FOUND ? 0 : rc; /* fine: somebody else has removed it */
}

int leftovers_remove_all(const struct op_context *ctx, const Flinc__FileSinkConfig *c,
                         struct error *err)
{
    struct removal r = {STR_INIT, STR_INIT, STR_INIT, STR_INIT, STR_INIT};
    uint32_t folders = UINT32_MAX;
    bool deep =
        c->buckets != NULL && c->buckets->kind != FLINC__FILE_BUCKET_KIND__FILE_BUCKET_BASE_PATH;

    leftovers_stem(c, ctx->subtask, &r.finished);
    str_append_char(&r.finished, '-');
    str_printf(&r.hidden, ".%s", str_cstr(&r.finished));
    str_printf(&r.hiding, "..%s", str_cstr(&r.finished));
    str_printf(&r.compacted, "compacted-%s", str_cstr(&r.finished));
    str_printf(&r.compacting, ".compacted-%s", str_cstr(&r.finished));
    int rc = walk(c->path, deep ? LEFTOVER_DEPTH_MAX : 1, &folders, remove_own, &r, err);
    str_fini(&r.finished);
    str_fini(&r.hidden);
    str_fini(&r.hiding);
    str_fini(&r.compacted);
    str_fini(&r.compacting);
    return rc;
}
