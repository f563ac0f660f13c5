import { describe, expect, test } from 'vitest';
import { compileDts } from '../../arch/devicetree/dts.ts';
import { DeterministicCounter } from '../../board/host/clock.ts';
import { boardTree } from '../../board/host/boards.ts';
import { Board, type BoardOptions } from '../../board/machine.ts';

const counter = new DeterministicCounter(() => 0);

function build(options: Partial<BoardOptions> = {}): Board {
  return new Board({
    tree: boardTree(),
    cpus: 1,
    memory: 2 ** 24,
    reserved: 100_000,
    counter,
    wallClock: () => 1_700_000_000,
    ...options,
  });
}

describe('the board virt', () => {
  test('has its memory and devices where QEMU’s has them', () => {
    const board = build();
    expect(board.bus.regions.map(({ start }) => start)).toEqual([
      0x8000000, 0x80a0000, 0x9000000, 0x9010000, 0x9030000,
    ]);
    expect([board.ram.base, board.ram.size, board.ram.host]).toEqual([0x40000000, 2 ** 24, 0x20000]);
    expect(board.ram.memory.buffer.byteLength).toBe(2 ** 24 + 0x20000);
    expect(board.timers).toMatchObject({ secure: 29, physical: 30, virtual: 27, hypervisor: 26 });
    expect(board.maintenanceIntid).toBe(25);
    const rtc = board.bus.device(0x9010000)!;
    expect(rtc.device.read(rtc.offset, 4)).toBe(1_700_000_000);
  });

  test('joins the UART’s wire to INTID 33 and its line to the console', () => {
    const sent: number[] = [];
    const board = build({ transmit: (byte) => void sent.push(byte) });
    const { device } = board.bus.device(0x9000000)!;
    device.write(0, 4, 0x41);
    expect(sent).toEqual([0x41]);
    expect(board.gic.line(33)).toBe(false);
    device.write(0x38, 4, 0x20);
    expect(board.gic.line(33)).toBe(true);
  });

  test('describes its cores and memory in the tree', () => {
    const { tree, gic } = build({ cpus: 18, memory: 2 ** 25 });
    const cpus = [...tree.find('/cpus')!.children.values()];
    expect(cpus.map((node) => node.name).slice(14)).toEqual(['cpu@e', 'cpu@f', 'cpu@100', 'cpu@101']);
    expect(cpus.map((node) => node.u32('reg')).slice(14)).toEqual([14, 15, 0x100, 0x101]);
    expect(tree.find('/memory')!.reg()).toEqual([{ address: 0x40000000, size: 2 ** 25 }]);
    expect(gic.cpus).toBe(18);
  });

  test('takes more devices by compatible', () => {
    const tree = boardTree();
    const added = compileDts(`/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; dev@a000000 {
      compatible = "acme,thing"; reg = <0 0xa000000 0 0x200>; interrupts = <0 16 1>; }; };`).root;
    const node = tree.root.child('dev@a000000');
    for (const [name, value] of added.children.get('dev@a000000')!.properties) node.set(name, value);
    const board = build({
      tree,
      devices: { 'acme,thing': (_node, irq) => ({ read: () => 7, write: () => irq(0)(true) }) },
    });
    const hit = board.bus.device(0xa000004)!;
    expect(hit.device.read(hit.offset, 4)).toBe(7);
    hit.device.write(0, 4, 0);
    expect(board.gic.line(48)).toBe(true);
  });
});

describe('what cannot be built', () => {
  test('says why in one line', () => {
    expect(() => build({ cpus: 0 })).toThrow('1 core at least');
    expect(() => build({ cpus: 124 })).toThrow('room for 123 cores, not for 124');
    expect(() => build({ memory: 2 ** 33 })).toThrow('MiB of memory at most');
    expect(() => boardTree('../etc')).toThrow('is not the name of a board');
    expect(() => boardTree('nowhere')).toThrow('there is no board "nowhere"');
  });

  test('a tree without the parts of a machine', () => {
    const broken = (name: string): Board => {
      const tree = boardTree();
      tree.root.removeChild(name);
      return build({ tree });
    };
    expect(() => broken('intc@8000000')).toThrow();
    expect(() => broken('cpus')).toThrow('no cpu');
    expect(() => broken('memory@40000000')).toThrow('no memory');
    expect(broken('timer').timers.virtual).toBeUndefined();
    expect(broken('pl011@9000000').console).toBeUndefined();
  });

  test('an interrupt or an address that does not exist', () => {
    const withUart = (reg: string, interrupts: string): Board => {
      const tree = boardTree();
      const other = compileDts(
        `/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; u { reg = <${reg}>; interrupts = <${interrupts}>; }; };`,
      );
      for (const [name, value] of other.find('/u')!.properties) tree.find('serial0')!.set(name, value);
      return build({ tree });
    };
    expect(() => withUart('0 0x9000000 0 0x1000', '0 256 4')).toThrow('the GIC has no interrupt <0 256 4>');
    expect(() => withUart('0 0x9000000 0 0x1000', '2 1 4')).toThrow('the GIC has no interrupt');
    expect(() => withUart('0 0x8000000 0 0x1000', '0 1 4')).toThrow('overlaps');
    expect(() => withUart('0 0x40000000 0 0x1000', '0 1 4')).toThrow('overlaps RAM');
  });
});
