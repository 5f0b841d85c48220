/* Options `fields.<column>.*` against the columns of a table; what each column is made of.  Thread: any. */
#include "common/text/number.h"
#include "connectors/datagen/datagen.h"
#include "engine/table/options.h"

#include <math.h>

enum { YEAR_MONTHS_MAX = 120000, DAY_TIME_MS_MAX = 1000000 };

struct planner {
    const struct table *t;
    const struct conf *options;
    struct arena *arena;
    struct text_list used; /* keys that a column has looked at */
    int64_t count;         /* rows of the shortest sequence */
    uint64_t seed;         /* of the next field */
};

/* The key of an option of a field; the text lives in the arena. */
static const char *key_of(struct planner *p, const char *path, const char *what)
{
    const char *key = arena_printf(p->arena, "fields.%s.%s", path, what);

    text_list_add(&p->used, slice_cstr(key));
    return key;
}

/* What is set under it; NULL: nothing. */
static const char *given(struct planner *p, const char *path, const char *what)
{
    return conf_raw(p->options, key_of(p, path, what));
}

static int refuse(struct planner *p, const char *path, const char *what, struct error *err,
                  const char *why)
{
    return table_option_invalid(p->t, key_of(p, path, what), err, "%s", why);
}

/* ---- bounds ---------------------------------------------------------------------------------------- */

struct wide_range {
    __int128 least, most;
};

static __int128 power_of_ten(int32_t n)
{
    __int128 r = 1;

    while (n-- > 0) {
        r *= 10;
    }
    return r;
}

/* All values of the type; false: it is none of whole numbers. */
static bool whole_range(const struct data_type *type, struct wide_range *ret)
{
    switch (type->id) {
    case TYPE_TINYINT:
        *ret = (struct wide_range){INT8_MIN, INT8_MAX};
        return true;
    case TYPE_SMALLINT:
        *ret = (struct wide_range){INT16_MIN, INT16_MAX};
        return true;
    case TYPE_INTEGER:
        *ret = (struct wide_range){INT32_MIN, INT32_MAX};
        return true;
    case TYPE_BIGINT:
        *ret = (struct wide_range){INT64_MIN, INT64_MAX};
        return true;
    case TYPE_INTERVAL_YEAR_MONTH:
        *ret = (struct wide_range){0, YEAR_MONTHS_MAX};
        return true;
    case TYPE_INTERVAL_DAY_TIME:
        *ret = (struct wide_range){0, DAY_TIME_MS_MAX};
        return true;
    case TYPE_DECIMAL: {
        __int128 most = power_of_ten(type->precision) - 1;
        *ret = (struct wide_range){-most, most};
        return true;
    }
    default:
        return false;
    }
}

/* "-12.345" by the scale of the type (0 for all but DECIMAL), exact; digits behind the scale are an error. */
static bool parse_wide(const char *text, int32_t scale, __int128 *ret)
{
    const char *s = text + (*text == '-' || *text == '+');
    __int128 v = 0;
    int32_t digits = 0, behind = -1;

    for (; *s != '\0'; s++) {
        if (*s == '.' && behind < 0) {
            behind = 0;
            continue;
        }
        if (*s < '0' || *s > '9' || ++digits > TYPE_PRECISION_MAX || behind == scale) {
            return false;
        }
        v = v * 10 + (*s - '0');
        behind += behind >= 0;
    }
    for (int32_t i = MAX(behind, 0); i < scale; i++) {
        if (v >= power_of_ten(TYPE_PRECISION_MAX - 1)) {
            return false;
        }
        v *= 10;
    }
    *ret = *text == '-' ? -v : v;
    return digits > 0;
}

static int read_whole(struct planner *p, const char *path, const char *what,
                      const struct data_type *type, __int128 *inout, struct error *err)
{
    const char *text = given(p, path, what);
    struct wide_range all = {0, 0};
    __int128 v;

    if (text == NULL) {
        return 0;
    }
    (void)whole_range(type, &all);
    bool interval = type->id == TYPE_INTERVAL_YEAR_MONTH || type->id == TYPE_INTERVAL_DAY_TIME;
    if (!parse_wide(text, type->id == TYPE_DECIMAL ? type->scale : 0, &v) ||
        (!interval && (v < all.least || v > all.most)) ||
        (interval && (v < INT32_MIN || v > INT32_MAX))) {
        return refuse(p, path, what, err, "it is no value of the column's type");
    }
    *inout = v;
    return 0;
}

static int read_double(struct planner *p, const char *path, const char *what, double *inout,
                       struct error *err)
{
    const char *text = given(p, path, what);

    if (text != NULL && (number_parse_double(slice_cstr(text), inout) < 0 || !isfinite(*inout))) {
        return refuse(p, path, what, err, "it is no number");
    }
    return 0;
}

static void set_wide(struct planner *p, ProtobufCBinaryData *to, __int128 v)
{
    to->data = arena_alloc(p->arena, sizeof(v));
    to->len = sizeof(v);
    memcpy(to->data, &v, sizeof(v));
}

static int plan_range(struct planner *p, const char *path, const struct data_type *type,
                      const char *low, const char *high, Flinc__GenerateField *f, struct error *err)
{
    struct wide_range r = {0, 0};

    if (type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE) {
        double most = type->id == TYPE_FLOAT ? 3.4028234663852886e38 : 1.7976931348623157e308;
        f->min_double = -most;
        f->max_double = most;
        TRY(read_double(p, path, low, &f->min_double, err));
        TRY(read_double(p, path, high, &f->max_double, err));
        return f->min_double <= f->max_double
                   ? 0
                   : refuse(p, path, low, err, "it is above the upper end");
    }
    (void)whole_range(type, &r);
    TRY(read_whole(p, path, low, type, &r.least, err));
    TRY(read_whole(p, path, high, type, &r.most, err));
    if (r.least > r.most) {
        return refuse(p, path, low, err, "it is above the upper end");
    }
    if (type->layout == LAYOUT_I128) {
        set_wide(p, &f->min_wide, r.least);
        set_wide(p, &f->max_wide, r.most);
    } else {
        f->min = (int64_t)r.least;
        f->max = (int64_t)r.most;
    }
    return 0;
}

/* ---- random fields --------------------------------------------------------------------------------- */

static bool is_text(const struct data_type *t)
{
    return t->layout == LAYOUT_VIEW && t->id != TYPE_RAW;
}
static bool has_fixed_length(const struct data_type *t)
{
    return t->id == TYPE_CHAR || t->id == TYPE_BINARY;
}
static bool is_collection(const struct data_type *t)
{
    return t->id == TYPE_ARRAY || t->id == TYPE_MAP || t->id == TYPE_MULTISET;
}

static int plan_length(struct planner *p, const char *path, const struct data_type *type,
                       Flinc__GenerateField *f, struct error *err)
{
    const char *text = given(p, path, "length");
    const char *var_len = given(p, path, "var-len");
    int64_t length = is_collection(type) ? DATAGEN_COLLECTION_LENGTH
                                         : MIN((int64_t)type->length, (int64_t)DATAGEN_LENGTH);

    if (has_fixed_length(type)) {
        if (text != NULL) {
            return refuse(
                p, path, "length", err,
                "Custom length for fixed-length type (CHAR/BINARY) fields is not supported");
        }
        length = type->length;
    } else if (text != NULL) {
        length = conf_int(p->options, key_of(p, path, "length"));
        if (is_text(type) && length > type->length) {
            return refuse(p, path, "length", err,
                          "Custom length for variable-length type (VARCHAR/STRING/VARBINARY/BYTES) "
                          "fields must be at most that of the type");
        }
    }
    if (var_len != NULL && (!is_text(type) || has_fixed_length(type))) {
        return refuse(p, path, "var-len", err,
                      "only variable-length types (VARCHAR/STRING/VARBINARY/BYTES) may have it");
    }
    f->length = (uint32_t)length;
    f->var_length = var_len != NULL && conf_bool(p->options, key_of(p, path, "var-len"));
    return 0;
}

static int plan_field(struct planner *p, const char *path, const struct data_type *type,
                      Flinc__GenerateField **ret, struct error *err);

/* ROW: by the names of its fields; ARRAY and MULTISET: "element"; MAP: "key", "value". */
static int plan_children(struct planner *p, const char *path, const struct data_type *type,
                         Flinc__GenerateField *f, struct error *err)
{
    uint32_t n = type_child_columns(type);

    f->kind = FLINC__GENERATE_KIND__GENERATE_NESTED;
    f->n_children = n;
    f->children = arena_zalloc(p->arena, sizeof(*f->children) * (n + 1));
    for (uint32_t i = 0; i < n; i++) {
        const char *name = type->id == TYPE_ROW   ? type->names[i]
                           : type->id != TYPE_MAP ? (i == 0 ? "element" : "count")
                                                  : (i == 0 ? "key" : "value");
        TRY(plan_field(p, arena_printf(p->arena, "%s.%s", path, name), type_child_column(type, i),
                       &f->children[i], err));
    }
    if (type->id == TYPE_MULTISET) {
        f->children[1]->min = 1;
        f->children[1]->max = DATAGEN_COLLECTION_LENGTH;
    }
    return 0;
}

static int plan_random(struct planner *p, const char *path, const struct data_type *type,
                       Flinc__GenerateField *f, struct error *err)
{
    struct wide_range r;

    f->kind = FLINC__GENERATE_KIND__GENERATE_RANDOM;
    if (whole_range(type, &r) || type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE) {
        return plan_range(p, path, type, "min", "max", f, err);
    }
    if (is_text(type)) {
        return plan_length(p, path, type, f, err);
    }
    if (is_collection(type)) {
        TRY(plan_length(p, path, type, f, err));
        return plan_children(p, path, type, f, err);
    }
    switch (type->id) {
    case TYPE_ROW:
        return plan_children(p, path, type, f, err);
    case TYPE_BOOLEAN:
        return 0;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        if (given(p, path, "max-past") != NULL) {
            f->max_past_ms = conf_duration_ms(p->options, key_of(p, path, "max-past"));
        }
        f->kind = FLINC__GENERATE_KIND__GENERATE_NOW;
        return 0;
    case TYPE_DATE:
    case TYPE_TIME:
        f->kind = FLINC__GENERATE_KIND__GENERATE_NOW;
        return 0;
    default:
        break;
    }
    STR_AUTO shown = STR_INIT;
    type_print(type, &shown);
    return error_set(err, ERR_INVALID_CONFIG,
                     "Unsupported type for random generator: %s (field '%s')", str_cstr(&shown),
                     path);
}

/* ---- sequences ------------------------------------------------------------------------------------- */

/* Of texts, the numbers that are printed. */
static bool can_be_sequence(const struct data_type *type)
{
    return is_text(type) || type->id == TYPE_DECIMAL || type->id == TYPE_FLOAT ||
           type->id == TYPE_DOUBLE || (type->id >= TYPE_TINYINT && type->id <= TYPE_BIGINT);
}

static int read_end(struct planner *p, const char *path, const char *what,
                    const struct data_type *type, int64_t *ret, struct error *err)
{
    const char *text = given(p, path, what);
    struct wide_range all;

    if (text == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Could not find required property 'fields.%s.%s' for sequence generator.",
                         path, what);
    }
    if (number_parse_int64(slice_cstr(text), ret) < 0) {
        return refuse(p, path, what, err, "it is no whole number");
    }
    if (type->id == TYPE_DECIMAL) {
        __int128 scaled = (__int128)*ret * power_of_ten(MIN(type->scale, 19));
        bool fits = type->scale <= 19 && whole_range(type, &all) && scaled >= all.least &&
                    scaled <= all.most;
        return fits || *ret == 0
                   ? 0
                   : refuse(p, path, what, err, "it is no value of the column's type");
    }
    if (whole_range(type, &all) && (*ret < all.least || *ret > all.most)) {
        return refuse(p, path, what, err, "it is no value of the column's type");
    }
    return 0;
}

static int plan_sequence(struct planner *p, const char *path, const struct data_type *type,
                         Flinc__GenerateField *f, struct error *err)
{
    STR_AUTO shown = STR_INIT;

    if (!can_be_sequence(type)) {
        type_print(type, &shown);
        return error_set(err, ERR_INVALID_CONFIG,
                         "Unsupported type for sequence generator: %s (field '%s')",
                         str_cstr(&shown), path);
    }
    f->kind = FLINC__GENERATE_KIND__GENERATE_SEQUENCE;
    TRY(read_end(p, path, "start", type, &f->min, err));
    TRY(read_end(p, path, "end", type, &f->max, err));
    if (f->min > f->max) {
        return refuse(p, path, "start", err, "it is above the end");
    }
    __int128 n = (__int128)f->max - f->min + 1;
    if (n > INT32_MAX && !conf_has(p->options, "number-of-rows")) {
        return refuse(p, path, "end", err,
                      "The total size of range exceeds the maximum limit: 2147483647 (set "
                      "number-of-rows)");
    }
    if (n < p->count) {
        p->count = (int64_t)n;
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static int plan_field(struct planner *p, const char *path, const struct data_type *type,
                      Flinc__GenerateField **ret, struct error *err)
{
    Flinc__GenerateField *f = arena_alloc(p->arena, sizeof(*f));
    const char *kind = given(p, path, "kind");
    const char *null_rate = given(p, path, "null-rate");

    flinc__generate_field__init(f);
    f->seed = p->seed++;
    *ret = f;
    if (null_rate != NULL) {
        f->null_rate = conf_double(p->options, key_of(p, path, "null-rate"));
        if (f->null_rate > 0 && !type->nullable) {
            return refuse(p, path, "null-rate", err, "the column is NOT NULL");
        }
    }
    if (kind != NULL && conf_enum(p->options, key_of(p, path, "kind")) == 1) {
        return plan_sequence(p, path, type, f, err);
    }
    return plan_random(p, path, type, f, err);
}

/* Keys of fields that no column has looked at. */
static int check_used(const struct planner *p, struct error *err)
{
    STR_AUTO bad = STR_INIT;
    struct text_map fields = TEXT_MAP_INIT;

    conf_prefix(p->options, "fields.", &fields);
    for (size_t i = 0; i < fields.keys.n; i++) {
        const char *key = arena_printf(p->arena, "fields.%s", fields.keys.items[i]);
        if (!text_list_has(&p->used, key)) {
            str_printf(&bad, "%s%s", bad.len > 0 ? "\n" : "", key);
        }
    }
    text_map_fini(&fields);
    return bad.len == 0
               ? 0
               : error_set(err, ERR_INVALID_CONFIG,
                           "Unsupported options found for 'datagen'.\n\nUnsupported "
                           "options:\n\n%s\n\nThere is no such column, or its type does not "
                           "have this option.",
                           str_cstr(&bad));
}

static int plan_all(struct planner *p, Flinc__GenerateField **ret_fields, struct error *err)
{
    const struct schema *s = p->t->schema;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->n_fields; i++) {
        TRY(plan_field(p, s->fields[i].name, s->fields[i].type, &ret_fields[i], err));
        bytes += datagen_cell_bytes(s->fields[i].type, ret_fields[i]);
    }
    if (bytes > DATAGEN_ROW_BYTES_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "a row of table '%s' would have up to %llu bytes, more than %d: shorten "
                         "fields.<column>.length",
                         p->t->name, (unsigned long long)bytes, DATAGEN_ROW_BYTES_MAX);
    }
    return check_used(p, err);
}

int datagen_plan_fields(const struct table *t, struct arena *arena,
                        Flinc__GenerateField **ret_fields, int64_t *ret_count, struct error *err)
{
    struct planner p = {.t = t,
                        .options = &t->options->conf,
                        .arena = arena,
                        .used = TEXT_LIST_INIT,
                        .count = INT64_MAX};
    int rc = plan_all(&p, ret_fields, err);

    text_list_fini(&p.used);
    *ret_count = p.count;
    return rc;
}

uint64_t datagen_cell_bytes(const struct data_type *type, const Flinc__GenerateField *f)
{
    uint64_t bytes = 0;

    if (f->kind == FLINC__GENERATE_KIND__GENERATE_NESTED) {
        for (size_t i = 0; i < f->n_children; i++) {
            bytes += datagen_cell_bytes(type_child_column(type, (uint32_t)i), f->children[i]);
        }
        return type->id == TYPE_ROW ? bytes : bytes * f->length + sizeof(int32_t);
    }
    if (is_text(type)) {
        return sizeof(struct view) + (f->length > VIEW_INLINE_MAX ? f->length : 0);
    }
    return MAX(type->width, 1u);
}
