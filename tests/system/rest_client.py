"""Asking a REST server in tests: JSON by method and path, forms, and bytes as they are."""

import http.client
import json
import socket
import time


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The texts of an error answer in one."""
        return "\n".join(self.json["errors"])


def form(parts):
    """(content type, body) of multipart/form-data: parts are (name, filename or None, bytes)."""
    border = b"----flinc-test-border"
    body = b""
    for name, filename, data in parts:
        body += b"--" + border + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"'
        if filename is not None:
            body += b'; filename="' + filename.encode("utf-8", "surrogateescape") + b'"'
            body += b"\r\nContent-Type: application/octet-stream"
        body += b"\r\n\r\n" + data + b"\r\n"
    return "multipart/form-data; boundary=" + border.decode(), body + b"--" + border + b"--\r\n"


class Rest:
    def __init__(self, host, port, timeout=30):
        self.host, self.port, self.timeout = host, port, timeout

    def ask(self, method, path, body=None, headers=None):
        """One request on a connection of its own, with a body as Java clients send it."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            sent = {"Content-Type": "application/json; charset=UTF-8", "Connection": "close", **(headers or {})}
            connection.request(method, path, body="{}" if body is None else body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, status=200):
        answer = self.ask("GET", path)
        assert answer.status == status, f"GET {path}: {answer.status} {answer.text[:2000]}"
        return answer.json

    def upload(self, path, parts):
        kind, body = form(parts)
        return self.ask("POST", path, body, {"Content-Type": kind})

    def raw(self, data, timeout=None):
        """Sends bytes as they are; what comes back until the server closes or nothing more comes (b"": closed)."""
        with socket.create_connection((self.host, self.port), timeout=timeout or self.timeout) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed already: what it said is still to be read
            got = b""
            try:
                while piece := s.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
            return got


def wait_until(condition, seconds=60, what="the condition"):
    """Asks until the condition gives something true, which is returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")
