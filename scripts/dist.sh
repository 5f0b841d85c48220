#!/usr/bin/env bash
# Makes a distribution: a folder that can be moved anywhere, laid out as Flink's.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/dist.sh [DIR]

Builds the release and makes a relocatable distribution in DIR (default: build/dist/flinc):
  bin conf lib libexec plugins examples log opt usrlib include LICENSE README.txt VERSION
A distribution that is already in DIR is replaced, with all that lies in it; any other folder that
is not empty is refused.
END
}

fail() {
    echo "dist: $*" >&2
    exit 1
}

dir=build/dist/flinc
case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
-*)
    usage >&2
    fail "unknown option '$1'"
    ;;
?*) dir=$1 ;;
esac
[ $# -le 1 ] || fail "one folder, not $#"

build=build/release
[ -f client/cli/main.c ] || fail "client/cli is not in this tree: no bin/flink, no distribution"
if [ -e "$dir" ] && [ -n "$(ls -A "$dir" 2>/dev/null)" ] && [ ! -f "$dir/lib/libflinc.so.0" ]; then
    fail "$dir is not empty and no distribution of Flinc: give another folder, or empty it"
fi

scripts/build.sh release --quiet --target product

mkdir -p "$(dirname "$dir")" 2>/dev/null || fail "cannot make $(dirname "$dir")"
# Made beside its place and moved there, so that a half-made one is never seen.
new=$(mktemp -d "$dir.new-XXXXXX") || fail "cannot write in $(dirname "$dir")"
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
mkdir "$new"/{bin,conf,lib,libexec,plugins,examples,log,opt,usrlib,include}

install -m 755 "$build/bin/flink" bin/flinc-config bin/*.sh "$new/bin"
install -m 755 bin/flinc-zookeeper "$new/libexec"
for program in "$build"/libexec/flinc-*; do
    # Only programs: the build folder has others beside them.
    if [ -f "$program" ] && [ -x "$program" ]; then
        install -m 755 "$program" "$new/libexec"
        strip --strip-all "$new/libexec/$(basename "$program")"
    fi
done
find "$build/lib" -maxdepth 1 -name 'libflinc.so*' ! -type d -exec cp -P -t "$new/lib" {} +
strip --strip-all "$new/bin/flink"
strip --strip-unneeded "$new"/lib/libflinc.so.*.*
cp -r include/flinc "$new/include"
install -m 644 conf/config.yaml conf/masters conf/workers conf/zoo.cfg conf/*.properties "$new/conf"
for folder in examples/*/; do
    name=$(basename "$folder")
    cp -r "$folder" "$new/examples/$name"
done
for bundle in "$build"/examples/*.so; do
    install -m 755 "$bundle" "$new/examples"
    # Function references are offsets guarded by the build id: neither is touched by this.
    strip --strip-unneeded "$new/examples/$(basename "$bundle")"
done
install -m 644 LICENSE VERSION "$new"
install -m 644 bin/README.txt "$new/README.txt"

rm -rf "$dir"
mv "$new" "$dir"
trap - EXIT
echo "dist: $dir ($(du -sh "$dir" | cut -f1))"
