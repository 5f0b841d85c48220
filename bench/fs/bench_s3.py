#!/usr/bin/env python3
"""Bytes to and from S3, beside curl on the same server in the same run: a versitygw of its own on this machine.

usage: bench/fs/bench_s3.py [--mb N] [--rounds N]

"Per core" are bytes per CPU second of all threads of the process; of rounds the best counts.  Prints a JSON line per figure.
"""

import sys

from beside_curl import Bench, main
import s3 as servers  # tests/services


class S3Bench(Bench):
    name = "s3"
    ways = {"put, not signed": ["-Ds3.payload-signing.enabled=false"]}

    def uri(self, name):
        return "s3://bench/" + name

    def pids(self):
        return [self.server.process.pid]

    def signed(self, *args):
        return self.curl("--aws-sigv4", "aws:amz:us-east-1:s3", "-u", f"{servers.ACCESS_KEY}:{servers.SECRET_KEY}",
                         "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *args, self.server.endpoint + "/bench/curl")

    def curl_put(self):
        return self.signed("-T", self.file)

    def curl_get(self):
        return self.signed("-o", "/dev/null")


def prepare(top, size, rounds):
    try:
        server = servers.Versitygw(top).start()
    except servers.Unavailable as why:
        sys.exit(f"bench: no S3 server: {why}")
    server.make_bucket("bench")
    return S3Bench(server, size, rounds)


if __name__ == "__main__":
    main(__doc__, prepare)
