"""The flink command: actions, options, configuration, plans, progress, interrupts."""

import fcntl
import glob
import json
import os
import re
import signal
import subprocess
import termios

import pytest
from texts import LICENCES, pairs_of, printed


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text("a b a\n")
    return tmp_path / "text"


# ---- help and version ---------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version(flinc, option):
    with open(flinc.path("VERSION"), encoding="utf-8") as f:
        version = f.read().strip()
    result = flinc.run(option)
    assert result.returncode == 0
    assert re.fullmatch(rf"Version: {re.escape(version)}, Commit ID: \w+\n", result.stdout)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(flinc, option):
    result = flinc.run(option)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.startswith("./flink <ACTION> [OPTIONS] [ARGUMENTS]\n")
    for word in ('Action "run"', 'Action "info"', "-p,--parallelism", "-t,--target", "-D <key=value>"):
        assert word in result.stdout


@pytest.mark.parametrize("action", ["run", "info"])
def test_help_of_an_action(flinc, action):
    result = flinc.run(action, "-h")
    assert result.returncode == 0
    assert f'Action "{action}"' in result.stdout and "--parallelism" in result.stdout


def test_no_action(flinc):
    result = flinc.run()
    assert result.returncode == 1
    assert "Please specify an action." in result.stderr


def test_unknown_action(flinc):
    result = flinc.run("rnu", "job.so")
    assert result.returncode == 1
    assert '"rnu" is not a valid action. Did you mean "run"?' in result.stderr
    assert 'Valid actions are "run", "info"' in result.stderr
    assert "Did you mean" not in flinc.run("qqqqqqqqq").stderr


# ---- options ------------------------------------------------------------------------------------


def test_unknown_option(flinc):
    result = flinc.run("run", "--paralelism", "3", flinc.example("wordcount"))
    assert result.returncode == 1
    assert "Unrecognized option: --paralelism; did you mean --parallelism?" in result.stderr


@pytest.mark.parametrize("option", ["-p", "-D", "-t", "--target"])
def test_missing_argument(flinc, option):
    result = flinc.run("run", option)
    assert result.returncode == 1
    assert f"Missing argument for option: {option}" in result.stderr


@pytest.mark.parametrize("value", ["-1", "0", "abc", "1.5", "", "99999999999999999999", "32769"])
def test_bad_parallelism(flinc, value):
    message = flinc.fail_local("-p", value, flinc.example("wordcount"))
    assert "The parallelism must be a positive number" in message and value in message


@pytest.mark.parametrize(
    "property, words",
    [
        ("parallelism.default=-3", ["-D", "parallelism.default", '"-3"', "at least 1"]),
        ("parallelism.default=two", ["parallelism.default", '"two"', "not a whole number"]),
        ("execution.runtime-mode=BATHC", ["execution.runtime-mode", "BATHC", "STREAMING, BATCH, AUTOMATIC"]),
        ("task.cancellation.timeout=fast", ["task.cancellation.timeout", '"fast"', "10 s"]),
        ("=3", ["-D=3", "expected -Dkey=value"]),
    ],
)
def test_wrong_values(flinc, text, property, words):
    message = flinc.fail_local("-D", property, flinc.example("wordcount"), "--input", text)
    for word in words:
        assert word in message


def test_unknown_key_is_a_warning(flinc, text):
    result = flinc.run_local("-Dparalelism.default=2", flinc.example("wordcount"), "--input", text)
    assert "unknown key paralelism.default, did you mean parallelism.default?" in result.stderr
    assert len(printed(result.stdout)) == 3


def test_no_bundle(flinc):
    assert "The job bundle was not specified" in flinc.fail_local()


def test_targets(flinc, text):
    # Nobody listens on port 1: the default target is a cluster.
    result = flinc.run("run", "-m", "localhost:1", flinc.example("wordcount"), "--input", text)
    assert result.returncode == 1 and "http://localhost:1: Connection refused" in result.stderr
    assert "-m host:port" in result.stderr
    result = flinc.run("run", "-t", "moon", flinc.example("wordcount"), "--input", text)
    assert result.returncode == 1 and "no execution target 'moon'" in result.stderr
    result = flinc.run("run", "-t", "local", "-d", flinc.example("wordcount"), "--input", text)
    assert result.returncode == 1 and "cannot be detached" in result.stderr
    result = flinc.run("run", "-Dexecution.target=local", flinc.example("wordcount"), "--input", text)
    assert result.returncode == 0


def test_bundle_by_option(flinc, text):
    result = flinc.run("run", "-t", "local", "-j", flinc.example("wordcount"), "--input", text)
    assert result.returncode == 0 and len(printed(result.stdout)) == 3


def test_relative_bundle(flinc, text):
    """A name without a slash is a file of the working directory, not of the library path."""
    result = flinc.run_local("wordcount.so", "--input", text, cwd=flinc.path("examples"))
    assert len(printed(result.stdout)) == 3


# ---- what a run prints --------------------------------------------------------------------------


def test_output_of_a_run(flinc, text):
    """In Flink's words."""
    result = flinc.run_local(flinc.example("streams"), "--count", "4")
    lines = result.stdout.splitlines()
    job = re.fullmatch("Job has been submitted with JobID ([0-9a-f]{32})", lines[0])[1]
    end = lines.index("Program execution finished")
    assert lines[end + 1] == f"Job with JobID {job} has finished."
    assert re.fullmatch(r"Job Runtime: \d+ ms", lines[end + 2])
    assert lines[end + 3] == "Accumulator Results: "
    assert sorted(lines[end + 4 :]) == [
        "- even (java.lang.Long): 2",
        "- labels (java.lang.Long): 3",
        "- odd (java.lang.Long): 2",
    ]
    assert result.stderr == ""


def test_plan(flinc, text, tmp_path):
    """info shows Flink's JSON plan and runs nothing."""
    out = tmp_path / "out"
    result = flinc.run("info", "-p", "3", flinc.example("wordcount"), "--input", text, "--output", out)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "----------------------- Execution Plan -----------------------"
    plan = json.loads("\n".join(lines[1 : lines.index("-" * 62)]))
    nodes = plan["nodes"]
    assert all(node["parallelism"] == 3 for node in nodes)
    for node in nodes:
        assert {"id", "type", "pact", "contents", "parallelism"} <= set(node)
    contents = " ".join(node["contents"] for node in nodes)
    assert "Source" in contents and "Sink" in contents
    ships = [p["ship_strategy"] for node in nodes for p in node.get("predecessors", [])]
    assert "HASH" in ships
    ids = {node["id"] for node in nodes}
    assert all(p["id"] in ids for node in nodes for p in node.get("predecessors", []))
    assert not out.exists()


# ---- configuration ------------------------------------------------------------------------------


def run_with_conf(flinc, folder, text):
    return flinc.run_local(flinc.example("wordcount"), "--input", text, env={"FLINK_CONF_DIR": str(folder)})


@pytest.mark.parametrize(
    "name, content",
    [
        ("config.yaml", "parallelism:\n  default: 3\nexecution:\n  runtime-mode: BATCH\n"),
        ("config.yaml", "parallelism.default: 3\nexecution.runtime-mode: batch\n"),
        ("flink-conf.yaml", "# legacy\nparallelism.default: 3\nexecution.runtime-mode: BATCH # comment\n"),
    ],
    ids=["nested", "flat", "legacy"],
)
def test_configuration_files(flinc, text, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    lines = printed(run_with_conf(flinc, tmp_path, text).stdout)
    assert dict(pairs_of(lines)) == {"a": 2, "b": 1}
    assert all(re.match("[123]> ", line) for line in lines)


def test_command_line_wins(flinc, text, tmp_path):
    (tmp_path / "config.yaml").write_text("parallelism.default: 3\n")
    result = flinc.run_local("-p1", flinc.example("wordcount"), "--input", text, env={"FLINK_CONF_DIR": str(tmp_path)})
    assert printed(result.stdout) == ["(a,1)", "(b,1)", "(a,2)"]


def test_unknown_key_in_a_file(flinc, text, tmp_path):
    (tmp_path / "config.yaml").write_text("parallelism:\n  defualt: 3\n")
    assert (
        f"{tmp_path}/config.yaml:2: unknown key parallelism.defualt, did you mean parallelism.default?"
        in run_with_conf(flinc, tmp_path, text).stderr
    )


# ---- the log ------------------------------------------------------------------------------------


def test_log_of_the_client(flinc, text, tmp_path):
    """Switches of states, in the words that people search Flink's logs for."""
    result = flinc.run_local(
        "-p", "2", flinc.example("wordcount"), "--input", text, env={"FLINK_LOG_DIR": str(tmp_path), "USER": "tester"}
    )
    assert result.stderr == ""
    (path,) = glob.glob(str(tmp_path / "flink-tester-client-*.log"))
    with open(path, encoding="utf-8") as f:
        log = f.read()
    assert re.search(r"Job WordCount \([0-9a-f]{32}\) switched from state CREATED to RUNNING\.", log)
    assert re.search(r"Job WordCount \([0-9a-f]{32}\) switched from state RUNNING to FINISHED\.", log)
    for state in ("CREATED to SCHEDULED", "SCHEDULED to DEPLOYING", "INITIALIZING to RUNNING", "RUNNING to FINISHED"):
        assert re.search(rf"Source: .* \([12]/2\).* switched from {state}", log), state


def test_log_without_a_folder_of_ones_own(flinc, text):
    """Beside bin, as Flink's."""
    flinc.run_local(flinc.example("wordcount"), "--input", text, env={"USER": "beside"})
    assert glob.glob(flinc.path("log", "flink-beside-client-*.log"))


def test_log_folder_that_is_none(flinc, text, tmp_path):
    result = flinc.run_local(
        flinc.example("wordcount"), "--input", text, env={"FLINK_LOG_DIR": str(tmp_path / "not" / "there")}
    )
    assert "nothing is logged" in result.stderr and "not/there" in result.stderr


# ---- a terminal ---------------------------------------------------------------------------------


class Terminal:
    """bin/flink with a terminal as its standard error and controlling terminal."""

    def __init__(self, command):
        self.master, slave = os.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, preexec_fn=take_terminal,
            env={**os.environ, "TERM": "xterm"}, text=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def read_until(self, pattern):
        """Reads the terminal until the pattern is there, or (None) until it is closed."""
        while pattern is None or not re.search(pattern, self.seen):
            try:
                piece = os.read(self.master, 4096)
            except OSError:  # the other side is gone
                piece = b""
            if not piece:
                assert pattern is None, self.seen
                return
            self.seen += piece.decode()

    def end(self):
        self.read_until(None)
        self.process.stdout.read()
        os.close(self.master)
        return self.process.wait()


def test_progress_on_a_terminal(flinc):
    terminal = Terminal(flinc.command("run", "-t", "local", flinc.example("wordcount"), "--input", LICENCES))
    terminal.process.stdout.read()
    assert terminal.end() == 0
    assert re.search(r"\r\x1b\[KFINISHED  \d+/\d+ tasks  [\d.]+ k? ?records \(.*/s\)  [\d.]+ ?k?M?B \(", terminal.seen)
    assert terminal.seen.endswith("\r\x1b[K")  # nothing of it stays


def test_control_c(flinc, tmp_path):
    (tmp_path / "in").mkdir()
    terminal = Terminal(
        flinc.command(
            "run", "-t", "local", flinc.example("wordcount"), "--input", tmp_path / "in", "--discovery-interval", "1s"
        )
    )
    terminal.read_until("RUNNING  .* tasks")
    os.write(terminal.master, b"\x03")
    assert terminal.end() == 130
    assert "job 'WordCount' was cancelled" in terminal.seen


def test_no_progress_without_a_terminal(flinc, text):
    assert "tasks" not in flinc.run_local(flinc.example("wordcount"), "--input", text).stderr


def test_interrupted_twice(flinc, bundle):
    """Who interrupts again, later than a doubled signal comes, does not wait for the job."""
    job = flinc.start("run", "-t", "local", bundle("never_returns"))
    job.wait_for("in the function")
    for _ in range(100):
        job.signal(signal.SIGINT)
        try:
            job.process.wait(timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            pass
    assert job.end() == 128 + signal.SIGINT
