#!/usr/bin/env python3
"""The checker: jobs that check themselves, on clusters from which parts are taken away at random; see README.md.

usage: tests/faults/chaos.py [--home DIR] [--rounds N] [--seed N] [--planted NAME] [--records N]
"""

import argparse
import os
import random

import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import loss  # noqa: E402
import running  # noqa: E402

# checker.c: the key of a record is its number modulo KEYS.  Sources deal numbers out by 16 pieces a subtask; KEYS is a
# multiple of that at all of these parallelisms, so that a key is in one piece for ever.
KEYS, SESSION = 3840, 40
PARALLELISMS = (1, 2, 3, 4, 6)
# What kills a worker between the work for a checkpoint and its end: with it rare bugs show soon.
EARLY_DEATHS = "task.checkpoint.ack=kill,one_in=80"
ENDED = ("FINISHED", "FAILED", "CANCELED")

# Places where a worker kills itself, or a step fails, now and then.
FAILPOINTS = (
    "task.checkpoint.before_align=kill,one_in=400",
    "task.checkpoint.snapshot=kill,one_in=400",
    "task.checkpoint.before_ack=kill,one_in=400",
    "task.checkpoint.snapshot=error,one_in=60",
    "sink.text.commit=kill,one_in=60",
    "sink.text.pending=kill,one_in=60",
)


class Violation(AssertionError):
    """The job, or its output, is wrong."""


class ChaosCluster(loss.LossCluster):
    def __init__(self, home, failpoints="", config=None):
        super().__init__(home)
        with open(os.path.join(self.environment["FLINK_CONF_DIR"], "config.yaml"), "a", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in (config or {}).items())
        if failpoints:
            self.environment["FLINC_FAILPOINTS"] = failpoints


# Bugs that are switched on: each must be found.  (`tests/system/test_chaos.py`)
PLANTED = {
    "skip_alignment": "a task takes a checkpoint at the first barrier",
    "checkpoint.complete_without_metadata": "a checkpoint counts as complete without its _metadata",
    "snapshot.deals_twice": "an item of list state goes to two subtasks when the parallelism changes",
    "state.increment_forgets": "changes since an unconfirmed checkpoint are left out of the next",
    "state.key_group_off_by_one": "a restored subtask leaves out its first key group",
    "timers.lost": "some timers are not set again after a restore",
    "checkpoint.restores_older": "a restart takes the checkpoint before the newest",
    "double_commit": "a file is committed under two names",
    "sink_commits_early": "files are committed before their checkpoint is complete",
    "source.range_skips": "a restored source skips a number",
}


def job_config(source, folder):
    """Drawn anew for each run of the job: what a user may change between two of them."""
    return {
        "execution.checkpointing.interval": source.choice(("100 ms", "200 ms", "300 ms")),
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": os.path.join(folder, "checkpoints"),
        "execution.checkpointing.incremental": source.choice(("true", "false")),
        "execution.checkpointing.num-retained": source.choice(("1", "3")),
        "execution.checkpointing.data-inline-threshold": source.choice(("0 kb", "20 kb")),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.tolerable-failed-checkpoints": "1000",
        "execution.buffer-timeout.interval": source.choice(("0 ms", "5 ms")),
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "1000",
        "restart-strategy.fixed-delay.delay": "50 ms",
        "pipeline.max-parallelism": "128",
    }


class Round:
    """One workload from its first record to its last, over several runs of the job."""

    def __init__(self, cluster, jar, source, records, kills, fixed):
        self.cluster, self.jar, self.source, self.records, self.fixed = cluster, jar, source, records, fixed
        self.kills = kills  # per run of the job
        # With a planted bug the second run always has another parallelism.
        self.parallelisms = source.choice(((2, 4), (4, 2), (3, 4))) if fixed else source.choices(PARALLELISMS, k=2)
        self.output = os.path.join(cluster.folder, "output")
        self.log = []
        self.runs = 0

    def say(self, text):
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    def start_job(self, parallelism, restore=None):
        config = {**job_config(self.source, self.cluster.folder), **self.fixed}
        if restore:
            config["execution.state-recovery.path"] = restore
            config["execution.state-recovery.claim-mode"] = self.source.choice(("NO_CLAIM", "CLAIM"))
        # Every run is given the same arguments: what is done already is in the state.
        args = ["--records", self.records, "--keys", KEYS, "--rate", 250_000, "--output", self.output]
        self.job = self.cluster.run_jar(self.jar, args, parallelism, config)
        self.runs += 1
        self.say(f"run {self.runs}: job {self.job}, parallelism {parallelism}, from {restore}, {config}")

    def state(self):
        return self.cluster.state(self.job)

    def completed(self):
        """The number of the newest completed checkpoint; 0: none."""
        statistics = self.cluster.try_get(f"/jobs/{self.job}/checkpoints") or {}
        return ((statistics.get("latest") or {}).get("completed") or {}).get("id", 0)

    def wait_for_checkpoint(self):
        """Until another checkpoint has completed, so that there is progress between two losses."""
        before = self.completed()

        def advanced():
            self.fail_early()
            return self.completed() > before or self.state() in ENDED

        running.wait_until(advanced, seconds=60, pause=0.01)

    def fail_early(self):
        """The job says by its failures what it found; it would be restarted for ever."""
        text = self.failure()
        if "VIOLATION" in text or self.state() == "FAILED":
            raise Violation(text[:2000])

    def failure(self):
        history = self.cluster.get(f"/jobs/{self.job}/exceptions?maxExceptions=100")["exceptionHistory"]["entries"]
        texts = [e["stacktrace"] for entry in history for e in [entry, *entry.get("concurrentExceptions", [])]]
        found = [t for t in texts if "VIOLATION" in t]
        return (found or texts or [""])[0]

    def strike(self):
        """One loss at an instant of its own."""
        time.sleep(self.source.uniform(0, 0.4))
        names = [n for n in self.cluster.proxies if self.cluster.children[n].poll() is None]
        name = self.source.choice(names)
        if self.source.random() < 0.7:
            pids = self.cluster.worker_pids(name)
            self.say(f"SIGKILL of workers {pids} of {name}")
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            self.say(f"SIGKILL of {name}")
            self.cluster.children[name].kill()
            self.cluster.children[name].wait()
            self.cluster.start_task_manager(int(name[2:]))

    def stop_job(self):
        """Ends this run where it is; returns what the next one restores from, or None when it has finished."""
        if self.source.random() < 0.5:
            body = {"targetDirectory": os.path.join(self.cluster.folder, "savepoints"), "drain": False,
                    "formatType": self.source.choice(("CANONICAL", "NATIVE"))}
            status, answer = self.cluster.request("POST", f"/jobs/{self.job}/stop", body)
            if status == 202:
                path = self.wait_for_savepoint(answer["request-id"])
                if path:
                    running.wait_until(lambda: self.state() in ENDED, seconds=60)
                    self.say(f"stopped with savepoint {path}: {self.state()}")
                    return path
        if self.state() not in ENDED:
            self.cluster.request("PATCH", f"/jobs/{self.job}?mode=cancel")
        running.wait_until(lambda: self.state() in ENDED, seconds=60)
        if self.state() == "FINISHED":
            return None
        self.fail_early()
        statistics = self.cluster.get(f"/jobs/{self.job}/checkpoints")
        path = statistics["latest"]["completed"]["external_path"]
        self.say(f"cancelled; retained {path}")
        return path

    def wait_for_savepoint(self, trigger):
        def ended():
            answer = self.cluster.get(f"/jobs/{self.job}/savepoints/{trigger}")
            return answer if answer["status"]["id"] == "COMPLETED" else None

        answer, _ = running.wait_until(ended, seconds=90, pause=0.01)
        if "location" in (answer["operation"] or {}):
            return answer["operation"]["location"]
        self.say(f"no savepoint: {str(answer['operation'])[:300]}")
        return None

    def run(self):
        restore = None
        for number in range(2):
            self.start_job(self.parallelisms[number], restore)
            for _ in range(self.kills):
                self.wait_for_checkpoint()
                if self.state() in ENDED:
                    break
                self.strike()
            self.wait_for_checkpoint()
            if number == 0:
                restore = self.stop_job()
                if restore is None:
                    break

        def ended():
            self.fail_early()
            return self.state() in ENDED

        running.wait_until(ended, seconds=120, pause=0.02)
        if self.state() != "FINISHED":
            raise Violation(self.failure() or f"the job is {self.state()}")
        self.check_output()
        self.check_leaks()

    # ---- the oracle ----------------------------------------------------------------------------------

    def lines(self):
        for name in sorted(os.listdir(self.output)):
            if name[0] not in "._":
                with open(os.path.join(self.output, name), encoding="ascii") as f:
                    yield from f

    def check_output(self):
        """Each record, timer and window once, in the order of its key within a file; sums of list state as well."""
        per_key = self.records // KEYS
        seen = [bytearray(per_key) for _ in range(KEYS)]
        timers = [bytearray(per_key // SESSION) for _ in range(KEYS)]
        windows = [bytearray(per_key // SESSION) for _ in range(KEYS)]
        sums = {}
        for line in self.lines():
            kind, *fields = line.split()
            if kind in sums:
                sums[kind] += int(fields[0])
                continue
            key, number = int(fields[0]), int(fields[1])
            table = {"R": seen, "T": timers, "W": windows}[kind]
            if table[key][number]:
                raise Violation(f"{line.strip()}: twice in the output")
            table[key][number] = 1
            if kind == "W" and int(fields[2]) != SESSION:
                raise Violation(f"{line.strip()}: a session has {SESSION} records")
        for what, table in (("record", seen), ("timer", timers), ("session", windows)):
            for key, row in enumerate(table):
                if 0 in row:
                    raise Violation(f"{what} {row.index(0)} of key {key} is missing ({row.count(0)} of this key)")
        for kind, total in sums.items():
            if total != self.records:
                raise Violation(f"state {kind} counted {total} of {self.records} records")

    def check_leaks(self):
        c = self.cluster
        running.wait_until(lambda: c.overview("slots-available") == 2 * loss.TASK_MANAGERS)
        running.wait_until(lambda: not any(c.worker_pids(n) for n in c.proxies))
        hidden = [n for n in os.listdir(self.output) if n[0] in "._"]
        if len(hidden) > 40:  # those of attempts that died; they must not pile up
            raise Violation(f"{len(hidden)} unfinished files in the output")


def build_checker(home, folder):
    config = os.path.join(home, "bin", "flinc-config")
    source = os.path.join(TOP, "tests", "faults", "checker.c")
    bundle = os.path.join(folder, "checker.so")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(f'cc -O2 -g -shared $("{config}" --cflags) "{source}" -o "{bundle}" $("{config}" --libs)', shell=True,
                   check=True)
    return bundle


def run_round(home, bundle, seed, records=KEYS * 320, kills=3, failpoints=None):
    """One cluster, one workload; raises Violation with the story."""
    source = random.Random(seed)
    if failpoints is None:
        failpoints = ";".join(source.sample(FAILPOINTS, source.randrange(3)))
    fixed = {} if "planted" not in failpoints else {  # what lets every planted bug show
        "execution.checkpointing.incremental": "true", "execution.checkpointing.num-retained": "3",
        "execution.checkpointing.interval": "100 ms"}
    cluster = ChaosCluster(home, failpoints)
    current = None
    try:
        cluster.start()
        current = Round(cluster, cluster.upload(bundle), source, records, kills, fixed)
        current.run()
    except BaseException as e:
        story = "\n".join(current.log) if current else ""
        cluster.stop()
        if isinstance(e, Violation):
            if fixed:
                shutil.rmtree(cluster.folder)
            raise Violation(f"seed {seed}: {e}\nfailpoints: {failpoints}\n{story}\nlogs are in {cluster.folder}") from e
        print(f"seed {seed}, failpoints {failpoints}\n{story}\nlogs are in {cluster.folder}", file=sys.stderr)
        raise
    left = cluster.stop()
    if left:
        raise Violation(f"seed {seed}: left over: {left}; logs are in {cluster.folder}")
    shutil.rmtree(cluster.folder)
    return current


def find_planted(home, bundle, name, seed, rounds=6):
    """What the checker says of a bug that is switched on; None: it was not found."""
    for number in range(rounds):
        try:
            run_round(home, bundle, seed + number, failpoints=f"planted.{name}=error;{EARLY_DEATHS}")
        except Violation as e:
            return str(e)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--records", type=int, default=KEYS * 320)
    parser.add_argument("--planted", choices=sorted(PLANTED), help="a bug that is switched on: the rounds must find it")
    args = parser.parse_args()
    bundle = build_checker(args.home, os.path.join(TOP, "build", "chaos"))
    if args.planted:
        found = find_planted(args.home, bundle, args.planted, args.seed, args.rounds)
        print(found or f"{PLANTED[args.planted]}: not found")
        return 0 if found else 1
    failed = 0
    for number in range(args.rounds):
        begin = time.monotonic()
        try:
            r = run_round(args.home, bundle, args.seed + number, args.records)
            strikes = sum("SIGKILL" in line for line in r.log)
            print(f"round {number}, seed {args.seed + number}: {r.runs} runs, {strikes} losses, "
                  f"{time.monotonic() - begin:.1f} s", flush=True)
        except Violation as e:
            failed += 1
            print(f"round {number}: {e}", flush=True)
    print(f"{args.rounds - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
