/** How `--stats` shows what a machine did. */
import type { MachineStats } from '../machine.ts';

/** For scripts: the figures as one line of JSON. */
export function statsJson(stats: MachineStats): string {
  return JSON.stringify({ ...stats, mips: mips(stats), residentBytes: process.memoryUsage.rss() });
}

/** For people. */
export function statsText(stats: MachineStats): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const count = (value: number): string => value.toLocaleString('en');
  const counts = (group: string, values: Record<string, number> = {}): [string, string][] =>
    Object.entries(values).map(([name, value]) => [`${group}: ${name === 'ipc' ? 'IPC' : name}`, count(value)]);
  const { deviceAccesses } = stats;
  const rows: [string, string][] = [
    ['time to user space', stats.userSpaceMs === undefined ? 'not reached' : ms(stats.userSpaceMs)],
    ['running', ms(stats.runMs)],
    ['instructions retired', `${count(stats.instructions)} (${mips(stats).toFixed(0)} MIPS)`],
    [
      'translated',
      `${count(stats.regions)} regions, ${count(stats.translatedInstructions)} instructions, ${count(stats.translatedBytes)} bytes`,
    ],
    ['kept from before', `${count(stats.reusedRegions)} regions`],
    ['translator', ms(stats.translateMs)],
    ['compilation', ms(stats.compileMs)],
    ['TLB misses', count(stats.tlbMisses)],
    ['dispatches', count(stats.dispatches)],
    ['exceptions', count(stats.exceptions)],
    ...(deviceAccesses === undefined ? [] : [['device accesses', count(deviceAccesses)] satisfies [string, string]]),
    ...counts('exits', stats.exits),
    ...counts('kernel', stats.kernel),
    ['resident', `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(22)} ${value}\n`).join('');
}

const mips = ({ instructions, runMs }: MachineStats): number => (runMs > 0 ? instructions / runMs / 1000 : 0);
