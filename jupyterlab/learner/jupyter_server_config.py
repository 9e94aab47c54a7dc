"""JupyterLab as learners have it.

`make course` and Binder put this folder on JUPYTER_CONFIG_PATH; labconfig/ belongs to it.
"""

import os

c = get_config()  # noqa: F821

# The terminal shows the address and what goes wrong; kernels warn if they are not encrypted.
c.Application.log_level = "ERROR"
c.KernelManager.transport_encryption = "auto"

# Not a login shell, as it may be otherwise: that forgets where `roadmap` is.
c.ServerApp.terminado_settings = {"shell_command": [os.environ.get("SHELL") or "sh"]}

# For instructors and authors: nbgrader's pages, Jupytext, the grader's kernel.
c.ServerApp.jpserver_extensions = {
    "jupyterlab_jupytext": False,
    "nbgrader.server_extensions.assignment_list": False,
    "nbgrader.server_extensions.course_list": False,
    "nbgrader.server_extensions.formgrader": False,
    "nbgrader.server_extensions.validate_assignment": False,
}
c.KernelSpecManager.allowed_kernelspecs = {"python3"}

# In the list of files there is what people open.
c.ContentsManager.hide_globs = [
    "__pycache__",
    "course.json",
    "mistakes.json",
    "quizzes",
]
