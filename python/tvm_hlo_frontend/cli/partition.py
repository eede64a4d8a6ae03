"""tvm-hlo partition: how a TensorFlow model would be divided between TVM and TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command import Command, Unusable, check_picture, json_option, xla_on_cpu

if TYPE_CHECKING:
    from ..hybrid.plan import Plan


@click.command(cls=Command, short_help="Divide a TensorFlow model between TVM and TensorFlow.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--shape", multiple=True, metavar="NAME=D0,D1,…", help="Dimensions of an input; may be repeated.")
@click.option("--signature", metavar="NAME", help="Signature of a SavedModel; by default serving_default.")
@click.option("--freeze", is_flag=True, help="Take variables as constants, as they are now.")
@click.option("--min-cluster-size", type=click.IntRange(1), default=4, show_default=True, help="In nodes.")
@click.option("--min-flops", type=click.IntRange(0), default=0, help="In floating point operations.")
@click.option(
    "--picture",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PLAN.SVG|.HTML",
    help="Draw the plan as well; a page (.html) can be moved and zoomed, and names the nodes of what is pointed at.",
)
@json_option
def partition(
    model: Path,
    shape: Sequence[str],
    signature: str | None,
    freeze: bool,
    min_cluster_size: int,
    min_flops: int,
    file: Path | None,
    as_json: bool,
) -> None:
    """Divide a TensorFlow model: clusters that TVM would compute, and what would stay in TensorFlow, and why.

    MODEL is the folder of a SavedModel, a Keras file (.keras, .h5) or a GraphDef (.pb). Needs tensorflow, no TVM.

    \b
    Example:
      tvm-hlo partition saved_model --shape x=1,224,224,3 --picture plan.svg
    """
    if not model.exists():
        raise Unusable(f"there is no file or folder {model}")
    if file is not None:
        check_picture("--picture", file)
    shapes = dict(map(_dimensions, shape))
    xla_on_cpu()
    from ..hybrid.partition import partition as plan_of
    from .output import progress

    with progress(f"dividing {model}"):
        plan = plan_of(
            str(model),
            shape=shapes or None,
            signature=signature,
            freeze=freeze,
            min_cluster_size=min_cluster_size,
            min_flops=min_flops,
        )
    if file is not None:
        _write_picture(plan, model.stem, file)
    if as_json:
        click.echo(json.dumps(_as_json(plan), indent=2))
    else:
        _show(plan)
        if file is not None:
            click.echo(f"{file}: the plan as a picture")


def _write_picture(plan: Plan, title: str, file: Path) -> None:
    from ..deploy.whole_files import written_whole
    from ..drawing.html import html_text
    from ..hybrid.picture import picture

    text = picture(plan, title)
    with written_whole(file) as whole:
        whole.write_text(text if file.suffix == ".svg" else html_text(title, text), encoding="utf-8")


def _dimensions(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.partition("=")
    try:
        return name, tuple(int(size) for size in sizes.split(",") if equals and size)
    except ValueError:
        raise Unusable(f"--shape {text}: write NAME=D0,D1,… with numbers") from None


def _show(plan: Plan) -> None:
    from ..drawing.quantities import quantity
    from .output import console, table

    inside = sum(len(cluster.nodes) for cluster in plan.clusters)
    rows = [
        (each.name, len(each.nodes), quantity(each.flops), ", ".join(each.inputs), ", ".join(each.outputs))
        for each in plan.clusters
    ]
    console().print(table("clusters", ("cluster", ">nodes", ">FLOPs", "inputs", "outputs"), rows))
    stays = [(each.name, each.op, each.reason) for each in plan.stays]
    console().print()
    console().print(table("stays in TensorFlow", ("node", "operation", "why"), stays, 60))
    click.echo(f"\n{inside} of {inside + len(plan.stays)} nodes with {100 * plan.share:.1f} % of the FLOPs in TVM")
    for note in plan.notes:
        click.echo(note)


def _as_json(plan: Plan) -> dict[str, Any]:
    clusters = [
        {name: getattr(each, name) for name in ("name", "nodes", "inputs", "outputs", "flops")}
        for each in plan.clusters
    ]
    return {"clusters": clusters, "stays": list(map(asdict, plan.stays)), "share": plan.share, "notes": plan.notes}
