/* Constant parts of expressions become literals: each is a program of its own that runs once.  What they decide is left out. */
#include "engine/expr/program.h"
#include "engine/expr/simplify.h"

#include "common/base/map.h"

struct folding {
    struct expr_pool *pool;
    const struct time_zone *zone;
    struct buffer_pool *buffers;
    struct map done; /* node -> what it became */
};

static bool is_dynamic(const struct expr *e)
{
    if (e->kind == EXPR_CALL && (e->function->flags & EXPR_FN_DYNAMIC) != 0) {
        return true;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (is_dynamic(e->args[i])) {
            return true;
        }
    }
    return false;
}

/* Literals have types without children. */
static bool has_literal(const struct data_type *type)
{
    return type->layout != LAYOUT_NULL && type->layout != LAYOUT_LIST &&
           type->layout != LAYOUT_MAP && type->layout != LAYOUT_STRUCT;
}

static const struct expr *evaluate(struct folding *f, const struct expr *e)
{
    const char *name = "v";
    struct data_type *in_type = type_new(TYPE_BOOLEAN, true);
    struct data_type *out_type = type_ref(e->type);
    struct schema *input = schema_new(&name, &in_type, 1);
    struct schema *output = schema_new(&name, &out_type, 1);
    struct batch *one = batch_new(f->buffers, input), *result = NULL;
    struct expr_program *program = NULL;
    const struct expr *literal = NULL;
    const struct expr_program_options options = {
        .input = input,
        .output = output,
        .outputs = &e,
        .n_outputs = 1,
        .zone = f->zone,
    };
    const struct expr_clock clock = {.watermark = INT64_MIN};
    one->n_rows = one->n_sel = 1;
    column_fill_nulls(f->buffers, &one->columns[0], 1);
    if (expr_program_new(&options, &program, NULL) == 0 &&
        expr_program_run(program, f->buffers, one, &clock, &result, NULL) == 0) {
        literal = expr_literal(f->pool, type_ref(e->type), expr_value_of(&result->columns[0], 0));
    }
    batch_unref(result);
    expr_program_free(program);
    batch_unref(one);
    schema_unref(input);
    schema_unref(output);
    return literal;
}

/* The literal; NULL: it is none, or failed. */
static const struct expr *literal_of(struct folding *f, const struct expr *e)
{
    if (e->kind == EXPR_LITERAL || !e->is_constant || e->n_args == 0 || !has_literal(e->type) ||
        is_dynamic(e)) {
        return NULL;
    }
    return evaluate(f, e);
}

static const struct expr *fold(struct folding *f, const struct expr *e);

static const struct expr *fold_args(struct folding *f, const struct expr *e)
{
    const struct expr **args = mem_alloc(e->n_args * sizeof(*args));
    for (uint32_t i = 0; i < e->n_args; i++) {
        args[i] = fold(f, e->args[i]);
    }
    const struct expr *made = expr_simplify_call(f->pool, expr_with_args(f->pool, e, args));
    mem_free(args);
    const struct expr *literal = made != e ? literal_of(f, made) : NULL;
    return literal != NULL ? literal : made;
}

static const struct expr *fold(struct folding *f, const struct expr *e)
{
    if (e->n_args == 0) {
        return e;
    }
    const struct expr *made = map_find_bytes(&f->done, &e, sizeof(e));
    if (made == NULL) {
        made = literal_of(f, e);
        made = made != NULL ? made : fold_args(f, e);
        map_put_bytes(&f->done, &e, sizeof(e), (void *)(uintptr_t)made);
    }
    return made;
}

const struct expr *expr_fold(struct expr_pool *pool, const struct expr *e,
                             const struct time_zone *zone)
{
    static const struct buffer_pool_options options = {.name = "constants of a plan"};
    struct folding f = {.pool = pool, .zone = zone, .buffers = buffer_pool_new(&options)};
    map_init(&f.done, NULL);
    const struct expr *folded = fold(&f, e);
    map_fini(&f.done);
    buffer_pool_close(f.buffers);
    return folded;
}
