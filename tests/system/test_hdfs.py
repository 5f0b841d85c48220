"""HDFS: checkpoints, savepoints, inputs, the file sink and high availability on real name nodes and a data node, with
kills, a name node that is gone, a pair of them of which the active one is lost, HttpFS, and what a user sees of mistakes."""

import os
import random
import sys

import pytest
from checkpoints import KEYS, Jobs, check_records, counts_of, restoring, settings
from cluster import Cluster, free_port
from ha import CountingJob, ZooKeeperCluster, kill_leaders
from test_rescale import has_started, merged, numbers_of

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import hdfs  # noqa: E402  pylint: disable=wrong-import-position
import self_signed  # noqa: E402  pylint: disable=wrong-import-position
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position

RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    found = hdfs.server(tmp_path_factory.mktemp("hdfs"), certificate=self_signed.certificate(folder, "server"))
    try:
        yield found.start()
    finally:
        found.stop()


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory, server):
    c = Cluster(flinc.home, tmp_path_factory.mktemp("on-hdfs") / "cluster", slots=8, config=server.config()).start(1)
    try:
        yield Jobs(c)
        c.stop()
    finally:
        c.kill_all()


class Output:
    """A folder of the file system: as jobs know it, and with what is in it now."""

    def __init__(self, server, name):
        self.server, self.name, self.uri = server, name, server.uri(name)

    @property
    def path(self):
        return self.server.files(self.name)


def on_hdfs(server, tmp_path, name, **more):
    found = settings(tmp_path, **more)
    found["execution.checkpointing.dir"] = server.uri(name + "/checkpoints")
    return found


def start(jobs, bundle, folder, parallelism, config, records=40 * KEYS, rate=0):
    return jobs.start(bundle("rescale"), ["--records", records, "--rate", rate, "--output", folder], config, parallelism)


def options(config):
    return [f"-D{key}={value}" for key, value in config.items()]


@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_kills_and_restores(jobs, bundle, tmp_path, server, flinc, backend):
    """The state is on HDFS, and so is what the file sink writes: each record is there once, over kills, restores and other
    parallelisms."""
    c, name = jobs.cluster, backend
    # Sections of a file that is not closed yet could not be read: nothing is merged on HDFS.
    common = {**on_hdfs(server, tmp_path, name, incremental="true", data_inline_threshold="0 kb"), **RESTARTS,
              "state.backend.type": backend, "execution.checkpointing.file-merging.enabled": "true"}
    records, folders = 40 * KEYS, [Output(server, f"{name}/out/{n}") for n in "123"]
    first = start(jobs, bundle, folders[0].uri, 2, common, records, server.pace)
    c.wait(lambda: has_started(jobs, first, folders[0].path, 2))
    jobs.wait_for_checkpoints(first, 2)
    os.kill(random.choice(c.workers()), 9)
    jobs.wait_for_checkpoints(first, 2)
    path = jobs.cancel(first)
    path = server.uri(f"{name}/checkpoints/{first}/{os.path.basename(path)}")

    second = start(jobs, bundle, folders[1].uri, 1, {**common, **restoring(path, claim="CLAIM")}, records, server.pace)
    c.wait(lambda: has_started(jobs, second, folders[1].path, 1))
    jobs.wait_for_checkpoints(second, 2)
    found = jobs.operation(f"/jobs/{second}/stop", {"targetDirectory": server.uri(name + "/savepoints"), "drain": False,
                                                    "formatType": "CANONICAL"}, poll=f"/jobs/{second}/savepoints")
    jobs.wait_for_end(second)
    said = flinc.run("state", "info", *options(server.config()), found["location"])
    assert said.returncode == 0 and "savepoint" in said.stdout, said.stdout + said.stderr
    # What was claimed is gone with the job, and so is what it had of its own.
    c.wait(lambda: not [n for n in server.names(f"{name}/checkpoints") if n.startswith(second)])

    third = start(jobs, bundle, folders[2].uri, 3, {**common, **restoring(found["location"])}, records)
    jobs.wait_for_end(third)
    c.wait(lambda: not [n for n in server.names(f"{name}/checkpoints") if n.startswith(third)])
    paths = [f.path for f in folders]
    assert len(numbers_of(paths, "R")) == records
    assert merged(paths)["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
    assert counts_of(paths[2])["B"]
    # What belonged to attempts that were killed may stay, hidden; of those that ended well nothing is.
    assert not [n for n in os.listdir(paths[2]) if n.startswith(".")], os.listdir(paths[2])


def test_input(flinc, server):
    """Files are what a job reads, one by one, all of a folder, or by a pattern; by either scheme."""
    for name in ("a.txt", "b.txt", "c.log"):
        server.put("input/" + name, b"one two two\n")
    tops = (server.uri(), f"webhdfs://{server.nodes[0].address}/", "hdfs:///")
    for path, twos, top in (("input/a.txt", 2, tops[0]), ("input", 6, tops[1]), ("input/*.txt", 4, tops[2])):
        said = flinc.run_local(*options(server.config()), flinc.example("wordcount"), "--input", top + path).stdout
        assert f"(two,{twos})" in said or f"two,{twos}" in said or f"two {twos}" in said, said


def test_bundle(flinc, server):
    """A bundle is run by its address."""
    with open(flinc.example("wordcount"), "rb") as f:
        server.put("bundles/words.so", f.read())
    server.put("bundles/in.txt", b"one two two\n")
    said = flinc.run_local(*options(server.config()), server.uri("bundles/words.so"), "--input", server.uri("bundles/in.txt")).stdout
    assert "two,2" in said or "two 2" in said, said


def test_http_fs(flinc, server):
    """A gateway in the place of the name node: what a job reads and writes."""
    server.put("gateway/in.txt", b"one two two\n")
    top = f"webhdfs://{server.start_http_fs().http_fs_address}/gateway"
    flinc.run_local(*options(server.config()), flinc.example("wordcount"), "--input", top + "/in.txt", "--output", top + "/out")
    found = server.files("gateway/out")
    text = "".join(open(os.path.join(found, name), encoding="utf-8").read() for name in os.listdir(found))
    assert "two" in text and not [name for name in os.listdir(found) if name.startswith(".")], text


def test_tls(flinc, server, tmp_path):
    """The name node and the data node over TLS: by the scheme, and by Hadoop's policy; a job reads and writes."""
    server.put("tls/in.txt", b"one two two\n")
    config = {**server.config(), "fs.hdfs.ssl.ca-file": server.certificate[0]}
    address = server.nodes[0].tls_address
    for name, top, more in (("a", f"swebhdfs://{address}/tls", {}),
                            ("b", server.uri("tls"), {"flink.hadoop.dfs.http.policy": "HTTPS_ONLY"})):
        flinc.run_local(*options({**config, **more}), flinc.example("wordcount"), "--input", top + "/in.txt", "--output",
                        f"{top}/out-{name}")
        found = server.files(f"tls/out-{name}")
        text = "".join(open(os.path.join(found, one), encoding="utf-8").read() for one in os.listdir(found))
        assert "two" in text, os.listdir(found)
    other, _ = self_signed.certificate(str(tmp_path), "other")
    for more, words in (({"fs.hdfs.ssl.ca-file": other}, [address, "certificate", "not trusted", "fs.hdfs.ssl.ca-file"]),
                        ({"fs.hdfs.ssl.ca-file": "/nowhere.crt"}, ["/nowhere.crt", "fs.hdfs.ssl.ca-file"])):
        said = flinc.fail_local(*options({**config, **more}), flinc.example("wordcount"), "--input", f"swebhdfs://{address}/tls/in.txt")
        assert all(word in said for word in words), said
    said = flinc.fail_local(*options(server.config()), flinc.example("wordcount"), "--input", f"swebhdfs://{address}/tls/in.txt")
    assert "not trusted" in said and address in said, said
    # It speaks TLS, and is asked without; and the other way round.
    quick = options({**config, "fs.hdfs.retry.max-num-retries": "0"})
    for uri, said_of in ((f"webhdfs://{address}/x", address), (f"swebhdfs://{server.nodes[0].address}/x", server.nodes[0].address)):
        said = flinc.fail_local(*quick, flinc.example("wordcount"), "--input", uri)
        assert said_of in said, said


def test_state_tool(flinc, server):
    """What `flink state` says of snapshots on HDFS is what it says of the same files on disk."""
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshots")
    for name in ("chk-42", "chk-43"):
        for top, _, names in os.walk(os.path.join(here, name)):
            for one in names:
                path = os.path.join(top, one)
                with open(path, "rb") as f:
                    server.put("snapshots/" + os.path.relpath(path, here), f.read())
    there = server.uri("snapshots")
    for command, snapshots in (("info", ["chk-43"]), ("ls", ["chk-43"]), ("dump", ["chk-43"]), ("diff", ["chk-42", "chk-43"])):
        said = [flinc.run("state", command, *options(server.config()), *(f"{place}/{name}" for name in snapshots))
                for place in (here, there)]
        assert [one.returncode for one in said] == [0, 0], said[1].stderr
        assert said[0].stdout.replace("file:" + here, here).replace(here, there) == said[1].stdout


def test_metrics(jobs, bundle, tmp_path, server):
    """What the workers do is among the metrics of their task managers."""
    job = start(jobs, bundle, tmp_path / "out", 1, on_hdfs(server, tmp_path, "metrics", data_inline_threshold="0 kb"), rate=400)
    jobs.wait_for_checkpoints(job, 2)

    def metric(name):
        return jobs.cluster.get(f"/taskmanagers/metrics?get=filesystem.hdfs.{name}")[0]["sum"]

    jobs.cluster.wait(lambda: metric("bytesWritten") > 0 and metric("writeRequests") > 0)
    jobs.cluster.cancel(job)
    jobs.wait_for_end(job, "CANCELED")


def test_mistakes(flinc, server):
    """Messages name the address, the key of the configuration and the cause."""
    server.put("closed/x", b"x")
    server.call("PUT", "/closed", "SETPERMISSION", user=hdfs.SUPERUSER, permission="700")
    server.call("PUT", "/closed", "SETOWNER", user=hdfs.SUPERUSER, owner="other")
    config, quick = server.config(), {"fs.hdfs.retry.max-num-retries": "0"}
    nowhere = f"127.0.0.1:{free_port()}"
    for more, uri, words in (
            ({}, server.uri("closed/x"), ["AccessControlException", "fs.hdfs.user", "flink"]),
            ({}, server.uri("none"), ["/none", "not"]),
            (quick, f"webhdfs://{nowhere}/x", [nowhere, "refused"]),
            (quick, f"webhdfs://127.0.0.1:{server.nodes[0].rpc}/x", [str(server.nodes[0].rpc), "HTTP address"]),
            (quick, "hdfs://no-such-host.invalid/x", ["no-such-host.invalid:9870", "resolve"]),
            ({"fs.hdfs.hadoopconf": "/no/such/folder"}, "hdfs:///x", ["fs.hdfs.hadoopconf", "/no/such/folder"])):
        said = flinc.fail_local(*options({**config, **more}), flinc.example("wordcount"), "--input", uri)
        assert all(word in said for word in words), said


def test_server_that_is_gone(jobs, bundle, tmp_path, flinc, server):
    """Checkpoints fail while the name node is away, the job goes on; when it is back, so are they."""
    config = {**server.config(), "fs.hdfs.retry.max-num-retries": "0"}
    c = Cluster(flinc.home, tmp_path / "cluster", slots=2, config=config).start(1)
    try:
        mine = Jobs(c)
        common = {**on_hdfs(server, tmp_path, "gone", tolerable_failed_checkpoints="1000"), **RESTARTS}
        job = start(mine, bundle, tmp_path / "out", 2, common, records=400 * KEYS, rate=server.pace)
        c.wait(lambda: has_started(mine, job, tmp_path / "out", 2))
        server.nodes[0].process.kill()
        failed = mine.statistics(job)["counts"]["failed"]
        c.wait(lambda: mine.statistics(job)["counts"]["failed"] >= failed + 3)
        assert c.state(job) == "RUNNING"
        server.start_node(server.nodes[0])
        hdfs.wait_until(server.is_ready, seconds=hdfs.PATIENCE, what="the name node that is back")
        mine.wait_for_checkpoints(job, 3)
        c.cancel(job)
        mine.wait_for_end(job, "CANCELED")
        c.stop()
    finally:
        c.kill_all()
        if not server.runs():
            server.start_node(server.nodes[0])
    assert check_records(tmp_path / "out", 0) >= 0


def test_high_availability(flinc, bundle, tmp_path, server):
    """What job managers keep for each other is on HDFS (who leads, in ZooKeeper): the next leader finds the job and its
    checkpoints there, and nothing is left of a job that has ended."""
    keeper = zookeeper.Server(tmp_path / "zookeeper", free_port()).start()
    config = {**server.config(), "high-availability.storageDir": server.uri("ha")}
    c = ZooKeeperCluster(flinc.home, tmp_path / "cluster", keeper, config=config)
    try:
        c.start(1)
        job = CountingJob(c, bundle, tmp_path)
        c.wait(lambda: [n for n in server.names("ha") if "/blob/" in n and job.id in n])
        kill_leaders(c, job)
        job.wait_for_end()
        c.wait(lambda: not [n for n in server.names("ha") if job.id in n])
        c.stop()
    finally:
        c.kill_all()
        keeper.stop()


def test_pair_of_name_nodes(flinc, bundle, tmp_path):
    """The active name node is lost; the job goes on, and so do its checkpoints once the other one is the active one."""
    pair = hdfs.server(tmp_path / "hdfs", is_pair=True)
    c = Cluster(flinc.home, tmp_path / "cluster", slots=2, config=pair.config())
    try:
        pair.start()
        c.start(1)
        mine = Jobs(c)
        common = {**on_hdfs(pair, tmp_path, "pair", tolerable_failed_checkpoints="1000"), **RESTARTS}
        job = start(mine, bundle, tmp_path / "out", 2, common, records=400 * KEYS, rate=pair.pace)
        mine.wait_for_checkpoints(job, 1)
        pair.nodes[0].process.kill()
        pair.activate(1)
        mine.wait_for_checkpoints(job, 2)
        assert pair.names(f"pair/checkpoints/{job}")
        c.cancel(job)
        mine.wait_for_end(job, "CANCELED")
        c.stop()
    finally:
        c.kill_all()
        pair.stop()
    assert check_records(tmp_path / "out", 0) >= 0
