"""A worker process: keys of models come in, outcomes go out, as `conformance.worker` says.

Run: python -m frameworks_models.worker, with the dialect in TVM_HLO_DIALECT (empty: what the installed TVM has)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from tools.conformance.worker import serve
from tools.support.outcome import Outcome
from tools.support.stages import Announce

DIALECT = "TVM_HLO_DIALECT"


def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
    """Import the catalogue; the frameworks are imported by the models that need them."""
    for name in ("te_compiler", "strategy", "autotvm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from .catalogue import models_by_key
    from .measure import outcome_of

    models, dialect = models_by_key(), os.environ.get(DIALECT) or None
    return lambda order, announce: outcome_of(models[order["name"]], dialect, announce)


if __name__ == "__main__":
    serve(prepare)
