/* The table of functions: names to rows; and what a signature says of a list of arguments. */
#include "engine/expr/signature.h"

#include "common/base/map.h"
#include "engine/expr/type_rules.h"

#include <ctype.h>
#include <stdlib.h>

static const char *const kind_names[EXPR_FUNCTION_KIND_COUNT] = {"scalar", "aggregate", "window",
                                                                 "table"};

/* Set once, by expr_functions_register(). */
static struct {
    struct map by_name;                /* names and aliases, upper case -> row */
    const struct expr_function **rows; /* by name */
    const char **names;                /* of those that people call */
    uint32_t n, n_names;
} table;

const char *expr_function_kind_name(enum expr_function_kind kind)
{
    return kind < EXPR_FUNCTION_KIND_COUNT ? kind_names[kind] : "?";
}

static int by_name(const void *a, const void *b)
{
    const struct expr_function *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void add_row(const struct expr_function *row)
{
    struct slice rest = slice_cstr(row->aliases), alias;
    map_put(&table.by_name, row->name, (void *)(uintptr_t)row);
    while (row->aliases != NULL && slice_next(&rest, ',', &alias)) {
        alias = slice_trim(alias);
        map_put_bytes(&table.by_name, alias.data, alias.len, (void *)(uintptr_t)row);
    }
    table.rows[table.n++] = row;
    if ((row->flags & (EXPR_FN_HIDDEN | EXPR_FN_OPERATOR)) == 0) {
        table.names[table.n_names++] = row->name;
    }
}

void expr_functions_register(const struct expr_functions *const *tables, uint32_t n)
{
    uint32_t total = 0;
    if (table.rows != NULL) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        total += tables[i]->n;
    }
    map_init(&table.by_name, NULL);
    table.rows = MEM_NEW_ARRAY(const struct expr_function *, total + 1);
    table.names = MEM_NEW_ARRAY(const char *, total + 1);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < tables[i]->n; k++) {
            ASSERT(!map_has(&table.by_name, tables[i]->rows[k].name));
            add_row(&tables[i]->rows[k]);
        }
    }
    qsort(table.rows, table.n, sizeof(*table.rows), by_name);
}

const struct expr_function *expr_function_find(struct slice name)
{
    char upper[64];
    if (name.len >= sizeof(upper) || table.rows == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < name.len; i++) {
        upper[i] = (char)toupper((unsigned char)name.data[i]);
    }
    return map_find_bytes(&table.by_name, upper, name.len);
}

const struct expr_function *expr_function_get(const char *name)
{
    const struct expr_function *f = expr_function_find(slice_cstr(name));
    ASSERT(f != NULL);
    return f;
}

static int (*read_user)(const char *wire_name, const struct expr_function **ret, struct error *err);

void expr_functions_set_reader(int (*read)(const char *wire_name, const struct expr_function **ret,
                                           struct error *err))
{
    read_user = read;
}

int expr_function_read(const char *wire_name, const struct expr_function **ret, struct error *err)
{
    if (cstr_starts_with(wire_name, EXPR_USER_FUNCTION_PREFIX) && read_user != NULL) {
        return read_user(wire_name, ret, err);
    }
    *ret = expr_function_find(slice_cstr(wire_name));
    if (*ret == NULL || strcmp((*ret)->name, wire_name) != 0) {
        return error_set(err, ERR_NOT_FOUND, "'%s' is a function that this build does not have",
                         wire_name);
    }
    return 0;
}

const char *expr_function_nearest(const char *name)
{
    char upper[64];
    size_t len = strlen(name);
    if (len >= sizeof(upper)) {
        return NULL;
    }
    for (size_t i = 0; i <= len; i++) {
        upper[i] = (char)toupper((unsigned char)name[i]);
    }
    return cstr_nearest(upper, table.names, table.n_names);
}

uint32_t expr_function_count(void)
{
    return table.n;
}

const struct expr_function *expr_function_at(uint32_t i)
{
    ASSERT(i < table.n);
    return table.rows[i];
}

/* ---- signatures ------------------------------------------------------------------------------------- */

static bool is_any(const struct data_type *t)
{
    return true;
}
static bool is_boolean(const struct data_type *t)
{
    return t->id == TYPE_BOOLEAN;
}
static bool is_bytes_like(const struct data_type *t)
{
    return type_is_string(t) || type_is_binary(t);
}
static bool is_array(const struct data_type *t)
{
    return t->id == TYPE_ARRAY;
}
static bool is_map(const struct data_type *t)
{
    return t->id == TYPE_MAP;
}
static bool is_multiset(const struct data_type *t)
{
    return t->id == TYPE_MULTISET;
}
static bool is_row(const struct data_type *t)
{
    return t->id == TYPE_ROW;
}
static bool is_collection(const struct data_type *t)
{
    return is_array(t) || is_map(t) || is_multiset(t);
}

static const struct {
    const char *name;
    bool (*matches)(const struct data_type *t);
    enum signature_group group;
    const char *shown; /* in messages, as Flink names it */
} families[] = {
    {"ANY", is_any, SIGNATURE_NO_GROUP, "ANY"},
    {"T", is_any, SIGNATURE_T, "ANY"},
    {"T[]", is_array, SIGNATURE_T, "ARRAY"},
    {"U", is_any, SIGNATURE_U, "ANY"},
    {"COMPARABLE", is_any, SIGNATURE_COMPARABLE, "COMPARABLE_TYPE"},
    {"ORDERED", is_any, SIGNATURE_ORDERED, "COMPARABLE_TYPE"},
    {"STRING", type_is_string, SIGNATURE_NO_GROUP, "CHARACTER"},
    {"BINARY", type_is_binary, SIGNATURE_NO_GROUP, "BINARY"},
    {"BYTES-LIKE", is_bytes_like, SIGNATURE_NO_GROUP, "CHARACTER | BINARY"},
    {"BOOLEAN", is_boolean, SIGNATURE_NO_GROUP, "BOOLEAN"},
    {"NUMERIC", type_is_numeric, SIGNATURE_NO_GROUP, "NUMERIC"},
    {"EXACT", type_is_exact, SIGNATURE_NO_GROUP, "EXACT_NUMERIC"},
    {"INTEGER", type_is_integer, SIGNATURE_NO_GROUP, "INTEGER"},
    {"DATETIME", type_is_datetime, SIGNATURE_NO_GROUP, "DATETIME"},
    {"TIMESTAMPS", type_is_timestamp, SIGNATURE_NO_GROUP, "TIMESTAMP"},
    {"INTERVAL", type_is_interval, SIGNATURE_NO_GROUP, "INTERVAL"},
    {"ARRAY", is_array, SIGNATURE_NO_GROUP, "ARRAY"},
    {"MAP", is_map, SIGNATURE_NO_GROUP, "MAP"},
    {"MULTISET", is_multiset, SIGNATURE_NO_GROUP, "MULTISET"},
    {"ROW", is_row, SIGNATURE_NO_GROUP, "ROW"},
    {"COLLECTION", is_collection, SIGNATURE_NO_GROUP, "COLLECTION"},
};

/* False: it is no family. */
static bool find_family(struct slice word, struct signature_argument *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (slice_eq_cstr(word, families[i].name)) {
            ret->matches = families[i].matches;
            ret->group = families[i].group;
            ret->shown = slice_cstr(families[i].shown);
            ret->is_array = slice_ends_with(word, "[]");
            return true;
        }
    }
    return false;
}

static void set_family(struct slice word, struct signature_argument *ret)
{
    if (find_family(word, ret)) {
        return;
    }
    struct error err = ERROR_INIT;
    int rc = type_parse(word, &ret->type, &err);
    ASSERT(rc == 0); /* tables are right: each is parsed by a test; others are checked */
    ret->shown = word;
}

/* The next of `separator` outside of parentheses and quotes; false at the end. */
static bool next_part(struct slice *rest, char separator, struct slice *ret)
{
    int depth = 0;
    if (rest->data == NULL) {
        return false;
    }
    for (size_t i = 0; i < rest->len; i++) {
        const char c = rest->data[i];
        depth += (c == '(' || c == '<') - (c == ')' || c == '>');
        if (c == separator && depth == 0) {
            *ret = slice_trim(slice_make(rest->data, i));
            *rest = slice_make(rest->data + i + 1, rest->len - i - 1);
            return true;
        }
    }
    *ret = slice_trim(*rest);
    *rest = slice_make(NULL, 0);
    return true;
}

/* The word without what stands around it: ..., ?, quotes. */
static struct slice bare_word(struct slice word, bool *ret_varying, bool *ret_optional,
                              bool *ret_literal)
{
    *ret_varying = slice_ends_with(word, "...");
    *ret_optional = !*ret_varying && slice_ends_with(word, "?");
    word.len -= *ret_varying ? 3 : *ret_optional ? 1 : 0;
    word = slice_trim(word);
    *ret_literal = word.len > 2 && word.data[0] == '\'';
    return *ret_literal ? slice_make(word.data + 1, word.len - 2) : word;
}

static void parse_argument(struct slice word, struct signature *s)
{
    struct signature_argument *a = &s->args[s->n];
    bool varying, optional;
    ASSERT(s->n < SIGNATURE_ARGS_MAX);
    *a = (struct signature_argument){.group = SIGNATURE_NO_GROUP};
    word = bare_word(word, &varying, &optional, &a->is_literal);
    s->is_varying |= varying;
    s->least = optional ? MIN(s->least, s->n) : s->least;
    set_family(word, a);
    s->n++;
}

static int check_word(struct slice word, bool is_behind_varying, struct error *err)
{
    struct signature_argument a = {.group = SIGNATURE_NO_GROUP};
    bool varying, optional, literal;
    const struct slice bare = bare_word(word, &varying, &optional, &literal);
    if (is_behind_varying) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'...' stands behind the last argument only");
    }
    if (!find_family(bare, &a)) {
        TRY(type_parse(bare, &a.type, err));
        type_unref(a.type);
    }
    return 0;
}

int expr_signatures_check(const char *signatures, struct error *err)
{
    struct slice rest = slice_cstr(signatures), alternative, word;
    while (next_part(&rest, '|', &alternative)) {
        bool is_varying = false;
        for (uint32_t n = 0; alternative.len > 0 && next_part(&alternative, ',', &word); n++) {
            if (n == SIGNATURE_ARGS_MAX) {
                return error_set(err, ERR_TOO_LARGE, "at most %d arguments can be declared",
                                 SIGNATURE_ARGS_MAX);
            }
            TRY_CTX(err, check_word(word, is_varying, err), "reading the arguments '%s'",
                    signatures);
            is_varying = slice_ends_with(word, "...");
        }
    }
    return 0;
}

bool signature_next(struct slice *rest, struct signature *ret)
{
    struct slice alternative, word;
    if (!next_part(rest, '|', &alternative)) {
        return false;
    }
    *ret = (struct signature){.least = UINT32_MAX};
    while (alternative.len > 0 && next_part(&alternative, ',', &word)) {
        parse_argument(word, ret);
    }
    ret->least = MIN(ret->least, ret->n);
    return true;
}

void signature_fini(struct signature *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        s->args[i].type = type_unref(s->args[i].type);
    }
}

const struct signature_argument *signature_at(const struct signature *s, uint32_t i)
{
    return i < s->n ? &s->args[i] : s->is_varying ? &s->args[s->n - 1] : NULL;
}
