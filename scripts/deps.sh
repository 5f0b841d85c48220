#!/usr/bin/env bash
# Installs the Debian 12 packages that are missing: those for building Flinc, with --test also those
# for its tests.  Nothing else is installed.  Silent when everything is there.
set -euo pipefail

build_packages=(
    meson ninja-build pkgconf gcc libc6-dev ccache mold
    libcmocka-dev libjansson-dev libyaml-dev libprotobuf-c-dev protobuf-c-compiler
    libzstd-dev zlib1g-dev libbz2-dev liblzma-dev libxxhash-dev liblz4-dev libssl-dev
    libgrpc-dev libmicrohttpd-dev libcurl4-openssl-dev curl libexpat1-dev librocksdb-dev libzookeeper-mt-dev libpcre2-dev libedit-dev
)
test_packages=(
    g++ clang clang-format llvm libclang-rt-14-dev
    python3 python3-pytest python3-pytest-xdist python3-yaml
    git jq zstd gzip procps util-linux iproute2
    prometheus openssh-server openssh-client docker-compose openssl python3-swift
    openjdk-17-jre-headless maven krb5-kdc krb5-admin-server krb5-user
)

usage() {
    cat <<END
usage: scripts/deps.sh [--test] [--list]

Installs missing Debian 12 packages with apt-get (as root, or by sudo).
  --test   also what the tests need
  --list   print the package names, install nothing
END
}

fail() {
    printf 'deps: %s\n' "$@" >&2
    exit 1
}

packages=("${build_packages[@]}")
list_only=0
for arg in "$@"; do
    case $arg in
    --test) packages+=("${test_packages[@]}") ;;
    --list) list_only=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "unknown argument '$arg'"
        ;;
    esac
done
if [ $list_only = 1 ]; then
    printf '%s\n' "${packages[@]}"
    exit 0
fi

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this is not a Debian system; install the equivalents of: ${packages[*]}"

# Prints those of "$@" that are not installed.
missing_of() {
    local installed package
    # It fails for names that it never heard of: those are missing too.
    installed=" $({ dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null || true; } |
        sed -n 's/^ii //p' | tr '\n' ' ')"
    for package in "$@"; do
        case $installed in
        *" $package "*) ;;
        *) printf '%s\n' "$package" ;;
        esac
    done
}

mapfile -t missing < <(missing_of "${packages[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        fail "missing packages, and this is neither root nor is there sudo: ${missing[*]}" \
            "as root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    as_root=(sudo)
    # Without a terminal nobody could type a password: fail at once instead of waiting for one.
    [ -t 0 ] || as_root=(sudo -n)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Debian's own words are shown only when something went wrong.
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" \
        >>"$log" 2>&1
}

echo "deps: updating the package lists"
# A mirror that cannot be reached may still leave usable lists: the install decides.
apt update || echo "deps: the package lists could not be updated, trying with what is there"
echo "deps: installing ${missing[*]}"
if ! apt install --no-install-recommends "${missing[@]}"; then
    tail -n 15 "$log" >&2
    why="apt-get failed (its last lines are above)"
    if grep -qE 'Could not resolve|Temporary failure|Could not connect|Unable to connect|Network is unreachable|Unable to locate package|no installation candidate' "$log"; then
        why="the package mirror could not be reached (is there a network? see /etc/apt/sources.list)"
    elif grep -qE 'a password is required|not in the sudoers' "$log"; then
        why="sudo refused"
    fi
    fail "$why" "still missing: $(missing_of "${packages[@]}" | tr '\n' ' ')" \
        "as root: apt-get install --no-install-recommends ${missing[*]}"
fi
