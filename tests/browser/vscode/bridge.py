"""A kernel on stdin and stdout: a request a line in, the kernel's messages a line each out.

It starts the kernel ``python3`` in the current folder, and ends it with stdin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from jupyter_client.manager import start_new_kernel

Message = dict[str, Any]
IDLE = {"type": "status", "content": {"execution_state": "idle"}}


def about(request: str, receive: Callable[[], Message]) -> Message:
    """The next message about a request; others, as of the kernel's start, are passed over."""
    while (message := receive())["parent_header"].get("msg_id") != request:
        pass
    return {"type": message["header"]["msg_type"], "content": message["content"]}


def tell(message: Message) -> None:
    print(json.dumps(message, default=str), flush=True)


def main() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for line in sys.stdin:
            request = json.loads(line)
            content = {
                "code": request["code"],
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,  # no lesson asks for input
                "stop_on_error": False,
            }
            message = client.session.msg(
                "execute_request", content, metadata=request["metadata"]
            )
            client.shell_channel.send(message)
            asked = message["header"]["msg_id"]
            while (said := about(asked, client.get_iopub_msg)) != IDLE:
                tell(said)
            tell(about(asked, client.get_shell_msg))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


main()
