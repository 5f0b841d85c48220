#!/usr/bin/env bash
# Stops the task managers of conf/workers, then the job manager(s) of conf/masters.
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case ${1:-} in
-h | --help)
    echo "Usage: stop-cluster.sh"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac

TMWorkers stop
if [ "$HIGH_AVAILABILITY" != none ]; then
    readMasters
    for ((i = 0; i < ${#MASTERS[@]}; ++i)); do
        if [ "$MASTERS_ALL_LOCALHOST" = true ]; then
            "$FLINK_BIN_DIR/jobmanager.sh" stop
        else
            on_host "${MASTERS[i]}" jobmanager.sh stop
        fi
    done
else
    "$FLINK_BIN_DIR/jobmanager.sh" stop
fi
