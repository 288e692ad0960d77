#!/usr/bin/env bash
# Checks everything by which the server is deployed and operated. SERVER_BINARY names the server, if not the one that cargo built.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

install_deploy_checks
install_cli "$project"
install_package docker-compose docker-compose
install_package shellcheck shellcheck
unpack_package "$project" prometheus
# Its kustomize renders the manifests.
unpack_package "$project" kubernetes-client
unpack_package "$project" haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
install_mdbook

shellcheck --exclude=SC1091 deploy/*.sh deploy/docker/*.sh deploy/debian/* scripts/{release,pack,sbom,package_deb}.sh
.tools/deploy/bin/python -m pytest --quiet -p no:cacheprovider deploy/tests "$@"
