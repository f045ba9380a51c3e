"""Write the pass matrix into README.md from the outcomes of runs: `python matrix.py`.

Outcomes are `results/SERVER.json`, as `pytest tests/conformance --conformance-results` writes them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from checks import CHECKS, CLIENTS, SERVERS

HERE = Path(__file__).parent
BEGIN, END = "<!-- matrix -->", "<!-- end of matrix -->"

Outcomes = Mapping[str, Mapping[str, str | None]]


def main() -> None:
    """Replace what is between the marks in README.md."""
    results = {name: _results(name) for name in SERVERS}
    readme = HERE / "README.md"
    head, _, rest = readme.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = [*_totals(results), "", *_rows(results)]
    readme.write_text("\n".join([f"{head}{BEGIN}", *lines, f"{END}{tail}"]))


def _results(server: str) -> Outcomes:
    outcomes: Outcomes = json.loads((HERE / "results" / f"{server}.json").read_text())
    return outcomes


def _totals(results: Mapping[str, Outcomes]) -> Iterator[str]:
    yield f"| client | {' | '.join(SERVERS.values())} |"
    yield f"|---|{'---:|' * len(SERVERS)}"
    for client, checks in CHECKS.items():
        cells = [f"{_passed(outcomes, client)} of {len(checks)}" for outcomes in results.values()]
        yield f"| {CLIENTS[client].title} | {' | '.join(cells)} |"
    sums = [sum(_passed(outcomes, client) for client in CHECKS) for outcomes in results.values()]
    total = sum(map(len, CHECKS.values()))
    yield f"| **all** | {' | '.join(f'**{each} of {total}**' for each in sums)} |"


def _passed(outcomes: Outcomes, client: str) -> int:
    return sum(error is None for error in outcomes.get(client, {}).values())


def _rows(results: Mapping[str, Outcomes]) -> Iterator[str]:
    for client, checks in CHECKS.items():
        yield f"### {CLIENTS[client].title}"
        yield ""
        yield f"| check | {' | '.join(SERVERS.values())} |"
        yield f"|---|{':---:|' * len(SERVERS)}"
        for check, what in checks.items():
            cells = [_mark(outcomes.get(client, {}), check) for outcomes in results.values()]
            yield f"| {what} | {' | '.join(cells)} |"
        yield ""


def _mark(outcomes: Mapping[str, str | None], check: str) -> str:
    if check not in outcomes:
        return "not run"
    return "yes" if outcomes[check] is None else "**no**"


if __name__ == "__main__":
    main()
