/**
 * Records what QEMU's virt machine answers to the sequences of sequences.ts, into vectors.json:
 * `node tests/arch/gic/oracle/record.ts`. Needs qemu-system-aarch64 and aarch64-linux-gnu-gcc.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LENGTH, SEQUENCES, isRead, sequence, type Op } from './sequences.ts';

const ENCODED: Record<string, string> = {};
for (let n = 0; n < 4; n++) ENCODED[`ICH_LR${n}_EL2`] = `S3_4_C12_C12_${n}`;

/** x20 points at the place of the next result; x0 is the value written or read. */
function assemble(op: Op, reads: number): string {
  const name = 'name' in op ? (ENCODED[op.name] ?? op.name) : '';
  switch (op.kind) {
    case 'load':
      return `ldr x1, =${op.address}\n ${op.size === 1 ? 'ldrb' : 'ldr'} w0, [x1]\n str x0, [x20], #8`;
    case 'store':
      return `ldr x1, =${op.address}\n ldr w0, =${op.value}\n ${op.size === 1 ? 'strb' : 'str'} w0, [x1]`;
    case 'mrs':
      return `mrs x0, ${name}\n str x0, [x20], #8`;
    case 'msr':
      return `ldr x0, =${op.value}\n msr ${name}, x0\n isb`;
    case 'reply':
      return `ldr x1, =${8 * (reads - op.read)}\n sub x1, x20, x1\n ldr x0, [x1]\n msr ${name}, x0\n isb`;
    case 'hcr':
      return `ldr x0, =${(1n << 31n) | BigInt(op.value)}\n msr hcr_el2, x0\n isb`;
    case 'el':
      return op.el === 1 ? 'adr x1, 1f\n msr elr_el2, x1\n mov x1, #0x3c5\n msr spsr_el2, x1\n eret\n1:' : 'hvc #0';
    case 'timer':
      return `mov x0, #${op.level ? 1 : 0}\n msr cntp_cval_el0, xzr\n msr cntp_ctl_el0, x0\n isb`;
    case 'isr':
      return 'mrs x0, isr_el1\n and x0, x0, #0xc0\n str x0, [x20], #8';
  }
}

const body: string[] = [];
for (let seed = 1; seed <= SEQUENCES; seed++) {
  let reads = 0;
  for (const op of sequence(seed, LENGTH)) {
    body.push(assemble(op, reads));
    if (isRead(op)) reads++;
    if (body.length % 40 === 0) body.push('b 2f\n .ltorg\n2:');
  }
}

// An access that is UNDEFINED or trapped shows as 0xbad in x0.
const source = `
 .text
 .global _start
_start:
 ldr x1, =vectors
 msr vbar_el2, x1
 msr vbar_el1, x1
 mov x0, #3
 msr cnthctl_el2, x0
 ldr x20, =results
 ${body.join('\n ')}
 ldr x21, =results
 sub x22, x20, x21
 mov x0, #1
 ldr x1, =open
 hlt #0xf000
 ldr x1, =block
 str x0, [x1]
 str x21, [x1, #8]
 str x22, [x1, #16]
 mov x0, #5
 hlt #0xf000
 mov x0, #0x18
 ldr x1, =leave
 hlt #0xf000
 .ltorg
skip:
 mov x0, #0xbad
 mrs x1, CurrentEL
 cmp x1, #8
 b.eq 1f
 mrs x1, elr_el1
 add x1, x1, #4
 msr elr_el1, x1
 eret
1: mrs x1, elr_el2
 add x1, x1, #4
 msr elr_el2, x1
 eret
lower:
 mrs x1, esr_el2
 lsr x1, x1, #26
 cmp x1, #0x16
 b.ne skip
 mrs x1, elr_el2
 br x1
 .balign 2048
vectors:
 .rept 4
 .balign 128
 b skip
 .endr
 .rept 4
 .balign 128
 b skip
 .endr
 .rept 4
 .balign 128
 b lower
 .endr
 .data
 .balign 8
open: .quad name, 5, 3
name: .asciz ":tt"
 .balign 8
block: .quad 0, 0, 0
leave: .quad 0x20026, 0
 .bss
 .balign 4096
results: .skip 0x400000
`;

const folder = mkdtempSync(join(tmpdir(), 'gic-oracle-'));
try {
  const [assembly, program] = [join(folder, 'gic.S'), join(folder, 'gic.elf')];
  writeFileSync(assembly, source);
  execFileSync('aarch64-linux-gnu-gcc', [
    '-nostdlib',
    '-static',
    '-Wl,-Ttext=0x40100000',
    '-Wl,--build-id=none',
    '-march=armv8-a',
    '-o',
    program,
    assembly,
  ]);
  const machine = [
    '-M',
    'virt,gic-version=3,virtualization=on',
    '-cpu',
    'cortex-a72',
    '-display',
    'none',
    '-serial',
    'none',
    '-monitor',
    'none',
  ];
  const output = execFileSync(
    'qemu-system-aarch64',
    [...machine, '-semihosting-config', 'enable=on,target=native', '-kernel', program],
    {
      maxBuffer: 1 << 26,
      timeout: 30_000,
    },
  );
  const sequences: string[][] = [];
  let at = 0;
  for (let seed = 1; seed <= SEQUENCES; seed++) {
    const results: string[] = [];
    for (const op of sequence(seed, LENGTH))
      if (isRead(op)) {
        results.push(output.readBigUInt64LE(at).toString(16));
        at += 8;
      }
    sequences.push(results);
  }
  if (at !== output.length) throw new Error(`${output.length} bytes of results instead of ${at}`);
  const file = new URL('vectors.json', import.meta.url);
  writeFileSync(file, `[\n${sequences.map((results) => JSON.stringify(results.join(' '))).join(',\n')}\n]\n`);
  console.log(`${sequences.length} sequences, ${at / 8} results`);
} finally {
  rmSync(folder, { recursive: true });
}
