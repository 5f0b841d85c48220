"""Snapshots that are damaged, foreign, newer, half-written, or do not fit: the job fails and says which file and why, and never
goes on with a wrong state.  And checkpoints that cannot be written, for the disk is full or the memory over."""

import os
import random
import shutil
import struct

import pytest
from check_sums import crc32c
from checkpoints import Jobs, check_records, files_below, jobs_of, restoring, settings


@pytest.fixture(scope="module")
def jobs(flinc, tmp_path_factory):
    with jobs_of(flinc.home, tmp_path_factory.mktemp("bad") / "cluster") as found:
        yield found


@pytest.fixture(scope="module")
def stateful(bundle):
    return bundle("stateful")


@pytest.fixture(scope="module", params=["checkpoint", "compressed", "canonical", "native"])
def retained(request, jobs, stateful, tmp_path_factory):
    """A snapshot whose state is in files: its folder.  A retained incremental checkpoint, with blocks compressed or not, or a
    savepoint of either kind."""
    folder = tmp_path_factory.mktemp("retained")
    job = jobs.start(stateful, ["--rate", 20000, "--payload", 200],
                     settings(folder, incremental="true", data_inline_threshold="0 kb",
                              snapshot_compression=str(request.param == "compressed").lower()), parallelism=2)
    jobs.wait_for_checkpoints(job, 3)
    if request.param in ("canonical", "native"):
        return jobs.stop(job, folder / "savepoints", kind=request.param.upper())
    return jobs.cancel(job)


@pytest.fixture
def copy(retained, tmp_path):
    """A copy that may be damaged: the folder of the job, and the name of the checkpoint in it.  _metadata names the files of
    the original: so it is the original place that is damaged, and mended afterwards."""
    root = os.path.dirname(retained)
    shutil.copytree(root, tmp_path / "good")
    yield retained
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "good", root)


def restore(jobs, stateful, path, tmp_path, output=False):
    args = ["--rate", 20000, "--payload", 200] + (["--output", tmp_path / "out"] if output else [])
    return jobs.start(stateful, args, {**settings(tmp_path), **restoring(path)}, parallelism=2)


def state_files(path):
    """Those that a restore reads: the larger ones hold keyed state."""
    root = os.path.dirname(path)
    known = open(os.path.join(path, "_metadata"), "rb").read()
    names = [os.path.join(root, name) for name in files_below(root)]
    return sorted(name for name in names if os.path.basename(name).encode() in known)


def keyed_file(path):
    return max(state_files(path), key=os.path.getsize)


def test_what_is_good_is_restored(jobs, stateful, retained, tmp_path):
    job = restore(jobs, stateful, retained, tmp_path)
    jobs.wait_for_checkpoints(job)
    jobs.cancel(job)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit(jobs, stateful, copy, tmp_path, seed):
    source = random.Random(seed)
    name = keyed_file(copy) if seed < 4 else source.choice(state_files(copy))
    content = bytearray(open(name, "rb").read())
    bit = source.randrange(len(content) * 8)
    content[bit // 8] ^= 1 << bit % 8
    with open(name, "wb") as f:
        f.write(content)
    message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
    assert os.path.basename(name) in message and "damaged" in message, message


def damage(path, source):
    """Flips a bit of a file of the snapshot, cuts it, or takes it away; returns its name."""
    name = source.choice(state_files(path) + [os.path.join(path, "_metadata")])
    size = os.path.getsize(name)
    how = source.randrange(3)
    if how == 0:
        with open(name, "r+b") as f:
            at = source.randrange(size)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << source.randrange(8)]))
    elif how == 1:
        os.truncate(name, source.randrange(size))
    else:
        os.remove(name)
    return os.path.basename(name)


@pytest.mark.parametrize("seed", range(100))
def test_dump_of_a_damaged_one(flinc, copy, tmp_path, seed):
    """An error that names the file, and never other rows: 100 tries with each of the four kinds of snapshot."""
    name = damage(copy, random.Random(seed))
    result = flinc.run("state", "dump", copy)
    assert result.returncode != 0 and name in result.stderr, result.stderr


def test_run_with_a_damaged_one(flinc, jobs, stateful, copy, tmp_path):
    """flink run -s"""
    name = keyed_file(copy)
    os.truncate(name, os.path.getsize(name) // 2)
    result = flinc.run("run", "-s", copy, "-p", "2", "-D", "restart-strategy.type=none", stateful, "--rate", "20000",
                       "--payload", "200", env=jobs.cluster.environment)
    assert result.returncode != 0 and os.path.basename(name) in result.stdout + result.stderr, result.stderr


def test_a_flipped_bit_in_a_block_names_it(jobs, stateful, copy, tmp_path):
    name = keyed_file(copy)
    content = bytearray(open(name, "rb").read())
    content[len(content) // 2] ^= 16
    with open(name, "wb") as f:
        f.write(content)
    message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
    assert os.path.basename(name) in message and "block" in message and "at byte" in message, message


@pytest.mark.parametrize("left", [0, 1, 40, 0.5, -1])
def test_a_file_is_cut(jobs, stateful, copy, tmp_path, left):
    name = keyed_file(copy)
    size = os.path.getsize(name)
    os.truncate(name, int(size * left) if 0 < left < 1 else left % size)
    message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
    assert os.path.basename(name) in message and "bytes" in message, message


def test_a_file_is_missing(jobs, stateful, copy, tmp_path):
    for name in (keyed_file(copy), state_files(copy)[0]):
        os.rename(name, tmp_path / "away")
        message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
        assert os.path.basename(name) in message and "No such file" in message, message
        os.rename(tmp_path / "away", name)


@pytest.mark.parametrize("at", [0, 5, 13, 100, -1])
def test_damaged_metadata(jobs, stateful, copy, tmp_path, at):
    name = os.path.join(copy, "_metadata")
    content = bytearray(open(name, "rb").read())
    content[at] ^= 4
    with open(name, "wb") as f:
        f.write(content)
    message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
    assert name in message, message


def test_folders_that_are_no_snapshots(jobs, stateful, retained, tmp_path):
    """Each is told from the others."""
    empty, half, flink, other = (tmp_path / name for name in ("empty", "half", "flink", "other"))
    for folder in (empty, half, flink, other):
        folder.mkdir()
    shutil.copy(keyed_file(retained), half)
    (flink / "_metadata").write_bytes(struct.pack(">IIQ", 0x4960672D, 5, 1) + b"\0" * 32)
    (other / "_metadata").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    for path, texts in (
        (empty, ("_metadata", "never completed")),
        (half, ("_metadata", "never completed")),
        (flink, ("Apache Flink",)),
        (other, ("no checkpoint or savepoint of Flinc",)),
        (tmp_path / "none", ("No such file",)),
        (keyed_file(retained), ("no checkpoint or savepoint of Flinc",)),
        (os.path.dirname(retained), ("a folder of ", retained)),
    ):
        message = jobs.fails(restore(jobs, stateful, path, tmp_path))
        assert str(path) in message and all(text in message for text in texts), (path, message)


def test_a_newer_version(jobs, stateful, copy, tmp_path):
    """Its head is right; it is of a Flinc to come."""
    name = os.path.join(copy, "_metadata")
    content = bytearray(open(name, "rb").read())
    version, = struct.unpack_from("<I", content, 8)
    struct.pack_into("<I", content, 8, version + 1)
    struct.pack_into("<I", content, 28, crc32c(content[:28]))
    with open(name, "wb") as f:
        f.write(content)
    message = jobs.fails(restore(jobs, stateful, copy, tmp_path))
    assert name in message and f"version {version + 1}" in message and "newer" in message, message


def test_a_snapshot_of_another_job(jobs, bundle, retained, tmp_path):
    job = jobs.start(bundle("rescale"), ["--output", tmp_path / "out"], {**settings(tmp_path), **restoring(retained)})
    message = jobs.fails(job)
    assert retained in message and "--allowNonRestoredState" in message


def test_the_disk_is_full(jobs, stateful, small, tmp_path):
    """Checkpoints are declined, the job lives; when there is room again they complete, and nothing is left of the others."""
    config = settings(small, tolerable_failed_checkpoints="100000", data_inline_threshold="0 kb")
    job = jobs.start(stateful, ["--rate", 20000, "--payload", 1000, "--output", tmp_path / "out"], config, parallelism=2)
    jobs.wait_for_checkpoints(job, 2)
    filler = small / "filler"
    with open(filler, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    failed = jobs.statistics(job)["counts"]["failed"]
    jobs.cluster.wait(lambda: jobs.statistics(job)["counts"]["failed"] >= failed + 3)
    assert "No space left on device" in jobs.statistics(job)["latest"]["failed"]["failure_message"]
    assert jobs.cluster.state(job) == "RUNNING"
    filler.unlink()
    jobs.wait_for_checkpoints(job, 3)
    path = jobs.stop(job, tmp_path / "savepoints")
    assert check_records(tmp_path / "out") > 0
    jobs.cluster.wait(lambda: files_below(small) == set())
    job = jobs.start(stateful, ["--rate", 20000, "--payload", 1000, "--output", tmp_path / "out"],
                     {**settings(tmp_path), **restoring(path)}, parallelism=1)
    jobs.wait_for_checkpoints(job)
    jobs.stop(job, tmp_path / "savepoints")
    assert check_records(tmp_path / "out") > 0


def peak_kib(pid):
    """The most that the process had in memory; 0: it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            found = [int(line.split()[1]) for line in f if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return found[0] if found else 0


def test_state_over_the_budget(cluster, stateful, tmp_path):
    """A clear failure with the remedy; the cluster goes on."""
    c = cluster(taskmanagers=1, slots=1, config={"taskmanager.memory.managed.size": "8m"})
    jobs = Jobs(c)
    job = jobs.start(stateful, ["--keys", 1000000, "--payload", 10000], settings(tmp_path, interval="1 h"))
    peaks = [0]

    def has_failed():
        peaks.extend(peak_kib(pid) for pid in c.workers())
        return c.state(job) == "FAILED"

    c.wait(has_failed)
    assert max(peaks) < 256 * 1024, f"a worker had {max(peaks)} KiB"  # the state would be 10 GB
    message = jobs.failure(job)
    assert "taskmanager.memory.managed.size" in message and "raise" in message, message
    assert "Count" in message or "TumblingWindows" in message  # whichever comes first
    c.wait_for_slots(1)
    job = jobs.start(stateful, ["--records", 5000], settings(tmp_path))
    jobs.wait_for_end(job)
