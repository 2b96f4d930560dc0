#!/bin/busybox sh
# /init of a Linux guest: mounts what programs expect, loads the channel's drivers, and runs what comes over virtio-serial ports.
/bin/busybox mkdir -p /usr/local/bin /run /tmp /root /var/run
/bin/busybox --install -s /usr/local/bin
export PATH=/usr/bin:/usr/sbin:/usr/local/bin HOME=/root
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t debugfs none /sys/kernel/debug 2> /dev/null
mkdir -p /dev/shm /dev/pts /run/shell
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
for module in virtio_pci virtio_console; do modprobe -q "$module"; done
ip link set dev lo up

# Not busybox's shell, which runs its own commands before those of the same name in PATH. A request is a line, a command in base64 and the number of bytes of its input, which follow; an answer is a line with
# the exit code and the numbers of bytes of stdout and stderr, which follow.
serve() {
  name=${1##*/}
  while :; do
    # Its driver is away while the guest sleeps; the port is there a moment before it can be opened.
    until [ -c "$1" ] && true 3<> "$1"; do sleep 0.1; done 2> /dev/null
    exec 3<> "$1"
    echo READY >&3
    while read -r command size <&3; do
      echo "$command" | base64 -d > "/run/shell/$name.sh"
      head -c "$size" <&3 > "/run/shell/$name.in"
      dash "/run/shell/$name.sh" < "/run/shell/$name.in" > "/run/shell/$name.out" 2> "/run/shell/$name.err" 3>&-
      echo "$? $(stat -c %s "/run/shell/$name.out") $(stat -c %s "/run/shell/$name.err")" >&3
      cat "/run/shell/$name.out" "/run/shell/$name.err" >&3
    done
    exec 3>&-
    sleep 0.2
  done
}

for port in /sys/class/virtio-ports/*; do
  serve "/dev/${port##*/}" &
done
echo PTNET-READY
# Orphans are this process's to collect, and it must not end.
while :; do wait; sleep 1; done
