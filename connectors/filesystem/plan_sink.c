/* A write to a filesystem table as the configuration of the file sink; see README.md. */
#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/partition_path.h"
#include "engine/operators/files/hand_over.h"
#include "engine/operators/files/path_escape.h"
#include "engine/operators/registry.h"
#include "proto/connectors.pb-c.h"
#include "proto/operators.pb-c.h"

/* ---- what complete partitions are told by ------------------------------------------------------------ */

static int check_policy(const struct table *t, struct slice kind, struct error *err)
{
    static const char key[] = "sink.partition-commit.policy.kind";

    if (slice_eq_cstr(kind, "success-file")) {
        return 0;
    }
    if (slice_eq_cstr(kind, "metastore")) {
        return table_option_invalid(t, key, err,
                                    "'metastore' is for tables of a Hive catalog; a filesystem "
                                    "table can have 'success-file'");
    }
    if (slice_eq_cstr(kind, "custom")) {
        return table_option_invalid(t, key, err,
                                    "'custom' names a Java class, which is not loaded here; "
                                    "'success-file' is there");
    }
    return table_option_invalid(t, key, err, "'%.*s' is no policy; 'success-file' is one",
                                (int)kind.len, kind.data);
}

static int check_policies(const struct table *t, struct error *err)
{
    const struct conf *o = &t->options->conf;
    struct slice rest, kind;

    if (!conf_has(o, "sink.partition-commit.policy.kind")) {
        return 0;
    }
    rest = slice_cstr(conf_string(o, "sink.partition-commit.policy.kind"));
    while (slice_next(&rest, ',', &kind)) {
        TRY(check_policy(t, slice_trim(kind), err));
    }
    const char *name = conf_string(o, "sink.partition-commit.success-file.name");
    if (name[0] == '\0' || strchr(name, '/') != NULL) {
        return table_option_invalid(t, "sink.partition-commit.success-file.name", err,
                                    "it is the name of a file, without folders");
    }
    return 0;
}

static bool tells_partitions(const struct table *t)
{
    return t->n_partition_keys > 0 &&
           conf_has(&t->options->conf, "sink.partition-commit.policy.kind");
}

/* A batch job shows all or nothing; a success file waits for all writers. */
static bool needs_committer(const struct table *t)
{
    return t->batch || tells_partitions(t);
}

static Flinc__PartitionTrigger *make_trigger(const struct table *t, struct arena *arena)
{
    const struct conf *o = &t->options->conf;
    Flinc__PartitionTrigger *m = arena_alloc(arena, sizeof(*m));
    const bool by_time =
        conf_enum(o, "sink.partition-commit.trigger") == (int)FILESYSTEM_BY_PARTITION_TIME;

    flinc__partition_trigger__init(m);
    m->kind = by_time ? FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PARTITION_TIME
                      : FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PROCESS_TIME;
    m->delay_ms = conf_duration_ms(o, "sink.partition-commit.delay");
    m->zone = arena_strdup(arena, conf_string(o, "sink.partition-commit.watermark-time-zone"));
    if (conf_has(o, "partition.time-extractor.timestamp-pattern")) {
        m->pattern =
            arena_strdup(arena, conf_string(o, "partition.time-extractor.timestamp-pattern"));
    }
    if (conf_has(o, "partition.time-extractor.timestamp-formatter")) {
        m->formatter =
            arena_strdup(arena, conf_string(o, "partition.time-extractor.timestamp-formatter"));
    }
    return m;
}

static int plan_trigger(const struct table *t, struct arena *arena, Flinc__PartitionTrigger **ret,
                        struct error *err)
{
    struct partition_trigger *trial = NULL;

    *ret = NULL;
    if (!tells_partitions(t)) {
        return 0;
    }
    if (conf_enum(&t->options->conf, "partition.time-extractor.kind") != 0) {
        return table_option_invalid(t, "partition.time-extractor.kind", err,
                                    "'custom' names a Java class, which is not loaded here; "
                                    "'default' reads a pattern");
    }
    *ret = make_trigger(t, arena);
    TRY_CTX(err, partition_trigger_new(*ret, &trial, err),
            "the options 'sink.partition-commit.watermark-time-zone' and "
            "'partition.time-extractor.timestamp-formatter' of table '%s'",
            t->name);
    partition_trigger_free(trial);
    return 0;
}

static int plan_partitions(const struct table *t, struct arena *arena, Flinc__FileSinkConfig *c,
                           struct error *err)
{
    Flinc__FileBuckets *b = arena_alloc(arena, sizeof(*b));
    Flinc__FilePartitions *p = arena_alloc(arena, sizeof(*p));

    if (t->n_partition_keys == 0) {
        return 0;
    }
    flinc__file_buckets__init(b);
    flinc__file_partitions__init(p);
    b->kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_PARTITIONS;
    b->partitions = p;
    p->n_columns = p->n_names = t->n_partition_keys;
    p->columns = arena_alloc(arena, sizeof(uint32_t) * t->n_partition_keys);
    p->names = arena_alloc(arena, sizeof(char *) * t->n_partition_keys);
    p->default_name = arena_strdup(arena, conf_string(&t->options->conf, "partition.default-name"));
    for (uint32_t i = 0; i < t->n_partition_keys; i++) {
        const struct schema *s = t->schema;
        uint32_t column = t->partition_keys[i];
        p->columns[i] = column;
        p->names[i] = arena_strdup(arena, s->fields[column].name);
        TRY(partition_type_check(s->fields[column].name, s->fields[column].type, err));
    }
    c->buckets = b;
    return 0;
}

static void plan_rolling(const struct table *t, struct arena *arena, Flinc__FileSinkConfig *c)
{
    const struct conf *o = &t->options->conf;
    Flinc__FileRolling *r = arena_alloc(arena, sizeof(*r));

    flinc__file_rolling__init(r);
    r->part_bytes = conf_memory(o, "sink.rolling-policy.file-size");
    r->interval_ms = (uint64_t)conf_duration_ms(o, "sink.rolling-policy.rollover-interval");
    r->inactivity_ms = (uint64_t)conf_duration_ms(o, "sink.rolling-policy.inactivity-interval");
    r->check_interval_ms = (uint64_t)conf_duration_ms(o, "sink.rolling-policy.check-interval");
    c->rolling = r;
}

static int plan_format(const struct table *t, const struct filesystem_format *f,
                       struct arena *arena, Flinc__FileSinkConfig *c, struct error *err)
{
    Flinc__FileTableFormat *m = arena_alloc(arena, sizeof(*m));
    struct schema *files = NULL;
    STR_AUTO text = STR_INIT;

    TRY(filesystem_file_schema(t, &files, err));
    int rc = format_check(f->format, files, f->options, FORMAT_WRITES, err);
    schema_print(files, &text);
    schema_unref(files);
    TRY(rc);
    flinc__file_table_format__init(m);
    m->name = arena_strdup(arena, f->format->name);
    m->schema = arena_strdup(arena, str_cstr(&text));
    m->n_keys = m->n_values = f->pairs.keys.n;
    m->keys = arena_alloc(arena, sizeof(char *) * (f->pairs.keys.n + 1));
    m->values = arena_alloc(arena, sizeof(char *) * (f->pairs.keys.n + 1));
    for (size_t i = 0; i < f->pairs.keys.n; i++) {
        m->keys[i] = arena_strdup(arena, f->pairs.keys.items[i]);
        m->values[i] = arena_strdup(arena, f->pairs.values.items[i]);
    }
    m->columns = arena_alloc(arena, sizeof(uint32_t) * (t->schema->n_fields + 1));
    for (uint32_t i = 0; i < t->schema->n_fields; i++) {
        if (!filesystem_is_key(t, i)) {
            m->columns[m->n_columns++] = i;
        }
    }
    c->table_format = m;
    return 0;
}

/* ---- small files -------------------------------------------------------------------------------------- */

static void plan_compaction(const struct table *t, struct arena *arena, Flinc__FileSinkConfig *c)
{
    const struct conf *o = &t->options->conf;
    Flinc__FileCompaction *m = arena_alloc(arena, sizeof(*m));

    if (!conf_bool(o, "auto-compaction")) {
        return;
    }
    flinc__file_compaction__init(m);
    m->size_bytes = conf_has(o, "compaction.file-size") ? conf_memory(o, "compaction.file-size")
                                                        : c->rolling->part_bytes;
    m->checkpoints = 1; /* files of one checkpoint, Flink's way */
    m->threads =
        conf_has(o, "compaction.parallelism") ? (uint32_t)conf_int(o, "compaction.parallelism") : 1;
    c->rolling->on_checkpoint = true;
    c->compaction = m;
}

/* ---- the committer ------------------------------------------------------------------------------------ */

/* The folder of a static partition, as far as it names one; false: it names none, or not the keys in front. */
static bool static_folder(const struct table *t, const struct text_map *values, struct str *out)
{
    const char *none = conf_string(&t->options->conf, "partition.default-name");
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n_partition_keys; i++) {
        const char *key = t->schema->fields[t->partition_keys[i]].name;
        const char *value = values != NULL ? text_map_find(values, key) : NULL;
        if (value == NULL) {
            break;
        }
        str_append_cstr(out, n++ > 0 ? "/" : "");
        path_escape(slice_cstr(key), out);
        str_append_char(out, '=');
        path_escape(slice_cstr(value[0] != '\0' ? value : none), out);
    }
    return n == t->n_partition_keys;
}

static void plan_committer(const struct table *t, const struct table_write *write,
                           const Flinc__FileSinkConfig *sink, struct arena *arena,
                           struct table_node *ret)
{
    Flinc__FilesystemCommitConfig c = FLINC__FILESYSTEM_COMMIT_CONFIG__INIT;
    STR_AUTO folder = STR_INIT;

    c.path = sink->path;
    c.part_prefix = sink->part_prefix;
    c.run_id = sink->run_id;
    c.is_partitioned = t->n_partition_keys > 0;
    c.trigger = sink->hand_over->trigger;
    c.success_file =
        (char *)conf_string(&t->options->conf, "sink.partition-commit.success-file.name");
    c.overwrite = write->overwrite;
    c.joins = sink->compaction != NULL;
    c.has_target = static_folder(t, write->partition, &folder);
    c.target = (char *)str_cstr(&folder);
    ret->kind = operator_table_committer.kind;
    ret->name = "filesystem-committer";
    table_node_set_config(ret, arena, &c.base);
}

static int plan_hand_over(const struct table *t, const struct table_write *write,
                          struct arena *arena, Flinc__FileSinkConfig *c, struct table_node *ret,
                          struct error *err)
{
    Flinc__FileHandOver *m = arena_alloc(arena, sizeof(*m));

    if (write->overwrite && !t->batch) {
        return error_set(err, ERR_UNSUPPORTED,
                         "INSERT OVERWRITE of table '%s' needs an end of the input: SET "
                         "'execution.runtime-mode' = 'batch'",
                         t->name);
    }
    TRY(check_policies(t, err));
    if (!needs_committer(t)) {
        return 0;
    }
    flinc__file_hand_over__init(m);
    TRY(plan_trigger(t, arena, &m->trigger, err));
    c->hand_over = m;
    TRY(schema_parse(slice_cstr(FILE_HAND_OVER_SCHEMA), &ret->schema, err));
    ret->behind = arena_zalloc(arena, sizeof(*ret->behind));
    plan_committer(t, write, c, arena, ret->behind);
    return 0;
}

/* ---- the writers -------------------------------------------------------------------------------------- */

static void plan_shuffle(const struct table *t, struct arena *arena, struct table_node *ret)
{
    if (conf_bool(&t->options->conf, "sink.shuffle-by-partition.enable") &&
        t->n_partition_keys > 0) {
        uint32_t *columns = arena_alloc(arena, sizeof(uint32_t) * t->n_partition_keys);
        memcpy(columns, t->partition_keys, sizeof(uint32_t) * t->n_partition_keys);
        ret->hash_columns = columns;
        ret->n_hash_columns = t->n_partition_keys;
    }
}

static int plan_files(const struct table *t, struct arena *arena, Flinc__FileSinkConfig *c,
                      struct error *err)
{
    struct filesystem_format f = {.format = NULL};
    int rc = filesystem_format_read(t, &f, err);

    if (rc == 0) {
        rc = plan_format(t, &f, arena, c, err);
    }
    filesystem_format_fini(&f);
    return rc;
}

int filesystem_plan_sink(const struct table *t, const struct table_write *write,
                         struct arena *arena, struct table_node *ret, struct error *err)
{
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    struct rng rng;

    rng_init_system(&rng);
    c.path = arena_strdup(arena, conf_string(&t->options->conf, "path"));
    c.run_id = arena_printf(arena, "%08x", (unsigned)rng_next(&rng));
    c.part_prefix = (char *)"part";
    plan_rolling(t, arena, &c);
    plan_compaction(t, arena, &c);
    TRY(plan_partitions(t, arena, &c, err));
    TRY(plan_files(t, arena, &c, err));
    TRY(plan_hand_over(t, write, arena, &c, ret, err));
    plan_shuffle(t, arena, ret);
    ret->kind = operator_sink_file.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}
