/* The timer service (timers.h): firing, and what it shares with setting (timer_pending.c).
 * Thread: one owner (the task). */
#include "common/base/failpoint.h"
#include "engine/state/timers/timer_internal.h"

#include "engine/data/hash.h"

/* ---- life -------------------------------------------------------------------------------------- */

static struct schema *timer_schema_new(const struct schema *keys)
{
    uint32_t n = keys->n_fields;
    const char **names = MEM_NEW_ARRAY(const char *, n + 2);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n + 2);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = keys->fields[i].name;
        types[i] = type_ref(keys->fields[i].type);
    }
    /* No field of a record can have these names. */
    names[n] = TIMER_COLUMN_TIME;
    types[n] = type_new(TYPE_BIGINT, false);
    names[n + 1] = TIMER_COLUMN_NAMESPACE;
    types[n + 1] = type_new(TYPE_BIGINT, false);
    struct schema *s = schema_new(names, types, n + 2);
    mem_free(names);
    mem_free(types);
    return s;
}

int timer_half_order(struct timer_service *t, struct timer_half *h, struct error *err)
{
    timer_queue_clear(&h->queue);
    h->n_set = 0;
    uint32_t slot = keyed_state_next(h->state, NAMESPACE_VOID, 0);
    if (slot == KEYED_SLOT_NONE) {
        return 0;
    }
    const struct keyed_table *table = h->state->table;
    const struct keyed_number time = keyed_key_find_number(table, t->n_keys);
    int64_t least_ms = INT64_MAX;
    for (uint32_t s = slot; s != KEYED_SLOT_NONE; s = keyed_table_next(table, s + 1)) {
        least_ms = MIN(least_ms, keyed_key_number(&time, keyed_table_entry(table, s)));
    }
    for (; slot != KEYED_SLOT_NONE; slot = keyed_table_next(table, slot + 1)) {
        if (slot % 8 == 0 && PLANTED("timers.lost")) {
            continue;
        }
        if (h->n_set % BATCH_ROWS_MAX == 0) {
            TRY(timer_queue_reserve(&h->queue, BATCH_ROWS_MAX, least_ms, err));
        }
        timer_queue_add(&h->queue, keyed_key_number(&time, keyed_table_entry(table, slot)),
                        keyed_table_hash(table, slot));
        h->n_set++;
    }
    return 0;
}

static int half_open(struct timer_service *t, enum timer_kind kind,
                     const struct timer_service_options *o, struct error *err)
{
    struct timer_half *h = &t->halves[kind];
    STR_AUTO name = STR_INIT;
    str_printf(&name, "_timer_state/%s_%s", kind == TIMER_EVENT ? "event" : "processing", o->name);
    struct keyed_state_desc desc = {
        .name = str_cstr(&name),
        .key_schema = t->schema,
        .n_key_columns = t->n_keys,
        .kind = KEYED_KIND_TIMERS,
        .is_derived = o->is_derived,
        .grows_in_pieces = t->backend->paged != NULL,
        .value_layout = t->no_value,
    };
    TRY(keyed_backend_state(t->backend, &desc, &h->state, err));
    timer_queue_init(&h->queue, t->backend->options.budget);
    h->adds.least_ms = h->deletes.least_ms = INT64_MAX;
    h->firing_until_ms = INT64_MIN;
    h->fire_rows = TIMER_FIRE_ROWS;
    h->order = paged_order_new(h->state);
    TRY(timer_half_order(t, h, err));
    /* The first ones of each key group, so that the next time is known. */
    int64_t limit_ms;
    return h->order != NULL ? timer_half_reach(h, INT64_MIN, &limit_ms, err) : 0;
}

static void no_value_free(void *layout)
{
    record_layout_fini(layout);
    mem_free(layout);
}

/* Timers are all key.  The layout of their value lives as long as the states. */
static const struct record_layout *no_value_new(struct keyed_backend *backend)
{
    struct record_layout *layout = MEM_NEW(struct record_layout);
    struct schema *empty = schema_new(NULL, NULL, 0);
    record_layout_init_fields(layout, empty, 0, NULL, 0);
    schema_unref(empty);
    keyed_backend_adopt(backend, layout, no_value_free);
    return layout;
}

int timer_service_new(struct keyed_backend *backend, const struct timer_service_options *options,
                      struct timer_service **ret_service, struct error *err)
{
    struct timer_service *t = MEM_NEW(struct timer_service);
    t->backend = backend;
    t->pool = backend->options.pool;
    t->n_keys = options->key_schema->n_fields;
    t->key_schema = schema_ref(options->key_schema);
    t->schema = timer_schema_new(options->key_schema);
    t->columns = MEM_NEW_ARRAY(uint32_t, t->n_keys + 2);
    t->column_map = MEM_NEW_ARRAY(int32_t, t->n_keys + 2);
    for (uint32_t i = 0; i < t->n_keys + 2; i++) {
        t->columns[i] = i;
    }
    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        t->in_order[i] = (uint16_t)i;
    }
    builder_init(&t->keys, t->pool, t->key_schema, BATCH_ROWS_MAX);
    t->keys.target_bytes = UINT64_MAX;
    t->keys.max_row_bytes = UINT64_MAX;
    t->no_value = no_value_new(backend);
    int rc = 0;
    for (int kind = 0; kind < TIMER_KINDS && rc == 0; kind++) {
        rc = half_open(t, (enum timer_kind)kind, options, err);
    }
    if (rc < 0) {
        timer_service_free(t);
        return rc;
    }
    *ret_service = t;
    return 0;
}

struct timer_service *timer_service_free(struct timer_service *t)
{
    if (t == NULL) {
        return NULL;
    }
    batch_unref(t->batch);
    batch_unref(t->at_keys);
    for (int kind = 0; kind < TIMER_KINDS; kind++) {
        struct timer_half *h = &t->halves[kind];
        timer_queue_fini(&h->queue);
        paged_order_free(h->order);
        timer_pending_fini(&h->adds);
        timer_pending_fini(&h->deletes);
        mem_free(h->seen.entries);
        batch_unref(h->firing);
    }
    builder_fini(&t->keys);
    schema_unref(t->schema);
    schema_unref(t->key_schema);
    mem_free(t->columns);
    mem_free(t->column_map);
    mem_free(t);
    return NULL;
}

/* ---- in the state ---------------------------------------------------------------------------------- */

/* Through a header of its own, because `b` may have other holders. */
int timer_half_find(struct timer_service *t, struct timer_half *h, struct batch *b, uint32_t from,
                    uint32_t n, uint32_t *ret_slots, struct error *err)
{
    for (uint32_t i = 0; i < t->n_keys + 2; i++) {
        t->column_map[i] = (int32_t)i;
    }
    struct batch *own = batch_project(t->pool, b, t->schema, t->column_map);
    if (from > 0 || n < b->n_rows) {
        struct buffer *sel = buffer_get(t->pool, n * sizeof(uint16_t));
        memcpy(sel->data, t->in_order + from, n * sizeof(uint16_t));
        sel->size = n * sizeof(uint16_t);
        batch_set_selection(own, sel, n);
    }
    batch_extend_hashes(t->pool, own, t->columns + t->n_keys, 2);
    int rc = h->order != NULL
                 ? paged_order_claim(h->order, own, t->columns, ret_slots, err)
                 : keyed_state_find(h->state, NAMESPACE_VOID, own, t->columns, ret_slots, err);
    batch_unref(own);
    return rc;
}

void timer_half_remove(struct timer_half *h, const uint32_t *slots, uint32_t n)
{
    keyed_state_remove_many(h->state, slots, n);
    h->n_set = h->order != NULL ? keyed_table_len(h->state->table) : h->n_set - n;
}

bool timer_slot_set_add(struct timer_slot_set *s, uint32_t slot)
{
    uint32_t at = (slot * UINT32_C(0x9e3779b1)) >> (32 - TIMER_SLOT_SET_BITS);
    for (;; at = (at + 1) % (1u << TIMER_SLOT_SET_BITS)) {
        if (s->round[at] != s->this_round) {
            s->round[at] = s->this_round;
            s->slots[at] = slot;
            return true;
        }
        if (s->slots[at] == slot) {
            return false;
        }
    }
}

void timer_slot_set_clear(struct timer_slot_set *s)
{
    if (++s->this_round == 0) {
        memset(s->round, 0, sizeof(s->round));
        s->this_round = 1;
    }
}

/* ---- what is due ------------------------------------------------------------------------------- */

/* Leaves of marks[0..n) those whose timers are set, each timer once, with their slots. */
static int keep_set(struct timer_service *t, struct timer_half *h, struct timer_mark *marks,
                    uint32_t *slots, uint32_t *inout_n, struct error *err)
{
    uint32_t kept = 0;
    struct keyed_hashed wanted[TIMER_FIRE_ROWS];
    for (uint32_t i = 0; i < *inout_n; i++) {
        wanted[i] = (struct keyed_hashed){.hash = marks[i].hash, .number = marks[i].time_ms};
    }
    TRY(keyed_state_find_hashed(h->state, NAMESPACE_VOID, t->n_keys, wanted, *inout_n, slots, err));
    timer_slot_set_clear(&t->slot_set);
    for (uint32_t i = 0; i < *inout_n; i++) {
        uint32_t slot = slots[i];
        /* A mark that is there twice, or another timer with the same time and hash. */
        while (slot != KEYED_SLOT_NONE && UNLIKELY(!timer_slot_set_add(&t->slot_set, slot))) {
            slot = keyed_table_next_hashed(h->state->table, t->n_keys, &wanted[i], slot);
        }
        if (LIKELY(slot != KEYED_SLOT_NONE)) {
            marks[kept] = marks[i];
            slots[kept++] = slot;
        }
    }
    *inout_n = kept;
    return 0;
}

/* Up to `max` timers that are set and due, in order of time: their marks and slots, and a batch of them;
 * none: n is 0, and there is no batch. */
static int take_due(struct timer_service *t, struct timer_half *h, int64_t limit_ms, uint32_t max,
                    struct timer_mark *marks, uint32_t *slots, uint32_t *ret_n,
                    struct batch **ret_batch, struct error *err)
{
    uint32_t n;
    do {
        int64_t until_ms = limit_ms;
        if (h->order != NULL) {
            TRY(timer_half_reach(h, limit_ms, &until_ms, err));
        }
        n = timer_queue_take(&h->queue, until_ms, max, marks);
        if (n == 0) {
            *ret_n = 0;
            return 0;
        }
        TRY(keep_set(t, h, marks, slots, &n, err));
    } while (n == 0);
    TRY(keyed_state_read_keys(h->state, slots, n, ret_batch, err));
    batch_hash_keys(t->pool, *ret_batch, t->columns, t->n_keys);
    *ret_n = n;
    return 0;
}

/* ---- one by one -------------------------------------------------------------------------------- */

/* What has fired of the batch at hand is taken out of the state. */
int timer_half_drop_fired(struct timer_service *t, struct timer_half *h, struct error *err)
{
    if (h->fired == h->dropped) {
        return 0;
    }
    if (!h->slots_good) {
        /* The state was changed since they were found. */
        uint32_t n = h->order != NULL ? h->fired - h->dropped : h->fire_n - h->dropped;
        TRY(timer_half_find(t, h, h->firing, h->dropped, n, h->fire_slots + h->dropped, err));
        /* What the store alone has is only found to be removed. */
        h->slots_good = h->order == NULL;
    }
    uint32_t slots[TIMER_FIRE_ROWS], n = 0;
    for (; h->dropped < h->fired; h->dropped++) {
        /* One that was deleted while it waited is gone already. */
        if (h->fire_slots[h->dropped] != KEYED_SLOT_NONE) {
            slots[n++] = h->fire_slots[h->dropped];
        }
    }
    timer_half_remove(h, slots, n);
    return 0;
}

/* Gives back what has not fired of the batch at hand. */
static int put_back(struct timer_service *t, struct timer_half *h, struct error *err)
{
    if (h->firing == NULL) {
        return 0;
    }
    TRY(timer_half_drop_fired(t, h, err));
    for (uint32_t i = h->fired; i < h->fire_n; i++) {
        timer_queue_add(&h->queue, h->fire_marks[i].time_ms, h->fire_marks[i].hash);
    }
    h->firing = batch_unref(h->firing);
    h->fire_n = h->fired = h->dropped = 0;
    return 0;
}

/* The next batch of due timers, which are set; none: h->firing is NULL. */
static int load_due(struct timer_service *t, struct timer_half *h, int64_t limit_ms,
                    struct error *err)
{
    TRY(put_back(t, h, err));
    TRY(timer_pending_apply(t, err));
    TRY(take_due(t, h, limit_ms, h->fire_rows, h->fire_marks, h->fire_slots, &h->fire_n, &h->firing,
                 err));
    h->slots_good = true;
    h->fire_rows = h->fire_n > 0 ? MIN(h->fire_rows * 2, (uint32_t)TIMER_FIRE_ROWS)
                                 : (uint32_t)TIMER_FIRE_ROWS;
    return 0;
}

int timer_service_fire(struct timer_service *t, enum timer_kind kind, int64_t limit_ms,
                       struct timer *ret_timer, struct error *err)
{
    struct timer_half *h = &t->halves[kind];
    if (UNLIKELY(h->disturbed)) {
        /* Something that is due was set or deleted by what fired last: smaller batches for now. */
        h->disturbed = false;
        h->fire_rows = TIMER_DISTURBED_ROWS;
        TRY(put_back(t, h, err));
    }
    h->firing_until_ms = limit_ms;
    if (h->firing == NULL || h->fired == h->fire_n) {
        TRY(load_due(t, h, limit_ms, err));
        if (h->firing == NULL) {
            h->firing_until_ms = INT64_MIN;
            return timer_service_settle(t, err);
        }
    }
    uint32_t row = h->fired++;
    if (t->batch != h->firing) {
        TRY(timer_service_begin(t, h->firing, t->columns, err));
    }
    *ret_timer = (struct timer){
        .time_ms = timer_times(t, h->firing)[row],
        .name_space = timer_name_spaces(t, h->firing)[row],
        .batch = h->firing,
        .row = row,
    };
    return 1;
}

/* ---- many at once ------------------------------------------------------------------------------ */

int timer_service_take(struct timer_service *t, enum timer_kind kind, int64_t limit_ms,
                       struct timer_batch *ret_due, struct error *err)
{
    struct timer_half *h = &t->halves[kind];
    struct timer_mark marks[TIMER_FIRE_ROWS];
    uint32_t slots[TIMER_FIRE_ROWS], n = 0;
    struct batch *b = NULL;
    *ret_due = (struct timer_batch){.batch = NULL};
    TRY(timer_service_settle(t, err));
    TRY(take_due(t, h, limit_ms, TIMER_FIRE_ROWS, marks, slots, &n, &b, err));
    if (n > 0) {
        timer_half_remove(h, slots, n);
        *ret_due = (struct timer_batch){
            .batch = b,
            .rows = t->in_order,
            .n = n,
            .times_ms = timer_times(t, b),
            .name_spaces = timer_name_spaces(t, b),
        };
    }
    return 0;
}

/* ---- facts ------------------------------------------------------------------------------------- */

int64_t timer_service_next_time(const struct timer_service *t, enum timer_kind kind)
{
    const struct timer_half *h = &t->halves[kind];
    int64_t next_ms = MIN(timer_queue_head(&h->queue), h->adds.least_ms), far_ms;
    if (h->order != NULL && paged_order_horizon(h->order, &far_ms)) {
        next_ms = MIN(next_ms, far_ms);
    }
    if (h->firing != NULL && h->fired < h->fire_n) {
        next_ms = MIN(next_ms, h->fire_marks[h->fired].time_ms);
    }
    return next_ms;
}

bool timer_service_was_stored(const struct timer_service *t, enum timer_kind kind)
{
    return t->halves[kind].state->was_stored;
}

uint64_t timer_service_count(const struct timer_service *t, enum timer_kind kind)
{
    return t->halves[kind].n_set;
}
