"""Rules of the pipeline spec: little is required, nothing unknown is accepted, errors name the field."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_contracts.spec_problems import WORDS

SCHEMA = Path(__file__).parents[1] / "schema" / "pipeline.schema.json"
SHORTEST = "metadata: {name: flights}\nspec: {label: arr_delay >= 15}"

FULL = """
metadata: {name: flights}
spec:
  label: arr_delay >= 15
  task: binary
  columns:
    distance: {type: float, minimum: 0, maximum: 6000, feature: {scale: log, clip: [10, 5000]}}
    carrier: {values: [AA, B6, UA], required: true, maxDrift: 0.1}
    tailnum: {privacy: hash, unique: true}
    time_hour: {feature: {kind: timestamp, parts: [month, hour]}}
  crosses: [[origin, dest]]
  slices: [[carrier], [origin, dest]]
  data: {last: 3, exclude: [2]}
  split: {groupBy: [tailnum]}
  validation: {drift: {jensenShannon: null}, severities: {SCHEMA_NEW_COLUMN: block}}
"""


def test_a_name_and_a_label_are_enough() -> None:
    pipeline = parse_pipeline(SHORTEST)

    assert (pipeline.name, pipeline.spec.label) == ("flights", "arr_delay >= 15")


def test_the_digest_follows_the_meaning_and_not_the_layout() -> None:
    same = "spec:\n  label: 'arr_delay >= 15'\n  leaveOut: []\nkind: Pipeline\nmetadata:\n  name: flights"

    assert parse_pipeline(same).digest() == parse_pipeline(SHORTEST).digest()
    assert parse_pipeline(SHORTEST.replace("15", "30")).digest() != parse_pipeline(SHORTEST).digest()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("columns: {b: {minimum: -0.0}, a: {}}", '{"columns": {"a": {}, "b": {"minimum": 0}}}'),
        ("columns: {a: {feature: {clip: [-0.0, 3]}}}", '{"columns": {"a": {"feature": {"clip": [0, 3.0]}}}}'),
        (
            "serving: {fallback: {answer: {p: 0, q: 1.0}}}",
            '{"serving": {"fallback": {"answer": {"q":1,"p":0}}}}',
        ),
        ("training: {classWeights: {z: 1, a: 2}}", '{"training": {"classWeights": {"a": 2, "z": 1}}}'),
    ],
)
def test_the_digest_is_the_same_of_what_a_store_of_json_gives_back(written: str, stored: str) -> None:
    here = parse_pipeline(f"metadata: {{name: f}}\nspec:\n  label: x\n  {written}")
    spec = {"label": "x", **json.loads(stored)}
    document = {"metadata": {"name": "f", "uid": "1"}, "spec": spec, "status": {"stage": "Serving"}}

    assert parse_pipeline(json.dumps(document)).digest() == here.digest()


@pytest.mark.parametrize("label", ["late", "a\x7fb", "a\u2028b", "a\U0001f600b"])
def test_a_pinned_spec_reads_back_as_the_same(label: str) -> None:
    shortest = {"metadata": {"name": "flights"}, "spec": {"label": label}}
    for pipeline in (Pipeline.model_validate(shortest), parse_pipeline(FULL)):
        assert parse_pipeline(pipeline.to_json()) == pipeline


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metadata: {name: flights}\nspec: {}", "spec.label: Field required"),
        ("metadata: {name: flights}\nspec: {lable: x, label: y}", "spec.lable: Extra inputs"),
        ("metadata: {name: flights}\nspec: {label: y, leave_out: [x]}", "spec.leave_out: Extra inputs"),
        (
            "metadata: {name: Flights}\nspec: {label: y}",
            "metadata.name: expected a lower case letter, then lower case letters, digits and dashes, no",
        ),
        ("metadata: {name: f}\nspec: {label: y, leaveOut: a}", "leaveOut: expected a list, received 'a'"),
        (
            "metadata: {name: f}\nspec: {label: y, training: {families: []}}",
            "List should have at least 1 item",
        ),
        ("metadata: {name: ../etc}\nspec: {label: y}", "metadata.name"),
        ("metadata: {name: f}\nspec: {label: y, split: {evalShare: 1.5}}", "spec.split.evalShare"),
        (
            "metadata: {name: f}\nspec: {label: y, split: {groupBy: [a], time: b}}",
            "spec.split: Value error, expected groupBy or time, received both",
        ),
        (
            "metadata: {name: f}\nspec: {label: y, columns: {x: {minimum: 2, maximum: 1}}}",
            "spec.columns.x: Value error, expected minimum <= maximum, received {",
        ),
        (
            "metadata: {name: f}\nspec: {label: y, columns: {x: {feature: {clip: [3, 3]}}}}",
            "expected clip to rise",
        ),
        (
            "metadata: {name: f}\nspec: {label: y, validation: {severities: {NO_SUCH_ANOMALY: warn}}}",
            "spec.validation.severities.NO_SUCH_ANOMALY",
        ),
        ("kind: Pipe\nmetadata: {name: f}\nspec: {label: y}", "kind: Input should be 'Pipeline'"),
        ("- a\n- b", "expected a mapping"),
        ("a: [", "expected YAML"),
        ("[" * 100_000, "expected YAML"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghijk")
            ),
            "metadata: Field required",
        ),
        (b"\xff\xfe\x00", "expected YAML"),
        ("!!python/object/apply:os.system ['true']", "expected YAML"),
    ],
)
def test_a_wrong_spec_is_refused_with_the_field_and_what_was_received(text: str | bytes, says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_pipeline(text)

    assert says in str(refused.value)


def test_every_problem_is_told_once_and_on_a_line_of_its_own() -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_pipeline("metadata: {name: f}\nspec: {lable: y, training: {families: [xgboost]}}")

    lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["spec.label", "spec.training.families.0", "spec.lable"]


@pytest.mark.parametrize("schema", ["pipeline", "graph"])
def test_every_pattern_has_words_for_people(schema: str) -> None:
    text = SCHEMA.with_name(f"{schema}.schema.json").read_text()
    patterns = {json.loads(found) for found in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text)}

    assert patterns
    assert patterns <= WORDS.keys()


def test_the_exported_json_schema_is_the_one_the_code_checks() -> None:
    assert json.loads(SCHEMA.read_text()) == Pipeline.model_json_schema(by_alias=True)
