/* The store of a backend: life.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

int paged_store_new(const struct keyed_backend_options *o, struct paged_store **ret_store,
                    struct error *err)
{
    struct paged_store *s = MEM_NEW(struct paged_store);
    s->options = o;
    s->is_empty = true;
    keyed_track_init(&s->track, o->budget);
    s->track.never_forgets = true;
    vec_init(&s->states, sizeof(struct paged_state *));
    vec_init(&s->tables, sizeof(struct paged_table *));
    vec_init(&s->drops, sizeof(struct paged_infix));
    vec_init(&s->keys, sizeof(struct paged_key));
    vec_init(&s->order, sizeof(struct paged_place));
    vec_init(&s->order_scratch, sizeof(struct paged_place));
    vec_init(&s->read_keys, sizeof(struct rocks_bytes));
    vec_init(&s->read_values, sizeof(struct rocks_bytes));
    vec_init(&s->linked, sizeof(struct rocks_files));
    vec_init(&s->unopened, sizeof(Flinc__StoredState *));
    vec_init(&s->shown, sizeof(struct metric_group *));
    s->shared_files = shared_files_new();
    s->ttl = paged_ttl_new();
    int rc = rocks_store_new(&(struct rocks_store_options){.shared = o->disk->shared,
                                                           .directory = o->disk->directory,
                                                           .first_group = o->first_group,
                                                           .last_group = o->last_group,
                                                           .filter = {paged_ttl_is_over, s->ttl},
                                                           .metrics = o->disk->metrics},
                             &s->rocks, err);
    if (rc < 0) {
        paged_store_free(s);
        return rc;
    }
    paged_store_show(s);
    *ret_store = s;
    return 0;
}

struct paged_store *paged_store_free(struct paged_store *s)
{
    if (s == NULL) {
        return NULL;
    }
    ASSERT(s->tables.len == 0 && s->states.len == 0);
    for (size_t i = 0; i < s->shown.len; i++) {
        metric_group_free(vec_ptr(&s->shown, i));
    }
    vec_fini(&s->shown);
    mem_free(s->shown_rows);
    paged_piece_free(s->piece);
    rocks_files_drop(&s->linked);
    rocks_store_free(s->rocks);
    paged_ttl_free(s->ttl);
    shared_files_free(s->shared_files);
    for (size_t i = 0; i < s->unopened.len; i++) {
        flinc__stored_state__free_unpacked(vec_ptr(&s->unopened, i), NULL);
    }
    vec_fini(&s->unopened);
    vec_fini(&s->linked);
    vec_fini(&s->tables);
    vec_fini(&s->states);
    vec_fini(&s->drops);
    vec_fini(&s->keys);
    vec_fini(&s->order);
    vec_fini(&s->order_scratch);
    vec_fini(&s->read_keys);
    vec_fini(&s->read_values);
    str_fini(&s->key_bytes);
    keyed_track_fini(&s->track);
    mem_free(s);
    return NULL;
}
