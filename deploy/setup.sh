# shellcheck shell=bash disable=SC2154
# Installs what the checks of deploy/ need. Sourced by deploy/test.sh and deploy/try.sh, with the project's folder as $project.
. "$project/scripts/setup.sh"

install_deploy_checks() {
  local folder="$project/.tools/deploy" wanted="$project/deploy/requirements.txt"
  if cmp -s "$folder/.installed" "$wanted"; then return; fi
  python3 -c 'import ensurepip' 2>/dev/null || install_package no-such-program python3-venv
  echo "installing what checks deploy/ (deploy/requirements.txt) into .tools…"
  rm -rf "$folder"
  mkdir -p "$project/.tools"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  cp "$wanted" "$folder/.installed"
}

# A cargo program, in the version given, built once into .tools/cargo.
install_cargo_program() {
  local name="$1" version="$2"
  [ -e "$project/.tools/cargo/.$name-$version" ] && return
  echo "building $name $version into .tools (some minutes)…"
  cargo install --quiet --locked --root "$project/.tools/cargo" --version "$version" "${@:3}" "$name"
  touch "$project/.tools/cargo/.$name-$version"
}
