#!/usr/bin/env bash
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
  exit 2
}

# What one line can say of npm's errors, which are many: $1.
setup_npm_failure() {
  local code first
  code=$(sed -n 's/^npm \(error\|ERR!\) code //p' <<<"$1" | head -n 1)
  case $code in
    EAI_AGAIN | ENOTFOUND | ECONN* | ETIMEDOUT | ENET* | EHOST* | ERR_SOCKET_TIMEOUT | E5??)
      echo "cannot fetch the npm packages ($code): check the network and run this again" ;;
    ENOSPC | EDQUOT) echo "cannot install the npm packages ($code): free some space and run this again" ;;
    EACCES | EPERM | EROFS) echo "cannot install the npm packages ($code): $root and npm's cache must be writable" ;;
    *)
      first=$(sed -n 's/^npm \(error\|ERR!\) //p' <<<"$1" | sed '/^code /d' | head -n 1)
      echo "npm ci failed${code:+ ($code)}${first:+: $first}" ;;
  esac
}

# On a terminal, counts the seconds of something that runs, until setup_done or the end of this shell.
setup_wait() {
  waiting=
  setup_say "$1"
  [ -t 2 ] || return 0
  (
    second=0
    while sleep 1 && kill -0 $$ 2>/dev/null; do printf '\r%d s' $((second += 1)) >&2; done
  ) </dev/null >/dev/null &
  waiting=$!
}

setup_done() {
  [ -n "$waiting" ] || return 0
  kill "$waiting"
  wait "$waiting" 2>/dev/null || :
  printf '\r\033[K' >&2
}

setup_packages() {
  # The stamp is the lock file that was installed, written last: an interrupted installation is made again.
  local stamp=$root/node_modules/.naxos-setup errors failed=0
  cmp -s "$root/package-lock.json" "$stamp" && return
  setup_wait 'installing npm packages'
  # Without a network npm would try for more than a minute. Its summary is not worth a line.
  errors=$(cd "$root" && npm ci --no-audit --no-fund --no-progress --loglevel=error --prefer-offline \
    --fetch-retries=2 --fetch-retry-mintimeout=500 --fetch-retry-maxtimeout=2000 2>&1 >/dev/null) || failed=1
  setup_done
  if [ "$failed" = 1 ]; then setup_fail "$(setup_npm_failure "$errors")"; fi
  cp "$root/package-lock.json" "$stamp"
  installed=1
}

setup_compile() {
  # Node.js keeps what it has compiled in the user's cache, so the first boot does not wait for that. This guest only powers
  # off. What is wrong here the command itself will say.
  "$node" "$root/bin/naxos.js" boot --quiet --timeout 60 -m 16M --kernel "$root/buildscripts/power-off.bin" \
    </dev/null >/dev/null 2>&1 || :
}

setup_node() {
  PATH=$root/node_modules/.bin:$PATH
  export PATH
  # npm links the commands of dependencies only; this one makes `npx naxos` direct.
  [ -e "$root/node_modules/.bin/naxos" ] || ln -sf ../../bin/naxos.js "$root/node_modules/.bin/naxos"
  node=$(node "$root/bin/runtime.js") || exit
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
