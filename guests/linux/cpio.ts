/** The "newc" cpio format that Linux unpacks as an initramfs (Documentation/driver-api/early-userspace/buffer-format). */

/** One entry of an archive. Paths are relative, without a leading slash; owner and group are always 0. */
export type CpioEntry =
  | { kind: 'dir'; path: string; mode?: number }
  | { kind: 'file'; path: string; mode?: number; data: Uint8Array | string }
  | { kind: 'symlink'; path: string; target: string }
  | { kind: 'fifo'; path: string; mode?: number }
  | { kind: 'char'; path: string; mode?: number; major: number; minor: number }
  | { kind: 'block'; path: string; mode?: number; major: number; minor: number };

/** An archive that is not newc, is cut off, or cannot be written as asked. */
export class CpioError extends Error {
  override name = 'CpioError';
}

const S_IFMT = 0o170000;
const TYPE = {
  file: 0o100000,
  dir: 0o040000,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
} as const;
const DEFAULT_MODE = { file: 0o644, dir: 0o755, symlink: 0o777, char: 0o600, block: 0o600, fifo: 0o600 } as const;
const MAGIC = '070701';
const HEADER_SIZE = 110;
const TRAILER = 'TRAILER!!!';

const align4 = (n: number): number => (n + 3) & ~3;

function checkPath(path: string): void {
  if (
    path === '' ||
    path.startsWith('/') ||
    path.includes('\0') ||
    path.split('/').some((p) => p === '' || p === '..')
  ) {
    throw new CpioError(`cpio: bad path ${JSON.stringify(path)}`);
  }
}

/**
 * Writes a newc archive. The same entries give the same bytes: times and device numbers are 0 and
 * inode numbers count up. The result's length is a multiple of 4, so archives can be concatenated.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts: { header: string; name: Uint8Array; data: Uint8Array }[] = [];
  let size = 0;
  const add = (
    path: string,
    ino: number,
    mode: number,
    links: number,
    data: Uint8Array,
    major = 0,
    minor = 0,
  ): void => {
    const name = encoder.encode(`${path}\0`);
    if (data.length > 0xffff_ffff) throw new CpioError(`cpio: ${path} is larger than 4 GB`);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [ino, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, name.length, 0];
    const header = MAGIC + fields.map((f) => f.toString(16).padStart(8, '0')).join('');
    parts.push({ header, name, data });
    size += align4(HEADER_SIZE + name.length) + align4(data.length);
  };
  const none = new Uint8Array(0);
  let ino = 1;
  for (const entry of entries) {
    checkPath(entry.path);
    const mode = TYPE[entry.kind] | ((entry.kind === 'symlink' ? undefined : entry.mode) ?? DEFAULT_MODE[entry.kind]);
    if (entry.kind === 'char' || entry.kind === 'block') {
      add(entry.path, ino++, mode, 1, none, entry.major, entry.minor);
    } else if (entry.kind === 'dir') {
      add(entry.path, ino++, mode, 2, none);
    } else if (entry.kind === 'fifo') {
      add(entry.path, ino++, mode, 1, none);
    } else {
      const content = entry.kind === 'file' ? entry.data : entry.target;
      add(entry.path, ino++, mode, 1, typeof content === 'string' ? encoder.encode(content) : content);
    }
  }
  add(TRAILER, 0, 0, 1, none);

  const out = new Uint8Array(size);
  let at = 0;
  for (const { header, name, data } of parts) {
    encoder.encodeInto(header, out.subarray(at));
    out.set(name, at + HEADER_SIZE);
    at += align4(HEADER_SIZE + name.length);
    out.set(data, at);
    at += align4(data.length);
  }
  return out;
}

/** Reads the entries of a newc archive, or of several one after another with zeros between them, as Linux does. */
export function readCpio(bytes: Uint8Array): CpioEntry[] {
  const decoder = new TextDecoder();
  const entries: CpioEntry[] = [];
  let at = 0;
  let ended = true;
  while (at < bytes.length) {
    if (ended && bytes[at] === 0) {
      at++;
      continue;
    }
    if (at + HEADER_SIZE > bytes.length) throw new CpioError('cpio: the archive is cut off in a header');
    const header = decoder.decode(bytes.subarray(at, at + HEADER_SIZE));
    if (!header.startsWith(MAGIC)) throw new CpioError(`cpio: no newc header at offset ${at}`);
    const field = (index: number): number => {
      const text = header.slice(6 + index * 8, 14 + index * 8);
      if (!/^[0-9a-fA-F]{8}$/.test(text)) throw new CpioError(`cpio: a bad number in the header at offset ${at}`);
      return Number.parseInt(text, 16);
    };
    const mode = field(1);
    const dataSize = field(6);
    const nameSize = field(11);
    const dataAt = at + align4(HEADER_SIZE + nameSize);
    if (nameSize === 0 || dataAt + dataSize > bytes.length)
      throw new CpioError(`cpio: the archive is cut off at offset ${at}`);
    const path = decoder.decode(bytes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + nameSize - 1));
    const data = new Uint8Array(bytes.subarray(dataAt, dataAt + dataSize));
    at = dataAt + align4(dataSize);
    ended = path === TRAILER;
    if (!ended) entries.push(toEntry(path, mode, data, field(9), field(10)));
  }
  if (!ended) throw new CpioError('cpio: the archive has no trailer');
  return entries;

  function toEntry(path: string, mode: number, data: Uint8Array, major: number, minor: number): CpioEntry {
    const permissions = mode & ~S_IFMT;
    switch (mode & S_IFMT) {
      case TYPE.dir:
        return { kind: 'dir', path, mode: permissions };
      case TYPE.file:
        return { kind: 'file', path, mode: permissions, data };
      case TYPE.symlink:
        return { kind: 'symlink', path, target: decoder.decode(data) };
      case TYPE.fifo:
        return { kind: 'fifo', path, mode: permissions };
      case TYPE.char:
        return { kind: 'char', path, mode: permissions, major, minor };
      case TYPE.block:
        return { kind: 'block', path, mode: permissions, major, minor };
      default:
        throw new CpioError(`cpio: ${path} is of a kind that initramfs has no use for (mode ${mode.toString(8)})`);
    }
  }
}
