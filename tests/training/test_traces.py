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


def test_other_tensors_are_constants_and_one_that_is_changed_in_place_is_as_it_is_then():
    scale = torch.ones(2)
    graph = traced(lambda x: x * scale + torch.tensor([1.0, 2.0]).mul_(3), [torch.ones(2)], [torch.tensor([4.0, 7.0])])
    scale.fill_(2)
    assert [graph(torch.ones(2)).tolist() for _ in range(2)] == [[5.0, 8.0]] * 2


@pytest.mark.parametrize("run", [lambda x: x * x.max().item(), lambda x: x[x > 0] * 2, lambda x: x if x.any() else 2])
def test_what_depends_on_values_is_not_traced(run):
    x = torch.ones(2)
    assert traced(run, [x], [run(x)]) is None


def test_places_by_number_are_traced():
    x, places = torch.arange(6.0).view(2, 3), torch.tensor([2, 0])
    graph = traced(lambda x: x[:, places], [x], [x[:, places]])
    assert graph(2 * x).tolist() == [[4.0, 0.0], [10.0, 6.0]]


def test_autocast_casts_the_weights_of_each_call():
    weight, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        graph = traced(torch.matmul, [x, weight], [torch.matmul(x, weight)])
    assert graph(x, 2 * weight.detach()).tolist() == [[4.0, 4.0]] * 2
