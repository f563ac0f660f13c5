import fc from 'fast-check';
import { DeviceTree } from '../../../arch/devicetree/tree.ts';
import type { DeviceTreeNode } from '../../../arch/devicetree/tree.ts';

interface Description {
  properties: [name: string, value: Uint8Array][];
  children: [name: string, node: Description][];
}

const character = fc.constantFrom(...'0123456789abcxyzABCXYZ,._+-');
const name = fc.string({ unit: character, minLength: 1, maxLength: 20 });
// Names that dtc itself reads specially are left to the tests that are about them.
const propertyName = fc
  .tuple(fc.constantFrom('', '#'), name)
  .map(([prefix, rest]) => prefix + rest)
  .filter((found) => !/phandle|^name$|-cells$|^reg$/.test(found));
const nodeName = fc
  .tuple(name, fc.option(name))
  .map(([base, address]) => (address === null ? base : `${base}@${address}`))
  .filter((found) => !/^cpus/.test(found));
const value = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((text) => new TextEncoder().encode(`${text}\0`)),
);

function node(levels: number): fc.Arbitrary<Description> {
  const children: fc.Arbitrary<Description['children']> = levels
    ? fc.uniqueArray(fc.tuple(nodeName, node(levels - 1)), { maxLength: 3, selector: ([key]) => key })
    : fc.constant([]);
  return fc.record({
    properties: fc.uniqueArray(fc.tuple(propertyName, value), { maxLength: 6, selector: ([key]) => key }),
    children,
  });
}

function build(target: DeviceTreeNode, description: Description): void {
  for (const [key, bytes] of description.properties) target.set(key, bytes);
  for (const [key, child] of description.children) build(target.child(key), child);
}

/** Any device tree with names that source can express. */
export const anyTree = fc
  .record({
    root: node(4),
    bootCpu: fc.nat({ max: 0xffffffff }),
    reservations: fc.array(fc.record({ address: fc.bigInt(0n, 2n ** 64n - 1n), size: fc.bigInt(1n, 2n ** 64n - 1n) }), {
      maxLength: 3,
    }),
  })
  .map(({ root, bootCpu, reservations }) => {
    const tree = new DeviceTree();
    build(tree.root, root);
    tree.bootCpu = bootCpu;
    tree.reservations = reservations;
    return tree;
  });
