#!/usr/bin/env bash
# Starts or stops a job manager for one job (application mode): the bundle lies in usrlib/.
USAGE="Usage: standalone-job.sh ((start|start-foreground))|stop [args]"

STARTSTOP=${1:-}
case $STARTSTOP in
start | start-foreground | stop | stop-all) ;;
-h | --help)
    cat <<END
$USAGE
args: -D key=value, several times, then
  --job-classname NAME      the bundle: its path, its file's name in usrlib/, or its job's name
                            (default: the only bundle in usrlib/)
  --job-id HEX              the job's id (default: 32 zeros)
  --jars PATH               the bundle's path
  --fromSavepoint PATH      not in this release
  --allowNonRestoredState
and the arguments of the job.
END
    exit 0
    ;;
*)
    echo "$USAGE" >&2
    exit 1
    ;;
esac
shift

bin=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
# What tells the program that it runs one job.
if [ "$STARTSTOP" = start ] || [ "$STARTSTOP" = start-foreground ]; then
    set -- --application "$@"
fi
if [ "$STARTSTOP" = start-foreground ]; then
    exec "$bin/flink-console.sh" standalonejob "$@"
fi
"$bin/flink-daemon.sh" "$STARTSTOP" standalonejob "$@"
