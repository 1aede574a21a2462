"""Registration of the built-in families with Gymnasium."""

from __future__ import annotations

GYMNASIUM_IDS = {
    "archgym/Systolic-v0": "systolic",
    "archgym/PIM-v0": "pim",
    "archgym/Wafer-v0": "wafer",
    "archgym/FPGA-v0": "fpga",
    "archgym/XR-v0": "xr",
}


def register_environments() -> None:
    """Make the built-in families known to `gymnasium.make` and `gymnasium.make_vec`."""
    from gymnasium.envs.registration import register

    for identifier, family in GYMNASIUM_IDS.items():
        register(
            identifier,
            entry_point="archgym.envs.base:ArchGymEnv",
            vector_entry_point="archgym.envs.base:ArchGymVectorEnv",
            kwargs={"family": family},
        )
