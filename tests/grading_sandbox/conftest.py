"""Fixtures: sandboxed kernels, as any program that uses jupyter_client has them.

The tests are skipped, with the reason, where the host cannot isolate a kernel.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import Kernel, Start

import roadmap.grading.sandbox
from roadmap.grading.sandbox import (
    ADDRESS_VARIABLE,
    KERNEL_NAME,
    ForkServer,
    available,
)

# Set where the sandbox has to work, so that a sandbox that broke is not a skipped test.
REQUIRED = "ROADMAP_REQUIRE_SANDBOX"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    if ours and (missing := available()):
        reason = f"no sandbox here: {'; '.join(missing)}"
        if REQUIRED in os.environ:
            pytest.exit(f"{REQUIRED} is set, but {reason}", returncode=1)
        skip = pytest.mark.skip(reason=reason)
        for item in ours:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The provisioner and the kernelspec, as installing the package registers them.

    Gives the environment that programs need to find them too.
    """
    folder = tmp_path_factory.mktemp("registered")
    info = folder / "site" / "sandbox-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sandbox\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[jupyter_client.kernel_provisioners]\n"
        f"{KERNEL_NAME} = roadmap.grading.sandbox.provisioner:SandboxProvisioner\n"
    )
    spec = Path(roadmap.grading.sandbox.__file__).parent / "kernelspec"
    shutil.copytree(spec, folder / "kernels" / KERNEL_NAME)
    env = {"JUPYTER_PATH": str(folder), "PYTHONPATH": str(folder / "site")}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "site")
        for name, value in env.items():
            patch.setenv(name, value)
        yield env


@pytest.fixture(scope="session")
def server(registered: dict[str, str]) -> Iterator[ForkServer]:
    """The fork server that the kernels of these tests come from."""
    with ForkServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS_VARIABLE, server.address)
        yield server


@pytest.fixture
def start(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start kernels: ``start(cwd=None, memory_limit=…)`` with the provisioner's traits."""
    kernels: list[Kernel] = []

    def start(cwd: Path | None = None, **settings: object) -> Kernel:
        if cwd is None:
            cwd = tmp_path_factory.mktemp("empty") / "ps1"
            cwd.mkdir()
        kernels.append(Kernel(cwd, settings))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.shut_down()


@pytest.fixture
def kernel(start: Start) -> Kernel:
    return start()
