import { ICH } from '../gic/ich.ts';
import { F, sysregKey } from './frame.ts';
import { TABLE, type Row, type StoredSysreg } from './sysreg-table.ts';

function allocate(): Record<StoredSysreg, number> {
  const slots: Partial<Record<string, number>> = {};
  let next: number = F.SYSREG;
  for (const [name, row] of Object.entries<Row>(TABLE)) {
    if (row.computed || row.value !== undefined) continue;
    slots[name] = next;
    next += 8;
  }
  if (next > ICH.BASE) throw new Error('the frame has no room for its system registers');
  return slots as Record<StoredSysreg, number>;
}

/** Byte offsets from the frame of the system registers that it keeps: `core.i32[(core.frame + SR.SCTLR_EL1) >>> 2]`. */
export const SR: Readonly<Record<StoredSysreg, number>> = allocate();

/** The key of `op0 op1 CRn CRm op2`. */
export function parseKey(at: string): number {
  const fields = at.split(' ').map(Number);
  const [op0, op1, crn, crm, op2] = fields;
  if (
    fields.length !== 5 ||
    op0 === undefined ||
    op1 === undefined ||
    crn === undefined ||
    crm === undefined ||
    op2 === undefined
  ) {
    throw new Error(`"${at}" is not op0 op1 CRn CRm op2`);
  }
  return sysregKey(op0, op1, crn, crm, op2);
}
