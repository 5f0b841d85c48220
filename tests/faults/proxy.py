"""A TCP proxy on a link of a cluster: between client and REST server, job manager and task managers, task managers,
job manager and ZooKeeper, whoever and an S3 server.  It can cut, stall, slow down, damage and half close what passes."""

import collections
import random
import select
import socket
import struct
import threading
import time

CHUNK = 1 << 16
HELD_BYTES = 1 << 20  # of one direction; then no more is read of it
UP, DOWN = "up", "down"  # towards the target; back
TICK_S = 0.01


class Flow:
    """One direction of a connection: what has been read waits for its time."""

    def __init__(self, source, sink, direction):
        self.source, self.sink, self.direction = source, sink, direction
        self.held = collections.deque()  # (when it may go on, bytes)
        self.held_bytes = 0
        self.at_end = self.has_ended = False
        self.paid_until = 0.0  # throttle: when what was sent is paid for

    def push(self, data, due):
        self.held.append((due, data))
        self.held_bytes += len(data)


class Proxy:
    """Forwards 127.0.0.1:port to a target.

    cut()        connections are reset, new ones refused
    stall()      they stay open, and nothing passes; stall(UP): in one direction, as when a route drops what goes one way
    delay(s)     everything comes so much later
    throttle(n)  n bytes a second in each direction
    reset()      the connections that there are, once
    half_close() the target hears the end of what it is sent, and may still answer
    flip(n)      one bit in each of n pieces that pass from now on, in the given direction
    heal()       as if nothing had been; what was held up goes on"""

    def __init__(self, target_port, seed=0):
        self.target_port = target_port
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.flows = {}  # socket: the flow that it is the source of
        self.closed = False
        self.ops = []
        self.passed = self.flipped = self.accepted = 0
        self.calm()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.wake_read, self.wake_write = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def calm(self):
        self.refuses, self.stalled, self.delay_s, self.rate, self.flips = False, set(), 0.0, 0, {UP: 0, DOWN: 0}

    # ---- faults: by any thread, done by the proxy's own --------------------------------------------------

    def post(self, op):
        """Comes back when it is done."""
        done = threading.Event()
        with self.lock:
            self.ops.append((op, done))
        self.wake_write.send(b"x")
        done.wait(10)

    def cut(self):
        def op():
            self.refuses = True
            self.reset_all()

        self.post(op)

    def stall(self, *directions):
        self.post(lambda: self.stalled.update(directions or (UP, DOWN)))

    def delay(self, seconds):
        self.post(lambda: setattr(self, "delay_s", seconds))

    def throttle(self, bytes_per_second):
        self.post(lambda: setattr(self, "rate", bytes_per_second))

    def reset(self):
        self.post(self.reset_all)

    def half_close(self):
        def op():
            for flow in self.flows.values():
                if flow.direction == UP:
                    flow.at_end = True

        self.post(op)

    def flip(self, pieces=1, direction=UP):
        self.post(lambda: self.flips.update({direction: pieces}))

    def heal(self):
        self.post(self.calm)

    def close(self):
        def op():
            self.reset_all()
            self.closed = True

        self.post(op)
        self.thread.join()
        self.listener.close()

    # ---- the proxy's thread ------------------------------------------------------------------------------

    @staticmethod
    def abort(s):
        # Zero linger: closed by a reset.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def drop(self, flow):
        """The whole connection, by a reset."""
        if self.flows.pop(flow.source, None) is not None:
            self.flows.pop(flow.sink, None)
            self.abort(flow.source)
            self.abort(flow.sink)

    def reset_all(self):
        for flow in list(self.flows.values()):
            self.drop(flow)

    def accept(self):
        client, _ = self.listener.accept()
        if self.refuses:
            self.abort(client)
            return
        server = socket.socket()
        if server.connect_ex(("127.0.0.1", self.target_port)) != 0:
            self.abort(client)
            server.close()
            return
        self.accepted += 1
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.setblocking(False)
        self.flows[client] = Flow(client, server, UP)
        self.flows[server] = Flow(server, client, DOWN)

    def damage(self, data, direction):
        if self.flips[direction] > 0:
            self.flips[direction] -= 1
            self.flipped += 1
            data = bytearray(data)
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return bytes(data)

    def read(self, flow):
        try:
            data = flow.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.drop(flow)
            return
        if not data:
            flow.at_end = True
            return
        flow.push(self.damage(data, flow.direction), time.monotonic() + self.delay_s)

    def write(self, flow, now):
        """What is due; then the end, when there is nothing more."""
        try:
            while flow.held and flow.held[0][0] <= now and (not self.rate or flow.paid_until <= now):
                due, data = flow.held[0]
                piece = data[:max(self.rate // 20, 1)] if self.rate else data
                sent = flow.sink.send(piece)
                self.passed += sent
                flow.held_bytes -= sent
                if self.rate:
                    flow.paid_until = max(flow.paid_until, now) + sent / self.rate
                if sent < len(data):
                    flow.held[0] = (due, data[sent:])
                    if sent < len(piece):
                        return
                else:
                    flow.held.popleft()
            if flow.at_end and not flow.held and not flow.has_ended:
                flow.has_ended = True
                flow.sink.shutdown(socket.SHUT_WR)
                other = self.flows.get(flow.sink)
                if other is not None and other.has_ended:
                    del self.flows[flow.source], self.flows[flow.sink]
                    flow.source.close()
                    flow.sink.close()
        except BlockingIOError:
            pass
        except OSError:
            self.drop(flow)

    def wants_to_write(self, flow, now):
        if flow.direction in self.stalled or flow.has_ended:
            return False
        if not flow.held:
            return flow.at_end
        return flow.held[0][0] <= now and flow.paid_until <= now

    def run(self):
        while True:
            with self.lock:
                ops, self.ops = self.ops, []
            for op, done in ops:
                op()
                done.set()
            if self.closed:
                return
            now = time.monotonic()
            flows = list(self.flows.values())
            reads = [f.source for f in flows if not f.at_end and f.direction not in self.stalled and f.held_bytes < HELD_BYTES]
            writes = {f.sink: f for f in flows if self.wants_to_write(f, now)}
            waits = any(f.held for f in flows if f.sink not in writes and f.direction not in self.stalled)
            ready, _, _ = select.select([self.wake_read, self.listener, *reads], list(writes), [], TICK_S if waits else None)
            for s in ready:
                if s is self.wake_read:
                    s.recv(64)
                elif s is self.listener:
                    self.accept()
                elif s in self.flows:
                    self.read(self.flows[s])
            now = time.monotonic()
            for flow in flows:
                if flow.source in self.flows and self.wants_to_write(flow, now):
                    self.write(flow, now)
