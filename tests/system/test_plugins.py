"""Formats and connectors of third parties: the examples are built against the installed headers, put into plugins/, and used in SQL."""

import glob
import os
import re
import shutil
import signal
import subprocess

import pytest
from cluster import Cluster

LONGEST = 120
BATCH = ("-D", "execution.runtime-mode=BATCH", "-D", "sql-client.display.print-time-cost=false")
SYNC = "SET 'table.dml-sync' = 'true';\n"
NUMBERS = "CREATE TABLE numbers (i BIGINT) WITH ('connector' = 'counter', 'count' = '{}', 'splits' = '4'{});\n"


def build(home, example, target, *more):
    """As a user would: the example's source, the headers of the distribution, no library."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    flags = subprocess.run([os.path.join(home, "bin", "flinc-config"), "--cflags"], capture_output=True, text=True, check=True)
    source = os.path.join(home, "examples", example, example + ".c")
    done = subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-Wall", "-Werror", *more, *flags.stdout.split(), source, "-o", target],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def home(flinc, tmp_path_factory):
    """A distribution of its own, with both plug-ins."""
    copy = str(tmp_path_factory.mktemp("dist") / "flinc")
    shutil.copytree(flinc.home, copy, symlinks=True)
    build(copy, "format_tskv", os.path.join(copy, "plugins", "tskv", "format_tskv.so"))
    build(copy, "connector_counter", os.path.join(copy, "plugins", "counter", "connector_counter.so"))
    return copy


def sql(home, statements, *args, env=None):
    return subprocess.run([os.path.join(home, "bin", "sql-client.sh"), *BATCH, *map(str, args), "-e", statements], capture_output=True,
                          text=True, env={**os.environ, "TZ": "UTC", **(env or {})}, timeout=LONGEST, check=False)


def rows(result):
    """The cells of the last table printed, the head left out."""
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    head = max(i for i, line in enumerate(lines) if "head" in line)
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[head + 1:]]


def refused(home, statements, *texts, env=None):
    result = sql(home, statements, env=env)
    assert result.returncode != 0, result.stdout
    for text in texts:
        assert text in result.stdout + result.stderr, result.stdout + result.stderr


# ---- the format ---------------------------------------------------------------------------------------------


def table_of(path, columns="i BIGINT, s STRING, b BOOLEAN, d DOUBLE", more=""):
    return f"CREATE TABLE t ({columns}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'tskv'{more});\n"


def test_format_written_and_read(home, tmp_path):
    folder = tmp_path / "out"
    result = sql(home, SYNC + NUMBERS.format(10, "") + table_of(folder) + """
        INSERT INTO t SELECT i, IF(i < 3, CAST(NULL AS STRING), 'a = long text'), i > 5, i / 4.0 FROM numbers;
        SELECT i AS head, s, b, d FROM t WHERE i IN (1, 7)""")
    assert sorted(rows(result)) == [("1", "<NULL>", "FALSE", "0.25"), ("7", "a = long text", "TRUE", "1.75")]
    lines = sorted(line for file in glob.glob(str(folder / "*")) for line in open(file, encoding="utf-8"))
    assert len(lines) == 10 and lines[1] == "tskv\ti=1\tb=false\td=0.25\n" and lines[7] == "tskv\ti=7\ts=a \\= long text\tb=true\td=1.75\n"


def test_format_in_many_splits(home, tmp_path):
    text = "".join(f"tskv\tname=number \\t {i}\ti={i}\tother=x\n" for i in range(200000))
    (tmp_path / "in.tskv").write_text(text)
    result = sql(home, table_of(tmp_path / "in.tskv", "name STRING, i BIGINT") +
                 "SELECT COUNT(*) AS head, SUM(i), MAX(CHAR_LENGTH(name)), COUNT(DISTINCT name) FROM t", "-D", "parallelism.default=3",
                 "-D", "source.file.split.max-size=1mb")
    assert rows(result) == [("200000", str(sum(range(200000))), "15", "200000")]


def test_format_reads_what_is_bad(home, tmp_path):
    (tmp_path / "in.tskv").write_text("tskv\ti=1\ts=one\ntskv\ts=none\n\ntskv\ti=three\ts=3")
    refused(home, table_of(tmp_path / "in.tskv", "i BIGINT, s STRING") + "SELECT i FROM t", "in.tskv", "the value of 'i' is none of its type")
    ignoring = table_of(tmp_path / "in.tskv", "i BIGINT, s STRING", ", 'tskv.ignore-parse-errors' = 'true'")
    assert sorted(rows(sql(home, ignoring + "SELECT i AS head, s FROM t"))) == [("1", "one"), ("<NULL>", "3"), ("<NULL>", "none")]
    (tmp_path / "in.tskv").write_text("i=1\n")
    refused(home, table_of(tmp_path / "in.tskv", "i BIGINT") + "SELECT i FROM t", "the line does not begin with 'tskv'")


def test_format_is_checked(home, tmp_path):
    refused(home, table_of(tmp_path, "i ARRAY<INT>") + "SELECT * FROM t", "column 'i' is a ARRAY<INT>")
    refused(home, table_of(tmp_path, "i INT", ", 'tskv.prefx' = 'x'") + "SELECT * FROM t", "tskv.prefx", "prefix")
    refused(home, "CREATE TABLE t (i INT) WITH ('connector' = 'filesystem', 'path' = '/tmp', 'format' = 'tskw'); SELECT * FROM t",
            "Could not find any format factory for identifier 'tskw'", "tskv")


# ---- the connector ------------------------------------------------------------------------------------------


def test_connector(home, tmp_path):
    folder = tmp_path / "numbers"
    result = sql(home, SYNC + NUMBERS.format(1000, "") + f"""CREATE TABLE files (i BIGINT) WITH ('connector' = 'counter', 'path' = '{folder}');
        INSERT INTO files SELECT i FROM numbers WHERE MOD(i, 2) = 0;
        SELECT COUNT(*) AS head, SUM(i), COUNT(DISTINCT i) FROM numbers""")
    assert rows(result) == [("1000", "499500", "1000")]
    assert numbers_in(folder) == list(range(0, 1000, 2))


def test_connector_is_checked(home):
    refused(home, "CREATE TABLE n (i BIGINT) WITH ('connector' = 'counter', 'cout' = '3')", "Unsupported options", "cout (did you mean count?)")
    refused(home, "CREATE TABLE n (i BIGINT) WITH ('connector' = 'counter', 'count' = 'many')", "count", "many")
    refused(home, "CREATE TABLE n (i BIGINT) WITH ('connector' = 'counter', 'count' = '1', 'splits' = '0')", "splits")
    refused(home, "CREATE TABLE n (i INT) WITH ('connector' = 'counter', 'count' = '3')", "one column, a BIGINT")
    refused(home, "CREATE TABLE n (i BIGINT) WITH ('connector' = 'counter')", "neither 'count'")
    refused(home, "CREATE TABLE n (i BIGINT) WITH ('connector' = 'conter', 'count' = '1'); SELECT * FROM n", "'conter'", "counter")


def numbers_in(folder):
    return sorted(int(line) for file in glob.glob(os.path.join(folder, "part-*")) for line in open(file, encoding="utf-8"))


def test_each_number_once_when_workers_are_killed(home, tmp_path):
    """A worker dies in the middle, twice: source and sink go on where the last checkpoint is."""
    folder, count = tmp_path / "numbers", 30000
    c = Cluster(home, tmp_path / "cluster", slots=4, config={
        "execution.checkpointing.interval": "50 ms", "execution.checkpointing.dir": str(tmp_path / "checkpoints"),
        "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
        "restart-strategy.fixed-delay.delay": "10 ms"})
    c.leaves_files = True
    try:
        c.start(1)
        done = subprocess.run([os.path.join(home, "bin", "sql-client.sh"), "-t", "remote", "-D", "parallelism.default=2", "-e",
                               NUMBERS.format(count, ", 'rows-per-second' = '1000'") +
                               f"CREATE TABLE files (i BIGINT) WITH ('connector' = 'counter', 'path' = '{folder}');"
                               "INSERT INTO files SELECT i FROM numbers"],
                              capture_output=True, text=True, env={**os.environ, **c.environment}, timeout=LONGEST, check=True)
        job = re.search(r"Job ID: ([0-9a-f]{32})", done.stdout).group(1)
        kills = 0
        for _ in range(2):
            before = len(glob.glob(str(folder / "part-*")))
            c.wait(lambda n=before: len(glob.glob(str(folder / "part-*"))) > n)  # a checkpoint was committed
            killed = set(c.workers())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            kills += c.state(job) != "FINISHED"
            c.wait(lambda pids=killed: c.state(job) == "FINISHED" or (set(c.workers()) - pids and c.all_running(job)))
        assert kills > 0, "it ended before anything was killed"
        c.wait_for_state(job, "FINISHED")
        assert numbers_in(folder) == list(range(count))
        c.stop()
    finally:
        c.kill_all()


# ---- what is wrong ------------------------------------------------------------------------------------------


def test_wrong_plugins_are_left_out(home, tmp_path):
    """Each is named in the log with its reason, and everything else works."""
    plugins = tmp_path / "plugins"
    (plugins / "text").mkdir(parents=True)
    newer = tmp_path / "newer"
    shutil.copytree(os.path.join(home, "include", "flinc"), newer / "flinc")
    header = newer / "flinc" / "format.h"
    header.write_text(header.read_text().replace("#define FLINC_FORMAT_ABI_VERSION 1", "#define FLINC_FORMAT_ABI_VERSION 77"))
    build(home, "format_tskv", str(plugins / "newer" / "format.so"), f"-I{newer}")
    (plugins / "text" / "text.so").write_text("no library")
    build(home, "connector_counter", str(plugins / "counter" / "counter.so"))
    build(home, "connector_counter", str(plugins / "second" / "counter.so"))
    log = tmp_path / "log"
    log.mkdir()
    env = {"FLINK_PLUGINS_DIR": str(plugins), "FLINK_LOG_DIR": str(log)}
    result = sql(home, NUMBERS.format(3, "") + "SELECT COUNT(*) AS head FROM numbers", env=env)
    assert rows(result) == [("3",)]
    said = result.stderr + "".join(open(file, encoding="utf-8").read() for file in glob.glob(str(log / "*")))
    assert "text.so" in said and "is not a shared object" in said, said
    assert "newer/format.so was built for version 77 of the interface of formats, this is version 1" in said, said
    assert "second/counter.so" in said and "'counter'" in said, said
