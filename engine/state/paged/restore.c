/* Restoring: the files of a checkpoint become the store's, without a look at their rows.
 * Thread: one owner (the task).  Flink: RocksIncrementalRestoreOperation. */
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "common/rpc/message.h"

#include <inttypes.h>

/* ---- states ------------------------------------------------------------------------------------------ */

const Flinc__StoredState *paged_store_find_stored(const struct paged_store *s, const char *name)
{
    for (size_t i = 0; i < s->unopened.len; i++) {
        const Flinc__StoredState *as = vec_ptr(&s->unopened, i);
        if (strcmp(as->name, name) == 0) {
            return as;
        }
    }
    return NULL;
}

void paged_store_take_stored(struct paged_store *s, const char *name)
{
    for (size_t i = 0; i < s->unopened.len; i++) {
        Flinc__StoredState *as = vec_ptr(&s->unopened, i);
        if (strcmp(as->name, name) == 0) {
            flinc__stored_state__free_unpacked(as, NULL);
            vec_remove(&s->unopened, i);
            return;
        }
    }
}

static void note_states(struct paged_store *s, const Flinc__KeyedHandle *h)
{
    for (size_t i = 0; i < h->n_stored_states; i++) {
        if (paged_store_find_stored(s, h->stored_states[i]->name) == NULL) {
            vec_push_ptr(&s->unopened, message_copy(&h->stored_states[i]->base));
        }
    }
}

void paged_state_set_blind(struct keyed_state *s, bool is_blind)
{
    if (s->paged != NULL) {
        s->paged->is_blind = is_blind;
    }
}

/* ---- files ------------------------------------------------------------------------------------------- */

/* Names come from a file that anybody may have written. */
static int check_names(const Flinc__SharedFiles *set, struct error *err)
{
    for (size_t i = 0; i < set->n_files; i++) {
        const char *name = set->files[i]->name;
        if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
            strlen(name) > SHARED_FILE_NAME_MAX) {
            return error_set(err, ERR_CORRUPT, "a file of the state is called '%.64s'", name);
        }
    }
    return 0;
}

/* Where the files of a set are to be. */
static void place(const Flinc__SharedFiles *set, struct rocks_files *ret_files)
{
    STR_AUTO path = STR_INIT;
    ret_files->first_group = set->first_group;
    ret_files->last_group = set->last_group;
    vec_init(&ret_files->files, sizeof(struct rocks_file));
    for (size_t i = 0; i < set->n_files; i++) {
        const Flinc__SharedFile *file = set->files[i];
        str_clear(&path);
        str_printf(&path, "%s/%s", ret_files->directory, file->name);
        *VEC_PUSH(&ret_files->files, struct rocks_file) =
            (struct rocks_file){.path = mem_strdup(str_cstr(&path)),
                                .size = file->blob->size,
                                .is_run = (file->flags & PAGED_FILE_IS_RUN) != 0};
    }
}

static int download(struct paged_store *s, const Flinc__SharedFiles *set,
                    const struct rocks_files *to, const char *directory, struct error *err)
{
    struct shared_file_wanted *wanted = MEM_NEW_ARRAY(struct shared_file_wanted, set->n_files + 1);
    for (size_t i = 0; i < set->n_files; i++) {
        wanted[i] = (struct shared_file_wanted){
            .file = set->files[i], .path = VEC_AT(&to->files, struct rocks_file, i)->path};
    }
    int rc = shared_files_download(
        wanted, (uint32_t)set->n_files,
        &(struct shared_download_options){.directory = directory,
                                          .executor = s->options->disk->executor,
                                          .n_threads = s->options->disk->n_transfer_threads},
        err);
    mem_free(wanted);
    return rc;
}

static int adopt(struct paged_store *s, const Flinc__SharedFiles *set,
                 const struct rocks_files *from, struct error *err)
{
    uint64_t *ids = MEM_NEW_ARRAY(uint64_t, set->n_files + 1);
    int rc = rocks_store_adopt(s->rocks, from, ids, err);
    for (size_t i = 0; i < set->n_files && rc == 0; i++) {
        shared_files_know(s->shared_files, ids[i], set->files[i]);
    }
    mem_free(ids);
    if (rc < 0) {
        /* Of local disks, which another try may find better. */
        error_set_class(err, ERROR_CLASS_TRANSIENT);
    }
    return rc;
}

static int restore_set(struct paged_store *s, const Flinc__SharedFiles *set, const char *directory,
                       struct error *err)
{
    STR_AUTO folder = STR_INIT;
    struct vec one = VEC_INIT(struct rocks_files);
    TRY(FAILPOINT(err, "state.paged.restore"));
    TRY(check_names(set, err));
    str_printf(&folder, "%s/restored-%" PRIu64, s->options->disk->directory, s->n_restored++);
    TRY(fs_mkdirs(str_cstr(&folder), err));
    struct rocks_files *files = VEC_PUSH(&one, struct rocks_files);
    files->directory = mem_strdup(str_cstr(&folder));
    place(set, files);
    int rc = download(s, set, files, directory, err);
    rc = rc < 0 ? rc : adopt(s, set, files, err);
    rocks_files_drop(&one);
    vec_fini(&one);
    return rc;
}

int paged_store_restore(struct paged_store *s, const Flinc__OperatorSubtaskState *state,
                        const char *directory, struct error *err)
{
    const struct keyed_backend_options *o = s->options;
    for (size_t i = 0; i < state->n_keyed; i++) {
        const Flinc__KeyedHandle *h = state->keyed[i];
        if (h->last_group < o->first_group || h->first_group > o->last_group) {
            continue;
        }
        note_states(s, h);
        for (size_t k = 0; k < h->n_files; k++) {
            const Flinc__SharedFiles *set = h->files[k];
            if (set->last_group >= o->first_group && set->first_group <= o->last_group) {
                TRY(restore_set(s, set, directory, err));
                s->is_empty = false;
            }
        }
    }
    return 0;
}
