# Sourced after setup.sh: packages of other Debian suites and architectures, only unpacked, never installed.
#
# They come from the mirror that this machine's own apt uses. apt itself fetches them, into folders of its own: it checks
# the signature of the index and the checksum of each package. What is unpacked stays in $CACHE and is not fetched again.

CACHE=${PARTHE_CACHE:-$PWD/.build-vm}
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)

# The exit code of a script that could not do its work here, and said why. It never means that anything passed.
SKIPPED=77

skip() { say "SKIPPED: $*"; exit "$SKIPPED"; }

# Says what begins, and how long the step before took: `step`, or `step "Building …"`.
step() {
    if [ -n "${STEP_SINCE:-}" ]; then say "  $((SECONDS - STEP_SINCE)) s"; fi
    STEP_SINCE=
    if [ $# -gt 0 ]; then say "$*"; STEP_SINCE=$SECONDS; fi
}

# The mirror of Debian's main archive that this machine is set up with.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Component: main' | grep -v security | sed -n 1p)
    [ -n "$mirror" ] || skip "apt knows no Debian mirror here; run apt-get update first."
    echo "${mirror%/}"
}

# debian_apt SUITE ARCH apt-get|apt-cache ARGUMENTS…: apt as if this machine were of that suite and architecture.
# A mirror may be frozen, so that its index is past its date; the signature still has to be good.
debian_apt() {
    local suite=$1 arch=$2 program=$3 folder=$CACHE/apt/$1-$2
    shift 3
    mkdir -p "$folder"/{lists,cache/archives}/partial "$folder/none"
    touch "$folder/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" >"$folder/sources.list"
    "$program" -qq -o "Dir::State=$folder" -o "Dir::State::lists=$folder/lists" -o "Dir::State::status=$folder/status" \
        -o "Dir::Cache=$folder/cache" -o "Dir::Etc::SourceList=$folder/sources.list" -o "Dir::Etc::SourceParts=$folder/none" \
        -o Dir::Etc::Preferences=/dev/null -o "Dir::Etc::PreferencesParts=$folder/none" -o "APT::Architecture=$arch" \
        -o "APT::Architectures=$arch" -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false -o APT::Update::Error-Mode=any "$@"
}

# Reads the index of SUITE and ARCH anew, once in a run.
debian_update() {
    local mark=$CACHE/apt/$1-$2/read-by
    [ "$(cat "$mark" 2>/dev/null)" = "$$" ] && return
    debian_apt "$1" "$2" apt-get update >&2 || skip "the index of Debian $1 ($2) cannot be had from $(debian_mirror)."
    echo "$$" >"$mark"
}

# debian_newest SUITE ARCH PATTERN: the newest package whose whole name matches; nothing when there is none.
debian_newest() {
    debian_update "$1" "$2"
    debian_apt "$1" "$2" apt-cache pkgnames | grep -Ex "$3" | sort -V | tail -1
}

# debian_unpack SUITE ARCH FOLDER PACKAGE [PATTERN…]: unpacks what of a package matches (tar's patterns), or all of it.
debian_unpack() {
    local suite=$1 arch=$2 folder=$3 package=$4 work
    shift 4
    debian_update "$suite" "$arch"
    mkdir -p "$folder"
    work=$(mktemp -d "$CACHE/package.XXXXXX")
    if ! (cd "$work" && debian_apt "$suite" "$arch" apt-get download "$package" >&2); then
        rm -rf "$work"
        skip "Debian's package $package ($suite, $arch) cannot be had from $(debian_mirror)."
    fi
    if [ $# -gt 0 ]; then
        dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$folder" --wildcards "$@"
    else
        dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$folder"
    fi
    rm -rf "$work"
}
