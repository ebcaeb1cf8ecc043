"""A small server that ``kfp``'s command line and SDK take for Kubeflow Pipelines, on one machine.

``packages`` checks what is submitted, ``store`` keeps it, ``runs`` starts one child process a run, ``execute`` is that
child (Kubeflow's own local runner), ``record`` is what the two tell each other, ``replies`` and ``pages`` show it.
"""
