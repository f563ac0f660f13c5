/**
 * The device tree that a guest is given: that of QEMU's `virt` machine with gic-version=3, as far as the virtual machine has
 * what is in it, or the user's own, with what QEMU patches into one.
 */
import {
  DeviceTree,
  DeviceTreeError,
  cells,
  cells64,
  concat,
  strings,
  type DeviceTreeNode,
} from '../arch/devicetree/tree.ts';
import { parseDtb, writeDtb } from '../arch/devicetree/dtb.ts';
import { affinityOf } from '../arch/gic/interrupts.ts';
import type { Range } from '../guests/linux/load.ts';
import { CONVENTION_64, Psci } from '../vcpu/psci.ts';

/** The virtual machine's addresses and interrupts: those of QEMU's virt machine. */
export const VIRT = {
  GICD: 0x0800_0000,
  GICD_SIZE: 0x1_0000,
  GICR: 0x080a_0000,
  GICR_SIZE: 0xf6_0000,
  UART: 0x0900_0000,
  UART1: 0x0904_0000,
  RTC: 0x0901_0000,
  GPIO: 0x0903_0000,
  DEVICE_SIZE: 0x1000,
  RAM: 0x4000_0000,
  /** SPIs, counted from INTID 32. */
  UART_SPI: 1,
  RTC_SPI: 2,
  GPIO_SPI: 7,
  UART1_SPI: 8,
} as const;

/** Interrupt specifiers of the arm,gic-v3 binding. */
const GIC_SPI = 0;
const GIC_PPI = 1;
const LEVEL_HIGH = 4;

/** Linux's input event code of the power key, and the line of the PL061 that it is on. */
const KEY_POWER = 116;
const POWER_LINE = 3;

/** Bytes of `rng-seed` and `kaslr-seed`. */
export const SEED_BYTES = 32 + 8;

export interface GuestTreeOptions {
  /** Bytes of memory. */
  memory: number;
  cpus: number;
  /** The kernel's command line; left out when empty. */
  append: string;
  initrd: Range | undefined;
  /** SEED_BYTES random bytes. */
  seed: Uint8Array;
  /** A tree to use instead, as a DTB. */
  dtb?: Uint8Array | undefined;
  /** How PSCI is called; HVC when left out. */
  conduit?: 'hvc' | 'smc' | undefined;
  /** Whether there is a UART besides the console's; not in a tree of the user's. */
  second?: boolean | undefined;
}

/** The guest's device tree, flattened. @throws DeviceTreeError when the user's tree cannot be used. */
export function guestTree(options: GuestTreeOptions): Uint8Array {
  const tree = options.dtb ? parseDtb(options.dtb) : new DeviceTree();
  if (!options.dtb) generate(tree, options);
  setMemory(tree, options.memory);
  setPsci(tree, options.conduit ?? 'hvc');
  setChosen(tree, options);
  return writeDtb(tree);
}

/** A flattened tree with other seeds where it has some; its size stays. @param seed SEED_BYTES random bytes */
export function withSeeds(dtb: Uint8Array, seed: Uint8Array): Uint8Array {
  const tree = parseDtb(dtb);
  const chosen = tree.root.child('chosen');
  for (const [name, value] of seedsOf(seed)) if (chosen.get(name)?.length === value.length) chosen.set(name, value);
  return writeDtb(tree);
}

function seedsOf(seed: Uint8Array): [string, Uint8Array][] {
  return [
    ['rng-seed', seed.subarray(0, 32)],
    ['kaslr-seed', seed.subarray(32, SEED_BYTES)],
  ];
}

function generate(tree: DeviceTree, { cpus, seed, second = false }: GuestTreeOptions): void {
  const { root } = tree;
  root.set('compatible', strings('linux,dummy-virt'));
  root.set('model', strings('linux,dummy-virt'));
  root.set('#address-cells', cells(2)).set('#size-cells', cells(2));

  const chosen = root.child('chosen');
  for (const [name, value] of seedsOf(seed)) chosen.set(name, value);

  const cores = root.child('cpus').set('#address-cells', cells(1)).set('#size-cells', cells(0));
  for (let cpu = 0; cpu < cpus; cpu++) {
    const affinity = affinityOf(cpu);
    cores
      .child(`cpu@${affinity.toString(16)}`)
      .set('device_type', strings('cpu'))
      .set('compatible', strings('arm,armv8'))
      .set('reg', cells(affinity))
      .set('enable-method', strings('psci'));
  }

  const clock = root.child('apb-pclk');
  clock.set('compatible', strings('fixed-clock')).set('#clock-cells', cells(0));
  clock.set('clock-frequency', cells(24_000_000)).set('clock-output-names', strings('clk24mhz'));
  const clockPhandle = tree.phandle(clock);

  const gic = root.child(`intc@${VIRT.GICD.toString(16)}`);
  gic.set('compatible', strings('arm,gic-v3')).set('interrupt-controller').set('#interrupt-cells', cells(3));
  gic
    .set('#redistributor-regions', cells(1))
    .set('#address-cells', cells(2))
    .set('#size-cells', cells(2))
    .set('ranges');
  gic.set('reg', cells64(VIRT.GICD, VIRT.GICD_SIZE, VIRT.GICR, VIRT.GICR_SIZE));
  root.set('interrupt-parent', cells(tree.phandle(gic)));

  root
    .child('timer')
    .set('compatible', strings('arm,armv8-timer', 'arm,armv7-timer'))
    .set('always-on')
    // Secure, non-secure, virtual, hypervisor.
    .set('interrupts', cells(...[13, 14, 11, 10].flatMap((ppi) => [GIC_PPI, ppi, LEVEL_HIGH])));

  root
    .child('pmu')
    .set('compatible', strings('arm,armv8-pmuv3'))
    .set('interrupts', cells(GIC_PPI, 7, LEVEL_HIGH));

  const addUart = (address: number, spi: number): DeviceTreeNode => {
    const uart = device(root, 'pl011', address, spi).set('compatible', strings('arm,pl011', 'arm,primecell'));
    return uart.set('clocks', cells(clockPhandle, clockPhandle)).set('clock-names', strings('uartclk', 'apb_pclk'));
  };
  const uart = addUart(VIRT.UART, VIRT.UART_SPI);
  chosen.set('stdout-path', strings(uart.path));
  if (second) {
    const aliases = root.child('aliases').set('serial0', strings(uart.path));
    aliases.set('serial1', strings(addUart(VIRT.UART1, VIRT.UART1_SPI).path));
  }

  const rtc = device(root, 'pl031', VIRT.RTC, VIRT.RTC_SPI);
  rtc.set('compatible', strings('arm,pl031', 'arm,primecell'));
  rtc.set('clocks', cells(clockPhandle)).set('clock-names', strings('apb_pclk'));

  const gpio = device(root, 'pl061', VIRT.GPIO, VIRT.GPIO_SPI);
  gpio.set('compatible', strings('arm,pl061', 'arm,primecell')).set('gpio-controller').set('#gpio-cells', cells(2));
  gpio.set('clocks', cells(clockPhandle)).set('clock-names', strings('apb_pclk'));
  root
    .child('gpio-keys')
    .set('compatible', strings('gpio-keys'))
    .child('poweroff')
    .set('label', strings('GPIO Key Poweroff'))
    .set('linux,code', cells(KEY_POWER))
    .set('gpios', cells(tree.phandle(gpio), POWER_LINE, 0));
}

function device(root: DeviceTreeNode, name: string, address: number, spi: number): DeviceTreeNode {
  const node = root.child(`${name}@${address.toString(16)}`);
  node.set('reg', cells64(address, VIRT.DEVICE_SIZE));
  return node.set('interrupts', cells(GIC_SPI, spi, LEVEL_HIGH));
}

/** One memory node instead of those that are there. */
function setMemory(tree: DeviceTree, size: number): void {
  const { root } = tree;
  for (const node of [...root.children.values()])
    if (node.baseName === 'memory' || node.string('device_type') === 'memory') root.removeChild(node.name);
  const { addressCells, sizeCells } = root;
  if (addressCells === 0 || sizeCells === 0)
    throw new DeviceTreeError('the device tree says #address-cells or #size-cells 0: no memory can be described in it');
  root
    .child(`memory@${VIRT.RAM.toString(16)}`)
    .set('device_type', strings('memory'))
    .set('reg', concat(wide(addressCells, VIRT.RAM), wide(sizeCells, size)));
}

/** A number in so many cells. @throws DeviceTreeError when it does not fit. */
function wide(count: number, value: number): Uint8Array {
  if (count === 1) return cells(value);
  return concat(new Uint8Array(4 * (count - 2)), cells64(value));
}

/** A psci node of ours: another may speak of functions that are not here. */
function setPsci(tree: DeviceTree, conduit: string): void {
  tree.root.removeChild('psci');
  tree.root
    .child('psci')
    .set('compatible', strings('arm,psci-1.0', 'arm,psci-0.2', 'arm,psci'))
    .set('method', strings(conduit))
    .set('cpu_suspend', cells((Psci.CPU_SUSPEND | CONVENTION_64) >>> 0))
    .set('cpu_off', cells(Psci.CPU_OFF))
    .set('cpu_on', cells((Psci.CPU_ON | CONVENTION_64) >>> 0));
}

function setChosen(tree: DeviceTree, { append, initrd }: GuestTreeOptions): void {
  const chosen = tree.root.child('chosen');
  if (append !== '') chosen.set('bootargs', strings(append));
  if (!initrd) return;
  chosen.set('linux,initrd-start', cells64(initrd.address));
  chosen.set('linux,initrd-end', cells64(initrd.address + initrd.size));
}
