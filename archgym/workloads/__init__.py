"""Workloads: real networks as tables of GEMM-shaped operators.

A workload of your own is one function `(batch: int = 1, bits: int = 8) -> Workload`, made with
`archgym.workloads.builder.Builder`, and one line in the entry-point group `archgym.workloads`.
"""

from archgym.registry import Entry, Registry
from archgym.workloads.operators import Operator
from archgym.workloads.workload import Layer, Workload

_CNN, _TRANSFORMER, _LLM, _TPU = (f"archgym.workloads.{file}" for file in ("cnn", "transformer", "llm", "tpu_v1"))
_MOE, _CHARM = (f"archgym.workloads.{file}" for file in ("moe", "charm"))
_XR = "archgym.workloads.xr"
_PHASES = "phases prefill, decode, generate"

WORKLOADS = Registry(
    "workload",
    {
        "alexnet": Entry(f"{_CNN}:alexnet", "AlexNet, 224x224 images: 0.66 GMACs, 61 M weights"),
        "resnet18": Entry(f"{_CNN}:resnet18", "ResNet-18, 224x224 images: 1.8 GMACs, 11.7 M weights"),
        "resnet50": Entry(f"{_CNN}:resnet50", "ResNet-50, 224x224 images: 4.1 GMACs, 25.5 M weights"),
        "mobilenetv2": Entry(f"{_CNN}:mobilenetv2", "MobileNetV2, 224x224 images: 0.30 GMACs, 3.5 M weights"),
        "bert-base": Entry(f"{_TRANSFORMER}:bert_base", "BERT-base encoder, 128 tokens: 11.2 GMACs, 85 M weights"),
        "vit-b16": Entry(f"{_TRANSFORMER}:vit_b16", "ViT-B/16, 224x224 images: 17.6 GMACs, 86 M weights"),
        "gpt2-xl": Entry(f"{_LLM}:GPT2_XL", f"GPT-2 XL, 1.6 B weights; {_PHASES}"),
        "gpt2-2.5b": Entry(f"{_LLM}:GPT2_2_5B", f"GPT-2 2.5B of Megatron-LM; {_PHASES}"),
        "gpt3-6.7b": Entry(f"{_LLM}:GPT3_6_7B", f"GPT-3 6.7B; {_PHASES}"),
        "gpt3-13b": Entry(f"{_LLM}:GPT3_13B", f"GPT-3 13B; {_PHASES}"),
        "gpt3-30b": Entry(f"{_LLM}:GPT3_30B", f"a GPT-3 of 30 B weights; {_PHASES}"),
        "gpt3-175b": Entry(f"{_LLM}:GPT3_175B", f"GPT-3, 175 B weights; {_PHASES}"),
        "opt-6.7b": Entry(f"{_LLM}:OPT_6_7B", f"OPT-6.7B; {_PHASES}"),
        "llama2-7b": Entry(f"{_LLM}:LLAMA2_7B", f"Llama-2-7B; {_PHASES}"),
        "llama2-13b": Entry(f"{_LLM}:LLAMA2_13B", f"Llama-2-13B; {_PHASES}"),
        "llama2-70b": Entry(f"{_LLM}:LLAMA2_70B", f"Llama-2-70B, grouped-query attention; {_PHASES}"),
        "llama3-8b": Entry(f"{_LLM}:LLAMA3_8B", f"Llama-3-8B, grouped-query attention; {_PHASES}"),
        "qwen2-72b": Entry(f"{_LLM}:QWEN2_72B", f"Qwen2-72B, grouped-query attention; {_PHASES}"),
        "m3vit": Entry(f"{_MOE}:m3vit", "M3ViT, mixture of 16 experts, 128x256 images: 0.8 GMACs, 18 M weights"),
        "charm-bert": Entry(f"{_CHARM}:bert", "CHARM paper, products of a BERT-Large layer, 6 sequences of 512 tokens"),
        "charm-vit": Entry(f"{_CHARM}:vit", "CHARM paper, products of a ViT layer, 48 images of 64 tokens"),
        "charm-ncf": Entry(f"{_CHARM}:ncf", "CHARM paper, neural collaborative filtering: 9 layers, batch 3072"),
        "charm-mlp": Entry(f"{_CHARM}:mlp", "CHARM paper, multilayer perceptron: 4 layers, batch 3072"),
        "tpu-v1-mlp0": Entry(f"{_TPU}:mlp0", "TPU v1 paper, MLP0: 5 FC layers, 20 M weights, batch 200"),
        "tpu-v1-mlp1": Entry(f"{_TPU}:mlp1", "TPU v1 paper, MLP1: 4 FC layers, 5 M weights, batch 168"),
        "tpu-v1-lstm0": Entry(f"{_TPU}:lstm0", "TPU v1 paper, LSTM0: 24 FC layers, 52 M weights, batch 64"),
        "tpu-v1-lstm1": Entry(f"{_TPU}:lstm1", "TPU v1 paper, LSTM1: 37 FC layers, 34 M weights, batch 96"),
        "tpu-v1-cnn0": Entry(f"{_TPU}:cnn0", "TPU v1 paper, CNN0: 16 convolutions, 8 M weights, batch 8"),
        "tpu-v1-cnn1": Entry(f"{_TPU}:cnn1", "TPU v1 paper, CNN1: 72 convolutions, 4 FC, 100 M weights, batch 32"),
        "xr-hand-graph-cnn": Entry(f"{_XR}.person:hand_graph_cnn", "hand tracking, 128x128: 4.1 GMACs, 20 M weights"),
        "xr-ritnet": Entry(f"{_XR}.person:ritnet", "eye segmentation, 160x100: 1.0 GMACs, 0.25 M weights"),
        "xr-fbnet-c": Entry(f"{_XR}.person:fbnet_c", "gaze estimation, 160x100: 0.14 GMACs, 5.5 M weights"),
        "xr-res8-narrow": Entry(f"{_XR}.speech:res8_narrow", "keyword detection, 98x40: 7 MMACs, 20 k weights"),
        "xr-emformer": Entry(f"{_XR}.speech:emformer", "speech recognition, 128 frames: 10 GMACs, 75 M weights"),
        "xr-ed-tcn": Entry(f"{_XR}.speech:ed_tcn", "action segmentation, 668 frames: 0.37 GMACs, 0.7 M weights"),
        "xr-hrvit-b1": Entry(f"{_XR}.objects:hrvit_b1", "semantic segmentation, 224x224: 2.8 GMACs, 20 M weights"),
        "xr-d2go": Entry(f"{_XR}.objects:d2go", "object detection, 224x299: 0.44 GMACs, 5.3 M weights"),
        "xr-midas-small": Entry(f"{_XR}.depth:midas_small", "depth estimation, 192x256: 3.4 GMACs, 17 M weights"),
        "xr-rgbd-200": Entry(f"{_XR}.depth:rgbd_200", "depth refinement, 228x912: 15 GMACs, 14 M weights"),
        "xr-planercnn": Entry(f"{_XR}.depth:planercnn", "plane detection, 160x160: 10 GMACs, 60 M weights"),
        "xr-social-interaction-a": Entry(
            f"{_XR}.scenarios:social_interaction_a", "XRBench scenario: 4 networks, avatars with depth and hands"
        ),
        "xr-social-interaction-b": Entry(
            f"{_XR}.scenarios:social_interaction_b", "XRBench scenario: 3 networks, avatars with actions"
        ),
        "xr-outdoor-activity-a": Entry(
            f"{_XR}.scenarios:outdoor_activity_a", "XRBench scenario: 4 networks, speech, segmentation, objects"
        ),
        "xr-outdoor-activity-b": Entry(
            f"{_XR}.scenarios:outdoor_activity_b", "XRBench scenario: 3 networks, speech, objects"
        ),
        "xr-ar-assistant": Entry(
            f"{_XR}.scenarios:ar_assistant", "XRBench scenario: 6 networks, speech, depth, planes, objects"
        ),
        "xr-ar-gaming": Entry(f"{_XR}.scenarios:ar_gaming", "XRBench scenario: 3 networks, hands, depth, planes"),
        "xr-vr-gaming": Entry(f"{_XR}.scenarios:vr_gaming", "XRBench scenario: 3 networks, eyes, gaze, hands"),
    },
)

__all__ = ["WORKLOADS", "Layer", "Operator", "Workload"]
