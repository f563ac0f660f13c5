import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginMarker, endMarker, ExecStream } from '../../../guests/linux/exec-stream.ts';

const TOKEN = 'k3v9';

function run(console: Buffer, cuts: readonly number[] = []): { output: Buffer; console: Buffer; stream: ExecStream } {
  const output: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  const stream = new ExecStream(TOKEN, {
    output: (bytes) => output.push(Uint8Array.from(bytes)),
    console: (bytes) => rest.push(Uint8Array.from(bytes)),
  });
  const points = [...new Set([0, ...cuts.map((c) => c % (console.length + 1)), console.length])].sort((a, b) => a - b);
  for (let i = 1; i < points.length; i++) stream.push(console.subarray(points[i - 1], points[i]));
  stream.finish();
  return { output: Buffer.concat(output), console: Buffer.concat(rest), stream };
}

const framed = (output: Uint8Array, status: number): Buffer =>
  Buffer.concat([
    Buffer.from(`[    0.1] boot\r\n${beginMarker(TOKEN)}`),
    output,
    Buffer.from(`${endMarker(TOKEN, String(status))}[    9.9] reboot: Power down\r\n`),
  ]);

/** Output that comes close to markers. */
const tricky = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc
        .constantFrom(
          beginMarker(TOKEN),
          endMarker('other', '0'),
          `<naxos ${TOKEN}`,
          `<naxos ${TOKEN} end`,
          `<naxos ${TOKEN} end 1x>`,
          `<naxos ${TOKEN} end 1234>`,
          '<',
          '<<naxos ',
        )
        .map((s) => Buffer.from(s)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

it('output and status come out whole, however the console is cut', () => {
  fc.assert(
    fc.property(
      tricky,
      fc.integer({ min: 0, max: 255 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (output, status, cuts) => {
        const result = run(framed(output, status), cuts);
        expect(result.output.equals(output)).toBe(true);
        expect(result.stream.status).toBe(status);
        expect(result.console.toString()).toBe('[    0.1] boot\r\n[    9.9] reboot: Power down\r\n');
      },
    ),
    { numRuns: 500 },
  );
});

it('byte by byte gives the same as at once', () => {
  const bytes = framed(Buffer.from('a\0\xff<naxos k3v9 end \n', 'latin1'), 137);
  const result = run(bytes, [...bytes.keys()]);
  expect(result.output.toString('latin1')).toBe('a\0\xff<naxos k3v9 end \n');
  expect(result.stream.status).toBe(137);
});

describe('a console that ends early', () => {
  it('before the command, has no status and everything is console', () => {
    const result = run(Buffer.from('panic <naxos k3v'));
    expect(result.stream.started).toBe(false);
    expect(result.stream.status).toBeUndefined();
    expect(result.console.toString()).toBe('panic <naxos k3v');
  });

  it('during the command, has no status and loses no output', () => {
    const result = run(Buffer.from(`${beginMarker(TOKEN)}half <naxos k3v9 end 1`));
    expect(result.stream.started).toBe(true);
    expect(result.stream.status).toBeUndefined();
    expect(result.output.toString()).toBe('half <naxos k3v9 end 1');
  });
});

it('output is handed on at once unless it may be a marker', () => {
  const seen: string[] = [];
  const stream = new ExecStream(TOKEN, { output: (bytes) => seen.push(Buffer.from(bytes).toString()) });
  stream.push(Buffer.from(`${beginMarker(TOKEN)}prompt: `));
  expect(seen).toEqual(['prompt: ']);
  stream.push(Buffer.from('x<'));
  expect(seen).toEqual(['prompt: ', 'x']);
});
