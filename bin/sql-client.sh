#!/usr/bin/env bash
# The SQL shell: statements that are typed, of a file (-f) or of the command line (-e).
# sql-client.sh [embedded] [options]; sql-client.sh -h lists them.
bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
exec "$bin/flink" sql "$@"
