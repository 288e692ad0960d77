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

# A cargo program, in the version given, built once into .tools/cargo. It makes one site or one package: to optimise it would take
# longer than it ever runs, but for what compresses.
install_cargo_program() {
  local name="$1" version="$2"
  [ -e "$project/.tools/cargo/.$name-$version" ] && return
  echo "building $name $version into .tools (some minutes)…"
  CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false \
    cargo install --quiet --locked --debug --root "$project/.tools/cargo" --version "$version" "${@:3}" "$name"
  touch "$project/.tools/cargo/.$name-$version"
}

# Makes the documentation's site.
install_mdbook() { install_cargo_program mdbook 0.5.4 --no-default-features --features search; }

# Makes the Debian package.
install_cargo_deb() { install_cargo_program cargo-deb 3.8.0; }
