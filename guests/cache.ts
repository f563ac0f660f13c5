/** The user's cache, which holds what can be made again. */
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** `$XDG_CACHE_HOME/naxos`, or below `~/.cache`. The XDG base directory specification has relative paths ignored. */
export function cacheDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? '';
  const home = isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  return join(isAbsolute(cache) ? cache : join(home, '.cache'), 'naxos');
}
