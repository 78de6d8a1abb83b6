# Sourced after debian.sh: cross-builds parthe for arm64 Debian 13, with Debian's own Swift.
#
# A compiler reads the modules of its own version only, and the arm64 library that apt can get is that of Debian's
# swiftlang. So the amd64 compiler of the same version runs in a folder of its own (chroot), with two folders beside it:
# Swift's arm64 library, and the C libraries of the target, unpacked and never run. About 5 GB in $CACHE.

ARM64_SUITE=trixie
ARM64_GCC=14
SWIFT_SUITE=sid
ARM64=$CACHE/arm64
ARM64_TRIPLE=aarch64-unknown-linux-gnu

# Makes a Debian in a folder: debian_folder SUITE FOLDER mmdebstrap's ARGUMENTS…
debian_folder() {
    local suite=$1 folder=$2
    shift 2
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    mmdebstrap --quiet --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' "$@" \
        "$suite" "$folder" "$(debian_mirror)" >&2 ||
        skip "a Debian $suite cannot be put together from $(debian_mirror)."
}

# The version of the compiler in $ARM64/compiler.
arm64_swift_version() { dpkg-query --admindir="$ARM64/compiler/var/lib/dpkg" -W -f '${Version}' swiftlang; }

arm64_compiler() {
    [ -e "$ARM64/compiler.ready" ] && return
    step "Fetching Debian's Swift compiler ($SWIFT_SUITE) …"
    debian_folder "$SWIFT_SUITE" "$ARM64/compiler" --variant=minbase \
        --include=swiftlang,git,ca-certificates,gcc,g++,libc6-dev,binutils
    touch "$ARM64/compiler.ready"
    step
}

arm64_runtime() {
    local version package
    version=$(arm64_swift_version)
    [ "$(cat "$ARM64/runtime.ready" 2>/dev/null)" = "$version" ] && return
    step "Fetching Swift's arm64 library $version …"
    rm -rf "$ARM64/runtime"
    for package in libswiftlang swiftlang; do
        debian_unpack "$SWIFT_SUITE" arm64 "$ARM64/runtime" "$package=$version" './usr/libexec/swift/lib/*' \
            --exclude='*/liblldb*' --exclude='*/lib/swift/host/*' --exclude='*.so.[0-9]*'
    done
    echo "$version" >"$ARM64/runtime.ready"
    step
}

arm64_sysroot() {
    local sysroot=$ARM64/sysroot packages stamp link target name
    packages=libc6-dev,libstdc++-$ARM64_GCC-dev,libgcc-$ARM64_GCC-dev,linux-libc-dev
    for name in $PACKAGES; do case $name in *-dev) packages+=,$name ;; esac; done
    stamp="2 $(arm64_swift_version) $packages"
    [ "$(cat "$ARM64/sysroot.ready" 2>/dev/null)" = "$stamp" ] && return
    step "Fetching the C libraries of Debian $ARM64_SUITE for arm64 …"
    debian_folder "$ARM64_SUITE" "$sysroot" --variant=extract --architectures=arm64 --include="$packages"
    if [ -d "$sysroot/lib" ] && [ ! -L "$sysroot/lib" ]; then
        cp -an "$sysroot/lib/." "$sysroot/usr/lib/"
        rm -rf "${sysroot:?}/lib"
    fi
    ln -sfn usr/lib "$sysroot/lib"
    # Only the libraries: programs that run here under qemu take files from this folder first, and its /dev is none.
    rm -rf "${sysroot:?}"/{boot,dev,etc,home,media,mnt,opt,proc,root,run,srv,sys,tmp,var}
    # A link such as libm.so -> /lib/… leads to this machine's own libraries; relative it stays inside.
    find "$sysroot/usr/lib" -xtype l -lname '/*' | while read -r link; do
        target=$(readlink "$link")
        if [ -e "$sysroot$target" ]; then
            ln -sfn "$(realpath -s --relative-to="$(dirname "$link")" "$sysroot$target")" "$link"
        fi
    done
    # The compiler looks for Swift's library in the sysroot, too.
    mkdir -p "$sysroot/usr/libexec"
    cp -al "$ARM64/runtime/usr/libexec/swift" "$sysroot/usr/libexec/swift"
    for name in swift swift_static clang; do ln -sfn "../libexec/swift/lib/$name" "$sysroot/usr/lib/$name"; done
    echo "$stamp" >"$ARM64/sysroot.ready"
    step
}

# Describes all that to SwiftPM, with the paths that it sees.
arm64_sdk() {
    local sdk=$ARM64/sdks/parthe-arm64.artifactbundle sysroot=/arm64/sysroot
    mkdir -p "$sdk/target"
    cat >"$sdk/info.json" <<JSON
{"schemaVersion": "1.0", "artifacts": {"parthe-arm64": {"type": "swiftSDK", "version": "1", "variants": [{"path": "target"}]}}}
JSON
    cat >"$sdk/target/swift-sdk.json" <<JSON
{"schemaVersion": "4.0", "targetTriples": {"$ARM64_TRIPLE": {
    "sdkRootPath": "$sysroot", "swiftResourcesPath": "$sysroot/usr/lib/swift",
    "swiftStaticResourcesPath": "$sysroot/usr/lib/swift_static", "toolsetPaths": ["toolset.json"]}}}
JSON
    cat >"$sdk/target/toolset.json" <<JSON
{"schemaVersion": "1.0", "swiftCompiler": {"extraCLIOptions": [
    "-use-ld=lld", "-Xclang-linker", "--gcc-install-dir=$sysroot/usr/lib/gcc/aarch64-linux-gnu/$ARM64_GCC"]}}
JSON
}

# arm64_build PRODUCT…: builds products for release; prints the folder they are in.
#
# The compiler's folders are mounted in a mount namespace of its own: they are gone with the process, however it ends.
arm64_build() {
    local product output
    [ "$(id -u)" -eq 0 ] || skip "cross-building needs root, for chroot: sudo $0"
    # A container may forbid what the compiler's folder needs.
    unshare --mount --propagation private mount -t proc proc /proc 2>/dev/null ||
        skip "this machine permits no mounts, which cross-building needs."
    # What is built already needs no more than the programs take.
    if [ ! -e "$ARM64/compiler.ready" ] && [ "$(df -k --output=avail "$CACHE" | tail -1)" -lt 6000000 ]; then
        skip "cross-building needs 6 GB of room in $CACHE."
    fi
    need_packages mmdebstrap || skip "mmdebstrap cannot be installed."
    mkdir -p "$ARM64/build"
    arm64_compiler
    arm64_runtime
    arm64_sysroot
    arm64_sdk
    output=$(mktemp)
    for product in "$@"; do
        step "Building $product for arm64 with Swift $(arm64_swift_version) …"
        # shellcheck disable=SC2086
        if ! arm64_swift build $RELEASE_FLAGS --swift-sdks-path /arm64/sdks --swift-sdk parthe-arm64 \
            --scratch-path /arm64/build --product "$product" 2>&1 |
            tee "$output" | show_progress; then
            grep -E 'error' "$output" >&2 || cat "$output" >&2
            rm -f "$output"
            exit 1
        fi
        step
    done
    rm -f "$output"
    echo "$ARM64/build/$ARM64_TRIPLE/release"
}

# swift, in the compiler's folder, on this checkout.
arm64_swift() {
    local mirror
    # Where git is told to take packages from a folder of this machine, the compiler has to see that folder.
    mirror=$(git config --get-regexp '^url\..*\.insteadof$' 2>/dev/null |
        sed -n 's#^url\.\(/[^ ]*\)\.insteadof https://github.com/.*#\1#p' | sed -n 1p)
    ROOT=$ARM64/compiler ARM64=$ARM64 SOURCE=$PWD MIRROR=$mirror unshare --mount --propagation private bash -c '
        set -e
        mount -t proc proc "$ROOT/proc"
        mount --rbind /dev "$ROOT/dev"
        mkdir -p "$ROOT/arm64" "$ROOT/source"
        mount --bind "$ARM64" "$ROOT/arm64"
        mount --bind "$SOURCE" "$ROOT/source"
        if [ -d "$MIRROR" ]; then mkdir -p "$ROOT$MIRROR"; mount --bind "$MIRROR" "$ROOT$MIRROR"; fi
        { cat /etc/gitconfig ~/.gitconfig 2>/dev/null || true; printf "[safe]\n directory = *\n"; } >"$ROOT/etc/gitconfig"
        cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
        command=$1
        shift
        exec chroot "$ROOT" env -i HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 \
            swift "$command" --package-path /source "$@"' _ "$@"
}
