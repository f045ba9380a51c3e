"""Rules of prediction ids: they tell what feedback needs, and nobody else can make them."""

import base64

import pytest

from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.recording.prediction_ids import PredictionIds

KEY, OTHER_KEY = "a-key-of-one-platform", "a-key-of-another-one"


def new(ids: PredictionIds, model: str = "m", variant: str = "canary", log_share: float = 0) -> str:
    return ids.new(model, 7, variant, rows=3, log_share=log_share)[0]


def test_an_id_says_what_was_asked_of_whom_and_when() -> None:
    ids = PredictionIds([KEY])
    text, at_ms, is_logged = ids.new("m", 2**62, "canary", rows=3, log_share=1)

    said = ids.read("m", text)

    assert (said.version, said.variant, said.rows, said.gateway) == (2**62, "canary", 3, ids.gateway)
    assert (said.at_ms, said.is_logged) == (at_ms, is_logged)
    assert is_logged


def test_gateways_that_share_a_key_read_each_others_ids() -> None:
    assert PredictionIds([KEY]).read("m", new(PredictionIds([KEY]))).version == 7


def test_an_earlier_key_is_read_and_no_longer_used() -> None:
    both = PredictionIds([OTHER_KEY, KEY])

    assert both.read("m", new(PredictionIds([KEY]))).version == 7
    with pytest.raises(Refused):
        PredictionIds([KEY]).read("m", new(both))


def test_an_id_is_of_one_model_alone() -> None:
    ids = PredictionIds([KEY])
    text = new(ids, model="bc", variant="a")

    with pytest.raises(Refused, match="given with an answer of c but got"):
        ids.read("c", text)


def test_no_changed_bit_of_an_id_passes() -> None:
    ids = PredictionIds([KEY])
    signed = bytearray(base64.urlsafe_b64decode(new(ids) + "=="))
    for bit in range(8 * len(signed)):
        changed = bytearray(signed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused):
            ids.read("m", base64.urlsafe_b64encode(changed).decode().rstrip("="))


@pytest.mark.parametrize("text", ["", "x", "é" * 60, "A" * 64, "A" * 10_000, "\ud800"])
def test_what_is_no_id_is_the_callers_mistake(text: str) -> None:
    with pytest.raises(Refused) as refused:
        PredictionIds([KEY]).read("m", text)

    assert refused.value.code is Code.INVALID_ARGUMENT


def test_ids_never_repeat() -> None:
    ids = PredictionIds([KEY])

    assert len({new(ids) for _ in range(10_000)}) == 10_000


def test_the_logged_share_is_the_share_that_was_asked_for() -> None:
    ids = PredictionIds([KEY])

    logged = sum(ids.new("m", 1, "", rows=1, log_share=0.1)[2] for _ in range(20_000))

    # Six standard deviations of a binomial distribution.
    assert abs(logged - 2000) < 6 * (20_000 * 0.1 * 0.9) ** 0.5
