"""What a training runs with: the interpreter, the platform, and the versions of its libraries."""

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

from tidemill_contracts.profile import ProfileModel

PACKAGE = "tidemill-trainer"


class Environment(ProfileModel):
    """What a model was made with. `code_version` is what stands for the code in the model's address."""

    tidemill: str
    code_version: str
    python: str
    platform: str
    packages: dict[str, str]


def describe_environment(code_version: str) -> Environment:
    """Describe this process."""
    return Environment(
        tidemill=version(PACKAGE),
        code_version=code_version,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=dict(sorted(_direct_packages())),
    )


def _direct_packages() -> list[tuple[str, str]]:
    found = []
    for requirement in requires(PACKAGE) or ():
        name = re.match(r"[\w.-]+", requirement)
        try:
            if name:
                found.append((name[0], version(name[0])))
        except PackageNotFoundError:  # of another platform
            continue
    return found
