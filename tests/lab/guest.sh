#!/usr/bin/env bash
# guest.sh DIR: builds a tiny real Linux guest in DIR: vmlinuz (Debian's cloud kernel) and initrd.gz (busybox, the QEMU guest agent,
# DHCP on every interface, ACPI power button, a shell on the serial line and on the screen, the host name of a NoCloud seed).
# Without KVM its agent answers about four seconds after the start.
#
# Words on the kernel's command line:  console=ttyS0 quiet   what a test usually wants
#                                      dirty                 keep changing 16 MB of memory (a migration then has something to do)
#                                      deaf                  ignore the power button (shutting down gently has no effect)
# Debian on x86-64 with busybox-static and cpio. Kernel and agent are downloaded and unpacked here, not installed.
set -euo pipefail

MODULES="virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci net_failover failover virtio_net virtio_blk
  virtio_scsi virtio_console virtio_balloon evdev button isofs cdrom sr_mod scsi_mod scsi_common crc-t10dif crct10dif_common
  crc64-rocksoft crc64-rocksoft_generic crc64 t10-pi sd_mod libata ata_generic ata_piix rng-core virtio-rng"

main() {
  [ $# = 1 ] || { sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$0"; exit 2; }
  local tool
  for tool in apt-get dpkg cpio busybox; do
    command -v "$tool" >/dev/null || { echo "guest: missing: $tool" >&2; exit 1; }
  done
  mkdir -p "$1"
  cd "$1"
  unpack_packages
  build_tree
  (cd tree && find . | cpio --create --format newc --quiet | gzip -1) > initrd.gz
  cp unpacked/boot/vmlinuz-* vmlinuz
  rm -rf packages unpacked tree
}

unpack_packages() {
  local kernel package
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)/\1/p' | head -1)
  mkdir -p packages unpacked
  for package in "$kernel" qemu-guest-agent liburing2 libnuma1; do
    (cd packages && apt-get -qq -o APT::Sandbox::User=root download "$package")
  done
  for package in packages/*.deb; do dpkg -x "$package" unpacked; done
}

build_tree() {
  rm -rf tree
  mkdir -p tree/{bin,sbin,dev,proc,sys,run,tmp,root,mnt,etc/acpi/PWRF,lib64,lib/x86_64-linux-gnu,usr/sbin,var/run,var/log}
  cp "$(command -v busybox)" tree/bin/busybox
  add_modules
  add_agent
  add_passwords
  add_scripts
}

add_modules() {
  local version target module file
  version=$(basename unpacked/lib/modules/*)
  target=tree/lib/modules/$version
  mkdir -p "$target"
  for module in $MODULES; do
    file=$(find unpacked/lib/modules -name "$module.ko*" | head -1)
    case $file in
      '')    ;;                                  # built in, or not in this kernel
      *.xz)  xz -dc "$file" > "$target/$module.ko" ;;
      *.zst) zstd -qdc "$file" > "$target/$module.ko" ;;
      *)     cp "$file" "$target/" ;;
    esac
  done
  busybox depmod -b "$PWD/tree" "$version"
}

add_agent() {
  local library
  cp unpacked/usr/sbin/qemu-ga tree/usr/sbin/
  LD_LIBRARY_PATH=$PWD/unpacked/usr/lib/x86_64-linux-gnu ldd unpacked/usr/sbin/qemu-ga | awk '/=> \//{print $3}' |
    while read -r library; do cp -L "$library" tree/lib/x86_64-linux-gnu/; done
  cp -L /lib64/ld-linux-x86-64.so.2 tree/lib64/
}

# What the agent sets passwords with, which asks PAM.
add_passwords() {
  local library security=/usr/lib/x86_64-linux-gnu/security
  mkdir -p tree/lib/x86_64-linux-gnu/security tree/etc/pam.d
  cp /usr/sbin/chpasswd tree/usr/sbin/
  cp $security/pam_unix.so tree/lib/x86_64-linux-gnu/security/
  ldd /usr/sbin/chpasswd $security/pam_unix.so | awk '/=> \//{print $3}' | sort -u |
    while read -r library; do cp -L "$library" tree/lib/x86_64-linux-gnu/; done
  echo 'password required pam_unix.so sha512' > tree/etc/pam.d/chpasswd
  echo 'root::19000:0:99999:7:::' > tree/etc/shadow
}

add_scripts() {
  echo 'root:x:0:0:root:/root:/bin/sh' > tree/etc/passwd
  echo 'root:x:0:' > tree/etc/group
  echo tiny > tree/etc/hostname
  printf 'ID=tiny\nNAME="Tiny test guest"\nPRETTY_NAME="Tiny test guest 1"\nVERSION_ID=1\n' > tree/etc/os-release
  script tree/init <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
for name in init poweroff reboot halt getty acpid modprobe; do /bin/busybox ln -sf /bin/busybox /sbin/$name; done
exec /sbin/init
END
  cat > tree/etc/inittab <<'END'
::sysinit:/etc/start
ttyS0::respawn:/bin/getty -n -l /bin/sh -L 115200 ttyS0 vt100
tty1::respawn:/bin/getty -n -l /bin/sh 38400 tty1
::ctrlaltdel:/sbin/reboot
END
  # What the guest agent calls to shut down or reboot. It asks how this ended: init must not kill it first.
  script tree/sbin/shutdown <<'END'
#!/bin/sh
case "$*" in *-r*) deed=/sbin/reboot ;; *) deed=/sbin/poweroff ;; esac
(sleep 1; exec $deed) </dev/null >/dev/null 2>&1 &
END
  script tree/etc/acpi/PWRF/00000080 <<'END'
#!/bin/sh
grep -qw deaf /proc/cmdline || poweroff
END
  script tree/etc/on-lease <<'END'
#!/bin/sh
case $1 in bound|renew)
  ip addr flush dev $interface scope global
  ip addr add $ip/$mask dev $interface
  [ -z "$router" ] || ip route replace default via $router ;;
esac
END
  script tree/etc/start <<'END'
#!/bin/sh
export PATH=/bin:/sbin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts pts /dev/pts; mount -t tmpfs run /run
hostname -F /etc/hostname
for module in virtio_pci virtio_blk virtio_net virtio_console virtio_balloon evdev button; do modprobe $module 2>/dev/null; done
acpid -c /etc/acpi >/dev/null 2>&1
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ] &&
    qemu-ga --daemonize --method virtio-serial --path /dev/${port##*/} --pidfile /run/agent.pid --statedir /run
done
ip link set lo up
for interface in /sys/class/net/e*; do
  name=${interface##*/}
  ip link set $name up
  udhcpc -i $name -s /etc/on-lease -b -q -t 8 -T 1 -S >/dev/null 2>&1 &
done
( for module in virtio_scsi sd_mod sr_mod isofs ata_piix virtio-rng; do modprobe $module 2>/dev/null; done
  for device in /dev/sr0 /dev/vd?; do
    [ -b $device ] && mount -t iso9660 -o ro $device /mnt 2>/dev/null || continue
    name=$(sed -n 's/^local-hostname: *//p' /mnt/meta-data 2>/dev/null); [ -z "$name" ] || hostname $name
    umount /mnt
  done ) &
grep -qw dirty /proc/cmdline && ( while :; do dd if=/dev/urandom of=/tmp/dirt bs=1M count=16 2>/dev/null; done ) &
echo "READY $(cat /proc/uptime)" >/dev/ttyS0
END
}

script() { cat > "$1"; chmod +x "$1"; }

main "$@"
