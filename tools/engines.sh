#!/bin/sh
# Makes this machine able to run containers and sandboxes, from the distribution's packages alone: Docker where no
# engine answers, bubblewrap, and a base image made by debootstrap, so that no image registry is needed.
# Says what it will do before it does it. PODMAN=1 adds podman, SLURM=1 a Slurm of one node (tools/slurm.sh).
# DEBIAN_MIRROR names another mirror.
set -eu
cd "$(dirname "$0")/.."

image=dnnbox-base:bookworm
mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
log=.cache/engines.log
mkdir -p .cache

say() { printf 'engines: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
answers() { timeout 20 docker info >/dev/null 2>&1; }

if [ "$(id -u)" = 0 ]; then as_root=; elif have sudo; then as_root=sudo; else as_root="(as root)"; fi

packages=
want() { packages="$packages $*"; }
have bwrap || want bubblewrap
if ! answers; then
    have dockerd || want docker.io
    have iptables || want iptables
fi
if ! { answers && docker image inspect "$image" >/dev/null 2>&1; }; then
    have debootstrap || want debootstrap
fi
if [ "${PODMAN:-0}" = 1 ]; then
    have podman || want podman runc fuse-overlayfs slirp4netns uidmap
    have catatonit || want catatonit # the first process of podman's containers
fi

# --- say it first ---------------------------------------------------------------------------------------------
if [ -n "$packages" ]; then say "will install:$packages"; fi
if answers; then say "an engine answers already"; else say "will start the Docker daemon"; fi
if ! { answers && docker image inspect "$image" >/dev/null 2>&1; }; then
    say "will make the image $image if it is missing (debootstrap from $mirror, about 170 MB, 1 minute)"
fi
if [ "$as_root" = "(as root)" ]; then
    if [ -n "$packages" ] || ! answers; then
        say "this needs root and there is no sudo: run \`make engines\` as root"
        exit 1
    fi
fi

# --- then do it -----------------------------------------------------------------------------------------------
if [ -n "$packages" ]; then
    if ! have apt-get; then
        say "there is no apt-get here: install these with your distribution's tool:$packages"
        exit 1
    fi
    $as_root apt-get update -qq
    # Docker's package would start the daemon by itself where there is an init system; both ways are fine.
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        exit 1
    }
fi

if ! answers; then
    if [ -d /run/systemd/system ]; then
        $as_root systemctl start docker
    else
        # Its own session, so that neither the end of this script nor Ctrl-C in the terminal ends it.
        $as_root sh -c "nohup setsid /usr/sbin/dockerd >>'$PWD/.cache/dockerd.log' 2>&1 </dev/null &"
    fi
    tries=0
    until answers; do
        tries=$((tries + 1))
        if [ "$tries" -ge 60 ]; then
            say "the Docker daemon does not answer; its last words (.cache/dockerd.log):"
            tail -n 15 .cache/dockerd.log >&2 2>/dev/null || true
            say "if it runs, you may lack the right to use it: join the group docker, or be root"
            exit 1
        fi
        sleep 1
    done
fi

if ! docker image inspect "$image" >/dev/null 2>&1; then
    say "making $image"
    tree="$(mktemp -d)"
    trap '$as_root rm -rf "$tree"' EXIT
    $as_root /usr/sbin/debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$tree" "$mirror" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        exit 1
    }
    $as_root rm -rf "$tree/var/cache/apt/archives" "$tree/var/lib/apt/lists"
    $as_root mkdir -p "$tree/var/cache/apt/archives/partial" "$tree/var/lib/apt/lists/partial"
    $as_root tar -C "$tree" -c . | docker import --change 'CMD ["python3"]' --message "debootstrap bookworm minbase" - "$image" >/dev/null
fi
podman=
if [ "${PODMAN:-0}" = 1 ]; then
    if ! podman image exists "$image"; then
        say "copying $image to podman"
        docker save "$image" | podman load -q >/dev/null
    fi
    podman=", $(podman --version)"
fi
if [ "${SLURM:-0}" = 1 ]; then $as_root tools/slurm.sh start; fi
say "ready: $(docker version --format 'Docker {{.Server.Version}}')$podman, $image, $(bwrap --version)"
