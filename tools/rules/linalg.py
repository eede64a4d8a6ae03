"""Rules 73 to 76: factorisations, triangular solves, batch normalisation."""

from __future__ import annotations

from .model import Break, Rule


def linalg(name: str) -> tuple[str, ...]:
    return (f"test_linalg.py::{name}",)


RULES = (
    Rule(73, "cholesky reads one triangle, leaves zeros in the other, and fails with NaN in its own matrix alone", (
        Break(
            "cholesky._load",
            "work[i, j] = num.conjugate(a[j, i]) if lower else a[i, j]",
            "work[i, j] = a[i, j]",
            linalg("test_rule73_cholesky_ignores_the_other_triangle[True]"),
        ),
        Break(
            "cholesky._store",
            "                    out[i, j] = work.zero()",
            "                    out[i, j] = num.conjugate(work[i, j]) if lower else work[j, i]",
            linalg("test_rule73_cholesky_is_xlas_with_zeros_in_the_other_triangle[True]"),
        ),
        Break(
            "_Factorization._pivot",
            "            self.failed[0] = 1",
            "            self.failed[0] = 0",
            linalg("test_rule73_failures_are_nan_and_stay_alone[5]"),
        ),
        Break(
            "cholesky",
            "            failed[0] = 0\n",
            "            with loops.when(b == 0):\n                failed[0] = 0\n",
            linalg("test_rule73_failures_are_nan_and_stay_alone[5]"),
        ),
    )),
    Rule(74, "triangular-solve: either side, either triangle, transposed or adjoint; a unit diagonal is not read", (
        Break(
            "triangular._Plan.__init__",
            'self.unit = bool(parameters["unit_diagonal"])',
            "self.unit = False",
            linalg("test_rule74_unit_diagonal_ignores_the_stored_one"),
        ),
        Break(
            "triangular._Plan.__init__",
            'self.conjugated = parameters["transpose"] == "ADJOINT"',
            "self.conjugated = False",
            linalg("test_rule74_every_form_ignores_the_other_triangle[True-True-ADJOINT]"),
        ),
        Break(
            "triangular._Plan.__init__",
            'self.transposed = (parameters["transpose"] != "NO_TRANSPOSE") == self.left',
            'self.transposed = parameters["transpose"] != "NO_TRANSPOSE"',
            linalg("test_rule74_every_form_ignores_the_other_triangle[False-True-NO_TRANSPOSE]"),
        ),
    )),
    Rule(75, "LAPACK custom-calls: options as characters, pivots from 1, info per matrix", (
        Break(
            "lapack._getrf",
            "lapack.getrf(call.site, call.arrays[0], one_based=True)",
            "lapack.getrf(call.site, call.arrays[0], one_based=False)",
            ("test_linalg_custom_calls.py::test_rule75_lu_pivots_as_lapack[17]",),
        ),
        Break(
            "lapack._syevd",
            "def _syevd(call: LapackCall) -> list[HloInstruction] | None:\n"
            '    lower = call.is_char("uplo", "L") if',
            "def _syevd(call: LapackCall) -> list[HloInstruction] | None:\n"
            '    lower = call.is_char("uplo", "U") if',
            ("test_linalg_custom_calls.py::test_rule75_eigh_reads_one_triangle[L]",),
        ),
        Break(
            "potrf",
            'failed = site.add("compare", [first, first], None, CompareAttributes("NE", "FLOAT"))',
            'failed = site.add("compare", [first, first], None, CompareAttributes("EQ", "FLOAT"))',
            ("test_linalg_custom_calls.py::test_rule75_results_that_are_unique_are_xlas[cholesky-cpu]",),
        ),
    )),
    Rule(76, "batch-norm: epsilon under the root, any feature index, biased variance, gradients of three operands", (
        Break(
            "_training",
            'norm.total(norm.emit("multiply", centred, centred)), norm.count)',
            'norm.total(norm.emit("multiply", centred, centred)), norm.count - 1)',
            ("test_batch_norm.py::test_rule_76_rewritten_on_xla[batch-norm-training]",),
        ),
        Break(
            "_BatchNorm.inverse_deviation",
            'return self.emit("rsqrt", self.emit("add", variance, self.epsilon))',
            'return self.emit("divide", 1.0, self.emit("add", self.emit("sqrt", variance), self.epsilon))',
            ("test_batch_norm.py::test_rule_76_rewritten_on_xla[batch-norm-inference]",),
        ),
        Break(
            "_gradient",
            '    inner = emit("subtract", inner, emit("multiply", centred, norm.along(correction)))\n',
            "",
            ("test_batch_norm.py::test_rule_76_rewritten_on_xla[batch-norm-grad]",),
        ),
    )),
)  # fmt: skip
