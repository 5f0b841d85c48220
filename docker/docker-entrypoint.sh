#!/usr/bin/env bash
# The entry point of the image: Flink's commands and variables.  As root it goes on as the user flink.
set -e

FLINK_HOME=${FLINK_HOME:-/opt/flink}
CONF_DIR=${FLINK_CONF_DIR:-$FLINK_HOME/conf}
COMMAND_STANDALONE=standalone-job
COMMAND_HISTORY_SERVER=history-server

usage() {
    cat <<END
Usage: $(basename "$0") (jobmanager|$COMMAND_STANDALONE|taskmanager|$COMMAND_HISTORY_SERVER|help)

  jobmanager [args]        a job manager of a session cluster
  $COMMAND_STANDALONE [args]    a job manager for the one job of usrlib/
  taskmanager [args]       a task manager
  $COMMAND_HISTORY_SERVER [args]    a history server
Anything else is run as a command.

Variables:
  FLINK_PROPERTIES                  configuration, one "key: value" a line
  JOB_MANAGER_RPC_ADDRESS           jobmanager.rpc.address (default: this host's name)
  TASK_MANAGER_NUMBER_OF_TASK_SLOTS taskmanager.numberOfTaskSlots
  ENABLE_BUILT_IN_PLUGINS           files of opt/ to be used as plug-ins, separated by ;
  DISABLE_JEMALLOC                  true: malloc of libc
END
}

# Runs a command as the user flink when this is root and there is such a user.
as_flink() {
    if [ "$(id -u)" = 0 ] && id flink >/dev/null 2>&1; then
        exec setpriv --reuid=flink --regid=flink --init-groups "$@"
    fi
    exec "$@"
}

use_built_in_plugins() {
    local file name
    [ -n "$ENABLE_BUILT_IN_PLUGINS" ] || return 0
    echo "Enabling required built-in plugins"
    IFS=';' read -ra files <<<"$ENABLE_BUILT_IN_PLUGINS"
    for file in "${files[@]}"; do
        name=${file%.so}
        if [ ! -e "$FLINK_HOME/opt/$file" ]; then
            echo "Plugin $file does not exist in $FLINK_HOME/opt. Exiting." >&2
            exit 1
        fi
        echo "Linking $file to plugin directory"
        mkdir -p "$FLINK_HOME/plugins/$name"
        ln -fs "$FLINK_HOME/opt/$file" "$FLINK_HOME/plugins/$name"
        echo "Successfully enabled $file"
    done
}

# Values may name variables (${X}), as Flink's image replaces them.
substitute() {
    if command -v envsubst >/dev/null; then
        envsubst
    else
        local line name rest out
        while IFS= read -r line || [ -n "$line" ]; do
            out='' rest=$line
            while [[ $rest =~ ^([^$]*)\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$ ]]; do
                name=${BASH_REMATCH[2]}
                out+="${BASH_REMATCH[1]}${!name}"
                rest=${BASH_REMATCH[3]}
            done
            printf '%s\n' "$out$rest"
        done
    fi
}

write_configuration() {
    local properties=() line key value
    properties+=("-Djobmanager.rpc.address=${JOB_MANAGER_RPC_ADDRESS:-$(hostname -f)}")
    properties+=("-Dblob.server.port=6124" "-Dquery.server.port=6125")
    if [ -n "$TASK_MANAGER_NUMBER_OF_TASK_SLOTS" ]; then
        properties+=("-Dtaskmanager.numberOfTaskSlots=$TASK_MANAGER_NUMBER_OF_TASK_SLOTS")
    fi
    while IFS= read -r line; do
        line=$(printf '%s' "$line" | tr -d '[:space:]')
        [ -n "$line" ] && [ "${line#\#}" = "$line" ] || continue
        key=${line%%:*}
        value=${line#*:}
        properties+=("-D$key=$(printf '%s' "$value" | substitute)")
    done <<<"$FLINK_PROPERTIES"
    "$FLINK_HOME/bin/config-parser-utils.sh" "$CONF_DIR" "$FLINK_HOME/bin" "$FLINK_HOME/lib" "${properties[@]}"
}

use_jemalloc() {
    local library=/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2
    if [ "${DISABLE_JEMALLOC:-false}" = true ]; then
        echo "Disabling Jemalloc by user choice"
    elif [ -f "$library" ]; then
        export LD_PRELOAD=$LD_PRELOAD:$library
    fi
}

case ${1:-help} in
help)
    usage
    exit 0
    ;;
jobmanager)
    shift
    use_jemalloc
    use_built_in_plugins
    write_configuration
    echo "Starting Job Manager"
    as_flink "$FLINK_HOME/bin/jobmanager.sh" start-foreground "$@"
    ;;
"$COMMAND_STANDALONE")
    shift
    use_jemalloc
    use_built_in_plugins
    write_configuration
    echo "Starting Job Manager"
    as_flink "$FLINK_HOME/bin/standalone-job.sh" start-foreground "$@"
    ;;
taskmanager)
    shift
    use_jemalloc
    use_built_in_plugins
    write_configuration
    echo "Starting Task Manager"
    as_flink "$FLINK_HOME/bin/taskmanager.sh" start-foreground "$@"
    ;;
"$COMMAND_HISTORY_SERVER")
    shift
    use_jemalloc
    use_built_in_plugins
    write_configuration
    echo "Starting History Server"
    as_flink "$FLINK_HOME/bin/historyserver.sh" start-foreground "$@"
    ;;
*)
    as_flink "$@"
    ;;
esac
