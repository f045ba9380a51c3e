"""What the supervisor takes from the environment."""

import os
from collections.abc import Mapping


def inherited_environment() -> Mapping[str, str]:
    """Return what processes inherit: everything that was set for the supervisor."""
    return dict(os.environ)
