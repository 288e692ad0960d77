#!/usr/bin/env bash
# Makes the image without a container engine and tries it: a Debian in a folder, the Dockerfile's own steps in it, and the
# result started as an engine would. Needs root, and some minutes and 2 GB in /tmp the first time.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

[ "$(id -u)" -eq 0 ] || { echo "run it as root: it makes namespaces and mounts" >&2; exit 1; }
install_deploy_checks
install_cli "$project"
install_package debootstrap debootstrap
install_package ip iproute2

.tools/deploy/bin/python -m pytest --quiet -p no:cacheprovider deploy/trial "$@"
