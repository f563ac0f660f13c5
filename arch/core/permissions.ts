/**
 * Access permissions of the two translation stages (DDI 0487, D8.4) as bit masks, and the check of an access
 * against them.
 */

/** What an access does; the low two bits are one of READ, WRITE and FETCH, the others are flags. */
export const ACCESS = {
  READ: 0,
  WRITE: 1,
  FETCH: 2,
  /** Reads and writes in one (LSE atomics, CAS, SWP); goes with WRITE. */
  ATOMIC: 4,
  /** LDTR and STTR. */
  UNPRIV: 8,
  /** DC and IC by address: with READ for all of them but DC IVAC, which is a WRITE. DC ZVA is an ordinary WRITE. */
  MAINTENANCE: 16,
  /** AT: no dirty state is set, PSTATE.PAN does not apply. */
  AT: 32,
  /** AT S1E1RP and AT S1E1WP, together with AT: PSTATE.PAN applies. */
  AT_PAN: 64,
  /** AT S1E*: only stage 1; the result is an intermediate physical address. */
  STAGE1: 128,
  /** Not aligned to its elements, or DC ZVA: an Alignment fault on Device memory. */
  UNALIGNED: 256,
} as const;

export const PERMISSION = {
  R: 1,
  W: 2,
  X: 4,
  /** EL0 may read or write here, whoever is asking (what PSTATE.PAN looks at). */
  USER: 8,
} as const;

/**
 * Stage-1 permissions in a regime with EL0 (EL1&0, EL2&0).
 *
 * @param ap AP[2:1] of the leaf; AP[2] = 0 where hardware may set the dirty state
 * @param table APTable[1:0], gathered over the walk
 * @param pxn privileged execute-never, leaf or table
 * @param uxn unprivileged execute-never, leaf or table
 * @returns PERMISSION bits for a privileged or an unprivileged access
 */
export function stage1Permissions(
  ap: number,
  table: number,
  pxn: boolean,
  uxn: boolean,
  privileged: boolean,
  pan: boolean,
  wxn: boolean,
): number {
  const user = (ap & 1) !== 0 && (table & 1) === 0;
  const write = (ap & 2) === 0 && (table & 2) === 0;
  let permissions: number;
  if (privileged) {
    permissions = user && pan ? 0 : write ? PERMISSION.R | PERMISSION.W : PERMISSION.R;
    // What EL0 may write is never executed with privileges.
    if (!pxn && !(user && write) && !(wxn && write)) permissions |= PERMISSION.X;
  } else {
    permissions = user ? (write ? PERMISSION.R | PERMISSION.W : PERMISSION.R) : 0;
    if (!uxn && !(wxn && user && write)) permissions |= PERMISSION.X;
  }
  return user ? permissions | PERMISSION.USER : permissions;
}

/** Stage-1 permissions in a regime of one exception level (EL2 with HCR_EL2.E2H = 0): AP[2], APTable[1] and XN. */
export function stage1PermissionsSingle(ap: number, table: number, xn: boolean, wxn: boolean): number {
  const write = ((ap | table) & 2) === 0;
  const permissions = write ? PERMISSION.R | PERMISSION.W : PERMISSION.R;
  return xn || (wxn && write) ? permissions : permissions | PERMISSION.X;
}

/**
 * Stage-2 permissions.
 *
 * @param s2ap S2AP[1:0]
 * @param xn XN[1:0], descriptor bits 54:53 (FEAT_XNX)
 */
export function stage2Permissions(s2ap: number, xn: number, privileged: boolean): number {
  const execute = xn === 0 || xn === (privileged ? 3 : 1);
  return execute ? s2ap | PERMISSION.X : s2ap;
}

/** @returns the permission that `access` misses (a PERMISSION bit), 0 where it is allowed. */
export function missingPermission(permissions: number, access: number, privileged: boolean): number {
  if (access & ACCESS.FETCH) return ~permissions & PERMISSION.X;
  if (access & ACCESS.WRITE) {
    if (access & ACCESS.ATOMIC && !(permissions & PERMISSION.R)) return PERMISSION.R;
    return ~permissions & PERMISSION.W;
  }
  // Privileged cache maintenance other than DC IVAC has no permission faults.
  if (access & ACCESS.MAINTENANCE && privileged) return 0;
  return ~permissions & PERMISSION.R;
}
