/* Pieces: gathered on the task's thread, sorted and written on an executor's.
 *
 * An item is its length fields, key and value one behind the other in one string; the index has where each begins, and
 * is sorted.  Thread: the task's, and the executor's between write and the end. */
#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include "engine/state/paged/paged.h"

#include <stdlib.h>

#define VALUE_REMOVED UINT32_MAX

struct item {
    uint32_t key_bytes, value_bytes; /* VALUE_REMOVED: there is none */
};

enum piece_state { PIECE_OPEN, PIECE_WRITING, PIECE_ENDED };

struct paged_piece {
    struct rocks_store *rocks; /* Borrows */
    struct mem_budget *budget; /* Borrows; may be NULL */
    struct str bytes;
    struct vec
        places; /* struct paged_place: `at` is of the key in the bytes, its item is in front */
    struct vec infixes; /* struct paged_infix: what is removed as a whole */
    size_t item_at;     /* of the item that is being put */
    uint64_t taken_bytes;
    atomic_int state; /* enum piece_state */
    struct event_count ended;
    atomic_uint n_refs; /* the task's, and the executor's */
    bool has_run;
    bool links_files;
    struct vec files;             /* struct rocks_files; Owns */
    struct snapshot_target *wake; /* Owns a ref; NULL */
    int rc;
    struct error error;
    int files_rc;
    struct error files_error;
};

struct paged_piece *paged_piece_new(struct rocks_store *rocks, struct mem_budget *budget)
{
    struct paged_piece *x = MEM_NEW(struct paged_piece);
    x->rocks = rocks;
    x->budget = budget;
    x->bytes = (struct str)STR_INIT;
    vec_init(&x->places, sizeof(struct paged_place));
    vec_init(&x->infixes, sizeof(struct paged_infix));
    vec_init(&x->files, sizeof(struct rocks_files));
    atomic_init(&x->state, PIECE_OPEN);
    atomic_init(&x->n_refs, 1);
    return x;
}

/* What was written is needed no more, however long nobody asks for it. */
static void release_items(struct paged_piece *x)
{
    str_fini(&x->bytes);
    vec_fini(&x->places);
    if (x->taken_bytes > 0) {
        mem_budget_give(x->budget, x->taken_bytes);
        x->taken_bytes = 0;
    }
}

static void unref(struct paged_piece *x)
{
    if (atomic_fetch_sub(&x->n_refs, 1) == 1) {
        rocks_files_drop(&x->files);
        vec_fini(&x->files);
        vec_fini(&x->infixes);
        snapshot_target_unref(x->wake);
        release_items(x);
        mem_free(x);
    }
}

struct paged_piece *paged_piece_free(struct paged_piece *x)
{
    if (x == NULL) {
        return NULL;
    }
    if (atomic_load(&x->state) == PIECE_WRITING) {
        int rc = paged_piece_poll(x, PAGED_WAIT, NULL);
        (void)rc; /* whoever frees it does not need it */
    }
    unref(x);
    return NULL;
}

void paged_piece_link_files(struct paged_piece *x)
{
    x->links_files = true;
}

int paged_piece_take_files(struct paged_piece *x, struct vec *ret_partitions, struct error *err)
{
    if (x->files_rc < 0) {
        error_copy(err, &x->files_error);
        return x->files_rc;
    }
    for (size_t i = 0; i < x->files.len; i++) {
        *VEC_PUSH(ret_partitions, struct rocks_files) = *VEC_AT(&x->files, struct rocks_files, i);
    }
    vec_clear(&x->files);
    return 0;
}

/* ---- filling ---------------------------------------------------------------------------------------- */

struct str *paged_piece_bytes(struct paged_piece *x)
{
    static const struct item none;
    x->item_at = x->bytes.len;
    str_append(&x->bytes, (const char *)&none, sizeof(none));
    return &x->bytes;
}

static void end(struct paged_piece *x, uint32_t key_bytes, uint32_t value_bytes)
{
    const struct item item = {key_bytes, value_bytes};
    const char *key = x->bytes.data + x->item_at + sizeof(item);
    memcpy(x->bytes.data + x->item_at, &item, sizeof(item));
    *VEC_PUSH(&x->places, struct paged_place) = (struct paged_place){
        .first = paged_order_number(key, key_bytes),
        .second = paged_order_second(key, key_bytes),
        .at = x->item_at + sizeof(item),
    };
}

void paged_piece_end(struct paged_piece *x, uint32_t key_bytes, uint32_t value_bytes)
{
    ASSERT(value_bytes != VALUE_REMOVED);
    end(x, key_bytes, value_bytes);
}

void paged_piece_end_removal(struct paged_piece *x, uint32_t key_bytes)
{
    end(x, key_bytes, VALUE_REMOVED);
}

void paged_piece_remove_all(struct paged_piece *x, const struct paged_infix *infix)
{
    *VEC_PUSH(&x->infixes, struct paged_infix) = *infix;
}

uint64_t paged_piece_size(const struct paged_piece *x)
{
    return x->bytes.len + x->places.len * sizeof(struct paged_place);
}

bool paged_piece_is_sent(const struct paged_piece *x)
{
    return atomic_load(&x->state) != PIECE_OPEN;
}

bool paged_piece_has_ended(const struct paged_piece *x)
{
    return atomic_load(&x->state) == PIECE_ENDED;
}

uint32_t paged_piece_len(const struct paged_piece *x)
{
    return (uint32_t)x->places.len;
}

bool paged_piece_is_empty(const struct paged_piece *x)
{
    return x->places.len == 0 && x->infixes.len == 0;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static struct item item_of(const char *key)
{
    struct item i;
    memcpy(&i, key - sizeof(i), sizeof(i));
    return i;
}

static int compare_keys(const char *a, const char *b)
{
    struct item x = item_of(a), y = item_of(b);
    int order = memcmp(a, b, MIN(x.key_bytes, y.key_bytes));
    return order != 0 ? order : (x.key_bytes > y.key_bytes) - (x.key_bytes < y.key_bytes);
}

/* The order of keys; of equal ones the last that was put is first. */
static int compare_places(const void *a, const void *b, void *bytes)
{
    const struct paged_place *x = a, *y = b;
    int order = compare_keys((const char *)bytes + x->at, (const char *)bytes + y->at);
    return order != 0 ? order : (x->at < y->at) - (x->at > y->at);
}

static int put(struct paged_piece *x, const char *key, struct error *err)
{
    struct item i = item_of(key);
    struct rocks_bytes k = {key, i.key_bytes};
    if (i.value_bytes == VALUE_REMOVED) {
        return rocks_run_remove(x->rocks, k, err);
    }
    return rocks_run_put(x->rocks, k, (struct rocks_bytes){key + i.key_bytes, i.value_bytes}, err);
}

/* Keys have 0 or 1 behind the infix; NAMESPACE_VOID's one is no beginning of another. */
static int remove_all(struct paged_piece *x, const struct paged_infix *infix, struct error *err)
{
    char until[PAGED_SPACE_INFIX + 1];
    memcpy(until, infix->bytes, infix->size);
    until[infix->size] = 2;
    return rocks_run_remove_infixes(x->rocks, (struct rocks_bytes){infix->bytes, infix->size},
                                    (struct rocks_bytes){until, infix->size + 1}, err);
}

static int write_run(struct paged_piece *x, struct error *err)
{
    const char *last = NULL;
    struct vec scratch = VEC_INIT(struct paged_place);
    paged_places_sort(&x->places, &scratch, compare_places, x->bytes.data);
    vec_fini(&scratch);
    TRY(rocks_run_begin(x->rocks, err));
    for (size_t i = 0; i < x->infixes.len; i++) {
        TRY(remove_all(x, VEC_AT(&x->infixes, struct paged_infix, i), err));
    }
    for (size_t i = 0; i < x->places.len; i++) {
        const char *key = x->bytes.data + VEC_AT(&x->places, struct paged_place, i)->at;
        if (last == NULL || compare_keys(last, key) != 0) {
            TRY(put(x, key, err));
        }
        last = key;
    }
    return rocks_run_finish(x->rocks, err);
}

static int run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct paged_piece *x = arg;
    (void)cancel;
    (void)err;
    bool links_early = x->links_files && PLANTED("paged.links_early");
    if (links_early) {
        x->files_rc = rocks_store_link_files(x->rocks, &x->files, &x->files_error);
    }
    x->rc = write_run(x, &x->error);
    if (x->rc < 0) {
        rocks_run_abandon(x->rocks);
    } else if (x->links_files && !links_early) {
        x->files_rc = rocks_store_link_files(x->rocks, &x->files, &x->files_error);
    }
    x->has_run = true;
    return 0;
}

/* It was written, or the executor was closed before it began. */
static void ended(void *arg)
{
    struct paged_piece *x = arg;
    if (!x->has_run) {
        x->rc = error_set(&x->error, ERR_CANCELLED, "writing of state was cancelled");
    }
    release_items(x);
    atomic_store(&x->state, PIECE_ENDED);
    event_count_signal(&x->ended);
    if (x->wake != NULL) {
        snapshot_target_wake(x->wake);
    }
    unref(x);
}

void paged_piece_write(struct paged_piece *x, struct executor *executor,
                       struct snapshot_target *wake)
{
    ASSERT(atomic_load(&x->state) == PIECE_OPEN);
    if (x->budget != NULL) {
        /* Bounded, and needed to make room. */
        x->taken_bytes = paged_piece_size(x);
        mem_budget_force(x->budget, x->taken_bytes);
    }
    const struct executor_job job = {
        .name = "writing of state", .run = run, .arg = x, .drop = ended};
    x->wake = wake != NULL ? snapshot_target_ref(wake) : NULL;
    atomic_store(&x->state, PIECE_WRITING);
    atomic_fetch_add(&x->n_refs, 1);
    if (executor == NULL || executor_submit(executor, &job, NULL) < 0) {
        /* No executor, or it is full or closing: rather by the task than not at all. */
        (void)run(x, NULL, NULL);
        ended(x);
    }
}

int paged_piece_poll(struct paged_piece *x, enum paged_wait wait, struct error *err)
{
    while (atomic_load(&x->state) != PIECE_ENDED) {
        if (wait == PAGED_POLL) {
            return 0;
        }
        uint32_t ticket = event_count_prepare(&x->ended);
        if (atomic_load(&x->state) == PIECE_ENDED) {
            event_count_cancel(&x->ended);
        } else {
            (void)event_count_wait(&x->ended, ticket, -1);
        }
    }
    if (x->rc < 0 && err != NULL) {
        *err = x->error;
    }
    return x->rc < 0 ? x->rc : 1;
}
