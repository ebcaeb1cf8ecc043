#!/bin/sh
# Retrain when the data or the recipe has changed: a recurring run that looks every night at two. Its first step reads
# ConfigMap loc3r-data-revision and the recipe; while both are what they were, Kubeflow answers every long step from its
# cache, the gate has nothing to decide, and nothing is deployed.
#   apply  k8s/examples/retrain-nightly.sh recipe=recipes/loc3r-7b.yaml init=/workspace/models/llava-video-7b queue=loc3r
#   check  kfp --namespace loc3r recurring-run list
#   logs   kfp --namespace loc3r run list
#   clean  kfp --namespace loc3r recurring-run delete ID
# KF_PIPELINES_ENDPOINT says where Kubeflow Pipelines is. The package is made before, with its numbers in it, since this
# command sends every value as text:  loc3r pipeline compile --nodes 2 --gpus-per-node 4 -o loc3r.yaml
# New data is one command, where it was made:
#   dvc push prepare_train prepare_test && kubectl create configmap loc3r-data-revision -n loc3r --from-file=dvc.yaml \
#     --from-file=dvc.lock --from-file=params.yaml --dry-run=client -o yaml | kubectl apply -f -
set -eu
kfp --namespace loc3r recurring-run create --experiment-name loc3r --job-name loc3r-nightly \
  --description "Retrain when data or recipe have changed" --cron-expression "0 0 2 * * *" --no-catchup \
  --max-concurrency 1 --enabled --pipeline-package-path "${PACKAGE:-loc3r.yaml}" "$@"
