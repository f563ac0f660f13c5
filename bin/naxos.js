#!/usr/bin/env node
/**
 * The `naxos` command. A checkout runs the TypeScript sources as they stand, an installed package its compiled files.
 */
import { existsSync } from 'node:fs';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fetchNode, findNode, runUnder } from './runtime.js';

const sources = new URL('../hypervisor/cli.ts', import.meta.url);
const compiled = new URL('../dist/hypervisor/cli.js', import.meta.url);
const program = existsSync(sources) ? sources : compiled;

function suitableNode() {
  try {
    return findNode() ?? fetchNode();
  } catch (error) {
    console.error(`naxos: ${error.message}`);
    process.exit(1);
  }
}

const node = suitableNode();
if (node === execPath) await import(program.href);
else runUnder(node, [fileURLToPath(program), ...argv.slice(2)]);
