"""What is known of a window once its rows were read."""

from dataclasses import dataclass

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.events import Reason
from tidemill_contracts.profile import Profile, Task
from tidemill_transform.features import Choice
from tidemill_transform.plan import Report


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a pass found out about a window; with `reasons`, it cannot be trained on.

    `baseline` is the number of the dataset version that it was held against, and `earlier` the profile of
    that; both are None when there was none. Values of `hidden` columns are not to be shown.
    """

    report: Report
    task: Task
    weighted: bool
    choice: Choice
    crosses: tuple[tuple[str, ...], ...]
    baseline: int | None
    earlier: Profile | None
    hidden: tuple[str, ...]
    anomalies: tuple[Anomaly, ...]
    reasons: tuple[Reason, ...]
