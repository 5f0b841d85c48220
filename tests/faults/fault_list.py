"""The faults of a round, by their names in the list of README.md: each strikes at a job that runs, and mends what it broke."""

import os
import random
import shutil
import time

import bed
from oracle import Violation

LINK_FAULTS = ("cut", "stall", "up", "down", "flapping", "delay", "flip", "half-close", "reset", "throttle")
# F3: steps of the completion of a checkpoint at which the leader kills itself.
FINALISATION = (
    "checkpoint.complete.before", "checkpoint.complete.before_write", "checkpoint.files.before_write", "snapshot.metadata.write",
    "snapshot.metadata.before_rename", "snapshot.metadata.after_rename", "checkpoint.files.after_write",
    "checkpoint.complete.after_write", "checkpoint.complete.before_pointer", "checkpoint.complete.after_pointer",
    "checkpoint.complete.before_subsume", "checkpoint.complete.before_notify", "jobmaster.checkpoint.before_notify",
    "jobmaster.coordinator.before_notify", "checkpoint.complete.after_notify", "checkpoint.subsume.before_delete",
)
# F4: steps of the two phases of a commit at which a worker kills itself.
COMMIT = ("task.checkpoint.before_prepare", "task.checkpoint.before_snapshot", "task.checkpoint.write", "task.checkpoint.ack",
          "task.checkpoint.after_ack", "task.checkpoint.before_notify", "task.checkpoint.after_notify", "sink.file.close.before",
          "sink.file.close.after", "sink.file.snapshot", "sink.file.commit.before", "sink.file.commit.after",
          "sink.file.restore.before_commit", "sink.file.restore.after_commit")
COMMIT_LOCAL = ("fs.local.recoverable.before_rename", "fs.local.recoverable.after_rename")
COMMIT_S3 = ("fs.s3.recoverable.before_commit", "fs.s3.recoverable.after_commit", "fs.s3.upload.complete")
DISK_RULES = ("write,make {checkpoints} ENOSPC", "write,sync {checkpoints} EIO one_in=10", "sync {checkpoints} EIO one_in=3",
              "write,sync {checkpoints} 20ms", "read {checkpoints} EIO one_in=5", "write {checkpoints} short",
              "write,make {tmp} ENOSPC", "write,sync,make {tmp} EIO one_in=20", "write {logs} ENOSPC suffix=.log", "write {output} ENOSPC",
              "write,sync {output} EIO one_in=10", "write {output} short")
CLOCK_RULES = ("offset 3600000", "offset -3600000", "steps 10", "rate 200")


# ---- F1, F2: kills -----------------------------------------------------------------------------------------


def kill_task_managers(r):
    names = r.bed.task_managers()
    victims = names if r.draw.random() < 0.15 else [r.draw.choice(names)]
    if r.draw.random() < 0.3:
        victim = victims[0]
        r.say(f"SIGKILL of workers {r.bed.signal_workers(victim)} of {victim}")
    else:
        r.say(f"SIGKILL of {victims}")
        for name in victims:
            r.bed.kill(name)
    r.may_leave += 1


def kill_leader(r):
    name = r.leader()
    r.say(f"SIGKILL of the leader {name}")
    r.bed.kill(name)
    r.may_leave += 1
    r.wait_for_other_leader(name)


# ---- F3, F4: kills at a step -------------------------------------------------------------------------------


def kill_leader_at(r, name=None):
    """The standby is armed and made the leader; it dies at the step, in this checkpoint or one of the next."""
    name = name or r.draw.choice(FINALISATION)
    rule = f"{name}=kill,nth={r.draw.randrange(1, 4)}"
    old, before = r.leader(), r.bed.fired(name)
    armed = next(n for n in r.bed.job_manager_names if n != old)
    r.say(f"{armed} leads with {rule}")
    if r.bed.children[armed].poll() is None:
        r.bed.kill(armed)
    r.bed.start_candidate(armed, rule)
    r.bed.wait(lambda: "stands by" in r.bed.log_of_life(armed), 30)
    r.bed.kill(old)
    r.may_leave += 2
    try:  # a new process tries to lead at once, and is quicker than one that stands by
        r.bed.wait(lambda: r.bed.children[armed].poll() is not None or r.bed.leader() == armed, 40)
    except TimeoutError:
        raise Violation(f"{armed}, which stands by, does not lead 40 s after {old} has gone") from None
    r.bed.start_candidate(old)
    try:
        r.bed.wait(lambda: r.bed.children[armed].poll() is not None or r.ended(), 40)
    except TimeoutError:
        r.say(f"{armed} did not come there")
    fired = r.bed.fired(name) - before
    r.say(f"{armed} has died there" if fired else "it was not reached in time")
    r.fired += fired
    if r.bed.children[armed].poll() is None:
        r.bed.kill(armed)
    r.wait_for_other_leader(armed)
    return "F3" if fired else "F2"


def kill_worker_at(r):
    """All task managers are new, and their workers kill themselves at a step now and then, until the task managers are new again."""
    names = COMMIT + (COMMIT_S3 if r.bed.storage == "s3" else COMMIT_LOCAL)
    name = r.draw.choice(names)
    rule = f"{name}=kill,one_in={r.draw.choice((3, 10, 30))}"
    r.say(f"all task managers with {rule}")
    before = r.bed.fired(name)
    replace_task_managers(r, rule)
    end = time.monotonic() + r.draw.uniform(3, 6)
    while time.monotonic() < end and not r.ended():
        r.look()
        time.sleep(0.05)
    fired = r.bed.fired(name) - before
    replace_task_managers(r, None)
    r.may_leave += 4 + fired
    r.fired += fired
    r.say(f"{fired} workers have died")
    return "F4" if fired else "F1"  # what was done all the same


def replace_task_managers(r, rule):
    for name in r.bed.task_managers():
        r.bed.kill(name)
    for name in r.bed.task_managers():
        r.bed.start_task_manager(int(name[2:]), rule)


# ---- F5, F6: freezes ---------------------------------------------------------------------------------------


def freeze_task_manager(r):
    """Longer than its heartbeats are waited for; what runs on comes back to a job that is somewhere else."""
    name = r.draw.choice(r.bed.task_managers())
    seconds = bed.HEARTBEAT_S + r.draw.uniform(0.5, 3)
    r.say(f"SIGSTOP of {name} with its workers for {seconds:.1f} s")
    zombies = r.bed.worker_pids(name)
    r.bed.freeze_family(name)
    r.may_leave += 1
    time.sleep(seconds)
    for pid in list(r.bed.frozen):
        r.bed.thaw(pid)
    if r.job_was_on(zombies):
        try:
            r.bed.wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in zombies) or r.ended(), 20)
        except TimeoutError:
            raise Violation(f"F5: workers {zombies} of {name}, which was given up, live on") from None


def freeze_leader(r):
    name = r.leader()
    pid = r.bed.children[name].pid
    seconds = bed.SESSION_S + r.draw.uniform(1, 4)
    r.say(f"SIGSTOP of the leader {name} for {seconds:.1f} s")
    r.bed.freeze(pid)
    r.may_leave += 1
    time.sleep(seconds)
    r.wait_for_other_leader(name)
    r.bed.thaw(pid)
    try:
        r.bed.wait(lambda: r.bed.children[name].poll() is not None or "leadership was revoked" in r.bed.log_of_life(name), 20)
    except TimeoutError:
        raise Violation(f"F6: {name} was frozen for {seconds:.1f} s, another one leads, and it does not step down") from None


# ---- F7: links ---------------------------------------------------------------------------------------------


def break_link(r):
    links = ["control", "data", "rest"] + (["zookeeper"] if r.bed.zookeeper_links else [])
    which, how = r.draw.choice(links), r.draw.choice(LINK_FAULTS)
    proxies = {"control": list(r.bed.control.values()), "data": list(r.bed.proxies.values()), "rest": list(r.bed.rest.values()),
               "zookeeper": r.bed.zookeeper_links}[which]
    if which in ("control", "data", "zookeeper") and r.draw.random() < 0.5:
        proxies = [r.draw.choice(proxies)]
    seconds = r.draw.uniform(0.3, 6)
    if how in ("throttle", "delay") or which == "rest":
        seconds = min(seconds, 3)
    if which == "zookeeper" and how == "flip":
        how = "reset"  # its protocol has no check sums: a wrong byte is believed
    r.say(f"{how} of {which} for {seconds:.1f} s")
    r.may_leave += 1
    end = time.monotonic() + seconds
    while time.monotonic() < end and not r.ended():
        for proxy in proxies:
            strike_link(proxy, how, r.draw)
        if which == "rest":
            ask_through(r, seconds)
        time.sleep(min(0.4, max(end - time.monotonic(), 0)))
        if how == "flapping":
            for proxy in proxies:
                proxy.heal()
            time.sleep(0.3)
    r.flipped += sum(p.flipped for p in proxies)
    for proxy in proxies:
        proxy.heal()


def strike_link(proxy, how, draw):
    if how in ("cut", "flapping"):
        proxy.cut()
    elif how == "stall":
        proxy.stall()
    elif how in ("up", "down"):
        proxy.stall(how)
    elif how == "delay":
        proxy.delay(0.05)
    elif how == "throttle":
        proxy.throttle(125_000)
    elif how == "flip":
        proxy.flip(1, draw.choice(("up", "down")))
    elif how == "half-close":
        proxy.half_close()
    elif how == "reset":
        proxy.reset()


def ask_through(r, seconds):
    """What a client asks by a bad link is answered, or its connection ends; the server lives on."""
    for proxy in r.bed.rest.values():
        try:
            r.bed.request_at(proxy.port, "GET", f"/jobs/{r.job}", seconds=max(seconds, 0.5))
        except (OSError, ValueError, bed.http.client.HTTPException):
            pass
    r.bed.unexpected.clear()  # damaged on the way


# ---- F8: ZooKeeper -----------------------------------------------------------------------------------------


def break_zookeeper(r, which=None):
    """`which` servers of an ensemble: a follower or the leader, which the two others replace, or all."""
    servers = r.bed.zookeeper.servers
    which = which or r.draw.choice(("follower", "leader", "all") if len(servers) > 1 else ("all",))
    how = r.draw.choice(("kill", "freeze", "freeze", "cut"))
    seconds = r.draw.uniform(0.3, 6)
    r.may_leave += 1
    if which != "all":
        servers = [r.bed.wait(lambda: next((s for s in servers if s.mode() == which), None), 60)]
    names = [r.bed.zookeeper.servers.index(s) + 1 for s in servers]
    r.say(f"ZooKeeper: {how} of {which} {names} of {len(r.bed.zookeeper.servers)}, {seconds:.1f} s")
    links = [r.bed.zookeeper_links[n - 1] for n in names]
    if how == "kill":
        for server in servers:
            server.stop()
        time.sleep(min(seconds, 2))
        for server in servers:
            server.launch()
        for server in servers:
            server.wait()
    elif how == "freeze":
        for server in servers:
            server.freeze()
        time.sleep(seconds)
        for server in servers:
            server.thaw()
    else:
        for link in links:
            link.cut()
        time.sleep(seconds)
        for link in links:
            link.heal()
    for server in r.bed.zookeeper.servers:  # a bed is whole when the next fault strikes
        server.wait()


# ---- F10, F11, F12: storage --------------------------------------------------------------------------------


def break_disk(r):
    rule = r.draw.choice(DISK_RULES).format(tmp=os.path.join(r.bed.folder, "tmp", "flinc-taskmanager-"), logs=r.bed.folder,
                                            checkpoints=r.place("checkpoints")[1], output=r.place("output")[1])
    kills = r.draw.random() < 0.3
    r.say(rule + (", and workers are killed" if kills else ""))
    r.may_leave += 1
    r.bed.disk.fail(rule)
    if kills:
        r.bed.signal_workers(r.draw.choice(r.bed.task_managers()))
    time.sleep(r.draw.uniform(0.3, 1.5))
    r.bed.disk.mend()


def break_s3(r):
    fault, one_in = r.draw.choice(("503", "500", "after", "truncate", "slow")), r.draw.choice((1, 2, 10))
    one_in = max(one_in, 2) if fault in ("after", "truncate") else one_in
    seconds = r.draw.uniform(0.5, 4)
    r.say(f"S3: {fault}, one request in {one_in}, {seconds:.1f} s")
    r.may_leave += 3
    r.bed.s3_link.fail(fault, one_in)
    time.sleep(seconds)
    r.bed.s3_link.heal()


def damage_savepoint(r):
    """The job is stopped with a savepoint, of which a copy is damaged in one place: a job that is to go on from that fails, and
    says why; the first one goes on from what is whole.  (Two jobs from one savepoint at a time would share files of the sink.)"""
    path = r.stop()
    if path is None:
        return
    uri, copy = r.place("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(r.bed.local(path), copy)  # on S3, with what the server keeps of each object
    files = sorted(os.path.join(d, n) for d, _, names in os.walk(copy) for n in names)
    victim = r.draw.choice(files)
    size = os.path.getsize(victim)
    how = r.draw.choice(("flip", "flip", "truncate", "remove"))
    at = r.draw.randrange(max(size, 1))
    if how == "remove":
        os.remove(victim)
    elif how == "truncate":
        os.truncate(victim, at)
    else:
        with open(victim, "r+b") as f:
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ (1 << r.draw.randrange(8))]))
    r.say(f"{how} of {os.path.relpath(victim, copy)} at {at} of {size}")
    r.expect_refused(uri, f"{how} of {os.path.basename(victim)} at {at} of {size}")
    shutil.rmtree(copy)
    r.start(path)


# ---- F13, F16: what must not be noticed --------------------------------------------------------------------


def shift_clock(r):
    rule = r.draw.choice(CLOCK_RULES)
    seconds = r.draw.uniform(1, 2.5)
    r.say(f"clock: {rule} for {seconds:.1f} s")
    with r.undisturbed(f"the clock, {rule},"):
        r.bed.clock.set(rule)
        time.sleep(seconds)
        r.bed.clock.mend()
        time.sleep(0.3)


def slow_node(r):
    """A task manager that gets a twentieth of a processor, or whose link has a megabit."""
    name = r.draw.choice(r.bed.task_managers())
    end = time.monotonic() + r.draw.uniform(1.5, 3)
    if r.draw.random() < 0.3:
        r.say(f"1 Mbit/s before {name}")
        with r.undisturbed("a slow link"):
            r.bed.proxies[name].throttle(125_000)
            time.sleep(end - time.monotonic())
            r.bed.proxies[name].heal()
        return
    r.say(f"{name} runs for a twentieth of the time")
    with r.undisturbed("a slow node"):
        while time.monotonic() < end:
            r.bed.freeze_family(name)
            time.sleep(0.095)
            for pid in list(r.bed.frozen):
                r.bed.thaw(pid)
            time.sleep(0.005)


# ---- F14, F15: requests ------------------------------------------------------------------------------------


def ask_for_much(r):
    """Savepoints, checkpoints, the same job again, another job that is cancelled; a leader dies meanwhile, now and then."""
    doomed = r.bed.ha != "none" and r.draw.random() < 0.4
    requests = [("POST", f"/jobs/{r.job}/savepoints", {"target-directory": r.place("savepoints")[0], "cancel-job": False}),
                ("POST", f"/jobs/{r.job}/checkpoints", {"checkpointType": "FULL"}),
                ("POST", f"/jars/{r.jar}/run", {**r.body, "jobId": r.job}),
                ("GET", "/jobs/overview", None), ("GET", f"/jobs/{r.job}/exceptions", None),
                ("PATCH", f"/jobs/{'0' * 32}?mode=cancel", None)]
    r.draw.shuffle(requests)
    r.say(f"{len(requests)} requests" + (", and the leader dies" if doomed else ""))
    old = r.leader()
    for number, (method, path, body) in enumerate(requests):
        if doomed and number == 2:
            r.bed.kill(old)
            r.may_leave += 1
        try:
            status, answer = r.bed.request(method, path, body)
            r.say(f"{method} {path}: {status} {str(answer)[:80]}")
        except OSError:
            continue  # the one that would have answered is gone
    if doomed:
        r.wait_for_other_leader(old)
    r.bed.revive()
    r.cancel_another()


def rescale(r):
    r.rescale()


FAULTS = {
    "F1": (kill_task_managers, "SIGKILL of workers, one task manager or all"),
    "F2": (kill_leader, "SIGKILL of the leading job manager, with a standby"),
    "F3": (kill_leader_at, "SIGKILL of the leader at a step of completing a checkpoint"),
    "F4": (kill_worker_at, "SIGKILL of workers at steps of the two phases of a commit"),
    "F5": (freeze_task_manager, "SIGSTOP of a task manager, longer than its heartbeat time-out"),
    "F6": (freeze_leader, "SIGSTOP of the leader, longer than its session"),
    "F7": (break_link, "links: cut, stalled, one way, flapping, slow, damaged, half closed, reset"),
    "F8": (break_zookeeper, "ZooKeeper, one server or three: a follower, the leader, all killed, frozen, cut off"),
    "F10": (break_disk, "disks that are full, bad, slow, write short"),
    "F11": (break_s3, "S3: 503, 500, no answer after the deed, half an answer, slow"),
    "F12": (damage_savepoint, "a damaged, cut or missing file of a savepoint"),
    "F13": (shift_clock, "wall clocks an hour off, stepping back, twice as fast"),
    "F14": (ask_for_much, "requests at any time, also while the leader dies"),
    "F15": (rescale, "rescaling by a savepoint, to 1 to 8 tasks"),
    "F16": (slow_node, "a node at a twentieth of its speed, a link of 1 Mbit/s"),
}


def applicable(names, the_bed):
    """Of the faults that are asked for, those that this bed can have."""
    needs = {"F2": the_bed.ha != "none", "F3": the_bed.ha != "none", "F6": the_bed.ha != "none",
             "F8": the_bed.zookeeper is not None, "F11": the_bed.s3 is not None}
    return [n for n in names if needs.get(n, True)]


def random_for(*parts):
    return random.Random("-".join(map(str, parts)))


