"""The bed of a round: a cluster whose every process can be killed and frozen, and whose every link, disk and clock can be bad."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for _room in (("bench", "cluster"), ("tests", "services"), ("tests", "system"), ("tests", "faults")):
    sys.path.insert(0, os.path.join(TOP, *_room))
import clock  # noqa: E402
import disk  # noqa: E402
import follow  # noqa: E402
import loss  # noqa: E402
import oracle  # noqa: E402
import running  # noqa: E402
from http_faults import HttpProxy  # noqa: E402
from oracle import Violation  # noqa: E402
from proxy import Proxy  # noqa: E402

TASK_MANAGERS, SLOTS = 3, 4
HEARTBEAT_S = 4  # until a task manager that says nothing is given up
SESSION_S = 2  # until a leader that says nothing is replaced
BUCKET = "faults"
REQUEST_S = 20  # a job manager answers by then, or is gone
# What a process may hold more than when it was first looked at: pools of gRPC and of the REST server keep some.
MORE_DESCRIPTORS, MORE_THREADS = 12, 4


class Bed(loss.LossCluster):
    """Job managers jm0 and, with high availability, jm1; task managers tm0 to tm2; what they need beside.

    ha: none, file, zookeeper (one server), ensemble (three).  storage: local, s3."""

    def __init__(self, home, ha="none", storage="local", config=None, failpoint_report=None):
        super().__init__(home, slots=SLOTS, config={"heartbeat.timeout": f"{HEARTBEAT_S} s", **(config or {})})
        with open(os.path.join(self.environment["FLINK_CONF_DIR"], "config.yaml"), "a", encoding="utf-8") as f:
            f.write(f"web.upload.dir: {os.path.join(self.folder, 'upload')}\n")  # for whoever leads
        self.ha, self.storage = ha, storage
        self.disk = disk.Disk(self.folder)
        self.clock = clock.Clock(self.folder)
        preloads = {**self.disk.environment, **self.clock.environment}
        preloads["LD_PRELOAD"] = " ".join((self.disk.environment["LD_PRELOAD"], self.clock.environment["LD_PRELOAD"]))
        self.environment.update(preloads)
        self.environment["FLINC_FAILPOINT_REPORT"] = failpoint_report or os.path.join(self.folder, "hits")
        os.makedirs(self.environment["FLINC_FAILPOINT_REPORT"], exist_ok=True)
        self.job_manager_names = ["jm0", "jm1"] if ha != "none" else ["jm0"]
        self.rest_ports = {n: running.free_port() for n in self.job_manager_names}
        self.rpc_binds = {n: running.free_port() for n in self.job_manager_names}
        self.control = {n: Proxy(self.rpc_binds[n]) for n in self.job_manager_names}  # link: job manager - task managers
        self.rest = {n: Proxy(self.rest_ports[n]) for n in self.job_manager_names}  # link: client - REST
        self.zookeeper = self.s3 = self.s3_link = None
        self.zookeeper_links = []  # one before each server
        self.answers = {}  # of the REST servers, by status
        self.unexpected = []  # I8
        self.baseline = {}
        self.lives_of = {}  # how many processes had a name
        self.checkpoints = follow.Follower(os.path.join(self.folder, "jm*.log"),
                                           r"(Completed) checkpoint (\d+) for job (\w+)|Job (\w+) starts from checkpoint (\d+)")
        self.start_services()

    # ---- services ----------------------------------------------------------------------------------------

    def start_services(self):
        settings = {"high-availability.storageDir": os.path.join(self.folder, "ha"),
                    "high-availability.cluster-id": "/faults"} if self.ha != "none" else {}
        if self.ha == "file":
            settings.update({"high-availability.type": "file", "high-availability.file.session-timeout": f"{SESSION_S} s"})
        elif self.ha in ("zookeeper", "ensemble"):
            import zookeeper  # pylint: disable=import-outside-toplevel
            folder = os.path.join(self.folder, "zookeeper")
            one = self.ha == "zookeeper"
            self.zookeeper = (zookeeper.Server(folder, running.free_port()) if one else zookeeper.Ensemble(folder, running.free_port)).start()
            self.zookeeper_links = [Proxy(server.port) for server in self.zookeeper.servers]
            settings.update({"high-availability.type": "zookeeper",
                             "high-availability.zookeeper.quorum": ",".join(f"127.0.0.1:{link.port}" for link in self.zookeeper_links),
                             "high-availability.zookeeper.client.session-timeout": f"{SESSION_S} s",
                             "high-availability.zookeeper.client.connection-timeout": "1 s",
                             "high-availability.zookeeper.client.retry-wait": "500 ms",
                             "high-availability.zookeeper.client.tolerate-suspended-connections": "true"})
        if self.storage == "s3":
            import s3  # pylint: disable=import-outside-toplevel
            self.s3 = s3.Versitygw(os.path.join(self.folder, "s3")).start()
            self.s3.make_bucket(BUCKET)
            self.s3_link = HttpProxy(self.s3.port)
            settings.update({**self.s3.config(), "s3.endpoint": f"http://127.0.0.1:{self.s3_link.port}"})
        with open(os.path.join(self.environment["FLINK_CONF_DIR"], "config.yaml"), "a", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in settings.items())

    def place(self, *parts):
        """(URI, local folder) of something that is stored."""
        if self.storage == "s3":
            return "/".join(("s3:/", BUCKET, *parts)), self.s3.files(os.path.join(BUCKET, *parts))
        path = os.path.join(self.folder, *parts)
        return path, path

    def local(self, uri):
        """Where that lies on this machine."""
        if uri.startswith("s3://"):
            return self.s3.files(uri.removeprefix("s3://"))
        return uri.removeprefix("file:")

    # ---- processes ---------------------------------------------------------------------------------------

    def spawn(self, name, program, *args, environment=None):
        life = self.lives_of[name] = self.lives_of.get(name, 0) + 1
        log = {"FLINC_LOG_FILE": os.path.join(self.folder, f"{name}-{life}.log")}
        return super().spawn(name, program, *args, environment={**log, **(environment or {})})

    def start_candidate(self, name, failpoints=None):
        port = "high-availability.jobmanager.port" if self.ha != "none" else "jobmanager.rpc.port"
        self.spawn(name, "flinc-jobmanager", "-D", f"rest.port={self.rest_ports[name]}",
                   "-D", f"{port}={self.control[name].port}", "-D", f"jobmanager.rpc.bind-port={self.rpc_binds[name]}",
                   environment={"FLINC_FAILPOINTS": failpoints} if failpoints else None)

    def start_task_manager(self, number, failpoints=None):  # pylint: disable=arguments-differ
        name = f"tm{number}"
        if name not in self.proxies:
            self.binds[name] = running.free_port()
            self.proxies[name] = Proxy(self.binds[name])
        self.spawn(name, "flinc-taskmanager", "-D", f"taskmanager.resource-id={name}",
                   "-D", f"taskmanager.data.port={self.proxies[name].port}",
                   "-D", f"taskmanager.data.bind-port={self.binds[name]}",
                   *(() if self.ha != "none" else ("-D", f"jobmanager.rpc.port={self.control['jm0'].port}")),
                   environment={"FLINC_FAILPOINTS": failpoints} if failpoints else None)

    def start(self):
        for name in self.job_manager_names:
            self.start_candidate(name)
        for i in range(TASK_MANAGERS):
            self.start_task_manager(i)
        self.wait_for_task_managers()
        self.wait(lambda: self.overview("slots-available") == TASK_MANAGERS * SLOTS)

    def wait(self, condition, seconds=60, pause=0.01):
        return running.wait_until(condition, seconds=seconds, pause=pause)[0]

    def task_managers(self):
        return [n for n in self.children if n.startswith("tm")]

    def kill(self, name):
        self.children[name].kill()
        self.children[name].wait()
        self.frozen.discard(self.children[name].pid)

    def revive(self):
        """What has ended is started again; nothing is armed, and no link is bad."""
        for pid in list(self.frozen):
            self.thaw(pid)
        for name, child in list(self.children.items()):
            if child.poll() is not None:
                if name.startswith("tm"):
                    self.start_task_manager(int(name[2:]))
                else:
                    self.start_candidate(name)

    def heal(self):
        for link in [*self.proxies.values(), *self.control.values(), *self.rest.values(), *self.zookeeper_links, self.s3_link]:
            if link:
                link.heal()
        self.disk.mend()
        self.clock.mend()
        self.revive()

    def freeze_family(self, name):
        for pid in sorted(running.family(self.children[name].pid)):
            try:
                self.freeze(pid)
            except ProcessLookupError:
                self.frozen.discard(pid)

    # ---- REST --------------------------------------------------------------------------------------------

    def leader(self):
        """The name of the job manager that leads, by what the logs say; None."""
        for name in self.job_manager_names:
            child = self.children.get(name)
            if child is None or child.poll() is not None or child.pid in self.frozen:
                continue
            if self.ha == "none":
                return name
            text = self.log_of_life(name)
            if text.count("This job manager leads:") > text.count("leadership was revoked"):
                return name
        return None

    def read_log(self, name, life):
        try:
            with open(os.path.join(self.folder, f"{name}-{life}.log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log(self, name):
        """What all processes of that name have said."""
        return "".join(self.read_log(name, life) for life in range(1, self.lives_of.get(name, 0) + 1))

    def log_of_life(self, name):
        """What the process that runs now has said."""
        return self.read_log(name, self.lives_of.get(name, 0))

    def request_at(self, port, method, path, body=None, headers=None, seconds=REQUEST_S):
        connection = http.client.HTTPConnection("localhost", port, timeout=seconds)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        found = json.loads(text) if text else {}
        if answer.status >= 400 and not found.get("errors"):
            self.unexpected.append(f"{method} {path}: {answer.status} without a cause: {text[:200]!r}")
        return answer.status, found

    def request(self, method, path, body=None, headers=None):
        """By whichever job manager answers; OSError: none does."""
        last = OSError("no job manager runs")
        for name in self.job_manager_names:
            child = self.children.get(name)
            if child is None or child.poll() is not None or child.pid in self.frozen:
                continue
            try:
                status, answer = self.request_at(self.rest_ports[name], method, path, body, headers)
            except (OSError, http.client.HTTPException, ValueError) as e:
                last = OSError(f"{name}: {e!r}")
                continue
            if status != 503:
                return status, answer
            last = OSError(f"{name}: {answer}")
        raise last

    def fired(self, failpoint):
        """How often processes of the beds of this run have made something go wrong there."""
        folder, count = self.environment["FLINC_FAILPOINT_REPORT"], 0
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as f:
                count += f.read().splitlines().count(f"fired {failpoint}")
        return count

    # ---- jobs --------------------------------------------------------------------------------------------

    def state_of(self, job):
        """None: nobody can say now."""
        return (self.try_get(f"/jobs/{job}/status") or {}).get("status")

    def runs_whole(self, job):
        found = self.try_get(f"/jobs/{job}") or {}
        return found.get("state") == "RUNNING" and all(v["status"] == "RUNNING" for v in found["vertices"])

    # ---- invariants --------------------------------------------------------------------------------------

    def settle(self):
        """I3: all slots are free, and no worker is left."""
        try:
            self.wait(lambda: self.overview("slots-available") == self.overview("slots-total") == TASK_MANAGERS * SLOTS, 60)
            self.wait(lambda: not any(self.worker_pids(n) for n in self.task_managers()), 60)
        except TimeoutError:
            workers = {n: self.worker_pids(n) for n in self.task_managers()}
            raise Violation(f"I3: {self.overview('slots-available')} of {TASK_MANAGERS * SLOTS} slots are free; workers {workers}") from None

    def check_survivors(self):
        """I4: who was there when the bed was made holds no more than then."""
        leader = self.leader()
        for name, child in self.children.items():
            if child.poll() is not None:
                continue
            key = (name, child.pid, name == leader)

            def settled(pid=child.pid, key=key):
                now = oracle.sample(pid)
                first = self.baseline.get(key)
                return first is None and now or (
                    now["descriptors"] <= first["descriptors"] + MORE_DESCRIPTORS and now["threads"] <= first["threads"] + MORE_THREADS and now)

            try:
                now = self.wait(settled, 30, 0.1)
            except TimeoutError:
                raise Violation(f"I4: {name} holds {oracle.sample(child.pid)} after {self.baseline[key]}") from None
            self.baseline.setdefault(key, now)
        cores = [n for n in oracle.files_below(self.folder) if re.fullmatch(r"core(\.\d+)?", os.path.basename(n))]
        crashes = [n for n in self.children if "Flinc crashed" in self.log(n)]
        if cores or crashes:
            raise Violation(f"I4: core files {cores}, crashes of {crashes}")

    def kept(self):
        """I6: files of jobs that high availability keeps, beside its own records."""
        root = os.path.join(self.folder, "ha", "faults")
        return sorted(os.path.relpath(os.path.join(d, n), root) for d, _, names in os.walk(root)
                      for n in names if not d.startswith(os.path.join(root, "ha")))

    def check_ha(self):
        if self.ha == "none":
            return
        try:
            self.wait(lambda: not self.kept(), 60, 0.1)
        except TimeoutError:
            raise Violation(f"I6: high availability keeps {self.kept()[:5]} of jobs that have ended") from None

    def check_zookeeper(self):
        """I6, at the end: no node of a job is left."""
        if not self.zookeeper:
            return
        import zookeeper  # pylint: disable=import-outside-toplevel
        said = subprocess.run(["java", "-cp", os.path.join(zookeeper.jars(), "*"), "org.apache.zookeeper.ZooKeeperMain", "-server",
                               self.zookeeper.quorum, "ls", "-R", "/"], capture_output=True, text=True, check=False, timeout=60).stdout
        left = [line for line in said.splitlines() if re.search(r"/(jobgraphs|jobs)/.*[0-9a-f]{32}", line)]
        if left:
            raise Violation(f"I6: nodes of jobs that have ended: {left[:5]}")

    def check_leaders(self, job):
        """I7: checkpoints of a job are completed in their order, each once, whoever leads.

        A leader that is frozen when its checkpoint is written down tells of it late: then the next one has started from it."""
        done, started = [], {}
        for look, path, (is_completed, number, of, started_job, start) in self.checkpoints.look():
            name = os.path.basename(path).split("-")[0]
            if is_completed and of == job:
                done.append((look, name, int(number)))
            elif started_job == job:
                started[name] = max(started.get(name, 0), int(start))
        for (first, one, before), (then, other, after) in zip(done, done[1:]):
            if first < then and one != other and after <= before and after > started.get(one, 0):
                raise Violation(f"I7: {other} completed checkpoint {after} after {one} completed {before}")

    def check_answers(self):
        """I8: each request was answered, by a success or an error with its cause."""
        if self.unexpected:
            raise Violation(f"I8: {self.unexpected[:3]}")
        wrong = {s: n for s, n in self.answers.items() if s >= 500 and s != 503}
        if wrong:
            raise Violation(f"I8: answers {wrong}")

    # ---- the end -----------------------------------------------------------------------------------------

    def stop(self):
        self.checkpoints.stop()
        self.heal()
        left = [x for x in super().stop() if not x.startswith("file ")]
        for link in [*self.control.values(), *self.rest.values(), *self.zookeeper_links, self.s3_link]:
            if link:
                link.close()
        if self.s3:
            self.s3.stop()
        if self.zookeeper:
            self.zookeeper.stop()
        return left

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def signal_workers(self, name, number=signal.SIGKILL):
        pids = self.worker_pids(name)
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return pids


def now_text():
    return time.strftime("%H:%M:%S")
