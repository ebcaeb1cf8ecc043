#!/bin/sh
# One command from nothing to a served champion on this machine: a kind cluster, Trainer, our overlay, a training, the gate.
#   apply  k8s/overlays/laptop/up.sh       (again: goes on where it stopped)
#   check  kubectl get pods,trainjob,job -n loc3r
#   logs   kubectl logs -n loc3r -l app.kubernetes.io/part-of=loc3r --prefix --tail=20
#   clean  kind delete cluster --name loc3r
# Needs docker, kind and kubectl, 8 GiB of memory, and the network for images and Trainer's manifests.
set -eu
cd "$(dirname "$0")/../../.."
trainer="https://github.com/kubeflow/trainer.git/manifests/overlays/manager?ref=v2.3.0"

kind get clusters | grep -qx loc3r || kind create cluster --name loc3r
kubectl config use-context kind-loc3r
docker build --target train --build-arg UV_TORCH_BACKEND=cpu --tag ghcr.io/loc3r/loc3r:0.1.0 .
docker build --target pipeline --tag ghcr.io/loc3r/loc3r-pipeline:0.1.0 .
docker build --target serve --build-arg UV_TORCH_BACKEND=cpu --tag ghcr.io/loc3r/loc3r-serve:0.1.0 .
kind load docker-image --name loc3r ghcr.io/loc3r/loc3r:0.1.0 ghcr.io/loc3r/loc3r-pipeline:0.1.0 ghcr.io/loc3r/loc3r-serve:0.1.0

kubectl apply --server-side -k "$trainer"
kubectl wait --for=condition=Available deployment --all --namespace kubeflow-system --timeout=10m

kubectl apply -f k8s/base/policies/namespace.yaml
k8s/create-secrets.sh
kubectl apply --server-side -k k8s/overlays/laptop
kubectl rollout status deployment/loc3r-mlflow --namespace loc3r --timeout=15m

kubectl apply --server-side -k k8s/overlays/laptop/train
kubectl wait --for=condition=Complete trainjob/loc3r-train --namespace loc3r --timeout=2h
kubectl apply --server-side -k k8s/overlays/laptop/promote
kubectl wait --for=condition=complete job/loc3r-promote --namespace loc3r --timeout=2h
kubectl rollout status deployment/loc3r-triton --namespace loc3r --timeout=10m

echo "ask it:  kubectl port-forward -n loc3r svc/loc3r-triton 8001 &  loc3r ask --url localhost:8001 --video … --situation …"
