#!/usr/bin/env bash
# Fuzzes decoders with clang's libFuzzer, ASan and UBSan.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/fuzz.sh TARGET|all [--seconds N] [--list]

Runs tests/fuzz/fuzz_TARGET.c (or each of them) for N seconds (default 60), starting from
tests/fuzz/corpus/TARGET and from what earlier runs found (kept in build/fuzz/found/TARGET); those of SQL
start from the golden statements of tests/sql, too.  Tells how many edges of the program were seen.
An input that breaks a target is left in build/fuzz/crashes; give it to build/fuzz/tests/fuzz/fuzz_TARGET
to repeat it.
END
}

fail() {
    echo "fuzz: $*" >&2
    exit 2
}

target= seconds=60
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        [ $# -ge 2 ] || fail "--seconds needs a value"
        seconds=$2
        shift
        ;;
    --list)
        ls tests/fuzz/fuzz_*.c 2>/dev/null | sed 's|.*/fuzz_\(.*\)\.c|\1|'
        exit 0
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) usage >&2 && fail "unknown option '$1'" ;;
    *)
        [ -z "$target" ] || fail "one target, or all"
        target=$1
        ;;
    esac
    shift
done
[ -n "$target" ] || { usage >&2 && exit 2; }
case $seconds in
'' | *[!0-9]*) fail "--seconds: not a number: '$seconds'" ;;
esac

mapfile -t targets < <("$0" --list)
if [ "$target" != all ]; then
    printf '%s\n' "${targets[@]}" | grep -qxF -- "${target#fuzz_}" ||
        fail "no target '$target'; there are: ${targets[*]}"
    targets=("${target#fuzz_}")
fi
[ ${#targets[@]} -gt 0 ] || fail "no tests/fuzz/fuzz_*.c in this tree"

# edges LOG: those seen, of those that there are.
edges() {
    awk '{ for (i = 1; i < NF; i++) if ($i == "cov:" && $(i + 1) > seen) seen = $(i + 1) }
        /^INFO: Loaded [0-9]+ modules/ { all = substr($5, 2) }
        END { print seen + 0 " of " all }' "$1"
}

scripts/deps.sh --test
scripts/build.sh fuzz --compiler clang --quiet --target fuzz-targets

mkdir -p build/fuzz/crashes
failed=0
for name in "${targets[@]}"; do
    found=build/fuzz/found/$name
    mkdir -p "$found"
    corpus=("$found")
    [ ! -d "tests/fuzz/corpus/$name" ] || corpus+=("tests/fuzz/corpus/$name")
    case $name in
    sql_*) corpus+=(tests/sql/ddl tests/sql/plans tests/sql/queries) ;;
    esac
    log=build/fuzz/$name.log
    if "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" "${corpus[@]}" >"$log" 2>&1; then
        echo "fuzz: $name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, $(edges "$log") edges, fine"
    else
        failed=$((failed + 1))
        echo "fuzz: $name: FAILED ($log)"
        grep -E 'ERROR:|runtime error|SUMMARY|Test unit written' "$log" | head -n 5
    fi
done
exit $((failed > 0))
