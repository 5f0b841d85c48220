/* The Arrow C data interface, in: arrays as other libraries make them, what is refused of them, and who
 * releases what when. */
#include "tests/unit/engine_data/codec_test.h"

#include "engine/data/arrow.h"

/* ---- arrays as others make them ---------------------------------------------------------------- */

static int n_released;

static void release_schema(struct ArrowSchema *s)
{
    s->release = NULL;
}

static void release_array(struct ArrowArray *a)
{
    a->release = NULL;
    n_released++;
}

/* A struct of one field. */
struct foreign {
    struct ArrowSchema schema, field, item, pair[2];
    struct ArrowSchema *schema_children[1], *field_children[1], *item_children[2];
    struct ArrowArray array, values, items, pair_values[2];
    struct ArrowArray *array_children[1], *values_children[1], *items_children[2];
    const void *none[1];
};

static void foreign_init(struct foreign *f, const char *format, int64_t length, int64_t n_buffers,
                         const void **buffers)
{
    memset(f, 0, sizeof(*f));
    n_released = 0;
    f->field = (struct ArrowSchema){
        .format = format, .name = "f", .flags = ARROW_FLAG_NULLABLE, .release = release_schema};
    f->schema_children[0] = &f->field;
    f->schema = (struct ArrowSchema){
        .format = "+s", .n_children = 1, .children = f->schema_children, .release = release_schema};
    f->values = (struct ArrowArray){.length = length,
                                    .null_count = -1,
                                    .n_buffers = n_buffers,
                                    .buffers = buffers,
                                    .release = release_array};
    f->array_children[0] = &f->values;
    f->array = (struct ArrowArray){.length = length,
                                   .n_buffers = 1,
                                   .buffers = f->none,
                                   .n_children = 1,
                                   .children = f->array_children,
                                   .release = release_array};
}

/* The elements of a list. */
static void foreign_items(struct foreign *f, const char *format, int64_t length, int64_t n_buffers,
                          const void **buffers)
{
    f->item = (struct ArrowSchema){.format = format, .name = "item", .release = release_schema};
    f->items = (struct ArrowArray){.length = length,
                                   .null_count = -1,
                                   .n_buffers = n_buffers,
                                   .buffers = buffers,
                                   .release = release_array};
    f->field_children[0] = &f->item;
    f->field.children = f->field_children;
    f->field.n_children = 1;
    f->values_children[0] = &f->items;
    f->values.children = f->values_children;
    f->values.n_children = 1;
}

/* Rows [from, from + n) as text: one line per row. */
static void check_import(struct buffer_pool *pool, struct foreign *f, uint64_t from, uint32_t n,
                         const char *type, const char *rows)
{
    struct error err = ERROR_INIT;
    struct arrow_import *import = NULL;
    struct batch *b = NULL;
    STR_AUTO text = STR_INIT;
    check_ok(arrow_import_new(&f->schema, &f->array, &import, &err), &err);
    type_print(arrow_import_schema(import)->fields[0].type, &text);
    assert_string_equal(str_cstr(&text), type);
    check_ok(arrow_import_batch(import, pool, from, n, &b, &err), &err);
    check_valid(b);
    str_clear(&text);
    for (uint32_t i = 0; i < n; i++) {
        batch_print_row(b, i, &text);
    }
    assert_string_equal(str_cstr(&text), rows);
    arrow_import_unref(import);
    batch_unref(b);
    assert_int_equal(n_released, 1); /* the root; its children are the producer's */
}

static void check_refused(struct buffer_pool *pool, struct foreign *f, int code, const char *what)
{
    struct error err = ERROR_INIT;
    struct arrow_import *import = NULL;
    struct batch *b = NULL;
    int rc = arrow_import_new(&f->schema, &f->array, &import, &err);
    if (rc < 0) {
        assert_non_null(f->array.release); /* not taken */
        assert_int_equal(n_released, 0);
    } else {
        rc = arrow_import_batch(import, pool, 0, (uint32_t)arrow_import_rows(import), &b, &err);
    }
    arrow_import_unref(import);
    batch_unref(b);
    char text[1024];
    error_format(&err, text, sizeof(text));
    if (rc != code || strstr(text, what) == NULL) {
        fail_msg("%d '%s', not %d '%s'", rc, text, code, what);
    }
}

static void offsets_of_arrays_count(void **state)
{
    struct foreign f;
    const uint8_t bits[] = {0xd7, 0x01}; /* row 3 and row 5 are NULL */
    const int32_t ints[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const void *buffers[] = {bits, ints};
    foreign_init(&f, "i", 9, 2, buffers);
    check_import(*state, &f, 2, 5, "INT", "+I[2]+I[null]+I[4]+I[null]+I[6]");
    foreign_init(&f, "i", 6, 2, buffers);
    f.values.offset = 3;
    check_import(*state, &f, 0, 3, "INT", "+I[null]+I[4]+I[null]");
    foreign_init(&f, "i", 6, 2, buffers);
    f.values.offset = 2;
    f.array.offset = 1; /* both offsets add up */
    f.array.length = 3;
    check_import(*state, &f, 1, 2, "INT", "+I[4]+I[null]");
    foreign_init(&f, "b", 9, 2, (const void *[]){NULL, bits});
    f.values.offset = 3;
    f.values.length = f.array.length = 6;
    check_import(*state, &f, 0, 4, "BOOLEAN", "+I[false]+I[true]+I[false]+I[true]");
}

static void strings_of_all_forms(void **state)
{
    struct foreign f;
    const uint8_t bits[] = {0x0d};
    const char bytes[] = "--onetwoa string of 20 charsfour";
    const int32_t narrow[] = {2, 5, 8, 28, 32};
    const int64_t wide[] = {2, 5, 8, 28, 32};
    const char *rows = "+I[one]+I[null]+I[a string of 20 chars]+I[four]";
    foreign_init(&f, "u", 4, 3, (const void *[]){bits, narrow, bytes});
    check_import(*state, &f, 0, 4, "STRING", rows);
    foreign_init(&f, "U", 4, 3, (const void *[]){bits, wide, bytes});
    check_import(*state, &f, 0, 4, "STRING", rows);
    foreign_init(&f, "U", 2, 3, (const void *[]){NULL, wide, bytes});
    f.values.offset = 2;
    check_import(*state, &f, 0, 2, "STRING", "+I[a string of 20 chars]+I[four]");
    foreign_init(&f, "w:3", 2, 2, (const void *[]){NULL, bytes});
    f.values.offset = 1;
    check_import(*state, &f, 0, 2, "BINARY(3)", "+I[[110, 101, 116]]+I[[119, 111, 97]]");
    foreign_init(&f, "u", 2, 3, (const void *[]){NULL, (const int32_t[]){0, 0, 0}, NULL});
    check_import(*state, &f, 0, 2, "STRING", "+I[]+I[]");
    struct view views[3] = {view_inline("short", 5), {.len = 20}, view_inline("x", 1)};
    views[1].buffer = 1;
    views[1].offset = 8;
    views[0].inlined[11] = '?'; /* behind the string: not ours to trust */
    const int64_t sizes[] = {0, sizeof(bytes)};
    foreign_init(&f, "vu", 3, 5, (const void *[]){NULL, views, NULL, bytes, sizes});
    check_import(*state, &f, 0, 3, "STRING", "+I[short]+I[a string of 20 chars]+I[x]");
}

static void long_strings_stay_where_they_are(void **state)
{
    enum { ROWS = 1000, LEN = 40 };
    struct foreign f;
    struct arrow_import *import = NULL;
    struct batch *b = NULL;
    char *bytes = mem_alloc(ROWS * LEN); /* its end is the end of the block */
    int32_t *offsets = MEM_NEW_ARRAY(int32_t, ROWS + 1);
    struct view *views = MEM_NEW_ARRAY(struct view, ROWS);
    for (int i = 0; i < ROWS; i++) {
        memset(bytes + i * LEN, 'a' + i % 26, LEN);
        offsets[i + 1] = (i + 1) * LEN;
        views[i] = (struct view){.len = LEN};
        views[i].offset = i * LEN;
    }
    const int64_t sizes[] = {ROWS * LEN};
    for (int form = 0; form < 2; form++) {
        const void *as_run[] = {NULL, offsets, bytes};
        const void *as_views[] = {NULL, views, bytes, sizes};
        foreign_init(&f, form == 0 ? "z" : "vz", ROWS, form == 0 ? 3 : 4,
                     form == 0 ? as_run : as_views);
        assert_int_equal(arrow_import_new(&f.schema, &f.array, &import, NULL), 0);
        assert_int_equal(arrow_import_batch(import, *state, 0, ROWS, &b, NULL), 0);
        arrow_import_unref(import);
        check_valid(b);
        assert_int_equal(n_released, 0); /* the batch refers to its bytes */
        const struct column *c = &b->columns[0];
        assert_ptr_equal(column_get_bytes(c, 1).data, bytes + LEN);
        assert_int_equal(column_get_bytes(c, 26).data[0], 'a');
        /* The last two are copies: what a view points to can be read BUFFER_PADDING beyond its end. */
        for (uint32_t row = ROWS - 2; row < ROWS; row++) {
            struct slice s = column_get_bytes(c, row);
            assert_true(s.data < bytes || s.data >= bytes + ROWS * LEN);
            assert_memory_equal(s.data, bytes + row * LEN, LEN);
        }
        /* Encoding reads in such steps. */
        struct buffer *frame = encode_batch(*state, b, 0);
        struct batch *back = decode_batch(*state, b->schema, frame, 0);
        assert_true(batch_equals(b, back));
        batch_unref(back);
        buffer_unref(frame);
        batch_unref(b);
        assert_int_equal(n_released, 1);
    }
    mem_free(views);
    mem_free(offsets);
    mem_free(bytes);
}

static void lists_and_maps_with_offsets(void **state)
{
    struct foreign f;
    const int32_t ints[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const int32_t narrow[] = {0, 2, 2, 5, 6};
    const int64_t wide[] = {0, 2, 2, 5, 6};
    const void *items[] = {NULL, ints};
    foreign_init(&f, "+l", 4, 2, (const void *[]){NULL, narrow});
    foreign_items(&f, "i", 6, 2, items);
    check_import(*state, &f, 0, 4, "ARRAY<INT NOT NULL>", "+I[[0, 1]]+I[[]]+I[[2, 3, 4]]+I[[5]]");
    foreign_init(&f, "+L", 2, 2, (const void *[]){NULL, wide});
    foreign_items(&f, "i", 6, 2, items);
    f.values.offset = 2;
    f.items.offset = 3;
    check_import(*state, &f, 0, 2, "ARRAY<INT NOT NULL>", "+I[[5, 6, 7]]+I[[8]]");
    foreign_init(&f, "+w:3", 2, 1, (const void *[]){NULL});
    foreign_items(&f, "i", 9, 2, items);
    f.values.offset = 1;
    check_import(*state, &f, 1, 1, "ARRAY<INT NOT NULL>", "+I[[6, 7, 8]]");

    foreign_init(&f, "+m", 2, 2, (const void *[]){NULL, narrow});
    const void *none[] = {NULL};
    foreign_items(&f, "+s", 5, 1, none);
    for (int i = 0; i < 2; i++) {
        f.pair[i] = (struct ArrowSchema){.format = "i", .name = "k", .release = release_schema};
        f.pair_values[i] = (struct ArrowArray){
            .length = 10, .n_buffers = 2, .buffers = items, .release = release_array};
        f.item_children[i] = &f.pair[i];
        f.items_children[i] = &f.pair_values[i];
    }
    f.item.n_children = f.items.n_children = 2;
    f.item.children = f.item_children;
    f.items.children = f.items_children;
    f.values.offset = 2; /* [2, 5) and [5, 6) of the entries, */
    f.items.offset = 1;  /* which begin at their children's row 1 */
    f.items.length = 6;
    f.pair_values[1].length = 7;
    f.pair_values[1].offset = 3;
    check_import(*state, &f, 0, 2, "MAP<INT NOT NULL, INT NOT NULL>",
                 "+I[{3=6, 4=7, 5=8}]+I[{6=9}]");
}

static void values_are_converted(void **state)
{
    static const struct {
        const char *format, *type, *row;
        int64_t values[2];
    } CASES[] = {
        {"C", "SMALLINT", "+I[200]", {200, 0}},
        {"S", "INT", "+I[65535]", {65535, 0}},
        {"I", "BIGINT", "+I[4294967295]", {UINT32_MAX, 0}},
        {"L", "DECIMAL(20, 0)", "+I[18446744073709551615]", {-1, 0}},
        {"d:10,2", "DECIMAL(10, 2)", "+I[-1.23]", {-123, -1}},
        {"d:38,0", "DECIMAL(38, 0)", "+I[36893488147419103233]", {1, 2}},
        {"d:9,1,32", "DECIMAL(9, 1)", "+I[-0.5]", {-5, 0}},
        {"d:18,1,64", "DECIMAL(18, 1)", "+I[0.7]", {7, 0}},
        {"tdm", "DATE", "+I[1969-12-31]", {-86400000, 0}},
        {"tts", "TIME(0)", "+I[01:01:01]", {3661, 0}},
        {"ttu", "TIME(6)", "+I[00:00:01.001]", {1001999, 0}},
        {"ttn", "TIME(9)", "+I[00:00:01.001]", {1001999999, 0}},
        {"tss:", "TIMESTAMP(0)", "+I[1970-01-01T00:00:01]", {1, 0}},
        {"tsn:", "TIMESTAMP(9)", "+I[1969-12-31T23:59:59.999999999]", {-1, 0}},
        {"tsu:Europe/Berlin", "TIMESTAMP_LTZ(6)", "+I[1970-01-01T00:00:00.000001Z]", {1, 0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct foreign f;
        foreign_init(&f, CASES[i].format, 1, 2, (const void *[]){NULL, CASES[i].values});
        check_import(*state, &f, 0, 1, CASES[i].type, CASES[i].row);
    }
    static const struct {
        const char *format;
        int64_t value, millis;
    } INTERVALS[] = {
        {"tDs", -2, -2000},
        {"tDm", -2, -2},
        {"tDu", -1, -1},
        {"tDn", 1999999, 1},
        {"tiD", INT64_C(5) << 32 | 1, 86400005},
    };
    for (size_t i = 0; i < ARRAY_LEN(INTERVALS); i++) {
        struct foreign f;
        struct arrow_import *import = NULL;
        struct batch *b = NULL;
        foreign_init(&f, INTERVALS[i].format, 1, 2, (const void *[]){NULL, &INTERVALS[i].value});
        assert_int_equal(arrow_import_new(&f.schema, &f.array, &import, NULL), 0);
        assert_int_equal(arrow_import_batch(import, *state, 0, 1, &b, NULL), 0);
        assert_int_equal(COLUMN_VALUES(&b->columns[0], int64_t)[0], INTERVALS[i].millis);
        batch_unref(b);
        arrow_import_unref(import);
    }
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void bad_schemas_are_refused(void **state)
{
    static const char *const FORMATS[] = {"e",   "tin", "+ud:0",  "+us:0",    "+r",     "+vl",
                                          "w:0", "d:",  "d:39,0", "",         "d:5,-2", "d:5,9",
                                          "x",   "w:",  "+w:-1",  "d:9,2,256"};
    struct foreign f;
    const void *buffers[] = {NULL, NULL};
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        foreign_init(&f, FORMATS[i], 0, 2, buffers);
        check_refused(*state, &f, ERR_UNSUPPORTED, "importing field 'f'");
    }
    foreign_init(&f, NULL, 0, 2, buffers);
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "without a format");
    foreign_init(&f, "i", 0, 2, buffers);
    f.schema.format = "i";
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "is a struct");
    foreign_init(&f, "i", 0, 2, buffers);
    f.field.dictionary = &f.item;
    check_refused(*state, &f, ERR_UNSUPPORTED, "dictionary");
    foreign_init(&f, "i", 0, 2, buffers);
    f.schema.release = NULL;
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "released");
    foreign_init(&f, "+l", 0, 2, buffers);
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "0 children");
    foreign_init(&f, "+l", 0, 2, buffers);
    foreign_items(&f, "+l", 0, 2, buffers);
    f.item.children = f.field_children; /* a list of itself, without end */
    f.item.n_children = 1;
    check_refused(*state, &f, ERR_TOO_LARGE, "nest deeper");
    /* One pair: flinc:type = INT, which is no string. */
    static const char METADATA[] = "\1\0\0\0\12\0\0\0flinc:type\3\0\0\0INT";
    foreign_init(&f, "u", 0, 3, buffers);
    f.field.metadata = METADATA;
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "not of format 'u'");
}

static void bad_arrays_are_refused(void **state)
{
    struct foreign f;
    const int32_t ints[] = {1, 2};
    const void *buffers[] = {NULL, ints, ints};
    foreign_init(&f, "i", 2, 3, buffers);
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "number of buffers");
    foreign_init(&f, "i", 2, 2, buffers);
    f.values.length = 1;
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "too short");
    foreign_init(&f, "i", -1, 2, buffers);
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "negative length");
    foreign_init(&f, "i", 2, 2, (const void *[]){NULL, NULL});
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "a buffer is missing");
    foreign_init(&f, "i", 2, 2, buffers);
    f.array.n_children = 0;
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "children");
    foreign_init(&f, "i", 2, 2, buffers);
    const uint8_t bits[] = {1};
    f.none[0] = bits;
    f.array.null_count = 1;
    check_refused(*state, &f, ERR_UNSUPPORTED, "some of which are NULL");
    foreign_init(&f, "u", 2, 3, (const void *[]){NULL, (const int32_t[]){0, 3, 1}, "abc"});
    check_refused(*state, &f, ERR_CORRUPT, "offsets decrease");
    foreign_init(&f, "u", 1, 3, (const void *[]){NULL, (const int32_t[]){-1, 3}, "abc"});
    check_refused(*state, &f, ERR_CORRUPT, "negative offset");
    foreign_init(&f, "U", 1, 3,
                 (const void *[]){NULL, (const int64_t[]){0, INT64_C(1) << 31}, "a"});
    check_refused(*state, &f, ERR_TOO_LARGE, "2 GiB");
    foreign_init(&f, "+l", 1, 2, (const void *[]){NULL, (const int32_t[]){0, 3}});
    foreign_items(&f, "i", 2, 2, buffers);
    check_refused(*state, &f, ERR_CORRUPT, "beyond its elements");
    foreign_init(&f, "+w:2", 2, 1, buffers);
    foreign_items(&f, "i", 2, 2, buffers);
    check_refused(*state, &f, ERR_INVALID_ARGUMENT, "too short");
    const int64_t sizes[] = {10};
    struct view view = {.len = 13};
    foreign_init(&f, "vu", 1, 4, (const void *[]){NULL, &view, "0123456789", sizes});
    check_refused(*state, &f, ERR_CORRUPT, "beyond its buffer");
    view.buffer = 1;
    foreign_init(&f, "vu", 1, 4, (const void *[]){NULL, &view, "0123456789", sizes});
    check_refused(*state, &f, ERR_CORRUPT, "does not exist");
    view.len = -1;
    foreign_init(&f, "vu", 1, 4, (const void *[]){NULL, &view, "0123456789", sizes});
    check_refused(*state, &f, ERR_CORRUPT, "negative length");
    foreign_init(&f, "tss:", 1, 2, (const void *[]){NULL, (const int64_t[]){INT64_MAX}});
    check_refused(*state, &f, ERR_TOO_LARGE, "out of the range");
    foreign_init(&f, "d:3,0", 1, 2, (const void *[]){NULL, (const int64_t[]){1000, 0}});
    check_refused(*state, &f, ERR_TOO_LARGE, "more than 3 digits");
}

static void rows_outside_are_refused(void **state)
{
    struct foreign f;
    struct arrow_import *import = NULL;
    struct batch *b = NULL;
    static const int8_t bytes[5000];
    foreign_init(&f, "c", 5000, 2, (const void *[]){NULL, bytes});
    assert_int_equal(arrow_import_new(&f.schema, &f.array, &import, NULL), 0);
    assert_int_equal(arrow_import_batch(import, *state, 0, 5000, &b, NULL), ERR_INVALID_ARGUMENT);
    assert_int_equal(arrow_import_batch(import, *state, 4999, 2, &b, NULL), ERR_INVALID_ARGUMENT);
    assert_int_equal(arrow_import_batch(import, *state, UINT64_MAX, 2, &b, NULL),
                     ERR_INVALID_ARGUMENT);
    assert_int_equal(arrow_import_batch(import, *state, 904, 4096, &b, NULL), 0);
    batch_unref(b);
    assert_int_equal(arrow_import_batch(import, *state, 5000, 0, &b, NULL), 0);
    check_valid(b);
    batch_unref(b);
    arrow_import_unref(import);
    assert_int_equal(n_released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(offsets_of_arrays_count, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(strings_of_all_forms, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(long_strings_stay_where_they_are, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(lists_and_maps_with_offsets, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(values_are_converted, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(bad_schemas_are_refused, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(bad_arrays_are_refused, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(rows_outside_are_refused, setup_pool, teardown_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
