"""Holds what is declared against what should be, again and again: specs, schedules, deletions, reports."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tidemill_contracts import layout
from tidemill_contracts.event import event_id
from tidemill_contracts.events import TYPE_NAMES, PipelineDeleted
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_contracts.retraining_spec import Retraining
from tidemill_controller import metrics
from tidemill_controller.declarations import Declaration, Declarations, Report
from tidemill_controller.schedules import Schedules
from tidemill_controller.standings import Standings
from tidemill_controller.telling import LookTeller, NotTried
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.telling import Cause

# Between two tries of a pipeline that failed: doubled each time, up to the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


@dataclass
class _Pause:
    """How long a pipeline is left alone that failed as it was declared then."""

    declaration: Declaration
    until: float = 0.0
    seconds: float = FIRST_PAUSE_SECONDS

    def lengthen(self, now: float) -> None:
        self.until, self.seconds = now + self.seconds, min(self.seconds * 2, LONGEST_PAUSE_SECONDS)


@dataclass
class Controller:
    """Looks after every declared pipeline. Each step may be cut short and taken again."""

    declarations: Declarations
    store: ObjectStore
    standings: Standings
    schedules: Schedules
    tell: LookTeller
    clock: Callable[[], float] = time.monotonic
    _looked_at: datetime | None = None
    _began: datetime | None = None
    _pauses: dict[str, _Pause] = field(default_factory=dict)
    _parsed: dict[str, tuple[bytes, Pipeline | InvalidSpec]] = field(default_factory=dict)

    def look(self, turned: Callable[[], None] = lambda: None) -> None:
        """Look at every pipeline once, and call `turned` after each; the trouble of one holds up no other."""
        self.tell.begin()
        with metrics.LOOK_SECONDS.time():
            now, declared, states = self.schedules.now(), self.declarations.all(), []
            # What is new was declared after the look before.
            self._began, self._looked_at = self._looked_at, now
            for declaration in declared:
                states.append(self._try(declaration))
                turned()
        for state in ("accepted", "refused", "deleting", "failing"):
            metrics.PIPELINES.labels(state).set(states.count(state))
        names = {declaration.name for declaration in declared}
        for known in (self._pauses, self._parsed):
            for name in known.keys() - names:
                del known[name]

    def close(self) -> None:
        """Delete everything, where the place it is declared in is going and nobody will look after it."""
        if not self.declarations.is_closing():
            return
        declared = self.declarations.all()
        # The broker may be going too: nothing that must not be left behind waits for it.
        for step in (self._let_go, self._tell_deleted):
            for declaration in declared:
                self._do(step, declaration)

    def _do(self, step: Callable[[Declaration], None], declaration: Declaration) -> None:
        try:
            self.tell.begin()
            step(declaration)
        except Exception as error:  # noqa: BLE001 - there is no other time to do it for the others
            get_logger().warning("not-let-go", pipeline=declaration.name, error=repr(error))

    def _let_go(self, declaration: Declaration) -> None:
        self.declarations.retract(declaration)
        self.declarations.forget(declaration)

    def _try(self, declaration: Declaration) -> str:
        pause = self._pauses.get(declaration.name)
        if pause is None or pause.declaration != declaration:
            pause = _Pause(declaration)
        if self.clock() < pause.until:
            return "failing"
        try:
            state = self._look_at(declaration)
        except NotTried:
            return "failing"
        except Exception as error:  # noqa: BLE001 - whatever it was, the next turn may do better
            get_logger().warning("look-failed", pipeline=declaration.name, error=repr(error), exc_info=error)
            metrics.FAILURES.inc()
            pause.lengthen(self.clock())
            self._pauses[declaration.name] = pause
            return "failing"
        self._pauses.pop(declaration.name, None)
        return state

    def _look_at(self, declaration: Declaration) -> str:
        if declaration.is_deleted:
            self._delete(declaration)
            return "deleting"
        parsed = self._parse(declaration)
        if isinstance(parsed, InvalidSpec):
            self._report(declaration, str(parsed), self._in_force(declaration.name))
            return "refused"
        self.standings.know(declaration.name, declaration.identity, self._began)
        self.declarations.enforce(declaration)
        self._report(declaration, "", parsed.spec.retraining)
        return "accepted"

    def _parse(self, declaration: Declaration) -> Pipeline | InvalidSpec:
        text, parsed = self._parsed.get(declaration.name, (b"", None))
        if parsed is None or text != declaration.text:
            try:
                parsed = parse_pipeline(declaration.text)
            except InvalidSpec as error:
                parsed = error
                get_logger().warning("spec-refused", pipeline=declaration.name, why=str(error))
            self._parsed[declaration.name] = (declaration.text, parsed)
        return parsed

    def _in_force(self, pipeline: str) -> Retraining:
        """Return what the spec says that was valid before; a pipeline never ends by a mistake in its spec."""
        try:
            return parse_pipeline(self.store.read(layout.pipeline_spec(pipeline))).spec.retraining
        except (ObjectNotFound, InvalidSpec):
            return Retraining()

    def _report(self, declaration: Declaration, refusal: str, retraining: Retraining) -> None:
        standing = self.standings.get(declaration.name)
        next_retraining = self.schedules.keep(declaration.name, retraining) if standing else None
        facts = standing.facts if standing else ()
        report = Report(refusal=refusal, facts=facts, next_retraining=next_retraining)
        self.declarations.show(declaration, report)

    def _delete(self, declaration: Declaration) -> None:
        try:
            self._end(declaration)
        except Exception as error:
            self.declarations.show_held_up(declaration, repr(error))
            raise

    def _end(self, declaration: Declaration) -> None:
        self.declarations.retract(declaration)
        self._tell_deleted(declaration)
        self.declarations.forget(declaration)

    def _tell_deleted(self, declaration: Declaration) -> None:
        deleted = PipelineDeleted(pipeline=declaration.name, deletion_id=declaration.identity)
        self.tell(deleted, Cause(event_id(TYPE_NAMES[PipelineDeleted], deleted.subject)))
        self.standings.forget(declaration.name)
        metrics.DELETIONS.inc()
        get_logger().info("pipeline-deleted", pipeline=declaration.name, deletion_id=declaration.identity)
