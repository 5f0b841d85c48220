#!/usr/bin/env bash
# Takes parts of a cluster away at random instants and looks whether jobs end right; tests/faults/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
    echo "usage: scripts/loss.sh [--rounds N] [--seed N] [--kind KIND]"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
esac
scripts/dist.sh
exec /usr/bin/python3 tests/faults/loss.py "$@"
