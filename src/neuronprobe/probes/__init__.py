"""The elastic-net probe bank: many probes trained in one fit on the same activations."""

from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.exact import ExactFit
from neuronprobe.probes.fit import Fit
from neuronprobe.probes.gaussians import Gaussians
from neuronprobe.probes.least_squares import products
from neuronprobe.probes.probe import Probe, load_probe, save_probe
from neuronprobe.probes.score import log_likelihoods, score, scores
from neuronprobe.probes.training_bar import TrainingBar

__all__ = [
    "ExactFit",
    "Fit",
    "Gaussians",
    "Member",
    "Probe",
    "ProbeBank",
    "TrainingBar",
    "load_probe",
    "log_likelihoods",
    "products",
    "save_probe",
    "score",
    "scores",
]
