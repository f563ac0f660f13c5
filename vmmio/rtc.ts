import type { IrqLine } from '../arch/bus.ts';
import { Pl031 } from '../arch/primecell/pl031.ts';
import type { Window } from '../kernel/abi/service.ts';

/** RTCDR of the physical PL031 (DDI 0224): seconds since 1970. */
const DR = 0x00;

/** A virtual PL031 that takes its time from a physical one. `alarm` is told in how many seconds to call `tick()`. */
export function virtualRtc(clock: Window, irq: IrqLine, alarm: (seconds: number | undefined) => void): Pl031 {
  return new Pl031({ irq, clock: () => clock.read32(DR), alarm });
}
