#!/usr/bin/env bash
# Rewrites conf/config.yaml in place.  Flink: config-parser-utils.sh.
USAGE="Usage: config-parser-utils.sh CONF_DIR BIN_DIR LIB_DIR [-Dkey=value] [-rmKey key] [-rmKV key=value] [-repKV key,old,new] [-flatten] [--print]"

if [ $# -lt 3 ]; then
    echo "$USAGE" >&2
    exit 1
fi
conf=$1 bin=$2
shift 3
exec "$bin/../libexec/flinc-configtool" "$conf" "$@"
