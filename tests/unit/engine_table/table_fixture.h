/* Tables for tests: options as pairs, the schema as text. */
#ifndef FLINC_TESTS_ENGINE_TABLE_TABLE_FIXTURE_H
#define FLINC_TESTS_ENGINE_TABLE_TABLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/table/options.h"
#include "engine/table/table.h"

struct table_fixture {
    struct table table;
    struct table_options options;
    struct schema *schema;
    struct text_map given;
};

/* "key", "value", ..., NULL. */
static inline struct text_map pairs_of(const char *const *pairs)
{
    struct text_map m = TEXT_MAP_INIT;
    for (; pairs[0] != NULL; pairs += 2) {
        text_map_put(&m, slice_cstr(pairs[0]), slice_cstr(pairs[1]));
    }
    return m;
}

static inline void table_fixture_fini(struct table_fixture *f)
{
    if (f->table.options != NULL) {
        table_options_fini(&f->options);
    }
    schema_unref(f->schema);
    text_map_fini(&f->given);
    *f = (struct table_fixture){.schema = NULL};
}

/* The table 'c.d.t'; what table_options_read() and table_validate() say.  Ended by table_fixture_fini(). */
static inline int table_fixture_open(struct table_fixture *f, const char *schema,
                                     const char *const *pairs, struct error *err)
{
    *f = (struct table_fixture){.given = pairs_of(pairs)};
    TRY(schema_parse(slice_cstr(schema), &f->schema, err));
    TRY(table_options_read("c.d.t", &f->given, &f->options, err));
    f->table = (struct table){.name = "c.d.t",
                              .connector = f->options.connector,
                              .schema = f->schema,
                              .options = &f->options};
    return table_validate(&f->table, err);
}

static inline void expect_ok(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s (%s)", err->message, err->frames);
    }
}

static inline void expect_error(int rc, int code, const struct error *err, const char *part)
{
    assert_int_equal(rc, code);
    if (strstr(err->message, part) == NULL && strstr(err->frames, part) == NULL) {
        fail_msg("\"%s\" is not in: %s (%s)", part, err->message, err->frames);
    }
}

/* Reading options and validating fails with this code and text. */
static inline void expect_bad_table(const char *schema, const char *const *pairs, int code,
                                    const char *part)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    expect_error(table_fixture_open(&f, schema, pairs, &err), code, &err, part);
    table_fixture_fini(&f);
}
#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
