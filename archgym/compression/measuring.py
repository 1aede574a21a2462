"""Measure what a setting costs a PyTorch module: fake quantisation and pruning on a copy of it.

Weights of linear layers and convolutions are pruned by magnitude, then rounded; inputs of those layers are sparsified,
then rounded. Nothing is trained or calibrated: this is effort `rounding`, plain magnitude pruning.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archgym.compression.setting import UNQUANTISED, Setting
from archgym.errors import InputError, missing_extra

if TYPE_CHECKING:
    import torch

Batches = Iterable[tuple[Any, Any]]


@dataclass(frozen=True)
class Measured:
    """What a setting did to a module.

    Attributes:
        before, after: accuracy over all labels, or perplexity.
        metric: `accuracy` or `perplexity`.
        quality_loss: 1 - after / before of accuracy, ln(after / before) of perplexity.
        layers: layers that were compressed.
        weight_density: share of their weights that is not zero, 0 to 1.
    """

    before: float
    after: float
    metric: str
    quality_loss: float
    layers: int
    weight_density: float


def measure(
    module: torch.nn.Module,
    data: Batches,
    setting: Setting,
    *,
    metric: str = "accuracy",
    group: int | None = None,
    seed: int = 0,
) -> Measured:
    """Compress a copy of a module and evaluate both.

    Weights: symmetric, b bits, one scale per output channel, or per `group` weights along its inputs; of the largest
    magnitude. Activations: asymmetric, b bits, one scale and zero point per tensor and call.

    Args:
        module: returns logits, [batch, classes] or [batch, ..., classes]; it is not changed.
        data: batches (input, label) with labels [batch] or [batch, ...]; read twice, so a list and not a generator.
        setting: `kv_bits`, slices, token and head pruning cannot be measured, except of none.
        metric: accuracy, or perplexity (the exponential of the mean cross entropy).
        group: weights that share a scale, None for a whole output channel.
        seed: of PyTorch during both evaluations.

    Raises:
        InputError: a setting that cannot be measured, no layer to compress, or data without labels.
        MissingExtraError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("measuring a module", "rl", error) from error
    _check(setting, metric, group)
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"measure takes a torch.nn.Module, not {type(module).__name__}")
    batches = list(data)
    if not batches:
        raise InputError("measure needs at least one batch (input, label)")
    compressed = copy.deepcopy(module)
    layers: list[Any] = [part for part in compressed.modules() if isinstance(part, _layers())]
    if not layers:
        raise InputError(f"{type(module).__name__} has no linear layer or convolution to compress")
    with torch.no_grad():
        for layer in layers:
            weight = prune(layer.weight.flatten(1), setting.pattern)
            layer.weight.copy_(quantise(weight, setting.weight_bits, group).view_as(layer.weight))
            layer.register_forward_pre_hook(lambda _, inputs: _inputs(inputs, setting))
    before, after = (_evaluate(each, batches, metric, seed) for each in (module, compressed))
    zeros = [float((layer.weight == 0).sum()) for layer in layers]
    density = 1.0 - sum(zeros) / sum(layer.weight.numel() for layer in layers)
    loss = 1.0 - after / before if metric == "accuracy" else float(torch.tensor(after / before).log())
    return Measured(before, after, metric, loss, len(layers), density)


def quantise(values: torch.Tensor, bits: int, group: int | None = None) -> torch.Tensor:
    """Symmetric fake quantisation of weights [outputs, inputs], one scale per row or `group` inputs of it.

    scale = max|w| / (2^(bits-1) - 1); the result is scale * round(w / scale). A last group may be short.
    """
    import torch

    if bits >= UNQUANTISED:
        return values
    largest = 2 ** (bits - 1) - 1
    parts = [values] if group is None else list(values.split(group, dim=1))
    rounded = []
    for part in parts:
        scale = part.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(part.dtype).tiny) / largest
        rounded.append((part / scale).round().clamp(-largest, largest) * scale)
    return torch.cat(rounded, dim=1)


def quantise_activations(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Asymmetric fake quantisation of a whole tensor: 2^bits levels from min(x, 0) to max(x, 0), 0 among them."""
    import torch

    if bits >= UNQUANTISED:
        return values
    low, high = values.amin().clamp(max=0.0), values.amax().clamp(min=0.0)
    scale = (high - low).clamp_min(torch.finfo(values.dtype).tiny) / (2**bits - 1)
    zero = (-low / scale).round()
    return ((values / scale).round() + zero).clamp(0, 2**bits - 1).sub(zero) * scale


def prune(values: torch.Tensor, pattern: str) -> torch.Tensor:
    """Weights [outputs, inputs] without the smallest ones by magnitude.

    unstructured-P: the P % smallest of the layer. N:M: the N largest of every M along the inputs; what is left over at
    the end of a row is a short group.
    """
    import torch

    if pattern == "dense":
        return values
    name, _, percent = pattern.partition("-")
    if percent:
        removed = round(values.numel() * int(percent) / 100)
        smallest = values.abs().flatten().argsort(stable=True)[:removed]
        pruned = values.clone().flatten()
        pruned[smallest] = 0
        return pruned.view_as(values)
    kept, size = (int(number) for number in name.split(":"))
    padded = torch.nn.functional.pad(values, (0, -values.shape[1] % size))
    groups = padded.reshape(values.shape[0], -1, size)
    ranks = groups.abs().argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    return (groups * (ranks < kept)).reshape(padded.shape)[:, : values.shape[1]]


def _layers() -> tuple[type, ...]:
    import torch

    nn = torch.nn
    return (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _inputs(inputs: tuple[Any, ...], setting: Setting) -> tuple[Any, ...]:
    """What a layer sees: its first input without the smallest share of each sample, then rounded."""
    values = inputs[0]
    if setting.activation_sparsity:
        flat = values.flatten(1)
        removed = round(flat.shape[1] * setting.activation_sparsity)
        smallest = flat.abs().argsort(dim=1, stable=True)[:, :removed]
        values = flat.scatter(1, smallest, 0.0).view_as(values)
    return (quantise_activations(values, setting.activation_bits), *inputs[1:])


def _check(setting: Setting, metric: str, group: int | None) -> None:
    if metric not in ("accuracy", "perplexity"):
        raise InputError(f"metric must be accuracy or perplexity, not {metric!r}")
    if group is not None and group < 1:
        raise InputError(f"group must be positive, not {group}")
    if setting.kv_bits != UNQUANTISED or setting.token_pruning or setting.head_pruning or "slice" in setting.pattern:
        raise InputError(
            f"cannot measure {setting}: a key-value cache, slices and pruned tokens or heads are not in every module"
        )


def _evaluate(module: torch.nn.Module, batches: list[tuple[Any, Any]], metric: str, seed: int) -> float:
    """Accuracy, or perplexity, over all labels, in evaluation mode, which is undone."""
    import torch

    modes = {part: part.training for part in module.modules()}
    right, labels, entropy = 0, 0, 0.0
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            module.eval()
            for values, label in batches:
                logits = module(values).flatten(0, -2)
                target = label.flatten()
                if len(logits) != len(target):
                    raise InputError(f"{len(target)} labels do not fit {len(logits)} predictions")
                right += int((logits.argmax(1) == target).sum())
                labels += len(target)
                entropy += float(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
    finally:
        for part, mode in modes.items():
            part.training = mode
    if metric == "accuracy":
        if right == 0:
            raise InputError("the module gets no label right: there is no quality to lose")
        return right / labels
    return float(torch.tensor(entropy / labels).exp())
