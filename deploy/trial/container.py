"""Starts an image as a container engine would: its user, no rights, a read-only root, names and processes of its own."""

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Binds the volumes' folders before the root becomes read-only; only loopback is there. Who changes its user loses the signal that
# comes when its parent dies, so setpriv asks for it again.
START = """
set -e
root=$1; volumes=$2; folder=$3; user=$4; shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
for volume in $volumes; do mount --bind "$volumes_at$volume" "$root$volume"; done
mount -o remount,bind,ro "$root"
mount -t proc -o "hidepid=${hidepid}" proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
# As the Compose file and the manifests have it.
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
ip link set lo up
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --inh-caps=-all --ambient-caps=-all \
  --bounding-set=-all --no-new-privs --pdeathsig KILL env --chdir "$folder" "$@"
"""
DROP = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


class Container:
    """A running image."""

    def __init__(self, image, volumes, variables=None, command=None, mounts=None, hidepid=0):
        """`volumes` is a folder with a folder for each volume in it; `mounts` says where in the image, if not as that says. With a
        `hidepid` of 2, processes that a user may not look into are hidden from it."""
        mounts = mounts or image.volumes
        self.image, self.user = image, image.user
        self.environment = {"PATH": PATH, **image.environment, **(variables or {})}
        root = image.machine.root
        for volume in mounts:
            place = Path(volumes) / volume.lstrip("/")
            if not place.exists():
                # As an engine does with a new volume: it begins as the folder of the image.
                subprocess.run(["cp", "-a", f"{root}{volume}", place], check=True)
        self.log = Path(volumes) / "log"
        words = [f"{name}={value}" for name, value in self.environment.items()]
        words += image.entrypoint + (command or image.command)
        self.launcher = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
            + ["sh", "-c", START, "start", str(root), " ".join(mounts), image.folder, self.user, "-i", *words],
            env={"PATH": PATH, "volumes_at": str(volumes), "hidepid": str(hidepid)},
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self):
        """Of its process 1, as seen from outside."""
        children = Path(f"/proc/{self.launcher.pid}/task/{self.launcher.pid}/children").read_text().split()
        assert len(children) == 1, f"it does not run:\n{self.log.read_text()}"
        return int(children[0])

    def wait_for(self, what, is_so, within=60):
        """Looks until it is so."""
        deadline = time.monotonic() + within
        while not (found := is_so()):
            assert self.launcher.poll() is None, f"it ended with {self.launcher.returncode}:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"no {what} within {within} s:\n{self.log.read_text()}"
            time.sleep(0.05)
        return found

    def entering(self, *command):
        """What `docker exec` runs: another process of the same user, with the container's environment."""
        uid, gid = self.user.split(":")
        words = [f"{name}={value}" for name, value in self.environment.items()]
        enter = ["nsenter", "--target", str(self.pid), "--all", "--root"]
        return [*enter, "setpriv", "--reuid", uid, "--regid", gid, *DROP, "env", "-i", "--chdir=/", *words, *command]

    def execute(self, *command):
        """Runs that; gives its exit code and output."""
        ended = subprocess.run(self.entering(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ended.returncode, ended.stdout

    def is_healthy(self):
        """Whether its health check says so; it may not have begun to run."""
        children = Path(f"/proc/{self.launcher.pid}/task/{self.launcher.pid}/children")
        return bool(children.read_text()) and self.execute(*self.image.health)[0] == 0

    def outside(self):
        """What asks its server from outside, but over its network."""
        return ["nsenter", "--target", str(self.pid), "--net", "curl", "--noproxy", "*", "--silent"]

    def metric(self, name):
        """A number that its server tells Prometheus; nothing when it does not."""
        words = [*self.outside(), "http://127.0.0.1:9090/metrics"]
        text = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return found and float(found.group(1))

    def call(self, path, body=None, key=None):
        """Asks its server; gives status and body."""
        words = [*self.outside(), "--write-out", "\n%{http_code}", f"http://127.0.0.1:8000{path}"]
        if body is not None:
            words += ["--header", "content-type: application/json", "--data", json.dumps(body)]
        if key is not None:
            words += ["--header", f"authorization: Bearer {key}"]
        text, _, status = subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout.rpartition("\n")
        return int(status), json.loads(text)

    def finish(self, task):
        """Submits a task and gives it as it ended."""
        status, accepted = self.call("/api/v1/tasks", task)
        assert status == 200, accepted
        status, ended = self.call(f"/api/v1/tasks/{accepted['task_id']}/result?wait=60")
        assert status == 200, ended
        return ended

    def processes(self):
        """Its processes as they are seen inside: pid, uid, state, name."""
        lines = self.execute("ps", "-eo", "pid=,uid=,stat=,comm=")[1].splitlines()
        found = [re.split(r"\s+", line.strip(), maxsplit=3) for line in lines]
        return [one for one in found if one[3] != "ps"]

    def stop(self):
        """As `docker stop` does; gives the exit code and how long it took."""
        began = time.monotonic()
        subprocess.run(["kill", "-s", str(int(signal.SIGTERM)), str(self.pid)], check=True)
        return self.launcher.wait(timeout=30), time.monotonic() - began

    def kill(self):
        """Ends it, whatever it does, and waits until its process 1 is gone, too."""
        if self.launcher.poll() is not None:
            return
        inside = os.pidfd_open(self.pid)
        self.launcher.kill()
        self.launcher.wait()
        assert select.select([inside], [], [], 30)[0], "process 1 does not end"
        os.close(inside)
