/* What a job is and how it runs: execution, pipeline, restarts, tasks.
 * Rows of names, types and defaults are Flink's; see README.md for how to add or switch one on. */
#include "common/conf/options.h"

static const struct conf_option execution_options[] = {
    {"execution.async-state.active-buffer-size", CONF_TYPE_INT, "1000"},
    {"execution.async-state.active-buffer-timeout", CONF_TYPE_LONG, "1000"},
    {"execution.async-state.total-buffer-size", CONF_TYPE_INT, "6000"},
    {"execution.attached", CONF_TYPE_BOOL, "false",
     .description = "Whether the client that submits a job stays until the job has ended."},
    {"execution.batch-shuffle-mode", CONF_TYPE_ENUM, "ALL_EXCHANGES_BLOCKING",
     .enum_values = "ALL_EXCHANGES_PIPELINED|ALL_EXCHANGES_BLOCKING|ALL_EXCHANGES_HYBRID_FULL|ALL_"
                    "EXCHANGES_HYBRID_SELECTIVE"},
    {"execution.batch-state-backend.enabled", CONF_TYPE_BOOL, "true"},
    {"execution.buffer-timeout.enabled", CONF_TYPE_BOOL, "true",
     .description =
         "Whether a partly filled batch is passed on after execution.buffer-timeout.interval; if "
         "false it waits until it is full or the input ends.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.buffer-timeout.interval", CONF_TYPE_DURATION, "5 ms",
     .aliases = "execution.buffer-timeout",
     .description = "How long a partly filled batch may wait for more rows before it is passed on; "
                    "0 ms passes everything on at once. Shorter is lower latency, longer is less "
                    "CPU. The default in Flink is 100 ms.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.job-listeners", CONF_TYPE_LIST},
    {"execution.job-status-changed-listeners", CONF_TYPE_LIST},
    {"execution.program-config.enabled", CONF_TYPE_BOOL, "true",
     .aliases = "execution.allow-client-job-configurations"},
    {"execution.program-config.wildcards", CONF_TYPE_LIST, ""},
    {"execution.runtime-mode", CONF_TYPE_ENUM, "STREAMING",
     .enum_values = "STREAMING|BATCH|AUTOMATIC",
     .description =
         "STREAMING runs until stopped and sends changes as they come. BATCH runs bounded input to "
         "its end and gives final results only. AUTOMATIC is BATCH when all sources are bounded.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.shutdown-on-application-finish", CONF_TYPE_BOOL, "true",
     .description = "Whether the process of application mode ends with its job.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.shutdown-on-attached-exit", CONF_TYPE_BOOL, "false"},
    {"execution.sort-keyed-partition.memory", CONF_TYPE_MEMORY, "128 mb"},
    {"execution.sort-partition.memory", CONF_TYPE_MEMORY, "128 mb"},
    {"execution.sorted-inputs.enabled", CONF_TYPE_BOOL, "true"},
    {"execution.sorted-inputs.memory", CONF_TYPE_MEMORY, "128 mb"},
    {"execution.submit-failed-job-on-application-error", CONF_TYPE_BOOL, "false",
     .description =
         "Whether a main that fails in application mode is shown as a job that has failed, "
         "instead of ending the process with 2.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.target", CONF_TYPE_STRING,
     .description =
         "Where flink run executes a job: remote submits it to the cluster at rest.address and "
         "rest.port, local runs it inside the command, in one process.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.terminate-application-on-any-job-terminated-exceptionally", CONF_TYPE_BOOL, "true"},
    {"parallelism.default", CONF_TYPE_INT, "1", .min = "1", .max = "32768",
     .description =
         "Parallelism of the operators of a job for which neither the program nor -p sets one.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option batch_options[] = {
    {"execution.batch.adaptive.auto-parallelism.avg-data-volume-per-task", CONF_TYPE_MEMORY,
     "16 mb", .aliases = "jobmanager.adaptive-batch-scheduler.avg-data-volume-per-task"},
    {"execution.batch.adaptive.auto-parallelism.default-source-parallelism", CONF_TYPE_INT,
     .aliases = "jobmanager.adaptive-batch-scheduler.default-source-parallelism"},
    {"execution.batch.adaptive.auto-parallelism.enabled", CONF_TYPE_BOOL, "true"},
    {"execution.batch.adaptive.auto-parallelism.max-parallelism", CONF_TYPE_INT, "128",
     .aliases = "jobmanager.adaptive-batch-scheduler.max-parallelism"},
    {"execution.batch.adaptive.auto-parallelism.min-parallelism", CONF_TYPE_INT, "1",
     .aliases = "jobmanager.adaptive-batch-scheduler.min-parallelism"},
    {"execution.batch.adaptive.stream-graph-optimization.strategies", CONF_TYPE_LIST},
    {"execution.batch.job-recovery.enabled", CONF_TYPE_BOOL, "false"},
    {"execution.batch.job-recovery.previous-worker.recovery.timeout", CONF_TYPE_DURATION, "30 s"},
    {"execution.batch.job-recovery.snapshot.min-pause", CONF_TYPE_DURATION, "3 min"},
    {"execution.batch.speculative.block-slow-node-duration", CONF_TYPE_DURATION, "1 min",
     .aliases = "jobmanager.adaptive-batch-scheduler.speculative.block-slow-node-duration"},
    {"execution.batch.speculative.enabled", CONF_TYPE_BOOL, "false",
     .aliases = "jobmanager.adaptive-batch-scheduler.speculative.enabled"},
    {"execution.batch.speculative.max-concurrent-executions", CONF_TYPE_INT, "2",
     .aliases = "jobmanager.adaptive-batch-scheduler.speculative.max-concurrent-executions"},
};

static const struct conf_option pipeline_options[] = {
    {"pipeline.auto-generate-uids", CONF_TYPE_BOOL, "true",
     .description = "Whether operators without a uid get one derived from the shape of the job. If "
                    "false, a job with such an operator is refused.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"pipeline.auto-watermark-interval", CONF_TYPE_DURATION, "200 ms"},
    {"pipeline.cached-files", CONF_TYPE_LIST},
    {"pipeline.cep.sharedbuffer.cache.entry-slots", CONF_TYPE_INT, "1024"},
    {"pipeline.cep.sharedbuffer.cache.event-slots", CONF_TYPE_INT, "1024"},
    {"pipeline.cep.sharedbuffer.cache.statistics-interval", CONF_TYPE_DURATION, "30 min"},
    {"pipeline.classpaths", CONF_TYPE_LIST},
    {"pipeline.closure-cleaner-level", CONF_TYPE_ENUM, "RECURSIVE",
     .enum_values = "NONE|TOP_LEVEL|RECURSIVE"},
    {"pipeline.force-avro", CONF_TYPE_BOOL, "false"},
    {"pipeline.force-kryo", CONF_TYPE_BOOL, "false"},
    {"pipeline.force-kryo-avro", CONF_TYPE_BOOL},
    {"pipeline.generic-types", CONF_TYPE_BOOL, "true"},
    {"pipeline.global-job-parameters", CONF_TYPE_MAP,
     .description = "Parameters that every user function of the job can read."},
    {"pipeline.jars", CONF_TYPE_LIST},
    {"pipeline.jobvertex-parallelism-overrides", CONF_TYPE_MAP, ""},
    {"pipeline.max-parallelism", CONF_TYPE_INT, "-1", .min = "-1", .max = "32768",
     .description = "Number of key groups, which bounds how far a keyed operator can be scaled "
                    "later; -1 derives it from the parallelism.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"pipeline.name", CONF_TYPE_STRING,
     .description = "Name of the job, unless the program gives one.", .flags = CONF_FLAG_EFFECTIVE},
    {"pipeline.object-reuse", CONF_TYPE_BOOL, "false"},
    {"pipeline.operator-chaining.chain-operators-with-different-max-parallelism", CONF_TYPE_BOOL,
     "true"},
    {"pipeline.operator-chaining.enabled", CONF_TYPE_BOOL, "true",
     .aliases = "pipeline.operator-chaining",
     .description = "Whether neighbouring operators are fused into one task where that is "
                    "possible. Without it every operator is a task of its own, which costs "
                    "hand-overs and helps to find a slow operator.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"pipeline.batch.local-aggregation.enabled", CONF_TYPE_BOOL, "true",
     .description = "Whether sums, minima and maxima of keyed streams are added up before records "
                    "travel to the subtask of their key, in BATCH mode. Less travels then; results "
                    "are the same.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"pipeline.serialization-config", CONF_TYPE_LIST},
    {"pipeline.sources.pause-until-first-checkpoint", CONF_TYPE_BOOL, "false"},
    {"pipeline.vertex-description-mode", CONF_TYPE_ENUM, "TREE", .enum_values = "TREE|CASCADING"},
    {"pipeline.vertex-name-include-index-prefix", CONF_TYPE_BOOL, "false"},
    {"pipeline.watermark-alignment.allow-unaligned-source-splits", CONF_TYPE_BOOL, "false"},
    {"pipeline.watermark-alignment.buffer-size", CONF_TYPE_INT, "3"},
};

static const struct conf_option restart_options[] = {
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", CONF_TYPE_INT,
     "2147483647", .min = "1",
     .description = "How often a job is restarted before it is given up; counted anew after the "
                    "reset threshold.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.exponential-delay.backoff-multiplier", CONF_TYPE_DOUBLE, "1.5", .min = "1.0",
     .description = "By what the time is multiplied after each failure.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.exponential-delay.initial-backoff", CONF_TYPE_DURATION, "1 s", .min = "1 ms",
     .description = "Time between the first failure and its restart.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.exponential-delay.jitter-factor", CONF_TYPE_DOUBLE, "0.1", .min = "0.0",
     .max = "1.0",
     .description = "By which part of itself the time is varied at random, so that jobs that "
                    "failed together do not return together.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.exponential-delay.max-backoff", CONF_TYPE_DURATION, "1 min", .min = "1 ms",
     .description = "Longest time between a failure and its restart.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", CONF_TYPE_DURATION, "1 h",
     .min = "1 ms",
     .description =
         "How long a job must run without failure for the time to go back to the initial one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.failure-rate.delay", CONF_TYPE_DURATION, "1 s",
     .description = "Time between a failure and the restart.", .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.failure-rate.failure-rate-interval", CONF_TYPE_DURATION, "1 min",
     .min = "1 ms", .description = "Length of the interval in which failures are counted.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.failure-rate.max-failures-per-interval", CONF_TYPE_INT, "1", .min = "1",
     .description = "How many failures within one interval are answered by a restart; one more and "
                    "the job is given up.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.fixed-delay.attempts", CONF_TYPE_INT, "1", .min = "0",
     .description = "How often a job is restarted before it is given up.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.fixed-delay.delay", CONF_TYPE_DURATION, "1 s",
     .description = "Time between a failure and the restart.", .flags = CONF_FLAG_EFFECTIVE},
    {"restart-strategy.type", CONF_TYPE_ENUM,
     .enum_values = "none|off|disable|fixed-delay|fixeddelay|exponential-delay|exponentialdelay|"
                    "failure-rate|failurerate",
     .aliases = "restart-strategy",
     .description =
         "What happens to a job that fails. none, off, disable: it stays failed. fixed-delay, "
         "exponential-delay, failure-rate: it is restarted as the options of that strategy say. "
         "Without a value: exponential-delay if checkpoints are on, else none.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option checkpoint_options[] = {
    {"execution.checkpointing.aligned-checkpoint-timeout", CONF_TYPE_DURATION, "0 ms",
     .aliases = "execution.checkpointing.alignment-timeout",
     .description =
         "With unaligned checkpoints: barriers are aligned until the checkpoint is so old, "
         "and overtake from then on; 0: they overtake at once.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.checkpoints-after-tasks-finish", CONF_TYPE_BOOL, "true",
     .aliases = "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
     .description = "Whether checkpoints go on when some tasks have finished, and every task waits "
                    "with its end for a last checkpoint.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.cleaner.parallel-mode", CONF_TYPE_BOOL, "true",
     .aliases = "state.checkpoint.cleaner.parallel-mode"},
    {"execution.checkpointing.create-subdir", CONF_TYPE_BOOL, "true",
     .aliases = "state.checkpoints.create-subdir",
     .description = "Whether the checkpoints of a job lie in a folder of their own below "
                    "execution.checkpointing.dir, named by the job's id.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.data-inline-threshold", CONF_TYPE_MEMORY, "20 kb", .max = "1 mb",
     .aliases = "state.storage.fs.memory-threshold,state.backend.fs.memory-threshold",
     .description = "State of up to this size is stored in the checkpoint's metadata and not in a "
                    "file of its own.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.dir", CONF_TYPE_STRING,
     .aliases = "state.checkpoints.dir,state.backend.fs.checkpointdir",
     .description = "Folder for checkpoints, which job managers and task managers all must reach. "
                    "With it the default of execution.checkpointing.storage is filesystem.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.externalized-checkpoint-retention", CONF_TYPE_ENUM,
     "NO_EXTERNALIZED_CHECKPOINTS",
     .enum_values = "DELETE_ON_CANCELLATION|RETAIN_ON_CANCELLATION|NO_EXTERNALIZED_CHECKPOINTS",
     .description = "What happens to the last checkpoints of a job that ends. "
                    "DELETE_ON_CANCELLATION: they stay if it failed. RETAIN_ON_CANCELLATION: they "
                    "stay if it failed or was cancelled. NO_EXTERNALIZED_CHECKPOINTS: they are "
                    "deleted. A job that finished keeps none.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.across-checkpoint-boundary", CONF_TYPE_BOOL, "false",
     .description = "Whether a merged file goes on with the next checkpoint, or ends with each.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.enabled", CONF_TYPE_BOOL, "false",
     .description = "Whether the tasks of a job on one task manager write their state files of up "
                    "to 4 MB into few files, several into each. Savepoints are not merged.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.max-file-size", CONF_TYPE_MEMORY, "32 mb",
     .description = "Most bytes of a merged file; what would go beyond goes into the next.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.max-space-amplification", CONF_TYPE_FLOAT, "2.0",
     .description = "A merged file that is more than so many times as large as what checkpoints "
                    "still need of it is written no more, and what is needed is written anew. "
                    "Up to 1: no bound.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.max-subtasks-per-file", CONF_TYPE_INT, "4", .min = "1",
     .max = "32768", .description = "Most subtasks that have state in one merged file.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.file-merging.pool-blocking", CONF_TYPE_BOOL, "false",
     .description = "Whether a subtask waits for a merged file that others are writing to, or "
                    "begins another. The first makes fewer files, the second is done sooner.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.incremental", CONF_TYPE_BOOL, "false",
     .aliases = "state.backend.incremental",
     .description = "Whether a checkpoint writes only what has changed since the one before, where "
                    "the state backend can.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.interval", CONF_TYPE_DURATION,
     .description =
         "Time between the starts of two checkpoints, at least 10 ms. Without a value, or "
         "with 0, checkpoints are taken on request only.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.interval-during-backlog", CONF_TYPE_DURATION},
    {"execution.checkpointing.local-backup.dirs", CONF_TYPE_STRING,
     .aliases = "taskmanager.state.local.root-dirs",
     .description = "Where a task manager keeps local copies of snapshot files: of several folders "
                    "(up to 16), as "
                    "of several disks, each takes the copies of a checkpoint in turn; without a "
                    "value in its folder "
                    "below process.taskmanager.working-dir or io.tmp.dirs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.local-backup.enabled", CONF_TYPE_BOOL, "false",
     .aliases = "state.backend.local-recovery", .fallbacks = "execution.state-recovery.from-local",
     .description = "Whether each task keeps copies of the files of its latest checkpoint on a "
                    "disk of its task "
                    "manager: hard links where the checkpoint folder is on the same file system.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.max-concurrent-checkpoints", CONF_TYPE_INT, "1", .min = "1",
     .max = "100",
     .description = "How many checkpoints may be in progress at the same time. With a min-pause it "
                    "is 1.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.min-pause", CONF_TYPE_DURATION, "0 ms",
     .description =
         "Time that passes at least between the end of a checkpoint and the start of the "
         "next periodic one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.mode", CONF_TYPE_ENUM, "EXACTLY_ONCE",
     .enum_values = "EXACTLY_ONCE|AT_LEAST_ONCE",
     .description =
         "Whether each record has its effect on state exactly once after a restart, or at "
         "least once (tasks do not wait for the barriers of all their inputs).",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.num-retained", CONF_TYPE_INT, "1", .min = "1", .max = "1000",
     .aliases = "state.checkpoints.num-retained",
     .description = "How many completed checkpoints are kept.", .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.savepoint-dir", CONF_TYPE_STRING,
     .aliases = "state.savepoints.dir,savepoints.state.backend.fs.dir",
     .description = "Folder for savepoints whose request names none.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.snapshot-compression", CONF_TYPE_BOOL, "false",
     .description = "Whether keyed state is compressed, by LZ4, in checkpoints and savepoints: "
                    "fewer bytes for more time of the tasks. What is restored may be either.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.storage", CONF_TYPE_STRING, .aliases = "state.checkpoint-storage",
     .description = "Where checkpoints are kept: jobmanager (in its memory, for small state) or "
                    "filesystem (in execution.checkpointing.dir). Without a value: filesystem if "
                    "there is a folder, else jobmanager.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.timeout", CONF_TYPE_DURATION, "10 min", .min = "10 ms",
     .description = "A checkpoint that takes longer is given up.", .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.tolerable-failed-checkpoints", CONF_TYPE_INT, "0", .min = "0",
     .description = "How many checkpoints in a row may fail; one more fails the job, which is then "
                    "restarted as its restart strategy says.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.unaligned.during-recovery.enabled", CONF_TYPE_BOOL, "false"},
    {"execution.checkpointing.unaligned.enabled", CONF_TYPE_BOOL, "false",
     .aliases = "execution.checkpointing.unaligned",
     .description = "Barriers overtake the records in flight, which the checkpoint then holds: it "
                    "ends soon under back pressure, too. Exactly once only.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.unaligned.forced", CONF_TYPE_BOOL, "false",
     .description =
         "Needed in Flink for unaligned checkpoints of jobs with custom partitioners. Here "
         "these need no leave, and their edges stay aligned beside unaligned ones, with "
         "this or without: a warning says so.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.checkpointing.unaligned.interruptible-timers.enabled", CONF_TYPE_BOOL, "false"},
    {"execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", CONF_TYPE_INT, "5"},
    {"execution.checkpointing.unaligned.recover-output-on-downstream.enabled", CONF_TYPE_BOOL,
     "false"},
    {"execution.checkpointing.write-buffer-size", CONF_TYPE_INT, "4096",
     .aliases = "state.storage.fs.write-buffer-size,state.backend.fs.write-buffer-size"},
    {"execution.state-recovery.approximate-local-recovery", CONF_TYPE_BOOL, "false",
     .aliases = "execution.checkpointing.approximate-local-recovery"},
    {"execution.state-recovery.claim-mode", CONF_TYPE_ENUM, "NO_CLAIM",
     .enum_values = "CLAIM|NO_CLAIM", .aliases = "execution.savepoint-restore-mode",
     .description = "Whose the restored snapshot is. CLAIM: the job's, which deletes it once it is "
                    "subsumed. NO_CLAIM: nobody else's files are touched or referred to; the first "
                    "checkpoint is a full one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.state-recovery.from-local", CONF_TYPE_BOOL, "false",
     .aliases = "state.backend.local-recovery",
     .description = "Whether a task that is restored where it ran before reads local copies of its "
                    "state, each "
                    "compared with its check sum; what is missing or damaged comes from the "
                    "checkpoint folder.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.state-recovery.ignore-unclaimed-state", CONF_TYPE_BOOL, "false",
     .aliases = "execution.savepoint.ignore-unclaimed-state",
     .description = "Whether state of operators that the job does not have any more is left out; "
                    "else the job does not start.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.state-recovery.path", CONF_TYPE_STRING, .aliases = "execution.savepoint.path",
     .description = "Savepoint or retained checkpoint that the job starts from: its folder or the "
                    "file _metadata in it.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"execution.state-recovery.without-channel-state.checkpoint-id", CONF_TYPE_LONG, "-1",
     .aliases = "execution.checkpointing.recover-without-channel-state.checkpoint-id"},
};

static const struct conf_option user_code_options[] = {
    {"classloader.check-leaked-classloader", CONF_TYPE_BOOL, "true"},
    {"classloader.fail-on-metaspace-oom-error", CONF_TYPE_BOOL, "true"},
    {"classloader.parent-first-patterns.additional", CONF_TYPE_LIST, ""},
    {"classloader.parent-first-patterns.default", CONF_TYPE_LIST,
     "java.;scala.;org.apache.flink.;com.esotericsoftware.kryo;org.apache.hadoop.;javax.annotation."
     ";org.xml;javax.xml;org.apache.xerces;org.w3c;org.rocksdb.;org.slf4j;org.apache.log4j;org."
     "apache.logging;org.apache.commons.logging;ch.qos.logback",
     .aliases = "classloader.parent-first-patterns"},
    {"classloader.resolve-order", CONF_TYPE_STRING, "child-first"},
    {"compiler.delimited-informat.max-line-samples", CONF_TYPE_INT, "10"},
    {"compiler.delimited-informat.max-sample-len", CONF_TYPE_INT, "2097152"},
    {"compiler.delimited-informat.min-line-samples", CONF_TYPE_INT, "2"},
    {"minicluster.number-of-taskmanagers", CONF_TYPE_INT, "1",
     .aliases = "local.number-taskmanager"},
    {"plugin.classloader.parent-first-patterns.additional", CONF_TYPE_LIST, ""},
    {"plugin.classloader.parent-first-patterns.default", CONF_TYPE_LIST,
     "java.;org.apache.flink.;javax.annotation.;org.slf4j;org.apache.log4j;org.apache.logging;org."
     "apache.commons.logging;ch.qos.logback"},
    {"sink.committer.retries", CONF_TYPE_INT, "10"},
    {"user.artifacts.artifact-list", CONF_TYPE_LIST,
     .description = "Addresses of further files that are fetched beside a bundle before its main "
                    "runs, on any file system or by HTTP.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"user.artifacts.base-dir", CONF_TYPE_STRING, "/opt/flink/artifacts",
     .description = "Local folder for bundles that are fetched from their addresses, and for "
                    "user.artifacts.artifact-list; a temporary folder of the process (io.tmp.dirs) "
                    "unless it is set.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"user.artifacts.http-headers", CONF_TYPE_MAP,
     .description = "Headers that are sent when bundles are fetched by HTTP: "
                    "Authorization:Bearer ...,Name:value.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_SENSITIVE},
    {"user.artifacts.raw-http-enabled", CONF_TYPE_BOOL, "false",
     .description = "Whether bundles may be fetched over HTTP without TLS.",
     .flags = CONF_FLAG_EFFECTIVE},
};

const struct conf_group conf_execution_group = CONF_GROUP("Execution", execution_options);
const struct conf_group conf_batch_group = CONF_GROUP("Batch execution", batch_options);
const struct conf_group conf_pipeline_group = CONF_GROUP("Pipeline", pipeline_options);
const struct conf_group conf_restart_group = CONF_GROUP("Restart strategies", restart_options);
const struct conf_group conf_checkpoint_group =
    CONF_GROUP("Checkpoints and recovery", checkpoint_options);
const struct conf_group conf_user_code_group = CONF_GROUP("User code", user_code_options);
