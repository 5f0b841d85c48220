/* Session sets: the latest session of a key inline, the earlier ones as bytes behind it.
 *
 * Nearly every row extends the latest session of its key, which is a store in place.  For the others the
 * sessions are taken apart into a list, changed there, and kept again.
 * Thread: one owner (the task). */
#include "engine/state/session_set.h"

enum { SESSIONS_PER_KEY_MAX = 1 << 20 };

struct set_entry {
    int64_t n; /* sessions */
    struct session_span latest;
    flinc_string earlier; /* struct session_span[n - 1], sorted */
    int64_t note;         /* session_set_note(); not in snapshots */
};

struct session_set {
    struct keyed_state *state;   /* Borrows: the backend's */
    struct record_layout layout; /* Owns; of an entry */
    struct vec list;             /* struct session_span: of the key at hand */
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static struct set_entry *entry_at(const struct session_set *s, uint32_t slot)
{
    return keyed_state_value(s->state, slot);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void session_set_free(void *object)
{
    struct session_set *s = object;
    record_layout_fini(&s->layout);
    vec_fini(&s->list);
    mem_free(s);
}

static void make_layout(struct record_layout *l)
{
    static const struct {
        const char *name;
        uint32_t offset;
    } numbers[] = {{"sessions", offsetof(struct set_entry, n)},
                   {"start", offsetof(struct set_entry, latest.start)},
                   {"end", offsetof(struct set_entry, latest.end)},
                   {"state", offsetof(struct set_entry, latest.state)}};
    enum { N = ARRAY_LEN(numbers) + 1 };
    const char *names[N];
    struct data_type *types[N];
    struct record_field fields[N];
    for (uint32_t i = 0; i < N; i++) {
        bool is_number = i < ARRAY_LEN(numbers);
        names[i] = is_number ? numbers[i].name : "earlier sessions";
        types[i] = is_number ? type_new(TYPE_BIGINT, false)
                             : type_new_sized(TYPE_VARBINARY, TYPE_LENGTH_MAX, false);
        fields[i] = (struct record_field){
            .column = i,
            .offset = is_number ? numbers[i].offset : (uint32_t)offsetof(struct set_entry, earlier),
            .null_offset = RECORD_NEVER_NULL,
            .width = is_number ? 8 : 16,
            .layout = types[i]->layout};
    }
    struct schema *schema = schema_new(names, types, N);
    record_layout_init_fields(l, schema, sizeof(struct set_entry), fields, N);
    schema_unref(schema);
}

int session_set_open(struct keyed_backend *b, const struct session_set_desc *desc,
                     struct session_set **ret_set, struct error *err)
{
    struct session_set *s = MEM_NEW(struct session_set);
    s->list = (struct vec)VEC_INIT(struct session_span);
    make_layout(&s->layout);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(b, s, session_set_free);
    TRY(keyed_backend_state(b,
                            &(struct keyed_state_desc){.name = desc->name,
                                                       .kind = "sessions",
                                                       .key_schema = desc->key_schema,
                                                       .record = &s->layout,
                                                       .grows_in_pieces = b->paged != NULL},
                            &s->state, err));
    *ret_set = s;
    return 0;
}

/* ---- lists --------------------------------------------------------------------------------------- */

static struct session_span *span_at(const struct session_set *s, size_t i)
{
    return VEC_AT(&s->list, struct session_span, i);
}

static void load_list(const struct set_entry *e, struct vec *list)
{
    vec_clear(list);
    for (size_t at = 0; at < e->earlier.len; at += sizeof(struct session_span)) {
        memcpy(VEC_PUSH(list, struct session_span), e->earlier.data + at,
               sizeof(struct session_span));
    }
    if (e->n > 0) {
        *VEC_PUSH(list, struct session_span) = e->latest;
    }
}

/* Makes the list that of the entry; with one session, before and after, in place. */
static int store_list(struct session_set *s, uint32_t slot, struct error *err)
{
    struct set_entry *e = entry_at(s, slot);
    size_t n = s->list.len;
    if (n > SESSIONS_PER_KEY_MAX) {
        return error_set(err, ERR_LIMIT,
                         "one key has %zu sessions that are kept; is the watermark far behind the "
                         "records, or the allowed lateness long?",
                         n);
    }
    const int64_t note = e->n > 0 && e->latest.state == span_at(s, n - 1)->state ? e->note : 0;
    if (n == 1 && e->n <= 1) {
        e->n = 1;
        e->note = note;
        e->latest = *span_at(s, 0);
        return 0;
    }
    struct set_entry copy = {.n = (int64_t)n, .latest = *span_at(s, n - 1), .note = note};
    if (n > 1) {
        copy.earlier =
            (flinc_string){(const char *)s->list.data, (n - 1) * sizeof(struct session_span)};
    }
    return keyed_state_keep(s->state, slot, (const char *)&copy, err);
}

/* ---- adding -------------------------------------------------------------------------------------- */

/* Puts the window of row `i` into the list: 1, or 0 when it may only join sessions and meets none. */
static int add_to_list(struct session_set *s, uint32_t i, const struct session_rows *rows,
                       struct vec *joins)
{
    struct session_span *own = &rows->spans[i];
    size_t n = s->list.len, from = n;
    while (from > 0 && span_at(s, from - 1)->end >= own->start) {
        from--;
    }
    size_t to = from;
    while (to < n && span_at(s, to)->start <= own->end) {
        to++;
    }
    if (from == to) {
        if (rows->join_only != NULL && rows->join_only[i]) {
            return 0;
        }
        own->state = own->start;
        (void)VEC_PUSH(&s->list, struct session_span);
        memmove(span_at(s, from) + 1, span_at(s, from), (n - from) * sizeof(*own));
        *span_at(s, from) = *own;
        return 1;
    }
    struct session_span *first = span_at(s, from);
    own->state = first->state;
    own->start = MIN(own->start, first->start);
    own->end = MAX(own->end, span_at(s, to - 1)->end);
    for (size_t k = from + 1; k < to; k++) {
        *VEC_PUSH(joins, struct session_join) =
            (struct session_join){.row = i, .into = own->state, .from = span_at(s, k)->state};
    }
    *first = *own;
    memmove(first + 1, first + (to - from), (n - to) * sizeof(*own));
    s->list.len -= to - from - 1;
    return 1;
}

static int add_slowly(struct session_set *s, uint32_t i, const struct session_rows *rows,
                      struct vec *joins, struct error *err)
{
    load_list(entry_at(s, s->slots[i]), &s->list);
    rows->taken[i] = (uint8_t)add_to_list(s, i, rows, joins);
    return rows->taken[i] ? store_list(s, s->slots[i], err) : 0;
}

/* Keys that were added for rows which nothing came of. */
static void remove_empty(struct session_set *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (s->is_new[i] && entry_at(s, s->slots[i])->n == 0) {
            keyed_state_remove(s->state, s->slots[i]);
        }
    }
}

int session_set_add(struct session_set *s, const struct state_keys *keys,
                    const struct session_rows *rows, struct vec *joins, struct error *err)
{
    uint32_t n = keys->batch->n_sel;
    bool refused = false;
    vec_clear(joins);
    TRY(keyed_state_upsert(s->state, keys->name_space, keys->batch, keys->key_columns, s->slots,
                           s->is_new, err));
    for (uint32_t i = 0; i < n; i++) {
        struct set_entry *e = entry_at(s, s->slots[i]);
        struct session_span *own = &rows->spans[i], *latest = &e->latest;
        /* A row from the latest session on meets none of the earlier ones. */
        if (LIKELY(e->n > 0 && own->start >= latest->start && own->start <= latest->end)) {
            latest->end = MAX(latest->end, own->end);
            *own = *latest;
            rows->taken[i] = 1;
            continue;
        }
        TRY(add_slowly(s, i, rows, joins, err));
        refused |= !rows->taken[i];
    }
    if (refused) {
        remove_empty(s, n);
    }
    return 0;
}

int64_t *session_set_note(struct session_set *s, uint32_t i, int64_t state)
{
    struct set_entry *e = entry_at(s, s->slots[i]);
    return e->n > 0 && e->latest.state == state ? &e->note : NULL;
}

/* ---- removing and reading ------------------------------------------------------------------------ */

static int remove_one(struct session_set *s, uint32_t slot, int64_t state, struct error *err)
{
    struct set_entry *e = entry_at(s, slot);
    if (e->n == 1) {
        if (e->latest.state == state) {
            e->n = 0; /* other rows of the batch may have this key: it goes at the end */
            e->note = 0;
        }
        return 0;
    }
    load_list(e, &s->list);
    for (size_t i = 0; i < s->list.len; i++) {
        if (span_at(s, i)->state == state) {
            vec_remove(&s->list, i);
            return store_list(s, slot, err);
        }
    }
    return 0;
}

int session_set_remove(struct session_set *s, const struct state_keys *keys, const int64_t *states,
                       struct error *err)
{
    const uint32_t n = keys->batch->n_sel;
    TRY(keyed_state_find(s->state, keys->name_space, keys->batch, keys->key_columns, s->slots,
                         err));
    for (uint32_t i = 0; i < n; i++) {
        if (s->slots[i] != KEYED_SLOT_NONE && entry_at(s, s->slots[i])->n > 0) {
            keyed_state_touch(s->state, s->slots[i]);
            TRY(remove_one(s, s->slots[i], states[i], err));
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (s->slots[i] != KEYED_SLOT_NONE && keyed_table_is_live(s->state->table, s->slots[i]) &&
            entry_at(s, s->slots[i])->n == 0) {
            keyed_state_remove(s->state, s->slots[i]);
        }
    }
    return 0;
}

int session_set_read(struct session_set *s, const struct state_keys *key, struct vec *ret_spans,
                     struct error *err)
{
    ASSERT(key->batch->n_sel == 1);
    vec_clear(ret_spans);
    TRY(keyed_state_find(s->state, key->name_space, key->batch, key->key_columns, s->slots, err));
    if (s->slots[0] != KEYED_SLOT_NONE) {
        load_list(entry_at(s, s->slots[0]), ret_spans);
    }
    return 0;
}
