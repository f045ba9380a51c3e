"""What a platform is made of: processes, ports and environment, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process to keep running. Texts may hold `{host}`, `{home}`, `{bucket_url}`, `{port[NAME]}`.

    Attributes:
        command: Arguments of the Python interpreter.
        ready_url: Answers 200 when the process is ready. None: a task, which is ready once it exits with 0.
        after: Processes that must be ready before this one starts.
        uses: Processes that must not be stopped before this one.
        address: Where people find it, empty when they need not.
        grpc_address: Where it speaks gRPC beside that, empty where it does not.
        secrets: Environment variables, each with the name of the home's secret that it holds.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str | None
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    address: str = ""
    grpc_address: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, shared: Mapping[str, str], places: Mapping[str, Any]) -> "Process":
        """Fill in every placeholder, and the environment that all processes share."""
        environment = {**shared, **self.environment}
        return replace(
            self,
            command=tuple(argument.format(**places) for argument in self.command),
            environment={name: value.format(**places) for name, value in environment.items()},
            ready_url=self.ready_url and self.ready_url.format(**places),
            address=self.address.format(**places),
            grpc_address=self.grpc_address.format(**places),
        )


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A platform on paper. `ports` are preferred ones; `environment` is every process's."""

    processes: tuple[Process, ...]
    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict)

    def on_any_ports(self) -> "Blueprint":
        """Prefer no ports, so that platforms beside each other do not compete for the usual ones."""
        return replace(self, ports=dict.fromkeys(self.ports, 0))
