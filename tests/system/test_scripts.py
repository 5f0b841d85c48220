"""The scripts of bin/: what they start and stop, what they print, which files they leave."""

import os
import signal
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rsplit(b")", 1)[1].split()[0] == b"Z"
    except OSError:
        return True


class Scripts(running.Cluster):
    """A cluster whose scripts may fail, and whose processes are gone at the end whatever happened."""

    def call(self, name, *args, **environment):
        return subprocess.run([os.path.join(self.home, "bin", name), *args], text=True, capture_output=True,
                              env={**self.environment, **environment}, stdin=subprocess.DEVNULL, timeout=60)

    def lines(self, name, *args, **environment):
        done = self.call(name, *args, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def log(self, daemon, number=0, ending="log"):
        host = subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip()
        return os.path.join(self.folder, "log", f"flink-me-{daemon}-{number}-{host}.{ending}")

    def ready(self, n_workers):
        running.wait_until(lambda: (self.try_get("/overview") or {}).get("taskmanagers") == n_workers)


@pytest.fixture
def scripts(flinc):
    cluster = Scripts(flinc.home, workers=2)
    cluster.environment["FLINK_IDENT_STRING"] = "me"
    yield cluster
    started = []
    for daemon in ("taskexecutor", "standalonesession"):
        try:
            started += cluster.pids(daemon)
        except OSError:
            pass
    cluster.call("taskmanager.sh", "stop-all")
    cluster.call("jobmanager.sh", "stop-all")
    for pid in started:
        running.wait_until(lambda: is_gone(pid))


def test_cluster(scripts):
    host = subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip()
    assert scripts.lines("start-cluster.sh") == [
        "Starting cluster.",
        f"Starting standalonesession daemon on host {host}.",
        f"Starting taskexecutor daemon on host {host}.",
        f"[INFO] 1 instance(s) of taskexecutor are already running on {host}.",
        f"Starting taskexecutor daemon on host {host}.",
    ]
    scripts.ready(2)
    manager, (first, second) = scripts.job_manager(), scripts.task_managers()
    for daemon, number in (("standalonesession", 0), ("taskexecutor", 0), ("taskexecutor", 1)):
        assert os.path.getsize(scripts.log(daemon, number)) > 0
        assert os.path.exists(scripts.log(daemon, number, "out"))
    assert scripts.lines("stop-cluster.sh") == [
        f"Stopping taskexecutor daemon (pid: {second}) on host {host}.",
        f"Stopping taskexecutor daemon (pid: {first}) on host {host}.",
        f"Stopping standalonesession daemon (pid: {manager}) on host {host}.",
    ]
    assert is_gone(manager) and is_gone(first) and is_gone(second)
    assert os.listdir(os.path.join(scripts.folder, "pid")) == []
    assert os.listdir(os.path.join(scripts.folder, "tmp")) == []
    nothing = scripts.call("stop-cluster.sh")
    assert nothing.stdout.splitlines() == [
        f"No taskexecutor daemon to stop on host {host}.",
        f"No taskexecutor daemon to stop on host {host}.",
        f"No standalonesession daemon to stop on host {host}.",
    ]


def test_logs_are_rolled_at_a_start(scripts):
    scripts.lines("jobmanager.sh", "start")
    scripts.ready(0)
    scripts.lines("jobmanager.sh", "stop")
    scripts.lines("jobmanager.sh", "start")
    scripts.ready(0)
    log = scripts.log("standalonesession")
    with open(log + ".1", encoding="utf-8") as old, open(log, encoding="utf-8") as new:
        assert old.read() != new.read()


def test_killed_processes(scripts):
    host = subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip()
    scripts.lines("jobmanager.sh", "start")
    scripts.lines("taskmanager.sh", "start")
    scripts.lines("taskmanager.sh", "start")
    scripts.ready(2)
    first, second = scripts.task_managers()
    os.kill(second, signal.SIGKILL)
    running.wait_until(lambda: is_gone(second))
    assert scripts.lines("taskmanager.sh", "stop") == [
        f"No taskexecutor daemon (pid: {second}) is running anymore on {host}."]
    os.kill(first, signal.SIGKILL)
    running.wait_until(lambda: is_gone(first))
    scripts.lines("taskmanager.sh", "start")
    (third,) = scripts.task_managers()
    assert scripts.lines("taskmanager.sh", "stop-all") == [
        f"Stopping taskexecutor daemon (pid: {third}) on host {host}."]


def test_foreground(scripts):
    process = subprocess.Popen([os.path.join(scripts.home, "bin", "jobmanager.sh"), "start-foreground",
                                "-D", "env.log.level=DEBUG"], env=scripts.environment, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout.readline().startswith("Starting standalonesession as a console application on host ")
        scripts.ready(0)
    finally:
        process.terminate()
        rest = process.stdout.read()
        code = process.wait(timeout=60)
    assert code == 0 and " INFO " in rest


def test_wrong_use(scripts):
    for name, usage in (("jobmanager.sh", "Usage: jobmanager.sh ((start|start-foreground) [args])|stop|stop-all"),
                        ("taskmanager.sh", "Usage: taskmanager.sh (start|start-foreground|stop|stop-all) [args]"),
                        ("standalone-job.sh", "Usage: standalone-job.sh ((start|start-foreground))|stop [args]")):
        for args in ((), ("begin",)):
            done = scripts.call(name, *args)
            assert done.returncode == 1 and usage in done.stderr, done.stderr
        assert usage in scripts.call(name, "--help").stdout
    done = scripts.call("jobmanager.sh", "start", FLINK_CONF_DIR="/nowhere/conf")
    assert done.returncode == 1 and "/nowhere/conf does not exist" in done.stderr


def config(scripts, *args):
    conf = scripts.environment["FLINK_CONF_DIR"]
    done = scripts.call("config-parser-utils.sh", conf, os.path.join(scripts.home, "bin"),
                        os.path.join(scripts.home, "lib"), *args)
    assert done.returncode == 0, done.stderr
    with open(os.path.join(conf, "config.yaml"), encoding="utf-8") as f:
        return f.read().splitlines()


def test_configuration_is_rewritten(scripts):
    assert "parallelism.default: 3" in config(scripts, "-Dparallelism.default=3", "-Dmy.key=a: #b 'c'")
    lines = config(scripts, "-repKV", "parallelism.default,3,4", "-rmKV", "taskmanager.host=other")
    assert "parallelism.default: 4" in lines and "my.key: 'a: #b ''c'''" in lines
    assert "taskmanager.host: localhost" in lines
    lines = config(scripts, "-rmKey", "taskmanager.host", "-rmKV", "parallelism.default=4", "-flatten")
    assert not [line for line in lines if line.startswith(("taskmanager.host", "parallelism.default"))]
    assert "my.key: 'a: #b ''c'''" in lines
