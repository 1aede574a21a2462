"""The eleven networks and seven scenarios of XRBench (arXiv 2211.08675), rebuilt from the networks' own papers."""
