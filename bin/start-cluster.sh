#!/usr/bin/env bash
# Starts the job manager(s) of conf/masters and the task managers of conf/workers.
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
. "$bin/config.sh"

case ${1:-} in
-h | --help)
    echo "Usage: start-cluster.sh"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac

if [ "$HIGH_AVAILABILITY" != none ]; then
    readMasters
    echo "Starting HA cluster with ${#MASTERS[@]} masters."
    for ((i = 0; i < ${#MASTERS[@]}; ++i)); do
        if [ "$MASTERS_ALL_LOCALHOST" = true ]; then
            "$FLINK_BIN_DIR/jobmanager.sh" start "${MASTERS[i]}" "${WEBUIPORTS[i]}"
        else
            on_host "${MASTERS[i]}" jobmanager.sh start "${MASTERS[i]}" "${WEBUIPORTS[i]}"
        fi
    done
else
    echo "Starting cluster."
    "$FLINK_BIN_DIR/jobmanager.sh" start || exit 1
fi
TMWorkers start
