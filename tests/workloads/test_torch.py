"""PyTorch modules: published totals of real networks without weights, and each way data can go."""

import logging
import subprocess
import sys

import pytest

from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.recorder import uncosted_operators

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'archgym[rl]'")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

LLAMA3 = {"vocab_size": 128256, "num_key_value_heads": 8, "intermediate_size": 14336}
NETWORKS = {  # class, configuration and its changes, measured MACs; ids of 128 tokens or an image of 224 x 224
    "resnet50": ("ResNetForImageClassification", "ResNetConfig", {"num_labels": 1000}, 4.089e9),
    "mobilenetv2": ("MobileNetV2ForImageClassification", "MobileNetV2Config", {"num_labels": 1000}, 0.301e9),
    "bert-base": ("BertModel", "BertConfig", {}, 11.17e9),
    "vit-b16": ("ViTForImageClassification", "ViTConfig", {"num_labels": 1000}, 17.56e9),
    "llama2-7b": ("LlamaForCausalLM", "LlamaConfig", {}, 850e9),
    "llama3-8b": ("LlamaForCausalLM", "LlamaConfig", LLAMA3, 965e9),
}


def ids(*shape):
    return torch.zeros(shape, dtype=torch.long)


def operators(module, *inputs, **options):
    return [layer.operator for layer in Workload.from_torch(module, inputs, **options).layers]


@pytest.mark.parametrize("name", NETWORKS)
def test_real_networks_agree_with_measured_totals(name):
    transformers = pytest.importorskip("transformers", reason="needs transformers, of the dev extra")
    network, config, changes, macs = NETWORKS[name]
    with torch.device("meta"):
        module = getattr(transformers, network)(getattr(transformers, config)(**changes))
    image = "ImageClassification" in network
    inputs = {"pixel_values": torch.zeros(1, 3, 224, 224)} if image else {"input_ids": ids(1, 128)}
    inputs |= {"use_cache": False} if "Causal" in network else {}
    work, own = Workload.from_torch(module, inputs, name=name), Workload.load(name)
    assert work.macs == pytest.approx(macs, rel=0.01)
    assert work.macs == pytest.approx(own.macs, rel=0.001)
    assert work.weight_bytes == pytest.approx(own.weight_bytes, rel=0.01)
    assert not uncosted_operators(work)
    assert all(source < target for source, target in work.edges)
    assert any(operator.out_external for operator in (layer.operator for layer in work.layers))


class Mixed(nn.Module):
    """Something of everything: recurrent, attention, transposed and grouped convolution, einsum."""

    def __init__(self):
        super().__init__()
        self.rows, self.lstm = nn.Embedding(50, 16), nn.LSTM(16, 24, 2, batch_first=True)
        self.gru = nn.GRU(24, 8, bidirectional=True, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.conv, self.back = nn.Conv1d(16, 8, 3, groups=4), nn.ConvTranspose1d(8, 6, 4, stride=2)
        self.bilinear = nn.Parameter(torch.zeros(6, 6))

    def forward(self, tokens):
        x, _ = self.lstm(self.rows(tokens), (torch.ones(2, 2, 24) * tokens[:1, :1, None], torch.zeros(2, 2, 24)))
        x, _ = self.gru(x, torch.ones(2, 2, 8) * tokens[:1, :1, None])
        x = self.encoder(x)
        x, _ = self.attention(x, x, x, need_weights=True)
        x = F.gelu(self.back(self.conv(x.transpose(1, 2))))
        return torch.einsum("bct,cd,bdt->bt", x, self.bilinear, x)


def test_macs_are_those_of_pytorchs_own_counter():
    """PyTorch's FlopCounterMode has rules of its own for each operator; it does not know oneDNN's and fused ones."""
    module, tokens = Mixed().eval(), torch.ones(2, 10, dtype=torch.long)
    fast = torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled()
    torch.backends.mkldnn.set_flags(False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            module(tokens)
    finally:
        torch.backends.mkldnn.set_flags(fast[0])
        torch.backends.mha.set_fastpath_enabled(fast[1])
    work = Workload.from_torch(module, tokens)
    assert work.macs == pytest.approx(counter.get_total_flops() / 2)
    assert not uncosted_operators(work)


def test_views_in_place_and_partial_writes_keep_the_data_dependences():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in "abc")

        def forward(self, x):
            left, right = self.a(x), self.b(x).t().t()
            out = torch.empty(3, 8)
            out[:, :4] = left
            out[:, 4:].copy_(right)
            return self.c(out.view(6, 4).relu_())

    work = Workload.from_torch(Net(), torch.zeros(3, 4))
    assert [layer.name for layer in work.layers] == ["a.addmm", "b.addmm", "relu", "c.addmm"]
    assert work.edges == ((0, 2), (1, 2), (2, 3))
    assert [layer.operator.a_external for layer in work.layers] == [1, 0, 0, 0]  # x is fetched once
    assert [layer.operator.out_external for layer in work.layers] == [0, 0, 0, 1]


def test_a_weight_used_twice_is_stored_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.head = nn.Embedding(50, 16), nn.Linear(16, 50, bias=False)
            self.head.weight = self.rows.weight

        def forward(self, tokens):
            x = self.rows(tokens)
            return self.head(x), self.head(x + 1)

    work = Workload.from_torch(Tied(), ids(2, 5))
    assert work.weight_bytes == 800
    assert work.macs == 2 * 10 * 16 * 50
    assert [layer.operator.resident_bytes for layer in work.layers if layer.operator.k] == [800, 0]
    assert [layer.operator.kind for layer in work.layers].count("embedding") == 1


def test_bags_of_rows_are_gathered_and_summed():
    (bag,) = operators(nn.EmbeddingBag(1000, 8, mode="sum"), ids(4, 5))
    assert (bag.kind, bag.a_bytes, bag.out_bytes, bag.vector_ops) == ("embedding", 160, 32, 128)
    assert (bag.a_external, bag.resident_bytes) == (1, 0)


def test_batch_norm_folds_and_activations_join():
    block = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.SiLU()
    )
    conv, pool = operators(block, torch.zeros(2, 3, 10, 10), bits=4)
    assert (conv.m, conv.k, conv.n, conv.kernel, conv.width, conv.requests) == (128, 27, 8, 9, 8, 2)
    assert (conv.vector_ops, conv.a_bytes, conv.b_bytes, conv.a_bits) == (1024, 300, 108, 4)
    assert (pool.kind, pool.vector_ops) == ("pool", 256 * 4 + 2 * 256)
    assert block.training


def test_grouped_query_heads_share_a_product():
    class Attend(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    q, k = torch.zeros(2, 8, 5, 16), torch.zeros(2, 2, 7, 16)
    scores, softmax, context = operators(Attend(), q, k, k)
    assert (scores.batch, scores.m, scores.k, scores.n, scores.b_bytes) == (4, 20, 16, 7, k.numel())
    assert (context.batch, context.m, context.k, context.n) == (4, 20, 7, 16)
    assert softmax.vector_ops == 5 * 2 * 8 * 5 * 7


def test_what_cannot_be_costed_is_named_in_one_warning_and_kept(caplog):
    class Sorting(nn.Module):
        def forward(self, x):
            return torch.sort(x.relu().cumsum(0))[0].topk(2)[0]

    with caplog.at_level(logging.WARNING, "archgym"):
        work = Workload.from_torch(Sorting(), torch.zeros(6, 4))
    (record,) = caplog.records
    assert [row.kind for row in uncosted_operators(work)] == ["aten.sort", "aten.topk"]
    assert "aten.sort x1 (" in record.getMessage()
    assert "unknown MACs" in record.getMessage()
    assert work.edges == ((0, 1), (1, 2), (2, 3))


class Choosing(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Linear(4, 4), nn.Linear(4, 8)

    def forward(self, x):
        return self.narrow(x) if x.sum() > 0 else self.wide(x)


def test_a_module_whose_way_depends_on_data_runs_on_its_own():
    assert Workload.from_torch(Choosing(), torch.ones(3, 4)).macs == 48
    assert Workload.from_torch(Choosing(), torch.zeros(3, 4)).macs == 96


@pytest.mark.parametrize(
    ("module", "inputs", "says"),
    [
        (lambda: 3, 4, "takes a torch.nn.Module, not int"),
        (nn.Identity, torch.zeros(2), "Identity runs no operators"),
        (lambda: nn.Linear(3, 4), torch.zeros(2, 2), "Linear cannot be run on the example inputs: mat1 and mat2"),
        (lambda: Choosing().to("meta"), torch.zeros(3, 4), "Choosing cannot be run without data"),
        (lambda: nn.Linear(3, 4), {"image": torch.zeros(2, 3)}, "unexpected keyword argument"),
    ],
)
def test_errors_say_what_is_wrong(module, inputs, says):
    with pytest.raises(InputError) as caught:
        Workload.from_torch(module(), inputs)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bits_are_checked():
    with pytest.raises(InputError, match="bits must be positive and at most 32, not 64"):
        Workload.from_torch(nn.Linear(3, 4), torch.zeros(2, 3), bits=64)


def test_without_pytorch_the_pip_command_is_named():
    code = "import sys; sys.modules['torch'] = None; import archgym; archgym.Workload.from_torch(None, None)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.splitlines()[-1].endswith("pip install 'archgym[rl]'")
