import { Core, CORE_BYTES } from '../../../../arch/core/core.ts';
import { CpuInterface } from '../../../../arch/gic/cpu-interface.ts';
import { boardTree } from '../../../../board/host/boards.ts';
import { Board } from '../../../../board/machine.ts';

/** A flat program and the lines that it is to print: QEMU's, or its own where QEMU is no judge. */
export interface Program {
  /** Base64. */
  image: string;
  lines: string[];
  /** What QEMU 7.2 printed where it is known to differ. */
  qemu?: string[];
}

export const LOAD_ADDRESS = 0x4020_0000;

const AREA = 0x10000;
const PSCI_SYSTEM_OFF = 0x8400_0008;

/**
 * Runs a program from EL2 on a board with one core until it turns the machine off. Time is the count of instructions.
 * @param optimized whether all code is optimized when it is first reached
 * @returns the lines that it printed
 */
export function runProgram(image: string, optimized = false, instructions = 50_000_000): string[] {
  let output = '';
  let off = false;
  const cores: Core[] = [];
  const counter = { frequency: 62_500_000, now: (): number => cores[0]?.retired ?? 0 };
  const board = new Board({
    tree: boardTree(),
    cpus: 1,
    memory: 16 << 20,
    reserved: AREA + CORE_BYTES,
    counter,
    wallClock: () => 0,
    transmit(byte) {
      output += String.fromCharCode(byte);
      return true;
    },
  });
  const core = new Core({
    bus: board.bus,
    index: 0,
    counter,
    area: AREA,
    hostedEl2: false,
    gic: new CpuInterface(board.gic, 0),
    firmware(self, conduit) {
      if (conduit === 'hvc') return false;
      if (self.i32[self.frame >> 2]! >>> 0 === PSCI_SYSTEM_OFF) {
        off = true;
        self.stop();
      }
      return true;
    },
  });
  cores.push(core);
  const { ram } = board;
  board.gic.onChange = () => core.interruptsChanged();
  core.u8.set(Buffer.from(image, 'base64'), LOAD_ADDRESS - ram.base + ram.host);
  if (optimized) core.code.eager = () => true;
  core.resetFrame(core.ownFrame, 2);
  core.pc = BigInt(LOAD_ADDRESS);
  while (!off && core.retired < instructions) {
    const reason = core.run(1_000_000);
    if (reason === 'wfi' && core.timerDue === Infinity) break;
  }
  board.close();
  return output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}
