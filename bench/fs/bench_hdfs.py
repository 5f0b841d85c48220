#!/usr/bin/env python3
"""Bytes to and from HDFS, beside curl on the same server in the same run: a name node and a data node of its own on this machine.

usage: bench/fs/bench_hdfs.py [--mb N] [--rounds N]

"Per core" are bytes per CPU second of all threads of the process; of rounds the best counts.  Prints a JSON line per figure.
"""

import sys

from beside_curl import Bench, main
import maven
import hdfs as servers  # tests/services


class HdfsBench(Bench):
    name = "hdfs"

    def uri(self, name):
        return "hdfs:///bench/" + name

    def pids(self):
        return [p.pid for p in (self.server.data_node, self.server.nodes[0].process)]

    def url(self, op):
        return f"http://{self.server.nodes[0].address}/webhdfs/v1/bench/curl?op={op}&user.name={servers.USER}"

    def curl_put(self):
        return self.curl("-L", "-T", self.file, self.url("CREATE") + "&overwrite=true")

    def curl_get(self):
        return self.curl("-L", "-o", "/dev/null", self.url("OPEN"))


def prepare(top, size, rounds):
    try:
        return HdfsBench(servers.Hdfs(top).start(), size, rounds)
    except maven.Unavailable as why:
        sys.exit(f"bench: no HDFS: {why}")


if __name__ == "__main__":
    main(__doc__, prepare)
