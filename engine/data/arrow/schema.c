/* Schemas to and from Arrow (arrow.h).
 *
 * An exported schema is a tree of ArrowSchema structs in one arena with a count of references, one per
 * struct that was not released: a consumer may move a child out of its parent and release it later. */
#include "engine/data/arrow/format.h"

/* ---- export ------------------------------------------------------------------------------------ */

/* Thread: any (atomics). */
struct schema_export {
    _Atomic uint32_t refs;
    struct arena arena; /* in which this lies, too */
    uint32_t flags;     /* arrow_export_flag */
};

/* A field to be exported: a column's, or one that Arrow puts between (the entries of a map). */
struct schema_field {
    const char *name;
    const struct data_type *type;
    bool is_map_key;
};

static void export_field(struct schema_export *x, struct ArrowSchema *ret,
                         const struct schema_field *field);

static void schema_export_unref(struct schema_export *x)
{
    if (atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1) {
        struct arena arena = x->arena;
        arena_fini(&arena);
    }
}

static void schema_release(struct ArrowSchema *s)
{
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i]->release != NULL) {
            s->children[i]->release(s->children[i]);
        }
    }
    s->release = NULL;
    schema_export_unref(s->private_data);
}

static struct schema_export *schema_export_new(uint32_t flags)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct schema_export *x = arena_zalloc(&arena, sizeof(*x));
    x->flags = flags;
    x->arena = arena;
    return x;
}

/* Fills what all structs have in common, with room for the children. */
static void schema_start(struct schema_export *x, struct ArrowSchema *s, const char *name,
                         uint32_t n_children)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    *s = (struct ArrowSchema){
        .name = arena_strdup(&x->arena, name),
        .n_children = n_children,
        .release = schema_release,
        .private_data = x,
    };
    if (n_children > 0) {
        s->children = arena_alloc(&x->arena, n_children * sizeof(*s->children));
    }
    for (uint32_t i = 0; i < n_children; i++) {
        s->children[i] = arena_zalloc(&x->arena, sizeof(struct ArrowSchema));
    }
}

/* What the format does not say of a type. */
static const char *type_metadata(struct schema_export *x, const char *format,
                                 const struct schema_field *field)
{
    struct slice keys[2], values[2];
    int32_t n = 0;
    struct arrow_format parsed;
    struct data_type *plain = NULL;
    STR_AUTO text = STR_INIT;
    int rc = arrow_format_parse(format, &parsed, &plain, NULL);
    ASSERT(rc == 0);
    if (plain != NULL) {
        struct data_type *nullable = type_with_nullable(field->type, true);
        if (!type_equals(plain, nullable)) {
            type_print(nullable, &text);
            keys[n] = SLICE_LIT(ARROW_METADATA_TYPE);
            values[n++] = str_slice(&text);
        }
        type_unref(nullable);
    } else if (field->type->id == TYPE_MULTISET) {
        keys[n] = SLICE_LIT(ARROW_METADATA_TYPE);
        values[n++] = SLICE_LIT(ARROW_METADATA_MULTISET);
    }
    if (field->is_map_key && field->type->nullable) {
        keys[n] = SLICE_LIT(ARROW_METADATA_NULLABLE);
        values[n++] = SLICE_LIT("true");
    }
    type_unref(plain);
    return arrow_metadata_make(&x->arena, keys, values, n);
}

static void export_map_entries(struct schema_export *x, struct ArrowSchema *ret,
                               const struct data_type *map)
{
    schema_start(x, ret, "entries", 2);
    ret->format = "+s";
    export_field(x, ret->children[0],
                 &(struct schema_field){"key", type_child_column(map, 0), true});
    export_field(x, ret->children[1],
                 &(struct schema_field){"value", type_child_column(map, 1), false});
}

static void export_field(struct schema_export *x, struct ArrowSchema *ret,
                         const struct schema_field *field)
{
    const struct data_type *type = field->type;
    bool is_map = type->layout == LAYOUT_MAP;
    schema_start(x, ret, field->name, is_map ? 1 : type->n_children);
    ret->format = arrow_format_of(type, x->flags, &x->arena);
    ret->flags = type->nullable && !field->is_map_key ? ARROW_FLAG_NULLABLE : 0;
    ret->metadata = type_metadata(x, ret->format, field);
    if (is_map) {
        export_map_entries(x, ret->children[0], type);
        return;
    }
    for (uint32_t i = 0; i < type->n_children; i++) {
        export_field(x, ret->children[i],
                     &(struct schema_field){type->names != NULL ? type->names[i] : "item",
                                            type->children[i], false});
    }
}

int schema_export_arrow(const struct schema *s, uint32_t flags, struct ArrowSchema *ret,
                        struct error *err)
{
    if ((flags & ~(uint32_t)ARROW_EXPORT_PLAIN_STRINGS) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "unknown flags of an Arrow export: %#x", flags);
    }
    struct schema_export *x = schema_export_new(flags);
    schema_start(x, ret, "", s->n_fields);
    ret->format = "+s";
    for (uint32_t i = 0; i < s->n_fields; i++) {
        export_field(x, ret->children[i],
                     &(struct schema_field){s->fields[i].name, s->fields[i].type, false});
    }
    return 0;
}

/* ---- import ------------------------------------------------------------------------------------ */

static int import_type(const struct ArrowSchema *in, uint32_t depth, struct data_type **ret,
                       struct error *err);

static const char *name_of(const struct ArrowSchema *in)
{
    return in->name != NULL ? in->name : "";
}

/* Children there, no more than `most`, and not a dictionary. */
static int check_node(const struct ArrowSchema *in, int64_t most, struct error *err)
{
    if (in->release == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow schema that was released");
    }
    if (in->dictionary != NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "dictionary-encoded Arrow arrays: decode them before the export");
    }
    if (in->n_children < 0 || in->n_children > most || (in->n_children > 0 && !in->children)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow schema of %lld children",
                         (long long)in->n_children);
    }
    return 0;
}

/* The type that our own export wrote into the metadata, if it fits the format's. */
static int import_metadata_type(const struct ArrowSchema *in, struct data_type **inout,
                                struct error *err)
{
    struct slice text;
    struct data_type *type = NULL;
    if (!arrow_metadata_find(in->metadata, ARROW_METADATA_TYPE, &text)) {
        return 0;
    }
    TRY(type_parse(text, &type, err));
    const struct data_type *plain = *inout;
    bool is_text = plain->id == TYPE_VARCHAR;
    bool is_bytes = plain->id == TYPE_VARBINARY;
    bool fits = is_text ? type->id == TYPE_CHAR || type->id == TYPE_VARCHAR
                : is_bytes
                    ? type->id == TYPE_BINARY || type->id == TYPE_VARBINARY || type->id == TYPE_RAW
                    : type->id == plain->id && type->layout == plain->layout;
    int rc = type_validate(type, err);
    if (rc >= 0 && !fits) {
        rc = error_set(err, ERR_INVALID_ARGUMENT,
                       "metadata '" ARROW_METADATA_TYPE "' is '%.*s', which is not of format '%s'",
                       (int)text.len, text.data, in->format);
    }
    if (rc < 0) {
        type_unref(type);
        return rc;
    }
    type_unref(*inout);
    *inout = type;
    return 0;
}

static int import_children(const struct ArrowSchema *in, uint32_t depth, uint32_t n,
                           struct data_type **ret, struct error *err)
{
    if (in->n_children != n) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Arrow format '%s' with %lld children, not %u",
                         in->format, (long long)in->n_children, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        int rc = import_type(in->children[i], depth + 1, &ret[i], err);
        if (rc < 0) {
            error_context(err, "importing field '%s'", name_of(in->children[i]));
            while (i > 0) {
                type_unref(ret[--i]);
            }
            return rc;
        }
    }
    return 0;
}

static int import_map_type(const struct ArrowSchema *in, uint32_t depth, struct data_type **ret,
                           struct error *err)
{
    struct data_type *entry[2];
    struct slice text;
    if (in->n_children != 1) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow map without entries");
    }
    const struct ArrowSchema *entries = in->children[0];
    TRY(check_node(entries, 2, err));
    if (entries->format == NULL || strcmp(entries->format, "+s") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow map whose entries are no struct");
    }
    TRY(import_children(entries, depth + 1, 2, entry, err));
    if (arrow_metadata_find(in->metadata, ARROW_METADATA_TYPE, &text) &&
        slice_eq_cstr(text, ARROW_METADATA_MULTISET) && entry[1]->id == TYPE_INTEGER &&
        !entry[1]->nullable) {
        type_unref(entry[1]);
        *ret = type_new_multiset(entry[0], true);
    } else {
        *ret = type_new_map(entry[0], entry[1], true);
    }
    return 0;
}

static int import_row_type(const struct ArrowSchema *in, uint32_t depth, struct data_type **ret,
                           struct error *err)
{
    uint32_t n = (uint32_t)in->n_children;
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n + 1);
    const char **names = MEM_NEW_ARRAY(const char *, n + 1);
    int rc = import_children(in, depth, n, types, err);
    for (uint32_t i = 0; rc >= 0 && i < n; i++) {
        names[i] = name_of(in->children[i]);
    }
    if (rc >= 0) {
        *ret = type_new_row(types, names, n, true);
    }
    mem_free(types);
    mem_free(names);
    return rc;
}

static int import_nested_type(const struct ArrowSchema *in, enum arrow_storage storage,
                              uint32_t depth, struct data_type **ret, struct error *err)
{
    struct data_type *item;
    switch (storage) {
    case ARROW_MAP:
        return import_map_type(in, depth, ret, err);
    case ARROW_STRUCT:
        return import_row_type(in, depth, ret, err);
    default:
        TRY(import_children(in, depth, 1, &item, err));
        *ret = type_new_array(item, true);
        return 0;
    }
}

static int import_type(const struct ArrowSchema *in, uint32_t depth, struct data_type **ret,
                       struct error *err)
{
    struct arrow_format format;
    struct data_type *type = NULL;
    struct slice text;
    if (depth > TYPE_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE, "Arrow types nest deeper than %d levels",
                         TYPE_DEPTH_MAX);
    }
    TRY(check_node(in, TYPE_CHILDREN_MAX, err));
    TRY(arrow_format_parse(in->format, &format, &type, err));
    int rc = type != NULL ? import_metadata_type(in, &type, err)
                          : import_nested_type(in, format.storage, depth, &type, err);
    if (rc < 0) {
        type_unref(type);
        return rc;
    }
    bool nullable = (in->flags & ARROW_FLAG_NULLABLE) != 0 || type->id == TYPE_NULL ||
                    arrow_metadata_find(in->metadata, ARROW_METADATA_NULLABLE, &text);
    *ret = type_with_nullable(type, nullable);
    type_unref(type);
    return 0;
}

int schema_import_arrow(const struct ArrowSchema *in, struct schema **ret, struct error *err)
{
    TRY(check_node(in, SCHEMA_FIELDS_MAX, err));
    if (in->format == NULL || strcmp(in->format, "+s") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "an Arrow schema of rows is a struct ('+s'), not '%.40s'",
                         in->format != NULL ? in->format : "");
    }
    struct data_type *row = NULL;
    TRY(import_row_type(in, 0, &row, err));
    for (uint32_t i = 0; i < row->n_children; i++) {
        type_ref(row->children[i]);
    }
    struct schema *s = schema_new((const char *const *)row->names, row->children, row->n_children);
    type_unref(row);
    int rc = schema_validate(s, err);
    if (rc < 0) {
        schema_unref(s);
        return rc;
    }
    *ret = s;
    return 0;
}
