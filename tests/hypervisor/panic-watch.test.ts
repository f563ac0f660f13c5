import { describe, expect, it } from 'vitest';
import { PanicWatch } from '../../hypervisor/panic-watch.ts';

function after(text: string): PanicWatch {
  const watch = new PanicWatch();
  for (const byte of new TextEncoder().encode(text)) watch.push(byte);
  return watch;
}

const PANIC = '[    1.5] Kernel panic - not syncing: VFS: no root\r\n[    1.6] Call trace:\r\n';
const END = '[    1.7] ---[ end Kernel panic - not syncing: VFS: no root ]---\r\n';

describe('the watch on a console', () => {
  it('knows a panic and its end, with and without timestamps', () => {
    expect(after(PANIC).message).toBe('Kernel panic - not syncing: VFS: no root');
    expect(after(PANIC).ended).toBe(false);
    expect(after(PANIC + END).ended).toBe(true);
    expect(after('[    1.5][    T1] Kernel panic - not syncing: x\n').message).toBe('Kernel panic - not syncing: x');
    expect(after('Kernel panic - not syncing: x\n---[ end Kernel panic - not syncing: x ]---\n').ended).toBe(true);
    expect(after(`${PANIC}${END}Rebooting in 5 seconds..\n`).ended).toBe(true);
  });

  it('does not take quotations for a panic', () => {
    expect(after('# dmesg | grep "Kernel panic - not syncing"\n').message).toBeUndefined();
    expect(after('He said: Kernel panic - not syncing\n').message).toBeUndefined();
    expect(after('---[ end Kernel panic - not syncing: x ]---\n').ended).toBe(false);
  });

  it('forgets a panic when the console goes on, or the kernel restarts in order', () => {
    expect(after(`${PANIC}${END}root@host:~# ls\n`).message).toBeUndefined();
    expect(after(`${PANIC}reboot: Restarting system\n`).message).toBeUndefined();
  });

  it('keeps no more of a line than it needs', () => {
    expect(after(`Kernel panic - not syncing: ${'x'.repeat(100_000)}\n`).message!.length).toBeLessThan(600);
  });
});
