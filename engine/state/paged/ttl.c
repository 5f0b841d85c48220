/* Entries whose time is over: compactions of RocksDB leave them out.
 *
 * Thread: RocksDB's read what the task's has added; a state is there as a whole before it is counted.
 * Flink: RocksDbTtlCompactFiltersManager. */
#include "engine/state/paged/paged.h"

enum { RECORD_BYTES_MAX = 4096 /* larger ones are left to who reads them */ };

struct ttl_state {
    char infix[PAGED_INFIX], spaces[PAGED_INFIX];
    struct record_layout layout; /* Owns */
    struct record_row row;
    bool is_in_front; /* the stamp, of values that are no rows */
    struct keyed_expiry expiry;
};

struct paged_ttl {
    _Atomic uint32_t n;
    struct ttl_state states[STATES_MAX];
};

struct paged_ttl *paged_ttl_new(void)
{
    struct paged_ttl *t = MEM_NEW(struct paged_ttl);
    atomic_init(&t->n, 0);
    return t;
}

struct paged_ttl *paged_ttl_free(struct paged_ttl *t)
{
    for (uint32_t i = 0; t != NULL && i < atomic_load(&t->n); i++) {
        record_row_fini(&t->states[i].row);
        record_layout_fini(&t->states[i].layout);
    }
    mem_free(t);
    return NULL;
}

void paged_ttl_add(struct paged_ttl *t, const struct paged_state *ps)
{
    const struct keyed_expiry *x = &ps->state->expiry;
    uint32_t n = atomic_load(&t->n);
    if (x->clock == NULL || x->ttl_ms == 0 || ps->value.size > RECORD_BYTES_MAX ||
        n == STATES_MAX) {
        return;
    }
    struct ttl_state *s = &t->states[n];
    memcpy(s->infix, ps->infix.bytes, sizeof(s->infix));
    memcpy(s->spaces, ps->spaces.bytes, sizeof(s->spaces));
    record_layout_init_fields(&s->layout, ps->value.schema, ps->value.size, ps->value.fields,
                              ps->value.n_fields);
    record_row_init(&s->row, &s->layout);
    s->is_in_front = ps->state->ops != NULL;
    s->expiry = *x;
    atomic_store(&t->n, n + 1);
}

static bool is_over(const struct ttl_state *s, struct rocks_bytes value)
{
    _Alignas(16) char record[RECORD_BYTES_MAX];
    int64_t stamp;
    if (s->is_in_front) {
        if (value.size < sizeof(stamp)) {
            return false;
        }
        memcpy(&stamp, value.data, sizeof(stamp));
        return keyed_stamp_is_over(stamp, s->expiry.ttl_ms, clock_now_ms(s->expiry.clock));
    }
    if (record_row_read(&s->row, value.data, value.size, record, NULL) < 0) {
        return false; /* who reads it says so */
    }
    memcpy(&stamp, record + s->expiry.offset, sizeof(stamp));
    return keyed_stamp_is_over(stamp, s->expiry.ttl_ms, clock_now_ms(s->expiry.clock));
}

bool paged_ttl_is_over(const void *arg, struct rocks_bytes key, struct rocks_bytes value)
{
    const struct paged_ttl *t = arg;
    uint32_t n = atomic_load(&t->n);
    for (uint32_t i = 0; i < n && key.size >= 2 + PAGED_INFIX; i++) {
        if (memcmp(key.data + 2, t->states[i].infix, PAGED_INFIX) == 0 ||
            memcmp(key.data + 2, t->states[i].spaces, PAGED_INFIX) == 0) {
            return is_over(&t->states[i], value);
        }
    }
    return false;
}
