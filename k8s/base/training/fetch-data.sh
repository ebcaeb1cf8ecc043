#!/bin/sh
# One split of a job's data ($SPLIT: train or test), fetched once and before its ranks start, into
# /workspace/jobs/$JOB/data/prepared/$SPLIT.
#   apply  it is the first step of the runtime (runtime.yaml), from ConfigMap loc3r-fetch-data
#   check  kubectl get pods -n loc3r -l jobset.sigs.k8s.io/replicatedjob-name=dataset-initializer
#   logs   kubectl logs -n loc3r -l jobset.sigs.k8s.io/replicatedjob-name=dataset-initializer --tail=50
#   clean  kubectl delete trainjob loc3r-train -n loc3r
# STORAGE_URI, the TrainJob's spec.initializer.dataset.storageUri, says what:
#   dvc://<hash>.dir       the folder of that DVC hash, from S3 (what loc3r train --on kubernetes asks for)
#   dvc://prepare_train    that stage's output, at the revision in ConfigMap loc3r-data-revision, from S3
#   rooms://48             48 synthetic rooms, furnished and prepared here for $RECIPE: needs no S3
# RECIPE_YAML, where it is set, is written to $RECIPE: such a job brings its recipe along.
set -eu
work="${WORKSPACE:-/workspace}"
split="${SPLIT:-train}"
prepared="data/prepared/$split"
whole="$prepared.from"           # written last: that the data is whole, and what it is
revision="${REVISION:-/etc/loc3r/revision}"
export DVC_SITE_CACHE_DIR="${TMPDIR:-/tmp}/dvc"      # its default is on the root file system, which is read-only

put() {                          # standard input into a file that is never seen half-written
  mkdir -p "$(dirname "$1")"
  cat > "$1.part"
  mv "$1.part" "$1"
}

pull() {
  mkdir -p .dvc
  put .dvc/config <<CONFIG
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
  dvc pull --force "$1"
}

mkdir -p "$work/jobs/$JOB"
cd "$work/jobs/$JOB"
if [ -n "${RECIPE_YAML:-}" ]; then
  printf '%s' "$RECIPE_YAML" | put "$RECIPE"
fi

wanted="$STORAGE_URI"
case "$STORAGE_URI" in
  dvc://*.dir | rooms://*) ;;
  dvc://*)
    if [ ! -f "$revision/dvc.lock" ]; then
      echo "no data revision: kubectl create configmap loc3r-data-revision -n loc3r" \
        "--from-file=dvc.yaml --from-file=dvc.lock --from-file=params.yaml" >&2
      exit 1
    fi
    wanted="$wanted $(cksum < "$revision/dvc.lock")"
    ;;
  *)
    echo "unknown data: $STORAGE_URI; expected dvc://<hash>.dir, dvc://<stage> or rooms://<number>" >&2
    exit 1
    ;;
esac
if [ -f "$whole" ]; then
  if [ "$(cat "$whole")" != "$wanted" ]; then
    echo "$PWD/$prepared is other data: $(cat "$whole"), not $wanted; give the job another name" >&2
    exit 1
  fi
  echo "the data is here already"
  exit 0
fi

case "$STORAGE_URI" in
  dvc://*.dir)
    printf 'outs:\n- {md5: %s, hash: md5, path: %s}\n' "${STORAGE_URI#dvc://}" "$split" | put "$prepared.dvc"
    pull "$prepared.dvc"
    ;;
  dvc://*)
    cp "$revision"/dvc.yaml "$revision"/dvc.lock "$revision"/params.yaml .
    pull "${STORAGE_URI#dvc://}"
    ;;
  rooms://*)
    rooms="data/rooms/$split"
    loc3r synth --split "$split" --rooms "${STORAGE_URI#rooms://}" --workers 2 --out "$rooms"
    loc3r prepare --split "$split" --root "$rooms" --recipe "$RECIPE" --workers 2 --out "$prepared"
    ;;
esac
echo "$wanted" | put "$whole"
