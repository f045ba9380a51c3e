"""Python as it is in the image of Dataflow's workers: what its Dockerfile installs, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import tidemill_contracts
import tidemill_runtime
import tidemill_transform

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "services/transform/dataflow.Dockerfile"
OWN = (tidemill_contracts, tidemill_runtime, tidemill_transform)


def run_in_worker(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the packages of the worker image alone, linked into a folder."""
    return subprocess.run(
        worker_command(folder, program, *arguments), capture_output=True, text=True, timeout=90, check=False
    )


def worker_command(folder: Path, program: str, *arguments: str) -> Sequence[str]:
    """Return a command that runs a program with the packages of the worker image alone."""
    packages = folder / "packages"
    if not packages.exists():
        packages.mkdir(parents=True)
        for name, path in _installed().items():
            (packages / name).symlink_to(path)
    see_packages = f"import sys; sys.path.append({str(packages)!r})\n"
    # Without site: neither the virtual environment's packages nor editable installs are found.
    return [sys.executable, "-I", "-S", "-c", see_packages + program, *arguments]


def _installed() -> dict[str, Path]:
    """Name what the image's requirements put on the path, and our own packages."""
    [requirements] = re.findall(r"-r (requirements/transform\.txt)", DOCKERFILE.read_text())
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / requirements).read_text(), re.MULTILINE)
    found = {each.__name__: Path(each.__path__[0]) for each in OWN}
    for name in names:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:  # for another platform
            continue
        for file in files:
            top = file.parts[0]
            if top != ".." and top not in found:
                found[top] = Path(str(file.locate())).parents[len(file.parts) - 1] / top
    return found
