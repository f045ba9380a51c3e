"""The tables of docs/scale.md that the simulations make."""

import math

from tidemill_scale import measured, scenarios
from tidemill_scale.fleet import Fleet, Run
from tidemill_scale.markdown import number, share, table


def checked() -> str:
    """The simulated gateway beside the real one, on one core with its model server."""
    rows = []
    for real in measured.QUIET:
        fleet = Fleet(gateways=1, model_cores=None)
        run = Run(fleet, measured.COSTS, scenarios.SECONDS).closed(real.connections)
        off = run.per_second / real.per_second - 1
        is_fitted = real in (measured.QUIET[0], measured.QUIET[2])
        rows.append(
            [
                real.connections,
                f"{real.per_second:,.0f}",
                f"{run.per_second:,.0f} ({100 * off:+.0f} %)",
                real.p50_ms,
                f"{run.percentile_ms(0.5):.1f}",
                real.requests_per_call,
                f"{run.requests_per_call:.1f}",
                "costs fitted to it" if is_fitted else "**predicted**",
            ]
        )
    head = ["connections", "requests/s, real", "simulated", "p50 ms, real", "simulated"]
    return table([*head, "requests a call, real", "simulated", ""], rows)


def fleet() -> str:
    """The target's load on more and more gateways."""
    rows = []
    for models, gateways, outcome in scenarios.fleets():
        cores = outcome.gateway_cores, outcome.model_cores
        rows.append(
            [
                models,
                gateways,
                share(cores[0] / gateways),
                f"{cores[0]:.1f} + {cores[1]:.1f}",
                f"{outcome.requests_per_call:.1f}",
                f"{outcome.percentile_ms(0.5):.1f} / {outcome.percentile_ms(0.99):.1f}",
                outcome.ends["refused"],
            ]
        )
    head = ["models", "gateways", "busy", "cores: gateways + model servers", "requests a call"]
    return table([*head, "p50 / p99 ms", "refused"], rows)


def lost() -> str:
    """What a gateway takes along that ends."""
    rows = []
    for gateways, outcome in scenarios.losses():
        ends = outcome.ends
        p50, p99 = outcome.percentile_ms(0.5), outcome.percentile_ms(0.99)
        counts = (outcome.arrived, ends["lost"], ends["refused"])
        rows.append([gateways, *map(number, counts), f"{p50:.1f} / {p99:.1f}"])
    return table(["gateways", "requests in 1 s", "lost", "refused", "p50 / p99 ms of the answered"], rows)


def doubling() -> str:
    """The load doubles."""
    rows = [
        [way.name, way.scaling.pods, minutes.pods[-1], number(minutes.refused), minutes.refusing_seconds]
        for way, minutes in scenarios.doublings()
    ]
    return table(["autoscaler", "pods before", "after 9 minutes", "refused", "for so many seconds"], rows)


def days() -> str:
    """A day of drops."""
    rows = []
    for name, day in scenarios.days():
        drained = day.drained_seconds
        rows.append(
            [
                name,
                f"{day.ingest.most_waiting:,} / {day.transform.most_waiting:,}",
                _minutes(day.transform.percentile_seconds(0.5)),
                _minutes(day.transform.percentile_seconds(0.99)),
                "never" if math.isinf(drained) else _minutes(drained),
                f"{day.transform.settled:,}",
                day.transform.dead,
                f"{day.transform.wasted_seconds / 3600:.0f}",
            ]
        )
    head = ["", "most waiting: ingest / transform", "p50 min", "p99 min", "min until caught up", "datasets"]
    return table([*head, "dead letters", "hours worked in vain"], rows)


def _minutes(seconds: float) -> str:
    return number(seconds / 60)
