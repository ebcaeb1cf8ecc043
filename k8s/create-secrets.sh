#!/bin/sh
# The Secrets that the manifests refer to, with random values, made in the cluster once: nothing is written to disk.
#   apply  k8s/create-secrets.sh           (a Secret that is there already is left alone)
#   check  kubectl get secrets -n loc3r
#   logs   kubectl get secret loc3r-mlflow -n loc3r -o jsonpath='{.data.admin-password}' | base64 -d     (MLflow's "admin")
#   clean  kubectl delete secret loc3r-s3 loc3r-postgres loc3r-mlflow loc3r-mlflow-client loc3r-triton loc3r-report -n loc3r
# A cluster with a secret store has examples/external-secrets.yaml instead. With another S3 give its keys:
#   AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… k8s/create-secrets.sh
set -eu
namespace="${NAMESPACE:-loc3r}"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secret() { # secret NAME KEY=VALUE…: values go by a pipe, so no process list shows them
  name="$1"
  shift
  if kubectl get secret "$name" -n "$namespace" > /dev/null 2>&1; then
    echo "secret/$name is there already"
    return
  fi
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData:\n' "$name" "$namespace"
    for pair in "$@"; do printf '  %s: "%s"\n' "${pair%%=*}" "${pair#*=}"; done
  } | kubectl create -f -
}

admin="$(random)"
secret loc3r-s3 "AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-$(random)}" "AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-$(random)}"
secret loc3r-postgres "password=$(random)"
secret loc3r-mlflow "admin-password=$admin" "flask-secret-key=$(random)"
# Until a user of its own is made for training (docs/cluster.md), clients are the administrator.
secret loc3r-mlflow-client MLFLOW_TRACKING_USERNAME=admin "MLFLOW_TRACKING_PASSWORD=$admin"
secret loc3r-triton "admin-key=$(random)"
# A webhook that hears how pipeline runs end; none when REPORT_URL is not given.
secret loc3r-report "url=${REPORT_URL:-}"
