"""What installs the course: the lock, Binder's files and the package agree."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMISSIONED = {
    "jupyterlab",
    "nbgrader",
    "nbformat",
    "papermill",
    "ipywidgets",
    "pytest",
}


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line.strip()]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def required(*groups: list[str]) -> list[Requirement]:
    return [Requirement(text) for group in groups for text in group]


def environment() -> dict[str, list[str]]:
    """The names and pins of environment.yml: conda's own and pip's."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    return {"conda": [entry for entry in entries if isinstance(entry, str)], "pip": pip}


def test_the_commissioned_packages_are_required() -> None:
    assert {
        canonicalize_name(need.name) for need in required(PROJECT["dependencies"])
    } >= COMMISSIONED


def test_the_lock_pins_every_requirement_at_a_version_that_fits() -> None:
    pins = locked()
    for need in required(
        PROJECT["dependencies"], PROJECT["optional-dependencies"]["dev"]
    ):
        version = pins.get(canonicalize_name(need.name))
        assert version, f"requirements.lock lacks {need.name}; run `make lock`"
        assert need.specifier.contains(version, prereleases=True), (
            f"requirements.lock has {need.name} {version}, not {need}; run `make lock`"
        )


def test_the_lock_holds_exact_versions_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|^-", text, re.MULTILINE)
    assert all("==" in line for line in text.splitlines())


def test_environment_yml_is_the_packages_requirements_at_the_locks_versions() -> None:
    pins = locked()
    wanted = [
        f"{need.name}{'[' + ','.join(sorted(need.extras)) + ']' if need.extras else ''}"
        f"=={pins[canonicalize_name(need.name)]}"
        for need in required(PROJECT["dependencies"])
    ]
    assert environment()["pip"] == wanted


def test_environment_yml_has_a_python_that_the_package_allows() -> None:
    (python,) = [name for name in environment()["conda"] if name.startswith("python=")]
    assert Requirement(f"x{PROJECT['requires-python']}").specifier.contains(
        python.removeprefix("python=")
    )


def test_post_build_installs_the_package_and_makes_a_learners_copy() -> None:
    script = ROOT / "postBuild"
    assert script.stat().st_mode & 0o111
    assert "pip install --no-cache-dir --no-deps --editable ." in script.read_text()
    assert "roadmap start work" in script.read_text()
    assert "labpath=work%2Fstart_here%2F00_welcome.ipynb" in (
        (ROOT / "README.md").read_text()
    )


@pytest.mark.parametrize("before", [None, "/etc/elsewhere"])
def test_binder_starts_with_the_learners_settings(before: str | None) -> None:
    environment = {
        name: value for name, value in os.environ.items() if "JUPYTER" not in name
    }
    if before:
        environment["JUPYTER_CONFIG_PATH"] = before
    code = "from jupyter_core.paths import jupyter_config_path as p; print(p()[:2])"
    done = subprocess.run(
        [ROOT / "start", sys.executable, "-c", code],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = ast.literal_eval(done.stdout)
    assert first == str(ROOT / "jupyterlab/learner")
    assert before is None or second == before


def test_a_learner_sees_neither_news_nor_what_is_the_instructors(
    tmp_path: Path,
) -> None:
    """What JupyterLab's page is given, asked for as its server does."""
    code = (
        "import json\n"
        "from jupyterlab.labapp import LabApp\n"
        "from jupyterlab_server.config import get_page_config\n"
        "from jupyterlab_server.settings_utils import _get_overrides\n"
        "app = LabApp()\n"
        "page = get_page_config(app.labextensions_path, app.app_settings_dir)\n"
        "overrides, error = _get_overrides(app.app_settings_dir)\n"
        "print(json.dumps([page['disabledExtensions'], overrides, error]))\n"
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_PATH": str(ROOT / "jupyterlab/learner"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    disabled, overrides, error = json.loads(done.stdout)
    assert {"@jupyter/nbgrader", "jupyterlab-jupytext"} <= set(disabled)
    assert error == ""
    news = overrides["@jupyterlab/apputils-extension:notification"]
    assert news == {"checkForUpdates": False, "fetchNews": "false"}
    assert overrides == json.loads((ROOT / "jupyterlab/overrides.json").read_text()), (
        "the installed settings are old; run `make setup`"
    )


def test_repo2docker_accepts_the_binder_files(tmp_path: Path) -> None:
    command = shutil.which("jupyter-repo2docker", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("jupyter-repo2docker is not installed; `make setup` installs it")
    tracked = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "environment.yml",
            "postBuild",
            "pyproject.toml",
            "start",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, tracked):
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [command, "--no-build", "--debug", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "RUN ./postBuild" in said
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/start"' in said
    assert "environment.yml" in said


def test_the_installed_versions_are_the_locks() -> None:
    """What the tests ran with is what learners get."""
    from importlib.metadata import version

    pins = locked()
    for name in sorted(COMMISSIONED):
        assert version(name) == pins[name]
