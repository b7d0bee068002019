"""Results as files, tables, figures and a page; `python -m neuronprobe.report DIR` joins jobs."""
