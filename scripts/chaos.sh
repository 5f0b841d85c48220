#!/usr/bin/env bash
# Self-checking jobs on clusters from which parts are taken away at random; tests/faults/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
program=chaos.py
case ${1:-} in
-h | --help)
    echo "usage: scripts/chaos.sh [--rounds N] [--seed N] [--records N] [--planted NAME|all]"
    echo "       scripts/chaos.sh --workload W1,W2|all --faults F1,F7|all [--rounds N] [--seed N] [--strikes N] [--minutes N]"
    echo "                        [--ha none|file|zookeeper|ensemble] [--storage local|s3] [--results FILE [--report FILE.md]]"
    echo "       scripts/chaos.sh --finalisation [--times N]"
    echo "       scripts/chaos.sh --leaks [--jobs N] [--checkpoints N] [--planted NAME]"
    sed -n '2s/^# //p' "$0"
    exit 0
    ;;
--leaks)
    program=leaks.py
    shift
    ;;
esac
case " $* " in
*" --workload"* | *" --faults"* | *" --finalisation"*) program=campaign.py ;;
esac
scripts/dist.sh
exec /usr/bin/python3 "tests/faults/$program" "$@"
