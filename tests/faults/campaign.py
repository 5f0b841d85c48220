#!/usr/bin/env python3
"""Rounds of named workloads under named faults, with the invariants checked after each; see README.md.

usage: scripts/chaos.sh --workload W1,W2|all --faults F1,F7|all [--rounds N] [--seed N] [--strikes N] [--ha none|file|zookeeper|ensemble]
                        [--storage local|s3] [--results FILE] [--report FILE.md]
       scripts/chaos.sh --finalisation [--times 3]     every step of completing a checkpoint kills the leader (F3)
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import sys
import time

import bed
import fault_list
import failpoints
import oracle
import running
import workloads
from oracle import Violation

TOP = bed.TOP
ROUNDS_PER_BED = 5
TRIES = 4  # rounds for the kills at one step
BACK_S, END_S = 90, 240  # until a job runs again; until it has ended
ENDED = ("FINISHED", "FAILED", "CANCELED")
MARKS = ("<!-- rounds: begin -->", "<!-- rounds: end -->")


class Round:
    """One workload from its first record to its last."""

    def __init__(self, the_bed, jars, number, draw, workload, faults, strikes, seconds=None):
        self.bed, self.number, self.draw, self.faults, self.n_strikes = the_bed, number, draw, faults, strikes
        self.workload = workload(draw, seconds or 3 + 4.5 * strikes)  # that the job has to do
        self.jar = jars[self.workload.source]
        self.jobs, self.job, self.body, self.history = [], None, None, []
        self.may_leave = self.fired = self.flipped = 0
        self.results, self.completed_before = [], 0
        self.striking = None  # the fault that was tried last
        self.tailer = None
        self.backend = draw.choice(("hashmap", "hashmap", "rocksdb"))

    def say(self, text):
        self.history.append(f"{bed.now_text()} {text}")

    # ---- the job -----------------------------------------------------------------------------------------

    def place(self, what):
        return self.bed.place(f"round{self.number}", what)

    def job_config(self):
        d = self.draw
        return {
            "execution.checkpointing.interval": d.choice(("100 ms", "200 ms", "400 ms")),
            "execution.checkpointing.mode": "EXACTLY_ONCE",
            "execution.checkpointing.storage": "filesystem",
            "execution.checkpointing.dir": self.place("checkpoints")[0],
            "execution.checkpointing.incremental": d.choice(("true", "false")),
            "execution.checkpointing.num-retained": d.choice(("1", "3")),
            "execution.checkpointing.data-inline-threshold": d.choice(("0 kb", "20 kb")),
            "execution.checkpointing.unaligned.enabled": d.choice(("true", "false")),
            "execution.checkpointing.aligned-checkpoint-timeout": d.choice(("0 ms", "50 ms")),
            "execution.checkpointing.file-merging.enabled": d.choice(("true", "false")),
            "execution.checkpointing.tolerable-failed-checkpoints": "1000",
            "execution.checkpointing.timeout": "20 s",
            "state.backend.type": self.backend,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "100000",
            "restart-strategy.fixed-delay.delay": "50 ms",
            "pipeline.max-parallelism": "128",
            **self.workload.config,
        }

    def start(self, restore=None):
        parallelism = self.draw.choice(self.workload.parallelisms)
        config = self.job_config()
        if restore:
            config["execution.state-recovery.path"] = restore
            config["execution.state-recovery.claim-mode"] = self.draw.choice(("NO_CLAIM", "CLAIM"))
        if not self.body:
            arguments = list(map(str, self.workload.arguments(self.place("output")[0])))
            self.tailer = workloads.Tailer(self.place("output")[1], self.workload.number_of)
        else:
            arguments = self.body["programArgsList"]
        self.body = {"programArgsList": arguments, "parallelism": parallelism, "flinkConfiguration": config}
        status, answer = self.bed.request("POST", f"/jars/{self.jar}/run", self.body)
        if status != 200:
            raise Violation(f"I8: a job is refused: {status} {answer}")
        self.job = answer["jobid"]
        self.jobs.append(self.job)
        self.completed_before = 0
        self.say(f"{self.workload.name} job {self.job}, parallelism {parallelism}, from {restore}, {self.workload.records} records, {config}")

    # ---- looking -----------------------------------------------------------------------------------------

    def state(self):
        """None: nobody can say now.  A new leader does not know jobs that ended under a former one."""
        state = self.bed.state_of(self.job)
        if state is None and self.bed.overview("taskmanagers") is not None:
            found = [re.findall(rf"\({self.job}\) switched from state \w+ to (FINISHED|FAILED|CANCELED)\.", self.bed.log(n))
                     for n in self.bed.job_manager_names]
            state = next((f[-1] for f in found if f), None)
        return state

    def ended(self):
        return self.state() in ENDED

    def statistics(self):
        return self.bed.try_get(f"/jobs/{self.job}/checkpoints") or {}

    def completed(self):
        """The newest checkpoint that is known to be complete, or was restored."""
        latest = self.statistics().get("latest") or {}
        done = latest.get("completed") or {}
        return max(done.get("id", 0), (latest.get("restored") or {}).get("id", 0))

    def restored(self):
        return (self.statistics().get("latest") or {}).get("restored") or {}

    def failure(self):
        history = (self.bed.try_get(f"/jobs/{self.job}/exceptions?maxExceptions=100") or {}).get("exceptionHistory", {}).get("entries", [])
        texts = [e["stacktrace"] for entry in history for e in [entry, *entry.get("concurrentExceptions", [])]]
        found = [t for t in texts if "VIOLATION" in t]
        return (found or texts or [""])[0]

    def look(self):
        self.tailer.check()
        text = self.failure()
        if "VIOLATION" in text:
            raise Violation(f"I1: {text[:1000]}")
        if self.state() in ("FAILED", "CANCELED"):
            raise Violation(f"the job is {self.state()}: {text[:1500]}")

    def until(self, what, condition, seconds):
        def looked():
            self.look()
            return condition()

        try:
            return running.wait_until(looked, seconds=seconds, pause=0.03)
        except TimeoutError:
            stacks = self.save_stacks()
            raise Violation(f"{what}: not within {seconds} s; the job is {self.state()}: {self.failure()[:500]}; stacks are in {stacks}") from None

    def save_stacks(self):
        path = os.path.join(self.bed.folder, "stacks.txt")
        managers = (self.bed.try_get("/taskmanagers") or {}).get("taskmanagers", [])
        with open(path, "w", encoding="utf-8") as f:
            for place in ["/jobmanager", *(f"/taskmanagers/{m['id']}" for m in managers)]:
                f.write(f"==== {place}\n")
                f.writelines(t["stringifiedThreadInfo"] + "\n" for t in (self.bed.try_get(f"{place}/thread-dump") or {}).get("threadInfos", []))
        return path

    def wait_for_checkpoint(self):
        before = self.completed()
        self.until("another checkpoint", lambda: self.completed() > before or self.ended(), BACK_S)

    def check_restored(self):
        """What was restored is no older than what had been told to be complete."""
        restored = self.restored()
        if restored != self.restored_before and restored and not restored.get("is_savepoint") and restored["id"] < self.completed_before and not self.ended():
            raise Violation(f"I1: checkpoint {restored['id']} was restored; {self.completed_before} had completed")

    # ---- what faults ask for -----------------------------------------------------------------------------

    def leader(self):
        return self.bed.wait(self.bed.leader, 60)

    def wait_for_other_leader(self, name):
        try:
            self.bed.wait(lambda: self.bed.leader() not in (None, name) and self.bed.overview("taskmanagers") is not None, 30)
        except TimeoutError:
            raise Violation(f"nobody leads 30 s after {name} has gone") from None

    def attempts(self):
        found = self.bed.try_get(f"/jobs/{self.job}") or {"vertices": []}
        return {(v["id"], s["subtask"]): s["attempt"] for v in found["vertices"]
                for s in (self.bed.try_get(f"/jobs/{self.job}/vertices/{v['id']}") or {"subtasks": []})["subtasks"]}

    def job_was_on(self, workers):
        return bool(workers)

    @contextlib.contextmanager
    def undisturbed(self, what):
        """Nothing of the job is restarted meanwhile, and no task manager is given up."""
        before = self.attempts()
        yield
        after = self.attempts()
        if not self.ended() and before and after and before != after:
            raise Violation(f"{what} restarted the job: {self.failure()[:500]}")

    def savepoint_path(self, trigger):
        def done():
            answer = self.bed.try_get(f"/jobs/{self.job}/savepoints/{trigger}")
            return answer if answer and answer["status"]["id"] == "COMPLETED" else self.ended() and "ended"

        answer = self.bed.wait(done, 60)
        if answer == "ended":
            answer = self.bed.try_get(f"/jobs/{self.job}/savepoints/{trigger}") or {}
        return (answer.get("operation") or {}).get("location")

    def expect_refused(self, path, what):
        """A job cannot go on from there, and says why."""
        config = {**self.body["flinkConfiguration"], "execution.state-recovery.path": path, "restart-strategy.type": "none",
                  "execution.state-recovery.claim-mode": "NO_CLAIM", "execution.checkpointing.dir": self.place("other")[0]}
        arguments = [*self.body["programArgsList"]]
        arguments[arguments.index("--output") + 1] = self.place("other-output")[0]
        status, answer = self.bed.request("POST", f"/jars/{self.jar}/run", {
            **self.body, "parallelism": 2, "programArgsList": arguments, "flinkConfiguration": config})
        if status >= 400:
            self.say(f"refused: {str(answer)[:200]}")
            return
        job = answer["jobid"]
        state = self.bed.wait(lambda: self.bed.runs_whole(job) and "RUNNING" or self.bed.state_of(job) in ENDED and self.bed.state_of(job), 60)
        time.sleep(0 if state == "FAILED" else 1)
        state = self.bed.state_of(job)
        entries = (self.bed.try_get(f"/jobs/{job}/exceptions") or {}).get("exceptionHistory", {}).get("entries", [])
        why = entries[0]["stacktrace"] if entries else ""
        if state == "RUNNING":
            self.bed.request("PATCH", f"/jobs/{job}?mode=cancel")
            self.bed.wait(lambda: self.bed.state_of(job) in ENDED, 60)
            if self.backend == "hashmap":
                raise Violation(f"F12: {what} was not noticed")
            self.say("not read yet")
        elif not why:
            raise Violation(f"F12: {what}: the job is {state}, and nobody says why")
        elif "VIOLATION" in why:
            raise Violation(f"F12: {what}: wrong state: {why[:500]}")
        else:
            self.say(f"refused: {why[:200]}")
        shutil.rmtree(self.place("other-output")[1], ignore_errors=True)
        shutil.rmtree(self.place("other")[1], ignore_errors=True)

    def cancel_another(self):
        """Another job, cancelled at once, or while it starts."""
        arguments = [*self.body["programArgsList"]]
        arguments[arguments.index("--output") + 1] = self.place("other-output")[0]
        config = {**self.body["flinkConfiguration"], "execution.checkpointing.dir": self.place("other")[0]}
        config.pop("execution.state-recovery.path", None)

        def submitted():
            try:
                status, answer = self.bed.request("POST", f"/jars/{self.jar}/run", {
                    **self.body, "parallelism": 1, "programArgsList": arguments, "flinkConfiguration": config})
            except OSError:
                return None
            return status == 200 and answer["jobid"]

        job = self.bed.wait(submitted, 60)
        time.sleep(self.draw.uniform(0, 0.5))
        begin = time.monotonic()
        self.bed.wait(lambda: self.bed.request("PATCH", f"/jobs/{job}?mode=cancel")[0] == 202 or self.bed.state_of(job) in ENDED, 30)
        try:
            self.bed.wait(lambda: self.bed.state_of(job) in ENDED, 30)
        except TimeoutError:
            raise Violation(f"F14: a job is {self.bed.state_of(job)} 30 s after it was cancelled") from None
        self.say(f"cancelled in {time.monotonic() - begin:.1f} s")
        shutil.rmtree(self.place("other-output")[1], ignore_errors=True)
        shutil.rmtree(self.place("other")[1], ignore_errors=True)

    def stop(self):
        """Stops with a savepoint; its path, None: the job has ended before."""
        for _ in range(5):
            if self.ended():
                return None
            status, answer = self.bed.request("POST", f"/jobs/{self.job}/stop", {
                "targetDirectory": self.place("savepoints")[0], "drain": False, "formatType": self.draw.choice(("CANONICAL", "NATIVE"))})
            path = self.savepoint_path(answer["request-id"]) if status == 202 else None
            if path:
                self.bed.wait(self.ended, 60)
                state, text = self.state(), self.failure()
                if state != "FINISHED" and "A savepoint has been created at" not in text:
                    raise Violation(f"stopped with a savepoint, the job is {state}: {text[:500]}")
                return path
            self.say(f"no savepoint: {status} {str(answer)[:200]}")
        raise Violation("F15: five times no savepoint of a job that runs")

    def rescale(self):
        """Stop with a savepoint, and on from it at another parallelism."""
        path = self.stop()
        if path:
            self.start(path)

    # ---- striking ----------------------------------------------------------------------------------------

    def strike(self, name, fixed=None):
        self.until("the job to run", lambda: self.bed.runs_whole(self.job) or self.ended(), BACK_S)
        self.wait_for_checkpoint()
        if self.ended():
            return
        time.sleep(self.draw.uniform(0, 0.4))
        self.completed_before, self.restored_before = self.completed(), self.restored()
        fault = fault_list.FAULTS[name][0]
        begin = time.monotonic()
        if self.ended():
            return
        self.say(name)
        self.striking = name
        done = (fault(self, fixed) if fixed else fault(self)) or name
        self.bed.heal()
        back = self.wait_till_back()
        self.check_restored()
        self.results.append({"fault": done, "back_s": round(back, 2), "took_s": round(time.monotonic() - begin, 2)})
        self.say(f"runs again after {back:.1f} s")

    def wait_till_back(self):
        """Seconds until all tasks run and two checkpoints more are complete: one may have been under way, which nobody has
        to do anything for any more."""
        begin = time.monotonic()
        healed = self.completed()

        def is_back():
            return self.ended() or self.bed.runs_whole(self.job) and self.completed() >= healed + 2

        self.until("the job to run again", is_back, BACK_S)
        return time.monotonic() - begin

    def run(self, fixed=None):
        self.start()
        for number in range(self.n_strikes):
            if self.ended():
                break
            self.strike("F3" if fixed else self.draw.choice(self.faults), fixed)
            if self.workload.name == "W6" and number % 2 == 0:
                self.rescale()
        self.finish()

    def finish(self):
        self.bed.heal()
        self.until("the end of the job", self.ended, END_S)
        if self.state() != "FINISHED":
            raise Violation(f"the job is {self.state()}: {self.failure()[:1500]}")
        self.tailer.end()
        self.workload.check(self.tailer)
        self.bed.wait(lambda: self.bed.overview("taskmanagers") == bed.TASK_MANAGERS)
        self.bed.settle()
        self.check_files()
        for job in self.jobs:
            self.bed.check_leaders(job)
        self.bed.check_ha()
        self.bed.check_answers()
        self.bed.check_survivors()

    def check_files(self):
        """I5: of the checkpoints of a job that has ended nothing is left but what those leave that were under way when something died."""
        root = self.place("checkpoints")[1]

        def left():
            files = [n for n in oracle.files_below(root) if ".sgwtmp" not in n]
            folders = {os.path.dirname(n) for n in files if "chk-" in n}
            return files, folders

        def is_clean():
            files, folders = left()
            return not files or self.may_leave and len(folders) <= self.may_leave

        try:
            running.wait_until(is_clean, seconds=30, pause=0.1)
        except TimeoutError:
            files, folders = left()
            raise Violation(f"I5: {len(files)} files of checkpoints in {len(folders)} folders are left, {self.may_leave} may be: {sorted(files)[:3]}") from None
        for d in {os.path.dirname(self.place("checkpoints")[1])}:
            shutil.rmtree(d, ignore_errors=True)

    def summary(self):
        faults = " ".join(r["fault"] for r in self.results)
        worst = max((r["back_s"] for r in self.results), default=0)
        return (f"{self.workload.name} {self.workload.records} records, {self.bed.ha}, {self.bed.storage}, {self.backend}: {len(self.results)} faults "
                f"({faults}), running again within {worst:.1f} s")


# ---- beds --------------------------------------------------------------------------------------------------


class Campaign:
    def __init__(self, args):
        self.args = args
        self.folder = os.path.join(TOP, "build", "chaos")
        self.hits = os.path.join(self.folder, f"hits-{args.seed}-{os.getpid()}")
        os.makedirs(self.hits, exist_ok=True)
        self.bundles = {n: workloads.build(args.home, self.folder, n) for n in ("workloads", "checker")}
        self.violations = self.passed = self.strikes = self.fired = 0

    def draw_bed(self, draw):
        ha = self.args.ha or draw.choice(("none", "file", "file", "zookeeper", "ensemble"))
        if not self.args.ha and ha == "none" and all(n in ("F2", "F3", "F6") for n in self.args.faults):
            ha = "file"
        ha = draw.choice(("zookeeper", "ensemble")) if self.args.faults == ["F8"] and not self.args.ha else ha
        storage = self.args.storage or draw.choice(("local", "local", "s3"))
        storage = "s3" if self.args.faults == ["F11"] else storage
        config = {"taskmanager.memory.segment-size": draw.choice(("4 kb", "32 kb")),
                  "taskmanager.network.memory.buffers-per-channel": draw.choice((1, 2)),
                  "taskmanager.network.compression.codec": draw.choice(("LZ4", "NONE"))}
        return bed.Bed(self.args.home, ha, storage, config, self.hits), config

    def note(self, round_, seed, violation=None):
        rows = [{**r, "workload": round_.workload.name, "ha": round_.bed.ha, "storage": round_.bed.storage, "seed": seed} for r in round_.results]
        if violation:
            rows.append({"fault": round_.striking or "none", "violation": violation.splitlines()[0][:300], "workload": round_.workload.name, "ha": round_.bed.ha,
                         "storage": round_.bed.storage, "seed": seed})
        self.strikes += len(round_.results)
        if self.args.results:
            with open(self.args.results, "a", encoding="utf-8") as f:
                f.writelines(json.dumps(row) + "\n" for row in rows)
                f.write(json.dumps({"round": seed, "workload": round_.workload.name, "failed": bool(violation)}) + "\n")

    def run_bed(self, seed, rounds, fixed=()):
        """Some rounds on one bed; a violation ends it, and its folder is kept.  `fixed`: F3 at these steps, a round each."""
        draw = fault_list.random_for(seed)
        the_bed, config = self.draw_bed(draw)
        current, number = None, 0
        try:
            the_bed.start()
            jars = {n: the_bed.upload(path) for n, path in self.bundles.items()}
            the_bed.check_survivors()
            todo = [(step, self.args.strikes) for step in fixed] or [(None, self.args.strikes)] * rounds
            tries = 0
            while todo:
                step, strikes = todo.pop(0)
                faults = fault_list.applicable(self.args.faults, the_bed)
                workload = workloads.WORKLOADS[draw.choice(self.args.workloads)]
                begin = time.monotonic()
                current = Round(the_bed, jars, number, fault_list.random_for(seed, number), workload, faults, strikes,
                                8 * strikes if step else None)
                current.run(step)
                tries += 1
                if step and current.fired < strikes and tries == TRIES:
                    raise Violation(f"F3: {step} was not reached {strikes} times more in {TRIES} rounds")
                self.passed += 1
                self.note(current, f"{seed}.{number}")
                what = f"{step}: {current.fired} kills: " if step else ""
                print(f"seed {seed} round {number}: {what}{current.summary()}, {time.monotonic() - begin:.0f} s", flush=True)
                self.fired += current.fired
                if step and current.fired < strikes:  # the job has ended before: another one
                    todo.insert(0, (step, strikes - current.fired))
                else:
                    tries = 0
                current, number = None, number + 1
            the_bed.check_zookeeper()
            left = the_bed.stop()
            if left:
                raise Violation(f"left over: {left}")
            the_bed.remove()
        except (Violation, OSError, TimeoutError, RuntimeError, AssertionError) as e:
            self.violations += 1
            text = f"{type(e).__name__ if not isinstance(e, Violation) else 'VIOLATION'}: {e}"
            if current:
                self.note(current, f"{seed}.{number}", text)
            again = f"scripts/chaos.sh --workload {','.join(self.args.workloads)} --faults {','.join(self.args.faults)} --strikes {self.args.strikes} "
            again += f"--rounds {number + 1} --seed {seed}" + "".join(
                f" --{option} {value}" for option, value in (("ha", self.args.ha), ("storage", self.args.storage)) if value)
            story = "\n".join(current.history) if current else ""
            print(f"seed {seed} round {number}: {text}\nbed: {the_bed.ha}, {the_bed.storage}, {config}\n{story}\nagain: {again}\n"
                  f"logs are in {the_bed.folder}", flush=True)
            the_bed.stop()
        except BaseException:  # it is to end: nothing may go on without it
            the_bed.stop()
            raise

    def run(self):
        args = self.args
        print(f"seed {args.seed}: {args.rounds} rounds of {','.join(args.workloads)} under {','.join(args.faults)}", flush=True)
        end = time.monotonic() + args.minutes * 60 if args.minutes else None
        for first in range(0, args.rounds, ROUNDS_PER_BED):
            if end and time.monotonic() > end:
                break
            self.run_bed(args.seed + first, min(ROUNDS_PER_BED, args.rounds - first))
        return self.tell()

    def run_finalisation(self):
        steps = list(fault_list.FINALISATION)
        print(f"seed {self.args.seed}: {len(steps)} steps, {self.args.strikes} times each", flush=True)
        for first in range(0, len(steps), ROUNDS_PER_BED):
            some = steps[first:first + ROUNDS_PER_BED]
            self.run_bed(self.args.seed + first, len(some), some)
        print(f"{self.fired} of {len(steps) * self.args.strikes} kills came to their steps", flush=True)
        return self.tell()

    def tell(self):
        for line in failpoints.Hits().add(self.hits).lines(failpoints.table(self.args.home)):
            print(line)
        print(f"{self.passed} rounds passed, {self.violations} failed; {self.strikes} faults", flush=True)
        if self.args.report:
            write_report(self.args.results, self.args.report)
        return 1 if self.violations else 0


# ---- the report --------------------------------------------------------------------------------------------


def report_rows(results):
    """Lines of a table: per fault how often, and how long until the job ran again."""
    with open(results, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    rounds = [r for r in rows if "round" in r]
    yield "| fault | what | faults | violations | running again: median | slowest |"
    yield "|---|---|---:|---:|---:|---:|"
    for name, (_, what) in fault_list.FAULTS.items():
        mine = [r for r in rows if r.get("fault") == name]
        times = [r["back_s"] for r in mine if "back_s" in r]
        failed = sum("violation" in r for r in mine)
        shown = (f"{statistics.median(times):.1f} s", f"{max(times):.1f} s") if times else ("", "")
        yield f"| {name} | {what} | {len(times)} | {failed} | {shown[0]} | {shown[1]} |"
    struck = sum("back_s" in r for r in rows)
    failed = sum(r["failed"] for r in rounds)
    by_workload = {w: sum(r["workload"] == w for r in rounds) for w in workloads.WORKLOADS}
    yield f"| all | {len(rounds)} rounds: {', '.join(f'{n} of {w}' for w, n in by_workload.items())} | {struck} | {failed} | | |"


def write_report(results, path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = (text.index(m) for m in MARKS)
    table = "\n".join(report_rows(results))
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{text[:begin]}{MARKS[0]}\n{table}\n{text[end:]}")


# ---- the command -------------------------------------------------------------------------------------------


def choose(text, known):
    chosen = list(known) if text == "all" else text.split(",")
    wrong = [c for c in chosen if c not in known]
    if wrong:
        raise SystemExit(f"chaos: {', '.join(wrong)}: one of {', '.join(known)}, or all")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--workload", default="all")
    parser.add_argument("--faults", default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=int, help="no more beds after so long")
    parser.add_argument("--strikes", type=int, help="faults in a round (default 3)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--ha", choices=("none", "file", "zookeeper", "ensemble"))
    parser.add_argument("--storage", choices=("local", "s3"))
    parser.add_argument("--finalisation", action="store_true", help="F3 at each of its steps")
    parser.add_argument("--times", type=int, default=3, help="of each step of --finalisation")
    parser.add_argument("--results", help="a line of JSON for each fault is added to this file")
    parser.add_argument("--report", help="the table in this file is made anew from --results")
    args = parser.parse_args()
    if args.report and not args.results:
        raise SystemExit("chaos: --report needs --results, of which it makes the table")
    args.workloads = choose(args.workload, workloads.WORKLOADS)
    args.faults = choose(args.faults, fault_list.FAULTS)
    args.strikes = args.strikes or (args.times if args.finalisation else 3)
    if args.finalisation:
        args.ha, args.storage, args.workloads, args.faults = args.ha or "file", args.storage or "local", ["W1"], ["F3"]
        return Campaign(args).run_finalisation()
    if args.rounds == 0 and args.report:
        write_report(args.results, args.report)
        return 0
    return Campaign(args).run()


if __name__ == "__main__":
    sys.exit(main())
