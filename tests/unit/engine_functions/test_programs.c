/* What programs are compiled to: common parts once, constants once, operands of CASE and AND for the rows that want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/data/batch.h"
#include "engine/expr/program.h"
#include "engine/functions/functions.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"

enum { OUTPUTS_MAX = 4 };

struct fixture {
    struct arena arena;
    struct expr_pool *pool;
    struct schema *input;
    struct sql_scope_column columns[3];
};

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    functions_register_builtin();
    arena_init(&f->arena, 0);
    f->pool = expr_pool_new();
    assert_int_equal(schema_parse(slice_cstr("ROW<a INT, b INT, s STRING>"), &f->input, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        f->columns[i].name = slice_cstr(f->input->fields[i].name);
        f->columns[i].expr = expr_input(f->pool, i, type_ref(f->input->fields[i].type));
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    schema_unref(f->input);
    expr_pool_free(f->pool);
    arena_fini(&f->arena);
    mem_free(f);
    return 0;
}

static const struct expr *resolve(struct fixture *f, const char *text)
{
    struct sql_validator v = {.pool = f->pool};
    const struct sql_scope scope = {.columns = f->columns, .n = 3};
    struct sql_expr *tree = NULL;
    const struct expr *e = NULL;
    assert_int_equal(sql_parse_expression(slice_cstr(text), &f->arena, &tree, NULL, NULL), 0);
    assert_int_equal(sql_resolve(&v, &scope, tree, &e, NULL), 0);
    return e;
}

static void compiled(struct fixture *f, const char *condition, const char *const *outputs,
                     uint32_t n, struct str *ret)
{
    static const char *const names[OUTPUTS_MAX] = {"w", "x", "y", "z"};
    const struct expr *exprs[OUTPUTS_MAX], *where = NULL;
    struct data_type *types[OUTPUTS_MAX];
    struct expr_program *program = NULL;
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = resolve(f, outputs[i]);
        types[i] = type_ref(exprs[i]->type);
    }
    where = condition != NULL ? resolve(f, condition) : NULL;
    struct schema *output = schema_new(names, types, n);
    const struct expr_program_options options = {
        .input = f->input,
        .output = output,
        .conditions = &where,
        .n_conditions = condition != NULL ? 1 : 0,
        .outputs = exprs,
        .n_outputs = n,
    };
    assert_int_equal(expr_program_new(&options, &program, NULL), 0);
    expr_program_print(program, ret);
    expr_program_free(program);
    schema_unref(output);
}

static void expect(struct fixture *f, const char *condition, const char *const *outputs, uint32_t n,
                   const char *expected)
{
    struct str text = STR_INIT;
    compiled(f, condition, outputs, n, &text);
    assert_string_equal(str_cstr(&text), expected);
    str_fini(&text);
}

/* In one expression, in several outputs, in a condition and an output: once. */
static void test_common_parts(void **state)
{
    expect(*state, NULL, (const char *const[]){"(a + b) * (a + b)", "a + b", "(a + b) / 2"}, 3,
           "outputs r3 r2 r5:\n"
           "  r2 = +(a, b)\n"
           "  r3 = *(r2, r2)\n"
           "  r5 = /(r2, r4)\n");
    expect(*state, "UPPER(s) = 'X'", (const char *const[]){"UPPER(s)"}, 1,
           "condition r4:\n"
           "  r1 = UPPER(s)\n"
           "  r3 = CAST(r2)\n"
           "  r4 = =(r1, r3)\n"
           "outputs r1:\n");
}

/* What a branch computes is computed for its rows; what was computed before is not computed again in it. */
static void test_branches(void **state)
{
    expect(*state, NULL, (const char *const[]){"CASE WHEN a <> 0 THEN b / a ELSE -1 END"}, 1,
           "once:\n"
           "  r1 = MINUS(r0)\n"
           "outputs r7:\n"
           "  r4 = <>(a, r3)\n"
           "  r7 = CASE(r4, r6, r1)\n"
           "    where operand 2 is wanted:\n"
           "      r6 = /(b, a)\n");
    expect(*state, NULL, (const char *const[]){"b / a", "a <> 0 AND b / a > 2"}, 2,
           "outputs r2 r7:\n"
           "  r2 = /(b, a)\n"
           "  r4 = <>(a, r3)\n"
           "  r7 = AND(r4, r6)\n"
           "    where operand 2 is wanted:\n"
           "      r6 = >(r2, r5)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_common_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_branches, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
