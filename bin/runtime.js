/**
 * Finds a Node.js that Naxos runs on. Plain JavaScript for any Node.js from 18 on: it is what an older host runs first.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants, homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import process, { argv, env, execPath, pid, platform, arch, stderr, versions } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Type stripping, relaxed SIMD and a fast WebAssembly come with this major version. */
const OLDEST_MAJOR = 24;
/** The exit status of what cannot be done here. */
export const BAD_REQUEST = 2;
/** What a host with an older Node.js gets. */
const FETCHED_VERSION = '24.21.0';

const PACKAGE_ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const isRecent = (version) => Number.parseInt(version.replace(/^v/, ''), 10) >= OLDEST_MAJOR;

function runsRecentNode(file) {
  if (!existsSync(file)) return false;
  const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  return status === 0 && isRecent(stdout);
}

/** The npm package that holds nothing but this host's Node.js binary; unlike `node` it needs no install script. */
function binaryPackage() {
  const os = platform === 'win32' ? 'win' : platform;
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node';
  return `${prefix}-${os}-${arch}@${FETCHED_VERSION}`;
}

/** Where Naxos keeps what can be made again; as guests/cache.ts has it. */
export function cacheFolder() {
  const cache = env.XDG_CACHE_HOME ?? '';
  const home = isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  return join(isAbsolute(cache) ? cache : join(home, '.cache'), 'naxos');
}

/**
 * Makes a folder and what is above it. Not `mkdir` with `recursive`, which never returns where nothing can be made, as
 * below /proc.
 *
 * @returns whether it is there
 */
export function makeFolder(path) {
  if (existsSync(path)) return true;
  if (!makeFolder(dirname(path))) return false;
  try {
    mkdirSync(path);
  } catch {
    return existsSync(path);
  }
  return true;
}

const nodeIn = (folder) => join(folder, 'node_modules', '.bin', platform === 'win32' ? 'node.cmd' : 'node');

/** The path of a recent enough Node.js that is already here: this process's own, the checkout's or the cached one. */
export function findNode() {
  if (isRecent(versions.node)) return execPath;
  const places = [PACKAGE_ROOT, join(cacheFolder(), `node-${FETCHED_VERSION}`)];
  return places.map(nodeIn).find(runsRecentNode);
}

function npmInstall(folder) {
  const args = ['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  // Without a network npm would try for more than a minute.
  args.push('--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=2000');
  const { status, stderr: complaint } = spawnSync('npm', [...args, '--loglevel=error', binaryPackage()], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    shell: platform === 'win32',
  });
  if (status !== 0 || !runsRecentNode(nodeIn(folder))) {
    const code = /code (\w+)/.exec(complaint)?.[1] ?? `status ${status}`;
    throw new Error(
      `Node.js ${OLDEST_MAJOR} or newer is needed, this is ${versions.node}, and npm could not fetch ` +
        `${binaryPackage()} (${code}): check the network, or install Node.js ${OLDEST_MAJOR} yourself`,
    );
  }
  return nodeIn(folder);
}

/** Installs Node.js once: into a checkout's own node_modules, for an installed package into the user's cache. */
export function fetchNode() {
  if (stderr.isTTY) stderr.write(`naxos: this is Node.js ${versions.node}; fetching ${FETCHED_VERSION} once …\n`);
  if (existsSync(join(PACKAGE_ROOT, 'package-lock.json'))) return npmInstall(PACKAGE_ROOT);
  if (!makeFolder(cacheFolder()))
    throw new Error(`cannot write to ${cacheFolder()}: set XDG_CACHE_HOME to another place`);
  const partial = mkdtempSync(join(cacheFolder(), 'node-'));
  const folder = join(cacheFolder(), `node-${FETCHED_VERSION}`);
  try {
    // A package.json of its own keeps npm from looking for one in the folders above.
    writeFileSync(join(partial, 'package.json'), '{ "private": true }\n');
    npmInstall(partial);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return nodeIn(folder);
}

/** Tells a program that `runUnder` started it. */
const LAUNCHED = 'NAXOS_LAUNCHED';

/** Runs a program under another Node.js as if it were this process: terminal, signals and exit status are its own. */
export function runUnder(node, args) {
  // Nothing goes through the channel: it closes with this process, however that ends.
  const child = spawn(node, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...env, [LAUNCHED]: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`naxos: cannot start ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // For a signal that does not end this process.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

/** In a program that `runUnder` started: it ends as by a hangup when the launcher has gone without a word. */
export function followLauncher() {
  if (env[LAUNCHED] === undefined) return;
  delete env[LAUNCHED];
  process.on('disconnect', () => process.kill(pid, 'SIGHUP'));
  // Waiting for that keeps nothing alive.
  process.channel?.unref();
}

// Called by the set-up script: prints the path of a suitable Node.js, and fetches it where there is none.
if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    console.log(findNode() ?? fetchNode());
  } catch (error) {
    console.error(`naxos: ${error.message}`);
    process.exitCode = BAD_REQUEST;
  }
}
