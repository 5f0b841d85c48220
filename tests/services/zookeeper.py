"""A ZooKeeper server of its own for a test: the real one, in Java, from Maven Central."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import maven  # noqa: E402  pylint: disable=wrong-import-position

PATIENCE = 180  # seconds
TICK_MS = 500  # sessions last from two of them on


def jars():
    """The folder of its jars, fetched once."""
    try:
        return maven.jars("zookeeper-3.9.3", "zookeeper.pom.xml")
    except maven.Unavailable as why:
        return pytest.skip(f"no ZooKeeper server: {why}")


class Server:
    """One alone, or the `number`th of an ensemble, whose lines of zoo.cfg are `peers`."""

    def __init__(self, folder, port, number=None, peers=()):
        self.folder, self.port = str(folder), port
        self.process = None
        self.servers = [self]
        os.makedirs(os.path.join(self.folder, "data"), exist_ok=True)
        self.log = os.path.join(self.folder, "zookeeper.log")
        with open(os.path.join(self.folder, "zoo.cfg"), "w", encoding="utf-8") as f:
            f.write(f"tickTime={TICK_MS}\nminSessionTimeout={2 * TICK_MS}\nmaxSessionTimeout=60000\nmaxClientCnxns=0\nforceSync=no\n"
                    f"admin.enableServer=false\n4lw.commands.whitelist=*\ndataDir={self.folder}/data\n")
            if number is None:
                f.write(f"clientPortAddress=127.0.0.1\nclientPort={port}\n")
            else:
                f.write("initLimit=20\nsyncLimit=10\n" + "".join(line + "\n" for line in peers))
                with open(os.path.join(self.folder, "data", "myid"), "w", encoding="utf-8") as mine:
                    mine.write(str(number))

    @property
    def quorum(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.launch()
        return self.wait()

    def launch(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            ["java", "-Xms32m", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             "-Dorg.slf4j.simpleLogger.logFile=System.out", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
             "-cp", os.path.join(jars(), "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain",
             os.path.join(self.folder, "zoo.cfg")],
            stdin=subprocess.DEVNULL, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)  # noqa: SIM115

    def wait(self):
        """Until it serves: in an ensemble, when most of them are there."""
        until = time.monotonic() + PATIENCE
        while not self.mode():
            assert self.process.poll() is None, open(self.log, encoding="utf-8").read()
            assert time.monotonic() < until, "the ZooKeeper server does not answer"
            select.select([], [], [], 0.05)
        return self

    def mode(self):
        """standalone, leader, follower; "": it does not serve."""
        return next((line.split()[1] for line in self.ask("srvr").splitlines() if line.startswith("Mode: ")), "")

    def ask(self, word):
        """One of its four-letter words."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                s.sendall(word.encode())
                found = b""
                while part := s.recv(65536):
                    found += part
                return found.decode(errors="replace")
        except OSError:
            return ""

    def nodes(self, path=""):
        """Paths of the ephemeral nodes of all sessions."""
        return [line.strip() for line in self.ask("dump").splitlines() if line.strip().startswith("/" + path)]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.kill()
            self.process.wait()


class Ensemble:
    """Three servers, any two of which go on."""

    def __init__(self, folder, free_port):
        ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
        peers = [f"server.{n + 1}=127.0.0.1:{p[1]}:{p[2]};127.0.0.1:{p[0]}" for n, p in enumerate(ports)]
        self.servers = [Server(os.path.join(str(folder), str(n + 1)), p[0], n + 1, peers) for n, p in enumerate(ports)]

    @property
    def quorum(self):
        return ",".join(server.quorum for server in self.servers)

    def start(self):
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait()
        return self

    def one(self, mode):
        """A server that leads, or that follows."""
        return next(server for server in self.servers if server.mode() == mode)

    def stop(self):
        for server in self.servers:
            server.stop()
