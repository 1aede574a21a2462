"""Measuring a module: quantisation and pruning by hand, the original left alone."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'archgym[rl]'")

from archgym.compression import Setting, measure  # noqa: E402
from archgym.compression.measuring import prune, quantise, quantise_activations  # noqa: E402
from archgym.errors import InputError  # noqa: E402


def test_weights_are_rounded_to_symmetric_levels_per_row_or_group() -> None:
    weights = torch.tensor([[0.7, -0.26, 0.04, 0.0], [7.0, 2.6, -3.4, 1.0]])
    assert torch.allclose(quantise(weights, 4), torch.tensor([[0.7, -0.3, 0.0, 0.0], [7.0, 3.0, -3.0, 1.0]]))
    assert torch.allclose(quantise(weights, 2, group=2), torch.tensor([[0.7, 0, 0.04, 0], [7.0, 0, -3.4, 0]]))
    assert quantise(weights, 16) is weights
    assert torch.equal(quantise(torch.zeros(1, 3), 4), torch.zeros(1, 3))


def test_activations_are_rounded_to_levels_that_hold_zero() -> None:
    values = torch.tensor([-1.0, 0.0, 0.2, 0.6, 2.0])
    assert torch.allclose(quantise_activations(values, 2), torch.tensor([-1.0, 0.0, 0.0, 1.0, 2.0]))
    assert torch.allclose(quantise_activations(torch.tensor([1.0, 3.0]), 2), torch.tensor([1.0, 3.0]))


def test_pruning_keeps_the_largest() -> None:
    weights = torch.tensor([[1.0, -4.0, 3.0, 2.0, 5.0, 6.0]])
    assert prune(weights, "2:4").tolist() == [[0, -4, 3, 0, 5, 6]]
    assert prune(weights, "1:4").tolist() == [[0, -4, 0, 0, 0, 6]]
    assert prune(weights, "unstructured-50").tolist() == [[0, -4, 0, 0, 5, 6]]
    assert int((prune(torch.ones(2, 8), "2:4") != 0).sum()) == 8  # ties too


def test_measure_compares_a_module_with_a_compressed_copy() -> None:
    module = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(2, 2, bias=False)).train()
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[1.0, 0.1], [0.9, 0.4]]))
    before = copy.deepcopy(module.state_dict())
    data = [(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.9]]), torch.tensor([0, 1, 1]))]
    same = measure(module, data, Setting())
    assert (same.before, same.after, same.quality_loss, same.layers, same.weight_density) == (1, 1, 0, 1, 1)
    rounded = measure(module, data, Setting(weight_bits=2))  # [[1, 0], [0.9, 0]]: the second column is gone
    assert (rounded.before, rounded.after) == (1.0, pytest.approx(1 / 3))
    assert rounded.quality_loss == pytest.approx(2 / 3)
    assert rounded.weight_density == 0.5
    perplexity = measure(module, data, Setting(weight_bits=2), metric="perplexity")
    assert perplexity.quality_loss == pytest.approx(torch.tensor(perplexity.after / perplexity.before).log().item())
    assert perplexity.quality_loss > 0
    sparse = measure(module, data, Setting(activation_sparsity=0.5, sparsity_method="teal"))
    assert sparse.after == pytest.approx(2 / 3)  # [1, 0.9] becomes [1, 0]
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert module.training
    assert not module[1]._forward_pre_hooks


def test_what_cannot_be_measured_is_refused() -> None:
    module, data = torch.nn.Linear(2, 2), [(torch.ones(1, 2), torch.tensor([0]))]
    for arguments, says in (
        ((module, data, Setting(kv_bits=8)), "cannot measure kv_bits=8"),
        ((module, data, Setting(pattern="slice-20")), "cannot measure pattern=slice-20"),
        ((torch.nn.ReLU(), data, Setting()), "no linear layer or convolution"),
        ((module, [], Setting()), "at least one batch"),
        (("module", data, Setting()), "takes a torch.nn.Module"),
    ):
        with pytest.raises(InputError, match=says):
            measure(*arguments)
    with pytest.raises(InputError, match="metric must be"):
        measure(module, data, Setting(), metric="loss")
