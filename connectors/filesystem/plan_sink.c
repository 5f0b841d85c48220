/* A write to a filesystem table as the configuration of the file sink; see README.md. */
#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/partition_path.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

/* What the table asks for and is not there yet is refused by name. */
static int check_later(const struct table *t, struct error *err)
{
    const struct conf *o = &t->options->conf;
    const char *key = conf_has(o, "sink.partition-commit.policy.kind")
                          ? "sink.partition-commit.policy.kind"
                      : conf_bool(o, "auto-compaction")                  ? "auto-compaction"
                      : conf_bool(o, "sink.shuffle-by-partition.enable") ? "sink.shuffle-by-"
                                                                           "partition.enable"
                                                                         : NULL;

    return key == NULL
               ? 0
               : error_set(err, ERR_UNSUPPORTED,
                           "not supported yet: '%s' of table '%s'; leave it out", key, t->name);
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

int filesystem_plan_sink(const struct table *t, const struct table_write *write,
                         struct arena *arena, struct table_node *ret, struct error *err)
{
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    struct filesystem_format f = {.format = NULL};
    struct rng rng;

    (void)write;
    TRY(check_later(t, err));
    rng_init_system(&rng);
    c.path = arena_strdup(arena, conf_string(&t->options->conf, "path"));
    c.run_id = arena_printf(arena, "%08x", (unsigned)rng_next(&rng));
    c.part_prefix = (char *)"part";
    plan_rolling(t, arena, &c);
    TRY(plan_partitions(t, arena, &c, err));
    int rc = filesystem_format_read(t, &f, err);
    if (rc == 0) {
        rc = plan_format(t, &f, arena, &c, err);
    }
    filesystem_format_fini(&f);
    TRY(rc);
    ret->kind = operator_sink_file.kind;
    table_node_set_config(ret, arena, &c.base);
    return 0;
}
