"""What trackers get of a job (Weights & Biases, TensorBoard, MLflow, CSV): who it is, its numbers, what it left."""

from neuronprobe.tracking.about import About, about
from neuronprobe.tracking.mlflow import MLflow
from neuronprobe.tracking.tensorboard import TensorBoard
from neuronprobe.tracking.tracker import show, tracked
from neuronprobe.tracking.weights_and_biases import WeightsAndBiases

__all__ = ["About", "MLflow", "TensorBoard", "WeightsAndBiases", "about", "show", "tracked"]
