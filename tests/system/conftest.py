"""Whole-system tests: the programs of a distribution, run as a user runs them.

$FLINC_HOME is the distribution (scripts/test.sh makes build/dist/flinc and sets it).  Each test has its own
folders (tmp_path), and waits for events, never for time.
"""

import os
import subprocess
import threading

import pytest

from cluster import Cluster

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONGEST = 120  # seconds: a program that hangs fails its test


class Running:
    """A program that runs.  What it prints is read line by line; one that hangs is killed."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.killer = threading.Timer(LONGEST, process.kill)
        self.killer.start()
        self.errors = ""
        self.drain = threading.Thread(target=self._drain)
        self.drain.start()

    def _drain(self):
        self.errors = self.process.stderr.read()

    def wait_for(self, wanted):
        """Reads standard output until `wanted` (a text, or a function of a line) is seen; returns the line."""
        matches = wanted if callable(wanted) else lambda line: wanted in line
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if matches(self.lines[-1]):
                return self.lines[-1]
        self.end()
        raise AssertionError(f"ended without {wanted!r}:\n" + "\n".join(self.lines) + "\n" + self.errors)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Reads what is left and returns the exit code (negative: a signal)."""
        self.lines += self.process.stdout.read().splitlines()
        code = self.process.wait()
        self.drain.join()
        self.killer.cancel()
        return code


class Flinc:
    """A distribution and how to run its programs."""

    def __init__(self, home):
        self.home = home

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def command(self, *args):
        return [self.path("bin", "flink"), *map(str, args)]

    def example(self, name):
        return self.path("examples", name + ".so")

    def run(self, *args, env=None, cwd=None, timeout=LONGEST, before=()):
        """Runs bin/flink, behind the command `before`; the result has returncode, stdout and stderr."""
        return subprocess.run(
            [*before, *self.command(*args)],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
        )

    def run_local(self, *args, **more):
        """flink run -t local, which must succeed."""
        result = self.run("run", "-t", "local", *args, **more)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def fail_local(self, *args, **more):
        """flink run -t local, which must fail as a program does that says why; returns its messages."""
        result = self.run("run", "-t", "local", *args, **more)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "Flinc crashed" not in result.stderr
        return result.stderr

    def start(self, *args, env=None, cwd=None):
        """Starts bin/flink; the test ends it."""
        return Running(
            subprocess.Popen(
                self.command(*args),
                env={**os.environ, **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )


@pytest.fixture(scope="session")
def top():
    """The source tree."""
    return TOP


@pytest.fixture(scope="session")
def flinc():
    home = os.environ.get("FLINC_HOME", os.path.join(TOP, "build", "dist", "flinc"))
    assert os.path.isfile(os.path.join(home, "bin", "flink")), f"no distribution in {home}: scripts/dist.sh"
    return Flinc(os.path.abspath(home))


@pytest.fixture(scope="session")
def bundle(flinc, tmp_path_factory):
    """bundle("name", *flags) builds jobs/name.c as a user would, and returns the path of the .so."""
    built = {}

    def build(name, *flags):
        if (name, flags) not in built:
            folder = tmp_path_factory.mktemp(name)
            source = os.path.join(TOP, "tests", "system", "jobs", name + ".c")
            config = flinc.path("bin", "flinc-config")
            quoted = " ".join(flags)
            command = f'cc -g -O1 -Wall -shared {quoted} $("{config}" --cflags) "{source}" -o {name}.so $("{config}" --libs)'
            done = subprocess.run(["sh", "-ec", command], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            built[name, flags] = str(folder / (name + ".so"))
        return built[name, flags]

    return build


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures know whether their test has failed, or was given up."""
    outcome = yield
    if call.when == "call":
        item.failed = not outcome.get_result().passed


@pytest.fixture
def cluster(flinc, tmp_path, request):
    """cluster(taskmanagers=2, slots=2, config={...}) starts one and returns it (cluster.py) once all slots are there;
    cluster(taskmanagers=None) makes it without starting anything.  At the end of the test everything is stopped,
    and nothing may be left: no process, no temporary file."""
    made = []

    def make(taskmanagers=2, slots=2, config=None):
        made.append(Cluster(flinc.home, tmp_path / f"cluster-{len(made)}", slots, config))
        if taskmanagers is not None:
            made[-1].start(taskmanagers)
        return made[-1]

    yield make
    for one in made:
        try:
            if not getattr(request.node, "failed", True):
                one.stop()
        finally:
            one.kill_all()


@pytest.fixture
def small(tmp_path):
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("only root may mount a small file system: " + done.stderr.strip())
    yield folder
    subprocess.run(["umount", folder], check=False)
