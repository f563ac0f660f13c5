# Set-up shared by the other scripts, which source this file: npm packages, and Node.js 24 where the host's is older.
# Leaves $root and $node behind and node_modules/.bin first in PATH. Repeats nothing that is done; standard output stays
# the caller's. Says what it does on a terminal, or with SETUP_VERBOSE=1.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

setup_say() {
  if [ -t 2 ] || [ "${SETUP_VERBOSE:-0}" = 1 ]; then printf 'naxos set-up: %s\n' "$*" >&2; fi
}

setup_fail() {
  printf 'naxos set-up: %s\n' "$*" >&2
  exit 1
}

setup_packages() {
  # The stamp is the lock file that was installed, written last: an interrupted installation is made again.
  local stamp=$root/node_modules/.naxos-setup
  cmp -s "$root/package-lock.json" "$stamp" && return
  setup_say 'installing npm packages'
  local quiet=(--no-progress)
  if [ -t 2 ]; then quiet=(); fi
  # npm's errors come on standard error; its summary is not worth a line.
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error ${quiet[@]+"${quiet[@]}"} >/dev/null) ||
    setup_fail 'npm ci failed: check the network and run this again'
  cp "$root/package-lock.json" "$stamp"
  installed=1
}

setup_compile() {
  # Node.js keeps what it has compiled in the user's cache, so the first boot does not wait for that. This guest only powers
  # off: mov w0, #0x84000008 (PSCI SYSTEM_OFF); hvc #0; b . What is wrong here the command itself will say.
  local guest
  guest=$(mktemp) || return 0
  printf '\000\001\200\122\000\200\260\162\002\000\000\324\000\000\000\024' >"$guest"
  "$node" "$root/bin/naxos.js" boot --quiet --timeout 60 -m 16M --kernel "$guest" </dev/null >/dev/null 2>&1 || :
  rm -f "$guest"
}

setup_node() {
  PATH=$root/node_modules/.bin:$PATH
  export PATH
  # npm links the commands of dependencies only; this one makes `npx naxos` direct.
  [ -e "$root/node_modules/.bin/naxos" ] || ln -sf ../../bin/naxos.js "$root/node_modules/.bin/naxos"
  node=$(node "$root/bin/runtime.js") || exit 1
}

for tool in node npm; do
  command -v "$tool" >/dev/null || setup_fail "$tool is missing: install Node.js 20 or newer with npm (apt install nodejs npm)"
done

# Two scripts started at once do the set-up once.
if command -v flock >/dev/null; then
  exec 9<"$root"
  flock 9
fi
installed=0
setup_packages
setup_node
if [ "$installed" = 1 ]; then setup_compile; fi
exec 9<&-
