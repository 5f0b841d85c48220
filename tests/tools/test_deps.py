"""scripts/deps.sh against a Debian of made-up programs: what it asks apt-get for, and what it says."""

import os
import subprocess

import pytest


class FakeDebian:
    """A folder of programs put first in PATH; apt-get notes its calls."""

    def __init__(self, folder, script):
        self.folder, self.script = folder, script
        self.calls = folder / "calls"
        self.calls.write_text("")
        self.program("id", "echo 0")
        self.program("apt-get", f'echo "$@" >> {self.calls}')
        self.installed(self.packages("--test"))

    def program(self, name, body):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def installed(self, packages):
        lines = "\\n".join(f"ii {p}" for p in packages)
        self.program("dpkg-query", f"printf '{lines}\\n'; exit 1")

    def packages(self, *args):
        return self.run(*args, "--list").stdout.split()

    def run(self, *args, path="/usr/bin:/bin"):
        return subprocess.run(
            ["bash", self.script, *args],
            env={**os.environ, "PATH": f"{self.folder}:{path}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def apt_calls(self):
        return self.calls.read_text().splitlines()


@pytest.fixture
def debian(tmp_path, top):
    return FakeDebian(tmp_path, os.path.join(top, "scripts", "deps.sh"))


def test_silent_when_all_is_there(debian):
    result = debian.run("--test")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert debian.apt_calls() == []


def test_test_packages_are_for_tests(debian):
    debian.installed(debian.packages())
    assert debian.run().stdout == ""
    assert "clang" in debian.run("--test").stdout


def test_installs_what_is_missing_and_nothing_else(debian):
    debian.installed(set(debian.packages()) - {"meson", "libyaml-dev"})
    result = debian.run()
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "deps: updating the package lists",
        "deps: installing meson libyaml-dev",
    ]
    update, install = debian.apt_calls()
    assert update.endswith(" update")
    assert install.endswith(" install --no-install-recommends meson libyaml-dev")


def test_without_a_network(debian):
    debian.installed(set(debian.packages()) - {"meson"})
    debian.program("apt-get", "echo 'E: Could not resolve deb.debian.org' >&2; exit 100")
    result = debian.run()
    assert result.returncode == 1
    assert "the package mirror could not be reached" in result.stderr
    assert "still missing: meson" in result.stderr


def test_neither_root_nor_sudo(debian, tmp_path):
    debian.installed(set(debian.packages()) - {"meson", "gcc"})
    debian.program("id", "echo 1000")
    # A PATH without sudo, whatever this machine has.
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "sed", "tr", "cat", "env"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}" if os.path.exists(f"/usr/bin/{tool}") else f"/bin/{tool}")
    result = debian.run(path=str(tools))
    assert result.returncode == 1
    assert "missing packages, and this is neither root nor is there sudo: meson gcc" in result.stderr
    assert debian.apt_calls() == []


def test_by_sudo(debian):
    debian.installed(set(debian.packages()) - {"meson"})
    debian.program("id", "echo 1000")
    debian.program("sudo", '[ "$1" = -n ] && shift; exec "$@"')
    assert debian.run().returncode == 0
    assert len(debian.apt_calls()) == 2


def test_unknown_argument(debian):
    result = debian.run("--tests")
    assert result.returncode == 1 and "unknown argument '--tests'" in result.stderr
