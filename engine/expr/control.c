/* AND, OR, CASE, COALESCE: operands are evaluated for the rows that want them. */
#include "engine/expr/program_inside.h"

/* ---- AND, OR ---------------------------------------------------------------------------------------- */

/* TRUE and FALSE of 64 rows; neither: NULL. */
struct truth {
    uint64_t is_true, is_false;
};

static struct truth truth_at(const struct expr_vector *v, uint32_t word)
{
    uint64_t value, valid = UINT64_MAX;
    if (v->is_constant) {
        if (column_is_null(&v->column, 0)) {
            return (struct truth){0, 0};
        }
        value = column_get_bool(&v->column, 0) ? UINT64_MAX : 0;
        return (struct truth){value, ~value};
    }
    memcpy(&value, v->column.values->data + (size_t)word * 8, sizeof(value));
    if (v->column.validity != NULL) {
        memcpy(&valid, v->column.validity->data + (size_t)word * 8, sizeof(valid));
    }
    return (struct truth){value & valid, ~value & valid};
}

/* Buffers may be read over their end by BUFFER_PADDING bytes, and have room for whole words here. */
static void combine(struct expr_program *p, bool is_and, const struct expr_vector *a,
                    const struct expr_vector *b, uint32_t n_rows, struct expr_vector *out)
{
    const uint32_t words = (n_rows + 63) / 64;
    const bool has_nulls = (a->column.validity != NULL) | (b->column.validity != NULL);
    struct buffer *values = buffer_get(p->context.pool, (uint64_t)words * 8), *valid = NULL;
    values->size = (n_rows + 7) / 8;
    if (has_nulls) {
        valid = buffer_get(p->context.pool, (uint64_t)words * 8);
        valid->size = values->size;
    }
    for (uint32_t w = 0; w < words; w++) {
        const struct truth x = truth_at(a, w), y = truth_at(b, w);
        const uint64_t t = is_and ? x.is_true & y.is_true : x.is_true | y.is_true;
        const uint64_t f = is_and ? x.is_false | y.is_false : x.is_false & y.is_false;
        const uint64_t either = t | f;
        memcpy(values->data + (size_t)w * 8, &t, sizeof(t));
        if (has_nulls) {
            memcpy(valid->data + (size_t)w * 8, &either, sizeof(either));
        }
    }
    column_set_values(&out->column, values);
    column_set_validity(&out->column, valid);
}

/* Rows that are not decided yet: not FALSE for AND, not TRUE for OR. */
static uint32_t undecided(bool is_and, const struct expr_vector *v, const uint16_t *rows,
                          uint32_t n, uint16_t *ret)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows != NULL ? rows[i] : i;
        const bool is_decided =
            !column_is_null(&v->column, row) && column_get_bool(&v->column, row) != is_and;
        ret[found] = (uint16_t)row;
        found += !is_decided;
    }
    return found;
}

/* An operand that is constant, as a vector of rows. */
static void first_operand(struct expr_program *p, const struct expr_vector *v, uint32_t n_rows,
                          struct expr_vector *out)
{
    if (v->is_constant) {
        const struct expr_value value = expr_value_of(&v->column, 0);
        expr_value_fill(p->context.pool, out->column.type, &value, n_rows, &out->column);
    } else {
        column_share(p->context.pool, &out->column, &v->column);
    }
}

static int run_logic(struct expr_program *p, const struct expr_instruction *in,
                     const uint16_t *rows, uint32_t n, uint32_t n_rows, struct error *err)
{
    struct expr_vector *out = &p->registers[in->out];
    uint16_t *open = arena_alloc(&p->scratch, (n + 1) * sizeof(*open));
    expr_prepare(p, out, p->types[in->out], 0);
    first_operand(p, in->vectors[0], n_rows, out);
    for (uint32_t k = 1; k < in->n_args; k++) {
        if (in->blocks[k].n > 0) {
            n = undecided(in->is_and, out, rows, n, open);
            rows = open;
            if (n == 0) {
                break;
            }
            TRY(expr_run_block(p, &in->blocks[k], rows, n, n_rows, err));
        }
        combine(p, in->is_and, out, in->vectors[k], n_rows, out);
    }
    return 0;
}

/* ---- CASE, COALESCE --------------------------------------------------------------------------------- */

enum { NO_ARM = 0xffff };

struct choice {
    struct expr_program *program;
    const struct expr_instruction *in;
    struct expr_frame frame;
    uint16_t *arms; /* of nested results: the argument of each row */
};

static void choose_fixed(struct expr_frame *f, uint32_t k, uint32_t width, const uint16_t *rows,
                         uint32_t n)
{
    const struct expr_vector *v = f->args[k];
    const uint8_t *from = v->column.values->data;
    uint8_t *to = f->out->column.values->data;
    const bool is_constant = v->is_constant, is_plain = v->column.validity == NULL;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows[i], at = is_constant ? 0 : row;
        if (!is_plain && column_is_null(&v->column, at)) {
            expr_set_null(f, row);
        } else if (width == 8) {
            memcpy(to + (size_t)row * 8, from + (size_t)at * 8, 8);
        } else if (width == 4) {
            memcpy(to + (size_t)row * 4, from + (size_t)at * 4, 4);
        } else {
            memcpy(to + (size_t)row * width, from + (size_t)at * width, width);
        }
    }
}

/* Short ones are their views. */
static void choose_views(struct expr_frame *f, uint32_t k, const uint16_t *rows, uint32_t n)
{
    const struct expr_vector *v = f->args[k];
    const struct view *from = EXPR_VALUES(v, const struct view);
    struct view *to = EXPR_VALUES(f->out, struct view);
    const bool is_plain = v->column.validity == NULL;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows[i], at = v->is_constant ? 0 : row;
        if (!is_plain && column_is_null(&v->column, at)) {
            expr_set_null(f, row);
        } else if (view_is_inline(&from[at])) {
            to[row] = from[at];
        } else {
            expr_put_arg(f, row, k);
        }
    }
}

/* The value of argument k becomes that of the rows. */
static void choose(struct choice *c, uint32_t k, const uint16_t *rows, uint32_t n)
{
    struct expr_frame *f = &c->frame;
    const struct data_type *type = f->out->column.type;
    switch (type->layout) {
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < n; i++) {
            c->arms[rows[i]] = (uint16_t)k;
        }
        break;
    case LAYOUT_NULL:
        break;
    case LAYOUT_BIT:
        for (uint32_t i = 0; i < n; i++) {
            expr_put_arg(f, rows[i], k);
        }
        break;
    case LAYOUT_VIEW:
        choose_views(f, k, rows, n);
        break;
    default:
        choose_fixed(f, k, type->width, rows, n);
        break;
    }
}

static int put_nested(struct choice *c, struct error *err)
{
    struct expr_frame *f = &c->frame;
    for (uint32_t row = 0; row < f->n_rows; row++) {
        if (c->arms[row] != NO_ARM) {
            const struct expr_vector *v = f->args[c->arms[row]];
            TRY(builder_put_cell(expr_builder(f, row), 0, &v->column, expr_at(v, row), err));
            expr_next(f, row);
        }
    }
    expr_finish_nested(f);
    return 0;
}

/* Those of `rest` whose bit is set go to `ret_taken`, and the others move together, in order and without branches.  Returns how many
 * were taken. */
static uint32_t split_by_bits(const uint8_t *bits, uint16_t *rest, uint32_t n, uint16_t *ret_taken)
{
    uint32_t taken = 0, left = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t row = rest[i];
        const uint32_t yes = bits[row >> 3] >> (row & 7) & 1;
        ret_taken[taken] = row;
        rest[left] = row;
        taken += yes;
        left += 1 - yes;
    }
    return taken;
}

/* The same of rows for which a condition is TRUE, or a value (`is_known`) is not NULL. */
static uint32_t take_rows(const struct expr_vector *v, bool is_known, uint16_t *rest, uint32_t n,
                          uint16_t *ret_taken)
{
    const struct column *c = &v->column;
    const uint8_t *valid = c->validity != NULL ? c->validity->data : NULL;
    if (v->is_constant || (is_known && valid == NULL)) {
        const bool yes = !column_is_null(c, 0) && (is_known || column_get_bool(c, 0));
        memcpy(ret_taken, rest, yes ? n * sizeof(*rest) : 0);
        return yes ? n : 0;
    }
    if (is_known || valid == NULL) {
        return split_by_bits(is_known ? valid : c->values->data, rest, n, ret_taken);
    }
    uint32_t taken = 0, left = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t row = rest[i];
        const uint32_t yes = (valid[row >> 3] & c->values->data[row >> 3]) >> (row & 7) & 1;
        ret_taken[taken] = row;
        rest[left] = row;
        taken += yes;
        left += 1 - yes;
    }
    return taken;
}

static int run_arms(struct choice *c, uint16_t *rest, uint32_t n, uint32_t n_rows,
                    struct error *err)
{
    struct expr_program *p = c->program;
    const struct expr_instruction *in = c->in;
    const bool is_case = in->op == EXPR_OP_CASE;
    const uint32_t step = is_case ? 2 : 1;
    uint16_t *taken = arena_alloc(&p->scratch, (n + 1) * sizeof(*taken));
    uint32_t k = 0;
    for (; k + (is_case ? 1 : 0) < in->n_args && n > 0; k += step) {
        TRY(expr_run_block(p, &in->blocks[k], rest, n, n_rows, err));
        const uint32_t n_taken = take_rows(in->vectors[k], !is_case, rest, n, taken);
        if (n_taken == 0) {
            continue;
        }
        if (is_case) {
            TRY(expr_run_block(p, &in->blocks[k + 1], taken, n_taken, n_rows, err));
        }
        choose(c, is_case ? k + 1 : k, taken, n_taken);
        n -= n_taken;
    }
    if (n > 0 && is_case) {
        TRY(expr_run_block(p, &in->blocks[k], rest, n, n_rows, err));
        choose(c, k, rest, n);
    }
    for (uint32_t i = 0; !is_case && i < n && c->arms == NULL; i++) {
        expr_set_null(&c->frame, rest[i]);
    }
    return 0;
}

static int run_choice(struct expr_program *p, const struct expr_instruction *in,
                      const uint16_t *rows, uint32_t n, uint32_t n_rows, struct error *err)
{
    struct expr_vector *out = &p->registers[in->out];
    struct expr_heap *heap = arena_zalloc(&p->scratch, sizeof(*heap));
    struct choice c = {
        .program = p,
        .in = in,
        .frame = {.args = in->vectors,
                  .n_args = in->n_args,
                  .out = out,
                  .n_rows = n_rows,
                  .context = &p->context,
                  .heap = heap},
    };
    uint16_t *rest = arena_alloc(&p->scratch, (n + 1) * sizeof(*rest));
    for (uint32_t i = 0; i < n; i++) {
        rest[i] = rows != NULL ? rows[i] : (uint16_t)i;
    }
    expr_prepare(p, out, p->types[in->out], n_rows);
    if (expr_is_nested(out->column.type)) {
        c.arms = arena_alloc(&p->scratch, (n_rows + 1) * sizeof(*c.arms));
        memset(c.arms, 0xff, n_rows * sizeof(*c.arms));
    }
    TRY(run_arms(&c, rest, n, n_rows, err));
    return c.arms != NULL ? put_nested(&c, err) : 0;
}

int expr_run_control(struct expr_program *p, const struct expr_instruction *in,
                     const uint16_t *rows, uint32_t n, uint32_t n_rows, struct error *err)
{
    return in->op == EXPR_OP_LOGIC ? run_logic(p, in, rows, n, n_rows, err)
                                   : run_choice(p, in, rows, n, n_rows, err);
}
