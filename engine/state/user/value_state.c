/* Values per key.  Thread: one owner (the task). */
#include "engine/state/user/value_state.h"

static const char ttl_column[] = "$ttl";

struct value_state {
    struct slot_cache cache;
    struct record_layout record; /* Owns; of the value */
    struct record_layout kept;   /* Owns; with the time stamp where there is a time to live */
    uint32_t stamp_offset;
    struct state_ttl ttl;
    struct ttl_sweep sweep;
    char *scratch;    /* Owns; a kept record */
    char *last;       /* Owns; a value that was returned when it was removed */
    struct str bytes; /* its strings */
};

/* ---- life -------------------------------------------------------------------------------------- */

static void value_state_free(void *object)
{
    struct value_state *v = object;
    slot_cache_fini(&v->cache);
    if (v->kept.schema != NULL) {
        record_layout_fini(&v->record);
        record_layout_fini(&v->kept);
    }
    mem_free(v->scratch);
    mem_free(v->last);
    str_fini(&v->bytes);
    mem_free(v);
}

int value_state_open(struct key_cursor *cursor, const struct value_state_desc *desc,
                     struct value_state **ret_state, struct error *err)
{
    const struct record_layout *r = desc->record;
    const char *name = ttl_column;
    struct keyed_state *state = NULL;
    struct value_state *v = MEM_NEW(struct value_state);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(cursor->backend, v, value_state_free);
    v->ttl = desc->ttl;
    TRY_CTX(err, record_layout_extend(&v->kept, r, &name, desc->ttl.ms > 0 ? 1 : 0, 0, err),
            "opening state '%s'", desc->name);
    record_layout_init_fields(&v->record, r->schema, r->size, r->fields, r->n_fields);
    v->stamp_offset = (r->size + 7) & ~7u;
    v->scratch = mem_alloc_aligned(16, v->kept.size);
    v->last = mem_alloc_aligned(16, v->kept.size);
    memset(v->scratch, 0, v->kept.size);
    TRY(keyed_backend_state(cursor->backend,
                            &(struct keyed_state_desc){
                                .name = desc->name,
                                .kind = desc->kind,
                                .key_schema = cursor->key_schema,
                                .record = &v->kept,
                                .grows_in_pieces = true,
                                .ttl_ms = desc->ttl.ms,
                                .expiry = ttl_expiry(&desc->ttl, cursor->clock, v->stamp_offset)},
                            &state, err));
    slot_cache_init(&v->cache, cursor, state);
    *ret_state = v;
    return 0;
}

struct keyed_state *value_state_keys(const struct value_state *v)
{
    return v->cache.state;
}

const struct record_layout *value_state_layout(const struct value_state *v)
{
    return &v->record;
}

const char *value_state_name(const struct value_state *v)
{
    return v->cache.state->name;
}

/* ---- access ------------------------------------------------------------------------------------ */

static int64_t stamp_of(const struct value_state *v, const char *kept)
{
    int64_t stamp;
    memcpy(&stamp, kept + v->stamp_offset, sizeof(stamp));
    return stamp;
}

/* A value that has a time to live: NULL, or made young again, as its state wants it. */
static int get_living(struct value_state *v, uint32_t slot, const char **ret_record,
                      struct error *err)
{
    char *kept = keyed_state_value(v->cache.state, slot);
    int64_t now_ms = v->cache.cursor->now_ms, stamp = stamp_of(v, kept);
    v->sweep.accesses++;
    if (!ttl_is_over(&v->ttl, stamp, now_ms)) {
        if (v->ttl.on_read && stamp != now_ms) {
            keyed_state_touch(v->cache.state, slot);
            kept = keyed_state_value(v->cache.state, slot);
            memcpy(kept + v->stamp_offset, &now_ms, sizeof(now_ms));
        }
        *ret_record = kept;
        return 0;
    }
    *ret_record = NULL;
    if (v->ttl.returns_expired) {
        record_copy(&v->kept, v->last, kept, &v->bytes);
        *ret_record = v->last;
    }
    slot_cache_remove(&v->cache, slot);
    return 0;
}

int value_state_get(struct value_state *v, const char **ret_record, struct error *err)
{
    uint32_t slot;
    TRY(slot_cache_find(&v->cache, &slot, err));
    if (slot == KEYED_SLOT_NONE) {
        *ret_record = NULL;
        return 0;
    }
    if (UNLIKELY(v->ttl.ms > 0)) {
        return get_living(v, slot, ret_record, err);
    }
    *ret_record = keyed_state_value(v->cache.state, slot);
    return 0;
}

int value_state_set(struct value_state *v, const char *record, struct error *err)
{
    uint32_t slot;
    uint8_t is_new;
    TRY(slot_cache_add(&v->cache, &slot, &is_new, err));
    memmove(v->scratch, record, v->record.size);
    if (v->ttl.ms > 0) {
        memcpy(v->scratch + v->stamp_offset, &v->cache.cursor->now_ms, sizeof(int64_t));
        v->sweep.accesses++;
    }
    return keyed_state_keep(v->cache.state, slot, v->scratch, err);
}

int value_state_clear(struct value_state *v, struct error *err)
{
    uint32_t slot;
    TRY(slot_cache_find(&v->cache, &slot, err));
    if (slot != KEYED_SLOT_NONE) {
        slot_cache_remove(&v->cache, slot);
    }
    return 0;
}

int value_state_edit(struct value_state *v, char **ret_record, struct error *err)
{
    uint32_t slot;
    uint8_t is_new;
    if (v->record.n_strings > 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "state '%s' keeps strings, which cannot be changed in place: set a new "
                         "value",
                         value_state_name(v));
    }
    TRY(slot_cache_add(&v->cache, &slot, &is_new, err));
    keyed_state_touch(v->cache.state, slot);
    char *kept = keyed_state_value(v->cache.state, slot);
    if (v->ttl.ms > 0) {
        int64_t now_ms = v->cache.cursor->now_ms;
        v->sweep.accesses++;
        if (!is_new && ttl_is_over(&v->ttl, stamp_of(v, kept), now_ms)) {
            memset(kept, 0, v->kept.size);
        }
        memcpy(kept + v->stamp_offset, &now_ms, sizeof(now_ms));
    }
    *ret_record = kept;
    return 0;
}

int value_state_sweep(struct value_state *v, struct error *err)
{
    uint32_t slots[TTL_SWEEP_ROWS];
    bool more = v->ttl.ms > 0 && v->sweep.accesses > 0;
    while (more) {
        uint32_t n = ttl_sweep_next(&v->sweep, &v->ttl, v->cache.state, v->stamp_offset,
                                    v->cache.cursor->now_ms, slots, &more);
        for (uint32_t i = 0; i < n; i++) {
            keyed_state_remove(v->cache.state, slots[i]);
        }
        if (n > 0) {
            slot_cache_forget(&v->cache);
        }
    }
    return 0;
}
