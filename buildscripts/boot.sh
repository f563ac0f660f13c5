#!/usr/bin/env bash
# Does all the set-up and boots a guest in this terminal; the arguments are those of `naxos boot`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$node" "$root/bin/naxos.js" boot "$@"
