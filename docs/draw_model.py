"""Draw the picture of the model: ``python docs/draw_model.py [FILE]`` (default docs/model.svg).

The same version of matplotlib writes the same bytes each time, so a test can compare the picture
in the repository with what this script draws.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

INK, FAINT = "#1f2933", "#5b6875"
SCAN, SCAN_FILL = "#1f5fa8", "#e6f0fb"
CLINICAL, CLINICAL_FILL = "#b45309", "#fdf0dd"
FUSED, FUSED_FILL = "#6d3fa8", "#f1e9fa"
WIDTH, HEIGHT = 140.0, 71.0
# Two rows: the scan's above, the table's below; what is fused lies between them.
ABOVE, MIDDLE, BELOW = 57.0, 36.0, 16.0
POINTS_PER_UNIT = 6.0


def box(
    axes: Axes, x: float, y: float, size: tuple[float, float], title: str, text: str, colour: str
) -> None:
    """Put a rounded box around (x, y): a title in the colour, small text under it."""
    fill = {SCAN: SCAN_FILL, CLINICAL: CLINICAL_FILL, FUSED: FUSED_FILL}[colour]
    width, height = size
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=1.3",
            facecolor=fill,
            edgecolor=colour,
            linewidth=1.4,
        )
    )
    axes.text(x, y + height / 2 - 3, title, color=colour, weight="bold", ha="center", va="center")
    axes.text(x, y - 1.7, text, color=INK, size=9, ha="center", va="center", linespacing=1.3)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """Draw a straight arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, linewidth=1.4, color=colour,
            shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


def elbow(axes: Axes, points: list[tuple[float, float]], colour: str) -> None:
    """Draw an arrow that turns at right angles."""
    xs, ys = zip(*points[:-1], strict=True)
    axes.plot(xs, ys, color=colour, linewidth=1.4, solid_capstyle="butt", solid_joinstyle="miter")
    arrow(axes, points[-2], points[-1], colour)


def note(axes: Axes, x: float, y: float, text: str, colour: str = FAINT, **how: object) -> None:
    """Write a small remark."""
    style: dict[str, object] = {"size": 8.6, "ha": "center", "va": "center", **how}
    axes.text(x, y, text, color=colour, linespacing=1.3, **style)  # type: ignore[arg-type]


def tokens(axes: Axes, x: float, y: float, labels: list[str], missing: int | None = None) -> None:
    """Stack squares, one a token; a dashed one stands for a missing value, purple for F."""
    for place, label in enumerate(labels):
        bottom = y + 2.0 * len(labels) - 4.0 * (place + 1)
        if label == "⋮":
            note(axes, x, bottom + 2, label, INK, size=11)
            continue
        fused = label == "F"
        axes.add_patch(
            Rectangle(
                (x - 2.4, bottom + 0.3),
                4.8,
                3.4,
                facecolor="white" if place == missing else FUSED_FILL if fused else CLINICAL_FILL,
                edgecolor=FUSED if fused else CLINICAL,
                linewidth=1.2,
                linestyle=(0, (2.2, 1.6)) if place == missing else "solid",
            )
        )
        note(axes, x, bottom + 1.9, f"${label}$", INK, size=10)


def scan_picture(axes: Axes, x: float, y: float) -> None:
    """Draw an axial slice in a few ellipses: skull, brain, ventricles."""
    axes.add_patch(Rectangle((x - 6, y - 7), 12, 14, facecolor="#111827", edgecolor=SCAN))
    for width, height, grey in ((10.4, 12.4, "#f3f4f6"), (9.2, 11.2, "#6b7280")):
        axes.add_patch(Ellipse((x, y), width, height, facecolor=grey))
    for side in (-1, 1):
        axes.add_patch(Ellipse((x + side * 1.1, y), 1.1, 4.2, angle=side * 14, facecolor="#1f2937"))
    axes.add_patch(Ellipse((x + 2.9, y + 1.6), 1.9, 3.0, angle=20, facecolor="#4b5563"))


def table_picture(axes: Axes, x: float, y: float) -> None:
    """Draw four rows of a clinical table, one of them missing."""
    rows = [("age", "71"), ("sex", "F"), ("sodium", "—"), ("hours", "5.5")]
    for place, (name, value) in enumerate(rows):
        bottom = y + 7 - 3.5 * (place + 1)
        axes.add_patch(
            Rectangle((x - 7, bottom), 14, 3.5, facecolor="white", edgecolor=CLINICAL, linewidth=1)
        )
        note(axes, x - 6, bottom + 1.7, name, INK, ha="left")
        note(axes, x + 6, bottom + 1.7, value, CLINICAL if value == "—" else INK, ha="right")
    axes.plot([x + 1.2] * 2, [y - 7, y + 7], color=CLINICAL, linewidth=0.7)


def weights_picture(axes: Axes, x: float, y: float) -> None:
    """Draw attention weights as bars that start at x and grow to the left."""
    for place, weight in enumerate((7.5, 3.0, 4.6, 2.0)):
        axes.add_patch(
            Rectangle((x, y + 2.1 - 1.9 * place), -weight, 1.4, facecolor=FUSED, alpha=0.7)
        )
    axes.plot([x, x], [y - 4.2, y + 4.2], color=FUSED, linewidth=1)


def draw_scan_row(axes: Axes) -> None:
    """Draw the scan, its reader, the encoder and the query z."""
    scan_picture(axes, 9, ABOVE)
    note(axes, 9, ABOVE + 9.3, "head CT scan", SCAN, weight="bold", size=10)
    note(axes, 9, ABOVE - 9.2, "path or array")
    arrow(axes, (15.4, ABOVE), (19.4, ABOVE), SCAN)
    box(axes, 30.5, ABOVE, (22, 14), "VolumeReader", "one grid in RAS, mm\nHU windows", SCAN)
    arrow(axes, (41.9, ABOVE), (45.4, ABOVE), SCAN)
    box(axes, 56.5, ABOVE, (22, 14), "encoder", "a plug-in:\nCNN, ViT, your own", SCAN)
    note(axes, 56.5, ABOVE - 9.2, "no scan: a learnable embedding", SCAN)
    arrow(axes, (67.9, ABOVE), (75, ABOVE), SCAN)
    axes.add_patch(Circle((78, ABOVE), 2.8, facecolor=SCAN_FILL, edgecolor=SCAN, linewidth=1.4))
    note(axes, 78, ABOVE, "$z$", INK, size=12)
    note(axes, 78, ABOVE + 5, "image features", SCAN)


def draw_clinical_row(axes: Axes) -> None:
    """Draw the table, the tokenizer and the tokens."""
    table_picture(axes, 9, BELOW)
    note(axes, 9, BELOW + 9.3, "clinical table", CLINICAL, weight="bold", size=10)
    note(axes, 9, BELOW - 9.2, "numeric, categorical")
    arrow(axes, (16.4, BELOW), (19.4, BELOW), CLINICAL)
    text = "a token per variable:\nvalue and identity"
    box(axes, 30.5, BELOW, (22, 14), "ClinicalTokenizer", text, CLINICAL)
    arrow(axes, (41.9, BELOW), (47, BELOW), CLINICAL)
    tokens(axes, 50.5, BELOW, ["t_1", "t_2", "t_3", "t_K"], missing=2)
    note(axes, 54.4, BELOW - 2, "missing value: a learnable token", CLINICAL, ha="left")


def draw_fusion(axes: Axes) -> None:
    """Draw cross-attention, its weights out to the side, and the residual sum."""
    top, bottom = MIDDLE + 7, MIDDLE - 7
    arrow(axes, (78, ABOVE - 2.9), (78, top), SCAN)
    note(axes, 77, top + 2.6, "query", SCAN, ha="right")
    # The tokens are keys and values here, and go on into the Mixer's sequence as they are.
    lane = BELOW + 4
    elbow(axes, [(53.4, lane), (78, lane), (78, bottom)], CLINICAL)
    elbow(axes, [(78, lane), (105, lane), (105, MIDDLE - 8.4)], CLINICAL)
    axes.add_patch(Circle((78, lane), 0.6, color=CLINICAL))
    note(axes, 79, bottom - 2.6, "keys, values", CLINICAL, ha="left")
    text = "MultiHead($z$, $t$, $t$)"
    box(axes, 78, MIDDLE, (22, 14), "cross-attention", text, FUSED)

    arrow(axes, (66.6, MIDDLE), (56, MIDDLE), FUSED)
    weights_picture(axes, 55, MIDDLE)
    note(axes, 45.5, MIDDLE + 1.6, "attention weights", FUSED, ha="right", weight="bold", size=10)
    note(axes, 45.5, MIDDLE - 1.6, "of each patient's variables", FUSED, ha="right")

    elbow(axes, [(80.9, ABOVE), (94.5, ABOVE), (94.5, MIDDLE + 2.2)], SCAN)
    note(axes, 93.5, ABOVE - 3, "residual", SCAN, ha="right")
    arrow(axes, (89.4, MIDDLE), (92.3, MIDDLE), FUSED)
    axes.add_patch(Circle((94.5, MIDDLE), 2, facecolor="white", edgecolor=FUSED, linewidth=1.4))
    note(axes, 94.5, MIDDLE, "+", FUSED, size=12, weight="bold")
    arrow(axes, (96.7, MIDDLE), (101.6, MIDDLE), FUSED)


def draw_head(axes: Axes) -> None:
    """Draw the sequence, the Mixer that refines it, and the classifier."""
    tokens(axes, 105, MIDDLE, ["F", "t_1", "⋮", "t_K"])
    note(axes, 97, MIDDLE + 10.4, "$F = z + $MultiHead($z$, $t$, $t$)", INK, ha="left", size=9.5)
    arrow(axes, (108.4, MIDDLE), (113.4, MIDDLE), FUSED)
    box(axes, 125, MIDDLE, (22, 14), "MLP-Mixer", "across tokens, then\nacross channels", FUSED)
    arrow(axes, (125, MIDDLE - 7.4), (125, BELOW + 7.4), FUSED)
    box(axes, 125, BELOW, (22, 14), "classifier", "norm, mean, linear", FUSED)
    arrow(axes, (125, BELOW - 7.4), (125, BELOW - 11), FUSED)
    note(axes, 125, BELOW - 12.8, "probabilities", FUSED, weight="bold", size=10)


def draw_model(axes: Axes) -> None:
    """Draw everything."""
    draw_scan_row(axes)
    draw_clinical_row(axes)
    draw_fusion(axes)
    draw_head(axes)


def main(target: Path) -> None:
    """Write the picture to ``target``."""
    style = {
        "svg.hashsalt": "skedema",  # ids of clip paths would be random
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same outlines everywhere
        "mathtext.fontset": "dejavusans",
        "font.size": 10.5,
    }
    with plt.rc_context(style):
        inches = POINTS_PER_UNIT / 72
        figure = plt.figure(figsize=(WIDTH * inches, HEIGHT * inches), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
        axes.axis("off")
        draw_model(axes)
        figure.savefig(target, format=target.suffix[1:], metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("model.svg"))
