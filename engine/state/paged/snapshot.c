/* Snapshots of what is paged: what changed is written into the store, whose files are then uploaded, those that are
 * new; for a canonical savepoint its entries are read as they are then.
 *
 * Thread: one owner (the task).  Flink: RocksIncrementalSnapshotStrategy, RocksFullSnapshotStrategy. */
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "common/rpc/message.h"

#include <stdlib.h>

enum stage { STAGE_WRITING, STAGE_LOST, STAGE_UPLOADING, STAGE_ROWS, STAGE_DONE };

struct paged_snapshot {
    struct paged_store *store; /* Borrows */
    uint64_t checkpoint_id;
    Flinc__CheckpointKind kind;
    struct snapshot_target *target; /* Owns a ref */
    enum stage stage;
    bool is_waiting;              /* for a piece */
    struct error lost;            /* why it was given up */
    struct vec files;             /* struct rocks_files; Owns */
    struct shared_upload *upload; /* Owns */
    struct vec rows;              /* struct paged_rows *, by state; Owns */
    struct vec name_spaces; /* int64_t: of the states, one after the other, when it was frozen */
    struct vec states;      /* struct paged_state *: of each */
    size_t next_rows;
};

static bool is_canonical(const struct paged_snapshot *x)
{
    return x->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL;
}

/* Of states that are in snapshots. */
static void note_spaces(struct paged_snapshot *x)
{
    for (size_t i = 0; i < x->store->states.len; i++) {
        struct paged_state *ps = vec_ptr(&x->store->states, i);
        for (size_t k = 0; !ps->state->is_derived && k < ps->all.len; k++) {
            *VEC_PUSH(&x->name_spaces, int64_t) =
                VEC_AT(&ps->all, struct paged_space, k)->name_space;
            vec_push_ptr(&x->states, ps);
        }
    }
}

struct paged_snapshot *paged_snapshot_begin(struct paged_store *s, const struct keyed_freeze *how)
{
    struct paged_snapshot *x = MEM_NEW(struct paged_snapshot);
    x->store = s;
    x->checkpoint_id = how->checkpoint_id;
    x->kind = how->kind;
    x->target = snapshot_target_ref(how->target);
    vec_init(&x->files, sizeof(struct rocks_files));
    vec_init(&x->rows, sizeof(struct paged_rows *));
    vec_init(&x->name_spaces, sizeof(int64_t));
    vec_init(&x->states, sizeof(struct paged_state *));
    if (is_canonical(x)) {
        note_spaces(x);
    }
    s->snapshot = x;
    paged_store_freeze(s, is_canonical(x) ? PAGED_NO_FILES : PAGED_FILES, x->target);
    return x;
}

struct paged_snapshot *paged_snapshot_free(struct paged_snapshot *x)
{
    if (x == NULL) {
        return NULL;
    }
    if (x->store->snapshot == x) {
        x->store->snapshot = NULL;
        paged_store_thaw(x->store);
    }
    shared_upload_free(x->upload);
    rocks_files_drop(&x->files);
    vec_fini(&x->files);
    for (size_t i = 0; i < x->rows.len; i++) {
        paged_rows_free(vec_ptr(&x->rows, i));
    }
    vec_fini(&x->rows);
    vec_fini(&x->name_spaces);
    vec_fini(&x->states);
    snapshot_target_unref(x->target);
    mem_free(x);
    return NULL;
}

/* ---- files ------------------------------------------------------------------------------------------ */

static int start_upload(struct paged_snapshot *x, struct error *err)
{
    struct shared_file_set *sets = MEM_NEW_ARRAY(struct shared_file_set, x->files.len + 1);
    struct vec sources = VEC_INIT(struct shared_file_source);
    size_t n = 0;
    for (size_t i = 0; i < x->files.len; i++) {
        n += VEC_AT(&x->files, struct rocks_files, i)->files.len;
    }
    vec_reserve(&sources, n + 1);
    for (size_t i = 0; i < x->files.len; i++) {
        const struct rocks_files *f = VEC_AT(&x->files, struct rocks_files, i);
        sets[i] = (struct shared_file_set){
            .first_group = f->first_group,
            .last_group = f->last_group,
            .files = (const struct shared_file_source *)sources.data + sources.len,
            .n_files = (uint32_t)f->files.len};
        for (size_t k = 0; k < f->files.len; k++) {
            const struct rocks_file *file = VEC_AT(&f->files, struct rocks_file, k);
            *VEC_PUSH(&sources, struct shared_file_source) =
                (struct shared_file_source){.id = file->file_id,
                                            .path = file->path,
                                            .name = fs_base_name(file->path),
                                            .size = file->size,
                                            .flags = file->is_run ? PAGED_FILE_IS_RUN : 0};
        }
    }
    int rc = shared_upload_start(
        x->store->shared_files,
        &(struct shared_upload_options){.target = x->target,
                                        .checkpoint_id = x->checkpoint_id,
                                        .kind = x->kind,
                                        .n_threads = x->store->options->disk->n_transfer_threads,
                                        .sets = sets,
                                        .n_sets = (uint32_t)x->files.len},
        &x->upload, err);
    vec_fini(&sources);
    mem_free(sets);
    return rc;
}

/* ---- steps ------------------------------------------------------------------------------------------- */

void paged_snapshot_note_written(struct paged_snapshot *x)
{
    x->store->snapshot = NULL;
    if (!is_canonical(x)) {
        paged_store_take_files(x->store, &x->files);
        return;
    }
    /* Entries are read from now on as they are. */
    for (size_t from = 0, to; from < x->states.len; from = to) {
        struct paged_state *ps = vec_ptr(&x->states, from);
        for (to = from + 1; to < x->states.len && vec_ptr(&x->states, to) == ps; to++) {
        }
        struct paged_rows *rows =
            paged_rows_new(ps, &ps->value, VEC_AT(&x->name_spaces, int64_t, from), to - from);
        paged_rows_leave_out_expired(rows);
        vec_push_ptr(&x->rows, rows);
    }
}

void paged_snapshot_note_lost(struct paged_snapshot *x, const struct error *why)
{
    error_copy(&x->lost, why);
    x->store->snapshot = NULL;
    x->stage = STAGE_LOST;
}

static int leave_writing(struct paged_snapshot *x, struct error *err)
{
    TRY(FAILPOINT(err, "state.paged.written"));
    if (is_canonical(x)) {
        x->stage = STAGE_ROWS;
        return 0;
    }
    TRY(start_upload(x, err));
    x->stage = STAGE_UPLOADING;
    return 0;
}

int paged_snapshot_step(struct paged_snapshot *x, uint32_t n_entries, struct error *err)
{
    if (x->stage == STAGE_LOST) {
        error_copy(err, &x->lost);
        return x->lost.code;
    }
    if (x->stage == STAGE_WRITING) {
        /* It may have ended on the way to room for new keys. */
        int rc = x->store->snapshot == x ? paged_store_step(x->store, n_entries, err) : PAGED_DONE;
        x->is_waiting = rc == PAGED_WRITING;
        if (rc != PAGED_DONE) {
            return rc < 0 ? rc : 1;
        }
        TRY(leave_writing(x, err));
    }
    if (x->stage == STAGE_UPLOADING) {
        return shared_upload_has_ended(x->upload) ? 0 : 1;
    }
    return 0;
}

bool paged_snapshot_is_writable(const struct paged_snapshot *x)
{
    return x->stage == STAGE_WRITING
               ? !x->is_waiting || x->store->snapshot != x || paged_store_has_news(x->store)
           : x->stage == STAGE_UPLOADING ? shared_upload_has_ended(x->upload)
                                         : true;
}

bool paged_snapshot_is_frozen(const struct paged_snapshot *x)
{
    return x->stage == STAGE_WRITING || x->stage == STAGE_LOST;
}

int paged_snapshot_rows(struct paged_snapshot *x, struct keyed_state **ret_state,
                        int64_t *ret_name_space, struct batch **ret_rows,
                        struct segment_run *ret_runs, uint32_t *ret_n_runs, struct error *err)
{
    for (; x->next_rows < x->rows.len; x->next_rows++) {
        struct paged_rows *r = vec_ptr(&x->rows, x->next_rows);
        int rc = paged_rows_next(r, BATCH_ROWS_MAX, ret_rows, ret_runs, ret_n_runs, err);
        if (rc != 0) {
            *ret_state = paged_rows_state(r);
            *ret_name_space = paged_rows_name_space(r);
            return rc;
        }
    }
    return 0;
}

/* ---- the handle ---------------------------------------------------------------------------------------- */

static char *printed(const struct schema *s)
{
    STR_AUTO text = STR_INIT;
    schema_print(s, &text);
    return strdup(str_cstr(&text));
}

/* Takes the state. */
static void add_state(Flinc__StoredState *s, Flinc__KeyedHandle *h)
{
    Flinc__StoredState **more =
        realloc((void *)h->stored_states, (h->n_stored_states + 1) * sizeof(*h->stored_states));
    ASSERT(s != NULL && more != NULL);
    h->stored_states = more;
    h->stored_states[h->n_stored_states++] = s;
}

int paged_snapshot_take(struct paged_snapshot *x, Flinc__KeyedHandle *handle, struct error *err)
{
    if (x->stage != STAGE_UPLOADING) {
        x->stage = STAGE_DONE;
        return 0;
    }
    int rc = shared_upload_poll(x->upload, handle, err);
    ASSERT(rc != 0);
    if (rc < 0) {
        return rc;
    }
    x->upload = shared_upload_free(x->upload);
    x->stage = STAGE_DONE;
    for (size_t i = 0; i < x->store->unopened.len; i++) {
        const Flinc__StoredState *as = vec_ptr(&x->store->unopened, i);
        add_state(message_copy(&as->base), handle);
    }
    for (size_t i = 0; i < x->store->states.len; i++) {
        const struct keyed_state *s = ((struct paged_state *)vec_ptr(&x->store->states, i))->state;
        Flinc__StoredState *as = malloc(sizeof(*as));
        ASSERT(as != NULL);
        flinc__stored_state__init(as);
        as->name = strdup(s->name);
        as->kind = strdup(s->kind);
        as->key_schema = printed(s->rows->key);
        as->n_key_columns = s->n_key_columns;
        as->value_schema = printed(s->rows->value);
        as->ttl_ms = s->ttl_ms;
        as->is_derived = s->is_derived;
        add_state(as, handle);
    }
    return 0;
}
