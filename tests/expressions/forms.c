/* One expression in the forms that programs have: rows alone and many, selected and not, columns and constants, folded,
 * beside other expressions, as a condition, read back from a message. */
#include "cases.h"

#include "common/base/mem.h"
#include "common/text/time_zone.h"
#include "engine/data/batch.h"
#include "engine/expr/program.h"
#include "engine/expr/wire.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"

#include <inttypes.h>

enum { WIDE_ROWS = 203, OUTPUTS_MAX = 12 };

static const struct expr_clock test_clock = {.now_ms = 1577934245678, .watermark = INT64_MIN};

static uint32_t draw(struct forms *f, uint32_t below)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(f->random >> 33) % below;
}

static void differs(struct forms *f, const char *form, const char *sql, uint32_t row,
                    struct slice expected, struct slice got)
{
    if (f->n_differences < DIFFERENCES_MAX) {
        str_printf(&f->differences[f->n_differences++],
                   "%s\trow %" PRIu32 "\talone %.*s\tso %.*s\t%s", form, row, (int)expected.len,
                   expected.data, (int)got.len, got.data, sql);
    }
}

static void fails(struct forms *f, const char *form, const char *sql, const struct error *err)
{
    differs(f, form, sql, 0, slice_cstr("no error"), slice_cstr(err->message));
}

/* ---- programs --------------------------------------------------------------------------------------- */

static struct schema *output_schema(const struct expr *const *outputs, uint32_t n)
{
    static const char *const names[OUTPUTS_MAX] = {"o0", "o1", "o2", "o3", "o4",  "o5",
                                                   "o6", "o7", "o8", "o9", "o10", "o11"};
    struct data_type *types[OUTPUTS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        types[i] = type_with_nullable(outputs[i]->type, true);
    }
    return schema_new(names, types, n);
}

static int new_program(struct forms *f, const struct expr *condition,
                       const struct expr *const *outputs, uint32_t n,
                       struct expr_program **ret_program, struct error *err)
{
    struct schema *output = output_schema(outputs, n);
    const struct expr_program_options options = {
        .input = f->input,
        .output = output,
        .conditions = &condition,
        .n_conditions = condition != NULL ? 1 : 0,
        .outputs = outputs,
        .n_outputs = n,
        .zone = f->zone,
        .is_batch = true,
        .query_start_ms = 1577934245678,
    };
    int rc = expr_program_new(&options, ret_program, err);
    schema_unref(output);
    return rc;
}

/* A header of its own over the batch, with the rows selected; `n_rows` of them NULL: all. */
static struct batch *select_rows(struct forms *f, struct batch *all, const uint16_t *rows,
                                 uint32_t n)
{
    int32_t map[CASE_COLUMNS_MAX + 1];
    for (uint32_t i = 0; i < all->n_columns; i++) {
        map[i] = (int32_t)i;
    }
    struct batch *b = batch_project(f->buffers, all, f->input, map);
    struct buffer *sel = buffer_get(f->buffers, (uint64_t)(n + 1) * sizeof(uint16_t));
    memcpy(sel->data, rows, n * sizeof(uint16_t));
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(b, sel, n);
    return b;
}

static int run(struct forms *f, struct expr_program *program, struct batch *take_in,
               struct batch **ret, struct error *err)
{
    int rc = expr_program_run(program, f->buffers, take_in, &test_clock, ret, err);
    batch_unref(take_in);
    return rc < 0 || *ret == NULL ? rc : batch_validate(*ret, err);
}

/* ---- rows alone ------------------------------------------------------------------------------------- */

static void run_alone(struct forms *f, struct cased_expr *e, struct expr_program *program)
{
    for (uint32_t i = 0; i < f->c->n_rows; i++) {
        const uint16_t row = (uint16_t)i;
        struct batch *out = NULL;
        struct error err = ERROR_INIT;
        if (run(f, program, select_rows(f, f->rows, &row, 1), &out, &err) < 0) {
            e->is_error[i] = true;
            str_printf(&e->values[i], "!%s", err.message);
        } else {
            cell_print(&out->columns[0], batch_row(out, 0), &e->values[i]);
        }
        batch_unref(out);
    }
}

static void prepare(struct forms *f, uint32_t k, const struct sql_scope *scope)
{
    struct cased_expr *e = &f->exprs[k];
    struct sql_validator v = {.pool = f->pool, .zone = f->zone};
    struct sql_expr *tree;
    struct expr_program *program = NULL;
    struct error err = ERROR_INIT;
    int rc = sql_parse_expression(slice_cstr(f->c->exprs[k]), &f->arena, &tree, NULL, &err);
    if (rc == 0) {
        rc = sql_resolve(&v, scope, tree, &e->expr, &err);
    }
    if (rc == 0) {
        rc = new_program(f, NULL, &e->expr, 1, &program, &err);
    }
    if (rc < 0) {
        e->expr = NULL;
        str_append_cstr(&e->refused, err.message);
        return;
    }
    run_alone(f, e, program);
    expr_program_free(program);
}

static struct schema *input_schema(const struct expression_case *c)
{
    const char *names[CASE_COLUMNS_MAX + 1];
    struct data_type *types[CASE_COLUMNS_MAX + 1];
    for (uint32_t i = 0; i < c->n_columns; i++) {
        names[i] = c->names[i];
        int rc = type_parse(slice_cstr(c->types[i]), &types[i], NULL);
        ASSERT(rc == 0);
    }
    names[c->n_columns] = "unused";
    types[c->n_columns] = type_new(TYPE_BOOLEAN, true);
    return schema_new(names, types, c->n_columns + 1);
}

static void make_batches(struct forms *f)
{
    uint32_t numbers[WIDE_ROWS];
    for (uint32_t i = 0; i < WIDE_ROWS; i++) {
        numbers[i] = i % f->c->n_rows;
    }
    f->rows = case_batch(f->c, f->buffers, f->input, numbers, f->c->n_rows);
    f->wide = case_batch(f->c, f->buffers, f->input, numbers, WIDE_ROWS);
}

void forms_init(struct forms *f, const struct expression_case *c)
{
    static const struct buffer_pool_options options = {.name = "tests"};
    struct sql_scope_column columns[CASE_COLUMNS_MAX] = {0};
    memset(f, 0, sizeof(*f));
    f->c = c;
    f->random = c->seed;
    f->pool = expr_pool_new();
    f->buffers = buffer_pool_new(&options);
    arena_init(&f->arena, 0);
    int rc = time_zone_open("Europe/Berlin", &f->zone, NULL);
    ASSERT(rc == 0);
    f->input = input_schema(c);
    make_batches(f);
    for (uint32_t i = 0; i < c->n_columns; i++) {
        columns[i].name = slice_cstr(c->names[i]);
        columns[i].expr = expr_input(f->pool, i, type_ref(f->input->fields[i].type));
    }
    const struct sql_scope scope = {.columns = columns, .n = c->n_columns};
    for (uint32_t k = 0; k < c->n_exprs; k++) {
        prepare(f, k, &scope);
    }
}

void forms_fini(struct forms *f)
{
    for (uint32_t k = 0; k < f->c->n_exprs; k++) {
        str_fini(&f->exprs[k].refused);
        for (uint32_t i = 0; i < f->c->n_rows; i++) {
            str_fini(&f->exprs[k].values[i]);
        }
    }
    for (uint32_t i = 0; i < f->n_differences; i++) {
        str_fini(&f->differences[i]);
    }
    batch_unref(f->rows);
    batch_unref(f->wide);
    schema_unref(f->input);
    expr_pool_free(f->pool);
    buffer_pool_close(f->buffers);
    time_zone_free(f->zone);
    arena_fini(&f->arena);
}

/* ---- comparing -------------------------------------------------------------------------------------- */

/* Rows of the output are rows `numbers` of the case. */
static void compare_rows(struct forms *f, const char *form, uint32_t k, const struct batch *out,
                         uint32_t column, const uint32_t *numbers)
{
    struct cased_expr *e = &f->exprs[k];
    STR_AUTO text = STR_INIT;
    for (uint32_t i = 0; out != NULL && i < out->n_sel; i++) {
        const uint32_t row = batch_row(out, i);
        str_clear(&text);
        cell_print(&out->columns[column], row, &text);
        if (!slice_eq(str_slice(&text), str_slice(&e->values[numbers[row]]))) {
            differs(f, form, f->c->exprs[k], numbers[row], str_slice(&e->values[numbers[row]]),
                    str_slice(&text));
            return;
        }
    }
}

static uint32_t fine_rows(const struct forms *f, uint32_t k, uint32_t n_rows, uint16_t *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        if (!f->exprs[k].is_error[i % f->c->n_rows]) {
            ret[n++] = (uint16_t)i;
        }
    }
    return n;
}

/* Some of the rows of the wide batch: those without errors, fewer and fewer of them. */
static void compare_selected(struct forms *f, uint32_t k, struct expr_program *program,
                             uint32_t one_of)
{
    uint16_t rows[WIDE_ROWS];
    uint32_t numbers[WIDE_ROWS], n = fine_rows(f, k, WIDE_ROWS, rows), kept = 0;
    struct batch *out = NULL;
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) {
        numbers[i] = i % f->c->n_rows;
    }
    for (uint32_t i = 0; i < n; i++) {
        rows[kept] = rows[i];
        kept += draw(f, one_of) == 0;
    }
    if (kept == 0) {
        return;
    }
    if (run(f, program, select_rows(f, f->wide, rows, kept), &out, &err) < 0) {
        fails(f, "selected", f->c->exprs[k], &err);
    } else {
        if (out->n_sel != kept) {
            differs(f, "selected", f->c->exprs[k], 0, slice_cstr("all rows"), slice_cstr("fewer"));
        }
        compare_rows(f, "selected", k, out, 0, numbers);
    }
    batch_unref(out);
}

/* No selection: all rows, the errors too. */
static void compare_whole(struct forms *f, uint32_t k, struct expr_program *program)
{
    uint16_t rows[WIDE_ROWS];
    uint32_t numbers[WIDE_ROWS];
    const bool has_errors = fine_rows(f, k, WIDE_ROWS, rows) < WIDE_ROWS;
    struct batch *out = NULL;
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) {
        numbers[i] = i % f->c->n_rows;
    }
    int rc = run(f, program, batch_ref(f->wide), &out, &err);
    if (rc < 0 && !has_errors) {
        fails(f, "whole", f->c->exprs[k], &err);
    } else if (rc == 0 && has_errors) {
        differs(f, "whole", f->c->exprs[k], 0, slice_cstr("an error"), slice_cstr("none"));
    } else if (rc == 0) {
        compare_rows(f, "whole", k, out, 0, numbers);
    }
    batch_unref(out);
}

/* Batches of few rows, one after the other through one program. */
static void compare_batches(struct forms *f, uint32_t k, struct expr_program *program)
{
    uint16_t rows[CASE_ROWS_MAX];
    uint32_t numbers[CASE_ROWS_MAX];
    const uint32_t n = fine_rows(f, k, f->c->n_rows, rows);
    for (uint32_t from = 0, len; from < n; from += len) {
        struct batch *out = NULL;
        struct error err = ERROR_INIT;
        len = MIN(1 + draw(f, 5), n - from);
        for (uint32_t i = 0; i < len; i++) {
            numbers[i] = rows[from + i];
        }
        struct batch *in = case_batch(f->c, f->buffers, f->input, numbers, len);
        if (run(f, program, in, &out, &err) < 0) {
            fails(f, "batches", f->c->exprs[k], &err);
        } else {
            compare_rows(f, "batches", k, out, 0, numbers);
        }
        batch_unref(out);
    }
}

/* ---- constants -------------------------------------------------------------------------------------- */

struct replacing {
    struct forms *forms;
    uint32_t row;
};

static const struct expr *to_literal(void *arg, const struct expr *e)
{
    const struct replacing *r = arg;
    if (e->kind != EXPR_INPUT) {
        return NULL;
    }
    const struct expr_value value = expr_value_of(&r->forms->rows->columns[e->index], r->row);
    return expr_literal(r->forms->pool, type_ref(e->type), value);
}

static void compare_constant(struct forms *f, const char *form, uint32_t k, uint32_t row,
                             const struct expr *e)
{
    const struct cased_expr *cased = &f->exprs[k];
    struct expr_program *program = NULL;
    struct batch *out = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO text = STR_INIT;
    int rc = new_program(f, NULL, &e, 1, &program, &err);
    if (rc == 0) {
        rc = run(f, program, batch_ref(f->rows), &out, &err);
    }
    if (rc < 0 && !cased->is_error[row]) {
        fails(f, form, f->c->exprs[k], &err);
    } else if (rc == 0 && !(cased->is_error[row] && strcmp(form, "folded") == 0)) {
        /* What is simplified (x AND FALSE) may leave out the part that fails. */
        cell_print(&out->columns[0], out->n_rows - 1, &text);
        if (!slice_eq(str_slice(&text), str_slice(&cased->values[row]))) {
            differs(f, form, f->c->exprs[k], row, str_slice(&cased->values[row]), str_slice(&text));
        }
    }
    batch_unref(out);
    expr_program_free(program);
}

static void compare_constants(struct forms *f, uint32_t k)
{
    struct replacing r = {.forms = f, .row = draw(f, f->c->n_rows)};
    const struct expr *e = expr_rewrite(f->pool, f->exprs[k].expr, to_literal, &r);
    compare_constant(f, "constant", k, r.row, e);
    compare_constant(f, "folded", k, r.row, expr_fold(f->pool, e, f->zone));
}

/* ---- beside others ---------------------------------------------------------------------------------- */

/* What is computed with the expression in any case: arguments, but not operands of AND, CASE and their like. */
static uint32_t parts_of(const struct expr *e, const struct expr **ret, uint32_t n)
{
    if (e->kind == EXPR_CALL && e->function->control == EXPR_CONTROL_NONE) {
        for (uint32_t i = 0; i < e->n_args && n < OUTPUTS_MAX - 4; i++) {
            ret[n++] = e->args[i];
            n = parts_of(e->args[i], ret, n);
        }
    }
    return n;
}

/* The expression with its parts before and behind it, over the rows that are fine. */
static void compare_joint(struct forms *f, uint32_t k)
{
    const struct expr *outputs[OUTPUTS_MAX];
    uint16_t rows[WIDE_ROWS];
    uint32_t numbers[WIDE_ROWS], n = fine_rows(f, k, WIDE_ROWS, rows), n_outputs = 0;
    struct expr_program *program = NULL;
    struct batch *out = NULL;
    struct error err = ERROR_INIT;
    const bool is_first = draw(f, 2) == 0;
    if (is_first) {
        outputs[n_outputs++] = f->exprs[k].expr;
    }
    n_outputs = parts_of(f->exprs[k].expr, outputs, n_outputs);
    outputs[n_outputs++] = f->exprs[k].expr;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) {
        numbers[i] = i % f->c->n_rows;
    }
    if (n == 0) {
        return;
    }
    int rc = new_program(f, NULL, outputs, n_outputs, &program, &err);
    if (rc == 0) {
        rc = run(f, program, select_rows(f, f->wide, rows, n), &out, &err);
    }
    if (rc < 0) {
        fails(f, "joint", f->c->exprs[k], &err);
    } else {
        compare_rows(f, "joint", k, out, n_outputs - 1, numbers);
        compare_rows(f, "joint, first", k, out, is_first ? 0 : n_outputs - 1, numbers);
    }
    batch_unref(out);
    expr_program_free(program);
}

/* Rows for which a BOOLEAN is TRUE, with another expression as output. */
static void compare_condition(struct forms *f, uint32_t k, uint32_t other)
{
    uint16_t rows[WIDE_ROWS];
    uint32_t numbers[WIDE_ROWS], n = 0, n_true = 0;
    struct expr_program *program = NULL;
    struct batch *out = NULL;
    struct error err = ERROR_INIT;
    for (uint32_t i = 0; i < WIDE_ROWS; i++) {
        const uint32_t row = numbers[i] = i % f->c->n_rows;
        const bool is_true = str_cstr(&f->exprs[k].values[row])[0] == '1';
        if (!f->exprs[k].is_error[row] && !(is_true && f->exprs[other].is_error[row])) {
            rows[n++] = (uint16_t)i;
            n_true += is_true;
        }
    }
    if (n == 0) {
        return;
    }
    int rc = new_program(f, f->exprs[k].expr, &f->exprs[other].expr, 1, &program, &err);
    if (rc == 0) {
        rc = run(f, program, select_rows(f, f->wide, rows, n), &out, &err);
    }
    if (rc < 0) {
        fails(f, "condition", f->c->exprs[k], &err);
    } else if ((out != NULL ? out->n_sel : 0) != n_true) {
        differs(f, "condition", f->c->exprs[k], 0, slice_cstr("other rows"), slice_cstr(""));
    } else {
        compare_rows(f, "condition", other, out, 0, numbers);
    }
    batch_unref(out);
    expr_program_free(program);
}

/* ---- messages --------------------------------------------------------------------------------------- */

static void compare_wire(struct forms *f, uint32_t k)
{
    struct expr_writer *w = expr_writer_new(&f->arena);
    struct expr_pool *pool = expr_pool_new();
    const struct expr **nodes = NULL;
    struct expr_program *program = NULL;
    struct error err = ERROR_INIT;
    uint32_t index = 0;
    int rc = expr_writer_add(w, f->exprs[k].expr, &index, &err);
    if (rc == 0) {
        rc = expr_read(expr_writer_list(w), f->input, pool, &f->arena, &nodes, &err);
    }
    if (rc == 0) {
        rc = new_program(f, NULL, &nodes[index], 1, &program, &err);
    }
    if (rc < 0) {
        fails(f, "read back", f->c->exprs[k], &err);
    } else {
        compare_selected(f, k, program, 1);
    }
    expr_program_free(program);
    expr_writer_free(w);
    expr_pool_free(pool);
}

void forms_compare(struct forms *f)
{
    for (uint32_t k = 0; k < f->c->n_exprs; k++) {
        struct expr_program *program = NULL;
        if (f->exprs[k].expr == NULL) {
            continue;
        }
        int rc = new_program(f, NULL, &f->exprs[k].expr, 1, &program, NULL);
        ASSERT(rc == 0);
        compare_whole(f, k, program);
        compare_selected(f, k, program, 1);
        compare_selected(f, k, program, 2);
        compare_selected(f, k, program, 7);
        compare_batches(f, k, program);
        expr_program_free(program);
        compare_constants(f, k);
        compare_joint(f, k);
        compare_wire(f, k);
        if (f->exprs[k].expr->type->id == TYPE_BOOLEAN) {
            const uint32_t other = (k + 1) % f->c->n_exprs;
            compare_condition(f, k, f->exprs[other].expr != NULL ? other : k);
        }
    }
}
