#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.  The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/test.sh [--kind release|asan] [--only TEXT] [-j N]

Runs everything that CI runs: unit tests in a release build by gcc and in an ASan+UBSan build by clang,
a smoke run of each fuzz target, the checks of tools/, and the whole-system tests against
build/dist/flinc.
Prints a line for each failing test with the file that has its output, and last
  N passed, N failed[, N skipped]

  --kind K     only this build: release (with checks and system tests) or asan (with fuzz targets)
  --only TEXT  only tests whose id contains TEXT (ids are as in the lines of failing tests,
               such as release/common_base/error or tools/check_floors)
  -j N         tests at a time (default: all cores)
END
}

fail() {
    echo "test: $*" >&2
    exit 2
}

kinds=(release asan) only= jobs=$(nproc)
while [ $# -gt 0 ]; do
    case $1 in
    --kind | --only | -j)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
        --kind) kinds=("$2") ;;
        --only) only=$2 ;;
        -j) jobs=$2 ;;
        esac
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
case ${kinds[0]} in
release | asan) ;;
*) fail "unknown kind '${kinds[0]}' (release, asan)" ;;
esac

scripts/deps.sh --test
# Debian's own python has the test packages; another one first in PATH may not.
python=/usr/bin/python3

started=$SECONDS
out=$PWD/build/test
logs=$out/logs
results=$out/results
rm -rf "$out"
mkdir -p "$logs"
: >"$results"

selected() {
    case $1 in
    *"$only"*) return 0 ;;
    *) return 1 ;;
    esac
}

# step ID COMMAND...: runs it as one test; its output is kept in a log.  What was not selected but is
# needed (a build) counts only when it fails.
step() {
    local id=$1 log rc=0
    log=$logs/$(tr -c '[:alnum:]._\n' - <<<"$id").log
    shift
    "$@" >"$log" 2>&1 || rc=$?
    case $rc in
    0) ! selected "$id" || record "PASS	$id" ;;
    77) record "SKIP	$id" ;;
    *) record "FAIL	$id	$log" ;;
    esac
    return $rc
}

# Notes results, and shows failures at once: first what was asserted, then the end of the log.
record() {
    printf '%s\n' "$1" >>"$results"
    awk -F'\t' '$1 == "FAIL" {
        print "FAIL " $2 "  (" $3 ")"
        system("grep -E \"^(E |>|\\[ +(ERROR|LINE) |.*(ERROR: |runtime error:))\" \"" $3 "\" | head -n 12 | cut -c1-300")
        system("echo ...; tail -n 40 \"" $3 "\" | cut -c1-300")
    }' <<<"$1"
}

# collect meson|pytest FILE PREFIX LOG: records the results that a run left in FILE; a run that left none
# is itself a failure.
collect() {
    local found
    if [ -s "$2" ]; then
        found=$("$python" tools/collect_results "$1" "$2" --prefix "$3" --logs "$logs" |
            awk -F'\t' -v only="$only" 'index($2, only)')
        [ -z "$found" ] || record "$found"
    else
        record "FAIL	$3/$1	$4"
    fi
}

run_meson() {
    local kind=$1 dir=$2 log=$logs/meson-$1.log names
    shift 2
    mapfile -t names < <(meson introspect --tests "$dir" | jq -r --arg only "$only" --arg kind "$kind" \
        '.[] | select("\($kind)/\(.suite[0] | split(":")[-1])/\(.name)" | contains($only)) | .name' | sort -u)
    [ ${#names[@]} -gt 0 ] || return 0
    rm -f "$dir/meson-logs/testlog.json"
    # Time limits are for tests that hang; a loaded machine gets more.
    meson test -C "$dir" --no-rebuild --num-processes "$jobs" --timeout-multiplier 3 "$@" \
        "${names[@]}" >"$log" 2>&1 || true
    grep -q 'No suitable tests' "$log" || collect meson "$dir/meson-logs/testlog.json" "$kind" "$log"
}

# Prints what pytest is to run of tests/NAME: the folder, or the cases that were selected.
pytest_ids() {
    compgen -G "tests/$1/test_*.py" >/dev/null || return 0
    if selected "$1/"; then
        echo "tests/$1"
    else
        "$python" -m pytest -q --collect-only -p no:cacheprovider "tests/$1" 2>/dev/null |
            awk -v only="$only" -v folder="tests/$1/" 'index($0, "::") {
                id = substr($0, index($0, folder) + length("tests/"))
                sub(/\.py::/, "::", id)
                if (index(id, only)) { print }
            }'
    fi
}

run_pytest() {
    local name=$1 ids
    mapfile -t ids < <(pytest_ids "$name")
    [ ${#ids[@]} -gt 0 ] || return 0
    FLINC_HOME=$PWD/build/dist/flinc "$python" -m pytest -q -p no:cacheprovider -n "$jobs" \
        --basetemp="$out/tmp-$name" --junitxml="$out/$name.xml" "${ids[@]}" \
        >"$logs/pytest-$name.log" 2>&1 || true
    collect pytest "$out/$name.xml" "$name" "$logs/pytest-$name.log"
}

for kind in "${kinds[@]}"; do
    echo "test: building $kind"
    # One build by each compiler, so that both have seen every file.
    case $kind in
    release) dir=build/release build=(release) ;;
    asan) dir=build/asan-clang build=(asan --compiler clang) ;;
    esac
    if ! step "$kind/build" scripts/build.sh "${build[@]}" --quiet; then
        cat "$logs/$kind-build.log"
        continue
    fi
    echo "test: running the $kind tests"
    # Fuzz targets tell more under the sanitizers: there only.
    if [ "$kind" = asan ]; then
        run_meson "$kind" "$dir"
    else
        run_meson "$kind" "$dir" --no-suite fuzz
    fi
done

if [ "${kinds[0]}" = release ]; then
    echo "test: running the checks and the system tests"
    for check in tools/check_*; do
        selected "$check" && { step "$check" "$check" || true; }
    done
    run_pytest tools
    # A distribution is made of the client; without it there is no whole system to test.
    if [ -f client/cli/main.c ] && { selected release/dist || [ -n "$(pytest_ids system)" ]; } &&
        step release/dist scripts/dist.sh; then
        run_pytest system
    fi
fi

passed=$(grep -c '^PASS' "$results" || true)
failed=$(grep -c '^FAIL' "$results" || true)
skipped=$(grep -c '^SKIP' "$results" || true)
echo "test: $((SECONDS - started)) s"
printf '%s passed, %s failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %s skipped' "$skipped"
echo
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
