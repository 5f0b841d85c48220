"""Requests that nobody means: generated over every route, method and parameter of docs/reference/rest.md, repeatable
by their seed; spellings of path traversal; multipart bodies that are none.

What comes back must be an answer (no hang, no reset without reason), JSON where it says so, no 5xx but a documented
503, and show nothing that was planted to be secret.
"""

import json
import os
import random
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO"]
QUERIES = [
    "get agg jobs taskmanagers subtasks mode maxExceptions failureLabelFilter includeSerializedValue type subtaskindex",
    "parallelism entry-class programArg program-args savepointPath allowNonRestoredState",
]
FIELDS = (
    "entryClass programArgs programArgsList parallelism jobId allowNonRestoredState savepointPath flinkConfiguration "
    "target-directory targetDirectory cancel-job formatType drain triggerId checkpointType savepoint-path "
    "expiredTimestamp claimMode restoreMode mode duration"
).split()


def routes():
    """(method, path) of every route."""
    with open(os.path.join(TOP, "docs", "reference", "rest.md"), encoding="utf-8") as f:
        found = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", f.read(), re.M)
    assert len(found) > 90
    return found


class Generator:
    """`known`: values of path parameters that are there (ids of jobs, vertices, task managers)."""

    def __init__(self, seed, known, keep=()):
        self.random = random.Random(seed)
        self.known = known
        # Shutting the cluster down is not abuse; `keep` are further paths that the caller needs.
        self.routes = [r for r in routes() if r[1] != "/cluster" and r[1] not in keep]

    def garbage(self):
        r = self.random
        return r.choice(
            [
                lambda: "",
                lambda: "0" * r.choice([1, 31, 32, 33, 1000]),
                lambda: "%0{}x".format(32) % r.getrandbits(128),
                lambda: str(r.choice([-1, 0, 1, 2**31, 2**32, 2**63, 2**64, 10**30])),
                lambda: r.choice(["NaN", "null", "true", "{}", "[]", "a,b,,c", "0-3,5", "5-0", "x:y", ":", "'", '"']),
                lambda: "".join(chr(r.choice([r.randrange(33, 127), r.randrange(0xA0, 0x2FFF)])) for _ in range(r.randrange(40))),
                lambda: "%" + r.choice(["", "0", "zz", "00", "2f", "2e2e2f", "ff", "c0%af", "25%32%66", "u002f"]),
                lambda: "../" * r.randrange(1, 8) + "etc/passwd",
                lambda: "A" * r.choice([255, 256, 4096, 20000]),
                lambda: r.choice(["${jndi:ldap://x}", "$(id)", "`id`", "%s%n%x", "<script>", "\\..\\", ";ls", "|id"]),
            ]
        )()

    def quote(self, text):
        """Half the time as a client would write it, else as it is (but no blanks and control characters)."""
        out = ""
        for byte in text.encode("utf-8", "replace"):
            plain = chr(byte).isalnum() and byte < 128 or chr(byte) in "-_.~,:"
            out += chr(byte) if plain or (self.random.random() < 0.3 and 32 < byte < 127) else f"%{byte:02x}"
        return out

    def path(self, pattern):
        pieces = []
        for piece in pattern.split("/")[1:]:
            if piece.startswith(":"):
                known = self.known.get(piece[1:])
                good = known and self.random.random() < 0.7
                pieces.append(self.random.choice(known) if good else self.quote(self.garbage()))
            else:
                pieces.append(piece if self.random.random() < 0.98 else self.quote(self.garbage()))
        path = "/" + "/".join(pieces)
        if self.random.random() < 0.3:
            path = "/v1" + path
        if self.random.random() < 0.4:
            names = " ".join(QUERIES).split()
            query = [
                self.random.choice(names) + "=" + self.quote(self.garbage()) for _ in range(self.random.randrange(1, 5))
            ]
            path += "?" + self.random.choice(["&", "&", "&&", ";"]).join(query)
        return path[:60000]

    def value(self, depth=0):
        r = self.random
        if depth < 3 and r.random() < 0.2:
            return [self.value(depth + 1) for _ in range(r.randrange(4))]
        if depth < 3 and r.random() < 0.2:
            return {self.garbage()[:50]: self.value(depth + 1) for _ in range(r.randrange(4))}
        return r.choice([None, True, False, 0, -1, 2**31, 2**63, 1.5, 1e308, self.garbage(), self.garbage()[:40]])

    def body(self):
        r = self.random
        kind = r.random()
        if kind < 0.35:
            return b"{}"
        if kind < 0.75:
            fields = {r.choice(FIELDS): self.value() for _ in range(r.randrange(6))}
            return json.dumps(fields).encode()
        if kind < 0.80:
            return b"[" * r.choice([10, 100, 100000])
        if kind < 0.85:
            return json.dumps({r.choice(FIELDS): "x" * 100000}).encode()
        if kind < 0.9:
            return bytes(r.randrange(256) for _ in range(r.randrange(200)))
        return r.choice([b"", b"null", b"1", b'"x"', b"{", b'{"a":', b"\x00", b"\xef\xbb\xbf{}", b"{}{}", b"{'a':1}"])

    def headers(self):
        r = self.random
        choices = [
            ("Content-Type", r.choice(["application/json", "text/plain", "", "multipart/form-data", "multipart/form-data; boundary=x", "a/b; c=\"d"])),
            ("Accept-Encoding", "gzip, br;q=1.0, *;q=0"),
            ("If-Modified-Since", self.garbage()[:40].encode("ascii", "replace").decode()),
            ("Range", "bytes=0-99999999999999999999"),
            ("Origin", "http://evil.example"),
            ("Cookie", "a=b; " * r.randrange(1, 20)),
            ("X-" + "a" * r.randrange(1, 100), "b" * r.randrange(1, 2000)),
            ("Host", r.choice(["localhost", "", "evil.example:99999", "[::1]"])),
        ]
        return [f"{name}: {value}" for name, value in r.sample(choices, r.randrange(4)) if "\n" not in value and "\r" not in value]

    def request(self):
        """(method, path, bytes of the whole request)"""
        method, pattern = self.random.choice(self.routes)
        if self.random.random() < 0.1:
            method = self.random.choice(METHODS)
        path, body = self.path(pattern), self.body()
        lines = [f"{method} {path} HTTP/1.1"] + self.headers()
        if not any(line.startswith("Host") for line in lines):
            lines.append("Host: localhost")
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return method, path, "\r\n".join(lines).encode("utf-8", "replace") + body


def verdict(method, path, data, secrets=()):
    """What is wrong with an answer's bytes; None: nothing."""
    if not data:
        return "no answer"
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", data)
    if not match:
        return f"no HTTP answer: {data[:60]!r}"
    status = int(match[1])
    if status >= 500 and not (status == 503 and "/rescaling" in path):
        return f"status {status}: {data[-300:]!r}"
    for secret in secrets:
        if secret.encode() in data:
            return "the answer shows a secret"
    head, _, body = data.partition(b"\r\n\r\n")
    if b"application/json" in head.lower() and method != "HEAD" and status != 304 and status != 100:
        try:
            answer = json.loads(body)
        except ValueError:
            return f"status {status}, no JSON: {body[:200]!r}"
        if status >= 400 and not (isinstance(answer, dict) and list(answer) == ["errors"] and answer["errors"]):
            return f"status {status}, no error body: {body[:200]!r}"
    return None


def traversals(target="etc/passwd"):
    """At least 200 spellings of a way out of a folder."""
    ups = [
        "..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "..%00", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
        "..;", "....", "%uff0e%uff0e", "..%20", "%2e%2e%00", "\\..", "%5c..",
    ]  # fmt: skip
    slashes = ["/", "%2f", "%2F", "%252f", "%5c", "\\", "%c0%af", "//", "%2f%2f", "/./"]
    found = [(up + slash) * n + target.replace("/", slash) for up in ups for slash in slashes for n in (1, 8)]
    found += ["/" + target, "%2f" + target.replace("/", "%2f"), "file:///" + target, "~root", ".", "..", "%00", "./log", "a/../../b"]
    assert len(set(found)) >= 200
    return found


def multiparts():
    """(content type, body) that are not what they say."""
    border = "x"
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.so"\r\n\r\n'
    kinds = f"multipart/form-data; boundary={border}"
    bodies = [
        b"", b"--x", b"--x--", b"--x\r\n", b"--x\r\n\r\n", b"--x\r\n\r\n\r\n--x--\r\n", part, part + b"data", part + b"data\r\n--x",
        part + b"data\r\n--x-", b"--y\r\n" + part, b"garbage", b"\r\n" * 1000, part.replace(b"\r\n", b"\n") + b"d\n--x--\n",
        b"--x\r\nContent-Disposition: form-data\r\n\r\nd\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="\r\n\r\nd\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name=""; filename=""\r\n\r\nd\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: attachment; filename="a.so"\r\n\r\nd\r\n--x--\r\n',
        b"--x\r\n" + b"A: " + b"b" * 100000 + b"\r\n\r\nd\r\n--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 10000 + b"\r\nd\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="' + b"n" * 10000 + b'"\r\n\r\nd\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + b"[" * 100000 + b"\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nd\r\n--x--\r\n',
        (part + b"d\r\n") * 300 + b"--x--\r\n",
        b"--x--\r\n" + part + b"d\r\n--x--\r\n",
        b"\x00" * 1000, part + b"\x00" * 100 + b"\r\n--x--\x00",
    ]  # fmt: skip
    return [(kinds, body) for body in bodies] + [
        ("multipart/form-data", part),
        ("multipart/form-data; boundary=", part),
        ("multipart/form-data; boundary=" + "b" * 5000, part),
        ('multipart/form-data; boundary="x', part),
        ("multipart/form-data; boundary=x; boundary=y", part),
        ("multipart/mixed; boundary=x", part),
    ]


FILENAMES = [
    "../../out.so", "/tmp/out.so", "..\\..\\out.so", "..%2fout.so", "a/../../out.so", "", ".", "..", "...", "-rf.so", "a\x01.so",
    "\u202e.so", "x" * 5000 + ".so", "C:\\out.so", "out.so/", ".so", "nul\x7f.so", "$(id).so", "%00.so", "file:out.so",
]  # fmt: skip
