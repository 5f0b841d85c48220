"""Tables of files with real processes: workers die, bounded and not, on reading and on writing, and the files are those that are
expected; what users see of bad files."""

import bz2
import collections
import gzip
import json
import lzma
import os
import random
import re
import subprocess
import sys
import tempfile
import zlib

import pytest
from checkpoints import jobs_of, restoring
from cluster import Cluster

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position

LONGEST = 240
COUNTRIES = ["de", "us", "fr"]


def run_sql(flinc, statements, folder, *args, env=None):
    script = folder / f"script{len(os.listdir(folder))}.sql"
    script.write_text(";\n".join(statements) + ";\n", encoding="utf-8")
    return subprocess.run([os.path.join(flinc.home, "bin", "flink"), "sql", *args, "-f", str(script)], capture_output=True, text=True,
                          env={**os.environ, "TZ": "UTC", **(env or {})}, timeout=LONGEST, check=False)  # fmt: skip


def options(**pairs):
    return ", ".join(f"'{key.replace('__', '.').replace('_', '-')}' = '{value}'" for key, value in pairs.items())


def files_of(folder):
    """Paths of all files, relative to the folder."""
    return sorted(os.path.relpath(os.path.join(d, name), folder) for d, _, names in os.walk(folder) for name in names)


def visible(folder):
    return [name for name in files_of(folder) if not any(part[0] in "._" for part in name.split(os.sep))]


def rows_of(folder):
    """(partition folder, line) of all visible lines."""
    found = []
    for name in visible(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text = f.read()
        assert text == "" or text.endswith("\n"), f"{name} ends in a line"
        found += [(os.path.dirname(name), line) for line in text.splitlines()]
    return found


def check_clean(folder):
    """Nothing is left of files that were being written."""
    left = [name for name in files_of(folder) if os.path.basename(name)[0] == "."]
    assert [name for name in left if not name.endswith(".savepoint")] == []


# ---- workers die ------------------------------------------------------------------------------------


class Bed:
    """A cluster, and the file that says what its workers do at failpoints."""

    def __init__(self, jobs, folder):
        self.jobs, self.cluster, self.folder = jobs, jobs.cluster, folder
        self.cluster.leaves_files = True

    def rule(self, text):
        with open(rule_file(self.folder), "w", encoding="ascii") as f:
            f.write(text + "\n")

    def submit(self, flinc, statements, folder):
        result = run_sql(flinc, statements, folder, "-t", "remote", env=self.cluster.environment)
        found = re.findall(r"Job ID: ([0-9a-f]{32})", result.stdout)
        assert result.returncode == 0 and len(found) == 1, result.stdout + result.stderr
        return found[0]

    def restarts(self, job):
        found = self.cluster.get(f"/jobs/{job}/metrics?get=numRestarts")
        return int(found[0]["value"]) if found else 0

    def wait_for_death(self, job):
        """Until a rule has killed a worker; none does any more."""
        self.cluster.wait(lambda: self.restarts(job) >= 1 or self.cluster.state(job) in ("FINISHED", "FAILED"))
        self.rule("")

    def kill_workers(self, job, rng, times):
        """Each time behind another checkpoint."""
        kills = 0
        for _ in range(times):
            wanted = self.jobs.completed(job) + 1
            self.cluster.wait(lambda wanted=wanted: self.jobs.completed(job) >= wanted or self.cluster.state(job) == "FINISHED")
            workers = self.cluster.workers()
            if self.cluster.state(job) == "FINISHED" or not workers:
                break
            try:
                os.kill(rng.choice(workers), 9)
                kills += 1
            except ProcessLookupError:
                pass
        return kills


def rule_file(folder):
    return os.path.join(folder, "rules")


@pytest.fixture
def bed(flinc, tmp_path):
    with open(rule_file(tmp_path), "w", encoding="ascii") as f:
        f.write("\n")
    with jobs_of(flinc.home, tmp_path / "cluster", slots=4, task_managers=2, failpoints="@" + rule_file(tmp_path)) as jobs:
        yield Bed(jobs, tmp_path)


RESTARTS = ["SET 'restart-strategy.type' = 'fixed-delay'", "SET 'restart-strategy.fixed-delay.attempts' = '100'",
            "SET 'restart-strategy.fixed-delay.delay' = '50 ms'", "SET 'parallelism.default' = '3'"]  # fmt: skip


def checkpoints(folder, interval="100 ms"):
    return [f"SET 'execution.checkpointing.interval' = '{interval}'", f"SET 'execution.checkpointing.dir' = '{folder}/checkpoints'"]


def sequence(rows, rate, interval="1"):
    return ("CREATE TABLE numbers (i BIGINT, ts AS TIMESTAMPADD(SECOND, CAST(i AS INT), TIMESTAMP '2020-01-01 00:00:00'), "
            f"WATERMARK FOR ts AS ts - INTERVAL '{interval}' SECOND) WITH ({options(connector='datagen', rows_per_second=rate)}, "
            f"'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '{rows - 1}')")  # fmt: skip


HOURS = ("CREATE TABLE hours (i BIGINT, dt STRING, hr STRING) PARTITIONED BY (dt, hr) WITH ('connector' = 'filesystem', 'format' = 'csv', "
         "'sink.partition-commit.trigger' = 'partition-time', 'partition.time-extractor.timestamp-pattern' = '$dt $hr:00:00', "
         "'sink.partition-commit.delay' = '1 h', 'sink.partition-commit.policy.kind' = 'success-file', {more})")  # fmt: skip
FILL_HOURS = "INSERT INTO hours SELECT i, DATE_FORMAT(ts, 'yyyy-MM-dd'), DATE_FORMAT(ts, 'HH') FROM numbers"


def check_hours(out, rows):
    """Each number once, in the partition of its hour, and each partition told."""
    found = rows_of(out)
    numbers = collections.Counter(int(line) for _, line in found)
    assert sorted(numbers) == list(range(rows)) and set(numbers.values()) == {1}
    for folder, line in found:
        assert folder == f"dt=2020-01-01/hr={int(line) // 3600:02d}"
    told = [name for name in files_of(out) if name.endswith("_SUCCESS")]
    assert told == [f"dt=2020-01-01/hr={hour:02d}/_SUCCESS" for hour in range((rows + 3599) // 3600)]
    check_clean(out)


@pytest.mark.parametrize("more", [{}, {"auto_compaction": "true"}, {"sink__shuffle_by_partition__enable": "true"}])
def test_killed_while_partitions_are_committed(flinc, bed, tmp_path, more):
    rows, out = 30000, tmp_path / "out"
    statements = [*RESTARTS, *checkpoints(tmp_path), sequence(rows, 6000), HOURS.format(more=options(path=out, **more)), FILL_HOURS]
    job = bed.submit(flinc, statements, tmp_path)
    kills = bed.kill_workers(job, random.Random(str(more)), 4)
    bed.jobs.wait_for_end(job)
    assert kills >= 1
    check_hours(out, rows)


@pytest.mark.parametrize("place", ["sink.file.hand_over", "sink.table_files.commit.before", "sink.table_files.commit.after",
                                   "sink.table_files.policy", "source.table_files.snapshot"])  # fmt: skip
def test_killed_at(flinc, bed, tmp_path, place):
    """A worker dies at a step of the protocol."""
    rows, out = 20000, tmp_path / "out"
    bed.rule(f"{place}=kill,nth=2")
    if place.startswith("source."):
        statements = watched_copy(tmp_path, rows)
        job = bed.submit(flinc, [*RESTARTS, *checkpoints(tmp_path, "50 ms"), *statements], tmp_path)
        bed.wait_for_death(job)
        wait_for_rows(bed, job, out, rows)
        return
    job = bed.submit(flinc, [*RESTARTS, *checkpoints(tmp_path), sequence(rows, 10000), HOURS.format(more=options(path=out)), FILL_HOURS], tmp_path)
    bed.wait_for_death(job)
    assert bed.restarts(job) >= 1
    bed.jobs.wait_for_end(job)
    check_hours(out, rows)


def put_csv(path, first, last):
    """Appears at once, complete."""
    hidden = path.parent / ("." + path.name)
    with open(hidden, "w", encoding="ascii") as f:
        f.writelines(f"{i},{COUNTRIES[i % 3]}\n" for i in range(first, last))
    os.rename(hidden, path)


def watched_copy(folder, rows):
    (folder / "in").mkdir()
    for part in range(10):
        put_csv(folder / "in" / f"{part}.csv", part * rows // 10, (part + 1) * rows // 10)
    source = options(connector="filesystem", path=folder / "in", format="csv", source__monitor_interval="20 ms")
    sink = options(connector="filesystem", path=folder / "out", format="json", sink__rolling_policy__rollover_interval="200 ms",
                   sink__rolling_policy__check_interval="50 ms")  # fmt: skip
    return [f"CREATE TABLE src (i BIGINT, c STRING) WITH ({source})",
            f"CREATE TABLE copied (i BIGINT, c STRING) PARTITIONED BY (c) WITH ({sink})",
            "INSERT INTO copied SELECT i, c FROM src"]  # fmt: skip


def wait_for_rows(bed, job, out, rows):
    """All rows are visible, each once, in the right folder; then the job, which has no end, is cancelled."""
    found = []

    def all_there():
        assert bed.cluster.state(job) not in ("FAILED", "CANCELED"), bed.jobs.failure(job)
        found[:] = rows_of(out) if os.path.isdir(out) else []
        assert len(found) <= rows
        return len(found) == rows

    bed.cluster.wait(all_there)
    bed.cluster.cancel(job)
    bed.jobs.wait_for_end(job, "CANCELED")
    assert sorted(rows_of(out)) == sorted((f"c={COUNTRIES[i % 3]}", json.dumps({"i": i}, separators=(",", ":"))) for i in range(rows))


def test_killed_while_a_folder_is_watched(flinc, bed, tmp_path):
    """Files that come while workers die are read once each."""
    rows, out, rng = 10000, tmp_path / "out", random.Random(7)
    job = bed.submit(flinc, [*RESTARTS, *checkpoints(tmp_path, "50 ms"), *watched_copy(tmp_path, rows)], tmp_path)
    for more in range(3):
        while bed.kill_workers(job, rng, 1) == 0:  # it was gone between two looks
            pass
        put_csv(tmp_path / "in" / f"more{more}.csv", rows + 1000 * more, rows + 1000 * (more + 1))
    wait_for_rows(bed, job, out, rows + 3000)


def test_stopped_and_rescaled(flinc, bed, tmp_path):
    """Partitions that were not complete at the savepoint are, later, at another parallelism."""
    rows, out, path = 30000, tmp_path / "out", None
    for parallelism in (3, 1, 4):
        job = bed.submit(flinc, [*RESTARTS, f"SET 'parallelism.default' = '{parallelism}'", *checkpoints(tmp_path),
                                 *(f"SET '{key}' = '{value}'" for key, value in (restoring(path) if path else {}).items()),
                                 sequence(rows, 8000), HOURS.format(more=options(path=out)), FILL_HOURS], tmp_path)  # fmt: skip
        if parallelism == 4:
            bed.jobs.wait_for_end(job)
        else:
            bed.jobs.wait_for_checkpoints(job, 5)
            path = bed.jobs.stop(job, tmp_path / "savepoints")
    check_hours(out, rows)


@pytest.mark.parametrize("place, nth", [("sink.file.close.after", 1), ("sink.file.hand_over", 2), ("sink.table_files.commit.before", 2),
                                        ("sink.table_files.commit.after", 1), ("sink.table_files.overwrite", 1)])  # fmt: skip
def test_killed_batch(flinc, bed, tmp_path, place, nth):
    """A bounded overwrite shows its rows once, however often it began."""
    rows, out = 30000, tmp_path / "out"
    (tmp_path / "in").mkdir()
    for part in range(6):
        put_csv(tmp_path / "in" / f"{part}.csv", part * rows // 6, (part + 1) * rows // 6)
    for country in COUNTRIES:
        os.makedirs(out / f"c={country}")
        (out / f"c={country}" / "old").write_text("old\n")
    bed.rule(f"{place}=kill,nth={nth}")
    table = "CREATE TABLE {name} (i BIGINT, c STRING) {partitions} WITH ({options})"
    job = bed.submit(flinc, [
        *RESTARTS, "SET 'execution.runtime-mode' = 'batch'",
        table.format(name="src", partitions="", options=options(connector="filesystem", path=tmp_path / "in", format="csv")),
        table.format(name="copied", partitions="PARTITIONED BY (c)", options=options(connector="filesystem", path=out, format="csv")),
        "INSERT OVERWRITE copied SELECT i, c FROM src"], tmp_path)  # fmt: skip
    bed.wait_for_death(job)
    bed.jobs.wait_for_end(job)
    assert bed.restarts(job) >= 1
    assert sorted(rows_of(out)) == sorted((f"c={COUNTRIES[i % 3]}", str(i)) for i in range(rows))
    check_clean(out)


def test_killed_on_s3(flinc, tmp_path):
    """The same on objects, whose unfinished uploads nobody sees."""
    rows = 8000
    server = s3.server(tmp_path / "s3").start()
    try:
        server.make_bucket("lake")
        with jobs_of(flinc.home, tmp_path / "cluster", slots=4, task_managers=1, config=server.config()) as jobs:
            mine = Bed(jobs, tmp_path)
            statements = [*RESTARTS, *checkpoints("s3://lake", "300 ms"), sequence(rows, 2000),
                          HOURS.format(more=options(path="s3://lake/out")), FILL_HOURS]  # fmt: skip
            job = mine.submit(flinc, statements, tmp_path)
            kills = mine.kill_workers(job, random.Random(3), 2)
            jobs.wait_for_end(job)
            assert kills >= 1
            done = run_sql(flinc, ["SET 'execution.runtime-mode' = 'batch'", HOURS.format(more=options(path="s3://lake/out")),
                                   "SELECT COUNT(*) AS n, COUNT(DISTINCT i) AS d, MAX(i) AS m FROM hours"], tmp_path,
                           env=mine.cluster.environment)  # fmt: skip
            assert f"| {rows} | {rows} | {rows - 1} |" in done.stdout, done.stdout + done.stderr
    finally:
        server.stop()


# ---- bad files -----------------------------------------------------------------------------------------

BATCH = ["SET 'execution.runtime-mode' = 'batch'", "SET 'sql-client.execution.result-mode' = 'tableau'"]


def table(path, format_, schema="a INT, b STRING", **more):
    return f"CREATE TABLE t ({schema}) WITH ({options(connector='filesystem', path=path, format=format_, **more)})"


def selected(flinc, folder, create, query="SELECT * FROM t", mode=BATCH):
    """The rows of a query, or the error."""
    done = run_sql(flinc, [*mode, create, query], folder)
    if done.returncode:
        return done.stdout + done.stderr
    cells = [[c.strip() for c in line[1:-1].split("|")] for line in done.stdout.splitlines() if line.startswith("|")]
    return sorted(cells[1:])


BAD_RECORDS = [
    ("csv", "1,x\nzwei,y\n3,z\n", "line 2, column 1", [["1", "x"], ["3", "z"], ["<NULL>", "y"]]),
    ("csv", "1,x\n2,y,9,9\n", "line 2", [["1", "x"]]),
    ("csv", '1,x\n2,"y\n', "line 2", [["1", "x"]]),
    ("json", '{"a":1,"b":"x"}\n{"a":"zwei","b":"y"}\n', "line 2, column", [["1", "x"], ["<NULL>", "y"]]),
    ("json", '{"a":1,"b":"x"}\n{"a":2,"b":\n{"a":3,"b":"z"}\n', "line 2", [["1", "x"], ["3", "z"]]),
    ("json", '{"a":1,"b":"x"}\n{"a":3000000000,"b":"z"}\n', "line 2", [["1", "x"], ["<NULL>", "z"]]),
]


@pytest.mark.parametrize("format_, text, place, kept", BAD_RECORDS)
def test_bad_records(flinc, tmp_path, format_, text, place, kept):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text(text)
    said = selected(flinc, tmp_path, table(tmp_path / "in", format_))
    assert isinstance(said, str) and f"{tmp_path}/in/file, {place}" in said, said
    ignoring = table(tmp_path / "in", format_).replace("WITH (", f"WITH ('{format_}.ignore-parse-errors' = 'true', ")
    assert selected(flinc, tmp_path, ignoring) == sorted(kept)


def test_bad_records_are_counted(flinc, tmp_path):
    with jobs_of(flinc.home, tmp_path / "cluster", config={"metrics.fetcher.update-interval": 0}) as jobs:
        mine = Bed(jobs, tmp_path)
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "file").write_text('{"a":1}\n{"a":\n{"a":2}\nnothing\n')
        source = options(connector="filesystem", path=tmp_path / "in", format="json", source__monitor_interval="1 s")
        job = mine.submit(flinc, [
            f"CREATE TABLE src (a INT) WITH ({source}, 'json.ignore-parse-errors' = 'true')",
            "CREATE TABLE dropped (a INT) WITH ('connector' = 'blackhole')", "INSERT INTO dropped SELECT a FROM src"], tmp_path)  # fmt: skip

        def counted():
            vertex = mine.cluster.get(f"/jobs/{job}")["vertices"][0]["id"]
            names = [m["id"] for m in mine.cluster.get(f"/jobs/{job}/vertices/{vertex}/metrics")]
            name = next((n for n in names if n.endswith("numRecordsInErrors")), None)
            found = name and mine.cluster.get(f"/jobs/{job}/vertices/{vertex}/metrics?get={name}")
            return found and found[0]["value"] == "2"

        mine.cluster.wait(counted)
        mine.cluster.cancel(job)
        jobs.wait_for_end(job, "CANCELED")


def test_missing_files(flinc, tmp_path):
    said = selected(flinc, tmp_path, table(tmp_path / "nothing", "csv"))
    assert f"{tmp_path}/nothing does not exist" in said
    said = selected(flinc, tmp_path, table("nofs://host/x", "csv"))
    assert "nofs" in said and isinstance(said, str)


NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []


def test_forbidden_file(flinc):
    """Root may read everything: then somebody else reads."""
    flink = os.path.join(flinc.home, "bin", "flink")
    if subprocess.run([*NOBODY, "test", "-x", flink], check=False).returncode:
        pytest.skip("the distribution lies where only root can read it")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        for name, text, mode in (("file", "1,x\n", 0), ("script.sql", ";\n".join([*BATCH, table(folder + "/file", "csv"), "SELECT * FROM t;\n"]), 0o644)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(text)
            os.chmod(os.path.join(folder, name), mode)
        done = subprocess.run([*NOBODY, flink, "sql", "-f", folder + "/script.sql"], capture_output=True, text=True, cwd=folder,
                              env={**os.environ, "HOME": folder, "FLINK_LOG_DIR": folder}, timeout=LONGEST, check=False)  # fmt: skip
        assert done.returncode == 1 and f"opening {folder}/file: Permission denied" in done.stdout, done.stdout + done.stderr


def test_sink_below_a_file(flinc, tmp_path):
    (tmp_path / "file").write_text("x")
    said = run_sql(flinc, [*BATCH, "SET 'table.dml-sync' = 'true'", table(tmp_path / "file" / "out", "csv"), "INSERT INTO t VALUES (1, 'x')"], tmp_path)
    assert said.returncode == 1 and "making the output folder" in said.stdout and f"{tmp_path}/file" in said.stdout, said.stdout


PACKED = {"gz": gzip.compress, "deflate": zlib.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("extension", PACKED)
def test_packed_files(flinc, tmp_path, extension):
    text = "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20000))
    packed = PACKED[extension](text.encode())
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / f"numbers.csv.{extension}"
    file.write_bytes(packed)
    create = table(tmp_path / "in", "csv", "a INT, b INT")
    query = "SELECT COUNT(*) AS n, SUM(a) AS a, SUM(b) AS b FROM t"
    assert selected(flinc, tmp_path, create, query) == [["20000", str(sum(range(20000))), str(sum(i * 7919 % 10007 for i in range(20000)))]]
    file.write_bytes(packed[:len(packed) // 2])
    said = selected(flinc, tmp_path, create, query)
    assert f"numbers.csv.{extension} ends in the middle" in said, said


def test_wrong_types_and_values(flinc, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("1,x\n0,300\n")
    create = table(tmp_path / "in", "csv")
    said = selected(flinc, tmp_path, create, "SELECT CAST(b AS INT) AS n FROM t")
    assert isinstance(said, str) and "'x'" in said, said
    assert selected(flinc, tmp_path, create, "SELECT TRY_CAST(b AS INT) AS n FROM t") == [["300"], ["<NULL>"]]
    said = selected(flinc, tmp_path, create, "SELECT CAST(b AS TINYINT) AS n FROM t WHERE a = 0")
    assert isinstance(said, str) and "'300'" in said, said
    assert selected(flinc, tmp_path, create, "SELECT TRY_CAST(b AS TINYINT) AS n FROM t WHERE a = 0") == [["<NULL>"]]
    said = selected(flinc, tmp_path, create, "SELECT 10 / a AS n FROM t")
    assert isinstance(said, str) and "zero" in said.lower(), said
    assert selected(flinc, tmp_path, create, "SELECT a + 2147483647 AS n FROM t") == [["-2147483648"], ["2147483647"]]  # wraps
    said = selected(flinc, tmp_path, table(tmp_path / "in", "csv", "a MAP<STRING, INT>, b STRING"))
    assert isinstance(said, str) and "'a'" in said and "MAP<STRING, INT>" in said, said


def test_pattern_of_paths(flinc, tmp_path):
    r"""As Java reads it: \d, named groups, possessive and lazy quantifiers, look-ahead."""
    (tmp_path / "in").mkdir()
    for name in ("log-1.csv", "log-22.csv", "log-x.csv", "log-3.txt"):
        (tmp_path / "in" / name).write_text(f"1,{name}\n")
    create = table(tmp_path / "in", "csv", source__path__regex_pattern=r".*+(?<!x)")
    pattern = re.escape(str(tmp_path / "in")) + r"/(?<kind>log)-\d{1,2}(?!\.txt)\.[a-z]+?"
    create = create.replace(".*+(?<!x)", pattern)
    assert selected(flinc, tmp_path, create, "SELECT b FROM t") == [["log-1.csv"], ["log-22.csv"]]


# ---- the events of Nexmark ---------------------------------------------------------------------------------

NEXMARK = """CREATE TABLE nexmark (event_type INT,
  person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,
  auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3),
              expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>
) WITH ('connector' = 'nexmark', 'events.num' = '50000', 'seed' = '1')"""
SAVED = NEXMARK.replace("CREATE TABLE nexmark", "CREATE TABLE saved")


def test_nexmark_events_in_files(flinc, tmp_path):
    """docs/guide/connectors.md: written, read back, and query 10, which writes bids by day and minute."""
    saved = SAVED[:SAVED.index(" WITH (")] + f" WITH ({options(connector='filesystem', path=tmp_path / 'events', format='json')})"
    bids = "CREATE TABLE q10 (auction BIGINT, bidder BIGINT, price BIGINT, ts TIMESTAMP(3), dt STRING, hm STRING) PARTITIONED BY (dt, hm) WITH ("
    bids += options(connector="filesystem", path=tmp_path / "q10", format="csv", sink__partition_commit__policy__kind="success-file",
                    sink__partition_commit__trigger="partition-time", partition__time_extractor__timestamp_pattern="$dt $hm:00",
                    sink__partition_commit__delay="1 min", sink__rolling_policy__rollover_interval="1min",
                    sink__rolling_policy__check_interval="1min") + ")"  # fmt: skip
    sums = "SELECT event_type, COUNT(*) AS n, SUM(bid.price) AS p, MAX(auction.id) AS a, MAX(person.name) AS m FROM {} GROUP BY event_type"
    done = run_sql(flinc, [*BATCH, "SET 'table.dml-sync' = 'true'", NEXMARK, saved, bids, "INSERT INTO saved SELECT * FROM nexmark",
                           "INSERT INTO q10 SELECT bid.auction, bid.bidder, bid.price, bid.`dateTime`, DATE_FORMAT(bid.`dateTime`, 'yyyy-MM-dd'), "
                           "DATE_FORMAT(bid.`dateTime`, 'HH:mm') FROM saved WHERE event_type = 2", sums.format("nexmark"), sums.format("saved"),
                           "SELECT COUNT(*) AS n, SUM(price) AS p FROM q10"], tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    made, read = sorted(lines[1:4]), sorted(lines[5:8])
    assert made == read and sum(int(line.split("|")[2]) for line in made) == 50000, done.stdout
    assert lines[-1].split("|")[1].strip() == "46000" and lines[-1].split("|")[2:3] == made[2].split("|")[3:4], done.stdout
    told = [name for name in files_of(tmp_path / "q10") if name.endswith("_SUCCESS")]
    assert len(told) == len({os.path.dirname(name) for name in visible(tmp_path / "q10")}) > 0
