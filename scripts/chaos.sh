#!/usr/bin/env bash
# Self-checking jobs on clusters from which parts are taken away at random; tests/faults/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
    echo "usage: scripts/chaos.sh [--rounds N] [--seed N] [--records N] [--planted NAME]"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac
scripts/dist.sh
exec /usr/bin/python3 tests/faults/chaos.py "$@"
