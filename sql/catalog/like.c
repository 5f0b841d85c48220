/* CREATE TABLE ... LIKE: which parts of the base table are taken over, and what goes before what.
 * Flink: MergeTableLikeUtil, SqlTableLike. */
#include "sql/catalog/inside.h"

static const char *const rule_names[] = {
    [SQL_LIKE_INCLUDING] = "INCLUDING",
    [SQL_LIKE_EXCLUDING] = "EXCLUDING",
    [SQL_LIKE_OVERWRITING] = "OVERWRITING",
};

static const struct {
    const char *name;
    bool may_overwrite;
} features[] = {
    [SQL_LIKE_ALL] = {"ALL", false},
    [SQL_LIKE_CONSTRAINTS] = {"CONSTRAINTS", false},
    [SQL_LIKE_DISTRIBUTION] = {"DISTRIBUTION", false},
    [SQL_LIKE_GENERATED] = {"GENERATED", true},
    [SQL_LIKE_METADATA] = {"METADATA", true},
    [SQL_LIKE_OPTIONS] = {"OPTIONS", true},
    [SQL_LIKE_PARTITIONS] = {"PARTITIONS", false},
    [SQL_LIKE_WATERMARKS] = {"WATERMARKS", true},
};
_Static_assert(ARRAY_LEN(features) == SQL_LIKE_FEATURE_COUNT, "a row for each feature");

static int check_option(struct sql_execution *x, const struct sql_like_option *o, bool is_twice)
{
    if (is_twice) {
        return sql_refuse(x, o->span, ERR_INVALID_ARGUMENT,
                          "Each like option feature can be declared only once.");
    }
    if (o->rule == SQL_LIKE_OVERWRITING && !features[o->feature].may_overwrite) {
        return sql_refuse(x, o->span, ERR_INVALID_ARGUMENT,
                          "Illegal merging strategy '%s' for '%s' option.", rule_names[o->rule],
                          features[o->feature].name);
    }
    return 0;
}

/* INCLUDING ALL OVERWRITING OPTIONS, then what is said of ALL, then what is said of each. */
int sql_like_rules_of(struct sql_execution *x, const struct sql_create *c,
                      struct sql_like_rules *ret)
{
    bool is_said[SQL_LIKE_FEATURE_COUNT] = {false};
    for (size_t i = 0; i < SQL_LIKE_FEATURE_COUNT; i++) {
        ret->rules[i] = i == SQL_LIKE_OPTIONS ? SQL_LIKE_OVERWRITING : SQL_LIKE_INCLUDING;
    }
    for (uint32_t i = 0; i < c->n_like_options; i++) {
        const struct sql_like_option *o = &c->like_options[i];
        TRY(check_option(x, o, is_said[o->feature]));
        is_said[o->feature] = true;
        ret->rules[o->feature] = o->rule;
    }
    for (size_t i = 0; i < SQL_LIKE_FEATURE_COUNT && is_said[SQL_LIKE_ALL]; i++) {
        ret->rules[i] = is_said[i] ? ret->rules[i] : ret->rules[SQL_LIKE_ALL];
    }
    return 0;
}

static bool is_taken(const struct sql_table_column *c, const struct sql_like_rules *rules)
{
    if (c->kind == SQL_COLUMN_COMPUTED) {
        return rules->rules[SQL_LIKE_GENERATED] != SQL_LIKE_EXCLUDING;
    }
    return c->kind == SQL_COLUMN_PHYSICAL || rules->rules[SQL_LIKE_METADATA] != SQL_LIKE_EXCLUDING;
}

struct sql_table *sql_like_base(const struct sql_table *base, const struct sql_like_rules *rules)
{
    struct sql_table *t = sql_table_copy(base);
    t->comment = NULL;
    for (uint32_t i = t->n_columns; i-- > 0;) {
        if (!is_taken(&t->columns[i], rules)) {
            sql_table_remove(t, i);
        }
    }
    if (rules->rules[SQL_LIKE_WATERMARKS] == SQL_LIKE_EXCLUDING) {
        t->watermark = (struct sql_table_watermark){.column = NULL};
    }
    if (rules->rules[SQL_LIKE_CONSTRAINTS] == SQL_LIKE_EXCLUDING) {
        t->key = (struct sql_table_key){.name = NULL};
    }
    if (rules->rules[SQL_LIKE_PARTITIONS] == SQL_LIKE_EXCLUDING) {
        t->partition_keys = (struct sql_name_list){NULL, 0};
    }
    if (rules->rules[SQL_LIKE_DISTRIBUTION] == SQL_LIKE_EXCLUDING) {
        t->distribution = (struct sql_table_distribution){.buckets = SQL_BUCKETS_NONE};
    }
    if (rules->rules[SQL_LIKE_OPTIONS] == SQL_LIKE_EXCLUDING) {
        t->options = (struct sql_options){NULL, 0};
    }
    return t;
}
