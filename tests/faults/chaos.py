#!/usr/bin/env python3
"""The checker: jobs that check themselves, on clusters from which parts are taken away at random; see README.md.

usage: tests/faults/chaos.py [--home DIR] [--rounds N] [--seed N] [--planted NAME] [--records N]
"""

import argparse
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import loss  # noqa: E402
import oracle  # noqa: E402
import running  # noqa: E402
from oracle import Violation  # noqa: E402

# checker.c: the key of a record is its number modulo KEYS.  Sources deal numbers out in progressions, whose strides are a
# first parallelism times a power of two; KEYS is a multiple of those, so that a key is in one progression for ever.
KEYS = 3072
PARALLELISMS = (1, 2, 3, 4, 6)
RECORDS = 1_228_800
ROUNDS_PER_CLUSTER = 10
CHECKPOINTS_TILL_COMMIT = 30
HIDDEN_PER_SUBTASK = 5  # unfinished files that a run of the job may leave: one open, others of checkpoints under way
RATE = 200_000  # records a second: slow enough for losses in between
TRIES = 3  # of a round that was over too soon, each at half the rate
# What kills a worker between the work for a checkpoint and its end: with it rare bugs show soon.
FAULTS_S, END_S = 150, 600  # of failpoints, and of all, while a job comes to its end
EARLY_DEATHS = "task.checkpoint.ack=kill,one_in=80"
STANDSTILL_S = 30  # without a record, a checkpoint or another state: a deadlock
ENDED = ("FINISHED", "FAILED", "CANCELED")

# Places where a worker kills itself, or a step fails, now and then.
FAILPOINTS = (
    "task.checkpoint.before_align=kill,one_in=400",
    "task.checkpoint.snapshot=kill,one_in=400",
    "task.checkpoint.ack=kill,one_in=400",
    "task.checkpoint.before_notify=kill,one_in=400",
    "task.checkpoint.snapshot=error,one_in=60",
    "task.checkpoint.write=error,one_in=200",
    "task.checkpoint.record=error,one_in=400",
    "task.checkpoint.record=kill,one_in=2000",
    "task.restore.channel_state=kill,one_in=40",
    "task.restore.replay=error,one_in=2000",
    "sink.file.commit.before=kill,one_in=60",
    "sink.file.commit.after=kill,one_in=60",
    "sink.file.snapshot=kill,one_in=60",
    "snapshot.output.write=error,one_in=100",
    # For each file, of which the rocksdb backend has a hundred in a checkpoint:
    "snapshot.merging.take=error,one_in=800",
    "snapshot.merging.after_sync=kill,one_in=2000",
    "jobmaster.checkpoint.before_notify=error,one_in=10",
    "checkpoint.complete.before_write=error,one_in=20",
)

# What disks do for a while, below io.tmp.dirs or the checkpoint folder (disk.c).
DISK_FAULTS = {
    "hashmap": ("write,make {checkpoints} ENOSPC", "write,sync {checkpoints} EIO one_in=10", "write,sync {checkpoints} 20ms",
                "read {checkpoints} EIO one_in=5", "read {checkpoints} flip one_in=10", "write {checkpoints} short"),
    "rocksdb": ("write,make {tmp} ENOSPC", "write,sync,make {tmp} EIO one_in=20", "write,sync {tmp} 20ms", "write {tmp} short",
                "read {tmp} EIO suffix=.sst one_in=20", "read {tmp} flip suffix=.sst one_in=20"),
}
DISK_FAULT_S = (0.1, 1.5)

# Bugs that are switched on: each must be found, and by what looks for it: what is said fits the second text.
PLANTED = {
    "skip_alignment": ("a task takes a checkpoint at the first barrier", "came instead|counted|union|broadcast|list state"),
    "lost_notify": ("tasks are not told that a checkpoint is complete", "nothing is in the output"),
    "state.key_group_off_by_one": ("a restored subtask leaves out its first key group", ""),
    "timers.lost": ("some timers are not set again after a restore", "timer"),
    "sessions.lost": ("some sessions never fire after a restore", "session .* is missing"),
    "sessions.twice": ("sessions fire twice", "W .* twice in the output|a session has"),
    "snapshot.union_of_one": ("a subtask gets its own items of union list state alone", "union state|union list state"),
    "snapshot.broadcast_to_known": ("new subtasks get no broadcast state", "broadcast state|rule "),
    "checkpoint.restores_older": ("a restart takes the checkpoint before the newest", ""),
    "double_commit": ("a file is committed under two names", "twice in the output"),
    "channel_state_not_replayed": ("what was in flight is not processed after a restore", "came instead|counted|missing"),
    "channel_state_twice": ("a recorded batch is written twice", "came instead|counted|twice"),
    # Of files of state that checkpoints share:
    "checkpoint.shared_file_in_use": ("a shared file is deleted while a newer checkpoint refers to it", "No such file"),
    "paged.links_early": ("the files of a checkpoint are linked before the last changes are in them", "VIOLATION"),
    "paged.order_is_whole": ("timers that restored files have are taken to be in memory", "timer .* is (lost|missing)|session .* is missing"),
    "adaptive.restores_older": ("a rescale takes an older checkpoint than the newest", ""),
}
# The same, for the nightly run.
PLANTED_NIGHTLY = {
    "early_ack": ("a task acknowledges a checkpoint before anything of it is written", ""),
    "double_barrier": ("a barrier counts for two channels", "came instead|counted|union|broadcast|list state"),
    "barrier_overtakes": ("a barrier is sent before the records that came before it", "came instead|missing"),
    "checkpoint.complete_without_metadata": ("a checkpoint counts as complete without its _metadata", ""),
    "snapshot.deals_twice": ("an item of list state goes to two subtasks when the parallelism changes", ""),
    "state.increment_forgets": ("changes since an unconfirmed checkpoint are left out of the next", ""),
    "sink_commits_early": ("files are committed before their checkpoint is complete", "twice in the output"),
    "source.range_skips": ("a restored source skips a number", "came instead|missing"),
    "channel_state_parts_dropped": ("what is left of a batch is in no snapshot", "came instead|counted|missing"),
    "channel_state_dropped": ("what was in flight is in no snapshot", "came instead|counted|missing"),
    "shared_files.unconfirmed": ("a checkpoint refers to files of one that was given up", "No such file"),
    "rocksdb.file_ids_again": ("a file of another subtask with the same number is taken over after rescaling", ""),
    "merging.discard_deletes_file": ("state that is given up takes the file with it that others share", ""),
    "network.credit_is_lost": ("producers never hear that there is room again: a deadlock", "standstill: nothing has moved"),
    "channel_state_unfiltered": ("after rescaling every subtask processes all that was in flight", ""),
}

# Without checkpoints that are given up these cannot show; and a second guard is off.
PLANTED_BESIDE = {
    "shared_files.unconfirmed": "planted.checkpoint.refers_to_deleted=error;task.checkpoint.ack=error,one_in=10",
}
# A restart commits what nobody was told of, and ends a deadlock.
PLANTED_WITHOUT_DEATHS = ("lost_notify", "network.credit_is_lost")
ALL_PLANTED = {**PLANTED, **PLANTED_NIGHTLY}
# With the rocksdb backend, and each file by itself.
PLANTED_ROCKSDB = re.compile("shared_file|paged|rocksdb")

# With a planted bug the alignment is not drawn, so that it can show.
PLANTED_UNALIGNED = re.compile("channel_state")


def channels(source):
    """How much is in flight: down to one buffer of 4 KB a channel."""
    size = source.choice(("4 kb", "8 kb", "32 kb", "64 kb"))
    buffers = source.choice((None, (1, 0), (1, 1), (2, 8)))
    drawn = {"taskmanager.memory.segment-size": size}
    if buffers:
        drawn["taskmanager.network.memory.buffers-per-channel"] = buffers[0]
        drawn["taskmanager.network.memory.floating-buffers-per-gate"] = buffers[1]
    return drawn


def cluster_config(source):
    """Drawn for each cluster."""
    return {
        **channels(source),
        "taskmanager.network.compression.codec": source.choice(("LZ4", "NONE")),
        "jobstore.max-capacity": 2,  # what is kept of ended jobs is no leak
        "jobstore.type": "Memory",
    }


def alignment(source, round_):
    """How barriers meet records: they wait for each other, or overtake, at once or after a while.

    One behind the other only where a channel holds one buffer: a task takes no records while a barrier waits for the
    snapshot before it to be written, and between two barriers there are no more than the channels hold."""
    enabled, timeout = source.choice((("false", "0 ms"), ("true", "0 ms"), ("true", "20 ms"), ("true", "100 ms")))
    return {
        "execution.checkpointing.unaligned.enabled": enabled,
        "execution.checkpointing.aligned-checkpoint-timeout": timeout,
        "execution.checkpointing.max-concurrent-checkpoints":
            "1" if enabled == "true" and not round_.loose or round_.cluster.has_single_buffers
            else source.choice(("1", "1", "3")),
    }


def file_merging(source):
    """Small files that checkpoints and subtasks share; so small that they are full, and mostly garbage, now and then."""
    return {"execution.checkpointing.file-merging." + key: source.choice(values) for key, values in {
        "enabled": ("true", "true", "false"),
        "across-checkpoint-boundary": ("true", "false"),
        "max-file-size": ("60 kb", "500 kb", "32 mb"),
        "max-subtasks-per-file": ("1", "4", "100"),
        "max-space-amplification": ("1.0", "1.5", "2.0"),
        "pool-blocking": ("true", "false"),
    }.items()}


def job_config(source, folder, round_):
    """Drawn anew for each run of the job: what a user may change between two of them."""
    return {
        **alignment(source, round_),
        **file_merging(source),
        "execution.checkpointing.interval": source.choice(("100 ms", "200 ms", "300 ms")),
        "execution.checkpointing.mode": "AT_LEAST_ONCE" if round_.loose else "EXACTLY_ONCE",
        "execution.checkpointing.storage": round_.storage,
        "state.backend.type": round_.backend,
        "state.backend.rocksdb.memory.fixed-per-tm": source.choice(("2 mb", "8 mb")),
        "execution.checkpointing.dir": os.path.join(folder, "checkpoints"),
        "execution.checkpointing.incremental": source.choice(("true", "false")),
        "execution.checkpointing.num-retained": source.choice(("1", "3")),
        "execution.checkpointing.min-pause": source.choice(("0 ms", "0 ms", "50 ms")),
        "execution.checkpointing.data-inline-threshold": source.choice(("0 kb", "20 kb", "1 mb")),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "1000",
        "task.standstill.timeout": f"{STANDSTILL_S * 2 // 3} s",  # before the cluster ends
        "execution.buffer-timeout.interval": source.choice(("0 ms", "5 ms", "50 ms")),
        "pipeline.auto-watermark-interval": source.choice(("10 ms", "200 ms")),
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "1000",
        "restart-strategy.fixed-delay.delay": "50 ms",
        "pipeline.max-parallelism": "128",
    }


ADAPTIVE = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout": "100 ms",
    "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout": "100 ms",
    "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling": "0 ms",
}


class StoppedHalfway(Exception):
    """A job failed behind its stop-with-savepoint: the savepoint is whole, and what it holds is committed by who starts
    from it."""


def stopped_halfway(text):
    whole = re.search(r"A savepoint has been created at (\S+), but the job failed while it was stopping", text)
    if whole:
        raise StoppedHalfway(whole[1])


class TooFast(Exception):
    """A busy machine was late to look: the job was over before anything of it could be lost."""


class ChaosCluster(loss.LossCluster):
    """One task manager, tm0, is never killed, and neither is the job manager: what they hold is looked at."""

    def __init__(self, home, failpoints="", config=None):
        super().__init__(home)
        with open(os.path.join(self.environment["FLINK_CONF_DIR"], "config.yaml"), "a", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in (config or {}).items())
        self.has_single_buffers = (config or {}).get("taskmanager.network.memory.buffers-per-channel") == 1
        self.samples = {"jobmanager": [], "tm0": []}
        self.failpoints = failpoints
        self.rules = os.path.join(self.folder, "failpoints")
        self.set_failpoints(failpoints)
        if failpoints:
            self.environment["FLINC_FAILPOINTS"] = f"@{self.rules}"
        self.disk = disk.Disk(self.folder)
        self.environment.update(self.disk.environment)

    def set_failpoints(self, failpoints):
        """For processes that start from now on."""
        with open(f"{self.rules}.new", "w", encoding="utf-8") as f:
            f.write(failpoints)
        os.replace(f"{self.rules}.new", self.rules)

    def settle(self):
        """Until nothing of a job is left."""
        running.wait_until(lambda: self.overview("slots-available") == 2 * loss.TASK_MANAGERS)
        running.wait_until(lambda: not any(self.worker_pids(n) for n in self.proxies))

    def temporary(self):
        return {n for n in oracle.files_below(os.path.join(self.folder, "tmp")) if "/core" not in n}

    def save_stacks(self):
        """The stacks of all threads of the job manager, of the task managers and of their workers, in a file."""
        path = os.path.join(self.folder, "stacks.txt")
        managers = (self.try_get("/taskmanagers") or {}).get("taskmanagers", [])
        with open(path, "w", encoding="utf-8") as f:
            for place in ["/jobmanager", *(f"/taskmanagers/{m['id']}" for m in managers)]:
                f.write(f"==== {place}\n")
                dump = self.try_get(f"{place}/thread-dump") or {}
                f.writelines(t["stringifiedThreadInfo"] + "\n" for t in dump.get("threadInfos", []))
        return path

    def check_survivors(self):
        """After each round: descriptors and threads are no more than before.  (Memory: leaks.py.)"""
        for name, samples in self.samples.items():
            def settled():
                now = oracle.sample(self.children[name].pid)
                return now if not samples or all(now[w] <= samples[0][w] for w in ("descriptors", "threads")) else None

            try:
                samples.append(running.wait_until(settled, seconds=20, pause=0.05)[0])
            except TimeoutError:
                raise Violation(f"{name} holds {oracle.sample(self.children[name].pid)} after {samples}") from None


class Round:
    """One workload from its first record to its last, over several runs of the job."""

    def __init__(self, cluster, jar, number, source, records, kills, fixed, rate=RATE):
        assert records >= 1_000_000
        self.rate, self.hidden = rate, 0
        self.cluster, self.jar, self.source, self.records, self.fixed = cluster, jar, source, records, fixed
        self.kills = kills  # per run of the job
        # With a planted bug the second run always has another parallelism.
        self.parallelisms = source.choice(((2, 4), (4, 2), (3, 4))) if fixed else source.choices(PARALLELISMS, k=2)
        self.loose = not fixed and source.random() < 0.15
        self.storage = "filesystem"
        self.light = not fixed and source.random() < 0.2
        if self.light and min(self.parallelisms) > 1:
            self.storage = "jobmanager"
        # The second run is under the adaptive scheduler: rescaled on request, and when slots come and go.
        self.adaptive = "planted.adaptive" in cluster.failpoints or not fixed and source.random() < 0.5
        if self.adaptive and self.parallelisms[1] == 1:
            self.parallelisms = (self.parallelisms[0], 2)
        self.rescales, self.wide = 0, []
        # Its own checkpoints are for the backend that wrote them.
        self.backend = "hashmap" if fixed or self.storage == "jobmanager" else source.choice(("hashmap", "rocksdb"))
        self.backend = self.fixed.get("state.backend.type", self.backend)
        self.has_bad_disk = not fixed and self.storage == "filesystem" and source.random() < 0.4
        self.folder = os.path.join(cluster.folder, f"round{number}")
        self.output = os.path.join(self.folder, "output")
        self.log, self.job = [], None
        self.most = max(self.parallelisms)
        self.runs = self.strikes = self.disk_faults = self.checkpoints = self.restarts = 0
        self.between = []  # completed checkpoints between two losses
        self.signs, self.looked_at, self.moved_at = None, 0, time.monotonic()
        self.live = {}  # job: its first attempt of which no task was killed

    def say(self, text):
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    def start_job(self, parallelism, restore=None):
        config = {**job_config(self.source, self.folder, self), **self.fixed, **(ADAPTIVE if self.is_elastic() else {})}
        if restore:
            config["execution.state-recovery.path"] = restore
            config["execution.state-recovery.claim-mode"] = self.source.choice(("NO_CLAIM", "CLAIM"))
        # What is done already is in the state.
        args = ["--records", self.records, "--keys", KEYS, "--rate", self.rate, "--output", self.output,
                "--loose", int(self.loose), "--light", int(self.light), "--run", self.runs + 1]
        self.job = self.cluster.run_jar(self.jar, args, parallelism, config)
        self.runs += 1
        self.killed_attempt = -1
        self.at_strike = None
        self.say(f"run {self.runs}: job {self.job}, parallelism {parallelism}, from {restore}, {config}")

    def is_elastic(self):
        """Of the run that begins, or that there is: list state was made in the first one, by so many subtasks."""
        return self.adaptive and self.runs + (self.job is None) == 2

    # ---- looking -------------------------------------------------------------------------------------

    def state(self):
        return self.cluster.state(self.job)

    def checkpoint_statistics(self):
        return self.cluster.try_get(f"/jobs/{self.job}/checkpoints") or {}

    def completed(self):
        """The number of the newest completed checkpoint; 0: none."""
        return ((self.checkpoint_statistics().get("latest") or {}).get("completed") or {}).get("id", 0)

    def count_completed(self):
        return (self.checkpoint_statistics().get("counts") or {}).get("completed", 0)

    def attempt(self):
        return max(attempt for _, _, attempt in loss.Round.attempts(self, self.job))

    def signs_of_life(self):
        """What changes when anything moves: records of any task, checkpoints, attempts, states."""
        vertices = (self.cluster.try_get(f"/jobs/{self.job}") or {}).get("vertices", [])
        counts = self.checkpoint_statistics().get("counts")
        return [(v["status"], v["metrics"]["read-records"], v["metrics"]["write-records"]) for v in vertices], counts

    def watch(self):
        """The watchdog of deadlocks: nothing has moved for STANDSTILL_S.  The stacks of all processes are kept."""
        now = time.monotonic()
        if self.job is None or now - self.looked_at < 1:
            return
        self.looked_at, signs = now, self.signs_of_life()
        if signs != self.signs:
            self.signs, self.moved_at = signs, now
        elif now - self.moved_at > STANDSTILL_S and self.state() not in ENDED:
            path = self.cluster.save_stacks()
            raise Violation(f"standstill: nothing has moved for {STANDSTILL_S} s; stacks of all threads are in {path}")

    def until(self, what, condition, seconds):
        """A hang is a violation, too."""
        self.moved_at = time.monotonic()

        def looked():
            self.fail_early()
            self.watch()
            return condition()

        try:
            return running.wait_until(looked, seconds=seconds, pause=0.01)[0]
        except TimeoutError:
            raise Violation(f"{what}: not within {seconds} s; the job is {self.state()}: {self.failure()}") from None

    def wait_for_checkpoint(self):
        """Until another checkpoint has completed, so that there is progress between two losses."""
        before = self.completed()
        self.until("another checkpoint", lambda: self.completed() > before or self.state() in ENDED, 60)

    def wait_for_commit(self):
        """What a completed checkpoint has is committed: it does not wait for the end, or for a restart."""
        begin = self.completed()

        def committed():
            return oracle.visible(self.output) or self.state() in ENDED or self.completed() > begin + CHECKPOINTS_TILL_COMMIT

        self.until("a finished file", committed, 60)
        if not oracle.visible(self.output) and self.state() not in ENDED:
            raise Violation(f"nothing is in the output after checkpoint {self.completed()}")

    def fail_early(self):
        """The job says by its failures what it found; it would be restarted for ever."""
        has_failed = self.state() == "FAILED"  # asked first: what it failed of is in its history then
        text = self.failure()
        if has_failed:  # why it was not restarted is not in the history of failures
            stopped_halfway(self.cluster.get(f"/jobs/{self.job}/exceptions").get("root-exception", ""))
        if "VIOLATION" in text or has_failed:
            raise Violation(text[:2000])

    def failure(self):
        history = self.cluster.get(f"/jobs/{self.job}/exceptions?maxExceptions=100")["exceptionHistory"]["entries"]
        texts = [e["stacktrace"] for entry in history for e in [entry, *entry.get("concurrentExceptions", [])]]
        found = [t for t in texts if "VIOLATION" in t]
        return (found or texts or [""])[0]

    def workers(self):
        """{task manager: pids}, of those that have workers."""
        found = {n: self.cluster.worker_pids(n) for n in self.cluster.proxies}
        return {n: pids for n, pids in found.items() if pids}

    # ---- rescaling -----------------------------------------------------------------------------------

    def rescale(self):
        """Other bounds; what comes of them depends on the slots that there are.  The source of the rules stays alone."""
        upper = self.source.choice(PARALLELISMS)
        path = f"/jobs/{self.job}/resource-requirements"
        bounds = self.cluster.get(path)
        self.wide = self.wide or [v for v, b in bounds.items() if b["parallelism"]["upperBound"] > 1]
        bounds.update((v, {"parallelism": {"lowerBound": 1, "upperBound": upper}}) for v in self.wide)
        status, answer = self.cluster.request("PUT", path, bounds)
        if status != 200 and self.state() not in ENDED:
            raise Violation(f"PUT {path}: {status} {answer}")
        self.rescales += 1
        self.say(f"at most {upper} subtasks")

    # ---- striking ------------------------------------------------------------------------------------

    def strike(self):
        """One loss at an instant of its own."""
        time.sleep(self.source.uniform(0, 0.4))
        workers, _ = running.wait_until(lambda: self.workers() or self.state() in ENDED)
        if workers is True or self.state() in ENDED:
            return
        done = self.count_completed()
        if self.at_strike is not None:
            self.between.append(done - self.at_strike)
            if done <= self.at_strike:
                raise Violation(f"no checkpoint between two losses: {self.between}")
        self.at_strike = done
        self.killed_attempt = self.attempt()
        self.strikes += 1
        name = self.source.choice(sorted(workers))
        if self.has_bad_disk and self.source.random() < 0.6:
            self.strike_disk(workers[name])
        elif name == "tm0" or self.source.random() < 0.6:
            self.say(f"SIGKILL of workers {workers[name]} of {name}")
            for pid in workers[name]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            self.say(f"SIGKILL of {name}")
            self.cluster.children[name].kill()
            self.cluster.children[name].wait()
            self.cluster.start_task_manager(int(name[2:]))

    def strike_disk(self, pids):
        """A bad disk for a while, in half of the cases under tasks that go back to a checkpoint."""
        faults = DISK_FAULTS["hashmap"] + (DISK_FAULTS["rocksdb"] if self.backend == "rocksdb" else ())
        fault = self.source.choice(faults).format(tmp=os.path.join(self.cluster.folder, "tmp", "flinc-taskmanager-"),
                                                  checkpoints=os.path.join(self.folder, "checkpoints"))
        kills = self.source.random() < 0.5
        self.say(f"{fault}{f', SIGKILL of workers {pids}' if kills else ''}")
        self.cluster.disk.fail(fault)
        for pid in pids if kills else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(self.source.uniform(*DISK_FAULT_S))
        self.cluster.disk.mend()
        self.disk_faults += 1

    # ---- ending --------------------------------------------------------------------------------------

    def stop_job(self):
        """Ends this run where it is; returns what the next one restores from, or None when it has finished."""
        try:
            return self.stop_or_cancel()
        except StoppedHalfway as e:
            self.say(f"failed behind its savepoint {e}")
            return str(e)

    def stop_or_cancel(self):
        while self.storage == "jobmanager" or self.source.random() < 0.5:
            body = {"targetDirectory": os.path.join(self.folder, "savepoints"), "drain": False,
                    "formatType": self.source.choice(("CANONICAL", "NATIVE"))}
            status, answer = self.cluster.request("POST", f"/jobs/{self.job}/stop", body)
            path = self.wait_for_savepoint(answer["request-id"]) if status == 202 else None
            if path:
                self.until("the end of the job", lambda: self.state() in ENDED, 60)
                self.say(f"stopped with savepoint {path}: {self.state()}")
                return path
            if self.state() in ENDED:
                break
        if self.state() not in ENDED:
            self.cluster.request("PATCH", f"/jobs/{self.job}?mode=cancel")
        self.until("the end of the job", lambda: self.state() in ENDED, 60)
        if self.state() == "FINISHED":
            return None
        statistics = self.cluster.get(f"/jobs/{self.job}/checkpoints")
        path = statistics["latest"]["completed"]["external_path"]
        self.say(f"cancelled; retained {path}")
        return path

    def wait_for_savepoint(self, trigger):
        def ended():
            answer = self.cluster.get(f"/jobs/{self.job}/savepoints/{trigger}")
            return answer if answer["status"]["id"] == "COMPLETED" else None

        answer = self.until("a savepoint", ended, 90)
        if "location" in (answer["operation"] or {}):
            return answer["operation"]["location"]
        stopped_halfway(str(answer["operation"]))
        self.say(f"no savepoint: {str(answer['operation'])[:300]}")
        return None

    def note_run(self):
        """What this run of the job was through, and that it leaves no file of a checkpoint behind."""
        self.checkpoints += self.count_completed()
        last = self.attempt()
        self.restarts += last
        self.cluster.settle()
        deaths = "kill" in self.cluster.failpoints
        self.live[self.job] = last + 1 if deaths or last <= self.killed_attempt else last

        def left():
            folders = {os.path.join(self.folder, "checkpoints", job): live for job, live in self.live.items()}
            folders[os.path.join(self.folder, "savepoints")] = max(self.live.values())
            return [n for folder, live in folders.items() for n in oracle.unnamed(folder, live)]

        try:  # what an ended job leaves is deleted in the background
            running.wait_until(lambda: not left(), seconds=30, pause=0.1)
        except TimeoutError:
            found = sorted(left())
            raise Violation(f"{len(found)} files are left that no snapshot names: {found[:3]}; {self.live}") from None

    def run(self):
        restore = None
        for number in range(2):
            self.start_job(self.parallelisms[number], restore)
            self.wait_for_checkpoint()
            self.wait_for_commit()
            for _ in range(self.kills):
                if self.state() in ENDED:
                    break
                if self.is_elastic():
                    self.rescale()
                    self.wait_for_checkpoint()
                self.strike()
                self.wait_for_checkpoint()
            if number == 0:
                restore = self.stop_job()
                if restore is None:
                    self.parallelisms = [self.parallelisms[0]] * 2
                    break
                self.note_run()
                self.job = None
        self.wait_for_end()
        if self.state() != "FINISHED":
            raise Violation(self.failure() or f"the job is {self.state()}")
        if self.is_elastic():
            vertices = self.cluster.get(f"/jobs/{self.job}")["vertices"]
            self.most = max(self.most, PARALLELISMS[-1])
            self.parallelisms = (self.parallelisms[0], max(v["parallelism"] for v in vertices))
        self.note_run()
        self.check()

    def wait_for_end(self):
        """Through channels of one 4 KB buffer, maybe.  A slow job could be killed for ever by what kills once in so many
        checkpoints: after a while workers that start are left in peace."""
        quiet = time.monotonic() + FAULTS_S

        def ended():
            if self.cluster.failpoints and time.monotonic() > quiet:
                self.cluster.set_failpoints("")
            return self.state() in ENDED

        try:
            self.until("the end of the job", ended, END_S)
        finally:
            self.cluster.set_failpoints(self.cluster.failpoints)

    def check(self):
        oracle.Output(self.output, self.records, KEYS, self.parallelisms[0], self.loose, self.light).check()
        self.check_hidden()
        if self.strikes == 0:
            raise TooFast("the round was over before anything was lost")
        self.cluster.check_survivors()

    def check_hidden(self):
        """A run of the job leaves what its last attempts had open when it ended: each subtask one file and the finished
        ones of checkpoints that were not complete.  Those of earlier attempts must not pile up."""
        hidden = sorted(n for n in os.listdir(self.output) if n[0] in "._")
        parts = collections.Counter("-".join(n.split("-")[:-1]) for n in hidden)  # .PREFIX-RUN-SUBTASK
        self.hidden = len(hidden)
        most = self.runs * self.most * HIDDEN_PER_SUBTASK
        if len(hidden) > most:
            raise Violation(f"{len(hidden)} unfinished files in the output, more than {most}: {dict(parts)}")

    def summary(self):
        between = f"{min(self.between)} to {max(self.between)}" if self.between else "none"
        return (f"{self.runs} runs of parallelism {tuple(self.parallelisms)}, {self.records} records, "
                f"{self.strikes} losses ({self.disk_faults} of the disk), {self.rescales} times other bounds, {self.restarts} restarts, {self.checkpoints} checkpoints ({between} between "
                f"losses), {self.hidden} unfinished files, {self.storage}, {self.backend}{', at least once' if self.loose else ''}")


def build_checker(home, folder):
    config = os.path.join(home, "bin", "flinc-config")
    source = os.path.join(TOP, "tests", "faults", "checker.c")
    bundle = os.path.join(folder, "checker.so")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(f'cc -O2 -g -shared $("{config}" --cflags) "{source}" -o "{bundle}" $("{config}" --libs)', shell=True,
                   check=True)
    return bundle


def run_cluster(home, bundle, seed, rounds=1, records=RECORDS, kills=3, failpoints=None, tell=None):
    """One cluster, `rounds` workloads one after the other; raises Violation with the story."""
    draw = random.Random(seed)
    if failpoints is None:
        failpoints = ";".join(draw.sample(FAILPOINTS, draw.randrange(4)))
    planted = "planted" in failpoints
    fixed = {} if not planted else {  # what lets every planted bug show
        "execution.checkpointing.incremental": "true", "execution.checkpointing.num-retained": "3",
        "execution.checkpointing.interval": "100 ms", "execution.checkpointing.max-concurrent-checkpoints": "1",
        "execution.checkpointing.min-pause": "0 ms", "execution.checkpointing.data-inline-threshold": "20 kb",
        "execution.checkpointing.unaligned.enabled": "true" if PLANTED_UNALIGNED.search(failpoints) else "false",
        "execution.checkpointing.aligned-checkpoint-timeout": "0 ms",
        "execution.checkpointing.file-merging.enabled": "true" if "planted.merging" in failpoints else "false",
        "execution.checkpointing.file-merging.across-checkpoint-boundary": "true",
        "execution.checkpointing.file-merging.max-file-size": "32 mb"}
    if planted and PLANTED_ROCKSDB.search(failpoints):
        fixed.update({"state.backend.type": "rocksdb", "execution.checkpointing.data-inline-threshold": "0 kb"})
    config = cluster_config(draw)
    cluster = ChaosCluster(home, failpoints, config)
    current, number = None, 0
    try:
        cluster.start()
        jar = cluster.upload(bundle)
        for number in range(rounds):
            begin = time.monotonic()
            for again in range(TRIES):
                current = Round(cluster, jar, number, random.Random(seed + number), records, kills, fixed, RATE >> again)
                try:
                    current.run()
                except TooFast as e:
                    if again == TRIES - 1:
                        raise Violation(e) from e
                else:
                    break
                shutil.rmtree(current.folder)
            shutil.rmtree(current.folder)
            if tell:
                tell(seed + number, f"{current.summary()}, {time.monotonic() - begin:.1f} s")
        left = cluster.stop()
        if left:
            raise Violation(f"left over: {left}")
    except BaseException as e:
        story = "\n".join(current.log) if current else ""
        cluster.stop()
        text = f"round {number} from seed {seed}: {e}\nfailpoints: {failpoints}\n{config}\n{story}\nlogs are in {cluster.folder}"
        if not isinstance(e, Violation):
            print(text, file=sys.stderr)
            raise
        found = Violation(text)
        found.folder = cluster.folder
        raise found from e
    shutil.rmtree(cluster.folder)
    return cluster


def find_planted(home, bundle, name, seed, rounds=6):
    """What the checker says of a bug that is switched on; None: it was not found, or something else was."""
    _, wanted = ALL_PLANTED[name]
    for number in range(rounds):
        try:
            deaths = "" if name in PLANTED_WITHOUT_DEATHS else ";" + PLANTED_BESIDE.get(name, EARLY_DEATHS)
            run_cluster(home, bundle, seed + number, failpoints=f"planted.{name}=error{deaths}")
        except Violation as e:
            shutil.rmtree(e.folder)
            found = str(e).splitlines()[0]
            if re.search(wanted, found):
                return found
            print(f"{name}: {found}", file=sys.stderr)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--records", type=int, default=RECORDS)
    planted = ALL_PLANTED
    parser.add_argument("--planted", choices=[*sorted(planted), "all"],
                        help="a bug that is switched on: the rounds must find it")
    args = parser.parse_args()
    bundle = build_checker(args.home, os.path.join(TOP, "build", "chaos"))
    if args.planted:
        missed = 0
        for name in sorted(planted) if args.planted == "all" else [args.planted]:
            found = find_planted(args.home, bundle, name, args.seed, args.rounds)
            missed += found is None
            print(f"{name}: {planted[name][0]}: {found or 'NOT FOUND'}", flush=True)
        return 1 if missed else 0
    print(f"seed {args.seed}: {args.rounds} rounds", flush=True)
    passed, failed = [], 0

    def tell(seed, text):
        passed.append(seed)
        print(f"seed {seed}: {text}", flush=True)

    for first in range(0, args.rounds, ROUNDS_PER_CLUSTER):
        try:
            run_cluster(args.home, bundle, args.seed + first, min(ROUNDS_PER_CLUSTER, args.rounds - first),
                        args.records, tell=tell)
        except Violation as e:
            failed += 1
            print(e, flush=True)
    print(f"{len(passed)} rounds passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
