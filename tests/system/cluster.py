"""A cluster for tests: one job manager and some task managers of the distribution, started directly, on ports
and in folders of their own.  What is started is stopped by its id, and nothing may be left: no process, no
temporary file."""

import os
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402
from running import family, free_port, wait_until  # noqa: E402

PATIENCE = 60  # seconds: what takes longer has failed


def state_of(pid):
    """The letter of /proc/PID/stat; None: no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rsplit(b")", 1)[1].split()[0].decode()
    except OSError:
        return None


def is_gone(pid):
    return state_of(pid) in (None, "Z")


class Process:
    """One server process with its log."""

    def __init__(self, name, program, args, folder, environment):
        self.name = name
        self.log_path = os.path.join(folder, "log", name + ".log")
        self.out_path = os.path.join(folder, "log", name + ".out")
        os.makedirs(os.path.dirname(self.log_path), exist_ok=True)
        with open(self.out_path, "ab") as out:
            self.process = subprocess.Popen(
                [program, *map(str, args)], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder,
                env={**os.environ, **environment, "FLINC_LOG_FILE": self.log_path, "FLINC_OUT_FILE": self.out_path})
        self.pid = self.process.pid
        self.expected_exit = 0  # None: any

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """kill -9: the test wants it so."""
        self.expected_exit = -signal.SIGKILL
        self.process.kill()
        self.process.wait()

    def wait(self, seconds=PATIENCE):
        return self.process.wait(seconds)

    def runs(self):
        return self.process.poll() is None

    def text(self):
        """All that it has said."""
        found = []
        for path in (self.out_path, self.log_path):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    found.append(f.read())
        return "\n".join(found)

    def stop(self, seconds=PATIENCE):
        """Ends it in order; returns the exit code."""
        if self.runs():
            self.process.send_signal(signal.SIGCONT)  # a frozen one hears no SIGTERM
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not stop within {seconds} s:\n{self.text()[-5000:]}") from None
        return self.process.returncode


class Cluster(running.Cluster):
    """REST calls are those of running.Cluster: get, request, upload, run_jar, state, cancel, ..."""

    def __init__(self, home, folder, slots=2, config=None):  # pylint: disable=super-init-not-called
        self.home, self.folder = home, str(folder)
        self.port, self.rpc_port = free_port(), free_port()
        self.conf_dir = os.path.join(self.folder, "conf")
        self.tmp = os.path.join(self.folder, "tmp")
        os.makedirs(self.conf_dir)
        os.makedirs(self.tmp)
        self.settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": self.rpc_port,
            "jobmanager.bind-host": "localhost",
            "rest.address": "localhost",
            "rest.bind-address": "localhost",
            "rest.port": self.port,
            "taskmanager.host": "localhost",
            "taskmanager.bind-host": "localhost",
            "taskmanager.numberOfTaskSlots": slots,
            "taskmanager.memory.process.size": "1g",
            "io.tmp.dirs": self.tmp,
            **(config or {}),
        }
        with open(os.path.join(self.conf_dir, "config.yaml"), "w", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in self.settings.items())
        self.slots = slots
        self.environment = {"FLINK_CONF_DIR": self.conf_dir, "FLINK_LOG_DIR": os.path.join(self.folder, "log"),
                            "FLINK_PID_DIR": os.path.join(self.folder, "pid")}
        self.jobmanager = None
        self.taskmanagers = []
        self.all = []
        self.leaves_files = False  # set by tests that kill processes

    # ---- processes -----------------------------------------------------------------------------------

    def start_process(self, name, program, *args, environment=None):
        process = Process(name, os.path.join(self.home, "libexec", program), ["--configDir", self.conf_dir, *args],
                          self.folder, {**self.environment, **(environment or {})})
        self.all.append(process)
        return process

    def start_job_manager(self, *args, environment=None):
        number = sum(p.name.startswith("jobmanager") for p in self.all)
        self.jobmanager = self.start_process(f"jobmanager-{number}", "flinc-jobmanager", *args, environment=environment)
        return self.jobmanager

    def start_task_manager(self, *args, environment=None):
        number = sum(p.name.startswith("taskmanager") for p in self.all)
        process = self.start_process(f"taskmanager-{number}", "flinc-taskmanager", *args, environment=environment)
        self.taskmanagers.append(process)
        return process

    def start(self, taskmanagers=2):
        self.start_job_manager()
        for _ in range(taskmanagers):
            self.start_task_manager()
        self.wait_for_slots(taskmanagers * self.slots)
        return self

    def wait(self, condition, seconds=PATIENCE):
        """The condition's first true value.  A process that ended meanwhile, or time that is over, is told with
        what all of them have said."""
        def checked():
            dead = [p for p in self.all if p.expected_exit == 0 and p.process.poll() not in (None, 0)]
            if dead:
                raise AssertionError(f"{dead[0].name} ended with {dead[0].process.returncode}")
            return condition()

        try:
            return wait_until(checked, seconds, 0.01)[0]
        except (AssertionError, TimeoutError) as why:
            said = "\n".join(f"---- {p.name}\n{p.text()[-4000:]}" for p in self.all)
            raise AssertionError(f"{why}\n{said}") from None

    def wait_for_slots(self, n, free=True):
        key = "slots-available" if free else "slots-total"
        self.wait(lambda: (self.try_get("/overview") or {}).get(key) == n)

    def wait_for_state(self, job, *states, seconds=PATIENCE):
        """Waits for one of the states; returns it."""
        seen = []

        def reached():
            seen.append(self.state(job))
            return seen[-1] in states and seen[-1]

        try:
            return self.wait(reached, seconds)
        except AssertionError as why:
            raise AssertionError(f"job {job} is {seen[-1:]}, not {states}\n{why}") from None

    def workers(self, process=None):
        """The worker processes of one task manager, or of all."""
        found = []
        for p in [process] if process else self.taskmanagers:
            for pid in family(p.pid) - {p.pid} if p.runs() else ():
                try:
                    if "flinc-taskwor" in os.readlink(f"/proc/{pid}/exe"):
                        found.append(pid)
                except OSError:
                    pass
        return found

    # ---- the end --------------------------------------------------------------------------------------

    def stop(self):
        """Task managers first, as stop-cluster.sh does; what is left of anything is an error."""
        members = set()
        for p in self.all:
            if p.runs():
                members |= family(p.pid)
        codes = [(p, p.stop()) for p in reversed(self.all)]
        start = time.monotonic()
        while left := [pid for pid in members if not is_gone(pid)]:
            assert time.monotonic() - start < PATIENCE, f"processes are left: {left}"
            time.sleep(0.01)
        for p, code in codes:
            assert p.expected_exit is None or code == p.expected_exit, f"{p.name} ended with {code}:\n{p.text()[-5000:]}"
        if not self.leaves_files:
            assert os.listdir(self.tmp) == [], "temporary files are left"

    def kill_all(self):
        """When a test has failed already."""
        for p in self.all:
            if p.runs():
                p.process.kill()
                p.process.wait()
