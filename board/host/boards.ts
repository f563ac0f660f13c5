import { readFileSync } from 'node:fs';
import { compileDts } from '../../arch/devicetree/dts.ts';
import type { DeviceTree } from '../../arch/devicetree/tree.ts';
import { BoardError } from '../bus.ts';

/** The device tree of a board, compiled from `board/<name>/<name>.dts`. */
export function boardTree(name = 'virt'): DeviceTree {
  if (!/^[a-z0-9-]+$/.test(name)) throw new BoardError(`"${name}" is not the name of a board`);
  const file = new URL(`../${name}/${name}.dts`, import.meta.url);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch {
    throw new BoardError(`there is no board "${name}"`);
  }
  return compileDts(source, { file: `${name}.dts` });
}
