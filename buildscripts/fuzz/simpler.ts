import { decode } from '../../arch/a64/decode.ts';
import type { Item, Program } from './program.ts';
import { shorter } from './shrink.ts';

const NOP = 0xd503201f;

const replaced = (program: Program, n: number, item: Item): Program => {
  const old = program.items[n]!;
  // Branches to the old item go to the new one.
  const items = program.items.map((other, m) => {
    if (m === n) return item;
    if ((other.kind === 'branch' || other.kind === 'indirect' || other.kind === 'patch') && other.target === old)
      return { ...other, target: item };
    if (other.kind === 'patch' && other.to === old && old !== undefined) return { ...other, to: item };
    if (other.kind === 'loop' && other.head === old) return { ...other, head: item };
    return other;
  });
  return { ...program, items };
};

/** Programs that are a little simpler than one. */
export function simpler(program: Program): Program[] {
  const out = shorter(program);
  program.items.forEach((item, at) => {
    if (item.kind === 'branch') {
      if (item.target !== undefined) out.push(replaced(program, at, { ...item, target: undefined }));
    } else if (item.kind === 'head' && item.count > 0)
      out.push(replaced(program, at, { ...item, count: item.count - 1 }));
    else if (item.kind === 'word' && item.word !== NOP) {
      // A field of immediates at zero.
      for (const f of decode(item.word)?.row.fields ?? []) {
        if (!f.name.startsWith('imm')) continue;
        const word = (item.word & ~((2 ** f.width - 1) << f.lsb)) >>> 0;
        if (word !== item.word && decode(word)?.row === decode(item.word)?.row)
          out.push(replaced(program, at, { ...item, word }));
      }
    }
  });
  if (program.start !== 0) out.push({ ...program, start: 0 });
  const { state } = program;
  if (state.interrupts) out.push({ ...program, state: { ...state, interrupts: false } });
  if (state.level !== 0) out.push({ ...program, state: { ...state, level: 0 } });
  state.x.forEach((value, r) => {
    if (value === 0n || r >= 19) return;
    const x = state.x.slice();
    x[r] = 0n;
    out.push({ ...program, state: { ...state, x } });
  });
  if (state.v.some((value) => value !== 0n)) {
    out.push({ ...program, state: { ...state, v: new BigUint64Array(64) } });
    for (let r = 0; r < 32; r++) {
      if (state.v[2 * r] === 0n && state.v[2 * r + 1] === 0n) continue;
      const v = state.v.slice();
      v[2 * r] = v[2 * r + 1] = 0n;
      out.push({ ...program, state: { ...state, v } });
    }
  }
  for (const name of ['nzcv', 'fpcr', 'fpsr'] as const)
    if (state[name] !== 0) out.push({ ...program, state: { ...state, [name]: 0 } });
  return out;
}
