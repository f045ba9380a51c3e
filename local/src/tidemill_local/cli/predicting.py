"""Questions to a served model, over the gateway's REST API."""

import csv
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from rich.console import Console
from rich.text import Text

from tidemill_local.cli.errors import CommandFailed

TIMEOUT_SECONDS = 30
STRING = "DT_STRING"
FLOATS = {"DT_FLOAT", "DT_DOUBLE", "DT_HALF", "DT_BFLOAT16"}
# What ingest reads as missing in a file, a question means by it too.
MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}
DELIMITERS = (",", ";", "\t", "|")
VERSION_HEADER = "Tidemill-Model-Version"

Instance = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the gateway answered. `version` is that of the model, None when no model answered."""

    status: int
    body: str
    version: str | None


@dataclass(frozen=True)
class Answer:
    """A prediction, and the command that asks for the same one."""

    curl: str
    body: str
    version: str | None
    seconds: float


@dataclass(frozen=True)
class Model:
    """A served model by name. `inputs` maps what it takes to TensorFlow's type names; `key` is an API key."""

    gateway: str
    name: str
    inputs: Mapping[str, str]
    key: str = ""

    @property
    def url(self) -> str:
        return f"{self.gateway}/v1/models/{quote(self.name)}:predict"

    def question(self, pairs: Sequence[str], file: Path | None, row: int) -> Instance:
        """Put an instance together of a row of a file, if there is one, and `key=value` pairs over it."""
        expected, typed = sorted(self.inputs), parse_values(pairs)
        if unknown := sorted(typed.keys() - self.inputs.keys()):
            raise CommandFailed(f"expected values of {expected}, received {unknown}")
        from_file = read_row(file, row) if file else {}
        if file and not self.inputs.keys() & from_file.keys():
            raise CommandFailed(f"expected columns of {expected} in {file}, received {sorted(from_file)}")
        return self.instance({**from_file, **typed})

    def instance(self, values: Mapping[str, str]) -> Instance:
        """Give texts the types that the model takes; none at all means missing."""
        return {name: _typed(name, kind, values.get(name, "")) for name, kind in self.inputs.items()}

    def parse(self, document: str) -> Instance:
        """Read an instance from JSON, as it is."""
        try:
            instance = json.loads(document)
        except ValueError as error:
            raise CommandFailed(f"expected an instance as JSON, received {document!r}: {error}") from error
        if not isinstance(instance, dict):
            raise CommandFailed(f"expected a JSON object, received {document!r}")
        return instance

    def ask(self, instance: Instance) -> Answer:
        """Ask for one prediction; raise CommandFailed when the answer is an error."""
        body = json.dumps({"instances": [instance]}, ensure_ascii=False)
        begin = time.perf_counter()
        reply = request("POST", self.url, body, self.key)
        seconds = time.perf_counter() - begin
        if reply.status != 200:
            raise CommandFailed(f"expected a prediction, received status {reply.status}: {_reason(reply)}")
        return Answer(f"curl -d {shlex.quote(body)} {self.url}", reply.body, reply.version, seconds)


def find_model(gateway: str, name: str, key: str = "") -> Model:
    """Ask what a model takes; raise CommandFailed when it is not served, or not to who has this API key."""
    reply = request("GET", f"{gateway}/v1/models/{quote(name)}/metadata", key=key)
    _check_allowed(reply)
    if reply.status != 200:
        served = ", ".join(model_names(gateway, key)) or "none"
        raise CommandFailed(f"expected a served model ({served}), received {name!r}: {_reason(reply)}")
    signatures = json.loads(reply.body)["metadata"]["signature_def"]["signature_def"]
    inputs = signatures["serving_default"]["inputs"]
    return Model(gateway, name, {each: inputs[each]["dtype"] for each in sorted(inputs)}, key)


def print_answer(answer: Answer, console: Console) -> None:
    """Print the question as a command that can be copied, the answer, and who gave it."""
    console.print(Text.assemble(("\n   $ ", "dim"), (answer.curl, "cyan")), soft_wrap=True)
    console.print(Text(f"   {answer.body}"), soft_wrap=True)
    took_ms = answer.seconds * 1000
    console.print(Text(f"   version {answer.version} answered, in {took_ms:.1f} ms", style="dim"))


def model_names(gateway: str, key: str = "") -> list[str]:
    """Name every model that the gateway has a route for."""
    reply = request("GET", f"{gateway}/v1/models", key=key)
    if reply.status != 200:
        raise CommandFailed(f"expected a list of models from {gateway}: {_reason(reply)}")
    return list(json.loads(reply.body)["models"])


def served_version(gateway: str, name: str, key: str = "") -> str:
    """Return the version that answers requests for a model, `-` for none; raise as find_model does."""
    reply = request("GET", f"{gateway}/v1/models/{quote(name)}/metadata", key=key)
    _check_allowed(reply)
    return str(json.loads(reply.body)["model_spec"]["version"]) if reply.status == 200 else "-"


def read_row(file: Path, row: int) -> dict[str, str]:
    """Read one row of a CSV file with any usual delimiter, counted from 1 below the header."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            delimiter = max(DELIMITERS, key=lines.readline().count)
            lines.seek(0)
            found = next(islice(csv.DictReader(lines, delimiter=delimiter), row - 1, None), None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandFailed(f"expected a CSV file in {file}: {error}") from error
    if found is None or row < 1:
        raise CommandFailed(f"expected a row of {file}, received number {row}")
    return {name.strip(): value for name, value in found.items() if name is not None and value is not None}


def parse_values(pairs: Sequence[str]) -> dict[str, str]:
    """Read `key=value` pairs."""
    malformed = [pair for pair in pairs if "=" not in pair]
    if malformed:
        raise CommandFailed(f"expected key=value, received {malformed[0]!r}")
    return dict(pair.split("=", 1) for pair in pairs)


def request(method: str, url: str, body: str | None = None, key: str = "") -> Reply:
    """Send one request, with an API key if there is one; raise CommandFailed when nothing answers."""
    headers = {"Content-Type": "application/json", **({"X-Api-Key": key} if key else {})}
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, address.path, None if body is None else body.encode(), headers)
        reply = connection.getresponse()
        return Reply(reply.status, reply.read().decode(), reply.headers[VERSION_HEADER])
    except (OSError, HTTPException) as error:
        raise CommandFailed(f"expected an answer from {url}: {error}") from error
    finally:
        connection.close()


def _typed(name: str, kind: str, given: str) -> str | float | int | bool:
    text = "" if given in MISSING else given
    if kind == STRING:
        return text
    try:
        if kind in FLOATS:
            number = float(text or "nan")
            return int(number) if number.is_integer() else number
        return text.lower() == "true" if kind == "DT_BOOL" else int(text)
    except ValueError as error:
        raise CommandFailed(f"expected a number for {name}, received {given!r}") from error


def _check_allowed(reply: Reply) -> None:
    if reply.status in (401, 403):
        raise CommandFailed(f"expected an API key in TIDEMILL_API_KEY that may predict: {_reason(reply)}")


def _reason(reply: Reply) -> str:
    try:
        return str(json.loads(reply.body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {reply.status}"
