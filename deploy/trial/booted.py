"""Boots a machine: systemd as process 1, with names, processes, network and control groups of its own."""

import os
import subprocess
import time
from pathlib import Path

# Process 1 gets what it needs to run services, and nothing by which it could change the machine around it.
KEPT = "-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+setfcap,+sys_admin,+sys_chroot"
KEPT += ",+sys_ptrace,+sys_resource,+sys_nice,+net_admin,+net_bind_service,+audit_write,+mknod"
BOOT = """
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs none "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -m 1777 "$root/dev/shm"
ip link set lo up
# Services get mounts of their own, which they cannot in a mere chroot.
cd "$root"
pivot_root . mnt
umount --lazy /mnt
exec setpriv --bounding-set "$2" env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=no
"""
# The hierarchy of groups is mounted where nobody else sees it.
IN_GROUP = 'mount -t cgroup2 cgroup2 /mnt && cd /mnt && '
JOIN = IN_GROUP + 'mkdir "$0" && echo $$ >"$0/cgroup.procs" && exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child '
JOIN += 'sh -c "$1" boot "$2" "$3"'
LEAVE = IN_GROUP + 'while grep -q "populated 1" "$0/cgroup.events"; do sleep 0.05; done; find "$0" -depth -type d -exec rmdir {} +'


class Booted:
    """A machine that runs."""

    def __init__(self, machine, log):
        self.root, self.log = machine.root, Path(log)
        self.group = f"trial-{os.getpid()}-{id(self)}"
        # It ends with this process, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", JOIN, self.group, BOOT, self.root, KEPT]
        self.launcher = subprocess.Popen(command, stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        try:
            self._wait()
        except BaseException:
            self.end()
            raise

    def _wait(self):
        deadline = time.monotonic() + 60
        while self.run("systemctl", "is-system-running")[1].strip() not in ("running", "degraded"):
            assert self.launcher.poll() is None and time.monotonic() < deadline, f"it does not boot:\n{self.log.read_text()}"
            time.sleep(0.1)

    def run(self, *command):
        """Runs a command in it as root; gives exit code and output."""
        children = Path(f"/proc/{self.launcher.pid}/task/{self.launcher.pid}/children").read_text().split()
        if len(children) != 1:
            return 1, ""
        clean = ["env", "-i", "--chdir=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER=", "DEBIAN_FRONTEND=noninteractive"]
        ended = subprocess.run(
            ["nsenter", "--target", children[0], "--all", "--root", *clean, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ended.returncode, ended.stdout

    def done(self, *command):
        """Runs a command that has to succeed; gives its output."""
        code, output = self.run(*command)
        assert code == 0, f"{command} ended with {code}:\n{output}\n{self.run('journalctl', '--no-pager', '--lines=40')[1]}"
        return output

    def end(self):
        """Ends it, whatever it does, and removes its groups."""
        self.launcher.kill()
        self.launcher.wait()
        subprocess.run(["unshare", "--mount", "sh", "-c", LEAVE, self.group], check=True, timeout=30)
