/* The filesystem connector: options and what they mean for each other; see README.md. */
#include "connectors/filesystem/filesystem.h"
#include "engine/patterns/regex.h"

#include <pthread.h>

static const struct conf_option filesystem_options[] = {
    {"path", CONF_TYPE_STRING,
     .description = "Folder of the table, or a file to read; on any file system.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_REQUIRED},
    {"format", CONF_TYPE_STRING,
     .description = "Format of the files. Its options begin with its name: 'json.KEY'.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_REQUIRED},
    {"partition.default-name", CONF_TYPE_STRING, FILESYSTEM_DEFAULT_PARTITION,
     .description = "Stands in paths for a partition value that is NULL or an empty string.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"source.monitor-interval", CONF_TYPE_DURATION, .min = "1 ms",
     .description = "How often new files are looked for. Without it the table is bounded: what is "
                    "there at the start is read.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"source.path.regex-pattern", CONF_TYPE_STRING,
     .description =
         "Only files whose whole absolute path matches this regular expression (Java's) are read.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"source.report-statistics", CONF_TYPE_ENUM, "ALL", .enum_values = "NONE|ALL",
     .description = "Statistics of files for the planner; there are none yet.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"scan.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the source.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"sink.rolling-policy.file-size", CONF_TYPE_MEMORY, "128 mb",
     .description = "A file of this size is closed, and another one begun.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.rolling-policy.rollover-interval", CONF_TYPE_DURATION, "30 min",
     .description = "A file of this age is closed.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.rolling-policy.inactivity-interval", CONF_TYPE_DURATION, "30 min",
     .description = "A file to which nothing came for so long is closed.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.rolling-policy.check-interval", CONF_TYPE_DURATION, "1 min",
     .description = "How often the ages of files are looked at.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.parallelism", CONF_TYPE_INT, .min = "1", .description = "Of the sink.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"sink.shuffle-by-partition.enable", CONF_TYPE_BOOL, "false",
     .description = "Rows of a partition go to one writer: fewer files, and no balance between "
                    "partitions of different size.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"sink.partition-commit.trigger", CONF_TYPE_ENUM, "process-time",
     .enum_values = "process-time|partition-time",
     .description = "When a partition is complete: some time after its first file was begun, or "
                    "when the watermark has passed the time that its values say.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.partition-commit.delay", CONF_TYPE_DURATION, "0 s",
     .description = "How long after that time.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.partition-commit.watermark-time-zone", CONF_TYPE_STRING, "UTC",
     .description =
         "Zone of the times in partitions. Watermarks of TIMESTAMP columns count as UTC; "
         "for those of TIMESTAMP_LTZ it is that of the session.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.partition-commit.policy.kind", CONF_TYPE_STRING,
     .description = "What is done with a complete partition: 'success-file' puts an empty file "
                    "into it. Without it nothing is done.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"sink.partition-commit.policy.class", CONF_TYPE_STRING,
     .description = "Java class of a custom policy; it is not loaded."},
    {"sink.partition-commit.policy.class.parameters", CONF_TYPE_STRING,
     .description = "Of that class."},
    {"sink.partition-commit.success-file.name", CONF_TYPE_STRING, "_SUCCESS",
     .description = "Name of that file.", .flags = CONF_FLAG_EFFECTIVE},
    {"partition.time-extractor.kind", CONF_TYPE_ENUM, "default", .enum_values = "default|custom",
     .description = "How a partition's time is found; 'custom' names a Java class and is refused.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"partition.time-extractor.class", CONF_TYPE_STRING,
     .description = "Java class of a custom extractor; it is not loaded."},
    {"partition.time-extractor.timestamp-pattern", CONF_TYPE_STRING,
     .description =
         "Text of a partition's time, with its values: `$dt $hour:00:00`. Without it the "
         "first value is the time.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"partition.time-extractor.timestamp-formatter", CONF_TYPE_STRING,
     .description = "How that text is read, in letters of Java's DateTimeFormatter. Without it "
                    "`yyyy-MM-dd HH:mm:ss`, or a date alone.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"auto-compaction", CONF_TYPE_BOOL, "false",
     .description = "Each writer joins its small files of a partition and a checkpoint before they "
                    "are visible.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"compaction.file-size", CONF_TYPE_MEMORY,
     .description = "Files are joined when they have this size together; by default "
                    "'sink.rolling-policy.file-size'.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_FORWARDED},
    {"compaction.parallelism", CONF_TYPE_INT, .min = "1", .max = "16",
     .description = "Joins that a writer has under way at a time; by default 1.",
     .flags = CONF_FLAG_EFFECTIVE},
};
static const struct conf_group filesystem_group = CONF_GROUP("filesystem", filesystem_options);
static const struct conf_group *const filesystem_groups[] = {&table_options_common,
                                                             &filesystem_group};
static struct conf_schema filesystem_schema = CONF_SCHEMA_INIT(filesystem_groups);

/* ---- options of formats --------------------------------------------------------------------------- */

/* The rows of a format as an option table; texts, which the format reads itself.  Made once for each. */
struct format_rows {
    const flinc_format *format;
    struct conf_option *options;
    struct conf_group group;
    const struct conf_group *groups[1];
    struct conf_schema schema;
};
static struct format_rows *rows_of_formats[FORMATS_MAX];
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct format_rows *rows_new(const flinc_format *f)
{
    struct format_rows *r = MEM_NEW(struct format_rows);

    r->format = f;
    r->options = MEM_NEW_ARRAY(struct conf_option, (size_t)f->n_options + 1);
    for (uint32_t i = 0; i < f->n_options; i++) {
        r->options[i] = (struct conf_option){.name = f->options[i].name,
                                             .type = CONF_TYPE_STRING,
                                             .description = f->options[i].description,
                                             .flags = CONF_FLAG_EFFECTIVE};
    }
    r->group = (struct conf_group){f->name, r->options, f->n_options};
    r->groups[0] = &r->group;
    r->schema.groups = r->groups;
    r->schema.n_groups = 1;
    pthread_mutex_init(&r->schema.lock, NULL);
    return r;
}

/* NULL: there are too many formats. */
static struct conf_schema *schema_of_format(const flinc_format *f)
{
    struct format_rows *found = NULL;

    pthread_mutex_lock(&making);
    for (size_t i = 0; i < FORMATS_MAX && found == NULL; i++) {
        if (rows_of_formats[i] == NULL) {
            rows_of_formats[i] = rows_new(f);
        }
        found = rows_of_formats[i]->format == f ? rows_of_formats[i] : NULL;
    }
    pthread_mutex_unlock(&making);
    return found != NULL ? &found->schema : NULL;
}

static int filesystem_option_parts(const struct text_map *given, struct vec *ret_parts,
                                   struct error *err)
{
    const char *name = text_map_find(given, "format");
    const flinc_format *f = NULL;

    if (name == NULL) {
        return 0; /* it is missed elsewhere */
    }
    TRY(format_require(name, &f, err));
    struct conf_schema *schema = schema_of_format(f);
    if (schema != NULL) {
        struct table_option_part *p = VEC_PUSH(ret_parts, struct table_option_part);
        snprintf(p->prefix, sizeof(p->prefix), "%s.", f->name);
        p->schema = schema;
    }
    return 0;
}

int filesystem_format_read(const struct table *t, struct filesystem_format *ret, struct error *err)
{
    const char *name = conf_string(&t->options->conf, "format");
    STR_AUTO prefix = STR_INIT;

    *ret = (struct filesystem_format){.pairs = TEXT_MAP_INIT};
    TRY(format_require(name, &ret->format, err));
    str_printf(&prefix, "%s.", name);
    const struct conf *part = table_options_part(t->options, str_cstr(&prefix));
    if (part != NULL) {
        MAP_FOREACH (&part->entries, e) {
            text_map_put(&ret->pairs, slice_cstr(e->key), slice_cstr(conf_string(part, e->key)));
        }
    }
    return format_options_new(ret->format, &ret->pairs, str_cstr(&prefix), &ret->options, err);
}

void filesystem_format_fini(struct filesystem_format *f)
{
    f->options = format_options_free(f->options);
    text_map_fini(&f->pairs);
}

/* ---- schema --------------------------------------------------------------------------------------- */

bool filesystem_is_key(const struct table *t, uint32_t column)
{
    for (uint32_t i = 0; i < t->n_partition_keys; i++) {
        if (t->partition_keys[i] == column) {
            return true;
        }
    }
    return false;
}

int filesystem_file_schema(const struct table *t, struct schema **ret, struct error *err)
{
    const struct schema *s = t->schema;
    const char **names = MEM_NEW_ARRAY(const char *, (size_t)s->n_fields + 1);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, (size_t)s->n_fields + 1);
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_fields; i++) {
        if (!filesystem_is_key(t, i)) {
            names[n] = s->fields[i].name;
            types[n++] = type_ref(s->fields[i].type);
        }
    }
    if (n > 0) {
        *ret = schema_new(names, types, n);
    }
    mem_free(names);
    mem_free(types);
    return n > 0 ? 0
                 : error_set(err, ERR_INVALID_CONFIG,
                             "table '%s' has no columns but its partition keys: nothing is left "
                             "for files",
                             t->name);
}

/* ---- checks --------------------------------------------------------------------------------------- */

static int check_pattern(const struct table *t, struct error *err)
{
    const struct conf *o = &t->options->conf;
    struct error why = ERROR_INIT;
    struct regex *r = NULL;

    if (!conf_has(o, "source.path.regex-pattern")) {
        return 0;
    }
    if (regex_new(slice_cstr(conf_string(o, "source.path.regex-pattern")), &r, &why) < 0) {
        return table_option_invalid(t, "source.path.regex-pattern", err, "%s", why.message);
    }
    regex_free(r);
    return 0;
}

static int filesystem_validate(const struct table *t, struct error *err)
{
    struct filesystem_format f;
    struct schema *files = NULL;

    if (conf_string(&t->options->conf, "path")[0] == '\0') {
        return table_option_invalid(t, "path", err, "it is empty");
    }
    TRY(check_pattern(t, err));
    int rc = filesystem_format_read(t, &f, err);
    if (rc == 0) {
        rc = filesystem_file_schema(t, &files, err);
    }
    schema_unref(files);
    filesystem_format_fini(&f);
    return rc;
}

static bool filesystem_is_bounded(const struct table *t)
{
    return !conf_has(&t->options->conf, "source.monitor-interval");
}

/* Partitions that are complete when event time has passed theirs. */
static bool filesystem_reads_watermarks(const struct table *t)
{
    const struct conf *o = &t->options->conf;
    return conf_has(o, "sink.partition-commit.policy.kind") &&
           conf_enum(o, "sink.partition-commit.trigger") == FILESYSTEM_BY_PARTITION_TIME;
}

/* ---- the connector -------------------------------------------------------------------------------- */

static const struct table_metadata filesystem_metadata[] = {
    {"file.path", "STRING NOT NULL", TABLE_READABLE, "Full path of the file."},
    {"file.name", "STRING NOT NULL", TABLE_READABLE, "Its name without the folders."},
    {"file.size", "BIGINT NOT NULL", TABLE_READABLE, "Its bytes."},
    {"file.modification-time", "TIMESTAMP_LTZ(3) NOT NULL", TABLE_READABLE,
     "When it was written last."},
};
static const struct table_source filesystem_source = {
    .abilities = TABLE_PROJECTION | TABLE_LIMIT | TABLE_PARTITIONS | TABLE_METADATA,
    .is_bounded = filesystem_is_bounded,
    .plan = filesystem_plan_source,
};
static const struct table_sink filesystem_sink = {
    .abilities = TABLE_PARTITIONS | TABLE_OVERWRITE,
    .reads_watermarks = filesystem_reads_watermarks,
    .plan = filesystem_plan_sink,
};
static const struct operator_desc *const filesystem_operators[] = {&operator_table_filesystem,
                                                                   &operator_table_committer};

const struct table_connector connector_filesystem = {
    .struct_size = sizeof(struct table_connector),
    .version = TABLE_CONNECTOR_VERSION,
    .identifier = "filesystem",
    .summary = "files of a format in folders, partitioned or not",
    .options = &filesystem_schema,
    .option_parts = filesystem_option_parts,
    .validate = filesystem_validate,
    .metadata = filesystem_metadata,
    .n_metadata = ARRAY_LEN(filesystem_metadata),
    .source = &filesystem_source,
    .sink = &filesystem_sink,
    .operators = filesystem_operators,
    .n_operators = ARRAY_LEN(filesystem_operators),
};
