"""The public functions by name: what the command line calls, one per command.

Environments, workloads and agents are named by specs: `systolic?node_nm=16`, `llama3-8b:decode?batch=8`,
`genetic?population=128`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.costmodels import build
from archgym.envs.cosearch import Choices
from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.errors import InputError, RunError, missing_extra
from archgym.evaluation import Evaluation as Evaluation
from archgym.evaluation import evaluate as evaluate
from archgym.problem import Problem, Quality, family_of, network_of, objective_of, pose
from archgym.registry import Entry, Registry, imported
from archgym.workloads import Workload

if TYPE_CHECKING:
    import gymnasium

    from archgym.compression import Estimate, Setting
    from archgym.planning import Plan
    from archgym.reports.data import ReportData
    from archgym.search import Optimum, Progress, SearchResult
    from archgym.search.compare import Comparison, Job
    from archgym.simulators.verify import Verification
    from archgym.sweeps.running import SweepResult
    from archgym.sweeps.sweep import Sweep
    from archgym.sweeps.watch import SweepProgress
    from archgym.validation import Check

OnProgress = Callable[["Progress"], None]


def evaluator(
    environment: str = "systolic", workload: str | Workload | None = None, cost_model: str = ANALYTICAL
) -> Evaluator:
    """The cost model of an environment spec on a workload (the environment's default when None).

    Raises:
        UnknownNameError: no such environment, option, workload or cost model; InputError: a value that cannot be used.
    """
    family, scenario = family_of(environment)
    return build(cost_model, family, network_of(family, workload), scenario)


def problem(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    choices: Choices | None = None,
    reward: str = "log",
    quality: Quality | None = None,
    cost_model: str = ANALYTICAL,
) -> Problem:
    """What `search` and `optimum` are about: evaluator, objective and space; arguments as theirs."""
    family, scenario = family_of(environment)
    judged = objective_of(family, objective, constraints, reward)
    return pose(family, scenario, workload, judged, choices, quality, cost_model)


def make(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    mode: str = "propose",
    num_envs: int | None = None,
    quality: Mapping[str, Any] | None = None,
    cost_model: str = ANALYTICAL,
) -> gymnasium.Env[Any, Any] | gymnasium.vector.VectorEnv[Any, Any, Any]:
    """A Gymnasium environment, or the native vector environment when `num_envs` is given; see archgym.envs.base."""
    from archgym.envs.base import ArchGymEnv, ArchGymVectorEnv

    family, scenario = family_of(environment)
    judged = objective_of(family, objective, constraints)
    shared: dict[str, Any] = {"mode": mode, "scenario": scenario, "quality": quality, "cost_model": cost_model}
    if num_envs is None:
        return ArchGymEnv(family, workload, judged, **shared)
    return ArchGymVectorEnv(num_envs, family, workload, judged, **shared)


def plan_memory(
    workload: str | Workload, scratchpad: str | float, method: str = "ilp", time_limit_s: float = 60.0
) -> Plan:
    """The least off-chip traffic of a network over operator order and tensor placement; see archgym.planning.

    Args:
        workload: spec or Workload.
        scratchpad: room for whole tensors: bytes, or a size such as `2MiB`.
        method: ilp, greedy or none.
        time_limit_s: of the solver; what it could not finish is the best found, with its bound.

    Raises:
        InputError: unknown workload or method, or no size.
        MissingExtraError: `ilp` without SciPy.
    """
    from archgym.planning import plan, size_bytes

    network = Workload.load(workload) if isinstance(workload, str) else workload
    return plan(network, size_bytes(scratchpad), method, time_limit_s)


def search(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    agent: str = "auto",
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    budget: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    choices: Choices | None = None,
    reward: str = "log",
    on_progress: OnProgress | None = None,
    quality: Quality | None = None,
    cost_model: str = ANALYTICAL,
    model_timeout_s: float | None = None,
    storage: str | None = None,
) -> SearchResult:
    """Search for the design that minimises an objective; see archgym.search.search for the result and errors.

    Args:
        environment, workload: specs; the environment's default workload when None.
        agent: spec, or `auto` for the one that suits the budget.
        objective: expressions to minimise, several for a Pareto front; the environment's own when empty.
        constraints: e.g. `["area_mm2<=50"]`; the environment's own when None.
        budget: designs to evaluate; the agent's own when None.
        seed: of the agent.
        out: run directory; None keeps everything in memory.
        choices: parameters held to some of their choices.
        reward: what learning agents are paid, a name in archgym.objective.REWARDS.
        on_progress: called about ten times a second.
        quality: how quality is estimated, where it is an objective or a constraint: options of
            archgym.compression.judge.Judge, e.g. `{"allow_extrapolation": True}`.
        cost_model: spec of what evaluates, e.g. `surrogate:DIR`; see archgym.costmodels.
        model_timeout_s: seconds that the cost model may take for a batch; None for no limit.
        storage: where the run is mirrored to as an Optuna study: journal (in the run directory), a path ending in
            .journal or .log, a database URL, or none; $ARCHGYM_STORAGE or journal where None.
    """
    from archgym.search.loop import search as search_loop
    from archgym.search.places import default_storage

    posed = problem(environment, workload, objective, constraints, choices, reward, quality, cost_model)
    return search_loop(
        posed.evaluator, posed.objective, agent, budget, seed, out, space=posed.space, on_progress=on_progress,
        model_timeout_s=model_timeout_s, storage=default_storage(out) if storage is None else storage,
    )  # fmt: skip


def optimum(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    choices: Choices | None = None,
    on_progress: OnProgress | None = None,
    quality: Quality | None = None,
    cost_model: str = ANALYTICAL,
) -> Optimum:
    """The true optimum, of a cost model, by enumeration on all cores; arguments as `search`. Cached."""
    from archgym.search.optimum import optimum as enumerate_all

    posed = problem(environment, workload, objective, constraints, choices, quality=quality, cost_model=cost_model)
    return enumerate_all(posed.evaluator, posed.objective, posed.space, on_progress=on_progress)


VALIDATIONS = Registry(
    "validation",
    {
        "compression": Entry("archgym.compression.speedups:validate", "published gains of compressed networks"),
        "quality": Entry("archgym.compression.validation:validate", "quality model, each published result left out"),
    },
)  # things other than environments


def compare(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    agents: Sequence[str] = ("all",),
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    budget: int = 1000,
    seeds: int = 10,
    choices: Choices | None = None,
    hyperparameters: int = 0,
    out: str | Path | None = None,
    on_done: Callable[[int, int], None] | None = None,
    cost_model: str = ANALYTICAL,
) -> tuple[Comparison, Path, list[tuple[Job, str]]]:
    """Compare agents at equal budgets and seeds.

    Args:
        environment, workload, objective, constraints, choices, cost_model: as `search`; the workload by its spec.
        agents: specs, or `all`, each of which may list several by commas. An agent whose own time makes more designs
            than `most` pointless is given that number.
        budget: designs of each run.
        seeds: runs of each agent: seeds 0, 1, ...
        hyperparameters: settings of each agent drawn from its ranges, which take part besides the agent as it is.
        out: directory of the runs; those that are there are kept, or continued. A new one in runs/ when None.
        on_done: called with the numbers of finished and of all runs.

    Returns:
        The comparison, the directory of its runs, and the runs that failed with their errors.

    Raises:
        InputError, RunError: as `search` and archgym.search.compare.compare_runs; RunError, too, where no agent
            finished all its runs.
    """
    from archgym.agents.auto import resolved
    from archgym.search import compare as comparing
    from archgym.search.run import new_run_path

    posed = problem(environment, workload, objective, constraints, choices, cost_model=cost_model)
    spec = posed.evaluator.workload.name
    folder = Path(out) if out else new_run_path("runs", environment, spec, "compare", 0)
    shared = {
        "environment": environment,
        "workload": workload,
        "objective": list(objective),
        "constraints": None if constraints is None else list(constraints),
        "choices": dict(choices or {}),
        "cost_model": posed.evaluator.cost_model,
    }
    jobs = []
    specs = [resolved(agent, budget, len(posed.objective)) for agent in comparing.listed(agents)]
    for name, agent in comparing.contestants(specs, hyperparameters).items():
        own = shared | {"agent": agent, "budget": comparing.budget_of(agent, budget)}
        where = folder / comparing.file_name(name)
        jobs += [comparing.Job(name, Path(f"{where}-s{seed}"), own | {"seed": seed}) for seed in range(seeds)]
    failed = comparing.make_runs(jobs, on_done=on_done)
    lost = {job.contestant for job, _ in failed}
    if len(lost) == len({job.contestant for job in jobs}):
        raise RunError(f"no agent has finished all of its runs; {failed[0][0].path.name}: {failed[0][1]}")
    found = comparing.compare_runs((job.contestant, job.path) for job in jobs if job.contestant not in lost)
    return found, folder, failed


def compare_runs(runs: Sequence[str | Path]) -> Comparison:
    """Compare finished run directories, or directories of them; runs of one agent and its options belong together.

    Raises:
        InputError, RunError: as archgym.search.compare.compare_runs.
    """
    from archgym.search import compare as comparing

    return comparing.compare_runs(comparing.found_runs([Path(run) for run in runs]))


def sweep(
    what: Sweep | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    address: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[SweepProgress], None] | None = None,
) -> SweepResult:
    """Every agent on every environment and workload, from every seed, by Ray Tune; see archgym.sweeps.sweep.

    Args:
        what: values by name, as in `{"workloads": ["resnet18"], "agents": ["random", "genetic"], "seeds": 3}`, a YAML
            file of them, or the directory of a sweep that is to be continued.
        out: directory of the sweep; what it holds of the same sweep is kept. A new one in runs/ when None.
        address: of a Ray cluster, `auto` or host:port; this machine alone when None.
        workers: runs at a time; as many as there are cores when None.
        on_progress: called about four times a second.

    Raises:
        InputError, MissingExtraError: something is wrong with the sweep, found before anything starts.
        RunError: the directory is in use, or holds something else.
        SweepInterrupted: Ctrl-C or SIGTERM; what is done is kept.
    """
    from archgym.sweeps.directory import load_sweep, new_sweep_path
    from archgym.sweeps.sweep import Sweep, read_sweep

    try:
        from archgym.sweeps.running import run_sweep
    except ImportError as error:
        if (error.name or "").startswith("archgym"):
            raise
        raise missing_extra("a sweep", "ray", error) from error
    if isinstance(what, str | Path) and (folder := Path(what)).is_dir():
        if out is not None:
            raise InputError(f"{folder} is a sweep that is continued where it is: leave `out` out")
        return run_sweep(load_sweep(folder), folder, address, workers, on_progress)
    if isinstance(what, str | Path):
        asked = Sweep.of(read_sweep(Path(what)), str(what))
    else:
        asked = Sweep.of(what.plain() if isinstance(what, Sweep) else what)
    return run_sweep(asked, Path(out) if out else new_sweep_path(), address, workers, on_progress)


def verify(run: str | Path, cost_model: str = "scalesim", top: int = 5) -> Verification:
    """The best designs of a run by another cost model; see archgym.simulators.verify.

    Args:
        run: run directory.
        cost_model: spec of the other one.
        top: designs, at most.

    Raises:
        RunError, InputError, SimulationError: as archgym.simulators.verify.verify.
    """
    from archgym.simulators.verify import verify as evaluate_again

    return evaluate_again(run, cost_model, top)


def report(runs: Sequence[str | Path], html: str | Path | None = None) -> ReportData:
    """All that a report says of runs; see docs/reports.md.

    Args:
        runs: run directories, or directories of them; finished or not.
        html: page to write; None for the data alone.

    Raises:
        RunError: a path that is no run, or a file that cannot be written; MissingExtraError: no Plotly.
    """
    from archgym.reports.data import report_data

    found = report_data(runs)
    if html is not None:
        from archgym.reports.page import write_report

        write_report(found, html)
    return found


def plot(runs: Sequence[str | Path], kind: str, out: str | Path) -> Path:
    """Draw one figure of a report, of the first task among the runs.

    Args:
        runs: as `report`.
        kind: name in archgym.reports.figures.FIGURES.
        out: .html, .png, .svg or .pdf.

    Raises:
        UnknownNameError: no such figure or kind of file; InputError: these runs have no such figure.
        RunError: as `report`, or there is no Chrome to draw a picture; MissingExtraError: no Plotly or Kaleido.
    """
    from archgym.plotting import require_known, write_figure
    from archgym.reports.absent import Absent
    from archgym.reports.data import report_data
    from archgym.reports.figures import FIGURES, draw

    FIGURES.entry(kind)
    require_known(out)
    task = report_data(runs).tasks[0]
    figure = draw(kind, task)
    if isinstance(figure, Absent):
        raise InputError(f"there is no figure {kind!r} of these runs: {figure.why}")
    write_figure(figure, out, title=task.place)
    return Path(out)


SYNTHESES = {"fpga": "archgym.envs.fpga.synthesis:validate"}  # environments whose designs a tool can synthesise


def validate(
    environment: str = "systolic", reference: str | Path | None = None, synthesis: bool = False
) -> list[Check]:
    """Hold an environment's cost model, or `quality`, against published values.

    Args:
        environment: registry name, or a name in VALIDATIONS.
        reference: folder with other projects' data, for checks that need it.
        synthesis: also synthesise a few designs, which takes a minute or two, and count what they take.

    Raises:
        InputError: unknown environment, one without validation or synthesis, or an unreadable folder.
        MissingExtraError: the synthesis tool is not installed.
    """
    if synthesis and environment not in SYNTHESES:
        raise InputError(f"there is nothing to synthesise in {environment!r} (only in: {', '.join(SYNTHESES)})")
    folder = None if reference is None else Path(reference)
    if environment in VALIDATIONS:
        check = VALIDATIONS.load(environment)
    else:
        family, _ = family_of(environment)
        if not family.validation:
            raise InputError(f"environment {family.name!r} brings no validation")
        check = imported(family.validation)
    if folder is not None and not folder.is_dir():
        raise InputError(f"the reference folder {folder} does not exist")
    synthesised: list[Check] = imported(SYNTHESES[environment])() if synthesis else []
    checks: list[Check] = check(folder)
    return [*checks, *synthesised]


def quality(
    model: str,
    setting: str | Setting | Mapping[str, Any] = "dense",
    *,
    method: str = "best",
    allow_extrapolation: bool = False,
    rows: str | Path | None = None,
    function: str = "published",
) -> Estimate:
    """The quality that a network loses to a compression setting; see archgym.compression.estimate.

    Args:
        model: as `archgym quality` lists them.
        setting: e.g. `weight_bits=4,kv_bits=8`, values by name, or a Setting.
        method: best, rounding, calibrated, trained, or a method.
        allow_extrapolation: a number with a wider interval where nothing published supports one.
        rows: CSV file of own results, used besides the published ones.
        function: quality function, a name in archgym.compression.QUALITY.

    Raises:
        InputError: something is unknown, not allowed or unreadable.
    """
    from archgym.compression import QUALITY, Setting

    if not isinstance(setting, Setting):
        setting = Setting.parse(setting) if isinstance(setting, str) else Setting.of(setting)
    of = QUALITY.load(function)
    estimate: Estimate = of(model, setting, method=method, allow_extrapolation=allow_extrapolation, rows=rows)
    return estimate
