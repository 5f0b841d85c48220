"""A realm of Kerberos of the test's own: Debian's krb5-kdc on a port and a folder of its own, as whoever runs the test."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
from cluster import Process, free_port  # noqa: E402  pylint: disable=wrong-import-position
from rest_client import wait_until  # noqa: E402  pylint: disable=wrong-import-position

NAME = "FLINC.TEST"
PLACES = os.environ["PATH"] + ":/usr/sbin:/sbin"
PASSWORD = "of the test"


class Unavailable(Exception):
    """There is no key server on this machine, and why."""


def program(name):
    path = shutil.which(name, path=PLACES)
    if path is None:
        raise Unavailable(f"{name} is missing (krb5-kdc, krb5-admin-server, krb5-user: scripts/deps.sh --test)")
    return path


class Realm:
    name = NAME

    def __init__(self, folder):
        self.programs = {name: program(name) for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")}
        self.folder = str(folder)
        self.port = free_port()
        self.process = None
        self.conf = os.path.join(self.folder, "krb5.conf")
        os.makedirs(self.folder, exist_ok=True)
        self.write_conf(self.conf)
        with open(os.path.join(self.folder, "kdc.conf"), "w", encoding="ascii") as f:
            f.write(f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
                    f"[realms]\n {NAME} = {{\n  database_name = {self.folder}/principal\n  key_stash_file = {self.folder}/stash\n"
                    f"  acl_file = {self.folder}/acl\n  max_life = 1h\n  max_renewable_life = 1d\n"
                    "  supported_enctypes = aes256-cts-hmac-sha1-96:normal\n }\n"
                    f"[logging]\n kdc = FILE:{self.folder}/kdc.log\n")
        self.run("kdb5_util", "create", "-s", "-r", NAME, "-P", PASSWORD)

    def write_conf(self, path, port=None, realm=NAME):
        """What a client reads; nothing of it is asked of DNS."""
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[libdefaults]\n default_realm = {realm}\n dns_lookup_realm = false\n dns_lookup_kdc = false\n rdns = false\n"
                    " dns_canonicalize_hostname = false\n udp_preference_limit = 1\n forwardable = true\n"
                    f"[realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port or self.port}\n }}\n"
                    f"[domain_realm]\n localhost = {realm}\n")
        return path

    @property
    def env(self):
        return {"KRB5_CONFIG": self.conf, "KRB5_KDC_PROFILE": os.path.join(self.folder, "kdc.conf")}

    def run(self, name, *args, text=None, **env):
        done = subprocess.run([self.programs[name], *args], env={**os.environ, **self.env, **env}, capture_output=True, text=True,
                              input=text, check=False)
        assert done.returncode == 0, f"{name} {args}: {done.stdout}{done.stderr}"
        return done.stdout

    def keytab(self, name, *principals):
        """A file with new keys of these, in their order."""
        path = os.path.join(self.folder, name + ".keytab")
        for principal in principals:
            known = self.run("kadmin.local", "-r", NAME, "-q", f"listprincs {principal}")
            if f"{principal}@{NAME}" not in known:
                self.run("kadmin.local", "-r", NAME, "-q", f"addprinc -randkey {principal}")
            self.run("kadmin.local", "-r", NAME, "-q", f"ktadd -k {path} -norandkey {principal}")
        return path

    def ticket(self, keytab, principal, *options):
        """A cache with one."""
        path = os.path.join(self.folder, f"cache-{len(os.listdir(self.folder))}")
        self.run("kinit", "-k", "-t", keytab, *options, principal, KRB5CCNAME="FILE:" + path)
        return path

    def start(self):
        self.process = Process("kdc", self.programs["krb5kdc"], ["-n", "-r", NAME, "-P", os.path.join(self.folder, "pid")], self.folder,
                               self.env)
        self.process.expected_exit = None
        wait_until(self.answers, what="the key server")
        return self

    def logins(self, principal):
        """How often somebody got a first ticket as this one."""
        with open(os.path.join(self.folder, "kdc.log"), encoding="utf-8", errors="replace") as f:
            return sum(f"ISSUE" in line and f" {principal}@{NAME} for krbtgt" in line for line in f)

    def answers(self):
        assert self.process.runs(), self.process.text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None and self.process.runs():
            self.process.kill()


def realm(folder):
    try:
        return Realm(folder).start()
    except Unavailable as why:
        return pytest.skip(f"no key server: {why}")
