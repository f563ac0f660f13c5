/**
 * Stores the device tree that QEMU's virt machine with GICv3 gives a guest of 512 MiB, without its padding, in virt-qemu.dtb:
 *
 *     node tests/hypervisor/record-virt.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDtb, writeDtb } from '../../arch/devicetree/dtb.ts';

const work = mkdtempSync(join(tmpdir(), 'virt-'));
try {
  const file = join(work, 'virt.dtb');
  // A kernel is needed for QEMU to fill in what belongs to it; what it is does not matter.
  const kernel = join(work, 'kernel');
  writeFileSync(kernel, new Uint8Array(4096));
  const arguments_ = ['-M', `virt,gic-version=3,dumpdtb=${file}`, '-cpu', 'cortex-a72', '-m', '512', '-nographic'];
  execFileSync('qemu-system-aarch64', [...arguments_, '-kernel', kernel, '-initrd', kernel, '-append', 'quiet'], {
    stdio: 'ignore',
  });
  const tree = parseDtb(readFileSync(file));
  tree.root.child('chosen').delete('rng-seed');
  tree.root.child('chosen').delete('kaslr-seed');
  writeFileSync(new URL('virt-qemu.dtb', import.meta.url), writeDtb(tree));
} finally {
  rmSync(work, { recursive: true });
}
