#!/usr/bin/env bash
# Many generated requests to the REST server of a cluster of the distribution.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/abuse.sh [--rounds N] [--seed N]

Sends N generated requests (100,000) over every route, method and parameter to a running cluster, then spellings of
path traversal, malformed multipart, slow and many connections, large uploads (tests/system/test_rest_abuse.py).
\$FLINC_HOME is the distribution; build/dist/flinc by default (scripts/dist.sh makes it).
END
}

rounds=100000 seed=$RANDOM
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --seed)
        [ $# -ge 2 ] || { echo "abuse: $1 needs a value" >&2; exit 2; }
        case $1 in
        --rounds) rounds=$2 ;;
        --seed) seed=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
echo "abuse: $rounds requests, seed $seed"
FLINC_ABUSE_ROUNDS=$rounds FLINC_ABUSE_SEED=$seed exec python3 -m pytest -q tests/system/test_rest_abuse.py
