/* Schema evolution: fields by name; what may change does, the rest is refused with its reason. */
#include "tests/unit/engine_snapshot/fixture.h"

static struct schema_migration *migration(const char *from, const char *to)
{
    struct schema_migration *m = NULL;
    struct schema *a = schema_of(from), *b = schema_of(to);
    assert_ok(schema_migration_new(a, b, &m, &ok_err));
    schema_unref(a);
    schema_unref(b);
    return m;
}

static void refused(const char *from, const char *to, const char *part)
{
    struct schema_migration *m = NULL;
    struct error err = ERROR_INIT;
    struct schema *a = schema_of(from), *b = schema_of(to);
    check_error(schema_migration_new(a, b, &m, &err), ERR_STATE, &err, part);
    assert_int_equal(err.cls, ERROR_CLASS_USER);
    schema_unref(a);
    schema_unref(b);
}

/* Rows (i, i * 10 or NULL, "name-i") of `a`, `b`, `name`. */
static struct batch *rows(struct buffer_pool *pool, const char *type, uint32_t n)
{
    struct builder b;
    struct schema *s = schema_of(type);
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "a-longer-name-%u", i);
        builder_begin(&b);
        if (s->fields[0].type->layout == LAYOUT_F32) {
            builder_put_f64(&b, 0, i + 0.5);
        } else {
            builder_put_i64(&b, 0, (int64_t)i - 2);
        }
        if (i % 3 == 1) {
            builder_put_null(&b, 1);
        } else {
            builder_put_i64(&b, 1, (int64_t)i * 10);
        }
        assert_int_equal(builder_put_bytes(&b, 2, name, (size_t)len, NULL), 0);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    schema_unref(s);
    return batch;
}

static void check_row(struct buffer_pool *pool, const char *from, const char *to, uint32_t row,
                      const char *want)
{
    STR_AUTO text = STR_INIT;
    struct batch *out = NULL;
    struct batch *in = rows(pool, from, 5);
    struct schema_migration *m = migration(from, to);
    assert_false(schema_migration_is_identity(m));
    assert_ok(schema_migration_apply(m, pool, in, &out, &ok_err));
    assert_ok(batch_validate(out, &ok_err));
    assert_int_equal(out->n_rows, 5);
    batch_print_row(out, row, &text);
    assert_string_equal(str_cstr(&text), want);
    batch_unref(out);
    batch_unref(in);
    schema_migration_free(m);
}

#define FROM "ROW<`a` INT NOT NULL, `b` SMALLINT, `name` VARCHAR(20) NOT NULL>"

static void identity(void **state)
{
    struct batch *in = rows(*state, FROM, 3), *out = NULL;
    struct schema_migration *m = migration(FROM, FROM);
    assert_true(schema_migration_is_identity(m));
    assert_ok(schema_migration_apply(m, *state, in, &out, &ok_err));
    assert_ptr_equal(in, out);
    batch_unref(out);
    batch_unref(in);
    assert_null(schema_migration_free(m));
    assert_null(schema_migration_free(NULL));
}

static void what_may_change(void **state)
{
    struct buffer_pool *pool = *state;
    /* order, removal, addition */
    check_row(pool, FROM, "ROW<`name` VARCHAR(20) NOT NULL, `a` INT NOT NULL>", 0,
              "+I[a-longer-name-0, -2]");
    check_row(pool, FROM, "ROW<`new` DOUBLE, `b` SMALLINT, `t` TIMESTAMP(9) NOT NULL>", 3,
              "+I[null, 30, 1970-01-01T00:00]");
    check_row(pool, FROM, "ROW<`z` BIGINT NOT NULL, `s` STRING NOT NULL, `o` BOOLEAN NOT NULL>", 0,
              "+I[0, , false]");
    check_row(pool, FROM, "ROW<`list` ARRAY<INT>, `r` ROW<`x` INT NOT NULL>, `a` INT>", 3,
              "+I[null, null, 1]");
    /* wider */
    check_row(pool, FROM, "ROW<`a` BIGINT, `b` INT, `name` STRING>", 1,
              "+I[-1, null, a-longer-name-1]");
    check_row(pool, FROM, "ROW<`a` BIGINT NOT NULL, `b` BIGINT, `name` VARCHAR(30)>", 2,
              "+I[0, 20, a-longer-name-2]");
    check_row(pool, "ROW<`a` TINYINT NOT NULL, `b` TINYINT, `name` STRING>",
              "ROW<`a` SMALLINT, `b` INT>", 0, "+I[-2, 0]");
    check_row(pool, "ROW<`a` TINYINT NOT NULL, `b` INT, `name` STRING>", "ROW<`a` INT, `b` BIGINT>",
              3, "+I[1, 30]");
    check_row(pool, "ROW<`a` FLOAT NOT NULL, `b` INT, `name` STRING>",
              "ROW<`a` DOUBLE NOT NULL, `b` INT>", 3, "+I[3.5, 30]");
    check_row(pool, FROM, "ROW<`a` INT>", 4, "+I[2]"); /* NOT NULL to nullable */
}

static void selections_stay(void **state)
{
    struct batch *in = rows(*state, FROM, 5), *out = NULL;
    struct batch *slice = batch_slice(*state, in, 2, 4);
    struct schema_migration *m = migration(FROM, "ROW<`a` BIGINT, `new` INT>");
    assert_ok(schema_migration_apply(m, *state, slice, &out, &ok_err));
    assert_int_equal(out->n_sel, 2);
    assert_ok(batch_validate(out, &ok_err));
    batch_unref(out);
    batch_unref(slice);
    batch_unref(in);
    schema_migration_free(m);
}

#define NESTED                                                                                \
    "ROW<`id` INT NOT NULL, `r` ROW<`x` INT, `gone` STRING, `l` ARRAY<ROW<`p` SMALLINT, `q` " \
    "STRING>>>, `m` MAP<INT, FLOAT>>"

/* Row 0: everything; row 1: NULLs at the top; row 2: NULLs inside, and nothing. */
static struct batch *nested_rows(struct buffer_pool *pool)
{
    struct builder b;
    struct schema *s = schema_of(NESTED);
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < 3; i++) {
        builder_put_i64(&b, 0, i);
        struct builder_column *r = builder_column_of(&b, 1), *m = builder_column_of(&b, 2);
        struct builder_column *l = builder_child_of(r, 2), *item = builder_child_of(l, 0);
        if (i == 1) {
            builder_put_null(&b, 1);
            builder_put_null(&b, 2);
            builder_end_row(&b);
            continue;
        }
        if (i == 0) {
            builder_add_i64(&b, builder_child_of(r, 0), 7);
            for (int64_t k = 0; k < 3; k++) {
                builder_add_i64(&b, builder_child_of(item, 0), -k);
                assert_ok(builder_add_bytes(&b, builder_child_of(item, 1), "text", 4, &ok_err));
                builder_add_nested(&b, item);
            }
            builder_add_i64(&b, builder_child_of(m, 0), 5);
            builder_add_f64(&b, builder_child_of(m, 1), 0.5);
        } else {
            builder_add_null(&b, builder_child_of(r, 0));
            builder_add_null(&b, item);
        }
        assert_ok(builder_add_bytes(&b, builder_child_of(r, 1), "x", 1, &ok_err));
        builder_add_nested(&b, l);
        builder_put_nested(&b, 1);
        builder_put_nested(&b, 2);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    schema_unref(s);
    return batch;
}

static void nested_types_change_inside(void **state)
{
    static const char *const want[] = {
        ("+I[0, +I[[+I[text, 0, null, 0], +I[text, -1, null, 0], +I[text, -2, null, 0]], 7], "
         "{5=0.5}]"),
        "+I[1, null, null]",
        "+I[2, +I[[null], null], {}]",
    };
    const char *to = "ROW<`id` BIGINT NOT NULL, `r` ROW<`l` ARRAY<ROW<`q` STRING, `p` BIGINT, `n` "
                     "DOUBLE, `z` INT NOT NULL>>, `x` BIGINT>, `m` MAP<BIGINT, DOUBLE>>";
    struct batch *in = nested_rows(*state), *out = NULL;
    struct schema_migration *m = migration(NESTED, to);
    assert_ok(schema_migration_apply(m, *state, in, &out, &ok_err));
    assert_ok(batch_validate(out, &ok_err));
    for (uint32_t i = 0; i < ARRAY_LEN(want); i++) {
        STR_AUTO text = STR_INIT;
        batch_print_row(out, i, &text);
        assert_string_equal(str_cstr(&text), want[i]);
    }
    batch_unref(out);
    batch_unref(in);
    schema_migration_free(m);
}

static void what_may_not(void **state)
{
    (void)state;
    refused("ROW<`count` BIGINT>", "ROW<`count` STRING>", "field 'count' was BIGINT and is");
    refused("ROW<`a` BIGINT>", "ROW<`a` INT>", "only integers become wider");
    refused("ROW<`a` DOUBLE>", "ROW<`a` FLOAT>", "only");
    refused("ROW<`a` INT>", "ROW<`a` DOUBLE>", "only");
    refused("ROW<`a` INT>", "ROW<`a` INT NOT NULL>", "NOT NULL");
    refused("ROW<`a` INT>", "ROW<`a` BIGINT NOT NULL>", "NOT NULL");
    refused("ROW<`a` VARCHAR(9)>", "ROW<`a` VARCHAR(8)>", "longer");
    refused("ROW<`a` DECIMAL(10, 2)>", "ROW<`a` DECIMAL(10, 3)>", "longer");
    refused("ROW<`a` DECIMAL(18, 2)>", "ROW<`a` DECIMAL(19, 2)>", "longer");
    refused("ROW<`a` ARRAY<INT>>", "ROW<`a` STRING>", "nested");
    refused("ROW<`a` ARRAY<INT>>", "ROW<`a` MULTISET<INT>>", "nested");
    /* inside of nested types: where */
    refused("ROW<`a` ROW<`x` BIGINT>>", "ROW<`a` ROW<`x` INT>>", "field 'a.x' was BIGINT");
    refused("ROW<`orders` ROW<`items` ARRAY<ROW<`price` BIGINT>>>>",
            "ROW<`orders` ROW<`items` ARRAY<ROW<`price` STRING>>>>",
            "field 'orders.items[].price' was BIGINT and is STRING now: only integers");
    refused("ROW<`m` MAP<STRING, ARRAY<INT>>>", "ROW<`m` MAP<STRING, ARRAY<INT NOT NULL>>>",
            "field 'm.value[]' was INT and is INT NOT NULL");
    refused("ROW<`m` MAP<BIGINT, INT>>", "ROW<`m` MAP<INT, INT>>", "field 'm.key'");
    refused("ROW<`m` MAP<ROW<`a` INT, `b` INT>, INT>>", "ROW<`m` MAP<ROW<`a` INT>, INT>>",
            "field 'm.key' was ROW");
    refused("ROW<`r` ROW<`a` INT>>", "ROW<`r` ROW<`a` INT, `l` ARRAY<INT> NOT NULL>>",
            "field 'r.l' (ARRAY<INT> NOT NULL) is not in the state");
    refused("ROW<`a` INT>", "ROW<`a` INT, `l` ARRAY<INT> NOT NULL>", "must be nullable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(identity),        SNAPSHOT_TEST(what_may_change),
        SNAPSHOT_TEST(selections_stay), SNAPSHOT_TEST(nested_types_change_inside),
        SNAPSHOT_TEST(what_may_not),
    };
    return cmocka_run_group_tests_name("migration", tests, NULL, NULL);
}
