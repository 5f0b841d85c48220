"""File systems of third parties: the example is built against the installed headers, put into plugins/, and used for all that takes a
location; what does not load is named."""

import glob
import os
import random
import shutil
import subprocess
import sys

import pytest
from checkpoints import KEYS, Jobs, restoring, settings
from cluster import TOP, Cluster
from ha import CountingJob, ZooKeeperCluster
from running import free_port
from test_history_server import HistoryServer
from test_rescale import has_started, merged, numbers_of

sys.path.insert(0, os.path.join(TOP, "tests", "services"))
import zookeeper  # noqa: E402  pylint: disable=wrong-import-position

RESTARTS = {"restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50 ms"}


def build(home, target, *more):
    """As a user would: the example's source, the headers of the distribution, no library."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    flags = subprocess.run([os.path.join(home, "bin", "flinc-config"), "--cflags"], capture_output=True, text=True, check=True)
    source = os.path.join(home, "examples", "filesystem_folder", "filesystem_folder.c")
    done = subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-Wall", "-Werror", *flags.stdout.split(), *more, source, "-o", target],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def home(flinc, tmp_path_factory):
    """A distribution of its own, with the plug-in, and with ones that are wrong."""
    copy = str(tmp_path_factory.mktemp("dist") / "flinc")
    shutil.copytree(flinc.home, copy, symlinks=True)
    build(copy, os.path.join(copy, "plugins", "folder", "folder.so"))
    return copy


@pytest.fixture
def mine(home, flinc):
    """bin/flink of that distribution."""
    return type(flinc)(home)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = zookeeper.Server(tmp_path_factory.mktemp("zookeeper"), free_port()).start()
    yield one
    one.stop()


class Place:
    """A root of the plug-in: its settings, and what lies in it."""

    def __init__(self, tmp_path, **more):
        self.root = str(tmp_path / "root")
        os.makedirs(self.root)
        self.config = {"fs.plugin.folder.root": self.root, **{f"fs.plugin.folder.{key}": value for key, value in more.items()}}
        self.options = [f"-D{key}={value}" for key, value in self.config.items()]

    def local(self, uri):
        assert uri.startswith("folder://")
        return os.path.join(self.root, uri.removeprefix("folder://"))


def test_checkpoints_savepoints_and_the_file_sink(home, mine, bundle, tmp_path):
    """Kills, a savepoint, another parallelism: each record is there once, and nothing is left behind."""
    place = Place(tmp_path)
    c = Cluster(home, tmp_path / "cluster", slots=8, config=place.config)
    try:
        jobs = Jobs(c.start(1))
        common = {**settings(tmp_path), **RESTARTS, "execution.checkpointing.dir": "folder://state/checkpoints",
                  "state.backend.type": "rocksdb", "execution.checkpointing.incremental": "true"}
        records, outs = 40 * KEYS, ["folder://state/out/1", "folder://state/out/2"]

        def start(folder, parallelism, config, rate=0):
            return jobs.start(bundle("rescale"), ["--records", records, "--rate", rate, "--output", folder], config, parallelism)

        first = start(outs[0], 4, common, 4000)
        c.wait(lambda: has_started(jobs, first, place.local(outs[0]), 4))
        jobs.wait_for_checkpoints(first, 2)
        os.kill(random.choice(c.workers()), 9)
        jobs.wait_for_checkpoints(first, 2)
        found = jobs.operation(f"/jobs/{first}/stop", {"targetDirectory": "folder://state/savepoints", "drain": False},
                               poll=f"/jobs/{first}/savepoints")
        jobs.wait_for_end(first)
        assert found["location"].startswith("folder://state/savepoints/savepoint-")
        said = mine.run("state", "info", *place.options, found["location"])
        assert said.returncode == 0 and "savepoint" in said.stdout, said.stdout + said.stderr
        second = start(outs[1], 2, {**common, **restoring(found["location"])})
        jobs.wait_for_end(second)
        paths = [place.local(out) for out in outs]
        assert len(numbers_of(paths, "R")) == records
        assert merged(paths)["R"] == {key: list(range(1, 41)) for key in range(KEYS)}
        c.wait(lambda: not glob.glob(place.local("folder://state/checkpoints") + "/*/chk-*/_metadata"))
        c.stop()
    finally:
        c.kill_all()


def test_inputs(mine, home, tmp_path):
    place = Place(tmp_path)
    os.makedirs(place.local("folder://texts/all"))
    for name in "ab":
        with open(place.local(f"folder://texts/all/{name}.txt"), "w", encoding="utf-8") as f:
            f.write("one two two\n")
    wordcount = os.path.join(home, "examples", "wordcount.so")
    for path, twos in (("folder://texts/all/a.txt", 2), ("folder://texts/all", 4), ("folder://texts/all/*.txt", 4)):
        said = mine.run_local(*place.options, wordcount, "--input", path).stdout
        assert f"two,{twos}" in said or f"two {twos}" in said, said


def test_history(home, bundle, tmp_path):
    place = Place(tmp_path)
    c = Cluster(home, tmp_path / "cluster", 2, {**place.config, "jobmanager.archive.fs.dir": "folder://history/done"})
    try:
        c.start(1)
        job = c.run_jar(c.upload(bundle("task_fails")))
        c.wait_for_state(job, "FAILED")
        config = {**place.config, "historyserver.archive.fs.dir": "folder://history/done"}
        with HistoryServer(home, tmp_path / "history", config) as history:
            history.wait_for(job)
            assert history.get(f"/jobs/{job}")["state"] == "FAILED"
        c.stop()
    finally:
        c.kill_all()


def test_high_availability(home, bundle, tmp_path, server):
    """Graphs, bundles and checkpoints in a storage folder of the plug-in; the next leader finds them."""
    place = Place(tmp_path)

    class OnPlugin(ZooKeeperCluster):
        def kept(self):
            top = place.local("folder://ha/storage")
            return sorted(os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names)

    c = OnPlugin(home, tmp_path / "cluster", server, config={**place.config, "high-availability.storageDir": "folder://ha/storage"})
    try:
        c.start(1)
        job = CountingJob(c, bundle, tmp_path, **{"execution.checkpointing.dir": "folder://ha/checkpoints"})
        job.wait_for_checkpoints()
        assert any("/blob/" in path for path in c.kept()), c.kept()
        c.job_managers[0].kill()
        assert c.wait_for_other_leader(0) == 1
        job.wait_for_end()
        c.stop()
    finally:
        c.kill_all()


def test_failures(mine, home, tmp_path, bundle):
    """A file system that fails: the message has the location, the plug-in and the reason; checkpoints fail, the job goes on."""
    wordcount = os.path.join(home, "examples", "wordcount.so")
    (tmp_path / "open").mkdir()
    place = Place(tmp_path / "open", fail="open")
    os.makedirs(place.local("folder://texts"))
    with open(place.local("folder://texts/a"), "w", encoding="utf-8") as f:
        f.write("one\n")
    said = mine.fail_local(*place.options, wordcount, "--input", "folder://texts/a")
    assert "folder://texts/a" in said and "(plug-in folder)" in said, said
    place = Place(tmp_path, fail="write")
    c = Cluster(home, tmp_path / "cluster", 2, place.config)
    try:
        c.start(1)
        job = c.run_jar(c.upload(bundle("endless")), config={"execution.checkpointing.interval": "50 ms",
                                                              "execution.checkpointing.dir": "folder://state/checkpoints",
                                                              "execution.checkpointing.tolerable-failed-checkpoints": "1000000"})

        def failed():
            return [one for one in (c.try_get(f"/jobs/{job}/checkpoints") or {}).get("history", []) if one["status"] == "FAILED"]

        c.wait(failed)
        assert "write fails, as fs.plugin.folder.fail asks for" in failed()[0]["failure_message"], failed()[0]
        assert c.state(job) == "RUNNING"
        c.cancel(job)
        c.wait_for_state(job, "CANCELED")
        c.stop()
    finally:
        c.kill_all()


@pytest.mark.parametrize("name", ["newer", "nothing", "second", "text", "unresolved"])
def test_what_does_not_load_is_named(mine, home, tmp_path, name):
    """Another version, no entry, a scheme that is taken, no shared object, a missing symbol: the other plug-in works."""
    plugins = tmp_path / "plugins"
    place = Place(tmp_path)
    environment = {"FLINK_PLUGINS_DIR": str(plugins)}
    wordcount = os.path.join(home, "examples", "wordcount.so")
    with open(os.path.join(home, "examples", "filesystem_folder", "filesystem_folder.c"), encoding="utf-8") as f:
        text = f.read()
    old, new, why = {
        "newer": (".abi_version = FLINC_FS_ABI_VERSION", ".abi_version = 77", "was built for version 77"),
        "nothing": ("FLINC_FILE_SYSTEM(plugin)", "const flinc_fs_plugin *unused(void);\n"
                    "const flinc_fs_plugin *unused(void) { return &plugin; }", "is no plug-in: it exports neither"),
        "second": ("", "", "the scheme 'folder' belongs to"),
        "text": ("", "", "text"),
        "unresolved": ("FLINC_FILE_SYSTEM(plugin)", "void gone(void);\nvoid also(void);\nvoid also(void) { gone(); }\n"
                       "FLINC_FILE_SYSTEM(plugin)", "uses the symbol gone"),
    }[name]
    assert old in text
    shutil.copytree(os.path.join(home, "plugins", "folder"), plugins / "a-folder")
    (plugins / name).mkdir()
    if name == "text":
        (plugins / name / "it.so").write_text("#!/bin/sh\n")
    else:
        (tmp_path / "it.c").write_text(text.replace(old, new) if old else text)
        done = subprocess.run(["cc", "-fPIC", "-shared", f"-I{home}/include", tmp_path / "it.c", "-o", plugins / name / "it.so"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    os.makedirs(place.local("folder://texts"))
    with open(place.local("folder://texts/a"), "w", encoding="utf-8") as f:
        f.write("one\n")
    assert "one" in mine.run_local(*place.options, wordcount, "--input", "folder://texts/a", env=environment).stdout
    said = mine.fail_local(*place.options, wordcount, "--input", "gopher://x/y", env=environment)
    for part in ("no file system for scheme 'gopher'", f"{plugins}/NAME/FILE.so", "loaded: folder for folder", f"{plugins}/{name}/it.so", why):
        assert part in said, (part, said)


def test_settings_are_missing(mine, home):
    said = mine.fail_local(os.path.join(home, "examples", "wordcount.so"), "--input", "folder://texts/a")
    assert "left out" in said and "fs.plugin.folder.root must name the local folder" in said, said
