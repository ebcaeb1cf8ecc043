#!/bin/sh
# One command from nothing to a served champion on this machine: a kind cluster, Trainer, our overlay, a training, the gate.
#   apply  k8s/overlays/laptop/up.sh       (again: goes on where it stopped)
#   check  kubectl get pods,trainjob,job -n loc3r
#   logs   kubectl logs -n loc3r -l app.kubernetes.io/part-of=loc3r --prefix --tail=20
#   clean  kind delete cluster --name loc3r
# Needs docker, git, kubectl, kind 0.29 or newer (Kubernetes 1.33), 8 GiB of memory, some 60 GB of disk (NVIDIA's Triton
# is large), and the network for images and Trainer's manifests. kubectl's context becomes kind-loc3r.
set -eu
cd "$(dirname "$0")/../../.."
trainer="https://github.com/kubeflow/trainer.git/manifests/overlays/manager?ref=v2.3.0"

for tool in docker git kind kubectl; do
  command -v "$tool" > /dev/null || { echo "up.sh needs $tool" >&2; exit 1; }
done

finish() { # finish KIND NAME LABEL: wait until it is complete; one that has failed ends this script with its log
  until kubectl wait --for=condition=Complete "$1/$2" --namespace loc3r --timeout=30s > /dev/null 2>&1; do
    kubectl get pods --namespace loc3r --selector "$3" --no-headers
    if kubectl wait --for=condition=Failed "$1/$2" --namespace loc3r --timeout=0 > /dev/null 2>&1; then
      kubectl logs --namespace loc3r --selector "$3" --all-containers --prefix --tail=40 || true
      echo "$2 failed; to try again: kubectl delete $1 $2 -n loc3r, then up.sh" >&2
      exit 1
    fi
  done
}

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
finish trainjob loc3r-train jobset.sigs.k8s.io/jobset-name=loc3r-train
kubectl apply --server-side -k k8s/overlays/laptop/promote
finish job loc3r-promote batch.kubernetes.io/job-name=loc3r-promote
kubectl rollout status deployment/loc3r-triton --namespace loc3r --timeout=10m

cat << 'TEXT'

The champion is served. Each address below needs its port-forward in another terminal.
  ask     kubectl port-forward -n loc3r svc/loc3r-triton 8001
          loc3r ask --url localhost:8001 --video kitchen.mp4 --situation "I'm at the sink." --question "What is behind me?"
          (loc3r: "make setup", then .venv/bin/loc3r)
  runs    kubectl port-forward -n loc3r svc/loc3r-mlflow 5000
          http://localhost:5000, user admin, password from
          kubectl get secret loc3r-mlflow -n loc3r -o jsonpath='{.data.admin-password}' | base64 -d
  remove  kind delete cluster --name loc3r
TEXT
