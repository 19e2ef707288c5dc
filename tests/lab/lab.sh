#!/usr/bin/env bash
# A lab of real hypervisor hosts on one machine: each host has network, mount, UTS, IPC and PID namespaces, and in them a libvirtd,
# a virtlogd and an sshd of its own. Root is needed; nothing outside the lab's directory and its namespaces is touched.
#
#   lab.sh up [N]                   start N hosts h1…hN (3); those that run already are left alone, those that are off are switched on
#   lab.sh down                     end everything and remove the lab
#   lab.sh status                   one line for each host, then its processes
#   lab.sh exec hN COMMAND…         run a command on a host
#   lab.sh uri hN [socket|ssh|tls]  how libvirt's own clients reach a host
#
#   lab.sh kill-libvirtd hN         kill -9; guests live on        lab.sh start-libvirtd hN
#   lab.sh freeze hN                stop libvirtd (SIGSTOP)         lab.sh continue hN
#   lab.sh power-cut hN             everything on it dies at once   lab.sh power-on hN     (definitions and disks are kept)
#   lab.sh unplug hN                SSH and TLS accept, then say nothing    lab.sh plug hN
#   lab.sh host-key hN own|other    put the one or the other SSH host key in place
#   lab.sh door hN PORT             let this TCP port of the host be reached on its loopback address too, until it is off
#
# Ways in, from outside the namespaces:
#   socket  $LAB_DIR/hosts/hN/run/libvirt/libvirt-sock
#   ssh     root@$LAB_LOOP.N port $LAB_SSH_PORT, with the key $LAB_DIR/ssh/id_ed25519
#   tls     $LAB_LOOP.N port 16514, with the certificates in $LAB_DIR/pki/client
# Inside the switch's namespace ($LAB_PREFIX-sw), and between hosts, hN is $LAB_NET.(10+N) with ssh, tls and tcp on their usual ports.
# The hosts share $LAB_DIR/shared as /srv/shared.
#
# Several labs live side by side when each has its own LAB_DIR, LAB_PREFIX, LAB_NET and LAB_LOOP. LAB_CACHE keeps libvirt's probe of
# QEMU from one lab to the next: without it the first definition on a fresh host can take a minute.
set -euo pipefail

LAB=${LAB_DIR:-${TMPDIR:-/tmp}/webvirt-lab}
PREFIX=${LAB_PREFIX:-wvlab}
NET=${LAB_NET:-10.231.77}
LOOP=${LAB_LOOP:-127.0.77}
SSH_PORT=${LAB_SSH_PORT:-2222}
TLS_PORT=16514
CACHE=${LAB_CACHE:-$LAB/cache}
SELF=$(readlink -f "$0")
MAX_HOSTS=9

main() {
  local command=${1:-help}
  shift || true
  case $command in
    up)             lab_up "${1:-3}" ;;
    down)           lab_down ;;
    status)         lab_status ;;
    exec)           known "$1"; on_host "$@" ;;
    uri)            known "$1"; host_uri "$1" "${2:-socket}" ;;
    kill-libvirtd)  known "$1"; signal_libvirtd "$1" KILL ;;
    start-libvirtd) known "$1"; on_host "$1" /usr/sbin/libvirtd --daemon --listen --pid-file /run/libvirtd.pid ;;
    freeze)         known "$1"; signal_libvirtd "$1" STOP ;;
    continue)       known "$1"; signal_libvirtd "$1" CONT ;;
    power-cut)      known "$1"; host_power_cut "$1" ;;
    power-on)       known "$1"; host_power_on "$1" ;;
    unplug)         known "$1"; signal_entries "$1" STOP ;;
    plug)           known "$1"; signal_entries "$1" CONT ;;
    host-key)       known "$1"; host_key "$1" "$2" ;;
    door)           known "$1"; door "$1" "$2" ;;
    _init)          host_init "$1" ;;
    *)              sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "$SELF"; exit 2 ;;
  esac
}

# ── the lab as a whole ───────────────────────────────────────────────────────────────────────────────────────────────────────────

lab_up() {
  local count=$1 host
  [[ $count =~ ^[1-$MAX_HOSTS]$ ]] || fail "a lab has 1 to $MAX_HOSTS hosts, not '$count'"
  check_machine
  prepare_lab
  prepare_switch
  for host in $(hosts_to "$count"); do
    [ -d "$LAB/hosts/$host" ] || prepare_host "$host"
    is_on "$host" || switch_on "$host"
  done
  for host in $(hosts_to "$count"); do
    await_host "$host"
    open_entries "$host"
  done
}

lab_down() {
  [ -f "$LAB/.webvirt-lab" ] || return 0
  local host namespace
  for host in $(all_hosts); do
    host_power_cut "$host"
  done
  for namespace in $(ip netns list | awk -v own="^$PREFIX-" '$1 ~ own {print $1}'); do
    ip netns delete "$namespace"
  done
  rm -rf "$LAB"/{hosts,ssh,pki,shared,.webvirt-lab}
  rmdir "$LAB" 2>/dev/null || true
}

lab_status() {
  local host
  for host in $(all_hosts); do
    if is_on "$host"; then
      echo "$host on   $(host_uri "$host" ssh)"
      ps -o pid=,rss=,args= --pid "$(pgrep --delimiter , --ns "$(init_pid "$host")" --nslist pid .)" | cut -c 1-140
    else
      echo "$host off"
    fi
  done
}

check_machine() {
  local tool missing=()
  [ "$(id -u)" = 0 ] || fail "root is needed, to make namespaces"
  for tool in ip socat openssl ssh ssh-keygen /usr/sbin/sshd /usr/sbin/libvirtd /usr/sbin/virtlogd qemu-system-x86_64 nsenter unshare pgrep ss; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]}"
}

prepare_lab() {
  # Whoever reaches a host's socket is root there, and the hosts share this machine's files: nobody but root may enter.
  mkdir -p "$LAB"/{ssh,pki,hosts,shared} "$CACHE"
  chmod 0700 "$LAB"
  touch "$LAB/.webvirt-lab"
  prepare_ssh_client
  [ -f "$LAB/pki/client/clientcert.pem" ] || prepare_authority
}

prepare_ssh_client() {
  [ -f "$LAB/ssh/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB/ssh/id_ed25519"
  cat > "$LAB/ssh/config" <<END
Host *
  IdentityFile $LAB/ssh/id_ed25519
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile $LAB/ssh/known_hosts
  StrictHostKeyChecking yes
END
  # libvirt's ssh transport takes no options, only another command.
  printf '#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh/config "$@"\n' "$LAB" > "$LAB/ssh/ssh"
  chmod +x "$LAB/ssh/ssh"
}

prepare_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=lab-authority \
    -keyout "$LAB/pki/cakey.pem" -out "$LAB/pki/cacert.pem" 2>/dev/null
  mkdir -p "$LAB/pki/client"
  certificate client DNS:client "$LAB/pki/client/clientkey.pem" "$LAB/pki/client/clientcert.pem"
  cp "$LAB/pki/cacert.pem" "$LAB/pki/client/cacert.pem"
}

certificate() { # NAME SUBJECT-ALTERNATIVE-NAMES KEY-FILE CERTIFICATE-FILE
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$3" 2>/dev/null |
    openssl x509 -req -CA "$LAB/pki/cacert.pem" -CAkey "$LAB/pki/cakey.pem" -CAcreateserial -days 3650 -out "$4" \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature,keyEncipherment\n' "$2") 2>/dev/null
}

prepare_switch() {
  local switch=$PREFIX-sw
  [ -e "/run/netns/$switch" ] && return
  ip netns add "$switch"
  ip -n "$switch" link set lo up
  ip -n "$switch" link add br0 type bridge forward_delay 0
  ip -n "$switch" address add "$NET.1/24" dev br0
  ip -n "$switch" link set br0 up
}

# ── one host ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

prepare_host() {
  local host=$1 dir=$LAB/hosts/$1
  mkdir -p "$dir"/{run,home/.ssh,ssh,etc-libvirt,var-log-libvirt,var-cache-libvirt} \
    "$dir"/var-lib-libvirt/{images,boot,qemu,dnsmasq,network,swtpm} "$dir"/pki/{CA,libvirt/private,qemu}
  prepare_certificates "$host"
  prepare_sshd "$host"
  prepare_libvirt "$host"
  prepare_network "$host"
  echo "$host" > "$dir/hostname"
  printf '%s' "$PREFIX-$host" | md5sum | cut -c 1-32 > "$dir/machine-id"
  {
    echo "127.0.0.1 localhost"
    for number in $(seq 1 $MAX_HOSTS); do echo "$NET.$((10 + number)) h$number"; done
  } > "$dir/hosts"
}

prepare_certificates() {
  local host=$1 pki=$LAB/hosts/$1/pki number=${1#h}
  certificate "$host" "DNS:$host,IP:$NET.$((10 + number)),IP:$LOOP.$number,DNS:localhost,IP:127.0.0.1" "$pki/key.pem" "$pki/cert.pem"
  cp "$LAB/pki/cacert.pem" "$pki/CA/cacert.pem"
  local role
  for role in server client; do
    cp "$pki/cert.pem" "$pki/libvirt/${role}cert.pem"
    cp "$pki/key.pem" "$pki/libvirt/private/${role}key.pem"
    cp "$pki/cert.pem" "$pki/qemu/$role-cert.pem"
    cp "$pki/key.pem" "$pki/qemu/$role-key.pem"
  done
  cp "$LAB/pki/cacert.pem" "$pki/qemu/ca-cert.pem"
}

prepare_sshd() {
  local host=$1 dir=$LAB/hosts/$1 number=${1#h} which
  for which in own other; do
    ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$dir/ssh/host_key.$which"
  done
  host_key "$host" own
  sed -i "/,$host,/d" "$LAB/ssh/known_hosts" 2>/dev/null || true
  echo "[$LOOP.$number]:$SSH_PORT,$host,$NET.$((10 + number)) $(cut -d ' ' -f 1,2 "$dir/ssh/host_key.own.pub")" >> "$LAB/ssh/known_hosts"
  cp "$LAB/ssh/id_ed25519.pub" "$dir/home/.ssh/authorized_keys"
  cat > "$dir/ssh/sshd_config" <<END
Port 22
AddressFamily inet
HostKey $dir/ssh/host_key
AuthorizedKeysFile $dir/home/.ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 200:30:400
MaxSessions 200
AllowStreamLocalForwarding yes
PidFile none
END
  # What ssh on this host uses, for instance in a migration from here to its neighbour.
  cat > "$dir/ssh/ssh_config" <<END
Host *
  IdentityFile $LAB/ssh/id_ed25519
  UserKnownHostsFile $LAB/ssh/known_hosts
  StrictHostKeyChecking yes
END
}

prepare_libvirt() {
  local host=$1 etc=$LAB/hosts/$1/etc-libvirt
  cp -a /etc/libvirt/. "$etc/"
  rm -rf "$etc"/qemu/*.xml "$etc"/qemu/autostart "$etc"/qemu/networks/autostart "$etc"/storage "$etc"/secrets
  mkdir -p "$etc/secrets" "$etc/qemu/networks/autostart"
  ln -s /etc/libvirt/qemu/networks/default.xml "$etc/qemu/networks/autostart/"
  if [ -d "$CACHE/qemu" ]; then cp -a "$CACHE/." "$LAB/hosts/$host/var-cache-libvirt/"; fi
  # Migration refuses two hosts of one uuid, and two labs must not look like one.
  local uuid
  uuid=$(printf '5ab00000-0000-4000-8000-%08x%04x' "$(printf %s "$PREFIX" | cksum | cut -d ' ' -f 1)" "${host#h}")
  cat > "$etc/libvirtd.conf" <<END
listen_tls = 1
listen_tcp = 1
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
host_uuid = "$uuid"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
max_clients = 500
END
  # Namespaces, cgroups and labels are this machine's; the hosts must not fight over them.
  cat > "$etc/qemu.conf" <<END
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
migration_host = "$host"
vnc_listen = "127.0.0.1"
max_core = 0
END
}

prepare_network() {
  local host=$1 number=${1#h} namespace=$PREFIX-$1
  if [ -e "/run/netns/$namespace" ]; then ip netns delete "$namespace"; fi
  ip netns add "$namespace"
  ip -n "$PREFIX-sw" link delete "v$number" 2>/dev/null || true
  ip -n "$PREFIX-sw" link add "v$number" type veth peer name eth0 netns "$namespace"
  ip -n "$PREFIX-sw" link set "v$number" master br0 up
  # The same card after a power cut: with another one the other hosts would talk to the old one for a minute.
  ip -n "$namespace" link set eth0 address "$(printf '02:77:65:62:00:%02x' "$number")"
  ip -n "$namespace" address add "$NET.$((10 + number))/24" dev eth0
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" route add default via "$NET.1"
}

switch_on() {
  local host=$1 dir=$LAB/hosts/$1
  rm -rf "$dir/run"
  mkdir -p "$dir"/run/{sshd,lock,libvirt}
  setsid nsenter --net="/run/netns/$PREFIX-$host" \
    unshare --mount --uts --ipc --pid --fork --kill-child --propagation private bash "$SELF" _init "$host" \
    >"$dir/init.log" 2>&1 </dev/null &
  echo $! > "$dir/unshare.pid"
}

# Runs as process 1 of the host, inside its namespaces.
host_init() {
  local host=$1 dir=$LAB/hosts/$1 pair
  mount --make-rprivate /
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys       # this network namespace's interfaces
  hostname "$host"
  mkdir -p /srv/shared /etc/pki
  mount --bind "$LAB/shared" /srv/shared
  for pair in etc-libvirt:/etc/libvirt var-lib-libvirt:/var/lib/libvirt var-log-libvirt:/var/log/libvirt var-cache-libvirt:/var/cache/libvirt \
    pki:/etc/pki hostname:/etc/hostname hosts:/etc/hosts machine-id:/etc/machine-id ssh/ssh_config:/etc/ssh/ssh_config run:/run; do
    mount --bind "$dir/${pair%%:*}" "${pair#*:}"
  done
  ip link set lo up
  sysctl -qw net.ipv4.ip_forward=1
  /usr/sbin/sshd -f "$dir/ssh/sshd_config" -E "$dir/sshd.log"
  /usr/sbin/virtlogd --daemon --pid-file /run/virtlogd.pid
  /usr/sbin/libvirtd --daemon --listen --pid-file /run/libvirtd.pid
  touch /run/ready
  trap 'exit 0' TERM
  while :; do                     # bash reaps what loses its parent
    sleep 3600 &
    wait $! || true
  done
}

await_host() {
  local host=$1 dir=$LAB/hosts/$1
  for _ in $(seq 1 400); do
    [ -e "$dir/run/ready" ] && [ -S "$dir/run/libvirt/libvirt-sock" ] && break
    sleep 0.05
  done
  [ -e "$dir/run/ready" ] || { cat "$dir/init.log" >&2; fail "$host did not start"; }
  pgrep -P "$(cat "$dir/unshare.pid")" > "$dir/init.pid"
  # The first question makes libvirtd probe QEMU; the answer is kept for the next host.
  virsh -q -c "$(host_uri "$host" socket)" capabilities >/dev/null
  [ -d "$CACHE/qemu" ] || cp -a "$dir/var-cache-libvirt/." "$CACHE/"
}

# Two doors on a loopback address: sshd started for each connection, as inetd does, and TLS passed through.
open_entries() {
  local host=$1 dir=$LAB/hosts/$1
  [ -f "$dir/entries" ] && return
  entry "$host" "$SSH_PORT" "$(inside "$host") /usr/sbin/sshd -i -f $dir/ssh/sshd_config -E $dir/sshd.log"
  door "$host" "$TLS_PORT"
}

door() { # HOST PORT
  if [ -z "$(ss -Hltn "src $LOOP.${1#h}:$2")" ]; then entry "$1" "$2" "$(inside "$1") socat STDIO TCP\\:127.0.0.1\\:$2"; fi
}

inside() { echo "nsenter -t $(init_pid "$1") -n -m -u -i -p"; }

entry() { # HOST PORT COMMAND
  local address=$LOOP.${1#h} dir=$LAB/hosts/$1 pid
  setsid socat "TCP-LISTEN:$2,bind=$address,reuseaddr,fork,nodelay,backlog=128" "EXEC:$3,nofork" >/dev/null 2>>"$dir/socat.log" </dev/null &
  pid=$!
  echo "$pid" >> "$dir/entries"
  for _ in $(seq 1 100); do
    [ -n "$(ss -Hltn "src $address:$2")" ] && kill -0 "$pid" 2>/dev/null && return
    sleep 0.02
  done
  cat "$dir/socat.log" >&2
  fail "$1: nobody listens on $address:$2"
}

host_power_cut() {
  local host=$1 dir=$LAB/hosts/$1 pid
  # Listeners first: a connection that arrives now must be refused, not half served.
  for pid in $(entries "$host"); do
    if is "$pid" socat; then kill -9 "$pid"; fi
  done
  if is_on "$host"; then kill -9 "$(init_pid "$host")"; fi
  if [ -f "$dir/unshare.pid" ]; then await_end "$(cat "$dir/unshare.pid")"; fi
  rm -f "$dir"/{entries,init.pid,unshare.pid}
}

host_power_on() {
  is_on "$1" && return
  prepare_network "$1"            # the interface went with the host's last process
  switch_on "$1"
  await_host "$1"
  open_entries "$1"
}

host_key() { # HOST own|other
  local ssh=$LAB/hosts/$1/ssh
  [ -f "$ssh/host_key.$2" ] || fail "the keys of $1 are called 'own' and 'other'"
  ln -sfn "host_key.$2" "$ssh/host_key"
}

host_uri() { # HOST socket|ssh|tls
  local number=${1#h}
  case $2 in
    socket) echo "qemu+unix:///system?socket=$LAB/hosts/$1/run/libvirt/libvirt-sock" ;;
    ssh)    echo "qemu+ssh://root@$LOOP.$number:$SSH_PORT/system?command=$LAB/ssh/ssh&no_tty=1" ;;
    tls)    echo "qemu+tls://$LOOP.$number:$TLS_PORT/system?pkipath=$LAB/pki/client" ;;
    *)      fail "no such way in: $2" ;;
  esac
}

# ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

on_host() { # HOST COMMAND…   $HOME is the host's own, where its authorized_keys is
  local host=$1
  shift
  is_on "$host" || fail "$host is off"
  HOME=$LAB/hosts/$host/home nsenter -t "$(init_pid "$host")" -n -m -u -i -p -- "$@"
}

signal_libvirtd() { # HOST SIGNAL   returns when the process is what the caller expects
  local pid state
  pid=$(pgrep --oldest --exact --ns "$(init_pid "$1")" --nslist pid libvirtd) || fail "no libvirtd runs on $1"
  kill "-$2" "$pid"
  for _ in $(seq 1 300); do
    state=$(ps -o stat= -p "$pid" || true)
    case $2:$state in KILL: | KILL:Z* | STOP:T* | CONT:[SRD]*) return ;; esac
    sleep 0.01
  done
  fail "libvirtd on $1 did not take $2"
}

signal_entries() { # HOST SIGNAL   listeners, and what serves the connections that are open
  local listener
  for listener in $(entries "$1"); do
    # shellcheck disable=SC2046
    kill "-$2" "$listener" $(descendants "$listener") 2>/dev/null || true
  done
}

descendants() {
  local child
  for child in $(pgrep -P "$1" || true); do
    echo "$child"
    descendants "$child"
  done
}

await_end() {
  for _ in $(seq 1 300); do
    case $(ps -o stat= -p "$1" || true) in '' | Z*) return 0 ;; esac
    sleep 0.01
  done
  fail "process $1 does not end"
}

hosts_to() { local number; for number in $(seq 1 "$1"); do echo "h$number"; done; }
all_hosts() { if [ -d "$LAB/hosts" ]; then ls "$LAB/hosts"; fi; }
entries() { if [ -f "$LAB/hosts/$1/entries" ]; then cat "$LAB/hosts/$1/entries"; fi; }
init_pid() { cat "$LAB/hosts/$1/init.pid"; }
is_on() { [ -f "$LAB/hosts/$1/init.pid" ] && is "$(init_pid "$1")" bash; }
is() { [ "$(ps -o comm= -p "$1")" = "$2" ]; } # PID NAME   a number on file may be another's by now
known() { if [ -z "${1:-}" ] || [ ! -d "$LAB/hosts/$1" ]; then fail "no such host: '${1:-}'"; fi; }
fail() { echo "lab: $*" >&2; exit 1; }

main "$@"
