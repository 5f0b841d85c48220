/* flinc.query.calc. */
#include "engine/query/query.h"
#include "tests/unit/engine_query/expressions.h"

static struct harness *calc(const char *input, const char *output, const char *const *conditions,
                            const char *const *outputs)
{
    struct expressions e;
    uint32_t where[4], select[16];
    Flinc__CalcConfig config = FLINC__CALC_CONFIG__INIT;
    Flinc__QueryContext context = FLINC__QUERY_CONTEXT__INIT;
    expressions_init(&e, input);
    for (; conditions != NULL && *conditions != NULL; conditions++) {
        where[config.n_conditions++] = expressions_add(&e, *conditions);
    }
    for (; *outputs != NULL; outputs++) {
        select[config.n_outputs++] = expressions_add(&e, *outputs);
    }
    context.time_zone = (char *)"UTC";
    config.context = &context;
    config.exprs = expressions_list(&e);
    config.conditions = where;
    config.outputs = select;
    struct harness *h = opened(&(struct harness_options){
        .desc = &query_calc,
        .input_schemas = {input},
        .output_schemas = {output},
        .config = &config.base,
    });
    expressions_fini(&e);
    return h;
}

static void rows_are_filtered_and_projected(void **state)
{
    struct harness *h = calc("ROW<a INT, b STRING>", "ROW<c INT, d STRING, e STRING>",
                             (const char *[]){"a > 1", "b <> 'x'", NULL},
                             (const char *[]){"a + 1", "UPPER(b)", "b", NULL});
    check_rows(h, 0, "1, a\n2, b\n3, x\n4, c\nNULL, d\n5, NULL", "+I[3, B, b]\n+I[5, C, c]");
    check_rows(h, 0, "1, a", "");
    harness_free(h);
}

static void kinds_and_timestamps_pass(void **state)
{
    struct harness *h =
        calc("ROW<a INT>", "ROW<b BIGINT>", NULL, (const char *[]){"CAST(a AS BIGINT) * 2", NULL});
    check_rows(h, 0, "-U 1 @5\n+U 2 @6\n-D 3 @7", "-U[2] @5\n+U[4] @6\n-D[6] @7");
    harness_free(h);
}

/* Every kind of literal and node survives the way through a job graph. */
static void all_literals_come_through(void **state)
{
    struct harness *h =
        calc("ROW<a INT>",
             "ROW<a BOOLEAN, b TINYINT, c SMALLINT, d BIGINT, e DECIMAL(20, 2), f FLOAT, g DOUBLE, "
             "h STRING, i DATE, j TIMESTAMP(9), k INT, l BYTES>",
             NULL,
             (const char *[]){"a = a", "CAST(-5 AS TINYINT)", "CAST(-300 AS SMALLINT)",
                              "CAST(-5000000000 AS BIGINT)",
                              "CAST(123456789012345678.25 AS DECIMAL(20, 2))", "CAST(1.5 AS FLOAT)",
                              "2.25E0", "CAST('it''s longer than twelve' AS STRING)",
                              "DATE '2020-01-02'",
                              "CAST(TIMESTAMP '2020-01-02 03:04:05.123456789' AS TIMESTAMP(9))",
                              "CAST(NULL AS INT)", "CAST(X'00ff' AS BYTES)", NULL});
    harness_clear(h);
    must(harness_push_rows(h, 0, "7", &err));
    const char *row = harness_rows(h, 0);
    static const char first[] = "+I[true, -5, -300, -5000000000, 123456789012345678.25, 1.5, 2.25, "
                                "it's longer than twelve, 2020-01-02, ";
    const char *const parts[] = {first, "03:04:05.123", "null, [0, -1]]"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (strcasestr(row, parts[i]) == NULL) {
            fail_msg("'%s' is not in %s", parts[i], row);
        }
    }
    harness_free(h);
}

static void a_wrong_configuration_is_refused(void **state)
{
    Flinc__CalcConfig config = FLINC__CALC_CONFIG__INIT;
    uint32_t outputs[] = {3};
    struct harness *h = NULL;
    config.outputs = outputs;
    config.n_outputs = 1;
    must(harness_new(&(struct harness_options){.desc = &query_calc,
                                               .input_schemas = {"ROW<a INT>"},
                                               .output_schemas = {"ROW<a INT>"},
                                               .config = &config.base},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_CORRUPT, "an expression that is not there");
    harness_free(h);
}

/* A call in the list, with its function and type as given. */
static int read_call(const char *function, const char *type, struct error *why)
{
    struct arena arena;
    struct schema *schema = NULL;
    const struct expr **nodes = NULL;
    struct expr_pool *pool = expr_pool_new();
    uint32_t args[] = {0, 0};
    char *types[] = {(char *)"INT", (char *)type};
    Flinc__ExprNode input = FLINC__EXPR_NODE__INIT, call = FLINC__EXPR_NODE__INIT;
    Flinc__ExprNode *all[] = {&input, &call};
    Flinc__ExprList list = FLINC__EXPR_LIST__INIT;
    arena_init(&arena, 0);
    must(schema_parse(slice_cstr("ROW<a INT>"), &schema, NULL));
    call.kind = FLINC__EXPR_NODE_KIND__EXPR_NODE_CALL;
    call.function = (char *)function;
    call.args = args;
    call.n_args = 2;
    call.type = 1;
    list.nodes = all;
    list.n_nodes = 2;
    list.types = types;
    list.n_types = 2;
    int rc = expr_read(&list, schema, pool, &arena, &nodes, why);
    expr_pool_free(pool);
    arena_fini(&arena);
    schema_unref(schema);
    return rc;
}

static void what_was_written_is_not_trusted(void **state)
{
    must(read_call("+", "INT", &err));
    must_fail(read_call("+", "STRING", &err), ERR_CORRUPT, "a result of another type");
    must_fail(read_call("+", "BIGINT", &err), ERR_CORRUPT, "a result of another type");
    must_fail(read_call("NO_SUCH", "INT", &err), ERR_CORRUPT, "'NO_SUCH', which this build");
    must_fail(read_call("UPPER", "STRING", &err), ERR_INVALID_ARGUMENT, "UPPER");
    must_fail(read_call("COUNT", "BIGINT", &err), ERR_CORRUPT, "not a scalar function");
    must_fail(read_call("CAST", "BIGINT", &err), ERR_CORRUPT, "more than one value");
    must_fail(read_call("+", "NO TYPE", &err), ERR_CORRUPT, "a type of expressions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_filtered_and_projected),
        cmocka_unit_test(kinds_and_timestamps_pass),
        cmocka_unit_test(all_literals_come_through),
        cmocka_unit_test(a_wrong_configuration_is_refused),
        cmocka_unit_test(what_was_written_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
