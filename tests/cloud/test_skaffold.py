"""What skaffold makes of skaffold.yaml; asked of skaffold and helm themselves, offline."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILLED = {"PROJECT_ID": "example-project", "BUCKET": "example", "ENVIRONMENT": "production"}
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = {name: shutil.which(name) for name in ("skaffold", "helm")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(
            f"skaffold.yaml was NOT checked by skaffold itself: there is no {' and no '.join(missing)}"
        )
    # Without a cluster to ask, helm takes it for one of the version that it was built with, if it knows that.
    helm = tmp_path / "helm"
    helm.write_text(
        '#!/bin/sh\ncase " $* " in *" template "*) set -- "$@" --kube-version=1.30.0 ;; esac\n'
        f'exec {programs["helm"]} "$@"\n'
    )
    helm.chmod(0o755)
    folders = [str(tmp_path), str(Path(programs["skaffold"] or "").parent)]
    quiet = {"SKAFFOLD_UPDATE_CHECK": "false", "SKAFFOLD_INTERACTIVE": "false", "HOME": str(tmp_path)}
    return {"PATH": ":".join([*folders, "/usr/bin", "/bin"]), **quiet, **FILLED}


def skaffold(environment: dict[str, str], *arguments: str) -> str:
    ended = subprocess.run(
        ["skaffold", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        env=environment,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.timeout(420)
@pytest.mark.parametrize("profile", ["dev", "gke"])
def test_skaffold_applies_the_images_that_it_built(
    environment: dict[str, str], tmp_path: Path, profile: str
) -> None:
    configs = yaml.safe_load_all(skaffold(environment, "diagnose", "--yaml-only", f"--profile={profile}"))
    builds_of = [config["build"] for config in configs if "artifacts" in config["build"]]
    # A profile's `local` is in place of the one outside, and the older builder is the default.
    assert all(build["local"]["useBuildkit"] for build in builds_of)
    artifacts_of = [each for build in builds_of for each in build["artifacts"]]
    built = {each["image"]: f"example/{each['image']}:t@{DIGEST}" for each in artifacts_of}
    artifacts = tmp_path / "artifacts.json"
    builds = [{"imageName": image, "tag": tag} for image, tag in built.items()]
    artifacts.write_text(json.dumps({"builds": builds}))

    rendered = skaffold(
        environment,
        "render",
        "--offline=true",
        "--digest-source=tag",
        f"--profile={profile}",
        f"--build-artifacts={artifacts}",
    )

    images = set(images_of(list(yaml.safe_load_all(rendered))))
    services = {
        tag for image, tag in built.items() if image not in {"tidemill-worker", "tidemill-trainer-gpu"}
    }
    assert services <= images
    assert {image.partition("/")[0] for image in images - services} <= {"docker.io", "ghcr.io"}


def images_of(value: Any) -> list[str]:
    match value:
        case {"image": str(image), **others}:
            return [image, *images_of(others)]
        case dict():
            return [image for each in value.values() for image in images_of(each)]
        case list():
            return [image for each in value for image in images_of(each)]
    return []
