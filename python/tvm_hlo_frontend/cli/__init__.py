"""The command line, `tvm-hlo`: one module per command. Only click is imported before a command runs."""

from __future__ import annotations

import click

from .bench import bench
from .build import build
from .compare import compare
from .convert import convert
from .graph import graph
from .inspect import inspect
from .ops import ops
from .partition import partition
from .run import run

COMMANDS = (inspect, ops, graph, convert, build, run, compare, bench, partition)


class _InOrder(click.Group):
    """A group that lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="tvm_hlo_frontend", prog_name="tvm-hlo")
def main() -> None:
    """Look at XLA HLO modules, convert them to TVM, run them, and compare them with XLA.

    FILE is a serialized HLO module (.pb), HLO text (.hlo, .txt), StableHLO (.mlir, .mlirbc), or a folder that
    XLA_FLAGS='--xla_dump_to=FOLDER --xla_dump_hlo_as_proto' has made. inspect, ops and graph need no TVM.

    Exit codes: 0, 1 if results differ or something is not supported, 2 for anything that cannot be used or read.

    \b
    Example:
      tvm-hlo inspect model.pb
    """


for command in COMMANDS:
    main.add_command(command)
