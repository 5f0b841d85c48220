#!/usr/bin/env bash
# The long tests: what is too slow for every change.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/nightly.sh [--minutes N] [--rounds N] [--seed N] [--only TEXT]

  1. clang: everything by clang, with warnings as errors, and its unit tests
  2. tsan: a ThreadSanitizer build and its unit tests, with 10,000 random cancels and failures
  3. cluster tsan: the suites of a cluster's threads and connections under ThreadSanitizer, five times more
  4. fuzz: every fuzz target by libFuzzer, N minutes altogether (default 10); SQL's parser and planner for an hour
  5. random rounds: the random tests (those that use tests/unit/seeds.h), N rounds (default 20) of ten times
     their usual length, with other seeds each time; a failing round is repeated by the FLINC_TEST_SEED that
     its log names
  6. simulation: 10,000 seeds of whole clusters under random faults, without and with high availability (scripts/sim.sh)
  7. losses: 100 losses of real processes and connections (scripts/loss.sh)
  8. checker: 200 rounds of self-checking jobs under random faults, all planted bugs, leaks (scripts/chaos.sh)
  9. faults: every workload under every fault, 170 rounds of three faults, and each step of completing a checkpoint
     three times (scripts/chaos.sh --workload all --faults all; --finalisation)
  10. abuse: 100,000 generated requests to the REST server of a cluster (scripts/abuse.sh)
  11. tpch: the queries of TPC-H at scale factor 1 against SQLite (tests/tpch)
  12. expressions: 1,000,000 random expressions against the reference interpreter (scripts/expressions.sh)
  13. minio: the tests of state on S3 on a third server (built by Go once, which takes minutes), and on Swift
The numbers of 2, 3, 6, 7, 8, 9, 10 and 12, and the hour of 4, are those of 20 rounds; --rounds N makes them more or fewer.
--only TEXT runs only the steps whose name contains TEXT.
Goes on after a failure; closes with one line per step, and fails when one of them did.
END
}

fail() {
    echo "nightly: $*" >&2
    exit 2
}

minutes=10 rounds=20 seed=$(date +%s) only=
while [ $# -gt 0 ]; do
    case $1 in
    --minutes | --rounds | --seed)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $2 in
        '' | *[!0-9]*) fail "$1: not a number: '$2'" ;;
        esac
        declare "${1#--}=$2"
        shift
        ;;
    --only)
        [ $# -ge 2 ] || fail "$1 needs a value"
        only=$2
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "unknown argument '$1'"
        ;;
    esac
    shift
done

scripts/deps.sh --test
logs=$PWD/build/nightly
mkdir -p "$logs"
summary=() failed=0

step() {
    local name=$1 log
    log=$logs/$(tr -c '[:alnum:]\n' - <<<"$name").log
    shift
    case $name in
    *"$only"*) ;;
    *) return 0 ;;
    esac
    echo "nightly: $name"
    if "$@" >"$log" 2>&1; then
        summary+=("fine    $name")
    else
        failed=1
        summary+=("FAILED  $name  ($log)")
    fi
}

# unit_tests DIR [NAME...]: runs the unit tests of a build, or those named.
unit_tests() {
    local dir=$1
    shift
    # ThreadSanitizer cannot place its shadow memory where address randomization is wide.
    setarch -R meson test -C "$dir" --no-suite fuzz --timeout-multiplier 10 --print-errorlogs "$@"
}

# scaled N: N when there are 20 rounds, in proportion when there are others; at least 1.
scaled() {
    echo $((($1 * rounds + 19) / 20 > 0 ? ($1 * rounds + 19) / 20 : 1))
}

clang_step() {
    scripts/build.sh release --compiler clang --quiet && unit_tests build/release-clang
}

# What tests of ThreadSanitizer's build are told; other tests do not look at it.
export TSAN_OPTIONS="halt_on_error=0 second_deadlock_stack=1 exitcode=66 ${TSAN_OPTIONS:-}"
TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp $TSAN_OPTIONS"

tsan_step() {
    scripts/build.sh tsan --quiet && unit_tests build/tsan &&
        FLINC_TEST_ROUNDS=$(scaled 50) unit_tests build/tsan random_failures # 200 each
}

# Rooms whose threads meet at sockets, child processes and mailboxes: what is rare shows when it is repeated.
cluster_suites=(common_rpc common_rpc_grpc common_net_http common_spawner taskmanager_network taskmanager_manager
    taskmanager_host jobmanager_resourcemanager jobmanager_dispatcher jobmanager_rest)

cluster_tsan_step() {
    scripts/build.sh tsan --quiet && unit_tests build/tsan --repeat "$(scaled 5)" "${cluster_suites[@]/#/--suite=}"
}

fuzz_step() {
    local targets
    targets=$(scripts/fuzz.sh --list | wc -l)
    [ "$targets" -gt 0 ] || return 0
    scripts/fuzz.sh all --seconds $((minutes * 60 / targets + 1)) # of 0 there would be no end
}

sql_fuzz_step() {
    scripts/fuzz.sh sql_parser --seconds "$(scaled 1800)" && scripts/fuzz.sh sql_plan --seconds "$(scaled 1800)"
}

rounds_step() {
    local round rc=0 tests
    mapfile -t tests < <(grep -l 'tests/unit/seeds.h' tests/unit/*/test_*.c | sed 's|.*/test_\(.*\)\.c|\1|')
    scripts/build.sh asan --quiet || return 1
    for ((round = 0; round < rounds; round++)); do
        export FLINC_TEST_SEED=$((seed + round)) FLINC_TEST_ROUNDS=10
        echo "round $round: FLINC_TEST_SEED=$FLINC_TEST_SEED"
        unit_tests build/asan "${tests[@]}" || rc=1
    done
    return $rc
}

simulation_step() {
    scripts/sim.sh --rounds "$(scaled 10000)" --seed "$seed"
}

checker_step() {
    local rc=0 leak
    scripts/chaos.sh --rounds "$(scaled 200)" --seed "$seed" || rc=1
    scripts/chaos.sh --planted all || rc=1
    scripts/chaos.sh --leaks || rc=1
    for leak in jobmaster.leaks taskmanager.leaks task.checkpoint.leaks; do
        scripts/chaos.sh --leaks --planted "$leak" || rc=1
    done
    return $rc
}

faults_step() {
    local rc=0
    scripts/chaos.sh --workload all --faults all --rounds "$(scaled 170)" --seed "$seed" --results "$logs/faults.jsonl" || rc=1
    scripts/chaos.sh --finalisation --seed "$seed" || rc=1
    return $rc
}

losses_step() {
    scripts/loss.sh --rounds "$(scaled 100)" --seed "$seed"
}

abuse_step() {
    FLINC_HOME=$PWD/build/dist/flinc
    export FLINC_HOME
    scripts/dist.sh "$FLINC_HOME" && scripts/abuse.sh --rounds "$(scaled 100000)" --seed "$seed"
}

tpch_step() {
    FLINC_HOME=$PWD/build/dist/flinc
    export FLINC_HOME
    scripts/dist.sh "$FLINC_HOME" && FLINC_TPCH_SCALE=1 /usr/bin/python3 -m pytest -q --durations=22 tests/system/test_tpch.py
}

expressions_step() {
    scripts/expressions.sh --rounds "$(scaled 500000)" --seed "$seed" --jobs "$(nproc)"
}

minio_step() {
    local rc=0 server
    FLINC_HOME=$PWD/build/dist/flinc
    export FLINC_HOME
    scripts/dist.sh "$FLINC_HOME" || return 1
    for server in minio swift; do
        FLINC_TEST_S3=$server /usr/bin/python3 -m pytest -q -rs tests/system/test_s3.py || rc=1
    done
    return $rc
}

step "clang" clang_step
step "tsan" tsan_step
step "cluster tsan" cluster_tsan_step
step "fuzz" fuzz_step
step "sql fuzz" sql_fuzz_step
step "random rounds from seed $seed" rounds_step
step "simulation from seed $seed" simulation_step
step "losses from seed $seed" losses_step
step "checker from seed $seed" checker_step
step "faults from seed $seed" faults_step
step "abuse from seed $seed" abuse_step
step "tpch" tpch_step
step "expressions from seed $seed" expressions_step
step "minio" minio_step

[ ${#summary[@]} -gt 0 ] || fail "no step's name contains '$only'"
printf '%s\n' "${summary[@]}"
exit $failed
