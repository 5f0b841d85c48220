/* The key at hand, and slots of the keys of a batch.  Thread: one owner (the task). */
#include "engine/state/user/key_cursor.h"

void key_cursor_init(struct key_cursor *c, struct keyed_backend *backend,
                     const struct schema *key_schema, const struct clock *clock)
{
    ASSERT(key_schema->n_fields <= KEY_COLUMNS_MAX);
    *c = (struct key_cursor){
        .backend = backend, .clock = clock, .key_schema = schema_ref(key_schema)};
}

void key_cursor_fini(struct key_cursor *c)
{
    key_cursor_end(c);
    schema_unref(c->key_schema);
    memset(c, 0, sizeof(*c));
}

void key_cursor_begin(struct key_cursor *c, struct batch *b, const uint32_t *key_columns)
{
    ASSERT(b->hashes != NULL && b->n_sel > 0);
    key_cursor_end(c);
    c->batch = batch_ref(b);
    memcpy(c->columns, key_columns, c->key_schema->n_fields * sizeof(*key_columns));
    c->row = 0;
    c->batch_number++;
    c->now_ms = clock_now_ms(c->clock);
}

void key_cursor_end(struct key_cursor *c)
{
    c->one = batch_unref(c->one);
    c->batch = batch_unref(c->batch);
}

struct batch *key_cursor_one(struct key_cursor *c)
{
    if (c->one == NULL) {
        struct buffer_pool *pool = c->backend->options.pool;
        int32_t map[KEY_COLUMNS_MAX];
        for (uint32_t i = 0; i < c->key_schema->n_fields; i++) {
            map[i] = (int32_t)c->columns[i];
        }
        c->one = batch_project(pool, c->batch, c->key_schema, map);
        struct buffer *sel = buffer_get(pool, sizeof(uint16_t));
        sel->size = sizeof(uint16_t);
        batch_set_selection(c->one, sel, 1);
    }
    *(uint16_t *)(void *)c->one->sel->data = (uint16_t)batch_row(c->batch, c->row);
    return c->one;
}

/* ---- slots ------------------------------------------------------------------------------------- */

static const uint32_t first_columns[KEY_COLUMNS_MAX] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
};

void slot_cache_init(struct slot_cache *c, struct key_cursor *cursor, struct keyed_state *state)
{
    *c = (struct slot_cache){.cursor = cursor, .state = state};
    c->slots = MEM_NEW_ARRAY(uint32_t, BATCH_ROWS_MAX);
}

void slot_cache_fini(struct slot_cache *c)
{
    mem_free(c->slots);
    memset(c, 0, sizeof(*c));
}

/* All keys of the batch together, so that their cache misses overlap. */
static int find_batch(struct slot_cache *c, struct error *err)
{
    const struct key_cursor *k = c->cursor;
    TRY(keyed_state_find(c->state, NAMESPACE_VOID, k->batch, k->columns, c->slots, err));
    c->batch_number = k->batch_number;
    c->numbering = keyed_state_numbering(c->state);
    c->known_row = UINT32_MAX;
    c->added = false;
    c->removed = false;
    return 0;
}

int slot_cache_find(struct slot_cache *c, uint32_t *ret_slot, struct error *err)
{
    struct key_cursor *k = c->cursor;
    uint32_t row = k->row;
    if (UNLIKELY(c->batch_number != k->batch_number ||
                 c->numbering != keyed_state_numbering(c->state))) {
        TRY(find_batch(c, err));
    }
    bool unsure = c->slots[row] == KEYED_SLOT_NONE ? c->added : c->removed;
    if (UNLIKELY(unsure) && row != c->known_row) {
        /* The other slots may have other numbers then: the next row finds that. */
        TRY(keyed_state_find(c->state, NAMESPACE_VOID, key_cursor_one(k), first_columns,
                             &c->slots[row], err));
        c->known_row = row;
    }
    *ret_slot = c->slots[row];
    return 0;
}

int slot_cache_add(struct slot_cache *c, uint32_t *ret_slot, uint8_t *ret_is_new, struct error *err)
{
    struct key_cursor *k = c->cursor;
    uint32_t slot;
    TRY(slot_cache_find(c, &slot, err));
    *ret_is_new = slot == KEYED_SLOT_NONE;
    if (*ret_is_new) {
        TRY(keyed_state_upsert(c->state, NAMESPACE_VOID, key_cursor_one(k), first_columns, &slot,
                               ret_is_new, err));
        c->slots[k->row] = slot;
        c->known_row = k->row;
        c->added = true;
    }
    *ret_slot = slot;
    return 0;
}

void slot_cache_remove(struct slot_cache *c, uint32_t slot)
{
    keyed_state_remove(c->state, slot);
    c->slots[c->cursor->row] = KEYED_SLOT_NONE;
    c->known_row = c->cursor->row;
    c->removed = true;
    /* Rows of the same key still name the slot, which another key may get. */
    c->added = true;
}
