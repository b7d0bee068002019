"""Activations that other programs wrote, by the format of their files."""
