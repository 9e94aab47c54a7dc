"""JupyterLab as learners have it.

`make course` and Binder put this folder on JUPYTER_CONFIG_PATH; labconfig/ belongs to it.
"""

c = get_config()  # noqa: F821

c.Application.log_level = "WARN"  # the terminal then shows the address, and little else

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
