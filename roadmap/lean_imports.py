"""Imported before nbformat by programs that have to start quickly.

jsonschema, which nbformat validates notebooks with, builds a grammar for
internationalised addresses (the package ``rfc3987_syntax``) when it is imported.
That takes longer than all other imports of nbgrader together, and no notebook has
a field of that format. jsonschema does without it where it is not installed.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # "not installed"
