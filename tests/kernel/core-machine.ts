/** The kernel on a real core and board, for tests with AArch64 programs. Time is the count of retired instructions. */
import { assembleProgram } from '../../arch/a64/assemble.ts';
import { Core, CORE_BYTES } from '../../arch/core/core.ts';
import { CpuInterface } from '../../arch/gic/cpu-interface.ts';
import { boardTree } from '../../board/host/boards.ts';
import { Board } from '../../board/machine.ts';
import type { ServiceProgram, Window } from '../../kernel/abi/index.ts';
import { Kernel } from '../../kernel/kernel.ts';

const AREA = 0x10000;
export const FREQUENCY = 62_500_000;

export interface Machine {
  kernel: Kernel;
  core: Core;
  board: Board;
  /** Runs until the root program has ended, or for so many instructions; throws what a program threw. */
  run(instructions?: number): void;
}

/** A board with 32 MiB and a kernel whose programs are `services`. */
export function machine(services: ServiceProgram[]): Machine {
  let idle = 0;
  const cores: Core[] = [];
  const counter = { frequency: FREQUENCY, now: (): number => (cores[0]?.retired ?? 0) + idle };
  const board = new Board({
    tree: boardTree(),
    cpus: 1,
    memory: 32 << 20,
    reserved: AREA + CORE_BYTES,
    counter,
    wallClock: () => 0,
    transmit: () => true,
  });
  const core = new Core({
    bus: board.bus,
    index: 0,
    counter,
    area: AREA,
    hostedEl2: true,
    gic: new CpuInterface(board.gic, 0),
  });
  cores.push(core);
  board.gic.onChange = () => core.interruptsChanged();
  const { ram } = board;
  const errors: unknown[] = [];
  let ended = false;
  const kernel = new Kernel(core, {
    freeRanges: [{ address: ram.base, size: ram.size }],
    deviceRanges: [{ address: 0x0900_0000, size: 0x1000 }],
    irqs: 288,
    gic: { distributor: 0x0800_0000, redistributor: 0x080a_0000 },
    services: [
      function* (env) {
        yield* services[0]!(env);
        ended = true;
      },
      ...services.slice(1),
    ],
    hooks: { onServiceError: (_thread, error) => errors.push(error) },
  });
  return {
    kernel,
    core,
    board,
    run(instructions = 50_000_000) {
      while (!ended && errors.length === 0 && counter.now() < instructions) {
        const result = kernel.run(1_000_000);
        if (result === 'halted') break;
        if (result === 'idle') {
          const due = kernel.nextDeadline;
          if (due === Infinity) break;
          idle += Math.max(0, due - counter.now());
        }
      }
      board.close();
      if (errors.length > 0) throw errors[0];
      if (!ended) throw new Error('the root program did not come to its end');
    },
  };
}

/** Writes an assembled program to the begin of a window. */
export function writeProgram(window: Window, source: string, at: number): void {
  assembleProgram(source, at).forEach((word, i) => window.write32(4 * i, word));
}
