/* One value per file; see constants.h. */
#include "connectors/filesystem/constants.h"

#include "common/fs/fs.h"
#include "connectors/filesystem/partition_path.h"

static bool is_constant(const Flinc__FilesystemColumn *c)
{
    return c->kind != FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_FILE;
}

int constants_init(struct constants *c, const Flinc__FilesystemSourceConfig *config,
                   struct op_context *ctx, struct error *err)
{
    const struct schema *out = ctx->output_schemas[0];
    const char **names = MEM_NEW_ARRAY(const char *, (size_t)out->n_fields + 1);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, (size_t)out->n_fields + 1);
    uint32_t n = 0;

    (void)err;
    *c = (struct constants){.config = config, .output = out, .pool = ctx->pool};
    c->outputs = MEM_NEW_ARRAY(uint32_t, (size_t)out->n_fields + 1);
    for (uint32_t i = 0; i < out->n_fields; i++) {
        if (is_constant(config->columns[i])) {
            names[n] = out->fields[i].name;
            types[n] = type_ref(out->fields[i].type);
            c->outputs[n++] = i;
        }
    }
    if (n > 0) {
        c->schema = schema_new(names, types, n);
    }
    mem_free(names);
    mem_free(types);
    return 0;
}

void constants_fini(struct constants *c)
{
    batch_unref(c->row);
    schema_unref(c->schema);
    mem_free(c->outputs);
    *c = (struct constants){.config = NULL};
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int put_modified(struct builder *b, uint32_t column, const char *path, struct error *err)
{
    struct fs_status status;
    TRY_CTX(err, fs_stat(path, &status, err), "asking for the time of %s", path);
    builder_put_i64(b, column, status.modified_ms);
    return 0;
}

static int put_partition(struct constants *c, struct builder *b, uint32_t column,
                         const Flinc__FilesystemColumn *what, const Flinc__FileSplit *split,
                         struct error *err)
{
    STR_AUTO value = STR_INIT;

    if (!partition_path_find(split->path, what->partition, &value)) {
        return error_set(err, ERR_PARSE,
                         "%s lies in no folder '%s=...': it belongs to no partition of the table",
                         split->path, what->partition);
    }
    TRY_CTX(err,
            partition_value_put(b, column, str_slice(&value), c->config->default_partition, err),
            "reading the partition '%s' of %s", what->partition, split->path);
    return 0;
}

static int put_constant(struct constants *c, struct builder *b, uint32_t column,
                        const Flinc__FileSplit *split, struct error *err)
{
    const Flinc__FilesystemColumn *what = c->config->columns[c->outputs[column]];
    const char *name = base_name(split->path);

    switch (what->kind) {
    case FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_PATH:
        return builder_put_bytes(b, column, split->path, strlen(split->path), err);
    case FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_NAME:
        return builder_put_bytes(b, column, name, strlen(name), err);
    case FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_SIZE:
        builder_put_i64(b, column, (int64_t)split->file_size);
        return 0;
    case FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_MODIFIED:
        return put_modified(b, column, split->path, err);
    default:
        return put_partition(c, b, column, what, split, err);
    }
}

int constants_start(struct constants *c, const Flinc__FileSplit *split, struct error *err)
{
    struct builder b;
    int rc = 0;

    c->row = batch_unref(c->row);
    if (c->schema == NULL) {
        return 0;
    }
    builder_init(&b, c->pool, c->schema, 1);
    builder_begin(&b);
    for (uint32_t i = 0; i < c->schema->n_fields && rc == 0; i++) {
        rc = put_constant(c, &b, i, split, err);
    }
    if (rc == 0) {
        builder_end_row(&b);
        c->row = builder_finish(&b);
    }
    builder_fini(&b);
    return rc;
}

int constants_fill(struct constants *c, struct batch *b, struct error *err)
{
    static const uint16_t first[BATCH_ROWS_MAX]; /* the only row, again and again */
    struct builder values;

    if (c->schema == NULL) {
        return 0;
    }
    builder_init(&values, c->pool, c->schema, BATCH_ROWS_MAX);
    values.target_bytes = UINT64_MAX;
    builder_begin(&values);
    builder_append_rows(&values, c->row, first, b->n_rows);
    int rc = builder_check(&values, err);
    struct batch *filled = rc == 0 ? builder_finish(&values) : NULL;
    builder_fini(&values);
    TRY(rc);
    for (uint32_t i = 0; i < c->schema->n_fields; i++) {
        column_share(c->pool, &b->columns[c->outputs[i]], &filled->columns[i]);
    }
    batch_unref(filled);
    return 0;
}
