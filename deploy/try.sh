#!/usr/bin/env bash
# Tries what cannot be tried on the machine itself: the image (a Debian in a folder, the Dockerfile's own steps in it, the result
# started as a container engine would) and the Debian package (installed into a Debian that boots with systemd). No container
# engine is needed, but root, a minute or two, and 3 GB in /tmp.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

[ "$(id -u)" -eq 0 ] || { echo "run it as root: it makes namespaces and mounts" >&2; exit 1; }
install_deploy_checks
install_cli "$project"
install_package debootstrap debootstrap
install_package ip iproute2
install_package docker-compose docker-compose
unpack_package "$project" redis-server redis-server redis-tools liblzf1 libjemalloc2
install_cargo_deb

.tools/deploy/bin/python -m pytest --quiet -p no:cacheprovider "${@:-deploy/trial}"
