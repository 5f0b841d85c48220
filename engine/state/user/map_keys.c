/* Keys of a map.  Places are probed one after the other; a removal moves those behind it up.
 * Thread: one owner (the task). */
#include "engine/state/user/map_keys.h"

void map_keys_kind_init(struct map_keys_kind *k, const struct record_layout *key)
{
    record_layout_init_fields(&k->layout, key->schema, key->size, key->fields, key->n_fields);
    record_row_init(&k->row, &k->layout);
}

void map_keys_kind_fini(struct map_keys_kind *k)
{
    record_row_fini(&k->row);
    if (k->layout.schema != NULL) {
        record_layout_fini(&k->layout);
    }
}

/* ---- places ------------------------------------------------------------------------------------ */

/* The lower half of a hash is the owner's. */
static uint32_t place_of(const struct map_keys *m, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (m->n_places - 1);
}

static void put_place(struct map_keys *m, struct map_node *node)
{
    uint32_t at = place_of(m, node->hash);
    while (m->places[at] != NULL) {
        at = (at + 1) & (m->n_places - 1);
    }
    m->places[at] = node;
}

static void drop_places(struct map_keys *m, struct state_heap *heap)
{
    if (m->places != NULL) {
        state_heap_free(heap, (char *)m->places, m->n_places * sizeof(*m->places));
        m->places = NULL;
        m->n_places = 0;
    }
}

/* Room for one more key, a place in two being free; false: the budget has none. */
static bool reserve_place(struct map_keys *m, struct state_heap *heap)
{
    if (m->n < MAP_KEYS_LISTED_MAX || (m->places != NULL && m->n < m->n_places / 2)) {
        return true;
    }
    uint32_t n = m->places != NULL ? m->n_places * 2 : 4 * MAP_KEYS_LISTED_MAX / 3 * 2;
    char *p = state_heap_alloc(heap, n * sizeof(*m->places));
    if (p == NULL) {
        return false;
    }
    drop_places(m, heap);
    memset(p, 0, n * sizeof(*m->places));
    m->places = (struct map_node **)(void *)p;
    m->n_places = n;
    for (struct map_node *node = m->first; node != NULL; node = node->next) {
        put_place(m, node);
    }
    return true;
}

static void remove_place(struct map_keys *m, const struct map_node *node)
{
    uint32_t mask = m->n_places - 1, at = place_of(m, node->hash);
    while (m->places[at] != node) {
        at = (at + 1) & mask;
    }
    /* Those behind it that are not at home before the gap come into it. */
    for (uint32_t next = (at + 1) & mask; m->places[next] != NULL; next = (next + 1) & mask) {
        uint32_t home = place_of(m, m->places[next]->hash);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            m->places[at] = m->places[next];
            at = next;
        }
    }
    m->places[at] = NULL;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static size_t node_bytes(const struct map_keys_kind *k)
{
    return sizeof(struct map_node) + k->layout.size;
}

/* A node without a key, that is in no list. */
static int node_new(struct map_keys *m, const struct map_keys_kind *k, struct state_heap *heap,
                    uint64_t hash, struct map_node **ret_node, struct error *err)
{
    char *p = reserve_place(m, heap) ? state_heap_alloc(heap, node_bytes(k)) : NULL;
    if (p == NULL) {
        return state_over_budget(heap->budget, node_bytes(k), "a key of a map", err);
    }
    memset(p, 0, node_bytes(k));
    *ret_node = (struct map_node *)(void *)p;
    (*ret_node)->hash = hash;
    return 0;
}

static void append(struct map_keys *m, struct map_node *node)
{
    node->previous = m->last;
    *(m->last != NULL ? &m->last->next : &m->first) = node;
    m->last = node;
    m->n++;
    if (m->places != NULL) {
        put_place(m, node);
    }
}

static void node_free(struct map_node *node, const struct map_keys_kind *k, struct state_heap *heap)
{
    record_drop(&k->layout, heap, node->key);
    state_heap_free(heap, (char *)node, node_bytes(k));
}

int map_keys_add(struct map_keys *m, struct map_keys_kind *k, struct state_heap *heap,
                 uint64_t hash, const char *key, struct error *err)
{
    struct map_node *node = NULL;
    TRY(node_new(m, k, heap, hash, &node, err));
    int rc = record_keep(&k->layout, heap, node->key, key, err);
    if (rc < 0) {
        state_heap_free(heap, (char *)node, node_bytes(k));
        return rc;
    }
    append(m, node);
    return 0;
}

/* The next node of this hash, from the place *inout_at on or behind `after`; NULL: there is none. */
static struct map_node *next_of_hash(const struct map_keys *m, uint64_t hash, uint32_t *inout_at,
                                     const struct map_node *after)
{
    if (m->places == NULL) {
        struct map_node *node = after != NULL ? after->next : m->first;
        while (node != NULL && node->hash != hash) {
            node = node->next;
        }
        return node;
    }
    for (;; *inout_at = (*inout_at + 1) & (m->n_places - 1)) {
        struct map_node *node = m->places[*inout_at];
        if (node == NULL || (node->hash == hash && node != after)) {
            return node;
        }
    }
}

struct map_node *map_keys_find(const struct map_keys *m, const struct map_keys_kind *k,
                               uint64_t hash, const char *key)
{
    uint32_t at = m->places != NULL ? place_of(m, hash) : 0;
    struct map_node *node = NULL;
    while ((node = next_of_hash(m, hash, &at, node)) != NULL &&
           !record_equals(&k->layout, node->key, key)) {
    }
    return node;
}

struct map_node *map_keys_find_listed(const struct map_keys *m, const struct map_keys_kind *k,
                                      uint64_t hash, const char *key)
{
    struct map_node *node = map_keys_find(m, k, hash, key);
    if (node == NULL) {
        uint32_t at = m->places != NULL ? place_of(m, hash) : 0;
        node = next_of_hash(m, hash, &at, NULL);
    }
    return node;
}

void map_keys_remove(struct map_keys *m, const struct map_keys_kind *k, struct state_heap *heap,
                     struct map_node *node)
{
    if (m->places != NULL) {
        remove_place(m, node);
    }
    *(node->previous != NULL ? &node->previous->next : &m->first) = node->next;
    *(node->next != NULL ? &node->next->previous : &m->last) = node->previous;
    node_free(node, k, heap);
    m->n--;
    if (m->n == 0) {
        drop_places(m, heap);
    }
}

struct map_node *map_keys_nth(const struct map_keys *m, uint64_t n)
{
    struct map_node *node = m->first;
    while (node != NULL && n-- > 0) {
        node = node->next;
    }
    return node;
}

void map_keys_clear(struct map_keys *m, const struct map_keys_kind *k, struct state_heap *heap)
{
    struct map_node *next;
    for (struct map_node *node = m->first; node != NULL; node = next) {
        next = node->next;
        node_free(node, k, heap);
    }
    drop_places(m, heap);
    memset(m, 0, sizeof(*m));
}

/* ---- bytes ------------------------------------------------------------------------------------- */

int map_keys_encode(const struct map_keys *m, const struct map_keys_kind *k, struct str *out,
                    struct error *err)
{
    for (const struct map_node *node = m->first; node != NULL; node = node->next) {
        uint32_t len = 0;
        str_append(out, (const char *)&node->hash, sizeof(node->hash));
        size_t at = out->len;
        str_append(out, (const char *)&len, sizeof(len));
        TRY(record_row_encode(&k->row, node->key, out, err));
        len = (uint32_t)(out->len - at - sizeof(len));
        memcpy(out->data + at, &len, sizeof(len));
    }
    return 0;
}

static int decode_key(struct map_keys *m, struct map_keys_kind *k, struct state_heap *heap,
                      struct slice bytes, size_t *inout_at, struct error *err)
{
    struct map_node *node = NULL;
    uint64_t hash;
    uint32_t len;
    const char *from = bytes.data + *inout_at;
    size_t left = bytes.len - *inout_at;
    if (left < sizeof(hash) + sizeof(len)) {
        return error_set(err, ERR_CORRUPT, "the keys of a map end in the middle");
    }
    memcpy(&hash, from, sizeof(hash));
    memcpy(&len, from + sizeof(hash), sizeof(len));
    left -= sizeof(hash) + sizeof(len);
    if (len > left) {
        return error_set(err, ERR_CORRUPT, "a key of a map of %u bytes has %zu", len, left);
    }
    TRY(node_new(m, k, heap, hash, &node, err));
    int rc =
        record_row_decode(&k->row, heap, from + sizeof(hash) + sizeof(len), len, node->key, err);
    if (rc < 0) {
        state_heap_free(heap, (char *)node, node_bytes(k));
        return rc;
    }
    append(m, node);
    *inout_at += sizeof(hash) + sizeof(len) + len;
    return 0;
}

int map_keys_decode(struct map_keys *m, struct map_keys_kind *k, struct state_heap *heap,
                    struct slice bytes, struct error *err)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < bytes.len) {
        rc = decode_key(m, k, heap, bytes, &at, err);
    }
    if (rc < 0) {
        map_keys_clear(m, k, heap);
    }
    return rc;
}
