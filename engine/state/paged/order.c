/* States that sort by a number (order.h).  Thread: one owner (the task). */
#include "engine/state/paged/order.h"

#include "common/base/failpoint.h"
#include "engine/state/keyed_table_probe.h"

enum {
    KEY_BYTES = PAGED_KEY_PREFIX + 1 + 8, /* up to the end of the number */
    LOAD_ROWS_MAX = 1024,
    READ_AHEAD_SHARE =
        4, /* of what may be at hand, for what is loaded of all key groups: one in so many */
    KEYS_MIN = 2 * BATCH_ROWS_MAX, /* at hand, however little memory there is */
    KEYS_OF_TESTS = 512,           /* with keyed_disk.evicts_always */
    MARK_BYTES = 32,               /* that the owner keeps of an entry, about */
};

/* Of a key group. */
struct horizon {
    int64_t number;
    struct str
        from; /* the key in the store where it goes on; empty: the first one of that number */
};

struct paged_order {
    struct paged_table *table; /* Borrows */
    struct paged_rows *rows;   /* Owns; NULL: nothing was read yet */
    uint32_t first_group, n_groups;
    struct horizon *horizons; /* Owns; by key group from first_group on */
    uint8_t *has_more;        /* Owns; 0: all of the key group is at hand */
    uint32_t least;           /* of those with more the one with the least number; n_groups: none */
    uint64_t n_added;         /* since a piece began */
    uint32_t columns[KEYED_KEY_COLUMNS_MAX];
    /* Of a load. */
    int64_t numbers[LOAD_ROWS_MAX];
    uint64_t hashes[LOAD_ROWS_MAX];
};

/* ---- horizons -------------------------------------------------------------------------------------- */

static void find_least(struct paged_order *o)
{
    o->least = o->n_groups;
    for (uint32_t i = 0; i < o->n_groups; i++) {
        if (o->has_more[i] &&
            (o->least == o->n_groups || o->horizons[i].number < o->horizons[o->least].number)) {
            o->least = i;
        }
    }
}

bool paged_order_horizon(const struct paged_order *o, int64_t *ret_number)
{
    if (o->least == o->n_groups) {
        return false;
    }
    *ret_number = o->horizons[o->least].number;
    return true;
}

static uint32_t index_of(const struct paged_order *o, uint64_t hash)
{
    uint32_t group = (uint32_t)hash % o->table->store->options->max_parallelism;
    ASSERT(group - o->first_group < o->n_groups);
    return group - o->first_group;
}

/* Whether the store may have an entry that is not at hand. */
static bool may_be_stored(const struct paged_order *o, uint64_t hash, int64_t number)
{
    uint32_t i = index_of(o, hash);
    return o->has_more[i] && number >= o->horizons[i].number;
}

struct paged_order *paged_order_new(struct keyed_state *s)
{
    if (s->paged == NULL || s->paged->order_column == 0) {
        return NULL;
    }
    /* The first one of a key type that is known to do; it is the only one of the state, and never goes. */
    int rc = paged_state_select(s->paged, NAMESPACE_VOID, true, NULL);
    ASSERT(rc == 0);
    struct paged_table *p = s->paged->at_hand;
    const struct keyed_backend_options *options = p->store->options;
    struct paged_order *o = MEM_NEW(struct paged_order);
    o->table = p;
    o->first_group = options->first_group;
    o->n_groups = options->last_group - options->first_group + 1;
    o->horizons = MEM_NEW_ARRAY(struct horizon, o->n_groups);
    o->has_more = MEM_NEW_ARRAY(uint8_t, o->n_groups);
    for (uint32_t i = 0; i < o->n_groups; i++) {
        o->horizons[i] = (struct horizon){.number = INT64_MIN, .from = STR_INIT};
        o->has_more[i] = !p->store->is_empty && !PLANTED("paged.order_is_whole");
    }
    for (uint32_t i = 0; i < s->key_schema->n_fields; i++) {
        o->columns[i] = i;
    }
    find_least(o);
    return o;
}

struct paged_order *paged_order_free(struct paged_order *o)
{
    if (o == NULL) {
        return NULL;
    }
    paged_rows_free(o->rows);
    for (uint32_t i = 0; i < o->n_groups; i++) {
        str_fini(&o->horizons[i].from);
    }
    mem_free(o->horizons);
    mem_free(o->has_more);
    mem_free(o);
    return NULL;
}

/* ---- room -------------------------------------------------------------------------------------------- */

uint32_t paged_order_keys_max(const struct paged_order *o)
{
    const struct keyed_table *t = o->table->table;
    uint64_t limit = paged_table_limit(o->table), n_slots = KEYED_GROUP_SLOTS;
    if (o->table->store->options->disk->evicts_always) {
        return KEYS_OF_TESTS;
    }
    while (n_slots * 2 <= KEYED_SLOTS_MAX &&
           keyed_table_slots_bytes(t, (uint32_t)n_slots * 2) + n_slots * MARK_BYTES <= limit) {
        n_slots *= 2;
    }
    /* The other half is for slots of removed keys. */
    return (uint32_t)MAX(n_slots / 2, (uint64_t)KEYS_MIN);
}

bool paged_order_has_room(const struct paged_order *o, uint32_t n_rows)
{
    const struct keyed_table *t = o->table->table;
    uint64_t heap_limit = MAX(paged_table_limit(o->table) / 2, (uint64_t)PAGED_HEAP_MIN);
    return keyed_table_len(t) + (uint64_t)n_rows <= paged_order_keys_max(o) &&
           t->heap.used_bytes <= heap_limit;
}

/* Pieces of this table, until one with all changes would be empty. */
int paged_order_flush(struct paged_order *o, struct error *err)
{
    struct paged_table *p = o->table;
    struct paged_store *s = p->store;
    TRY(paged_store_finish(s, err));
    for (int n_empty = 0; n_empty < 2;) {
        TRY(paged_store_settle(s, PAGED_WAIT, err));
        TRY(paged_table_write_some(p, PAGED_PICK_ALL, err));
        n_empty = s->writing == p ? 0 : n_empty + 1;
    }
    o->n_added = 0;
    return 0;
}

struct cut {
    const struct paged_order *order;
    int64_t number;
    uint32_t end_group;
};

static bool is_behind(const void *arg, const char *entry, uint64_t hash)
{
    const struct cut *c = arg;
    const struct paged_order *o = c->order;
    int64_t number = keyed_key_number(&o->table->of->order_number, entry);
    return number > c->number ||
           (number == c->number && o->first_group + index_of(o, hash) >= c->end_group);
}

void paged_order_cut(struct paged_order *o, int64_t number, uint32_t end_group)
{
    struct keyed_table *t = o->table->table;
    const struct cut cut = {o, number, end_group};
    if (t->n_slots > 0) {
        o->table->is_whole = false;
        keyed_table_finish_growth(t);
        o->table->store->n_evicted +=
            keyed_table_evict_all(t, &(struct keyed_evict_rule){is_behind, &cut});
    }
    for (uint32_t i = 0; i < o->n_groups; i++) {
        struct horizon *h = &o->horizons[i];
        bool is_whole = o->first_group + i < end_group;
        if ((is_whole && number == INT64_MAX) ||
            (o->has_more[i] && h->number < number + is_whole)) {
            continue; /* what lies behind is not at hand anyway */
        }
        h->number = number + is_whole;
        str_clear(&h->from);
        o->has_more[i] = 1;
    }
    find_least(o);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Where the key group at hand goes on, and its end. */
static void seek(struct paged_order *o, uint32_t i)
{
    const struct horizon *h = &o->horizons[i];
    struct paged_table *p = o->table;
    uint32_t group = o->first_group + i;
    char from[KEY_BYTES] = {(char)(group >> 8), (char)group}, until[PAGED_KEY_PREFIX + 1];
    uint64_t number = __builtin_bswap64((uint64_t)h->number ^ UINT64_C(1) << 63);
    memcpy(from + 2, p->infix.bytes, p->infix.size);
    memcpy(until, from, PAGED_KEY_PREFIX);
    from[PAGED_KEY_PREFIX] = 1;
    until[PAGED_KEY_PREFIX] = 2;
    memcpy(from + PAGED_KEY_PREFIX + 1, &number, sizeof(number));
    struct rocks_bytes start = {from, sizeof(from)};
    if (h->from.len > 0) {
        start = (struct rocks_bytes){h->from.data, h->from.len};
    }
    if (o->rows == NULL) {
        o->rows = paged_rows_new(p->of, &p->of->value, &p->name_space, 1);
    }
    paged_rows_seek(o->rows, start, (struct rocks_bytes){until, sizeof(until)});
}

/* Puts the horizon before the first entry that was not read. */
static int move_on(struct paged_order *o, uint32_t i, struct error *err)
{
    struct horizon *h = &o->horizons[i];
    struct rocks_bytes next;
    o->has_more[i] = paged_rows_peek(o->rows, &next);
    str_clear(&h->from);
    if (!o->has_more[i]) {
        find_least(o);
        return 0;
    }
    if (next.size < KEY_BYTES) {
        return error_set(err, ERR_CORRUPT,
                         "state '%s': bytes in its RocksDB files are no key of it",
                         o->table->of->state->name);
    }
    uint64_t number;
    memcpy(&number, next.data + PAGED_KEY_PREFIX + 1, sizeof(number));
    h->number = (int64_t)(__builtin_bswap64(number) ^ UINT64_C(1) << 63);
    str_append(&h->from, next.data, next.size);
    find_least(o);
    return 0;
}

/* The entries of a batch that are set come into the table, as the store has them. */
static int take_in(struct paged_order *o, const struct batch *b, struct paged_order_entries *ret,
                   struct error *err)
{
    struct paged_table *p = o->table;
    struct keyed_table *t = p->table;
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    const int64_t *numbers = COLUMN_VALUES(&b->columns[p->of->order_column], const int64_t);
    uint32_t slots[LOAD_ROWS_MAX];
    uint8_t is_new[LOAD_ROWS_MAX];
    ASSERT(b->sel == NULL && b->n_rows <= LOAD_ROWS_MAX);
    TRY(keyed_table_upsert(t, b, o->columns, slots, is_new, err));
    for (uint32_t i = 0; i < b->n_rows; i++) {
        if (is_new[i] && p->gone.n_keys > 0 &&
            keyed_table_find_entry(&p->gone, keyed_table_entry(t, slots[i]), hashes[i], false) !=
                KEYED_SLOT_NONE) {
            keyed_table_drop_unknown(t, slots[i]);
            continue;
        }
        keyed_table_set_known(t, slots[i], is_new[i]);
        o->numbers[ret->n] = numbers[i];
        o->hashes[ret->n++] = hashes[i];
    }
    p->store->n_found += ret->n;
    return 0;
}

int paged_order_load(struct paged_order *o, struct paged_order_entries *ret, struct error *err)
{
    struct paged_table *p = o->table;
    struct segment_run runs[LOAD_ROWS_MAX];
    struct batch *rows = NULL;
    const uint32_t at = o->least;
    uint32_t share = paged_order_keys_max(o) / READ_AHEAD_SHARE / o->n_groups;
    uint32_t n_runs, max = MIN(share + 1, (uint32_t)LOAD_ROWS_MAX);
    ASSERT(at < o->n_groups);
    *ret = (struct paged_order_entries){.numbers = o->numbers, .hashes = o->hashes};
    TRY(paged_store_settle(p->store, PAGED_POLL, err));
    seek(o, at);
    p->store->n_reads++;
    int rc = paged_rows_next(o->rows, max, &rows, runs, &n_runs, err);
    if (rc > 0) {
        keyed_state_hash(p->of->state, rows, o->columns);
        rc = take_in(o, rows, ret, err);
        batch_unref(rows);
    }
    rc = rc < 0 ? rc : move_on(o, at, err);
    if (rc < 0) {
        error_context(err, "reading state '%s' from local disk", p->of->state->name);
        error_set_class(err, ERROR_CLASS_TRANSIENT);
    }
    return rc;
}

/* ---- adding and removing ------------------------------------------------------------------------------- */

static const int64_t *numbers_of(const struct paged_order *o, const struct batch *b,
                                 const uint32_t *columns)
{
    return COLUMN_VALUES(&b->columns[columns[o->table->of->order_column]], const int64_t);
}

int paged_order_upsert(struct paged_order *o, const struct batch *b, const uint32_t *columns,
                       uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err)
{
    struct keyed_table *t = o->table->table;
    TRY(keyed_table_upsert(t, b, columns, ret_slots, ret_is_new, err));
    o->n_added += b->n_sel;
    if (o->least == o->n_groups) {
        return 0;
    }
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    const int64_t *numbers = numbers_of(o, b, columns);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        if (ret_is_new[i] && may_be_stored(o, hashes[row], numbers[row])) {
            keyed_table_set_known(t, ret_slots[i], false);
        }
    }
    return 0;
}

/* Of the rows without a slot those that the store may have; NULL: there are none. */
static struct batch *rows_stored(struct paged_order *o, struct batch *b, const uint32_t *columns,
                                 const uint32_t *slots)
{
    struct buffer_pool *pool = o->table->store->options->pool;
    const struct schema *schema = o->table->of->state->key_schema;
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    const int64_t *numbers = numbers_of(o, b, columns);
    struct buffer *sel = buffer_get(pool, b->n_sel * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        rows[n] = (uint16_t)row;
        n += slots[i] == KEYED_SLOT_NONE && may_be_stored(o, hashes[row], numbers[row]);
    }
    if (n == 0) {
        buffer_unref(sel);
        return NULL;
    }
    int32_t map[KEYED_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        map[i] = (int32_t)columns[i];
    }
    struct batch *stored = batch_project(pool, b, schema, map);
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(stored, sel, n);
    return stored;
}

int paged_order_claim(struct paged_order *o, struct batch *b, const uint32_t *columns,
                      uint32_t *ret_slots, struct error *err)
{
    struct keyed_table *t = o->table->table;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    TRY(keyed_table_find(t, b, columns, ret_slots, err));
    if (o->least == o->n_groups) {
        return 0;
    }
    struct batch *stored = rows_stored(o, b, columns, ret_slots);
    if (stored == NULL) {
        return 0;
    }
    int rc = keyed_table_upsert(t, stored, o->columns, slots, is_new, err);
    for (uint32_t i = 0; i < stored->n_sel && rc == 0; i++) {
        keyed_table_set_known(t, slots[i], false);
    }
    batch_unref(stored);
    return rc < 0 ? rc : keyed_table_find(t, b, columns, ret_slots, err);
}

int paged_order_tend(struct paged_order *o, struct error *err)
{
    struct paged_table *p = o->table;
    struct paged_store *s = p->store;
    const struct keyed_table *t = p->table;
    const uint32_t keys_max = paged_order_keys_max(o);
    paged_store_publish(s);
    TRY(paged_store_settle(s, PAGED_POLL, err));
    TRY(paged_table_tend_removals(p, err));
    /* What stays is written early, so that a cut has not to wait for it; what fires soon is not. */
    if (keyed_table_len(t) > keys_max / 2 && o->n_added > keys_max / 4) {
        o->n_added = 0;
        TRY(paged_table_write_some(p, PAGED_PICK_ALL, err));
    }
    return 0;
}
