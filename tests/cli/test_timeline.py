"""`archgym timeline`."""

import json


def test_a_timeline_is_drawn_and_counted(run, tmp_path) -> None:
    arguments = ("timeline", "j-4k", "pes=1024", "--workload", "xr-vr-gaming", "--out", "page.html")
    code, out, _ = run(*arguments)
    assert code == 0
    assert "late" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "HT_hand_graph_cnn_half" in (tmp_path / "page.html").read_text()
    told = json.loads(run(*arguments, "--json")[1])
    assert len(told["frames"]) == told["run"]["frames"]
    _, out, _ = run("evaluate", "j-4k", "pes=1024", "--env", "xr", "--workload", "xr-vr-gaming", "--json")
    assert json.loads(out)["metrics"]["score"] == told["run"]["score"]


def test_bad_input_gets_one_clear_line(run) -> None:
    for arguments, says in (
        (("a-4k", "--out", "line.png"), ".html"),
        (("a-4k", "--workload", "resnet18"), "frame rates"),
        (("a-4k", "split=3:1"), "split_of_one"),
        (("z-4k",), "unknown xr preset 'z-4k'"),
    ):
        code, _, err = run("timeline", *arguments)
        assert code == 2
        assert says in " ".join(err.split())
