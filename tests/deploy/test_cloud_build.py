"""The builds that deliver: what they name is there, and nothing is deployed that was not checked."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

Build = dict[str, Any]

ROOT = Path(__file__).parents[2]
FILES = ("cloudbuild.yaml", "cloudbuild.promote.yaml")
KNOWN = {"substitutions", "steps", "serviceAccount", "timeout", "options"}
KNOWN_OF_STEP = {"id", "name", "waitFor", "script"}
# What Cloud Build gives every build of a trigger.
GIVEN = {"PROJECT_ID", "COMMIT_SHA", "SHORT_SHA"}
# What scripts set for the programs they start, or loop over.
OWN = {"BUCKET", "ENVIRONMENT", "repository", "image", "name"}


def read(file: str) -> Build:
    return dict(yaml.safe_load((ROOT / file).read_text()))


def profile(name: str) -> Build:
    configs = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
    [tidemill] = [each for each in configs if each["metadata"]["name"] == "tidemill"]
    return next(dict(each) for each in tidemill["profiles"] if each["name"] == name)


def scripts(build: Build) -> dict[str, str]:
    return {step["id"]: step["script"] for step in build["steps"]}


@pytest.mark.parametrize("file", FILES)
def test_a_build_says_only_what_cloud_build_knows(file: str) -> None:
    build = read(file)

    assert build.keys() == KNOWN
    assert all(step.keys() <= KNOWN_OF_STEP and ":" in step["name"] for step in build["steps"])
    assert re.fullmatch(r"\d+s", build["timeout"])
    assert build["options"]["automapSubstitutions"], "scripts read substitutions from their environment"


@pytest.mark.parametrize("file", FILES)
def test_steps_wait_for_steps_before_them(file: str) -> None:
    before: list[str] = []
    for step in read(file)["steps"]:
        assert step["id"] not in before
        assert set(step.get("waitFor", [])) <= {"-", *before}
        before.append(step["id"])


@pytest.mark.parametrize("file", FILES)
def test_every_substitution_is_declared_and_used(file: str) -> None:
    build = read(file)
    text = "\n".join(scripts(build).values())
    used = set(re.findall(r"\$\{?([A-Za-z_]+)", text))

    assert used - OWN - GIVEN == set(build["substitutions"])
    elsewhere = f"{build['substitutions']} {build['serviceAccount']}"
    assert set(re.findall(r"\$\{(\w+)\}", elsewhere)) <= GIVEN


@pytest.mark.parametrize("file", FILES)
def test_scripts_are_shell_and_stop_at_the_first_failure(file: str) -> None:
    for script in scripts(read(file)).values():
        assert script.startswith("#!/bin/sh\nset -eu\n")
        subprocess.run(["sh", "-n"], input=script, text=True, check=True, timeout=10)


@pytest.mark.parametrize("file", FILES)
def test_files_and_targets_that_scripts_name_are_there(file: str) -> None:
    text = "\n".join(scripts(read(file)).values())
    for path in re.findall(r"(?<![\w./-])(?:scripts|tests|k8s|helm)/[\w./-]+", text):
        assert (ROOT / path).exists(), path
        if path.startswith("scripts/"):
            assert os.access(ROOT / path, os.X_OK), path
    makefile = (ROOT / "Makefile").read_text()
    for line in re.findall(r"^make (.*)$", text, flags=re.MULTILINE):
        for target in line.split():
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    assert set(re.findall(r"--profile=(\w+)", text)) == {"gke"}


def test_nothing_reaches_staging_that_was_not_checked_and_scanned() -> None:
    waits = {step["id"]: step["waitFor"] for step in read("cloudbuild.yaml")["steps"]}

    assert set(waits["staging"]) == {"check", "scan"}
    assert (waits["scan"], waits["smoke"], waits["offer"]) == (["build"], ["staging"], ["smoke"])


def test_production_gets_the_images_that_staging_ran_and_builds_none() -> None:
    staging, production = scripts(read("cloudbuild.yaml")), scripts(read("cloudbuild.promote.yaml"))

    assert "skaffold build" not in "".join(production.values())
    for script in (staging["staging"], production["production"]):
        assert "skaffold deploy --profile=gke --build-artifacts=artifacts.json" in script
    [kept] = re.findall(r"gs://\$_BUCKET/(\S+)", staging["offer"])
    assert f"gs://$_BUILDS_BUCKET/{kept}" in production["production"]


@pytest.mark.parametrize("file", FILES)
def test_deploys_give_skaffold_every_variable_that_it_fills_in(file: str) -> None:
    templates = str(profile("gke")["deploy"]["helm"]["releases"])
    wanted = set(re.findall(r"\{\{\.(\w+)\}\}", templates))
    wanted = {each for each in wanted if not each.startswith("IMAGE_")}

    [script] = [each for each in scripts(read(file)).values() if "skaffold deploy" in each]
    assert wanted <= set(re.findall(r"(\w+)=", script)) | GIVEN


@pytest.mark.parametrize("file", FILES)
def test_the_definition_of_pipelines_is_applied_before_a_release_and_not_by_it(file: str) -> None:
    [script] = [each for each in scripts(read(file)).values() if "skaffold deploy" in each]

    apply = "kubectl apply --server-side --force-conflicts --filename=k8s/crds"
    assert 0 <= script.find(apply) < script.index("skaffold deploy")
    assert "--skip-crds" in profile("gke")["deploy"]["helm"]["flags"]["install"]


def test_a_newer_base_image_can_be_built_on() -> None:
    build = read("cloudbuild.yaml")

    assert profile("gke")["build"]["tagPolicy"] == {"inputDigest": {}}, "the base image is no part of it"
    assert build["substitutions"]["_REUSE"] == "true"
    assert '--cache-artifacts="$_REUSE"' in scripts(build)["build"]
    assert "_REUSE=false" in (ROOT / "k8s/README.md").read_text()


def test_the_scanner_has_what_it_looks_into_images_with() -> None:
    scan = scripts(read("cloudbuild.yaml"))["scan"]

    install = "gcloud components install local-extract --quiet"
    assert 0 <= scan.find(install) < scan.index("scripts/scan-images")


def test_the_smoke_test_asks_where_staging_answers() -> None:
    staging = read("k8s/gke/staging.yaml")

    [host] = staging["ingress"]["hosts"]
    assert read("cloudbuild.yaml")["substitutions"]["_GATEWAY"] == f"https://{host}"


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    file = tmp_path / "artifacts.json"
    tags = [f"example/tidemill-{name}:t@sha256:{name}" for name in ("ingest", "trainer")]
    builds = ",".join(f'{{"imageName":"x","tag":"{tag}"}}' for tag in tags)
    file.write_text(f'{{"builds":[{builds}]}}')
    return file


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [("LOW a\\nHIGH b", 0, ""), ("LOW a\\nCRITICAL c", 1, "tidemill-trainer:t@sha256:trainer\nCRITICAL c")],
)
def test_an_image_with_a_critical_weakness_stops_the_build(
    artifacts: Path, tmp_path: Path, found: str, code: int, told: str
) -> None:
    scanner = tmp_path / "gcloud"
    scanner.write_text(
        '#!/bin/sh\ncase "$4 $5" in\n  "scan "*) echo "$5" ;;\n'
        f'  *trainer) printf "{found}" ;;\n  *) echo "MEDIUM d" ;;\nesac\n'
    )
    scanner.chmod(0o755)

    ended = subprocess.run(
        [ROOT / "scripts/scan-images", artifacts, "europe"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )

    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr


def test_a_scan_that_fails_stops_the_build(artifacts: Path, tmp_path: Path) -> None:
    scanner = tmp_path / "gcloud"
    scanner.write_text("#!/bin/sh\nexit 3\n")
    scanner.chmod(0o755)

    ended = subprocess.run(
        [ROOT / "scripts/scan-images", artifacts, "europe"],
        check=False,
        timeout=30,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )

    assert ended.returncode == 3
