/* Task managers: slots, memory, network, cancellation.
 * Rows of names, types and defaults are Flink's; see README.md for how to add or switch one on. */
#include "common/conf/options.h"

static const struct conf_option task_options[] = {
    {"task.batch.processing-time", CONF_TYPE_DURATION, "50 ms",
     .description =
         "A task takes no more rows at once than it is seen to process in this time, so that "
         "barriers and cancellations do not wait for long behind slow operators; 0 ms: "
         "batches are taken whole.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"task.cancellation.interval", CONF_TYPE_DURATION, "30 s",
     .aliases = "task.cancellation-interval", .min = "1 ms",
     .description = "Time between two wake-ups of a task that is being cancelled and does not end.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"task.cancellation.timeout", CONF_TYPE_DURATION, "3 min",
     .description = "How long a cancelled task may take to end before the watchdog ends its "
                    "process; 0 ms waits for ever.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"task.cancellation.timers.timeout", CONF_TYPE_DURATION, "7500 ms",
     .aliases = "timerservice.exceptional.shutdown.timeout"},
    {"task.standstill.timeout", CONF_TYPE_DURATION, "0 ms",
     .description =
         "When a task has something to do and nothing moves in it for this long, the "
         "stacks of all threads of its worker are written to the log, once; 0 ms: never.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option taskmanager_options[] = {
    {"taskmanager.bind-host", CONF_TYPE_STRING,
     .description = "Host name or address that a task manager listens on; 0.0.0.0 by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.collect-sink.port", CONF_TYPE_INT, "0"},
    {"taskmanager.cpu.cores", CONF_TYPE_DOUBLE,
     .description = "CPU cores that the slots of a task manager are worth together; by default one "
                    "per slot. Slots are matched by it and it is shown; how much of the CPU a task "
                    "uses is not limited.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.debug.memory.log", CONF_TYPE_BOOL, "false",
     .aliases = "taskmanager.debug.memory.startLogThread"},
    {"taskmanager.debug.memory.log-interval", CONF_TYPE_DURATION, "5 s",
     .aliases = "taskmanager.debug.memory.logIntervalMs"},
    {"taskmanager.host", CONF_TYPE_STRING,
     .description = "Host name under which a task manager is reached and shown; by default its "
                    "address towards the job manager.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.jvm-exit-on-oom", CONF_TYPE_BOOL, "false"},
    {"taskmanager.load-balance.mode", CONF_TYPE_ENUM, "NONE",
     .enum_values = "NONE|SLOTS|MIN_RESOURCES|TASKS",
     .description =
         "Where a job's slots go: NONE fills one task manager before the next, SLOTS and TASKS "
         "spread them by the share of slots in use.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.log.path", CONF_TYPE_STRING},
    {"taskmanager.numberOfTaskSlots", CONF_TYPE_INT, "1", .min = "1", .max = "65536",
     .description = "Slots of one task manager: how many parallel pipelines it runs.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.registration.timeout", CONF_TYPE_DURATION, "5 min",
     .aliases = "taskmanager.maxRegistrationDuration",
     .description = "A task manager that no job manager accepts for this long ends.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.resource-id", CONF_TYPE_STRING,
     .description =
         "Name of the task manager in the cluster; by default host:port with six random digits.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.rpc.bind-port", CONF_TYPE_INT},
    {"taskmanager.rpc.port", CONF_TYPE_STRING, "0",
     .description = "Port, or range, that a task manager takes to tell itself from others on its "
                    "host; nobody connects to it. 0 takes a free one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.runtime.fs-timeout", CONF_TYPE_DURATION, "0 ms",
     .aliases = "taskmanager.runtime.fs_timeout"},
    {"taskmanager.runtime.hashjoin-bloom-filters", CONF_TYPE_BOOL, "false"},
    {"taskmanager.runtime.large-record-handler", CONF_TYPE_BOOL, "false"},
    {"taskmanager.runtime.max-fan", CONF_TYPE_INT, "128"},
    {"taskmanager.runtime.sort-spilling-threshold", CONF_TYPE_FLOAT, "0.8"},
    {"taskmanager.slot.timeout", CONF_TYPE_DURATION, "10 s", .fallbacks = "pekko.ask.timeout",
     .description = "How long a slot waits for the job that asked for it to accept it.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.system-out.log.cache-upper-size", CONF_TYPE_MEMORY, "100 kb"},
    {"taskmanager.system-out.log.thread-name.enabled", CONF_TYPE_BOOL, "false"},
    {"taskmanager.system-out.mode", CONF_TYPE_ENUM, "DEFAULT", .enum_values = "DEFAULT|LOG|IGNORE"},
};

static const struct conf_option taskmanager_memory_options[] = {
    {"taskmanager.memory.flink.size", CONF_TYPE_MEMORY,
     .description = "Total memory of a task manager without metaspace and overhead.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.framework.heap.size", CONF_TYPE_MEMORY, "128 mb",
     .description = "Memory of the task manager itself, counted as heap.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.framework.off-heap.batch-shuffle.size", CONF_TYPE_MEMORY, "64 mb"},
    {"taskmanager.memory.framework.off-heap.size", CONF_TYPE_MEMORY, "128 mb",
     .description = "Memory of the task manager itself, counted as off-heap.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.jvm-metaspace.size", CONF_TYPE_MEMORY, "256 mb",
     .description = "Memory for code and libraries of the processes.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.jvm-overhead.fraction", CONF_TYPE_FLOAT, "0.1",
     .description =
         "Part of the total process memory for stacks, allocator and the rest, within min and max.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.jvm-overhead.max", CONF_TYPE_MEMORY, "1 gb",
     .description = "Most memory for stacks, allocator and the rest.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.jvm-overhead.min", CONF_TYPE_MEMORY, "192 mb",
     .description = "Least memory for stacks, allocator and the rest.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.managed.consumer-weights", CONF_TYPE_MAP,
     "OPERATOR:70,STATE_BACKEND:70,PYTHON:30"},
    {"taskmanager.memory.managed.fraction", CONF_TYPE_FLOAT, "0.4", .min = "0.0", .max = "1.0",
     .description = "Part of the total memory that becomes managed memory when no size is given.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.managed.size", CONF_TYPE_MEMORY, .aliases = "taskmanager.memory.size",
     .description = "Memory for state tables, sorts and caches. Without a value it is a fraction "
                    "of the total, see taskmanager.memory.managed.fraction.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.min-segment-size", CONF_TYPE_MEMORY, "256 bytes"},
    {"taskmanager.memory.network.fraction", CONF_TYPE_FLOAT, "0.1",
     .aliases = "taskmanager.network.memory.fraction", .min = "0.0", .max = "1.0",
     .description = "Part of the total memory for the batches on their way between tasks, within "
                    "min and max.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.network.max", CONF_TYPE_MEMORY, "9223372036854775807 bytes",
     .aliases = "taskmanager.network.memory.max",
     .description = "Most memory for the batches on their way between tasks.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.network.min", CONF_TYPE_MEMORY, "64 mb",
     .aliases = "taskmanager.network.memory.min",
     .description = "Least memory for the batches on their way between tasks.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.process.size", CONF_TYPE_MEMORY,
     .description = "Total memory of a task manager with its workers; 1728m when neither it, "
                    "flink.size, nor task.heap.size and managed.size are given.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.segment-size", CONF_TYPE_MEMORY, "32 kb", .min = "4 kb", .max = "64 mb",
     .description = "Unit in which the memory of an exchange is counted out to its channels: one "
                    "has 16 at most (or what taskmanager.network.memory.buffers-per-channel says), "
                    "and no more than 512 kb.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.starting-segment-size", CONF_TYPE_MEMORY, "1 kb"},
    {"taskmanager.memory.task.heap.size", CONF_TYPE_MEMORY,
     .description =
         "Memory for user functions and for the state that they keep outside of managed memory.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.memory.task.off-heap.size", CONF_TYPE_MEMORY, "0 bytes",
     .description = "Memory that user functions and the libraries they call allocate themselves.",
     .flags = CONF_FLAG_EFFECTIVE},
};

static const struct conf_option network_options[] = {
    {"shuffle-service-factory.class", CONF_TYPE_STRING,
     "org.apache.flink.runtime.io.network.NettyShuffleServiceFactory"},
    {"taskmanager.data.bind-port", CONF_TYPE_STRING,
     .description = "Port, or range, that is listened on instead of taskmanager.data.port.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.data.port", CONF_TYPE_INT, "0",
     .description = "Port that other task managers exchange data with; 0 takes a free one.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.data.ssl.enabled", CONF_TYPE_BOOL, "true", .flags = CONF_FLAG_EFFECTIVE,
     .description = "With security.ssl.internal.enabled: TLS for the data connections between "
                    "workers."},
    {"taskmanager.network.adaptive-partitioner.enabled", CONF_TYPE_BOOL, "false"},
    {"taskmanager.network.adaptive-partitioner.max-traverse-size", CONF_TYPE_INT, "4"},
    {"taskmanager.network.bind-policy", CONF_TYPE_STRING, "ip"},
    {"taskmanager.network.compression.codec", CONF_TYPE_ENUM, "LZ4",
     .enum_values = "NONE|LZ4|LZO|ZSTD",
     .description =
         "How batches are compressed between workers: LZ4, or NONE. Streams are compressed "
         "only where this is set, as links are usually faster than a codec.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.detailed-metrics", CONF_TYPE_BOOL, "false"},
    {"taskmanager.network.hybrid-shuffle.external-remote-tier-factory.class", CONF_TYPE_STRING},
    {"taskmanager.network.hybrid-shuffle.remote.path", CONF_TYPE_STRING},
    {"taskmanager.network.memory.buffer-debloat.enabled", CONF_TYPE_BOOL, "false",
     .description = "Tasks let their producers have only so much in flight as they consume in the "
                    "target time.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffer-debloat.period", CONF_TYPE_DURATION, "200 ms",
     .min = "1 ms", .description = "How often a task measures what it consumes.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffer-debloat.samples", CONF_TYPE_INT, "20", .min = "1",
     .max = "1000", .description = "Measurements that the average is taken over.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffer-debloat.target", CONF_TYPE_DURATION, "1 s", .min = "1 ms",
     .description = "Time in which a task shall consume what is in flight to it.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffer-debloat.threshold-percentages", CONF_TYPE_INT, "25",
     .min = "0", .max = "100",
     .description = "Changes of less than this part are not told to the producers.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffers-per-channel", CONF_TYPE_INT, .min = "1", .max = "16384",
     .description =
         "Segments (taskmanager.memory.segment-size) that a channel has of its own; with "
         "them it has its share of taskmanager.network.memory.floating-buffers-per-gate. "
         "Without a value it has 16 in all. A batch that is larger than what a channel has "
         "goes in parts.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.buffers-request-timeout", CONF_TYPE_DURATION, "30000 ms",
     .aliases = "taskmanager.network.memory.exclusive-buffers-request-timeout-ms"},
    {"taskmanager.network.memory.floating-buffers-per-gate", CONF_TYPE_INT, "8", .min = "0",
     .max = "16384",
     .description =
         "Segments that the channels of a gate share besides their own; dealt out evenly, "
         "rounded up. Counts when taskmanager.network.memory.buffers-per-channel is set.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.memory.read-buffer.required-per-gate.max", CONF_TYPE_INT},
    {"taskmanager.network.netty.client.connectTimeoutSec", CONF_TYPE_INT, "120",
     .aliases = "taskmanager.net.client.connectTimeoutSec", .min = "1", .max = "86400",
     .description = "Seconds that making one connection to another worker may take.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.netty.client.tcp.keepCount", CONF_TYPE_INT, .min = "1", .max = "127",
     .description =
         "Probes of a silent connection between workers without an answer before it counts "
         "as broken; by default the system's number. "
         "taskmanager.network.tcp-user-timeout may end it earlier.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.netty.client.tcp.keepIdleSec", CONF_TYPE_INT, .min = "1", .max = "32767",
     .description =
         "Seconds of silence before a connection between workers is probed; 10 by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.netty.client.tcp.keepIntervalSec", CONF_TYPE_INT, .min = "1",
     .max = "32767",
     .description =
         "Seconds between two probes of a silent connection between workers; 5 by default.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.partition-request-timeout", CONF_TYPE_DURATION, "10 s",
     .description = "How long an input of a task waits for its producers before the task fails.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.request-backoff.initial", CONF_TYPE_INT, "100",
     .aliases = "taskmanager.net.request-backoff.initial", .min = "1", .max = "3600000",
     .description =
         "Milliseconds before the second attempt to connect to another worker; each further "
         "pause is twice as long.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.request-backoff.max", CONF_TYPE_INT, "10000",
     .aliases = "taskmanager.net.request-backoff.max", .min = "1", .max = "3600000",
     .description =
         "Longest pause in milliseconds between two attempts to connect to another worker.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.retries", CONF_TYPE_INT, "0", .min = "0",
     .description = "How often making a connection to another worker is tried again, after pauses "
                    "from taskmanager.network.request-backoff.initial to .max.",
     .flags = CONF_FLAG_EFFECTIVE},
    {"taskmanager.network.sort-shuffle.min-buffers", CONF_TYPE_INT, "512"},
    {"taskmanager.network.tcp-connection.enable-reuse-across-jobs", CONF_TYPE_BOOL, "true"},
    {"taskmanager.network.tcp-user-timeout", CONF_TYPE_DURATION, "50 s", .min = "0 ms",
     .description =
         "How long a connection between workers may go without the other host confirming what "
         "was sent or answering a probe before it counts as broken; 0 ms leaves it to the "
         "system. The default is that of heartbeat.timeout.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
};

const struct conf_group conf_task_group = CONF_GROUP("Tasks", task_options);
const struct conf_group conf_taskmanager_group = CONF_GROUP("Task manager", taskmanager_options);
const struct conf_group conf_taskmanager_memory_group =
    CONF_GROUP("Memory of a task manager", taskmanager_memory_options);
const struct conf_group conf_network_group = CONF_GROUP("Network", network_options);
