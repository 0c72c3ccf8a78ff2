"""The demo's report: one HTML file that needs nothing else, and its pictures as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rabit import __version__
from rabit.config import ModelConfig
from rabit.data.pictures import Pixels, palette
from rabit.evaluation.report.document import captioned, document, encode, picture, style
from rabit.evaluation.showcase import Showcase, Shown, ShownEdit, ShownScene

GENERATOR = '<meta name="generator" content="rabit demo">'


@dataclass(frozen=True)
class Fact:
    """A line of the model's card."""

    name: str
    value: str


@dataclass(frozen=True)
class Report:
    """A report.

    Args:
        html: the page.
        pictures: PNG files that it shows, by name.
    """

    html: str
    pictures: dict[str, bytes]


class _Album:
    """Collects the pictures of a page."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def figure(self, name: str, pixels: Pixels, title: str, text: str, kind: str = "") -> str:
        """Returns a picture with its caption; the title is also its text alternative."""
        self.files[f"{name}.png"] = png = encode(pixels)
        height, width = pixels.shape[:2]
        shown = picture(png, (height, width), f"{title}: {text}" if text else title)
        return captioned(shown, title, text, kind)


def make_report(showcase: Showcase, config: ModelConfig, facts: Sequence[Fact]) -> Report:
    """Lays out what the demo made.

    Args:
        showcase: translations and edits.
        config: the model's.
        facts: lines of the model's card.
    """
    album = _Album()
    aligned = config.alignment.method != "none"
    shown = enumerate(showcase.scenes, 1)
    scenes = "\n".join(_scene(album, i, scene, aligned) for i, scene in shown)
    edits = "\n".join(_edit(album, i, edit) for i, edit in enumerate(showcase.edits, 1))
    title = "Exemplar-based translation and editing"
    body = f"""<header>
<h1>{title}</h1>
<p class="lead">A map says what is where, a photograph says what it should look like, and the model
<b>{escape(config.name)}</b> paints the picture. {_method(config)}</p>
</header>
<main>
<h2>Translation</h2>
<p>Each map below is translated with {len(showcase.scenes[0].rows)} photographs of other scenes.
None of these scenes was trained on. Because scenes are generated, the picture that a perfect
translation gives is known and stands in the last column; the numbers say how near each picture
comes to it (PSNR in decibels, higher is better). A click or tap enlarges a picture, and another
one puts it back.</p>
{_reading(config)}
{_legend(config)}
{scenes}
<h2>Editing</h2>
<p>A photograph is edited by editing its map: the photograph is then the exemplar of its own edited
map. Away from the edit its pixels stay as they are. The number is measured inside the edit
only.</p>
{edits}
<h2>The model</h2>
<div class="card"><dl class="facts">
{"".join(f"<div><dt>{escape(f.name)}</dt><dd>{escape(f.value)}</dd></div>" for f in facts)}
</dl></div>
<p>What to keep in mind: scenes are drawn, not photographed, and a model that was trained on them
translates nothing else. Figures over many scenes, beside baselines, come from
<code>rabit evaluate</code>.</p>
</main>
<footer>Written by rabit {escape(__version__)} on scenes of seed {showcase.seed}. The pictures lie
beside this page in <code>images/</code>.</footer>"""
    css = style("rabit.app", "report.css")
    html = document(f"RABIT demo: {title}", GENERATOR, css, body)
    return Report(html=html, pictures=album.files)


def _method(config: ModelConfig) -> str:
    """Says how the look comes from the photograph to the map."""
    if config.alignment.method == "none":
        return "It sees the photograph as it is, without finding out what belongs where."
    return (
        "For every place of the map it finds the places of the photograph that fit it, and carries "
        "their look over."
    )


def _reading(config: ModelConfig) -> str:
    """Explains the columns."""
    if config.alignment.method == "none":
        return (
            "<p>This model does not align: the exemplar is laid beside the map as it is, so there "
            "is no warped exemplar and no confidence to show.</p>"
        )
    return (
        "<p><b>Warped exemplar</b> is the photograph with its pixels moved to where the alignment "
        "sends them; nothing in it is painted. <b>Confidence</b> says how well the best match "
        "fits, from 0 "
        '<span class="scale" style="background:linear-gradient(90deg,rgb(12 7 60),'
        'rgb(120 28 109),rgb(229 92 48),rgb(252 253 191))"></span> to 1: where it is low, the '
        "exemplar lacks what the map asks for, and the generator should go by the map.</p>"
    )


def _legend(config: ModelConfig) -> str:
    """Names the colours of the maps."""
    colours = palette(len(config.condition.classes)).tolist()
    items = "".join(
        f'<li><i style="background:rgb({r} {g} {b})"></i>{escape(name)}</li>'
        for name, (r, g, b) in zip(config.condition.classes, colours, strict=True)
    )
    return f'<ul class="legend" aria-label="Classes of the maps">{items}</ul>'


def _scene(album: _Album, number: int, scene: ShownScene, aligned: bool) -> str:
    """One map with its translations."""
    name = f"scene-{number}"
    condition = album.figure(
        f"{name}-condition", scene.condition, f"Map {number}", "what is wanted where", "map"
    )
    rows = "\n".join(
        _row(album, f"{name}-exemplar-{i}", shown, aligned) for i, shown in enumerate(scene.rows, 1)
    )
    return (
        f'<section class="card scene" aria-label="Scene {number}"><div class="wanted">{condition}'
        f"</div><div>{rows}</div></section>"
    )


def _row(album: _Album, name: str, shown: Shown, aligned: bool) -> str:
    """One exemplar and what came of it."""
    figures = [
        album.figure(name, shown.exemplar, "Exemplar", "gives the look"),
        album.figure(f"{name}-map", shown.exemplar_map, "Its map", "what is where in it", "map"),
    ]
    if aligned:
        decibels = f"{shown.warped_psnr:.1f} dB"
        figures += [
            album.figure(f"{name}-warped", shown.warped, "Warped exemplar", decibels),
            album.figure(
                f"{name}-confidence", shown.confidence, "Confidence", "bright is sure", "map"
            ),
        ]
    figures += [
        album.figure(f"{name}-result", shown.result, "Result", f"{shown.psnr:.1f} dB", "result"),
        album.figure(f"{name}-truth", shown.truth, "True translation", "for comparison"),
    ]
    return f'<div class="row{"" if aligned else " plain"}">{"".join(figures)}</div>'


def _edit(album: _Album, number: int, edit: ShownEdit) -> str:
    """One edit."""
    name = f"edit-{number}"
    share = f"{100 * edit.share:.1f} % of it changes"
    figures = (
        album.figure(f"{name}-photograph", edit.image, "Photograph", "to be edited"),
        album.figure(f"{name}-map", edit.condition, "Its map", "as it was", "map"),
        album.figure(f"{name}-edited-map", edit.edited, "Edited map", share, "map"),
        album.figure(
            f"{name}-result", edit.result, "Result", f"{edit.psnr:.1f} dB inside the edit", "result"
        ),
        album.figure(f"{name}-truth", edit.truth, "True edit", "for comparison"),
    )
    return (
        f'<section class="card"><h3>{escape(edit.title)}</h3><div class="edit">'
        f"{''.join(figures)}</div></section>"
    )
