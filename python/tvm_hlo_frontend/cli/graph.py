"""tvm-hlo graph: a picture of a module."""

from __future__ import annotations

from pathlib import Path

import click

from .command import Command, check_picture, file_argument, output_option


@click.command(cls=Command, short_help="Draw a module.")
@file_argument
@output_option(
    "GRAPH.SVG|.HTML", "The picture; a page (.html) can be moved and zoomed, and shows HLO text of what is pointed at."
)
@click.option("--full", is_flag=True, help="Draw every instruction; nothing folded or collapsed.")
def graph(file: Path, output: Path, full: bool) -> None:
    """Draw a module: computations as clusters, costly instructions coloured, what is not supported framed in red.

    Chains of element-wise arithmetic are one node; parameters, constants and broadcasts of them are shown in the nodes
    that use them. Needs no TVM.

    \b
    Example:
      tvm-hlo graph model.pb -o model.html
    """
    check_picture("-o", output)
    from ..deploy.whole_files import written_whole
    from ..drawing.clusters import clusters_of
    from ..drawing.html import html_text
    from ..drawing.svg import svg_text
    from ..hlo.verifier import verify
    from .output import plural, progress
    from .program import read_program, unsupported_of

    with progress(f"drawing {file}"):
        program = read_program(file)
        module = verify(program.module)
        refused = {refusal.instruction for refusal in unsupported_of(program)}
        clusters = clusters_of(module, full=full, unsupported=refused)
        picture = svg_text(module.name, clusters)
        text = picture if output.suffix == ".svg" else html_text(module.name, picture)
        with written_whole(output) as whole:
            whole.write_text(text, encoding="utf-8")
    nodes = sum(len(cluster.nodes) for cluster in clusters)
    shown = f"{plural(nodes, 'node')} for {plural(sum(1 for _ in module.instructions), 'instruction')}"
    click.echo(f"{output}: {shown} in {plural(len(clusters), 'computation')}")
