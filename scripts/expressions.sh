#!/usr/bin/env bash
# Random expressions against the reference interpreter of tests/expressions.  A case that fails prints its seed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/expressions.sh [--rounds N] [--seed S] [--jobs N] [--kind release|debug|asan] [--whole]

  --rounds N   cases, of two expressions each (default 10000)
  --seed S     the first one (default 1)
  --jobs N     processes at a time (default 1)
  --kind K     the build to use (default release); it is made when it is not there
  --whole      failing cases are not made smaller
END
}

kind=release args=()
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --seed | --jobs | --kind)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        if [ "$1" = --kind ]; then kind=$2; else args+=("$1" "$2"); fi
        shift
        ;;
    --whole) args+=("$1") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        echo "expressions: unknown argument '$1'" >&2
        exit 2
        ;;
    esac
    shift
done
scripts/build.sh "$kind" --quiet --target tests/expressions/expression_runner
exec /usr/bin/python3 tests/expressions/main.py --runner "build/$kind/tests/expressions/expression_runner" "${args[@]}"
