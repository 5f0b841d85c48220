/* Arrow arrays in (arrow.h): taking an array over, checking its structure, making batches of it.  The
 * values are read in values.c. */
#include "engine/data/arrow/import.h"

static int check_node(struct arrow_import *import, const struct ArrowSchema *schema,
                      const struct ArrowArray *array, const struct data_type *type,
                      struct import_node *ret, struct error *err);

/* ---- life -------------------------------------------------------------------------------------- */

static struct arrow_import *import_new(struct schema *take_schema)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct arrow_import *import = arena_zalloc(&arena, sizeof(*import));
    atomic_init(&import->refs, 1);
    import->schema = take_schema;
    import->nodes = arena_zalloc(&arena, (take_schema->n_fields + 1) * sizeof(*import->nodes));
    import->arena = arena;
    return import;
}

struct arrow_import *arrow_import_unref(struct arrow_import *import)
{
    if (import != NULL && atomic_fetch_sub_explicit(&import->refs, 1, memory_order_acq_rel) == 1) {
        if (import->array.release != NULL) {
            import->array.release(&import->array);
        }
        schema_unref(import->schema);
        struct arena arena = import->arena;
        arena_fini(&arena);
    }
    return NULL;
}

void arrow_import_drop(void *import)
{
    arrow_import_unref(import);
}

const struct schema *arrow_import_schema(const struct arrow_import *import)
{
    return import->schema;
}

uint64_t arrow_import_rows(const struct arrow_import *import)
{
    return (uint64_t)import->array.length;
}

/* ---- structure --------------------------------------------------------------------------------- */

static int malformed(const struct ArrowSchema *schema, const char *what, struct error *err) COLD;
static int malformed(const struct ArrowSchema *schema, const char *what, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT, "Arrow array of format '%.40s': %s", schema->format,
                     what);
}

/* Lengths, children and buffers as the format demands. */
static int check_array(const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t n_buffers, int64_t n_children, struct error *err)
{
    if (array->length < 0 || array->offset < 0 || array->length > INT64_MAX - array->offset - 1) {
        return malformed(schema, "a negative length or offset", err);
    }
    if (array->dictionary != NULL) {
        return malformed(schema, "dictionary-encoded", err);
    }
    if (array->n_children != n_children || (n_children > 0 && array->children == NULL)) {
        return malformed(schema, "children that do not fit its schema's", err);
    }
    /* A view has a buffer for sizes and any number of data buffers. */
    bool fits = n_buffers < 0 ? array->n_buffers >= -n_buffers && array->n_buffers <= INT32_MAX
                              : array->n_buffers == n_buffers;
    if (!fits || (array->n_buffers > 0 && array->buffers == NULL)) {
        return malformed(schema, "another number of buffers than its format has", err);
    }
    for (int64_t i = 1; i < array->n_buffers && array->length > 0; i++) {
        bool may_be_empty = schema->format[0] != '+' && i >= 2; /* bytes of empty strings only */
        if (array->buffers[i] == NULL && !may_be_empty) {
            return malformed(schema, "a buffer is missing", err);
        }
    }
    if (n_buffers < 0 && array->n_buffers > -n_buffers &&
        array->buffers[array->n_buffers - 1] == NULL) {
        return malformed(schema, "the sizes of its buffers are missing", err);
    }
    return 0;
}

static int64_t buffers_of(enum arrow_storage storage)
{
    switch (storage) {
    case ARROW_NULLS:
        return 0;
    case ARROW_TUPLES:
    case ARROW_STRUCT:
        return 1;
    case ARROW_STRINGS:
        return 3;
    case ARROW_VIEWS:
        return -3; /* or more */
    default:
        return 2;
    }
}

static int check_child_length(const struct ArrowSchema *schema, const struct ArrowArray *child,
                              int64_t rows, struct error *err)
{
    return child->length >= rows ? 0 : malformed(schema, "a child is too short", err);
}

/* The children of `parent`, an array or the entries of a map. */
static int check_children(struct arrow_import *import, const struct ArrowSchema *schema,
                          const struct ArrowArray *parent, struct import_node *node,
                          struct error *err)
{
    node->n_children = type_child_columns(node->type);
    node->children = arena_zalloc(&import->arena, (node->n_children + 1) * sizeof(*node->children));
    for (uint32_t i = 0; i < node->n_children; i++) {
        TRY(check_node(import, schema->children[i], parent->children[i],
                       type_child_column(node->type, i), &node->children[i], err));
    }
    return 0;
}

static int check_map(struct arrow_import *import, const struct ArrowSchema *schema,
                     const struct ArrowArray *array, struct import_node *node, struct error *err)
{
    const struct ArrowSchema *entries_schema = schema->children[0];
    const struct ArrowArray *entries = array->children[0];
    TRY(check_array(entries_schema, entries, 1, 2, err));
    node->entries = entries;
    for (int i = 0; i < 2; i++) {
        TRY(check_child_length(entries_schema, entries->children[i],
                               entries->offset + entries->length, err));
    }
    return check_children(import, entries_schema, entries, node, err);
}

static int check_node(struct arrow_import *import, const struct ArrowSchema *schema,
                      const struct ArrowArray *array, const struct data_type *type,
                      struct import_node *ret, struct error *err)
{
    struct data_type *plain = NULL;
    ret->type = type;
    ret->array = array;
    TRY(arrow_format_parse(schema->format, &ret->format, &plain, err));
    type_unref(plain);
    TRY(check_array(schema, array, buffers_of(ret->format.storage), schema->n_children, err));
    switch (ret->format.storage) {
    case ARROW_MAP:
        return check_map(import, schema, array, ret, err);
    case ARROW_STRUCT:
        for (int64_t i = 0; i < array->n_children; i++) {
            TRY(check_child_length(schema, array->children[i], array->offset + array->length, err));
        }
        break;
    case ARROW_TUPLES: {
        int64_t elements;
        if (__builtin_mul_overflow(array->offset + array->length, (int64_t)ret->format.width,
                                   &elements)) {
            return malformed(schema, "more elements than a child can have", err);
        }
        TRY(check_child_length(schema, array->children[0], elements, err));
        break;
    }
    default:
        break;
    }
    return check_children(import, schema, array, ret, err);
}

int arrow_import_new(const struct ArrowSchema *schema, struct ArrowArray *take_array,
                     struct arrow_import **ret, struct error *err)
{
    struct schema *s = NULL;
    if (take_array->release == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "an Arrow array that was released");
    }
    TRY(schema_import_arrow(schema, &s, err));
    struct arrow_import *import = import_new(s);
    int rc = check_array(schema, take_array, 1, s->n_fields, err);
    for (uint32_t i = 0; rc >= 0 && i < s->n_fields; i++) {
        const struct ArrowArray *child = take_array->children[i];
        rc = check_node(import, schema->children[i], child, s->fields[i].type, &import->nodes[i],
                        err);
        if (rc >= 0) {
            rc = check_child_length(schema->children[i], child,
                                    take_array->offset + take_array->length, err);
        }
        if (rc < 0) {
            error_context(err, "importing field '%s'", s->fields[i].name);
        }
    }
    if (rc < 0) {
        arrow_import_unref(import);
        return rc;
    }
    import->array = *take_array;
    take_array->release = NULL;
    *ret = import;
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------- */

int arrow_import_batch(struct arrow_import *import, struct buffer_pool *pool, uint64_t from,
                       uint32_t n, struct batch **ret, struct error *err)
{
    const struct ArrowArray *array = &import->array;
    uint64_t rows = arrow_import_rows(import);
    if (n > BATCH_ROWS_MAX || from > rows || n > rows - from) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "rows %llu to %llu of an Arrow array of %llu rows, at most %d at once",
                         (unsigned long long)from, (unsigned long long)(from + n),
                         (unsigned long long)rows, BATCH_ROWS_MAX);
    }
    uint8_t bits[BATCH_ROWS_MAX / 8];
    if (import_validity(array, array->offset + (int64_t)from, n, bits) > 0) {
        return error_set(err, ERR_UNSUPPORTED, "an Arrow array of rows, some of which are NULL");
    }
    struct batch *b = batch_new(pool, import->schema);
    b->n_rows = n;
    b->n_sel = n;
    for (uint32_t i = 0; i < b->n_columns; i++) {
        int rc = import_values(import, pool, &import->nodes[i], array->offset + (int64_t)from, n,
                               &b->columns[i], err);
        if (rc < 0) {
            error_context(err, "importing field '%s'", import->schema->fields[i].name);
            batch_unref(b);
            return rc;
        }
    }
    *ret = b;
    return 0;
}
