"""An SVG picture as a page that can be moved, zoomed and pointed at."""

from __future__ import annotations

from .svg import clean

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>TITLE</title><style>
html, body { margin: 0; height: 100%; overflow: hidden; }
svg { width: 100vw; height: 100vh; cursor: grab; display: block; }
#tip { position: fixed; display: none; max-width: 70vw; padding: 6px 8px; background: #212529; color: #f8f9fa;
  font: 11px ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border-radius: 4px; pointer-events: none; }
#help { position: fixed; right: 10px; bottom: 8px; font: 11px sans-serif; color: #868e96; }
</style></head><body>
SVG
<div id="tip"></div><div id="help">drag to move, wheel to zoom, double click for everything</div>
<script>
const svg = document.querySelector('svg'), tip = document.getElementById('tip');
const [, , fullWidth, fullHeight] = svg.getAttribute('viewBox').split(' ').map(Number);
let view;
function show(x, y, width) {
  view = {x, y, width, height: width * innerHeight / innerWidth};
  svg.setAttribute('viewBox', `${view.x} ${view.y} ${view.width} ${view.height}`);
}
function all() {
  const width = Math.max(fullWidth, fullHeight * innerWidth / innerHeight);
  show((fullWidth - width) / 2, 0, width);
}
svg.removeAttribute('width'); svg.removeAttribute('height');
show(0, 0, Math.min(Math.max(fullWidth, 600), innerWidth));
svg.addEventListener('wheel', event => {
  event.preventDefault();
  const factor = Math.exp(event.deltaY * 0.0015), x = event.clientX / innerWidth, y = event.clientY / innerHeight;
  show(view.x + view.width * x * (1 - factor), view.y + view.height * y * (1 - factor), view.width * factor);
}, {passive: false});
svg.addEventListener('pointermove', event => {
  if (event.buttons & 1) {
    const scale = view.width / innerWidth;
    show(view.x - event.movementX * scale, view.y - event.movementY * scale, view.width);
  }
  const node = event.target.closest('.node');
  tip.style.display = node && node.dataset.tip ? 'block' : 'none';
  if (!node) return;
  tip.textContent = node.dataset.tip;
  tip.style.left = Math.max(0, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 10)) + 'px';
  tip.style.top = Math.max(0, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 10)) + 'px';
});
svg.addEventListener('dblclick', all);
addEventListener('resize', () => show(view.x, view.y, view.width));
for (const title of svg.querySelectorAll('.node > title')) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
svg.querySelector(':scope > title').remove();
</script></body></html>
"""


def html_text(title: str, svg: str) -> str:
    """A page that needs nothing else.

    Parameters
    ----------
    title : str
    svg : str
        From `svg.svg_text`.
    """
    head, rest = _PAGE.split("TITLE")
    before, after = rest.split("SVG", 1)
    return f"{head}{clean(title)}{before}{svg}{after}"
