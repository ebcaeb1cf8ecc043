#!/bin/sh
# An environment at /opt/loc3r with the libraries of the extras that are named, at the lock's versions, and its SBOM.
# The Dockerfile runs this on each base; uv takes its index, certificates and wheel folders from /etc/uv/uv.toml.
set -eu
export UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PYTHON=python3 UV_COMPILE_BYTECODE_TIMEOUT=0
environment=/opt/loc3r

extras=""
for extra; do
  extras="$extras --extra $extra"
done
uv venv "$environment"
# shellcheck disable=SC2086  # one word an extra
uv pip install --compile-bytecode --python "$environment/bin/python" \
  --requirement pyproject.toml $extras --constraint requirements.lock
uv tool run --from cyclonedx-bom==7.5.0 cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
  --output-file "$environment/sbom.cdx.json" "$environment/bin/python"
