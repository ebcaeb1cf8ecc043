#!/bin/sh
# One split of a job's data ($SPLIT: train or test), fetched once and before its ranks start, into
# /workspace/jobs/$JOB/data/prepared/$SPLIT.
#   apply  it is the first step of the runtime (runtime.yaml), from ConfigMap loc3r-fetch-data
#   check  kubectl get pods -n loc3r -l jobset.sigs.k8s.io/replicatedjob-name=dataset-initializer
#   logs   kubectl logs -n loc3r -l jobset.sigs.k8s.io/replicatedjob-name=dataset-initializer --tail=50
#   clean  kubectl delete trainjob loc3r-train -n loc3r
# STORAGE_URI, the TrainJob's spec.initializer.dataset.storageUri, says what:
#   dvc://prepare_train    that stage's output, at the revision in ConfigMap loc3r-data-revision, by DVC from S3
#   rooms://48             48 synthetic rooms, furnished and prepared here for $RECIPE: needs no S3
set -eu
work="${WORKSPACE:-/workspace}"
split="${SPLIT:-train}"
prepared="data/prepared/$split"
mkdir -p "$work/jobs/$JOB"
cd "$work/jobs/$JOB"
if [ -f "$prepared/manifest.json" ]; then
  echo "the data is here already"
  exit 0
fi
case "$STORAGE_URI" in
  dvc://*)
    revision="${REVISION:-/etc/loc3r/revision}"
    if [ ! -f "$revision/dvc.lock" ]; then
      echo "no data revision: kubectl create configmap loc3r-data-revision -n loc3r" \
        "--from-file=dvc.yaml --from-file=dvc.lock --from-file=params.yaml" >&2
      exit 1
    fi
    mkdir -p .dvc
    cat > .dvc/config <<CONFIG
[core]
    no_scm = true
    analytics = false
    remote = s3
['remote "s3"']
    url = $DVC_REMOTE
[cache]
    dir = $work/cache/dvc
    type = reflink,hardlink,symlink
CONFIG
    cp "$revision"/dvc.yaml "$revision"/dvc.lock "$revision"/params.yaml .
    dvc pull "${STORAGE_URI#dvc://}"
    ;;
  rooms://*)
    rooms="data/rooms/$split"
    loc3r synth --split "$split" --rooms "${STORAGE_URI#rooms://}" --workers 2 --out "$rooms"
    loc3r prepare --split "$split" --root "$rooms" --recipe "$RECIPE" --workers 2 --out "$prepared"
    ;;
  *)
    echo "unknown data: $STORAGE_URI; expected dvc://<stage> or rooms://<number>" >&2
    exit 1
    ;;
esac
