"""An HTTP proxy before an S3 server that answers wrongly, late, in part, or not at all."""

import random
import socket
import threading
import time

SLOW_DOWN = (b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate."
             b"</Message></Error>")
INTERNAL = (b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>InternalError</Code><Message>We encountered an internal error."
            b"</Message></Error>")
PIECE, PAUSE_S = 1024, 0.02  # of an answer that is slow

# Each by name: what becomes of a request.
FAULTS = ("503", "500", "after", "truncate", "slow", "flip")


class Message:
    """A request or an answer: its head as it came, and its body."""

    def __init__(self, head, body):
        self.head, self.body = head, body

    @property
    def first(self):
        return self.head.split(b"\r\n", 1)[0]


class HttpProxy:
    """Forwards requests to 127.0.0.1:target_port.  fail(name, one_in, times): one request in so many, and not more often, meets

    503       SlowDown, the server has not seen it
    500       InternalError, the server has not seen it
    after     the server has done it, and the connection ends without an answer
    truncate  half of the answer's body (of what was asked for by GET), then the end
    slow      the answer comes by the kilobyte
    flip      one bit of what a PUT brings is another one at the server; other requests are as ever"""

    def __init__(self, target_port, seed=0):
        self.target_port = target_port
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.fault, self.one_in, self.times = None, 1, None
        self.requests, self.failed = 0, 0
        self.closed = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def fail(self, fault, one_in=1, times=None):
        assert fault in FAULTS
        with self.lock:
            self.fault, self.one_in, self.times = fault, one_in, times

    def heal(self):
        with self.lock:
            self.fault = None

    def close(self):
        self.closed = True
        self.listener.close()

    # ---- connections ----------------------------------------------------------------------------------------

    def accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def draw(self, request):
        with self.lock:
            self.requests += 1
            if not self.fault or self.times == 0 or self.fault == "flip" and not (request.first.startswith(b"PUT") and request.body):
                return None
            if self.random.randrange(self.one_in) == 0:
                self.failed += 1
                self.times = None if self.times is None else self.times - 1
                return self.fault
        return None

    def serve(self, client):
        server = None
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client_file = client.makefile("rb")
            server = socket.create_connection(("127.0.0.1", self.target_port))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server_file = server.makefile("rb")
            while request := self.read(client_file, client=client):
                if not self.answer(client, server, server_file, request):
                    break
        except (OSError, ValueError):
            pass
        finally:
            client.close()
            if server:
                server.close()

    def answer(self, client, server, server_file, request):
        """False: the connection ends."""
        fault = self.draw(request)
        if fault in ("503", "500"):
            body = SLOW_DOWN if fault == "503" else INTERNAL
            status = b"503 Slow Down" if fault == "503" else b"500 Internal Server Error"
            body = b"" if request.first.startswith(b"HEAD") else body
            client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return True
        if fault == "flip":
            request.body = request.body[:-1] + bytes([request.body[-1] ^ 1])
        server.sendall(request.head + request.body)
        answer = self.read(server_file, request.first.split()[0] == b"HEAD")
        if answer is None or fault == "after":
            return False
        if fault == "truncate" and request.first.startswith(b"GET") and len(answer.body) > 1:
            client.sendall(answer.head + answer.body[: len(answer.body) // 2])
            return False
        if fault == "slow":
            whole = answer.head + answer.body
            for at in range(0, len(whole), PIECE):
                client.sendall(whole[at:at + PIECE])
                time.sleep(PAUSE_S)
            return True
        client.sendall(answer.head + answer.body)
        return b"connection: close" not in answer.head.lower()

    def read(self, source, has_no_body=False, client=None):
        """One request or answer as it is; None: the end."""
        lines = []
        while (line := source.readline()) not in (b"\r\n", b"\n"):
            if not line:
                return None
            lines.append(line)
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines[1:])}
        head = b"".join(lines) + b"\r\n"
        if client is not None and fields.get(b"expect", b"").lower() == b"100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = b"".join(line for line in lines if not line.lower().startswith(b"expect:")) + b"\r\n"
        if client is None and lines[0].split()[1] in (b"204", b"304") or has_no_body:
            return Message(head, b"")
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            return Message(head, self.read_chunks(source))
        length = int(fields.get(b"content-length", b"0"))
        body = source.read(length)
        return Message(head, body) if len(body) == length else None

    @staticmethod
    def read_chunks(source):
        found = []
        while True:
            line = source.readline()
            found.append(line)
            size = int(line.split(b";")[0], 16)
            found.append(source.read(size + 2))
            if size == 0:
                return b"".join(found)
