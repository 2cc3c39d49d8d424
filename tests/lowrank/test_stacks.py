"""Stacks are views where the parts lie behind one another, copies everywhere else."""

import torch

from stopflow.lowrank.integrators.stacks import stacked


def test_parts_of_one_stack_are_not_copied():
    whole = torch.randn(4, 3, 2)
    for first, last in ((0, 4), (1, 3), (2, 3)):
        found = stacked(whole.unbind()[first:last])
        assert torch.equal(found, whole[first:last])
        assert found.data_ptr() == whole[first].data_ptr()


def test_anything_else_is_copied():
    whole, other = torch.randn(4, 3, 2), torch.randn(3, 2)
    parts = whole.unbind()
    square = torch.randn(2, 3, 3)
    for chosen in (
        (parts[0], parts[2]),
        (parts[1], parts[0]),
        (parts[0], parts[0]),
        (parts[0], other),
        tuple(square.mT.unbind()),
    ):
        found = stacked(chosen)
        assert torch.equal(found, torch.stack(chosen))
        assert found.data_ptr() not in {whole.data_ptr(), other.data_ptr(), square.data_ptr()}


def test_numbers_stack_too():
    assert stacked(torch.arange(3.0).unbind()).tolist() == [0.0, 1.0, 2.0]
