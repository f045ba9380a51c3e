"""What a reader has to know before trusting a card's numbers: said by the card itself."""

from collections.abc import Iterator

from tidemill_runtime.figures import count, figure, share
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.words import between, metric, signed
from tidemill_trainer.judging.findings import Findings

FEW_ROWS = 1000
# Beyond this mean gap, probabilities are not to be taken at their word.
MISCALIBRATED = 0.05
MAX_WEAK_SLICES = 3
MAX_NAMES = 10


def list_limits(card: ModelCard) -> tuple[str, ...]:
    """Return the sentences, the gravest first."""
    findings = card.findings
    if findings is None:
        return ("The model has defects: it was not measured.",)
    return (
        *_not_looked_at(card, findings),
        *_unready(card),
        *_weaknesses(card, findings),
        *_champion(findings),
        *_newest(findings),
        *_caveats(card),
    )


def _not_looked_at(card: ModelCard, findings: Findings) -> Iterator[str]:
    if card.not_served:
        yield f"The model was not tried out in a model server, its latency is not known: {card.not_served}."
    for what in findings.skipped:
        yield f"Not looked at: {what}."
    small = [part for part in findings.slices if not part.metrics]
    if small:
        slices = f"{count(len(small))} of {count(len(findings.slices))} declared slices"
        yield f"{slices} have too few rows to be measured."
    unmeasured = [condition for fairness in findings.fairness for condition, _ in fairness.unmeasured]
    if unmeasured:
        yield f"Groups of too few rows to be measured: {', '.join(unmeasured)}."
    if failed := sum(trial.state == "failed" for trial in card.search.trials):
        yield f"{count(failed)} of {count(len(card.search.trials))} trials failed."


def _unready(card: ModelCard) -> Iterator[str]:
    """Name the families that the budget gave no time to show what they can do."""
    states: dict[str, list[bool]] = {}
    for trial in card.search.trials:
        states.setdefault(trial.family, []).append(trial.is_cut_short)
    if unready := [family for family, cut_short in states.items() if all(cut_short)]:
        yield f"The budget ended the training of {', '.join(unready)} too soon: with more it may be better."


def _weaknesses(card: ModelCard, findings: Findings) -> Iterator[str]:
    by_columns = {weak.columns: weak for weak in reversed(findings.weak_slices)}
    for weak in [*reversed(by_columns.values())][:MAX_WEAK_SLICES]:
        yield (
            f"Worse where {weak.condition} ({share(weak.share)} of the rows): loss {figure(weak.loss)}, "
            f"elsewhere {figure(weak.loss_elsewhere)}."
        )
    if findings.reliability is not None and findings.reliability.calibration_error > MISCALIBRATED:
        error = share(findings.reliability.calibration_error)
        yield f"Probabilities are off by {error} on average: take them for an order, not for chances."
    if findings.importance is not None:
        useless = [feature.name for feature in findings.importance.features if feature.is_useless]
        if useless:
            features = f"{count(len(useless))} of {count(len(card.data.features))} features"
            yield f"{features} bring nothing that could be seen: {', '.join(useless[:MAX_NAMES])}."


def _champion(findings: Findings) -> Iterator[str]:
    comparison = findings.held_out.comparisons.get("champion")
    if comparison is not None and comparison.gain.high < 0:
        gain = f"{metric(comparison.metric)} {signed(comparison.gain.value)}"
        yield f"Worse than the champion beyond chance: {gain}."
    worse = [part.condition for part in findings.slices if part.comparison and part.comparison.gain.high < 0]
    if worse:
        yield f"Worse than the champion where {', '.join(worse[:MAX_WEAK_SLICES])}."


def _newest(findings: Findings) -> Iterator[str]:
    if findings.newest is None:
        return
    whole, newest = (part.metrics.get(findings.decides) for part in (findings.held_out, findings.newest))
    if whole and newest and not newest.low <= whole.value <= newest.high:
        yield (
            f"The newest span differs: {metric(findings.decides)} is {figure(newest.value)} "
            f"({between(newest)}) there, {figure(whole.value)} on all rows."
        )


def _caveats(card: ModelCard) -> Iterator[str]:
    data = card.data
    if data.rows_learned < data.rows_train:
        learned = share(data.rows_learned, data.rows_train)
        yield f"Not all rows fit into the memory: it has learned from {learned} of them."
    if data.rows_measured < FEW_ROWS:
        yield f"It was measured on {count(data.rows_measured)} rows only: intervals are wide."
    if not data.is_grouped:
        yield "Rows are taken to be independent: where they come in groups, intervals are too narrow."
    if card.decision_threshold is not None:
        yield "The decision threshold is best for F1 on these rows; what errors cost is not known here."
