"""Task-local recovery: a worker that is killed is restored from copies on its task manager's disk, or, when these are
damaged, from the checkpoint folder."""

import os
import random

from test_recovery import check_output, completed, write_input

LOCAL = {
    "execution.checkpointing.interval": "1 h",  # those that the test asks for, and the last one
    "execution.checkpointing.data-inline-threshold": "0",
    "state.backend.local-recovery": "true",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "10",
    "restart-strategy.fixed-delay.delay": "50ms",
}


def files_below(folder, skipped=()):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name not in skipped]


def local_state(root):
    """The folders of jobs with local copies."""
    return [os.path.join(at, name) for at, names, _ in os.walk(root) if at.endswith("/localState") for name in names]


def take_checkpoint(c, job):
    before = completed(c, job)
    c.request("POST", f"/jobs/{job}/checkpoints", {})
    c.wait(lambda: completed(c, job) > before)


def restored_lines(c):
    lines = []
    for name in os.listdir(os.path.join(c.folder, "log")):
        with open(os.path.join(c.folder, "log", name), encoding="utf-8", errors="replace") as f:
            # a job manager's line of a failure may have a worker's last lines in it
            lines += [line for line in f if " restores checkpoint " in line and "flinc.taskmanager.worker" in line
                      and "flinc.jobmaster" not in line]
    return lines


def kill_worker(c, job):
    """And wait until all run again; what tasks said of their restore."""
    known = set(restored_lines(c))
    restored = c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"]
    os.kill(c.workers()[0], 9)
    c.wait(lambda: c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] > restored)
    c.wait(lambda: all_run(c, job))
    return [line for line in restored_lines(c) if line not in known]


def all_run(c, job):
    """All tasks: a vertex is said to run when one of its does."""
    return all(v["tasks"]["RUNNING"] == v["parallelism"] for v in c.get(f"/jobs/{job}")["vertices"])


def test_a_killed_worker_reads_local_copies(cluster, bundle, tmp_path):
    c = cluster(taskmanagers=1, slots=2)
    counts = write_input(tmp_path / "in", random.Random(3))
    checkpoints = tmp_path / "checkpoints"
    job = c.run_jar(c.upload(bundle("recovery")),
                    ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", "500"], parallelism=2,
                    config={**LOCAL, "execution.checkpointing.dir": str(checkpoints)})
    c.wait_for_state(job, "RUNNING")
    c.wait(lambda: all_run(c, job))

    take_checkpoint(c, job)
    assert len(local_state(c.tmp)) == 1 and files_below(local_state(c.tmp)[0])
    for path in files_below(checkpoints, skipped="_metadata"):
        os.remove(path)  # whoever reads one of these fails
    lines = kill_worker(c, job)
    assert lines and all(" 0 files (0 bytes) from the checkpoint folder" in line for line in lines), lines

    take_checkpoint(c, job)
    for path in files_below(local_state(c.tmp)[0]):
        try:
            size = os.path.getsize(path)
            os.remove(path)  # a link: the checkpoint's own file stays as it is
        except FileNotFoundError:
            continue  # of the first checkpoint: deleted just now
        with open(path, "wb") as f:
            f.write(b"?" * size)
    lines = kill_worker(c, job)
    assert lines and all("copies were damaged" in line for line in lines), lines

    c.wait_for_state(job, "FINISHED")
    check_output(tmp_path / "out", counts)
    c.stop()
    assert not local_state(c.tmp)


def test_folders_take_turns(cluster, bundle, tmp_path):
    """Each checkpoint's copies are in one of the folders; a task finds them there."""
    disks = [tmp_path / "disk1", tmp_path / "disk2"]
    c = cluster(taskmanagers=1, slots=2, config={"taskmanager.state.local.root-dirs": ",".join(map(str, disks))})
    counts = write_input(tmp_path / "in", random.Random(4))
    checkpoints = tmp_path / "checkpoints"
    job = c.run_jar(c.upload(bundle("recovery")),
                    ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", "500"], parallelism=2,
                    config={**LOCAL, "execution.checkpointing.dir": str(checkpoints)})
    c.wait(lambda: all_run(c, job))
    assert not local_state(c.tmp)
    for _ in range(3):
        take_checkpoint(c, job)
        newest = c.get(f"/jobs/{job}/checkpoints")["latest"]["completed"]["id"]
        own, other = disks[newest % 2], disks[1 - newest % 2]
        assert len(local_state(own)) == 1 and files_below(local_state(own)[0])
        c.wait(lambda folder=other: not any(map(files_below, local_state(folder))))  # the one before is not needed
    for path in files_below(checkpoints, skipped="_metadata"):
        os.remove(path)  # whoever reads one of these fails
    lines = kill_worker(c, job)
    assert lines and all(" 0 files (0 bytes) from the checkpoint folder" in line for line in lines), lines
    c.wait_for_state(job, "FINISHED")
    check_output(tmp_path / "out", counts)
    c.stop()
    assert not any(map(files_below, disks))
