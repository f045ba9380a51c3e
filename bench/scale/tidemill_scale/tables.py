"""The tables of docs/scale.md that the plan makes."""

from dataclasses import replace
from typing import Any

from tidemill_scale import limits, prices
from tidemill_scale.bottlenecks import ALL as BOTTLENECKS
from tidemill_scale.markdown import number, share, table
from tidemill_scale.plan import Plan
from tidemill_scale.workload import SIZES, TARGET

SMALL = replace(TARGET, name="1,000 drops a minute", drops_per_day=1_440_000)
PLANS = tuple(map(Plan.of, SIZES))
NAMES = [workload.name for workload in SIZES]


def workloads() -> str:
    """What the sizes are."""
    facts: dict[str, list[float]] = {
        "predictions a second": [each.predictions_per_second for each in SIZES],
        "pipelines": [each.pipelines for each in SIZES],
        "drops a day": [each.drops_per_day for each in SIZES],
        "GB a day": [each.bytes_per_day / 1e9 for each in SIZES],
        "GB in a window of 30 spans": [plan.demand.window_bytes / 1e9 for plan in PLANS],
    }
    return table(["", *NAMES], [[fact, *map(number, values)] for fact, values in facts.items()])


def pods() -> str:
    """How many pods each service needs, and how many processors each of them."""
    rows: list[list[str]] = []
    for name in PLANS[0].pods:
        each = [plan.pods[name] for plan in PLANS]
        rows.append([name, *(f"{pods.count:,} x {pods.cores_each:g}" for pods in each)])
    rows.append(["processors", *(f"{plan.cores:,.0f}" for plan in PLANS)])
    rows.append(["writes to the bucket, a second", *(number(plan.bucket_writes) for plan in PLANS)])
    rows.append(["listings, pages a second", *(number(plan.bucket_pages) for plan in PLANS)])
    rows.append(["TB in the bucket", *(number(plan.stored_bytes / 1e12) for plan in PLANS)])
    return table(["pods x vCPU", *NAMES], rows)


def dollars() -> str:
    """What it costs a month."""
    rows = [[line, *(f"{plan.dollars[line]:,.0f}" for plan in PLANS)] for line in PLANS[0].dollars]
    rows.append(["**total**", *(f"**{plan.total_dollars:,.0f}**" for plan in PLANS)])
    rows.append(["the passes on Dataflow, if there", *(f"{plan.dataflow_dollars:,.0f}" for plan in PLANS)])
    return table([f"$ a month, {prices.REGION}, {prices.LOOKED_UP}", *NAMES], rows)


def bottlenecks() -> str:
    """How much of each bounded thing every size uses."""
    plans = (*PLANS, Plan.of(SMALL))
    rows = [
        [
            each.what,
            f"{number(each.most)} {each.unit}",
            each.basis,
            *(share(each.share(plan)) for plan in plans),
            each.remedy,
        ]
        for each in BOTTLENECKS
    ]
    return table(["", "most", "known how", *NAMES, SMALL.name, "what helps"], rows)


def remedies() -> str:
    """What single changes would save at the target, and all of them together."""
    changes: dict[str, dict[str, Any]] = {
        "as it is": {},
        "`data.last: 10`": {"window_spans": 10},
        "`TIDEMILL_LOG_FILE_SECONDS=60`": {"log_file_seconds": 60},
        "feedback gathered for 1 s": {"feedback_gather_seconds": 1},
        "a tenth of the drops, ten times as large": {"drops_per_day": TARGET.drops_per_day / 10},
    }
    changes["the first three changes together"] = {
        name: to for change in list(changes.values())[:4] for name, to in change.items()
    }
    rows = []
    for what, change in changes.items():
        plan = Plan.of(replace(TARGET, **change))
        rows.append(
            [
                what,
                f"{plan.total_dollars:,.0f}",
                plan.pods["transform"].count,
                number(plan.bucket_writes),
                number(plan.bucket_pages),
                number(plan.stored_bytes / 1e12),
            ]
        )
    head = ["at 10,000 predictions a second and 3 TB a day", "$ a month", "transform pods", "writes/s"]
    return table([*head, "listings/s", "TB kept"], rows)


def price_list() -> str:
    """Every price, with its source."""
    rows = [
        [f"{each.dollars:.3g}", each.unit, f"<{each.source}>", "yes" if each.seen else "no"]
        for each in prices.ALL
    ]
    return table(["$", "for a", "source", "figure read there"], rows)


def limit_list() -> str:
    """Every limit of the platform, with its source."""
    rows = [
        [
            number(each.most),
            each.unit,
            "firm" if each.firm else "may be raised",
            f"<{each.source}>",
            "yes" if each.seen else "no",
        ]
        for each in limits.ALL
    ]
    return table(["most", "of", "", "source", "figure read there"], rows)
