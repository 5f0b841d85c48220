"""OpenStack Swift with its S3 interface, of Debian's package python3-swift: what there is without Go.  One proxy, and one
server each for accounts, containers and objects, in a folder of the test; no daemon, no replication, no cache."""

import getpass
import os
import subprocess
import urllib.error
import urllib.request

from s3 import Process, Unavailable, free_port, wait_until
from s3_client import Client, Remote

PYTHON = "/usr/bin/python3"  # for which Debian's packages are
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
KINDS = ("account", "container", "object")

RING = """
import sys
from swift.common.ring import RingBuilder
builder = RingBuilder(4, 1, 0)
builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(sys.argv[2]), "device": "disk", "weight": 1.0})
builder.rebalance()
builder.get_ring().save(sys.argv[1])
"""
SERVER = """
import json, os, sys
from time import time as now
from swift.common.utils import set_swift_dir
from swift.common.wsgi import run_wsgi
set_swift_dir(os.path.dirname(sys.argv[1]))

class Cache:  # what memcached is to a proxy; there is one process
    def __init__(self):
        self.kept = {}
    def get(self, key, **options):
        value, until = self.kept.get(key, (None, 0))
        return json.loads(value) if value is not None and (not until or until > now()) else None
    def set(self, key, value, time=0, **options):
        self.kept[key] = json.dumps(value), time and now() + time
    def incr(self, key, delta=1, time=0, **options):
        value = int(self.get(key) or 0) + delta
        self.set(key, value, time)
        return value
    def decr(self, key, delta=1, time=0, **options):
        return self.incr(key, -delta, time)
    def delete(self, key, **options):
        self.kept.pop(key, None)

def with_cache(app):
    cache = Cache()
    def call(env, start_response):
        env["swift.cache"] = cache
        return app(env, start_response)
    return call

def cache_factory(conf, **options):
    return with_cache
options = {}
if sys.argv[2] == "object-server":
    from swift.obj import server
    options["global_conf_callback"] = server.global_conf_callback
sys.exit(run_wsgi(sys.argv[1], sys.argv[2], **options))
"""
COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {conf}
workers = 0
"""
PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
[filter:cache]
paste.filter_factory = __main__:cache_factory
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
"""
PLAIN_FILTERS = ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "copy", "slo", "dlo")
STORE = """devices = {devices}
mount_check = false
container_update_timeout = 60
disable_fallocate = true
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


def listens(url):
    """Whether somebody answers, whatever it is."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class Swift(Remote):

    pace = 150  # records per second of jobs that are to have some checkpoints before they end

    def __init__(self, folder):
        if subprocess.run([PYTHON, "-c", "import swift.common.middleware.s3api"], capture_output=True, check=False).returncode:
            raise Unavailable("python3-swift is not installed (scripts/deps.sh --test)")
        super().__init__(folder)
        self.conf = os.path.join(self.folder, "conf")
        self.ports = {kind: free_port() for kind in (*KINDS, "proxy")}
        self.client = Client(self.address, ACCESS_KEY, SECRET_KEY)
        self.processes = []
        os.makedirs(self.conf)
        os.makedirs(os.path.join(self.folder, "devices", "disk"))
        self.write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = flinc\n")
        filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in PLAIN_FILTERS)
        self.write("proxy-server.conf", self.common("proxy") + PROXY + filters)
        for kind in KINDS:
            self.write(kind + "-server.conf", self.common(kind) + STORE.format(devices=os.path.join(self.folder, "devices"), kind=kind))
            subprocess.run([PYTHON, "-c", RING, os.path.join(self.conf, kind + ".ring.gz"), str(self.ports[kind])], check=True,
                           capture_output=True)

    def common(self, kind):
        return COMMON.format(port=self.ports[kind], user=getpass.getuser(), conf=self.conf)

    def write(self, name, text):
        with open(os.path.join(self.conf, name), "w", encoding="utf-8") as f:
            f.write(text)

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['proxy']}"

    @property
    def endpoint(self):
        return "http://" + self.address

    def config(self):
        return {"s3.endpoint": self.endpoint, "s3.access-key": ACCESS_KEY, "s3.secret-key": SECRET_KEY,
                "s3.path-style-access": "true"}

    def start(self):
        self.processes = [
            Process("swift-" + kind, PYTHON, ["-c", SERVER, os.path.join(self.conf, kind + "-server.conf"), kind + "-server"],
                    self.folder, {})
            for kind in (*KINDS, "proxy")]
        wait_until(self.answers, what="the answers of Swift")
        return self

    def answers(self):
        for one in self.processes:
            assert one.runs(), one.text()
        return listens(self.endpoint + "/healthcheck") and all(listens(f"http://127.0.0.1:{self.ports[kind]}/") for kind in KINDS)

    def runs(self):
        return bool(self.processes) and all(one.runs() for one in self.processes)

    def stop(self):
        for one in self.processes:
            one.stop()
