"""Correspondence methods compared: time, memory and accuracy."""

from __future__ import annotations
