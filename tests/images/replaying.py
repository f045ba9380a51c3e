"""The build stages of a Dockerfile without an engine: the same steps, with a folder in the root's place."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

from dockerfiles import ROOT, is_sent, stages

STEP_SECONDS = 600
# Where the steps install to, of the image's paths.
INSTALLED = ("/opt/tidemill", "/code")


class CleanRoot:
    """A folder in which a service comes to lie as in its image.

    All stages share it, which is right as long as each adds to the one before. Of the last stage only
    what it copies is done: its steps are about the base.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._context = root / "build"
        self._base = root / "base"

    def replay(self, dockerfile: str) -> None:
        """Run the steps of every stage but the last, then copy as the last does."""
        venv.create(self._base, with_pip=True)
        *building, last = stages(dockerfile).values()
        for instruction, value in (each for stage in building for each in stage):
            if instruction == "COPY":
                self._send(value.split()[:-1])
            elif instruction == "RUN":
                self._run(value)
        for value in (value for instruction, value in last if instruction == "COPY"):
            _stage, source, target = value.split()
            if source != target:
                # What was installed below another root lies there by its path from the first.
                installed = self._here(source) / self.root.relative_to("/")
                shutil.copytree(installed, self._here(target), symlinks=True, dirs_exist_ok=True)

    def command(self, program: str) -> list[str]:
        """Return the command that starts a program of the image."""
        return [str(self._here("/opt/tidemill/bin") / program)]

    def _here(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def _run(self, step: str) -> None:
        for path in INSTALLED:
            step = step.replace(f" {path}", f" {self._here(path)}")
        programs = f"{self._base / 'bin'}:{os.defpath}"
        done = subprocess.run(
            ["/bin/sh", "-c", step],
            cwd=self._context,
            env={**os.environ, "PATH": programs, "HOME": str(self.root)},
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{step}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"

    def _send(self, sources: list[str]) -> None:
        for source in sources:
            below = [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*")
            names = [str(file.relative_to(ROOT)) for file in below if file.is_file()]
            for name in filter(is_sent, names):
                (self._context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self._context / name)
