"""The card is one that the Hugging Face Hub reads, and says what is there."""

import pytest

from archgym import datasets

yaml = pytest.importorskip("yaml")


def front_matter(path):
    _, head, body = (path / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), body


def test_every_configuration_finds_its_files(small) -> None:
    head, _ = front_matter(small.path)
    found = {}
    for config in head["configs"]:
        for files in config["data_files"]:
            paths = sorted(path for pattern in files["path"] for path in small.path.glob(pattern))
            assert paths
            found[config["config_name"], files["split"]] = {path.relative_to(small.path).as_posix() for path in paths}
    listed = small.info["files"]
    for split in ("train", "validation", "test"):
        assert found["designs", split] == {file["path"] for file in listed if file["split"] == split}
    assert found["unseen_workloads", "test"] == {file["path"] for file in listed if file["workload"] == "bert-base"}
    assert found["operators", "train"] == {"operators.parquet"}
    assert head["size_categories"] == ["n<1K"]


def test_counts_are_those_of_the_rows(small) -> None:
    _, body = front_matter(small.path)
    frame = small.frame()
    assert f"{len(frame)} labelled accelerator designs" in body
    assert f"{frame['feasible'].sum()} of them feasible" in body
    assert small.content_hash in body
    assert "sram_too_small" in body


def test_a_summary_counts_every_row(small) -> None:
    summary, frame = datasets.describe(small), small.frame()
    assert summary.rows == len(frame)
    assert summary.feasible == frame["feasible"].sum()
    low, high = summary.range_of("latency_s")
    assert (low, high) == (frame["latency_s"].min(), frame["latency_s"].max())
    infeasible = frame[(frame["workload"] == "resnet18") & ~frame["feasible"]]
    assert summary.reasons["resnet18"] == infeasible["why"].value_counts().to_dict()
    counts = summary.coverage["array_rows"]
    assert counts[:, 0].tolist() == frame.groupby("array_rows").size().tolist()
    assert counts[:, 1].sum() == summary.feasible
    for histograms in summary.histograms.values():
        assert len({histogram.sum() for histogram in histograms.values()}) == 1


def test_a_plot_is_a_page(small, tmp_path) -> None:
    pytest.importorskip("plotly")
    datasets.write_plot(datasets.describe(small), tmp_path / "x.html", "small")
    page = (tmp_path / "x.html").read_text()
    assert "latency_s [s]" in page
    assert "sram_too_small" in page
