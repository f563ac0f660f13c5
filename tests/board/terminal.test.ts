import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';

/** Runs a program whose terminal only records what mode it was put in; the record is on standard output. */
async function run(
  body: string,
  signal?: NodeJS.Signals,
): Promise<{ log: string; code: number | null; signal: string | null }> {
  const terminal = new URL('../../board/host/terminal.ts', import.meta.url);
  const program = `
    import { writeSync } from 'node:fs';
    import { Terminal } from ${JSON.stringify(terminal.href)};
    const input = { isTTY: true, setRawMode: (raw) => void writeSync(1, raw ? 'raw ' : 'cooked ') };
    const terminal = new Terminal(input, { columns: 100, rows: 30 });
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => {
    log += String(chunk);
    if (signal !== undefined && log === 'raw ') child.kill(signal);
  });
  const [code, by] = (await once(child, 'close')) as [number | null, string | null];
  return { log, code, signal: by };
}

const WAIT = 'terminal.raw(); setInterval(() => {}, 1000);';

describe('the terminal is as it was', () => {
  test('after a normal end', async () => {
    expect(await run('terminal.raw(); terminal.raw(); process.exitCode = 5;')).toEqual({
      log: 'raw cooked ',
      code: 5,
      signal: null,
    });
  });

  test('and raw again when the process goes on after a stop, also one that it could not see', async () => {
    const body = `terminal.raw(); setTimeout(() => process.exit(), 60_000); process.on('SIGCONT', () => process.exit(7));`;
    expect(await run(body, 'SIGCONT')).toEqual({ log: 'raw cooked raw cooked ', code: 7, signal: null });
  });

  test('after restoring by hand, once', async () => {
    expect((await run('terminal.raw(); terminal.restore(); terminal.restore();')).log).toBe('raw cooked ');
  });

  test('after an error that nobody caught', async () => {
    const { log, code } = await run('terminal.raw(); throw new Error();');
    expect([log, code]).toEqual(['raw cooked ', 1]);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGABRT'] as const)
    test(`after ${signal}, which still ends the process`, async () => {
      expect(await run(WAIT, signal)).toEqual({ log: 'raw cooked ', code: null, signal });
    });
});

test('what a guest left changed of the screen is changed back before the mode', async () => {
  const program = `
    const output = { columns: 80, rows: 24, write: (text, done) => (writeSync(1, JSON.stringify(String(text))), done?.()) };
    const shown = new Terminal(input, output);
    shown.raw();
    shown.screen.write(Buffer.from('\\x1b[?25l'));`;
  expect((await run(program)).log).toBe('raw "\\u001b[?25l""\\u001b[?25h"cooked ');
});

test('without a terminal nothing is changed', async () => {
  expect((await run('input.isTTY = false; terminal.raw();')).log).toBe('');
});
