/* Which casts there are; see type_rules.h.  Thread: any. */
#include "engine/expr/type_inside.h"

/* ---- CAST ----------------------------------------------------------------------------------------- */

static enum type_cast cast_from_string(const struct data_type *to)
{
    bool may =
        type_is_binary(to) || to->id == TYPE_BOOLEAN || type_is_numeric(to) || type_is_datetime(to);
    return may ? TYPE_CAST_MAY_FAIL : TYPE_CAST_NEVER;
}

static enum type_cast cast_from_number(const struct data_type *from, const struct data_type *to)
{
    if (type_is_numeric(to) || to->id == TYPE_BOOLEAN) {
        return TYPE_CAST_ALWAYS;
    }
    bool is_interval = (from->id == TYPE_INTEGER && to->id == TYPE_INTERVAL_YEAR_MONTH) ||
                       (from->id == TYPE_BIGINT && to->id == TYPE_INTERVAL_DAY_TIME);
    return is_interval ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
}

static enum type_cast cast_from_datetime(const struct data_type *from, const struct data_type *to)
{
    if (type_is_timestamp(to)) {
        return TYPE_CAST_ALWAYS;
    }
    bool is_part = (to->id == TYPE_DATE && from->id != TYPE_TIME) ||
                   (to->id == TYPE_TIME && from->id != TYPE_DATE);
    return is_part ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
}

static enum type_cast cast_from_interval(const struct data_type *from, const struct data_type *to)
{
    bool is_number = (from->id == TYPE_INTERVAL_YEAR_MONTH && to->id == TYPE_INTEGER) ||
                     (from->id == TYPE_INTERVAL_DAY_TIME && to->id == TYPE_BIGINT);
    return from->id == to->id || is_number ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
}

/* Of constructed types the weakest of the parts. */
static enum type_cast cast_children(const struct data_type *from, const struct data_type *to)
{
    enum type_cast weakest = TYPE_CAST_ALWAYS;
    if (from->id != to->id || from->n_children != to->n_children) {
        return TYPE_CAST_NEVER;
    }
    for (uint32_t i = 0; i < from->n_children; i++) {
        enum type_cast child = type_cast_rule(from->children[i], to->children[i]);
        weakest = MIN(weakest, child);
    }
    return weakest;
}

enum type_cast type_cast_rule(const struct data_type *from, const struct data_type *to)
{
    if (from->id == TYPE_NULL) {
        return TYPE_CAST_ALWAYS;
    }
    if (type_is_string(to)) {
        return TYPE_CAST_ALWAYS;
    }
    if (type_is_string(from)) {
        return cast_from_string(to);
    }
    if (type_is_binary(from)) {
        return type_is_binary(to) ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
    }
    if (from->id == TYPE_BOOLEAN) {
        return to->id == TYPE_BOOLEAN || type_is_numeric(to) ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
    }
    if (type_is_numeric(from)) {
        return cast_from_number(from, to);
    }
    if (type_is_datetime(from)) {
        return cast_from_datetime(from, to);
    }
    if (type_is_interval(from)) {
        return cast_from_interval(from, to);
    }
    if (type_is_constructed(from)) {
        return cast_children(from, to);
    }
    if (type_is_binary(to)) {
        return TYPE_CAST_MAY_FAIL; /* RAW */
    }
    bool is_same = from->id == to->id && from->raw_name != NULL && to->raw_name != NULL &&
                   strcmp(from->raw_name, to->raw_name) == 0;
    return is_same ? TYPE_CAST_ALWAYS : TYPE_CAST_NEVER;
}

/* ---- casts that need not be written ------------------------------------------------------------------ */

static bool implicit_numeric(const struct data_type *from, const struct data_type *to)
{
    if (type_is_integer(to)) {
        return type_is_integer(from) && from->id <= to->id;
    }
    if (to->id == TYPE_FLOAT) {
        return from->id != TYPE_DOUBLE;
    }
    return true; /* DECIMAL and DOUBLE take every number */
}

static bool implicit_children(const struct data_type *from, const struct data_type *to)
{
    if (from->id != to->id || from->n_children != to->n_children) {
        return false;
    }
    for (uint32_t i = 0; i < from->n_children; i++) {
        if (!type_casts_implicitly(from->children[i], to->children[i])) {
            return false;
        }
    }
    return true;
}

bool type_casts_implicitly(const struct data_type *from, const struct data_type *to)
{
    if (from->nullable && !to->nullable) {
        return false;
    }
    if (from->id == TYPE_NULL) {
        return true;
    }
    if (type_is_constructed(from)) {
        return implicit_children(from, to);
    }
    if (type_is_numeric(from) && type_is_numeric(to)) {
        return implicit_numeric(from, to);
    }
    switch (to->id) {
    case TYPE_VARCHAR:
        return type_is_string(from);
    case TYPE_VARBINARY:
        return type_is_binary(from);
    case TYPE_DATE:
        return from->id == TYPE_DATE || from->id == TYPE_TIMESTAMP;
    case TYPE_TIME:
        return from->id == TYPE_TIME || from->id == TYPE_TIMESTAMP;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return type_is_timestamp(from);
    case TYPE_RAW:
        return type_cast_rule(from, to) == TYPE_CAST_ALWAYS;
    default:
        return from->id == to->id;
    }
}
