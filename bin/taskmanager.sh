#!/usr/bin/env bash
# Starts or stops a task manager.
USAGE="Usage: taskmanager.sh (start|start-foreground|stop|stop-all) [args]"

STARTSTOP=${1:-}
case $STARTSTOP in
start | start-foreground | stop | stop-all) ;;
-h | --help)
    echo "$USAGE"
    echo "args: -D key=value, several times."
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
    exec "$bin/flink-console.sh" taskexecutor "$@"
fi
. "$bin/config.sh"
# One task manager on each memory node, when it is asked for and numactl is there.
numa=$(printf '%s' "${FLINK_TM_COMPUTE_NUMA:-false}" | tr '[:upper:]' '[:lower:]')
if [ "$numa" = true ] && command -v numactl >/dev/null; then
    nodes=$(numactl --hardware | awk '/^available:/ { print $2 }')
    for ((node = 0; node < nodes; node++)); do
        numactl --membind=$node --cpunodebind=$node -- "$bin/flink-daemon.sh" "$STARTSTOP" taskexecutor "$@"
    done
    exit
fi
"$bin/flink-daemon.sh" "$STARTSTOP" taskexecutor "$@"
