#!/usr/bin/env bash
# A fleet for scale: libvirtd daemons that have only libvirt's test driver, each on a socket of its own. All clients of one daemon see
# the same machines, and events reach them. Fifty start in under a second and take 2.5 MB each. Root is needed.
#
#   fleet.sh up N     start N daemons, or as many more as are missing
#   fleet.sh down     end them all and remove the directory
#
# Daemon I is test+unix:///default?socket=$FLEET_DIR/I/libvirt-sock; its process id stands in $FLEET_DIR/I/pid.
set -euo pipefail

FLEET=${FLEET_DIR:-${TMPDIR:-/tmp}/webvirt-fleet}

main() {
  case ${1:-help} in
    up)   fleet_up "$2" ;;
    down) fleet_down ;;
    *)    sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$0"; exit 2 ;;
  esac
}

fleet_up() {
  local number drivers
  [[ $1 =~ ^[1-9][0-9]{0,2}$ ]] || fail "1 to 999 daemons, not '$1'"
  [ "$(id -u)" = 0 ] || fail "root is needed, to make namespaces"
  mkdir -p "$FLEET"
  chmod 0700 "$FLEET"
  touch "$FLEET/.webvirt-fleet"
  drivers=$(find /usr/lib* -type d -path '*libvirt/connection-driver' -print -quit)
  [ -n "$drivers" ] || fail "no libvirt here"
  for number in $(seq 1 "$1"); do
    runs "$number" || start "$number" "$drivers"
  done
  for number in $(seq 1 "$1"); do await "$number"; done
}

fleet_down() {
  [ -f "$FLEET/.webvirt-fleet" ] || return 0
  local file
  for file in "$FLEET"/*/pid; do
    # A frozen one would not hear anything gentler, and there is nothing to save.
    if runs "$(basename "$(dirname "$file")")"; then kill -9 "$(cat "$file")"; fi
  done
  rm -rf "$FLEET"
}

start() { # NUMBER DIRECTORY-OF-DRIVERS
  local number=$1 drivers=$2 dir=$FLEET/$1
  mkdir -p "$dir"
  cat > "$dir/conf" <<END
unix_sock_dir = "$dir"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
host_uuid = "$(printf 'f1ee0000-0000-4000-8000-%08x%04x' "$(printf %s "$FLEET" | cksum | cut -d ' ' -f 1)" "$number")"
min_workers = 1
max_workers = 4
prio_workers = 1
admin_min_workers = 1
log_outputs = "3:file:$dir/log"
END
  # Hiding the driver modules leaves what is built in: remote access and the test driver.
  setsid unshare --mount --uts --propagation private bash -c "
    hostname thost$number
    mount -t tmpfs -o size=4m t /run && mkdir -p /run/libvirt
    mount -t tmpfs -o size=4m t /var/lib/libvirt
    mount -t tmpfs -o size=1m t '$drivers'
    exec /usr/sbin/libvirtd -f '$dir/conf' -p '$dir/pid'" >"$dir/out" 2>&1 </dev/null &
}

await() {
  for _ in $(seq 1 400); do
    [ -S "$FLEET/$1/libvirt-sock" ] && runs "$1" && return
    sleep 0.05
  done
  cat "$FLEET/$1/out" >&2
  fail "daemon $1 did not start"
}

# A killed one may stay as a zombie where nobody cleans up behind it.
runs() { [ -s "$FLEET/$1/pid" ] && [[ "$(ps -o stat=,comm= -p "$(cat "$FLEET/$1/pid")")" =~ ^[^Z]+\ libvirtd$ ]]; }
fail() { echo "fleet: $*" >&2; exit 1; }

main "$@"
