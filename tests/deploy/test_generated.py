"""What is generated was generated from what is there now."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("k8s/crds", "k8s/gcloud", "k8s/google-cloud", "k8s/rendered")


def test_generated_files_are_up_to_date(tmp_path: Path) -> None:
    environment_python = {"PYTHON": sys.executable, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    subprocess.run([ROOT / "scripts" / "render", tmp_path], check=True, timeout=110, env=environment_python)

    generated = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    for name, path in generated.items():
        assert (ROOT / name).read_text() == path.read_text(), f"{name} is not what `make generate` writes"
    there = {str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).iterdir()}
    assert there <= generated.keys(), "a generated file that nothing generates any more"
