/* Logical types: construction, life and comparison.  Text forms are in type_print.c and
 * type_parse.c, the rules of ranges in type_validate.c.
 *
 * A type is made once, shared by reference count and never changed. */
#include "engine/data/type.h"

enum {
    DECIMAL_PRECISION_DEFAULT = 10,
    TIMESTAMP_PRECISION_DEFAULT = 6,
    INTERVAL_DIGITS_DEFAULT = 2,
    INTERVAL_FRACTION_DEFAULT = 6,
};

/* The element count of a MULTISET; lives for ever. */
static struct data_type multiset_count_type = {
    .refs = 1,
    .id = TYPE_INTEGER,
    .layout = LAYOUT_I32,
    .width = 4,
};

static const struct {
    const char *name; /* of type_id_name(): Flink's LogicalTypeRoot */
    enum type_layout layout;
} TYPES[TYPE_COUNT] = {
    [TYPE_NULL] = {"NULL", LAYOUT_NULL},
    [TYPE_CHAR] = {"CHAR", LAYOUT_VIEW},
    [TYPE_VARCHAR] = {"VARCHAR", LAYOUT_VIEW},
    [TYPE_BOOLEAN] = {"BOOLEAN", LAYOUT_BIT},
    [TYPE_BINARY] = {"BINARY", LAYOUT_VIEW},
    [TYPE_VARBINARY] = {"VARBINARY", LAYOUT_VIEW},
    [TYPE_DECIMAL] = {"DECIMAL", LAYOUT_I64},
    [TYPE_TINYINT] = {"TINYINT", LAYOUT_I8},
    [TYPE_SMALLINT] = {"SMALLINT", LAYOUT_I16},
    [TYPE_INTEGER] = {"INTEGER", LAYOUT_I32},
    [TYPE_BIGINT] = {"BIGINT", LAYOUT_I64},
    [TYPE_FLOAT] = {"FLOAT", LAYOUT_F32},
    [TYPE_DOUBLE] = {"DOUBLE", LAYOUT_F64},
    [TYPE_DATE] = {"DATE", LAYOUT_I32},
    [TYPE_TIME] = {"TIME_WITHOUT_TIME_ZONE", LAYOUT_I32},
    [TYPE_TIMESTAMP] = {"TIMESTAMP_WITHOUT_TIME_ZONE", LAYOUT_I64},
    [TYPE_TIMESTAMP_LTZ] = {"TIMESTAMP_WITH_LOCAL_TIME_ZONE", LAYOUT_I64},
    [TYPE_INTERVAL_YEAR_MONTH] = {"INTERVAL_YEAR_MONTH", LAYOUT_I32},
    [TYPE_INTERVAL_DAY_TIME] = {"INTERVAL_DAY_TIME", LAYOUT_I64},
    [TYPE_ARRAY] = {"ARRAY", LAYOUT_LIST},
    [TYPE_MAP] = {"MAP", LAYOUT_MAP},
    [TYPE_MULTISET] = {"MULTISET", LAYOUT_MAP},
    [TYPE_ROW] = {"ROW", LAYOUT_STRUCT},
    [TYPE_RAW] = {"RAW", LAYOUT_VIEW},
};

static const uint8_t LAYOUT_WIDTH[] = {
    [LAYOUT_NULL] = 0,  [LAYOUT_BIT] = 0,
    [LAYOUT_I8] = 1,    [LAYOUT_I16] = 2,
    [LAYOUT_I32] = 4,   [LAYOUT_I64] = 8,
    [LAYOUT_I128] = 16, [LAYOUT_F32] = 4,
    [LAYOUT_F64] = 8,   [LAYOUT_TS_NANO] = sizeof(struct ts_nano),
    [LAYOUT_VIEW] = 16, [LAYOUT_LIST] = 4,
    [LAYOUT_MAP] = 4,   [LAYOUT_STRUCT] = 0,
};
_Static_assert(ARRAY_LEN(LAYOUT_WIDTH) == LAYOUT_STRUCT + 1, "one width per layout");

const char *type_id_name(enum type_id id)
{
    return (unsigned)id < TYPE_COUNT ? TYPES[id].name : "?";
}

/* The layout follows from id and precision; called once all parameters are set. */
static struct data_type *type_settle(struct data_type *t)
{
    t->layout = TYPES[t->id].layout;
    if (t->id == TYPE_DECIMAL && t->precision > 18) {
        t->layout = LAYOUT_I128;
    } else if ((t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_LTZ) && t->precision > 6) {
        t->layout = LAYOUT_TS_NANO;
    }
    t->width = LAYOUT_WIDTH[t->layout];
    return t;
}

static struct data_type *type_alloc(enum type_id id, bool nullable)
{
    ASSERT((unsigned)id < TYPE_COUNT);
    struct data_type *t = MEM_NEW(struct data_type);
    atomic_init(&t->refs, 1);
    t->id = id;
    t->nullable = nullable;
    return t;
}

struct data_type *type_new(enum type_id id, bool nullable)
{
    struct data_type *t = type_alloc(id, nullable || id == TYPE_NULL);
    switch (id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        t->length = 1;
        break;
    case TYPE_DECIMAL:
        t->precision = DECIMAL_PRECISION_DEFAULT;
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        t->precision = TIMESTAMP_PRECISION_DEFAULT;
        break;
    case TYPE_INTERVAL_YEAR_MONTH:
        t->resolution = INTERVAL_YEAR_TO_MONTH;
        t->precision = INTERVAL_DIGITS_DEFAULT;
        break;
    case TYPE_INTERVAL_DAY_TIME:
        t->resolution = INTERVAL_DAY_TO_SECOND;
        t->precision = INTERVAL_DIGITS_DEFAULT;
        t->scale = INTERVAL_FRACTION_DEFAULT;
        break;
    default:
        ASSERT(id != TYPE_ARRAY && id != TYPE_MAP && id != TYPE_MULTISET && id != TYPE_ROW &&
               id != TYPE_RAW);
        break;
    }
    return type_settle(t);
}

struct data_type *type_new_string(bool nullable)
{
    return type_new_sized(TYPE_VARCHAR, TYPE_LENGTH_MAX, nullable);
}

struct data_type *type_new_sized(enum type_id id, int32_t length, bool nullable)
{
    ASSERT(id == TYPE_CHAR || id == TYPE_VARCHAR || id == TYPE_BINARY || id == TYPE_VARBINARY);
    struct data_type *t = type_alloc(id, nullable);
    t->length = length;
    return type_settle(t);
}

struct data_type *type_new_precision(enum type_id id, int32_t precision, int32_t scale,
                                     bool nullable)
{
    ASSERT(id == TYPE_DECIMAL || id == TYPE_TIME || id == TYPE_TIMESTAMP ||
           id == TYPE_TIMESTAMP_LTZ);
    struct data_type *t = type_alloc(id, nullable);
    t->precision = precision;
    t->scale = scale;
    return type_settle(t);
}

struct data_type *type_new_interval(enum interval_resolution resolution, int32_t digits,
                                    int32_t fraction, bool nullable)
{
    ASSERT((unsigned)resolution < INTERVAL_RESOLUTION_COUNT);
    bool months = resolution <= INTERVAL_MONTH;
    struct data_type *t =
        type_alloc(months ? TYPE_INTERVAL_YEAR_MONTH : TYPE_INTERVAL_DAY_TIME, nullable);
    t->resolution = resolution;
    t->precision = digits;
    t->scale = months ? 0 : fraction;
    return type_settle(t);
}

struct data_type *type_new_raw(const char *name, bool nullable)
{
    struct data_type *t = type_alloc(TYPE_RAW, nullable);
    t->raw_name = mem_strdup(name);
    return type_settle(t);
}

static struct data_type *type_new_nested(enum type_id id, struct data_type *const *take_children,
                                         uint32_t n, bool nullable)
{
    struct data_type *t = type_alloc(id, nullable);
    t->n_children = n;
    t->children = MEM_NEW_ARRAY(struct data_type *, n + 1); /* n may be 0 */
    for (uint32_t i = 0; i < n; i++) {
        ASSERT(take_children[i] != NULL);
        t->children[i] = take_children[i];
    }
    return type_settle(t);
}

struct data_type *type_new_array(struct data_type *take_element, bool nullable)
{
    return type_new_nested(TYPE_ARRAY, &take_element, 1, nullable);
}

struct data_type *type_new_map(struct data_type *take_key, struct data_type *take_value,
                               bool nullable)
{
    struct data_type *children[] = {take_key, take_value};
    return type_new_nested(TYPE_MAP, children, 2, nullable);
}

struct data_type *type_new_multiset(struct data_type *take_element, bool nullable)
{
    return type_new_nested(TYPE_MULTISET, &take_element, 1, nullable);
}

struct data_type *type_new_row(struct data_type *const *take_children, const char *const *names,
                               uint32_t n, bool nullable)
{
    struct data_type *t = type_new_nested(TYPE_ROW, take_children, n, nullable);
    t->names = MEM_NEW_ARRAY(char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        t->names[i] = mem_strdup(names[i]);
    }
    return t;
}

uint32_t type_child_columns(const struct data_type *t)
{
    return t->id == TYPE_MULTISET ? 2 : t->n_children;
}

const struct data_type *type_child_column(const struct data_type *t, uint32_t i)
{
    ASSERT(i < type_child_columns(t));
    return i < t->n_children ? t->children[i] : &multiset_count_type;
}

uint32_t type_nested_columns(const struct data_type *t)
{
    uint32_t n = type_child_columns(t);
    for (uint32_t i = 0; i < t->n_children; i++) {
        n += type_nested_columns(t->children[i]);
    }
    return n;
}

struct data_type *type_with_nullable(const struct data_type *t, bool nullable)
{
    if (t->nullable == nullable || t->id == TYPE_NULL) {
        return type_ref(t);
    }
    struct data_type *copy = type_alloc(t->id, nullable);
    copy->length = t->length;
    copy->precision = t->precision;
    copy->scale = t->scale;
    copy->resolution = t->resolution;
    copy->raw_name = mem_strdup(t->raw_name);
    copy->n_children = t->n_children;
    if (t->children != NULL) {
        copy->children = MEM_NEW_ARRAY(struct data_type *, t->n_children + 1);
        for (uint32_t i = 0; i < t->n_children; i++) {
            copy->children[i] = type_ref(t->children[i]);
        }
    }
    if (t->names != NULL) {
        copy->names = MEM_NEW_ARRAY(char *, t->n_children + 1);
        for (uint32_t i = 0; i < t->n_children; i++) {
            copy->names[i] = mem_strdup(t->names[i]);
        }
    }
    return type_settle(copy);
}

struct data_type *type_ref(const struct data_type *t)
{
    /* Immutable but for the count, so that a reference may be had from a const pointer. */
    struct data_type *mutable_t = (struct data_type *)(uintptr_t)t;
    atomic_fetch_add_explicit(&mutable_t->refs, 1, memory_order_relaxed);
    return mutable_t;
}

struct data_type *type_unref(struct data_type *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    ASSERT(t != &multiset_count_type);
    for (uint32_t i = 0; i < t->n_children; i++) {
        type_unref(t->children[i]);
        if (t->names != NULL) {
            mem_free(t->names[i]);
        }
    }
    mem_free(t->children);
    mem_free(t->names);
    mem_free(t->raw_name);
    mem_free(t);
    return NULL;
}

static bool names_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool type_equals(const struct data_type *a, const struct data_type *b)
{
    if (a == b) {
        return true;
    }
    if (a->id != b->id || a->nullable != b->nullable || a->length != b->length ||
        a->precision != b->precision || a->scale != b->scale || a->resolution != b->resolution ||
        a->n_children != b->n_children || !names_equal(a->raw_name, b->raw_name)) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_children; i++) {
        if (!type_equals(a->children[i], b->children[i]) ||
            (a->names != NULL && !names_equal(a->names[i], b->names[i]))) {
            return false;
        }
    }
    return true;
}
