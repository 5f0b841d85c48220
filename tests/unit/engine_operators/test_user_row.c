/* Rows of user functions, field by field: every type in rows and inside of others, in all kinds of state and in
 * nested fields of structs, over restores; and what is refused. */
#include "flinc/row.h"
#include "flinc/state.h"

#include "struct_fixture.h"

#include "proto/operators.pb-c.h"

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_INT64(n));
FLINC_STRUCT(shown, FLINC_STRING(key), FLINC_STRING(text));
FLINC_STRUCT(order, FLINC_STRING(key), FLINC_NULLABLE(FLINC_NESTED(tags, "ARRAY<STRING>")),
             FLINC_NESTED(total, "ROW<n BIGINT NOT NULL, each MAP<STRING, INT>>"));

/* ---- harness ----------------------------------------------------------------------------------- */

struct setup {
    flinc_any_fn call;
    int (*open)(flinc_ctx *ctx);
    void (*close)(flinc_ctx *ctx);
    const flinc_struct *in, *out;
    uint32_t subtask, parallelism;
    Flinc__OperatorSubtaskState *restore;
};

static struct harness *make(const struct setup *s)
{
    struct arena arena;
    struct harness *h = NULL;
    uint32_t key = 0;
    arena_init(&arena, 0);
    const flinc_struct *type = s->in != NULL ? s->in : FLINC_TYPE(event);
    const flinc_struct *result = s->out != NULL ? s->out : FLINC_TYPE(shown);
    Flinc__FunctionOperatorConfig config = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *in = struct_desc_of(type, &arena), *out = struct_desc_of(result, &arena);
    config.inputs = &in;
    config.n_inputs = 1;
    config.outputs = &out;
    config.n_outputs = 1;
    config.key_columns = &key;
    config.n_key_columns = 1;
    struct harness_options o = {
        .kind = "flinc.flat_map",
        .functions = {{FLINC_FN_FLAT_MAP, s->call, "f", "test.c:1"},
                      {FLINC_FN_OPEN, (flinc_any_fn)s->open, "f", "test.c:1"},
                      {s->close != NULL ? FLINC_FN_CLOSE : 0, (flinc_any_fn)s->close, "f",
                       "test.c:1"}},
        .inputs = {type},
        .outputs = {result},
        .config = &config.base,
        .subtask = s->subtask,
        .parallelism = s->parallelism,
        .restore = s->restore,
        .restore_checkpoint = s->restore != NULL,
    };
    must(harness_new(&o, &h, &err));
    arena_fini(&arena);
    return h;
}

static struct harness *open_harness(const struct setup *s)
{
    struct harness *h = make(s);
    must(harness_open(h, &err));
    return h;
}

/* `expected`: rows with a newline behind each. */
static void check_push(struct harness *h, const char *rows, const char *expected)
{
    STR_AUTO got = STR_INIT;
    harness_clear(h);
    must(harness_push_rows(h, 0, rows, &err));
    must(harness_flush(h, &err));
    str_printf(&got, "%s\n", harness_rows(h, 0));
    assert_string_equal(str_cstr(&got), expected);
}

static Flinc__OperatorSubtaskState *snapshot(struct harness *h)
{
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &s, &err));
    return s;
}

/* ---- every type -------------------------------------------------------------------------------- */

/* Twice: in the row, and in a row of an array in it. */
#define TYPES                                                                                   \
    "a TINYINT, b SMALLINT, c INT, d BIGINT NOT NULL, e FLOAT, f DOUBLE, g BOOLEAN, h STRING, " \
    "i BYTES NOT NULL, j DECIMAL(10, 2), k DECIMAL(38, 0), l DATE, m TIME(3), n TIMESTAMP(3), " \
    "o TIMESTAMP_LTZ(6), p TIMESTAMP(9), q INTERVAL DAY"
enum { FIELDS = 17 };

struct types {
    flinc_row *row;
    flinc_value_state *state;
};

static int types_open(flinc_ctx *ctx)
{
    static const char *const type = "ROW<" TYPES ", items ARRAY<ROW<" TYPES ">>>";
    struct types *t = calloc(1, sizeof(*t));
    flinc_ctx_set_user(ctx, t);
    t->row = flinc_ctx_row(ctx, type);
    t->state = flinc_ctx_value_state(ctx, FLINC_STATE(.name = "types", .row = type));
    return 0;
}

static void put_types(flinc_row *r, int64_t n)
{
    flinc_row_put_int64(r, 0, n % 100);
    flinc_row_put_int64(r, 1, -n);
    flinc_row_put_int64(r, 2, n * 1000);
    flinc_row_put_int64(r, 3, n << 40);
    flinc_row_put_double(r, 4, (double)n / 2);
    flinc_row_put_double(r, 5, (double)n / 4);
    flinc_row_put_bool(r, 6, n % 2 != 0);
    flinc_row_put_string(r, 7, FLINC_STR("more than twelve bytes"));
    flinc_row_put_string(r, 8, FLINC_STR("x"));
    flinc_row_put_decimal(r, 9, (flinc_decimal){.high = -1, .low = (uint64_t)-n});
    flinc_row_put_decimal(r, 10, (flinc_decimal){.high = n, .low = 7});
    flinc_row_put_int64(r, 11, n);
    flinc_row_put_int64(r, 12, n);
    flinc_row_put_timestamp(r, 13, (flinc_timestamp){.ms = -n, .nanos = 999999});
    flinc_row_put_timestamp(r, 14, (flinc_timestamp){.ms = -n, .nanos = 123456});
    flinc_row_put_timestamp(r, 15, (flinc_timestamp){.ms = n, .nanos = 5});
    if (n % 3 == 0) {
        flinc_row_put_null(r, 16);
    } else {
        flinc_row_put_int64(r, 16, n);
    }
}

static void free_user(flinc_ctx *ctx)
{
    free(flinc_ctx_user(ctx));
}

#define CHECK(expr)                                       \
    do {                                                  \
        if (!(expr)) {                                    \
            return flinc_ctx_fail(ctx, "not: %s", #expr); \
        }                                                 \
    } while (0)

static int check_types(flinc_ctx *ctx, flinc_cells c, int64_t n)
{
    flinc_timestamp t13 = flinc_cell_timestamp(c, 13), t14 = flinc_cell_timestamp(c, 14);
    flinc_timestamp t15 = flinc_cell_timestamp(c, 15);
    flinc_string h = flinc_cell_string(c, 7);
    CHECK(flinc_cell_int64(c, 0) == n % 100 && flinc_cell_int64(c, 1) == -n);
    CHECK(flinc_cell_int64(c, 2) == n * 1000 && flinc_cell_int64(c, 3) == n << 40);
    CHECK(flinc_cell_double(c, 4) == (double)n / 2 && flinc_cell_double(c, 5) == (double)n / 4);
    CHECK(flinc_cell_bool(c, 6) == (n % 2 != 0));
    CHECK(h.len == 22 && memcmp(h.data, "more than twelve bytes", 22) == 0);
    CHECK(flinc_cell_string(c, 8).len == 1);
    CHECK(flinc_cell_decimal(c, 9).high == -1 && flinc_cell_decimal(c, 9).low == (uint64_t)-n);
    CHECK(flinc_cell_int64(c, 9) == -n);
    CHECK(flinc_cell_decimal(c, 10).high == n && flinc_cell_decimal(c, 10).low == 7);
    CHECK(flinc_cell_int64(c, 11) == n && flinc_cell_int64(c, 12) == n);
    CHECK(t13.ms == -n && t13.nanos == 0 && t14.ms == -n && t14.nanos == 123000);
    CHECK(flinc_cell_int64(c, 13) == -n && flinc_cell_int64(c, 14) == -n * 1000 + 123);
    CHECK(t15.ms == n && t15.nanos == 5);
    CHECK(flinc_cell_is_null(c, 16) == (n % 3 == 0));
    CHECK(flinc_cell_int64(c, 16) == (n % 3 == 0 ? 0 : n));
    return 0;
}

/* Adds an item that is like the row. */
static int types(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    struct types *t = flinc_ctx_user(ctx);
    flinc_row *r = t->row;
    bool is_there = flinc_row_read(r, flinc_value_get(t->state));
    flinc_cells items = flinc_row_nested(r, FIELDS);
    for (uint32_t i = 0; i < items.n; i++) {
        int rc = check_types(ctx, flinc_cell_nested(items, i), i + 1);
        if (rc < 0) {
            return rc;
        }
    }
    if (is_there) {
        int rc = check_types(ctx, flinc_row_cells(r), items.n);
        if (rc < 0) {
            return rc;
        }
    }
    put_types(r, items.n + 1);
    flinc_row_begin(r, FIELDS);
    for (uint32_t i = 0; i < items.n; i++) {
        flinc_row_put_cell(r, FLINC_NEXT, items, i);
    }
    flinc_row_begin(r, FLINC_NEXT);
    put_types(r, items.n + 1);
    flinc_row_end(r);
    flinc_row_end(r);
    flinc_value_set(t->state, flinc_row_record(r));
    char text[32];
    int len = snprintf(text, sizeof(text), "%u items", flinc_row_nested(r, FIELDS).n);
    return FLINC_EMIT(out, shown, .key = in->key, .text = {text, (size_t)len});
}

static void every_type_comes_back(void **state)
{
    struct setup s = {.call = (flinc_any_fn)types, .open = types_open, .close = free_user};
    struct harness *h = open_harness(&s);
    check_push(h, "a, 0\nb, 0\na, 0\na, 0",
               "+I[a, 1 items]\n+I[b, 1 items]\n+I[a, 2 items]\n"
               "+I[a, 3 items]\n");
    check_push(h, "b, 0", "+I[b, 2 items]\n");
    s.restore = snapshot(h);
    harness_free(h);
    h = open_harness(&s);
    check_push(h, "a, 0\nb, 0", "+I[a, 4 items]\n+I[b, 3 items]\n");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s.restore, NULL);
}

/* ---- every kind of state ----------------------------------------------------------------------- */

#define TAGS "ROW<n BIGINT NOT NULL, tags ARRAY<STRING>, count MAP<STRING, INT NOT NULL>>"

struct kinds {
    flinc_row *row, *part, *both;
    flinc_list_state *list;
    flinc_map_state *map;
    flinc_reducing_state *sum;
    flinc_operator_list *items;
    flinc_broadcast_state *rules;
};

/* The tags of both. */
static int join_tags(flinc_ctx *ctx, const void *a, const void *b, void *out)
{
    struct kinds *k = flinc_ctx_user(ctx);
    const void *parts[] = {a, b};
    int64_t n = 0;
    flinc_row *sum = k->both;
    flinc_row_clear(sum);
    flinc_row_begin(sum, 1);
    for (int i = 0; i < 2; i++) {
        flinc_row_read(k->part, parts[i]);
        flinc_cells tags = flinc_row_nested(k->part, 1);
        for (uint32_t t = 0; t < tags.n; t++) {
            flinc_row_put_cell(sum, FLINC_NEXT, tags, t);
        }
        n += flinc_row_int64(k->part, 0);
    }
    flinc_row_end(sum);
    flinc_row_put_int64(sum, 0, n);
    flinc_row_store(sum, out);
    return 0;
}

static int kinds_open(flinc_ctx *ctx)
{
    struct kinds *k = calloc(1, sizeof(*k));
    flinc_ctx_set_user(ctx, k);
    k->row = flinc_ctx_row(ctx, TAGS);
    k->part = flinc_ctx_row(ctx, TAGS);
    k->both = flinc_ctx_row(ctx, TAGS);
    k->list = flinc_ctx_list_state(ctx, FLINC_STATE(.name = "list", .row = TAGS));
    k->map = flinc_ctx_map_state(
        ctx, FLINC_STATE(.name = "map", .type = FLINC_TYPE(order), .key_row = "ROW<x STRING>"));
    k->sum =
        flinc_ctx_reducing_state(ctx, FLINC_STATE(.name = "sum", .row = TAGS, .reduce = join_tags));
    k->items = flinc_ctx_operator_list(ctx, FLINC_STATE(.name = "items", .row = TAGS));
    k->rules =
        flinc_ctx_broadcast_state(ctx, FLINC_STATE(.name = "rules", .row = TAGS, .key_row = TAGS));
    return 0;
}

static void put_tags(flinc_row *r, int64_t n, flinc_string key)
{
    flinc_row_clear(r);
    flinc_row_put_int64(r, 0, n);
    flinc_row_begin(r, 1);
    for (int64_t i = 0; i < n % 4; i++) {
        flinc_row_put_string(r, FLINC_NEXT, key);
    }
    flinc_row_put_null(r, FLINC_NEXT);
    flinc_row_end(r);
    flinc_row_begin(r, 2);
    flinc_row_put_string(r, 0, key);
    flinc_row_put_int64(r, 1, n);
    flinc_row_end(r);
}

static int kinds(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    struct kinds *k = flinc_ctx_user(ctx);
    const void *element;
    int64_t n = 0, tags = 0, counts = 0;
    char text[80];
    put_tags(k->row, in->n, in->key);
    flinc_list_add(k->list, flinc_row_record(k->row));
    flinc_reducing_add(k->sum, flinc_row_record(k->row));
    flinc_list_begin(k->list);
    while ((element = flinc_list_next(k->list)) != NULL) {
        flinc_row_read(k->row, element);
        flinc_cells keys = flinc_row_nested(k->row, 2);
        flinc_cells values = flinc_cell_values(flinc_row_cells(k->row), 2);
        n++;
        tags += flinc_row_nested(k->row, 1).n;
        for (uint32_t i = 0; i < keys.n; i++) {
            CHECK(flinc_cell_string(keys, i).len == in->key.len);
            counts += flinc_cell_int64(values, i);
        }
    }
    flinc_row_read(k->row, flinc_reducing_get(k->sum));
    CHECK(flinc_row_int64(k->row, 0) == counts && flinc_row_nested(k->row, 1).n == tags);
    /* By nested keys, too: equal ones are one. */
    put_tags(k->part, in->key.len, in->key);
    bool was_there = flinc_broadcast_contains(k->rules, flinc_row_record(k->part));
    flinc_broadcast_put(k->rules, flinc_row_record(k->part), flinc_row_record(k->row));
    CHECK(was_there == (n > 1));
    CHECK(flinc_row_read(k->both, flinc_broadcast_get(k->rules, flinc_row_record(k->part))));
    CHECK(flinc_row_nested(k->both, 1).n == tags);
    int len = snprintf(text, sizeof(text), "%lld elements, %lld tags, %lld counts, %zu items",
                       (long long)n, (long long)tags, (long long)counts,
                       flinc_operator_list_len(k->items));
    put_tags(k->row, in->n, in->key);
    flinc_operator_list_add(k->items, flinc_row_record(k->row));
    return FLINC_EMIT(out, shown, .key = in->key, .text = {text, (size_t)len});
}

static void every_kind_of_state_has_rows(void **state)
{
    struct setup s = {.call = (flinc_any_fn)kinds, .open = kinds_open, .close = free_user};
    struct harness *h = open_harness(&s);
    check_push(h, "a, 1\na, 2\nb, 7",
               "+I[a, 1 elements, 2 tags, 1 counts, 0 items]\n"
               "+I[a, 2 elements, 5 tags, 3 counts, 1 items]\n"
               "+I[b, 1 elements, 4 tags, 7 counts, 2 items]\n");
    s.restore = snapshot(h);
    harness_free(h);
    h = open_harness(&s);
    check_push(h, "a, 4", "+I[a, 3 elements, 6 tags, 7 counts, 3 items]\n");
    harness_free(h);
    flinc__operator_subtask_state__free_unpacked(s.restore, NULL);
}

/* ---- nested fields of structs ------------------------------------------------------------------ */

static int orders_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_struct_row(ctx, FLINC_TYPE(order)));
    return 0;
}

static int make_orders(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_row *r = flinc_ctx_user(ctx);
    flinc_row_clear(r);
    flinc_row_put_string(r, flinc_row_field(r, "key"), in->key);
    if (in->n % 3 != 0) {
        flinc_row_begin(r, 1);
        for (int64_t i = 0; i < in->n; i++) {
            flinc_row_put_string(r, FLINC_NEXT, in->key);
        }
        flinc_row_end(r);
    }
    if (in->n != 5) {
        flinc_row_begin(r, 2);
        flinc_row_put_int64(r, 0, in->n);
        flinc_row_begin(r, 1);
        flinc_row_put_string(r, 0, FLINC_STR("one"));
        flinc_row_put_int64(r, 1, in->n + 1);
        flinc_row_end(r);
        flinc_row_end(r);
    }
    return FLINC_EMIT_STRUCT(out, order, (const order *)flinc_row_record(r));
}

static void structs_have_nested_fields(void **state)
{
    struct setup s = {
        .call = (flinc_any_fn)make_orders, .open = orders_open, .out = FLINC_TYPE(order)};
    struct harness *h = open_harness(&s);
    check_push(h, "a, 1\nb, 3\nc, 5",
               "+I[a, [a], +I[1, {one=2}]]\n+I[b, null, +I[3, {one=4}]]\n"
               "+I[c, [c, c, c, c, c], +I[0, null]]\n");
    harness_free(h);
}

/* ---- what is refused --------------------------------------------------------------------------- */

#define PLACE \
    "ROW<a INT NOT NULL, r ROW<x INT NOT NULL, y STRING>, l ARRAY<INT NOT NULL>, m MAP<INT, INT>>"

static int mistakes_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_row(ctx, PLACE));
    return 0;
}

/* Each goes wrong in its way; none of them looks at codes. */
static int mistakes(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_row *r = flinc_ctx_user(ctx);
    (void)out;
    switch (in->n) {
    case 0:
        flinc_row_put_null(r, 0);
        break;
    case 1:
        flinc_row_put_int64(r, 0, INT64_C(1) << 31);
        break;
    case 2:
        flinc_row_put_string(r, 0, FLINC_STR("x"));
        break;
    case 3:
        flinc_row_put_int64(r, 4, 0);
        break;
    case 4:
        flinc_row_begin(r, 1);
        flinc_row_put_string(r, 1, FLINC_STR("x"));
        flinc_row_end(r);
        break;
    case 5:
        flinc_row_begin(r, 1);
        flinc_row_put_int64(r, 0, 1);
        flinc_row_put_int64(r, 0, 2);
        break;
    case 6:
        flinc_row_begin(r, 2);
        flinc_row_put_null(r, FLINC_NEXT);
        break;
    case 7:
        flinc_row_begin(r, 2);
        flinc_row_put_int64(r, 0, 1);
        break;
    case 8:
        flinc_row_begin(r, 3);
        flinc_row_put_int64(r, 1, 1);
        break;
    case 9:
        flinc_row_begin(r, 3);
        flinc_row_put_int64(r, 0, 1);
        flinc_row_end(r);
        break;
    case 10:
        flinc_row_end(r);
        break;
    case 11:
        flinc_row_begin(r, 1);
        (void)flinc_row_record(r);
        break;
    case 12:
        flinc_row_begin(r, 0);
        break;
    case 13:
        (void)flinc_row_string(r, 0);
        break;
    case 14:
        (void)flinc_row_nested(r, 0);
        break;
    case 15:
        (void)flinc_cell_values(flinc_row_cells(r), 2);
        break;
    case 16:
        (void)flinc_cell_int64(flinc_row_nested(r, 2), 0);
        break;
    default:
        flinc_row_begin(r, 2);
        flinc_row_put_cell(r, FLINC_NEXT, flinc_row_cells(r), 1);
        break;
    }
    /* What was begun is forgotten; the row can be used. */
    flinc_row_clear(r);
    flinc_row_put_int64(r, 0, 1);
    return 0;
}

static void mistakes_fail_the_task(void **state)
{
    static const char *const says[] = {
        "a row: it cannot be NULL, field or cell 0 in INT NOT NULL",
        "the number is out of the range of its type, field or cell 0 in INT",
        "no string goes there",
        "there is no such field, field or cell 4",
        "it has no value and cannot be NULL, field or cell 0 in ROW<`x` INT",
        "it was written before, field or cell 0",
        "it cannot be NULL in ARRAY<INT NOT NULL>",
        "elements are written as FLINC_NEXT",
        "0 is a key, then 1 its value",
        "the last key has no value in MAP<INT, INT>",
        "nothing was begun",
        "a nested value was begun and not ended, field or cell 1",
        "no ROW, ARRAY, MAP or MULTISET goes there",
        "no string is there, field or cell 0 in INT NOT NULL",
        "no ROW, ARRAY, MAP or MULTISET is there",
        "no MAP or MULTISET is there",
        "there is no such cell, field or cell 0",
        "it cannot be NULL", /* the row at field 1 is NULL */
    };
    for (int i = 0; i < (int)ARRAY_LEN(says); i++) {
        struct setup s = {.call = (flinc_any_fn)mistakes, .open = mistakes_open};
        struct harness *h = open_harness(&s);
        char rows[32];
        snprintf(rows, sizeof(rows), "a, %d", i);
        must_fail(harness_push_rows(h, 0, rows, &err), ERR_USER_CODE, says[i]);
        harness_free(h);
    }
}

static int nothing(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    return 0;
}

static int open_no_type(flinc_ctx *ctx)
{
    (void)flinc_ctx_row(ctx, "ROW<a WHATEVER>");
    return 0;
}

static int open_no_row(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x", .row = "ARRAY<INT>"));
    return 0;
}

static int open_both(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(
        ctx, FLINC_STATE(.name = "x", .row = "ROW<a INT>", .type = FLINC_TYPE(event)));
    return 0;
}

static int open_nested_key(flinc_ctx *ctx)
{
    (void)flinc_ctx_map_state(
        ctx, FLINC_STATE(.name = "x", .row = "ROW<a INT>", .key_row = "ROW<k ARRAY<INT>>"));
    return 0;
}

static int open_other_row(flinc_ctx *ctx)
{
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x", .row = "ROW<a INT>"));
    (void)flinc_ctx_value_state(ctx, FLINC_STATE(.name = "x", .row = "ROW<a BIGINT>"));
    return 0;
}

static void bad_types_fail_open(void **state)
{
    static const struct {
        int (*open)(flinc_ctx *ctx);
        const char *says;
    } cases[] = {
        {open_no_type, "WHATEVER"},
        {open_no_row, "a schema is a ROW type"},
        {open_both, "cannot be both"},
        {open_nested_key, "column '$key.k' cannot be a key: its type is ARRAY"},
        {open_other_row, "it was declared before, as value state or of another type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct setup s = {.call = (flinc_any_fn)nothing, .open = cases[i].open};
        struct harness *h = make(&s);
        struct error err = ERROR_INIT;
        assert_true(harness_open(h, &err) < 0);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", err.message, cases[i].says);
        }
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(every_kind_of_state_has_rows),
        cmocka_unit_test(structs_have_nested_fields),
        cmocka_unit_test(mistakes_fail_the_task),
        cmocka_unit_test(bad_types_fail_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
