"""Checkpoints and savepoints on S3, against a server that checks signatures: kills, restores with other parallelisms,
both backends, and what a user sees of a wrong key, a bucket that is not there and a server that is gone."""

import os
import sys

import pytest
import remote_fs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = s3.server(tmp_path_factory.mktemp("s3")).start()
    found.make_bucket("state")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def place(server):
    return remote_fs.Place(server, "s3://state/", "state/")


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory, server):
    with remote_fs.cluster(flinc, tmp_path_factory.mktemp("on-s3"), server) as found:
        yield found


@pytest.mark.parametrize("backend", ["hashmap", "rocksdb"])
def test_kills_and_restores(jobs, bundle, tmp_path, flinc, place, backend):
    remote_fs.kills_and_restores(jobs, bundle, tmp_path, flinc, place, backend)


def test_input(flinc, place):
    remote_fs.inputs(flinc, place)


def test_state_tool(flinc, place):
    remote_fs.state_tool(flinc, place)


def test_metrics(jobs, bundle, tmp_path, place):
    remote_fs.metrics(jobs, bundle, tmp_path, place, "s3")


def test_wrong_key(bundle, tmp_path, flinc, server, place):
    """A cluster with a key that the server does not take: the checkpoint fails, and says where and why."""
    with remote_fs.cluster(flinc, tmp_path, server, 2, **{"s3.secret-key": "wrong"}) as wrong:
        job = remote_fs.start(wrong, bundle, tmp_path / "out", 1, place.state(tmp_path, "wrong"), rate=100)
        why = wrong.fails(job)
        assert "s3://state/wrong" in why and server.endpoint.split("//")[1] in why, why
        assert "403" in why and "key" in why, why


def test_missing_bucket(jobs, bundle, tmp_path, place):
    config = {**place.state(tmp_path, "x"), "execution.checkpointing.dir": "s3://no-such-bucket/checkpoints"}
    why = jobs.fails(remote_fs.start(jobs, bundle, tmp_path / "out", 1, config, rate=100))
    assert "no-such-bucket" in why and "create the bucket" in why, why


def test_server_that_is_gone(bundle, tmp_path, flinc, server, place):
    remote_fs.server_that_is_gone(flinc, bundle, tmp_path, place, "s3.retry.max-num-retries", server.stop, server.start, 4000)
