/* flinc.map and flinc.co_map. */
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(one, FLINC_INT64(v));
FLINC_STRUCT(person, FLINC_STRING(name), FLINC_NULLABLE(FLINC_INT32(age)), FLINC_BOOL(member));
FLINC_STRUCT(every, FLINC_BOOL(b), FLINC_INT8(i8), FLINC_INT16(i16), FLINC_INT32(i32),
             FLINC_INT64(i64), FLINC_FLOAT(f), FLINC_DOUBLE(d), FLINC_STRING(s), FLINC_BYTES(y),
             FLINC_DATE(date), FLINC_TIME(time), FLINC_TIMESTAMP(ts), FLINC_TIMESTAMP_LTZ(ltz));

static int twice(flinc_ctx *ctx, const one *in, one *out)
{
    out->v = in->v * 2;
    return 0;
}

static int birthday(flinc_ctx *ctx, const person *in, person *out)
{
    /* One buffer for all calls: strings are copied after each. */
    static char text[256];
    int len = snprintf(text, sizeof(text), "%.*s the brave", (int)in->name.len, in->name.data);
    out->name = (flinc_string){text, (size_t)len};
    out->age_is_null = in->age_is_null;
    out->age = in->age + 1;
    out->member = !in->member;
    return 0;
}

static int same(flinc_ctx *ctx, const every *in, every *out)
{
    *out = *in;
    return 0;
}

static int sparse(flinc_ctx *ctx, const one *in, person *out)
{
    return 0;
}

static int refuse_three(flinc_ctx *ctx, const one *in, one *out)
{
    return in->v == 3 ? flinc_ctx_fail(ctx, "%d is a crowd", (int)in->v) : 0;
}

static int bare_code(flinc_ctx *ctx, const one *in, one *out)
{
    return -5;
}

static int silent(flinc_ctx *ctx, const one *in, one *out)
{
    (void)flinc_ctx_fail(ctx, "returned anyhow");
    return 0;
}

static int huge(flinc_ctx *ctx, const one *in, person *out)
{
    static char *text;
    if (text == NULL) {
        text = calloc(1, (size_t)in->v);
    }
    out->name = (flinc_string){text, (size_t)in->v};
    return 0;
}

static void each_record_is_mapped(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, twice)},
                                                         .inputs = {FLINC_TYPE(one)},
                                                         .outputs = {FLINC_TYPE(one)}});
    check_rows(h, 0, "1\n2\n-3", "+I[2]\n+I[4]\n+I[-6]");
    check_rows(h, 0, "7", "+I[14]");
    must(harness_end_of_input(h, 0, &err));
    harness_free(h);
}

static void strings_nulls_and_kinds_and_timestamps(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, birthday)},
                                                         .inputs = {FLINC_TYPE(person)},
                                                         .outputs = {FLINC_TYPE(person)}});
    check_rows(h, 0, "al, 40, true\nbo, NULL, false",
               "+I[al the brave, 41, false]\n+I[bo the brave, null, true]");
    check_rows(h, 0, "-D cy, 1, true @1000\n+U di, 2, true",
               "-D[cy the brave, 2, false] @1000\n+U[di the brave, 3, false] @none");
    check_rows(h, 0, "ed, 3, true", "+I[ed the brave, 4, false]");
    harness_free(h);
}

static void every_kind_of_field(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, same)},
                                                         .inputs = {FLINC_TYPE(every)},
                                                         .outputs = {FLINC_TYPE(every)}});
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 700; i++) {
        str_printf(&rows,
                   "%s, %d, %d, %d, %d, %d.5, %d.25, text %d, 'bytes of row %d', %d, %d, %d, %d\n",
                   i % 2 ? "true" : "false", i % 100, -i, i * 7, i * 1000, i, -i, i, i, i, i, i, i);
    }
    struct batch *in = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0), str_cstr(&rows), &in,
                            &err));
    STR_AUTO expected = STR_INIT;
    for (uint32_t i = 0; i < in->n_rows; i++) {
        str_append_cstr(&expected, i > 0 ? "\n" : "");
        batch_print_row(in, i, &expected);
    }
    must(harness_push(h, 0, in, &err));
    assert_string_equal(harness_rows(h, 0), str_cstr(&expected));
    harness_free(h);
}

static void fields_left_alone_are_zero(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, sparse)},
                                                         .inputs = {FLINC_TYPE(one)},
                                                         .outputs = {FLINC_TYPE(person)}});
    check_rows(h, 0, "1\n2", "+I[, 0, false]\n+I[, 0, false]");
    harness_free(h);
}

static void only_selected_rows_count(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, twice)},
                                                         .inputs = {FLINC_TYPE(one)},
                                                         .outputs = {FLINC_TYPE(one)}});
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0),
                            "1 @10\n2 @20\n3 @30\n4 @40", &b, &err));
    struct buffer *sel = buffer_get(harness_pool(h), 4);
    memcpy(sel->data, (const uint16_t[]){1, 3}, 4);
    sel->size = 4;
    batch_set_selection(b, sel, 2);
    must(harness_push(h, 0, b, &err));
    assert_string_equal(harness_rows(h, 0), "+I[4] @20\n+I[8] @40");
    harness_free(h);
}

static void errors_name_function_and_place(void **state)
{
    struct harness_options o = {.kind = "flinc.map",
                                .functions = {FN(FLINC_FN_MAP, refuse_three)},
                                .inputs = {FLINC_TYPE(one)},
                                .outputs = {FLINC_TYPE(one)}};
    struct harness *h = opened(&o);
    must_fail(harness_push_rows(h, 0, "1\n2\n3\n4", &err), ERR_USER_CODE,
              "function 'refuse_three' (test.c:1) failed: 3 is a crowd");
    harness_free(h);

    o.functions[0] = (struct harness_function)FN(FLINC_FN_MAP, bare_code);
    h = opened(&o);
    must_fail(harness_push_rows(h, 0, "1", &err), ERR_USER_CODE,
              "function 'bare_code' returned -5 (test.c:1)");
    harness_free(h);

    o.functions[0] = (struct harness_function)FN(FLINC_FN_MAP, silent);
    h = opened(&o);
    must_fail(harness_push_rows(h, 0, "1", &err), ERR_USER_CODE, "failed: returned anyhow");
    harness_free(h);
}

static void long_strings_make_more_batches(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, huge)},
                                                         .inputs = {FLINC_TYPE(one)},
                                                         .outputs = {FLINC_TYPE(person)}});
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 200; i++) {
        str_append_cstr(&rows, "100000\n");
    }
    must(harness_push_rows(h, 0, str_cstr(&rows), &err));
    assert_int_equal(harness_row_count(h, 0), 200);
    assert_true(harness_batch_count(h, 0) > 10);
    assert_true(harness_more_count(h) > 0);
    must_fail(harness_push_rows(h, 0, "100000000", &err), ERR_TOO_LARGE, "column 'name'");
    harness_free(h);
}

static void structs_must_fit_the_streams(void **state)
{
    struct harness *h = NULL;
    struct harness_options o = {.kind = "flinc.map",
                                .functions = {FN(FLINC_FN_MAP, twice)},
                                .inputs = {FLINC_TYPE(one)},
                                .input_schemas = {"ROW<w BIGINT>"},
                                .outputs = {FLINC_TYPE(one)}};
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT,
              "the input of function 'twice': there is no column 'v'");
    harness_free(h);
    o.input_schemas[0] = "ROW<v STRING>";
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT,
              "field 'v' of kind INT64 does not fit the column's type STRING");
    harness_free(h);
    o.input_schemas[0] = NULL;
    o.output_schemas[0] = "ROW<v BIGINT, w BIGINT>";
    must(harness_new(&o, &h, &err));
    must_fail(harness_open(h, &err), ERR_INVALID_ARGUMENT,
              "the struct has 1 fields, the stream has 2 columns");
    harness_free(h);
}

static void a_null_for_a_field_that_has_none(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.map",
                                                         .functions = {FN(FLINC_FN_MAP, twice)},
                                                         .inputs = {FLINC_TYPE(one)},
                                                         .input_schemas = {"ROW<v BIGINT>"},
                                                         .outputs = {FLINC_TYPE(one)}});
    check_rows(h, 0, "1", "+I[2]");
    must_fail(harness_push_rows(h, 0, "1\nNULL", &err), ERR_INVALID_ARGUMENT,
              "column 'v' holds a NULL");
    harness_free(h);
}

static int remember(flinc_ctx *ctx, const one *in, person *out)
{
    int64_t *sum = flinc_ctx_user(ctx);
    *sum += in->v;
    out->name = FLINC_STR("number");
    out->age = (int32_t)*sum;
    return 0;
}

static int recall(flinc_ctx *ctx, const person *in, person *out)
{
    *out = *in;
    out->age = (int32_t) * (int64_t *)flinc_ctx_user(ctx);
    out->age_is_null = false;
    return 0;
}

static int open_sum(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, calloc(1, sizeof(int64_t)));
    return 0;
}

static void close_sum(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

static void two_inputs_share_the_user_pointer(void **state)
{
    struct harness *h = opened(&(struct harness_options){
        .kind = "flinc.co_map",
        .functions = {FN(FLINC_FN_MAP, remember), FN(FLINC_FN_OPEN, open_sum),
                      FN(FLINC_FN_CLOSE, close_sum), FN(FLINC_FN_MAP, recall)},
        .inputs = {FLINC_TYPE(one), FLINC_TYPE(person)},
        .outputs = {FLINC_TYPE(person)}});
    check_rows(h, 0, "1\n2", "+I[number, 1, false]\n+I[number, 3, false]");
    check_rows(h, 1, "al, NULL, true", "+I[al, 3, true]");
    check_rows(h, 0, "10", "+I[number, 13, false]");
    must(harness_end_of_input(h, 0, &err));
    check_rows(h, 1, "al, NULL, true", "+I[al, 13, true]");
    must(harness_end_of_input(h, 1, &err));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_mapped),
        cmocka_unit_test(strings_nulls_and_kinds_and_timestamps),
        cmocka_unit_test(every_kind_of_field),
        cmocka_unit_test(fields_left_alone_are_zero),
        cmocka_unit_test(only_selected_rows_count),
        cmocka_unit_test(errors_name_function_and_place),
        cmocka_unit_test(long_strings_make_more_batches),
        cmocka_unit_test(structs_must_fit_the_streams),
        cmocka_unit_test(a_null_for_a_field_that_has_none),
        cmocka_unit_test(two_inputs_share_the_user_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
