"""Finds the neurons of a frozen pre-trained transformer that carry a linguistic property."""
