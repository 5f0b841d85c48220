/* Reading how checkpoints are taken; see checkpoint_config.h. */
#include "jobmanager/checkpoint/checkpoint_config.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include <strings.h>

enum { INTERVAL_MIN_MS = 10 };

static const char *const mode_names[] = {
    [CHECKPOINT_MODE_EXACTLY_ONCE] = "exactly_once",
    [CHECKPOINT_MODE_AT_LEAST_ONCE] = "at_least_once",
};

const char *checkpoint_mode_name(enum checkpoint_mode mode)
{
    return mode_names[mode];
}

static const char *const storage_names[] = {
    [CHECKPOINT_STORAGE_JOBMANAGER] = "JobManagerCheckpointStorage",
    [CHECKPOINT_STORAGE_FILESYSTEM] = "FileSystemCheckpointStorage",
};

const char *checkpoint_storage_name(enum checkpoint_storage storage)
{
    return storage_names[storage];
}

/* In the order of the options' enum_values. */
static const enum checkpoint_retention retentions[] = {
    CHECKPOINT_RETENTION_DELETE_ON_CANCELLATION,
    CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION,
    CHECKPOINT_RETENTION_DELETE,
};
static const enum checkpoint_claim claims[] = {CHECKPOINT_CLAIM_CLAIM, CHECKPOINT_CLAIM_NO_CLAIM};
static const enum checkpoint_mode modes[] = {CHECKPOINT_MODE_EXACTLY_ONCE,
                                             CHECKPOINT_MODE_AT_LEAST_ONCE};

/* An empty text is none, as everywhere where people may clear a default. */
static char *copy_text(const struct conf *conf, const char *key)
{
    const char *text = conf_string(conf, key);
    return text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
}

static int read_storage(const struct conf *conf, struct checkpoint_config *c, struct error *err)
{
    static const struct {
        const char *text;
        enum checkpoint_storage storage;
    } texts[] = {{"jobmanager", CHECKPOINT_STORAGE_JOBMANAGER},
                 {"filesystem", CHECKPOINT_STORAGE_FILESYSTEM}};
    const char *text = conf_string(conf, "execution.checkpointing.storage");
    if (text == NULL || text[0] == '\0') {
        c->storage =
            c->directory != NULL ? CHECKPOINT_STORAGE_FILESYSTEM : CHECKPOINT_STORAGE_JOBMANAGER;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcasecmp(text, texts[i].text) == 0) {
            c->storage = texts[i].storage;
            if (c->storage == CHECKPOINT_STORAGE_FILESYSTEM && c->directory == NULL) {
                return error_set(err, ERR_INVALID_CONFIG,
                                 "execution.checkpointing.storage is 'filesystem', but "
                                 "execution.checkpointing.dir is not set: name a folder there "
                                 "that all processes reach");
            }
            return 0;
        }
    }
    return error_set(
        err, ERR_INVALID_CONFIG,
        "execution.checkpointing.storage: '%s' is no storage; it is 'jobmanager' or 'filesystem'",
        text);
}

static int read_interval(const struct conf *conf, struct checkpoint_config *c, struct error *err)
{
    c->interval_ms = CHECKPOINT_INTERVAL_OFF;
    if (!conf_has(conf, "execution.checkpointing.interval")) {
        return 0;
    }
    int64_t interval_ms = conf_duration_ms(conf, "execution.checkpointing.interval");
    if (interval_ms == 0) {
        return 0;
    }
    if (interval_ms < INTERVAL_MIN_MS) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "execution.checkpointing.interval is %lld ms; it is at least %d ms, or 0 "
                         "for no periodic checkpoints",
                         (long long)interval_ms, INTERVAL_MIN_MS);
    }
    c->interval_ms = interval_ms;
    return 0;
}

/* There is nothing to force: no job refuses unaligned checkpoints, and none of its edges can be made to overtake. */
static void warn_forced(const struct conf *conf, const struct checkpoint_config *c)
{
    if (conf_bool(conf, "execution.checkpointing.unaligned.forced")) {
        LOG_WARN("flinc.jobmanager.checkpoint",
                 "execution.checkpointing.unaligned.forced changes nothing: %s",
                 c->unaligned ? "edges of custom partitioners stay aligned beside unaligned ones"
                              : "checkpoints are aligned, since "
                                "execution.checkpointing.unaligned.enabled is false or ignored");
    }
}

/* Flink: CheckpointCoordinatorConfiguration, StreamingJobGraphGenerator. */
static int read_alignment(const struct conf *conf, struct checkpoint_config *c, struct error *err)
{
    c->unaligned = conf_bool(conf, "execution.checkpointing.unaligned.enabled");
    c->aligned_timeout_ms =
        conf_duration_ms(conf, "execution.checkpointing.aligned-checkpoint-timeout");
    if (c->unaligned && c->mode != CHECKPOINT_MODE_EXACTLY_ONCE) {
        LOG_WARN("flinc.jobmanager.checkpoint",
                 "execution.checkpointing.unaligned.enabled needs exactly-once checkpoints "
                 "(execution.checkpointing.mode): it is ignored");
        c->unaligned = false;
    }
    warn_forced(conf, c);
    if (c->unaligned && c->max_concurrent > 1) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "execution.checkpointing.max-concurrent-checkpoints is %u; with "
                         "execution.checkpointing.unaligned.enabled it can only be 1",
                         c->max_concurrent);
    }
    return 0;
}

static void read_rest(const struct conf *conf, struct checkpoint_config *c)
{
    c->mode = modes[conf_enum(conf, "execution.checkpointing.mode")];
    c->retention =
        retentions[conf_enum(conf, "execution.checkpointing.externalized-checkpoint-retention")];
    c->min_pause_ms = conf_duration_ms(conf, "execution.checkpointing.min-pause");
    c->timeout_ms = conf_duration_ms(conf, "execution.checkpointing.timeout");
    c->max_concurrent =
        (uint32_t)conf_int(conf, "execution.checkpointing.max-concurrent-checkpoints");
    if (c->min_pause_ms > 0) {
        c->max_concurrent = 1; /* else the pause would mean nothing */
    }
    c->tolerable_failures =
        (uint32_t)conf_int(conf, "execution.checkpointing.tolerable-failed-checkpoints");
    c->num_retained = (uint32_t)conf_int(conf, "execution.checkpointing.num-retained");
    c->inline_threshold_bytes = conf_memory(conf, "execution.checkpointing.data-inline-threshold");
    c->incremental = conf_bool(conf, "execution.checkpointing.incremental");
    c->after_tasks_finish =
        conf_bool(conf, "execution.checkpointing.checkpoints-after-tasks-finish");
    c->create_subdir = conf_bool(conf, "execution.checkpointing.create-subdir");
    c->claim = claims[conf_enum(conf, "execution.state-recovery.claim-mode")];
    c->allow_non_restored_state =
        conf_bool(conf, "execution.state-recovery.ignore-unclaimed-state");
    c->history = (uint32_t)conf_int(conf, "web.checkpoints.history");
}

int checkpoint_config_read(const struct conf *conf, struct checkpoint_config *ret,
                           struct error *err)
{
    struct checkpoint_config c = {.directory = copy_text(conf, "execution.checkpointing.dir"),
                                  .savepoint_directory =
                                      copy_text(conf, "execution.checkpointing.savepoint-dir"),
                                  .state_backend = copy_text(conf, "state.backend.type"),
                                  .restore_path = copy_text(conf, "execution.state-recovery.path")};
    int rc = read_storage(conf, &c, err);
    if (rc == 0) {
        rc = read_interval(conf, &c, err);
    }
    if (rc < 0) {
        checkpoint_config_fini(&c);
        return rc;
    }
    read_rest(conf, &c);
    rc = read_alignment(conf, &c, err);
    if (rc < 0) {
        checkpoint_config_fini(&c);
        return rc;
    }
    *ret = c;
    return 0;
}

static char *dup_or_null(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

void checkpoint_config_copy(struct checkpoint_config *dst, const struct checkpoint_config *src)
{
    *dst = *src;
    dst->directory = dup_or_null(src->directory);
    dst->savepoint_directory = dup_or_null(src->savepoint_directory);
    dst->state_backend = dup_or_null(src->state_backend);
    dst->restore_path = dup_or_null(src->restore_path);
}

void checkpoint_config_fini(struct checkpoint_config *c)
{
    mem_free(c->directory);
    mem_free(c->savepoint_directory);
    mem_free(c->state_backend);
    mem_free(c->restore_path);
    *c = (struct checkpoint_config){0};
}
