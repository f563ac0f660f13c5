/** Systems with a small guest, on the real core and kernel. */
import { readFileSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { guestTree } from '../../hypervisor/guest-tree.ts';
import { System, type SystemEnd, type SystemOptions } from '../../hypervisor/system.ts';

const guests = JSON.parse(readFileSync(new URL('guests.json', import.meta.url), 'utf8')) as Record<string, string>;
const MEMORY = 4 << 20;
const ENTRY = 0x4020_0000;
const DTB = 0x4030_0000;

export interface Run {
  system: System;
  /** What the guest has written so far. */
  text: () => string;
  input: PassThrough;
  end: Promise<SystemEnd>;
}

/** Starts a guest of guests/ in a system of its own. */
export function start(name: string, options: Partial<SystemOptions> = {}): Run {
  const code = guests[name];
  if (code === undefined) throw new Error(`there is no guest ${name}`);
  const dtb = guestTree({ memory: MEMORY, cpus: 1, append: '', initrd: undefined, seed: new Uint8Array(40) });
  const chunks: Uint8Array[] = [];
  const input = new PassThrough();
  const system = new System({
    memory: MEMORY,
    cpus: 1,
    image: {
      parts: [
        { address: ENTRY, bytes: Buffer.from(code, 'base64') },
        { address: DTB, bytes: dtb },
      ],
      entry: ENTRY,
      dtb,
      dtbAddress: DTB,
    },
    input,
    output: new Writable({
      write(chunk: Uint8Array, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    }),
    restarts: false,
    ...options,
  });
  const text = (): string => Buffer.concat(chunks).toString('latin1');
  return { system, text, input, end: system.run() };
}
