"""A real Kubernetes control plane on one machine, with simulated nodes.

``python -m devcluster --help`` shows the commands; ``devcluster.testing`` is what tests use.
Linux only: it relies on ``/proc`` and, for test clusters, on the parent-death signal.
"""
