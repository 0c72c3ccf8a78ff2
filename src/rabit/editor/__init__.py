"""The editor: recipes of translations and edits, and the page and the server that make them."""

from __future__ import annotations
