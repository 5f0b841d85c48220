/* Schemas: named, typed columns.  The text form is the ROW type of the fields, NOT NULL. */
#include "engine/data/schema.h"

/* FNV-1a over the text: only compared within one process run and its messages, never stored as an
 * address of data. */
static uint64_t text_fingerprint(struct slice text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++) {
        h = (h ^ (uint8_t)text.data[i]) * 0x100000001b3u;
    }
    return h;
}

struct schema *schema_new(const char *const *names, struct data_type *const *take_types,
                          uint32_t n_fields)
{
    ASSERT(n_fields <= SCHEMA_FIELDS_MAX);
    struct schema *s = mem_zalloc(sizeof(*s) + n_fields * sizeof(s->fields[0]));
    atomic_init(&s->refs, 1);
    s->n_fields = n_fields;
    for (uint32_t i = 0; i < n_fields; i++) {
        s->fields[i].name = mem_strdup(names[i]);
        s->fields[i].type = take_types[i];
        s->n_nested += type_nested_columns(take_types[i]);
        s->row_bytes += take_types[i]->width;
    }
    STR_AUTO text = STR_INIT;
    schema_print(s, &text);
    s->fingerprint = text_fingerprint(str_slice(&text));
    return s;
}

struct schema *schema_ref(const struct schema *s)
{
    /* Immutable but for the count, so that a reference may be had from a const pointer. */
    struct schema *mutable_s = (struct schema *)(uintptr_t)s;
    atomic_fetch_add_explicit(&mutable_s->refs, 1, memory_order_relaxed);
    return mutable_s;
}

struct schema *schema_unref(struct schema *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    for (uint32_t i = 0; i < s->n_fields; i++) {
        mem_free(s->fields[i].name);
        type_unref(s->fields[i].type);
    }
    mem_free(s);
    return NULL;
}

bool schema_equals(const struct schema *a, const struct schema *b)
{
    if (a == b) {
        return true;
    }
    if (a->fingerprint != b->fingerprint || a->n_fields != b->n_fields) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_fields; i++) {
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            !type_equals(a->fields[i].type, b->fields[i].type)) {
            return false;
        }
    }
    return true;
}

int schema_find(const struct schema *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_fields; i++) {
        if (strcmp(s->fields[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* A ROW type of the fields that borrows everything: fill `ret_types` and `ret_names` first. */
static struct data_type schema_row_type(const struct schema *s, struct data_type **types,
                                        char **names)
{
    for (uint32_t i = 0; i < s->n_fields; i++) {
        types[i] = s->fields[i].type;
        names[i] = s->fields[i].name;
    }
    return (struct data_type){
        .id = TYPE_ROW,
        .layout = LAYOUT_STRUCT,
        .n_children = s->n_fields,
        .children = types,
        .names = names,
    };
}

void schema_print(const struct schema *s, struct str *out)
{
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, s->n_fields + 1);
    char **names = MEM_NEW_ARRAY(char *, s->n_fields + 1);
    struct data_type row = schema_row_type(s, types, names);
    type_print(&row, out);
    mem_free(types);
    mem_free(names);
}

int schema_validate(const struct schema *s, struct error *err)
{
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, s->n_fields + 1);
    char **names = MEM_NEW_ARRAY(char *, s->n_fields + 1);
    struct data_type row = schema_row_type(s, types, names);
    int rc = type_validate(&row, err);
    mem_free(types);
    mem_free(names);
    return rc;
}

int schema_parse(struct slice text, struct schema **ret, struct error *err)
{
    struct data_type *row = NULL;
    TRY(type_parse(text, &row, err));
    if (row->id != TYPE_ROW) {
        type_unref(row);
        return error_set(err, ERR_PARSE, "a schema is a ROW type, not %.*s",
                         (int)MIN(text.len, (size_t)200), text.data);
    }
    for (uint32_t i = 0; i < row->n_children; i++) {
        type_ref(row->children[i]); /* schema_new takes them */
    }
    *ret = schema_new((const char *const *)row->names, row->children, row->n_children);
    type_unref(row);
    return 0;
}
