"""Paths in the space of z against maps of known geometry: planes, where they are straight, and spheres."""

import math

import pytest
import torch

from vae_rd.estimators.latent_paths import arc, geodesic, jacobian, lengths, straight, stretch

pytestmark = pytest.mark.usefixtures("float64")


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def onto_sphere(z: torch.Tensor) -> torch.Tensor:
    """Longitude and latitude to the unit sphere."""
    longitude, latitude = z.T
    return torch.stack([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()], 1)


def test_under_a_linear_map_the_geodesic_is_straight_and_as_long_as_its_chord():
    weight, (start, end) = drawn(7, 3), drawn(2, 5, 3)
    found = geodesic(lambda z: z @ weight.T + 1, start, end, steps=8)
    assert found == pytest.approx(straight(start, end, steps=8), abs=1e-6)
    assert lengths(lambda z: z @ weight.T + 1, found) == pytest.approx(((end - start) @ weight.T).norm(dim=1))


def test_on_a_sphere_it_is_the_great_circle():
    start = torch.tensor([[0.0, 0.9], [-1.0, 0.2], [0.1, -0.8]])
    end = torch.tensor([[1.8, 0.9], [1.0, 0.5], [0.9, 0.7]])
    angle = (onto_sphere(start) * onto_sphere(end)).sum(1).arccos()
    steps = 32
    found = geodesic(onto_sphere, start, end, steps=steps)
    chords = 2 * steps * (angle / (2 * steps)).sin()  # Of an arc cut into equal parts.
    assert lengths(onto_sphere, found) == pytest.approx(chords, rel=1e-5)
    assert (lengths(onto_sphere, straight(start, end, steps=steps)) > 1.001 * chords)[0]
    normal = torch.linalg.cross(onto_sphere(start), onto_sphere(end))
    off = torch.stack([onto_sphere(path) @ plane for path, plane in zip(found, normal, strict=True)])
    assert off.abs().max() < 1e-3


def test_no_geodesic_is_longer_than_the_straight_path():
    net = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 9))
    start, end = 3 * drawn(2, 20, 4)
    before = lengths(net, straight(start, end, steps=12))
    after = lengths(net, geodesic(net, start, end, steps=12))
    assert (after <= before).all()
    assert after.mean() < 0.97 * before.mean()
    assert (geodesic(net, start, end, steps=12)[:, [0, -1]] == torch.stack([start, end], 1)).all()


def test_an_arc_between_points_of_one_norm_keeps_it_and_turns_evenly():
    ends = torch.nn.functional.normalize(drawn(2, 6, 5), dim=-1)
    path = arc(*ends, steps=10)
    assert path.norm(dim=-1) == pytest.approx(torch.ones(6, 11))
    turns = (path[:, 1:] * path[:, :-1]).sum(-1).arccos()
    assert turns == pytest.approx((ends[0] * ends[1]).sum(-1).arccos()[:, None].expand(-1, 10) / 10)
    assert arc(ends[0], 2 * ends[0], steps=4) == pytest.approx(straight(ends[0], 2 * ends[0], steps=4))


def test_the_derivative_is_autograd_s_and_its_largest_singular_value_a_linear_map_s():
    net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.SiLU(), torch.nn.Linear(16, 5))
    z = drawn(7, 3)
    assert jacobian(net, z) == pytest.approx(
        torch.stack([torch.autograd.functional.jacobian(lambda one: net(one[None])[0], row) for row in z])
    )
    weight = torch.diag(torch.tensor([3.0, 1.0]))
    assert stretch(lambda z: z @ weight, torch.zeros(4, 2)) == pytest.approx(torch.full((4,), 3.0))
    assert math.isclose(stretch(lambda z: z @ weight, torch.zeros(5, 2), at_once=2).sum().item(), 15.0)
