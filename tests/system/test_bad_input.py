"""Bad input: each gets an error that names the thing and says what to do, and never more than that."""

import gzip
import hashlib
import os
import re
import shutil
import signal
import subprocess

import pytest
from texts import LICENCES, count_words, lines_of, pairs_of, parts_of

GPL = os.path.join(LICENCES, "GPL-2")


@pytest.fixture
def wordcount(flinc, tmp_path):
    """Runs the word count on --input paths into tmp_path/out, which must fail; returns its messages."""

    def run(*inputs, options=(), **more):
        message = flinc.fail_local(
            *options, flinc.example("wordcount"), "--input", *inputs, "--output", tmp_path / "out", **more
        )
        # Whatever went wrong, there is no part of a result that looks like one.
        assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []
        return message

    return run


@pytest.fixture(scope="session")
def obeying():
    """A command prefix with which the permissions of files count even for root."""
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("root here cannot give up its rights")
    return prefix


# ---- files --------------------------------------------------------------------------------------


def test_missing_input(wordcount, tmp_path):
    message = wordcount(tmp_path / "no such file")
    assert f"input {tmp_path}/no such file does not exist; check the path" in message
    assert "WordCount" in message


def test_one_of_several_is_missing(wordcount, tmp_path):
    assert "gone.txt does not exist" in wordcount(GPL, tmp_path / "gone.txt")


def test_pattern_without_files(wordcount, tmp_path):
    assert f"no file matches the input pattern {tmp_path}/*.txt" in wordcount(tmp_path / "*.txt")


def test_no_input_at_all(flinc):
    assert "path" in flinc.fail_local(flinc.example("wordcount"))


def test_folder_without_permission(wordcount, obeying, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    message = wordcount(folder, before=obeying)
    folder.chmod(0o755)
    assert str(folder) in message and "Permission denied" in message


def test_file_without_permission(wordcount, obeying, tmp_path):
    (tmp_path / "closed.txt").write_text("secret\n")
    (tmp_path / "closed.txt").chmod(0)
    message = wordcount(tmp_path / "closed.txt", before=obeying)
    assert f"{tmp_path}/closed.txt" in message and "Permission denied" in message


def test_output_folder_without_permission(flinc, obeying, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    message = flinc.fail_local(
        flinc.example("wordcount"), "--input", GPL, "--output", folder / "out", before=obeying
    )
    assert f"{folder}/out" in message and "Permission denied" in message


def test_output_is_a_file(flinc, tmp_path):
    (tmp_path / "file").write_text("precious\n")
    message = flinc.fail_local(flinc.example("wordcount"), "--input", GPL, "--output", tmp_path / "file")
    assert f"{tmp_path}/file" in message and (tmp_path / "file").read_text() == "precious\n"


def test_input_is_a_device(wordcount):
    assert "/dev/null is neither a file nor a folder" in wordcount("/dev/null")


def packed(tmp_path, name, pack):
    with open(GPL, "rb") as f:
        (tmp_path / name).write_bytes(pack(f.read()))
    return tmp_path / name


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("suffix, pack", [("gz", gzip.compress), ("zst", zstd)])
def test_truncated_compressed_file(wordcount, tmp_path, suffix, pack):
    file = packed(tmp_path, f"cut.{suffix}", lambda data: pack(data)[:-1000])
    message = wordcount(file)
    assert str(file) in message and re.search("truncated|ends early|cut", message)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_file_that_is_none(wordcount, tmp_path, suffix):
    file = packed(tmp_path, f"plain.{suffix}", lambda data: data)
    message = wordcount(file)
    assert str(file) in message and re.search("gzip|zstd|damaged|compress", message)


# ---- lines --------------------------------------------------------------------------------------


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def test_a_line_of_64_mb_of_words(flinc, tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"word " * (64_000_000 // 5) + b"\nend\n")
    flinc.run_local(
        flinc.example("wordcount"), "--input", text, "--output", tmp_path / "out", "--execution-mode", "BATCH"
    )
    text.unlink()
    assert dict(pairs_of(lines_of(tmp_path / "out"))) == {"word": 12_800_000, "end": 1}


def test_a_line_of_64_mb_between_tasks(flinc, bundle, tmp_path):
    """A record larger than any buffer travels, and comes out as it went in."""
    text = tmp_path / "text"
    text.write_bytes(b"short\n" + b"x" * 63_999_999 + b"y\nshort\n")
    flinc.run_local(bundle("lines"), "--input", text, "--output", tmp_path / "out")
    (part,) = parts_of(tmp_path / "out")
    assert digest(part) == digest(text)
    text.unlink()
    os.unlink(part)


def test_a_line_above_the_limit(wordcount, tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"short\n" + b"x" * (64 * 1024 * 1024 + 1) + b"\nshort\n")
    message = wordcount(text)
    text.unlink()
    assert f"{text}: the line at byte 6 is longer than 67108864 bytes" in message


def test_a_limit_of_ones_own(flinc, bundle, tmp_path):
    (tmp_path / "text").write_text("0123456789\n012345678\n01234567890\n")
    options = ["--input", tmp_path / "text", "--output", tmp_path / "out", "--max-line"]
    message = flinc.fail_local(bundle("lines"), *options, "10")
    assert "the line at byte 21 is longer than 10 bytes" in message
    flinc.run_local(bundle("lines"), *options, "11")
    assert len(lines_of(tmp_path / "out")) == 3


def test_invalid_utf8_passes_through(flinc, bundle, tmp_path):
    data = bytes(b for b in range(256) if b not in b"\r\n") + b"\n\xff\xfe\xc3\n\x00nul\x00\n\xed\xa0\x80\n"
    (tmp_path / "text").write_bytes(data)
    flinc.run_local(bundle("lines"), "--input", tmp_path / "text", "--output", tmp_path / "out")
    (part,) = parts_of(tmp_path / "out")
    with open(part, "rb") as f:
        assert f.read() == data


def test_invalid_utf8_separates_words(flinc, tmp_path):
    (tmp_path / "text").write_bytes(b"caf\xe9 na\xc3\xafve\nx\xffy\n\xc3")
    flinc.run_local(flinc.example("wordcount"), "--input", tmp_path / "text", "--output", tmp_path / "out")
    assert dict(pairs_of(lines_of(tmp_path / "out"))) == count_words([tmp_path / "text"])


# ---- no room ------------------------------------------------------------------------------------


def test_disk_full(flinc, tmp_path):
    """A small file system of our own, seen by this one program."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = f'mount -t tmpfs -o size=256k none "{folder}" && "$@"; status=$?; find "{folder}" -type f; exit $status'
    prefix = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "sh", "-c"]
    if subprocess.run([*prefix, mount, "-", "true"], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    result = flinc.run(
        "run", "-t", "local", flinc.example("wordcount"), "--input", LICENCES, "--output", folder / "out",
        before=[*prefix, mount, "-"],
    )  # fmt: skip
    assert result.returncode == 1, result.stdout + result.stderr
    assert "No space left on device" in result.stderr and f"{folder}/out/" in result.stderr
    assert "/out/" not in result.stdout  # nothing of it is left to fill the disk


def test_output_device_is_full(flinc):
    command = " ".join(f"'{word}'" for word in flinc.command("run", "-t", "local"))
    result = subprocess.run(
        ["sh", "-c", f"{command} '{flinc.example('wordcount')}' --input {GPL} >/dev/full"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert "standard output" in result.stderr and "No space left on device" in result.stderr


def test_a_reader_that_goes_away(flinc):
    """flink ... | head -1 ends at once, with a sentence."""
    command = " ".join(f"'{word}'" for word in flinc.command("run", "-t", "local"))
    result = subprocess.run(
        ["bash", "-c", f"{command} '{flinc.example('wordcount')}' --input {LICENCES} | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stdout.startswith("Job has been submitted") and result.stdout.count("\n") == 1
    assert "standard output" in result.stderr and "Broken pipe" in result.stderr


# ---- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("config.yaml", "a: b\nparallelism:\n  default: many\n", [":3: parallelism.default", '"many"', "whole number"]),
        ("config.yaml", "a: [1\nb: 2\n", ["config.yaml:"]),
        ("config.yaml", "- a\n- b\n", [":1:", "expected keys and values"]),
        ("config.yaml", "a.b: 1\na:\n  b: 2\n", [":3: the key a.b is there already, in line 1"]),
        ("flink-conf.yaml", "\n\nparallelism.default: 0\n", [":3: parallelism.default", '"0"', "at least 1"]),
    ],
)
def test_wrong_configuration(flinc, tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    message = flinc.fail_local(flinc.example("wordcount"), "--input", GPL, env={"FLINK_CONF_DIR": str(tmp_path)})
    for word in [f"{tmp_path}/{name}", *words]:
        assert word in message


def test_unreadable_configuration(flinc, obeying, tmp_path):
    (tmp_path / "config.yaml").write_text("a: b\n")
    (tmp_path / "config.yaml").chmod(0)
    message = flinc.fail_local(
        flinc.example("wordcount"), "--input", GPL, env={"FLINK_CONF_DIR": str(tmp_path)}, before=obeying
    )
    assert f"{tmp_path}/config.yaml" in message and "Permission denied" in message


def test_missing_configuration(flinc, tmp_path):
    message = flinc.fail_local(
        flinc.example("wordcount"), "--input", GPL, env={"FLINK_CONF_DIR": str(tmp_path / "none")}
    )
    assert "no configuration" in message and str(tmp_path / "none") in message


# ---- bundles ------------------------------------------------------------------------------------


def refused(flinc, path, *words):
    """Both actions refuse it alike."""
    for action in (["run", "-t", "local"], ["info"]):
        result = flinc.run(*action, path)
        assert result.returncode == 1
        for word in (str(path), *words):
            assert word in result.stderr, result.stderr
        assert result.stderr.count("\n") <= 5  # a sentence, no dump


def test_missing_bundle(flinc, tmp_path):
    refused(flinc, tmp_path / "gone.so", "No such file or directory")


def test_text_as_a_bundle(flinc, top):
    refused(flinc, os.path.join(top, "README.md"), "not a shared object", "-shared -fPIC")


def test_folder_as_a_bundle(flinc, tmp_path):
    refused(flinc, tmp_path, "a folder")


def test_jar_as_a_bundle(flinc, tmp_path):
    (tmp_path / "job.jar").write_bytes(b"PK\x03\x04" + bytes(100))
    refused(flinc, tmp_path / "job.jar", "jar", "Java")


def test_program_as_a_bundle(flinc):
    refused(flinc, os.path.realpath("/bin/true"), "-shared")


def test_truncated_bundle(flinc, tmp_path):
    with open(flinc.example("wordcount"), "rb") as f:
        (tmp_path / "cut.so").write_bytes(f.read()[:5000])
    refused(flinc, tmp_path / "cut.so", "truncated")


def test_bundle_without_an_entry(flinc, bundle):
    refused(flinc, bundle("no_entry"), "is no job bundle", "FLINC_JOB")


def test_bundle_of_another_abi(flinc, bundle):
    refused(flinc, bundle("other_abi"), "ABI version 9", "this is version 2", "9.8.7", "build it again")


def test_bundle_with_unresolved_symbols(flinc, bundle):
    refused(flinc, bundle("unresolved"), "helper_that_was_not_linked", "link it with")


# ---- mains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what, words",
    [
        ("NOT_EXECUTE", ["main 'job'", "without executing a job", "flinc_env_execute()"]),
        ("EXECUTE_TWICE", ["flinc_env_execute twice", "a bundle is one job"]),
        ("EXIT", ["main called exit()"]),
        ("RETURN_SEVEN", ["main 'job'", "returned 7"]),
        ("BUILD_NOTHING", ["nothing", "no operators"]),
        ("FAIL", ["the moon is not full enough"]),
        ("MISNAME_A_COLUMN", ["mains.c:", "flinc_key_by", "no column 'sensr'", "did you mean 'sensor'?"]),
    ],
)
def test_mains(flinc, bundle, what, words):
    message = flinc.fail_local(bundle("mains", f"-DDO_{what}"))
    for word in words:
        assert word in message, message


def test_the_place_of_a_mistake(flinc, bundle, top):
    with open(os.path.join(top, "tests", "system", "jobs", "mains.c"), encoding="utf-8") as f:
        line = next(n for n, text in enumerate(f, 1) if "the mistake" in text)
    assert f"mains.c:{line}: flinc_key_by" in flinc.fail_local(bundle("mains", "-DDO_MISNAME_A_COLUMN"))


@pytest.mark.parametrize("what, number", [("CRASH", signal.SIGSEGV), ("ABORT", signal.SIGABRT)])
@pytest.mark.parametrize("action", [["run", "-t", "local"], ["info"]], ids=["run", "info"])
def test_a_main_that_crashes(flinc, bundle, what, number, action):
    path = bundle("mains", f"-DDO_{what}")
    result = flinc.run(*action, path)
    assert result.returncode == -number
    assert f"Flinc crashed: {number.name}" in result.stderr
    assert path in result.stderr and "main" in result.stderr
    assert "native stack" in result.stderr and "mains.so" in result.stderr


def test_unknown_option_of_the_job(flinc):
    message = flinc.fail_local(flinc.example("wordcount"), "--inptu", GPL)
    assert "unknown option '--inptu'; did you mean '--input'?" in message
    assert "--discovery-interval" in message  # all that there are


@pytest.mark.parametrize(
    "options, words",
    [
        (["--input", GPL, "--discovery-interval", "soon"], ["--discovery-interval", "soon"]),
        (["--input", GPL, "--execution-mode", "FAST"], ["--execution-mode", "FAST"]),
        (["loose", "--input", GPL], ["'loose'", "--key value"]),
    ],
)
def test_wrong_options_of_the_job(flinc, options, words):
    message = flinc.fail_local(flinc.example("wordcount"), *options)
    for word in words:
        assert word in message


# ---- user functions -----------------------------------------------------------------------------


def place_of_stumble(top):
    with open(os.path.join(top, "tests", "system", "jobs", "functions.c"), encoding="utf-8") as f:
        return next(n for n, text in enumerate(f, 1) if "FLINC_FUNCTION(stumble" in text)


def test_a_function_that_fails(flinc, bundle, top):
    message = flinc.fail_local("-p", "2", bundle("functions", "-DDO_FAIL"))
    for word in ("function 'stumble'", f"functions.c:{place_of_stumble(top)}", "the number 500 is not liked",
                 "Stumble", "stumbling job"):  # fmt: skip
        assert word in message, message
    assert re.search(r"Stumble.* \([12]/2\)", message), message


def test_a_function_that_returns_a_code(flinc, bundle):
    message = flinc.fail_local(bundle("functions", "-DDO_RETURN"))
    assert "function 'stumble' returned -42" in message and "(1/1)" in message


def test_an_open_that_fails(flinc, bundle):
    message = flinc.fail_local(bundle("functions", "-DDO_FAIL_OPEN"))
    assert "no oil" in message and "opening function 'stumble'" in message


@pytest.mark.parametrize(
    "what, number",
    [
        ("DEREFERENCE_NULL", signal.SIGSEGV),
        ("ABORT", signal.SIGABRT),
        ("DIVIDE", signal.SIGFPE),
        ("OVERFLOW_THE_STACK", signal.SIGSEGV),
    ],
)
def test_a_function_that_crashes(flinc, bundle, what, number):
    """Tasks are threads here: it takes the process with it, which says whose code it was."""
    result = flinc.run("run", "-t", "local", "-p", "2", bundle("functions", f"-DDO_{what}"))
    assert result.returncode == -number
    report = result.stderr
    assert f"Flinc crashed: {number.name}" in report
    assert re.search(r"job: +stumbling job \([0-9a-f]{32}\)", report), report
    assert re.search(r"operator: +Stumble", report), report
    assert re.search(r"task: .*Stumble.*\([12]/2\)", report), report
    assert "native stack" in report and "functions.so" in report


def test_a_restart_from_the_sources(flinc, bundle, tmp_path):
    """With a restart strategy the job starts over, and its result is whole: nothing missing, nothing twice."""
    flinc.run_local(
        "-p", "2", "-Drestart-strategy.type=fixed-delay", "-Drestart-strategy.fixed-delay.delay=1ms",
        bundle("functions", "-DDO_FAIL_ONCE"), "--count", "100000", "--at", "77777", "--output", tmp_path / "out",
    )  # fmt: skip
    lines = [line.strip("()") for line in lines_of(tmp_path / "out")]
    assert sorted(map(int, lines)) == list(range(1, 100001))


def test_restarts_that_do_not_help(flinc, bundle):
    message = flinc.fail_local(
        "-Drestart-strategy.type=fixed-delay", "-Drestart-strategy.fixed-delay.delay=1ms",
        "-Drestart-strategy.fixed-delay.attempts=3", bundle("functions", "-DDO_FAIL"),
    )  # fmt: skip
    assert "the number 500 is not liked" in message and "given up by restart strategy fixed-delay" in message


# ---- functions that stay ------------------------------------------------------------------------


def test_a_function_that_never_returns(flinc, bundle):
    """The watchdog ends the process, and says which task it was for."""
    job = flinc.start(
        "run", "-t", "local", "-Dtask.cancellation.interval=50ms", "-Dtask.cancellation.timeout=200ms",
        bundle("never_returns"),
    )  # fmt: skip
    job.wait_for("in the function")
    job.signal(signal.SIGINT)
    code = job.end()
    assert code not in (0, 1, 130), job.errors
    assert re.search(r"task .*Stay.* \(1/1\) of job 'stuck job' did not end within \d+ ms", job.errors), job.errors
    assert "Stack of task" in job.errors and "never_returns.so" in job.errors


def test_a_function_that_sleeps(flinc, bundle):
    """A blocking system call is interrupted, so that the function can look and leave."""
    job = flinc.start(
        "run", "-t", "local", "-Dtask.cancellation.interval=50ms", bundle("never_returns", "-DDO_SLEEP")
    )
    job.wait_for("in the function")
    job.signal(signal.SIGINT)
    assert job.end() == 130, job.errors


def test_nothing_else_was_broken(flinc, tmp_path):
    """After all that the distribution still works, and holds no more than its logs."""
    shutil.copy(GPL, tmp_path / "text")
    flinc.run_local(flinc.example("wordcount"), "--input", tmp_path / "text", "--output", tmp_path / "out")
    assert all(name.endswith(".log") for name in os.listdir(flinc.path("log")))
