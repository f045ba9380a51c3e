"""Looks after the releases that go on: what the verdict says is done, stored, shown, and told."""

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from tidemill_contracts.event import EventData
from tidemill_runtime.logs import get_logger
from tidemill_runtime.telling import Teller
from tidemill_serving import announcing, metrics
from tidemill_serving.deployment import Deployment, Release
from tidemill_serving.judging import Judgement, judge, share_of_candidate
from tidemill_serving.sightings import Sightings
from tidemill_serving.switching import Switch, seconds_since, utc_now
from tidemill_serving.verdict import Evidence

# Reports come every half second from each gateway; without any, time alone may end a step.
TURN_SECONDS = 0.5
# Many gateways report at many times; their reports are looked at together.
PAUSE_SECONDS = 0.1


class Overseer:
    """Judges every running release, again and again."""

    def __init__(self, switch: Switch, now: Callable[[], datetime] = utc_now) -> None:
        self._switch = switch
        self._now = now

    def judge(self) -> None:
        """Look at every release that goes on, once, and do what the verdict says.

        The trouble of one holds up no other: it is looked at again at the next turn.
        """
        for deployment in self._switch.wanted():
            if deployment.release:
                _try(partial(self._judge, deployment.pipeline))

    def _judge(self, pipeline: str) -> None:
        now = self._now()
        rollout = self._switch.specs.serving(pipeline).rollout
        with self._switch.deciding(pipeline) as deployment:
            release = deployment.release
            if release is None or not self._switch.can_answer(pipeline, release.candidate.version):
                return
            with self._switch.evidence(deployment) as evidence:
                judgement = judge(release, rollout, evidence, now)
            if judgement.action != "stay":
                get_logger().info("judged", pipeline=pipeline, action=judgement.action, says=judgement.texts)
                self._switch.put(self._after(deployment, release, judgement, evidence, now))

    def _after(
        self,
        deployment: Deployment,
        release: Release,
        judgement: Judgement,
        evidence: Evidence,
        now: datetime,
    ) -> Deployment:
        seconds = seconds_since(release.candidate.began, now)
        if judgement.reason is not None:
            metrics.RELEASES.labels("taken-back").inc()
            return self._switch.without_candidate(deployment, judgement.reason, now)
        if judgement.action == "promote":
            metrics.RELEASES.labels("promoted").inc()
            after = deployment.promote(release.candidate)
            return _saying(after, release, announcing.stable(after, release.candidate, seconds))
        if judgement.action == "renew":
            self._switch.sightings.renew(deployment.pipeline)
            return deployment.go_to(release.step, now)
        after = deployment.go_to(release.step + 1, now)
        assert after.release is not None  # noqa: S101 - it has just been stepped
        rollout = self._switch.specs.serving(deployment.pipeline).rollout
        share = share_of_candidate(after.release, rollout, evidence)
        event = announcing.stepped(deployment, after.release, share, judgement.texts, seconds)
        return _saying(after, release, event)


def _saying(deployment: Deployment, release: Release, event: EventData) -> Deployment:
    return deployment.saying([announcing.untold(event, release.candidate)])


def keep_judged(overseer: Overseer, sightings: Sightings, stop: threading.Event) -> None:
    """Judge as reports come, until `stop` is set."""
    while not stop.wait(PAUSE_SECONDS):
        _try(overseer.judge)
        sightings.wait(TURN_SECONDS)


def keep_told(switch: Switch, teller: Teller, stop: threading.Event) -> None:
    """Tell what was decided, and keep what was seen, until `stop` is set; nothing waits for either."""
    while not stop.wait(TURN_SECONDS):
        _try(lambda: switch.tell(teller))
        _try(switch.sightings.save)
    _try(lambda: switch.sightings.save(all_of_them=True))


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # noqa: BLE001 - the thread's boundary: whatever it was, the next turn may do better
        get_logger().exception("overseeing-failed")
