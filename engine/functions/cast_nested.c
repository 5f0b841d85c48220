/* Casts of arrays, maps, multisets and rows: by their parts.
 *
 * Parts whose values stay as they are share the columns; others go through a program of their own, batch by batch, for the cells
 * of wanted rows alone. */
#include "engine/functions/cast.h"

#include "engine/expr/program.h"
#include "engine/expr/type_rules.h"

/* A part of a type, and how its values are cast. */
struct part {
    struct cast_state leaf; /* types of the part */
    bool is_same;           /* values stay */
    struct part *children;
    uint32_t n_children;
    struct schema *input, *output; /* Owns: of the program, and of copies */
    struct expr_program *program;  /* Owns: of a part without children that changes */
};

struct nested_state {
    struct cast_state cast; /* first: what cast_failed() looks at */
    struct part root;
};

/* Do values of one type lie as those of the other? */
static bool is_same_inside(const struct data_type *a, const struct data_type *b)
{
    const uint32_t n = type_child_columns(a);
    if (a->id != b->id || n != type_child_columns(b)) {
        return false;
    }
    if (n == 0) {
        struct data_type *c = type_with_nullable(a, b->nullable);
        const bool same = type_equals(c, b);
        type_unref(c);
        return same;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!is_same_inside(type_child_column(a, i), type_child_column(b, i))) {
            return false;
        }
    }
    return true;
}

static void part_fini(struct part *p)
{
    p->program = expr_program_free(p->program);
    p->input = schema_unref(p->input);
    p->output = schema_unref(p->output);
    for (uint32_t i = 0; i < p->n_children; i++) {
        part_fini(&p->children[i]);
    }
}

static void state_free(void *state)
{
    part_fini(&((struct nested_state *)state)->root);
}

static struct schema *schema_of(const struct data_type *type)
{
    const char *name = "v";
    struct data_type *nullable = type_with_nullable(type, true);
    return schema_new(&name, &nullable, 1);
}

static int leaf_program(struct part *p, const struct expr_binding *b, struct error *err)
{
    struct expr_pool *pool = expr_pool_new();
    const struct expr *value = expr_input(pool, 0, type_with_nullable(p->leaf.from, true)), *cast;
    struct data_type *to = type_with_nullable(p->leaf.to, true);
    int rc = expr_cast(pool, value, to, false, &cast, err); /* TRY_CAST is of the whole */
    if (rc == 0) {
        const struct expr_program_options options = {
            .input = p->input,
            .outputs = &cast,
            .n_outputs = 1,
            .output = p->output,
            .zone = b->zone,
        };
        rc = expr_program_new(&options, &p->program, err);
    }
    type_unref(to);
    expr_pool_free(pool);
    return rc;
}

static int part_init(struct part *p, const struct data_type *from, const struct data_type *to,
                     const struct cast_state *s, struct expr_binding *b, struct error *err)
{
    *p = (struct part){.leaf = {from, to, s->is_try, s->zone}};
    p->is_same = is_same_inside(from, to);
    p->input = schema_of(from);
    p->output = schema_of(to);
    if (p->is_same) {
        return 0;
    }
    const uint32_t n = type_child_columns(from);
    if (n == 0 || from->id != to->id) {
        return leaf_program(p, b, err);
    }
    p->children = arena_zalloc(b->arena, n * sizeof(*p->children));
    for (uint32_t i = 0; i < n; i++) {
        p->n_children = i + 1;
        TRY(part_init(&p->children[i], type_child_column(from, i), type_child_column(to, i), s, b,
                      err));
    }
    return 0;
}

/* ---- running ---------------------------------------------------------------------------------------- */

/* Cells [from, from + n) through the program, a batch at a time. */
static int cast_leaf(struct part *p, struct expr_context *context, const struct column *column,
                     uint32_t from, uint32_t n, struct builder *to, struct builder_column *out,
                     struct error *err)
{
    const struct expr_clock clock = {.now_ms = context->now_ms, .watermark = context->watermark};
    struct builder copy;
    int rc = 0;
    builder_init(&copy, context->pool, p->input, BATCH_ROWS_MAX);
    copy.target_bytes = UINT64_MAX;
    for (uint32_t done = 0; rc == 0 && done < n;) {
        const uint32_t chunk = MIN(n - done, (uint32_t)BATCH_ROWS_MAX);
        struct batch *made = NULL;
        for (uint32_t i = 0; rc == 0 && i < chunk; i++) {
            rc = builder_put_cell(&copy, 0, column, from + done + i, err);
            builder_end_row(&copy);
        }
        struct batch *in = builder_finish(&copy);
        if (rc == 0) {
            rc = expr_program_run(p->program, context->pool, in, &clock, &made, err);
        }
        if (rc == 0) {
            builder_add_cells(to, out, &made->columns[0], 0, chunk);
        }
        batch_unref(made);
        batch_unref(in);
        done += chunk;
    }
    builder_fini(&copy);
    return rc;
}

/* The cells [from, from + n) of a column, cast, behind those of the builder's column. */
static int cast_cells(struct part *p, struct expr_context *context, const struct column *column,
                      uint32_t from, uint32_t n, struct builder *to, struct builder_column *out,
                      struct error *err);

/* One nested cell: its children are added, then it is closed. */
static int cast_nested_cell(struct part *p, struct expr_context *context,
                            const struct column *column, uint32_t row, struct builder *to,
                            struct builder_column *out, struct error *err)
{
    uint32_t from = row, n = 1;
    if (column->type->layout != LAYOUT_STRUCT) {
        const int32_t *offsets = COLUMN_VALUES(column, const int32_t) + row;
        from = (uint32_t)offsets[0];
        n = (uint32_t)(offsets[1] - offsets[0]);
    }
    for (uint32_t i = 0; i < p->n_children; i++) {
        TRY(cast_cells(&p->children[i], context, &column->children[i], from, n, to,
                       builder_child_of(out, i), err));
    }
    return 0;
}

static int cast_cells(struct part *p, struct expr_context *context, const struct column *column,
                      uint32_t from, uint32_t n, struct builder *to, struct builder_column *out,
                      struct error *err)
{
    if (p->is_same) {
        builder_add_cells(to, out, column, from, n);
        return 0;
    }
    if (p->program != NULL) {
        return cast_leaf(p, context, column, from, n, to, out, err);
    }
    for (uint32_t i = from; i < from + n; i++) {
        if (column_is_null(column, i)) {
            builder_add_null(to, out);
            continue;
        }
        TRY(cast_nested_cell(p, context, column, i, to, out, err));
        builder_add_nested(to, out);
    }
    return 0;
}

static int run_nested(struct expr_frame *f, struct error *err)
{
    struct nested_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        struct builder *b = expr_builder(f, row);
        const uint32_t n_before = builder_rows(b);
        int rc = cast_nested_cell(&s->root, f->context, &f->args[0]->column,
                                  expr_at(f->args[0], row), b, builder_column_of(b, 0), err);
        if (rc < 0 && s->cast.is_try && n_before == builder_rows(b)) {
            builder_cancel_row(b);
            builder_put_null(b, 0);
        } else if (rc < 0) {
            return rc;
        } else {
            builder_put_nested(b, 0);
        }
        expr_next(f, row);
    }
    return 0;
}

static int run_same(struct expr_frame *f, struct error *err)
{
    expr_put_whole(f, 0);
    return 0;
}

int functions_bind_cast_nested(struct expr_binding *b, const struct cast_state *s,
                               struct error *err)
{
    if (!type_is_constructed(s->from) || !type_is_constructed(s->to)) {
        return 0;
    }
    if (is_same_inside(s->from, s->to)) {
        b->kernel = run_same;
        b->flags &= ~(uint32_t)EXPR_FN_CAN_FAIL;
        return 0;
    }
    struct nested_state *n = arena_zalloc(b->arena, sizeof(*n));
    n->cast = *s;
    b->state = n;
    b->free_state = state_free;
    b->kernel = run_nested;
    return part_init(&n->root, s->from, s->to, s, b, err);
}
