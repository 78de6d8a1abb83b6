# Sourced by the scripts: what they share. Installs what is missing, says what it does, never asks.
set -euo pipefail
# What fails inside $(…) fails as well.
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '%s\n' "$*" >&2; }

# Debian's packages that building and testing needs; nothing of it is bundled.
PACKAGES="libmodbus-dev libgpiod-dev libsqlite3-dev libcurl4-openssl-dev libyaml-dev libmicrohttpd-dev openssl curl sqlite3"

need_packages() {
    local missing=() package
    for package in $PACKAGES "$@"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) == *'ok installed'* ]] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "These Debian packages are missing, and there is no sudo: ${missing[*]}"; exit 1; }
        root=(sudo)
    fi
    say "Installing Debian packages: ${missing[*]}"
    # Another apt may be at work; a mirror may fail once.
    local patience=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    "${root[@]}" apt-get "${patience[@]}" update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get "${patience[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
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

# The flags of a release build, for every architecture. What each of them takes off the program was measured by leaving
# out that one alone, on x86-64 with Swift 6.3.1.
RELEASE_FLAGS="-c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker -s"
# Relative relocations packed (needs glibc 2.36, Debian 12): 1.12 MB.
RELEASE_FLAGS+=" -Xlinker -z -Xlinker pack-relative-relocs"
# No list of names for plugins, which Swift's own linker arguments ask for and nobody here loads: 0.63 MB.
RELEASE_FLAGS+=" -Xlinker --no-export-dynamic"
# Each function in a section of its own, so that the linker can leave out those that nothing calls: 0.21 MB.
RELEASE_FLAGS+=" -Xswiftc -Xfrontend -Xswiftc -function-sections"
# Size before speed: 0.97 MB. It costs a tenth of the CPU time of a lease, and nothing that was seen elsewhere.
RELEASE_FLAGS+=" -Xswiftc -Osize"
# Functions with the same code are one; nothing here compares their addresses: 0.38 MB.
RELEASE_FLAGS+=" -Xlinker --icf=all"
# No unwind tables: 2.32 MB. Swift's errors are ordinary returns, nothing here catches a C++ exception (there is no
# .gcc_except_table), and debuggers go by the frame pointers, which Swift keeps.
RELEASE_FLAGS+=" -Xlinker -T -Xlinker scripts/lib/no-unwind-tables.ld"

# Builds the release programs and prints the folder they are in. Progress goes to standard error.
build_release() {
    say "Building parthe (the first build takes some minutes) …"
    local output
    output=$(mktemp)
    # shellcheck disable=SC2086
    if ! swift build $RELEASE_FLAGS 2>&1 | tee "$output" | show_progress; then
        grep -E 'error' "$output" >&2 || cat "$output" >&2
        rm -f "$output"
        exit 1
    fi
    rm -f "$output"
    # shellcheck disable=SC2086
    swift build $RELEASE_FLAGS --show-bin-path
}

# Reads what swift build prints: a counter in one line on a terminal, a line every hundred steps elsewhere.
show_progress() {
    local line last=0 step
    while IFS= read -r line; do
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        step=${BASH_REMATCH[1]}
        if [ -t 2 ]; then
            printf '\r  %s of %s   ' "$step" "${BASH_REMATCH[2]}" >&2
        elif [ $((step / 100)) -ne $((last / 100)) ]; then
            say "  $step of ${BASH_REMATCH[2]}"
        fi
        last=$step
    done
    if [ -t 2 ]; then printf '\r                    \r' >&2; fi
}
