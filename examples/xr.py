"""A real-time scenario: several networks with frame rates and deadlines on a chip of sub-accelerators."""

import archgym
from archgym.envs.xr.timeline import save, timeline

result = archgym.search("xr", "xr-ar-assistant", agent="genetic", budget=300)  # least energy * area at score >= 0.99
print({name: value for name, value in result.best.items() if value != "none"})
print(f"score {result.metrics['score']:.3f}, {result.metrics['area_mm2']:.1f} mm2, {result.metrics['energy_j']:.3f} J")

line = timeline([f"{name}={value}" for name, value in result.best.items()], "xr", "xr-ar-assistant")
for frame in line.rows()[:5]:
    print(frame)
save(line, "timeline.html")  # a lane per sub-accelerator; late and dropped frames are marked
