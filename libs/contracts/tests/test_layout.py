"""Rules of names: what they say can be read off again."""

import pytest

from tidemill_contracts import layout


def test_a_part_of_a_dataset_version_says_which_span_it_is_of() -> None:
    assert layout.span_of_dataset_part(layout.dataset_part("eval", 12, 3)) == 12


@pytest.mark.parametrize("file", ["eval/part.parquet", "profile.json", "eval/12-3.parquet"])
def test_other_files_are_of_no_span_that_is_known(file: str) -> None:
    assert layout.span_of_dataset_part(file) is None


def test_what_is_recorded_of_a_model_lies_in_one_folder_an_hour() -> None:
    name = layout.prediction_log("a/b", layout.hour_of(1_767_322_800_000), "f")

    assert name == "predictions/a%2Fb/2026-01-02T03/f"
