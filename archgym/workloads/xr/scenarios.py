"""The usage scenarios of XRBench: several networks that share an accelerator, each with a frame rate.

Tasks are in the order of XRBench's names for them, in which its runtime looks for work. Networks keep their own images
(batch 1); a network that another one triggers runs on the frames of that other one.

Option `depthwise`: `grouped` counts depthwise convolutions as what they are; `dense` as XRBench's published tables do,
as convolutions over all channels, with up to a thousand times the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from archgym.errors import unknown
from archgym.validation import read_table
from archgym.workloads.workload import Layer, Task, Workload
from archgym.workloads.xr import depth, objects, person, speech

NETWORKS: dict[str, Callable[..., Workload]] = {
    "AS_ED_TCN": speech.ed_tcn,
    "ASR_EM_24L": speech.emformer,
    "DE_midas_v21_small": depth.midas_small,
    "DR_RGBd_200": depth.rgbd_200,
    "ES_RITNet": person.ritnet,
    "GE_FBNet_C": person.fbnet_c,
    "HT_hand_graph_cnn_half": person.hand_graph_cnn,
    "KD_res8_narrow": speech.res8_narrow,
    "OD_D2go_FasterRCNN": objects.d2go,
    "PD_Plane_RCNN_Quarter": depth.planercnn,
    "SS_HRViT_b1": objects.hrvit_b1,
}
SCENARIOS = (
    *("social_interaction_A", "social_interaction_B", "outdoor_activity_A", "outdoor_activity_B"),
    *("AR_assistant", "AR_gaming", "VR_gaming"),
)


DEPTHWISE = ("grouped", "dense")


def workload_name(scenario: str) -> str:
    """Registry name of a scenario: `xr-vr-gaming` for VR_gaming."""
    return "xr-" + scenario.lower().replace("_", "-")


def together(name: str, tasks: list[Task], networks: list[Workload]) -> Workload:
    """One workload of several networks: the layers of task after task, without data dependences between them."""
    layers: list[Layer] = []
    edges: list[tuple[int, int]] = []
    for index, network in enumerate(networks):
        start = len(layers)
        layers += [
            Layer(f"{tasks[index].name}.{layer.name}", replace(layer.operator, task=index)) for layer in network.layers
        ]
        edges += [(start + source, start + target) for source, target in network.edges]
    return Workload(name, tuple(layers), tuple(edges), tuple(tasks))


def dense(layer: Layer) -> Layer:
    """A depthwise convolution as one over all channels; other layers as they are."""
    operator = layer.operator
    groups = operator.groups
    if operator.kind != "conv" or groups == 1:
        return layer
    k, n, weights, resident = (
        groups * size for size in (operator.k, operator.n, operator.b_bytes, operator.resident_bytes)
    )
    return replace(layer, operator=replace(operator, groups=1, k=k, n=n, b_bytes=weights, resident_bytes=resident))


def scenario(name: str, bits: int = 8, depthwise: str = "grouped") -> Workload:
    """A scenario by XRBench's name, operands of `bits`.

    Raises:
        UnknownNameError: `depthwise` is not in DEPTHWISE.
    """
    if depthwise not in DEPTHWISE:
        raise unknown("depthwise", depthwise, DEPTHWISE)
    table = read_table(Path(__file__).parent / "scenarios.csv")
    rows = sorted((row for row in table if row["scenario"] == name), key=lambda row: row["model"])
    models = [row["model"] for row in rows]
    tasks = [
        Task(
            row["model"],
            rate_hz=float(row["fps"]),
            after=models.index(row["depends_on"]) if row["depends_on"] else -1,
            probability=float(row["probability"]),
        )
        for row in rows
    ]
    networks = [NETWORKS[model](bits=bits) for model in models]
    if depthwise == "dense":
        networks = [replace(network, layers=tuple(map(dense, network.layers))) for network in networks]
    return together(workload_name(name), tasks, networks)


def social_interaction_a(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Avatars: eye segmentation and gaze at 60 frames a second, depth refinement and hands at 30."""
    return scenario("social_interaction_A", bits, depthwise)


def social_interaction_b(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Avatars: eye segmentation and gaze at 60 frames a second, action segmentation at 30."""
    return scenario("social_interaction_B", bits, depthwise)


def outdoor_activity_a(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Keyword and speech at 3, semantic segmentation at 10, object detection at 30 frames a second."""
    return scenario("outdoor_activity_A", bits, depthwise)


def outdoor_activity_b(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Keyword and speech at 3, object detection at 30 frames a second."""
    return scenario("outdoor_activity_B", bits, depthwise)


def ar_assistant(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Keyword, speech, semantic segmentation, depth, planes and objects."""
    return scenario("AR_assistant", bits, depthwise)


def ar_gaming(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Hands at 45, depth at 30, planes at 15 frames a second."""
    return scenario("AR_gaming", bits, depthwise)


def vr_gaming(bits: int = 8, depthwise: str = "grouped") -> Workload:
    """Eye segmentation and gaze at 60, hands at 45 frames a second."""
    return scenario("VR_gaming", bits, depthwise)
