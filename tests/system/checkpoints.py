"""What tests of checkpoints and savepoints share: the job stateful.c, how it is started from a snapshot and ended, what
REST says of its checkpoints, and the oracle of its output."""

import collections
import contextlib
import os
import re

from cluster import Cluster

KEYS = 480  # of stateful.c and rescale.c: a multiple of the pieces of their sources at the parallelisms of the tests
LITERAL = "<checkpoint-not-externally-addressable>"
ENDED = ("FINISHED", "FAILED", "CANCELED")


def settings(folder, interval="50 ms", **more):
    """Configuration of a job: checkpoints on disk, and a failure is one.  `more`: keys of execution.checkpointing, with _
    for -."""
    return {
        "execution.checkpointing.interval": interval,
        "execution.checkpointing.dir": os.path.join(folder, "checkpoints"),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "none",
        **{"execution.checkpointing." + key.replace("_", "-"): value for key, value in more.items()},
    }


def restoring(path, claim="NO_CLAIM", lenient=False):
    return {"execution.state-recovery.path": str(path), "execution.state-recovery.claim-mode": claim,
            **({"execution.state-recovery.ignore-unclaimed-state": "true"} if lenient else {})}


@contextlib.contextmanager
def jobs_of(home, folder, slots=2, task_managers=1, config=None, failpoints=""):
    """The jobs of a cluster of their own, which is stopped in order, and killed when something went wrong."""
    c = Cluster(home, folder, slots=slots, config=config)
    if failpoints:
        c.environment["FLINC_FAILPOINTS"] = failpoints
    try:
        yield Jobs(c.start(task_managers))
        c.stop()
    finally:
        c.kill_all()


class Jobs:
    """Jobs of one cluster (cluster.Cluster), by REST."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.jars = {}

    def start(self, bundle, args, config, parallelism=1):
        if bundle not in self.jars:
            self.jars[bundle] = self.cluster.upload(bundle)
        return self.cluster.run_jar(self.jars[bundle], args, parallelism, config)

    def statistics(self, job):
        return self.cluster.get(f"/jobs/{job}/checkpoints")

    def failure(self, job):
        return str(self.cluster.get(f"/jobs/{job}/exceptions").get("root-exception"))

    def completed(self, job):
        return self.statistics(job)["counts"]["completed"]

    def wait_for_checkpoints(self, job, n=1):
        """Until n more have completed."""
        wanted = self.completed(job) + n

        def reached():
            assert self.cluster.state(job) not in ENDED, self.cluster.state(job) + ": " + self.failure(job)
            return self.completed(job) >= wanted

        self.cluster.wait(reached)

    def wait_for_end(self, job, state="FINISHED"):
        found = self.cluster.wait_for_state(job, *ENDED)
        assert found == state, f"{found}: {self.failure(job)}"

    def fails(self, job):
        """The message of a job that must fail."""
        self.wait_for_end(job, "FAILED")
        return self.failure(job)

    def operation(self, path, body, poll=None):
        """Starts an operation and waits for its end; returns what it says."""
        status, answer = self.cluster.request("POST", path, body)
        assert status in (200, 202), answer
        poll = f"{poll or path}/{answer['request-id']}"

        def ended():
            answer = self.cluster.get(poll)
            return answer if answer["status"]["id"] == "COMPLETED" else None

        return self.cluster.wait(ended)["operation"]

    def savepoint(self, job, folder, kind="CANONICAL"):
        return self.operation(f"/jobs/{job}/savepoints", {"target-directory": str(folder), "formatType": kind})["location"]

    def stop(self, job, folder, drain=False, kind="CANONICAL"):
        """Stops with a savepoint; returns its path."""
        body = {"targetDirectory": str(folder), "drain": drain, "formatType": kind}
        found = self.operation(f"/jobs/{job}/stop", body, poll=f"/jobs/{job}/savepoints")
        assert "location" in found, found
        self.wait_for_end(job)
        return local(found["location"])

    def cancel(self, job):
        """Cancels; returns the path of the newest completed checkpoint."""
        self.cluster.cancel(job)
        self.wait_for_end(job, "CANCELED")
        return local(self.statistics(job)["latest"]["completed"]["external_path"])

    def metric(self, job, name):
        found = self.cluster.get(f"/jobs/{job}/metrics?get={name}")
        return int(found[0]["value"]) if found else None


def local(path):
    return path.removeprefix("file:").replace("//", "/")


def lines_of(folder):
    """Lines of the part files that can be seen; those of a subtask in the order in which it wrote them."""
    for name in sorted(os.listdir(folder), key=lambda name: [int(n) for n in re.findall("[0-9]+", name)]):
        if name[0] not in "._":
            with open(os.path.join(folder, name), encoding="ascii") as f:
                yield from f


def counts_of(folder):
    """{kind: {key: numbers}} of lines "kind key number"."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in lines_of(folder):
        kind, key, number = line.split()
        found[kind][int(key)].append(int(number))
    return found


def check_records(folder, least=1):
    """Each record of each key was counted once; returns how many records there were."""
    found = counts_of(folder)["R"]
    for key, numbers in found.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"key {key}: {sorted(numbers)[:50]} ..."
    total = sum(map(len, found.values()))
    assert total >= least
    return total


def files_below(folder):
    """Names of all files, relative to the folder."""
    return {os.path.relpath(os.path.join(d, name), folder) for d, _, names in os.walk(folder) for name in names}
