/* CSV: splitting and quoting by RFC 4180, and that each undoes the other. */
#include "common/text/csv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"

static const struct csv_format semicolon = {.delimiter = ';', .quote = '\''};

static void expect_fields(const char *record, const struct csv_format *format, const char *joined)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct vec fields = VEC_INIT(struct csv_field);
    assert_int_equal(csv_split(slice_cstr(record), format, &arena, &fields, NULL), 0);
    STR_AUTO got = STR_INIT;
    for (size_t i = 0; i < fields.len; i++) {
        const struct csv_field *f = VEC_AT(&fields, struct csv_field, i);
        str_printf(&got, "%s%s%.*s", i > 0 ? "|" : "", f->quoted ? "q:" : "", (int)f->text.len,
                   f->text.data);
    }
    assert_string_equal(str_cstr(&got), joined);
    vec_fini(&fields);
    arena_fini(&arena);
}

static void test_splits(void **state)
{
    expect_fields("", NULL, "");
    expect_fields("a", NULL, "a");
    expect_fields("a,b,c", NULL, "a|b|c");
    expect_fields(",", NULL, "|");
    expect_fields("a,", NULL, "a|");
    expect_fields(" a , b ", NULL, " a | b "); /* blanks are data */
    expect_fields("\"a,b\",c", NULL, "q:a,b|c");
    expect_fields("\"\",", NULL, "q:|");
    expect_fields("\"say \"\"hi\"\"\",x", NULL, "q:say \"hi\"|x");
    expect_fields("\"\"\"\"", NULL, "q:\"");
    expect_fields("\"two\nlines\"", NULL, "q:two\nlines");
    expect_fields("5\" disk,x", NULL, "5\" disk|x"); /* a quote inside of plain text is text */
    expect_fields("'a;b';c,d", &semicolon, "q:a;b|c,d");
}

static void test_bad_records(void **state)
{
    static const struct {
        const char *record, *message;
    } rows[] = {
        {"a,\"b", "byte 3"},
        {"\"", "byte 1"},
        {"\"a\"b,c", "byte 4"},
        {"\"a\"\"", "never closed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        arena_init(&arena, 0);
        struct vec fields = VEC_INIT(struct csv_field);
        struct error err = ERROR_INIT;
        assert_int_equal(csv_split(slice_cstr(rows[i].record), NULL, &arena, &fields, &err),
                         ERR_PARSE);
        assert_non_null(strstr(err.message, rows[i].message));
        vec_fini(&fields);
        arena_fini(&arena);
    }
}

static void test_too_many_fields(void **state)
{
    STR_AUTO record = STR_INIT;
    for (int i = 0; i < CSV_FIELDS_MAX; i++) {
        str_append_char(&record, ',');
    }
    struct arena arena;
    arena_init(&arena, 0);
    struct vec fields = VEC_INIT(struct csv_field);
    assert_int_equal(csv_split(str_slice(&record), NULL, &arena, &fields, NULL), ERR_TOO_LARGE);
    vec_fini(&fields);
    arena_fini(&arena);
}

static void test_record_ends(void **state)
{
    static const struct {
        const char *text;
        size_t end;
    } rows[] = {
        {"", 0},
        {"ab", 2},
        {"a\nb", 1},
        {"a\r\nb", 1},
        {"\"a\nb\"\nc", 5},
        {"a\"\nb", 2},
        {"\"a\"\"\n\"\nb", 6},
        {"a,\"\n\"\n", 5},
        {"\"a\n", 3},
        {"\n", 0},
        {"ab\"\"c\nd", 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(csv_record_end(slice_cstr(rows[i].text), NULL), rows[i].end);
    }
}

static void test_round_trips(void **state)
{
    static const char alphabet[] = "ab,;\"'\r\n ";
    struct rng rng;
    rng_init(&rng, 13);
    for (int round = 0; round < 20000; round++) {
        const struct csv_format *format = round % 2 == 0 ? NULL : &semicolon;
        char texts[4][6];
        size_t lens[4];
        size_t n = 1 + rng_below(&rng, 4);
        STR_AUTO record = STR_INIT;
        for (size_t i = 0; i < n; i++) {
            lens[i] = rng_below(&rng, sizeof(texts[i]));
            for (size_t c = 0; c < lens[i]; c++) {
                texts[i][c] = alphabet[rng_below(&rng, sizeof(alphabet) - 1)];
            }
            if (i > 0) {
                str_append_char(&record, format == NULL ? ',' : ';');
            }
            csv_append_field(&record, slice_make(texts[i], lens[i]), format);
        }
        size_t len = record.len;
        str_append_cstr(&record, "\nnext");
        assert_int_equal(csv_record_end(str_slice(&record), format), len);
        struct arena arena;
        arena_init(&arena, 0);
        struct vec fields = VEC_INIT(struct csv_field);
        assert_int_equal(csv_split(slice_make(record.data, len), format, &arena, &fields, NULL), 0);
        assert_int_equal(fields.len, n);
        for (size_t i = 0; i < n; i++) {
            const struct csv_field *f = VEC_AT(&fields, struct csv_field, i);
            assert_true(slice_eq(f->text, slice_make(texts[i], lens[i])));
        }
        vec_fini(&fields);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits),          cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_too_many_fields), cmocka_unit_test(test_record_ends),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
