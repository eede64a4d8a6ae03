"""tvm-hlo inspect: what is in a module, what it costs, and what of it is supported."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .command import (
    DIFFERS,
    Command,
    Dims,
    conversion_options,
    dim_option,
    file_argument,
    from_hlo_options,
    json_option,
)

SHOWN = 30


@click.command(cls=Command, short_help="What is in a module, and what of it is not supported.")
@file_argument
@json_option
@click.option("--all", "everything", is_flag=True, help="Show every row of long tables.")
@click.option(
    "--convert", is_flag=True, help="Convert as well, which also finds what converters refuse when they see attributes."
)
@dim_option
@conversion_options
@click.pass_context
def inspect(
    ctx: click.Context,
    file: Path,
    as_json: bool,
    everything: bool,
    convert: bool,
    dims: Dims,
    custom: Any,
    rng_seed: int | None,
    dialect: str | None,
) -> None:
    """Show parameters, results, opcodes, element types and cost of a module, and what of it is not supported.

    Of StableHLO with unknown dimensions also these sizes, what tells them and what must hold of them. Needs no TVM
    without --convert. Exit code 1 if something is not supported.

    \b
    Example:
      tvm-hlo inspect model.pb
      tvm-hlo inspect model.pb --json | jq .flops
    """
    from .output import progress

    options = from_hlo_options(custom, rng_seed, dialect)
    with progress(f"reading {file}"):
        facts = facts_of(file, options, convert, dims)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_facts(facts, None if everything else SHOWN)
    if facts["unsupported"]:
        ctx.exit(DIFFERS)


def facts_of(file: Path, options: dict[str, Any], convert: bool, dims: Dims) -> dict[str, Any]:
    """Everything that `inspect` shows, as JSON has it."""
    from ..analysis.trips import known_trips
    from ..convert.input_names import parameter_names
    from ..convert.support import kind_of
    from ..hlo.cost import module_cost
    from ..hlo.verifier import verify
    from .program import read_program

    program = read_program(file, dims)
    module = verify(program.module)
    cost = module_cost(module, known_trips)
    parameters = module.entry.parameters
    refusals = refusals_of(program, options, convert)
    return {
        "name": module.name,
        "file": str(file),
        "entry": module.entry.name,
        "computations": {computation.name: len(computation.instructions) for computation in module.computations},
        "instructions": sum(1 for _ in module.instructions),
        "parameters": [
            {"number": number, "name": name, "shape": str(parameter.shape), "bytes": size_of(parameter.shape)}
            for number, (name, parameter) in enumerate(zip(parameter_names(parameters, None), parameters))
        ],
        "result": str(module.entry.root.shape),
        **facts_of_sizes(program),
        "opcodes": dict(Counter(kind_of(instruction) for instruction in module.instructions).most_common()),
        "element_types": dict(
            Counter(name for i in module.instructions for name in element_types(i.shape)).most_common()
        ),
        "flops": cost.total.flops,
        "transcendentals": cost.total.transcendentals,
        "cost": {opcode: asdict(part) for opcode, part in cost.by_opcode.items()},
        "uncounted": cost.uncounted,
        "loops_counted_once": cost.loops_counted_once,
        "converted": convert,
        "unsupported": [asdict(refusal) for refusal in refusals],
    }


def facts_of_sizes(program: Any) -> dict[str, Any]:
    """The unknown sizes and what must hold of them."""
    from .sizes import told_by

    if program.sizes is None:
        return {"sizes": [], "checks": []}
    sizes = program.sizes
    return {
        "sizes": [
            {
                "name": step.name,
                "input": sizes.inputs[step.position].name,
                "dimension": step.axis,
                "told_by": told_by(sizes, step),
            }
            for step in sizes.steps
        ],
        "checks": [{"check": str(check), "origin": check.origin} for check in sizes.checks],
    }


def refusals_of(program: Any, options: dict[str, Any], convert: bool) -> tuple[Any, ...]:
    """What `from_hlo` refuses: before a conversion, or in one."""
    from ..errors import UnsupportedHloError
    from .program import unsupported_of

    if not convert:
        return tuple(unsupported_of(program, options["custom_converters"], options["rng_seed"]))
    from ..frontend import from_hlo

    try:
        from_hlo(program.source, **options)
    except UnsupportedHloError as error:
        return error.refusals
    return ()


def size_of(shape: Any) -> int | None:
    """Bytes of the arrays in a shape; bits are packed, a dynamic dimension has the size of its bound. None if a size is
    unknown."""
    from ..hlo.cost import elements
    from ..hlo.ir.sizes import variables_of

    if variables_of(shape):
        return None
    return sum(
        (elements(array) * array.bits + 7) // 8 if array.element_type != "pred" else elements(array)
        for array in shape.arrays()
    )


def element_types(shape: Any) -> list[str]:
    """Element types of the arrays and tokens in a shape."""
    return [leaf.element_type for leaf in shape.leaves()]


def print_facts(facts: dict[str, Any], limit: int | None) -> None:
    """Tables."""
    from ..drawing.quantities import quantity
    from .output import console, plural, table

    out = console()
    counted = f"{plural(facts['instructions'], 'instruction')} in {plural(len(facts['computations']), 'computation')}"
    out.print(f"{facts['name']}: {counted}, entry %{facts['entry']}", style="bold", markup=False)
    sizes = [p["bytes"] for p in facts["parameters"]]
    if sizes:
        written = ["" if size is None else quantity(size, "B") for size in sizes]
        parameters = [(p["number"], p["name"], p["shape"], size) for p, size in zip(facts["parameters"], written)]
        total = quantity(sum(size or 0 for size in sizes), "B")
        title = f"\n{plural(len(parameters), 'parameter')}, {'at least ' if None in sizes else ''}{total}"
        out.print(table(title, [">", "name", "shape", ">size"], parameters, limit))
    out.print(f"\nresult: {facts['result']}", markup=False)
    print_sizes(out, facts, limit)
    out.print(table("\nopcodes", ["opcode", ">count", ">FLOPs", "converted"], opcode_rows(facts), limit))
    out.print()
    types = ", ".join(f"{name} {count}" for name, count in facts["element_types"].items())
    out.print(f"element types: {types}", markup=False)
    where = ", where sizes are numbers" if facts["sizes"] else ""
    out.print(f"cost of a run{where}: {cost_text(facts)}", markup=False)
    print_support(out, facts)


def print_sizes(out: Any, facts: dict[str, Any], limit: int | None) -> None:
    """A row per unknown size, and one per check."""
    from .output import table

    if facts["sizes"]:
        rows = [(size["name"], size["told_by"]) for size in facts["sizes"]]
        out.print(table("\nunknown sizes", ["name", "told by"], rows, limit))
    if facts["checks"]:
        rows = [(check["check"], check["origin"]) for check in facts["checks"]]
        out.print(table("\nwhat must hold", ["check", "said by"], rows, limit))


def opcode_rows(facts: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A row per opcode, custom-calls by target; the most frequent first."""
    from ..convert.support import verdict_on, verdict_on_target
    from ..drawing.quantities import quantity

    refused = Counter(refusal["opcode"] for refusal in facts["unsupported"])
    rows = []
    for name, count in facts["opcodes"].items():
        part = facts["cost"].get(name, {"flops": 0, "transcendentals": 0})
        number = part["flops"] + part["transcendentals"]
        opcode, _, target = name.rstrip(")").partition("(")
        how = (verdict_on_target(target) or verdict_on(opcode)).how
        if refused[name]:
            how = "not supported" if refused[name] >= count else f"{how}; {refused[name]} not supported"
        rows.append((name, count, quantity(number) if number else "", how))
    return rows


def cost_text(facts: dict[str, Any]) -> str:
    """FLOPs in words."""
    from ..drawing.quantities import quantity
    from .output import plural

    text = f"{quantity(facts['flops'], 'FLOP')} and {quantity(facts['transcendentals'])} transcendental functions"
    if facts["loops_counted_once"]:
        text += f"; {plural(facts['loops_counted_once'], 'loop')} of unknown length counted once"
    if facts["uncounted"]:
        text += "; not counted: " + ", ".join(f"{name} ({count})" for name, count in facts["uncounted"].items())
    return text


def print_support(out: Any, facts: dict[str, Any]) -> None:
    """What is not supported, as the error of a conversion lists it."""
    from ..errors import Refusal, describe_refusals

    if facts["unsupported"]:
        listing = describe_refusals(tuple(Refusal(**refusal) for refusal in facts["unsupported"]))
        out.print(f"\n{listing}", markup=False, soft_wrap=True)
        return
    certain = "every instruction is supported"
    likely = "every instruction has a converter (--convert finds what a converter refuses when it sees attributes)"
    if facts["sizes"]:
        likely = "every instruction has a converter once sizes are numbers (--convert finds what one build for all "
        likely += "sizes refuses)"
    out.print(certain if facts["converted"] else likely, style="green")
