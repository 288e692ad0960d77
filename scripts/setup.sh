# Checks what has to be present and installs the pinned Claude Code CLI. Sourced by quickstart.sh and test.sh.

# Says how to get what is missing, all at once, and ends.
require_tools() {
  local missing=0
  need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "missing: $1 — $2" >&2
    missing=1
  }
  need cargo "install Rust with rustup (https://rustup.rs), version 1.95 or newer"
  need cc "sudo apt-get install build-essential"
  need npm "sudo apt-get install nodejs npm"
  need python3 "sudo apt-get install python3"
  need git "sudo apt-get install git"
  [ "$missing" -eq 0 ] || exit 1
}

# Installs the CLI from agent-cli/package-lock.json, unless exactly that is installed already. Its install script is
# not run: the server starts the platform package's binary.
install_cli() {
  local folder="$1/agent-cli" stamp
  stamp="$folder/node_modules/.installed"
  if [ -f "$stamp" ] && cmp -s "$stamp" "$folder/package-lock.json"; then return; fi
  echo "installing the Claude Code CLI (agent-cli/package-lock.json)…"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$folder/package-lock.json" "$stamp"
}

# Installs a program that only tests need, with its Debian package.
install_package() {
  command -v "$1" >/dev/null 2>&1 && return
  local package="$2" root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo -n)
  echo "installing the Debian package $package…"
  if ! "${root[@]}" apt-get install -y -qq --no-install-recommends "$package" >/dev/null; then
    "${root[@]}" apt-get update -qq >/dev/null || true
    "${root[@]}" apt-get install -y -qq --no-install-recommends "$package" >/dev/null || {
      echo "missing: $1 — sudo apt-get install $package" >&2
      exit 1
    }
  fi
}

# Installs the program that tests the API by its document into .tools, unless exactly that is installed already.
install_schemathesis() {
  install_python "$1" schemathesis "$1/scripts/schemathesis.txt"
}

# Makes a Python environment of that name in .tools with what a file of requirements lists, unless exactly that is there.
install_python() {
  local folder="$1/.tools/$2" wanted="$3"
  if cmp -s "$folder/.installed" "$wanted"; then return; fi
  python3 -c 'import ensurepip' 2>/dev/null || install_package no-such-program python3-venv
  echo "installing $2 ($(basename "$wanted")) into .tools…"
  rm -rf "$folder"
  mkdir -p "$1/.tools"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  cp "$wanted" "$folder/.installed"
}

# Unpacks Debian packages into a folder of .tools, without installing them: a server of that kind must not start on this machine.
# Without a list of packages, the folder's name is the package.
unpack_package() {
  local folder="$1/.tools/$2" packages=("${@:3}")
  [ "${#packages[@]}" -gt 0 ] || packages=("$2")
  [ -e "$folder/.unpacked" ] && return
  echo "unpacking the Debian packages ${packages[*]} into .tools…"
  rm -rf "$folder"
  mkdir -p "$folder"
  (
    cd "$folder"
    apt-get download -qq "${packages[@]}" 2>/dev/null || {
      echo "missing: the Debian packages ${packages[*]} — apt-get update, then try again" >&2
      exit 1
    }
    for file in *.deb; do dpkg -x "$file" .; done
    rm -f -- *.deb
  )
  touch "$folder/.unpacked"
}
