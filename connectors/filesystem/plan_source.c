/* A scan of a filesystem table as the configuration of its operator; see README.md. */
#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/partition_path.h"
#include "engine/operators/files/path_escape.h"
#include "engine/operators/registry.h"
#include "proto/connectors.pb-c.h"

/* ---- paths ---------------------------------------------------------------------------------------- */

static const char *folder_of(const struct table *t, const struct text_map *partition,
                             struct arena *arena)
{
    STR_AUTO path = STR_INIT;

    str_append_cstr(&path, conf_string(&t->options->conf, "path"));
    for (uint32_t i = 0; i < t->n_partition_keys; i++) {
        const char *key = t->schema->fields[t->partition_keys[i]].name;
        const char *value = text_map_find(partition, key);
        if (value == NULL) {
            break; /* all below it */
        }
        str_append_cstr(&path, cstr_ends_with(str_cstr(&path), "/") ? "" : "/");
        path_escape(slice_cstr(key), &path);
        str_append_char(&path, '=');
        path_escape(slice_cstr(value), &path);
    }
    return arena_strdup(arena, str_cstr(&path));
}

static void plan_paths(const struct table *t, const struct table_scan *scan, struct arena *arena,
                       Flinc__FilesystemSourceConfig *c)
{
    const struct conf *o = &t->options->conf;

    if (scan->partitions == NULL) {
        c->n_paths = 1;
        c->paths = arena_alloc(arena, sizeof(char *));
        c->paths[0] = arena_strdup(arena, conf_string(o, "path"));
    } else {
        c->n_paths = scan->n_partitions;
        c->paths = arena_alloc(arena, sizeof(char *) * (scan->n_partitions + 1));
        for (uint32_t i = 0; i < scan->n_partitions; i++) {
            c->paths[i] = (char *)folder_of(t, &scan->partitions[i], arena);
        }
        c->optional = true; /* nobody may have written to them yet */
    }
    c->recursive = true;
    if (conf_has(o, "source.monitor-interval")) {
        c->discovery_interval_ms = (uint64_t)conf_duration_ms(o, "source.monitor-interval");
        c->optional = true;
    }
    if (conf_has(o, "source.path.regex-pattern")) {
        c->path_pattern = arena_strdup(arena, conf_string(o, "source.path.regex-pattern"));
    }
    c->default_partition = arena_strdup(arena, conf_string(o, "partition.default-name"));
}

/* ---- columns -------------------------------------------------------------------------------------- */

static int plan_column(const struct table *t, uint32_t field, const struct schema *files,
                       Flinc__FilesystemColumn *ret, struct error *err)
{
    const char *name = t->schema->fields[field].name;

    if (!filesystem_is_key(t, field)) {
        ret->kind = FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_FILE;
        ret->file_column = (uint32_t)schema_find(files, name);
        return 0;
    }
    ret->kind = FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_PARTITION;
    ret->partition = (char *)name;
    return partition_type_check(name, t->schema->fields[field].type, err);
}

static Flinc__FilesystemColumnKind metadata_kind(const char *key)
{
    return strcmp(key, "file.path") == 0   ? FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_PATH
           : strcmp(key, "file.name") == 0 ? FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_NAME
           : strcmp(key, "file.size") == 0 ? FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_SIZE
                                           : FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_MODIFIED;
}

static int plan_columns(const struct table *t, const struct table_scan *scan,
                        const struct schema *files, struct arena *arena,
                        Flinc__FilesystemSourceConfig *c, struct error *err)
{
    uint32_t n = scan->columns != NULL ? scan->n_columns : t->schema->n_fields;
    size_t all = (size_t)n + scan->n_metadata;
    Flinc__FilesystemColumn *columns = arena_alloc(arena, sizeof(*columns) * (all + 1));

    c->n_columns = all;
    c->columns = arena_alloc(arena, sizeof(*c->columns) * (all + 1));
    for (size_t i = 0; i < all; i++) {
        flinc__filesystem_column__init(&columns[i]);
        c->columns[i] = &columns[i];
        if (i >= n) {
            columns[i].kind = metadata_kind(scan->metadata[i - n]);
            continue;
        }
        uint32_t field = scan->columns != NULL ? scan->columns[i].fields[0] : (uint32_t)i;
        TRY(plan_column(t, field, files, &columns[i], err));
    }
    return 0;
}

/* ---- format --------------------------------------------------------------------------------------- */

static void copy_options(const struct text_map *pairs, struct arena *arena,
                         Flinc__FilesystemSourceConfig *c)
{
    c->n_option_keys = c->n_option_values = pairs->keys.n;
    c->option_keys = arena_alloc(arena, sizeof(char *) * (pairs->keys.n + 1));
    c->option_values = arena_alloc(arena, sizeof(char *) * (pairs->keys.n + 1));
    for (size_t i = 0; i < pairs->keys.n; i++) {
        c->option_keys[i] = arena_strdup(arena, pairs->keys.items[i]);
        c->option_values[i] = arena_strdup(arena, pairs->values.items[i]);
    }
}

static int plan_format(const struct filesystem_format *f, const struct schema *files,
                       struct arena *arena, Flinc__FilesystemSourceConfig *c, struct error *err)
{
    struct format_decoder *d = NULL;
    struct format_decoder_config config = {
        .framing = FLINC_FORMAT_STREAM, .schema = files, .options = f->options};
    STR_AUTO schema = STR_INIT;

    TRY(format_check(f->format, files, f->options, FORMAT_READS, err));
    TRY(format_decoder_new(f->format, &config, &d, err));
    c->split_bytes = format_decoder_is_splittable(d) ? 0 : INT64_MAX;
    format_decoder_free(d);
    c->format = arena_strdup(arena, f->format->name);
    copy_options(&f->pairs, arena, c);
    schema_print(files, &schema);
    c->schema = arena_strdup(arena, str_cstr(&schema));
    return 0;
}

static int plan(const struct table *t, const struct table_scan *scan,
                const struct filesystem_format *f, struct arena *arena, struct table_node *ret,
                struct error *err)
{
    Flinc__FilesystemSourceConfig c = FLINC__FILESYSTEM_SOURCE_CONFIG__INIT;
    struct schema *files = NULL;

    TRY(filesystem_file_schema(t, &files, err));
    plan_paths(t, scan, arena, &c);
    int rc = plan_columns(t, scan, files, arena, &c, err);
    if (rc == 0) {
        rc = plan_format(f, files, arena, &c, err);
    }
    schema_unref(files);
    TRY(rc);
    c.has_limit = scan->has_limit;
    c.limit = scan->limit;
    ret->kind = operator_table_filesystem.kind;
    ret->coordinator = coordinator_source_text.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}

int filesystem_plan_source(const struct table *t, const struct table_scan *scan,
                           struct arena *arena, struct table_node *ret, struct error *err)
{
    struct filesystem_format f = {.format = NULL};
    int rc = filesystem_format_read(t, &f, err);

    if (rc == 0) {
        rc = plan(t, scan, &f, arena, ret, err);
    }
    filesystem_format_fini(&f);
    return rc;
}
