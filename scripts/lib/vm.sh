# Sourced after debian.sh: a small virtual machine whose stock Debian kernel has gpio-sim, simulated GPIO chips.
#
# qemu emulates it (no KVM), from a file system in memory: no disk, no network, nothing to be root for. Its console is
# on virtio, so that the first serial port is free for Modbus RTU. ARCH is amd64 or arm64.

VM_PACKAGES="cpio xz-utils binutils"
case $ARCH in
    amd64) VM_PACKAGES+=" qemu-system-x86" VM_KERNEL=amd64 ;;
    # Without ipxe-qemu the arm64 machine finds no ROM for a card that it does not have, and does not start.
    arm64) VM_PACKAGES+=" qemu-system-arm ipxe-qemu qemu-user-static" VM_KERNEL=cloud-arm64 ;;
    *) say "ARCH is amd64 or arm64, not '$ARCH'"; exit 64 ;;
esac
VM=$CACHE/vm-$ARCH
# The kernels of Debian 12 and 13 have no gpio-sim, those of sid from 7.2 on have it.
VM_SUITE=sid
# What a guest needs of the kernel's modules, by its purpose; a script sets VM_PURPOSE. Disks are for amd64 only.
declare -A VM_MODULES=([gpio]="configfs gpio-sim")
if [ "$ARCH" = amd64 ]; then VM_MODULES[disk]="virtio_blk ext4"; fi
VM_PURPOSE=gpio

# Kernel, modules and busybox, once.
vm_prepare() {
    local package purpose name
    [ -e "$VM/ready" ] && [ -e "$VM/modules/$VM_PURPOSE" ] && return
    step "Fetching a kernel with gpio-sim for $ARCH …"
    rm -rf "$VM"
    for purpose in "${!VM_MODULES[@]}"; do mkdir -p "$VM/modules/$purpose"; done
    package=$(debian_newest "$VM_SUITE" "$ARCH" "linux-binary-[0-9.]+\+deb[0-9]+-$VM_KERNEL" || true)
    [ -n "$package" ] || skip "Debian $VM_SUITE has no kernel for $VM_KERNEL."
    debian_unpack "$VM_SUITE" "$ARCH" "$VM/kernel" "$package" '*/vmlinuz*'
    find "$VM/kernel" -name 'vmlinuz*' -exec mv {} "$VM/vmlinuz" \;
    debian_unpack "$VM_SUITE" "$ARCH" "$VM/kernel" "${package/binary/modules}" '*.ko.xz'
    for purpose in "${!VM_MODULES[@]}"; do
        for name in ${VM_MODULES[$purpose]}; do vm_module "$VM/modules/$purpose" "$name"; done
    done
    rm -rf "$VM/kernel"
    debian_unpack trixie "$ARCH" "$VM/busybox" busybox-static './usr/bin/busybox'
    mv "$VM/busybox/usr/bin/busybox" "$VM/init-busybox"
    rm -rf "$VM/busybox"
    echo "${package#linux-binary-}" >"$VM/ready"
    step
}

# vm_module FOLDER NAME: takes a module and those it needs, numbered in the order in which they are to be loaded.
vm_module() {
    local folder=$1 name=$2 file other count
    [ -z "$(find "$folder" -name "*-$name.ko")" ] || return 0
    file=$(find "$VM/kernel" -name "$name.ko.xz" -o -name "${name//-/_}.ko.xz" | sed -n 1p)
    [ -n "$file" ] || skip "the kernel of Debian $VM_SUITE has no module $name any more."
    xz -dc "$file" >"$VM/kernel/module.ko"
    for other in $(vm_module_says "$VM/kernel/module.ko" | sed -n 's/^depends=//p' | tr "," " "); do
        vm_module "$folder" "$other"
    done
    count=$(find "$folder" -name '*.ko' | wc -l)
    xz -dc "$file" >"$folder/$((count + 10))-$name.ko"
}

# What a module says of itself.
vm_module_says() { readelf -p .modinfo "$1" | sed -n 's/^ *\[ *[0-9a-f]*\] *//p'; }

# vm_libraries ROOT PROGRAM…: copies the shared libraries of programs to ROOT/lib, and theirs.
vm_libraries() {
    local root=$1 base triple loader folder name found todo=() seen=" "
    shift
    case $ARCH in
        amd64) base='' triple=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
        arm64) base=$ARM64/sysroot triple=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
    esac
    todo=("$@")
    set -- "$loader"
    while [ $# -gt 0 ] || [ ${#todo[@]} -gt 0 ]; do
        if [ $# -eq 0 ]; then
            # shellcheck disable=SC2046
            set -- $(readelf -d "${todo[0]}" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
            todo=("${todo[@]:1}")
            continue
        fi
        name=$1
        shift
        case $seen in *" $name "*) continue ;; esac
        seen+="$name "
        found=
        for folder in usr/lib/$triple lib/$triple lib64 lib usr/lib; do
            if [ -e "$base/$folder/$name" ]; then found=$base/$folder/$name; break; fi
        done
        [ -n "$found" ] || { say "The library $name is missing in ${base:-/}."; exit 1; }
        cp -L "$found" "$root/lib/$name"
        todo+=("$found")
    done
}

# vm_root ROOT PROGRAM…: the guest's file system, with programs in /parthe. scripts/gpio.d/init is its first process.
vm_root() {
    local root=$1
    shift
    mkdir -p "$root"/{bin,dev,etc,lib,modules,out,parthe,proc,sys,tmp,usr,run,var}
    ln -s lib "$root/lib64"
    ln -s ../lib "$root/usr/lib"
    cp "$VM/init-busybox" "$root/bin/busybox"
    cp "$VM/modules/$VM_PURPOSE"/*.ko "$root/modules/"
    cp scripts/gpio.d/init "$root/init"
    chmod +x "$root/init"
    cp "$@" "$root/parthe/"
    vm_libraries "$root" "$@"
}

# vm_run ROOT OUT SECONDS [PORT [ARGUMENTS…]]: boots ROOT, shows its console, and returns the guest's exit status; 124
# when it did not end in time, 125 when it died without a word. What the guest puts in /out is in OUT afterwards. Its
# first serial port is this machine's PORT; qemu gets the ARGUMENTS as well.
vm_run() {
    local root=$1 out=$2 limit=$3 port=${4:-} qemu serial=(-serial null) status=0 answer
    mkdir -p "$out"
    (cd "$root" && find . | cpio --quiet -o -H newc) >"$out/guest.cpio"
    if [ -n "$port" ]; then serial=(-chardev "serial,id=uart,path=$port" -serial chardev:uart); fi
    case $ARCH in
        amd64) qemu=(qemu-system-x86_64 -M q35 -cpu max) ;;
        arm64) qemu=(qemu-system-aarch64 -M 'virt,gic-version=2' -cpu cortex-a53) ;;
    esac
    # One processor: with two, the host may let one of them wait for milliseconds in the middle of an interrupt, as no
    # board does, and the kernel then takes two edges for one. For the same reason the machine's clock goes with its
    # instructions (icount), not with the host's: whatever else the host does, an interrupt takes the guest no longer.
    timeout -k 5 "$limit" "${qemu[@]}" -smp 1 -icount shift=4 -m 640 -accel tcg,tb-size=256 -nodefaults -no-reboot -display none \
        -kernel "$VM/vmlinuz" -initrd "$out/guest.cpio" \
        -append "console=hvc0 quiet loglevel=4 panic=-1 rdinit=/init random.trust_bootloader=on random.trust_cpu=on" \
        "${serial[@]}" -device virtio-serial-pci -chardev stdio,id=console,signal=off -device virtconsole,chardev=console \
        -chardev "file,id=out,path=$out/out.tar" -device virtserialport,chardev=out,name=out "${@:5}" \
        </dev/null > >(sed -u 's,\r$,,' | tee "$out/console" | grep --line-buffered -v '^@@') &
    VM_PID=$!
    wait "$VM_PID" || status=$?
    VM_PID=
    rm -f "$out/guest.cpio"
    # What it said last may still be on its way through the pipe.
    if [ "$status" -eq 0 ]; then
        for _ in $(seq 50); do
            if grep -q '^@@EXIT' "$out/console"; then break; fi
            sleep 0.1
        done
    fi
    if [ -s "$out/out.tar" ]; then tar -C "$out" -xf "$out/out.tar" 2>/dev/null || true; fi
    rm -f "$out/out.tar"
    answer=$(sed -n 's/^@@EXIT \([0-9]*\)$/\1/p' "$out/console" | tail -1)
    if [ -n "$answer" ]; then return "$answer"; fi
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        say "The virtual machine did not end within $limit s."
        return 124
    fi
    say "The virtual machine ended without a word (qemu: $status)."
    return 125
}

# Ends a machine that still runs. For traps.
vm_end() {
    if [ -n "${VM_PID:-}" ]; then
        kill "$VM_PID" 2>/dev/null || true
        wait "$VM_PID" 2>/dev/null || true
        VM_PID=
    fi
}
