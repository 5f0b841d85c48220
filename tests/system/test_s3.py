"""Checkpoints and savepoints on S3, against a server that checks signatures: kills, restores with other parallelisms,
both backends, and what a user sees of a wrong key, a bucket that is not there and a server that is gone."""

import os
import random
import sys

import pytest
from checkpoints import KEYS, Jobs, check_records, counts_of, restoring, settings
from cluster import Cluster
from test_rescale import has_started, merged, numbers_of

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position

RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = s3.server(tmp_path_factory.mktemp("s3")).start()
    found.make_bucket("state")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory, server):
    c = Cluster(flinc.home, tmp_path_factory.mktemp("on-s3") / "cluster", slots=8, config=server.config()).start(1)
    try:
        yield Jobs(c)
        c.stop()
    finally:
        c.kill_all()


def on_s3(tmp_path, name, **more):
    found = settings(tmp_path, **more)
    found["execution.checkpointing.dir"] = f"s3://state/{name}/checkpoints"
    return found


class Output:
    """A folder of the bucket: as jobs know it, and with what is in it now."""

    def __init__(self, server, name):
        self.server, self.name, self.uri = server, "state/" + name, "s3://state/" + name

    @property
    def path(self):
        return self.server.files(self.name)


def start(jobs, bundle, folder, parallelism, config, records=40 * KEYS, rate=0):
    return jobs.start(bundle("rescale"), ["--records", records, "--rate", rate, "--output", folder], config, parallelism)


@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_kills_and_restores(jobs, bundle, tmp_path, server, flinc, backend):
    """The state is on S3, and so is what the file sink writes: each record is there once, over kills, restores and other
    parallelisms."""
    c, name = jobs.cluster, backend
    # Sections of a file that is not closed yet would not be there: nothing is merged on S3.
    common = {**on_s3(tmp_path, name, incremental="true", data_inline_threshold="0 kb"), **RESTARTS,
              "state.backend.type": backend, "execution.checkpointing.file-merging.enabled": "true"}
    records, folders = 40 * KEYS, [Output(server, f"{name}/out/{n}") for n in "123"]
    first = start(jobs, bundle, folders[0].uri, 4, common, records, server.pace)
    c.wait(lambda: has_started(jobs, first, folders[0].path, 4))
    jobs.wait_for_checkpoints(first, 3)
    os.kill(random.choice(c.workers()), 9)
    jobs.wait_for_checkpoints(first, 2)
    path = jobs.cancel(first)
    path = f"s3://state/{name}/checkpoints/{first}/{os.path.basename(path)}"

    second = start(jobs, bundle, folders[1].uri, 2, {**common, **restoring(path, claim="CLAIM")}, records, server.pace)
    c.wait(lambda: has_started(jobs, second, folders[1].path, 2))
    jobs.wait_for_checkpoints(second, 2)
    found = jobs.operation(f"/jobs/{second}/stop", {"targetDirectory": f"s3://state/{name}/savepoints", "drain": False,
                                                    "formatType": "CANONICAL"}, poll=f"/jobs/{second}/savepoints")
    jobs.wait_for_end(second)
    said = flinc.run("state", "info", *(f"-D{key}={value}" for key, value in server.config().items()), found["location"])
    assert said.returncode == 0 and "savepoint" in said.stdout, said.stdout + said.stderr
    # What was claimed is gone with the job, and so is what it had of its own.
    c.wait(lambda: not [n for n in server.names(f"state/{name}/checkpoints") if n.startswith(second)])

    third = start(jobs, bundle, folders[2].uri, 5, {**common, **restoring(found["location"])}, records)
    jobs.wait_for_end(third)
    c.wait(lambda: not [n for n in server.names(f"state/{name}/checkpoints") if n.startswith(third)])
    paths = [f.path for f in folders]
    assert len(numbers_of(paths, "R")) == records
    assert merged(paths)["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
    assert counts_of(paths[2])["B"]
    # What belonged to attempts that were killed may stay, hidden; of those that ended well nothing is.
    assert not [n for n in os.listdir(paths[2]) if n.startswith(".")], os.listdir(paths[2])


def test_input(flinc, server):
    """Files of a bucket are what a job reads, one by one, all of a folder, or by a pattern."""
    for name in ("a.txt", "b.txt", "c.log"):
        server.put("state/input/" + name, b"one two two\n")
    options = [f"-D{key}={value}" for key, value in server.config().items()]
    for path, twos in (("input/a.txt", 2), ("input", 6), ("input/*.txt", 4)):
        said = flinc.run_local(*options, flinc.example("wordcount"), "--input", "s3://state/" + path).stdout
        assert f"(two,{twos})" in said or f"two,{twos}" in said or f"two {twos}" in said, said


def test_state_tool(flinc, server):
    """What `flink state` says of snapshots on S3 is what it says of the same files on disk."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshots")
    for name in ("chk-42", "chk-43"):
        for top, _, names in os.walk(os.path.join(here, name)):
            for one in names:
                path = os.path.join(top, one)
                with open(path, "rb") as f:
                    server.put("state/snapshots/" + os.path.relpath(path, here), f.read())
    options = [f"-D{key}={value}" for key, value in server.config().items()]
    for command, snapshots in (("info", ["chk-43"]), ("ls", ["chk-43"]), ("dump", ["chk-43"]), ("diff", ["chk-42", "chk-43"])):
        said = [flinc.run("state", command, *options, *(f"{place}/{name}" for name in snapshots))
                for place in (here, "s3://state/snapshots")]
        assert [one.returncode for one in said] == [0, 0], said[1].stderr
        assert said[0].stdout.replace("file:" + here, here).replace(here, "s3://state/snapshots") == said[1].stdout


def test_metrics(jobs, bundle, tmp_path, server):
    """What the workers do is among the metrics of their task managers."""
    job = start(jobs, bundle, tmp_path / "out", 2, on_s3(tmp_path, "metrics", data_inline_threshold="0 kb"), rate=400)
    jobs.wait_for_checkpoints(job, 2)

    def metric(name):
        return jobs.cluster.get(f"/taskmanagers/metrics?get=filesystem.s3.{name}")[0]["sum"]

    jobs.cluster.wait(lambda: metric("bytesWritten") > 0 and metric("writeRequests") > 0)
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")


def test_wrong_key(jobs, bundle, tmp_path, flinc, server):
    """A cluster with a key that the server does not take: the checkpoint fails, and says where and why."""
    config = {**server.config(), "s3.secret-key": "wrong"}
    c = Cluster(flinc.home, tmp_path / "cluster", slots=2, config=config).start(1)
    try:
        wrong = Jobs(c)
        job = start(wrong, bundle, tmp_path / "out", 1, on_s3(tmp_path, "wrong"), rate=100)
        why = wrong.fails(job)
        assert "s3://state/wrong" in why and server.endpoint.split("//")[1] in why, why
        assert "403" in why and "key" in why, why
        c.stop()
    finally:
        c.kill_all()


def test_missing_bucket(jobs, bundle, tmp_path):
    config = {**on_s3(tmp_path, "x"), "execution.checkpointing.dir": "s3://no-such-bucket/checkpoints"}
    why = jobs.fails(start(jobs, bundle, tmp_path / "out", 1, config, rate=100))
    assert "no-such-bucket" in why and "create the bucket" in why, why


def test_server_that_is_gone(jobs, bundle, tmp_path, flinc, server):
    """Checkpoints fail while it is away, the job goes on; when it is back, so are they."""
    config = {**server.config(), "s3.retry.max-num-retries": "0"}
    c = Cluster(flinc.home, tmp_path / "cluster", slots=2, config=config).start(1)
    try:
        mine = Jobs(c)
        common = {**on_s3(tmp_path, "gone", tolerable_failed_checkpoints="1000"), **RESTARTS}
        job = start(mine, bundle, tmp_path / "out", 2, common, records=400 * KEYS, rate=4000)
        c.wait(lambda: has_started(mine, job, tmp_path / "out", 2))
        server.stop()
        failed = mine.statistics(job)["counts"]["failed"]
        c.wait(lambda: mine.statistics(job)["counts"]["failed"] >= failed + 3)
        assert c.state(job) == "RUNNING"
        server.start()
        mine.wait_for_checkpoints(job, 3)
        c.cancel(job)
        mine.wait_for_end(job, "CANCELED")
        c.stop()
    finally:
        c.kill_all()
        if not server.runs():
            server.start()
    assert check_records(tmp_path / "out", 0) >= 0
