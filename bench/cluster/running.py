"""A cluster of a distribution for benchmarks: the start scripts, in a folder and on ports of its own."""

import fcntl
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")


PORTS = (12000, 32000)  # below what the system hands out for outgoing connections, which could take one before its server does
PORTS_FILE = os.path.join(tempfile.gettempdir(), "flinc-test-ports")


def free_port():
    """A port that nobody listens on, and that no other test process is given soon: they take turns by a locked file."""
    fd = os.open(PORTS_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        text = os.pread(fd, 16, 0)
        port = int(text) if text.strip() else random.randrange(*PORTS)
        while True:
            port = port + 1 if port + 1 < PORTS[1] else PORTS[0]
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            os.pwrite(fd, f"{port:<16}".encode(), 0)
            return port
    finally:
        os.close(fd)


def processes():
    """{pid: parent} of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    found[int(name)] = int(f.read().rsplit(b")", 1)[1].split()[1])
            except OSError:
                pass
    return found


def family(pid):
    """The process and all below it."""
    parents, members = processes(), {pid}
    grown = True
    while grown:
        more = {p for p, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def cpu_seconds(pid):
    """User and system time of one process."""
    with open(f"/proc/{pid}/stat", "rb") as f:
        fields = f.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_kb(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def wait_until(condition, seconds=30, pause=0.002):
    """The condition's first true value, and how long it took."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        value = condition()
        if value:
            return value, time.monotonic() - start
        time.sleep(pause)
    raise TimeoutError(f"waited {seconds} s for {condition}")


class Cluster:
    tls = None  # an ssl.SSLContext: REST is asked by https

    def __init__(self, home, workers=1, slots=1, config=None):
        self.folder = tempfile.mkdtemp(prefix="flinc-cluster-")
        self.home = home
        self.port = free_port()
        conf = os.path.join(self.folder, "conf")
        shutil.copytree(os.path.join(home, "conf"), conf)
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": free_port(),
            "rest.port": self.port,
            "rest.address": "localhost",
            "taskmanager.host": "localhost",
            "taskmanager.numberOfTaskSlots": slots,
            "io.tmp.dirs": os.path.join(self.folder, "tmp"),
            **(config or {}),
        }
        with open(os.path.join(conf, "config.yaml"), "w", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in settings.items())
        with open(os.path.join(conf, "workers"), "w", encoding="utf-8") as f:
            f.write("localhost\n" * workers)
        self.workers = workers
        os.makedirs(os.path.join(self.folder, "tmp"))
        self.environment = {
            **os.environ,
            "FLINK_CONF_DIR": conf,
            "FLINK_LOG_DIR": os.path.join(self.folder, "log"),
            "FLINK_PID_DIR": os.path.join(self.folder, "pid"),
        }

    def script(self, name, *args):
        done = subprocess.run([os.path.join(self.home, "bin", name), *map(str, args)], env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {args}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        """Starts everything; how many seconds until all slots are in /overview."""
        begin = time.monotonic()
        self.script("start-cluster.sh")
        wait_until(lambda: (self.try_get("/overview") or {}).get("taskmanagers") == self.workers)
        return time.monotonic() - begin

    def pids(self, daemon):
        user = self.environment.get("FLINK_IDENT_STRING") or self.environment.get("USER")
        if not user:
            user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        path = os.path.join(self.folder, "pid", f"flink-{user}-{daemon}.pid")
        with open(path, encoding="ascii") as f:
            return [int(line) for line in f if line.strip()]

    def job_manager(self):
        return self.pids("standalonesession")[0]

    def task_managers(self):
        return self.pids("taskexecutor")

    def request(self, method, path, body=None, headers=None):
        if self.tls:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.tls)
        else:
            connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def get(self, path):
        status, answer = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {answer}")
        return answer

    def try_get(self, path):
        try:
            return self.get(path)
        except (OSError, RuntimeError, ValueError):
            return None

    def upload(self, path):
        name = os.path.basename(path)
        with open(path, "rb") as f:
            content = f.read()
        boundary = "----flinc"
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()
        status, answer = self.request("POST", "/jars/upload", body,
                                      {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        if status != 200:
            raise RuntimeError(f"upload: {status} {answer}")
        return answer["filename"].rsplit("/", 1)[1]

    def run_jar(self, jar, args=(), parallelism=1, config=None):
        body = {"programArgsList": list(map(str, args)), "parallelism": parallelism}
        if config:
            body["flinkConfiguration"] = config
        status, answer = self.request("POST", f"/jars/{jar}/run", body)
        if status != 200:
            raise RuntimeError(f"run: {status} {answer}")
        return answer["jobid"]

    def state(self, job):
        return self.get(f"/jobs/{job}/status")["status"]

    def all_running(self, job):
        details = self.get(f"/jobs/{job}")
        return details["state"] == "RUNNING" and all(v["status"] == "RUNNING" for v in details["vertices"])

    def cancel(self, job):
        status, answer = self.request("PATCH", f"/jobs/{job}?mode=cancel")
        if status != 202:
            raise RuntimeError(f"cancel: {status} {answer}")

    def stop(self):
        self.script("stop-cluster.sh")
        shutil.rmtree(self.folder, ignore_errors=True)
