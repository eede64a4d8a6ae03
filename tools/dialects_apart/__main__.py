"""python -m tools.dialects_apart: see `run`."""

import sys

from .run import main

sys.exit(main())
