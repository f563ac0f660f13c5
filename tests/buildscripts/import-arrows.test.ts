import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { beforeAll, describe, expect, test } from 'vitest';
import { mayImport } from '../../buildscripts/import-arrows.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let eslint: ESLint;

beforeAll(() => {
  eslint = new ESLint({ cwd: root });
});

/** The messages of the arrow rule, under the project's own configuration, for code that stands at a path. */
async function arrowMessages(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: `${root}${path}` });
  return result!.messages.filter((m) => m.ruleId === 'naxos/import-arrows').map((m) => m.message);
}

describe('import arrows', () => {
  test.each([
    ['arch/mmu/walk.ts', 'board/virt/board.ts'],
    ['arch/mmu/walk.ts', 'kernel/abi/syscall.ts'],
    ['board/virt/board.ts', 'kernel/boot.ts'],
    ['kernel/thread.ts', 'board/virt/board.ts'],
    ['kernel/thread.ts', 'hypervisor/system.ts'],
    ['kernel/abi/syscall.ts', 'kernel/thread.ts'],
    ['vcpu/exit.ts', 'kernel/thread.ts'],
    ['vcpu/exit.ts', 'vgic/distributor.ts'],
    ['vgic/distributor.ts', 'kernel/kernel.ts'],
    ['vmmio/blk.ts', 'board/pl011.ts'],
    ['guests/linux/image.ts', 'board/virt/board.ts'],
    ['guests/linux/image.ts', 'hypervisor/cli.ts'],
    ['hypervisor/cli.ts', 'kernel/boot.ts'],
    ['hypervisor/vmm/vmm.ts', 'kernel/boot.ts'],
  ])('%s may not import %s', (importer, imported) => {
    expect(mayImport(importer, imported)).toBe(false);
  });

  test.each([
    ['arch/mmu/walk.ts', 'arch/sysreg.ts'],
    ['board/virt/board.ts', 'arch/core.ts'],
    ['kernel/thread.ts', 'kernel/abi/syscall.ts'],
    ['kernel/thread.ts', 'arch/core.ts'],
    ['kernel/abi/syscall.ts', 'kernel/abi/errors.ts'],
    ['vcpu/exit.ts', 'kernel/abi/syscall.ts'],
    ['guests/services/names.ts', 'kernel/abi/syscall.ts'],
    ['hypervisor/cli.ts', 'guests/linux/image.ts'],
    ['hypervisor/cli.ts', 'hypervisor/system.ts'],
    ['hypervisor/system.ts', 'kernel/boot.ts'],
    ['hypervisor/system.ts', 'hypervisor/config.ts'],
    ['tests/kernel/thread.test.ts', 'board/virt/board.ts'],
    ['buildscripts/bench.ts', 'kernel/boot.ts'],
    ['index.ts', 'hypervisor/system.ts'],
  ])('%s may import %s', (importer, imported) => {
    expect(mayImport(importer, imported)).toBe(true);
  });

  test('a folder whose name only begins like a room is not that room', () => {
    expect(mayImport('vcpu/exit.ts', 'archive/x.ts')).toBe(false);
    expect(mayImport('kernel/x.ts', 'kernel/abigail.ts')).toBe(true);
    expect(mayImport('vcpu/x.ts', 'kernel/abigail.ts')).toBe(false);
  });

  test.each([
    ['a static import', "import { x } from '../../kernel/thread.ts';"],
    ['a type import', "import type { X } from '../../kernel/thread.ts';"],
    ['an import for its effects', "import '../../kernel/thread.ts';"],
    ['a named export', "export { x } from '../../kernel/thread.ts';"],
    ['an export of all', "export * from '../../kernel/thread.ts';"],
    ['a dynamic import', "await import('../../kernel/thread.ts');"],
    ['a type query', "export type X = import('../../kernel/thread.ts').X;"],
    ['a worker', "new Worker(new URL('../../kernel/thread.ts', import.meta.url));"],
    ['a way round', "import '../../vgic/../kernel/thread.ts';"],
  ])('the project lint reports %s against the arrows', async (_form, code) => {
    expect(await arrowMessages('vgic/deep/file.ts', code)).toEqual([
      'vgic may not import kernel/thread.ts: it imports only kernel/abi, arch.',
    ]);
  });

  test('the project lint accepts what the arrows allow, packages and lookalike strings', async () => {
    const code = [
      "import '../kernel/abi/syscall.ts';",
      "import '../arch/core.ts';",
      "import 'node:fs';",
      "export const text = '../kernel/thread.ts';",
    ].join('\n');
    expect(await arrowMessages('vgic/file.ts', code)).toEqual([]);
  });
});
