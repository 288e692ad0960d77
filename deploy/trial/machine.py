"""A Debian of its own in a folder: what an image or a package is tried in, where there is no container engine."""

import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / ".tools" / "debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def run(*command, **more):
    """Runs a command; its output is in the exception when it fails."""
    ended = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    assert ended.returncode == 0, f"{command} ended with {ended.returncode}:\n{ended.stdout}"
    return ended.stdout


def mirror(release):
    """Where this machine's own apt gets that release from."""
    listed = run("apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)")
    sites = [line.split()[0] for line in listed.splitlines() if line.split()[1:] == [release]]
    assert sites, f"apt knows no mirror of {release}: the trial has to run on that release"
    return sites[0]


def base(release):
    """A minimal installation as an archive, made once."""
    archive = TOOLS / f"{release}.tar"
    if not archive.exists():
        folder = TOOLS / f"{release}.new"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", f"--keyring={KEYRING}", release, folder, mirror(release))
        whole = TOOLS / f"{release}.part"
        run("tar", "--create", "--numeric-owner", "--file", whole, "--directory", folder, ".")
        whole.rename(archive)
        shutil.rmtree(folder)
    return archive


class Machine:
    """A root folder, and commands in it as its root user."""

    def __init__(self, root, release):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        run("tar", "--extract", "--numeric-owner", "--file", base(release), "--directory", self.root)
        # It does not outlive the trial, so nothing has to wait for the disk.
        (self.root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        self._copy_apt()

    def _copy_apt(self):
        """The machine's sources and how they are reached, but no credentials; debootstrap notes only the one source."""
        apt = self.root / "etc/apt"
        (apt / "sources.list").write_text("")
        for name in ("sources.list.d", "apt.conf.d", "trusted.gpg.d", "keyrings"):
            found = Path("/etc/apt") / name
            if found.is_dir():
                shutil.copytree(found, apt / name, dirs_exist_ok=True)
        for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(file).is_file():
                target = self.root / file.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(Path(file).read_bytes())

    def inside(self, *command, **more):
        """Runs a command in it, with /proc and /dev while it runs and nothing of it left afterwards."""
        prepare = (
            'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
        )
        clean = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        more["env"] = {**clean, **more.get("env", {})}
        return run(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", prepare, self.root, *command, **more
        )
