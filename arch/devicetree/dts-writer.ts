import type { DeviceTree, DeviceTreeNode } from './tree.ts';

const hex = (value: number | bigint, digits: number) => value.toString(16).padStart(digits, '0');

/**
 * The tree as device tree source. A property's bytes do not say what they are: printable strings become strings,
 * other multiples of four bytes cells, the rest a byte string. `bootCpu` has no place in source and is lost, but
 * for what `/cpus` says.
 * @throws DeviceTreeError where a name has a character that source cannot express.
 */
export function writeDts(tree: DeviceTree): string {
  const out = ['/dts-v1/;', ''];
  for (const { address, size } of tree.reservations) {
    out.push(`/memreserve/ 0x${hex(address, 16)} 0x${hex(size, 16)};`);
  }
  if (tree.reservations.length) out.push('');
  writeNode(out, tree.root, 0);
  return `${out.join('\n')}\n`;
}

function writeNode(out: string[], node: DeviceTreeNode, depth: number): void {
  const indent = '\t'.repeat(depth);
  out.push(`${indent}${node.parent ? checked(node, node.name) : '/'} {`);
  for (const [name, value] of node.properties) {
    out.push(`${indent}\t${checked(node, name)}${value.length ? ` = ${writeValue(value)}` : ''};`);
  }
  let first = node.properties.size === 0;
  for (const child of node.children.values()) {
    if (!first) out.push('');
    first = false;
    writeNode(out, child, depth + 1);
  }
  out.push(`${indent}};`);
}

function checked(node: DeviceTreeNode, name: string): string {
  if (!/^[0-9A-Za-z,._+*#?@-]+$/.test(name)) throw node.error(`the name ${name} cannot be written as source`);
  return name;
}

function writeValue(value: Uint8Array): string {
  const text = stringList(value);
  if (text) return text.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(', ');
  if (value.length % 4) return `[${Array.from(value, (byte) => hex(byte, 2)).join(' ')}]`;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const list = Array.from({ length: value.length / 4 }, (_, i) => `0x${hex(view.getUint32(4 * i), 2)}`);
  return `<${list.join(' ')}>`;
}

/** The value as strings, if it is nothing but printable ones that are not empty. */
function stringList(value: Uint8Array): string[] | undefined {
  const list: string[] = [];
  let text = '';
  for (const byte of value) {
    if (byte >= 0x20 && byte < 0x7f) {
      text += String.fromCharCode(byte);
    } else if (byte === 0 && text) {
      list.push(text);
      text = '';
    } else {
      return undefined;
    }
  }
  return text ? undefined : list;
}
