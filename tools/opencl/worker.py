"""As `tools.conformance.worker`, for OpenCL on PoCL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tools.conformance.worker import import_all, serve
from tools.support.outcome import REFUSED, Outcome
from tools.support.stages import Announce

# what a device says whose compiler has no type of 16 bits
NO_HALF = "Half precision floating point not supported"


def main() -> None:
    """Serve harnesses until stdin ends."""

    def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
        from tools.conformance.harnesses import load_harnesses
        from tools.conformance.stages import differences, staged
        from tools.support.pocl import Pocl
        from tvm_hlo_frontend import TargetError

        import_all()
        harnesses, pocl = load_harnesses(), Pocl()

        def run(order: dict[str, Any], announce: Announce) -> Outcome:
            harness, refused = harnesses[order["name"]], list[str]()

            def work(enter: Announce) -> list[str]:
                try:
                    with pocl.opened():
                        return differences(harness, enter, target="opencl")
                except TargetError as error:
                    refused.append(str(error))
                except RuntimeError as error:
                    if NO_HALF not in str(error):
                        raise
                    refused.append("PoCL has no f16")
                return []

            outcome = staged(harness, announce, work)
            return replace(outcome, status=REFUSED, message=refused[0]) if refused else outcome

        return run

    serve(prepare)


if __name__ == "__main__":
    main()
