#!/usr/bin/env bash
# What the scripts of this folder share: where things lie, what the configuration says about the processes'
# environment, how daemons of several hosts are started.  Sourced, never run.  Flink: bin/config.sh.

# ---- where things lie --------------------------------------------------------------------------------

_flinc_real_dir() {
    cd "$(dirname "$(readlink -f "$1")")" && pwd -P
}
FLINK_BIN_DIR=$(_flinc_real_dir "${BASH_SOURCE[0]}")
FLINK_HOME=$(dirname "$FLINK_BIN_DIR")
FLINK_LIB_DIR=${FLINK_LIB_DIR:-$FLINK_HOME/lib}
FLINK_OPT_DIR=${FLINK_OPT_DIR:-$FLINK_HOME/opt}
FLINK_PLUGINS_DIR=${FLINK_PLUGINS_DIR:-$FLINK_HOME/plugins}
FLINK_CONF_DIR=${FLINK_CONF_DIR:-$FLINK_HOME/conf}
FLINC_LIBEXEC_DIR=$FLINK_HOME/libexec
export FLINK_BIN_DIR FLINK_HOME FLINK_LIB_DIR FLINK_OPT_DIR FLINK_PLUGINS_DIR FLINK_CONF_DIR

if [ ! -d "$FLINK_CONF_DIR" ]; then
    echo "The configuration folder $FLINK_CONF_DIR does not exist (FLINK_CONF_DIR)." >&2
    exit 1
fi

# ---- what the configuration says ---------------------------------------------------------------------

# All keys that the scripts need, in one reading of the file.
_flinc_read_config() {
    local key value
    while IFS= read -r line; do
        key=${line%%: *}
        value=${line#*: }
        case $key in
        env.pid.dir) _conf_pid_dir=$value ;;
        env.log.dir) _conf_log_dir=$value ;;
        env.log.max) _conf_log_max=$value ;;
        env.ssh.opts) _conf_ssh_opts=$value ;;
        env.stdout-err.redirect-to-file) _conf_redirect=$value ;;
        high-availability.type | high-availability | high-availability.mode) _conf_ha=$value ;;
        env.hadoop.conf.dir) export HADOOP_CONF_DIR=${HADOOP_CONF_DIR:-$value} ;;
        env.yarn.conf.dir) export YARN_CONF_DIR=${YARN_CONF_DIR:-$value} ;;
        esac
    done < <("$FLINC_LIBEXEC_DIR/flinc-configtool" "$FLINK_CONF_DIR" --print 2>/dev/null)
}
_conf_pid_dir='' _conf_log_dir='' _conf_log_max='' _conf_ssh_opts='' _conf_redirect='' _conf_ha=''
_flinc_read_config

export FLINK_PID_DIR=${FLINK_PID_DIR:-${_conf_pid_dir:-/tmp}}
export FLINK_LOG_DIR=${FLINK_LOG_DIR:-${_conf_log_dir:-$FLINK_HOME/log}}
export MAX_LOG_FILE_NUMBER=${MAX_LOG_FILE_NUMBER:-${_conf_log_max:-10}}
export STD_REDIRECT_TO_FILE=${STD_REDIRECT_TO_FILE:-${_conf_redirect:-false}}
FLINK_SSH_OPTS=${FLINK_SSH_OPTS:-$_conf_ssh_opts}
HIGH_AVAILABILITY=${HIGH_AVAILABILITY:-${_conf_ha:-NONE}}
HIGH_AVAILABILITY=$(printf '%s' "$HIGH_AVAILABILITY" | tr '[:upper:]' '[:lower:]')
FLINK_IDENT_STRING=${FLINK_IDENT_STRING:-${USER:-$(id -un 2>/dev/null || id -u)}}
export FLINK_IDENT_STRING
HOSTNAME=${HOSTNAME:-$(hostname 2>/dev/null || echo localhost)}

# ---- hosts -------------------------------------------------------------------------------------------

_is_local() {
    case $1 in
    localhost | 127.0.0.1 | ::1) return 0 ;;
    *) return 1 ;;
    esac
}

# MASTERS and WEBUIPORTS from conf/masters: `host[:webuiport]` a line, # begins a comment.
readMasters() {
    local file=$FLINK_CONF_DIR/masters line host port
    MASTERS=()
    WEBUIPORTS=()
    MASTERS_ALL_LOCALHOST=true
    if [ ! -f "$file" ]; then
        echo "No masters file. Please specify masters in 'conf/masters'." >&2
        exit 1
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line%%#*}
        line=$(printf '%s' "$line" | tr -d '[:space:]')
        [ -n "$line" ] || continue
        host=${line%%:*}
        port=0
        [ "$host" = "$line" ] || port=${line#*:}
        MASTERS+=("$host")
        WEBUIPORTS+=("$port")
        _is_local "$host" || MASTERS_ALL_LOCALHOST=false
    done <"$file"
}

# WORKERS from conf/workers; a line that is there twice is two task managers.
readWorkers() {
    local file=$FLINK_CONF_DIR/workers line
    WORKERS=()
    WORKERS_ALL_LOCALHOST=true
    if [ ! -f "$file" ]; then
        echo "No workers file. Please specify workers in 'conf/workers'." >&2
        exit 1
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line%%#*}
        line=$(printf '%s' "$line" | tr -d '[:space:]')
        [ -n "$line" ] || continue
        WORKERS+=("$line")
        _is_local "$line" || WORKERS_ALL_LOCALHOST=false
    done <"$file"
}

# PEER_IDS and PEER_HOSTS from conf/zoo.cfg: `server.NUMBER=host:port:port`.
readPeers() {
    local file=$FLINK_CONF_DIR/zoo.cfg line
    local pattern='^[[:space:]]*server\.([0-9]+)[[:space:]]*=[[:space:]]*([^:;#[:space:]]+)'
    PEER_IDS=()
    PEER_HOSTS=()
    if [ ! -f "$file" ]; then
        echo "No ZooKeeper configuration. Please write 'conf/zoo.cfg'." >&2
        exit 1
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ $pattern ]]; then
            PEER_IDS+=("${BASH_REMATCH[1]}")
            PEER_HOSTS+=("${BASH_REMATCH[2]}")
        fi
    done <"$file"
    if [ ${#PEER_IDS[@]} -eq 0 ]; then
        echo "There is no server.NUMBER=host:port:port in $file." >&2
        exit 1
    fi
}

# `on_host HOST SCRIPT ARGS`: runs a script of this folder there, detached from this terminal.
on_host() {
    local host=$1 script=$2
    shift 2
    # The options are several words on purpose.
    # shellcheck disable=SC2029,SC2086
    ssh -n $FLINK_SSH_OPTS "$host" -- \
        "nohup /bin/bash -l \"$FLINK_BIN_DIR/$script\" $* &"
}

# `TMWorkers start|stop|stop-all`: the task managers of conf/workers.
TMWorkers() {
    local command=$1 worker
    readWorkers
    if [ "$WORKERS_ALL_LOCALHOST" = true ]; then
        for worker in ${WORKERS[@]+"${WORKERS[@]}"}; do
            "$FLINK_BIN_DIR/taskmanager.sh" "$command"
        done
        return
    fi
    if command -v pdsh >/dev/null 2>&1; then
        PDSH_SSH_ARGS="" PDSH_SSH_ARGS_APPEND=$FLINK_SSH_OPTS pdsh -w "$(
            IFS=,
            echo "${WORKERS[*]}"
        )" "nohup /bin/bash -l \"$FLINK_BIN_DIR/taskmanager.sh\" \"$command\""
        return
    fi
    for worker in "${WORKERS[@]}"; do
        on_host "$worker" taskmanager.sh "$command"
    done
}

# `ZKPeers start|stop`: the ZooKeeper servers of conf/zoo.cfg; fails when one of them does.
ZKPeers() {
    local command=$1 failed=0 i args
    readPeers
    for ((i = 0; i < ${#PEER_IDS[@]}; ++i)); do
        args=("$command")
        [ "$command" != start ] || args+=("${PEER_IDS[i]}")
        if _is_local "${PEER_HOSTS[i]}"; then
            "$FLINK_BIN_DIR/zookeeper.sh" "${args[@]}" || failed=1
        else
            on_host "${PEER_HOSTS[i]}" zookeeper.sh "${args[@]}" || failed=1
        fi
    done
    return $failed
}
