import { instruction } from '../arch/a64/encoding.ts';

/**
 * The encoding groups of the manual's index of A64 (DDI 0487, C4.1), and the instructions of theirs that belong to
 * features which the processor does not advertise.
 */
export interface Group {
  readonly section: string;
  readonly name: string;
  readonly pattern: string;
  readonly mask: number;
  readonly value: number;
  /** Instructions that are UNDEFINED, by their feature. */
  readonly absent: readonly { readonly names: string; readonly feature: string }[];
}

type Entry = readonly [name: string, pattern: string, ...absent: (readonly [feature: string, names: string])[]];

const SECTIONS: Readonly<Record<string, readonly Entry[]>> = {
  'Reserved, SME and SVE': [
    ['Reserved', '0 00 0000 x:25'],
    ['SME encodings', '1 x:2 0000 x:25', ['FEAT_SME', 'all']],
    ['SVE encodings', 'x:3 0010 x:25', ['FEAT_SVE', 'all']],
  ],
  'Data processing, immediate': [
    ['PC-rel. addressing', 'op immlo 10000 immhi Rd'],
    ['Add/subtract (immediate)', 'sf op S 100010 sh imm12 Rn Rd'],
    ['Add/subtract (immediate, with tags)', 'sf op S 1000110 uimm6:6 op3:2 uimm4:4 Rn Rd', ['FEAT_MTE', 'ADDG, SUBG']],
    ['Min/max (immediate)', 'sf op S 1000111 opc:4 imm8 Rn Rd', ['FEAT_CSSC', 'SMAX, SMIN, UMAX, UMIN']],
    ['Logical (immediate)', 'sf opc 100100 N immr imms Rn Rd'],
    ['Move wide (immediate)', 'sf opc 100101 hw imm16 Rd'],
    ['Bitfield', 'sf opc 100110 N immr imms Rn Rd'],
    ['Extract', 'sf op21:2 100111 N o0 Rm imms Rn Rd', ['FEAT_PAuth_LR', 'AUTIASPPC, AUTIBSPPC']],
  ],
  'Branches, exception generating and system': [
    ['Conditional branch (immediate)', '01010100 imm19 o0 cond', ['FEAT_HBC', 'BC.cond']],
    ['Miscellaneous branch (immediate)', '01010101 x:24', ['FEAT_PAuth_LR', 'RETAASPPC, RETABSPPC']],
    ['Exception generation', '11010100 opc:3 imm16 op2 LL:2', ['FEAT_TME', 'TCANCEL']],
    ['System instructions with register argument', '11010101000000110001 CRm op2 Rt', ['FEAT_WFxT', 'WFET, WFIT']],
    ['Hints', '11010101000000110010 CRm op2 11111'],
    ['Barriers', '11010101000000110011 CRm op2 Rt', ['FEAT_XS', 'DSB nXS'], ['FEAT_TME', 'TCOMMIT']],
    [
      'PSTATE',
      '1101010100000 op1 0100 CRm op2 Rt',
      ['FEAT_NMI', 'MSR ALLINT'],
      ['FEAT_MTE', 'MSR TCO'],
      ['FEAT_SME', 'SMSTART, SMSTOP'],
      ['FEAT_EBEP', 'MSR PM'],
    ],
    ['System with result', '1101010100100 op1 CRn CRm op2 Rt', ['FEAT_TME', 'TSTART, TTEST']],
    ['System instructions', '1101010100 L 01 op1 CRn CRm op2 Rt'],
    ['System register move', '1101010100 L 1 o0 op1 CRn CRm op2 Rt'],
    ['System pair instructions', '1101010101 L 01 op1 CRn CRm op2 Rt', ['FEAT_D128', 'SYSP']],
    ['System register pair move', '1101010101 L 1 o0 op1 CRn CRm op2 Rt', ['FEAT_D128', 'MRRS, MSRR']],
    [
      'Unconditional branch (register)',
      '1101011 opc:4 op2:5 op3:6 Rn op4:5',
      ['FEAT_PAuth', 'BRAA, BRAB, BRAAZ, BRABZ, BLRAA, BLRAB, BLRAAZ, BLRABZ, RETAA, RETAB, ERETAA, ERETAB'],
    ],
    ['Unconditional branch (immediate)', 'op 00101 imm26'],
    ['Compare and branch (immediate)', 'sf 011010 op imm19 Rt'],
    ['Test and branch (immediate)', 'b5 011011 op b40 imm14 Rt'],
  ],
  'Loads and stores': [
    ['Compare and swap pair', '0 sz 0010000 L 1 Rs o0 Rt2 Rn Rt'],
    ['Advanced SIMD load/store multiple structures', '0 Q 0011000 L 000000 opcode:4 size Rn Rt'],
    ['Advanced SIMD load/store multiple structures (post-indexed)', '0 Q 0011001 L 0 Rm opcode:4 size Rn Rt'],
    [
      'Advanced SIMD load/store single structure',
      '0 Q 0011010 L R 0000 o2 opcode:3 S size Rn Rt',
      ['FEAT_LRCPC3', 'LDAP1, STL1'],
    ],
    ['Advanced SIMD load/store single structure (post-indexed)', '0 Q 0011011 L R Rm opcode:3 S size Rn Rt'],
    ['RCW compare and swap', '0 S 011001 A R 1 Rs 000010 Rn Rt', ['FEAT_THE', 'RCWCAS, RCWSCAS']],
    ['RCW compare and swap pair', '0 S 011001 A R 1 Rs 000011 Rn Rt', ['FEAT_THE', 'RCWCASP, RCWSCASP']],
    [
      '128-bit atomic memory operations',
      '0 S 011001 A R 1 Rt2 o3:1 opc:3 00 Rn Rt',
      ['FEAT_LSE128', 'LDCLRP, LDSETP, SWPP'],
      ['FEAT_THE', 'RCWCLRP, RCWSETP, RCWSWPP'],
    ],
    ['GCS load/store', '11011001 000 11111 opc:4 11 Rn Rt', ['FEAT_GCS', 'GCSSTR, GCSSTTR']],
    [
      'Load/store memory tags',
      '11011001 opc 1 imm9 op2:2 Rn Rt',
      ['FEAT_MTE', 'STG, STZG, ST2G, STZ2G, LDG'],
      ['FEAT_MTE2', 'STGM, STZGM, LDGM'],
    ],
    ['Load/store exclusive pair', '1 sz 0010000 L 1 Rs o0 Rt2 Rn Rt'],
    ['Load/store exclusive register', 'size 0010000 L 0 Rs o0 Rt2 Rn Rt'],
    ['Load/store ordered', 'size 0010001 L 0 Rs o0 Rt2 Rn Rt'],
    ['Compare and swap', 'size 0010001 L 1 Rs o0 Rt2 Rn Rt'],
    ['LDIAPP/STILP', 'size 0110010 L 0 Rt2 opc2:4 10 Rn Rt', ['FEAT_LRCPC3', 'LDIAPP, STILP']],
    [
      'LDAPR/STLR (writeback)',
      'size 0110011 L 0 00000 0000 10 Rn Rt',
      ['FEAT_LRCPC3', 'LDAPR (post-index), STLR (pre-index)'],
    ],
    ['LDAPR/STLR (unscaled immediate)', 'size 011001 opc 0 imm9 00 Rn Rt'],
    ['LDAPR/STLR (SIMD&FP)', 'size 011101 opc 0 imm9 10 Rn Rt', ['FEAT_LRCPC3', 'LDAPUR (SIMD&FP), STLUR (SIMD&FP)']],
    ['Load register (literal)', 'opc 011 V 00 imm19 Rt'],
    [
      'Memory copy and memory set',
      'size 011 o0 01 op1:2 0 Rs op2:4 01 Rn Rd',
      ['FEAT_MOPS', 'CPYP, CPYM, CPYE, CPYFP, CPYFM, CPYFE, SETP, SETM, SETE, SETGP, SETGM, SETGE and their variants'],
    ],
    ['Load/store no-allocate pair (offset)', 'opc 101 V 000 L imm7 Rt2 Rn Rt'],
    ['Load/store register pair (post-indexed)', 'opc 101 V 001 L imm7 Rt2 Rn Rt', ['FEAT_MTE', 'STGP']],
    ['Load/store register pair (offset)', 'opc 101 V 010 L imm7 Rt2 Rn Rt', ['FEAT_MTE', 'STGP']],
    ['Load/store register pair (pre-indexed)', 'opc 101 V 011 L imm7 Rt2 Rn Rt', ['FEAT_MTE', 'STGP']],
    ['Load/store register (unscaled immediate)', 'size 111 V 00 opc 0 imm9 00 Rn Rt'],
    ['Load/store register (immediate post-indexed)', 'size 111 V 00 opc 0 imm9 01 Rn Rt'],
    ['Load/store register (unprivileged)', 'size 111 V 00 opc 0 imm9 10 Rn Rt'],
    ['Load/store register (immediate pre-indexed)', 'size 111 V 00 opc 0 imm9 11 Rn Rt'],
    [
      'Atomic memory operations',
      'size 111 V 00 A R 1 Rs o3:1 opc:3 00 Rn Rt',
      ['FEAT_LS64', 'LD64B, ST64B'],
      ['FEAT_LS64_V', 'ST64BV'],
      ['FEAT_LS64_ACCDATA', 'ST64BV0'],
      ['FEAT_THE', 'RCWCLR, RCWSET, RCWSWP'],
    ],
    ['Load/store register (register offset)', 'size 111 V 00 opc 1 Rm option S 10 Rn Rt'],
    ['Load/store register (pac)', 'size 111 V 00 M S 1 imm9 W:1 1 Rn Rt', ['FEAT_PAuth', 'LDRAA, LDRAB']],
    ['Load/store register (unsigned immediate)', 'size 111 V 01 opc imm12 Rn Rt'],
  ],
  'Data processing, register': [
    [
      'Data-processing (2 source)',
      'sf 0 S 11010110 Rm opcode:6 Rn Rd',
      ['FEAT_MTE', 'SUBP, SUBPS, IRG, GMI'],
      ['FEAT_PAuth', 'PACGA'],
      ['FEAT_CSSC', 'SMAX, SMIN, UMAX, UMIN'],
    ],
    [
      'Data-processing (1 source)',
      'sf 1 S 11010110 opcode2 opcode:6 Rn Rd',
      [
        'FEAT_PAuth',
        'PACIA, PACIB, PACDA, PACDB, AUTIA, AUTIB, AUTDA, AUTDB, XPACI, XPACD and those with a zero modifier',
      ],
      ['FEAT_CSSC', 'ABS, CNT, CTZ'],
    ],
    ['Logical (shifted register)', 'sf opc 01010 shift N Rm imm6 Rn Rd'],
    ['Add/subtract (shifted register)', 'sf op S 01011 shift 0 Rm imm6 Rn Rd'],
    ['Add/subtract (extended register)', 'sf op S 01011 opt:2 1 Rm option imm3 Rn Rd'],
    ['Add/subtract (with carry)', 'sf op S 11010000 Rm 000000 Rn Rd'],
    ['Add/subtract (checked pointer)', 'sf op S 11010000 Rm 001 imm3 Rn Rd', ['FEAT_CPA', 'ADDPT, SUBPT']],
    ['Rotate right into flags', 'sf op S 11010000 imm6 00001 Rn o2 mask:4'],
    ['Evaluate into flags', 'sf op S 11010000 opcode2:6 sz 0010 Rn o3:1 mask:4'],
    ['Conditional compare (register)', 'sf op S 11010010 Rm cond 0 o2 Rn o3:1 nzcv'],
    ['Conditional compare (immediate)', 'sf op S 11010010 imm5 cond 1 o2 Rn o3:1 nzcv'],
    ['Conditional select', 'sf op S 11010100 Rm cond op2:2 Rn Rd'],
    ['Data-processing (3 source)', 'sf op54:2 11011 op31:3 Rm o0 Ra Rn Rd', ['FEAT_CPA', 'MADDPT, MSUBPT']],
  ],
  'Scalar floating point and Advanced SIMD': [
    ['Cryptographic AES', '01001110 size 10100 opcode:5 10 Rn Rd'],
    ['Cryptographic three-register SHA', '01011110 size 0 Rm 0 opcode:3 00 Rn Rd'],
    ['Cryptographic two-register SHA', '01011110 size 10100 opcode:5 10 Rn Rd'],
    ['Advanced SIMD scalar copy', '01 op 11110000 imm5 0 imm4 1 Rn Rd'],
    ['Advanced SIMD scalar three same FP16', '01 U 11110 a 10 Rm 00 opcode:3 1 Rn Rd'],
    ['Advanced SIMD scalar two-register miscellaneous FP16', '01 U 11110 a 111100 opcode:5 10 Rn Rd'],
    ['Advanced SIMD scalar three same extra', '01 U 11110 size 0 Rm 1 opcode:4 1 Rn Rd'],
    ['Advanced SIMD scalar two-register miscellaneous', '01 U 11110 size 10000 opcode:5 10 Rn Rd'],
    ['Advanced SIMD scalar pairwise', '01 U 11110 size 11000 opcode:5 10 Rn Rd'],
    ['Advanced SIMD scalar three different', '01 U 11110 size 1 Rm opcode:4 00 Rn Rd'],
    ['Advanced SIMD scalar three same', '01 U 11110 size 1 Rm opcode:5 1 Rn Rd'],
    ['Advanced SIMD scalar shift by immediate', '01 U 111110 immh immb opcode:5 1 Rn Rd'],
    ['Advanced SIMD scalar x indexed element', '01 U 11111 size L M Rm:4 opcode:4 H 0 Rn Rd'],
    ['Advanced SIMD table lookup', '0 Q 001110 op2:2 0 Rm 0 len op 00 Rn Rd', ['FEAT_LUT', 'LUTI2, LUTI4']],
    ['Advanced SIMD permute', '0 Q 001110 size 0 Rm 0 opcode:3 10 Rn Rd'],
    ['Advanced SIMD extract', '0 Q 101110 op2:2 0 Rm 0 imm4 0 Rn Rd'],
    ['Advanced SIMD copy', '0 Q op 01110000 imm5 0 imm4 1 Rn Rd'],
    ['Advanced SIMD three same (FP16)', '0 Q U 01110 a 10 Rm 00 opcode:3 1 Rn Rd'],
    ['Advanced SIMD two-register miscellaneous (FP16)', '0 Q U 01110 a 111100 opcode:5 10 Rn Rd'],
    [
      'Advanced SIMD three-register extension',
      '0 Q U 01110 size 0 Rm 1 opcode:4 1 Rn Rd',
      ['FEAT_FP8DOT2, FEAT_FP8DOT4, FEAT_FP8FMA', 'FDOT, FMLALB, FMLALT, FMLALLBB … of 8-bit floating point'],
    ],
    [
      'Advanced SIMD two-register miscellaneous',
      '0 Q U 01110 size 10000 opcode:5 10 Rn Rd',
      ['FEAT_FP8', 'BF1CVTL, BF2CVTL, F1CVTL, F2CVTL'],
    ],
    ['Advanced SIMD across lanes', '0 Q U 01110 size 11000 opcode:5 10 Rn Rd'],
    ['Advanced SIMD three different', '0 Q U 01110 size 1 Rm opcode:4 00 Rn Rd'],
    [
      'Advanced SIMD three same',
      '0 Q U 01110 size 1 Rm opcode:5 1 Rn Rd',
      ['FEAT_FAMINMAX', 'FAMAX, FAMIN'],
      ['FEAT_FP8', 'FSCALE'],
    ],
    ['Advanced SIMD modified immediate', '0 Q op 0111100000 a b c cmode o2 1 d e f g h Rd'],
    ['Advanced SIMD shift by immediate', '0 Q U 011110 immh immb opcode:5 1 Rn Rd'],
    [
      'Advanced SIMD vector x indexed element',
      '0 Q U 01111 size L M Rm:4 opcode:4 H 0 Rn Rd',
      ['FEAT_FP8DOT2, FEAT_FP8DOT4, FEAT_FP8FMA', 'FDOT, FMLALB, FMLALT, FMLALLBB … of 8-bit floating point'],
    ],
    [
      'Cryptographic three-register, imm2',
      '11001110010 Rm 10 imm2 opcode:2 Rn Rd',
      ['FEAT_SM3', 'SM3TT1A, SM3TT1B, SM3TT2A, SM3TT2B'],
    ],
    [
      'Cryptographic three-register SHA 512',
      '11001110011 Rm 1 o0 00 opcode:2 Rn Rd',
      ['FEAT_SM3', 'SM3PARTW1, SM3PARTW2'],
      ['FEAT_SM4', 'SM4EKEY'],
    ],
    ['Cryptographic four-register', '110011100 op0:2 Rm 0 Ra Rn Rd', ['FEAT_SM3', 'SM3SS1']],
    ['XAR', '11001110100 Rm imm6 Rn Rd'],
    ['Cryptographic two-register SHA 512', '11001110110000001000 opcode:2 Rn Rd', ['FEAT_SM4', 'SM4E']],
    ['Conversion between floating-point and fixed-point', 'sf 0 S 11110 ftype 0 rmode opcode:3 scale Rn Rd'],
    ['Conversion between floating-point and integer', 'sf 0 S 11110 ftype 1 rmode opcode:3 000000 Rn Rd'],
    ['Floating-point data-processing (1 source)', 'M 0 S 11110 ftype 1 opcode:6 10000 Rn Rd'],
    ['Floating-point compare', 'M 0 S 11110 ftype 1 Rm op:2 1000 Rn opcode2'],
    ['Floating-point immediate', 'M 0 S 11110 ftype 1 imm8 100 imm5 Rd'],
    ['Floating-point conditional compare', 'M 0 S 11110 ftype 1 Rm cond 01 Rn op nzcv'],
    ['Floating-point data-processing (2 source)', 'M 0 S 11110 ftype 1 Rm opcode:4 10 Rn Rd'],
    ['Floating-point conditional select', 'M 0 S 11110 ftype 1 Rm cond 11 Rn Rd'],
    ['Floating-point data-processing (3 source)', 'M 0 S 11111 ftype o1 Rm o0 Ra Rn Rd'],
  ],
};

export const groups: readonly Group[] = Object.entries(SECTIONS).flatMap(([section, entries]) =>
  entries.map(([name, pattern, ...absent]) => {
    const { mask, value } = instruction(name, pattern, '', {}, () => {});
    return { section, name, pattern, mask, value, absent: absent.map(([feature, names]) => ({ feature, names })) };
  }),
);

function bits(n: number): number {
  let count = 0;
  for (; n !== 0; n &= n - 1) count++;
  return count;
}

/** The group that holds a row, the most specific one. @throws Error where there is none. */
export function groupOf(row: { name: string; pattern: string; mask: number; value: number }): Group {
  const holding = groups.filter((g) => (row.mask & g.mask) >>> 0 === g.mask && (row.value & g.mask) >>> 0 === g.value);
  const best = holding.sort((a, b) => bits(b.mask) - bits(a.mask))[0];
  if (best === undefined) throw new Error(`${row.name} (${row.pattern}) is in no encoding group`);
  return best;
}
