/* A list that only grows: readers follow `next` without a lock. */
#include "taskmanager/worker/accumulators.h"
#include "common/base/mem.h"
#include <string.h>

void accumulators_init(struct accumulators *a)
{
    atomic_init(&a->first, NULL);
    atomic_init(&a->n, 0);
}

void accumulators_fini(struct accumulators *a)
{
    struct accumulator *item = atomic_load(&a->first);
    while (item != NULL) {
        struct accumulator *next = atomic_load(&item->next);
        mem_free(item->name);
        mem_free(item->type);
        mem_free(item);
        item = next;
    }
    accumulators_init(a);
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static struct accumulator *accumulator_new(const char *name, const char *type)
{
    struct accumulator *item = MEM_NEW(struct accumulator);
    item->name = mem_strdup(name);
    item->type = mem_strdup(type);
    atomic_init(&item->double_bits, bits_of(0));
    return item;
}

int accumulators_add(struct accumulators *a, const char *name, const char *type, int64_t delta,
                     double delta_double, struct error *err)
{
    struct accumulator *_Atomic *link = &a->first;
    struct accumulator *item;
    while ((item = atomic_load_explicit(link, memory_order_relaxed)) != NULL &&
           strcmp(item->name, name) != 0) {
        link = &item->next;
    }
    if (item == NULL) {
        uint32_t n = atomic_load_explicit(&a->n, memory_order_relaxed);
        if (n >= ACCUMULATORS_MAX) {
            return error_set(err, ERR_LIMIT, "accumulator '%s' would be more than %d of one task",
                             name, ACCUMULATORS_MAX);
        }
        item = accumulator_new(name, type);
        atomic_store_explicit(link, item, memory_order_release);
        atomic_store_explicit(&a->n, n + 1, memory_order_release);
    }
    if (strcmp(item->type, type) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "accumulator '%s' is a %s, not a %s", name,
                         item->type, type);
    }
    int64_t value = atomic_load_explicit(&item->long_value, memory_order_relaxed);
    double real = double_of(atomic_load_explicit(&item->double_bits, memory_order_relaxed));
    /* Wraps around, as Java's long does. */
    value = (int64_t)((uint64_t)value + (uint64_t)delta);
    atomic_store_explicit(&item->long_value, value, memory_order_relaxed);
    atomic_store_explicit(&item->double_bits, bits_of(real + delta_double), memory_order_relaxed);
    return 0;
}

Flinc__Accumulator **accumulators_snapshot(const struct accumulators *a, size_t *ret_n)
{
    size_t n = atomic_load_explicit(&a->n, memory_order_acquire);
    *ret_n = n;
    if (n == 0) {
        return NULL;
    }
    /* Pointers and messages in one block. */
    Flinc__Accumulator **list = mem_zalloc(n * (sizeof(*list) + sizeof(**list)));
    Flinc__Accumulator *messages = (Flinc__Accumulator *)(void *)(list + n);
    const struct accumulator *item = atomic_load_explicit(&a->first, memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        flinc__accumulator__init(&messages[i]);
        messages[i].name = item->name;
        messages[i].type = item->type;
        messages[i].long_value = atomic_load_explicit(&item->long_value, memory_order_relaxed);
        messages[i].double_value =
            double_of(atomic_load_explicit(&item->double_bits, memory_order_relaxed));
        list[i] = &messages[i];
        item = atomic_load_explicit(&item->next, memory_order_acquire);
    }
    return list;
}
