/* Maps per key.
 *
 * The head of a key is its map keys, in the order in which they came (map_keys.h).  A key may be listed whose
 * entry's time is over; no entry is there without being listed.  Thread: one owner (the task). */
#include "engine/state/user/map_state.h"

#include "engine/state/entries.h"
#include "engine/state/user/entry_probe.h"
#include "engine/state/user/map_keys.h"

struct map_head {
    struct map_keys keys;
    int64_t stamp_ms; /* with a time to live: the youngest entry's, at least */
};

/* A block of entries found together. */
struct map_walk {
    uint64_t changes; /* of the map when it began */
    uint64_t first;   /* number of the block's first key among those of the map */
    uint32_t at, n;   /* of the block */
    uint32_t numbering, heads_numbering; /* of the slots, and of where the keys are */
    bool has_current;                    /* the one before `at` is there */
    struct map_node *nodes[PROBE_ROWS], *next;
    uint32_t slots[PROBE_ROWS];
};

struct map_state {
    struct entry_space space;
    struct slot_cache heads;
    struct entry_probe probe;
    struct map_keys_kind keys;
    struct keyed_value_ops head_ops;
    struct record_layout key_in; /* Owns; of map keys in a batch of entry keys */
    struct state_ttl ttl;
    struct ttl_sweep sweep;
    struct map_walk walk;
    uint64_t changes;
    char *scratch;    /* Owns; a kept record */
    char *last;       /* Owns; a value that was returned when it was removed */
    struct str bytes; /* its strings */
};

static struct map_head *head_at(const struct map_state *m, uint32_t slot)
{
    return keyed_state_value(m->space.heads, slot);
}

static struct state_heap *heap_of(const struct map_state *m)
{
    return &m->space.heads->table->heap;
}

static uint64_t hash_at(const struct map_state *m, uint32_t slot)
{
    return keyed_table_hash(m->space.entries->table, slot);
}

/* ---- heads as bytes: the time stamp, then the keys ------------------------------------------------ */

static void head_drop(void *arg, struct state_heap *heap, char *value)
{
    struct map_state *m = arg;
    map_keys_clear(&((struct map_head *)(void *)value)->keys, &m->keys, heap);
}

static int head_encode(void *arg, const char *value, struct str *out, struct error *err)
{
    struct map_state *m = arg;
    const struct map_head *h = (const struct map_head *)(const void *)value;
    str_append(out, (const char *)&h->stamp_ms, sizeof(h->stamp_ms));
    return map_keys_encode(&h->keys, &m->keys, out, err);
}

static int head_decode(void *arg, struct state_heap *heap, struct slice bytes, char *ret_value,
                       struct error *err)
{
    struct map_state *m = arg;
    struct map_head *h = (struct map_head *)(void *)ret_value;
    size_t at = sizeof(h->stamp_ms);
    if (bytes.len < at) {
        return error_set(err, ERR_CORRUPT, "%zu bytes are no keys of a map", bytes.len);
    }
    TRY(map_keys_decode(&h->keys, &m->keys, heap, slice_make(bytes.data + at, bytes.len - at),
                        err));
    memcpy(&h->stamp_ms, bytes.data, sizeof(h->stamp_ms));
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void map_state_free(void *object)
{
    struct map_state *m = object;
    slot_cache_fini(&m->heads);
    entry_probe_fini(&m->probe);
    entry_space_fini(&m->space);
    map_keys_kind_fini(&m->keys);
    if (m->key_in.schema != NULL) {
        record_layout_fini(&m->key_in);
    }
    mem_free(m->scratch);
    mem_free(m->last);
    str_fini(&m->bytes);
    mem_free(m);
}

/* Calls add() for each row of a batch of entry keys with its map key. */
static int each_key(struct map_state *m, struct batch *entries,
                    int (*add)(struct map_state *m, uint32_t row, const char *key,
                               struct error *err),
                    struct error *err)
{
    const size_t size = m->keys.layout.size;
    char *tile = mem_alloc_aligned(64, size * RECORD_TILE_ROWS);
    STR_AUTO nested = STR_INIT;
    int rc = 0;
    memset(tile, 0, size * RECORD_TILE_ROWS);
    for (uint32_t from = 0; from < entries->n_sel && rc == 0; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(entries->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        rc = record_read(&m->key_in, entries, from, n, tile, &nested, err);
        for (uint32_t i = 0; i < n && rc == 0; i++) {
            rc = add(m, from + i, tile + i * size, err);
        }
    }
    mem_free(tile);
    return rc;
}

static int add_key(struct map_state *m, uint32_t row, const char *key, struct error *err)
{
    struct map_head *h = head_at(m, m->space.head_slots[row]);
    h->stamp_ms = MAX(h->stamp_ms, clock_now_ms(m->heads.cursor->clock));
    return map_keys_add(&h->keys, &m->keys, heap_of(m), hash_at(m, m->space.slots[row]), key, err);
}

static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    return each_key(owner, entries, add_key, err);
}

/* Columns of map keys, whose names must differ from those of the owner's key. */
static struct schema *map_key_schema(const struct schema *s)
{
    const char *names[ENTRY_EXTRA_MAX];
    struct data_type *types[ENTRY_EXTRA_MAX];
    struct str texts[ENTRY_EXTRA_MAX];
    for (uint32_t i = 0; i < s->n_fields; i++) {
        texts[i] = (struct str)STR_INIT;
        str_printf(&texts[i], "$key.%s", s->fields[i].name);
        names[i] = str_cstr(&texts[i]);
        types[i] = type_ref(s->fields[i].type);
    }
    struct schema *r = schema_new(names, types, s->n_fields);
    for (uint32_t i = 0; i < s->n_fields; i++) {
        str_fini(&texts[i]);
    }
    return r;
}

static int open_space(struct map_state *m, struct key_cursor *cursor,
                      const struct map_state_desc *desc, struct error *err)
{
    if (desc->key->schema->n_fields > ENTRY_EXTRA_MAX) {
        return error_set(err, ERR_UNSUPPORTED, "map state '%s' has keys of %u fields, at most %d",
                         desc->name, desc->key->schema->n_fields, ENTRY_EXTRA_MAX);
    }
    struct schema *extra = map_key_schema(desc->key->schema);
    int rc =
        entry_space_open(&m->space, cursor->backend,
                         &(struct entry_desc){.name = desc->name,
                                              .kind = "map",
                                              .key_schema = cursor->key_schema,
                                              .record = desc->record,
                                              .extra = extra,
                                              .timestamp_name = desc->ttl.ms > 0 ? "$ttl" : NULL,
                                              .head_bytes = sizeof(struct map_head),
                                              .head_ops = &m->head_ops,
                                              .head_kind = "map heads",
                                              .ttl_ms = desc->ttl.ms,
                                              .expiry = ttl_expiry(&desc->ttl, cursor->clock, 0)},
                         err);
    schema_unref(extra);
    return rc;
}

static void open_keys(struct map_state *m, const struct record_layout *key)
{
    struct record_field *fields = mem_dup(key->fields, key->n_fields * sizeof(*fields));
    for (uint32_t i = 0; i < key->n_fields; i++) {
        fields[i].column += m->space.n_keys;
    }
    record_layout_init_fields(&m->key_in, m->space.entry_schema, key->size, fields, key->n_fields);
    mem_free(fields);
}

int map_state_open(struct key_cursor *cursor, const struct map_state_desc *desc,
                   struct map_state **ret_state, struct error *err)
{
    struct map_state *m = MEM_NEW(struct map_state);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(cursor->backend, m, map_state_free);
    m->ttl = desc->ttl;
    m->head_ops = (struct keyed_value_ops){
        .arg = m, .drop = head_drop, .encode = head_encode, .decode = head_decode};
    map_keys_kind_init(&m->keys, desc->key);
    TRY(open_space(m, cursor, desc, err));
    open_keys(m, desc->key);
    m->scratch = mem_alloc_aligned(16, m->space.kept.size);
    m->last = mem_alloc_aligned(16, m->space.kept.size);
    memset(m->scratch, 0, m->space.kept.size);
    slot_cache_init(&m->heads, cursor, m->space.heads);
    entry_probe_init(&m->probe, cursor, m->space.entries);
    TRY(entry_space_rebuild(&m->space, &(struct entry_rebuild){.add = add_restored, .owner = m},
                            err));
    *ret_state = m;
    return 0;
}

const struct record_layout *map_state_key_layout(const struct map_state *m)
{
    return &m->keys.layout;
}

struct keyed_state *map_state_keys(const struct map_state *m)
{
    return m->space.heads;
}

const struct record_layout *map_state_layout(const struct map_state *m)
{
    return &m->space.rows;
}

/* ---- single entries ---------------------------------------------------------------------------- */

static int find_entry(struct map_state *m, const char *key, uint32_t *ret_slot, struct error *err)
{
    entry_probe_record(&m->probe, 0, &m->keys.layout, key);
    TRY(entry_probe_find(&m->probe, 1, err));
    *ret_slot = m->probe.slots[0];
    return 0;
}

/* Whether it is the key that the walk at hand has given last. */
static bool is_current(const struct map_state *m, const struct map_keys *keys,
                       const struct map_node *node)
{
    const struct map_walk *w = &m->walk;
    if (w->changes != m->changes || !w->has_current) {
        return false;
    }
    return node == (w->heads_numbering == keyed_state_numbering(m->space.heads)
                        ? w->nodes[w->at - 1]
                        : map_keys_nth(keys, w->first + w->at - 1));
}

/* A map key goes, and the head with its last one. */
static int unlist_key(struct map_state *m, uint64_t hash, const char *key, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    struct map_keys *keys = head != KEYED_SLOT_NONE ? &head_at(m, head)->keys : NULL;
    struct map_node *node = keys != NULL ? map_keys_find_listed(keys, &m->keys, hash, key) : NULL;
    if (node == NULL) {
        m->changes++;
        return 0;
    }
    if (is_current(m, keys, node)) {
        m->walk.has_current = false;
        m->walk.first--; /* those behind it move up */
    } else {
        m->changes++;
    }
    entry_space_touch_head(&m->space, head);
    map_keys_remove(keys, &m->keys, heap_of(m), node);
    if (keys->n == 0) {
        slot_cache_remove(&m->heads, head);
    }
    return 0;
}

static int remove_entry(struct map_state *m, uint32_t slot, const char *key, struct error *err)
{
    TRY(unlist_key(m, hash_at(m, slot), key, err));
    keyed_state_remove(m->space.entries, slot);
    return 0;
}

/* With a time to live: the head is as young as an entry that has become young. */
static int stamp_head(struct map_state *m, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    if (head != KEYED_SLOT_NONE && head_at(m, head)->stamp_ms < m->heads.cursor->now_ms) {
        entry_space_touch_head(&m->space, head);
        head_at(m, head)->stamp_ms = m->heads.cursor->now_ms;
    }
    return 0;
}

/* Whether the entry's time is over; makes it young again where reading does. */
static int look_at(struct map_state *m, uint32_t slot, bool *ret_over, struct error *err)
{
    int64_t now_ms = m->heads.cursor->now_ms, stamp;
    char *kept = keyed_state_value(m->space.entries, slot);
    memcpy(&stamp, kept + m->space.timestamp_offset, sizeof(stamp));
    m->sweep.accesses++;
    *ret_over = ttl_is_over(&m->ttl, stamp, now_ms);
    if (*ret_over || !m->ttl.on_read || stamp == now_ms) {
        return 0;
    }
    keyed_state_touch(m->space.entries, slot);
    memcpy(kept + m->space.timestamp_offset, &now_ms, sizeof(now_ms));
    return stamp_head(m, err);
}

int map_state_get(struct map_state *m, const char *key, const char **ret_value, struct error *err)
{
    uint32_t slot;
    bool is_over = false;
    TRY(find_entry(m, key, &slot, err));
    if (slot == KEYED_SLOT_NONE) {
        *ret_value = NULL;
        return 0;
    }
    if (m->ttl.ms > 0) {
        TRY(look_at(m, slot, &is_over, err));
    }
    const char *kept = keyed_state_value(m->space.entries, slot);
    if (!is_over) {
        *ret_value = kept;
        return 0;
    }
    if (m->ttl.returns_expired) {
        record_copy(&m->space.rows, m->last, kept, &m->bytes);
    }
    *ret_value = m->ttl.returns_expired ? m->last : NULL;
    /* A walk is not disturbed: the sweep will find the entry. */
    bool walking = m->walk.changes == m->changes && m->walk.n > 0;
    return walking ? 0 : remove_entry(m, slot, key, err);
}

/* The map key of a new entry; it may be listed still, as that of one that went when its time was over. */
static int list_key(struct map_state *m, uint32_t slot, const char *key, struct error *err)
{
    uint32_t head;
    uint8_t is_new;
    TRY(slot_cache_add(&m->heads, &head, &is_new, err));
    entry_space_touch_head(&m->space, head);
    struct map_head *h = head_at(m, head);
    uint64_t hash = hash_at(m, slot);
    m->changes++;
    if (m->ttl.ms > 0 && map_keys_find(&h->keys, &m->keys, hash, key) != NULL) {
        return 0;
    }
    return map_keys_add(&h->keys, &m->keys, heap_of(m), hash, key, err);
}

int map_state_put(struct map_state *m, const char *key, const char *value, struct error *err)
{
    entry_probe_record(&m->probe, 0, &m->keys.layout, key);
    TRY(entry_probe_add(&m->probe, 1, err));
    uint32_t slot = m->probe.slots[0];
    if (m->probe.is_new[0]) {
        int rc = list_key(m, slot, key, err);
        if (rc < 0) {
            keyed_state_remove(m->space.entries, slot);
            return rc;
        }
    }
    memmove(m->scratch, value, m->space.rows.size);
    if (m->ttl.ms > 0) {
        memcpy(m->scratch + m->space.timestamp_offset, &m->heads.cursor->now_ms, sizeof(int64_t));
        m->sweep.accesses++;
        TRY(stamp_head(m, err));
    }
    return keyed_state_keep(m->space.entries, slot, m->scratch, err);
}

int map_state_remove(struct map_state *m, const char *key, struct error *err)
{
    uint32_t slot;
    TRY(find_entry(m, key, &slot, err));
    return slot != KEYED_SLOT_NONE ? remove_entry(m, slot, key, err) : 0;
}

/* ---- whole maps -------------------------------------------------------------------------------- */

/* Fills a block from a key on, whose number is `first`; NULL: it is empty. */
static int find_block(struct map_state *m, struct map_node *node, uint64_t first, struct error *err)
{
    struct map_walk *w = &m->walk;
    w->first = first;
    w->at = 0;
    w->n = 0;
    for (; node != NULL && w->n < PROBE_ROWS; node = node->next) {
        entry_probe_record(&m->probe, w->n, &m->keys.layout, node->key);
        w->nodes[w->n++] = node;
    }
    w->next = node;
    if (w->n > 0) {
        TRY(entry_probe_find(&m->probe, w->n, err));
        memcpy(w->slots, m->probe.slots, w->n * sizeof(uint32_t));
    }
    w->numbering = keyed_state_numbering(m->space.entries);
    w->heads_numbering = keyed_state_numbering(m->space.heads);
    return 0;
}

int map_state_clear(struct map_state *m, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    if (head == KEYED_SLOT_NONE) {
        return 0;
    }
    struct map_node *node = head_at(m, head)->keys.first;
    while (node != NULL) {
        TRY(find_block(m, node, 0, err));
        for (uint32_t i = 0; i < m->walk.n; i++) {
            if (m->walk.slots[i] != KEYED_SLOT_NONE) {
                keyed_state_remove(m->space.entries, m->walk.slots[i]);
            }
        }
        node = m->walk.next;
    }
    slot_cache_remove(&m->heads, head);
    m->walk = (struct map_walk){.changes = ++m->changes};
    return 0;
}

int map_state_begin(struct map_state *m, struct error *err)
{
    (void)err;
    m->walk = (struct map_walk){.changes = m->changes};
    return 0;
}

/* The block that the walk goes on with; empty at the end. */
static int next_block(struct map_state *m, struct error *err)
{
    struct map_walk *w = &m->walk;
    uint64_t from = w->first + w->at;
    if (w->n > 0 && w->heads_numbering == keyed_state_numbering(m->space.heads)) {
        return find_block(m, w->at < w->n ? w->nodes[w->at] : w->next, from, err);
    }
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    return find_block(
        m, head != KEYED_SLOT_NONE ? map_keys_nth(&head_at(m, head)->keys, from) : NULL, from, err);
}

static bool block_is_over(const struct map_state *m)
{
    const struct map_walk *w = &m->walk;
    return w->at == w->n || w->numbering != keyed_state_numbering(m->space.entries) ||
           w->heads_numbering != keyed_state_numbering(m->space.heads);
}

int map_state_next(struct map_state *m, const char **ret_key, const char **ret_value,
                   struct error *err)
{
    struct map_walk *w = &m->walk;
    if (w->changes != m->changes) {
        return error_set(err, ERR_STATE,
                         "map state '%s' was changed while its entries were walked over",
                         m->space.entries->name);
    }
    for (;;) {
        bool is_over = false;
        w->has_current = false;
        if (block_is_over(m)) {
            TRY(next_block(m, err));
        }
        if (w->n == 0) {
            *ret_key = NULL;
            *ret_value = NULL;
            return 0;
        }
        uint32_t i = w->at++, slot = w->slots[i];
        if (slot != KEYED_SLOT_NONE && m->ttl.ms > 0) {
            TRY(look_at(m, slot, &is_over, err));
        }
        if (slot == KEYED_SLOT_NONE || (is_over && !m->ttl.returns_expired)) {
            continue;
        }
        w->has_current = true;
        *ret_key = w->nodes[i]->key;
        *ret_value = keyed_state_value(m->space.entries, slot);
        return 0;
    }
}

/* ---- what outlived its time -------------------------------------------------------------------- */

static int unlist_found(struct map_state *m, uint32_t row, const char *key, struct error *err)
{
    (void)err;
    struct entry_space *e = &m->space;
    uint32_t slot = e->head_slots[row];
    if (!entry_space_has_head(e, row)) {
        return 0;
    }
    struct map_keys *keys = &head_at(m, slot)->keys;
    struct map_node *node = map_keys_find_listed(keys, &m->keys, hash_at(m, e->slots[row]), key);
    if (node != NULL) {
        entry_space_touch_head(e, slot);
        map_keys_remove(keys, &m->keys, heap_of(m), node);
    }
    if (keys->n == 0) {
        keyed_state_remove(e->heads, slot);
    }
    return 0;
}

static int remove_slots(struct map_state *m, const uint32_t *slots, uint32_t n, struct error *err)
{
    struct entry_space *e = &m->space;
    struct batch *b = NULL;
    memcpy(e->slots, slots, n * sizeof(*slots));
    TRY(entry_space_find_owners(e, slots, n, &b, err));
    int rc = each_key(m, b, unlist_found, err);
    batch_unref(b);
    if (rc == 0) {
        keyed_state_remove_many(e->entries, slots, n);
    }
    return rc;
}

int map_state_sweep(struct map_state *m, struct error *err)
{
    uint32_t slots[TTL_SWEEP_ROWS];
    bool more = m->ttl.ms > 0 && m->sweep.accesses > 0;
    while (more) {
        uint32_t n = ttl_sweep_next(&m->sweep, &m->ttl, m->space.entries, m->space.timestamp_offset,
                                    m->heads.cursor->now_ms, slots, &more);
        if (n > 0) {
            TRY(remove_slots(m, slots, n, err));
            slot_cache_forget(&m->heads);
            m->changes++;
        }
    }
    return 0;
}
