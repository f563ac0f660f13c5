import { describe, expect, it } from 'vitest';
import { cells, cells64, concat, DeviceTree, DeviceTreeError, strings } from '../../../arch/devicetree/tree.ts';

function machine(): DeviceTree {
  const tree = new DeviceTree();
  const { root } = tree;
  root.set('#address-cells', cells(2)).set('#size-cells', cells(2)).set('interrupt-parent', cells(1));
  root.child('aliases').set('serial0', strings('/soc/uart@1000'));
  root
    .child('intc@8000000')
    .set('phandle', cells(1))
    .set('#interrupt-cells', cells(3))
    .set('reg', cells64(0x8000000, 0x10000, 0x80a0000, 0xf60000));
  const soc = root.child('soc').set('#address-cells', cells(1)).set('#size-cells', cells(1));
  soc.set('ranges', concat(cells(0), cells64(0x40_0000_0000), cells(0x10000)));
  soc
    .child('uart@1000')
    .set('compatible', strings('arm,pl011', 'arm,primecell'))
    .set('reg', cells(0x1000, 0x100))
    .set('interrupts', cells(0, 1, 4, 0, 7, 4));
  return tree;
}

describe('values', () => {
  it('are big-endian cells, pairs of cells and NUL-terminated strings', () => {
    expect([...cells(1, -1, 0xfffffffe)]).toEqual([0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 254]);
    expect([...cells64(0x1_0000_0002, 2n ** 64n - 1n)]).toEqual([...cells(1, 2, -1, -1)]);
    expect([...strings('a', 'é')]).toEqual([0x61, 0, 0xc3, 0xa9, 0]);
  });

  it.each([
    ['a cell of 2^32', () => cells(2 ** 32)],
    ['a cell that is no integer', () => cells(0.5)],
    ['NaN', () => cells(Number.NaN)],
    ['a negative 64-bit number', () => cells64(-1)],
    ['a number beyond 64 bits', () => cells64(2n ** 64n)],
    ['an inexact 64-bit number', () => cells64(2 ** 53)],
    ['a string with a NUL', () => strings('a\0b')],
  ])('refuse %s', (_, make) => {
    expect(make).toThrow(DeviceTreeError);
  });
});

describe('a node', () => {
  it('reads back what was set', () => {
    const node = new DeviceTree().root.child('cpu@0').set('reg', cells(7)).set('empty').set('s', strings('x', 'y'));
    expect(node.u32('reg')).toBe(7);
    expect(node.u64('reg')).toBe(7);
    expect(node.get('empty')).toHaveLength(0);
    expect(node.strings('s')).toEqual(['x', 'y']);
    expect(node.path).toBe('/cpu@0');
    expect(node.baseName).toBe('cpu');
    expect(node.u32('absent')).toBeUndefined();
    expect(node.strings('absent')).toBeUndefined();
    expect(node.delete('reg')).toBe(true);
    expect(node.has('reg')).toBe(false);
  });

  it('reads 64-bit numbers up to 2^53-1 and refuses larger ones', () => {
    const { root } = new DeviceTree();
    expect(root.set('n', cells64(Number.MAX_SAFE_INTEGER)).u64('n')).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => root.set('n', cells64(2n ** 53n)).u64('n')).toThrow('/: n has the value 0x20000000000000');
  });

  it.each(['', 'a/b', 'a b', 'a\0', 'é', 'x'.repeat(256)])('refuses the name %j', (name) => {
    const { root } = new DeviceTree();
    expect(() => root.child(name)).toThrow(DeviceTreeError);
    expect(() => root.set(name)).toThrow(DeviceTreeError);
  });

  it('reads reg as the cell counts of its parent say', () => {
    const tree = machine();
    expect(tree.find('/intc')?.reg()).toEqual([
      { address: 0x8000000, size: 0x10000 },
      { address: 0x80a0000, size: 0xf60000 },
    ]);
    expect(tree.find('/soc/uart')?.reg()).toEqual([{ address: 0x1000, size: 0x100 }]);
    const cpus = tree.root.child('cpus').set('#address-cells', cells(1)).set('#size-cells', cells(0));
    expect(cpus.child('cpu@3').set('reg', cells(3)).reg()).toEqual([{ address: 3, size: 0 }]);
    expect(cpus.reg()).toEqual([]);
  });

  it('translates reg through ranges, and refuses where that is impossible', () => {
    const tree = machine();
    const uart = tree.find('/soc/uart@1000')!;
    expect(uart.physicalReg()).toEqual([{ address: 0x40_0000_1000, size: 0x100 }]);
    uart.parent!.set('ranges');
    expect(uart.physicalReg()).toEqual([{ address: 0x1000, size: 0x100 }]);
    uart.parent!.set('ranges', concat(cells(0), cells64(0), cells(0x1080)));
    expect(() => uart.physicalReg()).toThrow('0x1000 is in none of the ranges of /soc');
    uart.parent!.delete('ranges');
    expect(() => uart.physicalReg()).toThrow('/soc, which has no ranges');
  });

  it('names itself in errors about its properties', () => {
    const tree = machine();
    const uart = tree.find('serial0')!;
    expect(() => uart.set('reg', cells(1)).reg()).toThrow('/soc/uart@1000: reg has 1 cells, not a multiple of 2');
    expect(() => uart.set('reg', new Uint8Array(5)).reg()).toThrow('reg is 5 bytes long');
    expect(() => uart.set('compatible', new Uint8Array([65])).compatible).toThrow('NUL-terminated');
    uart.parent!.set('#address-cells', cells(0xffffffff));
    expect(() => uart.reg()).toThrow('#address-cells is 4294967295, more than 4');
  });
});

describe('a tree', () => {
  it('finds nodes by path, without unit address, by alias, with options, by compatible and by phandle', () => {
    const tree = machine();
    const uart = tree.root.children.get('soc')!.children.get('uart@1000');
    for (const path of ['/soc/uart@1000', '/soc/uart', 'serial0', 'serial0:115200n8', '/soc/uart@1000:9600']) {
      expect(tree.find(path), path).toBe(uart);
    }
    expect(tree.find('/')).toBe(tree.root);
    for (const path of ['/soc/uart@2000', '/none', 'serial1', '/soc/uart@1000/x']) {
      expect(tree.find(path), path).toBeUndefined();
    }
    tree.root.child('soc').child('uart@2000');
    expect(tree.find('/soc/uart')).toBeUndefined();
    expect(tree.compatible('arm,primecell')).toEqual([uart]);
    expect(tree.byPhandle(1)?.path).toBe('/intc@8000000');
    expect(tree.byPhandle(2)).toBeUndefined();
  });

  it('does not follow aliases in circles', () => {
    const tree = new DeviceTree();
    tree.root.child('aliases').set('a', strings('a')).set('b', strings('a'));
    expect(tree.find('a')).toBeUndefined();
    expect(tree.find('b/c')).toBeUndefined();
  });

  it('gives the lowest free phandle, once', () => {
    const tree = machine();
    const soc = tree.root.child('soc').set('x', cells(0));
    tree.root.child('other').set('linux,phandle', cells(2));
    expect(tree.phandle(soc)).toBe(3);
    expect(tree.phandle(soc)).toBe(3);
    expect(tree.byPhandle(2)?.name).toBe('other');
  });

  it('reads interrupts with their controller', () => {
    const tree = machine();
    const uart = tree.find('serial0')!;
    const controller = tree.find('/intc')!;
    expect(tree.interrupts(uart)).toEqual([
      { controller, specifier: [0, 1, 4] },
      { controller, specifier: [0, 7, 4] },
    ]);
    expect(tree.interrupts(tree.root)).toEqual([]);
    tree.root.child('gpio').set('phandle', cells(9)).set('#interrupt-cells', cells(1));
    uart.set('interrupts-extended', cells(9, 5, 1, 0, 2, 4));
    expect(tree.interrupts(uart)).toEqual([
      { controller: tree.find('/gpio'), specifier: [5] },
      { controller, specifier: [0, 2, 4] },
    ]);
  });

  it('refuses interrupts that lead nowhere', () => {
    const tree = machine();
    const uart = tree.find('serial0')!;
    expect(() => tree.interrupts(uart.set('interrupts', cells(0, 1)))).toThrow('ends inside an interrupt specifier');
    tree.find('/intc')!.set('#interrupt-cells', cells(0));
    expect(() => tree.interrupts(uart)).toThrow('has no #interrupt-cells');
    uart.set('interrupt-parent', cells(77));
    expect(() => tree.interrupts(uart)).toThrow('the phandle 0x4d, which no node has');
    uart.delete('interrupt-parent');
    tree.root.delete('interrupt-parent');
    expect(() => tree.interrupts(uart)).toThrow('no interrupt-parent');
  });
});
