#!/usr/bin/env bash
# Runs the benchmarks: builds the release, prints a JSON line per figure, and at the end one table.
set -euo pipefail
cd "$(dirname "$0")/.."

# name, what it measures, command
benchmarks=(
    "wordcount|WordCount of 1 GB against a hand-written program|bench/wordcount/run.py"
    "handover|batches between tasks: busy, asleep|build/release/bench/bench_exchange_handover"
    "partition|hash partition of full batches|build/release/bench/bench_data_partition"
    "operators|map, filter, flatMap, keyed sums|build/release/bench/bench_ops_operators"
    "state|keyed counts while snapshots are written; pauses, bytes, restoring|build/release/bench/bench_state_snapshots"
    "record_rows|records of state as bytes|build/release/bench/bench_state_record_rows"
    "rocksdb|a hand-written loop on RocksDB|build/release/bench/bench_rocksdb_limit --dir build/bench/rocksdb"
    "paged|counts by key with a cache smaller than the state (rocksdb)|build/release/bench/bench_state_paged"
    "paged_timers|timers that do not fit memory (rocksdb)|build/release/bench/bench_state_paged_timers"
    "large_state|state 20 times managed memory with incremental checkpoints; 4 GB restored (rocksdb)|build/release/bench/bench_state_large_state"
    "timers|timers set and fired|build/release/bench/bench_ops_timers"
    "user_state|values, maps and lists of user functions|build/release/bench/bench_ops_user_state"
    "codec|batch, row and key codecs|build/release/bench/bench_data_codec"
    "segment|files of keyed state, flink state dump|build/release/bench/bench_snapshot_segment"
    "startup|flink run -t local of an empty job|build/release/bench/bench_startup_start build/dist/flinc/bin/flink build/release/bench/startup/empty.so"
    "network|batches over loopback TCP between workers|build/release/bench/bench_network_throughput"
    "cluster|a cluster of real processes: start, submission, memory, losses|bench/cluster/run.py"
    "text_source|reading lines of text files|build/release/bench/bench_ops_text_source"
    "file_sink|records as CSV and JSON lines into files|build/release/bench/bench_ops_file_sink"
    "windows|tumbling, sliding and session windows|build/release/bench/bench_ops_windows"
    "paged_windows|windows over ten times the cache (rocksdb) beside the same in memory|build/release/bench/bench_ops_paged_windows"
    "window_functions|windows of user functions: sliding beside tumbling|build/release/bench/bench_ops_window_functions"
    "http|requests to the HTTP server|build/release/bench/bench_cluster_http"
    "mailbox|mailboxes and in-memory channels|build/release/bench/bench_loop_mailbox"
    "rpc|calls and streams between two processes, memory and CPU of the idle|build/release/bench/bench_rpc_call"
    "buffer|buffers of a pool|build/release/bench/bench_base_buffer"
    "s3|bytes to and from S3, beside curl|bench/fs/bench_s3.py"
    "hdfs|bytes to and from HDFS, beside curl|bench/fs/bench_hdfs.py"
    "expressions|conditions and outputs of SQL over batches|build/release/bench/bench_expr_program"
    "queries|operators of queries: aggregates, sorts, joins, OVER|build/release/bench/bench_query_operators"
    "batch|batches of rows|build/release/bench/bench_data_batch"
)
# The figures that must hold are all in these.
usual="wordcount handover partition operators windows state record_rows codec segment startup rpc network cluster"

usage() {
    cat <<END
usage: bench/run.sh [--all] [NAME...]
       bench/run.sh NAME --only PART

Runs the named benchmarks (default: those with bars; --all: every one) on a release build and the
distribution in build/dist/flinc.  JSON lines are kept in build/bench/results.jsonl.
Exits with 1 when a bar is missed.  --only: a part of state or cluster (state: counts, restore,
increments; cluster: bench/cluster/run.py --help).  The machine should have nothing else to do.

END
    local row
    for row in "${benchmarks[@]}"; do
        IFS='|' read -r name what _ <<<"$row"
        printf '  %-12s %s\n' "$name" "$what"
    done
}

fail() {
    echo "bench: $*" >&2
    exit 2
}

# Sets $command of a benchmark.
find_benchmark() {
    local row name
    for row in "${benchmarks[@]}"; do
        IFS='|' read -r name _ command <<<"$row"
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

names=()
only=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --only)
        [ $# -gt 1 ] || fail "--only needs a part"
        only="--only $2"
        shift
        ;;
    --all) for row in "${benchmarks[@]}"; do names+=("${row%%|*}"); done ;;
    -*)
        usage >&2
        fail "unknown option '$1'"
        ;;
    *)
        find_benchmark "$1" || { usage >&2; fail "there is no benchmark '$1'"; }
        names+=("$1")
        ;;
    esac
    shift
done
case "$only:${names[*]}" in
:* | *:state | *:cluster) ;;
*) fail "--only is for one of: state, cluster" ;;
esac
[ ${#names[@]} -gt 0 ] || read -ra names <<<"$usual"

scripts/build.sh release --quiet
scripts/dist.sh
results=build/bench/results.jsonl
mkdir -p "$(dirname "$results")"
: >"$results"

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
    "$(awk '/MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo), Linux $(uname -r)," \
    "$(${CC:-gcc} --version | head -1)"
for name in "${names[@]}"; do
    find_benchmark "$name"
    echo "bench: $name"
    # shellcheck disable=SC2086  # a command with its arguments
    $command $only | grep '^{' | tee -a "$results"
done
exec /usr/bin/python3 bench/table.py <"$results"
