#!/usr/bin/env python3
"""What a cluster of real processes costs and how fast it is.

usage: bench/cluster/run.py [--home DIR] [--only NAME[,NAME...]] [--rounds N] [--kills N]

Parts: start, submit, idle, overview, jobs, wordcount, kill, recover, rescale, keyed, backpressure.  Every part starts a
cluster of its own by start-cluster.sh on free ports.  Prints a JSON line per figure and a table with bars.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import running  # noqa: E402
import table  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MS = 1000


def median(values):
    return sorted(values)[len(values) // 2]


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Bench:
    def __init__(self, args):
        self.home, self.rounds, self.kills, self.sink_us = args.home, args.rounds, args.kills, args.sink_us
        self.rows = []
        self.folder = tempfile.mkdtemp(prefix="flinc-bench-")
        self.watched = os.path.join(self.folder, "watched")
        os.makedirs(self.watched)
        with open(os.path.join(self.watched, "a.txt"), "w", encoding="ascii") as f:
            f.write("one two three\n")

    def row(self, name, figure, unit, bar=0, limit=0, better="less"):
        line = {"bench": name, "figure": figure, "unit": unit, "bar": bar, "limit": limit, "better": better}
        print(json.dumps(line), flush=True)
        self.rows.append(line)

    def example(self, name):
        return os.path.join(self.home, "examples", name + ".so")

    def endless(self):
        """Arguments of a WordCount that watches a folder for ever."""
        return ["--input", self.watched, "--discovery-interval", "1h"]

    def start(self):
        times = []
        for _ in range(self.rounds):
            cluster = running.Cluster(self.home, workers=2)
            try:
                times.append(cluster.start())
            finally:
                cluster.stop()
        self.row("start-cluster.sh until two task managers are there", median(times) * MS, "ms", 1000)

    def submit(self):
        cluster = running.Cluster(self.home, workers=1, slots=2)
        runs, detached, cancels = [], [], []
        try:
            cluster.start()
            jar = cluster.upload(self.example("wordcount"))
            for _ in range(self.rounds):
                begin = time.monotonic()
                job = cluster.run_jar(jar, self.endless())
                running.wait_until(lambda: cluster.all_running(job))
                runs.append(time.monotonic() - begin)
                begin = time.monotonic()
                cluster.cancel(job)
                running.wait_until(lambda: cluster.state(job) == "CANCELED")
                cancels.append(time.monotonic() - begin)
            for _ in range(self.rounds):
                begin = time.monotonic()
                done = subprocess.run([os.path.join(self.home, "bin", "flink"), "run", "-d",
                                       self.example("wordcount"), *self.endless()], env=cluster.environment,
                                      capture_output=True, text=True, check=True)
                detached.append(time.monotonic() - begin)
                cluster.cancel(done.stdout.split("JobID ")[1].split()[0])
        finally:
            cluster.stop()
        self.row("POST /jars/:id/run until all tasks are RUNNING", median(runs) * MS, "ms", 100)
        self.row("flink run -d", median(detached) * MS, "ms", 300)
        self.row("cancel until CANCELED", median(cancels) * MS, "ms", 200)

    def idle(self):
        cluster = running.Cluster(self.home, workers=1)
        try:
            cluster.start()
            time.sleep(1)
            members = running.family(cluster.job_manager()) | running.family(cluster.task_managers()[0])
            pss = sum(running.memory_kb(pid, "Pss") for pid in members)
            before = sum(running.cpu_seconds(pid) for pid in members)
            time.sleep(5)
            used = sum(running.cpu_seconds(pid) for pid in members) - before
        finally:
            cluster.stop()
        self.row("idle job manager and task manager, PSS", pss / 1024, "MB", 60)
        self.row("idle job manager and task manager, CPU", used / 5 * 100, "% of a core")

    def overview(self):
        """Requests per second of CPU of the job manager, over one connection with 16 requests under way."""
        cluster = running.Cluster(self.home, workers=1, slots=100)
        count, depth = 20000, 16
        try:
            cluster.start()
            jar = cluster.upload(self.example("wordcount"))
            jobs = [cluster.run_jar(jar, self.endless()) for _ in range(100)]
            running.wait_until(lambda: all(cluster.all_running(j) for j in jobs), seconds=120, pause=0.2)
            request = b"GET /jobs/overview HTTP/1.1\r\nHost: localhost\r\n\r\n"
            connection = socket.create_connection(("localhost", cluster.port))
            reader = connection.makefile("rb", buffering=1 << 20)

            def read_answer():
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                return reader.read(length)

            before, begin = running.cpu_seconds(cluster.job_manager()), time.monotonic()
            connection.sendall(request * depth)
            for i in range(count):
                body = read_answer()
                if i + depth < count:
                    connection.sendall(request)
            wall = time.monotonic() - begin
            used = running.cpu_seconds(cluster.job_manager()) - before
            assert len(json.loads(body)["jobs"]) == 100
            for job in jobs:
                cluster.cancel(job)
        finally:
            cluster.stop()
        self.row("GET /jobs/overview with 100 jobs, per core of the job manager", count / used, "1/s", 5000,
                 better="more")
        self.row("GET /jobs/overview with 100 jobs, one connection", count / wall, "1/s", better="more")

    def jobs(self):
        cluster = running.Cluster(self.home, workers=2, slots=100)
        try:
            cluster.start()
            jar = cluster.upload(self.example("wordcount"))
            begin = time.monotonic()
            started = [cluster.run_jar(jar, self.endless()) for _ in range(200)]

            def all_running():
                listed = cluster.get("/jobs/overview")["jobs"]
                return len(listed) == 200 and all(
                    j["state"] == "RUNNING" and j["tasks"]["running"] == j["tasks"]["total"] for j in listed)

            running.wait_until(all_running, seconds=120, pause=0.05)
            took = time.monotonic() - begin
            time.sleep(2)
            manager = cluster.job_manager()
            rss = running.memory_kb(manager, "Rss")
            tasks = len(cluster.get(f"/jobs/{started[0]}")["vertices"])
            before = running.cpu_seconds(manager)
            time.sleep(10)
            used = running.cpu_seconds(manager) - before
            for job in started:
                cluster.cancel(job)
        finally:
            cluster.stop()
        self.row(f"200 jobs of {tasks} tasks, until all are RUNNING", took, "s", 30)
        self.row("the same, memory of the job manager (RSS)", rss / 1024, "MB", 200)
        self.row("the same, CPU of the job manager", used / 10 * 100, "% of a core", 3)

    def wordcount(self):
        """CPU per byte over two task managers, against one process of the same parallelism."""
        corpus = os.path.join(self.folder, "corpus.txt")
        size = 1000 * 1000 * 1000
        sys.path.insert(0, os.path.join(TOP, "bench", "wordcount"))
        import run as wordcount  # noqa: E402  (the corpus is the same)
        wordcount.make_corpus(corpus, size)
        with open(corpus, "rb") as f:
            while f.read(1 << 24):
                pass
        flink = os.path.join(self.home, "bin", "flink")
        arguments = [self.example("wordcount"), "--input", corpus, "--execution-mode", "BATCH"]
        local, remote, wall = [], [], []
        cluster = running.Cluster(self.home, workers=2, slots=1)
        try:
            cluster.start()
            for i in range(self.rounds):
                out = os.path.join(self.folder, f"local{i}")
                local.append(wordcount.measure([flink, "run", "-t", "local", "-p", "2", *arguments, "--output", out],
                                               set(range(os.cpu_count())))["cpu"])
                out2 = os.path.join(self.folder, f"remote{i}")
                used, took = self.measure_remote(cluster, [flink, "run", "-p", "2", *arguments, "--output", out2])
                remote.append(used)
                wall.append(took)
                if wordcount.read_counts(out) != wordcount.read_counts(out2):
                    sys.exit("the counts of the cluster differ from those of one process")
        finally:
            cluster.stop()
        self.row("WordCount of 1 GB, p 2, one process, CPU", min(local), "s")
        self.row("WordCount of 1 GB, p 2, two task managers, CPU of all their processes", min(remote), "s")
        self.row("the same, times that of one process", min(remote) / min(local), "", 1.4)
        self.row("WordCount of 1 GB over two task managers, wall", min(wall), "s")

    def measure_remote(self, cluster, command):
        """CPU of task managers and workers while the command runs; workers are looked at until they end."""
        used, stop = {}, threading.Event()

        def watch():
            while not stop.is_set():
                for manager in cluster.task_managers():
                    for pid in running.family(manager):
                        try:
                            used[pid] = running.cpu_seconds(pid)
                        except OSError:
                            pass
                time.sleep(0.03)

        before = {pid: running.cpu_seconds(pid) for m in cluster.task_managers() for pid in running.family(m)}
        watcher = threading.Thread(target=watch)
        watcher.start()
        begin = time.monotonic()
        done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True)
        took = time.monotonic() - begin
        stop.set()
        watcher.join()
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        return sum(seconds - before.get(pid, 0) for pid, seconds in used.items()), took

    def kill(self):
        """A task manager is killed while two others have free slots; until the job runs again."""
        cluster = running.Cluster(self.home, workers=2, slots=1, config={
            "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1000000,
            "restart-strategy.fixed-delay.delay": "100 ms"})
        noticed, again = [], []
        try:
            cluster.start()
            jar = cluster.upload(self.example("wordcount"))
            job = cluster.run_jar(jar, self.endless())
            running.wait_until(lambda: cluster.all_running(job))
            for _ in range(self.kills):
                running.wait_until(lambda: cluster.get("/overview")["slots-available"] >= 1)
                vertex = cluster.get(f"/jobs/{job}")["vertices"][0]
                place = cluster.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"][0]
                attempt = place["attempt"]
                manager = self.pid_of(cluster, place["taskmanager-id"])
                begin = time.monotonic()
                os.kill(manager, signal.SIGKILL)
                running.wait_until(lambda: cluster.get(f"/jobs/{job}/status")["status"] != "RUNNING")
                noticed.append(time.monotonic() - begin)

                def runs_again():
                    if not cluster.all_running(job):
                        return False
                    now = cluster.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"][0]
                    return now["attempt"] > attempt

                running.wait_until(runs_again)
                again.append(time.monotonic() - begin)
                cluster.script("taskmanager.sh", "start")
            cluster.cancel(job)
        finally:
            cluster.script("taskmanager.sh", "stop-all")
            cluster.script("jobmanager.sh", "stop-all")
            shutil.rmtree(cluster.folder, ignore_errors=True)
        self.row(f"kill -9 of a task manager until noticed, p99 of {self.kills}", quantile(noticed, 0.99) * MS, "ms", 1000)
        self.row(f"the same until the job is RUNNING on another, p99 of {self.kills}", quantile(again, 0.99) * MS, "ms",
                 2000)

    def recover(self):
        """A task manager with 100 MB of state is killed while another has a free slot; until records flow again."""
        cluster = running.Cluster(self.home, workers=3, slots=1, config={
            "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1000000,
            "restart-strategy.fixed-delay.delay": "100 ms", "execution.checkpointing.interval": "1 s",
            "execution.checkpointing.dir": os.path.join(self.folder, "checkpoints"),
            "taskmanager.memory.process.size": "3g"})
        beat, times, size = os.path.join(self.folder, "beat"), [], 0

        def last_beat():
            with open(beat, encoding="ascii") as f:
                return int(f.read() or 0)

        try:
            cluster.start()
            jar = cluster.upload(self.build("recovering"))
            job = cluster.run_jar(jar, ["--beat", beat])

            def completed():
                return ((cluster.get(f"/jobs/{job}/checkpoints")["latest"] or {}).get("completed") or {})

            for _ in range(self.kills):
                before = completed().get("id", 0)
                running.wait_until(lambda: completed().get("state_size", 0) > 95e6 and completed()["id"] > before + 1,
                                   seconds=60)
                size = completed()["state_size"]
                running.wait_until(lambda: cluster.get("/overview")["slots-available"] >= 1)
                vertex = cluster.get(f"/jobs/{job}")["vertices"][0]
                place = cluster.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"][0]
                manager = next(m for m in cluster.task_managers() if self.holds(m, beat))
                begin = time.monotonic_ns()
                os.kill(manager, signal.SIGKILL)
                times.append(self.silence(cluster, job, place["attempt"], last_beat, begin))
                print(f"{size / 1e6:.0f} MB: {times[-1]:.3f} s", file=sys.stderr)
                cluster.script("taskmanager.sh", "start")
            cluster.cancel(job)
        finally:
            cluster.script("taskmanager.sh", "stop-all")
            cluster.script("jobmanager.sh", "stop-all")
            shutil.rmtree(cluster.folder, ignore_errors=True)
        self.row(f"kill -9 of a task manager with {size / 1e6:.0f} MB of state until records flow, p99 of {self.kills}",
                 quantile(times, 0.99) * MS, "ms", 2000)

    def rescale(self):
        """A running job with 200 MB of state goes from 2 to 4 tasks and back; how long no record came out."""
        prefix = "jobmanager.adaptive-scheduler."
        cluster = running.Cluster(self.home, workers=2, slots=2, config={
            "jobmanager.scheduler": "adaptive", prefix + "executing.cooldown-after-rescaling": "0 s",
            "execution.checkpointing.interval": "2 s", "execution.checkpointing.incremental": "true",
            "execution.checkpointing.dir": os.path.join(self.folder, "rescaled"),
            "taskmanager.memory.process.size": "3g"})
        beat, size, gaps = os.path.join(self.folder, "rescale-beat"), 0, {2: [], 4: []}

        def last_beat():
            with open(beat, encoding="ascii") as f:
                return int(f.read() or 0)

        try:
            cluster.start()
            jar = cluster.upload(self.build("recovering"))
            job = cluster.run_jar(jar, ["--beat", beat, "--keys", 13_000_000, "--rate", 600_000], 2)

            def completed():
                return (cluster.get(f"/jobs/{job}/checkpoints")["latest"] or {}).get("completed") or {}

            running.wait_until(lambda: completed().get("full_state_size", completed().get("state_size", 0)) > 195e6,
                               seconds=120, pause=0.2)
            for i in range(2 * self.rounds):
                before = completed()["id"]
                running.wait_until(lambda: completed()["id"] > before + 1, seconds=60, pause=0.05)
                size = completed().get("full_state_size", completed()["state_size"])
                wanted = 4 if i % 2 == 0 else 2
                gaps[wanted].append(self.rescale_once(cluster, job, wanted, last_beat))
                print(f"to {wanted}, {size / 1e6:.0f} MB: {gaps[wanted][-1]:.3f} s", file=sys.stderr)
            cluster.cancel(job)
        finally:
            cluster.stop()
        for wanted, found in gaps.items():
            self.row(f"rescale to {wanted} tasks with {size / 1e6:.0f} MB of state, running job: no records for", max(found)
                     * MS, "ms", 1500)

    def rescale_once(self, cluster, job, wanted, last_beat):
        """Seconds of the longest pause between two beats, until some time after all new tasks run."""
        path = f"/jobs/{job}/resource-requirements"
        bounds = {v: {"parallelism": {"lowerBound": 1, "upperBound": wanted}} for v in cluster.get(path)}
        beats, until = [last_beat()], None
        cluster.request("PUT", path, bounds)
        while until is None or time.monotonic() < until:
            beats.append(max(last_beat(), beats[-1]))
            if until is None and len(beats) % 50 == 0:
                details = cluster.get(f"/jobs/{job}")
                if all(v["parallelism"] == wanted == v["tasks"]["RUNNING"] for v in details["vertices"]):
                    until = time.monotonic() + 0.5
            time.sleep(0.001)
        return max(b - a for a, b in zip(beats, beats[1:])) / 1e9

    @staticmethod
    def holds(manager, path):
        """One of its workers has the file open: a worker may be kept without a task, for the next restart."""
        for pid in running.family(manager):
            try:
                if any(os.readlink(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd")):
                    return True
            except OSError:
                pass
        return False

    def silence(self, cluster, job, attempt, last_beat, begin):
        """Seconds from `begin` to the end of the longest pause between beats, seen after the job runs again."""
        beats, until = [begin], None
        while until is None or time.monotonic() < until:
            beats.append(max(last_beat(), beats[-1]))
            if until is None and len(beats) % 50 == 0:
                if beats[-1] > begin and self.all_later(cluster, job, attempt):
                    until = time.monotonic() + 0.5
            time.sleep(0.001)
        _, end = max(((b - a, b) for a, b in zip(beats, beats[1:])), key=lambda gap: gap[0])
        return (end - begin) / 1e9

    @staticmethod
    def all_later(cluster, job, attempt):
        """All tasks run, in later attempts than this: the state is there, too, and not only the source again."""
        vertices = (cluster.try_get(f"/jobs/{job}") or {}).get("vertices", [])
        tasks = [task for v in vertices
                 for task in (cluster.try_get(f"/jobs/{job}/vertices/{v['id']}") or {}).get("subtasks", [{}])]
        return bool(tasks) and all(t.get("attempt", 0) > attempt and t.get("status") == "RUNNING" for t in tasks)

    def keyed(self):
        """Records per CPU second of all processes, while checkpoints are taken; the last one is restored and verified."""
        for keys, interval_s, bar, limit in ((1_000_000, 1, 25, 188), (10_000_000, 10, 15, 66)):
            checkpoints = os.path.join(self.folder, f"keyed-{keys}")
            cluster = running.Cluster(self.home, workers=1, slots=1, config={
                "execution.checkpointing.interval": f"{interval_s} s", "execution.checkpointing.dir": checkpoints,
                "execution.checkpointing.incremental": "true", "execution.checkpointing.externalized-checkpoint-retention":
                "RETAIN_ON_CANCELLATION", "taskmanager.memory.process.size": "6g"})
            try:
                cluster.start()
                jar = cluster.upload(self.build("keyed"))
                job = cluster.run_jar(jar, ["--keys", keys])
                rate, share = self.measure(cluster, job, 10 * interval_s if interval_s > 1 else 20, interval_s)
                cluster.cancel(job)
                running.wait_until(lambda: cluster.state(job) == "CANCELED")
                path = cluster.get(f"/jobs/{job}/checkpoints")["latest"]["completed"]["external_path"]
                self.verify(path)
                again = cluster.run_jar(jar, ["--keys", keys, "--rate", 1000],
                                        config={"execution.state-recovery.path": path})
                running.wait_until(lambda: cluster.all_running(again), seconds=60)
                cluster.cancel(again)
            finally:
                cluster.stop()
            self.row(f"keyed count, {keys // 1_000_000} M keys, checkpoints every {interval_s} s", rate / 1e6,
                     "M records/s per core", bar, limit, better="more")
            self.row(f"of the checkpoints due meanwhile, {keys // 1_000_000} M keys", share * 100, "%", 80, better="more")

    def measure(self, cluster, job, seconds, interval_s):
        """(records of the source per CPU second, completed over due checkpoints) of a running job."""
        def completed():
            return cluster.get(f"/jobs/{job}/checkpoints")["counts"]["completed"]

        def sample():
            vertices = cluster.get(f"/jobs/{job}")["vertices"]
            pids = {p for m in cluster.task_managers() + [cluster.job_manager()] for p in running.family(m)}
            return vertices[0]["metrics"]["write-records"], sum(running.cpu_seconds(p) for p in pids), completed()

        running.wait_until(lambda: cluster.all_running(job), seconds=60)
        running.wait_until(lambda: completed() >= 2, seconds=120, pause=0.05)
        first = sample()
        time.sleep(seconds)
        last = sample()
        return (last[0] - first[0]) / (last[1] - first[1]), (last[2] - first[2]) / (seconds / interval_s)

    def verify(self, path):
        """The counts of all keys together are as many as the source had made at that checkpoint."""
        tool = [os.path.join(self.home, "bin", "flink"), "state", "dump", path]
        lines = subprocess.Popen(tool, stdout=subprocess.PIPE, text=True)
        total, generated = 0, 0
        for line in lines.stdout:
            row = json.loads(line)
            if row.get("uid") == "numbers" or "numbers" in str(row.get("operator")):
                generated += row["value"].get("next", 0) if isinstance(row.get("value"), dict) else 0
            elif isinstance(row.get("value"), dict) and "count" in row["value"]:
                total += row["value"]["count"]
        if lines.wait() != 0 or total == 0 or (generated and generated != total):
            raise RuntimeError(f"{path}: the counts add up to {total}, the source made {generated}")

    def backpressure(self):
        """Checkpoints of a job whose sink is 100 times slower than its source, or takes --sink-us microseconds for each record;
        all channels are full, half of them are remote."""
        for mode, options, bar in (("aligned", {}, 0), ("unaligned", {"unaligned.enabled": "true"}, 1000),
                                   ("unaligned after 100 ms", {"unaligned.enabled": "true", "aligned-checkpoint-timeout": "100 ms"},
                                    1000)):
            if mode == "aligned" and self.sink_us:
                continue  # it takes as long as the sink does for all that is in flight
            cluster = running.Cluster(self.home, workers=2, slots=1, config={
                "execution.checkpointing.interval": "1 s", "execution.checkpointing.dir": os.path.join(self.folder, "overtaken"),
                **{"execution.checkpointing." + key: value for key, value in options.items()}})
            try:
                cluster.start()
                jar = cluster.upload(self.build("backpressure"))
                slow, fast = self.slow_and_fast(cluster, jar)
                job = cluster.run_jar(jar, ["--slow", slow], parallelism=2)
                running.wait_until(lambda: cluster.all_running(job), seconds=60)
                wanted = 3 if mode == "aligned" else 10
                running.wait_until(lambda: self.checkpoints_of(cluster, job) is not None and
                                   len(self.checkpoints_of(cluster, job)) >= wanted, seconds=300, pause=0.1)
                done = self.checkpoints_of(cluster, job)[:wanted]
                cluster.cancel(job)
            finally:
                cluster.stop()
            self.row(f"checkpoint under full back pressure, sink {fast}, {mode}: median",
                     median([c["end_to_end_duration"] for c in done]), "ms", bar)
            self.row(f"the same, longest of {len(done)}", max(c["end_to_end_duration"] for c in done), "ms", bar)
            if bar:
                self.row(f"channel state, {mode}, largest", max(c["persisted_data"] for c in done) / 1e6, "MB",
                         self.in_flight_max() / 1e6)

    def slow_and_fast(self, cluster, jar):
        """Microseconds per record that make the sink 100 times slower than the source is by itself, or that were asked for."""
        if self.sink_us:
            return self.sink_us, f"of {self.sink_us} us a record"
        job = cluster.run_jar(jar, ["--slow", 0], parallelism=2)
        running.wait_until(lambda: cluster.all_running(job), seconds=60)

        def records():
            return cluster.get(f"/jobs/{job}")["vertices"][0]["metrics"]["write-records"]

        running.wait_until(lambda: records() > 0, seconds=30)
        before = records()
        running.wait_until(lambda: records() > before, seconds=60, pause=0.01)  # they are reported now and then
        before, begin = records(), time.monotonic()
        running.wait_until(lambda: records() > before and time.monotonic() - begin > 5, seconds=60, pause=0.01)
        rate = (records() - before) / (time.monotonic() - begin) / 2  # of one of two subtasks
        cluster.cancel(job)
        running.wait_until(lambda: cluster.state(job) == "CANCELED")
        return max(1, round(100 * 1e6 / rate)), "100 times slower"

    @staticmethod
    def in_flight_max():
        """Bytes that the bounds of four channels allow: those of both ends of the two that are remote; a batch each by which
        they may be overdrawn."""
        return (2 + 2 * 2) * (512 + 256) * 1024

    @staticmethod
    def checkpoints_of(cluster, job):
        """Those that completed behind the first, which may be taken before the channels are full."""
        history = cluster.get(f"/jobs/{job}/checkpoints")["history"]
        return [c for c in reversed(history) if c["status"] == "COMPLETED" and c["id"] > 2]

    def build(self, name):
        """A bundle from the sources beside this file."""
        bundle = os.path.join(self.folder, name + ".so")
        config = os.path.join(self.home, "bin", "flinc-config")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".c")
        subprocess.run(f'cc -O2 -shared $("{config}" --cflags) "{source}" -o "{bundle}" $("{config}" --libs)', shell=True,
                       check=True)
        return bundle

    def pid_of(self, cluster, resource_id):
        """The process whose log has the id."""
        folder = os.path.join(cluster.folder, "log")
        for pid in cluster.task_managers():
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    log = dict(e.split(b"=", 1) for e in f.read().split(b"\0") if b"=" in e).get(b"FLINC_LOG_FILE")
                with open(log, "rb") as f:
                    if resource_id.encode() in f.read():
                        return pid
            except (OSError, TypeError):
                pass
        raise RuntimeError(f"no task manager {resource_id} in {folder}")


def main():
    parts = ["start", "submit", "idle", "overview", "jobs", "wordcount", "kill", "recover", "rescale", "keyed",
             "backpressure"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=os.path.join(TOP, "build", "dist", "flinc"))
    parser.add_argument("--only", default=",".join(parts))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sink-us", type=int, default=0, help="backpressure: what the sink takes for a record")
    parser.add_argument("--kills", type=int, default=50)
    bench = Bench(parser.parse_args())
    for part in parser.parse_args().only.split(","):
        getattr(bench, part)()
    shutil.rmtree(bench.folder, ignore_errors=True)
    table.show(bench.rows)


if __name__ == "__main__":
    main()
