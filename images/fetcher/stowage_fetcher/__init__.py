"""Fetches a model's file into a folder: checked, resumed, and no more than was asked for."""

__version__ = "0.1.0"
