"""A traced function gives what the function gives, without the operations that change nothing."""

import pytest
import torch

from vae_rd.training.traces import traced


@pytest.mark.parametrize(
    ("run", "operations"),
    [
        (lambda x: x.detach().view(2, 3).expand(2, 3) * 2, ["mul"]),
        (lambda x: x.view(3, 2) * 2, ["view", "mul"]),
        (lambda x: (x * 2).view(2, 3).mul_(3), ["mul", "mul_"]),
    ],
)
def test_what_changes_nothing_is_left_out_and_what_changes_the_shape_stays(run, operations):
    x = torch.arange(6.0).view(2, 3)
    graph = traced(run, [x], [run(x)])
    assert [node.target.__name__ for node in graph.graph.nodes if node.op == "call_function"] == operations
    assert torch.equal(graph(x + 1), run(x + 1))


def test_a_trace_that_gives_something_else_is_none():
    calls = iter(range(9))
    assert traced(lambda x: x + next(calls), [torch.ones(2)], [torch.ones(2) + 5]) is None
