"""Servers in Java from Maven Central: their jars, fetched once and kept."""

import fcntl
import os
import shutil
import subprocess

CACHE = os.environ.get("FLINC_SERVICES") or os.path.join(os.path.expanduser("~"), ".cache", "flinc-services")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


class Unavailable(Exception):
    """There is no such server on this machine, and why."""


def jars(name, pom):
    """The folder with the jars of a pom.xml beside this file; `name` says its version, too."""
    folder = os.path.join(CACHE, name)
    os.makedirs(CACHE, exist_ok=True)
    with open(folder + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return folder
        if not shutil.which("java") or not shutil.which("mvn"):
            raise Unavailable("java and mvn are needed (scripts/deps.sh --test)")
        work = folder + ".part"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), pom), os.path.join(work, "pom.xml"))
        done = subprocess.run(["mvn", "-q", "-B", PLUGIN, "-DincludeScope=runtime", f"-DoutputDirectory={work}/jars"],
                              cwd=work, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable("the jars could not be fetched: " + (done.stdout.strip().splitlines() or ["?"])[0])
        os.replace(os.path.join(work, "jars"), folder)
        shutil.rmtree(work)
        return folder
