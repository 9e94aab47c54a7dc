"""``python -m roadmap``: the ``roadmap`` command, where it is not on the PATH."""

from roadmap.cli import main

main(prog_name="roadmap")
