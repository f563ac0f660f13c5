#!/usr/bin/env bash
# Does all the set-up and runs every check and test. --quick leaves the slow tests out, --programs adds all of Debian's
# programs (buildscripts/programs/groups.ts), which take an hour; other arguments go to vitest, for example a path
# (tests/arch) or -t NAME. The last line is `N passed, N failed`.
set -euo pipefail
export SETUP_VERBOSE=1
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"

arguments=()
export NAXOS_SLOW=1
for argument in "$@"; do
  case $argument in
    --quick) unset NAXOS_SLOW ;;
    --programs) export NAXOS_PROGRAMS=1 ;;
    *) arguments+=("$argument") ;;
  esac
done

# Oracles that the tests compare with. Without them the recorded vectors still run.
install_oracles() {
  command -v apt-get >/dev/null || return 0
  local missing=() compiler=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
  if [ "$(dpkg --print-architecture)" = arm64 ]; then compiler=(gcc libc6-dev); fi
  command -v qemu-system-aarch64 >/dev/null || missing+=(qemu-system-arm)
  command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
  command -v aarch64-linux-gnu-gcc >/dev/null || missing+=("${compiler[@]}")
  command -v dtc >/dev/null || missing+=(device-tree-compiler)
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { setup_say "not root: ${missing[*]} not installed, tests that need them are skipped"; return 0; }
    as_root=(sudo)
    if ! [ -t 0 ]; then as_root=(sudo -n); fi
  fi
  setup_say "installing ${missing[*]}"
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
  "${install[@]}" </dev/null >/dev/null 2>&1 ||
    { "${as_root[@]}" apt-get update -qq >&2 && "${install[@]}" >/dev/null; } ||
    setup_say "could not install ${missing[*]}: tests that need them are skipped"
}

# The guest that tests boot. What they find in the cache they take as it is.
fetch_guest() {
  setup_say "$("$node" bin/naxos.js guest fetch 2>&1 || echo 'tests that boot it are skipped')"
}

install_oracles
if [ "${NAXOS_SLOW:-}" = 1 ]; then fetch_guest; fi
exec "$node" buildscripts/test.ts ${arguments[@]+"${arguments[@]}"}
