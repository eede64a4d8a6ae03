#!/usr/bin/env bash
# sympy 1.14.0: of a number e that is known to be even, e/6 and e/10 count as integers, and e/3 as none, whatever e is.
#
# The assumption of a product with a rational factor looks at even and odd alone. So sympy takes floor(e/6) for e/6 and Mod(e, 6)
# for 0, and a floor may then evaluate to a fraction. It needs no symbol that is declared even: the larger of 4 and 2*n is even
# for an integer n. Sizes of tensors are such expressions: half of an image and its third, a batch of pairs in groups of six.
#
# Seen:
# e/6 is an integer: True
# e/3 is an integer: False
# Mod(e, 6): 0
# floor(Max(4, 2*n)/6) at n = 4: 4/3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sympy==1.14.0 mpmath==1.3.0
"$folder/venv/bin/python" - <<'EOF'
import sys

from sympy import Max, Mod, Rational, Symbol, floor

e, n = Symbol("e", even=True), Symbol("n", integer=True)
seen = [(e / 6).is_integer, (e / 3).is_integer, Mod(e, 6), floor(Max(4, 2 * n) / 6).subs(n, 4)]
for what, value in zip(("e/6 is an integer", "e/3 is an integer", "Mod(e, 6)", "floor(Max(4, 2*n)/6) at n = 4"), seen):
    print(f"{what}: {value}")
# right are: not known, not known, not known, 1
sys.exit(seen != [True, False, 0, Rational(4, 3)])
EOF
