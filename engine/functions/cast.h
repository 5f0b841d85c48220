/* CAST by families of types; each file gives the kernels of its own.  Inside the room only. */
#ifndef FLINC_ENGINE_FUNCTIONS_CAST_H
#define FLINC_ENGINE_FUNCTIONS_CAST_H

#include "engine/expr/function.h"

/* What kernels of casts are told. */
struct cast_state {
    const struct data_type *from, *to;
    bool is_try;                  /* a value that cannot be cast is NULL, not an error */
    const struct time_zone *zone; /* NULL: UTC */
};

/* Each sets binding->kernel when the pair of types is its own (and flags: DENSE, or CAN_FAIL taken off), else leaves it. */
void functions_bind_cast_numbers(struct expr_binding *b, const struct cast_state *s);
void functions_bind_cast_text(struct expr_binding *b, const struct cast_state *s);
void functions_bind_cast_time(struct expr_binding *b, const struct cast_state *s);
void functions_bind_cast_parse(struct expr_binding *b, const struct cast_state *s);
int functions_bind_cast_nested(struct expr_binding *b, const struct cast_state *s,
                               struct error *err) MUST_CHECK;

/* Milliseconds of the last digit that a TIME has. */
static inline int32_t cast_time_unit(const struct data_type *time)
{
    static const int32_t units[] = {1000, 100, 10, 1};
    return units[MIN(time->precision, 3)];
}

/* "Cannot parse 'abc' as INT", or NULL for TRY_CAST: what a kernel returns for a value that cannot be cast. */
int cast_failed(struct expr_frame *f, uint32_t row, struct slice value, struct error *err);

#endif
