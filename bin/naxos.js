#!/usr/bin/env node
/**
 * The `naxos` command. A checkout runs the TypeScript sources as they stand, an installed package its compiled files.
 */
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { join } from 'node:path';
import { argv, execPath, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { BAD_REQUEST, cacheFolder, fetchNode, findNode, followLauncher, makeFolder, runUnder } from './runtime.js';

const sources = new URL('../hypervisor/cli.ts', import.meta.url);
const compiled = new URL('../dist/hypervisor/cli.js', import.meta.url);
const program = existsSync(sources) ? sources : compiled;

function suitableNode() {
  try {
    return findNode() ?? fetchNode();
  } catch (error) {
    console.error(`naxos: ${error.message}`);
    process.exit(BAD_REQUEST);
  }
}

const node = suitableNode();
if (node === execPath) {
  followLauncher();
  // Types are stripped and code is compiled once, not at every start.
  const code = join(cacheFolder(), 'code');
  if (makeFolder(code)) module.enableCompileCache(code);
  // The host engine's settings, of the version that they were measured with; another one might not know them.
  if (versions.node.startsWith('24.')) {
    // What is loaded lives on: the young generation is to grow once meanwhile. hypervisor/engine.ts ends that.
    setFlagsFromString('--semi-space-growth-factor=4');
    // A function of a kept translation is validated when it first runs, not when the file is read.
    setFlagsFromString('--wasm-lazy-validation');
    // Guest calls go through a table; guesses about their targets, inlined, make deep recursion run at half its speed.
    setFlagsFromString('--no-wasm-inlining-call-indirect');
    // Which code is hot is the translator's to say: the engine's optimizing compiler is not to spend its time on the rest.
    setFlagsFromString('--wasm-tiering-budget=50000000');
  }
  await import(program.href);
} else runUnder(node, [fileURLToPath(import.meta.url), ...argv.slice(2)]);
