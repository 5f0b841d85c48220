"""Nothing stays behind a run, however it ended: no process, no file, nothing in the working directory."""

import ctypes
import os
import signal
import subprocess

import pytest
from texts import LICENCES

PR_SET_CHILD_SUBREAPER = 36


def ours(folder):
    return {name for name in os.listdir(folder) if "flin" in name.lower()}


@pytest.fixture
def clean(tmp_path):
    """A working directory and TMPDIR that must be empty afterwards, and no orphan that outlives its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0  # orphans become children of ours
    shared = ours("/dev/shm") if os.path.isdir("/dev/shm") else set()
    cwd, tmp = tmp_path / "cwd", tmp_path / "tmp"
    cwd.mkdir()
    tmp.mkdir()
    yield {"cwd": cwd, "env": {"TMPDIR": str(tmp)}}
    assert os.listdir(cwd) == [] and os.listdir(tmp) == []
    assert not os.path.isdir("/dev/shm") or ours("/dev/shm") == shared
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def test_a_job_that_finishes(flinc, clean, tmp_path):
    flinc.run_local("-p", 3, flinc.example("wordcount"), "--input", LICENCES, "--output", tmp_path / "out", **clean)


def test_a_job_that_fails(flinc, bundle, clean, tmp_path):
    job = bundle("functions", "-DDO_FAIL")
    flinc.fail_local("-p", 3, job, "--count", 100000, "--output", tmp_path / "out", **clean)
    # Subtasks that came to their end before have finished their parts.
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


def test_a_job_that_is_cancelled(flinc, clean, tmp_path):
    (tmp_path / "in").mkdir()
    job = flinc.start(
        "run", "-t", "local", "-p", 3, flinc.example("wordcount"), "--input", tmp_path / "in",
        "--discovery-interval", "10ms", **clean,
    )  # fmt: skip
    job.wait_for("Job has been submitted")
    job.signal(signal.SIGINT)
    assert job.end() == 130


def test_a_job_that_crashes(flinc, bundle, clean):
    result = flinc.run("run", "-t", "local", bundle("functions", "-DDO_DEREFERENCE_NULL"), **clean)
    assert result.returncode == -signal.SIGSEGV


def test_a_plan(flinc, clean):
    assert flinc.run("info", flinc.example("wordcount"), "--input", LICENCES, **clean).returncode == 0


def test_descriptors_that_the_program_inherits_are_no_matter(flinc, clean):
    """Started with standard streams closed, it still does no harm to files that it opens."""
    command = " ".join(f"'{word}'" for word in flinc.command("run", "-t", "local", flinc.example("wordcount")))
    done = subprocess.run(
        ["sh", "-c", f"{command} --input {LICENCES}/BSD <&- >&- 2>&-"],
        cwd=clean["cwd"], env={**os.environ, **clean["env"]}, timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 1)
