/** The verb `boot`: what is booted when only some of a guest's files are given. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Terminal } from '../../board/host/terminal.ts';
import { withBootRequest } from '../../guests/linux/initramfs.ts';
import { dumpTree } from './dump-tree.ts';
import { UsageError } from './errors.ts';
import { obtainGuest } from './guest.ts';
import type { GuestFlags } from './options.ts';
import { runSession } from './session.ts';

/** @returns the exit status */
export async function boot(flags: GuestFlags & { exec?: string }): Promise<number> {
  const { exec } = flags;
  if (exec !== undefined) {
    if (flags.initrd !== undefined)
      throw new UsageError('--exec: the command runs in the default initramfs; leave --initrd out');
    if (exec.trim() === '') throw new UsageError('--exec: the command is empty');
    if (exec.includes('\0')) throw new UsageError('--exec: the command has a NUL character in it');
  }
  if (flags.dumpDtb !== undefined) {
    // The tree says where the initrd is, and that depends on the kernel.
    const kernel = flags.kernel ?? (flags.initrd === undefined ? undefined : (await obtainGuest()).kernel);
    return dumpTree(flags.dumpDtb, { ...flags, kernel, second: exec !== undefined });
  }
  // A kernel of the user's own boots alone, as anywhere else.
  const ownInitrd = flags.initrd !== undefined || (flags.kernel !== undefined && exec === undefined);
  if (flags.kernel !== undefined && ownInitrd)
    return runSession(flags, { mode: 'boot', kernel: flags.kernel, initrd: flags.initrd });
  // Also with --quiet, which is about what comes besides the guest's output: this takes a minute, and only the first time.
  const guest = await obtainGuest();
  const kernel = flags.kernel ?? guest.kernel;
  if (ownInitrd) return runSession(flags, { mode: 'boot', kernel, initrd: flags.initrd });

  const base = readFileSync(guest.initrd);
  if (exec !== undefined) {
    const token = randomBytes(12).toString('hex');
    // A tree of the user's may have no other UART than the console's.
    const initrd = withBootRequest(base, { exec: { command: exec, token, ...(!flags.dtb && { tty: 'ttyAMA1' }) } });
    return runSession(flags, { mode: 'boot', kernel, initrd, execToken: token });
  }
  const terminal = new Terminal();
  return runSession(flags, {
    mode: 'boot',
    kernel,
    initrd: terminal.interactive ? withBootRequest(base, { terminal: terminal.size }) : base,
  });
}
