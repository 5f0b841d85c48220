#!/usr/bin/env python3
"""What jobs leave in the processes that survive them: many short ones, then a long one; see README.md.

usage: tests/faults/leaks.py [--home DIR] [--jobs N] [--checkpoints N] [--planted NAME]
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chaos  # noqa: E402
import oracle  # noqa: E402
import running  # noqa: E402
from oracle import Violation  # noqa: E402

RECORDS = chaos.KEYS * oracle.SESSION  # of a short job
# Of a long one: few, so that its state, two sessions of each, is as large as it gets before one looks.
KEYS_LONG = chaos.KEYS // 16
# A planted leak: 64 KB, as of one batch, are not given back ...
PLANTED = {
    "jobmaster.leaks": "... by the job manager, after each job",
    "taskmanager.leaks": "... by the task manager, after each worker",
    "task.checkpoint.leaks": "... by the worker, with each checkpoint",
}
# KB for each job, or checkpoint; see README.md.
GROWTH_MAX_KB = 40
SETTLING_JOBS = 20


def config_of(folder):
    return {
        "execution.checkpointing.interval": "100 ms",
        "execution.checkpointing.dir": os.path.join(folder, "checkpoints"),
        "execution.checkpointing.incremental": "true",
    }


class Jobs:
    def __init__(self, home, bundle, planted=None):
        self.cluster = chaos.ChaosCluster(home, f"planted.{planted}=error" if planted else "",
                                          {"jobstore.max-capacity": 2, "jobstore.type": "Memory"})
        self.bundle = bundle

    def run_short(self, number):
        """Every third is cancelled while it runs."""
        c = self.cluster
        cancelled = number % 3 == 2
        args = ["--keys", chaos.KEYS, "--output", os.path.join(c.folder, f"output{number}"),
                "--records", RECORDS * (100 if cancelled else 1), "--rate", 100_000 if cancelled else 0]
        job = c.run_jar(self.jar, args, 2, config_of(c.folder))
        if cancelled:
            running.wait_until(lambda: c.all_running(job))
            c.cancel(job)
        running.wait_until(lambda: c.state(job) in chaos.ENDED)
        if c.state(job) != ("CANCELED" if cancelled else "FINISHED"):
            raise Violation(f"short job {number} is {c.state(job)}")
        c.settle()

    def run_shorts(self, jobs, settling):
        """{process: samples}, one for each job, behind those in which pools and caches fill."""
        c = self.cluster
        samples = {name: [] for name in c.children}
        files = None
        for number in range(settling + jobs):
            self.run_short(number)
            if number < settling:
                continue
            for name, found in samples.items():
                found.append(oracle.sample(c.children[name].pid))
            files = c.temporary() if files is None else files
            try:  # what an ended job leaves is deleted in the background
                running.wait_until(lambda: len(c.temporary()) <= len(files), seconds=30, pause=0.05)
            except TimeoutError:
                raise Violation(f"temporary files: {sorted(c.temporary() - files)[:5]}") from None
        for name, found in samples.items():
            for what in ("descriptors", "threads"):
                counts = [s[what] for s in found]
                if min(counts[len(counts) // 2:]) > min(counts[:len(counts) // 2]):
                    raise Violation(f"{name}: {what} grow: {counts}")
        return samples

    def run_long(self, checkpoints):
        """Samples of the workers of one job over the second half of its checkpoints, and checkpoints per sample."""
        c = self.cluster
        args = ["--keys", KEYS_LONG, "--output", os.path.join(c.folder, "output"), "--rate", 50_000,
                "--records", KEYS_LONG * 1_000_000]
        job = c.run_jar(self.jar, args, 3, config_of(c.folder))

        def completed():
            return ((c.try_get(f"/jobs/{job}/checkpoints") or {}).get("counts") or {}).get("completed", 0)

        running.wait_until(lambda: completed() >= checkpoints // 2, seconds=600, pause=0.05)
        first = seen = completed()
        workers = {pid: [] for name in c.proxies for pid in c.worker_pids(name)}
        while seen < checkpoints:
            before = seen
            running.wait_until(lambda: completed() > before, seconds=60, pause=0.05)
            seen = completed()
            for pid, found in workers.items():
                found.append(oracle.sample(pid))
        c.cancel(job)
        running.wait_until(lambda: c.state(job) in chaos.ENDED)
        c.settle()
        samples = {f"worker {pid}": found for pid, found in workers.items()}
        return samples, (seen - first) / len(next(iter(samples.values())))

    def run(self, jobs, checkpoints, settling=SETTLING_JOBS):
        """Growth of each process, in KB for each job or checkpoint."""
        c, growth = self.cluster, {}
        try:
            c.start()
            self.jar = c.upload(self.bundle)
            if jobs:
                growth.update({name: oracle.growth_kb(found) for name, found in self.run_shorts(jobs, settling).items()})
            if checkpoints:
                samples, each = self.run_long(checkpoints)
                growth.update({name: oracle.growth_kb(found) / each for name, found in samples.items()})
        finally:
            left = c.stop()
        if left:
            raise Violation(f"left over: {left}; logs are in {c.folder}")
        chaos.shutil.rmtree(c.folder)
        return growth


def look(home, bundle, jobs, checkpoints, planted=None):
    """The growth of all processes, in KB for each job or checkpoint; raises Violation when one is above the bound."""
    growth = Jobs(home, bundle, planted).run(jobs, checkpoints)
    wrong = {name: f"{kb:.0f} KB" for name, kb in growth.items() if kb > GROWTH_MAX_KB}
    if wrong:
        raise Violation(f"memory is not given back, for each job or checkpoint: {wrong}")
    return growth


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(chaos.TOP, "build", "dist", "flinc"))
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--checkpoints", type=int, default=100)
    parser.add_argument("--planted", choices=sorted(PLANTED))
    args = parser.parse_args()
    bundle = chaos.build_checker(args.home, os.path.join(chaos.TOP, "build", "chaos"))
    try:
        of_worker = args.planted == "task.checkpoint.leaks"
        growth = look(args.home, bundle, 0 if of_worker else args.jobs,
                      0 if args.planted and not of_worker else args.checkpoints, args.planted)
    except Violation as e:
        print(e)
        return 0 if args.planted else 1
    print("; ".join(f"{name}: {kb:.1f} KB" for name, kb in growth.items()))
    return 1 if args.planted else 0


if __name__ == "__main__":
    sys.exit(main())
