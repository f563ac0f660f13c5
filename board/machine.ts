import type { IrqLine, MmioDevice, Ram, SystemCounter } from '../arch/bus.ts';
import type { DeviceTree, DeviceTreeNode } from '../arch/devicetree/tree.ts';
import { cells, cells64, concat } from '../arch/devicetree/tree.ts';
import { Distributor } from '../arch/gic/distributor.ts';
import { InterruptController, affinityOf } from '../arch/gic/interrupts.ts';
import { Redistributors } from '../arch/gic/redistributor.ts';
import { Pl011 } from '../arch/primecell/pl011.ts';
import { Pl031 } from '../arch/primecell/pl031.ts';
import { Pl061 } from '../arch/primecell/pl061.ts';
import { BoardError, Bus } from './bus.ts';
import { createRam } from './memory.ts';

/** SPIs of the board's GIC, as on QEMU's virt machine. */
const SPIS = 256;

/** Makes a device for a node; `irq(n)` is the wire of its n-th interrupt. */
export type DeviceFactory = (node: DeviceTreeNode, irq: (index: number) => IrqLine, board: Board) => MmioDevice;

export interface BoardOptions {
  /** The board's tree; it is changed to say what was built. */
  tree: DeviceTree;
  /** Cores, 1 or more. */
  cpus: number;
  /** RAM in bytes, a multiple of 64 KiB. */
  memory: number;
  /** Bytes kept for the cores' state before RAM in the WebAssembly memory. */
  reserved: number;
  counter: SystemCounter;
  /** Seconds since 1970 now, for the real time clock. */
  wallClock: () => number;
  /** Takes a byte that the console UART sends; false: not now, see Pl011.transmitReady. */
  transmit?: (byte: number) => boolean | void;
  /** The console UART may take input again. */
  room?: () => void;
  /** The same for the UART `serial1`, which the machine has only then. */
  second?: { transmit: (byte: number) => boolean | void; room: () => void } | undefined;
  /** Devices by `compatible`, besides the board's own. */
  devices?: Readonly<Record<string, DeviceFactory>>;
}

/** INTIDs of the generic timers; undefined where the tree has none. */
export interface TimerIntids {
  secure: number | undefined;
  physical: number | undefined;
  virtual: number | undefined;
  hypervisor: number | undefined;
  hypervisorVirtual: number | undefined;
}

/** A machine without its cores: memory, bus and devices as the device tree says. */
export class Board {
  readonly tree: DeviceTree;
  readonly cpus: number;
  readonly ram: Ram;
  readonly bus: Bus;
  readonly counter: SystemCounter;
  readonly gic: InterruptController;
  readonly timers: TimerIntids;
  /** INTID of the GIC's maintenance interrupt. */
  readonly maintenanceIntid: number;
  /** The UART that `stdout-path` names, else the first. */
  readonly console: Pl011 | undefined;
  /** `serial1`. */
  readonly second: Pl011 | undefined;
  #alarm: ReturnType<typeof setTimeout> | undefined;
  readonly #options: BoardOptions;

  /** @throws BoardError or DeviceTreeError when the tree describes no machine that can be built. */
  constructor(options: BoardOptions) {
    this.#options = options;
    const { tree, cpus, memory, reserved, counter } = options;
    this.tree = tree;
    this.cpus = cpus;
    this.counter = counter;
    const gic = this.#only('arm,gic-v3');
    const [distributor] = gic.physicalReg();
    const regions = redistributorRegions(gic);
    if (distributor === undefined || distributor.size < Distributor.SIZE || regions.length === 0)
      throw gic.error('reg must give the distributor and the redistributors');
    setCpus(tree, cpus);
    const { node, base } = findMemory(tree);
    this.ram = createRam(base, memory, reserved);
    setSize(node, base, memory);
    this.bus = new Bus(this.ram);
    this.gic = new InterruptController({ cpus, spis: SPIS });
    this.bus.add(gic.path, distributor.address, distributor.size, new Distributor(this.gic));
    let first = 0;
    for (const { address, size } of regions) {
      const count = Math.min(Math.floor(size / Redistributors.STRIDE), cpus - first);
      if (count > 0) this.bus.add(gic.path, address, size, new Redistributors(this.gic, first, count));
      first += count;
    }
    this.maintenanceIntid = this.#intids(gic)[0] ?? 25;
    this.timers = this.#timers();
    const second = options.second && tree.find('serial1');
    second?.delete('status');
    const uarts = this.#devices(second);
    this.console = (uarts.find(({ node }) => node === this.#stdout()) ?? uarts[0])?.uart;
    this.second = uarts.find(({ node }) => node === second)?.uart;
  }

  /** Stops what waits for host time. */
  close(): void {
    clearTimeout(this.#alarm);
  }

  #only(compatible: string): DeviceTreeNode {
    const [node, ...others] = this.tree.compatible(compatible).filter((found) => found.enabled);
    if (node === undefined) throw new BoardError(`the device tree has no ${compatible}`);
    if (others.length > 0) throw new BoardError(`the device tree has more than one ${compatible}`);
    return node;
  }

  /** INTIDs of a node's interrupts (the arm,gic-v3 binding: type, number, flags). */
  #intids(node: DeviceTreeNode): number[] {
    return this.tree.interrupts(node).map(({ controller, specifier }) => {
      const [type, number] = specifier;
      if (!controller.isCompatible('arm,gic-v3') || type === undefined || number === undefined)
        throw node.error(`its interrupts do not go to the GIC`);
      if (type === 0 && number < SPIS) return 32 + number;
      if (type === 1 && number < 16) return 16 + number;
      throw node.error(`the GIC has no interrupt <${specifier.join(' ')}>`);
    });
  }

  #timers(): TimerIntids {
    const [node] = this.tree.compatible('arm,armv8-timer').filter((found) => found.enabled);
    const [secure, physical, virtual, hypervisor, hypervisorVirtual] = node ? this.#intids(node) : [];
    return { secure, physical, virtual, hypervisor, hypervisorVirtual };
  }

  #stdout(): DeviceTreeNode | undefined {
    return this.tree.find(this.tree.find('/chosen')?.string('stdout-path') ?? '/');
  }

  /** Puts the devices on the bus. @returns the UARTs */
  #devices(second: DeviceTreeNode | undefined): { node: DeviceTreeNode; uart: Pl011 }[] {
    const { wallClock, devices = {} } = this.#options;
    const stdout = this.#stdout();
    const uarts: { node: DeviceTreeNode; uart: Pl011 }[] = [];
    const isConsole = (node: DeviceTreeNode): boolean =>
      stdout?.isCompatible('arm,pl011') ? node === stdout : uarts.length === 0;
    const factories: Record<string, DeviceFactory> = {
      'arm,pl011': (node, irq) => {
        const line = isConsole(node) ? this.#options : node === second ? this.#options.second : undefined;
        const { transmit = (): void => {}, room } = line ?? {};
        const uart = new Pl011({ irq: irq(0), transmit, ...(room && { room }) });
        uarts.push({ node, uart });
        return uart;
      },
      'arm,pl031': (_node, irq) => {
        const rtc: Pl031 = new Pl031({
          irq: irq(0),
          clock: wallClock,
          alarm: (seconds) => {
            clearTimeout(this.#alarm);
            if (seconds === undefined) return;
            // Timers of the host reach 24 days; the model says again when it was woken early.
            this.#alarm = setTimeout(() => rtc.tick(), Math.min(seconds * 1000, 2 ** 31 - 1));
            if (typeof this.#alarm === 'object') this.#alarm.unref();
          },
        });
        return rtc;
      },
      'arm,pl061': (_node, irq) => new Pl061({ irq: irq(0) }),
      ...devices,
    };
    for (const node of this.tree.nodes()) {
      const kind = node.enabled ? node.compatible.find((name) => Object.hasOwn(factories, name)) : undefined;
      if (kind === undefined) continue;
      const [reg] = node.physicalReg();
      if (reg === undefined) throw node.error('it has no reg');
      const intids = this.#intids(node);
      const irq = (index: number): IrqLine => {
        const intid = intids[index];
        return intid === undefined ? () => {} : (level) => this.gic.setLine(intid, level);
      };
      this.bus.add(node.path, reg.address, reg.size, factories[kind]!(node, irq, this));
    }
    return uarts;
  }
}

/**
 * Makes a board's tree say how many cores there are: copies of the first `cpu` node, numbered by their affinities.
 * @throws BoardError when the board's GIC has no room for so many
 */
export function setCpus(tree: DeviceTree, count: number): void {
  const most = tree
    .compatible('arm,gic-v3')
    .filter((found) => found.enabled)
    .flatMap((gic) => redistributorRegions(gic))
    .reduce((sum, { size }) => sum + Math.floor(size / Redistributors.STRIDE), 0);
  if (!Number.isInteger(count) || count < 1) throw new BoardError('a machine has 1 core at least');
  if (count > most) throw new BoardError(`the board has room for ${most} cores, not for ${count}`);
  const parent = tree.find('/cpus');
  const present = [...(parent?.children.values() ?? [])].filter((node) => node.string('device_type') === 'cpu');
  const [model] = present;
  if (parent === undefined || model === undefined) throw new BoardError('the device tree has no cpu');
  const properties = [...model.properties];
  for (const node of present) parent.removeChild(node.name);
  for (let cpu = 0; cpu < count; cpu++) {
    const affinity = affinityOf(cpu);
    const node = parent.child(`cpu@${affinity.toString(16)}`);
    for (const [name, value] of properties) if (cpu === 0 || !name.endsWith('phandle')) node.set(name, value);
    node.set('reg', parent.addressCells === 2 ? cells64(affinity) : cells(affinity));
  }
}

/** The arm,gic-v3 binding: `reg` gives the distributor, then the redistributors' regions, then what is of no use here. */
function redistributorRegions(gic: DeviceTreeNode): { address: number; size: number }[] {
  return gic.physicalReg().slice(1, 1 + (gic.u32('#redistributor-regions') ?? 1));
}

/** The tree's memory node and the address that RAM starts at. */
function findMemory(tree: DeviceTree): { node: DeviceTreeNode; base: number } {
  const nodes = [...tree.nodes()].filter((node) => node.string('device_type') === 'memory' && node.enabled);
  const [node, ...others] = nodes;
  const [reg, ...more] = node?.physicalReg() ?? [];
  if (node === undefined || reg === undefined) throw new BoardError('the device tree has no memory');
  if (others.length > 0 || more.length > 0) throw new BoardError('the device tree has memory in more than one place');
  if (reg.address % 0x10000 !== 0) throw node.error('memory must start at a multiple of 64 KiB');
  return { node, base: reg.address };
}

function setSize(memory: DeviceTreeNode, base: number, size: number): void {
  const value = (count: number, number: number): Uint8Array => (count === 2 ? cells64(number) : cells(number));
  const { addressCells, sizeCells } = memory.parent!;
  memory.set('reg', concat(value(addressCells, base), value(sizeCells, size)));
}
