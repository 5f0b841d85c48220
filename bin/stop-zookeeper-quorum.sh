#!/usr/bin/env bash
# Stops the ZooKeeper servers of conf/zoo.cfg.
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case ${1:-} in
-h | --help)
    echo "Usage: stop-zookeeper-quorum.sh"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac

ZKPeers stop
