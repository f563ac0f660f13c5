/** `--dump-dtb`: writes the device tree of a guest that is not run. */
import { writeFileSync } from 'node:fs';
import { deviceTreeOf, type TreeOptions } from '../machine.ts';
import { Status, UsageError } from './errors.ts';
import { print } from './output.ts';

/** @param path a file, or `-` for standard output. @returns the exit status */
export async function dumpTree(path: string, options: TreeOptions): Promise<number> {
  const tree = deviceTreeOf(options);
  if (path === '-') await print(tree);
  else
    try {
      writeFileSync(path, tree);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(`--dump-dtb ${path}: cannot write it (${code}); name another file`);
    }
  return Status.OK;
}
