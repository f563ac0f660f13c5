import { describe, expect, it } from 'vitest';
import { assemble, AssemblyError, assembleProgram } from '../../../arch/a64/assemble.ts';
import { disassemble } from '../../../arch/a64/disassemble.ts';
import { allWords, gnuAssemble, haveBinutils, readRecorded } from './assembly.ts';

const { words, sources } = readRecorded();
const hex = (word: number): string => word.toString(16).padStart(8, '0');

/** The word, or the message of the error. */
function attempt(line: string, pc: number): number | string {
  try {
    return assemble(line, pc);
  } catch (error) {
    if (!(error instanceof AssemblyError)) throw error;
    return error.message;
  }
}

/** Fields that the text does not show: immr of a logical immediate modulo its element, imm4 of INS below the element. */
const sameText = (a: number, b: number, pc: number): boolean =>
  disassemble(a, pc, { aliases: false }) === disassemble(b, pc, { aliases: false });

function wrong(lines: readonly { word: number; text: string; at: number }[]): string[] {
  return lines.flatMap(({ word, text, at }) => {
    const ours = attempt(text, at);
    return ours === word || (typeof ours === 'number' && sameText(ours, word, at))
      ? []
      : [`${text}: ${typeof ours === 'number' ? hex(ours) : ours}, not ${hex(word)}`];
  });
}

describe('assemble', () => {
  it("makes the recorded word of objdump's text", () => {
    expect(wrong(words.map((r, n) => ({ word: r.word, text: r.canonical, at: 4 * n })))).toEqual([]);
  });

  it("makes the recorded word of objdump's text with aliases", () => {
    expect(wrong(words.map((r, n) => ({ word: r.word, text: r.preferred, at: 4 * n })))).toEqual([]);
  });

  it("makes the GNU assembler's recorded words of what people write", () => {
    expect(
      sources.flatMap(({ word, source }, n) =>
        attempt(source, 4 * n) === word ? [] : [`${source}: ${attempt(source, 4 * n)}, not ${hex(word)}`],
      ),
    ).toEqual([]);
  });

  it.runIf(haveBinutils)('agrees with the GNU assembler on every row', () => {
    const many = allWords(60);
    for (const aliases of [false, true]) {
      const lines = many.map((word, n) => disassemble(word, 4 * n, { aliases }));
      const theirs = gnuAssemble(lines);
      const refused = lines.filter((line, n) => theirs[n] === undefined && !line.startsWith('adrp'));
      expect(refused).toEqual([]);
      expect(
        lines.flatMap((line, n) =>
          theirs[n] === undefined || attempt(line, 4 * n) === theirs[n]
            ? []
            : [`${line}: ${attempt(line, 4 * n)}, not ${hex(theirs[n])}`],
        ),
      ).toEqual([]);
    }
  });

  it('takes no notice of case, white space, # and comments', () => {
    expect(assemble('  ADD\tX0 ,X1,   #8 // eight')).toBe(0x91002020);
    expect(assemble('add x0,x1,8 /* eight */')).toBe(0x91002020);
    expect(assemble('LDR X0,[ X1 , # 16 ]')).toBe(0xf9400820);
    expect(assemble('ld1 { V0.16B , V1.16B },[X2]')).toBe(0x4c40a040);
  });

  it.each([
    ['frob x0', /no instruction "frob"/],
    ['', /no instruction ""/],
    ['add x0, x1', /no form of ADD takes these operands: add x0, x1/],
    ['add x0, x1, #4097', /no form of ADD/],
    ['add x0, w1, x2', /no form of ADD/],
    ['add x31, x1, x2', /no form of ADD/],
    ['ldr x0, [x1, #32768]', /no form of LDR/],
    ['and x0, x1, #0', /no form of AND/],
    ['and w0, w1, #0x100000000', /no form of AND/],
    ['lsl w0, w1, #32', /no form of LSL/],
    ['b . + 2', /no form of B/],
    ['cbz x0, . + 0x100000', /no form of CBZ/],
    ['b nowhere', /no form of B/],
    ['fmov d0, #1.01', /no form of FMOV/],
    ['ld1 {v0.16b, v2.16b}, [x0]', /no form of LD1/],
    ['mov v32.16b, v0.16b', /no form of MOV/],
    ['casp x1, x2, x3, x4, [x5]', /no form of CASP/],
    ['msr nosuch_el1, x0', /no form of MSR/],
  ])('refuses %j with a message', (line, message) => {
    expect(() => assemble(line)).toThrow(AssemblyError);
    expect(() => assemble(line)).toThrow(message);
  });
});

describe('assembleProgram', () => {
  it('resolves labels forwards and backwards, numbered ones to the nearest', () => {
    const program = assembleProgram(
      `
      start:  mov x0, #3
      1:      subs x0, x0, #1
              b.ne 1b
              cbz x0, 1f
              b start
      1:      adr x1, data
              ldr x2, data
              ret
      data:   .quad 0x0123456789abcdef, start
      `,
      0x4000_0000,
    );
    expect([...program].map(hex)).toEqual([
      'd2800060',
      'f1000400',
      '54ffffe1',
      'b4000040',
      '17fffffc',
      '10000061',
      '58000042',
      'd65f03c0',
      '89abcdef',
      '01234567',
      '40000000',
      '00000000',
    ]);
  });

  it('lays out data and space', () => {
    expect(
      [
        ...assembleProgram(
          '.byte 1, 2\n.hword 0x304\n.balign 8\n.equ seven, 7\n.word seven, -1; .skip 4\n.inst 0xd503201f\nadd x0, x0, 1',
        ),
      ].map(hex),
    ).toEqual(['03040201', '00000000', '00000007', 'ffffffff', '00000000', 'd503201f', '91000400']);
  });

  it('keeps literals behind the program, each once', () => {
    const program = assembleProgram(
      'ldr x0, =0x1122334455667788\nldr w1, =7\nldr x2, =end - 4\nldr x3, =0x1122334455667788\nend: nop',
      0x1000,
    );
    expect([...program].map(hex)).toEqual([
      '58000100',
      '18000121',
      '58000082',
      '580000a3',
      'd503201f',
      '00000000',
      '0000100c',
      '00000000',
      '55667788',
      '11223344',
      '00000007',
    ]);
  });

  it('adds and subtracts numbers, symbols and its own address', () => {
    expect([...assembleProgram('a: nop\nb: .word b - a, b-a+1, . - a, -1 + 2, a - -3', 0x100)]).toEqual([
      0xd503201f, 4, 5, 4, 1, 0x103,
    ]);
  });

  it('takes its addresses from the base', () => {
    expect(assembleProgram('b 0x80001000', 0x8000_0000)[0]).toBe(0x14000400);
    expect(assembleProgram('x: .quad x', 0xffff_8000_0000_0000n)).toEqual(Uint32Array.of(0, 0xffff8000));
  });

  it.each([
    ['nop\nfrob x0', /^line 2: there is no instruction "frob"/],
    ['a: nop\na: nop', /^line 2: the label a is defined twice/],
    ['b away', /^line 1: no form of B takes these operands: b away/],
    ['.word away', /^line 1: "away" is neither a number nor a symbol/],
    ['.byte 256', /^line 1: 256 does not fit in 1 bytes/],
    ['.byte 1\nnop', /^line 2: an instruction must be aligned/],
    ['.skip 0x7fffffff', /^line 1: .skip 2147483647 is out of range/],
    ['.skip n', /^line 1: "n" is neither a number nor a symbol defined before/],
    ['.frob 1', /^line 1: there is no directive .frob/],
    ['.balign 0', /^line 1: .balign 0 is out of range/],
  ])('refuses %j with the number of the line', (source, message) => {
    expect(() => assembleProgram(source)).toThrow(message);
  });
});
