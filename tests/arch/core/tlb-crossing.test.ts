/** Accesses that reach from one page into the next. */
import { expect, test } from 'vitest';
import { F } from '../../../arch/core/frame.ts';
import { SR } from '../../../arch/core/sysreg.ts';
import { Machine, PAGES_AT } from './paged-machine.ts';

const CROSS = (access: string): string => `
  mov x0, #${PAGES_AT}
  add x0, x0, #0xffc
  mov x2, #1000
1:
  ${access}
  subs x2, x2, #1
  b.ne 1b
  hlt #0`;

const machine = (optimized: boolean): Machine => {
  const made = new Machine();
  if (optimized) made.core.code.eager = () => true;
  made.set(SR.CPACR_EL1, 3n << 20n);
  return made;
};

test.each(['ldr x3, [x0]', 'str x3, [x0]', 'ldr q0, [x0]', 'stp x3, x4, [x0]'])(
  'are not translated again while the TLB has both pages: %s',
  (access) => {
    for (const optimized of [false, true]) {
      const made = machine(optimized);
      made.run(CROSS(access));
      expect(made.core.stats.tlbMisses).toBeLessThan(6);
    }
  },
);

test.each([false, true])('read and write the pages where they are (optimized: %s)', (optimized) => {
  const made = machine(optimized);
  made.write(made.pageOf(0) + 0xff8, 0x1111_1111_0000_0000n);
  made.write(made.pageOf(1), 0x0000_0000_2222_2222n);
  made.run(CROSS('ldr x3, [x0]\n add x3, x3, #1\n str x3, [x0]'));
  expect(made.get(F.X + 24)).toBe(0x2222_2222_1111_1111n + 1000n);
});

test.each([
  ['ldr x3, [x0]', 'not valid', 0n],
  ['str x3, [x0]', 'read-only', 0x787n],
])('%s faults on the second page, which is %s', (access, _, attributes) => {
  for (const optimized of [false, true]) {
    const made = machine(optimized);
    made.map(1, made.pageOf(1), attributes);
    // What there is of them is in the TLB.
    const second = attributes === 0n ? '' : 'ldr x3, [x0, #0x1000]';
    made.run(`mov x0, #${PAGES_AT}\n str x3, [x0]\n ${second}\n ${CROSS(access)}`);
    expect(made.get(SR.FAR_EL1)).toBe(BigInt(PAGES_AT + 0x1000));
  }
});
