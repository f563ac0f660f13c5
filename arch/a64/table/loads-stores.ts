import { T, W, WV } from '../../wasm/opcodes.ts';
import { instruction, signExtend, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { AccessOptions } from '../emitter-memory.ts';
import { V0 } from '../emitter-registers.ts';
import type { Translator } from '../translator.ts';
import { ones, xLocal, xspLocal } from './operands.ts';

/**
 * Loads and stores of one register or of a pair. Where a base register is written back and is also the data register,
 * QEMU's choice of the CONSTRAINED UNPREDICTABLE behaviours is followed: a store stores the old value, a load's
 * result is overwritten by the address; of two equal destinations the first element wins, of two equal V registers the second.
 */

type Size = 1 | 2 | 4 | 8 | 16;

/** One transfer between a general-purpose register and memory. */
interface Transfer {
  /** The mnemonic's stem and end: `LDR` + `SB`, so that LDUR and LDTR can be made of it. */
  readonly stem: 'LDR' | 'STR' | 'PRFM';
  readonly suffix: string;
  readonly size: 0 | 1 | 2 | 3;
  readonly opc: 0 | 1 | 2 | 3;
  readonly load: boolean;
  readonly signed: boolean;
  /** The destination is a W register. */
  readonly word: boolean;
}

const transfers: readonly Transfer[] = [
  { stem: 'STR', suffix: 'B', size: 0, opc: 0, load: false, signed: false, word: true },
  { stem: 'LDR', suffix: 'B', size: 0, opc: 1, load: true, signed: false, word: true },
  { stem: 'LDR', suffix: 'SB', size: 0, opc: 2, load: true, signed: true, word: false },
  { stem: 'LDR', suffix: 'SB', size: 0, opc: 3, load: true, signed: true, word: true },
  { stem: 'STR', suffix: 'H', size: 1, opc: 0, load: false, signed: false, word: true },
  { stem: 'LDR', suffix: 'H', size: 1, opc: 1, load: true, signed: false, word: true },
  { stem: 'LDR', suffix: 'SH', size: 1, opc: 2, load: true, signed: true, word: false },
  { stem: 'LDR', suffix: 'SH', size: 1, opc: 3, load: true, signed: true, word: true },
  { stem: 'STR', suffix: '', size: 2, opc: 0, load: false, signed: false, word: true },
  { stem: 'LDR', suffix: '', size: 2, opc: 1, load: true, signed: false, word: true },
  { stem: 'LDR', suffix: 'SW', size: 2, opc: 2, load: true, signed: true, word: false },
  { stem: 'STR', suffix: '', size: 3, opc: 0, load: false, signed: false, word: false },
  { stem: 'LDR', suffix: '', size: 3, opc: 1, load: true, signed: false, word: false },
];

const bits = (n: number, width: number): string => n.toString(2).padStart(width, '0');

/** A local with the base register plus a constant: the register's own where the constant is zero. */
function address(t: Translator, Rn: number, imm: number): Local {
  t.stackOffset = imm;
  if (imm === 0) return xspLocal(t, Rn);
  t.xsp(Rn);
  t.i64(imm);
  t.op(W.i64_add);
  return t.popTemp(T.i64);
}

/** Pushes Xm extended and shifted as the register-offset form says, added to the base; returns the address's local. */
function registerOffset(t: Translator, Rn: number, Rm: number, option: number, shift: number): Local {
  t.xsp(Rn);
  t.x(Rm);
  if (option === 2) {
    ones(t, 32);
    t.op(W.i64_and);
  } else if (option === 6) t.op(W.i64_extend32_s);
  if (shift !== 0) {
    t.i64(shift);
    t.op(W.i64_shl);
  }
  t.op(W.i64_add);
  return t.popTemp(T.i64);
}

function transfer(t: Translator, k: Transfer, Rt: number, va: Local, options: AccessOptions & { ordered?: boolean } = {}): void {
  const size = (1 << k.size) as Size;
  if (!k.load) {
    t.write(va, size, xLocal(t, Rt), options);
    return;
  }
  t.read(va, size, options, k.signed);
  if (k.signed && k.word) {
    t.op(W.i32_wrap_i64);
    t.setW(Rt);
  } else t.setX(Rt);
}

/** Pushes the SIMD&FP value of `size` bytes at a host address, zero-extended to 128 bits. */
function loadV(t: Translator, host: Local, size: Size, offset = 0): void {
  t.get(host);
  if (size <= 2) t.v128(0n, 0n);
  if (size === 1) t.vmemory(WV.load8_lane, offset, 0);
  else if (size === 2) t.vmemory(WV.load16_lane, offset, 0);
  else t.vmemory(size === 4 ? WV.load32_zero : size === 8 ? WV.load64_zero : WV.load, offset);
}

/** Stores the low `size` bytes of a v128 local. */
function storeV(t: Translator, host: Local, value: Local, size: Size, offset = 0): void {
  t.get(host);
  t.get(value);
  if (size === 16) t.vmemory(WV.store, offset);
  else t.vmemory({ 1: WV.store8_lane, 2: WV.store16_lane, 4: WV.store32_lane, 8: WV.store64_lane }[size], offset, 0);
}

/** The local that holds Vn, valid until the register is written. */
function vLocal(t: Translator, n: number): Local {
  t.load(V0 + n);
  t.readHi |= 1 << n;
  return t.localOf(V0 + n);
}

function transferV(t: Translator, load: boolean, size: Size, Rt: number, va: Local): void {
  if (load) {
    loadV(t, t.hostForRead(va, size), size);
    t.setV(Rt);
  } else {
    const value = vLocal(t, Rt);
    t.hostForWrite(va, size, (host) => storeV(t, host, value, size));
  }
}

/**
 * An access with writeback: the base register changes after the access has succeeded. `clobbers`: the base is among
 * the data registers of a load, so that the new base must be computed before they are written.
 */
function withWriteback(t: Translator, Rn: number, imm: number, post: boolean, clobbers: boolean, access: (va: Local) => void): void {
  t.stackOffset = post ? 0 : imm;
  if (post && !clobbers) {
    access(xspLocal(t, Rn));
    t.xsp(Rn);
    t.i64(imm);
    t.op(W.i64_add);
    t.setXsp(Rn);
    return;
  }
  t.xsp(Rn);
  t.i64(imm);
  t.op(W.i64_add);
  const updated = t.popTemp(T.i64);
  access(post ? xspLocal(t, Rn) : updated);
  t.get(updated);
  t.setXsp(Rn);
}

function generalRows(k: Transfer): Instruction[] {
  const head = `${bits(k.size, 2)} 111 0` as '00 111 0';
  const opc = bits(k.opc, 2) as '00';
  const name = k.stem + k.suffix;
  const rt = k.word ? '<Wt>' : '<Xt>';
  const unscaled = name.replace('R', 'UR');
  const unprivileged = name.replace('R', 'TR');
  return [
    instruction(`${name} (immediate)`, `${head} 01 ${opc} imm12 Rn Rt`, `${name} ${rt}, [<Xn|SP>{, #<pimm>}]`, {}, (t, i) => transfer(t, k, i.Rt, address(t, i.Rn, i.imm12 << k.size))),
    ...[true, false].map((post) =>
      instruction(
        `${name} (immediate)`,
        `${head} 00 ${opc} 0 imm9 ${(post ? '01' : '11') as '01'} Rn Rt`,
        `${name} ${rt}, ${post ? '[<Xn|SP>], #<simm>' : '[<Xn|SP>, #<simm>]!'}`,
        {},
        (t, i) => withWriteback(t, i.Rn, signExtend(i.imm9, 9), post, k.load && i.Rt === i.Rn && i.Rn !== 31, (va) => transfer(t, k, i.Rt, va)),
      ),
    ),
    instruction(`${name} (register)`, `${head} 00 ${opc} 1 Rm option S 10 Rn Rt`, `${name} ${rt}, [<Xn|SP>, (<Wm>|<Xm>){, <extend> {<amount>}}]`, { when: (i) => (i.option & 2) !== 0 }, (t, i) =>
      transfer(t, k, i.Rt, registerOffset(t, i.Rn, i.Rm, i.option, i.S !== 0 ? k.size : 0)),
    ),
    instruction(unscaled, `${head} 00 ${opc} 0 imm9 00 Rn Rt`, `${unscaled} ${rt}, [<Xn|SP>{, #<simm>}]`, {}, (t, i) => transfer(t, k, i.Rt, address(t, i.Rn, signExtend(i.imm9, 9)))),
    instruction(unprivileged, `${head} 00 ${opc} 0 imm9 10 Rn Rt`, `${unprivileged} ${rt}, [<Xn|SP>{, #<simm>}]`, {}, (t, i) =>
      transfer(t, k, i.Rt, address(t, i.Rn, signExtend(i.imm9, 9)), { unprivileged: true }),
    ),
  ];
}

/** FEAT_LRCPC2: load-acquire RCpc and store-release with an unscaled offset. */
function rcpcRow(k: Transfer): Instruction {
  const name = (k.load ? 'LDAPUR' : 'STLUR') + k.suffix;
  return instruction(
    name,
    `${bits(k.size, 2) as '00'} 011001 ${bits(k.opc, 2) as '00'} 0 imm9 00 Rn Rt`,
    `${name} ${k.word ? '<Wt>' : '<Xt>'}, [<Xn|SP>{, #<simm>}]`,
    { feature: 'FEAT_LRCPC2' },
    (t, i) => transfer(t, k, i.Rt, address(t, i.Rn, signExtend(i.imm9, 9)), { ordered: true }),
  );
}

/** SIMD&FP registers: B, H, S, D by `size`, Q by opc<1>. */
function simdRows(load: boolean, letter: string, log2: 0 | 1 | 2 | 3 | 4): Instruction[] {
  const name = load ? 'LDR' : 'STR';
  const unscaled = load ? 'LDUR' : 'STUR';
  const size = (1 << log2) as Size;
  const head = `${bits(log2 & 3, 2)} 111 1` as '00 111 1';
  const opc = `${log2 === 4 ? 1 : 0}${load ? 1 : 0}` as '00';
  const rt = `<${letter}t>`;
  return [
    instruction(`${name} (immediate, SIMD&FP)`, `${head} 01 ${opc} imm12 Rn Rt`, `${name} ${rt}, [<Xn|SP>{, #<pimm>}]`, {}, (t, i) => {
      if (t.fpEnabled()) transferV(t, load, size, i.Rt, address(t, i.Rn, i.imm12 << log2));
    }),
    ...[true, false].map((post) =>
      instruction(
        `${name} (immediate, SIMD&FP)`,
        `${head} 00 ${opc} 0 imm9 ${(post ? '01' : '11') as '01'} Rn Rt`,
        `${name} ${rt}, ${post ? '[<Xn|SP>], #<simm>' : '[<Xn|SP>, #<simm>]!'}`,
        {},
        (t, i) => {
          if (t.fpEnabled()) withWriteback(t, i.Rn, signExtend(i.imm9, 9), post, false, (va) => transferV(t, load, size, i.Rt, va));
        },
      ),
    ),
    instruction(`${name} (register, SIMD&FP)`, `${head} 00 ${opc} 1 Rm option S 10 Rn Rt`, `${name} ${rt}, [<Xn|SP>, (<Wm>|<Xm>){, <extend> {<amount>}}]`, { when: (i) => (i.option & 2) !== 0 }, (t, i) => {
      if (t.fpEnabled()) transferV(t, load, size, i.Rt, registerOffset(t, i.Rn, i.Rm, i.option, i.S !== 0 ? log2 : 0));
    }),
    instruction(`${unscaled} (SIMD&FP)`, `${head} 00 ${opc} 0 imm9 00 Rn Rt`, `${unscaled} ${rt}, [<Xn|SP>{, #<simm>}]`, {}, (t, i) => {
      if (t.fpEnabled()) transferV(t, load, size, i.Rt, address(t, i.Rn, signExtend(i.imm9, 9)));
    }),
  ];
}

/** The address of a literal. */
function literal(t: Translator, imm19: number): Local {
  t.pc(signExtend(imm19, 19) * 4);
  return t.popTemp(T.i64);
}

type Pair = { imm7: number; Rt2: number; Rn: number; Rt: number };

/** Both registers of a pair through one translation of the address. */
function pair(t: Translator, load: boolean, log2: 2 | 3, signed: boolean, i: Pair, va: Local): void {
  const size = 1 << log2;
  const call = !t.optimize && log2 === 3;
  if (load && call) {
    t.callLoadPair(va);
    t.setX(i.Rt2);
    t.setX(i.Rt);
    return;
  }
  if (load) {
    const opcode = log2 === 3 ? W.i64_load : signed ? W.i64_load32_s : W.i64_load32_u;
    const host = t.hostForRead(va, 2 * size, { element: size });
    t.get(host);
    t.memory(opcode, size);
    t.setX(i.Rt2);
    t.get(host);
    t.memory(opcode, 0);
    t.setX(i.Rt);
    return;
  }
  const opcode = log2 === 3 ? W.i64_store : W.i64_store32;
  const first = xLocal(t, i.Rt);
  const second = xLocal(t, i.Rt2);
  if (call) {
    t.callStorePair(va, first, second);
    return;
  }
  const emit = (host: Local): void => {
    t.get(host);
    t.get(first);
    t.memory(opcode, 0);
    t.get(host);
    t.get(second);
    t.memory(opcode, size);
  };
  t.hostForWrite(va, 2 * size, emit, { element: size });
}

function pairV(t: Translator, load: boolean, log2: 2 | 3 | 4, i: Pair, va: Local): void {
  const size = (1 << log2) as Size;
  if (load) {
    const host = t.hostForRead(va, 2 * size, { element: size });
    loadV(t, host, size);
    t.setV(i.Rt);
    loadV(t, host, size, size);
    t.setV(i.Rt2);
    return;
  }
  const first = vLocal(t, i.Rt);
  const second = vLocal(t, i.Rt2);
  const emit = (host: Local): void => {
    storeV(t, host, first, size);
    storeV(t, host, second, size, size);
  };
  t.hostForWrite(va, 2 * size, emit, { element: size });
}

/** The four addressing modes of a pair, bits 24:23. */
const pairModes = [
  { mode: '00', nonTemporal: true, address: '[<Xn|SP>{, #<imm>}]' },
  { mode: '01', nonTemporal: false, address: '[<Xn|SP>], #<imm>' },
  { mode: '10', nonTemporal: false, address: '[<Xn|SP>{, #<imm>}]' },
  { mode: '11', nonTemporal: false, address: '[<Xn|SP>, #<imm>]!' },
] as const;

function pairAddressed(t: Translator, mode: string, imm: number, i: Pair, clobbers: boolean, access: (va: Local) => void): void {
  if (mode === '00' || mode === '10') access(address(t, i.Rn, imm));
  else withWriteback(t, i.Rn, imm, mode === '01', clobbers, access);
}

function pairRows(load: boolean, opc: '00' | '01' | '10', log2: 2 | 3, signed: boolean, rt: string): Instruction[] {
  return pairModes
    .filter((m) => !(m.nonTemporal && signed))
    .map((m) => {
      const name = signed ? 'LDPSW' : (load ? 'LD' : 'ST') + (m.nonTemporal ? 'NP' : 'P');
      return instruction(name, `${opc} 101 0 0 ${m.mode} ${load ? 1 : 0} imm7 Rt2 Rn Rt`, `${name} <${rt}t1>, <${rt}t2>, ${m.address}`, {}, (t, i) => {
        const clobbers = load && i.Rn !== 31 && (i.Rt === i.Rn || i.Rt2 === i.Rn);
        pairAddressed(t, m.mode, signExtend(i.imm7, 7) * (1 << log2), i, clobbers, (va) => pair(t, load, log2, signed, i, va));
      });
    });
}

function pairRowsV(load: boolean, opc: '00' | '01' | '10', log2: 2 | 3 | 4, rt: string): Instruction[] {
  return pairModes.map((m) => {
    const name = (load ? 'LD' : 'ST') + (m.nonTemporal ? 'NP' : 'P');
    return instruction(`${name} (SIMD&FP)`, `${opc} 101 1 0 ${m.mode} ${load ? 1 : 0} imm7 Rt2 Rn Rt`, `${name} <${rt}t1>, <${rt}t2>, ${m.address}`, {}, (t, i) => {
      if (t.fpEnabled()) pairAddressed(t, m.mode, signExtend(i.imm7, 7) * (1 << log2), i, false, (va) => pairV(t, load, log2, i, va));
    });
  });
}

export const loadsStores: readonly Instruction[] = [
  // Load register (literal).
  instruction('LDR (literal)', '0 sz 011 0 00 imm19 Rt', 'LDR <R><t>, <label>', {}, (t, i) => {
    t.read(literal(t, i.imm19), i.sz !== 0 ? 8 : 4);
    t.setX(i.Rt);
  }),
  instruction('LDRSW (literal)', '10 011 0 00 imm19 Rt', 'LDRSW <Xt>, <label>', {}, (t, i) => {
    t.read(literal(t, i.imm19), 4, {}, true);
    t.setX(i.Rt);
  }),
  instruction('PRFM (literal)', '11 011 0 00 imm19 Rt', 'PRFM (<prfop>|#<imm5>), <label>', {}, () => {}),
  instruction('LDR (literal, SIMD&FP)', 'opc 011 1 00 imm19 Rt', 'LDR <St|Dt|Qt>, <label>', { when: (i) => i.opc !== 3 }, (t, i) => {
    if (t.fpEnabled()) transferV(t, true, (4 << i.opc) as Size, i.Rt, literal(t, i.imm19));
  }),

  // Load/store pair.
  ...pairRows(false, '00', 2, false, 'W'),
  ...pairRows(true, '00', 2, false, 'W'),
  ...pairRows(true, '01', 2, true, 'X'),
  ...pairRows(false, '10', 3, false, 'X'),
  ...pairRows(true, '10', 3, false, 'X'),
  ...[false, true].flatMap((load) => [...pairRowsV(load, '00', 2, 'S'), ...pairRowsV(load, '01', 3, 'D'), ...pairRowsV(load, '10', 4, 'Q')]),

  // Load/store register: unsigned offset, pre- and post-indexed, register offset, unscaled, unprivileged.
  ...transfers.flatMap(generalRows),
  ...[false, true].flatMap((load) => (['B', 'H', 'S', 'D', 'Q'] as const).flatMap((letter, log2) => simdRows(load, letter, log2 as 0 | 1 | 2 | 3 | 4))),

  // Prefetches are hints.
  instruction('PRFM (immediate)', '11 111 0 01 10 imm12 Rn Rt', 'PRFM (<prfop>|#<imm5>), [<Xn|SP>{, #<pimm>}]', {}, () => {}),
  instruction('PRFM (register)', '11 111 0 00 10 1 Rm option S 10 Rn Rt', 'PRFM (<prfop>|#<imm5>), [<Xn|SP>, (<Wm>|<Xm>){, <extend> {<amount>}}]', { when: (i) => (i.option & 2) !== 0 }, () => {}),
  instruction('PRFUM', '11 111 0 00 10 0 imm9 00 Rn Rt', 'PRFUM (<prfop>|#<imm5>), [<Xn|SP>{, #<simm>}]', {}, () => {}),

  ...transfers.map(rcpcRow),
];
