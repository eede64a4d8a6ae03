#!/usr/bin/env bash
# torchax 0.0.13, the newest, cannot be imported beside torch 2.13.0, though its metadata does not say so.
#
# torch 2.13 dropped the overloads for named tensors (`aten.prod.dim_Dimname`). torchax names them in a table of its mixed
# precision as soon as it is imported, so the import ends in an AttributeError of torch's.
#
# Seen:
# AttributeError: The underlying op of 'aten.prod' has no overload name 'dim_Dimname'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchax==0.0.13 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

try:
    import torchax  # noqa: F401
except AttributeError as error:
    print(f"AttributeError: {error}")
    sys.exit("dim_Dimname" not in str(error))
print("torchax was imported")
sys.exit(1)
EOF
