#!/usr/bin/env bash
# Configures (when needed) and builds one kind of build in build/<kind>.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/build.sh [release|debug|asan|tsan|fuzz] [--compiler gcc|clang] [options]

  release   -O3 for x86-64-v2 (default)
  debug     -O0 with debug information
  asan      AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      ThreadSanitizer
  fuzz      libFuzzer with ASan and UBSan, always by clang (scripts/fuzz.sh uses it)
Results are in build/<kind>; with clang in build/<kind>-clang.

  --compiler C   gcc (default) or clang
  --target T     build only this ninja target (may be repeated); 'product' is what a
                 distribution needs: library, flink, examples
  --quiet        one line; the compiler's output only when the build fails
  -j N           parallel jobs (default: all cores)
END
}

fail() {
    echo "build: $*" >&2
    exit 2
}

kind=release compiler=gcc quiet=0 jobs=$(nproc) targets=()
while [ $# -gt 0 ]; do
    case $1 in
    release | debug | asan | tsan | fuzz) kind=$1 ;;
    --compiler | --target | -j)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
        --compiler) compiler=$2 ;;
        --target) targets+=("$2") ;;
        -j) jobs=$2 ;;
        esac
        shift
        ;;
    -j[0-9]*) jobs=${1#-j} ;;
    --quiet) quiet=1 ;;
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

[ "$kind" != fuzz ] || compiler=clang
case $kind-$compiler in
fuzz-clang) dir=build/fuzz ;;
*-gcc) dir=build/$kind ;;
*-clang) dir=build/$kind-clang ;;
*) fail "unknown compiler '$compiler' (gcc, clang)" ;;
esac
for tool in meson ninja "$compiler"; do
    command -v "$tool" >/dev/null || fail "no $tool here; scripts/deps.sh$([ "$compiler" = clang ] && echo ' --test') installs it"
done

# gcc's flow analysis sees "maybe uninitialized" where the sanitizers rewrote the code.
sanitized=
[ "$compiler" != gcc ] || sanitized=' -Wno-maybe-uninitialized'
case $kind in
release) setup=(--buildtype=release) ;;
debug) setup=(--buildtype=debug) ;;
asan) setup=(--buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
    "-Dc_args=-fno-sanitize-recover=undefined$sanitized") ;;
tsan) setup=(--buildtype=debug -Doptimization=1 -Db_sanitize=thread -Db_lundef=false
    "-Dc_args=${sanitized# }") ;;
fuzz) setup=(--buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
    -Dlibfuzzer=true '-Dc_args=-fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link') ;;
esac
cc=$compiler
if command -v ccache >/dev/null; then
    cc="ccache $compiler"
fi

# Two hundred test programs are linked anew with each change of a low room: mold takes a tenth of ld's time.
if command -v mold >/dev/null; then
    export CC_LD=mold
fi

mkdir -p "$dir"
log=$dir/build.log
: >"$log"

# Runs a command; with --quiet its output goes to the log, which is shown when it fails.
run() {
    if [ $quiet = 0 ]; then
        "$@"
    elif ! "$@" >>"$log" 2>&1; then
        echo "build: $dir failed:" >&2
        sed -n 's/\x1b\[[0-9;]*[mK]//g; /FAILED:\|ERROR:/,$p' "$log" | head -n 60 >&2
        echo "build: the whole output is in $log" >&2
        return 1
    fi
}

# A folder configured otherwise, or for another place, is set up anew; sources that meson discovers
# by listing folders need a new configuration when the listing changes.
configured="$PWD | $cc | ${CC_LD:-ld} | ${setup[*]}"
discovered=$(ls -d tests/fuzz/fuzz_*.c examples/*/*.c bench/*.c bench/*/*.c 2>/dev/null || true)
if [ ! -f "$dir/build.ninja" ]; then
    rm -rf "$dir/meson-private" "$dir/meson-info"
    CC=$cc run meson setup "$dir" "${setup[@]}"
elif [ "$(cat "$dir/.configured" 2>/dev/null)" != "$configured" ]; then
    rm -rf "$dir/meson-private" "$dir/meson-info" "$dir/build.ninja"
    CC=$cc run meson setup "$dir" "${setup[@]}"
elif [ "$(cat "$dir/.discovered" 2>/dev/null)" != "$discovered" ]; then
    run meson setup --reconfigure "$dir"
fi
printf '%s\n' "$configured" >"$dir/.configured"
printf '%s\n' "$discovered" >"$dir/.discovered"

run ninja -C "$dir" -j "$jobs" "${targets[@]}"

echo "build: $kind ($compiler) is in $dir"
if [ $quiet = 0 ]; then
    for result in "$dir/bin/flink" "$dir/lib/libflinc.so.0"; do
        [ ! -e "$result" ] || echo "       $result"
    done
    examples=$(find "$dir/examples" -maxdepth 1 -name '*.so' 2>/dev/null | sort | tr '\n' ' ')
    [ -z "$examples" ] || echo "       $examples"
fi
