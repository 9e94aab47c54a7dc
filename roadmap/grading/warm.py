"""What every worker would do first, done once in the process that workers are forked from.

Importing this module does it: that is all that multiprocessing's fork server can be
told to do.
"""

from __future__ import annotations

import roadmap.lean_imports

# isort: split

import nbformat
from jupyter_client.provisioning import KernelProvisionerFactory
from nbformat import v4

import roadmap.grading.sandbox.provisioner
import roadmap.grading.worker  # noqa: F401

# Finds all installed provisioners, in the metadata of every installed package.
KernelProvisionerFactory.instance()
# Makes the validator of the notebook format.
_OUTPUT = v4.new_output("stream", text="")
nbformat.validate(v4.new_notebook(cells=[v4.new_code_cell("", outputs=[_OUTPUT])]))
