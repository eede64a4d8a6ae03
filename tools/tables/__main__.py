"""Writes the tables in README.md and docs/ that the code implies.

Run: python -m tools.tables [--check]   (--check fails if a file is out of date)
"""

from __future__ import annotations

import argparse
import sys

from . import rfc, support


def main() -> int:
    """Write the files, or compare them."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="fail if a file is out of date")
    check = arguments.parse_args().check
    return max(support.update(check), rfc.update(check))


if __name__ == "__main__":
    sys.exit(main())
