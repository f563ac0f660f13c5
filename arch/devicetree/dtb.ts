import { ByteBuilder } from './bytes.ts';
import { DeviceTree, DeviceTreeError, MAX_DEPTH } from './tree.ts';
import type { DeviceTreeNode } from './tree.ts';

// Devicetree specification 0.4, section 5: the flattened format.
const FDT_MAGIC = 0xd00dfeed;
const FDT_VERSION = 17;
const FDT_LAST_COMP_VERSION = 16;
const FDT_HEADER_SIZE = 40;
const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_NOP = 4;
const FDT_END = 9;

const MAX_NAME = 255;

const hex = (value: number) => `0x${value.toString(16)}`;

/** Whether the bytes start as a flattened device tree does. */
export function isDtb(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) === FDT_MAGIC;
}

/** A part of the file, read forwards and never past its end. */
class Block {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;

  constructor(what: string, file: Uint8Array, offset: number, size: number, alignment: number) {
    if (offset > file.length || size > file.length - offset) {
      throw new DeviceTreeError(`the DTB's ${what} block (${hex(size)} bytes at ${hex(offset)}) reaches past its end`);
    }
    if (offset % alignment) throw new DeviceTreeError(`the DTB's ${what} block is misaligned, at ${hex(offset)}`);
    this.what = what;
    this.bytes = file.subarray(offset, offset + size);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }

  take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw new DeviceTreeError(`the DTB's ${this.what} block is cut short`);
    this.at += count;
    return start;
  }

  u32(): number {
    return this.view.getUint32(this.take(4));
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }

  /** The name at `offset`, without its NUL. */
  name(offset: number): string {
    const end = this.bytes.subarray(offset, offset + MAX_NAME + 1).indexOf(0);
    if (end < 0) throw new DeviceTreeError(`the name at ${hex(offset)} of the DTB's ${this.what} block has no end`);
    let name = '';
    for (let i = offset; i < offset + end; i++) name += String.fromCharCode(this.bytes[i]!);
    return name;
  }
}

/**
 * Reads a flattened device tree, version 16 or 17. Bytes behind it are ignored; property values are copied.
 * @throws DeviceTreeError if it is damaged.
 */
export function parseDtb(bytes: Uint8Array): DeviceTree {
  if (!isDtb(bytes)) throw new DeviceTreeError('not a DTB: it does not start with 0xd00dfeed');
  const header = new Block('header', bytes, 0, Math.min(bytes.length, FDT_HEADER_SIZE), 1);
  header.take(4);
  const totalSize = header.u32();
  const structOffset = header.u32();
  const stringsOffset = header.u32();
  const reservationsOffset = header.u32();
  const version = header.u32();
  const lastCompatible = header.u32();
  const bootCpu = header.u32();
  const stringsSize = header.u32();
  const structSize = header.u32();
  if (version < FDT_LAST_COMP_VERSION || lastCompatible > FDT_VERSION) {
    throw new DeviceTreeError(
      `the DTB has version ${version}; ${FDT_LAST_COMP_VERSION} and ${FDT_VERSION} can be read`,
    );
  }
  if (totalSize > bytes.length) {
    throw new DeviceTreeError(`the DTB is cut short: ${bytes.length} of ${totalSize} bytes`);
  }
  // A Buffer's slice would share its memory.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, totalSize);
  const rest = (offset: number) => Math.max(0, file.length - offset);
  const names = new Block('strings', file, stringsOffset, stringsSize, 1);
  const sizeOfStruct = version < FDT_VERSION ? rest(structOffset) : structSize;
  const struct = new Block('structure', file, structOffset, sizeOfStruct, 4);
  const reservations = new Block('memory reservation', file, reservationsOffset, rest(reservationsOffset), 8);

  const tree = new DeviceTree();
  tree.bootCpu = bootCpu;
  for (;;) {
    const reservation = { address: reservations.u64(), size: reservations.u64() };
    if (reservation.address === 0n && reservation.size === 0n) break;
    tree.reservations.push(reservation);
  }
  parseStructure(struct, names, tree.root);
  return tree;
}

function parseStructure(struct: Block, names: Block, root: DeviceTreeNode): void {
  const propertyNames = new Map<number, string>();
  let node: DeviceTreeNode | undefined;
  let started = false;
  let depth = -1;
  for (;;) {
    const start = struct.at;
    const token = struct.u32();
    if (token === FDT_NOP) continue;
    if (token === FDT_END) break;
    if (token === FDT_BEGIN_NODE) {
      const name = struct.name(struct.at);
      struct.take((name.length + 4) & ~3);
      if (++depth > MAX_DEPTH) throw new DeviceTreeError(`the DTB nests nodes more than ${MAX_DEPTH} deep`);
      if (node) {
        if (node.children.has(name)) throw node.error(`the DTB has two children ${name}`);
        node = node.child(name);
      } else {
        if (started) throw new DeviceTreeError('the DTB has two root nodes');
        started = true;
        node = root;
      }
    } else if (token === FDT_END_NODE && node) {
      node = node.parent;
      depth--;
    } else if (token === FDT_PROP && node) {
      const size = struct.u32();
      const nameOffset = struct.u32();
      const value = struct.take(size);
      struct.take(-size & 3);
      let name = propertyNames.get(nameOffset);
      if (name === undefined) propertyNames.set(nameOffset, (name = names.name(nameOffset)));
      if (node.has(name)) throw node.error(`the DTB has two properties ${name}`);
      if (node.children.size) throw node.error(`the DTB's property ${name} comes after a child`);
      node.set(name, struct.bytes.slice(value, value + size));
    } else {
      throw new DeviceTreeError(`unexpected token ${hex(token)} at ${hex(start)} of the DTB's structure block`);
    }
  }
  if (node) throw node.error('the DTB ends inside this node');
  if (!started) throw new DeviceTreeError('the DTB has no root node');
}

/** The strings block: every name once, a name that ends another one shares its bytes. */
class Names {
  readonly bytes = new ByteBuilder();
  #offsets = new Map<string, number>();

  offset(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const start = this.bytes.length;
    for (let i = 0; i <= name.length; i++) {
      const tail = name.slice(i);
      if (!this.#offsets.has(tail)) this.#offsets.set(tail, start + i);
    }
    writeName(this.bytes, name);
    return start;
  }
}

function writeName(out: ByteBuilder, name: string): void {
  for (let i = 0; i < name.length; i++) out.u8(name.charCodeAt(i));
  out.u8(0);
}

/** Flattens a tree: version 17, laid out as `dtc` does, without padding. */
export function writeDtb(tree: DeviceTree): Uint8Array {
  const out = new ByteBuilder();
  const names = new Names();
  for (let at = 0; at < FDT_HEADER_SIZE; at += 4) out.u32(0);
  const reservationsOffset = out.length;
  for (const { address, size } of [...tree.reservations, { address: 0n, size: 0n }]) {
    out.u64(address);
    out.u64(size);
  }
  const structOffset = out.length;
  writeNode(out, names, tree.root, 0);
  out.u32(FDT_END);
  const stringsOffset = out.length;
  out.bytes(names.bytes.take());
  const header = [
    FDT_MAGIC,
    out.length,
    structOffset,
    stringsOffset,
    reservationsOffset,
    FDT_VERSION,
    FDT_LAST_COMP_VERSION,
    tree.bootCpu,
    names.bytes.length,
    stringsOffset - structOffset,
  ];
  header.forEach((value, index) => out.patchU32(4 * index, value));
  return out.take();
}

function writeNode(out: ByteBuilder, names: Names, node: DeviceTreeNode, depth: number): void {
  if (depth > MAX_DEPTH) throw node.error(`nodes nest more than ${MAX_DEPTH} deep`);
  out.u32(FDT_BEGIN_NODE);
  writeName(out, node.name);
  out.align(4);
  for (const [name, value] of node.properties) {
    out.u32(FDT_PROP);
    out.u32(value.length);
    out.u32(names.offset(name));
    out.bytes(value);
    out.align(4);
  }
  for (const child of node.children.values()) writeNode(out, names, child, depth + 1);
  out.u32(FDT_END_NODE);
}
