/* flinc/env.h: the environment in which a job is built and executed, and its sources.
 *
 * In a bundle the environment is given to the job's main.  An ordinary program makes its own with
 * flinc_env_new_local().  Flink: StreamExecutionEnvironment. */
#ifndef FLINC_ENV_H
#define FLINC_ENV_H

#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum flinc_runtime_mode {
    FLINC_STREAMING = 0,
    FLINC_BATCH = 1,
    FLINC_AUTOMATIC = 2 /* BATCH when all sources are bounded */
} flinc_runtime_mode;

/* An environment that runs jobs in this process.  `conf_dir`: folder of config.yaml, or NULL for the
 * defaults.  Never NULL; errors stick until execute.  The engine logs warnings to standard error, or from
 * env.log.level of the configuration on. */
FLINC_API flinc_env *flinc_env_new_local(const char *conf_dir);
/* An environment that submits its jobs to a cluster: the job manager whose REST interface is at host:port.
 * The libraries that hold the job's functions are uploaded with it, the program itself, too, when it has
 * some.  flinc_env_execute() waits for the end of the job; with execution.attached set to false it returns
 * once the job is accepted.  Flink: createRemoteEnvironment. */
FLINC_API flinc_env *flinc_env_new_remote(const char *host, int port);
FLINC_API void flinc_env_free(flinc_env *env); /* NULL is fine */

FLINC_API void flinc_env_set_parallelism(flinc_env *env, int parallelism);
FLINC_API void flinc_env_set_max_parallelism(flinc_env *env, int max_parallelism);
FLINC_API void flinc_env_set_runtime_mode(flinc_env *env, flinc_runtime_mode mode);
/* Any configuration key of the job, as `-D key=value` would. */
FLINC_API void flinc_env_set(flinc_env *env, const char *key, const char *value);
FLINC_API int flinc_env_parallelism(const flinc_env *env);

/* ---- slots ---- */

/* An amount of something that task managers have besides CPU and memory (external-resources). */
typedef struct flinc_external_resource {
    const char *name; /* "gpu" */
    double amount;    /* not negative */
} flinc_external_resource;

/* What each slot of a slot sharing group is worth.  Start from FLINC_SLOT_RESOURCES(.cpu_cores = 0.5,
 * .task_heap_bytes = 100 << 20): these two are required and more than 0; nothing may be negative.  Amounts of
 * cores and of external resources have 8 digits behind the point. */
typedef struct flinc_slot_resources {
    uint32_t struct_size;
    double cpu_cores;
    int64_t task_heap_bytes;
    int64_t task_off_heap_bytes;
    int64_t managed_bytes;                   /* for keyed state, caches, sorting */
    const flinc_external_resource *external; /* n_external of them, at most 8; copied */
    size_t n_external;
} flinc_slot_resources;
#define FLINC_SLOT_RESOURCES(...) \
    ((flinc_slot_resources){.struct_size = (uint32_t)sizeof(flinc_slot_resources), __VA_ARGS__})
/* Slots of `group` are worth so much from now on: such a slot is cut out of what is free of a task manager.
 * Groups that are not registered, or with nothing of all that, run in slots of the default profile
 * (taskmanager.numberOfTaskSlots equal parts of a task manager).  The same again is fine; another profile for
 * a group that has one makes the environment fail.
 * Flink: SlotSharingGroup.newBuilder(group)..., registerSlotSharingGroup. */
#define flinc_env_register_slot_sharing_group(env, group, resources) \
    flinc_env_register_slot_sharing_group_((env), (group), (resources), FLINC_HERE)
FLINC_API void flinc_env_register_slot_sharing_group_(flinc_env *env, const char *group,
                                                      flinc_slot_resources resources,
                                                      flinc_place at);

/* Makes the environment fail with a message of one's own (bad arguments of the job). */
FLINC_API void flinc_env_fail(flinc_env *env, const char *format, ...) FLINC_PRINTF(2, 3);
/* The first error, or NULL. */
FLINC_API const char *flinc_env_error(const flinc_env *env);

/* Builds the graph and runs it; returns when the job has ended: 0, or a negative code (then
 * flinc_env_error() says why).  A bundle's main returns its result.  In attached execution the result
 * (accumulators, run time) may be asked for afterwards. */
FLINC_API int flinc_env_execute(flinc_env *env, const char *job_name);
FLINC_API int64_t flinc_env_accumulator(const flinc_env *env, const char *name);
FLINC_API int64_t flinc_env_runtime_ms(const flinc_env *env);

/* ---- sources ---- */

/* `n` structs of `type`, copied.  Flink: fromData. */
#define flinc_from_elements(env, elements, n, type) \
    flinc_from_elements_((env), (elements), (n), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_from_elements_(flinc_env *env, const void *elements, size_t n,
                                             const flinc_struct *type, flinc_place at);
/* The numbers from..to as a stream of flinc_int64.  Flink: fromSequence. */
#define flinc_from_sequence(env, from, to) flinc_from_sequence_((env), (from), (to), FLINC_HERE)
FLINC_API flinc_stream *flinc_from_sequence_(flinc_env *env, int64_t from, int64_t to,
                                             flinc_place at);
/* Generated records.  Flink: DataGeneratorSource. */
typedef struct flinc_datagen {
    uint32_t struct_size;
    const flinc_function *generate; /* makes the record of an index; NULL: random fields */
    const flinc_struct *type;
    int64_t count;          /* records in all; negative: unbounded */
    double rows_per_second; /* in all; 0: as fast as it goes */
    uint64_t seed;
} flinc_datagen;
#define FLINC_DATAGEN(...) \
    ((flinc_datagen){.struct_size = (uint32_t)sizeof(flinc_datagen), __VA_ARGS__})
#define flinc_from_datagen(env, options) flinc_from_datagen_((env), (options), FLINC_HERE)
FLINC_API flinc_stream *flinc_from_datagen_(flinc_env *env, flinc_datagen options, flinc_place at);

/* Lines of text files as a stream of flinc_string, without their line ends.  Files, folders (all files
 * below that do not start with '.' or '_') and globs; .gz and .zst are unpacked.
 * Flink: FileSource with TextLineInputFormat. */
typedef struct flinc_text_source {
    uint32_t struct_size;
    const char *path;         /* one path; or */
    const char *const *paths; /* n_paths of them */
    size_t n_paths;
    uint64_t discovery_interval_ms; /* look for new files that often, for ever; 0: read once */
    uint64_t max_line_bytes;        /* a longer line is an error; 0: 64 MiB */
    uint64_t split_bytes;           /* 0: 64 MiB */
} flinc_text_source;
#define FLINC_TEXT_SOURCE(...) \
    ((flinc_text_source){.struct_size = (uint32_t)sizeof(flinc_text_source), __VA_ARGS__})
#define flinc_env_read_text(env, options) flinc_env_read_text_((env), (options), FLINC_HERE)
FLINC_API flinc_stream *flinc_env_read_text_(flinc_env *env, flinc_text_source options,
                                             flinc_place at);

/* Lines from a TCP server, parallelism 1.  Flink: socketTextStream. */
typedef struct flinc_socket_source {
    uint32_t struct_size;
    const char *host;
    int port;
    char delimiter;          /* 0: '\n' */
    int max_retries;         /* when the connection ends; 0: end of stream; negative: for ever */
    uint64_t retry_delay_ms; /* 0: 500 */
} flinc_socket_source;
#define FLINC_SOCKET_SOURCE(...) \
    ((flinc_socket_source){.struct_size = (uint32_t)sizeof(flinc_socket_source), __VA_ARGS__})
#define flinc_socket_text(env, options) flinc_socket_text_((env), (options), FLINC_HERE)
FLINC_API flinc_stream *flinc_socket_text_(flinc_env *env, flinc_socket_source options,
                                           flinc_place at);

/* ---- arguments of the job ---- */

/* `--key value` pairs of the job's main.  `known` names what it understands, NULL-terminated; another
 * option makes the environment fail with the nearest known one.  `-p N` and `-D key=value` are taken as
 * the options of `flink run` that they are.  Owned by the environment.
 * Flink: ParameterTool, MultipleParameterTool. */
typedef struct flinc_params flinc_params;
FLINC_API flinc_params *flinc_params_parse(flinc_env *env, int argc, char **argv,
                                           const char *const *known);
/* The last value of a key, or `otherwise`. */
FLINC_API const char *flinc_params_get(const flinc_params *params, const char *key,
                                       const char *otherwise);
/* All values of a repeated key (also: `--input a b c`); *ret_n of them. */
FLINC_API const char *const *flinc_params_all(const flinc_params *params, const char *key,
                                              size_t *ret_n);
FLINC_API bool flinc_params_has(const flinc_params *params, const char *key);
/* Parsed values; a malformed one makes the environment fail and gives `otherwise`. */
FLINC_API int64_t flinc_params_int(const flinc_params *params, const char *key, int64_t otherwise);
/* "1 s", "500 ms", "10 min". */
FLINC_API int64_t flinc_params_duration_ms(const flinc_params *params, const char *key,
                                           int64_t otherwise);
/* STREAMING, BATCH or AUTOMATIC. */
FLINC_API flinc_runtime_mode flinc_params_mode(const flinc_params *params, const char *key,
                                               flinc_runtime_mode otherwise);

#ifdef __cplusplus
}
#endif

#endif
