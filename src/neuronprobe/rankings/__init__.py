"""Rankings: all neurons, most salient first; one file per algorithm, evidence in, a `Ranking` out."""

from neuronprobe.rankings.average_precision import average_precision
from neuronprobe.rankings.borda import borda
from neuronprobe.rankings.checking import checked
from neuronprobe.rankings.elimination import elimination, k_sparse, rfe
from neuronprobe.rankings.evidence import Evidence, Rank, reads_no_probe
from neuronprobe.rankings.f_statistic import f_statistic
from neuronprobe.rankings.gaussian import gaussian
from neuronprobe.rankings.gradient_activation import gradient_activation
from neuronprobe.rankings.group_lasso import group_lasso
from neuronprobe.rankings.iou import iou
from neuronprobe.rankings.latent_subset import latent_subset
from neuronprobe.rankings.lca import lca
from neuronprobe.rankings.magnitude import magnitude
from neuronprobe.rankings.mean_difference import mean_difference
from neuronprobe.rankings.mean_select import mean_select
from neuronprobe.rankings.mutual_information import mutual_information
from neuronprobe.rankings.probeless import probeless
from neuronprobe.rankings.random import random
from neuronprobe.rankings.rehearsal import rehearse
from neuronprobe.rankings.ridge import lasso, ridge
from neuronprobe.rankings.scaled_magnitude import scaled_magnitude
from neuronprobe.rankings.single_neuron import single_neuron
from neuronprobe.rankings.together import ranked_together
from neuronprobe.rankings.variance import variance

__all__ = [
    "Evidence",
    "Rank",
    "average_precision",
    "borda",
    "checked",
    "elimination",
    "f_statistic",
    "gaussian",
    "gradient_activation",
    "group_lasso",
    "iou",
    "k_sparse",
    "lasso",
    "latent_subset",
    "lca",
    "magnitude",
    "mean_difference",
    "mean_select",
    "mutual_information",
    "probeless",
    "random",
    "ranked_together",
    "reads_no_probe",
    "rehearse",
    "rfe",
    "ridge",
    "scaled_magnitude",
    "single_neuron",
    "variance",
]
