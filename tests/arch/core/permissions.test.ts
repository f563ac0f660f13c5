import { describe, expect, test } from 'vitest';
import {
  ACCESS,
  missingPermission,
  PERMISSION,
  stage1Permissions,
  stage1PermissionsSingle,
  stage2Permissions,
} from '../../../arch/core/permissions.ts';

const { R, W, X, USER } = PERMISSION;
const flags = [false, true] as const;

/** DDI 0487, tables of D8.4.1.2: what AP[2:1] gives EL1 and EL0, and what APTable takes away. */
const AP = [
  ['rw', ''],
  ['rw', 'rw'],
  ['r', ''],
  ['r', 'r'],
] as const;
const AP_TABLE: readonly ((pair: readonly [string, string]) => [string, string])[] = [
  ([el1, el0]) => [el1, el0],
  ([el1]) => [el1, ''],
  ([el1, el0]) => [el1.replace('w', ''), el0.replace('w', '')],
  ([el1]) => [el1.replace('w', ''), ''],
];

function letters(mask: number): string {
  return (mask & R ? 'r' : '') + (mask & W ? 'w' : '') + (mask & X ? 'x' : '');
}

describe('stage 1 with EL0', () => {
  for (const ap of [0, 1, 2, 3]) {
    for (const table of [0, 1, 2, 3]) {
      test(`AP ${ap}, APTable ${table}: reads, writes and execution as in the manual's tables`, () => {
        const [el1, el0] = AP_TABLE[table]!(AP[ap]!);
        for (const pxn of flags) {
          for (const uxn of flags) {
            for (const wxn of flags) {
              const el1X = !pxn && !el0.includes('w') && !(wxn && el1.includes('w'));
              const el0X = !uxn && !(wxn && el0.includes('w'));
              const at = (privileged: boolean, pan: boolean) =>
                stage1Permissions(ap, table, pxn, uxn, privileged, pan, wxn);
              expect(letters(at(true, false))).toBe(el1 + (el1X ? 'x' : ''));
              expect(letters(at(false, false))).toBe(el0 + (el0X ? 'x' : ''));
              // PAN takes data from EL1 where EL0 has data; it never concerns EL0, nor execution.
              expect(letters(at(true, true))).toBe((el0 === '' ? el1 : '') + (el1X ? 'x' : ''));
              expect(at(false, true)).toBe(at(false, false));
              for (const mask of [at(true, false), at(false, false), at(true, true)]) {
                expect((mask & USER) !== 0).toBe(el0 !== '');
              }
            }
          }
        }
      });
    }
  }
});

test('stage 1 of EL2 alone knows AP[2], APTable[1], XN and WXN, and nothing of EL0', () => {
  for (const ap of [0, 1, 2, 3]) {
    for (const table of [0, 1, 2, 3]) {
      const writable = ap < 2 && table < 2;
      const data = writable ? 'rw' : 'r';
      expect(letters(stage1PermissionsSingle(ap, table, false, false))).toBe(`${data}x`);
      expect(letters(stage1PermissionsSingle(ap, table, true, false))).toBe(data);
      expect(letters(stage1PermissionsSingle(ap, table, false, true))).toBe(writable ? 'rw' : 'rx');
      expect(stage1PermissionsSingle(ap, table, false, false) & USER).toBe(0);
    }
  }
});

test('stage 2 gives S2AP for data and XN[1:0] for execution by EL', () => {
  const data = ['', 'r', 'w', 'rw'];
  const execution = { el1: ['x', '', '', 'x'], el0: ['x', 'x', '', ''] };
  for (const s2ap of [0, 1, 2, 3]) {
    for (const xn of [0, 1, 2, 3]) {
      expect(letters(stage2Permissions(s2ap, xn, true))).toBe(data[s2ap]! + execution.el1[xn]!);
      expect(letters(stage2Permissions(s2ap, xn, false))).toBe(data[s2ap]! + execution.el0[xn]!);
    }
  }
});

describe('what an access misses', () => {
  const { READ, WRITE, FETCH, ATOMIC, MAINTENANCE } = ACCESS;
  test('reads, writes and fetches need their own permission', () => {
    for (let mask = 0; mask < 8; mask++) {
      for (const privileged of flags) {
        expect(missingPermission(mask, READ, privileged)).toBe(mask & R ? 0 : R);
        expect(missingPermission(mask, WRITE, privileged)).toBe(mask & W ? 0 : W);
        expect(missingPermission(mask, FETCH, privileged)).toBe(mask & X ? 0 : X);
      }
    }
  });
  test('an atomic access needs both, and lacks the read first', () => {
    expect(missingPermission(R | W, WRITE | ATOMIC, true)).toBe(0);
    expect(missingPermission(W, WRITE | ATOMIC, true)).toBe(R);
    expect(missingPermission(R, WRITE | ATOMIC, true)).toBe(W);
    expect(missingPermission(0, WRITE | ATOMIC, true)).toBe(R);
  });
  test('cache maintenance needs a read permission at EL0 only, DC IVAC a write permission', () => {
    expect(missingPermission(0, READ | MAINTENANCE, true)).toBe(0);
    expect(missingPermission(0, READ | MAINTENANCE, false)).toBe(R);
    expect(missingPermission(R, WRITE | MAINTENANCE, true)).toBe(W);
  });
});
