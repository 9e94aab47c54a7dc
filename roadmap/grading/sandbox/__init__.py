"""Kernels in a sandbox, at the speed of a fork.

A grader owns a :class:`ForkServer`; Jupyter's ``SandboxProvisioner`` (the kernel
``roadmap-sandbox``) asks it for kernels; :func:`available` says why that would not work.
"""

from roadmap.grading.sandbox.client import (
    ADDRESS_VARIABLE,
    ForkServer,
    WiredKernel,
    head_start,
    served,
)
from roadmap.grading.sandbox.probe import available
from roadmap.grading.sandbox.request import Limits, Reason, SandboxError

KERNEL_NAME = "roadmap-sandbox"

__all__ = [
    "ADDRESS_VARIABLE",
    "KERNEL_NAME",
    "ForkServer",
    "Limits",
    "Reason",
    "SandboxError",
    "WiredKernel",
    "available",
    "head_start",
    "served",
]
