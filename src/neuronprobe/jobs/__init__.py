"""The folder of a job: written in one step, read back by `open_job`."""

from neuronprobe.jobs.job import Job, open_job

__all__ = ["Job", "open_job"]
