#!/usr/bin/env bash
# Runs a service in the foreground: containers, process supervisors.  Flink: flink-console.sh.
USAGE="Usage: flink-console.sh (taskexecutor|standalonesession|standalonejob|historyserver|zookeeper) [args]"

SERVICE=${1:-}
ARGS=("${@:2}")
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case $SERVICE in
taskexecutor) program=$FLINC_LIBEXEC_DIR/flinc-taskmanager ;;
historyserver) program=$FLINC_LIBEXEC_DIR/flinc-historyserver ;;
zookeeper) program=$FLINC_LIBEXEC_DIR/flinc-zookeeper ;;
standalonesession | standalonejob) program=$FLINC_LIBEXEC_DIR/flinc-jobmanager ;;
*)
    echo "Unknown service '$SERVICE'. $USAGE." >&2
    exit 1
    ;;
esac

# A number of its own among those that run here, for the names of its files.
id=0
if mkdir -p "$FLINK_PID_DIR" 2>/dev/null; then
    pid=$FLINK_PID_DIR/flink-$FLINK_IDENT_STRING-$SERVICE.pid
    exec 200<"$FLINK_PID_DIR"
    flock 200 2>/dev/null
    if [ -f "$pid" ]; then
        running=()
        while read -r line; do
            kill -0 "$line" 2>/dev/null && running+=("$line")
        done <"$pid"
        id=${#running[@]}
        [ "$id" -gt 0 ] || rm -f "$pid"
    fi
    echo $$ >>"$pid"
    flock -u 200 2>/dev/null
    exec 200<&-
fi

prefix=$FLINK_LOG_DIR/flink-$FLINK_IDENT_STRING-$SERVICE-$id-$HOSTNAME
export FLINC_LOG_CONFIG=${FLINC_LOG_CONFIG:-$FLINK_CONF_DIR/log4j-console.properties}

echo "Starting $SERVICE as a console application on host $HOSTNAME."
if [ "$(printf '%s' "$STD_REDIRECT_TO_FILE" | tr '[:upper:]' '[:lower:]')" = true ]; then
    mkdir -p "$FLINK_LOG_DIR"
    export FLINC_LOG_FILE=$prefix.log FLINC_OUT_FILE=$prefix.out
    exec "$program" --configDir "$FLINK_CONF_DIR" ${ARGS[@]+"${ARGS[@]}"} \
        >"$prefix.out" 2>"$prefix.err"
fi
exec "$program" --configDir "$FLINK_CONF_DIR" ${ARGS[@]+"${ARGS[@]}"}
