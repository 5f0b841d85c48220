#!/usr/bin/env bash
# From a fresh clone on Debian 12 to the first job's result: installs what is missing, builds, makes a
# distribution, starts a cluster of one job manager and two task managers, uploads WordCount to it and
# counts the words of Debian's licence texts with parallelism 4, over REST.
set -euo pipefail
cd "$(dirname "$0")/.."

flinc=build/dist/flinc keep=0
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        echo "usage: scripts/quickstart.sh [--keep] [DIR]"
        sed -n '2,4s/^# //p' "$0"
        echo "DIR is where the distribution goes (default: $flinc)."
        echo "--keep leaves the cluster running."
        exit 0
        ;;
    --keep) keep=1 ;;
    -*)
        echo "quickstart: unknown option '$1'" >&2
        exit 2
        ;;
    ?*) flinc=$1 ;;
    esac
    shift
done

scripts/deps.sh
scripts/dist.sh "$flinc"
flinc=$(cd "$flinc" && pwd -P)

# ---- a cluster of its own: configuration, logs and pids below the distribution ----------------------------

# The first port from $1 on that nobody listens on.
free_port() {
    local port=$1
    while (: >"/dev/tcp/localhost/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

base=$flinc/quickstart
mkdir -p "$base/log" "$base/pid"
cp -r "$flinc/conf" "$base"
export FLINK_CONF_DIR=$base/conf FLINK_LOG_DIR=$base/log FLINK_PID_DIR=$base/pid
rest_port=$(free_port 8081)
rpc_port=$(free_port 6123)
"$flinc/bin/config-parser-utils.sh" "$FLINK_CONF_DIR" "$flinc/bin" "$flinc/lib" \
    "-Drest.port=$rest_port" "-Djobmanager.rpc.port=$rpc_port" -Dtaskmanager.numberOfTaskSlots=2
printf 'localhost\nlocalhost\n' >"$FLINK_CONF_DIR/workers"
rest=http://localhost:$rest_port

work=$(mktemp -d)
finish() {
    local code=$?
    rm -rf "$work"
    if [ "$keep" = 0 ] || [ "$code" != 0 ]; then
        [ "$code" = 0 ] || tail -n 5 "$base"/log/*.log "$base"/log/*.out >&2 2>/dev/null || true
        "$flinc/bin/stop-cluster.sh" >/dev/null 2>&1 || true
    fi
}
trap finish EXIT

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# `ask METHOD PATH [curl options]`: the answer's JSON, or the end.
ask() {
    local method=$1 path=$2 answer
    shift 2
    answer=$(curl -s -S -X "$method" "$@" "$rest$path") || fail "$method $path: no answer from $rest"
    case $answer in
    '{"errors"'*) fail "$method $path: $answer" ;;
    esac
    printf '%s' "$answer"
}

# `field NAME`: the text or number of a field of the JSON on standard input.
field() {
    sed -E "s/.*\"$1\" ?: ?\"?([^\",}]*).*/\1/"
}

echo
echo "\$ bin/start-cluster.sh"
started=$(date +%s%N)
"$flinc/bin/start-cluster.sh"
for ((i = 0; ; i++)); do
    managers=$(curl -s "$rest/overview" | field taskmanagers || true)
    [ "$managers" != 2 ] || break
    [ $i -lt 1000 ] || fail "the task managers did not come; see $base/log"
    sleep 0.02
done
echo "Two task managers are there after $((($(date +%s%N) - started) / 1000000)) ms: $rest"

# ---- the job ---------------------------------------------------------------------------------------------

input=/usr/share/common-licenses
# Every Debian has them; elsewhere our own licence is text enough.
[ -d "$input" ] || input=$PWD/LICENSE
started=$(date +%s%N)
echo
echo "\$ curl -F jarfile=@examples/wordcount.so $rest/jars/upload"
jar=$(ask POST /jars/upload -F "jarfile=@$flinc/examples/wordcount.so" | field filename)
jar=${jar##*/}
request="{\"parallelism\": 4, \"programArgsList\": [\"--input\", \"$input\", \"--output\", \"$work/counts\", \"--execution-mode\", \"BATCH\"]}"
echo "\$ curl -d '$request' $rest/jars/$jar/run"
job=$(ask POST "/jars/$jar/run" -d "$request" | field jobid)
for ((i = 0; ; i++)); do
    state=$(ask GET "/jobs/$job/status" | field status)
    case $state in
    FINISHED) break ;;
    FAILED | CANCELED) fail "the job ended $state: $(ask GET "/jobs/$job/exceptions")" ;;
    esac
    [ $i -lt 3000 ] || fail "the job is $state after a minute"
    sleep 0.02
done
took=$((($(date +%s%N) - started) / 1000000))

# Lines are (word,count), in as many files as there were subtasks.
find "$work/counts" -type f -exec cat {} + | sed 's/^(\(.*\),\([0-9]*\))$/\2 \1/' |
    sort -k1,1nr -k2,2 >"$work/sorted"
echo
echo "The 20 most frequent of $(wc -l <"$work/sorted") words in $input:"
head -n 20 "$work/sorted" | awk '{ printf "%8d  %s\n", $1, $2 }'
echo
echo "Took ${took} ms, from the upload to the end of job $job."

if [ "$keep" = 1 ]; then
    cat <<END

The cluster runs: $rest
  export FLINK_CONF_DIR=$FLINK_CONF_DIR FLINK_LOG_DIR=$FLINK_LOG_DIR FLINK_PID_DIR=$FLINK_PID_DIR
  $flinc/bin/flink list -a
  $flinc/bin/flink run $flinc/examples/wordcount.so --input FILE_OR_FOLDER
  $flinc/bin/stop-cluster.sh
END
else
    echo
    echo "\$ bin/stop-cluster.sh"
    "$flinc/bin/stop-cluster.sh"
fi
shown=${flinc#"$PWD"/}
cat <<END

What to try next:
  $shown/bin/flink run -t local $shown/examples/wordcount.so --input FILE_OR_FOLDER -p 2
  $shown/bin/flink info $shown/examples/wordcount.so --input FILE_OR_FOLDER     the plan as JSON
  $shown/bin/flink -h                                                           all commands
  examples/wordcount/wordcount.c                                                the job's source
  docs/guide/cluster.md                                                         running a cluster
END
