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

readPeers
failed=0
for ((i = 0; i < ${#PEER_IDS[@]}; ++i)); do
    if _is_local "${PEER_HOSTS[i]}"; then
        "$FLINK_BIN_DIR/zookeeper.sh" stop || failed=1
    else
        on_host "${PEER_HOSTS[i]}" zookeeper.sh stop || failed=1
    fi
done
exit $failed
