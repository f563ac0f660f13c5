/** Telling files that are not arm64 kernels by their headers, to say what they are. */

/** ELF's e_machine (System V ABI), and the PE Machine field, for what people take for a kernel. */
const ELF_MACHINES: Record<number, string> = {
  2: 'SPARC',
  3: 'x86 (32-bit)',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 's390x',
  40: '32-bit Arm',
  62: 'x86-64',
  183: 'arm64',
  243: 'RISC-V',
  258: 'LoongArch',
};
const PE_MACHINES: Record<number, string> = {
  0x14c: 'x86 (32-bit)',
  0x1c0: '32-bit Arm',
  0x1c2: '32-bit Arm',
  0x5032: 'RISC-V (32-bit)',
  0x5064: 'RISC-V',
  0x6264: 'LoongArch',
  0x8664: 'x86-64',
  0xaa64: 'arm64',
};

/** The machine that an ELF header of 64 bytes or more names. */
export function machineOfElf(bytes: Uint8Array): string {
  const bigEndian = bytes[5] === 2;
  const machine = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(18, !bigEndian);
  const name = ELF_MACHINES[machine] ?? `machine ${machine}`;
  return name === 'arm64' && bigEndian ? 'big-endian arm64' : name;
}

/** The machine that a PE header names, or undefined where there is none. */
export function machineOfPe(bytes: Uint8Array): string | undefined {
  if (bytes.length < 64 || bytes[0] !== 0x4d || bytes[1] !== 0x5a) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pe = view.getUint32(60, true);
  if (pe + 6 > bytes.length || view.getUint32(pe, true) !== 0x4550) return undefined;
  const machine = view.getUint16(pe + 4, true);
  return PE_MACHINES[machine] ?? `machine 0x${machine.toString(16)}`;
}

const text = (value: string): number[] => [...value].map((c) => c.charCodeAt(0));

/** Magic numbers: offset, bytes, and what is wrong with such a file as a kernel. */
const FORMATS: readonly [offset: number, magic: readonly number[], message: string][] = [
  [0x202, text('HdrS'), 'a kernel for x86: an arm64 kernel is needed'],
  [0x24, [0x18, 0x28, 0x6f, 0x01], 'a kernel for 32-bit Arm: an arm64 kernel is needed'],
  [0x24, [0x01, 0x6f, 0x28, 0x18], 'a kernel for 32-bit Arm: an arm64 kernel is needed'],
  [0x38, text('RSC\x05'), 'a kernel for RISC-V: an arm64 kernel is needed'],
  [0, [0xfd, ...text('7zXZ')], 'xz data: unpack it first'],
  [0, [0x28, 0xb5, 0x2f, 0xfd], 'zstd data: unpack it first'],
  [0, text('BZh'), 'bzip2 data: unpack it first'],
  [0, [0x04, 0x22, 0x4d, 0x18], 'lz4 data: unpack it first'],
  [0, [0x02, 0x21, 0x4c, 0x18], 'lz4 data: unpack it first'],
  [0, [0x89, ...text('LZO')], 'lzo data: unpack it first'],
  [0, [0x1f, 0x8b], 'gzip data within gzip data: unpack it first'],
  [0, [0x27, 0x05, 0x19, 0x56], 'a U-Boot image: give the kernel inside it'],
  [0, [0xd0, 0x0d, 0xfe, 0xed], 'a device tree or a FIT image, not a kernel'],
  [0, text('070701'), 'a cpio archive, perhaps an initramfs, not a kernel'],
  [0, text('!<arch>'), 'an archive, perhaps a Debian package, not a kernel'],
];

/** What a file is that is no arm64 kernel, as the message of an error; undefined where its header says nothing. */
export function identify(bytes: Uint8Array): string | undefined {
  for (const [offset, magic, message] of FORMATS) {
    if (magic.every((byte, index) => bytes[offset + index] === byte)) return message;
  }
  const machine = machineOfPe(bytes);
  if (machine === 'arm64') return 'an EFI program without a Linux kernel header';
  return machine && `an EFI program for ${machine}: an arm64 kernel is needed`;
}
