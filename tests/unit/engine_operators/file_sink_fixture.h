/* A file sink in a folder of the test: its configuration, the sink at a place, and what the folder holds. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_FILE_SINK_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_FILE_SINK_FIXTURE_H

#include "common/base/clock.h"
#include "files_fixture.h"
#include "proto/operators.pb-c.h"
#include "state_fixture.h"
#include "struct_fixture.h"

FLINC_STRUCT(order, FLINC_INT64(id), FLINC_STRING(country));

#define FULL FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL
#define SAVEPOINT FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE

/* What a configuration points to. */
struct sink_config {
    Flinc__FileSinkConfig c;
    Flinc__FileBuckets buckets;
    Flinc__FileRolling rolling;
    Flinc__FileCompaction compaction;
    Flinc__CsvFormat csv;
    struct arena arena;
};

/* CSV, one bucket, rolling by nothing. */
static inline void sink_config_init(struct sink_config *s, const char *path)
{
    *s = (struct sink_config){.c = FLINC__FILE_SINK_CONFIG__INIT,
                              .buckets = FLINC__FILE_BUCKETS__INIT,
                              .rolling = FLINC__FILE_ROLLING__INIT,
                              .compaction = FLINC__FILE_COMPACTION__INIT,
                              .csv = FLINC__CSV_FORMAT__INIT};
    arena_init(&s->arena, 0);
    s->c.path = arena_strdup(&s->arena, path);
    s->c.run_id = (char *)(uintptr_t) "0000abcd";
    s->c.format = (char *)(uintptr_t) "csv";
    s->c.part_prefix = (char *)(uintptr_t) "part";
    s->c.buckets = &s->buckets;
    s->c.rolling = &s->rolling;
    s->c.csv = &s->csv;
    s->c.record = struct_desc_of(FLINC_TYPE(order), &s->arena);
}
static inline void sink_config_fini(struct sink_config *s)
{
    arena_fini(&s->arena);
}
static inline void sink_config_compact(struct sink_config *s, uint64_t size_bytes,
                                       uint32_t checkpoints)
{
    s->compaction.size_bytes = size_bytes;
    s->compaction.checkpoints = checkpoints;
    s->compaction.threads = 1;
    s->c.compaction = &s->compaction;
}

static inline int by_country(flinc_ctx *ctx, const order *in, flinc_text *out)
{
    flinc_text_append(out, in->country.data, in->country.len);
    return 0;
}
static inline void sink_config_by_country(struct sink_config *s)
{
    s->buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION;
}

struct sink_at {
    uint32_t subtask, parallelism, attempt, flags;
    const struct clock *clock;
    const Flinc__OperatorSubtaskState *restore;
};

static inline struct harness *sink_new(const struct sink_config *s, struct sink_at at)
{
    struct harness *h;
    struct harness_options o = {.kind = "flinc.sink.file",
                                .config = &s->c.base,
                                .inputs = {FLINC_TYPE(order)},
                                .flags = at.flags,
                                .subtask = at.subtask,
                                .parallelism = at.parallelism > 0 ? at.parallelism : 1,
                                .clock = at.clock,
                                .restore = at.restore,
                                .restore_checkpoint = 1};
    if (s->buckets.kind == FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION) {
        o.functions[0] = (struct harness_function)FN(FLINC_FN_BUCKET, by_country);
    }
    must(harness_new(&o, &h, &err));
    harness_context(h)->attempt_number = at.attempt;
    return h;
}
static inline struct harness *sink_opened(const struct sink_config *s, struct sink_at at)
{
    struct harness *h = sink_new(s, at);
    must(harness_open(h, &err));
    return h;
}
/* With checkpoints. */
static inline struct harness *sink_first(const struct sink_config *s)
{
    return sink_opened(s, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS});
}
static inline struct harness *sink_restored(const struct sink_config *s,
                                            const Flinc__OperatorSubtaskState *state,
                                            uint32_t attempt)
{
    return sink_opened(s, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS | OP_FLAG_RESTORED,
                                           .restore = state,
                                           .attempt = attempt});
}

static inline void push(struct harness *h, const char *rows)
{
    must(harness_push_rows(h, 0, rows, &err));
    must(harness_flush(h, &err));
}
static inline Flinc__OperatorSubtaskState *snapshot_of(struct harness *h, uint64_t id,
                                                       Flinc__CheckpointKind kind)
{
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, id, kind, &s, &err));
    return s;
}
static inline Flinc__OperatorSubtaskState *snapshot(struct harness *h, uint64_t id)
{
    return snapshot_of(h, id, FULL);
}
static inline void drop(Flinc__OperatorSubtaskState *s)
{
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}
static inline void complete(struct harness *h, uint64_t id)
{
    must(harness_notify(h, OP_NOTICE_COMPLETE, id, &err));
}
static inline void checkpoint(struct harness *h, uint64_t id)
{
    drop(snapshot(h, id));
    complete(h, id);
}

/* ---- what is there ------------------------------------------------------------------------------- */

struct seen {
    struct vec texts; /* char *: "bucket:contents" of visible files */
    int hidden;
    struct str names; /* of visible files, "bucket/name;" */
};

static inline void look(const char *folder, const char *bucket, struct seen *s)
{
    struct fs_list list = FS_LIST_INIT;
    must(fs_list_dir(folder, &list, &err));
    for (size_t i = 0; i < list.n; i++) {
        const struct fs_entry *e = &list.entries[i];
        STR_AUTO text = STR_INIT;
        if (e->status.kind == FS_KIND_DIRECTORY) {
            str_printf(&text, "%s%s%s", bucket, bucket[0] != '\0' ? "/" : "", e->name);
            look(e->path, str_cstr(&text), s);
        } else if (e->name[0] == '.') {
            s->hidden++;
        } else {
            str_printf(&text, "%s%s", bucket, bucket[0] != '\0' ? ":" : "");
            read_file(e->path, &text);
            for (size_t k = 0; k < text.len; k++) {
                text.data[k] = text.data[k] == '\n' ? '/' : text.data[k];
            }
            vec_push_ptr(&s->texts, str_take(&text));
            str_printf(&s->names, "%s/%s;", bucket, e->name);
        }
    }
    fs_list_fini(&list);
}

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "bucket:contents;" of visible files, sorted, with '/' for line ends, and how many are hidden. */
static inline const char *folder(const char *path)
{
    static char text[65536];
    struct seen s = {.texts = VEC_INIT(char *)};
    STR_AUTO out = STR_INIT;
    look(path, "", &s);
    if (s.texts.len > 0) {
        qsort(s.texts.data, s.texts.len, sizeof(char *), by_text);
    }
    for (size_t i = 0; i < s.texts.len; i++) {
        str_printf(&out, "%s;", (char *)vec_ptr(&s.texts, i));
        mem_free(vec_ptr(&s.texts, i));
    }
    str_printf(&out, "%d hidden", s.hidden);
    vec_fini(&s.texts);
    str_fini(&s.names);
    assert_in_range(out.len, 0, sizeof(text) - 1);
    memcpy(text, str_cstr(&out), out.len + 1);
    return text;
}
#define check_folder(expected) assert_string_equal(folder(in_dir("out")), (expected))

#endif
