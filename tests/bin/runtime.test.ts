import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const runtime = fileURLToPath(new URL('../../bin/runtime.js', import.meta.url));

/** Starts a launcher that runs a program, given as source text, under another Node.js process. */
function launch(program: string) {
  const code = `import { runUnder } from ${JSON.stringify(runtime)};
    runUnder(process.execPath, ['-e', ${JSON.stringify(program)}]);`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
}

test('the launcher ends with the exit status of the program', async () => {
  expect(await once(launch('process.exit(7)'), 'exit')).toEqual([7, null]);
});

test('the launcher dies by the signal that the program died by', async () => {
  expect(await once(launch("process.kill(process.pid, 'SIGKILL')"), 'exit')).toEqual([null, 'SIGKILL']);
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s reaches the program, whose answer decides', async (signal) => {
  const launcher = launch(
    `process.on('${signal}', () => process.exit(42)); setInterval(() => {}, 1000); console.log('ready')`,
  );
  await once(launcher.stdout, 'data');
  launcher.kill(signal);
  expect(await once(launcher, 'exit')).toEqual([42, null]);
});

test('the program ends when the launcher is killed', async () => {
  const launcher = launch(
    `import(${JSON.stringify(runtime)}).then((runtime) => {
      runtime.followLauncher();
      setInterval(() => {}, 1000);
      console.log(typeof process.env.NAXOS_LAUNCHED);
    })`,
  );
  const [line] = (await once(launcher.stdout, 'data')) as [Buffer];
  expect(line.toString()).toBe('undefined\n');
  launcher.kill('SIGKILL');
  // It has the other end.
  await once(launcher.stdout.resume(), 'end');
});

test('standard input and output are the program’s own', async () => {
  const launcher = launch('process.stdin.pipe(process.stdout)');
  launcher.stdin.end('to and fro');
  let output = '';
  for await (const chunk of launcher.stdout) output += String(chunk);
  expect(output).toBe('to and fro');
});

test('the cache folder is made with what is above it, or said not to be there', async () => {
  const { makeFolder } = (await import(runtime)) as { makeFolder(path: string): boolean };
  const above = mkdtempSync(join(tmpdir(), 'naxos-launcher-'));
  try {
    expect(makeFolder(join(above, 'a/b/c'))).toBe(true);
    expect(existsSync(join(above, 'a/b/c'))).toBe(true);
    writeFileSync(join(above, 'file'), '');
    expect(makeFolder(join(above, 'file/a'))).toBe(false);
    // Where Node.js would try for ever.
    expect(makeFolder('/proc/none/a')).toBe(false);
  } finally {
    rmSync(above, { recursive: true });
  }
});
