/**
 * The library entry of the package.
 *
 * ```ts
 * import { Machine } from 'naxos';
 * const machine = new Machine({ kernel: 'Image', initrd: 'initrd', onOutput: (bytes) => process.stdout.write(bytes) });
 * machine.write('uname -a; poweroff\n');
 * console.log((await machine.run()).reason);
 * ```
 */
import './hypervisor/host-version.ts';

export { BoardError } from './board/bus.ts';
export { DeviceTreeError } from './arch/devicetree/tree.ts';
export { GuestImageError } from './guests/linux/image.ts';
export { fetchDefaultGuest, GuestFetchError, type FetchOptions, type Guest } from './guests/linux/fetch.ts';
export { withBootRequest, type BootRequest } from './guests/linux/initramfs.ts';
export { ExecStream, type ExecStreamEvents } from './guests/linux/exec-stream.ts';
export {
  Machine,
  type FileSource,
  type MachineEnd,
  type MachineOptions,
  type MachineStats,
} from './hypervisor/machine.ts';
export { TRACE_KINDS, type Trace, type TraceKind } from './hypervisor/trace.ts';
