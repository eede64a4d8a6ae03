"""Write docs/public_names.json anew and say what has changed."""

from __future__ import annotations

import json

from . import LIST, changes, public_names


def main() -> None:
    listed = json.loads(LIST.read_text()) if LIST.exists() else {}
    found = public_names()
    print("\n".join(changes(listed, found)) or "nothing has changed")
    LIST.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
