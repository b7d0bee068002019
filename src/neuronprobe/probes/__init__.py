"""The elastic-net probe bank: many probes trained in one fit on the same activations."""

from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.exact import ExactFit
from neuronprobe.probes.fit import Fit
from neuronprobe.probes.probe import Probe, load_probe, save_probe
from neuronprobe.probes.score import score, scores
from neuronprobe.probes.training_bar import TrainingBar

__all__ = [
    "ExactFit",
    "Fit",
    "Member",
    "Probe",
    "ProbeBank",
    "TrainingBar",
    "load_probe",
    "save_probe",
    "score",
    "scores",
]
