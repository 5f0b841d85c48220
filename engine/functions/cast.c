/* CAST and TRY_CAST: the rows, and who has the kernel for a pair of types. */
#include "engine/functions/cast.h"

#include "engine/functions/functions.h"

int cast_failed(struct expr_frame *f, uint32_t row, struct slice value, struct error *err)
{
    const struct cast_state *s = f->state;
    if (s->is_try) {
        expr_set_null(f, row);
        return 0;
    }
    STR_AUTO type = STR_INIT;
    type_print(s->to, &type);
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Cannot cast '%.*s' to %s; TRY_CAST gives NULL instead",
                     (int)MIN(value.len, (size_t)100), value.data, str_cstr(&type));
}

/* Each looks whether the pair is its own. */
static void (*const families[])(struct expr_binding *b, const struct cast_state *s) = {
    functions_bind_cast_numbers,
    functions_bind_cast_text,
    functions_bind_cast_parse,
    functions_bind_cast_time,
};

static int bind_cast(struct expr_binding *b, struct error *err)
{
    struct cast_state *s = arena_zalloc(b->arena, sizeof(*s));
    s->from = b->call->args[0]->type;
    s->to = b->call->type;
    s->is_try = strcmp(b->call->function->name, "TRY_CAST") == 0;
    s->zone = b->zone;
    b->state = s;
    for (size_t i = 0; b->kernel == NULL && i < ARRAY_LEN(families); i++) {
        families[i](b, s);
    }
    return b->kernel == NULL ? functions_bind_cast_nested(b, s, err) : 0;
}

/* Calls are made by expr_cast(), which knows the type. */
static int infer_nothing(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT, "%s needs a type: %s(value AS type)",
                     function->name, function->name);
}

#define CAST_FLAGS (EXPR_FN_OPERATOR | EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE)

static const struct expr_function rows[] = {
    {.name = "CAST",
     .infer = infer_nothing,
     .flags = CAST_FLAGS,
     .bind = bind_cast,
     .category = "conversion",
     .text = "The value as another type. A value that cannot be converted fails the query.",
     .example = "CAST('42' AS INT) -- 42\nCAST(2.5 AS DECIMAL(3, 0)) -- 3"},
    {.name = "TRY_CAST",
     .infer = infer_nothing,
     .flags = CAST_FLAGS,
     .bind = bind_cast,
     .category = "conversion",
     .text = "The value as another type, or NULL when it cannot be converted.",
     .example = "TRY_CAST('42' AS INT) -- 42\nTRY_CAST('abc' AS INT) -- NULL"},
};

const struct expr_functions functions_cast = FUNCTIONS_TABLE(rows);
