"""A TCP proxy between task managers that can be cut, and stalled."""

import select
import socket
import struct
import threading


class Proxy:
    """Forwards 127.0.0.1:port to a target.  cut(): connections are reset, new ones refused; stall(): they stay open,
    and nothing passes; heal(): as if nothing had been."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.lock = threading.Lock()
        self.pairs = {}
        self.mode = "open"
        self.passed = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.wake_read, self.wake_write = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def set_mode(self, mode):
        with self.lock:
            self.mode = mode
        self.wake_write.send(b"x")

    def cut(self):
        self.set_mode("cut")

    def stall(self):
        self.set_mode("stall")

    def heal(self):
        self.set_mode("open")

    def close(self):
        self.set_mode("closed")
        self.thread.join()
        self.listener.close()

    @staticmethod
    def reset(s):
        # Zero linger: closed by a reset.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def drop(self, s):
        other = self.pairs.pop(s, None)
        if other is not None:
            self.pairs.pop(other)
            self.reset(s)
            self.reset(other)

    def accept(self, mode):
        client, _ = self.listener.accept()
        if mode == "cut":
            self.reset(client)
            return
        server = socket.socket()
        if server.connect_ex(("127.0.0.1", self.target_port)) != 0:
            self.reset(client)
            server.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs[client], self.pairs[server] = server, client

    def forward(self, s):
        other = self.pairs.get(s)
        try:
            data = s.recv(1 << 16)
            if not data:
                self.drop(s)
                return
            other.sendall(data)
            self.passed += len(data)
        except OSError:
            self.drop(s)

    def run(self):
        while True:
            with self.lock:
                mode = self.mode
            if mode in ("cut", "closed"):
                for s in list(self.pairs):
                    self.drop(s)
            if mode == "closed":
                return
            watched = [self.wake_read, self.listener] + (list(self.pairs) if mode == "open" else [])
            ready, _, _ = select.select(watched, [], [])
            for s in ready:
                if s is self.wake_read:
                    s.recv(64)
                elif s is self.listener:
                    self.accept(mode)
                elif s in self.pairs:
                    self.forward(s)
