import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDtb, writeDtb } from '../../arch/devicetree/dtb.ts';
import { compileDts } from '../../arch/devicetree/dts.ts';
import type { DeviceTree, DeviceTreeNode } from '../../arch/devicetree/tree.ts';
import { guestTree, type GuestTreeOptions } from '../../hypervisor/guest-tree.ts';
import { layOut } from '../../hypervisor/guest-image.ts';

const seed = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
const options: GuestTreeOptions = {
  memory: 512 << 20,
  cpus: 1,
  append: 'quiet',
  initrd: { address: 0x4800_0000, size: 4096 },
  seed,
};
const generate = (changes: Partial<GuestTreeOptions> = {}): DeviceTree =>
  parseDtb(guestTree({ ...options, ...changes }));

describe('the generated tree', () => {
  const qemu = parseDtb(readFileSync(new URL('virt-qemu.dtb', import.meta.url)));

  /** Properties with cells that name other nodes by phandle, and how many cells follow each: the paths instead. */
  const named: Record<string, number> = { clocks: 0, 'interrupt-parent': 0, gpios: 2 };
  function describeNode(tree: DeviceTree, node: DeviceTreeNode): Map<string, unknown> {
    const out = new Map<string, unknown>();
    for (const [name, value] of node.properties) {
      if (name === 'phandle') continue;
      const size = named[name] === undefined ? undefined : 1 + named[name];
      const described = (cell: number, i: number): unknown => (i % size! ? cell : tree.reference(node, name, i)?.path);
      out.set(name, size === undefined ? [...value] : node.cells(name)!.map(described));
    }
    return out;
  }

  it('says of each device what the tree of QEMU’s virt machine says of it', () => {
    const ours = generate();
    const differing: string[] = [];
    for (const node of ours.nodes()) {
      const theirs = qemu.find(node.path);
      if (theirs === undefined) {
        differing.push(node.path);
        continue;
      }
      const [a, b] = [describeNode(ours, node), describeNode(qemu, theirs)];
      for (const name of new Set([...a.keys(), ...b.keys()]))
        if (JSON.stringify(a.get(name)) !== JSON.stringify(b.get(name))) differing.push(`${node.path} ${name}`);
    }
    expect(differing.toSorted()).toEqual([
      // QEMU puts its initrd elsewhere; PSCI's MIGRATE does not exist here; a single core of QEMU's has no enable-method.
      '/chosen kaslr-seed',
      '/chosen linux,initrd-end',
      '/chosen linux,initrd-start',
      '/chosen rng-seed',
      '/cpus/cpu@0 compatible',
      '/cpus/cpu@0 enable-method',
      '/psci migrate',
    ]);
  });

  it('has the seeds, the command line and the initrd', () => {
    const chosen = generate().find('/chosen')!;
    expect([...chosen.get('rng-seed')!]).toEqual([...seed.subarray(0, 32)]);
    expect([...chosen.get('kaslr-seed')!]).toEqual([...seed.subarray(32)]);
    expect(chosen.string('bootargs')).toBe('quiet');
    expect([chosen.u64('linux,initrd-start'), chosen.u64('linux,initrd-end')]).toEqual([0x4800_0000, 0x4800_1000]);
    const bare = generate({ append: '', initrd: undefined }).find('/chosen')!;
    expect([bare.has('bootargs'), bare.has('linux,initrd-start')]).toEqual([false, false]);
  });

  it('has the memory and the cores that there are', () => {
    const tree = generate({ memory: 2 ** 32, cpus: 18 });
    expect(tree.find('/memory')!.reg()).toEqual([{ address: 0x4000_0000, size: 2 ** 32 }]);
    const cores = [...tree.find('/cpus')!.children.values()];
    expect(cores.length).toBe(18);
    expect(cores.at(-1)!.reg()[0]!.address).toBe(0x101);
    expect(cores.every((core) => core.string('enable-method') === 'psci')).toBe(true);
  });
});

it('has a second UART where there is one, and says which is which', () => {
  const tree = generate({ second: true });
  const [first, second] = [tree.find('serial0')!, tree.find('serial1')!];
  expect(tree.find(tree.find('/chosen')!.string('stdout-path')!)).toBe(first);
  expect(second.physicalReg()).toEqual([{ address: 0x0904_0000, size: 0x1000 }]);
  expect(tree.interrupts(second)[0]!.specifier).toEqual([0, 8, 4]);
  expect(generate().find('/aliases')).toBeUndefined();
});

describe('a tree of the user’s', () => {
  const dts = (body: string, cells = 2): Uint8Array =>
    writeDtb(
      compileDts(
        `/dts-v1/; / { #address-cells = <${cells}>; #size-cells = <${cells}>; compatible = "a,b"; ${body} };`,
        { file: 'a.dts' },
      ),
    );

  it('gets the memory, the command line, the initrd and PSCI, and keeps the rest', () => {
    const tree = generate({
      dtb: dts(`
        memory@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0x1000>; };
        memory@90000000 { device_type = "memory"; reg = <0 0x90000000 0 0x1000>; };
        psci { compatible = "arm,psci"; method = "smc"; cpu_on = <1>; };
        chosen { bootargs = "old"; stdout-path = "serial0"; };
        thing { value = <7>; };`),
    });
    const memories = [...tree.root.children.values()].filter((node) => node.string('device_type') === 'memory');
    expect(memories.map((node) => node.reg())).toEqual([[{ address: 0x4000_0000, size: 512 << 20 }]]);
    expect([tree.find('/psci')!.string('method'), tree.find('/psci')!.u32('cpu_on')]).toEqual(['hvc', 0xc400_0003]);
    const chosen = tree.find('/chosen')!;
    expect([chosen.string('bootargs'), chosen.string('stdout-path')]).toEqual(['quiet', 'serial0']);
    expect(chosen.has('linux,initrd-start')).toBe(true);
    expect(chosen.has('rng-seed')).toBe(false);
    expect(tree.find('/thing')!.u32('value')).toBe(7);
  });

  it('keeps its own command line when none is given', () => {
    const tree = generate({ append: '', dtb: dts('chosen { bootargs = "mine"; };') });
    expect(tree.find('/chosen')!.string('bootargs')).toBe('mine');
  });

  it('with one cell for addresses is filled in with one cell', () => {
    expect(
      generate({ dtb: dts('', 1) })
        .find('/memory')!
        .reg(),
    ).toEqual([{ address: 0x4000_0000, size: 512 << 20 }]);
  });

  it('is refused when it cannot describe the memory, or is none', () => {
    expect(() => generate({ dtb: dts('', 0) })).toThrow(/#address-cells or #size-cells 0/);
    expect(() => generate({ memory: 2 ** 32, dtb: dts('', 1) })).toThrow(/cell/);
    expect(() => generate({ dtb: new Uint8Array(64) })).toThrow(/not a DTB/);
  });
});

describe('a guest’s layout', () => {
  const kernel = {
    kind: 'flat' as const,
    bytes: new Uint8Array(4096),
    textOffset: 0,
    imageSize: 1 << 20,
    entryOffset: 0,
    pageSize: undefined,
  };

  it('tells the guest where its initrd is, and puts it there', () => {
    const initrd = Uint8Array.of(1, 2, 3);
    const image = layOut({ kernel, initrd, append: '', memory: 64 << 20, cpus: 1, seed });
    const at = image.parts.find((part) => part.bytes === initrd)!.address;
    expect(parseDtb(image.dtb).find('/chosen')!.u64('linux,initrd-start')).toBe(at);
    expect(image.parts.at(-1)).toEqual({ address: image.dtbAddress, bytes: image.dtb });
    expect([image.entry % 0x20_0000, image.dtbAddress % 8]).toEqual([0, 0]);
  });

  it('is refused when it does not fit the memory', () => {
    expect(() => layOut({ kernel, append: '', memory: 1 << 20, cpus: 1, seed })).toThrow(/memory/);
  });
});
