#!/usr/bin/env bash
# Starts or stops a daemon in the background; pid and log files as Flink's flink-daemon.sh.
USAGE="Usage: flink-daemon.sh (start|stop|stop-all|status) (standalonesession|standalonejob|taskexecutor|historyserver|zookeeper) [args]"

STARTSTOP=${1:-}
DAEMON=${2:-}
ARGS=("${@:3}")
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case $DAEMON in
standalonesession) program=$FLINC_LIBEXEC_DIR/flinc-jobmanager ;;
standalonejob) program=$FLINC_LIBEXEC_DIR/flinc-jobmanager ;;
taskexecutor) program=$FLINC_LIBEXEC_DIR/flinc-taskmanager ;;
historyserver) program=$FLINC_LIBEXEC_DIR/flinc-historyserver ;;
zookeeper) program=$FLINC_LIBEXEC_DIR/flinc-zookeeper ;;
*)
    echo "Unknown daemon '$DAEMON'. $USAGE." >&2
    exit 1
    ;;
esac

mkdir -p "$FLINK_PID_DIR" || exit 1
pid=$FLINK_PID_DIR/flink-$FLINK_IDENT_STRING-$DAEMON.pid

# Calls on the same pid folder come one after the other.
exec 200<"$FLINK_PID_DIR"
flock 200 2>/dev/null

# A process that has ended and that nobody has asked about yet (a zombie) is not running.
is_running() {
    [ -n "$1" ] && kill -0 "$1" >/dev/null 2>&1 && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# .out files are rolled at a start, as the processes roll their logs.
roll_out_file() {
    local file=$1 n=$MAX_LOG_FILE_NUMBER
    [ -s "$file" ] && [ "$n" -gt 0 ] 2>/dev/null || return 0
    while [ "$n" -gt 1 ]; do
        [ ! -f "$file.$((n - 1))" ] || mv -f "$file.$((n - 1))" "$file.$n"
        n=$((n - 1))
    done
    mv -f "$file" "$file.1"
}

# Asks a process to end, and ends it when it does not.
stop_process() {
    local to_stop=$1 waited=0
    kill "$to_stop" 2>/dev/null
    while is_running "$to_stop"; do
        if [ $waited -ge 200 ]; then
            echo "Daemon $DAEMON didn't stop within 10 seconds. Killing it."
            kill -9 "$to_stop" 2>/dev/null
            break
        fi
        sleep 0.05
        waited=$((waited + 1))
    done
}

start() {
    local active=() line id prefix
    if [ ! -x "$program" ]; then
        echo "Error starting $DAEMON daemon: there is no $program." >&2
        exit 1
    fi
    mkdir -p "$FLINK_LOG_DIR" 2>/dev/null
    if [ ! -w "$FLINK_LOG_DIR" ]; then
        echo "Error starting $DAEMON daemon: the log folder $FLINK_LOG_DIR cannot be written (FLINK_LOG_DIR," \
            "env.log.dir)." >&2
        exit 1
    fi
    if [ -f "$pid" ]; then
        while read -r line; do
            is_running "$line" && active+=("$line")
        done <"$pid"
    fi
    # Ids go on from the lines of the file, as Flink numbers them.
    id=$([ -f "$pid" ] && grep -c . "$pid" || echo 0)
    if [ ${#active[@]} -gt 0 ]; then
        echo "[INFO] ${#active[@]} instance(s) of $DAEMON are already running on $HOSTNAME."
    else
        id=0
        rm -f "$pid"
    fi
    prefix=$FLINK_LOG_DIR/flink-$FLINK_IDENT_STRING-$DAEMON-$id-$HOSTNAME
    roll_out_file "$prefix.out"
    echo "Starting $DAEMON daemon on host $HOSTNAME."
    FLINC_LOG_FILE=$prefix.log FLINC_OUT_FILE=$prefix.out \
        FLINC_LOG_CONFIG=${FLINC_LOG_CONFIG:-$FLINK_CONF_DIR/log4j.properties} \
        nohup setsid "$program" --configDir "$FLINK_CONF_DIR" ${ARGS[@]+"${ARGS[@]}"} \
        200<&- </dev/null >"$prefix.out" 2>&1 &
    local mypid=$!
    disown "$mypid" 2>/dev/null
    if [ -n "$mypid" ] && is_running "$mypid"; then
        echo "$mypid" >>"$pid"
    else
        echo "Error starting $DAEMON daemon."
        exit 1
    fi
}

stop_last() {
    local to_stop
    to_stop=$([ -f "$pid" ] && grep . "$pid" | tail -n 1)
    if [ -z "$to_stop" ]; then
        echo "No $DAEMON daemon to stop on host $HOSTNAME."
        exit 1
    fi
    sed -i '$d' "$pid"
    [ -s "$pid" ] || rm -f "$pid"
    if is_running "$to_stop"; then
        echo "Stopping $DAEMON daemon (pid: $to_stop) on host $HOSTNAME."
        stop_process "$to_stop"
    else
        echo "No $DAEMON daemon (pid: $to_stop) is running anymore on $HOSTNAME."
    fi
}

stop_all() {
    local to_stop
    if [ ! -f "$pid" ]; then
        echo "No $DAEMON daemon to stop on host $HOSTNAME."
        return
    fi
    mv "$pid" "$pid.tmp"
    while read -r to_stop; do
        if is_running "$to_stop"; then
            echo "Stopping $DAEMON daemon (pid: $to_stop) on host $HOSTNAME."
            stop_process "$to_stop"
        else
            echo "Skipping $DAEMON daemon (pid: $to_stop), because it is not running anymore on $HOSTNAME."
        fi
    done <"$pid.tmp"
    rm -f "$pid.tmp"
}

# Ends with 0 when one runs, as init scripts do with 3 when none does.
status() {
    local line running=0
    if [ -f "$pid" ]; then
        while read -r line; do
            is_running "$line" || continue
            echo "Daemon $DAEMON (pid: $line) is running on $HOSTNAME."
            running=$((running + 1))
        done <"$pid"
    fi
    if [ $running -eq 0 ]; then
        echo "No $DAEMON daemon is running on $HOSTNAME."
        exit 3
    fi
}

case $STARTSTOP in
start) start ;;
status) status ;;
stop) stop_last ;;
stop-all) stop_all ;;
*)
    echo "Unexpected argument '$STARTSTOP'. $USAGE." >&2
    exit 1
    ;;
esac
