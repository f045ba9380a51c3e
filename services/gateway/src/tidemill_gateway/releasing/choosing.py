"""Turns routes into choices, once a route changes; a request then costs a look-up and a draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tidemill_gateway.calls import Call
from tidemill_gateway.releasing.breaking import WINDOW, Breaker
from tidemill_gateway.releasing.choices import ANSWER, PREVIOUS, Choice, Mirror, Spare, Subject
from tidemill_gateway.releasing.splits import Divide, divide_by
from tidemill_gateway.releasing.static_answers import static_target
from tidemill_gateway.routes import Route, RouteBook, Target, Variant

# Failures among the last 20 requests that are borne: of a version on trial, and of one that was found good.
TRIAL_FAILURES = 4
STABLE_FAILURES = WINDOW // 2

MakeMirror = Callable[[Target, Subject], Mirror]


@dataclass(slots=True)
class Options:
    """The choices of one route; `divide` is None where there is one only."""

    route: Route
    choices: tuple[Choice, ...]
    divide: Divide | None

    def choose(self, call: Call) -> Choice:
        """Return the choice for a call."""
        choice = self.choices[0 if self.divide is None else self.divide(call)]
        if choice.breaker is not None and choice.breaker.diverts():
            return _passed_over(choice)
        return choice


class Chooser:
    """Chooses who answers calls, by the route book."""

    def __init__(self, book: RouteBook, mirror: MakeMirror) -> None:
        self._book = book
        self._mirror = mirror
        self._options: dict[str, Options] = {}

    def choose(self, call: Call) -> Choice:
        """Return who answers; a version or label that the call names is never replaced. Raises Refused."""
        ref = call.ref
        if ref.version is not None or ref.label is not None:
            target = self._book.resolve(ref)
            return Choice(target, version=str(target.version))
        options = self._options.get(ref.name)
        route = self._book.find(ref.name)
        if options is None or options.route is not route:
            options = self._renewed(call, options, route)
        return options.choose(call)

    def _renewed(self, call: Call, options: Options | None, route: Route | None) -> Options:
        if options is not None and options.route == route:
            # A new table that says the same of this model: breakers keep what they know.
            options.route = route
            return options
        stable = self._book.resolve(call.ref)
        self._options = {name: each for name, each in self._options.items() if name in self._book}
        known = options.choices if options is not None else ()
        renewed = options_of(stable, self._book.route(stable.model), self._mirror, known=known)
        self._options[stable.model] = renewed
        return renewed


def options_of(
    stable: Target,
    route: Route,
    mirror: MakeMirror,
    *,
    known: Sequence[Choice] = (),
    seed: int | None = None,
) -> Options:
    """Return the choices that a route offers to calls that name no version.

    The breakers of `known` choices, of the route as it was, go on where they are about the same.
    """
    variants = [variant for variant in route.variants if variant.version in route.loaded_versions]
    if not variants:
        return Options(route, (_choice(stable, route, Variant("", stable.version, 1), mirror, known),), None)
    choices = tuple(_choice(stable, route, variant, mirror, known) for variant in variants)
    salt = f"{stable.model}:{route.release}:"
    divide = divide_by(route.split, variants, key_header=route.split_key, salt=salt, seed=seed)
    return Options(route, choices, divide if len(choices) > 1 else None)


def _choice(
    stable: Target, route: Route, variant: Variant, mirror: MakeMirror, known: Sequence[Choice]
) -> Choice:
    target = replace(stable, version=variant.version)
    is_trial = variant.version != stable.version
    spares = tuple(_spares(stable, route, variant.version))
    choice = Choice(
        target,
        variant.name,
        spares,
        is_trial,
        Subject(target.model, target.version, route.release, variant.name),
        mirrors=() if is_trial else tuple(_mirrors(stable, route, mirror)),
        version=str(target.version),
    )
    return replace(choice, breaker=_breaker(choice, known)) if spares else choice


def _breaker(choice: Choice, known: Sequence[Choice]) -> Breaker:
    about = choice.target, choice.subject, choice.is_trial
    same = [each.breaker for each in known if (each.target, each.subject, each.is_trial) == about]
    return next(filter(None, same), None) or Breaker(TRIAL_FAILURES if choice.is_trial else STABLE_FAILURES)


def _spares(stable: Target, route: Route, version: int) -> list[Spare]:
    """Return what is behind a version: behind one on trial the stable one, behind that the one before."""
    fallback = route.fallback
    instead = fallback.version if version == stable.version else stable.version
    spares = []
    if instead is not None and instead != version and instead in route.loaded_versions:
        variant = next((each.name for each in route.variants if each.version == instead), "")
        spares.append(Spare(replace(stable, version=instead), PREVIOUS, variant))
    if fallback.answer:
        spares.append(Spare(static_target(stable), ANSWER))
    return spares


def _mirrors(stable: Target, route: Route, mirror: MakeMirror) -> list[Mirror]:
    return [
        mirror(replace(stable, version=version), Subject(stable.model, version, route.release, "shadow"))
        for version in route.shadow_versions
        if version in route.loaded_versions
    ]


def _passed_over(choice: Choice) -> Choice:
    first, *others = choice.spares
    return Choice(first.target, first.variant, tuple(others), instead_of=choice, version=version_label(first))


def version_label(spare: Spare) -> str:
    """Return what metrics and headers call the version of a spare, empty for one that is no version."""
    return "" if spare.name == ANSWER else str(spare.target.version)
