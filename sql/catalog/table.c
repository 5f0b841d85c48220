/* See table.h. */
#include "sql/catalog/table.h"

static const char *const kind_names[] = {
    [SQL_TABLE_KIND_TABLE] = "table",
    [SQL_TABLE_KIND_VIEW] = "view",
};
_Static_assert(ARRAY_LEN(kind_names) == SQL_TABLE_KIND_COUNT, "a name for each kind");

const char *sql_table_kind_name(enum sql_table_kind kind)
{
    return kind_names[kind];
}

/* ---- names ------------------------------------------------------------------------------------------- */

bool sql_name_list_has(const struct sql_name_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void sql_name_list_add(struct sql_name_list *list, struct arena *arena, struct slice name)
{
    /* Powers of two are full. */
    if ((list->n & (list->n - 1)) == 0) {
        const char **items =
            arena_alloc(arena, (list->n == 0 ? 1 : (size_t)list->n * 2) * sizeof(*items));
        if (list->n > 0) {
            memcpy(items, list->items, list->n * sizeof(*items));
        }
        list->items = items;
    }
    list->items[list->n++] = arena_strndup(arena, name.data, name.len);
}

void sql_name_list_copy(const struct sql_name_list *from, struct arena *arena,
                        struct sql_name_list *ret)
{
    *ret = (struct sql_name_list){NULL, 0};
    for (uint32_t i = 0; i < from->n; i++) {
        sql_name_list_add(ret, arena, slice_cstr(from->items[i]));
    }
}

/* ---- life -------------------------------------------------------------------------------------------- */

struct sql_table *sql_table_new(enum sql_table_kind kind)
{
    struct sql_table *t = MEM_NEW(struct sql_table);
    atomic_init(&t->refs, 1);
    arena_init(&t->arena, 0);
    t->kind = kind;
    t->distribution.buckets = SQL_BUCKETS_NONE;
    return t;
}

static const char *copy_text(struct sql_table *t, const char *text)
{
    return text != NULL ? arena_strdup(&t->arena, text) : NULL;
}

static void copy_watermark(struct sql_table *t, const struct sql_table_watermark *from)
{
    if (from->column != NULL) {
        t->watermark.column = copy_text(t, from->column);
        t->watermark.expr = copy_text(t, from->expr);
        t->watermark.type = sql_table_keep_type(t, from->type);
        sql_name_list_copy(&from->refs, &t->arena, &t->watermark.refs);
    }
}

struct sql_table *sql_table_copy(const struct sql_table *from)
{
    struct sql_table *t = sql_table_new(from->kind);
    for (uint32_t i = 0; i < from->n_columns; i++) {
        sql_table_put(t, sql_table_insert(t, i), &from->columns[i]);
    }
    copy_watermark(t, &from->watermark);
    t->key.name = copy_text(t, from->key.name);
    sql_name_list_copy(&from->key.columns, &t->arena, &t->key.columns);
    sql_name_list_copy(&from->partition_keys, &t->arena, &t->partition_keys);
    t->distribution.kind = from->distribution.kind;
    t->distribution.buckets = from->distribution.buckets;
    sql_name_list_copy(&from->distribution.columns, &t->arena, &t->distribution.columns);
    t->comment = copy_text(t, from->comment);
    sql_options_copy(&from->options, &t->arena, &t->options);
    t->original_query = copy_text(t, from->original_query);
    t->expanded_query = copy_text(t, from->expanded_query);
    return t;
}

struct sql_table *sql_table_ref(const struct sql_table *t)
{
    struct sql_table *shared = (struct sql_table *)t;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

struct sql_table *sql_table_unref(const struct sql_table *t)
{
    struct sql_table *shared = (struct sql_table *)t;
    if (shared != NULL && atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1) {
        arena_fini(&shared->arena);
        mem_free(shared);
    }
    return NULL;
}

struct sql_table_column *sql_table_find(const struct sql_table *t, const char *name)
{
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            return &t->columns[i];
        }
    }
    return NULL;
}

/* ---- filling in ---------------------------------------------------------------------------------------- */

static void drop_type(void *arg)
{
    type_unref(arg);
}

struct data_type *sql_table_keep_type(struct sql_table *t, const struct data_type *type)
{
    struct data_type *kept = type_ref(type);
    arena_on_fini(&t->arena, drop_type, kept);
    return kept;
}

struct sql_table_column *sql_table_insert(struct sql_table *t, uint32_t at)
{
    uint32_t n = t->n_columns;
    ASSERT(at <= n);
    if ((n & (n - 1)) == 0) {
        struct sql_table_column *columns =
            arena_alloc(&t->arena, (n == 0 ? 1 : (size_t)n * 2) * sizeof(*columns));
        if (n > 0) {
            memcpy(columns, t->columns, n * sizeof(*columns));
        }
        t->columns = columns;
    }
    memmove(&t->columns[at + 1], &t->columns[at], (n - at) * sizeof(*t->columns));
    memset(&t->columns[at], 0, sizeof(*t->columns));
    t->n_columns++;
    return &t->columns[at];
}

void sql_table_remove(struct sql_table *t, uint32_t at)
{
    ASSERT(at < t->n_columns);
    memmove(&t->columns[at], &t->columns[at + 1], (t->n_columns - at - 1) * sizeof(*t->columns));
    t->n_columns--;
}

void sql_table_put(struct sql_table *t, struct sql_table_column *to,
                   const struct sql_table_column *from)
{
    *to = (struct sql_table_column){
        .name = copy_text(t, from->name),
        .kind = from->kind,
        .type = from->type != NULL ? sql_table_keep_type(t, from->type) : NULL,
        .time = from->time,
        .expr = copy_text(t, from->expr),
        .metadata_key = copy_text(t, from->metadata_key),
        .is_virtual = from->is_virtual,
        .comment = copy_text(t, from->comment),
    };
    sql_name_list_copy(&from->refs, &t->arena, &to->refs);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool is_part(const struct sql_table_column *c, enum sql_table_part part)
{
    switch (part) {
    case SQL_TABLE_PHYSICAL:
        return c->kind == SQL_COLUMN_PHYSICAL;
    case SQL_TABLE_SINK:
        return c->kind == SQL_COLUMN_PHYSICAL || (c->kind == SQL_COLUMN_METADATA && !c->is_virtual);
    default:
        return true;
    }
}

int sql_table_schema(const struct sql_table *t, enum sql_table_part part, struct schema **ret,
                     struct error *err)
{
    if (t->n_columns > SCHEMA_FIELDS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "A table has at most %d columns", SCHEMA_FIELDS_MAX);
    }
    const char **names = mem_alloc((t->n_columns + 1) * sizeof(*names));
    struct data_type **types = mem_alloc((t->n_columns + 1) * sizeof(struct data_type *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (is_part(&t->columns[i], part)) {
            names[n] = t->columns[i].name;
            types[n++] = type_ref(t->columns[i].type);
        }
    }
    *ret = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return 0;
}
