"""Pipeline specs for tests: those that are wrong, and any whose fields are each as the JSON Schema says."""

from typing import Any

from hypothesis import strategies as st

from tidemill_contracts.pipeline import PipelineSpec

Spec = dict[str, Any]
Strategy = st.SearchStrategy[Any]

# A spec, the field whose parts do not go together, and what is said of it.
BROKEN: list[tuple[Spec, str, str]] = [
    (
        {"split": {"groupBy": ["a"], "time": "b"}},
        "spec.split",
        "expected groupBy or time, received both: a group may span all times",
    ),
    ({"columns": {"x": {"minimum": 2, "maximum": 1}}}, "spec.columns.x", "expected minimum <= maximum"),
    (
        {"columns": {"x": {"feature": {"clip": [3, 3.0]}}}},
        "spec.columns.x.feature",
        "expected clip to rise",
    ),
    ({"training": {"quantiles": [0.5, 0.1]}}, "spec.training", "expected rising quantiles"),
    ({"training": {"quantiles": [0.1, 0.1]}}, "spec.training", "expected rising quantiles"),
    (
        {"training": {"quantiles": [0.1], "loss": "poisson"}},
        "spec.training",
        "expected quantiles or the loss poisson, received both",
    ),
    (
        {"training": {"families": ["custom"]}},
        "spec.training",
        "expected the family custom to be listed and described, received one of both",
    ),
    (
        {"training": {"custom": {"command": ["train"]}}},
        "spec.training",
        "expected the family custom to be listed and described, received one of both",
    ),
    (
        {"training": {"families": ["custom"], "custom": {}}},
        "spec.training.custom",
        "expected either build or command",
    ),
    (
        {"training": {"families": ["custom"], "custom": {"build": "a:b", "command": ["train"]}}},
        "spec.training.custom",
        "expected either build or command",
    ),
    ({"serving": {"rollout": {"steps": [0.5, 0.25]}}}, "spec.serving.rollout", "expected rising steps"),
    ({"serving": {"rollout": {"steps": [0.5, 0.5]}}}, "spec.serving.rollout", "expected rising steps"),
]
# A spec of which one field is wrong by itself, and that field.
WRONG: list[tuple[Spec, str]] = [
    ({"label": ""}, "spec.label"),
    ({"label": 1}, "spec.label"),
    ({"label": None}, "spec.label"),
    ({"task": "ranking"}, "spec.task"),
    ({"split": {"evalShare": 0}}, "spec.split.evalShare"),
    ({"split": {"evalShare": 1}}, "spec.split.evalShare"),
    ({"split": {"time": ""}}, "spec.split.time"),
    ({"validation": {"minRows": 1}}, "spec.validation.minRows"),
    ({"validation": {"minRows": 2.5}}, "spec.validation.minRows"),
    ({"validation": {"severities": {"SCHEMA_NEW_COLUMN": "shout"}}}, "spec.validation.severities"),
    ({"columns": {"age": {"type": "number"}}}, "spec.columns.age.type"),
    ({"columns": {"age": {"values": []}}}, "spec.columns.age.values"),
    ({"columns": {"age": {"feature": {"clip": [1]}}}}, "spec.columns.age.feature.clip"),
    ({"columns": {f"c{number}": {} for number in range(2001)}}, "spec.columns"),
    ({"data": {"last": 0}}, "spec.data.last"),
    ({"data": {"exclude": [0]}}, "spec.data.exclude"),
    ({"training": {"families": []}}, "spec.training.families"),
    ({"training": {"families": ["forest"]}}, "spec.training.families"),
    ({"training": {"budget": "soon"}}, "spec.training.budget"),
    ({"training": {"seed": 1 << 32}}, "spec.training.seed"),
    ({"blessing": {"metric": "f3"}}, "spec.blessing.metric"),
    ({"blessing": {"maxRegression": -0.1}}, "spec.blessing.maxRegression"),
    ({"blessing": {"minMetrics": {"roc_auc": "high"}}}, "spec.blessing.minMetrics"),
    ({"blessing": {"fairness": {}}}, "spec.blessing.fairness.groups"),
    ({"serving": {"rollout": {"steps": []}}}, "spec.serving.rollout.steps"),
    ({"retraining": {"schedule": "daily"}}, "spec.retraining.schedule"),
]
# What no schema describes: their fields are given such values.
KNOWN: dict[str, Strategy] = {
    "schedule": st.sampled_from(["0 3 * * 1", "*/15 * * * *", "30 2 29 2 *"]),
    "timeZone": st.sampled_from(["Etc/UTC", "Europe/Berlin"]),
}


def specs() -> st.SearchStrategy[Spec]:
    """Make specs each of whose fields is valid by itself."""
    schema = PipelineSpec.model_json_schema(by_alias=True)
    return _values(schema, schema["$defs"])


def _values(schema: Spec, definitions: Spec) -> Strategy:
    match schema:
        case {"$ref": str(name)}:
            return _values(definitions[name.removeprefix("#/$defs/")], definitions)
        case {"anyOf": choices}:
            return st.one_of(*(_values(each, definitions) for each in choices))
        case {"type": "object"}:
            return _objects(schema, definitions)
        case {"type": "array"}:
            return _lists(schema, definitions)
    return _scalars(schema)


def _lists(schema: Spec, definitions: Spec) -> Strategy:
    if "prefixItems" in schema:
        return st.tuples(*(_values(each, definitions) for each in schema["prefixItems"])).map(list)
    return st.lists(_values(schema["items"], definitions), min_size=schema.get("minItems", 0), max_size=3)


def _objects(schema: Spec, definitions: Spec) -> Strategy:
    if "properties" not in schema:
        keys = st.sampled_from(schema["propertyNames"]["enum"]) if "propertyNames" in schema else _texts()
        return st.dictionaries(keys, _values(schema["additionalProperties"], definitions), max_size=3)
    fields = {
        name: KNOWN.get(name, _values(each, definitions)) for name, each in schema["properties"].items()
    }
    required = {name: fields.pop(name) for name in schema.get("required", [])}
    return st.fixed_dictionaries(required, optional=fields)


def _scalars(schema: Spec) -> Strategy:
    match schema:
        case {"const": value}:
            return st.just(value)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "string"}:
            pattern = schema.get("pattern")
            return st.from_regex(pattern, fullmatch=True) if pattern else _texts(schema.get("minLength", 0))
        case {"type": "integer"}:
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case {"type": "number"}:
            return st.floats(
                min_value=schema.get("minimum", schema.get("exclusiveMinimum")),
                max_value=schema.get("maximum", schema.get("exclusiveMaximum")),
                exclude_min="exclusiveMinimum" in schema,
                exclude_max="exclusiveMaximum" in schema,
                allow_nan=False,
                allow_infinity=False,
            )
    return st.booleans() if schema["type"] == "boolean" else st.none()


def _texts(min_size: int = 0) -> Strategy:
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=12)
