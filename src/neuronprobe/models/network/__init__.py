"""A model as a network: its files, its frozen modules, its forward passes, its subwords and those of each word."""
