"""Settings of the whole suite."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# set before TVM or XLA start their thread pools; xdist runs one process per core
os.environ.setdefault("TVM_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "tests" / "python" / "frontend", ROOT / "tools"):
    sys.path.insert(0, str(folder))
