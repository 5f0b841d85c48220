/* What the files of this room share. */
#ifndef FLINC_ENGINE_USERFUNCTIONS_INSIDE_H
#define FLINC_ENGINE_USERFUNCTIONS_INSIDE_H

#include "engine/expr/aggregate_kernels.h"
#include "engine/userfunctions/userfunctions.h"

/* A function.  Lives for ever. */
struct user_function {
    struct expr_function row; /* first member */
    flinc_udf udf;            /* a copy; zero where an older library has nothing */
    char *library, *symbol, *file, *name, *wire_name, *signatures; /* Owns */
};
static inline const struct user_function *user_function_of(const struct expr_function *f)
{
    ASSERT(user_function_is_own(f));
    return (const struct user_function *)f;
}

/* ---- library.c ---- */
/* The address of a symbol that is data, and the file that it is in. */
int user_library_symbol(const char *library, const char *symbol, const void **ret,
                        const char **ret_file, struct error *err) MUST_CHECK;

/* ---- function.c ---- */
/* The result of a callback as ours: what it did. */
int user_function_result(const struct user_function *f, int code, const flinc_udf_error *why,
                         const char *doing, struct error *err) MUST_CHECK;

/* ---- describe.c ---- */
/* A call as the library sees it; all of it lies in the arena. */
struct user_description {
    flinc_udf_call face;
};
/* `args` may be NULL (types alone are known); constants come of literals. */
void user_call_describe(struct arena *arena, const struct user_function *f,
                        const struct data_type *const *types, const struct expr *const *args,
                        uint32_t n_args, const struct data_type *result, flinc_udf_call *ret);
/* A column as the library sees it. */
void user_column_show(struct arena *arena, const struct column *c, const flinc_type *type,
                      uint32_t step, flinc_udf_column *ret);
/* The kernel's columns, all of them by row. */
const flinc_udf_column *user_columns_show(struct arena *arena, const struct column *const *columns,
                                          const flinc_type *const *types, uint32_t n);

/* ---- scalar.c ---- */
int user_scalar_bind(struct expr_binding *binding, struct error *err) MUST_CHECK;
int user_scalar_kernel(struct expr_frame *f, struct error *err) MUST_CHECK;

/* ---- aggregate.c ---- */
extern const struct aggregate_desc user_aggregate;

#endif
