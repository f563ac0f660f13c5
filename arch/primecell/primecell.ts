/** PrimeCell identification registers at 0xfe0 – 0xffc of a 4 KiB page: PeriphID0–3 as given, PCellID. */
export function primecellId(offset: number, periphId: readonly [number, number, number, number]): number {
  const cell = [0x0d, 0xf0, 0x05, 0xb1];
  const index = (offset - 0xfe0) >> 2;
  return (index < 4 ? periphId[index] : cell[index - 4]) ?? 0;
}

export const PRIMECELL_ID = 0xfe0;
