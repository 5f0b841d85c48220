#!/usr/bin/env bash
# Starts or stops a job manager of a session cluster.
USAGE="Usage: jobmanager.sh ((start|start-foreground) [args])|stop|stop-all"

STARTSTOP=${1:-}
ARGS=()
case $STARTSTOP in
start | start-foreground | stop | stop-all) ;;
-h | --help)
    echo "$USAGE"
    echo "args: -D key=value, several times.  The old form 'start HOST [WEBUIPORT]' is understood, too."
    exit 0
    ;;
*)
    echo "$USAGE" >&2
    exit 1
    ;;
esac
shift

# The old form: a host, and the port of the web interface.
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
    ARGS+=(-D "jobmanager.rpc.address=$1")
    shift
    if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
        ARGS+=(-D "rest.port=$1")
        shift
    fi
fi
ARGS+=("$@")

bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
if [ "$STARTSTOP" = start-foreground ]; then
    exec "$bin/flink-console.sh" standalonesession ${ARGS[@]+"${ARGS[@]}"}
fi
"$bin/flink-daemon.sh" "$STARTSTOP" standalonesession ${ARGS[@]+"${ARGS[@]}"}
