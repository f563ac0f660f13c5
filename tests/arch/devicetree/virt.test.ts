import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDtb, writeDtb } from '../../../arch/devicetree/dtb.ts';
import { compileDts } from '../../../arch/devicetree/dts.ts';
import type { DeviceTree } from '../../../arch/devicetree/tree.ts';
import { dtc, dtcNote, hasDtc } from './dtc.ts';

const source = readFileSync(new URL('../../../board/virt/virt.dts', import.meta.url), 'utf8');
const hasQemu = spawnSync('qemu-system-aarch64', ['--version']).status === 0;

/** The tree that QEMU gives the firmware of its machine. */
function qemuTree(): DeviceTree {
  const folder = mkdtempSync(join(tmpdir(), 'naxos-virt-'));
  try {
    const file = join(folder, 'virt.dtb');
    const machine = `virt,gic-version=3,virtualization=on,dumpdtb=${file}`;
    execFileSync('qemu-system-aarch64', ['-M', machine, '-cpu', 'cortex-a72'], { stdio: 'pipe' });
    return parseDtb(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('board/virt/virt.dts', () => {
  it.skipIf(!hasDtc)(`compiles to the bytes that dtc makes of it${dtcNote}`, () => {
    expect(Buffer.from(writeDtb(compileDts(source)))).toEqual(dtc(source, 'dts', 'dtb'));
  });

  it('has its devices and interrupts where software for the machine expects them', () => {
    const tree = compileDts(source);
    const gic = tree.find('/intc')!;
    expect(gic.physicalReg()).toEqual([
      { address: 0x8000000, size: 0x10000 },
      { address: 0x80a0000, size: 0xf60000 },
    ]);
    const uart = tree.find(tree.find('/chosen')!.string('stdout-path')!)!;
    expect(uart.isCompatible('arm,pl011')).toBe(true);
    expect(uart.physicalReg()).toEqual([{ address: 0x9000000, size: 0x1000 }]);
    expect(tree.interrupts(uart)).toEqual([{ controller: gic, specifier: [0, 1, 4] }]);
    expect(tree.reference(uart, 'clocks')?.u32('clock-frequency')).toBe(24_000_000);
    const ppis = tree.interrupts(tree.find('/timer')!).map(({ specifier }) => specifier[1]);
    expect(ppis).toEqual([13, 14, 11, 10, 12]);
    expect(tree.find('/memory')!.reg()[0]?.address).toBe(0x40000000);
  });

  it.skipIf(!hasQemu)(`agrees with QEMU's machine${hasQemu ? '' : ' (skipped: QEMU is not installed)'}`, () => {
    const ours = compileDts(source);
    const theirs = qemuTree();
    for (const path of ['/intc@8000000', '/pl011@9000000', '/pl031@9010000', '/timer', '/apb-pclk', '/psci']) {
      const node = ours.find(path)!;
      const other = theirs.find(path)!;
      for (const property of node.properties.keys()) {
        if (['compatible', 'phandle', 'clocks', 'enable-method'].includes(property)) continue;
        // QEMU has the EL2 virtual timer's interrupt since 9.1.
        const value =
          property === 'interrupts' ? node.get(property)?.subarray(0, other.get(property)?.length) : node.get(property);
        expect(value, `${path} ${property}`).toEqual(other.get(property));
      }
      expect(other.compatible, path).toEqual(expect.arrayContaining(node.compatible));
    }
    expect(ours.find('/memory')!.reg()[0]!.address).toBe(theirs.find('/memory')!.reg()[0]!.address);
  });
});
