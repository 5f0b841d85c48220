/* The table of metric names, and the reference page made of it.  Thread: any (const). */
#include "common/metrics/metric_names.h"

#define IN_PROCESS (METRIC_IN_JM | METRIC_IN_TM)
#define IN_RECORDS (METRIC_IN_TASK | METRIC_IN_OPERATOR)
#define JVM "Status.JVM."
#define MEMORY "Status.JVM.Memory."
#define COLLECTOR "Status.JVM.GarbageCollector."
#define NETTY "Status.Shuffle.Netty."
/* Of a file system of servers. */
#define REMOTE_NAMES(group, what)                                                                 \
    {IN_PROCESS, "filesystem." group ".bytesRead", METRIC_GAUGE,                                  \
     "Bytes read from " what ", of requests that ended well."},                                   \
        {IN_PROCESS, "filesystem." group ".bytesReadPerSecond", METRIC_GAUGE,                     \
         "Their rate since the reading before."},                                                 \
        {IN_PROCESS, "filesystem." group ".bytesWritten", METRIC_GAUGE,                           \
         "Bytes written to " what ", of requests that ended well."},                              \
        {IN_PROCESS, "filesystem." group ".bytesWrittenPerSecond", METRIC_GAUGE,                  \
         "Their rate since the reading before."},                                                 \
        {IN_PROCESS, "filesystem." group ".readRequests", METRIC_GAUGE,                           \
         "Requests for a range of a file."},                                                      \
        {IN_PROCESS, "filesystem." group ".writeRequests", METRIC_GAUGE,                          \
         "Requests that write a file or a part of one, or begin or end what is written in "       \
         "parts."},                                                                               \
        {IN_PROCESS, "filesystem." group ".copyRequests", METRIC_GAUGE,                           \
         "Requests that copy, rename or put together files within the server."},                  \
        {IN_PROCESS, "filesystem." group ".listRequests", METRIC_GAUGE,                           \
         "Requests for a page of a listing."},                                                    \
        {IN_PROCESS, "filesystem." group ".statRequests", METRIC_GAUGE,                           \
         "Requests for what is known of a file."},                                                \
        {IN_PROCESS, "filesystem." group ".deleteRequests", METRIC_GAUGE,                         \
         "Requests that delete files or give up uploads."},                                       \
        {IN_PROCESS, "filesystem." group ".currentRequests", METRIC_GAUGE,                        \
         "Requests that are under way."},                                                         \
        {IN_PROCESS, "filesystem." group ".retries", METRIC_GAUGE,                                \
         "Tries of requests behind the first."},                                                  \
    {                                                                                             \
        IN_PROCESS, "filesystem." group ".failures", METRIC_GAUGE,                                \
            "Requests that failed at their last try, but for what is not there or there already." \
    }
#define NO_COLLECTOR "0: there is no garbage collector."

static const struct metric_name names[] = {
    /* job manager */
    {METRIC_IN_JM, "numRegisteredTaskManagers", METRIC_GAUGE, "Registered task managers."},
    {METRIC_IN_JM, "numPendingTaskManagers", METRIC_GAUGE,
     "Task managers that were asked for and have not registered yet."},
    {METRIC_IN_JM, "numRunningJobs", METRIC_GAUGE, "Jobs that have not ended."},
    {METRIC_IN_JM, "taskSlotsAvailable", METRIC_GAUGE, "Free slots of all task managers."},
    {METRIC_IN_JM, "taskSlotsTotal", METRIC_GAUGE, "Slots of all task managers."},
    /* every process */
    {IN_PROCESS, JVM "CPU.Load", METRIC_GAUGE,
     "Share of all processors that the process uses, 0 to 1, since the reading before."},
    {IN_PROCESS, JVM "CPU.Time", METRIC_GAUGE, "Processor time used, in nanoseconds."},
    {IN_PROCESS, MEMORY "Heap.Used", METRIC_GAUGE, "Bytes allocated by malloc."},
    {IN_PROCESS, MEMORY "Heap.Committed", METRIC_GAUGE, "Bytes that malloc has from the system."},
    {IN_PROCESS, MEMORY "Heap.Max", METRIC_GAUGE,
     "Bytes that the process may use: its own limit, the container's, or the machine's memory."},
    {IN_PROCESS, MEMORY "NonHeap.Used", METRIC_GAUGE,
     "Resident bytes that are not malloc's: code, stacks, mapped files."},
    {IN_PROCESS, MEMORY "NonHeap.Committed", METRIC_GAUGE, "The same as NonHeap.Used."},
    {IN_PROCESS, MEMORY "NonHeap.Max", METRIC_GAUGE, "The same as Heap.Max."},
    {IN_PROCESS, MEMORY "Metaspace.Used", METRIC_GAUGE, "0: there are no classes."},
    {IN_PROCESS, MEMORY "Metaspace.Committed", METRIC_GAUGE, "0: there are no classes."},
    {IN_PROCESS, MEMORY "Metaspace.Max", METRIC_GAUGE, "1, so that readers may divide by it."},
    {IN_PROCESS, MEMORY "Direct.Count", METRIC_GAUGE, "0: there are no direct buffers."},
    {IN_PROCESS, MEMORY "Direct.MemoryUsed", METRIC_GAUGE, "0: there are no direct buffers."},
    {IN_PROCESS, MEMORY "Direct.TotalCapacity", METRIC_GAUGE, "0: there are no direct buffers."},
    {IN_PROCESS, MEMORY "Mapped.Count", METRIC_GAUGE, "Shared libraries that were loaded."},
    {IN_PROCESS, MEMORY "Mapped.MemoryUsed", METRIC_GAUGE,
     "Resident bytes of mapped files and shared memory."},
    {IN_PROCESS, MEMORY "Mapped.TotalCapacity", METRIC_GAUGE, "The same as Mapped.MemoryUsed."},
    {IN_PROCESS, JVM "Threads.Count", METRIC_GAUGE, "Threads."},
    {IN_PROCESS, JVM "ClassLoader.ClassesLoaded", METRIC_GAUGE,
     "Shared libraries that were loaded."},
    {IN_PROCESS, JVM "ClassLoader.ClassesUnloaded", METRIC_GAUGE,
     "Shared libraries that were unloaded."},
    {IN_PROCESS, COLLECTOR "All.Count", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "All.Time", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "All.TimeMsPerSecond", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "G1_Young_Generation.Count", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "G1_Young_Generation.Time", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "G1_Old_Generation.Count", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, COLLECTOR "G1_Old_Generation.Time", METRIC_GAUGE, NO_COLLECTOR},
    {IN_PROCESS, "Status.FileDescriptor.Open", METRIC_GAUGE, "Open files and sockets."},
    {IN_PROCESS, "Status.FileDescriptor.Max", METRIC_GAUGE,
     "Files and sockets that may be open at one time (ulimit -n)."},
    REMOTE_NAMES("s3", "S3"),
    REMOTE_NAMES("hdfs", "HDFS"),
    /* task manager */
    {METRIC_IN_TM, "Status.Flink.Memory.Managed.Used", METRIC_GAUGE,
     "Bytes of managed memory that tasks hold."},
    {METRIC_IN_TM, "Status.Flink.Memory.Managed.Total", METRIC_GAUGE, "Bytes of managed memory."},
    {METRIC_IN_TM, NETTY "AvailableMemory", METRIC_GAUGE, "Free bytes of network memory."},
    {METRIC_IN_TM, NETTY "UsedMemory", METRIC_GAUGE, "Bytes of network memory in use."},
    {METRIC_IN_TM, NETTY "TotalMemory", METRIC_GAUGE, "Bytes of network memory."},
    {METRIC_IN_TM, NETTY "AvailableMemorySegments", METRIC_GAUGE,
     "AvailableMemory in segments of taskmanager.memory.segment-size."},
    {METRIC_IN_TM, NETTY "UsedMemorySegments", METRIC_GAUGE, "UsedMemory in segments."},
    {METRIC_IN_TM, NETTY "TotalMemorySegments", METRIC_GAUGE, "TotalMemory in segments."},
    {METRIC_IN_TM, NETTY "RequestedMemoryUsage", METRIC_GAUGE,
     "Percentage of network memory that tasks have asked for."},
    {METRIC_IN_TM, "Status.Network.AvailableMemorySegments", METRIC_GAUGE,
     "The old name of Status.Shuffle.Netty.AvailableMemorySegments."},
    {METRIC_IN_TM, "Status.Network.TotalMemorySegments", METRIC_GAUGE,
     "The old name of Status.Shuffle.Netty.TotalMemorySegments."},
    {METRIC_IN_TM, "Status.Workers.Started", METRIC_GAUGE, "Worker processes started so far."},
    {METRIC_IN_TM, "Status.Workers.Crashed", METRIC_GAUGE,
     "Worker processes that ended without being asked to."},
    {METRIC_IN_TM, "Status.DataPort.Connections", METRIC_GAUGE,
     "Data connections handed over to workers so far."},
    {METRIC_IN_TM, "Status.DataPort.Refused", METRIC_GAUGE,
     "Data connections closed so far: bad greetings, and workers that are not here or not ready in "
     "time."},
    {METRIC_IN_TM, "Status.DataPort.Waiting", METRIC_GAUGE,
     "Data connections that wait for their worker to be ready."},
    {METRIC_IN_TM, "Status.Blobs.Fetched", METRIC_GAUGE,
     "Job bundles downloaded from the job manager so far."},
    {METRIC_IN_TM, "Status.Blobs.Failed", METRIC_GAUGE,
     "Downloads of job bundles that failed so far."},
    /* job */
    {METRIC_IN_JM_JOB, "uptime", METRIC_GAUGE,
     "Milliseconds that the job has been running without interruption; -1 when it has ended."},
    {METRIC_IN_JM_JOB, "downtime", METRIC_GAUGE,
     "Milliseconds that a restarting job has not been running; 0 while it runs, -1 when it has "
     "ended."},
    {METRIC_IN_JM_JOB, "numRestarts", METRIC_GAUGE, "Restarts since the job was submitted."},
    {METRIC_IN_JM_JOB, "fullRestarts", METRIC_GAUGE, "The old name of numRestarts."},
    {METRIC_IN_JM_JOB, "<state>State", METRIC_GAUGE,
     "1 while the job is in the state (initializing, created, running, restarting, failing, "
     "cancelling, deploying), else 0; with STATE in metrics.job.status.enable."},
    {METRIC_IN_JM_JOB, "<state>Time", METRIC_GAUGE,
     "Milliseconds since the job entered the state, 0 outside of it; with CURRENT_TIME."},
    {METRIC_IN_JM_JOB, "<state>TimeTotal", METRIC_GAUGE,
     "Milliseconds that the job has spent in the state; with TOTAL_TIME."},
    /* task and operator */
    {IN_RECORDS, "numRecordsIn", METRIC_COUNTER, "Records received."},
    {IN_RECORDS, "numRecordsInPerSecond", METRIC_METER, "Records received per second."},
    {IN_RECORDS, "numRecordsOut", METRIC_COUNTER, "Records sent."},
    {IN_RECORDS, "numRecordsOutPerSecond", METRIC_METER, "Records sent per second."},
    {IN_RECORDS, "numBytesIn", METRIC_COUNTER, "Bytes received; of a source: bytes read."},
    {IN_RECORDS, "numBytesInPerSecond", METRIC_METER, "Bytes received per second."},
    {METRIC_IN_TASK, "numBytesOut", METRIC_COUNTER, "Bytes sent."},
    {METRIC_IN_TASK, "numBytesOutPerSecond", METRIC_METER, "Bytes sent per second."},
    {METRIC_IN_OPERATOR, "pendingRecords", METRIC_GAUGE,
     "Records that a source could give and has not given: of a sequence and of a data generator "
     "with a "
     "count those that are left, with a rate those that are due."},
    {METRIC_IN_OPERATOR, "pendingBytes", METRIC_GAUGE,
     "Bytes that a source could give and has not given: of files those of the splits in hand, of a "
     "socket those that were received."},
    {METRIC_IN_OPERATOR, "numBytesSend", METRIC_COUNTER, "Bytes that a sink has written."},
    {METRIC_IN_OPERATOR, "numBytesSendPerSecond", METRIC_METER,
     "Bytes that a sink writes per second."},
    {METRIC_IN_TASK, "numBuffersInLocal", METRIC_COUNTER,
     "Batches received from tasks of the same process."},
    {METRIC_IN_TASK, "numBuffersInLocalPerSecond", METRIC_METER,
     "Batches received from tasks of the same process per second."},
    {METRIC_IN_TASK, "numBuffersOut", METRIC_COUNTER, "Batches sent."},
    {METRIC_IN_TASK, "numBuffersOutPerSecond", METRIC_METER, "Batches sent per second."},
    {METRIC_IN_TASK, "busyTimeMsPerSecond", METRIC_GAUGE, "Milliseconds of a second at work."},
    {METRIC_IN_TASK, "idleTimeMsPerSecond", METRIC_GAUGE,
     "Milliseconds of a second without anything to do."},
    {METRIC_IN_TASK, "backPressuredTimeMsPerSecond", METRIC_GAUGE,
     "Milliseconds of a second waiting for consumers."},
    {METRIC_IN_TASK, "accumulateBusyTimeMs", METRIC_GAUGE, "Milliseconds at work, in all."},
    {METRIC_IN_TASK, "accumulateIdleTimeMs", METRIC_GAUGE,
     "Milliseconds without anything to do, in all."},
    {METRIC_IN_TASK, "accumulateBackPressuredTimeMs", METRIC_GAUGE,
     "Milliseconds waiting for consumers, in all."},
    {METRIC_IN_TASK, "isBackPressured", METRIC_GAUGE,
     "true while the task waits for consumers, else false."},
    {METRIC_IN_TASK, "mailboxQueueSize", METRIC_GAUGE, "Messages that wait for the task."},
    {IN_RECORDS, "currentInputWatermark", METRIC_GAUGE,
     "The watermark that came, in ms; of a task that of its first operator."},
    {METRIC_IN_OPERATOR, "currentOutputWatermark", METRIC_GAUGE,
     "The watermark that the operator sent on, in ms."},
    {METRIC_IN_OPERATOR, "watermarkAlignmentDrift", METRIC_GAUGE,
     "How far the watermark is ahead of the lowest of its alignment group, in ms."},
    {METRIC_IN_OPERATOR, "watermark.accumulatedPausedTimeMs", METRIC_GAUGE,
     "Milliseconds that watermark alignment has held the sources, in all."},
    {METRIC_IN_TASK, "debloatedBufferSize", METRIC_GAUGE,
     "Bytes that a channel into the task should have in flight; with buffer debloating only."},
    {METRIC_IN_TASK, "estimatedTimeToConsumeBuffersMs", METRIC_GAUGE,
     "Milliseconds in which the task consumes what waits for it; with buffer debloating only."},
    {METRIC_IN_TASK, "buffers.inputQueueLength", METRIC_GAUGE,
     "Batches that wait to be taken by the task."},
    {METRIC_IN_TASK, "buffers.outputQueueLength", METRIC_GAUGE,
     "Batches that wait to be taken by consumers."},
    /* state of the rocksdb backend */
    {METRIC_IN_OPERATOR, "stateCache.bytes", METRIC_GAUGE,
     "Bytes of keyed state at hand in memory; with the rocksdb backend."},
    {METRIC_IN_OPERATOR, "stateCache.numReads", METRIC_GAUGE,
     "Reads of the store, each of many keys."},
    {METRIC_IN_OPERATOR, "stateCache.numMisses", METRIC_GAUGE,
     "Keys that were not at hand and were asked of the store."},
    {METRIC_IN_OPERATOR, "stateCache.numFound", METRIC_GAUGE, "Those of them that it had."},
    {METRIC_IN_OPERATOR, "stateCache.numEvicted", METRIC_GAUGE, "Keys that made room for others."},
    {METRIC_IN_OPERATOR, "stateCache.numWritten", METRIC_GAUGE,
     "Changed and removed keys on their way to the store, in all."},
    {METRIC_IN_OPERATOR, "stateCache.numPieces", METRIC_GAUGE, "The sorted runs that have them."},
    {METRIC_IN_OPERATOR, "stateCache.numReadThrough", METRIC_GAUGE,
     "Keys that RocksDB itself was asked for, though its files are read without it: few."},
    {METRIC_IN_OPERATOR, "<state>.rocksdb.<property>", METRIC_GAUGE,
     "A property of RocksDB, as estimate-num-keys: of the operator's store, which all its states "
     "share; "
     "those that state.backend.rocksdb.metrics.* switches on."},
    {METRIC_IN_OPERATOR, "rocksdb.<ticker>", METRIC_GAUGE,
     "A ticker of RocksDB's statistics, as bytes_written; switched on likewise."},
    /* jobs at task managers */
    {METRIC_IN_TM_JOB, "fileMerging.logicalFileCount", METRIC_GAUGE,
     "State files that lie in merged ones of this task manager; with "
     "execution.checkpointing.file-merging.enabled only, as all of fileMerging."},
    {METRIC_IN_TM_JOB, "fileMerging.logicalFileSize", METRIC_GAUGE, "Bytes of those."},
    {METRIC_IN_TM_JOB, "fileMerging.physicalFileCount", METRIC_GAUGE,
     "Merged files of this task manager that are in use."},
    {METRIC_IN_TM_JOB, "fileMerging.physicalFileSize", METRIC_GAUGE,
     "Bytes of those, with what nothing refers to any more."},
    {METRIC_IN_TM_JOB,
     "latency.source_id.<source_id>.operator_id.<operator_id>.operator_subtask_index.<subtask>."
     "latency",
     METRIC_HISTOGRAM,
     "Milliseconds that latency markers of a source were under way (metrics.latency.interval); "
     "with granularity single without source_id, with subtask with source_subtask_index."},
};

const struct metric_name *metric_names(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(names);
    return names;
}

/* "<state>Time" fits "runningTime": a word of small letters, then the rest. */
static bool name_fits(const char *pattern, const char *name)
{
    const char *end = pattern[0] == '<' ? strchr(pattern, '>') : NULL;
    if (end == NULL) {
        return strcmp(pattern, name) == 0;
    }
    size_t word = strspn(name, "abcdefghijklmnopqrstuvwxyz");
    return word > 0 && strcmp(end + 1, name + word) == 0;
}

const struct metric_name *metric_name_find(enum metric_scope scope, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((names[i].scopes & 1u << scope) != 0 && name_fits(names[i].name, name)) {
            return &names[i];
        }
    }
    return NULL;
}

/* ---- reference page ----------------------------------------------------------------------------- */

static void write_scope(struct str *out, enum metric_scope scope)
{
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((names[i].scopes & 1u << scope) == 0) {
            continue;
        }
        if (!any) {
            str_printf(out,
                       "\n## %s\n\nScope format: `%s`, default `%s`.\n\n"
                       "| metric | kind | meaning |\n|---|---|---|\n",
                       metric_scope_logical(scope), metric_scope_option(scope),
                       metric_scope_default_format(scope));
            any = true;
        }
        str_printf(out, "| `%s` | %s | %s |\n", names[i].name, metric_kind_name(names[i].kind),
                   names[i].description);
    }
}

void metric_names_write_reference(struct str *out)
{
    str_append_cstr(
        out,
        "# Metrics\n\n"
        "<!-- Generated from the table of metric names by tools/check_reference --write; do not "
        "edit. -->\n\n"
        "Names and scopes are Flink's. REST shows a metric by its name; reporters put the scope\n"
        "before it: for Prometheus `flink_` + scope + name, with `_` between the parts\n"
        "(`flink_taskmanager_job_task_numRecordsIn`). User functions add their own counters to\n"
        "the scope of their operator.\n");
    for (int scope = 0; scope < METRIC_SCOPES; scope++) {
        write_scope(out, (enum metric_scope)scope);
    }
}
