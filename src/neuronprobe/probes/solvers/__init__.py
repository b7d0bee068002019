"""How weights move towards their optimum: one algorithm a file, named after it."""
