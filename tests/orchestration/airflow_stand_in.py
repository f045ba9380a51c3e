"""As much of Airflow as a file that declares a DAG needs: every operator keeps what it was given."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import jinja2

OPERATORS = (
    "PubSubCreateSubscriptionOperator",
    "PubSubDeleteSubscriptionOperator",
    "PubSubPublishMessageOperator",
)


@dataclass
class Operator:
    """A task. Those that follow it are noted as `>>` says."""

    given: dict[str, Any]
    after: list[str] = field(default_factory=list)
    output: str = ""

    template_fields = ("project_id", "topic", "subscription", "messages")

    def __init__(self, **given: Any) -> None:
        self.given, self.after, self.output = given, [], f"output of {given['task_id']}"

    def __rshift__(self, following: "Operator | list[Operator]") -> "Operator | list[Operator]":
        for each in following if isinstance(following, list) else [following]:
            each.after.append(self.given["task_id"])
        return following

    def rendered(self, **context: str) -> dict[str, Any]:
        """What was given, templates filled in where Airflow fills them in."""
        return {
            key: _filled(value, context) if key in self.template_fields else value
            for key, value in self.given.items()
        }


class Dag:
    """The context that tasks are declared in."""

    def __init__(self, dag_id: str, **given: Any) -> None:
        self.dag_id, self.given = dag_id, given

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _task(function: Callable[..., Any]) -> Callable[..., Operator]:
    return lambda *arguments: Operator(task_id=function.__name__, function=function, arguments=arguments)


def _filled(value: Any, context: dict[str, str]) -> Any:
    match value:
        case str():
            return jinja2.Environment(autoescape=False).from_string(value).render(context)  # noqa: S701
        case list():
            return [_filled(each, context) for each in value]
        case dict():
            return {key: _filled(each, context) for key, each in value.items()}
    return value


@contextmanager
def installed() -> Iterator[None]:
    """Let `import airflow` find this."""
    operators = dict.fromkeys(OPERATORS, Operator)
    contents: dict[str, dict[str, Any]] = {
        "airflow.sdk": {"DAG": Dag, "task": _task},
        "airflow.providers.google.cloud.operators.pubsub": operators,
        "airflow.providers.google.cloud.sensors.pubsub": {"PubSubPullSensor": Operator},
    }
    names = {
        ".".join(name.split(".")[: depth + 1]) for name in contents for depth in range(name.count(".") + 1)
    }
    modules = {name: ModuleType(name) for name in names}
    for name, content in contents.items():
        vars(modules[name]).update(content)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def read(file: Path) -> dict[str, Operator]:
    """Read a DAG's file and return its tasks by their ids."""
    with installed():
        scope: dict[str, Any] = {"__name__": file.stem}
        exec(compile(file.read_text(), file, "exec"), scope)  # noqa: S102 - the repository's own example
    return {each.given["task_id"]: each for each in scope.values() if isinstance(each, Operator)}
