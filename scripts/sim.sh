#!/usr/bin/env bash
# Runs the simulation of tests/sim: whole clusters in one process under random faults.  A run that fails prints
# its seed and the command that repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/sim.sh [--rounds N] [--seed S] [--kind release|debug|asan] [--cluster single|ha] [--verbose]

  --rounds N   seeds to run (default 200)
  --seed S     the first one (default 1)
  --kind K     the build to use (default release); it is made when it is not there
  --cluster C  only clusters with one job manager (single), or with high availability (ha); default: one of each
  --verbose    the log of everybody
END
}

kind=release args=()
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --seed | --cluster | --kind)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        if [ "$1" = --kind ]; then kind=$2; else args+=("$1" "$2"); fi
        shift
        ;;
    --verbose) args+=("$1") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        echo "sim: unknown argument '$1'" >&2
        exit 2
        ;;
    esac
    shift
done
scripts/build.sh "$kind" --quiet --target tests/sim/sim
exec "build/$kind/tests/sim/sim" "${args[@]}"
