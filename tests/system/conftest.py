"""Whole-system tests: the programs of a distribution, run as a user runs them.

$FLINC_HOME is the distribution (scripts/test.sh makes build/dist/flinc and sets it).  Each test has its own
folders (tmp_path), and waits for events, never for time.
"""

import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONGEST = 120  # seconds: a program that hangs fails its test


class Flinc:
    """A distribution and how to run its programs."""

    def __init__(self, home):
        self.home = home

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def run(self, *args, env=None, cwd=None, timeout=LONGEST):
        """Runs bin/flink; the result has returncode, stdout and stderr."""
        return subprocess.run(
            [self.path("bin", "flink"), *map(str, args)],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *args, env=None, cwd=None):
        """Starts bin/flink and returns the process; the test ends it."""
        return subprocess.Popen(
            [self.path("bin", "flink"), *map(str, args)],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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
