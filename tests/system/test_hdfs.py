"""HDFS: checkpoints, savepoints, inputs, the file sink and high availability on real name nodes and a data node, with
kills, a name node that is gone, a pair of them of which the active one is lost, HttpFS, and what a user sees of mistakes."""

import os
import sys

import pytest
import remote_fs
from checkpoints import KEYS, Jobs, check_records
from cluster import Cluster, free_port
from ha import CountingJob, ZooKeeperCluster, kill_leaders

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import hdfs  # noqa: E402  pylint: disable=wrong-import-position
import self_signed  # noqa: E402  pylint: disable=wrong-import-position
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    found = hdfs.server(tmp_path_factory.mktemp("hdfs"), certificate=self_signed.certificate(folder, "server"))
    try:
        yield found.start()
    finally:
        found.stop()


@pytest.fixture(scope="module")
def place(server):
    return remote_fs.Place(server, server.uri())


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory, server):
    with remote_fs.cluster(flinc, tmp_path_factory.mktemp("on-hdfs"), server) as found:
        yield found


def options(config):
    return [f"-D{key}={value}" for key, value in config.items()]


@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_kills_and_restores(jobs, bundle, tmp_path, flinc, place, backend):
    remote_fs.kills_and_restores(jobs, bundle, tmp_path, flinc, place, backend, (2, 1, 3), 2)


def test_input(flinc, server, place):
    """By either scheme, and by what Hadoop's configuration says."""
    remote_fs.inputs(flinc, place, [server.uri(), f"webhdfs://{server.nodes[0].address}/", "hdfs:///"])


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


def test_state_tool(flinc, place):
    remote_fs.state_tool(flinc, place)


def test_metrics(jobs, bundle, tmp_path, place):
    remote_fs.metrics(jobs, bundle, tmp_path, place, "hdfs", 1)


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


def test_server_that_is_gone(bundle, tmp_path, flinc, server, place):
    node = server.nodes[0]

    def come():
        server.start_node(node)
        hdfs.wait_until(server.is_ready, seconds=hdfs.PATIENCE, what="the name node that is back")

    remote_fs.server_that_is_gone(flinc, bundle, tmp_path, place, "fs.hdfs.retry.max-num-retries", node.process.kill, come, server.pace)


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
        place = remote_fs.Place(pair, pair.uri())
        common = {**place.state(tmp_path, "pair", tolerable_failed_checkpoints="1000"), **remote_fs.RESTARTS}
        job = remote_fs.start(mine, bundle, tmp_path / "out", 2, common, records=400 * KEYS, rate=pair.pace)
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
