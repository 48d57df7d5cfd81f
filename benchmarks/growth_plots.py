"""Draws what benchmarks/growth.py has measured: `python growth_plots.py growth.json FOLDER`, one picture a series.

It runs in the environment of what is measured beside Pegasus, which has matplotlib.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt


def main(measurements: Path, folder: Path) -> None:
    """Writes growth-NAME.svg for each series."""
    mpl.rcParams["svg.hashsalt"] = "pegasus"  # the same picture from the same figures
    for name, series in json.loads(measurements.read_text(encoding="utf-8")).items():
        sizes, values = [int(size) for size in series["points"]], list(series["points"].values())
        figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
        axes.plot(sizes, values, marker="o", color="#3b5bdb")
        if sizes[-1] > 100 * sizes[0]:
            axes.set_xscale("log")
        else:
            axes.set_xticks(sizes)
        axes.set(xlabel=series["growing"], ylabel=series["measured"], ylim=(0, 1.15 * max(values)))
        axes.grid(alpha=0.3)
        figure.savefig(folder / f"growth-{name}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
