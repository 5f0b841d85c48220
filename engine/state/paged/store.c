/* The store of a backend and its paged tables: life.  Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

#include "engine/data/hash.h"

int paged_store_new(const struct keyed_backend_options *o, struct paged_store **ret_store,
                    struct error *err)
{
    struct paged_store *s = MEM_NEW(struct paged_store);
    s->options = o;
    s->is_empty = true;
    keyed_track_init(&s->track, o->budget);
    s->track.never_forgets = true;
    vec_init(&s->tables, sizeof(struct paged_table *));
    vec_init(&s->keys, sizeof(struct paged_key));
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
    ASSERT(s->tables.len == 0);
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
    vec_fini(&s->keys);
    vec_fini(&s->read_keys);
    vec_fini(&s->read_values);
    str_fini(&s->key_bytes);
    keyed_track_fini(&s->track);
    mem_free(s);
    return NULL;
}

/* The layout of a value alone: that of the state's rows has the columns of the key in front. */
static void value_layout(const struct keyed_rows *rows, struct record_layout *ret_layout)
{
    const struct record_layout *from = &rows->layout;
    struct record_field *fields = mem_dup(from->fields, from->n_fields * sizeof(*fields));
    for (uint32_t i = 0; i < from->n_fields; i++) {
        fields[i].column -= rows->key->n_fields;
    }
    record_layout_init_fields(ret_layout, rows->value, from->size, fields, from->n_fields);
    mem_free(fields);
}

/* The first column of the key behind those that decide the key group, of states whose kind says so. */
static void set_order(struct paged_table *p)
{
    const struct keyed_state *s = p->state;
    uint32_t column = s->n_key_columns;
    bool is_ordered = strcmp(s->kind, KEYED_KIND_TIMERS) == 0 && column < s->key_schema->n_fields;
    for (uint32_t i = column; i < s->key_schema->n_fields; i++) {
        const struct data_type *type = s->key_schema->fields[i].type;
        is_ordered = is_ordered && type->layout == LAYOUT_I64 && !type->nullable;
    }
    if (is_ordered) {
        p->order_column = column;
        p->order_number = keyed_key_find_number(p->table, column);
        p->store->n_ordered++;
    }
}

int paged_table_new(struct paged_store *s, struct keyed_state *state, struct keyed_table *table,
                    struct paged_table **ret_table, struct error *err)
{
    const struct keyed_table_options gone = {
        .key_schema = state->key_schema, .value_bytes = sizeof(uint64_t), .seed = s->options->seed};
    const struct keyed_table_options absent = {.key_schema = state->key_schema,
                                               .seed = s->options->seed};
    struct paged_table *p = MEM_NEW(struct paged_table);
    int rc = keyed_table_init(&p->gone, &gone, err);
    if (rc == 0) {
        rc = keyed_table_init(&p->absent, &absent, err);
    }
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    p->store = s;
    p->state = state;
    p->random = table->seed;
    p->table = table;
    uint32_t hash = (uint32_t)key_hash_bytes(state->name, strlen(state->name));
    memcpy(p->infix, &hash, sizeof(p->infix));
    value_layout(state->rows, &p->value);
    record_row_init(&p->row, &p->value);
    set_order(p);
    vec_push_ptr(&s->tables, p);
    paged_ttl_add(s->ttl, p);
    paged_table_show(p);
    *ret_table = p;
    return 0;
}

struct paged_table *paged_table_free(struct paged_table *p)
{
    if (p == NULL) {
        return NULL;
    }
    struct paged_store *s = p->store;
    if (s->writing == p) {
        s->piece = paged_piece_free(s->piece);
        s->writing = NULL;
    }
    for (size_t i = 0; i < s->tables.len; i++) {
        if (vec_ptr(&s->tables, i) == p) {
            vec_remove(&s->tables, i);
            break;
        }
    }
    s->n_ordered -= p->order_column > 0;
    metric_group_free(p->shown);
    keyed_table_fini(&p->gone);
    keyed_table_fini(&p->absent);
    record_row_fini(&p->row);
    record_layout_fini(&p->value);
    mem_free(p);
    return NULL;
}
