/* The user accumulators of one task: name, type, value.  One thread adds (the task's), any reads a
 * snapshot; adding to a known name is a look-up and a plain store.  Flink: Accumulator,
 * AccumulatorRegistry. */
#ifndef FLINC_TASKMANAGER_WORKER_ACCUMULATORS_H
#define FLINC_TASKMANAGER_WORKER_ACCUMULATORS_H

#include "common/base/error.h"
#include "proto/control.pb-c.h"
#include <stdatomic.h>

enum { ACCUMULATORS_MAX = 1024 };

struct accumulator {
    char *name, *type; /* Owns */
    _Atomic int64_t long_value;
    _Atomic uint64_t double_bits;
    struct accumulator *_Atomic next; /* Owns */
};

struct accumulators {
    struct accumulator *_Atomic first; /* Owns; in order of registration */
    _Atomic uint32_t n;
};

void accumulators_init(struct accumulators *a);
void accumulators_fini(struct accumulators *a);
/* Registers the name when it is new.  ERR_INVALID_ARGUMENT: it has another type; ERR_LIMIT. */
int accumulators_add(struct accumulators *a, const char *name, const char *type, int64_t delta,
                     double delta_double, struct error *err) MUST_CHECK;

/* What it is now, as messages that borrow names and types; thread: any.  Free by mem_free(). */
Flinc__Accumulator **accumulators_snapshot(const struct accumulators *a, size_t *ret_n);

#endif
