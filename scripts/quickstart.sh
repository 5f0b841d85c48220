#!/usr/bin/env bash
# From a fresh clone on Debian 12 to the first job's result: installs what is missing, builds, makes a
# distribution, and counts the words of Debian's licence texts.
set -euo pipefail
cd "$(dirname "$0")/.."

flinc=build/dist/flinc
case ${1:-} in
-h | --help)
    echo "usage: scripts/quickstart.sh [DIR]"
    sed -n '2,3s/^# //p' "$0"
    echo "DIR is where the distribution goes (default: $flinc)."
    exit 0
    ;;
-*)
    echo "quickstart: unknown option '$1'" >&2
    exit 2
    ;;
?*) flinc=$1 ;;
esac

scripts/deps.sh
scripts/dist.sh "$flinc"

input=/usr/share/common-licenses
# Every Debian has them; elsewhere our own licence is text enough.
[ -d "$input" ] || input=LICENSE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command=("$flinc/bin/flink" run -t local "$flinc/examples/wordcount.so"
    --input "$input" --output "$work/counts" --execution-mode BATCH)
echo
echo "\$ ${command[*]}"
started=$(date +%s%N)
"${command[@]}"
took=$((($(date +%s%N) - started) / 1000000))

# Lines are (word,count), in as many files as there were subtasks.
find "$work/counts" -type f -exec cat {} + | sed 's/^(\(.*\),\([0-9]*\))$/\2 \1/' |
    sort -k1,1nr -k2,2 >"$work/sorted"
echo
echo "The 20 most frequent of $(wc -l <"$work/sorted") words in $input:"
head -n 20 "$work/sorted" | awk '{ printf "%8d  %s\n", $1, $2 }'
echo
echo "Took ${took} ms, from start to exit."
cat <<END

What to try next:
  $flinc/bin/flink run -t local $flinc/examples/wordcount.so --input FILE_OR_FOLDER -p 2
  $flinc/bin/flink info $flinc/examples/wordcount.so --input FILE_OR_FOLDER     the plan as JSON
  $flinc/bin/flink -h                                                           all commands
  examples/wordcount/wordcount.c                                                the job's source
END
