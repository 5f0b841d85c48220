#!/usr/bin/env bash
# Starts or stops a ZooKeeper server of conf/zoo.cfg, where ZooKeeper is installed.
USAGE="Usage: zookeeper.sh ((start|start-foreground) peer-id)|stop|stop-all"

STARTSTOP=${1:-}
PEER_ID=${2:-}
ARGS=()
case $STARTSTOP in
start | start-foreground)
    case $PEER_ID in
    '' | *[!0-9]*)
        echo "Give the number of the server, as in conf/zoo.cfg: server.NUMBER=host:port:port." >&2
        echo "$USAGE" >&2
        exit 1
        ;;
    esac
    ARGS=(--peerId "$PEER_ID")
    ;;
stop | stop-all) ;;
-h | --help)
    echo "$USAGE"
    echo "ZooKeeper is not part of this distribution: its jars are those of Debian's package zookeeper," \
        "or of the folder ZOOKEEPER_HOME."
    exit 0
    ;;
*)
    echo "$USAGE" >&2
    exit 1
    ;;
esac

bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
if [ "$STARTSTOP" = start-foreground ]; then
    exec "$bin/flink-console.sh" zookeeper "${ARGS[@]}"
fi
. "$bin/config.sh"
if [ "$STARTSTOP" = start ]; then
    # What would fail in the background is said here.
    "$FLINC_LIBEXEC_DIR/flinc-zookeeper" --configDir "$FLINK_CONF_DIR" "${ARGS[@]}" --check || exit 1
fi
"$bin/flink-daemon.sh" "$STARTSTOP" zookeeper ${ARGS[@]+"${ARGS[@]}"}
