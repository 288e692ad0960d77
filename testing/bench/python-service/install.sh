# Sourced by whoever runs the comparison: `install_python_service ROOT` makes .tools/python-service, and prints its interpreter.

install_python_service() {
  # shellcheck source=scripts/setup.sh
  . "$1/scripts/setup.sh"
  install_python "$1" python-service "$1/testing/bench/python-service/requirements.txt" >&2
  printf '%s\n' "$1/.tools/python-service/bin/python"
}
