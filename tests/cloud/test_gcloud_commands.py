"""Commands that are to be copied are such that the Google Cloud CLI knows; asked of itself, offline."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "k8s/gcloud/commands.md",
    ROOT / "k8s/README.md",
    ROOT / "examples/orchestration/README.md",
    ROOT / "cloudbuild.yaml",
    ROOT / "cloudbuild.promote.yaml",
)
WRONG = "gcloud pubsub topics create tidemill-events --no-such-flag=1"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    if shutil.which("gcloud") is None:
        pytest.skip("the commands were NOT checked by gcloud itself: it is not installed")
    return {
        "CLOUDSDK_CONFIG": str(tmp_path),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_PROJECT": "example-project",
        "PATH": "/usr/bin:/bin",
    }


def commands(page: Path) -> list[str]:
    """Every command of the CLI on a page, with something in place of variables; one of each form."""
    text = page.read_text()
    if page.suffix == ".md":
        text = "".join(re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL))
    text = text.replace("\\\n", " ")
    filled = re.sub(r"\$\{[^}]*\}|\$\w+", "example", text)
    forms = {}
    for line in filled.splitlines():
        if line.strip().startswith("gcloud "):
            words = shlex.split(line)
            forms[tuple(each.partition("=")[0] for each in words if "=" in each), *words[1:5]] = line.strip()
    return list(forms.values())


@pytest.mark.timeout(300)
def test_gcloud_knows_every_command_and_flag(environment: dict[str, str], tmp_path: Path) -> None:
    asked = [*(each for page in PAGES for each in commands(page)), WRONG]
    file = tmp_path / "commands.json"
    file.write_text(json.dumps([{"command_string": each} for each in asked]))

    linted = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
    )

    answers = json.loads(linted.stdout)
    assert len(answers) == len(set(asked)) > 10
    refused = {each["command_string"]: each["error_message"] for each in answers if not each["success"]}
    assert refused.keys() == {WRONG}, refused
