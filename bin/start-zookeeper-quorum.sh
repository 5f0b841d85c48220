#!/usr/bin/env bash
# Starts the ZooKeeper servers of conf/zoo.cfg (lines server.NUMBER=host:port:port).
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case ${1:-} in
-h | --help)
    echo "Usage: start-zookeeper-quorum.sh"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac

ZKPeers start
