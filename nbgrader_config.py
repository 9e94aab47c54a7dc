"""nbgrader's settings for this course; `nbgrader --help-all` explains each.

ROADMAP_GRADEBOOK_URL names another gradebook than the SQLite file beside this
one, e.g. postgresql+psycopg://user:password@localhost/gradebook
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821

ROOT = Path(__file__).resolve().parent

c.CourseDirectory.course_id = "python_backend_roadmap"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.db_url = os.environ.get(
    "ROADMAP_GRADEBOOK_URL", f"sqlite:///{ROOT / 'gradebook.db'}"
)
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    ".pytest_cache",
    ".venv",
]

# A lesson's cells take well under a second; the final projects' start servers.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.startup_timeout = 60
c.ExecutePreprocessor.interrupt_on_timeout = True

# A check that a learner deleted comes back before the notebook is graded.
c.OverwriteCells.add_missing_cells = True

c.LimitOutput.max_lines = 1000
c.LimitOutput.max_traceback = 100

c.ClearSolutions.code_stub = {
    "python": (
        "# Write your answer here, and delete the line below.\n"
        'raise NotImplementedError("no answer yet")'
    )
}
c.ClearSolutions.text_stub = "*Write your answer here.*"

# What `roadmap hand-in` packs, for `nbgrader zip_collect`.
c.FileNameCollectorPlugin.named_regexp = (
    r".*[\\/](?:start_here|phase\d_[a-z]+)_(?P<student_id>[\w.@-]+)"
    r"_attempt_(?P<timestamp>\d+)_(?P<file_id>\w+)\.ipynb"
)
