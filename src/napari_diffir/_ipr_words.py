"""What was chosen about the IPR, as Python and as a command."""

from __future__ import annotations

import shlex

from napari_diffir._ipr_choice import Choice
from napari_diffir._ipr_state import IPRState

IPR_FILE, OPTIONS_FILE = "chosen.ipr.json", "options.yaml"
_INPUT = "stack.ome.tif"


def as_python(state: IPRState) -> str:
    """Give a script that restores the layer's file as was chosen."""
    image, choice = state.image, state.choice
    axes = image.axes if image else "ZYX"
    lines = [
        "import diffir_core as diffir",
        "import tifffile",
        "",
        f"stack = tifffile.imread({_path(state)!r})",
        f"model = diffir.load_model({state.model_name!r})",
        *_option_lines(choice),
        f"restored = diffir.restore(stack, model, axes={axes!r}, options=options)",
    ]
    return "\n".join(lines) + "\n"


def _path(state: IPRState) -> str:
    return state.image.path if state.image and state.image.path else _INPUT


def _option_lines(choice: Choice) -> list[str]:
    if choice.use == "slots":
        return [
            f"ipr = diffir.IPR.load({IPR_FILE!r})  # As Export wrote it.",
            "options = diffir.RestoreOptions(ipr=ipr)",
        ]
    given = {
        "ipr_scope": choice.scope,
        "region": choice.region if choice.scope == "region" else None,
        "seed": choice.seed,
        "steps": choice.steps,
        "strength": choice.strength,
    }
    usual = {"ipr_scope": "plane", "seed": 0, "strength": 1.0}
    words = [
        f"{name}={value!r}"
        for name, value in given.items()
        if value is not None and usual.get(name) != value
    ]
    return [f"options = diffir.RestoreOptions({', '.join(words)})"]


def as_command(state: IPRState) -> str:
    """Give a command that does the same; more than a seed is in the options' file."""
    choice, source = state.choice, _path(state)
    axes = state.image.axes if state.image else "ZYX"
    words = ["diffir", "restore", source, "restored.ome.tif"]
    words += ["--model", state.model_name, "--axes", axes]
    if choice == Choice(seed=choice.seed, a=choice.a, b=choice.b):
        words += ["--seed", str(choice.seed)] if choice.seed else []
    else:
        words += ["--options", OPTIONS_FILE]
    return shlex.join(words)
