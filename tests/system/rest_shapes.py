"""What answers of the REST interface must hold: path -> fields and their types.

A shape is a type, [shape] for a list, {"field": shape, ...} for an object with these fields at least ("field?" may be
missing or null), Map(shape) for an object with any keys, or one of several in a tuple.  Clients of Flink 1.20 and of
2.x both must be served, so a shape names what either of them requires.
"""


class Map:
    def __init__(self, of, keys=()):
        self.of, self.keys = of, keys


class OneOf:
    def __init__(self, *values):
        self.values = values


NUMBER = (int, float, OneOf("NaN", "Infinity", "-Infinity"))
JOB_STATES = ("INITIALIZING CREATED RUNNING FAILING FAILED CANCELLING CANCELED FINISHED RESTARTING SUSPENDED RECONCILING").split()
TASK_STATES = ("CREATED SCHEDULED DEPLOYING RUNNING FINISHED CANCELING CANCELED FAILED RECONCILING INITIALIZING").split()
DURATIONS = "CREATED SCHEDULED DEPLOYING INITIALIZING RUNNING".split()
JOB_STATE, TASK_STATE = OneOf(*JOB_STATES), OneOf(*TASK_STATES)


def ints(names):
    return {name: int for name in names.split()}


def spans():
    return ints("start-time end-time duration")


IO = {
    **ints("read-bytes write-bytes read-records write-records accumulated-backpressured-time accumulated-idle-time"),
    **{f"{name}-complete": bool for name in "read-bytes write-bytes read-records write-records".split()},
    "accumulated-busy-time": NUMBER,
}
STATISTICS = ints("min max avg sum median p25 p75 p95")
AGGREGATED = {
    "metrics": {
        name: STATISTICS
        for name in (
            "read-bytes write-bytes read-records write-records accumulated-backpressured-time accumulated-idle-time "
            "accumulated-busy-time"
        ).split()
    },
    "status-duration": {state: STATISTICS for state in DURATIONS},
}
PLAN = {
    "jid": str,
    "name": str,
    "type": OneOf("STREAMING", "BATCH"),
    "nodes": [
        {
            "id": str,
            "parallelism": int,
            "operator": str,
            "operator_strategy": str,
            "description": str,
            "optimizer_properties": Map(object),
            "inputs?": [
                {
                    "num": int,
                    "id": str,
                    "ship_strategy": OneOf(
                        "FORWARD", "HASH", "REBALANCE", "RESCALE", "BROADCAST", "SHUFFLE", "GLOBAL", "CUSTOM"
                    ),
                    "exchange": OneOf("pipelined", "pipelined_bounded", "blocking", "hybrid_full", "hybrid_selective"),
                }
            ],
        }
    ],
}
JOB_ITEM = {
    "jid": str,
    "name": str,
    "state": JOB_STATE,
    "jobType": OneOf("BATCH", "STREAMING"),
    "schedulerType": OneOf("Default", "Adaptive", "AdaptiveBatch"),
    "last-modification": int,
    "pending-operators": int,
    "tasks": {"total": int, **{state.lower(): int for state in TASK_STATES}},
    **spans(),
}
JOB = {
    "jid": str,
    "name": str,
    "isStoppable": bool,
    "state": JOB_STATE,
    "job-type": OneOf("BATCH", "STREAMING"),
    "schedulerType": OneOf("Default", "Adaptive", "AdaptiveBatch"),
    "maxParallelism": int,
    "now": int,
    "pending-operators": int,
    "timestamps": {state: int for state in JOB_STATES},
    "status-counts": {state: int for state in TASK_STATES},
    "plan": PLAN,
    "vertices": [
        {
            "id": str,
            "slotSharingGroupId": str,
            "name": str,
            "maxParallelism": int,
            "parallelism": int,
            "status": TASK_STATE,
            "tasks": {state: int for state in TASK_STATES},
            "metrics": IO,
            **spans(),
        }
    ],
    **spans(),
}
FAILURE = {
    "exceptionName": str,
    "stacktrace": str,
    "timestamp": int,
    "failureLabels": Map(str),
    "taskName?": str,
    "endpoint?": str,
    "location?": str,
    "taskManagerId?": str,
}
EXCEPTIONS = {
    "exceptionHistory": {"entries": [{**FAILURE, "concurrentExceptions": [FAILURE]}], "truncated": bool},
    "all-exceptions": [{**dict.fromkeys("exception task location endpoint taskManagerId".split(), str), "timestamp": int}],
    "truncated": bool,
    "root-exception?": str,
    "timestamp?": int,
}
THROWABLE = {"class": str, "stack-trace": str, "serialized-throwable": str}
RESULT = {
    "status": {"id": OneOf("IN_PROGRESS", "COMPLETED")},
    "job-execution-result?": {
        "id": str,
        "name": str,
        "application-status": OneOf("SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"),
        "accumulator-results": Map(object),
        "net-runtime": int,
        "start-time": int,
        "end-time": int,
        "failure-cause?": THROWABLE,
    },
}
ACCUMULATORS = [{"name": str, "type": str, "value": str}]
SUBTASK = {
    "subtask": int,
    "status": TASK_STATE,
    "attempt": int,
    "endpoint": str,
    "host": str,
    "start_time": int,
    "metrics": IO,
    "taskmanager-id": str,
    "status-duration": {state: int for state in DURATIONS},
    **spans(),
}
VERTEX = {
    **dict.fromkeys("id name".split(), str),
    **ints("parallelism maxParallelism now"),
    "subtasks": [SUBTASK],
    "aggregated": AGGREGATED,
}
TIMES = {
    "id": str,
    "name": str,
    "now": int,
    "subtasks": [
        {
            "subtask": int,
            "endpoint": str,
            "host": str,
            "duration": int,
            "timestamps": {state: int for state in TASK_STATES},
        }
    ],
}
VERTEX_TASKMANAGERS = {
    "id": str,
    "name": str,
    "now": int,
    "taskmanagers": [
        {
            **dict.fromkeys("endpoint host taskmanager-id".split(), str),
            "status": TASK_STATE,
            "metrics": IO,
            "status-counts": {state: int for state in TASK_STATES},
            "aggregated": AGGREGATED,
            **spans(),
        }
    ],
}
LEVEL = OneOf("ok", "low", "high")
BACKPRESSURE = {
    "status": OneOf("ok", "deprecated"),
    "backpressureLevel": LEVEL,
    "backpressure-level": LEVEL,
    "end-timestamp": int,
    "subtasks": [
        {
            "subtask": int,
            "attempt-number": int,
            "backpressureLevel": LEVEL,
            "backpressure-level": LEVEL,
            "ratio": NUMBER,
            "idleRatio": NUMBER,
            "busyRatio": NUMBER,
        }
    ],
}
METRICS = [{"id": str, "value?": str}]
AGGREGATES = [{"id": str, **{f"{name}?": NUMBER for name in "min max avg sum skew".split()}}]
RESOURCE = {
    "cpuCores": NUMBER,
    **ints("taskHeapMemory taskOffHeapMemory managedMemory networkMemory"),
    "extendedResources": Map(NUMBER),
}
TASKMANAGER = {
    "id": str,
    "path": str,
    **ints("dataPort jmxPort timeSinceLastHeartbeat slotsNumber freeSlots assignedTasks"),
    "totalResource": RESOURCE,
    "freeResource": RESOURCE,
    "hardware": ints("cpuCores physicalMemory freeMemory managedMemory"),
    "memoryConfiguration": ints(
        "frameworkHeap taskHeap frameworkOffHeap taskOffHeap networkMemory managedMemory jvmMetaspace jvmOverhead "
        "totalFlinkMemory totalProcessMemory"
    ),
}
TASKMANAGER_DETAILS = {
    **TASKMANAGER,
    "allocatedSlots": [{"jobId": str, "resource": RESOURCE, "assignedTasks": int}],
    "metrics": {
        **ints(
            "heapUsed heapCommitted heapMax nonHeapUsed nonHeapCommitted nonHeapMax directCount directUsed directMax "
            "mappedCount mappedUsed mappedMax memorySegmentsAvailable memorySegmentsTotal "
            "nettyShuffleMemorySegmentsAvailable nettyShuffleMemorySegmentsUsed nettyShuffleMemorySegmentsTotal "
            "nettyShuffleMemoryAvailable nettyShuffleMemoryUsed nettyShuffleMemoryTotal"
        ),
        "garbageCollectors": [{"name": str, "count": int, "time": int}],
    },
}
CONFIGURATION = [{"key": str, "value": str}]
ENVIRONMENT = {"jvm": {"version": str, "arch": str, "options": [str]}, "classpath": [str]}
LOGS = {"logs": [{"name": str, "size": int, "mtime": int}]}
THREADS = {"threadInfos": [{"threadName": str, "stringifiedThreadInfo": str}]}
APPLICATION = {"id": str, "name": str, "status": JOB_STATE, **spans()}

# ---- checkpoints ----

SUMMARY = {**ints("min max avg"), **dict.fromkeys("p50 p90 p95 p99 p999".split(), NUMBER)}
CHECKPOINT_SIZES = ints(
    "id latest_ack_timestamp checkpointed_size state_size end_to_end_duration alignment_buffered processed_data persisted_data "
    "num_subtasks num_acknowledged_subtasks"
)
CHECKPOINT_STATE = OneOf("IN_PROGRESS", "COMPLETED", "FAILED")
VERTEX_CHECKPOINT = {**CHECKPOINT_SIZES, "status": CHECKPOINT_STATE}
CHECKPOINT = {
    **VERTEX_CHECKPOINT,
    "className": OneOf("in_progress", "completed", "failed"),
    "is_savepoint": bool,
    "savepointFormat?": OneOf("CANONICAL", "NATIVE"),
    "trigger_timestamp": int,
    "checkpoint_type": OneOf("CHECKPOINT", "UNALIGNED_CHECKPOINT", "SAVEPOINT", "SYNC_SAVEPOINT"),
    "tasks": Map(VERTEX_CHECKPOINT),
    # of completed ones
    "external_path?": str,
    "discarded?": bool,
    # of failed ones
    "failure_timestamp?": int,
    "failure_message?": str,
}
COMPLETED_CHECKPOINT = {**CHECKPOINT, "external_path": str, "discarded": bool}
FAILED_CHECKPOINT = {**CHECKPOINT, "failure_timestamp": int, "failure_message?": str}
STATISTICS_OF_CHECKPOINTS = {
    "counts": ints("restored total in_progress completed failed"),
    "summary": dict.fromkeys(
        "checkpointed_size state_size end_to_end_duration alignment_buffered processed_data persisted_data".split(), SUMMARY
    ),
    "latest": {
        "completed?": COMPLETED_CHECKPOINT,
        "savepoint?": COMPLETED_CHECKPOINT,
        "failed?": FAILED_CHECKPOINT,
        "restored?": {"id": int, "restore_timestamp": int, "is_savepoint": bool, "external_path": str},
    },
    "history": [CHECKPOINT],
}
CHECKPOINT_CONFIG = {
    "mode": OneOf("exactly_once", "at_least_once"),
    **ints(
        "interval timeout min_pause max_concurrent tolerable_failed_checkpoints aligned_checkpoint_timeout "
        "changelog_periodic_materialization_interval"
    ),
    "externalization": {"enabled": bool, "delete_on_cancellation": bool},
    **dict.fromkeys("state_backend checkpoint_storage changelog_storage".split(), str),
    **dict.fromkeys("unaligned_checkpoints checkpoints_after_tasks_finish state_changelog_enabled".split(), bool),
}
COMPLETED_SUBTASK = {
    "className": OneOf("completed"),
    "status": OneOf("completed"),
    **ints("index ack_timestamp end_to_end_duration checkpointed_size state_size start_delay"),
    "checkpoint": ints("sync async"),
    "alignment": ints("buffered processed persisted duration"),
    "unaligned_checkpoint": bool,
    "aborted": bool,
}
PENDING_SUBTASK = {"className": OneOf("pending"), "index": int, "status": OneOf("pending_or_failed")}
CHECKPOINT_OF_A_VERTEX = {
    **VERTEX_CHECKPOINT,
    "summary": {
        **dict.fromkeys("checkpointed_size state_size end_to_end_duration start_delay".split(), SUMMARY),
        "checkpoint_duration": {"sync": SUMMARY, "async": SUMMARY},
        "alignment": dict.fromkeys("buffered processed persisted duration".split(), SUMMARY),
    },
    "subtasks": [(COMPLETED_SUBTASK, PENDING_SUBTASK)],
}


def operation(result, cause):
    """An asynchronous operation: no result before its end."""
    return {
        "status": {"id": OneOf("IN_PROGRESS", "COMPLETED")},
        "operation?": {f"{cause}?": THROWABLE, **{f"{name}?": of for name, of in result.items()}},
    }


# GET routes: path -> (shape, must its lists hold something while a job of two vertices runs or has run?)
SHAPES = {
    "/config": {
        "refresh-interval": int,
        "timezone-name": str,
        "timezone-offset": int,
        "flink-version": str,
        "flink-revision": str,
        "features": dict.fromkeys("web-submit web-cancel web-rescale web-history".split(), bool),
    },
    "/overview": {
        **ints("taskmanagers slots-total slots-available jobs-running jobs-finished jobs-cancelled jobs-failed"),
        "flink-version": str,
        "flink-commit": str,
    },
    "/jobmanager/config": CONFIGURATION,
    "/jobmanager/environment": ENVIRONMENT,
    "/jobmanager/logs": LOGS,
    "/jobmanager/thread-dump": THREADS,
    "/jobmanager/metrics": METRICS,
    "/datasets": {"dataSets": [{"id": str, "isComplete": bool}]},
    "/jars": {
        "address": str,
        "files": [{"id": str, "name": str, "uploaded": int, "entry": [{"name": str, "description?": str}]}],
    },
    "/jobs": {"jobs": [{"id": str, "status": JOB_STATE}]},
    "/jobs/overview": {"jobs": [JOB_ITEM]},
    "/jobs/metrics": AGGREGATES,
    "/jobs/:jobid": JOB,
    "/jobs/:jobid/status": {"status": JOB_STATE},
    "/jobs/:jobid/execution-result": RESULT,
    "/jobs/:jobid/config": {
        "jid": str,
        "name": str,
        "execution-config": {
            "execution-mode": str,
            "restart-strategy": str,
            "job-parallelism": int,
            "object-reuse-mode": bool,
            "user-config": Map(str),
        },
    },
    "/jobs/:jobid/plan": {"plan": PLAN},
    "/jobs/:jobid/exceptions": EXCEPTIONS,
    "/jobs/:jobid/accumulators": {
        "job-accumulators": [object],
        "user-task-accumulators": ACCUMULATORS,
        "serialized-user-task-accumulators": Map(str),
    },
    "/jobs/:jobid/metrics": METRICS,
    "/jobs/:jobid/jobmanager/config": CONFIGURATION,
    "/jobs/:jobid/jobmanager/environment": ENVIRONMENT,
    "/jobs/:jobid/vertices/:vertexid": VERTEX,
    "/jobs/:jobid/vertices/:vertexid/subtasktimes": TIMES,
    "/jobs/:jobid/vertices/:vertexid/taskmanagers": VERTEX_TASKMANAGERS,
    "/jobs/:jobid/vertices/:vertexid/accumulators": {"id": str, "user-accumulators": ACCUMULATORS},
    "/jobs/:jobid/vertices/:vertexid/backpressure": BACKPRESSURE,
    "/jobs/:jobid/vertices/:vertexid/flamegraph": {"endTimestamp": int, "data?": object},
    "/jobs/:jobid/vertices/:vertexid/watermarks": METRICS,
    "/jobs/:jobid/vertices/:vertexid/metrics": METRICS,
    "/jobs/:jobid/vertices/:vertexid/jm-operator-metrics": METRICS,
    "/jobs/:jobid/vertices/:vertexid/subtasks/metrics": AGGREGATES,
    "/jobs/:jobid/vertices/:vertexid/subtasks/accumulators": {
        "id": str,
        "parallelism": int,
        "subtasks": [
            {"subtask": int, "attempt": int, "endpoint": str, "host": str, "user-accumulators": ACCUMULATORS}
        ],
    },
    "/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex": SUBTASK,
    "/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex/metrics": METRICS,
    "/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex/attempts/:attempt": SUBTASK,
    "/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex/attempts/:attempt/accumulators": {
        "id": str,
        "subtask": int,
        "attempt": int,
        "user-accumulators": ACCUMULATORS,
    },
    "/taskmanagers": {"taskmanagers": [TASKMANAGER]},
    "/taskmanagers/metrics": AGGREGATES,
    "/taskmanagers/:taskmanagerid": TASKMANAGER_DETAILS,
    "/taskmanagers/:taskmanagerid/metrics": METRICS,
    "/taskmanagers/:taskmanagerid/logs": LOGS,
    "/taskmanagers/:taskmanagerid/thread-dump": THREADS,
    "/applications/overview": {"applications": [{**APPLICATION, "jobs": Map(int, JOB_STATES)}]},
    "/applications/:applicationid": {
        **APPLICATION,
        "timestamps": {state: int for state in JOB_STATES},
        "jobs": [JOB_ITEM],
    },
    "/applications/:applicationid/exceptions": {
        "exceptionHistory": {
            "entries": [{"exceptionName": str, "stacktrace": str, "timestamp": int, "jobId": str}],
        }
    },
    "/applications/:applicationid/jobmanager/config": CONFIGURATION,
}

# GET routes of checkpoints, of a streaming job.
CHECKPOINTS = {
    "/jobs/:jobid/checkpoints": STATISTICS_OF_CHECKPOINTS,
    "/jobs/:jobid/checkpoints/config": CHECKPOINT_CONFIG,
    "/jobs/:jobid/checkpoints/details/:checkpointid": CHECKPOINT,
    "/jobs/:jobid/checkpoints/details/:checkpointid/subtasks/:vertexid": CHECKPOINT_OF_A_VERTEX,
}
# Of operations, by the id that their trigger gave.
OPERATIONS = {
    "/jobs/:jobid/checkpoints/:triggerid": operation({"checkpointId": int}, "failureCause"),
    "/jobs/:jobid/savepoints/:triggerid": operation({"location": str}, "failure-cause"),
    "/savepoint-disposal/:triggerid": operation({}, "failure-cause"),
}

# Lists that may well be empty for the jobs of the tests; every other one must hold something.
MAY_BE_EMPTY = {
    "/datasets dataSets",
    "/jobs/:jobid/accumulators job-accumulators",
    "/jobs/:jobid/accumulators user-task-accumulators",
    "/jobs/:jobid/exceptions exceptionHistory.entries",
    "/jobs/:jobid/exceptions all-exceptions",
    "/jobs/:jobid/vertices/:vertexid/accumulators user-accumulators",
    "/jobs/:jobid/vertices/:vertexid/watermarks ",
    "/jobs/:jobid/vertices/:vertexid/jm-operator-metrics ",
    "/jobs/:jobid/vertices/:vertexid/subtasks/accumulators subtasks.user-accumulators",
    "/jobs/:jobid/vertices/:vertexid/subtasks/:subtaskindex/attempts/:attempt/accumulators user-accumulators",
    "/applications/:applicationid/exceptions exceptionHistory.entries",
    "/taskmanagers/:taskmanagerid metrics.garbageCollectors",
}

# GET routes of features that are off, and of what is not there: path -> status
OFF = {
    **dict.fromkeys(OPERATIONS, 404),  # of a trigger that was never given
    "/datasets/delete/:triggerid": 404,
    "/jobs/:jobid/rescaling/:triggerid": 503,
    "/jobs/:jobid/resource-requirements": 409,
    "/jobs/:jobid/rescales/history": 404,
    "/jobs/:jobid/rescales/details/:rescaleuuid": 404,
    "/jobs/:jobid/rescales/config": 404,
    "/jobs/:jobid/jobmanager/log-url": 404,
    "/jobs/:jobid/taskmanagers/:taskmanagerid/log-url": 404,
    "/jobmanager/profiler": 404,
    "/jobmanager/profiler/:filename": 404,
    "/taskmanagers/:taskmanagerid/profiler": 404,
    "/taskmanagers/:taskmanagerid/profiler/:filename": 404,
}


def _type_name(value):
    return type(value).__name__


def _is(shape, value):
    if shape is object:
        return True
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(shape, OneOf):
        return value in shape.values
    return isinstance(value, shape)


def check(shape, value, where="", empty=None):
    """Findings of a value against a shape: texts.  Empty lists are added to the set `empty` by their place."""
    if isinstance(shape, tuple):
        return [] if any(not check(one, value) for one in shape) else [f"{where}: {value!r} is of no expected type"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {_type_name(value)} instead of a list"]
        if not value and empty is not None:
            empty.add(where)
        return [finding for item in value for finding in check(shape[0], item, where, empty)]
    if isinstance(shape, Map):
        if not isinstance(value, dict):
            return [f"{where}: {_type_name(value)} instead of an object"]
        unknown = [key for key in value if shape.keys and key not in shape.keys]
        return [f"{where}: unknown key {key}" for key in unknown] + [
            finding for key, item in value.items() for finding in check(shape.of, item, f"{where}.{key}".strip("."), empty)
        ]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: {_type_name(value)} instead of an object"]
        findings = []
        for key, of in shape.items():
            name = key.rstrip("?")
            place = f"{where}.{name}".strip(".")
            if value.get(name) is not None:
                findings += check(of, value[name], place, empty)
            elif not key.endswith("?"):
                findings.append(f"{place}: is missing")
        return findings
    return [] if _is(shape, value) else [f"{where}: {value!r} is no {shape}"]
