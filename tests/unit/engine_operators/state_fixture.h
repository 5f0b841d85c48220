/* Operator state as the job master deals it out: the lists of all subtasks, in turn to the subtasks of a
 * restored job; each keeps its own when there are as many as before. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_STATE_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_STATE_FIXTURE_H

#include "fixture.h"

enum { DEALT_SUBTASKS_MAX = 16 };

/* The snapshots of all subtasks of one checkpoint. */
struct job_state {
    Flinc__OperatorSubtaskState *subtasks[DEALT_SUBTASKS_MAX]; /* Owns */
    uint32_t n;
};

static inline void job_state_clear(struct job_state *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        flinc__operator_subtask_state__free_unpacked(s->subtasks[i], NULL);
    }
    s->n = 0;
}

/* A copy of its own. */
static inline Flinc__OperatorSubtaskState *copy_state(const Flinc__OperatorSubtaskState *s)
{
    size_t size = flinc__operator_subtask_state__get_packed_size(s);
    uint8_t *bytes = mem_alloc(size + 1);
    flinc__operator_subtask_state__pack(s, bytes);
    Flinc__OperatorSubtaskState *copy = flinc__operator_subtask_state__unpack(NULL, size, bytes);
    mem_free(bytes);
    assert_non_null(copy);
    return copy;
}

/* Keeps the items of a list that are this subtask's. */
static inline void deal_part(Flinc__OperatorStatePart *p, uint32_t subtask, uint32_t parallelism,
                             uint32_t *inout_turn)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_offsets; i++) {
        if ((*inout_turn)++ % parallelism == subtask) {
            p->offsets[kept] = p->offsets[i];
            p->sizes[kept++] = p->sizes[i];
        }
    }
    p->n_offsets = p->n_sizes = kept;
}

/* What a subtask of a restored job gets; freed by the caller. */
static inline Flinc__OperatorSubtaskState *deal(const struct job_state *from, uint32_t subtask,
                                                uint32_t parallelism)
{
    Flinc__OperatorSubtaskState *all = calloc(1, sizeof(*all));
    uint32_t turns[DEALT_SUBTASKS_MAX] = {0}; /* by part */
    flinc__operator_subtask_state__init(all);
    all->operator_state = calloc(from->n + 1, sizeof(void *));
    for (uint32_t i = 0; i < from->n; i++) {
        Flinc__OperatorSubtaskState *one = copy_state(from->subtasks[i]);
        assert_int_equal(one->n_operator_state, 1);
        Flinc__OperatorStateHandle *handle = STEAL(one->operator_state[0]);
        one->n_operator_state = 0;
        for (size_t k = 0; k < handle->n_parts; k++) {
            Flinc__OperatorStatePart *p = handle->parts[k];
            if (p->mode != FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT) {
                continue;
            }
            if (from->n != parallelism) {
                deal_part(p, subtask, parallelism, &turns[k]);
            } else if (i != subtask) {
                p->n_offsets = p->n_sizes = 0;
            }
        }
        all->operator_state[all->n_operator_state++] = handle;
        flinc__operator_subtask_state__free_unpacked(one, NULL);
    }
    return all;
}

#endif
