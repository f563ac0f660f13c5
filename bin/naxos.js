#!/usr/bin/env node
/**
 * The `naxos` command. A checkout runs the TypeScript sources as they stand, an installed package its compiled files.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fetchNode, findNode } from './runtime.js';

const sources = new URL('../hypervisor/cli.ts', import.meta.url);
const compiled = new URL('../dist/hypervisor/cli.js', import.meta.url);
const program = existsSync(sources) ? sources : compiled;

/** Runs the program under another Node.js as if it were this process: terminal, signals and exit status are its own. */
function runUnder(node) {
  const child = spawn(node, [fileURLToPath(program), ...argv.slice(2)], { stdio: 'inherit' });
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
    // A signal that does not end this process, such as an ignored one.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

try {
  const node = findNode() ?? fetchNode();
  if (node === execPath) await import(program.href);
  else runUnder(node);
} catch (error) {
  if (findNode()) throw error;
  console.error(`naxos: ${error.message}`);
  process.exitCode = 1;
}
