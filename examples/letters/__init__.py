"""One of each thing that neuronprobe takes from outside: do single letters tell singular from plural?"""
