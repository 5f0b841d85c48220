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

/* Puts what the state holds in order of time. */
static int order_restored(struct timer_service *t, struct timer_half *h, struct error *err)
{
    uint32_t slots[TIMER_FIRE_ROWS], n = 0, slot = 0;
    do {
        slot = keyed_state_next(h->state, NAMESPACE_VOID, slot);
        if (slot != KEYED_SLOT_NONE && slot % 8 == 0 && PLANTED("timers.lost")) {
            slot++;
        } else if (slot != KEYED_SLOT_NONE) {
            slots[n++] = slot++;
        }
        if (n > 0 && (n == ARRAY_LEN(slots) || slot == KEYED_SLOT_NONE)) {
            struct batch *b = NULL;
            TRY(keyed_state_read_keys(h->state, slots, n, &b, err));
            batch_hash_keys(t->pool, b, t->columns, t->n_keys);
            timer_queue_push(&h->queue, b);
            h->n_set += n;
            n = 0;
        }
    } while (slot != KEYED_SLOT_NONE);
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
        .kind = "timers",
        .value_layout = t->no_value,
    };
    TRY(keyed_backend_state(t->backend, &desc, &h->state, err));
    timer_queue_init(&h->queue, t->pool, t->schema, t->n_keys);
    h->adds.least_ms = h->deletes.least_ms = INT64_MAX;
    h->firing_until_ms = INT64_MIN;
    h->fire_rows = TIMER_FIRE_ROWS;
    return order_restored(t, h, err);
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

/* ---- which of the due timers are still set ------------------------------------------------------- */

/* Through a header of its own, because `b` may have other holders. */
int timer_half_find(struct timer_service *t, struct timer_half *h, struct batch *b,
                    uint32_t *ret_slots, struct error *err)
{
    for (uint32_t i = 0; i < t->n_keys + 2; i++) {
        t->column_map[i] = (int32_t)i;
    }
    struct batch *own = batch_project(t->pool, b, t->schema, t->column_map);
    batch_extend_hashes(t->pool, own, t->columns + t->n_keys, 2);
    int rc = keyed_state_find(h->state, NAMESPACE_VOID, own, t->columns, ret_slots, err);
    batch_unref(own);
    return rc;
}

/* True the first time that it is asked for a slot since slot_set_clear(). */
static bool slot_set_add(struct timer_slot_set *s, uint32_t slot)
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

static void slot_set_clear(struct timer_slot_set *s)
{
    if (++s->this_round == 0) {
        memset(s->round, 0, sizeof(s->round));
        s->this_round = 1;
    }
}

/* Leaves of rows[0..n) those that are set, each timer once, with their slots. */
int timer_half_keep_set(struct timer_service *t, struct timer_half *h, struct batch *b,
                        uint16_t *rows, uint32_t *slots, uint32_t *inout_n, struct error *err)
{
    uint32_t by_row[BATCH_ROWS_MAX], kept = 0;
    ASSERT(b->sel == NULL);
    TRY(timer_half_find(t, h, b, by_row, err));
    slot_set_clear(&t->slot_set);
    for (uint32_t i = 0; i < *inout_n; i++) {
        uint32_t slot = by_row[rows[i]];
        if (LIKELY(slot != KEYED_SLOT_NONE) && LIKELY(slot_set_add(&t->slot_set, slot))) {
            rows[kept] = rows[i];
            slots[kept++] = slot;
        }
    }
    *inout_n = kept;
    return 0;
}

static void remove_slots(struct timer_half *h, const uint32_t *slots, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        keyed_state_remove(h->state, slots[i]);
    }
    h->n_set -= n;
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
        uint32_t by_row[BATCH_ROWS_MAX];
        TRY(timer_half_find(t, h, h->firing, by_row, err));
        for (uint32_t i = h->dropped; i < h->fire_n; i++) {
            h->fire_slots[i] = by_row[h->fire_order[i]];
        }
        h->slots_good = true;
    }
    for (uint32_t i = h->dropped; i < h->fired; i++) {
        /* One that was deleted while it waited is gone already. */
        if (h->fire_slots[i] != KEYED_SLOT_NONE) {
            keyed_state_remove(h->state, h->fire_slots[i]);
            h->n_set--;
        }
    }
    h->dropped = h->fired;
    return 0;
}

/* Gives back what has not fired of the batch at hand. */
static int put_back(struct timer_service *t, struct timer_half *h, struct error *err)
{
    if (h->firing == NULL) {
        return 0;
    }
    TRY(timer_half_drop_fired(t, h, err));
    timer_queue_push_sorted(&h->queue, h->firing, h->fire_order + h->fired, h->fire_n - h->fired);
    h->firing = batch_unref(h->firing);
    h->fire_n = h->fired = h->dropped = 0;
    return 0;
}

/* The next batch of due timers, which are set; none: h->firing is NULL. */
static int load_due(struct timer_service *t, struct timer_half *h, int64_t limit_ms,
                    struct error *err)
{
    do {
        TRY(put_back(t, h, err));
        TRY(timer_pending_apply(t, err));
        h->firing = timer_queue_take(&h->queue, limit_ms, h->fire_rows, h->fire_order, &h->fire_n);
        if (h->firing == NULL) {
            h->fire_rows = TIMER_FIRE_ROWS;
            return 0;
        }
        TRY(timer_half_keep_set(t, h, h->firing, h->fire_order, h->fire_slots, &h->fire_n, err));
        h->slots_good = true;
    } while (h->fire_n == 0);
    h->fire_rows = MIN(h->fire_rows * 2, (uint32_t)TIMER_FIRE_ROWS);
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
    uint32_t row = h->fire_order[h->fired++];
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
    uint32_t slots[TIMER_FIRE_ROWS];
    TRY(timer_service_settle(t, err));
    for (;;) {
        uint32_t n = 0;
        *ret_due = (struct timer_batch){.batch = NULL};
        struct batch *b = timer_queue_take(&h->queue, limit_ms, TIMER_FIRE_ROWS, t->taken_rows, &n);
        if (b == NULL) {
            return 0;
        }
        int rc = timer_half_keep_set(t, h, b, t->taken_rows, slots, &n, err);
        if (rc < 0 || n == 0) {
            batch_unref(b);
            TRY(rc);
            continue;
        }
        remove_slots(h, slots, n);
        *ret_due = (struct timer_batch){
            .batch = b,
            .rows = t->taken_rows,
            .n = n,
            .times_ms = timer_times(t, b),
            .name_spaces = timer_name_spaces(t, b),
        };
        return 0;
    }
}

/* ---- facts ------------------------------------------------------------------------------------- */

int64_t timer_service_next_time(const struct timer_service *t, enum timer_kind kind)
{
    const struct timer_half *h = &t->halves[kind];
    int64_t next_ms = MIN(timer_queue_head(&h->queue), h->adds.least_ms);
    if (h->firing != NULL && h->fired < h->fire_n) {
        next_ms = MIN(next_ms, timer_times(t, h->firing)[h->fire_order[h->fired]]);
    }
    return next_ms;
}

uint64_t timer_service_count(const struct timer_service *t, enum timer_kind kind)
{
    return t->halves[kind].n_set;
}
