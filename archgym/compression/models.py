"""The networks that published results are about: kind, family and size."""

from __future__ import annotations

from dataclasses import dataclass

LLM, CNN, VIT, BERT = "LLM", "CNN", "ViT", "BERT"


@dataclass(frozen=True)
class Model:
    """One network.

    Attributes:
        kind: LLM, CNN, ViT or BERT.
        family: networks of one recipe that differ in size; losses are carried over within a family only.
        size_m: millions of weights.
    """

    kind: str
    family: str
    size_m: float


def _family(kind: str, family: str, **sizes_m: float) -> dict[str, Model]:
    return {name.replace("__", ".").replace("_", "-"): Model(kind, family, size) for name, size in sizes_m.items()}


# Sizes: weights as the models' own papers or cards count them.
MODELS: dict[str, Model] = (
    _family(LLM, "llama1", llama1_7b=6738, llama1_13b=13016, llama1_30b=32529, llama1_65b=65286)
    | _family(LLM, "llama2", llama2_7b=6738, llama2_13b=13016, llama2_70b=68977)
    | _family(LLM, "llama2-chat", llama2_7b_chat=6738, llama2_13b_chat=13016)
    | _family(LLM, "llama3", llama3_8b=8030, llama3_70b=70554)
    | _family(LLM, "llama3.1", llama3__1_8b=8030)
    | _family(LLM, "mistral", mistral_7b=7242)
    | _family(LLM, "mistral-instruct", mistral_7b_instruct=7242)
    | _family(LLM, "mixtral", mixtral_8x7b=46703)
    | _family(LLM, "yi", yi_34b=34389)
    | _family(LLM, "falcon", falcon_7b=7217, falcon_40b=41840)
    | _family(LLM, "pythia", pythia_1__3b=1415)
    | _family(LLM, "qwen2.5", qwen2__5_0__5b=494, qwen2__5_1__5b=1544, qwen2__5_3b=3086, qwen2__5_7b=7616)
    | _family(LLM, "opt", opt_125m=125, opt_1__3b=1316, opt_2__7b=2652, opt_6__7b=6658, opt_13b=12853)
    | _family(LLM, "opt", opt_30b=29975, opt_66b=65718)
    | _family(CNN, "resnet", resnet18=11.7, resnet50=25.6)
    | _family(CNN, "mobilenetv1", mobilenetv1=4.2)
    | _family(CNN, "mobilenetv2", mobilenetv2=3.5)
    | _family(CNN, "mobilenetv3", mobilenetv3_l=5.5)
    | _family(CNN, "mnasnet", mnasnet_x2=16.5)
    | _family(CNN, "inception", inception_v3=23.8)
    | _family(CNN, "regnetx", regnet_600m=6.2, regnet_3__2g=15.3)
    | _family(CNN, "regnety", regnety_200m=3.2, regnety_400m=4.3)
    | _family(VIT, "vit", vit_s16=22.1, vit_b16=86.6, vit_l16=304.3)
    | _family(VIT, "vit-384", vit_b16_384=86.9)
    | _family(VIT, "vit-32", vit_b32=88.2)
    | _family(VIT, "deit", deit_t=5.7, deit_s=22.1, deit_b=86.6)
    | _family(VIT, "swin", swin_t=28.3, swin_s=49.6, swin_b=87.8)
    | _family(BERT, "bert", bert_mini=11.2, bert_base=110, bert_large=340)
    | _family(BERT, "distilbert", distilbert=66)
)


def model_of(name: str, perplexity: bool) -> Model:
    """What is known of a network; one of a user's own rows is a family of its own."""
    return MODELS.get(name) or Model(LLM if perplexity else CNN, name, 1.0)
