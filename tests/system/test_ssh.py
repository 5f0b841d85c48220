"""conf/workers with another host than this one: start-cluster.sh by a real sshd on loopback."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402

SSHD = "/usr/sbin/sshd"


@pytest.fixture
def sshd(tmp_path):
    """The options with which ssh reaches 127.0.0.2 as this user."""
    if not os.path.exists(SSHD):
        assert "CI" not in os.environ, "sshd is missing: scripts/deps.sh --test"
        pytest.skip("sshd is not installed: scripts/deps.sh --test")
    port = running.free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized")
    os.makedirs("/run/sshd", exist_ok=True)
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.2\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/authorized\n"
        f"StrictModes no\nUsePAM no\nPidFile {tmp_path}/sshd.pid\nPermitRootLogin yes\n")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=subprocess.DEVNULL)

    def answers():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.2", port)) == 0

    running.wait_until(answers)
    yield (f"-p {port} -i {tmp_path}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
           "-o LogLevel=ERROR -o BatchMode=yes")
    server.terminate()
    server.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start an sshd that anybody can log in to")
def test_task_managers_by_ssh(flinc, sshd, tmp_path):
    home = tmp_path / "flinc"
    shutil.copytree(flinc.home, home, symlinks=True)
    rest, rpc = running.free_port(), running.free_port()
    # A login on another host has the distribution's own configuration, not this shell's variables.
    (home / "conf" / "config.yaml").write_text(
        f"rest.port: {rest}\njobmanager.rpc.port: {rpc}\njobmanager.rpc.address: localhost\n"
        f"taskmanager.host: localhost\nenv.pid.dir: {tmp_path}/pid\nenv.log.dir: {tmp_path}/log\n"
        f"io.tmp.dirs: {tmp_path}\nenv.ssh.opts: {sshd}\n")
    (home / "conf" / "workers").write_text("127.0.0.2\n127.0.0.2\n")
    names = ("FLINK_CONF_DIR", "FLINK_PID_DIR", "FLINK_LOG_DIR", "FLINC_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in names}

    def script(name):
        return subprocess.run([home / "bin" / name], env=environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)

    cluster = running.Cluster.__new__(running.Cluster)
    cluster.port = rest
    try:
        started = script("start-cluster.sh")
        assert started.returncode == 0, started.stdout + started.stderr
        running.wait_until(lambda: (cluster.try_get("/overview") or {}).get("taskmanagers") == 2)
    finally:
        stopped = script("stop-cluster.sh")
    assert stopped.returncode == 0, stopped.stderr
    # ssh comes back before what it started has ended.
    running.wait_until(lambda: not os.listdir(tmp_path / "pid"))
