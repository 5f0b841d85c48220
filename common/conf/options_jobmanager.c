/* Job managers: scheduling, resources, storage of jobs and files, high availability, history.
 * Rows of names, types and defaults are Flink's; see README.md for how to add or switch one on. */
#include "common/conf/options.h"

static const struct conf_option jobmanager_options[] = {
    {"jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling", CONF_TYPE_DURATION, "30 s",
     .aliases = "jobmanager.adaptive-scheduler.scaling-interval.min",
     .description = "The least time between a (re)start of a job and its next rescale.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout", CONF_TYPE_DURATION,
     "1 min",
     .description = "A running job that could use new slots, but not reach the parallelism that it "
                    "wants, waits so long for more before it rescales.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.min-parallelism-increase", CONF_TYPE_INT, "1",
     .description = "A running job is not scaled up for fewer new subtasks than this, counted over "
                    "all vertices, unless it reaches the parallelism that it wants.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.prefer-minimal-taskmanagers", CONF_TYPE_BOOL, "true",
     .description = "Slots are taken on as few task managers as possible, so that the others can "
                    "be given back.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.rescale-trigger.max-checkpoint-failures", CONF_TYPE_INT, "2",
     .description = "A rescale waits for a completed checkpoint; after so many failed ones in a "
                    "row it no longer does.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.rescale-trigger.max-delay", CONF_TYPE_DURATION,
     .description = "The longest wait of a rescale for a completed checkpoint. By default none "
                    "without periodic checkpoints, else their interval times one more than "
                    "rescale-trigger.max-checkpoint-failures.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.resource-stabilization-timeout", CONF_TYPE_DURATION, "10 s"},
    {"jobmanager.adaptive-scheduler.resource-wait-timeout", CONF_TYPE_DURATION, "5 min"},
    {"jobmanager.adaptive-scheduler.scaling-interval.max", CONF_TYPE_DURATION},
    {"jobmanager.adaptive-scheduler.scaling-interval.min", CONF_TYPE_DURATION, "30 s"},
    {"jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout", CONF_TYPE_DURATION,
     "10 s", .aliases = "jobmanager.adaptive-scheduler.resource-stabilization-timeout",
     .description = "A job that waits for its slots and could run with those that there are waits "
                    "so long for more; 0 in reactive mode by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.adaptive-scheduler.submission.resource-wait-timeout", CONF_TYPE_DURATION, "5 min",
     .aliases = "jobmanager.adaptive-scheduler.resource-wait-timeout",
     .description = "How long a job waits for the slots that it needs at least before it fails; "
                    "in reactive mode for ever by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.archive.fs.dir", CONF_TYPE_STRING,
     .description =
         "Folder, on any file system, in which the job manager archives jobs that have "
         "ended, one file each, for history servers (historyserver.archive.fs.dir); none "
         "are archived when it is not set.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.bind-host", CONF_TYPE_STRING,
     .description =
         "The address that the job manager listens on for task managers; all (0.0.0.0) by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.execution.attempts-history-size", CONF_TYPE_INT, "16",
     .aliases = "job-manager.max-attempts-history-size"},
    {"jobmanager.execution.failover-strategy", CONF_TYPE_ENUM, "region",
     .enum_values = "region|full",
     .description = "What is restarted when a task fails: region restarts the tasks that are "
                    "connected with it by pipelined exchanges, full the whole job.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.failure-enrichers", CONF_TYPE_STRING},
    {"jobmanager.future-pool.size", CONF_TYPE_INT},
    {"jobmanager.io-pool.size", CONF_TYPE_INT},
    {"jobmanager.memory.enable-jvm-direct-memory-limit", CONF_TYPE_BOOL, "false"},
    {"jobmanager.memory.flink.size", CONF_TYPE_MEMORY},
    {"jobmanager.memory.heap.size", CONF_TYPE_MEMORY},
    {"jobmanager.memory.jvm-metaspace.size", CONF_TYPE_MEMORY, "256 mb"},
    {"jobmanager.memory.jvm-overhead.fraction", CONF_TYPE_FLOAT, "0.1"},
    {"jobmanager.memory.jvm-overhead.max", CONF_TYPE_MEMORY, "1 gb"},
    {"jobmanager.memory.jvm-overhead.min", CONF_TYPE_MEMORY, "192 mb"},
    {"jobmanager.memory.off-heap.size", CONF_TYPE_MEMORY, "128 mb"},
    {"jobmanager.memory.process.size", CONF_TYPE_MEMORY},
    {"jobmanager.partition.hybrid.partition-data-consume-constraint", CONF_TYPE_ENUM,
     .enum_values = "ALL_PRODUCERS_FINISHED|ONLY_FINISHED_PRODUCERS|UNFINISHED_PRODUCERS"},
    {"jobmanager.partition.release-during-job-execution", CONF_TYPE_BOOL, "true"},
    {"jobmanager.resource-id", CONF_TYPE_STRING},
    {"jobmanager.retrieve-taskmanager-hostname", CONF_TYPE_BOOL, "true"},
    {"jobmanager.rpc.address", CONF_TYPE_STRING,
     .description = "Host of the job manager, where task managers register.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.rpc.bind-port", CONF_TYPE_INT,
     .description =
         "The port that the job manager listens on, where it is not the one that task "
         "managers connect to (jobmanager.rpc.port, or high-availability.jobmanager.port, "
         "which is then a single port).",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.rpc.port", CONF_TYPE_INT, "6123",
     .description = "Port of the job manager, where task managers register.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.scheduler", CONF_TYPE_ENUM, "Default",
     .enum_values = "Default|Adaptive|AdaptiveBatch",
     .description = "What runs a job: Default, with the parallelism that it asks for; Adaptive "
                    "(streaming jobs), with the slots that there are, and rescaled when these or "
                    "its resource requirements change.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobmanager.task-deployment.offload-shuffle-descriptors-to-blob-server.threshold-num",
     CONF_TYPE_INT, "4194304"},
    {"scheduler-mode", CONF_TYPE_ENUM, .enum_values = "REACTIVE",
     .description = "REACTIVE: the job of a standalone application cluster uses all slots that "
                    "there are, under the adaptive scheduler.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option cluster_options[] = {
    {"cleanup-strategy.exponential-delay.attempts", CONF_TYPE_INT, "2147483647"},
    {"cleanup-strategy.exponential-delay.initial-backoff", CONF_TYPE_DURATION, "1 s"},
    {"cleanup-strategy.exponential-delay.max-backoff", CONF_TYPE_DURATION, "1 h"},
    {"cleanup-strategy.fixed-delay.attempts", CONF_TYPE_INT, "2147483647"},
    {"cleanup-strategy.fixed-delay.delay", CONF_TYPE_DURATION, "1 min"},
    {"cleanup-strategy.type", CONF_TYPE_STRING, "exponential-delay", .aliases = "cleanup-strategy"},
    {"cluster.evenly-spread-out-slots", CONF_TYPE_BOOL, "false",
     .description = "As taskmanager.load-balance.mode: SLOTS, under its name of Flink 1.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.id", CONF_TYPE_STRING, "00000000000000000000000000000000"},
    {"cluster.intercept-user-system-exit", CONF_TYPE_ENUM, "DISABLED",
     .enum_values = "DISABLED|LOG|THROW"},
    {"cluster.io-pool.size", CONF_TYPE_INT, .min = "1",
     .description = "Threads of the job manager that wait for disks; 4 by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.processes.halt-on-fatal-error", CONF_TYPE_BOOL, "false"},
    {"cluster.registration.error-delay", CONF_TYPE_DURATION, "10 s",
     .description =
         "How long a task manager waits after an answer that was none before it registers again.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.registration.initial-timeout", CONF_TYPE_DURATION, "100 ms",
     .description = "How long a task manager waits after the first failed attempt to register; "
                    "doubled after each up to 1 s.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.registration.max-timeout", CONF_TYPE_DURATION, "30 s",
     .description = "Longest time that a task manager waits for the answer to its registration.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.registration.refused-registration-delay", CONF_TYPE_DURATION, "30 s",
     .description = "How long a task manager waits after a refusal before it registers again.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.services.shutdown-timeout", CONF_TYPE_DURATION, "30 s",
     .description = "How long the end of a process may take before it ends without ceremony.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"cluster.thread-dump.stacktrace-max-depth", CONF_TYPE_INT, "50"},
    {"cluster.uncaught-exception-handling", CONF_TYPE_ENUM, "LOG", .enum_values = "LOG|FAIL"},
    {"heartbeat.interval", CONF_TYPE_DURATION, "10 s", .min = "1 ms",
     .description =
         "How often task managers are asked for a sign of life and their slots, and workers for "
         "their tasks.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"heartbeat.rpc-failure-threshold", CONF_TYPE_INT, "2"},
    {"heartbeat.timeout", CONF_TYPE_DURATION, "50 s",
     .description = "After how much silence job manager and task manager take each other for lost.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"job-event.store.write-buffer.flush-interval", CONF_TYPE_DURATION, "1 s"},
    {"job-event.store.write-buffer.size", CONF_TYPE_MEMORY, "1 mb"},
    {"process.jobmanager.working-dir", CONF_TYPE_STRING, .fallbacks = "process.working-dir"},
    {"process.taskmanager.working-dir", CONF_TYPE_STRING, .fallbacks = "process.working-dir",
     .description = "Folder in which a task manager makes its work folder; by default the first of "
                    "io.tmp.dirs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"process.working-dir", CONF_TYPE_STRING},
    {"slot.idle.timeout", CONF_TYPE_DURATION, "50 s"},
    {"slot.request.max-interval", CONF_TYPE_DURATION, "20 ms"},
    {"slot.request.timeout", CONF_TYPE_DURATION, "5 min",
     .description = "How long tasks wait for slots before that counts as their failure.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"slow-task-detector.check-interval", CONF_TYPE_DURATION, "1 s"},
    {"slow-task-detector.execution-time.baseline-lower-bound", CONF_TYPE_DURATION, "1 min"},
    {"slow-task-detector.execution-time.baseline-multiplier", CONF_TYPE_DOUBLE, "1.5"},
    {"slow-task-detector.execution-time.baseline-ratio", CONF_TYPE_DOUBLE, "0.75"},
};

static const struct conf_option resourcemanager_options[] = {
    {"external-resource.<resource_name>.amount", CONF_TYPE_LONG,
     .description =
         "How much of the external resource a task manager has: what slots with a "
         "profile of their own are given of it together. More than 0, or it is left out.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"external-resource.<resource_name>.driver-factory.class", CONF_TYPE_STRING},
    {"external-resource.<resource_name>.kubernetes.config-key", CONF_TYPE_STRING},
    {"external-resource.<resource_name>.param.<param>", CONF_TYPE_STRING},
    {"external-resource.<resource_name>.param.discovery-script.args", CONF_TYPE_STRING},
    {"external-resource.<resource_name>.param.discovery-script.path", CONF_TYPE_STRING,
     "plugins/external-resource-gpu/nvidia-gpu-discovery.sh"},
    {"external-resource.<resource_name>.yarn.config-key", CONF_TYPE_STRING},
    {"external-resources", CONF_TYPE_LIST, "",
     .description = "Names of what a task manager has besides CPU and memory (gpu), for slots that "
                    "ask for it; each with its external-resource.<resource_name>.amount. none: "
                    "nothing.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"resourcemanager.job.timeout", CONF_TYPE_DURATION, "5 min"},
    {"resourcemanager.previous-worker.recovery.timeout", CONF_TYPE_DURATION, "0 ms"},
    {"resourcemanager.reconnect-grace", CONF_TYPE_DURATION, "300 ms",
     .description = "How long a task manager whose connection broke may take to come back before "
                    "its tasks count as lost. One whose data port refuses connections is not "
                    "waited for.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"resourcemanager.rpc.port", CONF_TYPE_INT, "0"},
    {"resourcemanager.standalone.start-up-time", CONF_TYPE_DURATION},
    {"resourcemanager.start-worker.max-failure-rate", CONF_TYPE_DOUBLE, "10.0"},
    {"resourcemanager.start-worker.retry-interval", CONF_TYPE_DURATION, "3 s"},
    {"resourcemanager.taskmanager-registration.timeout", CONF_TYPE_DURATION, "5 min",
     .fallbacks = "taskmanager.registration.timeout"},
    {"resourcemanager.taskmanager-timeout", CONF_TYPE_DURATION, "30 s",
     .aliases = "slotmanager.taskmanager-timeout"},
    {"slotmanager.declare-needed-resource.delay", CONF_TYPE_DURATION, "50 ms"},
    {"slotmanager.max-total-resource.cpu", CONF_TYPE_DOUBLE},
    {"slotmanager.max-total-resource.memory", CONF_TYPE_MEMORY},
    {"slotmanager.min-total-resource.cpu", CONF_TYPE_DOUBLE},
    {"slotmanager.min-total-resource.memory", CONF_TYPE_MEMORY},
    {"slotmanager.number-of-slots.max", CONF_TYPE_INT, "2147483647", .min = "1",
     .description = "Slots of the whole cluster; task managers above it may not register.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"slotmanager.number-of-slots.min", CONF_TYPE_INT, "0"},
    {"slotmanager.redundant-taskmanager-num", CONF_TYPE_INT, "0"},
    {"slotmanager.requirement-check.delay", CONF_TYPE_DURATION, "50 ms"},
};

static const struct conf_option store_options[] = {
    {"application-result-store.delete-on-commit", CONF_TYPE_BOOL, "true"},
    {"application-result-store.storage-path", CONF_TYPE_STRING},
    {"blob.client.connect.timeout", CONF_TYPE_INT, "0"},
    {"blob.client.socket.timeout", CONF_TYPE_INT, "300000"},
    {"blob.fetch.backlog", CONF_TYPE_INT, "1000"},
    {"blob.fetch.num-concurrent", CONF_TYPE_INT, "50"},
    {"blob.fetch.retries", CONF_TYPE_INT, "5"},
    {"blob.offload.minsize", CONF_TYPE_INT, "1048576"},
    {"blob.server.port", CONF_TYPE_STRING, "0"},
    {"blob.service.cleanup.interval", CONF_TYPE_LONG, "3600",
     .aliases = "library-cache-manager.cleanup.interval"},
    {"blob.service.ssl.enabled", CONF_TYPE_BOOL, "true"},
    {"blob.storage.directory", CONF_TYPE_STRING,
     .description =
         "Where the bundles of jobs are kept while their jobs run; by default below io.tmp.dirs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"blob.storage.max-size", CONF_TYPE_MEMORY, "8 gb",
     .description = "What the bundles of all jobs may take together; more is refused.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"completed-application-store.cache-size", CONF_TYPE_LONG, "52428800",
     .aliases = "jobstore.cache-size"},
    {"completed-application-store.expiration-time", CONF_TYPE_DURATION, "1 h"},
    {"completed-application-store.max-capacity", CONF_TYPE_INT, "2147483647",
     .aliases = "jobstore.max-capacity"},
    {"completed-application-store.type", CONF_TYPE_ENUM, "File", .enum_values = "File|Memory",
     .aliases = "jobstore.type"},
    {"job-result-store.delete-on-commit", CONF_TYPE_BOOL, "true"},
    {"job-result-store.storage-path", CONF_TYPE_STRING},
    {"jobstore.cache-size", CONF_TYPE_LONG, "52428800",
     .description =
         "Bytes of finished jobs that are kept in memory, too, when jobstore.type is File.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobstore.expiration-time", CONF_TYPE_LONG, "3600", .min = "0",
     .description = "Seconds after which a finished job is forgotten.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobstore.max-capacity", CONF_TYPE_INT, "2147483647", .min = "0",
     .description = "How many finished jobs are kept; the oldest are forgotten first.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"jobstore.type", CONF_TYPE_ENUM, "File", .enum_values = "File|Memory",
     .description = "Whether finished jobs are kept in files below io.tmp.dirs, or in memory.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option ha_options[] = {
    {"high-availability.cluster-id", CONF_TYPE_STRING, "/default",
     .aliases = "high-availability.zookeeper.path.namespace,recovery.zookeeper.path.namespace",
     .description =
         "Tells clusters apart that share a storageDir or a ZooKeeper ensemble: job managers, "
         "task managers and clients of one cluster have the same.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.file.session-timeout", CONF_TYPE_DURATION, "15 s", .min = "100 ms",
     .description =
         "For high-availability.type file: a leader that gives no sign of life for so long is "
         "replaced. One whose process has ended is replaced at once by a standby on its host.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"high-availability.jobmanager.port", CONF_TYPE_STRING, "0",
     .aliases = "recovery.jobmanager.port",
     .description =
         "With high availability, the port or range of ports for task managers, in place of "
         "jobmanager.rpc.port; 0 takes a free one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.kubernetes.leader-election.lease-duration", CONF_TYPE_DURATION, "15 s"},
    {"high-availability.kubernetes.leader-election.renew-deadline", CONF_TYPE_DURATION, "15 s"},
    {"high-availability.kubernetes.leader-election.retry-period", CONF_TYPE_DURATION, "5 s"},
    {"high-availability.storageDir", CONF_TYPE_STRING,
     .aliases = "high-availability.zookeeper.storageDir,recovery.zookeeper.storageDir",
     .description =
         "The folder, which all job managers reach, for job graphs, bundles and other things "
         "that a new leader needs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.type", CONF_TYPE_STRING, "NONE",
     .aliases = "recovery.mode,high-availability",
     .description =
         "NONE: one job manager. file: several, which elect a leader in the folder "
         "high-availability.storageDir (on one host, or mounted by all). zookeeper: several, "
         "which elect a leader by ZooKeeper.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.acl", CONF_TYPE_STRING, "open",
     .description = "Who may use the nodes: open (everybody), or creator (who authenticates "
                    "as this process does).",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.authorization", CONF_TYPE_MAP,
     .description = "Who this process is for ZooKeeper: digest:'user:password'.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.connection-timeout", CONF_TYPE_DURATION, "15 s",
     .aliases = "recovery.zookeeper.client.connection-timeout",
     .description = "How often it is said that ZooKeeper cannot be reached, while it "
                    "cannot.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.ensemble-tracker", CONF_TYPE_BOOL, "true"},
    {"high-availability.zookeeper.client.max-close-wait", CONF_TYPE_DURATION},
    {"high-availability.zookeeper.client.max-retry-attempts", CONF_TYPE_INT, "3",
     .aliases = "recovery.zookeeper.client.max-retry-attempts",
     .description = "How often is asked what became of a write whose answer was lost, "
                    "before the leadership is given up.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.max-retry-wait", CONF_TYPE_DURATION, "1 min",
     .description = "The longest pause between these attempts.", .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.retry-wait", CONF_TYPE_DURATION, "5 s",
     .aliases = "recovery.zookeeper.client.retry-wait",
     .description = "The pause before the first of these attempts; it doubles.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.session-timeout", CONF_TYPE_DURATION, "1 min",
     .aliases = "recovery.zookeeper.client.session-timeout",
     .description = "A job manager that ZooKeeper has not heard for so long leads no more. "
                    "The servers bound it (minSessionTimeout, maxSessionTimeout).",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.simulated-session-expiration-percent", CONF_TYPE_INT,
     .description =
         "With tolerate-suspended-connections: the part of the session's time (1 to 100) after "
         "which a leader without a connection stands by. Not set: when the servers "
         "say that its session is over, so that jobs go on while all servers are away.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.client.tolerate-suspended-connections", CONF_TYPE_BOOL, "false",
     .description = "Whether a leader leads on while its connection is interrupted, up to "
                    "the end of its session; else it stands by at once.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.path.applications", CONF_TYPE_STRING, "/applications"},
    {"high-availability.zookeeper.path.execution-plans", CONF_TYPE_STRING, "/execution-plans",
     .aliases = "recovery.zookeeper.path.jobgraphs,high-availability.zookeeper.path.jobgraphs",
     .description = "The node of job graphs, below that of the cluster.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.path.root", CONF_TYPE_STRING, "/flink",
     .aliases = "recovery.zookeeper.path.root",
     .description = "The node below which clusters have theirs.", .flags = CONF_FLAG_EFFECTIVE},
    {"high-availability.zookeeper.quorum", CONF_TYPE_STRING, .aliases = "recovery.zookeeper.quorum",
     .description = "The ZooKeeper servers: host:port,host:port.", .flags = CONF_FLAG_EFFECTIVE},
    {"zookeeper.sasl.disable", CONF_TYPE_BOOL, "false",
     .description = "true: no SASL to ZooKeeper, whatever security.kerberos.login.contexts "
                    "says; else a process that is to use it does not start, as the C client "
                    "lacks it.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"zookeeper.sasl.login-context-name", CONF_TYPE_STRING, "Client",
     .description = "The entry of security.kerberos.login.contexts that means ZooKeeper.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"zookeeper.sasl.service-name", CONF_TYPE_STRING, "zookeeper"},
};

static const struct conf_option history_options[] = {
    {"historyserver.archive.clean-expired-applications", CONF_TYPE_BOOL, "false"},
    {"historyserver.archive.clean-expired-jobs", CONF_TYPE_BOOL, "false",
     .description = "Whether the history server lets go of jobs whose archives are no longer in "
                    "historyserver.archive.fs.dir; otherwise it shows them as long as it runs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.archive.fs.dir", CONF_TYPE_STRING,
     .description =
         "Folders that the history server looks for archived jobs in, on any file system, "
         "between commas; see jobmanager.archive.fs.dir.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.archive.fs.refresh-interval", CONF_TYPE_DURATION, "10 s",
     .description = "How often the history server looks into the folders of archived jobs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.archive.retained-applications", CONF_TYPE_INT, "-1"},
    {"historyserver.archive.retained-jobs", CONF_TYPE_INT, "-1",
     .description =
         "How many archives, the newest ones, the history server keeps in each folder of "
         "historyserver.archive.fs.dir; it deletes the others. -1 keeps all; 0 and numbers "
         "below -1 are refused. With historyserver.archive.retained-ttl an archive is "
         "deleted when either says so.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.archive.retained-ttl", CONF_TYPE_DURATION,
     .description = "How long the history server keeps an archive in a folder of "
                    "historyserver.archive.fs.dir, by the time of its file; it deletes older ones. "
                    "For ever when it is not set.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.log.jobmanager.url-pattern", CONF_TYPE_STRING,
     .description = "Where the log of a job's job manager is found: an address of http or https in "
                    "which <jobid> stands for the job's id. The history server answers it at "
                    "/jobs/:jobid/jobmanager/log-url.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.log.taskmanager.url-pattern", CONF_TYPE_STRING,
     .description =
         "Where the log of a task manager is found: an address of http or https in which "
         "<jobid> stands for the job's id and <tmid> for the task manager's. The history "
         "server answers it at /jobs/:jobid/taskmanagers/:taskmanagerid/log-url.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.web.address", CONF_TYPE_STRING,
     .description = "The address that the history server listens on; all when it is not set.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.web.port", CONF_TYPE_INT, "8082",
     .description = "The port of the history server; 0 takes any, which the log names.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.web.refresh-interval", CONF_TYPE_DURATION, "10 s",
     .description = "How often web pages of the history server ask it anew.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.web.ssl.enabled", CONF_TYPE_BOOL, "false",
     .description = "Whether the history server speaks HTTPS, with the certificate of "
                    "security.ssl.rest.*, which must be enabled, too.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"historyserver.web.tmpdir", CONF_TYPE_STRING,
     .description =
         "Local folder for copies of the archives; the first of io.tmp.dirs when it is not "
         "set.",
     .flags = CONF_FLAG_EFFECTIVE},
};

const struct conf_group conf_jobmanager_group = CONF_GROUP("Job manager", jobmanager_options);
const struct conf_group conf_cluster_group = CONF_GROUP("Cluster", cluster_options);
const struct conf_group conf_resourcemanager_group =
    CONF_GROUP("Resource manager", resourcemanager_options);
const struct conf_group conf_store_group = CONF_GROUP("Stores of jobs and blobs", store_options);
const struct conf_group conf_ha_group = CONF_GROUP("High availability", ha_options);
const struct conf_group conf_history_group = CONF_GROUP("History server", history_options);
