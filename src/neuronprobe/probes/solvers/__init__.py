"""Algorithms that bring members to their optimum: one file each, named after it."""
