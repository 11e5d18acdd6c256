"""Plots as JSON, as `longhaul plot` draws them."""

import json
import os
import subprocess
import tempfile


def axis(label, scale="linear"):
    return {"label": label, "scale": scale}


def bars(title, label, categories, series):
    """A plot of columns: `series` is a list of names, each with its value for every category."""
    drawn = [{"label": name, "shape": "bars", "points": [(at, value) for at, value in enumerate(values) if value]}
             for name, values in series]
    return {"title": title, "x": axis(""), "y": axis(label), "categories": categories, "series": drawn}


def draw(binary, plots, folder, name):
    """Draws the plots below each other as FOLDER/NAME.svg."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plots, file)
        file.flush()
        subprocess.run([binary, "plot", file.name, "--out", os.path.join(folder, f"{name}.svg")], check=True)
