"""What holds on every file system that is reached over a network: state, inputs and output of jobs on it.  Steps of tests;
test_s3.py and test_hdfs.py have the servers, and what is particular to them."""

import contextlib
import os
import random

from checkpoints import KEYS, Jobs, check_records, counts_of, restoring, settings
from cluster import Cluster
from test_rescale import has_started, merged, numbers_of

RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


class Place:
    """A file system: `top`, its URI for jobs; what is in it, by the server itself, below `prefix`."""

    def __init__(self, server, top, prefix=""):
        self.server, self.top, self.prefix = server, top, prefix
        self.options = [f"-D{key}={value}" for key, value in server.config().items()]

    def uri(self, path):
        return self.top + path

    def files(self, path):
        return self.server.files(self.prefix + path)

    def names(self, path):
        return self.server.names(self.prefix + path)

    def put(self, path, data):
        self.server.put(self.prefix + path, data)

    def state(self, tmp_path, name, **more):
        """Options of a job whose checkpoints lie there."""
        return {**settings(tmp_path, **more), "execution.checkpointing.dir": self.uri(name + "/checkpoints")}

    def output(self, name):
        return Output(self, name)


class Output:
    """A folder of the file system: as jobs know it, and with what is in it now."""

    def __init__(self, place, name):
        self.place, self.name, self.uri = place, name, place.uri(name)

    @property
    def path(self):
        return self.place.files(self.name)


@contextlib.contextmanager
def cluster(flinc, folder, server, slots=8, **more):
    """The jobs of a cluster that knows the server."""
    c = Cluster(flinc.home, folder / "cluster", slots=slots, config={**server.config(), **more}).start(1)
    try:
        yield Jobs(c)
        c.stop()
    finally:
        c.kill_all()


def start(jobs, bundle, folder, parallelism, config, records=40 * KEYS, rate=0):
    return jobs.start(bundle("rescale"), ["--records", records, "--rate", rate, "--output", folder], config, parallelism)


def kills_and_restores(jobs, bundle, tmp_path, flinc, place, backend, parallelisms=(4, 2, 5), checkpoints=3):
    """The state is there, and so is what the file sink writes: each record is there once, over kills, restores and other
    parallelisms."""
    c, name, pace = jobs.cluster, backend, place.server.pace
    # Sections of a file that is not closed yet could not be read: nothing is merged there.
    common = {**place.state(tmp_path, name, incremental="true", data_inline_threshold="0 kb"), **RESTARTS,
              "state.backend.type": backend, "execution.checkpointing.file-merging.enabled": "true"}
    records, folders = 40 * KEYS, [place.output(f"{name}/out/{n}") for n in "123"]

    def is_gone(job):
        return not [n for n in place.names(f"{name}/checkpoints") if n.startswith(job)]

    first = start(jobs, bundle, folders[0].uri, parallelisms[0], common, records, pace)
    c.wait(lambda: has_started(jobs, first, folders[0].path, parallelisms[0]))
    jobs.wait_for_checkpoints(first, checkpoints)
    os.kill(random.choice(c.workers()), 9)
    jobs.wait_for_checkpoints(first, 2)
    path = jobs.cancel(first)
    path = place.uri(f"{name}/checkpoints/{first}/{os.path.basename(path)}")

    second = start(jobs, bundle, folders[1].uri, parallelisms[1], {**common, **restoring(path, claim="CLAIM")}, records, pace)
    c.wait(lambda: has_started(jobs, second, folders[1].path, parallelisms[1]))
    jobs.wait_for_checkpoints(second, 2)
    found = jobs.operation(f"/jobs/{second}/stop", {"targetDirectory": place.uri(name + "/savepoints"), "drain": False,
                                                    "formatType": "CANONICAL"}, poll=f"/jobs/{second}/savepoints")
    jobs.wait_for_end(second)
    said = flinc.run("state", "info", *place.options, found["location"])
    assert said.returncode == 0 and "savepoint" in said.stdout, said.stdout + said.stderr
    # What was claimed is gone with the job, and so is what it had of its own.
    c.wait(lambda: is_gone(second))

    third = start(jobs, bundle, folders[2].uri, parallelisms[2], {**common, **restoring(found["location"])}, records)
    jobs.wait_for_end(third)
    c.wait(lambda: is_gone(third))
    paths = [f.path for f in folders]
    assert len(numbers_of(paths, "R")) == records
    assert merged(paths)["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
    assert counts_of(paths[2])["B"]
    # What belonged to attempts that were killed may stay, hidden; of those that ended well nothing is.
    assert not [n for n in os.listdir(paths[2]) if n.startswith(".")], os.listdir(paths[2])


def inputs(flinc, place, tops=None):
    """Files are what a job reads, one by one, all of a folder, or by a pattern; each by one of the URIs of the top."""
    for name in ("a.txt", "b.txt", "c.log"):
        place.put("input/" + name, b"one two two\n")
    tops = tops or [place.uri("")]
    for i, (path, twos) in enumerate((("input/a.txt", 2), ("input", 6), ("input/*.txt", 4))):
        said = flinc.run_local(*place.options, flinc.example("wordcount"), "--input", tops[i % len(tops)] + path).stdout
        assert f"(two,{twos})" in said or f"two,{twos}" in said or f"two {twos}" in said, said


def state_tool(flinc, place):
    """What `flink state` says of snapshots there is what it says of the same files on disk."""
    here, there = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshots"), place.uri("snapshots")
    for name in ("chk-42", "chk-43"):
        for top, _, names in os.walk(os.path.join(here, name)):
            for one in names:
                path = os.path.join(top, one)
                with open(path, "rb") as f:
                    place.put("snapshots/" + os.path.relpath(path, here), f.read())
    for command, snapshots in (("info", ["chk-43"]), ("ls", ["chk-43"]), ("dump", ["chk-43"]), ("diff", ["chk-42", "chk-43"])):
        said = [flinc.run("state", command, *place.options, *(f"{top}/{name}" for name in snapshots)) for top in (here, there)]
        assert [one.returncode for one in said] == [0, 0], said[1].stderr
        assert said[0].stdout.replace("file:" + here, here).replace(here, there) == said[1].stdout


def metrics(jobs, bundle, tmp_path, place, group, parallelism=2):
    """What the workers do is among the metrics of their task managers."""
    job = start(jobs, bundle, tmp_path / "out", parallelism, place.state(tmp_path, "metrics", data_inline_threshold="0 kb"), rate=400)
    jobs.wait_for_checkpoints(job, 2)

    def metric(name):
        return jobs.cluster.get(f"/taskmanagers/metrics?get=filesystem.{group}.{name}")[0]["sum"]

    jobs.cluster.wait(lambda: metric("bytesWritten") > 0 and metric("writeRequests") > 0)
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")


def server_that_is_gone(flinc, bundle, tmp_path, place, retries, go, come, rate):
    """Checkpoints fail while it is away (`go()`), the job goes on; when it is back (`come()`), so are they.  `retries`: the
    option that says how often a request is tried again."""
    try:
        with cluster(flinc, tmp_path, place.server, 2, **{retries: "0"}) as mine:
            c = mine.cluster
            common = {**place.state(tmp_path, "gone", tolerable_failed_checkpoints="1000"), **RESTARTS}
            job = start(mine, bundle, tmp_path / "out", 2, common, records=400 * KEYS, rate=rate)
            c.wait(lambda: has_started(mine, job, tmp_path / "out", 2))
            go()
            failed = mine.statistics(job)["counts"]["failed"]
            c.wait(lambda: mine.statistics(job)["counts"]["failed"] >= failed + 3)
            assert c.state(job) == "RUNNING"
            come()
            mine.wait_for_checkpoints(job, 3)
            c.cancel(job)
            mine.wait_for_end(job, "CANCELED")
    finally:
        if not place.server.runs():
            come()
    assert check_records(tmp_path / "out", 0) >= 0
