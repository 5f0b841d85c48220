/* Custom partitioners. */
#include "engine/operators/partition_function.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(item, FLINC_STRING(name), FLINC_INT32(v));

static int by_length(flinc_ctx *ctx, const item *in, int n)
{
    return (int)in->name.len % n;
}

static int by_value(flinc_ctx *ctx, const item *in, int n)
{
    return in->v == 13 ? flinc_ctx_fail(ctx, "bad luck") : in->v;
}

static int same(flinc_ctx *ctx, const item *in)
{
    return 1;
}

struct rig {
    struct harness *h; /* whose context is that of the operator in front */
    Flinc__Partitioner spec;
    Flinc__FunctionRef ref;
    Flinc__StructDesc desc;
    Flinc__StructField fields[2], *pointers[2];
};

static void rig_init(struct rig *r, int (*fn)(flinc_ctx *, const item *, int))
{
    must(harness_new(&(struct harness_options){.kind = "flinc.filter",
                                               .functions = {FN(FLINC_FN_FILTER, same)},
                                               .inputs = {FLINC_TYPE(item)},
                                               .outputs = {FLINC_TYPE(item)}},
                     &r->h, &err));
    flinc__partitioner__init(&r->spec);
    flinc__function_ref__init(&r->ref);
    flinc__struct_desc__init(&r->desc);
    r->ref.offset = (uint64_t)(uintptr_t)fn;
    r->ref.kind = FLINC_FN_PARTITION;
    r->ref.name = (char *)(uintptr_t) "choose";
    r->ref.location = (char *)(uintptr_t) "job.c:3";
    r->desc.size = item_struct.size;
    r->desc.n_fields = 2;
    r->desc.fields = r->pointers;
    for (int i = 0; i < 2; i++) {
        flinc__struct_field__init(&r->fields[i]);
        r->fields[i].name = (char *)(uintptr_t)item_fields[i].name;
        r->fields[i].kind = item_fields[i].kind;
        r->fields[i].offset = item_fields[i].offset;
        r->fields[i].null_offset = item_fields[i].null_offset;
        r->pointers[i] = &r->fields[i];
    }
    r->spec.function = &r->ref;
    r->spec.function_input = &r->desc;
}

static struct partition_function *open_partitioner(struct rig *r)
{
    struct partition_function *p = NULL;
    must(partition_function_new(&r->spec, harness_input_schema(r->h, 0), harness_context(r->h), &p,
                                &err));
    return p;
}

static void channels_by_row(void **state)
{
    struct rig r;
    int32_t channels[300];
    rig_init(&r, by_length);
    struct partition_function *p = open_partitioner(&r);
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 300; i++) {
        str_printf(&rows, "%.*s, 1\n", i % 20 + 1, "abcdefghijklmnopqrstuvwxyz");
    }
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(r.h), harness_input_schema(r.h, 0), str_cstr(&rows), &b,
                            &err));
    must(partition_function_call(p, b, 7, channels, &err));
    for (int i = 0; i < 300; i++) {
        assert_int_equal(channels[i], (i % 20 + 1) % 7);
    }
    batch_unref(b);
    partition_function_free(p);
    harness_free(r.h);
}

static void wrong_channels_are_errors(void **state)
{
    struct rig r;
    int32_t channels[3];
    rig_init(&r, by_value);
    struct partition_function *p = open_partitioner(&r);
    static const struct {
        const char *rows, *text;
    } cases[] = {
        {"a, 1\nb, 2",
         "partition function 'choose' (job.c:3) returned channel 2; channels are 0 to 1"},
        {"a, -4", "function 'choose' returned -4 (job.c:3)"},
        {"a, 13", "function 'choose' (job.c:3) failed: bad luck"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batch *b = NULL;
        must(harness_parse_rows(harness_pool(r.h), harness_input_schema(r.h, 0), cases[i].rows, &b,
                                &err));
        must_fail(partition_function_call(p, b, 2, channels, &err), ERR_USER_CODE, cases[i].text);
        batch_unref(b);
    }
    partition_function_free(p);

    r.spec.function = NULL;
    must_fail(partition_function_new(&r.spec, harness_input_schema(r.h, 0), harness_context(r.h),
                                     &p, &err),
              ERR_INVALID_ARGUMENT, "names no function");
    r.spec.function = &r.ref;
    r.ref.kind = FLINC_FN_MAP;
    must_fail(partition_function_new(&r.spec, harness_input_schema(r.h, 0), harness_context(r.h),
                                     &p, &err),
              ERR_INVALID_ARGUMENT, "needs a partition function");
    harness_free(r.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_by_row),
        cmocka_unit_test(wrong_channels_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
