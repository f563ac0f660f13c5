import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from '../../../arch/a64/decode.ts';
import type { Instruction } from '../../../arch/a64/encoding.ts';
import { systemRegister } from '../../../arch/a64/syntax-system.ts';
import { table } from '../../../arch/a64/table/index.ts';
import { random, withShouldBits } from './cases.ts';

/** Words of every row, the GNU assembler and disassembler, and the file of what they said. */

export interface Recorded {
  readonly word: number;
  /** objdump's text without and with aliases, as if the word stood at address 4 × its number. */
  readonly canonical: string;
  readonly preferred: string;
}

/** Where the words of the recorded file end, lines of source follow; each with the word that the GNU assembler made of it. */
export interface Assembled {
  readonly word: number;
  readonly source: string;
}

const TOOLS = ['aarch64-linux-gnu-as', 'aarch64-linux-gnu-objdump', 'aarch64-linux-gnu-objcopy'];
export const haveBinutils = TOOLS.every((tool) => spawnSync(tool, ['--version']).status === 0);

const ARCH = '.arch armv8.6-a+rng+flagm+fp16fml+sha3+aes+sha2+bf16+i8mm+dotprod+sb+predres';

/**
 * Whether binutils 2.40 has a text for the word: they refuse a load of a pair of signed words into one register or the base,
 * know the names of more system registers than there are here, and call the one-bit PSTATE fields generic for other values.
 */
export function comparable(row: Instruction, word: number): boolean {
  const at = (lsb: number): number => (word >>> lsb) & 31;
  if (row.name === 'LDPSW')
    return at(0) !== at(10) && ((word & (1 << 23)) === 0 || at(5) === 31 || (at(0) !== at(5) && at(10) !== at(5)));
  if (row.name === 'MRS' || row.name === 'MSR (register)') {
    const generic = `s${2 + ((word >>> 19) & 1)}_${(word >>> 16) & 7}_c${(word >>> 12) & 15}_c${(word >>> 8) & 15}_${(word >>> 5) & 7}`;
    return systemRegister(generic) !== undefined && (((word >>> 12) & 11) === 11 || named.has(word & 0xfffe0));
  }
  if (row.name === 'MSR (immediate)') return ((word >>> 8) & 15) < 2 || ((word >>> 5) & 7) > 5;
  return true;
}

const named = new Set(
  [
    'sctlr_el1',
    'ttbr0_el1',
    'tcr_el1',
    'esr_el2',
    'hcr_el2',
    'vttbr_el2',
    'cntv_ctl_el0',
    'cntvct_el0',
    'icc_iar1_el1',
    'ich_lr3_el2',
    'tpidr_el0',
    'nzcv',
    'daif',
    'fpcr',
    'sctlr_el12',
    'cntv_cval_el02',
    'id_aa64isar0_el1',
    'midr_el1',
    'spsel',
    'currentel',
    'elr_el1',
    'spsr_el12',
    'mdscr_el1',
    'dbgbvr2_el1',
    'pan',
  ].map((name) => {
    const [op0, op1, CRn, CRm, op2] = systemRegister(name) as [number, number, number, number, number];
    return ((op0 & 1) << 19) | (op1 << 16) | (CRn << 12) | (CRm << 8) | (op2 << 5);
  }),
);

/** Allocated words of a row, the same ones each time; fields have their edges often. */
export function wordsOf(row: Instruction, count: number): number[] {
  const next = random([...`${row.name} ${row.pattern}`].reduce((n, c) => Math.imul(n, 31) + c.charCodeAt(0), 7));
  const words: number[] = [];
  const registers = [...named];
  for (let attempt = 0; words.length < count && attempt < 400 * count; attempt++) {
    let word = withShouldBits(row, ((next() & ~row.mask) | row.value) >>> 0);
    const put = (lsb: number, width: number, value: number): void => {
      const mask = ((2 ** width - 1) << lsb) >>> 0;
      word = ((word & ~mask) | ((value << lsb) & mask)) >>> 0;
    };
    for (const f of row.fields) {
      if (f.width === 5 && next() % 4 === 0) put(f.lsb, 5, 31);
      else if (next() % 6 === 0) put(f.lsb, f.width, (next() & 1) !== 0 ? 0 : 2 ** f.width - 1);
    }
    if ((row.name === 'MRS' || row.name === 'MSR (register)') && next() % 2 === 0)
      word = ((word & ~0xfffe0) | registers[next() % registers.length]!) >>> 0;
    if (decode(word)?.row === row && comparable(row, word)) words.push(word);
  }
  return words;
}

export const allWords = (count: number): number[] => table.flatMap((row) => wordsOf(row, count));

function inScratch<T>(run: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'assembly-'));
  try {
    return run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** objdump's text of words, comments and repeated white space taken away. */
export function objdump(words: readonly number[], aliases: boolean): string[] {
  return inScratch((directory) => {
    const image = join(directory, 'words');
    writeFileSync(image, Uint32Array.from(words));
    const options = ['-D', '-z', '-b', 'binary', '-m', 'aarch64', ...(aliases ? [] : ['-M', 'no-aliases'])];
    const listing = execFileSync('aarch64-linux-gnu-objdump', [...options, image], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return listing
      .split('\n')
      .filter((line) => /^ +[0-9a-f]+:\t/.test(line))
      .map((line) =>
        line
          .split('\t')
          .slice(2)
          .join(' ')
          .replace(/\/\/.*|;.*/, '')
          .replace(/\s+/g, ' ')
          .trim(),
      );
  });
}

/**
 * The GNU assembler's words for lines of source; undefined for a line that it refuses. Line n stands at 4n; targets written
 * as numbers are made relative to it.
 */
export function gnuAssemble(lines: readonly string[]): (number | undefined)[] {
  return inScratch((directory) => {
    const source = join(directory, 'a.s');
    const object = join(directory, 'a.o');
    const image = join(directory, 'a.bin');
    const relative = lines.map((line, n) =>
      line.replace(
        /^((?:b|bl|b\.\w+|cbn?z|tbn?z|adr|ldr|ldrsw|prfm) (?:[^[]*, )?)(0x[0-9a-f]+)$/,
        (_all, head: string, target: string) => `${head}. + (${BigInt.asIntN(64, BigInt(target) - BigInt(4 * n))})`,
      ),
    );
    const write = (skip: ReadonlySet<number>): void =>
      writeFileSync(source, [ARCH, ...relative.map((line, n) => (skip.has(n) ? 'nop' : line)), ''].join('\n'));
    // ADRP of a number becomes a relocation.
    const skip = new Set(lines.flatMap((line, n) => (/^adrp|^\.inst/.test(line) ? [n] : [])));
    write(skip);
    const first = spawnSync('aarch64-linux-gnu-as', ['-W', source, '-o', object], { encoding: 'utf8' });
    for (const m of first.stderr.matchAll(/:(\d+): Error/g)) skip.add(Number(m[1]) - 2);
    write(skip);
    execFileSync('aarch64-linux-gnu-as', ['-W', source, '-o', object]);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', object, image]);
    const bytes = readFileSync(image);
    return lines.map((_line, n) => (skip.has(n) ? undefined : bytes.readUInt32LE(4 * n)));
  });
}

const FILE = join(import.meta.dirname, '../../vectors/a64/assembly.txt');

/** A line is `word text`, `word text | preferred text` or, of sources, `word < source`. */
export function writeRecorded(words: readonly Recorded[], sources: readonly Assembled[]): void {
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  const lines = words.map(
    ({ word, canonical, preferred }) => `${hex(word)} ${canonical}${preferred === canonical ? '' : ` | ${preferred}`}`,
  );
  writeFileSync(FILE, [...lines, ...sources.map(({ word, source }) => `${hex(word)} < ${source}`), ''].join('\n'));
}

export function readRecorded(): { words: Recorded[]; sources: Assembled[] } {
  const words: Recorded[] = [];
  const sources: Assembled[] = [];
  for (const line of readFileSync(FILE, 'utf8').trim().split('\n')) {
    const word = parseInt(line.slice(0, 8), 16);
    const text = line.slice(9);
    if (text.startsWith('< ')) sources.push({ word, source: text.slice(2) });
    else {
      const [canonical = '', preferred = canonical] = text.split(' | ');
      words.push({ word, canonical, preferred });
    }
  }
  return { words, sources };
}

/** What people write beside the disassembler's forms. */
export const SOURCES: readonly string[] = `
mov x0, #0; mov x1, #0x1234; mov x2, #0x12340000; mov x3, #-1; mov w4, #-2; mov x5, #0xffff0000ffffffff; mov x6, #0x5555555555555555; mov w7, #0xff00ff00; mov w8, #0xffff; mov x9, #0xffffffff; mov w10, #-65536
mov x0, x1; mov w0, wzr; mov sp, x1; mov x1, sp; mov wsp, w3; mvn x0, x1; mvn w0, w1, lsl #3
add x0, x1, #4096; add x0, x1, 8; add x0, x1, #-8; sub sp, sp, #-16; adds w0, w1, #-1; subs x0, x1, #-0x1000; cmp x0, #-1; cmn w0, #-4; add x0, x1, #1, lsl #12; add x0, x1, #0, lsl #0
add x0, sp, x1; add sp, sp, x1, lsl #2; add x0, x1, w2, sxtw; add x0, x1, w2, uxtb #2; cmp sp, x2; cmp x0, w1, sxth; add w0, w1, w2; neg x0, x1; negs w0, w1, lsr #4; cmp x0, x1, asr #7; tst x0, #0xff; tst w0, w1
and x0, x1, #-2; and w0, w1, #0xfffffffe; orr x0, x1, #0x8000000000000000; eor x0, x1, #0x3f
lsl x0, x1, #0; lsl x0, x1, #63; lsl w0, w1, #5; lsl x0, x1, x2; lsr w0, w1, #31; lsr x0, x1, #0; asr x0, x1, #1; ror x0, x1, #5; ror w0, w1, w2; extr x0, x1, x2, #3
ubfx x0, x1, #3, #61; sbfx w0, w1, #0, #32; ubfiz x0, x1, #4, #8; sbfiz w0, w1, #31, #1; bfi x0, x1, #0, #5; bfi x0, x1, #8, #56; bfxil w0, w1, #4, #4; bfc x0, #2, #3; sxtb w0, w1; sxtw x0, w1; uxtb w0, w1; uxth w0, w1
cset x0, eq; cset w0, hs; csetm x0, lo; cinc x0, x1, ne; cinv w0, w1, mi; cneg x0, x1, lt; csel x0, x1, x2, cc; ccmp x0, #3, #0xf, ne; ccmn w0, w1, #0, al
mul x0, x1, x2; mneg w0, w1, w2; smull x0, w1, w2; umnegl x0, w1, w2; ngc x0, x1; ngcs w0, w1; rev64 x0, x1; rev x0, x1; rev w0, w1
ldr x0, [x1]; ldr x0, [x1, #0]; ldr x0, [x1, 8]; ldr x0, [x1, #-8]; ldr w0, [x1, #3]; str x0, [sp, #-16]!; ldr x0, [sp], #16; ldrb w0, [x1, #-1]; strh w0, [x1, #1]; ldrsw x0, [x1, #-4]; ldr q0, [x1, #-16]; prfm pldl1keep, [x0, #-8]
ldr x0, [x1, x2]; ldr x0, [x1, x2, lsl #3]; ldr x0, [x1, w2, uxtw]; ldr x0, [x1, w2, sxtw #3]; ldrb w0, [x1, x2, lsl #0]; ldrb w0, [x1, w2, uxtw #0]; str q0, [x1, x2, sxtx #4]; ldp x29, x30, [sp], #16; stp w0, w1, [x2, #-4]; ldnp q0, q1, [x2]; ldpsw x0, x1, [x2, #8]
ldr x0, . + 8; b . + 4; bl .; b.hs . + 8; beq . - 4; bne . + 16; cbz w0, . + 8; tbz x0, #3, . + 8; tbnz w0, #31, .; tbnz x0, #63, .; adr x0, . - 1; ret; ret x5; ret lr; br x16; blr fp
stadd x0, [x1]; staddlb w0, [x1]; stsmax w2, [sp]; stumin x0, [x1]; cas x0, x1, [x2, #0]; casp x0, x1, x2, x3, [x4]; ldxr w0, [x1]; stlxr w0, x1, [sp]; swpal x0, x1, [x2]
nop; hint #0; hint #34; bti c; wfi; yield; paciasp; psb csync; csdb; isb; isb sy; isb #3; dsb sy; dsb #15; dmb ishst; dmb ish; ssbb; pssbb; dsb #0; clrex; clrex #2; sb; svc #0; brk #0xf000; hlt 3; udf #0; dcps1; eret
msr daifset, #0xf; msr daifclr, #2; msr spsel, #1; msr pan, #0; msr sctlr_el1, x0; mrs x0, SCTLR_EL1; mrs x0, s3_0_c1_c0_0; msr S3_3_C15_C0_1, xzr; mrs x1, cntvct_el0; msr vbar_el12, x3; mrs x0, ich_lr15_el2
tlbi vmalle1; tlbi vae1is, x0; tlbi ipas2e1is, x1; tlbi rvae1, x2; tlbi alle2os; ic iallu; ic ivau, x0; dc zva, x0; dc cvap, x1; dc civac, xzr; at s1e1r, x0; at s12e0w, x4; sys #3, C7, C4, #1, x2; sys #0, c8, c7, #0; sysl x0, #3, C7, C5, #1
mov v0.16b, v1.16b; mov v0.8b, v31.8b; mov w0, v1.s[3]; mov x0, v1.d[1]; mov v0.b[15], w1; mov v0.d[1], x1; mov v0.h[3], v1.h[7]; mov s0, v1.s[1]; mov d0, v1.d[0]; mvn v0.16b, v1.16b; not v0.8b, v1.8b; orr v0.16b, v1.16b, v2.16b
sxtl v0.8h, v1.8b; uxtl2 v0.2d, v1.4s; sshll v0.4s, v1.4h, #3; shll2 v0.8h, v1.16b, #8; cmlt v0.2d, v1.2d, #0; facgt s0, s1, s2; fcmlt v0.8h, v1.8h, #0.0
fmov d0, #1.0; fmov s0, #-0.125; fmov h3, #31; fmov v0.4s, #2.5; fmov v0.2d, #1.5e0; fmov x0, d1; fmov d0, x1; fmov v0.d[1], x1; fmov x2, v3.d[1]; fmov w0, s1; fcmp d0, #0.0; fcmpe s0, #0; fcvt d0, s1; fcvtzs x0, d1, #3; scvtf v0.4s, v1.4s, #31
movi v0.4s, #1; movi v0.4s, #1, lsl #24; movi v0.8h, #0xff, lsl #8; movi v0.2s, #3, msl #16; movi v0.16b, #255; movi d0, #0xff00ff00ff00ff00; movi v0.2d, #0; mvni v0.4h, #7; bic v0.4s, #1; orr v0.8h, #3, lsl #8
ld1 {v0.16b}, [x0]; ld1 {v0.16b - v3.16b}, [x0], #64; ld1 { v30.4s, v31.4s, v0.4s }, [sp], x3; ld2 {v0.b, v1.b}[15], [x0], #2; st4 {v0.d-v3.d}[1], [x1], x2; ld3r {v0.1d, v1.1d, v2.1d}, [x0]; ld1r {v0.8h}, [x0], #2; st1 {v31.d}[0], [x30]
tbl v0.8b, {v1.16b, v2.16b}, v3.8b; tbx v0.16b, {v31.16b, v0.16b, v1.16b}, v2.16b; mul v0.4h, v1.4h, v15.h[7]; fmla d0, d1, v31.d[1]; sqdmlal2 v0.4s, v1.8h, v2.h[5]; dup v0.2d, x1; umov w0, v1.b[9]; smov x0, v1.s[2]; ext v0.16b, v1.16b, v2.16b, #15; addp d0, v1.2d; faddp s0, v1.2s; pmull2 v0.1q, v1.2d, v2.2d; aese v0.16b, v1.16b; sha256h q0, q1, v2.4s; fcmla v0.4s, v1.4s, v2.s[1], #270; fcadd v0.2d, v1.2d, v2.2d, #90; bfmlalt v0.4s, v1.8h, v2.h[7]; sdot v0.4s, v1.16b, v31.4b[3]; xar v0.2d, v1.2d, v2.2d, #63
`
  .trim()
  .split(/\s*[;\n]\s*/);
