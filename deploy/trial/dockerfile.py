"""Carries out the last stage of the Dockerfile in a folder, as a builder would."""

import json
import re
import shlex
import shutil
from pathlib import Path

from dockerfile_parse import DockerfileParser

from machine import PROJECT, Machine


class Image:
    """What the last stage makes: a root folder, and how its program is started."""

    def __init__(self, folder, built):
        """`built` names the file for each thing that is copied from another stage."""
        self.built = built
        self.arguments, self.environment = {}, {}
        self.user = self.entrypoint = self.command = self.health = None
        self.shell, self.volumes, self.folder = ["/bin/sh", "-c"], [], "/"
        parser = DockerfileParser(path=str(PROJECT / "Dockerfile"), cache_content=True)
        steps = [step for step in parser.structure if step["instruction"] != "COMMENT"]
        last = max(number for number, step in enumerate(steps) if step["instruction"] == "FROM")
        first = next(number for number, step in enumerate(steps) if step["instruction"] == "FROM")
        for step in steps[:first]:
            self._arg(step["value"])
        base = self._filled(steps[last]["value"]).split()[0]
        release = re.fullmatch(r"debian:(\w+)-slim", base)
        assert release, f"the trial can stand in for debian only, not for {base}"
        self.machine = Machine(folder, release.group(1))
        self.arguments = {}
        for step in steps[last + 1 :]:
            getattr(self, f"_{step['instruction'].lower()}")(step["value"])

    def _filled(self, text):
        known = {**self.arguments, **self.environment}
        return re.sub(r"\$\{(\w+)\}", lambda found: known[found.group(1)], text)

    def _arg(self, value):
        name, _, default = value.partition("=")
        self.arguments[name] = default.strip('"')

    def _env(self, value):
        for pair in shlex.split(value):
            name, _, text = pair.partition("=")
            self.environment[name] = self._filled(text)

    def _run(self, value):
        command = re.sub(r"^(--\w+=\S+\s+)+", "", value)
        variables = {**self.arguments, **self.environment}
        self.machine.inside(*self.shell, command, env=variables)

    def _copy(self, value):
        words = value.split()
        flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = [word for word in words if not word.startswith("--")]
        found = self.built[source] if "from" in flags else PROJECT / source
        place = self.machine.root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, place)
        place.chmod(int(flags["chmod"], 8))

    def _user(self, value):
        self.user = value

    def _workdir(self, value):
        self.folder = value

    def _shell(self, value):
        self.shell = json.loads(value)

    def _volume(self, value):
        self.volumes = json.loads(value)

    def _entrypoint(self, value):
        self.entrypoint = json.loads(value)

    def _cmd(self, value):
        self.command = json.loads(value)

    def _healthcheck(self, value):
        self.health = json.loads(value[value.index("[") :])

    def _label(self, value):
        assert "org.opencontainers.image.licenses" in value

    def _expose(self, value):
        assert value.split() == [self.environment["SERVER_PORT"], self.environment["MONITORING_PROMETHEUS_PORT"]]

    def _stopsignal(self, value):
        assert value == "SIGTERM"


def root_of(image: Image) -> Path:
    """Its root folder."""
    return image.machine.root
