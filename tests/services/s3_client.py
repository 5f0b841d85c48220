"""A small client of S3, independent of ours: buckets, objects and listings, signed (version 4)."""

import datetime
import hashlib
import hmac
import http.client
import os
import urllib.parse
import xml.etree.ElementTree

REGION = "us-east-1"


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quoted(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


class Client:
    def __init__(self, address, access_key, secret_key):
        self.address, self.access_key, self.secret_key = address, access_key, secret_key

    def signed(self, method, path, query, body):
        """The headers of a request."""
        now = datetime.datetime.now(datetime.timezone.utc)
        time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        headers = {"host": self.address, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": time}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        asked = "\n".join([method, path, query, lines, names, headers["x-amz-content-sha256"]])
        scope = f"{day}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(asked.encode()).hexdigest()])
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = digest(key, part)
        headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
                                    f"Signature={digest(key, text).hex()}")
        return headers

    def ask(self, method, path, body=b"", **query):
        """The body of a good answer; None: what is read is not there."""
        path = quoted("/" + path, "/-_.~")
        query = "&".join(f"{quoted(name.replace('_', '-'))}={quoted(value)}" for name, value in sorted(query.items()))
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path + ("?" + query if query else ""), body, self.signed(method, path, query, body))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 404 and method == "GET":
                return None
            assert answer.status < 300, f"{method} {path}: {answer.status} {text[:500]}"
            return text
        finally:
            connection.close()

    def make_bucket(self, name):
        self.ask("PUT", name)

    def put(self, path, data):
        self.ask("PUT", path, data)

    def get(self, path):
        return self.ask("GET", path)

    def list(self, bucket, prefix):
        """{key: etag} of all."""
        found, more = {}, {}
        while True:
            text = self.ask("GET", bucket, list_type="2", prefix=prefix, **more)
            assert text is not None, f"there is no bucket {bucket}"
            top = xml.etree.ElementTree.fromstring(text)
            space = top.tag.partition("}")[0] + "}" if "}" in top.tag else ""
            for item in top.iter(space + "Contents"):
                found[item.findtext(space + "Key")] = item.findtext(space + "ETag")
            token = top.findtext(space + "NextContinuationToken")
            if not token:
                return found
            more = {"continuation_token": token}


class Remote:
    """What a server holds that is looked into by a client: `files()` are copies."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.client = None
        self.copied = {}  # {path of a copy: etag}

    def make_bucket(self, name):
        self.client.make_bucket(name)

    def put(self, path, data):
        self.client.put(path, data)

    def listed(self, path):
        """{key: etag} of the objects below BUCKET/PREFIX."""
        bucket, _, prefix = path.partition("/")
        return self.client.list(bucket, prefix + "/" if prefix else "")

    def names(self, path):
        skip = len(path.partition("/")[2]) + 1
        return {key[skip:] for key in self.listed(path)}

    def files(self, path):
        bucket, copies = path.partition("/")[0], os.path.join(self.folder, "copies")
        top = os.path.join(copies, path)
        os.makedirs(top, exist_ok=True)
        there = {os.path.join(copies, bucket, key): etag for key, etag in self.listed(path).items()}
        for name in [n for n in self.copied if n.startswith(top + "/") and n not in there]:
            os.remove(name)
            del self.copied[name]
        for name, etag in there.items():
            data = self.client.get(os.path.relpath(name, copies)) if self.copied.get(name) != etag else None
            if data is not None:  # neither known nor deleted meanwhile
                os.makedirs(os.path.dirname(name), exist_ok=True)
                with open(name, "wb") as f:
                    f.write(data)
                self.copied[name] = etag
        return top
