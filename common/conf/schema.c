/* Schemas: the index from key to option, patterns with placeholders, near misses, and the check of
 * the tables themselves.  The index is built at the first look-up, so that a process that reads no
 * configuration pays nothing. */
#include "common/base/vec.h"
#include "common/conf/value.h"
#include <stdlib.h>

/* ---- index --------------------------------------------------------------------------------- */

static bool has_placeholder(const char *name)
{
    return strpbrk(name, "<#") != NULL;
}

/* Patterns that end in a placeholder take whatever is left: the closer ones are tried first. */
static int pattern_rank(const struct conf_option *option)
{
    size_t len = strlen(option->name);
    return option->name[len - 1] == '>' ? 1 : 0;
}

static int compare_patterns(const void *a, const void *b)
{
    const struct conf_option *const *x = a;
    const struct conf_option *const *y = b;
    int by_rank = pattern_rank(*x) - pattern_rank(*y);
    if (by_rank != 0) {
        return by_rank;
    }
    size_t xlen = strlen((*x)->name);
    size_t ylen = strlen((*y)->name);
    return xlen != ylen ? (xlen < ylen ? 1 : -1) : strcmp((*x)->name, (*y)->name);
}

static void index_option(struct conf_schema *schema, const struct conf_option *option,
                         struct vec *patterns)
{
    bool pattern = has_placeholder(option->name);
    if (pattern || option->type == CONF_TYPE_MAP) {
        vec_push_ptr(patterns, option);
    }
    if (!pattern) {
        map_put(&schema->by_key, option->name, (void *)(uintptr_t)option);
    }
}

static void index_aliases(struct conf_schema *schema, const struct conf_option *option)
{
    struct slice rest = slice_cstr(option->aliases);
    struct slice alias;
    while (slice_next(&rest, ',', &alias)) {
        /* A name wins over an alias of another option; of two with equal aliases the first, but one
         * whose type checks more than text does. */
        const struct conf_option *known = map_find_bytes(&schema->by_key, alias.data, alias.len);
        if (known == NULL ||
            (known->type == CONF_TYPE_STRING && !slice_eq_cstr(alias, known->name))) {
            map_put_bytes(&schema->by_key, alias.data, alias.len, (void *)(uintptr_t)option);
        }
    }
}

static void build_index(struct conf_schema *schema)
{
    struct vec patterns = VEC_INIT(void *);
    map_init(&schema->by_key, NULL);
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            index_option(schema, &schema->groups[g]->options[i], &patterns);
        }
    }
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            index_aliases(schema, &schema->groups[g]->options[i]);
        }
    }
    schema->n_patterns = patterns.len;
    schema->patterns = patterns.data; /* ownership moves */
    if (schema->n_patterns > 0) {
        qsort(schema->patterns, schema->n_patterns, sizeof(*schema->patterns), compare_patterns);
    }
}

static void ensure_index(struct conf_schema *schema)
{
    if (atomic_load_explicit(&schema->indexed, memory_order_acquire)) {
        return;
    }
    pthread_mutex_lock(&schema->lock);
    if (!atomic_load_explicit(&schema->indexed, memory_order_relaxed)) {
        build_index(schema);
        atomic_store_explicit(&schema->indexed, true, memory_order_release);
    }
    pthread_mutex_unlock(&schema->lock);
}

void conf_schema_fini(struct conf_schema *schema)
{
    if (atomic_load(&schema->indexed)) {
        map_fini(&schema->by_key);
        mem_free(schema->patterns);
        schema->patterns = NULL;
        schema->n_patterns = 0;
        atomic_store(&schema->indexed, false);
    }
}

/* ---- look-up ------------------------------------------------------------------------------- */

static bool pattern_matches(const char *pattern, const char *key);

/* What is behind a `<x+>`, against what is behind each of the key's next parts. */
static bool parts_match(const char *rest, const char *key)
{
    for (const char *dot = strchr(key, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        if (dot > key && pattern_matches(rest, dot)) {
            return true;
        }
    }
    return false;
}

/* "a.<x>.b" against "a.foo.b": a placeholder is one part, at the end all that is left. */
static bool pattern_matches(const char *pattern, const char *key)
{
    while (*pattern != '\0') {
        if (*pattern == '<') {
            const char *close = strchr(pattern, '>');
            if (close[-1] == '+' && close[1] != '\0') {
                return parts_match(close + 1, key);
            }
            size_t part = close[1] == '\0' ? strlen(key) : strcspn(key, ".");
            if (part == 0) {
                return false;
            }
            key += part;
            pattern = close + 1;
        } else if (*pattern == '#') {
            size_t digits = strspn(key, "0123456789");
            if (digits == 0) {
                return false;
            }
            key += digits;
            pattern++;
        } else if (*pattern++ != *key++) {
            return false;
        }
    }
    return *key == '\0';
}

enum conf_match conf_schema_match(struct conf_schema *schema, const char *key,
                                  const struct conf_option **ret_option)
{
    ensure_index(schema);
    const struct conf_option *option = map_find(&schema->by_key, key);
    if (option != NULL) {
        *ret_option = option;
        return strcmp(option->name, key) == 0 ? CONF_MATCH_NAME : CONF_MATCH_ALIAS;
    }
    for (size_t i = 0; i < schema->n_patterns; i++) {
        option = schema->patterns[i];
        if (has_placeholder(option->name)) {
            if (pattern_matches(option->name, key)) {
                *ret_option = option;
                return CONF_MATCH_NAME;
            }
            continue;
        }
        size_t len = strlen(option->name);
        if (strncmp(key, option->name, len) == 0 && key[len] == '.' && key[len + 1] != '\0') {
            *ret_option = option;
            return CONF_MATCH_MAP_KEY;
        }
    }
    *ret_option = NULL;
    return CONF_MATCH_NONE;
}

const struct conf_option *conf_schema_find(struct conf_schema *schema, const char *name)
{
    ensure_index(schema);
    const struct conf_option *option = map_find(&schema->by_key, name);
    return option != NULL && strcmp(option->name, name) == 0 ? option : NULL;
}

const char *conf_schema_nearest(struct conf_schema *schema, const char *key)
{
    struct vec names = VEC_INIT(void *);
    for (size_t g = 0; g < schema->n_groups; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options; i++) {
            const struct conf_option *option = &schema->groups[g]->options[i];
            if (!has_placeholder(option->name) && (option->flags & CONF_FLAG_INTERNAL) == 0) {
                vec_push_ptr(&names, option->name);
            }
        }
    }
    const char *nearest = cstr_nearest(key, names.data, names.len);
    vec_fini(&names);
    return nearest;
}

/* ---- checking the tables ------------------------------------------------------------------- */

static int check_bounds(const struct conf_option *option, struct error *err)
{
    bool ordered = option->type == CONF_TYPE_INT || option->type == CONF_TYPE_LONG ||
                   option->type == CONF_TYPE_DOUBLE || option->type == CONF_TYPE_FLOAT ||
                   option->type == CONF_TYPE_DURATION || option->type == CONF_TYPE_MEMORY;
    if (!ordered && (option->min != NULL || option->max != NULL)) {
        return error_set(err, ERR_INTERNAL, "%s: its type has no bounds", option->name);
    }
    struct conf_value value;
    if (option->min != NULL) {
        TRY_CTX(err, conf_value_parse(option, option->min, &value, err), "min of %s", option->name);
    }
    if (option->max != NULL) {
        TRY_CTX(err, conf_value_parse(option, option->max, &value, err), "max of %s", option->name);
    }
    return 0;
}

static int check_option(const struct conf_option *option, struct error *err)
{
    if (option->name == NULL || option->name[0] == '\0') {
        return error_set(err, ERR_INTERNAL, "a row without a name");
    }
    if (option->type == CONF_TYPE_ENUM && option->enum_values == NULL) {
        return error_set(err, ERR_INTERNAL, "%s: an enum without values", option->name);
    }
    bool effective = (option->flags & CONF_FLAG_EFFECTIVE) != 0;
    if (effective && (option->description == NULL || option->description[0] == '\0')) {
        return error_set(err, ERR_INTERNAL, "%s: effective, but without a description",
                         option->name);
    }
    TRY(check_bounds(option, err));
    if (option->default_text != NULL) {
        TRY(conf_option_check(option, option->default_text, option->default_text, err));
    }
    return 0;
}

/* Can a value that was checked for `other` be read as `option`'s type?  Text takes anything. */
static bool is_readable_as(const struct conf_option *option, const struct conf_option *other)
{
    if (option->type == CONF_TYPE_STRING) {
        return true;
    }
    const char *values = option->enum_values != NULL ? option->enum_values : "";
    const char *other_values = other->enum_values != NULL ? other->enum_values : "";
    return option->type == other->type && strcmp(values, other_values) == 0;
}

/* Other names of an option may belong to another option too, which then does the checking. */
static int check_names(struct conf_schema *schema, const struct conf_option *option,
                       const char *names, struct error *err)
{
    struct slice rest = slice_cstr(names);
    struct slice name;
    while (slice_next(&rest, ',', &name)) {
        const struct conf_option *other = map_find_bytes(&schema->by_key, name.data, name.len);
        if (other != NULL && !is_readable_as(option, other)) {
            return error_set(err, ERR_INTERNAL, "%.*s is read for %s and %s, of different types",
                             (int)name.len, name.data, option->name, other->name);
        }
    }
    return 0;
}

int conf_schema_check(struct conf_schema *schema, struct error *err)
{
    ensure_index(schema);
    struct map seen;
    map_init(&seen, NULL);
    int rc = 0;
    for (size_t g = 0; g < schema->n_groups && rc == 0; g++) {
        for (size_t i = 0; i < schema->groups[g]->n_options && rc == 0; i++) {
            const struct conf_option *option = &schema->groups[g]->options[i];
            rc = check_option(option, err);
            if (rc == 0 && !map_put(&seen, option->name, (void *)(uintptr_t)1)) {
                rc = error_set(err, ERR_INTERNAL, "%s has two rows", option->name);
            }
            if (rc == 0) {
                rc = check_names(schema, option, option->aliases, err);
            }
            if (rc == 0) {
                rc = check_names(schema, option, option->fallbacks, err);
            }
        }
    }
    map_fini(&seen);
    return rc;
}
