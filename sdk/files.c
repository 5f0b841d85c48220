/* The file sink (flinc/files.h): options checked, defaults as Flink's. */
#include "flinc/files.h"
#include "engine/operators/files/bucket.h"
#include "engine/operators/files/compact.h"
#include "engine/operators/files/packer.h"
#include "sdk/internal.h"

#define PART_BYTES_DEFAULT (UINT64_C(128) << 20)
#define INTERVAL_MS_DEFAULT UINT64_C(60000)

enum {
    NAME_PART_MAX = 60
}; /* of 255 bytes: there is a UUID between, and another one while it is written */
static const char call[] = "flinc_write_files";

/* 0: the default, FLINC_ROLL_NEVER: 0, as the operator says it. */
static uint64_t limit_of(uint64_t given, uint64_t fallback)
{
    return given == FLINC_ROLL_NEVER ? 0 : given > 0 ? given : fallback;
}

static Flinc__FileRolling *rolling_of(flinc_env *env, const flinc_file_sink *o)
{
    Flinc__FileRolling *r = arena_alloc(&env->arena, sizeof(*r));
    bool by_checkpoint = o->bulk || o->rolling.policy == FLINC_ROLL_ON_CHECKPOINT;

    flinc__file_rolling__init(r);
    r->on_checkpoint = by_checkpoint;
    r->part_bytes = limit_of(o->rolling.part_bytes, by_checkpoint ? 0 : PART_BYTES_DEFAULT);
    r->interval_ms = limit_of(o->rolling.interval_ms, by_checkpoint ? 0 : INTERVAL_MS_DEFAULT);
    r->inactivity_ms = limit_of(o->rolling.inactivity_ms, by_checkpoint ? 0 : INTERVAL_MS_DEFAULT);
    r->check_interval_ms = limit_of(o->rolling.check_interval_ms, INTERVAL_MS_DEFAULT);
    return r;
}

static Flinc__FileBuckets *buckets_of(flinc_env *env, const flinc_buckets *o)
{
    Flinc__FileBuckets *b = arena_alloc(&env->arena, sizeof(*b));

    flinc__file_buckets__init(b);
    b->kind = (Flinc__FileBucketKind)o->kind;
    b->date_format =
        (char *)(uintptr_t)(o->date_format != NULL ? o->date_format : "yyyy-MM-dd--HH");
    b->zone = o->zone != NULL ? (char *)(uintptr_t)o->zone : b->zone;
    b->event_time = o->time == FLINC_BUCKET_EVENT_TIME;
    return b;
}

static Flinc__FileCompaction *compaction_of(flinc_env *env, const flinc_file_sink *o)
{
    const flinc_file_compaction *from = &o->compaction;

    if (from->size_bytes == 0 && from->checkpoints == 0) {
        return NULL;
    }
    Flinc__FileCompaction *c = arena_alloc(&env->arena, sizeof(*c));
    flinc__file_compaction__init(c);
    c->size_bytes = from->size_bytes;
    c->checkpoints = from->checkpoints;
    c->threads = from->threads > 0 ? from->threads : 1;
    c->by_records =
        from->compactor == FLINC_COMPACT_RECORDS ||
        (from->compactor == FLINC_COMPACT_DEFAULT && (o->compression != NULL || o->csv.header));
    return c;
}

static Flinc__CsvFormat *csv_of(flinc_env *env, const flinc_csv *o)
{
    Flinc__CsvFormat *c = arena_alloc(&env->arena, sizeof(*c));

    flinc__csv_format__init(c);
    c->delimiter = (uint8_t)o->delimiter;
    c->quote = (uint8_t)o->quote;
    c->null_literal =
        o->null_literal != NULL ? (char *)(uintptr_t)o->null_literal : c->null_literal;
    c->header = o->header;
    return c;
}

/* A name of files cannot lead out of their folder, or hide them. */
static bool is_name(const char *name)
{
    return strchr(name, '/') == NULL && name[0] != '.' && name[0] != '_' &&
           strlen(name) <= NAME_PART_MAX;
}

/* What can be told before a record comes; NULL: nothing is wrong. */
static const char *flaw_of(const flinc_file_sink *o)
{
    if (o->struct_size < sizeof(flinc_file_sink)) {
        return "start from FLINC_FILE_SINK(...)";
    }
    if (o->path == NULL || o->path[0] == '\0') {
        return ".path, the folder, is missing";
    }
    if ((unsigned)o->buckets.kind > FLINC_BUCKET_FUNCTION ||
        (unsigned)o->buckets.time > FLINC_BUCKET_EVENT_TIME ||
        (unsigned)o->rolling.policy > FLINC_ROLL_ON_CHECKPOINT ||
        (unsigned)o->compaction.compactor > FLINC_COMPACT_RECORDS) {
        return "a value of .buckets, .rolling or .compaction is none of its names";
    }
    if ((o->buckets.kind == FLINC_BUCKET_FUNCTION) != (o->buckets.function != NULL)) {
        return "buckets by a function are .buckets = FLINC_FUNCTION_BUCKETS(FLINC_FN(name))";
    }
    if (o->prefix != NULL && (o->prefix[0] == '\0' || !is_name(o->prefix))) {
        return ".prefix begins the names of files: up to 60 bytes, no '/', no '.' or '_' in front";
    }
    if (o->suffix != NULL &&
        (strchr(o->suffix, '/') != NULL || strlen(o->suffix) > NAME_PART_MAX)) {
        return ".suffix ends the names of files: up to 60 bytes, no '/'";
    }
    if (o->compaction.threads > COMPACT_THREADS_MAX) {
        return ".compaction.threads is more than 16";
    }
    if (o->compaction.compactor == FLINC_COMPACT_CONCAT && o->csv.header &&
        (o->compaction.size_bytes > 0 || o->compaction.checkpoints > 0)) {
        return "files with a header are compacted by FLINC_COMPACT_RECORDS: their bytes behind "
               "each "
               "other would have headers within";
    }
    return NULL;
}

static int check_and_add(flinc_stream *s, const flinc_file_sink *o, Flinc__FileSinkConfig *c,
                         struct stream_node **ret_node, flinc_place at)
{
    struct error err = ERROR_INIT;

    if (file_encoder_check(c, s->schema, &err) < 0 || file_buckets_check(c, &err) < 0) {
        (void)env_fail_at(s->env, at, err.code, "%s: %s", call, err.message);
        return err.code;
    }
    struct stream_node *node = stream_add_sink(s, "flinc.sink.file", "Sink: File Sink", at);
    if (o->encoder != NULL) {
        TRY(env_add_function(s->env, node, o->encoder, FLINC_FN_FORMAT, call, at));
    }
    if (o->buckets.function != NULL) {
        TRY(env_add_function(s->env, node, o->buckets.function, FLINC_FN_BUCKET, call, at));
    }
    *ret_node = node;
    return 0;
}

flinc_stream *flinc_write_files_(flinc_stream *s, flinc_file_sink o, flinc_place at)
{
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    struct stream_node *node = NULL;

    if (!stream_usable(s, call, at)) {
        flinc_env *env = env_of(s);
        return env != NULL ? &env->broken : NULL;
    }
    const char *flaw = flaw_of(&o);
    if (flaw != NULL) {
        return env_fail_at(s->env, at, ERR_INVALID_ARGUMENT, "%s: %s", call, flaw);
    }
    c.path = (char *)(uintptr_t)o.path;
    c.run_id = arena_printf(&s->env->arena, "%08x", (unsigned)rng_next(&s->env->rng));
    c.format = (char *)(uintptr_t)(o.format != NULL ? o.format : "text");
    c.bulk = o.bulk;
    c.has_encoder = o.encoder != NULL;
    c.record = env_struct_desc(s->env, s->type);
    c.buckets = buckets_of(s->env, &o.buckets);
    c.rolling = rolling_of(s->env, &o);
    c.compaction = compaction_of(s->env, &o);
    c.csv = csv_of(s->env, &o.csv);
    c.compression = o.compression != NULL ? (char *)(uintptr_t)o.compression : c.compression;
    c.part_prefix = (char *)(uintptr_t)(o.prefix != NULL ? o.prefix : "part");
    c.part_suffix = o.suffix != NULL ? (char *)(uintptr_t)o.suffix : c.part_suffix;
    c.open_files_max = o.open_files_max;
    if (check_and_add(s, &o, &c, &node, at) < 0) {
        return &s->env->broken;
    }
    STREAM_SET_CONFIG(s->env, node, flinc__file_sink_config, &c);
    return stream_of_node(s->env, node, 0, NULL, NULL);
}
