/* flinc.keyed_aggregate: the semantics of Flink's rolling aggregates, in both modes. */
#include "proto/operators.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

#define SUM FLINC__AGGREGATE_KIND__AGGREGATE_SUM
#define MIN_OF FLINC__AGGREGATE_KIND__AGGREGATE_MIN
#define MAX_OF FLINC__AGGREGATE_KIND__AGGREGATE_MAX
#define MIN_BY FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY
#define MAX_BY FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY

/* What the harnesses made next start from; NULL: nothing. */
static const Flinc__OperatorSubtaskState *restored;

static struct harness *aggregate(const char *schema, Flinc__AggregateKind kind, uint32_t key,
                                 uint32_t column, uint32_t flags)
{
    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    config.kind = kind;
    config.n_key_columns = 1;
    config.key_columns = &key;
    config.column = column;
    config.first = true;
    return opened(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                            .input_schemas = {schema},
                                            .output_schemas = {schema},
                                            .config = &config.base,
                                            .flags = flags,
                                            .restore = restored});
}

static int compare_lines(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The order between keys is open: lines are sorted. */
static void check_sorted(const char *rows, const char *expected)
{
    struct slice lines[1000], rest = slice_cstr(rows);
    size_t n = 0;
    STR_AUTO sorted = STR_INIT;
    while (rest.len > 0 && slice_next(&rest, '\n', &lines[n])) {
        n++;
    }
    qsort(lines, n, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < n; i++) {
        str_append_slice(&sorted, lines[i]);
        str_append_cstr(&sorted, i + 1 < n ? "\n" : "");
    }
    assert_string_equal(str_cstr(&sorted), expected);
}

/* ---- by value ---------------------------------------------------------------------------------- */

static const char *const word_count = "ROW<word STRING NOT NULL, count BIGINT NOT NULL>";

static void sum_gives_a_result_per_record(void **state)
{
    struct harness *h = aggregate(word_count, SUM, 0, 1, 0);
    check_rows(h, 0, "to, 1\nbe, 1\nto, 1 @9\nto, 5",
               "+I[to, 1] @none\n+I[be, 1] @none\n+I[to, 2] @9\n+I[to, 7] @none");
    check_rows(h, 0, "be, 10\na-word-longer-than-twelve, 3\na-word-longer-than-twelve, 4",
               "+I[be, 11]\n+I[a-word-longer-than-twelve, 3]\n+I[a-word-longer-than-twelve, 7]");
    harness_clear(h);
    must(harness_end_of_input(h, 0, &err));
    assert_int_equal(harness_row_count(h, 0), 0);
    harness_free(h);
}

static void batch_mode_gives_final_values_only(void **state)
{
    struct harness *h = aggregate(word_count, SUM, 0, 1, OP_FLAG_BATCH_MODE);
    must(harness_push_rows(h, 0, "to, 1\nbe, 1\nto, 1\nto, 5", &err));
    must(harness_push_rows(h, 0, "be, 10\na-word-longer-than-twelve, 3", &err));
    must(harness_flush(h, &err));
    assert_int_equal(harness_row_count(h, 0), 0);
    must(harness_end_of_input(h, 0, &err));
    check_sorted(harness_rows(h, 0), "+I[a-word-longer-than-twelve, 3]\n+I[be, 11]\n+I[to, 7]");
    harness_free(h);
}

static void no_input_no_result(void **state)
{
    for (uint32_t column = 0; column < 2; column++) {
        struct harness *h =
            aggregate("ROW<k INT NOT NULL, v INT NOT NULL>", SUM, 0, column, OP_FLAG_BATCH_MODE);
        must(harness_end_of_input(h, 0, &err));
        assert_int_equal(harness_batch_count(h, 0), 0);
        harness_free(h);
    }
}

static void final_values_leave_batch_by_batch(void **state)
{
    /* By value, and by record (the aggregated column is the key). */
    for (uint32_t column = 0; column < 2; column++) {
        struct harness *h = aggregate("ROW<k BIGINT NOT NULL, v BIGINT NOT NULL>", MAX_OF, 0,
                                      1 - column, OP_FLAG_BATCH_MODE);
        STR_AUTO rows = STR_INIT;
        for (int round = 0; round < 5; round++) {
            str_clear(&rows);
            for (int i = 0; i < 4000; i++) {
                str_printf(&rows, "%d, %d\n", round * 3000 + i, i);
            }
            must(harness_push_rows(h, 0, str_cstr(&rows), &err));
        }
        must(harness_end_of_input(h, 0, &err));
        assert_int_equal(harness_row_count(h, 0), 16000);
        assert_int_equal(harness_batch_count(h, 0), 8);
        assert_true(harness_more_count(h) >= 7);
        assert_true(harness_max_emitted(h) <= 1);
        harness_free(h);
    }
}

static void integers_wrap_around(void **state)
{
    struct harness *h = aggregate("ROW<k INT NOT NULL, v INT NOT NULL>", SUM, 0, 1, 0);
    check_rows(h, 0, "1, 2147483647\n1, 1", "+I[1, 2147483647]\n+I[1, -2147483648]");
    harness_free(h);
    h = aggregate("ROW<k INT NOT NULL, v TINYINT NOT NULL>", SUM, 0, 1, 0);
    check_rows(h, 0, "1, 127\n1, 2", "+I[1, 127]\n+I[1, -127]");
    harness_free(h);
    h = aggregate(word_count, SUM, 0, 1, 0);
    check_rows(h, 0, "a, 9223372036854775807\na, 1",
               "+I[a, 9223372036854775807]\n+I[a, -9223372036854775808]");
    harness_free(h);
    /* By record: another column. */
    h = aggregate("ROW<k INT NOT NULL, v SMALLINT NOT NULL, x INT>", SUM, 0, 1, 0);
    check_rows(h, 0, "1, 32767, 7\n1, 1, 8", "+I[1, 32767, 7]\n+I[1, -32768, 7]");
    harness_free(h);
}

static void min_and_max_of_numbers(void **state)
{
    struct harness *h = aggregate(word_count, MIN_OF, 0, 1, 0);
    check_rows(h, 0, "a, 5\na, 7\na, -2\nb, 9", "+I[a, 5]\n+I[a, 5]\n+I[a, -2]\n+I[b, 9]");
    harness_free(h);
    h = aggregate(word_count, MAX_OF, 0, 1, 0);
    check_rows(h, 0, "a, -5\na, -7\na, 2\nb, -9", "+I[a, -5]\n+I[a, -5]\n+I[a, 2]\n+I[b, -9]");
    harness_free(h);
}

static void doubles_have_javas_order(void **state)
{
    static const char *const schemas[] = {
        "ROW<k INT NOT NULL, v DOUBLE NOT NULL>", "ROW<k INT NOT NULL, v FLOAT NOT NULL>",
        "ROW<k INT NOT NULL, v DOUBLE>", "ROW<k INT NOT NULL, v DOUBLE NOT NULL, x INT>",
        "ROW<k INT NOT NULL, v FLOAT NOT NULL, x INT>"};
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        const char *x = i >= 3 ? ", 0" : "";
        char in[200], out[300];
        struct harness *h = aggregate(schemas[i], MAX_OF, 0, 1, 0);
        snprintf(in, sizeof(in), "1, -0.0%s\n1, 0.0%s\n1, 2.5%s\n1, nan%s\n1, inf%s", x, x, x, x,
                 x);
        snprintf(out, sizeof(out),
                 "+I[1, -0.0%s]\n+I[1, 0.0%s]\n+I[1, 2.5%s]\n+I[1, NaN%s]\n+I[1, NaN%s]", x, x, x,
                 x, x);
        check_rows(h, 0, in, out);
        harness_free(h);
        h = aggregate(schemas[i], MIN_OF, 0, 1, 0);
        snprintf(in, sizeof(in), "1, nan%s\n1, 0.0%s\n1, -0.0%s\n1, nan%s\n1, -3%s", x, x, x, x, x);
        snprintf(out, sizeof(out),
                 "+I[1, NaN%s]\n+I[1, 0.0%s]\n+I[1, -0.0%s]\n+I[1, -0.0%s]\n+I[1, -3.0%s]", x, x, x,
                 x, x);
        check_rows(h, 0, in, out);
        harness_free(h);
    }
}

static void null_counts_for_nothing(void **state)
{
    struct harness *h = aggregate("ROW<k STRING, v BIGINT>", SUM, 0, 1, 0);
    check_rows(h, 0, "a, NULL\na, 2\nNULL, 5\na, NULL\nNULL, 6",
               "+I[a, null]\n+I[a, 2]\n+I[null, 5]\n+I[a, 2]\n+I[null, 11]");
    check_rows(h, 0, "a, 1\nb, NULL", "+I[a, 3]\n+I[b, null]");
    harness_free(h);
    h = aggregate("ROW<k STRING, v BIGINT>", MIN_OF, 0, 1, OP_FLAG_BATCH_MODE);
    must(harness_push_rows(h, 0, "a, NULL\na, 2\na, 1\nb, NULL\nNULL, -1", &err));
    must(harness_end_of_input(h, 0, &err));
    check_sorted(harness_rows(h, 0), "+I[a, 1]\n+I[b, null]\n+I[null, -1]");
    harness_free(h);
    h = aggregate("ROW<k STRING, v BIGINT, x INT>", MAX_OF, 0, 1, 0);
    check_rows(h, 0, "a, NULL, 1\na, 2, 2\na, NULL, 3\na, 3, 4",
               "+I[a, null, 1]\n+I[a, 2, 1]\n+I[a, 2, 1]\n+I[a, 3, 1]");
    harness_free(h);
}

/* Every number by value against every number by record: the same results. */
static void both_ways_agree(void **state)
{
    static const char *const types[] = {"TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE"};
    static const Flinc__AggregateKind kinds[] = {SUM, MIN_OF, MAX_OF};
    for (size_t t = 0; t < ARRAY_LEN(types) * ARRAY_LEN(kinds) * 4; t++) {
        bool nullable = t & 1;
        uint32_t flags = t & 2 ? OP_FLAG_BATCH_MODE : 0;
        Flinc__AggregateKind kind = kinds[t / 4 % 3];
        char narrow[200], wide[200];
        snprintf(narrow, sizeof(narrow), "ROW<k INT NOT NULL, v %s%s>", types[t / 12],
                 nullable ? "" : " NOT NULL");
        snprintf(wide, sizeof(wide), "ROW<k INT NOT NULL, v %s%s, k2 INT NOT NULL>", types[t / 12],
                 nullable ? "" : " NOT NULL");
        struct harness *n = aggregate(narrow, kind, 0, 1, flags);
        struct harness *w = aggregate(wide, kind, 0, 1, flags);
        STR_AUTO narrow_rows = STR_INIT;
        STR_AUTO wide_rows = STR_INIT;
        for (int i = 0; i < 500; i++) {
            char v[20];
            snprintf(v, sizeof(v), nullable && i % 5 == 0 ? "NULL" : "%d", i * 37 % 101 - 50);
            str_printf(&narrow_rows, "%d, %s\n", i % 7, v);
            str_printf(&wide_rows, "%d, %s, 0\n", i % 7, v);
        }
        must(harness_push_rows(n, 0, str_cstr(&narrow_rows), &err));
        must(harness_push_rows(w, 0, str_cstr(&wide_rows), &err));
        must(harness_end_of_input(n, 0, &err));
        must(harness_end_of_input(w, 0, &err));
        /* "+I[1, 2, 0]" without its last column. */
        STR_AUTO cut = STR_INIT;
        for (const char *p = harness_rows(w, 0); *p != '\0'; p++) {
            if (strncmp(p, ", 0]", 4) == 0) {
                p += 2;
            } else {
                str_append_char(&cut, *p);
            }
        }
        if (flags == 0) {
            assert_string_equal(harness_rows(n, 0), str_cstr(&cut));
        } else {
            assert_int_equal(harness_row_count(n, 0), 7);
            assert_int_equal(strlen(harness_rows(n, 0)), cut.len);
        }
        harness_free(n);
        harness_free(w);
    }
}

static void keys_of_several_columns(void **state)
{
    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    uint32_t keys[] = {2, 0};
    const char *schema = "ROW<a STRING NOT NULL, v BIGINT NOT NULL, b INT>";
    config.n_key_columns = 2;
    config.key_columns = keys;
    config.column = 1;
    for (int batch_mode = 0; batch_mode < 2; batch_mode++) {
        struct harness *h =
            opened(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                             .input_schemas = {schema},
                                             .output_schemas = {schema},
                                             .config = &config.base,
                                             .flags = batch_mode ? OP_FLAG_BATCH_MODE : 0});
        must(harness_push_rows(h, 0, "x, 1, 1\nx, 2, 2\nx, 3, 1\nx, 4, NULL\nx, 5, NULL", &err));
        must(harness_end_of_input(h, 0, &err));
        if (batch_mode) {
            check_sorted(harness_rows(h, 0), "+I[x, 2, 2]\n+I[x, 4, 1]\n+I[x, 9, null]");
        } else {
            assert_string_equal(
                harness_rows(h, 0),
                "+I[x, 1, 1]\n+I[x, 2, 2]\n+I[x, 4, 1]\n+I[x, 4, null]\n+I[x, 9, null]");
        }
        harness_free(h);
    }
}

static void selected_rows_of_a_shared_batch(void **state)
{
    struct harness *h = aggregate(word_count, SUM, 0, 1, 0);
    struct batch *b = NULL;
    must(harness_parse_rows(harness_pool(h), harness_input_schema(h, 0), "a, 1\nb, 2\na, 3\na, 4",
                            &b, &err));
    struct buffer *sel = buffer_get(harness_pool(h), 4);
    memcpy(sel->data, (const uint16_t[]){0, 3}, 4);
    sel->size = 4;
    batch_set_selection(b, sel, 2);
    must(harness_push(h, 0, batch_ref(b), &err));
    assert_string_equal(harness_rows(h, 0), "+I[a, 1]\n+I[a, 5]");
    /* The shared batch still holds what it held. */
    assert_int_equal(COLUMN_VALUES(&b->columns[1], const int64_t)[3], 4);
    assert_null(b->hashes);
    batch_unref(b);
    harness_free(h);
}

/* ---- by record --------------------------------------------------------------------------------- */

static const char *const reading = "ROW<sensor STRING NOT NULL, v INT NOT NULL, note STRING>";

static void min_and_max_keep_the_other_fields_of_the_first(void **state)
{
    struct harness *h = aggregate(reading, MIN_OF, 0, 1, 0);
    check_rows(h, 0, "a, 5, first\na, 3, second\nb, 1, NULL\na, 9, third\nb, 0, x",
               "+I[a, 5, first]\n+I[a, 3, first]\n+I[b, 1, null]\n+I[a, 3, first]\n+I[b, 0, null]");
    harness_free(h);
    h = aggregate(reading, SUM, 0, 1, 0);
    check_rows(h, 0, "a, 5, 'a note of more than twelve bytes'\na, 3, second",
               "+I[a, 5, a note of more than twelve bytes]\n"
               "+I[a, 8, a note of more than twelve bytes]");
    check_rows(h, 0, "a, 1, later @4", "+I[a, 9, a note of more than twelve bytes] @4");
    harness_free(h);
}

static void min_by_and_max_by_take_the_whole_record(void **state)
{
    struct harness *h = aggregate(reading, MIN_BY, 0, 1, 0);
    check_rows(h, 0, "a, 5, first\na, 3, second\na, 3, third\na, 9, fourth",
               "+I[a, 5, first]\n+I[a, 3, second]\n+I[a, 3, second]\n+I[a, 3, second]");
    harness_free(h);
    h = aggregate(reading, MAX_BY, 0, 1, OP_FLAG_BATCH_MODE);
    must(harness_push_rows(h, 0, "a, 5, first\nb, 1, only\na, 7, 'a note that needs the heap'",
                           &err));
    must(harness_push_rows(h, 0, "a, 7, equal\nb, -1, less", &err));
    must(harness_end_of_input(h, 0, &err));
    check_sorted(harness_rows(h, 0), "+I[a, 7, a note that needs the heap]\n+I[b, 1, only]");
    harness_free(h);
}

static void the_last_of_equals(void **state)
{
    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    uint32_t key = 0;
    config.kind = MAX_BY;
    config.n_key_columns = 1;
    config.key_columns = &key;
    config.column = 1;
    config.first = false;
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                                         .input_schemas = {reading},
                                                         .output_schemas = {reading},
                                                         .config = &config.base});
    check_rows(h, 0, "a, 5, first\na, 5, second\na, 4, third\na, 5, fourth",
               "+I[a, 5, first]\n+I[a, 5, second]\n+I[a, 5, second]\n+I[a, 5, fourth]");
    harness_free(h);
}

static void strings_booleans_and_times_compare(void **state)
{
    struct harness *h = aggregate(reading, MAX_OF, 0, 2, 0);
    check_rows(h, 0, "a, 1, NULL\na, 2, pear\na, 3, apple\na, 4, pearl\na, 5, NULL",
               "+I[a, 1, null]\n+I[a, 1, pear]\n+I[a, 1, pear]\n+I[a, 1, pearl]\n+I[a, 1, pearl]");
    harness_free(h);
    h = aggregate("ROW<k INT NOT NULL, v BOOLEAN NOT NULL>", MAX_OF, 0, 1, 0);
    check_rows(h, 0, "1, false\n1, true\n1, false", "+I[1, false]\n+I[1, true]\n+I[1, true]");
    harness_free(h);
    h = aggregate("ROW<k INT NOT NULL, v DATE NOT NULL>", MIN_OF, 0, 1, 0);
    check_rows(h, 0, "1, 10\n1, 9", "+I[1, 1970-01-11]\n+I[1, 1970-01-10]");
    harness_free(h);
}

static void null_loses_against_any_value(void **state)
{
    struct harness *h = aggregate("ROW<k INT NOT NULL, v INT, n INT NOT NULL>", MIN_BY, 0, 1, 0);
    check_rows(h, 0, "1, NULL, 1\n1, NULL, 2\n1, 5, 3\n1, NULL, 4",
               "+I[1, null, 1]\n+I[1, null, 1]\n+I[1, 5, 3]\n+I[1, 5, 3]");
    harness_free(h);
}

FLINC_STRUCT(trip, FLINC_STRING(city), FLINC_INT64(km), FLINC_STRING(last), FLINC_INT32(n));

static int longest(flinc_ctx *ctx, const trip *a, const trip *b, trip *out)
{
    if (b->km < 0) {
        return flinc_ctx_fail(ctx, "negative way");
    }
    *out = a->km >= b->km ? *a : *b;
    out->n = a->n + b->n;
    out->last = b->last;
    return 0;
}

static struct harness *reduce(uint32_t flags)
{
    static Flinc__StructField fields[4], *field_pointers[4];
    static Flinc__StructDesc desc;
    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    uint32_t key = 0;
    flinc__struct_desc__init(&desc);
    desc.size = trip_struct.size;
    desc.n_fields = 4;
    desc.fields = field_pointers;
    for (int i = 0; i < 4; i++) {
        flinc__struct_field__init(&fields[i]);
        fields[i].name = (char *)(uintptr_t)trip_fields[i].name;
        fields[i].kind = trip_fields[i].kind;
        fields[i].offset = trip_fields[i].offset;
        fields[i].null_offset = trip_fields[i].null_offset;
        field_pointers[i] = &fields[i];
    }
    config.kind = FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE;
    config.n_key_columns = 1;
    config.key_columns = &key;
    config.record = &desc;
    return opened(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                            .functions = {FN(FLINC_FN_REDUCE, longest)},
                                            .inputs = {FLINC_TYPE(trip)},
                                            .outputs = {FLINC_TYPE(trip)},
                                            .config = &config.base,
                                            .flags = flags,
                                            .restore = restored});
}

static void reduce_combines_records(void **state)
{
    struct harness *h = reduce(0);
    check_rows(h, 0,
               "oslo, 5, 'first destination', 1\noslo, 3, two, 1\nrome, 1, x, 1\noslo, 8, y, 1",
               "+I[oslo, 5, first destination, 1]\n+I[oslo, 5, two, 2]\n+I[rome, 1, x, 1]\n"
               "+I[oslo, 8, y, 3]");
    check_rows(h, 0, "oslo, 1, 'the last destination', 1 @3",
               "+I[oslo, 8, the last destination, 4] @3");
    must_fail(harness_push_rows(h, 0, "oslo, -1, z, 1", &err), ERR_USER_CODE,
              "function 'longest' (test.c:1) failed: negative way");
    harness_free(h);
    h = reduce(OP_FLAG_BATCH_MODE);
    must(harness_push_rows(h, 0, "oslo, 5, a, 1\noslo, 3, b, 1\nrome, 1, x, 1", &err));
    must(harness_push_rows(h, 0, "oslo, 9, 'far, far away from there', 1", &err));
    must(harness_end_of_input(h, 0, &err));
    check_sorted(harness_rows(h, 0), "+I[oslo, 9, far, far away from there, 3]\n+I[rome, 1, x, 1]");
    harness_free(h);
}

/* ---- restoring --------------------------------------------------------------------------------- */

/* Takes a checkpoint of the operator and closes it. */
static Flinc__OperatorSubtaskState *end_by_checkpoint(struct harness *h)
{
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &s, &err));
    harness_free(h);
    restored = s;
    return s;
}

static void start_afresh(Flinc__OperatorSubtaskState *take_state)
{
    flinc__operator_subtask_state__free_unpacked(take_state, NULL);
    restored = NULL;
}

static void results_go_on_after_a_restore(void **state)
{
    struct harness *h = aggregate(word_count, SUM, 0, 1, 0);
    check_rows(h, 0, "to, 1\na-word-longer-than-twelve, 5",
               "+I[to, 1]\n+I[a-word-longer-than-twelve, 5]");
    Flinc__OperatorSubtaskState *s = end_by_checkpoint(h);
    h = aggregate(word_count, SUM, 0, 1, 0);
    check_rows(h, 0, "to, 2\na-word-longer-than-twelve, 5\nbe, 1",
               "+I[to, 3]\n+I[a-word-longer-than-twelve, 10]\n+I[be, 1]");
    harness_free(h);
    start_afresh(s);

    /* NULL is kept apart from a number. */
    const char *nullable = "ROW<word STRING, count INT>";
    h = aggregate(nullable, MIN_OF, 0, 1, 0);
    check_rows(h, 0, "a, NULL\nNULL, 4", "+I[a, null]\n+I[null, 4]");
    s = end_by_checkpoint(h);
    h = aggregate(nullable, MIN_OF, 0, 1, 0);
    check_rows(h, 0, "a, NULL\nNULL, 7\na, 9", "+I[a, null]\n+I[null, 4]\n+I[a, 9]");
    harness_free(h);
    start_afresh(s);

    const char *wide = "ROW<word STRING, way INT, place STRING>";
    h = aggregate(wide, MAX_BY, 0, 1, 0);
    check_rows(h, 0, "a, 5, 'a place with a long name'\nb, 1, NULL",
               "+I[a, 5, a place with a long name]\n+I[b, 1, null]");
    s = end_by_checkpoint(h);
    h = aggregate(wide, MAX_BY, 0, 1, 0);
    check_rows(h, 0, "a, 4, here\nb, 2, there",
               "+I[a, 5, a place with a long name]\n+I[b, 2, there]");
    harness_free(h);
    start_afresh(s);
}

static void reduce_goes_on_after_a_restore(void **state)
{
    struct harness *h = reduce(0);
    check_rows(h, 0, "oslo, 5, 'first destination', 1", "+I[oslo, 5, first destination, 1]");
    Flinc__OperatorSubtaskState *s = end_by_checkpoint(h);
    h = reduce(0);
    check_rows(h, 0, "oslo, 3, two, 1", "+I[oslo, 5, two, 2]");
    harness_free(h);
    start_afresh(s);
}

/* ---- limits and mistakes ----------------------------------------------------------------------- */

static void state_stays_in_its_budget(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", 100000, NULL);
    struct harness *h = aggregate(reading, MAX_BY, 0, 1, 0);
    must(harness_push_rows(h, 0, "a, 1, x", &err));
    harness_free(h);

    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    uint32_t key = 0;
    config.n_key_columns = 1;
    config.key_columns = &key;
    config.column = 1;
    must(harness_new(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                               .name = "Sum",
                                               .input_schemas = {word_count},
                                               .output_schemas = {word_count},
                                               .config = &config.base},
                     &h, &err));
    harness_context(h)->state_budget = &budget;
    must(harness_open(h, &err));
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 4000; i++) {
        str_printf(&rows, "w%d, 1\n", i);
    }
    must_fail(harness_push_rows(h, 0, str_cstr(&rows), &err), ERR_LIMIT,
              "state '_op_state' of operator 'Sum'");
    harness_free(h);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void mistakes_are_explained(void **state)
{
    static const struct {
        const char *schema;
        Flinc__AggregateKind kind;
        uint32_t key, column;
        int code;
        const char *text;
    } cases[] = {
        {"ROW<k INT, v STRING>", SUM, 0, 1, ERR_INVALID_ARGUMENT,
         "column 'v' of type STRING cannot be summed"},
        {"ROW<k INT, v INT>", SUM, 5, 1, ERR_INVALID_ARGUMENT, "needs key columns and a column"},
        {"ROW<k INT, v INT>", SUM, 0, 2, ERR_INVALID_ARGUMENT, "among the 2 of its input"},
        {"ROW<k ARRAY<INT>, v INT>", SUM, 0, 1, ERR_UNSUPPORTED, "column 'k' cannot be a key"},
        {"ROW<k INT, v INT, x MAP<INT, INT>>", MIN_OF, 0, 2, ERR_INVALID_ARGUMENT,
         "column 'x' of type MAP cannot be compared"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
        struct harness *h = NULL;
        uint32_t key = cases[i].key;
        config.kind = cases[i].kind;
        config.n_key_columns = 1;
        config.key_columns = &key;
        config.column = cases[i].column;
        must(harness_new(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                                   .input_schemas = {cases[i].schema},
                                                   .output_schemas = {cases[i].schema},
                                                   .config = &config.base},
                         &h, &err));
        must_fail(harness_open(h, &err), cases[i].code, cases[i].text);
        harness_free(h);
    }
    struct harness *h = aggregate(word_count, SUM, 0, 1, 0);
    must_fail(harness_push_rows(h, 0, "a, 1\n-D a, 1", &err), ERR_UNSUPPORTED, "a record is -D");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_gives_a_result_per_record),
        cmocka_unit_test(batch_mode_gives_final_values_only),
        cmocka_unit_test(no_input_no_result),
        cmocka_unit_test(final_values_leave_batch_by_batch),
        cmocka_unit_test(integers_wrap_around),
        cmocka_unit_test(min_and_max_of_numbers),
        cmocka_unit_test(doubles_have_javas_order),
        cmocka_unit_test(null_counts_for_nothing),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(keys_of_several_columns),
        cmocka_unit_test(selected_rows_of_a_shared_batch),
        cmocka_unit_test(min_and_max_keep_the_other_fields_of_the_first),
        cmocka_unit_test(min_by_and_max_by_take_the_whole_record),
        cmocka_unit_test(the_last_of_equals),
        cmocka_unit_test(strings_booleans_and_times_compare),
        cmocka_unit_test(null_loses_against_any_value),
        cmocka_unit_test(reduce_combines_records),
        cmocka_unit_test(results_go_on_after_a_restore),
        cmocka_unit_test(reduce_goes_on_after_a_restore),
        cmocka_unit_test(state_stays_in_its_budget),
        cmocka_unit_test(mistakes_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
