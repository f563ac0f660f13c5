import { F } from '../../core/frame.ts';
import { T, W, WA } from '../../wasm/opcodes.ts';
import { instruction, type Instruction } from '../encoding.ts';
import type { Local } from '../emitter.ts';
import type { Translator } from '../translator.ts';
import { ones, xLocal, xspLocal } from './operands.ts';

/**
 * Exclusives, ordered accesses and LSE.
 *
 * The exclusive monitor stands in the frame: the host address reserved, the size and the value read. A store-exclusive
 * succeeds when the address and size are the same and memory still holds that value; whoever takes or returns from an
 * exception clears it.
 *
 * WebAssembly has no 128-bit atomics. CASP and STXP of doublewords hold a lock, so that they are atomic towards each
 * other; since other accesses of a half (which are atomic by themselves) take none, each half is compared and exchanged,
 * and the first is put back where the second has changed: no store of another core is lost. What falls short of
 * single-copy atomicity is that another core may see the first half a moment before the second.
 */

/**
 * Host addresses of the locks, a doubleword in each of so many cache lines, by the quadword's address. Nothing else lies
 * in the first 64 KiB of machine memory.
 */
const LOCKS = { at: 0x800, count: 32 } as const;

type Log2 = 0 | 1 | 2 | 3;
type Atomic = 'add' | 'and' | 'or' | 'xor' | 'xchg' | 'cmpxchg';

const SUFFIX = ['B', 'H', '', ''] as const;
const RT = ['<Wt>', '<Wt>', '<Wt>', '<Xt>'] as const;
const SIZE = ['00', '01', '10', '11'] as const;
const LOAD = [WA.i64_load8_u, WA.i64_load16_u, WA.i64_load32_u, WA.i64_load] as const;
const RMW: Record<Atomic, readonly number[]> = {
  add: [WA.i64_add8, WA.i64_add16, WA.i64_add32, WA.i64_add],
  and: [WA.i64_and8, WA.i64_and16, WA.i64_and32, WA.i64_and],
  or: [WA.i64_or8, WA.i64_or16, WA.i64_or32, WA.i64_or],
  xor: [WA.i64_xor8, WA.i64_xor16, WA.i64_xor32, WA.i64_xor],
  xchg: [WA.i64_xchg8, WA.i64_xchg16, WA.i64_xchg32, WA.i64_xchg],
  cmpxchg: [WA.i64_cmpxchg8, WA.i64_cmpxchg16, WA.i64_cmpxchg32, WA.i64_cmpxchg],
};

/** An atomic read-modify-write of the operands on the stack; leaves the old value, zero-extended. */
function rmw(t: Translator, op: Atomic, log2: number): void {
  t.atomic(RMW[op][log2]!, log2);
}

/** Pushes the low `8 << log2` bits of Xn. */
function narrow(t: Translator, n: number, log2: number): void {
  t.x(n);
  if (log2 === 3 || n === 31) return;
  ones(t, 8 << log2);
  t.op(W.i64_and);
}

/** Pushes Ws2:Ws as one doubleword. */
function wordPair(t: Translator, low: number, high: number): void {
  narrow(t, low, 2);
  t.x(high);
  t.i64(32);
  t.op(W.i64_shl, W.i64_or);
}

/** Pops a doubleword into a pair of W registers; the second wins where they are the same. */
function setWordPair(t: Translator, low: number, high: number): void {
  const value = t.popTemp(T.i64);
  t.get(value);
  ones(t, 32);
  t.op(W.i64_and);
  t.setX(low);
  t.get(value);
  t.i64(32);
  t.op(W.i64_shr_u);
  t.setX(high);
}

/** Sets the monitor for what has been read at `host`. */
function reserve(t: Translator, host: Local, size: number, value: Local, high?: Local): void {
  t.frameStore(W.i32_store, F.EXCL_HOST, () => {
    t.get(host);
    t.i32(1);
    t.op(W.i32_add);
  });
  t.frameStore(W.i32_store, F.EXCL_SIZE, () => t.i32(size));
  t.frameStore(W.i64_store, F.EXCL_VALUE, () => t.get(value));
  if (high !== undefined) t.frameStore(W.i64_store, F.EXCL_VALUE + 8, () => t.get(high));
}

function clearMonitor(t: Translator): void {
  t.frameStore(W.i32_store, F.EXCL_HOST, () => t.i32(0));
}

/** Pushes an i32, nonzero when the monitor holds `size` bytes at `host`. */
function pushReserved(t: Translator, host: Local, size: number): void {
  t.frameLoad(W.i32_load, F.EXCL_HOST);
  t.get(host);
  t.i32(1);
  t.op(W.i32_add, W.i32_eq);
  t.frameLoad(W.i32_load, F.EXCL_SIZE);
  t.i32(size);
  t.op(W.i32_eq, W.i32_and);
}

/** What is at `host` + `offset`. */
function loadAt(t: Translator, host: Local, log2: Log2, acquire: boolean, offset = 0): Local {
  t.get(host);
  if (acquire) t.atomic(LOAD[log2], log2, offset);
  else t.memory([W.i64_load8_u, W.i64_load16_u, W.i64_load32_u, W.i64_load][log2]!, offset);
  return t.popTemp(T.i64);
}

function loadExclusive(t: Translator, log2: Log2, acquire: boolean, i: { Rn: number; Rt: number }): void {
  const host = t.hostForRead(xspLocal(t, i.Rn), 1 << log2, { aligned: true });
  const value = loadAt(t, host, log2, acquire);
  reserve(t, host, 1 << log2, value);
  t.get(value);
  t.setX(i.Rt);
}

type PairFields = { sz: number; Rt2: number; Rn: number; Rt: number };

function loadExclusivePair(t: Translator, acquire: boolean, i: PairFields): void {
  const host = t.hostForRead(xspLocal(t, i.Rn), i.sz !== 0 ? 16 : 8, { aligned: true });
  const low = loadAt(t, host, 3, acquire);
  if (i.sz === 0) {
    reserve(t, host, 8, low);
    t.get(low);
    setWordPair(t, i.Rt, i.Rt2);
    return;
  }
  const high = loadAt(t, host, 3, acquire, 8);
  reserve(t, host, 16, low, high);
  t.get(low);
  t.setX(i.Rt);
  t.get(high);
  t.setX(i.Rt2);
}

/** A store-exclusive; `attempt` pushes an i32, 1 when the store was not made. */
function storeExclusive(t: Translator, size: number, Rn: number, Rs: number, attempt: (host: Local) => void): void {
  const host = t.hostForAtomic(xspLocal(t, Rn), size, true);
  pushReserved(t, host, size);
  t.if(
    T.i32,
    () => attempt(host),
    () => t.i32(1),
  );
  clearMonitor(t);
  t.setW(Rs);
}

/** Pushes 1 when the doubleword or less at `host` is no longer what the monitor read, else stores `value` and pushes 0. */
function exchangeReserved(t: Translator, host: Local, log2: Log2, value: Local): void {
  t.get(host);
  t.frameLoad(W.i64_load, F.EXCL_VALUE);
  t.get(value);
  rmw(t, 'cmpxchg', log2);
  t.frameLoad(W.i64_load, F.EXCL_VALUE);
  t.op(W.i64_ne);
}

function storeExclusivePair(t: Translator, i: PairFields & { Rs: number }): void {
  if (i.sz === 0) {
    wordPair(t, i.Rt, i.Rt2);
    const value = t.popTemp(T.i64);
    storeExclusive(t, 8, i.Rn, i.Rs, (host) => exchangeReserved(t, host, 3, value));
    return;
  }
  const stored = [xLocal(t, i.Rt), xLocal(t, i.Rt2)] as const;
  storeExclusive(t, 16, i.Rn, i.Rs, (host) => {
    const wanted = [0, 8].map((offset) => {
      t.frameLoad(W.i64_load, F.EXCL_VALUE + offset);
      return t.popTemp(T.i64);
    }) as [Local, Local];
    withLock(t, host, () => pushExchanged(t, host, wanted, stored));
    t.op(W.i32_eqz);
  });
}

/** Emits `body` with the lock of the quadword at `host` taken. */
function withLock(t: Translator, host: Local, body: () => void): void {
  t.get(host);
  t.i32(2);
  t.op(W.i32_shl);
  t.i32((LOCKS.count - 1) << 6);
  t.op(W.i32_and);
  const lock = t.popTemp(T.i32);
  t.open(W.loop);
  t.get(lock);
  t.i64(0);
  t.i64(1);
  t.atomic(WA.i64_cmpxchg, 3, LOCKS.at);
  t.i64(0);
  t.op(W.i64_ne, W.br_if, 0);
  t.close();
  body();
  t.get(lock);
  t.i64(0);
  t.atomic(WA.i64_store, 3, LOCKS.at);
}

/** Pushes 1 where the quadword at `host` held `wanted` and holds `stored` now, else 0. With its lock taken. */
function pushExchanged(t: Translator, host: Local, wanted: readonly [Local, Local], stored: readonly [Local, Local]): void {
  const pushExchange = (from: Local, to: Local, offset: 0 | 8): void => {
    t.get(host);
    t.get(from);
    t.get(to);
    t.atomic(WA.i64_cmpxchg, 3, offset);
  };
  t.get(host);
  t.atomic(WA.i64_load, 3, 8);
  t.get(wanted[1]);
  t.op(W.i64_eq);
  t.if(
    T.i32,
    () => {
      pushExchange(wanted[0], stored[0], 0);
      t.get(wanted[0]);
      t.op(W.i64_eq);
      t.if(
        T.i32,
        () => {
          pushExchange(wanted[1], stored[1], 8);
          t.get(wanted[1]);
          t.op(W.i64_eq);
          t.if(
            T.i32,
            () => t.i32(1),
            () => {
              pushExchange(stored[0], wanted[0], 0);
              t.op(W.drop);
              t.i32(0);
            },
          );
        },
        () => t.i32(0),
      );
    },
    () => t.i32(0),
  );
}

/** LDADD and its kin: what is stored is a function of old value and Rs. */
function fetch(t: Translator, op: Atomic, complement: boolean, log2: Log2, i: { Rs: number; Rn: number; Rt: number }): void {
  const host = t.hostForAtomic(xspLocal(t, i.Rn), 1 << log2);
  t.get(host);
  t.x(i.Rs);
  if (complement) {
    t.i64(-1);
    t.op(W.i64_xor);
  }
  rmw(t, op, log2);
  t.setX(i.Rt);
}

const EXTEND = [W.i64_extend8_s, W.i64_extend16_s, W.i64_extend32_s] as const;

/** LDSMAX, LDSMIN, LDUMAX, LDUMIN: compare-and-exchange until nobody came between. */
function fetchExtreme(t: Translator, compare: number, signed: boolean, log2: Log2, i: { Rs: number; Rn: number; Rt: number }): void {
  const host = t.hostForAtomic(xspLocal(t, i.Rn), 1 << log2);
  narrow(t, i.Rs, log2);
  const operand = t.popTemp(T.i64);
  const ordered = (value: Local): void => {
    t.get(value);
    if (signed && log2 !== 3) t.op(EXTEND[log2]!);
  };
  const old = loadAt(t, host, log2, true);
  const expected = t.temp(T.i64);
  t.open(W.loop);
  t.get(host);
  t.get(old);
  t.tee(expected);
  t.get(old);
  t.get(operand);
  ordered(old);
  ordered(operand);
  t.op(compare, W.select);
  rmw(t, 'cmpxchg', log2);
  t.tee(old);
  t.get(expected);
  t.op(W.i64_ne, W.br_if, 0);
  t.close();
  t.get(old);
  t.setX(i.Rt);
}

function compareAndSwap(t: Translator, log2: Log2, i: { Rs: number; Rn: number; Rt: number }): void {
  const host = t.hostForAtomic(xspLocal(t, i.Rn), 1 << log2);
  t.get(host);
  narrow(t, i.Rs, log2);
  narrow(t, i.Rt, log2);
  rmw(t, 'cmpxchg', log2);
  t.setX(i.Rs);
}

function compareAndSwapPair(t: Translator, i: { sz: number; Rs: number; Rn: number; Rt: number }): void {
  const host = t.hostForAtomic(xspLocal(t, i.Rn), i.sz !== 0 ? 16 : 8);
  if (i.sz === 0) {
    t.get(host);
    wordPair(t, i.Rs, i.Rs | 1);
    wordPair(t, i.Rt, i.Rt | 1);
    rmw(t, 'cmpxchg', 3);
    setWordPair(t, i.Rs, i.Rs | 1);
    return;
  }
  const wanted = [xLocal(t, i.Rs), xLocal(t, i.Rs | 1)] as const;
  const stored = [xLocal(t, i.Rt), xLocal(t, i.Rt | 1)] as const;
  const low = t.temp(T.i64);
  const high = t.temp(T.i64);
  const pushLow = (): void => {
    t.get(host);
    t.atomic(WA.i64_load, 3);
  };
  withLock(t, host, () => {
    // Until what was read is a pair that memory held, and is exchanged where it is the one wanted.
    t.open(W.loop);
    pushLow();
    t.set(low);
    t.get(host);
    t.atomic(WA.i64_load, 3, 8);
    t.set(high);
    pushLow();
    t.get(low);
    t.op(W.i64_ne, W.br_if, 0);
    t.get(low);
    t.get(wanted[0]);
    t.op(W.i64_eq);
    t.get(high);
    t.get(wanted[1]);
    t.op(W.i64_eq, W.i32_and);
    t.if(T.void, () => {
      pushExchanged(t, host, wanted, stored);
      t.op(W.i32_eqz, W.br_if, 1);
    });
    t.close();
  });
  t.get(high);
  t.setX(i.Rs | 1);
  t.get(low);
  t.setX(i.Rs);
}

const sizes = [0, 1, 2, 3] as const;
/** The A and R bits of an LSE atomic, as the mnemonic's ending. */
const orders = [
  { ar: '0 0', letters: '' },
  { ar: '0 1', letters: 'L' },
  { ar: '1 0', letters: 'A' },
  { ar: '1 1', letters: 'AL' },
] as const;

const operations: readonly { name: string; bits: string; translate: (t: Translator, log2: Log2, i: { Rs: number; Rn: number; Rt: number }) => void }[] = [
  { name: 'LDADD', bits: '0 000', translate: (t, log2, i) => fetch(t, 'add', false, log2, i) },
  { name: 'LDCLR', bits: '0 001', translate: (t, log2, i) => fetch(t, 'and', true, log2, i) },
  { name: 'LDEOR', bits: '0 010', translate: (t, log2, i) => fetch(t, 'xor', false, log2, i) },
  { name: 'LDSET', bits: '0 011', translate: (t, log2, i) => fetch(t, 'or', false, log2, i) },
  { name: 'LDSMAX', bits: '0 100', translate: (t, log2, i) => fetchExtreme(t, W.i64_gt_s, true, log2, i) },
  { name: 'LDSMIN', bits: '0 101', translate: (t, log2, i) => fetchExtreme(t, W.i64_lt_s, true, log2, i) },
  { name: 'LDUMAX', bits: '0 110', translate: (t, log2, i) => fetchExtreme(t, W.i64_gt_u, false, log2, i) },
  { name: 'LDUMIN', bits: '0 111', translate: (t, log2, i) => fetchExtreme(t, W.i64_lt_u, false, log2, i) },
  { name: 'SWP', bits: '1 000', translate: (t, log2, i) => fetch(t, 'xchg', false, log2, i) },
];

export const atomics: readonly Instruction[] = [
  // Load/store exclusive register, load-acquire/store-release.
  ...sizes.flatMap((log2) => {
    const size = SIZE[log2] as '00';
    const rt = RT[log2];
    const store = (acquire: 0 | 1): Instruction => {
      const name = (acquire === 1 ? 'STLXR' : 'STXR') + SUFFIX[log2];
      return instruction(name, `${size} 001000 0 0 0 Rs ${acquire} (11111) Rn Rt`, `${name} <Ws>, ${rt}, [<Xn|SP>]`, {}, (t, i) => {
        const value = t.temp(T.i64);
        narrow(t, i.Rt, log2);
        t.set(value);
        storeExclusive(t, 1 << log2, i.Rn, i.Rs, (host) => exchangeReserved(t, host, log2, value));
      });
    };
    const load = (acquire: 0 | 1): Instruction => {
      const name = (acquire === 1 ? 'LDAXR' : 'LDXR') + SUFFIX[log2];
      return instruction(name, `${size} 001000 0 1 0 (11111) ${acquire} (11111) Rn Rt`, `${name} ${rt}, [<Xn|SP>]`, {}, (t, i) => loadExclusive(t, log2, acquire === 1, i));
    };
    const bytes = (1 << log2) as 1 | 2 | 4 | 8;
    const release = (o0: 0 | 1): Instruction => {
      const name = (o0 === 1 ? 'STLR' : 'STLLR') + SUFFIX[log2];
      return instruction(name, `${size} 001000 1 0 0 (11111) ${o0} (11111) Rn Rt`, `${name} ${rt}, [<Xn|SP>]`, o0 === 1 ? {} : { feature: 'FEAT_LOR' }, (t, i) =>
        t.write(xspLocal(t, i.Rn), bytes, xLocal(t, i.Rt), { ordered: true }),
      );
    };
    const acquire = (o0: 0 | 1): Instruction => {
      const name = (o0 === 1 ? 'LDAR' : 'LDLAR') + SUFFIX[log2];
      return instruction(name, `${size} 001000 1 1 0 (11111) ${o0} (11111) Rn Rt`, `${name} ${rt}, [<Xn|SP>]`, o0 === 1 ? {} : { feature: 'FEAT_LOR' }, (t, i) => {
        t.read(xspLocal(t, i.Rn), bytes, { ordered: true });
        t.setX(i.Rt);
      });
    };
    const name = `LDAPR${SUFFIX[log2]}`;
    return [
      store(0), store(1), load(0), load(1), release(0), release(1), acquire(0), acquire(1),
      instruction(name, `${size} 111 0 00 1 0 1 (11111) 1 100 00 Rn Rt`, `${name} ${rt}, [<Xn|SP>]`, { feature: 'FEAT_LRCPC' }, (t, i) => {
        t.read(xspLocal(t, i.Rn), bytes, { ordered: true });
        t.setX(i.Rt);
      }),
    ];
  }),

  // Load/store exclusive pair.
  ...([0, 1] as const).flatMap((acquire) => [
    instruction(acquire === 1 ? 'STLXP' : 'STXP', `1 sz 001000 0 0 1 Rs ${acquire} Rt2 Rn Rt`, `${acquire === 1 ? 'STLXP' : 'STXP'} <Ws>, <R><t1>, <R><t2>, [<Xn|SP>]`, {}, storeExclusivePair),
    instruction(acquire === 1 ? 'LDAXP' : 'LDXP', `1 sz 001000 0 1 1 (11111) ${acquire} Rt2 Rn Rt`, `${acquire === 1 ? 'LDAXP' : 'LDXP'} <R><t1>, <R><t2>, [<Xn|SP>]`, {}, (t, i) => loadExclusivePair(t, acquire === 1, i)),
  ]),

  // FEAT_LSE: compare and swap.
  ...([0, 1] as const).flatMap((L) =>
    ([0, 1] as const).flatMap((o0) => {
      const order = (L === 1 ? 'A' : '') + (o0 === 1 ? 'L' : '');
      return [
        ...sizes.map((log2) => {
          const name = `CAS${order}${SUFFIX[log2]}`;
          return instruction(name, `${SIZE[log2] as '00'} 001000 1 ${L} 1 Rs ${o0} 11111 Rn Rt`, `${name} ${RT[log2].replace('t', 's')}, ${RT[log2]}, [<Xn|SP>{, #0}]`, { feature: 'FEAT_LSE' }, (t, i) => compareAndSwap(t, log2, i));
        }),
        instruction(
          `CASP${order}`,
          `0 sz 001000 0 ${L} 1 Rs ${o0} 11111 Rn Rt`,
          `CASP${order} <R><s>, <R><s+1>, <R><t>, <R><t+1>, [<Xn|SP>{, #0}]`,
          { feature: 'FEAT_LSE', when: (i) => (i.Rs & 1) === 0 && (i.Rt & 1) === 0 },
          compareAndSwapPair,
        ),
      ];
    }),
  ),

  // FEAT_LSE: atomic memory operations.
  ...operations.flatMap((o) =>
    orders.flatMap((order) =>
      sizes.map((log2) => {
        const name = `${o.name}${order.letters}${SUFFIX[log2]}`;
        return instruction(name, `${SIZE[log2] as '00'} 111 0 00 ${order.ar as '0 0'} 1 Rs ${o.bits as '0 000'} 00 Rn Rt`, `${name} ${RT[log2].replace('t', 's')}, ${RT[log2]}, [<Xn|SP>]`, { feature: 'FEAT_LSE' }, (t, i) => o.translate(t, log2, i));
      }),
    ),
  ),

  instruction('CLREX', '1101010100 0 00 011 0011 CRm 010 11111', 'CLREX {#<imm>}', {}, (t) => clearMonitor(t)),
];
