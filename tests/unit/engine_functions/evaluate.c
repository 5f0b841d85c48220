/* One expression: parsed, resolved, compiled, run over a batch of equal rows. */
#include "evaluate.h"

#include "common/base/vec.h"
#include "common/text/time_zone.h"
#include "engine/expr/program.h"
#include "engine/functions/functions.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 67 };

static const char *const way_names[EVALUATE_WAYS] = {"constant", "folded", "columns", "selected"};

const char *evaluation_way_name(enum evaluation_way way)
{
    return way_names[way];
}

struct evaluator {
    struct expr_pool *pool;
    struct buffer_pool *buffers;
    struct time_zone *zone;
    struct arena arena;
    enum evaluation_way way;
    struct vec literals; /* const struct expr *: those that became columns */
};

/* ---- literals become columns ------------------------------------------------------------------------ */

static bool wants_literals(const struct expr_function *f)
{
    return f->signatures != NULL && strchr(f->signatures, '\'') != NULL;
}

/* The types of calls that depend on literals (ROUND(x, 2)) were found before: they stay. */
static const struct expr *to_columns(void *arg, const struct expr *e)
{
    struct evaluator *ev = arg;
    if (e->kind == EXPR_CALL && wants_literals(e->function)) {
        return e;
    }
    if (e->kind != EXPR_LITERAL || e->type->layout == LAYOUT_NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ev->literals.len; i++) {
        if (vec_ptr(&ev->literals, i) == e) {
            return expr_input(ev->pool, (uint32_t)i, type_ref(e->type));
        }
    }
    vec_push_ptr(&ev->literals, e);
    return expr_input(ev->pool, (uint32_t)ev->literals.len - 1, type_ref(e->type));
}

static bool is_selected(const struct evaluator *ev, uint32_t row)
{
    return ev->way != EVALUATE_SELECTED || row % 3 == 1;
}

static struct schema *input_schema(const struct evaluator *ev)
{
    const size_t n = ev->literals.len;
    const char *names[64];
    struct data_type *types[64];
    char text[64][16];
    ASSERT(n < 64);
    for (size_t i = 0; i < n; i++) {
        const struct expr *e = vec_ptr(&ev->literals, i);
        (void)snprintf(text[i], sizeof(text[i]), "c%zu", i);
        names[i] = text[i];
        types[i] = type_with_nullable(e->type, true);
    }
    names[n] = "unused";
    types[n] = type_new(TYPE_BOOLEAN, true);
    return schema_new(names, types, (uint32_t)n + 1);
}

/* Rows that are not selected are NULL, or what another row has. */
static struct batch *input_batch(const struct evaluator *ev, const struct schema *schema)
{
    struct batch *b = batch_new(ev->buffers, schema);
    b->n_rows = b->n_sel = ROWS;
    for (size_t i = 0; i < ev->literals.len; i++) {
        const struct expr *e = vec_ptr(&ev->literals, i);
        struct column *c = &b->columns[i];
        expr_value_fill(ev->buffers, c->type, &e->value, ROWS, c);
        if (ev->way == EVALUATE_SELECTED && c->validity == NULL) {
            struct buffer *bits = buffer_get(ev->buffers, (ROWS + 7) / 8);
            memset(bits->data, 0xff, (ROWS + 7) / 8);
            bits->size = (ROWS + 7) / 8;
            for (uint32_t row = 0; row < ROWS; row += 3) {
                bits->data[row >> 3] &= (uint8_t) ~(1u << (row & 7));
            }
            column_set_validity(c, bits);
        }
    }
    column_fill_nulls(ev->buffers, &b->columns[ev->literals.len], ROWS);
    if (ev->way == EVALUATE_SELECTED) {
        struct buffer *sel = buffer_get(ev->buffers, ROWS * sizeof(uint16_t));
        uint16_t *rows = (uint16_t *)(void *)sel->data;
        uint32_t n = 0;
        for (uint16_t row = 0; row < ROWS; row++) {
            if (is_selected(ev, row)) {
                rows[n++] = row;
            }
        }
        sel->size = n * sizeof(uint16_t);
        batch_set_selection(b, sel, n);
    }
    return b;
}

/* ---- one expression --------------------------------------------------------------------------------- */

static void print_cell(const struct column *c, uint32_t row, struct str *out)
{
    if (column_is_null(c, row)) {
        str_append_cstr(out, "NULL");
    } else {
        column_print_cell(c, row, out);
    }
}

static int check_rows(const struct evaluator *ev, const struct batch *b, struct evaluation *ret,
                      struct error *err)
{
    STR_AUTO other = STR_INIT;
    TRY(batch_validate(b, err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        str_clear(&other);
        print_cell(&b->columns[0], batch_row(b, i), &other);
        if (i == 0) {
            str_append_slice(&ret->value, str_slice(&other));
        } else if (!slice_eq(str_slice(&other), str_slice(&ret->value)) &&
                   ev->way >= EVALUATE_COLUMNS) {
            return error_set(err, ERR_INTERNAL, "row %" PRIu32 " is '%s', the first one '%s'",
                             batch_row(b, i), str_cstr(&other), str_cstr(&ret->value));
        }
    }
    return 0;
}

static int run(struct evaluator *ev, const struct expr *e, struct evaluation *ret,
               struct error *err)
{
    const char *name = "v";
    struct data_type *type = type_with_nullable(e->type, true);
    struct schema *output = schema_new(&name, &type, 1), *input = input_schema(ev);
    struct batch *in = input_batch(ev, input), *out = NULL;
    const struct expr_program_options options = {
        .input = input,
        .output = output,
        .outputs = &e,
        .n_outputs = 1,
        .zone = ev->zone,
        .is_batch = true,
        .query_start_ms = 1577934245678, /* 2020-01-02 03:04:05.678 UTC */
    };
    const struct expr_clock clock = {.now_ms = 1577934245678, .watermark = INT64_MIN};
    struct expr_program *program = NULL;
    int rc = expr_program_new(&options, &program, err);
    for (int i = 0; rc == 0 && i < 2; i++) { /* the second batch finds what the first one left */
        str_clear(&ret->value);
        rc = expr_program_run(program, ev->buffers, in, &clock, &out, err);
        if (rc == 0) {
            rc = check_rows(ev, out, ret, err);
            out = batch_unref(out);
        }
    }
    expr_program_free(program);
    batch_unref(in);
    schema_unref(input);
    schema_unref(output);
    return rc;
}

/* What people see is the value as a STRING, once there is the cast. */
static const struct expr *as_text(struct evaluator *ev, const struct expr *e)
{
    struct data_type *text = type_new_string(true);
    const struct expr *cast;
    if (e->type->id == TYPE_CHAR || e->type->id == TYPE_VARCHAR ||
        expr_cast(ev->pool, e, text, false, &cast, NULL) < 0) {
        cast = e;
    }
    type_unref(text);
    return cast;
}

static int resolve_and_run(struct evaluator *ev, struct slice text, struct evaluation *ret,
                           struct error *err)
{
    struct sql_validator v = {.pool = ev->pool, .zone = ev->zone};
    const struct sql_scope scope = {.n = 0};
    struct sql_expr *tree;
    const struct expr *e;
    TRY(sql_parse_expression(text, &ev->arena, &tree, NULL, err));
    TRY(sql_resolve(&v, &scope, tree, &e, err));
    type_print(e->type, &ret->type);
    if (ev->way == EVALUATE_FOLDED) {
        e = expr_fold(ev->pool, e, ev->zone);
    } else if (ev->way >= EVALUATE_COLUMNS) {
        e = expr_rewrite(ev->pool, e, to_columns, ev);
    }
    return run(ev, as_text(ev, e), ret, err);
}

void evaluate(struct slice text, enum evaluation_way way, struct evaluation *ret)
{
    static const struct buffer_pool_options options = {.name = "tests"};
    const char *zone = getenv("FLINC_TEST_ZONE");
    struct evaluator ev = {.way = way};
    struct error err = ERROR_INIT;
    functions_register_builtin();
    *ret = (struct evaluation){0};
    ev.pool = expr_pool_new();
    ev.buffers = buffer_pool_new(&options);
    arena_init(&ev.arena, 0);
    vec_init(&ev.literals, sizeof(const struct expr *));
    ret->rc = time_zone_open(zone != NULL ? zone : "Europe/Berlin", &ev.zone, &err);
    if (ret->rc == 0) {
        ret->rc = resolve_and_run(&ev, text, ret, &err);
    }
    if (ret->rc < 0) {
        str_append_cstr(&ret->error, err.message);
    }
    vec_fini(&ev.literals);
    expr_pool_free(ev.pool);
    buffer_pool_close(ev.buffers);
    time_zone_free(ev.zone);
    arena_fini(&ev.arena);
}

void evaluation_fini(struct evaluation *e)
{
    str_fini(&e->value);
    str_fini(&e->type);
    str_fini(&e->error);
}

/* ---- lines ------------------------------------------------------------------------------------------ */

/* Where ` sign ` stands last; text.len when it does not. */
static size_t find_last(struct slice text, const char *sign)
{
    const size_t n = strlen(sign);
    for (size_t i = text.len >= n ? text.len - n + 1 : 0; i-- > 0;) {
        if (memcmp(text.data + i, sign, n) == 0) {
            return i;
        }
    }
    return text.len;
}

static void compare(struct slice sql, struct slice value, struct slice type, bool is_error,
                    enum evaluation_way way, struct str *problem)
{
    struct evaluation got;
    evaluate(sql, way, &got);
    if (is_error) {
        char *part = mem_strndup(value.data, value.len);
        if (got.rc == 0) {
            str_printf(problem, "%s: no error but '%s'", way_names[way], str_cstr(&got.value));
        } else if (strstr(str_cstr(&got.error), part) == NULL) {
            str_printf(problem, "%s: another error: %s", way_names[way], str_cstr(&got.error));
        }
        mem_free(part);
    } else if (got.rc < 0) {
        str_printf(problem, "%s: %s", way_names[way], str_cstr(&got.error));
    } else if (!slice_eq(str_slice(&got.value), value) && !(value.len == 0 && got.value.len == 0)) {
        str_printf(problem, "%s: '%s'", way_names[way], str_cstr(&got.value));
    } else if (type.len > 0 && !slice_eq(str_slice(&got.type), type)) {
        str_printf(problem, "its type is %s", str_cstr(&got.type));
    }
    evaluation_fini(&got);
}

char *evaluate_line(struct slice line)
{
    struct slice sql = line, value = {"", 0}, type = {"", 0};
    struct str problem = STR_INIT;
    const size_t at_error = find_last(line, " !! ");
    const bool is_error = at_error < line.len;
    const size_t at = is_error ? at_error : find_last(line, " -- ");
    if (at == line.len) {
        return mem_strdup("no ' -- ' and no ' !! ' in the line");
    }
    sql.len = at;
    value = slice_make(line.data + at + 4, line.len - at - 4);
    const size_t at_type = is_error ? value.len : find_last(value, " :: ");
    if (at_type < value.len) {
        type = slice_make(value.data + at_type + 4, value.len - at_type - 4);
        value.len = at_type;
    }
    for (enum evaluation_way way = 0; way < EVALUATE_WAYS && problem.len == 0; way++) {
        compare(sql, value, type, is_error, way, &problem);
    }
    char *result = problem.len > 0 ? mem_strdup(str_cstr(&problem)) : NULL;
    str_fini(&problem);
    return result;
}
