"""Every operation of the tables is proved: its value, its gradient, its second derivatives, its dtypes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_zth.operation import OPERATIONS

from .proofs import PROOFS
from .source import Source
from .table import CASES, case_of, defined_operations, operations

ALL = operations()
EXAMPLES = max(min(5, settings.default.max_examples), settings.default.max_examples // 5)


def test_every_operation_has_a_case():
    missing = sorted(name for name, operation in ALL.items() if case_of(operation) is None)
    assert not missing, f"no case for {missing}: add a line to tests/properties (docs/add-an-op.md, part 3)"


def test_no_case_outlives_its_operation():
    assert not sorted(set(CASES) - set(ALL))


def test_no_two_operations_share_a_name():
    """The table holds one entry a name; a second would hide the first from this suite."""
    hidden = {o.name for o in defined_operations().values() if o.apply is not None and OPERATIONS.get(o.name) is not o}
    assert not hidden


def test_a_case_that_leaves_something_out_says_why():
    for name, case in CASES.items():
        operation = ALL[name]
        if (case.differentiable == () and operation.inputs) or not case.second:
            assert case.why, name


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", sorted(n for n, o in ALL.items() if case_of(o) is not None))
def test_operation(name, proof):
    operation = ALL[name]
    case = case_of(operation)

    @settings(max_examples=EXAMPLES)
    @given(st.data())
    def prove(data):
        proof(operation, case, Source.drawn(data))

    prove()
