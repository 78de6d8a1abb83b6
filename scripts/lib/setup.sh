# Sourced by the scripts: what they share. Installs what is missing, says what it does, never asks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '%s\n' "$*" >&2; }

# Debian's packages that building and testing needs; nothing of it is bundled.
PACKAGES="libmodbus-dev libsqlite3-dev libcurl4-openssl-dev libyaml-dev libmicrohttpd-dev openssl curl sqlite3"

need_packages() {
    local missing=() package
    for package in $PACKAGES "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "These Debian packages are missing, and there is no sudo: ${missing[*]}"; exit 1; }
        root=(sudo)
    fi
    say "Installing Debian packages: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

need_swift() {
    if ! command -v swift >/dev/null; then
        say "Swift is missing. parthe needs Swift 6.2 or newer:"
        say "  https://www.swift.org/install/linux (choose Debian 12), then put its usr/bin into PATH"
        exit 1
    fi
    local version
    version=$(swift --version 2>/dev/null | grep -oE 'Swift version [0-9]+\.[0-9]+' | grep -oE '[0-9.]+$')
    case "$version" in
        [0-5].*|6.0|6.1) say "Swift $version is too old: parthe needs 6.2 or newer (https://www.swift.org/install/linux)"; exit 1 ;;
    esac
}

# The flags of a release build: static Swift library, lld, relative relocations packed (needs glibc 2.36, Debian 12).
RELEASE_FLAGS="-c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker -z -Xlinker pack-relative-relocs -Xlinker -s"

# Builds the release programs and prints the folder they are in. Progress goes to standard error.
build_release() {
    say "Building (release; the first build takes some minutes) …"
    # shellcheck disable=SC2086
    swift build $RELEASE_FLAGS 2>&1 | sed -u -n -e 's/^\(\[[0-9]*\/[0-9]*\]\).*/\r\1 /p' -e '/error/p' -e '/warning/p' -e '/complete!/p' | tr '\n' ' ' >&2
    say ""
    # shellcheck disable=SC2086
    swift build $RELEASE_FLAGS --show-bin-path
}
