"""Two job managers and a real ZooKeeper server: the leader is killed and frozen, the server is away and comes back."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from cluster import TOP
from ha import ZooKeeperCluster, wait_for_running
from running import free_port
from test_ha import start
from test_recovery import check_output, completed

sys.path.insert(0, os.path.join(TOP, "tests", "services"))
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = zookeeper.Server(tmp_path_factory.mktemp("zookeeper"), free_port()).start()
    yield one
    one.stop()


@contextlib.contextmanager
def two(home, folder, server, **options):
    c = ZooKeeperCluster(home, folder, server, **options)
    try:
        yield c.start(1)
        c.stop()
    finally:
        c.kill_all()


def test_leader_is_killed(flinc, bundle, tmp_path, server):
    """Twice; every line counts once, and nothing is left of the job."""
    with two(flinc.home, tmp_path / "cluster", server) as c:
        job, counts = start(c, bundle, tmp_path)
        for old in (0, 1):
            c.wait(lambda: completed(c, job) >= 2)
            c.job_managers[old].kill()
            assert c.wait_for_other_leader(old) == 1 - old
            wait_for_running(c, job)
            assert c.get(f"/jobs/{job}/checkpoints")["latest"]["restored"]["id"] > 0
            c.start_candidate(old)
        c.wait_for_state(job, "FINISHED")
        check_output(tmp_path / "out", counts)
        c.wait(lambda: c.kept() == [])


def test_leader_is_frozen(flinc, bundle, tmp_path, server):
    with two(flinc.home, tmp_path / "cluster", server, session="1 s") as c:
        job, counts = start(c, bundle, tmp_path)
        c.wait(lambda: completed(c, job) >= 2)
        frozen = c.job_managers[0]
        frozen.signal(signal.SIGSTOP)
        assert c.wait_for_other_leader(0) == 1
        wait_for_running(c, job)
        frozen.signal(signal.SIGCONT)
        c.wait(lambda: "leadership was revoked" in frozen.text())
        c.port = c.ports[0]
        c.wait_for_state(job, "FINISHED")
        check_output(tmp_path / "out", counts)
        c.wait(lambda: c.kept() == [])


def test_orderly_stop_hands_over(flinc, bundle, tmp_path, server):
    with two(flinc.home, tmp_path / "cluster", server, session="60 s") as c:
        job, counts = start(c, bundle, tmp_path)
        c.wait(lambda: completed(c, job) >= 2)
        assert c.job_managers[0].stop() == 0
        assert c.wait_for_other_leader(0) == 1
        wait_for_running(c, job)
        c.wait_for_state(job, "FINISHED")
        check_output(tmp_path / "out", counts)


@pytest.mark.parametrize("tolerates", ["true", "false"])
def test_server_is_restarted(flinc, bundle, tmp_path, tolerates):
    """Shorter than the session: with tolerate-suspended-connections the leader leads on, else it stands by, and leads again."""
    own = zookeeper.Server(tmp_path / "zookeeper", free_port()).start()
    try:
        config = {"high-availability.zookeeper.client.tolerate-suspended-connections": tolerates}
        with two(flinc.home, tmp_path / "cluster", own, session="40 s", config=config) as c:
            job, counts = start(c, bundle, tmp_path)
            c.wait(lambda: completed(c, job) >= 2)
            own.stop()
            c.wait(lambda: all("is not reached" in p.text() for p in c.job_managers.values()))
            own.start()
            revoked = sum(p.text().count("leadership was revoked") for p in c.job_managers.values())
            assert revoked == (0 if tolerates == "true" else 1)
            c.wait(lambda: c.leader() is not None and c.try_get(f"/jobs/{job}"))
            c.wait_for_state(job, "FINISHED")
            check_output(tmp_path / "out", counts)
    finally:
        own.stop()


def test_server_comes_later(flinc, tmp_path):
    """Candidates wait for it, and say so."""
    own = zookeeper.Server(tmp_path / "zookeeper", free_port())
    c = ZooKeeperCluster(flinc.home, tmp_path / "cluster", own)
    try:
        c.start_candidate(0)
        c.port = c.ports[0]
        c.start_task_manager()
        c.wait(lambda: "is not reached" in c.job_managers[0].text())
        assert f"ZooKeeper at {own.quorum}" in c.job_managers[0].text()
        own.start()
        c.wait_for_leader(0)
        c.wait_for_slots(c.slots)
        c.stop()
    finally:
        c.kill_all()
        own.stop()


def test_unit_tests_with_a_server(server):
    """Those of common/ha that need one: among them 40 frozen writers."""
    program = os.path.join(TOP, "build", "release", "tests", "unit", "common_ha_zookeeper")
    if not os.path.exists(program):
        pytest.skip("the unit tests are not built (build/release)")
    done = subprocess.run([program], env={**os.environ, "FLINC_TEST_ZOOKEEPER": server.quorum}, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0 and "SKIPPED" not in done.stdout + done.stderr, done.stdout + done.stderr
