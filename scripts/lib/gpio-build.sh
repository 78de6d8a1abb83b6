# Sourced after arm64.sh and vm.sh: the programs that run in the virtual machine, and the line at its serial port.

# Builds parthe and parthe-lab for $ARCH with libgpiod 2; prints the folder they are in.
gpio_build() {
    case $ARCH in
        arm64) arm64_build parthe parthe-lab ;;
        amd64) gpio_build_here ;;
    esac
}

# Debian 12 has libgpiod 1.6, which the machine's kernel does not understand: libgpiod 2 of Debian 13 is linked in. The
# ordinary build is left alone.
gpio_build_here() {
    local gpiod=$CACHE/gpiod2-amd64 product output flags
    [ "$(dpkg --print-architecture)" = amd64 ] || skip "this machine's Swift does not build for amd64; ARCH=arm64 does."
    need_swift
    need_packages
    if [ ! -e "$gpiod/ready" ]; then
        step "Fetching libgpiod 2 …"
        debian_unpack trixie amd64 "$gpiod" libgpiod-dev ./usr/include/gpiod.h './usr/lib/*/libgpiod.a'
        touch "$gpiod/ready"
        step
    fi
    flags="$RELEASE_FLAGS --scratch-path .build-gpio2 -Xcc -I$gpiod/usr/include"
    flags+=" -Xlinker -L$gpiod/usr/lib/x86_64-linux-gnu"
    output=$(mktemp)
    for product in parthe parthe-lab; do
        step "Building $product with libgpiod 2 …"
        # shellcheck disable=SC2086
        if ! swift build $flags --product "$product" 2>&1 | tee "$output" | show_progress; then
            grep -E 'error' "$output" >&2 || cat "$output" >&2
            rm -f "$output"
            exit 1
        fi
        step
    done
    rm -f "$output"
    # shellcheck disable=SC2086
    swift build $flags --show-bin-path
}

# gpio_line PROGRAMS FILE ARGUMENTS…: an emulated line; FILE gets its port. Replaces the process.
gpio_line() {
    local programs=$1 file=$2
    shift 2
    case $ARCH in
        amd64) exec "$programs/parthe-lab" line "$@" >"$file" ;;
        # The arm64 program runs here, too, under qemu's emulation of its processor.
        arm64) exec qemu-aarch64-static -L "$ARM64/sysroot" "$programs/parthe-lab" line "$@" >"$file" ;;
    esac
}
