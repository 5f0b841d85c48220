#!/usr/bin/env python3
"""Losses of a cluster's parts at random instants; see README.md.

usage: tests/faults/loss.py [--home DIR] [--kind KIND] [--rounds N] [--seed N] [--bundle COUNTED.so]
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
import running  # noqa: E402
from proxy import Proxy  # noqa: E402

KINDS = ("worker", "taskmanager", "freeze-worker", "freeze-taskmanager", "freeze-jobmanager", "jobmanager", "cut", "stall")
KEYS, RECORDS, RATE = 1000, 400_000, 400_000  # a second of work, when nothing is lost
TASK_MANAGERS = 3


class LossCluster(running.Cluster):
    """Task managers are started one by one, each with a proxy before its data port."""

    def __init__(self, home, slots=2, config=None):
        super().__init__(home, slots=slots, config={
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 1000,
            "restart-strategy.fixed-delay.delay": "100 ms",
            "heartbeat.interval": "300 ms",
            "heartbeat.timeout": "4 s",  # a machine with more to do than it can must not look dead
            "cluster.evenly-spread-out-slots": "true",
            "slot.request.timeout": "60 s",
            **(config or {}),
        })
        self.children, self.proxies, self.binds = {}, {}, {}
        self.frozen = set()

    def spawn(self, name, program, *args, environment=None):
        """A process in the foreground, with its own log."""
        log = os.path.join(self.folder, name + ".log")
        with open(os.path.join(self.folder, name + ".out"), "ab") as out:
            self.children[name] = subprocess.Popen(
                [os.path.join(self.home, "libexec", program), "--configDir", self.environment["FLINK_CONF_DIR"], *args],
                env={**self.environment, "FLINC_LOG_FILE": log, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        return self.children[name]

    def start_job_manager(self):
        self.spawn("jobmanager", "flinc-jobmanager")

    def start_task_manager(self, number):
        name = f"tm{number}"
        if name not in self.proxies:
            self.binds[name] = running.free_port()
            self.proxies[name] = Proxy(self.binds[name])
        self.spawn(name, "flinc-taskmanager", "-D", f"taskmanager.resource-id={name}",
                   "-D", f"taskmanager.data.port={self.proxies[name].port}",
                   "-D", f"taskmanager.data.bind-port={self.binds[name]}")

    def start(self):
        self.start_job_manager()
        for i in range(TASK_MANAGERS):
            self.start_task_manager(i)
        self.wait_for_task_managers()

    def wait_for_task_managers(self):
        running.wait_until(lambda: self.overview("taskmanagers") == TASK_MANAGERS)

    def overview(self, field):
        return (self.try_get("/overview") or {}).get(field)

    def worker_pids(self, name):
        """Pids of the workers of a task manager."""
        found = []
        for pid in running.family(self.children[name].pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if b"taskworker" in f.read():
                        found.append(pid)
            except OSError:
                pass
        return found

    def freeze(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.frozen.add(pid)

    def thaw(self, pid):
        self.frozen.discard(pid)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def stop(self):
        """Ends everything; what must not be left over afterwards is what it returns."""
        for pid in list(self.frozen):
            self.thaw(pid)
        members = set()
        for child in self.children.values():
            members |= running.family(child.pid) if child.poll() is None else set()
        for name in sorted(self.children, reverse=True):
            self.children[name].terminate()
        codes = {}
        for name, child in self.children.items():
            try:
                codes[name] = child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                codes[name] = "did not end"
        for proxy in self.proxies.values():
            proxy.close()
        left = [f"process {pid}" for pid in members if self.lives(pid)]
        left += [f"{name} ended with {code}" for name, code in codes.items() if code not in (0, -signal.SIGKILL)]
        left += [f"file {name}" for name in os.listdir(os.path.join(self.folder, "tmp"))]
        return left

    @staticmethod
    def lives(pid):
        try:
            running.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), seconds=10)
            return False
        except TimeoutError:
            return True


class Round:
    def __init__(self, cluster, bundle, random_source, number):
        self.cluster, self.bundle, self.random, self.number = cluster, bundle, random_source, number
        self.output = os.path.join(cluster.folder, f"counts{number}")
        self.log = []

    def say(self, text):
        self.log.append(text)

    def places(self, job):
        """{task manager: subtasks} of the job now."""
        found = {}
        for vertex in self.cluster.get(f"/jobs/{job}")["vertices"]:
            for subtask in self.cluster.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"]:
                found.setdefault(subtask.get("taskmanager-id"), []).append(subtask)
        return found

    def attempts(self, job):
        return {(v["id"], s["subtask"], s["attempt"]) for v in self.cluster.get(f"/jobs/{job}")["vertices"]
                for s in self.cluster.get(f"/jobs/{job}/vertices/{v['id']}")["subtasks"]}

    def start_jobs(self):
        c = self.cluster
        jar = c.upload(self.bundle)
        # The job that must not notice: all of it in one slot, endless.
        self.other = c.run_jar(jar, ["--records", 10**15, "--rate", 100, "--output", self.output + "-other"])
        running.wait_until(lambda: c.all_running(self.other))
        self.other_place = next(iter(self.places(self.other)))
        self.other_attempts = self.attempts(self.other)
        self.job = c.run_jar(jar, ["--records", RECORDS, "--rate", RATE, "--keys", KEYS, "--output", self.output],
                             parallelism=4)
        self.jar = jar
        running.wait_until(lambda: c.state(self.job) != "INITIALIZING")

    def victim(self, job_worker=False):
        """A task manager that the job runs on, and the other job does not."""
        names, _ = running.wait_until(
            lambda: [n for n in self.places(self.job) if n in self.cluster.proxies and n != self.other_place
                     and (not job_worker or self.cluster.worker_pids(n))])
        return self.random.choice(names)

    def strike(self, kind):
        c = self.cluster
        running.wait_until(lambda: c.all_running(self.job) or c.state(self.job) == "FINISHED")
        time.sleep(self.random.uniform(0, 1.0))  # the instant that is drawn
        restarts = True
        if kind == "worker":
            name = self.victim()
            for pid in c.worker_pids(name):
                self.say(f"SIGKILL of worker {pid} of {name}")
                os.kill(pid, signal.SIGKILL)
        elif kind == "taskmanager":
            name = self.victim()
            self.say(f"SIGKILL of {name}")
            c.children[name].kill()
            c.children[name].wait()
            c.start_task_manager(int(name[2:]))
        elif kind == "freeze-worker":
            name = self.victim()
            pids = c.worker_pids(name)
            self.say(f"SIGSTOP of workers {pids} of {name}")
            for pid in pids:
                c.freeze(pid)
            time.sleep(self.random.uniform(0.1, 2.5))
            for pid in pids:
                c.thaw(pid)
            restarts = False  # short freezes are not noticed
        elif kind == "freeze-taskmanager":
            name = self.victim()
            pid = c.children[name].pid
            self.say(f"SIGSTOP of {name} ({pid})")
            c.freeze(pid)
            running.wait_until(lambda: c.overview("taskmanagers") == TASK_MANAGERS - 1 or
                               c.state(self.job) == "FINISHED")
            c.thaw(pid)
        elif kind == "freeze-jobmanager":
            pid = c.children["jobmanager"].pid
            c.freeze(pid)
            time.sleep(self.random.uniform(0.1, 1.0))
            c.thaw(pid)
            restarts = False
        elif kind in ("cut", "stall"):
            self.say(f"{kind} between task managers")
            others = [p for name, p in c.proxies.items() if name != self.other_place]
            for proxy in others:
                proxy.cut() if kind == "cut" else proxy.stall()
            time.sleep(self.random.uniform(0.1, 1.0 if kind == "cut" else 4.0))
            for proxy in others:
                proxy.heal()
            restarts = False
        return restarts

    def strike_job_manager(self):
        """Its jobs are gone; task managers must come to the next one within two seconds, without workers."""
        c = self.cluster
        running.wait_until(lambda: c.all_running(self.job) or c.state(self.job) == "FINISHED")
        time.sleep(self.random.uniform(0, 1.0))
        workers = [pid for name in c.proxies for pid in c.worker_pids(name)]
        c.children["jobmanager"].kill()
        c.children["jobmanager"].wait()
        c.start_job_manager()
        running.wait_until(lambda: c.overview("taskmanagers") is not None)
        begin = time.monotonic()
        c.wait_for_task_managers()
        took = time.monotonic() - begin
        assert took < 5, f"task managers registered after {took:.1f} s"
        running.wait_until(lambda: c.overview("slots-available") == 2 * TASK_MANAGERS)
        for pid in workers:
            assert not c.lives(pid), f"worker {pid} outlived its job manager"
        assert c.get("/jobs")["jobs"] == []

    def check_result(self):
        def ended():
            state = self.cluster.state(self.job)
            return state if state in ("FINISHED", "FAILED", "CANCELED") else None

        state, _ = running.wait_until(ended, seconds=90, pause=0.02)
        assert state == "FINISHED", (state, self.cluster.get(f"/jobs/{self.job}/exceptions"))
        counts = {}
        for name in os.listdir(self.output):
            if not name.startswith("."):
                with open(os.path.join(self.output, name), encoding="ascii") as f:
                    for line in f:
                        key, count = line.strip("()\n").split(",")
                        assert key not in counts, f"key {key} is there twice"
                        counts[key] = int(count)
        assert len(counts) == KEYS and set(counts.values()) == {RECORDS // KEYS}, "the counts are wrong"

    def check_other(self, kind):
        assert self.cluster.state(self.other) == "RUNNING"
        assert self.attempts(self.other) == self.other_attempts, f"the other job noticed {kind}"
        self.cluster.cancel(self.other)
        running.wait_until(lambda: self.cluster.state(self.other) == "CANCELED")

    def run(self, kind):
        self.start_jobs()
        if kind == "jobmanager":
            self.strike_job_manager()
        else:
            self.strike(kind)
            self.check_result()
            self.check_other(kind)
            self.cluster.wait_for_task_managers()
        running.wait_until(lambda: self.cluster.overview("slots-available") == 2 * TASK_MANAGERS)
        running.wait_until(lambda: not any(self.cluster.worker_pids(n) for n in self.cluster.proxies))
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.rmtree(self.output + "-other", ignore_errors=True)


def run_rounds(home, bundle, kinds, seed):
    """One cluster, a round of each kind; raises with the logs' folder when something is wrong."""
    cluster = LossCluster(home)
    source = random.Random(seed)
    current, kind = None, "none yet"
    try:
        cluster.start()
        for number, kind in enumerate(kinds):
            current = Round(cluster, bundle, source, number)
            begin = time.monotonic()
            current.run(kind)
            print(f"round {number}: {kind}: {time.monotonic() - begin:.1f} s {'; '.join(current.log)}", flush=True)
    except BaseException:
        print(f"seed {seed}, kind {kind}: {current.log if current else ''}; logs are in {cluster.folder}", file=sys.stderr)
        cluster.stop()
        raise
    left = cluster.stop()
    assert not left, f"left over: {left}; logs are in {cluster.folder}"
    shutil.rmtree(cluster.folder)


def build_bundle(home, folder):
    config = os.path.join(home, "bin", "flinc-config")
    source = os.path.join(TOP, "tests", "system", "jobs", "counted.c")
    bundle = os.path.join(folder, "counted.so")
    subprocess.run(f'cc -O2 -shared $("{config}" --cflags) "{source}" -o "{bundle}" $("{config}" --libs)', shell=True,
                   check=True)
    return bundle


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--rounds", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    source = random.Random(args.seed)
    kinds = [args.kind or source.choice(KINDS) for _ in range(args.rounds)]
    print(f"seed {args.seed}: {args.rounds} rounds", flush=True)
    folder = os.path.join(TOP, "build", "loss")
    os.makedirs(folder, exist_ok=True)
    bundle = build_bundle(args.home, folder)
    # A fresh cluster every ten rounds: what leaks over many rounds is seen, what one round breaks stays near it.
    for first in range(0, len(kinds), 10):
        run_rounds(args.home, bundle, kinds[first : first + 10], args.seed + first)
    print(f"{args.rounds} passed, 0 failed")


if __name__ == "__main__":
    main()
