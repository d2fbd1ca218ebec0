"""Steps of one model by a list of its tensor operations, traced from one step and carried out for those that follow.

What Python's modules, distributions and autograd do around them is a third of a small step. The operations are the
same, and so are their numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import GraphModule

from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.vae import VAE
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.penalised import PenalisedObjective
from vae_rd.training.adam import shares_of
from vae_rd.training.examples import ExampleTerms
from vae_rd.training.stacked_loss import Loss, Numbers, numbers_of
from vae_rd.training.traces import carried_out, traced

# Steps that are left where a trace is made: it takes as long as it saves in about 50 steps of a small network.
LEAST = 200
KNOWN = ("torch", "vae_rd")  # Whose modules do nothing in a step but operations on tensors,
OF_CALLABLES = ("torch_terms",)  # but for those made of anyone's functions.


class Given(NamedTuple):
    """What a step is of: x and its noise, what the model is given, and what p(.|z) is of where that is not x."""

    x: Tensor
    eps: Tensor
    context: Tensor | None = None
    target: Tensor | None = None


class Replay:
    """The step of one model as a function of tensors, traced the first time that it is asked for.

    Args:
        loss: of the model. Tensors of its modules are changed in place alone.

    Example:
        >>> from vae_rd.model.vae import VAE
        >>> from vae_rd.objectives.gradients.base import Reparameterised
        >>> from vae_rd import BernoulliLikelihood, Decoder, DiagonalPosterior, Encoder, StandardNormalPrior
        >>> encoder = Encoder(nn.Flatten(), DiagonalPosterior(4, latent_dim=2))
        >>> decoder = Decoder(nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 2, 2))), BernoulliLikelihood())
        >>> model = VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2)
        >>> replay = Replay(Loss(model, BetaObjective(1.0), Reparameterised()))
        >>> given = Given(torch.ones(8, 1, 2, 2), torch.zeros(1, 8, 2))
        >>> replay.step(given, 0).distortion.shape, decoder.trunk[0].weight.grad.shape
        (torch.Size([1, 8]), torch.Size([4, 2]))
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.parameters, self.buffers = dict(loss.named_parameters()), dict(loss.named_buffers())
        self.trained = [parameter for parameter in self.parameters.values() if parameter.requires_grad]
        self.paths = [part for part in loss.objective.modules() if isinstance(part, BetaObjective)]
        self._graphs: dict[Hashable, GraphModule | None] = {}
        self._weights: list[tuple[float, float]] | None = None
        self._numbers: Numbers = {}

    def step(self, given: Given, step: int) -> ExampleTerms | None:
        """Give the parameters the gradients of a step, and return its terms; None where it is to be built each time.

        Args:
            given: what the step is of.
            step: of the optimiser.
        """
        kind = tuple(None if value is None else (value.shape, value.dtype) for value in given)
        if kind not in self._graphs:
            self._graphs[kind] = self._traced(given, step)
        graph = self._graphs[kind]
        if graph is None:
            return None
        gradients, examples = carried_out(graph, self._leaves(given, step))
        for parameter, gradient in zip(self.trained, gradients, strict=True):
            parameter.grad = _laid_out(gradient, parameter)
        return ExampleTerms(*examples)

    def _leaves(self, given: Given, step: int) -> list[Any]:
        numbers = [number for held in self._numbers_of(step).values() for number in held]
        return [*self.parameters.values(), *self.buffers.values(), *given, *numbers]

    def _numbers_of(self, step: int) -> Numbers:
        """The weights of a step's loss as tensors, made anew where they have changed."""
        weights = [path.weights(step) for path in self.paths]
        if weights != self._weights:
            like = next(iter(self.parameters.values()))
            self._weights, self._numbers = weights, numbers_of([self.loss.objective], step, like=like)
        return self._numbers

    def _traced(self, given: Given, step: int) -> GraphModule | None:
        """The operations of a step; None of one that draws again, for which there is no stream, or moves buffers.

        The trial moves neither the model's own buffers nor torch's own streams.
        """
        leaves, first = self._leaves(given, step), len(self.parameters)
        leaves[first:] = [value.clone() if isinstance(value, Tensor) else value for value in leaves[first:]]
        buffers = leaves[first : first + len(self.buffers)]
        device = given.x.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            before = _state(device)
            try:
                gradients, examples = self._built(*leaves)
            except Exception:  # Of whatever kind: built as it stands, a step raises its own.
                return None
            apart = [gradient.untyped_storage().data_ptr() for gradient in gradients if gradient is not None]
            if any(buffer._version for buffer in buffers) or _state(device) != before or len(set(apart)) < len(apart):
                return None
            return traced(self._built, leaves, [*gradients, *examples])

    def _built(self, *leaves: Any) -> tuple[list[Tensor | None], list[Tensor]]:
        """Gradients and terms by modules and autograd, at leaves of their own."""
        named, given, numbers = self._named(leaves)
        trained = {
            name: named[name].detach().requires_grad_() for name, p in self.parameters.items() if p.requires_grad
        }
        with torch.enable_grad():
            inputs = (given.x, given.eps, given.target, object(), numbers, given.context)  # No step, to who reads it.
            surrogate, examples = functional_call(self.loss, named | trained, inputs)
            gradients = torch.autograd.grad(surrogate, [*trained.values()], shares_of(surrogate), allow_unused=True)
        return list(gradients), list(examples)

    def _named(self, leaves: Sequence[Any]) -> tuple[dict[str, Tensor], Given, Numbers]:
        names, given = [*self.parameters, *self.buffers], len(Given._fields)
        numbers = iter(leaves[len(names) + given :])
        held = {name: tuple(next(numbers) for _ in values) for name, values in self._numbers.items()}
        return dict(zip(names, leaves, strict=False)), Given(*leaves[len(names) : len(names) + given]), held


def _state(device: torch.device) -> list[bytes]:
    """Of torch's own streams, from which networks may draw, such as dropout does."""
    states = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
    return [state.numpy().tobytes() for state in states]


def _laid_out(gradient: Tensor | None, like: Tensor) -> Tensor | None:
    """In memory as its parameter is, which autograd sees to and fused Adam takes for granted."""
    if gradient is None or gradient.stride() == like.stride():
        return gradient
    return torch.empty_like(like).copy_(gradient)


def is_known(loss: Loss) -> bool:
    """Whether a step of it is operations on tensors alone: its parts are ours or torch's, and have no hooks."""
    tensors = [*loss.parameters(), *loss.buffers()]
    hooked = any(t._backward_hooks or t._post_accumulate_grad_hooks for t in tensors)
    return all(map(_is_plain, loss.modules())) and has_known_rules(loss) and not hooked


def has_known_rules(loss: Loss) -> bool:
    """Whether its gradient and its penalty, which are no modules, are ours: anyone's may keep something of a step."""
    rules = [loss.gradient, *(p.penalty for p in loss.objective.modules() if isinstance(p, PenalisedObjective))]
    return all(map(_is_known_class, rules))


def _is_known_class(part: object) -> bool:
    words = type(part).__module__.split(".")
    return words[0] in KNOWN and words[-1] not in OF_CALLABLES


def _is_plain(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    is_known = _is_known_class(module) and "forward" not in vars(module)
    # Recurrent networks read their weights from a list of their own, which is not that of a call's.
    return is_known and not any(hooks) and not isinstance(module, nn.RNNBase)


def takes_note(model: VAE) -> bool:
    """Whether the likelihood of a model has running scales, which see what a step has seen."""
    likelihood = getattr(model.decoder, "likelihood", None)
    return isinstance(likelihood, Likelihood) and type(likelihood).after_step is not Likelihood.after_step
