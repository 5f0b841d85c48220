"""The file sink with real processes: kills, restores at other parallelisms, stops, compaction, S3; a reader that looks all
the time never sees a line that is not complete, twice, or gone again; and what users see of their mistakes."""

import gzip
import json
import os
import random
import subprocess
import sys
import threading

import pytest
from checkpoints import Jobs, jobs_of, restoring, settings
from cluster import Cluster
from test_embedded import Page, shell

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position

RECORDS = 60000
COUNTRIES = ["de", "us", "fr", "jp", "br", "in", "za"]
RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


def line_of(number, kind):
    country, price, at = COUNTRIES[number % 7], number / 4, number * 1000
    if kind == "json":
        return json.dumps({"id": number, "country": country, "price": price, "at": at}, separators=(",", ":"))
    text = f"{price:.2f}".rstrip("0") if price % 1 else f"{price:.1f}"
    return f"{number},{country},{text},{at}"


def bucket_of(number, buckets):
    if buckets == "country":
        return "country=" + COUNTRIES[number % 7]
    if buckets == "hour":
        return f"1970-01-{1 + number // 86400:02d}--{number // 3600 % 24:02d}"
    return ""


def visible(folder):
    """Relative paths of what a reader sees."""
    found = []
    for directory, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if n[0] not in "._"]
        found += [os.path.relpath(os.path.join(directory, n), folder) for n in names if n[0] not in "._"]
    return found


def hidden(folder):
    return [os.path.join(d, n) for d, _, names in os.walk(folder) for n in names if n[0] == "." and ".sgwtmp" not in d]


def text_of(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout.decode()
    with (gzip.open(path, "rt") if path.endswith(".gz") else open(path, encoding="utf-8")) as f:
        return f.read()


class Reader:
    """Looks at a folder all the time, as those who use the output do."""

    def __init__(self, folder, kind="csv", buckets="none", header=False):
        self.folder, self.kind, self.buckets, self.header = folder, kind, buckets, header
        self.sizes, self.numbers, self.flaws = {}, set(), []
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def flaw(self, text):
        self.flaws.append(text)

    def read(self, name):
        path = os.path.join(self.folder, name)
        text = text_of(path)
        self.sizes[name] = os.path.getsize(path)
        if not text.endswith("\n"):
            self.flaw(f"{name} ends in a line: {text[-50:]!r}")
        lines = text.splitlines()
        if self.header and (not lines or lines.pop(0) != "id,country,price,at"):
            self.flaw(f"{name} has no header")
        for line in lines:
            number = json.loads(line)["id"] if self.kind == "json" else int(line.split(",")[0])
            if line != line_of(number, self.kind):
                self.flaw(f"{name}: {line!r} is not {line_of(number, self.kind)!r}")
            if bucket_of(number, self.buckets) != os.path.dirname(name):
                self.flaw(f"{name}: {line!r} is in the wrong folder")
            if number in self.numbers:
                self.flaw(f"{name}: {number} is there twice")
            self.numbers.add(number)

    def look(self):
        names = visible(self.folder)
        for name, size in self.sizes.items():
            path = os.path.join(self.folder, name)
            if not os.path.exists(path) or os.path.getsize(path) != size:
                self.flaw(f"{name} has changed or is gone")
        for name in names:
            if name not in self.sizes:
                self.read(name)

    def run(self):
        while not self.ends.wait(0.002) and not self.flaws:
            self.look()

    def end(self, records=None):
        """All of them are there once; returns how many there are."""
        self.ends.set()
        self.thread.join()
        if not self.flaws:
            self.look()
        assert not self.flaws, self.flaws[:3]
        if records is not None:
            assert len(self.numbers) == records and max(self.numbers) == records - 1
        return len(self.numbers)


def arguments(folder, records=RECORDS, rate=0, **options):
    args = ["--records", records, "--rate", rate, "--output", folder]
    for key, value in options.items():
        args += ["--" + key.replace("_", "-"), value]
    return args


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("files") / "cluster", slots=4, task_managers=2) as found:
        found.cluster.leaves_files = True
        yield found


# ---- formats, without failures ----------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {"format": "csv", "buckets": "hour"},
    {"format": "json", "buckets": "country", "bulk": 1, "compression": "gzip"},
    {"format": "csv", "bulk": 1, "header": 1, "compression": "zstd"},
])
def test_local_run(flinc, bundle, tmp_path, options):
    """Bounded input in one process, without checkpoints."""
    flinc.run_local("-p", 2, bundle("files"), *arguments(tmp_path / "out", **options))
    reader = Reader(tmp_path / "out", options["format"], options.get("buckets", "none"), bool(options.get("header")))
    reader.end(RECORDS)
    assert hidden(tmp_path / "out") == []


# ---- kills -------------------------------------------------------------------------------------------

KINDS = {
    "open over checkpoints": {"buckets": "country", "interval": 400},
    "rolled at checkpoints": {"buckets": "hour", "roll": "checkpoint"},
    "bulk, compacted": {"bulk": 1, "buckets": "country", "compact_checkpoints": 3, "header": 1},
    "rolled by size, compacted by size": {"format": "json", "part_bytes": 20000, "compact_bytes": 100000},
}


def kill_now_and_then(jobs, job, rng, times):
    kills = 0
    for _ in range(times):
        wanted = jobs.completed(job) + 1
        jobs.cluster.wait(lambda wanted=wanted: jobs.completed(job) >= wanted or jobs.cluster.state(job) == "FINISHED")
        workers = jobs.cluster.workers()
        if jobs.cluster.state(job) == "FINISHED" or not workers:
            break
        try:
            os.kill(rng.choice(workers), 9)
            kills += 1
        except ProcessLookupError:
            pass
    return kills


@pytest.mark.parametrize("kind", KINDS)
def test_killed_workers(jobs, bundle, tmp_path, kind):
    options = KINDS[kind]
    out = tmp_path / "out"
    os.makedirs(out)
    reader = Reader(out, options.get("format", "csv"), options.get("buckets", "none"), bool(options.get("header")))
    config = {**settings(tmp_path), **RESTARTS}
    try:
        job = jobs.start(bundle("files"), arguments(out, rate=10000, **options), config, 4)
        kills = kill_now_and_then(jobs, job, random.Random(kind), 5)
        jobs.wait_for_end(job)
    except BaseException:
        reader.ends.set()
        raise
    reader.end(RECORDS)
    assert kills >= 2
    assert hidden(out) == []
    if "compact" in kind:
        assert all("compacted-" in name for name in visible(out))


def test_killed_task_manager(flinc, bundle, tmp_path):
    """kill -9 of a whole task manager; another one comes."""
    out = tmp_path / "out"
    os.makedirs(out)
    with jobs_of(flinc.home, tmp_path / "cluster", slots=2, task_managers=2) as mine:
        c = mine.cluster
        c.leaves_files = True
        reader = Reader(out, buckets="country")
        try:
            job = mine.start(bundle("files"), arguments(out, rate=15000, buckets="country", interval=300),
                             {**settings(tmp_path), **RESTARTS}, 4)
            for _ in range(2):
                mine.wait_for_checkpoints(job, 3)
                c.taskmanagers[-1].kill()
                c.start_task_manager()
            mine.wait_for_end(job)
        except BaseException:
            reader.ends.set()
            raise
        reader.end(RECORDS)
        assert hidden(out) == []


# ---- savepoints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"buckets": "country"}, {"bulk": 1, "compact_checkpoints": 2}])
def test_stop_and_rescale(jobs, bundle, tmp_path, options):
    """What was written before a stop is all there, at any parallelism what comes behind it, too."""
    out = tmp_path / "out"
    os.makedirs(out)
    reader = Reader(out, buckets=options.get("buckets", "none"))
    path = None
    try:
        for parallelism, last in ((1, False), (4, False), (2, True)):
            config = {**settings(tmp_path), **(restoring(path) if path else {})}
            job = jobs.start(bundle("files"), arguments(out, rate=0 if last else 15000, **options), config, parallelism)
            if last:
                jobs.wait_for_end(job)
            else:
                jobs.wait_for_checkpoints(job, 3)
                path = jobs.stop(job, tmp_path / "savepoints")
                assert hidden(out) == [] or all(name.endswith(".savepoint") for name in hidden(out))
    except BaseException:
        reader.ends.set()
        raise
    reader.end(RECORDS)
    assert all(name.endswith(".savepoint") for name in hidden(out))


def test_cancel_and_rescale(jobs, bundle, tmp_path):
    """From a checkpoint, in which files are open, to more subtasks."""
    out = tmp_path / "out"
    os.makedirs(out)
    reader = Reader(out, buckets="country")
    try:
        job = jobs.start(bundle("files"), arguments(out, rate=15000, buckets="country"), settings(tmp_path), 2)
        jobs.wait_for_checkpoints(job, 3)
        path = jobs.cancel(job)
        job = jobs.start(bundle("files"), arguments(out, buckets="country"), {**settings(tmp_path), **restoring(path)}, 4)
        jobs.wait_for_end(job)
    except BaseException:
        reader.ends.set()
        raise
    reader.end(RECORDS)


# ---- S3 -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = s3.server(tmp_path_factory.mktemp("s3")).start()
    found.make_bucket("lake")
    yield found
    found.stop()


@pytest.mark.parametrize("options", [{"buckets": "country", "interval": 1000}, {"bulk": 1, "compact_checkpoints": 2}])
def test_killed_workers_on_s3(flinc, bundle, tmp_path, server, options):
    """The reader looks at the server's own folder, where it has one, else at the end."""
    name, buckets = "compacted" if "bulk" in options else "open", options.get("buckets", "none")
    reader, records = None, 15 * server.pace
    if isinstance(server, s3.Versitygw):
        os.makedirs(server.files(f"lake/{name}"))
        reader = Reader(server.files(f"lake/{name}"), buckets=buckets)
    c = Cluster(flinc.home, tmp_path / "cluster", slots=4, config=server.config()).start(1)
    try:
        mine = Jobs(c)
        c.leaves_files = True
        config = {**settings(tmp_path, interval="200 ms"), **RESTARTS,
                  "execution.checkpointing.dir": f"s3://lake/checkpoints/{name}"}
        job = mine.start(bundle("files"), arguments(f"s3://lake/{name}", records, 4 * server.pace, **options), config, 2)
        kills = kill_now_and_then(mine, job, random.Random(name), 3)
        mine.wait_for_end(job)
        c.stop()
    finally:
        if reader:
            reader.ends.set()
        c.kill_all()
    (reader or Reader(server.files(f"lake/{name}"), buckets=buckets)).end(records)
    assert kills >= 1


# ---- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, text", [
    ({"format": "parquett"}, "there is no file format 'parquett'; the formats are csv, json, text"),
    ({"bad": "schema"}, "CSV cannot write the column 'tags' of type MAP<STRING, INT>"),
    ({"bad": "prefix"}, ".prefix begins the names of files"),
    ({"compression": "gzip"}, "row formats are not compressed"),
    ({"compression": "lzma", "bulk": 1}, "there is no compression 'lzma'"),
    ({"buckets": "outside"}, "the bucket '../../outside' cannot be a folder below the sink's"),
])
def test_mistakes(flinc, bundle, tmp_path, options, text):
    said = flinc.fail_local(bundle("files"), *arguments(tmp_path / "out", records=10, **options))
    assert text in said, said
    assert os.listdir(tmp_path) in ([], ["out"]) and not visible(tmp_path)


def test_place_that_cannot_be_written(flinc, bundle, tmp_path):
    (tmp_path / "file").write_text("x")
    said = flinc.fail_local(bundle("files"), *arguments(tmp_path / "file" / "out", records=10))
    assert "making the output folder" in said and str(tmp_path / "file") in said, said
    said = flinc.fail_local(bundle("files"), *arguments("hdfss://host/x", records=10))
    assert "hdfss" in said, said


# ---- docs/guide/file-sink.md --------------------------------------------------------------------------------

GUIDE_JOB = """
static int job(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"output", "how", NULL};
    const order few[] = {{1, FLINC_STR("de"), 1.5, 0}, {2, FLINC_STR("us"), 2.25, 82800000}, {3, FLINC_STR("de"), 3, 0}};
    void (*const ways[])(flinc_stream *, const char *) = {as_csv, as_text, by_day, per_country};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);

    ways[flinc_params_int(p, "how", 0)](flinc_from_elements(env, few, 3, FLINC_TYPE(order)),
                                        flinc_params_get(p, "output", "orders"));
    return flinc_env_execute(env, "orders");
}
FLINC_JOB(job)
"""


def test_guide(top, flinc, tmp_path):
    """Its code is one file, which compiles and does what the page says."""
    page = Page(os.path.join(top, "docs", "guide", "file-sink.md"))
    (tmp_path / "orders.c").write_text("\n".join(page.blocks) + GUIDE_JOB)
    os.symlink(flinc.home, tmp_path / "flinc")
    shell(tmp_path, """F=$PWD/flinc
        cc -Wall -Werror -O2 -shared -fPIC $($F/bin/flinc-config --cflags) orders.c -o orders.so \\
            $($F/bin/flinc-config --libs)""")
    results = [
        {"": "1,de,1.5,1970-01-01 00:00:00\n2,us,2.25,1970-01-01 23:00:00\n3,de,3.0,1970-01-01 00:00:00\n"},
        {"": "1 costs 1.50\n2 costs 2.25\n3 costs 3.00\n"},
        {"day=1970-01-01": '{"id":1,"country":"de","price":1.5,"at":"1970-01-01 00:00:00"}\n'
                           '{"id":3,"country":"de","price":3.0,"at":"1970-01-01 00:00:00"}\n',
         "day=1970-01-02": '{"id":2,"country":"us","price":2.25,"at":"1970-01-01 23:00:00"}\n'},
        {"country=de": "1,de,1.5,1970-01-01 00:00:00\n3,de,3.0,1970-01-01 00:00:00\n",
         "country=us": "2,us,2.25,1970-01-01 23:00:00\n"},
    ]
    for how, expected in enumerate(results):
        out = tmp_path / f"out-{how}"
        flinc.run_local("-p", 1, tmp_path / "orders.so", "--how", how, "--output", out)
        found = {os.path.dirname(name): text_of(os.path.join(out, name)) for name in visible(out)}
        assert found == expected
        names = [os.path.basename(name) for name in visible(out)]
        begin, end = [("part-", "-0.csv"), ("part-", "-0"), ("part-", ""), ("compacted-part-", ".zst")][how]
        assert all(n.startswith(begin) and n.endswith(end) for n in names)
