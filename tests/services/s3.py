"""S3 servers that check signatures: versitygw on a folder of the test, Swift where there is no Go to build it, and minio when
it is asked for (it takes minutes to build)."""

import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
from cluster import Process, free_port  # noqa: E402  pylint: disable=wrong-import-position
from rest_client import wait_until  # noqa: E402  pylint: disable=wrong-import-position
from s3_client import Client, Remote  # noqa: E402  pylint: disable=wrong-import-position

MODULES = {"versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
           "minio": "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"}
CACHE = os.environ.get("FLINC_SERVICES") or os.path.join(os.path.expanduser("~"), ".cache", "flinc-services")
ACCESS_KEY, SECRET_KEY = "flinckey", "flincsecret"


class Unavailable(Exception):
    """There is no such server on this machine, and why."""


def go_is_new_enough():
    go = shutil.which("go")
    if not go:
        return False
    found = re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout)
    return found is not None and (int(found[1]), int(found[2])) >= (1, 24)


def program(name):
    """Built once; a second test run that needs it meanwhile waits for the first by the lock of go's cache."""
    path = os.path.join(CACHE, "bin", name)
    if not os.path.exists(path):
        if not go_is_new_enough():
            raise Unavailable(f"{name} is built by Go 1.24 or newer")
        built = os.path.join(CACHE, f"build-{os.getpid()}")
        done = subprocess.run(["go", "install", "-trimpath", "-ldflags=-s -w", MODULES[name]], capture_output=True, text=True,
                              env={**os.environ, "GOBIN": built, "CGO_ENABLED": "0"}, check=False)
        if done.returncode:
            raise Unavailable(f"{name} could not be built: " + done.stderr.strip().splitlines()[-1])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(os.path.join(built, name), path)
        shutil.rmtree(built, ignore_errors=True)
    return path


class Versitygw:
    """Buckets are folders below `root`, objects are files.  `certificate` and its `key` (files): it speaks TLS."""

    pace = 4000  # records per second of jobs that are to have some checkpoints before they end

    def __init__(self, folder, certificate=None, key=None):
        self.program = program("versitygw")
        self.folder = str(folder)
        self.root = os.path.join(self.folder, "buckets")
        self.certificate, self.key = certificate, key
        self.port = free_port()
        self.process = None
        os.makedirs(self.root)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return ("https://" if self.certificate else "http://") + self.address

    def make_bucket(self, name):
        os.mkdir(os.path.join(self.root, name))

    def files(self, path):
        """A folder with the objects below BUCKET/PREFIX as they are now."""
        return os.path.join(self.root, path)

    def names(self, path):
        """Of those objects, behind the prefix; without what the server keeps for itself."""
        top = self.files(path)
        return {os.path.relpath(os.path.join(d, n), top) for d, _, names in os.walk(top) for n in names if ".sgwtmp" not in d}

    def put(self, path, data):
        os.makedirs(os.path.dirname(os.path.join(self.root, path)), exist_ok=True)
        with open(os.path.join(self.root, path), "wb") as f:
            f.write(data)

    def config(self):
        """Of a cluster that uses it."""
        return {"s3.endpoint": self.endpoint, "s3.access-key": ACCESS_KEY, "s3.secret-key": SECRET_KEY,
                "s3.path-style-access": "true"}

    def start(self):
        tls = ["--cert", self.certificate, "--key", self.key] if self.certificate else []
        self.process = Process("versitygw", self.program, ["--port", self.address, *tls, "--health", "/health", "posix", self.root],
                               self.folder, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY})
        wait_until(self.answers, what="the answer of versitygw")
        return self

    def answers(self):
        assert self.process.runs(), self.process.text()
        context = None
        if self.certificate:
            context = ssl.create_default_context(cafile=self.certificate)
        try:
            with urllib.request.urlopen(self.endpoint + "/health", timeout=5, context=context) as r:
                return r.status == 200
        except OSError:
            return False

    def runs(self):
        return self.process is not None and self.process.runs()

    def stop(self):
        if self.process:
            self.process.stop()


class Minio(Remote):
    pace = 4000

    def __init__(self, folder):
        self.program = program("minio")
        super().__init__(folder)
        self.port = free_port()
        self.process = None
        self.client = Client(self.address, ACCESS_KEY, SECRET_KEY)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return "http://" + self.address

    def config(self):
        return {"s3.endpoint": self.endpoint, "s3.access-key": ACCESS_KEY, "s3.secret-key": SECRET_KEY,
                "s3.path-style-access": "true"}

    def start(self):
        self.process = Process("minio", self.program, ["server", os.path.join(self.folder, "data"), "--address", self.address], self.folder,
                               {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off",
                                "MINIO_UPDATE": "off"})
        self.process.expected_exit = None
        wait_until(self.answers, what="the answer of minio")
        return self

    def answers(self):
        assert self.process.runs(), self.process.text()
        try:  # it says that it is healthy before it is
            return self.client.ask("GET", "") is not None
        except (OSError, AssertionError):
            return False

    def runs(self):
        return self.process is not None and self.process.runs()

    def stop(self):
        if self.process:
            self.process.stop()


def server(folder):
    """One of those that this machine can have, not started yet; $FLINC_TEST_S3 (versitygw, swift, minio) chooses."""
    import swift  # pylint: disable=import-outside-toplevel  # it uses this module

    chosen, missing = os.environ.get("FLINC_TEST_S3", ""), []
    for name, make in (("versitygw", Versitygw), ("swift", swift.Swift), ("minio", Minio)):
        if chosen == name or not chosen and name != "minio":
            try:
                return make(folder)
            except Unavailable as why:
                missing.append(str(why))
    return pytest.skip("no S3 server: " + "; ".join(missing))


def versitygw(folder, **options):
    """For what Swift cannot do."""
    try:
        return Versitygw(folder, **options)
    except Unavailable as why:
        return pytest.skip(f"no S3 server: {why}")
