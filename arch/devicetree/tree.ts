import { ByteBuilder } from './bytes.ts';

/** What a bad device tree, in any of its forms, is reported with. */
export class DeviceTreeError extends Error {
  override name = 'DeviceTreeError';
}

/** The deepest nesting of nodes that is accepted, the root being 0; Linux refuses more as well. */
export const MAX_DEPTH = 63;

const MAX_NAME = 255;
const PHANDLE_NONE = 0xffffffff;

/** One range of a `reg` property, in bytes. */
export interface Reg {
  address: number;
  size: number;
}

/** One entry of a `ranges` property: where an address range of the children appears in the parent. */
export interface Range {
  child: number;
  parent: number;
  size: number;
}

/** One interrupt: the controller's node and the specifier, `#interrupt-cells` long. */
export interface Interrupt {
  controller: DeviceTreeNode;
  specifier: number[];
}

/** A memory reservation; both in bytes. */
export interface Reservation {
  address: bigint;
  size: bigint;
}

/** A property value of 32-bit cells. A number is in -2^31..2^32-1. */
export function cells(...values: number[]): Uint8Array {
  const out = new ByteBuilder();
  for (const value of values) {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
      throw new DeviceTreeError(`${value} does not fit a 32-bit cell`);
    }
    out.u32(value);
  }
  return out.take();
}

/** A property value of 64-bit numbers, each two cells. */
export function cells64(...values: (number | bigint)[]): Uint8Array {
  const out = new ByteBuilder();
  for (const value of values) {
    const wide = typeof value === 'number' && !Number.isSafeInteger(value) ? -1n : BigInt(value);
    if (wide < 0n || wide >> 64n) throw new DeviceTreeError(`${value} does not fit two cells`);
    out.u64(wide);
  }
  return out.take();
}

/** A property value of NUL-terminated strings, in UTF-8. */
export function strings(...values: string[]): Uint8Array {
  if (values.some((value) => value.includes('\0'))) {
    throw new DeviceTreeError('a string in a device tree cannot contain a NUL');
  }
  return new TextEncoder().encode(values.map((value) => `${value}\0`).join(''));
}

/** Property values, one after the other. */
export function concat(...values: Uint8Array[]): Uint8Array {
  const out = new ByteBuilder();
  for (const value of values) out.bytes(value);
  return out.take();
}

function checkName(kind: string, name: string): void {
  if (name.length === 0 || name.length > MAX_NAME || !/^[!-.0-~]*$/.test(name)) {
    const shown = JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);
    throw new DeviceTreeError(`${shown} cannot be the name of a ${kind}`);
  }
}

/** A node: its properties and children in order, no name twice. */
export class DeviceTreeNode {
  readonly name: string;
  readonly parent: DeviceTreeNode | undefined;
  readonly properties: ReadonlyMap<string, Uint8Array>;
  readonly children: ReadonlyMap<string, DeviceTreeNode>;
  #properties = new Map<string, Uint8Array>();
  #children = new Map<string, DeviceTreeNode>();

  /** The root has no parent and the name "". Other nodes come from `child`. */
  constructor(name = '', parent?: DeviceTreeNode) {
    if (parent) checkName('node', name);
    this.name = name;
    this.parent = parent;
    this.properties = this.#properties;
    this.children = this.#children;
  }

  /** The full path, "/" for the root. */
  get path(): string {
    if (!this.parent) return '/';
    return `${this.parent.parent ? this.parent.path : ''}/${this.name}`;
  }

  /** The name without the unit address. */
  get baseName(): string {
    const at = this.name.indexOf('@');
    return at < 0 ? this.name : this.name.slice(0, at);
  }

  /** The child of that name (with unit address), made if there is none. */
  child(name: string): DeviceTreeNode {
    let node = this.#children.get(name);
    if (!node) this.#children.set(name, (node = new DeviceTreeNode(name, this)));
    return node;
  }

  removeChild(name: string): boolean {
    return this.#children.delete(name);
  }

  /** Sets a property, by default an empty one, and returns this node. */
  set(name: string, value: Uint8Array = new Uint8Array()): this {
    checkName('property', name);
    this.#properties.set(name, value);
    return this;
  }

  delete(name: string): boolean {
    return this.#properties.delete(name);
  }

  has(name: string): boolean {
    return this.#properties.has(name);
  }

  get(name: string): Uint8Array | undefined {
    return this.#properties.get(name);
  }

  /** This node and everything below it, parents first. */
  *walk(): Generator<DeviceTreeNode> {
    yield this;
    for (const node of this.#children.values()) yield* node.walk();
  }

  /** An error about this node. */
  error(message: string): DeviceTreeError {
    return new DeviceTreeError(`${this.path}: ${message}`);
  }

  /** The property's 32-bit cells; undefined where there is no such property. */
  cells(name: string): number[] | undefined {
    const value = this.get(name);
    if (!value) return undefined;
    if (value.length % 4) throw this.error(`${name} is ${value.length} bytes long, not a whole number of cells`);
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(4 * i));
  }

  /** The property as one 32-bit number. */
  u32(name: string): number | undefined {
    const found = this.cells(name);
    if (found && found.length !== 1) throw this.error(`${name} must be one cell`);
    return found?.[0];
  }

  /** The property as one number of one or two cells, at most 2^53-1. */
  u64(name: string): number | undefined {
    const found = this.cells(name);
    if (found && found.length !== 1 && found.length !== 2) throw this.error(`${name} must be one or two cells`);
    return found && this.#number(name, found, 0, found.length);
  }

  /** The property's strings; undefined where there is no such property. */
  strings(name: string): string[] | undefined {
    const value = this.get(name);
    if (!value) return undefined;
    if (value.at(-1) !== 0) throw this.error(`${name} is not a list of NUL-terminated strings`);
    return new TextDecoder().decode(value.subarray(0, -1)).split('\0');
  }

  /** The property as one string. */
  string(name: string): string | undefined {
    const found = this.strings(name);
    if (found && found.length !== 1) throw this.error(`${name} must be one string`);
    return found?.[0];
  }

  /** `compatible`, the most specific first; empty where there is none. */
  get compatible(): string[] {
    return this.strings('compatible') ?? [];
  }

  isCompatible(...names: string[]): boolean {
    return this.compatible.some((name) => names.includes(name));
  }

  /** Whether `status` allows the use of this node. */
  get enabled(): boolean {
    const status = this.string('status');
    return status === undefined || status === 'okay' || status === 'ok';
  }

  /** `phandle`, also by its old name `linux,phandle`. */
  get phandle(): number | undefined {
    return this.u32('phandle') ?? this.u32('linux,phandle');
  }

  /** `#address-cells` for the children of this node (Devicetree 0.4, 2.3.5). */
  get addressCells(): number {
    return this.#cellCount('#address-cells', 2);
  }

  /** `#size-cells` for the children of this node. */
  get sizeCells(): number {
    return this.#cellCount('#size-cells', 1);
  }

  #cellCount(name: string, otherwise: number): number {
    const count = this.u32(name) ?? otherwise;
    if (count > 4) throw this.error(`${name} is ${count}, more than 4`);
    return count;
  }

  #number(property: string, list: number[], start: number, count: number): number {
    let value = 0n;
    for (let i = start; i < start + count; i++) value = (value << 32n) | BigInt(list[i]!);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw this.error(`${property} has the value 0x${value.toString(16)}, which is too large`);
    }
    return Number(value);
  }

  #table(property: string, ...widths: number[]): number[][] {
    const list = this.cells(property) ?? [];
    const stride = widths.reduce((sum, width) => sum + width, 0);
    if (stride ? list.length % stride : list.length) {
      throw this.error(`${property} has ${list.length} cells, not a multiple of ${stride}`);
    }
    const rows: number[][] = [];
    for (let at = 0; at < list.length;) {
      rows.push(
        widths.map((width) => {
          at += width;
          return this.#number(property, list, at - width, width);
        }),
      );
    }
    return rows;
  }

  /** `reg` as the parent's cell counts say, in the parent's address space; empty where there is none. */
  reg(): Reg[] {
    const { addressCells, sizeCells } = this.#bus();
    return this.#table('reg', addressCells, sizeCells).map(([address, size]) => ({ address: address!, size: size! }));
  }

  /** `reg` translated through the `ranges` of every bus above, to addresses as a CPU sees them. */
  physicalReg(): Reg[] {
    return this.reg().map(({ address, size }) => {
      for (let bus = this.parent; bus?.parent; bus = bus.parent) {
        const ranges = bus.ranges();
        if (!ranges) throw this.error(`its address has no meaning above ${bus.path}, which has no ranges`);
        if (ranges.length === 0) continue;
        const range = ranges.find((r) => address >= r.child && address + size <= r.child + r.size);
        if (!range) throw this.error(`0x${address.toString(16)} is in none of the ranges of ${bus.path}`);
        address += range.parent - range.child;
      }
      return { address, size };
    });
  }

  /** `ranges`: undefined where there is none, empty where the children share the parent's address space. */
  ranges(): Range[] | undefined {
    if (!this.has('ranges')) return undefined;
    const rows = this.#table('ranges', this.addressCells, this.#bus().addressCells, this.sizeCells);
    return rows.map(([child, parent, size]) => ({ child: child!, parent: parent!, size: size! }));
  }

  #bus(): { addressCells: number; sizeCells: number } {
    return this.parent ?? { addressCells: 2, sizeCells: 1 };
  }
}

/** A device tree: nodes, memory reservations and the booting CPU's number. */
export class DeviceTree {
  readonly root = new DeviceTreeNode();
  reservations: Reservation[] = [];
  /** `boot_cpuid_phys`: the `reg` of the CPU that boots. */
  bootCpu = 0;

  /**
   * The node at a path. The path may start with an alias, end in `:options` as `stdout-path` does, and leave
   * out unit addresses where that is unambiguous (Devicetree 0.4, 2.2.3).
   */
  find(path: string): DeviceTreeNode | undefined {
    const [bare = ''] = path.split(':');
    const [first = '', ...rest] = bare.split('/');
    let node: DeviceTreeNode | undefined = this.root;
    if (first) {
      const target = this.root.children.get('aliases')?.string(first);
      node = target?.startsWith('/') ? this.find(target) : undefined;
    }
    for (const name of rest) {
      if (!node || !name) continue;
      const parent: DeviceTreeNode = node;
      node = parent.children.get(name);
      if (!node && !name.includes('@')) {
        const similar = [...parent.children.values()].filter((child) => child.baseName === name);
        if (similar.length === 1) node = similar[0];
      }
    }
    return node;
  }

  /** Every node, the root first. */
  nodes(): Generator<DeviceTreeNode> {
    return this.root.walk();
  }

  /** The nodes that are compatible with any of `names`, in order. */
  compatible(...names: string[]): DeviceTreeNode[] {
    return [...this.nodes()].filter((node) => node.isCompatible(...names));
  }

  byPhandle(phandle: number): DeviceTreeNode | undefined {
    for (const node of this.nodes()) if (node.phandle === phandle) return node;
    return undefined;
  }

  /** The node's phandle; where it has none it gets the lowest free one. */
  phandle(node: DeviceTreeNode): number {
    const present = node.phandle;
    if (present !== undefined) return present;
    const used = new Set([...this.nodes()].map((other) => other.phandle));
    let phandle = 1;
    while (used.has(phandle)) phandle++;
    node.set('phandle', cells(phandle));
    return phandle;
  }

  /** The node that the property's cell number `index` refers to; undefined where there is no such property. */
  reference(node: DeviceTreeNode, property: string, index = 0): DeviceTreeNode | undefined {
    const list = node.cells(property);
    if (!list) return undefined;
    const phandle = list[index];
    if (phandle === undefined) throw node.error(`${property} has no cell ${index}`);
    const target = phandle === 0 || phandle === PHANDLE_NONE ? undefined : this.byPhandle(phandle);
    if (!target) throw node.error(`${property} refers to the phandle 0x${phandle.toString(16)}, which no node has`);
    return target;
  }

  /** The controller that `interrupts` of this node goes to (Devicetree 0.4, 2.4.1). */
  interruptParent(node: DeviceTreeNode): DeviceTreeNode | undefined {
    for (let at: DeviceTreeNode | undefined = node; at; at = at.parent) {
      const target = this.reference(at, 'interrupt-parent');
      if (target) return target;
      if (at !== node && at.has('#interrupt-cells')) return at;
    }
    return undefined;
  }

  /** The interrupts of a node, from `interrupts-extended` or else `interrupts`; empty where there are none. */
  interrupts(node: DeviceTreeNode): Interrupt[] {
    const extended = node.cells('interrupts-extended');
    const list = extended ?? node.cells('interrupts') ?? [];
    const property = extended ? 'interrupts-extended' : 'interrupts';
    const found: Interrupt[] = [];
    const shared = extended || !list.length ? undefined : this.interruptParent(node);
    for (let at = 0; at < list.length;) {
      const controller = shared ?? (extended && this.reference(node, property, at++));
      if (!controller) throw node.error('it has interrupts but no interrupt-parent');
      const width = controller.u32('#interrupt-cells');
      if (!width) throw node.error(`its interrupt controller ${controller.path} has no #interrupt-cells`);
      if (at + width > list.length) throw node.error(`${property} ends inside an interrupt specifier`);
      found.push({ controller, specifier: list.slice(at, at + width) });
      at += width;
    }
    return found;
  }
}
