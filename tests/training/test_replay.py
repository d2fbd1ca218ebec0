"""Steps by their list of operations, held bit for bit to those that modules and autograd take."""

import pytest
import torch
from torch import nn

from vae_rd import fit
from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build, tables
from vae_rd.training import vae
from vae_rd.training.examples import as_terms, example_terms
from vae_rd.training.replay import Given, Replay, is_known, takes_note
from vae_rd.training.stacked_loss import Loss

from helpers.common import TOY
from helpers.members import card
from helpers.runs import history

SHAPE, EXAMPLES = (1, 3, 3), 16
# A weight that is a function of the step, draws within the loss, values that decide what is done.
BUILT_EACH_TIME = (
    ("objective", "capacity"),
    ("objective", "info_vae"),
    *((f, "categorical") for f in ("posterior", "prior")),
)


def loss_of(**flags) -> Loss:
    """Of a model whose parameters are those of the seed."""
    torch.manual_seed(0)
    wanted = {"latent_dim": 2, "hidden": [6], "flow_transforms": 2, "n_train": 64, **flags}
    config = FitConfig(**wanted)
    of = card(tables.LIKELIHOODS[config.likelihood](config, card()).supports[0], SHAPE)
    module = build.build_module(config, build.build_model(config, of), of, steps=10_000, after_step=lambda: None)
    return Loss(module.model, module.objective, module.gradient)


def given_of(loss: Loss, step: int, samples: int) -> Given:
    noise = torch.Generator().manual_seed(step)
    x = (torch.rand(EXAMPLES, *SHAPE, generator=noise) > 0.5).float()
    return Given(x, loss.model.noise(samples, x, noise), loss.objective.context(EXAMPLES, noise))


def gradients(loss: Loss) -> list[torch.Tensor | None]:
    found = [parameter.grad for parameter in loss.parameters()]
    for parameter in loss.parameters():
        parameter.grad = None
    return found


def differences(loss: Loss, *, samples: int = 1, steps: tuple[int, ...] = (0, 3, 7)) -> list[str] | None:
    """In what steps by operations and steps as they stand are not the same; None where there are no such steps."""
    replay, found = Replay(loss), []
    for step in steps:
        given = given_of(loss, step, samples)
        examples, ours = replay.step(given, step), gradients(loss)
        if examples is None:
            return None
        noise = torch.Generator().manual_seed(0)
        terms, each, surrogate = loss.gradient.step(
            loss.model, loss.objective, given.x, given.eps, step, noise=noise, context=given.context
        )
        surrogate.mean().backward()
        expected = example_terms(terms, each, latent_dim=loss.model.latent_dim)
        pairs = [*zip(examples, expected, strict=True), *zip(ours, gradients(loss), strict=True)]
        found += [f"step {step}, tensor {place}" for place, pair in enumerate(pairs) if not same(*pair)]
        loss.objective.after_step(terms)
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter.mul_(0.9)
    return found


def same(ours: torch.Tensor | None, theirs: torch.Tensor | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return ours.stride() == theirs.stride() and torch.equal(ours.nan_to_num(), theirs.nan_to_num())


@pytest.mark.parametrize(
    "flags",
    [
        {"beta": 4.0},
        {"beta": 4.0, "beta_warmup": 5, "beta_start": 50.0},
        {"objective": "target_rate", "target_rate": 2.0},
        {"objective": "multirate", "beta_range": [0.1, 8.0]},
    ],
    ids=lambda flags: "-".join(map(str, flags)),
)
def test_steps_have_the_gradients_and_terms_of_modules_and_autograd(flags):
    loss = loss_of(**flags)
    assert is_known(loss)
    assert differences(loss, samples=2) == []


@pytest.mark.parametrize(
    "flags", [{}, {"posterior": "iaf"}, {"prior": "maf"}, {"prior": "spline"}, {"objective": "multirate"}], ids=str
)
def test_in_half_precision_what_is_kept_out_of_it_stays_out(flags):
    loss = loss_of(**flags)
    with torch.no_grad():
        for parameter in loss.parameters():  # Flows begin as the identity, which is exact in any precision.
            parameter.add_(0.1 * torch.randn_like(parameter))
    with torch.autocast("cpu", torch.bfloat16):
        assert differences(loss, steps=(3,)) == []  # Of one: autocast keeps the casts of weights.


ROWS = [
    *(("objective", word) for word in tables.OBJECTIVES),
    *(("gradient", word) for word in tables.GRADIENTS),
    *(("posterior", word) for word in tables.POSTERIORS),
    *(("prior", word) for word in tables.PRIORS),
    *(("likelihood", word) for word in tables.LIKELIHOODS),
]


def loss_with(flag: str, word: str) -> Loss:
    """Of a model with that member, and what it needs."""
    needed = {"target_rate": {"target_rate": 2.0}, "multirate": {"beta_range": [0.1, 8.0]}}.get(word, {})
    needed |= {"target_distortion": {"target_distortion": 3.0}, "geco": {"target_distortion": 3.0}}.get(word, {})
    if word == "categorical" and flag != "likelihood":
        needed = {"prior": "categorical", "posterior": "categorical"}
    if word == "deterministic":
        needed = {"beta": 0.0}
    return loss_of(**{flag: word, **needed})


@pytest.mark.slow
@pytest.mark.parametrize(("flag", "word"), ROWS)
def test_of_every_member_steps_are_the_same_or_built_each_time(flag, word):
    loss = loss_with(flag, word)
    found = differences(loss, samples=max(3, loss.gradient.least_samples))
    assert found == [] or (found is None and (flag, word) in BUILT_EACH_TIME)


@pytest.mark.parametrize("word", tables.OBJECTIVES)
def test_an_objective_takes_the_same_note_of_what_a_step_by_its_list_leaves(word):
    loss, same_loss = loss_with("objective", word), loss_with("objective", word)
    given = given_of(loss, 0, samples := 3)
    noise = torch.Generator().manual_seed(0)
    terms, each, _ = loss.gradient.step(
        loss.model, loss.objective, given.x, given.eps, 0, noise=noise, context=given.context
    )
    assert terms.distortion.shape == (samples, EXAMPLES)
    loss.objective.after_step(terms)
    same_loss.objective.after_step(as_terms(example_terms(terms, each, latent_dim=loss.model.latent_dim)))
    for ours, theirs in zip(loss.objective.buffers(), same_loss.objective.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_what_anyone_made_may_do_more_than_operations_on_tensors():
    class Counting(nn.SiLU):
        pass

    plain, own, hooked, patched = (loss_of() for _ in range(4))
    own.model.decoder.trunk[0][1] = Counting()
    hooked.model.encoder.register_forward_hook(lambda *_: None)
    patched.model.decoder.forward = patched.model.decoder.forward
    assert [is_known(loss) for loss in (plain, own, hooked, patched)] == [True, False, False, False]
    plain.model.encoder.trunk[-2].weight.register_hook(lambda gradient: gradient)
    assert not is_known(plain)
    after, recurrent = loss_of(), loss_of()
    after.model.encoder.trunk[-2].weight.register_post_accumulate_grad_hook(lambda parameter: None)
    recurrent.model.encoder.trunk.append(nn.GRU(6, 6))
    assert not is_known(after)
    assert not is_known(recurrent)


@pytest.mark.parametrize("is_own", ["gradient", "penalty", None])
def test_what_anyone_s_gradient_or_penalty_keeps_of_a_step_is_not_in_a_list(is_own):
    loss = loss_with("objective", "dip_vae_ii")
    rules = {"gradient": loss.gradient, "penalty": loss.objective.penalty}
    if is_own:
        rules[is_own].__class__ = type("Own", (type(rules[is_own]),), {})
    assert is_known(loss) == (is_own is None)


def test_a_likelihood_that_takes_note_of_steps_and_buffers_that_move_are_left_alone():
    assert takes_note(loss_of(likelihood="gaussian_optimal").model)
    for layer in (nn.BatchNorm1d(9), nn.Dropout(0.001)):
        loss = loss_of()
        loss.model.encoder.trunk.insert(2, layer)
        given, stream = given_of(loss, 0, 1), torch.get_rng_state()
        before = [buffer.clone() for buffer in loss.buffers()]
        assert Replay(loss).step(given, 0) is None
        assert all(map(torch.equal, loss.buffers(), before))
        assert torch.equal(torch.get_rng_state(), stream)


def test_a_fit_is_the_same_bit_for_bit(tmp_path, monkeypatch):
    counted, whole = [], Replay.step
    flags = ["--objective=target_rate", "--target_rate=3", "--grad_clip=1", "--max_epochs=3"]
    monkeypatch.setattr(Replay, "step", lambda *given: counted.append(found := whole(*given)) or found)
    rows = {}
    for least in (0, 10**9):
        monkeypatch.setattr(vae, "LEAST", least)
        folder = tmp_path / str(least)
        assert fit.main([*TOY, *flags, f"--run_dir={folder}"]) == 0
        (run,) = folder.iterdir()
        rows[least] = history(run)
    assert rows[0] == rows[10**9]
    assert len(counted) == 8  # Of the epochs after the first.
    assert None not in counted
