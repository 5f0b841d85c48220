#!/usr/bin/env bash
# Builds the container image by podman or docker, says how large it is, and runs its entry point's help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/image.sh [--tag NAME] [--base IMAGE | --bootstrap]

  --tag NAME     the image's name (default: flinc:latest)
  --base IMAGE   what it is built on (default: debian:12-slim)
  --bootstrap    where no registry can be reached: makes the base from Debian's packages (debootstrap, as root)
Where containers cannot be run, steps of the build run in a chroot.
END
}

fail() {
    echo "image: $*" >&2
    exit 1
}

tag=flinc:latest base=debian:12-slim bootstrap=0
while [ $# -gt 0 ]; do
    case $1 in
    --tag | --base)
        [ $# -ge 2 ] || fail "$1 needs a value"
        if [ "$1" = --tag ]; then tag=$2; else base=$2; fi
        shift
        ;;
    --bootstrap) bootstrap=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "unknown argument '$1'"
        ;;
    esac
    shift
done

engine=$(command -v podman || command -v docker) || fail "there is neither podman nor docker: apt-get install podman"
options=()
case $engine in
*podman) options=(--isolation=chroot --network=host) ;;
esac

if [ $bootstrap = 1 ]; then
    command -v debootstrap >/dev/null || fail "there is no debootstrap: apt-get install debootstrap"
    base=localhost/flinc-debian:12-slim
    if ! "$engine" image inspect "$base" >/dev/null 2>&1; then
        root=$(mktemp -d)
        trap 'rm -rf "$root"' EXIT
        echo "image: making the base from Debian's packages"
        debootstrap --variant=minbase bookworm "$root/debian" >"$root/log" 2>&1 ||
            { tail -n 5 "$root/log" >&2; fail "debootstrap failed"; }
        rm -rf "$root"/debian/var/cache/apt/* "$root"/debian/var/lib/apt/lists/* "$root"/debian/usr/share/{doc,man,locale,info}
        tar -C "$root/debian" -c . | "$engine" import - "$base" >/dev/null
    fi
fi

"$engine" build ${options[@]+"${options[@]}"} --build-arg "BASE=$base" -f docker/Dockerfile -t "$tag" .
# Its programs run, as the user of the image: a step of a build can be run where a container cannot.
check=$(mktemp -d)
printf 'FROM %s\nRUN /docker-entrypoint.sh help && /docker-entrypoint.sh flink --version && for p in /opt/flink/libexec/*; do ! ldd $p | grep "not found"; done\n' \
    "$tag" >"$check/Dockerfile"
"$engine" build ${options[@]+"${options[@]}"} -f "$check/Dockerfile" -t "${tag%:*}:checked" "$check" >"$check/log" 2>&1 ||
    { tail -n 5 "$check/log" >&2; fail "the image's programs do not run"; }
"$engine" rmi "${tag%:*}:checked" >/dev/null
rm -rf "$check"
bytes=$("$engine" image inspect --format '{{.Size}}' "$tag")
echo "image: $tag has $((bytes / 1000000)) MB"
[ "$bytes" -lt 150000000 ] || fail "the image is larger than 150 MB"
