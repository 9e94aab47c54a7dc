"""Where Jupyter starts kernels: a kernel provisioner that has them in a sandbox.

Whatever starts kernels with jupyter_client (nbclient, ``nbgrader autograde``, formgrader,
papermill) uses it by taking the kernel ``roadmap-sandbox``::

    c.ExecutePreprocessor.kernel_name = "roadmap-sandbox"
    c.SandboxProvisioner.memory_limit = 4 * 1024**3
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Float, Integer, List, Unicode

from roadmap.grading.sandbox.client import (
    ADDRESS_VARIABLE,
    SandboxedKernel,
    own_server,
)
from roadmap.grading.sandbox.request import (
    Ending,
    Limits,
    Reason,
    Request,
    SandboxError,
)

_COURSE = "nbgrader_config.py"
_LOOK = 0.005  # seconds between two looks for the kernel's start, or its end
_DEFAULT = Limits()


class SandboxProvisioner(KernelProvisionerBase):  # type: ignore[misc]  # not typed here
    """A kernel in a sandbox, forked by a fork server. Its transport is always ``ipc``.

    The working directory, which is this process's own if none is given, is copied into
    the sandbox; what the kernel does with the copy is gone when it ends.
    """

    server = Unicode(
        help=f"Socket of a fork server; empty: what the environment variable "
        f"{ADDRESS_VARIABLE} says, else one is started for this process.",
    ).tag(config=True)
    preload = List(
        Unicode(),
        help="Modules that the fork server of this process imports beforehand, beside "
        "those that kernels need anyway.",
    ).tag(config=True)
    memory_limit = Integer(
        _DEFAULT.memory, help="Bytes that a kernel and all it starts may hold."
    ).tag(config=True)
    process_limit = Integer(
        _DEFAULT.processes, help="Processes and threads that may run at once."
    ).tag(config=True)
    disk_limit = Integer(
        _DEFAULT.disk,
        help="Bytes that all files may take, those of the working directory included.",
    ).tag(config=True)
    file_limit = Integer(
        _DEFAULT.files, help="Files that one process may have open."
    ).tag(config=True)
    cpu_limit = Integer(
        _DEFAULT.cpu_seconds, help="Seconds of processor time that one process may use."
    ).tag(config=True)
    time_limit = Float(
        _DEFAULT.seconds,
        help="Seconds until a kernel is ended, whatever it does; a backstop behind "
        "the time limits of cells and notebooks.",
    ).tag(config=True)
    environment = List(
        Unicode(),
        ["NBGRADER_EXECUTION", "NBGRADER_VALIDATING"],
        help="Names of the environment variables that a kernel gets from its grader, "
        "beside those of the kernelspec, the language and the time zone.",
    ).tag(config=True)

    _kernel: SandboxedKernel | None = None
    _runtime: Path | None = None
    _ending: Ending | None = None

    @property
    def exit_reason(self) -> Reason | None:
        """Why the kernel ended; None while it runs."""
        return self._ending.reason if self._ending else None

    @property
    def exit_message(self) -> str | None:
        """The same in a sentence."""
        return self._ending.message if self._ending else None

    @property
    def has_process(self) -> bool:
        """Tell whether a kernel was launched and its end not yet waited for."""
        return self._kernel is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Have the kernel manager use Unix sockets in a folder of this kernel's."""
        if self._runtime is None:
            server = self._named_server() or own_server(self.preload).address
            beside = Path(server).parent  # removed with the server, whatever happens
            self._runtime = Path(tempfile.mkdtemp(dir=beside, prefix="k"))
        manager = self.parent
        manager.transport = "ipc"
        manager.ip = str(self._runtime / "k")
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        arguments = kwargs.pop("extra_arguments", [])
        command = manager.format_kernel_cmd(extra_arguments=arguments)
        return dict(await super().pre_launch(cmd=command, **kwargs))

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Have the fork server make the sandbox and the kernel.

        Raises:
            SandboxError: the host cannot isolate it, or a step of that failed.
        """
        try:
            request = self._request(cmd, kwargs.get("cwd"), kwargs["env"])
            self._kernel = self._ask(request)
            while not self._kernel.started:
                await asyncio.sleep(_LOOK)
                self._kernel.look()
        except SandboxError:
            self._kernel = None
            await self.cleanup()
            raise
        self._ending = None
        return self.connection_info

    def _request(
        self, cmd: list[str], cwd: str | None, env: Mapping[str, str]
    ) -> Request:
        info = dict(self.connection_info)
        info["key"] = bytes(info["key"]).decode()
        arguments = cmd[cmd.index("-f") + 2 :]
        names = {*self.environment, *self.kernel_spec.env}
        return self.request(str(self._runtime), info, cwd, arguments, env, names)

    def request(
        self,
        runtime: str,
        connection: Mapping[str, Any] | None,
        cwd: str | None,
        arguments: Sequence[str],
        env: Mapping[str, str],
        names: Collection[str],
    ) -> Request:
        """What to ask the fork server for, with the limits that are set here.

        Of ``env`` the kernel gets ``names``; the rest is as in :class:`Request`.

        Raises:
            SandboxError: ``cwd`` is a whole course.
        """
        return Request(
            runtime=runtime,
            connection=connection,
            cwd=str(_work_folder(cwd)),
            arguments=tuple(arguments),
            env={name: env[name] for name in names if name in env},
            limits=Limits(
                self.memory_limit,
                self.process_limit,
                self.disk_limit,
                self.file_limit,
                self.cpu_limit,
                self.time_limit,
            ),
        )

    def _ask(self, request: Request) -> SandboxedKernel:
        address = self._named_server()
        if address:
            return SandboxedKernel(address, request)
        server = own_server(self.preload)
        return SandboxedKernel(server.address, request, server)

    def _named_server(self) -> str | None:
        return self.server or os.environ.get(ADDRESS_VARIABLE)

    async def poll(self) -> int | None:
        """None while the kernel runs, else its status as in Popen.returncode."""
        if self._kernel is not None and self._ending is None:
            self._kernel.look()
            self._ending = self._kernel.ending
        return self._ending.status if self._ending else None

    async def wait(self) -> int | None:
        """Wait until the kernel and all of its processes are gone."""
        if self._kernel is not None:
            while await self.poll() is None:
                await asyncio.sleep(_LOOK)
            self._kernel.close()
            self._kernel = None
        return await self.poll()

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel and the programs that its cells run."""
        if signum == signal.SIGKILL:
            await self.kill()
        elif signum != 0 and self._kernel is not None:
            self._kernel.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and every process of its sandbox; they are gone afterwards.

        Were they not, jupyter_client would look again only a tenth of a second later.
        """
        if self._kernel is not None:
            self._kernel.kill()
            while await self.poll() is None:
                await asyncio.sleep(_LOOK)

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder of the kernel's sockets; a restarted kernel has the same."""
        if not restart and self._runtime is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
            self._runtime = None


def _work_folder(cwd: str | None) -> Path:
    """What the kernel is shown.

    Raises:
        SandboxError: it is a whole course, grades and solutions included.
    """
    folder = Path(cwd or "").resolve()
    if (folder / _COURSE).exists():
        raise SandboxError(
            f"{folder}: holds a {_COURSE}, so it is a course and not a notebook's "
            "folder; give that as the working directory"
        )
    return folder
