"""Rules of the pass by hand: the window is read from the bucket, and transform takes over what was done."""

import json
import re
from pathlib import Path

import pytest
from transform_world import World, a_span, a_spec
from worker_image import DOCKERFILE

from tidemill_contracts.events import DatasetTransformed
from tidemill_contracts.spec_problems import NAME_PATTERN
from tidemill_transform import launcher
from tidemill_transform.dataflow import report_of, report_uri
from tidemill_transform.plan import Plan, Report
from tidemill_transform.settings import IN_MEMORY

TEMPLATE = DOCKERFILE.with_name("dataflow-template.json")
PARAMETERS = {each["name"]: each for each in json.loads(TEMPLATE.read_text())["parameters"]}


def test_transform_commits_what_was_run_by_hand(tmp_path: Path) -> None:
    world, by_hand = World(tmp_path / "transform"), World(tmp_path / "by-hand")
    world.tell(a_span(world.store))
    event = a_span(by_hand.store)
    window = ["--pipeline=flights", f"--spec_digest={a_spec().digest()}", "--span=1"]

    launcher.main([f"--bucket_url={(tmp_path / 'by-hand/bucket').as_uri()}", *window, *IN_MEMORY])

    def run_no_more(plan: Plan) -> Report:
        assert Path(report_uri(plan)).exists()
        return report_of(plan)

    assert isinstance(by_hand.tell(event, run_no_more), DatasetTransformed)
    assert by_hand.contents() == world.contents()


def test_the_template_asks_for_what_the_launcher_takes() -> None:
    taken = {action.dest for action in launcher.parser()._actions} - {"help"}  # noqa: SLF001 - argparse has no other

    assert taken | {"sdk_container_image"} == PARAMETERS.keys()
    assert all(set(each) == {"name", "label", "helpText", "regexes"} for each in PARAMETERS.values())


@pytest.mark.parametrize(
    ("name", "value", "is_taken"),
    [
        ("bucket_url", "gs://my-bucket.example", True),
        ("bucket_url", "file:///tmp", False),
        ("bucket_url", "gs://bucket/folder", False),
        ("spec_digest", a_spec().digest(), True),
        ("spec_digest", "../../other", False),
        ("span", "12", True),
        ("span", "0", False),
    ],
)
def test_the_template_takes_what_is_right_alone(name: str, value: str, is_taken: bool) -> None:  # noqa: FBT001
    matches = [re.fullmatch(pattern, value) for pattern in PARAMETERS[name]["regexes"]]

    assert all(matches) is is_taken


def test_the_template_knows_what_a_pipeline_is_called() -> None:
    assert PARAMETERS["pipeline"]["regexes"] == [NAME_PATTERN]
