#!/usr/bin/env bash
# Starts or stops a history server, which shows jobs that have ended.
USAGE="Usage: historyserver.sh (start|start-foreground|stop|stop-all|status) [args]"

STARTSTOP=${1:-}
case $STARTSTOP in
start | start-foreground | stop | stop-all | status) ;;
-h | --help)
    echo "$USAGE"
    echo "args: -D key=value, several times."
    echo "It reads the archives of historyserver.archive.fs.dir; status ends with 0 when one runs here."
    exit 0
    ;;
*)
    echo "$USAGE" >&2
    exit 1
    ;;
esac
shift

bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
if [ "$STARTSTOP" = start-foreground ]; then
    exec "$bin/flink-console.sh" historyserver "$@"
fi
exec "$bin/flink-daemon.sh" "$STARTSTOP" historyserver "$@"
