/* Namespaces of paged states: their tables come and go.
 *
 * The share of a state is its tables' by use: those that were used lately have equal parts of it, and the others what is left,
 * until it is needed.  A table that has to go is written first, all at once, and waited for; so what is cold is
 * written on the side when room becomes scarce.
 *
 * Thread: one owner (the task). */
#include "engine/state/paged/paged.h"

#include "common/base/failpoint.h"
#include "engine/data/hash.h"
#include "engine/state/hashmap_backend.h"

enum {
    CALLS_PER_LOOK = 16, /* at who is in use */
    SHRINK_SHARE =
        8, /* of a table's part, that it loses before the table is made anew: one in so many */
    PIECE_SHARE = 2,                        /* of the cache, of a piece: one in so many */
    PIECE_COST = PAGED_PIECE_BYTES / 4 * 5, /* with what sorting it needs */
    LEAST_SHARE =
        4, /* of the cache that it has at least, however much RocksDB holds: one in so many */
    ORDERED_SHARE = 8, /* of the cache beside other states, of one that sorts by a number */
};

/* ---- descriptors ------------------------------------------------------------------------------------ */

static struct paged_space *space_at(const struct paged_state *ps, size_t at)
{
    return VEC_AT(&ps->all, struct paged_space, at);
}

/* Position of a namespace, or of the first one above it. */
static size_t position_of(const struct paged_state *ps, int64_t name_space)
{
    size_t low = 0, high = ps->all.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (space_at(ps, middle)->name_space < name_space) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* NULL: it is not there. */
static struct paged_space *find_space(const struct paged_state *ps, int64_t name_space)
{
    size_t at = position_of(ps, name_space);
    struct paged_space *e = at < ps->all.len ? space_at(ps, at) : NULL;
    return e != NULL && e->name_space == name_space ? e : NULL;
}

static int add_space(struct paged_state *ps, int64_t name_space, struct paged_space **ret_space,
                     struct error *err)
{
    if (ps->all.len == STATE_NAMESPACES_MAX) {
        return error_set(err, ERR_LIMIT, "state '%s' has %d namespaces, the limit", ps->state->name,
                         STATE_NAMESPACES_MAX);
    }
    size_t at = position_of(ps, name_space);
    (void)VEC_PUSH(&ps->all, struct paged_space);
    struct paged_space *e = space_at(ps, at);
    memmove(e + 1, e, (ps->all.len - 1 - at) * sizeof(*e));
    *e = (struct paged_space){.name_space = name_space};
    *ret_space = e;
    return 0;
}

struct paged_infix paged_state_infix(const struct paged_state *ps, int64_t name_space)
{
    if (name_space == NAMESPACE_VOID) {
        return ps->infix;
    }
    struct paged_infix x = ps->spaces;
    uint64_t word = __builtin_bswap64((uint64_t)name_space ^ UINT64_C(1) << 63);
    memcpy(x.bytes + x.size, &word, sizeof(word));
    x.size += sizeof(word);
    return x;
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static int keys_table_init(const struct paged_state *ps, uint32_t value_bytes,
                           struct keyed_table *ret_table, struct error *err)
{
    const struct keyed_table_options options = {.key_schema = ps->state->key_schema,
                                                .value_bytes = value_bytes,
                                                .seed = ps->store->options->seed};
    return keyed_table_init(ret_table, &options, err);
}

static int table_new(struct paged_state *ps, struct paged_space *e, struct error *err)
{
    struct paged_store *s = ps->store;
    struct paged_table *p = MEM_NEW(struct paged_table);
    int rc = keys_table_init(ps, sizeof(uint64_t), &p->gone, err);
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    rc = hashmap_table_new(ps->state, &s->track, &p->table, err);
    if (rc < 0) {
        keyed_table_fini(&p->gone);
        mem_free(p);
        return rc;
    }
    p->of = ps;
    p->store = s;
    p->name_space = e->name_space;
    p->infix = paged_state_infix(ps, e->name_space);
    p->serial = ps->next_serial++;
    p->hand = (struct keyed_evict_hand){.random = p->table->seed, .part_bits = KEYED_PART_BITS_MAX};
    p->table->keeps_heat = ps->order_column == 0;
    p->is_stored = e->is_stored;
    p->is_whole = !e->is_stored;
    p->used_at = ps->n_calls;
    e->table = p;
    ps->n_tables++;
    ps->n_warm++;
    vec_push_ptr(&s->tables, p);
    return 0;
}

void paged_table_free(struct paged_table *p)
{
    struct paged_store *s = p->store;
    struct paged_state *ps = p->of;
    if (s->writing == p) {
        /* Whoever waits for the piece needs no marks of it. */
        s->writing = NULL;
    }
    for (size_t i = 0; i < s->tables.len; i++) {
        if (vec_ptr(&s->tables, i) == p) {
            vec_remove(&s->tables, i);
            s->frozen_table -= i < s->frozen_table;
            break;
        }
    }
    if (ps->at_hand == p) {
        ps->at_hand = NULL;
        ps->state->table = NULL;
    }
    ps->absent_of = ps->absent_of == p ? NULL : ps->absent_of;
    ps->n_tables -= !p->is_doomed;
    keyed_table_fini(&p->gone);
    keyed_table_free(p->table);
    mem_free(p);
}

struct paged_table *paged_state_table(const struct paged_state *ps, int64_t name_space)
{
    const struct paged_space *e = find_space(ps, name_space);
    return e != NULL ? e->table : NULL;
}

int paged_state_select(struct paged_state *ps, int64_t name_space, bool create, struct error *err)
{
    if (LIKELY(ps->at_hand != NULL && ps->at_hand->name_space == name_space)) {
        return 0;
    }
    struct paged_space *e = find_space(ps, name_space);
    ps->at_hand = NULL;
    ps->state->table = NULL;
    if (e == NULL && create) {
        TRY(add_space(ps, name_space, &e, err));
    }
    if (e == NULL) {
        return 0;
    }
    if (e->table == NULL) {
        TRY(table_new(ps, e, err));
    }
    ps->at_hand = e->table;
    ps->state->table = e->table->table;
    return 0;
}

/* ---- dropping ------------------------------------------------------------------------------------------- */

void paged_store_note_drop(struct paged_store *s, const struct paged_infix *infix)
{
    *VEC_PUSH(&s->drops, struct paged_infix) = *infix;
}

/* Whether a checkpoint at hand still has to write something of it. */
static bool is_frozen(const struct paged_table *p)
{
    const struct paged_store *s = p->store;
    const struct keyed_table *t = p->table;
    return s->is_frozen && !s->track.snapshot_lost && t->created < t->track->frozen_at &&
           !keyed_table_is_written(t);
}

static void drop_table(struct paged_table *p)
{
    struct paged_store *s = p->store;
    struct paged_state *ps = p->of;
    if (!is_frozen(p) || PLANTED("paged.drop_forgets_frozen")) {
        paged_table_free(p);
        return;
    }
    if (s->writing == p) {
        s->writing = NULL;
    }
    if (ps->at_hand == p) {
        ps->at_hand = NULL;
        ps->state->table = NULL;
    }
    p->is_doomed = true;
    ps->n_tables--;
}

static void drop_space(struct paged_state *ps, size_t at)
{
    struct paged_space *e = space_at(ps, at);
    bool is_stored = e->is_stored;
    struct paged_infix infix = paged_state_infix(ps, e->name_space);
    if (e->table != NULL) {
        /* What a checkpoint writes of it comes behind what is there now. */
        is_stored = e->table->is_stored || is_frozen(e->table);
        drop_table(e->table);
    }
    if (is_stored) {
        paged_store_note_drop(ps->store, &infix);
    }
    if (e->name_space == NAMESPACE_VOID) {
        *e = (struct paged_space){.name_space = NAMESPACE_VOID};
    } else {
        vec_remove(&ps->all, at);
    }
}

void paged_state_drop(struct paged_state *ps, int64_t name_space)
{
    if (find_space(ps, name_space) != NULL) {
        drop_space(ps, position_of(ps, name_space));
    }
}

void paged_state_clear(struct paged_state *ps)
{
    for (size_t i = ps->all.len; i-- > 0;) {
        drop_space(ps, i);
    }
}

/* ---- looking at all -------------------------------------------------------------------------------------- */

/* NAMESPACE_VOID counts as others do, when something was put into it. */
static bool is_there(const struct paged_space *e)
{
    return e->table != NULL || e->is_stored;
}

bool paged_state_next_space(const struct paged_state *ps, int64_t from, int64_t *ret_name_space)
{
    for (size_t at = position_of(ps, from); at < ps->all.len; at++) {
        if (is_there(space_at(ps, at))) {
            *ret_name_space = space_at(ps, at)->name_space;
            return true;
        }
    }
    return false;
}

struct keyed_table *paged_state_table_from(const struct paged_state *ps, int64_t *inout_name_space)
{
    for (size_t at = position_of(ps, *inout_name_space); at < ps->all.len; at++) {
        const struct paged_space *e = space_at(ps, at);
        if (e->table != NULL) {
            *inout_name_space = e->name_space;
            return e->table->table;
        }
    }
    return NULL;
}

uint64_t paged_state_bytes(const struct paged_state *ps)
{
    uint64_t bytes = 0;
    for (size_t at = 0; at < ps->all.len; at++) {
        const struct paged_table *p = space_at(ps, at)->table;
        bytes += p != NULL ? keyed_table_bytes(p->table) : 0;
    }
    return bytes;
}

/* Of what the store has heard of so far. */
static int is_empty_in_store(const struct paged_state *ps, int64_t name_space, bool *ret_is_empty,
                             struct error *err)
{
    struct rocks_scan *scan = NULL;
    struct rocks_bytes key, value;
    struct paged_infix infix = paged_state_infix(ps, name_space);
    rocks_scan_start_infix(ps->store->rocks, (struct rocks_bytes){infix.bytes, infix.size}, &scan);
    int rc = rocks_scan_next(scan, &key, &value, err);
    rocks_scan_free(scan);
    *ret_is_empty = rc == 0;
    return MIN(rc, 0);
}

int paged_state_is_empty(struct paged_state *ps, int64_t name_space, bool *ret_is_empty,
                         struct error *err)
{
    const struct paged_space *e = find_space(ps, name_space);
    *ret_is_empty = e == NULL || !is_there(e);
    if (*ret_is_empty) {
        return 0;
    }
    struct paged_table *p = e->table;
    if (p == NULL) {
        return is_empty_in_store(ps, name_space, ret_is_empty, err);
    }
    if (p->is_whole || p->table->n_keys > 0) {
        *ret_is_empty = p->table->n_keys == 0;
        return 0;
    }
    /* Who removes key after key asks each time: the store is asked each second, fourth, eighth ... of them. */
    p->n_asked++;
    if (p->gone.n_keys > 0 || (p->n_asked & (p->n_asked - 1)) != 0) {
        return 0;
    }
    return is_empty_in_store(ps, name_space, ret_is_empty, err);
}

/* ---- room ------------------------------------------------------------------------------------------------ */

uint64_t paged_store_limit(const struct paged_store *s)
{
    const struct keyed_disk *disk = s->options->disk;
    uint32_t n_sharing = MAX(disk->n_sharing != NULL ? atomic_load(disk->n_sharing) : 1, 1u);
    uint64_t left = rocks_shared_left_bytes(disk->shared), pieces = n_sharing * PIECE_COST;
    if (left < disk->cache_bytes + pieces) {
        /* Each backend may have a piece under way, of half of what it has itself at most. */
        left = left > 3 * pieces ? left - pieces : left / (PIECE_SHARE + 1) * PIECE_SHARE;
        left = MAX(left, disk->cache_bytes / LEAST_SHARE);
    }
    return MIN(left, disk->cache_bytes) / n_sharing;
}

uint64_t paged_store_piece_bytes(const struct paged_store *s)
{
    uint64_t share = MIN(paged_store_limit(s) / PIECE_SHARE, (uint64_t)PAGED_PIECE_BYTES);
    return MAX(share, (uint64_t)PAGED_PIECE_BYTES_MIN);
}

uint64_t paged_state_limit(const struct paged_state *ps)
{
    const struct paged_store *s = ps->store;
    const struct keyed_disk *disk = s->options->disk;
    uint64_t all = paged_store_limit(s);
    uint64_t ordered = s->n_ordered < s->states.len ? all / ORDERED_SHARE : all / s->n_ordered;
    uint64_t others = all - MIN(all / 2, s->n_ordered * ordered);
    uint64_t share =
        ps->order_column > 0 ? ordered : others / MAX(s->states.len - s->n_ordered, (size_t)1);
    uint64_t least = ps->n_tables > 1 ? PAGED_SPACES_MIN : PAGED_TABLE_MIN;
    least = MIN(disk->cache_bytes, least);
    return MAX(share, least);
}

uint64_t paged_table_limit(const struct paged_table *p)
{
    const struct paged_state *ps = p->of;
    uint64_t least = MIN(p->store->options->disk->cache_bytes, (uint64_t)PAGED_TABLE_MIN);
    uint64_t part = paged_state_limit(ps) / MAX(ps->n_warm, 1u);
    return MAX(part, least);
}

static bool is_cold(const struct paged_table *p)
{
    return p->used_at + PAGED_WARM_CALLS < p->of->n_calls;
}

/* The one that was not used longest, of those that may go; NULL: there is none. */
static struct paged_table *coldest(const struct paged_table *but)
{
    const struct paged_state *ps = but->of;
    struct paged_table *found = NULL;
    for (size_t at = 0; at < ps->all.len; at++) {
        struct paged_table *p = space_at(ps, at)->table;
        if (p != NULL && p != but && p != ps->at_hand && p->n_walks == 0 &&
            (found == NULL || p->used_at < found->used_at)) {
            found = p;
        }
    }
    return found;
}

/* Written, and away. */
static int let_go(struct paged_table *p, struct error *err)
{
    TRY(paged_table_flush(p, err));
    struct paged_state *ps = p->of;
    size_t at = position_of(ps, p->name_space);
    struct paged_space *e = space_at(ps, at);
    ASSERT(e->table == p);
    e->is_stored = p->is_stored;
    if (e->is_stored && p->table->n_keys == 0) {
        /* Its last key may have gone while nobody looked (paged_state_is_empty()). */
        bool is_empty;
        TRY(is_empty_in_store(ps, p->name_space, &is_empty, err));
        e->is_stored = !is_empty;
    }
    e->table = NULL;
    ps->store->n_evicted += p->table->n_keys;
    ps->n_warm -= ps->n_warm > 1 && !is_cold(p);
    paged_table_free(p);
    if (!e->is_stored && e->name_space != NAMESPACE_VOID) {
        vec_remove(&ps->all, at); /* it never had a key */
    }
    return 0;
}

int paged_state_let_go(struct paged_table *p, struct error *err)
{
    struct paged_table *other = coldest(p);
    return other != NULL && !p->store->is_frozen ? let_go(other, err) : 0;
}

/* Not of a state with several tables, whose parts come and go; those go as a whole. */
static bool is_too_large(struct paged_table *p)
{
    const struct paged_state *ps = p->of;
    uint64_t bytes = keyed_table_bytes(p->table), limit = paged_state_limit(ps);
    p->limit_seen = MAX(p->limit_seen, limit);
    return limit < p->limit_seen - p->limit_seen / SHRINK_SHARE && bytes > limit &&
           bytes > 2 * PAGED_HEAP_MIN && ps->order_column == 0 && p->n_walks == 0 &&
           !p->store->is_frozen;
}

int paged_table_empty(struct paged_table *p, struct error *err)
{
    struct paged_state *ps = p->of;
    TRY(paged_table_flush(p, err));
    ps->store->n_evicted += p->table->n_keys;
    p->is_whole = p->is_whole && p->table->n_keys == 0;
    p->limit_seen = 0;
    p->write_group = p->hand_seen = p->look_dirty = 0;
    p->hand = (struct keyed_evict_hand){.random = p->hand.random, .part_bits = KEYED_PART_BITS_MAX};
    ps->absent_of = ps->absent_of == p ? NULL : ps->absent_of;
    keyed_table_clear(p->table);
    p->table->n_dirty = 0;
    return 0;
}

/* All bytes of a state, with those of dropped namespaces that a checkpoint still has to write. */
static uint64_t total_of(const struct paged_state *ps, bool *ret_has_doomed)
{
    uint64_t bytes = 0;
    *ret_has_doomed = false;
    for (size_t i = 0; i < ps->store->tables.len; i++) {
        const struct paged_table *p = vec_ptr(&ps->store->tables, i);
        if (p->of == ps) {
            bytes += paged_table_bytes(p);
            *ret_has_doomed |= p->is_doomed;
        }
    }
    return bytes;
}

int paged_state_balance(struct paged_table *p, uint64_t more_bytes, struct error *err)
{
    const struct paged_state *ps = p->of;
    bool has_doomed = false;
    while (total_of(ps, &has_doomed) + more_bytes > paged_state_limit(ps)) {
        struct paged_table *other = coldest(p);
        if (has_doomed) {
            TRY(paged_store_finish(p->store, err));
        } else if (other == NULL) {
            return 0;
        } else {
            TRY(let_go(other, err));
        }
    }
    return 0;
}

/* What is cold is written before its room is needed. */
static int write_cold(struct paged_table *p, struct error *err)
{
    const struct paged_state *ps = p->of;
    struct paged_store *s = p->store;
    bool has_doomed = false;
    struct paged_table *other = coldest(p);
    if (other == NULL || !is_cold(other) || s->piece != NULL || s->is_frozen ||
        other->table->n_dirty == 0 || total_of(ps, &has_doomed) < paged_state_limit(ps) / 4 * 3) {
        return 0;
    }
    other->takes_all = 0; /* the next piece has all of it */
    return paged_table_write_some(other, PAGED_PICK_ALL, err);
}

int paged_state_note_use(struct paged_table *p, struct error *err)
{
    struct paged_state *ps = p->of;
    p->used_at = ++ps->n_calls;
    if (LIKELY(ps->n_calls % CALLS_PER_LOOK != 0)) {
        return 0;
    }
    if (ps->n_tables <= 1) {
        return is_too_large(p) ? paged_table_empty(p, err) : 0;
    }
    ps->n_warm = 0;
    for (size_t at = 0; at < ps->all.len; at++) {
        const struct paged_table *other = space_at(ps, at)->table;
        ps->n_warm += other != NULL && !is_cold(other);
    }
    TRY(write_cold(p, err));
    /* Strings grow without a table's growth. */
    return paged_state_balance(p, 0, err);
}

/* ---- life -------------------------------------------------------------------------------------------------- */

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

/* The names of states are there as numbers: two of the same number would be one state.  ERR_STATE names both. */
static int check_infixes(const struct paged_state *ps, struct error *err)
{
    const struct paged_store *s = ps->store;
    for (size_t i = 0; i < s->states.len; i++) {
        const struct paged_state *other = vec_ptr(&s->states, i);
        const char *theirs[] = {other->infix.bytes, other->spaces.bytes};
        for (size_t k = 0; k < ARRAY_LEN(theirs); k++) {
            if (memcmp(ps->infix.bytes, theirs[k], ps->infix.size) == 0 ||
                memcmp(ps->spaces.bytes, theirs[k], ps->spaces.size) == 0) {
                return error_set(
                    err, ERR_STATE,
                    "states '%s' and '%s' of operator %s cannot be told apart in files of "
                    "RocksDB; rename one of them",
                    other->state->name, ps->state->name, s->options->operator_name);
            }
        }
    }
    return 0;
}

static void set_infixes(struct paged_state *ps)
{
    const char *name = ps->state->name;
    uint32_t hash = (uint32_t)key_hash_bytes(name, strlen(name));
    ps->infix.size = ps->spaces.size = sizeof(hash);
    memcpy(ps->infix.bytes, &hash, sizeof(hash));
    hash = (uint32_t)key_hash_bytes(name, strlen(name) + 1); /* no name has a NUL in it */
    memcpy(ps->spaces.bytes, &hash, sizeof(hash));
}

/* The namespace of a key behind ps->spaces. */
static int read_space(const struct paged_state *ps, struct rocks_bytes key, int64_t *ret_name_space,
                      struct error *err)
{
    uint64_t word;
    if (key.size <= 2 + PAGED_SPACE_INFIX) {
        return error_set(err, ERR_CORRUPT,
                         "state '%s': bytes in its RocksDB files are no key of it",
                         ps->state->name);
    }
    memcpy(&word, key.data + 2 + ps->spaces.size, sizeof(word));
    *ret_name_space = (int64_t)(__builtin_bswap64(word) ^ UINT64_C(1) << 63);
    return 0;
}

/* From one namespace of a key group to the next, without a look at its other keys. */
static int find_spaces(struct paged_state *ps, struct rocks_scan *scan, struct error *err)
{
    struct rocks_bytes key, value;
    char next[2 + PAGED_SPACE_INFIX + 1];
    int rc;
    while ((rc = rocks_scan_next(scan, &key, &value, err)) > 0) {
        int64_t name_space;
        TRY(read_space(ps, key, &name_space, err));
        struct paged_space *e = find_space(ps, name_space);
        if (e == NULL) {
            TRY(add_space(ps, name_space, &e, err));
        }
        e->is_stored = true;
        memcpy(next, key.data, 2 + PAGED_SPACE_INFIX);
        next[2 + PAGED_SPACE_INFIX] = 2; /* keys have 0 or 1 there */
        rocks_scan_skip(scan, (struct rocks_bytes){next, sizeof(next)});
    }
    return rc;
}

/* What restored files have of the state. */
static int find_stored(struct paged_state *ps, struct error *err)
{
    struct rocks_scan *scan = NULL;
    struct rocks_bytes key, value;
    if (ps->store->is_empty) {
        return 0;
    }
    rocks_scan_start_infix(ps->store->rocks, (struct rocks_bytes){ps->infix.bytes, ps->infix.size},
                           &scan);
    int rc = rocks_scan_next(scan, &key, &value, err);
    space_at(ps, 0)->is_stored = rc > 0;
    rocks_scan_free(scan);
    if (rc < 0) {
        return rc;
    }
    rocks_scan_start_infix(ps->store->rocks,
                           (struct rocks_bytes){ps->spaces.bytes, ps->spaces.size}, &scan);
    rc = find_spaces(ps, scan, err);
    rocks_scan_free(scan);
    return rc;
}

/* The first column of the key behind those that decide the key group, of states whose kind says so. */
static void set_order(struct paged_state *ps)
{
    const struct keyed_state *s = ps->state;
    uint32_t column = s->n_key_columns;
    bool is_ordered = strcmp(s->kind, KEYED_KIND_TIMERS) == 0 && column < s->key_schema->n_fields;
    for (uint32_t i = column; i < s->key_schema->n_fields; i++) {
        const struct data_type *type = s->key_schema->fields[i].type;
        is_ordered = is_ordered && type->layout == LAYOUT_I64 && !type->nullable;
    }
    if (is_ordered) {
        ps->order_column = column;
        ps->order_number = keyed_key_find_number(ps->shape, column);
    }
}

static int open_tables(struct paged_state *ps, struct error *err)
{
    struct paged_space *e = NULL;
    TRY(keys_table_init(ps, 0, &ps->absent, err));
    int rc = hashmap_table_new(ps->state, &ps->store->track, &ps->shape, err);
    rc = rc < 0 ? rc : add_space(ps, NAMESPACE_VOID, &e, err);
    return rc < 0 ? rc : find_stored(ps, err);
}

int paged_state_new(struct paged_store *s, struct keyed_state *state,
                    struct paged_state **ret_state, struct error *err)
{
    struct paged_state *ps = MEM_NEW(struct paged_state);
    ps->store = s;
    ps->state = state;
    vec_init(&ps->all, sizeof(struct paged_space));
    set_infixes(ps);
    value_layout(state->rows, &ps->value);
    record_row_init(&ps->row, &ps->value);
    int rc = check_infixes(ps, err);
    rc = rc < 0 ? rc : open_tables(ps, err);
    if (rc < 0) {
        paged_state_free(ps);
        return rc;
    }
    set_order(ps);
    s->n_ordered += ps->order_column > 0;
    vec_push_ptr(&s->states, ps);
    paged_ttl_add(s->ttl, ps);
    paged_state_show(ps);
    *ret_state = ps;
    return 0;
}

struct paged_state *paged_state_free(struct paged_state *ps)
{
    if (ps == NULL) {
        return NULL;
    }
    struct paged_store *s = ps->store;
    for (size_t i = s->tables.len; i-- > 0;) {
        struct paged_table *p = vec_ptr(&s->tables, i);
        if (p->of == ps) {
            if (s->writing == p) {
                paged_store_drop_piece(s);
            }
            paged_table_free(p);
        }
    }
    for (size_t i = 0; i < s->states.len; i++) {
        if (vec_ptr(&s->states, i) == ps) {
            s->n_ordered -= ps->order_column > 0;
            vec_remove(&s->states, i);
            break;
        }
    }
    metric_group_free(ps->shown);
    if (ps->absent.key_schema != NULL) {
        keyed_table_fini(&ps->absent);
    }
    keyed_table_free(ps->shape);
    record_row_fini(&ps->row);
    record_layout_fini(&ps->value);
    vec_fini(&ps->all);
    mem_free(ps);
    return NULL;
}
