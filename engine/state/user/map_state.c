/* Maps per key.
 *
 * The head of a key is a list of nodes in the heap of the heads' table, each with a map key; an entry's record
 * holds its node's address behind its columns.  Thread: one owner (the task). */
#include "engine/state/user/map_state.h"

#include "engine/state/entries.h"
#include "engine/state/user/entry_probe.h"

struct map_node {
    struct map_node *previous, *next;
    uint64_t pad; /* keys are 8-aligned behind 24 bytes, too; nodes are multiples of 16 with it */
    char key[] __attribute__((aligned(8)));
};

struct map_head {
    struct map_node *first, *last;
};

/* A block of entries found together. */
struct map_walk {
    uint64_t changes; /* of the map when it began */
    struct map_node *next;
    uint32_t at, n;
    uint32_t current; /* slot of the entry at hand */
    struct map_node *nodes[PROBE_ROWS];
    uint32_t slots[PROBE_ROWS];
};

struct map_state {
    struct entry_space space;
    struct slot_cache heads;
    struct entry_probe probe;
    struct record_layout key;    /* Owns */
    struct record_layout key_in; /* Owns; the same fields in a batch of entry keys */
    uint32_t node_offset;        /* in a kept record */
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

static struct map_node *node_of(const struct map_state *m, uint32_t slot)
{
    struct map_node *node;
    memcpy(&node, (char *)keyed_state_value(m->space.entries, slot) + m->node_offset, sizeof(node));
    return node;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

static size_t node_bytes(const struct map_state *m)
{
    return sizeof(struct map_node) + m->key.size;
}

/* A node with a copy of the key, last in the list. */
static int node_add(struct map_state *m, struct map_head *h, const char *key,
                    struct map_node **ret_node, struct error *err)
{
    struct map_node *node = (struct map_node *)(void *)state_heap_alloc(heap_of(m), node_bytes(m));
    if (node == NULL) {
        return state_over_budget(heap_of(m)->budget, node_bytes(m), "a key of a map", err);
    }
    memset(node, 0, node_bytes(m));
    int rc = record_keep(&m->key, heap_of(m), node->key, key, err);
    if (rc < 0) {
        state_heap_free(heap_of(m), (char *)node, node_bytes(m));
        return rc;
    }
    node->previous = h->last;
    if (h->last != NULL) {
        h->last->next = node;
    } else {
        h->first = node;
    }
    h->last = node;
    *ret_node = node;
    return 0;
}

static void node_free(struct map_state *m, struct map_node *node)
{
    record_drop(&m->key, heap_of(m), node->key);
    state_heap_free(heap_of(m), (char *)node, node_bytes(m));
}

static void node_remove(struct map_state *m, struct map_head *h, struct map_node *node)
{
    if (node->previous != NULL) {
        node->previous->next = node->next;
    } else {
        h->first = node->next;
    }
    if (node->next != NULL) {
        node->next->previous = node->previous;
    } else {
        h->last = node->previous;
    }
    node_free(m, node);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void map_state_free(void *object)
{
    struct map_state *m = object;
    slot_cache_fini(&m->heads);
    entry_probe_fini(&m->probe);
    entry_space_fini(&m->space);
    if (m->key.schema != NULL) {
        record_layout_fini(&m->key);
    }
    if (m->key_in.schema != NULL) {
        record_layout_fini(&m->key_in);
    }
    mem_free(m->scratch);
    mem_free(m->last);
    str_fini(&m->bytes);
    mem_free(m);
}

/* Map keys of a batch of entry keys, a tile at a time. */
static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    struct map_state *m = owner;
    char *tile = mem_alloc_aligned(64, (size_t)m->key.size * RECORD_TILE_ROWS);
    STR_AUTO nested = STR_INIT;
    int rc = 0;
    memset(tile, 0, (size_t)m->key.size * RECORD_TILE_ROWS);
    for (uint32_t from = 0; from < entries->n_sel && rc == 0; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(entries->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        rc = record_read(&m->key_in, entries, from, n, tile, &nested, err);
        for (uint32_t i = 0; i < n && rc == 0; i++) {
            struct map_node *node = NULL;
            rc = node_add(m, head_at(m, m->space.head_slots[from + i]),
                          tile + (size_t)i * m->key.size, &node, err);
            char *kept = keyed_state_value(m->space.entries, m->space.slots[from + i]);
            memcpy(kept + m->node_offset, &node, sizeof(node));
        }
    }
    mem_free(tile);
    return rc;
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
                                              .extra_bytes = sizeof(struct map_node *),
                                              .head_bytes = sizeof(struct map_head),
                                              .ttl_ms = desc->ttl.ms,
                                              .expiry = ttl_expiry(&desc->ttl, cursor->clock, 0)},
                         err);
    schema_unref(extra);
    return rc;
}

static void open_keys(struct map_state *m, const struct record_layout *key)
{
    struct record_field *fields = mem_dup(key->fields, key->n_fields * sizeof(*fields));
    record_layout_init_fields(&m->key, key->schema, key->size, fields, key->n_fields);
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
    TRY(open_space(m, cursor, desc, err));
    open_keys(m, desc->key);
    m->node_offset = m->space.timestamp_offset + (desc->ttl.ms > 0 ? 8 : 0);
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
    return &m->key;
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
    entry_probe_record(&m->probe, 0, &m->key, key);
    TRY(entry_probe_find(&m->probe, 1, err));
    *ret_slot = m->probe.slots[0];
    return 0;
}

/* The entry of a slot goes, its map key with it, and the head when it was the last one. */
static int remove_entry(struct map_state *m, uint32_t slot, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    ASSERT(head != KEYED_SLOT_NONE);
    node_remove(m, head_at(m, head), node_of(m, slot));
    keyed_state_remove(m->space.entries, slot);
    if (head_at(m, head)->first == NULL) {
        slot_cache_remove(&m->heads, head);
    }
    m->changes += slot != m->walk.current;
    return 0;
}

enum living { LIVING, OVER };
/* Whether the entry's time is over; makes it young again where reading does. */
static enum living look_at(struct map_state *m, uint32_t slot)
{
    int64_t now_ms = m->heads.cursor->now_ms, stamp;
    char *kept = keyed_state_value(m->space.entries, slot);
    memcpy(&stamp, kept + m->space.timestamp_offset, sizeof(stamp));
    m->sweep.accesses++;
    if (ttl_is_over(&m->ttl, stamp, now_ms)) {
        return OVER;
    }
    if (m->ttl.on_read && stamp != now_ms) {
        keyed_state_touch(m->space.entries, slot);
        kept = keyed_state_value(m->space.entries, slot);
        memcpy(kept + m->space.timestamp_offset, &now_ms, sizeof(now_ms));
    }
    return LIVING;
}

int map_state_get(struct map_state *m, const char *key, const char **ret_value, struct error *err)
{
    uint32_t slot;
    TRY(find_entry(m, key, &slot, err));
    if (slot == KEYED_SLOT_NONE) {
        *ret_value = NULL;
        return 0;
    }
    if (m->ttl.ms > 0 && look_at(m, slot) == OVER) {
        const char *kept = keyed_state_value(m->space.entries, slot);
        if (m->ttl.returns_expired) {
            record_copy(&m->space.rows, m->last, kept, &m->bytes);
        }
        *ret_value = m->ttl.returns_expired ? m->last : NULL;
        /* A walk is not disturbed: the sweep will find the entry. */
        bool walking = m->walk.changes == m->changes && m->walk.n > 0;
        return walking ? 0 : remove_entry(m, slot, err);
    }
    *ret_value = keyed_state_value(m->space.entries, slot);
    return 0;
}

int map_state_put(struct map_state *m, const char *key, const char *value, struct error *err)
{
    struct map_node *node = NULL;
    entry_probe_record(&m->probe, 0, &m->key, key);
    TRY(entry_probe_add(&m->probe, 1, err));
    uint32_t slot = m->probe.slots[0];
    if (m->probe.is_new[0]) {
        uint32_t head;
        uint8_t is_new;
        TRY(slot_cache_add(&m->heads, &head, &is_new, err));
        TRY(node_add(m, head_at(m, head), key, &node, err));
        m->changes++;
    } else {
        node = node_of(m, slot);
    }
    memmove(m->scratch, value, m->space.rows.size);
    memcpy(m->scratch + m->node_offset, &node, sizeof(node));
    if (m->ttl.ms > 0) {
        memcpy(m->scratch + m->space.timestamp_offset, &m->heads.cursor->now_ms, sizeof(int64_t));
        m->sweep.accesses++;
    }
    return keyed_state_keep(m->space.entries, slot, m->scratch, err);
}

int map_state_remove(struct map_state *m, const char *key, struct error *err)
{
    uint32_t slot;
    TRY(find_entry(m, key, &slot, err));
    return slot != KEYED_SLOT_NONE ? remove_entry(m, slot, err) : 0;
}

/* ---- whole maps -------------------------------------------------------------------------------- */

/* Fills a block from node `next` on: nodes and slots; returns the node behind them. */
static int find_block(struct map_state *m, struct map_node *next, struct error *err)
{
    struct map_walk *w = &m->walk;
    w->at = 0;
    w->n = 0;
    for (; next != NULL && w->n < PROBE_ROWS; next = next->next) {
        entry_probe_record(&m->probe, w->n, &m->key, next->key);
        w->nodes[w->n++] = next;
    }
    w->next = next;
    if (w->n > 0) {
        TRY(entry_probe_find(&m->probe, w->n, err));
        memcpy(w->slots, m->probe.slots, w->n * sizeof(uint32_t));
    }
    return 0;
}

int map_state_clear(struct map_state *m, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    if (head == KEYED_SLOT_NONE) {
        return 0;
    }
    m->walk.next = head_at(m, head)->first;
    while (m->walk.next != NULL) {
        TRY(find_block(m, m->walk.next, err));
        for (uint32_t i = 0; i < m->walk.n; i++) {
            keyed_state_remove(m->space.entries, m->walk.slots[i]);
            node_free(m, m->walk.nodes[i]);
        }
    }
    slot_cache_remove(&m->heads, head);
    m->walk = (struct map_walk){.changes = ++m->changes, .current = KEYED_SLOT_NONE};
    return 0;
}

int map_state_begin(struct map_state *m, struct error *err)
{
    uint32_t head;
    TRY(slot_cache_find(&m->heads, &head, err));
    m->walk = (struct map_walk){.changes = m->changes, .current = KEYED_SLOT_NONE};
    if (head != KEYED_SLOT_NONE) {
        m->walk.next = head_at(m, head)->first;
    }
    return 0;
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
        if (w->at == w->n) {
            TRY(find_block(m, w->next, err));
        }
        if (w->n == 0) {
            w->current = KEYED_SLOT_NONE;
            *ret_key = NULL;
            *ret_value = NULL;
            return 0;
        }
        uint32_t i = w->at++;
        if (m->ttl.ms > 0 && look_at(m, w->slots[i]) == OVER && !m->ttl.returns_expired) {
            continue;
        }
        w->current = w->slots[i];
        *ret_key = w->nodes[i]->key;
        *ret_value = keyed_state_value(m->space.entries, w->slots[i]);
        return 0;
    }
}

/* ---- what outlived its time -------------------------------------------------------------------- */

static int remove_slots(struct map_state *m, const uint32_t *slots, uint32_t n, struct error *err)
{
    struct entry_space *e = &m->space;
    struct batch *b = NULL;
    TRY(entry_space_find_owners(e, slots, n, &b, err));
    for (uint32_t i = 0; i < n; i++) {
        struct map_head *h = head_at(m, e->head_slots[i]);
        node_remove(m, h, node_of(m, slots[i]));
        keyed_state_remove(e->entries, slots[i]);
        if (h->first == NULL) {
            keyed_state_remove(e->heads, e->head_slots[i]);
        }
    }
    batch_unref(b);
    return 0;
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
