"""tvm-hlo ops: what becomes of every opcode."""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from .command import Command, Unusable, json_option


@click.command(cls=Command, short_help="Which opcodes of HLO are supported, and how.")
@click.argument("opcode", required=False)
@json_option
def ops(opcode: str | None, as_json: bool) -> None:
    """List which opcodes of HLO are supported, and how; or tell of one OPCODE or custom-call target.

    \b
    Example:
      tvm-hlo ops
      tvm-hlo ops scatter
    """
    rows = all_rows() if opcode is None else [one_row(opcode)]
    if as_json:
        click.echo(json.dumps(rows if opcode is None else rows[0], indent=1))
    elif opcode is None:
        print_all(rows)
    else:
        print_one(rows[0])


def all_rows() -> list[dict[str, Any]]:
    """A row per opcode."""
    from ..convert.support import verdicts

    return [{"opcode": name, "how": how, "summary": summary} for name, (how, summary) in verdicts().items()]


def one_row(name: str) -> dict[str, Any]:
    """What is known of an opcode or a custom-call target."""
    from ..convert.support import public_targets, rewritten_targets, verdict_on, verdict_on_target
    from ..convert.table import registered
    from ..hlo.opcodes import CUSTOM_CALL_PREFIX, OPCODES

    if name in OPCODES:
        how, summary = verdict_on(name)
        row = {"opcode": name, "how": how, "summary": summary, "converter": place_of(registered().get(name))}
        return row | ({"targets": public_targets() + rewritten_targets()} if name == "custom-call" else {})
    verdict = verdict_on_target(name)
    if verdict is None:
        raise Unusable(f"{name} is neither an opcode of HLO nor a known target of custom-calls.{guess(name)}")
    converter = place_of(registered().get(CUSTOM_CALL_PREFIX + name))
    return {"target": name, "how": verdict.how, "summary": verdict.summary, "converter": converter}


def guess(name: str) -> str:
    """What may have been meant."""
    from difflib import get_close_matches

    from ..convert.support import public_targets
    from ..hlo.opcodes import OPCODES

    close = get_close_matches(name.replace("_", "-"), OPCODES) + get_close_matches(name, public_targets())
    return f" Did you mean {' or '.join(close[:3])}?" if close else ""


def place_of(entry: Any) -> str | None:
    """module:function of a registered converter."""
    function = None if entry is None else inspect.unwrap(entry.convert)
    return None if function is None else f"{function.__module__}:{function.__qualname__}"


def print_all(rows: list[dict[str, Any]]) -> None:
    """The table, and what its words mean."""
    from ..convert.support import MEANING, REFUSED
    from .output import console, table

    out = console()
    out.print(table("", ["opcode", "how", "summary"], [(row["opcode"], row["how"], row["summary"]) for row in rows]))
    refused = sum(row["how"] == REFUSED for row in rows)
    meaning = "; ".join(f"{word}: {text}" for word, text in MEANING.items())
    out.print(f"{len(rows) - refused} of {len(rows)} opcodes are supported, {refused} are refused with a message.")
    out.print(meaning)


def print_one(row: dict[str, Any]) -> None:
    """One line per fact."""
    from ..convert.support import MEANING
    from .output import console

    out = console()
    name = row.get("opcode") or f"custom-call to {row['target']}"
    out.print(f"{name}: {MEANING.get(row['how'], row['how'])}", style="bold", markup=False)
    out.print(row["summary"], markup=False)
    if row["converter"]:
        out.print(f"converter: {row['converter']}", markup=False)
    if "targets" in row:
        out.print(f"targets: {', '.join(row['targets'])}", markup=False)
