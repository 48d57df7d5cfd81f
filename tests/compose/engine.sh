#!/bin/sh
# engine.sh ROOT STATE CGROUP: the first process of an engine's namespaces. ROOT with a layer to write to becomes the root of them all.
set -eu
root=$1 state=$2 cgroup=$3
mount -t overlay overlay -o "lowerdir=$root,upperdir=$state/upper,workdir=$state/work" "$state/root"
cd "$state/root"
mkdir -p pegasus-files var/lib/docker
mount --bind "$state/files" pegasus-files
mount --bind "$state/docker" var/lib/docker # Docker's own layers can't lie on a layer
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
umount sys/fs/cgroup/unified 2>/dev/null || true # beside version 1 it makes runc believe in version 2
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
echo "nameserver 10.0.2.3" >etc/resolv.conf # slirp4netns
ip link set lo up
# No chroot: runc enters a container by its namespaces, and the root of these has to be the engine's.
pivot_root . mnt
cd /
umount -l /mnt
dockerd --storage-driver=overlay2 --cgroup-parent="/$cgroup" # no exec: this shell takes in orphans
