"""Retraining by the clock: each time of a schedule is asked for once, also across restarts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidemill_contracts.event import EventData, event_id
from tidemill_contracts.events import TYPE_NAMES, RetrainRequested
from tidemill_contracts.retraining_spec import Retraining
from tidemill_controller import metrics
from tidemill_controller.standings import Clock, Standings
from tidemill_runtime.logs import get_logger
from tidemill_runtime.telling import Cause

# How far the newest time that was missed is looked for: first nearby, where a frequent schedule has it.
LOOKS_BACK = (timedelta(hours=2), timedelta(days=2), timedelta(days=62), timedelta(days=3000))


@dataclass(frozen=True)
class Schedules:
    """Asks for a new model when its time has come. A time that was missed is made up for, the newest only."""

    standings: Standings
    tell: Callable[[EventData, Cause], None]
    now: Callable[[], datetime]

    def keep(self, pipeline: str, retraining: Retraining) -> datetime | None:
        """Ask for what is due of a known pipeline; return the next time, None without a schedule."""
        now = self.now()
        clock = self._clock(pipeline, retraining, now)
        if clock is None:
            return None
        due = newest_due(retraining, clock.kept_until, now)
        if due is not None:
            self._ask(pipeline, retraining, due)
            self._write(pipeline, clock.model_copy(update={"kept_until": due}))
        return retraining.next_after(now)

    def _clock(self, pipeline: str, retraining: Retraining, now: datetime) -> Clock | None:
        standing = self.standings.get(pipeline)
        before = standing and standing.clock
        if retraining.schedule is None:
            self._write(pipeline, None)
            return None
        wanted = (retraining.schedule, retraining.time_zone)
        if before and (before.schedule, before.time_zone) == wanted and before.kept_until <= now:
            return before
        # Times of before someone wrote the schedule were never missed; nor is one asked for that is to come,
        # whatever a clock said that was set back since.
        clock = Clock(schedule=retraining.schedule, time_zone=retraining.time_zone, kept_until=now)
        self._write(pipeline, clock)
        return clock

    def _ask(self, pipeline: str, retraining: Retraining, due: datetime) -> None:
        request = RetrainRequested(
            pipeline=pipeline,
            request_id=f"schedule-{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            reason=f"by its schedule, {retraining.schedule} in {retraining.time_zone}",
        )
        self.tell(request, Cause(event_id(TYPE_NAMES[RetrainRequested], request.subject)))
        metrics.RETRAININGS.inc()
        get_logger().info("retraining-asked-for", pipeline=pipeline, request_id=request.request_id)

    def _write(self, pipeline: str, clock: Clock | None) -> None:
        self.standings.change(pipeline, lambda each: each.model_copy(update={"clock": clock}))


def newest_due(retraining: Retraining, kept_until: datetime, now: datetime) -> datetime | None:
    """Return the newest time of a schedule after one moment and up to another; None when there is none."""
    for back in LOOKS_BACK:
        newest, time = None, retraining.next_after(max(kept_until, now - back))
        while time is not None and time <= now:
            newest, time = time, retraining.next_after(time)
        if newest is not None or now - back <= kept_until:
            return newest
    return None
