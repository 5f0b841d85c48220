#!/usr/bin/env python3
"""How long a cluster is without a leader, and its job without tasks, when the leader is killed: two job managers, one task
manager, a job with checkpoints; kill -9 of whoever leads, again and again.

    bench/cluster/failover.py HOME [--type file|zookeeper] [--kills 30] [--session "4 s"]

HOME is a distribution.  zookeeper starts a server of its own (tests/services/zookeeper.py)."""

import argparse
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests", "system"), os.path.join(TOP, "tests", "services")]
from ha import HaCluster, ZooKeeperCluster, all_running  # noqa: E402
from running import free_port  # noqa: E402

JOB = {
    "execution.checkpointing.interval": "200 ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "50 ms",
}


def bundle(home, folder):
    path = os.path.join(folder, "stateful.so")
    config = os.path.join(home, "bin", "flinc-config")
    source = os.path.join(TOP, "tests", "system", "jobs", "stateful.c")
    subprocess.run(["sh", "-ec", f'cc -O1 -shared $("{config}" --cflags) "{source}" -o "{path}" $("{config}" --libs)'], check=True)
    return path


def completed(c, job):
    return c.get(f"/jobs/{job}/checkpoints")["counts"]["completed"]


def measure(c, job, kills):
    """Seconds from each kill until another one leads, and until all tasks run."""
    leads, runs, old = [], [], 0
    for _ in range(kills):
        before = completed(c, job)
        c.wait(lambda n=before: completed(c, job) > n)
        begin = time.monotonic()
        c.job_managers[old].kill()
        new = 1 - old
        c.port = c.ports[new]
        c.wait(lambda n=new: c.leader() == n)
        leads.append(time.monotonic() - begin)
        c.wait(lambda: all_running(c, job))
        runs.append(time.monotonic() - begin)
        c.start_candidate(old)
        old = new
    return leads, runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home")
    parser.add_argument("--type", choices=["file", "zookeeper"], default="file")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--session", default="4 s")
    args = parser.parse_args()
    home = os.path.abspath(args.home)
    with tempfile.TemporaryDirectory() as folder:
        server = None
        if args.type == "zookeeper":
            import zookeeper  # pylint: disable=import-outside-toplevel
            server = zookeeper.Server(os.path.join(folder, "zookeeper"), free_port()).start()
            c = ZooKeeperCluster(home, os.path.join(folder, "cluster"), server, session=args.session)
        else:
            c = HaCluster(home, os.path.join(folder, "cluster"), config={"high-availability.file.session-timeout": args.session})
        try:
            c.start(1)
            config = {**JOB, "execution.checkpointing.dir": os.path.join(folder, "checkpoints")}
            job = c.run_jar(c.upload(bundle(home, folder)), ["--rate", 20000], 2, config)
            leads, runs = measure(c, job, args.kills)
        finally:
            c.kill_all()
            if server:
                server.stop()
    for name, values in (("another one leads", leads), ("all tasks run", runs)):
        values.sort()
        print(f"{args.type}, session {args.session}: {name} after {values[len(values) // 2]:.2f} s (median), "
              f"{values[-1]:.2f} s (slowest of {len(values)})")


if __name__ == "__main__":
    main()
