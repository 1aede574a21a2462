"""Figures draw the numbers of the data, for every environment and kind of search."""

import numpy as np
import pytest

from archgym import api
from archgym.costmodels import COST_MODELS
from archgym.envs.evaluator import Evaluator
from archgym.errors import UnknownNameError
from archgym.reports.absent import Absent
from archgym.reports.figures import FIGURES, draw
from archgym.search import curves

SMALL = {
    "array_rows": [32, 128],
    "arrays": [1, 4],
    "dataflow": "ws",
    "fold_overlap": "overlapped",
    "ifmap_sram_kib": [256, 1024],
    "filter_sram_kib": 512,
    "ofmap_sram_kib": 512,
    "memory": ["hbm2-x1", "lpddr5-6400-x64"],
    "operand_bits": 8,
    "accumulator_bits": 32,
}
SEARCHES = {
    "pim": {"environment": "pim", "budget": 300, "objective": ["interval_s", "energy_j", "area_mm2"]},
    "wafer": {"environment": "wafer", "budget": 1500},
    "fpga": {"environment": "fpga", "budget": 1500},
    "xr": {"environment": "xr", "budget": 150, "workload": "xr-vr-gaming"},
    "compressed": {"environment": "systolic", "budget": 1000, "workload": "llama2-7b:decode",
                   "constraints": ["quality_loss<=0.1"]},
    "four objectives": {"environment": "systolic", "budget": 300, "workload": "alexnet",
                        "objective": ["latency_s", "energy_j", "area_mm2", "power_w"]},
    "alone": {"environment": "systolic", "budget": 300, "workload": "alexnet", "objective": ["latency_s"],
              "constraints": []},
}  # fmt: skip


@pytest.mark.parametrize("kind", SEARCHES)
def test_every_search_has_its_figures(kind, folder, task) -> None:
    found = task(api.search(**SEARCHES[kind], agent="genetic", out=folder / kind).path)
    missing = {}
    for name in FIGURES:
        figure = draw(name, found)
        if isinstance(figure, Absent):
            missing[name] = figure.why
        else:
            assert figure.data, name
            figure.to_json()
    absent = {"alone": {"front"}}.get(kind, set())
    if found.cloud.valid < 100:
        absent.add("importance")
    assert set(missing) == absent, missing
    assert all(why.endswith(".") for why in missing.values())
    _under_the_roofs(found.design.roofline)


def _under_the_roofs(roofline) -> None:
    """Products are under a roof, vector operators under the vector unit's."""
    for point in roofline.points:
        if point.vector:
            continue
        assert point.ops_per_s <= 1.001 * max(roof.at(point.intensity) for roof in roofline.roofs), point


def test_convergence_draws_regret_where_the_optimum_is_known(known, task) -> None:
    found = task(known)
    figure = draw("convergence", found)
    best, regret, optimum = figure.data
    assert set(optimum.y) == {found.convergence.optimum}
    assert list(best.y) == found.convergence.curves[0].values.tolist()
    expected = (found.convergence.curves[0].values - found.convergence.optimum) / found.convergence.optimum
    assert np.allclose(regret.y, np.maximum(expected, 1e-4))
    assert regret.y[-1] == pytest.approx(max(found.best.regret, 1e-4))


def test_hypervolume_is_of_the_true_front_where_it_is_known(folder, task) -> None:
    shared = {"environment": "systolic", "workload": "alexnet", "objective": ["latency_s", "energy_j"]}
    truth = api.optimum(**shared, choices=SMALL)
    path = api.search(**shared, choices=SMALL, agent="random", budget=300, out=folder / "front known").path
    found = task(path)
    gap = curves.Reference.of(truth.front_objectives).hypervolume_gap(found.best.objectives)
    assert found.convergence.true_front
    assert found.convergence.ends == (pytest.approx(gap),)
    assert draw("convergence", found).data[0].y[-1] == pytest.approx(max(gap, 1e-4))


def test_a_front_shows_designs_on_hover(two, task) -> None:
    found = task(two)
    sample, front = draw("front", found).data[:2]
    assert list(front.x) == found.cloud.front.values[:, 0].tolist()
    design = dict(zip(found.cloud.space.names, front.customdata[0], strict=True))
    assert design == {name: str(value) for name, value in found.best.result["front"][0]["design"].items()}
    assert "array_rows <b>%{customdata[0]}</b> PEs" in front.hovertemplate
    assert f"{found.cloud.valid:,} valid designs" in sample.name


def test_parallel_coordinates_have_the_choices_as_labels(known, task) -> None:
    found = task(known)
    dimensions = draw("parallel", found).data[0].dimensions
    assert dimensions[0].label == "array_rows [PEs]"
    assert dimensions[0].ticktext == ("32", "128")
    assert [d.label.partition(" ")[0] for d in dimensions] == [n for n in found.cloud.space.names if varies(found, n)]
    assert len(dimensions[0]["values"]) == len(found.cloud.sample.indices) + 1


def varies(found, name) -> bool:
    return len(found.cloud.space[name].choices) > 1


def test_operators_add_up(known, task) -> None:
    found = task(known)
    bars = [value for trace in draw("operators", found).data for value in trace.x]
    assert sum(bars) == pytest.approx(sum(row["latency_s"] for row in found.design.operators))


def test_ratios_of_presets(known, task) -> None:
    found = task(known)
    built = draw("presets", found).data[0]
    machine = {machine.name: machine for machine in found.machines}["tpu-v1"]
    assert built.x[list(built.y).index("tpu-v1")] == pytest.approx(machine.built.objectives[0] / found.best.best)


class Opaque(Evaluator):
    """A cost model that knows no operators."""

    def __init__(self, argument, family, workload, scenario, threads=None):
        super().__init__(family, workload, scenario, threads)
        self.cost_model = "opaque:x"

    def identity(self):
        return "opaque"


def test_a_cost_model_without_operators_says_so(folder, task) -> None:
    COST_MODELS.register("opaque", f"{__name__}:Opaque", "for tests")
    try:
        path = api.search(
            "systolic", "alexnet", "random", budget=150, cost_model="opaque:x", out=folder / "opaque"
        ).path
        found = task(path)
        for name in ("operators", "roofline"):
            assert draw(name, found).why == "The cost model opaque:x gives no costs of single operators."
        for name in ("front", "presets", "parts", "convergence"):
            assert not isinstance(draw(name, found), Absent), name
    finally:
        del COST_MODELS.entries["opaque"]


def test_an_unknown_figure(known, task) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'roofline'"):
        draw("rooflin", task(known))
