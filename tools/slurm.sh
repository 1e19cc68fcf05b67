#!/bin/sh
# A real Slurm on this one machine, for tests: one node with two slots and one pretended GPU, in .cache/slurm/.
#   tools/slurm.sh start    installs the distribution's packages where they are missing (root), starts the daemons
#   tools/slurm.sh stop     ends the daemons that start has started
# Afterwards: export SLURM_CONF="$PWD/.cache/slurm/slurm.conf"; srun hostname
set -eu
cd "$(dirname "$0")/.."

say() { printf 'slurm: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
PATH="$PATH:/usr/sbin:/sbin"

here="$PWD/.cache/slurm"
SLURM_CONF="$here/slurm.conf"
export SLURM_CONF

answers() { timeout 10 sinfo --noheader --states=idle,mixed,allocated --format=%n 2>/dev/null | grep -q .; }

# Ends a daemon by the id in its file, if that id is still the daemon's.
end() {
    [ -f "$here/$1.pid" ] || return 0
    pid="$(cat "$here/$1.pid")"
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; then
        kill "$pid"
        for _ in 1 2 3 4 5 6 7 8 9 10; do [ -d "/proc/$pid" ] && sleep 0.5 || break; done
    fi
    rm -f "$here/$1.pid"
}

stop() {
    for daemon in slurmd slurmctld munged; do end "$daemon"; done
}

install_packages() {
    packages=
    have slurmctld || packages="$packages slurmctld"
    have slurmd || packages="$packages slurmd"
    have sbatch || packages="$packages slurm-client"
    have munged || packages="$packages munge"
    [ -n "$packages" ] || return 0
    say "will install:$packages"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >"$here/install.log" 2>&1 || {
        tail -n 20 "$here/install.log" >&2
        exit 1
    }
}

start_munge() {
    if munge -n >/dev/null 2>&1; then return 0; fi
    [ -f /etc/munge/munge.key ] || { mungekey --create 2>/dev/null || create-munge-key; }
    mkdir -p /run/munge /var/log/munge /var/lib/munge
    chown munge: /etc/munge/munge.key /run/munge /var/log/munge /var/lib/munge
    runuser -u munge -- munged --pid-file=/run/munge/munged.pid
    for _ in 1 2 3 4 5 6 7 8 9 10; do munge -n >/dev/null 2>&1 && break || sleep 0.5; done
    cp /run/munge/munged.pid "$here/munged.pid"
}

configure() {
    node="$(hostname -s)"
    cat >"$here/slurm.conf" <<EOF
ClusterName=dnnbox
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
KillWait=5
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=$node MaxTime=INFINITE State=UP
EOF
    printf 'NodeName=%s Name=gpu File=/dev/null\n' "$node" >"$here/gres.conf"
}

start() {
    mkdir -p "$here/state" "$here/spool"
    if answers; then say "answers already"; return 0; fi
    if [ "$(id -u)" != 0 ]; then
        say "needs root: \`sudo tools/slurm.sh start\`"
        exit 1
    fi
    stop
    rm -rf "$here/state" "$here/spool"
    mkdir -p "$here/state" "$here/spool"
    install_packages
    start_munge
    configure
    slurmctld -c
    slurmd
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        if answers; then
            say "answers; SLURM_CONF=$SLURM_CONF"
            return 0
        fi
        sleep 1
    done
    say "does not answer"
    tail -n 15 "$here/slurmctld.log" "$here/slurmd.log" >&2 || true
    exit 1
}

case "${1:-start}" in
start) start ;;
stop) stop ;;
*) say "start or stop" && exit 2 ;;
esac
