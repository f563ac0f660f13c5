/**
 * The groups of Debian programs that are run in the guest and on QEMU: what they are made of, and how much memory the
 * guest needs for them. A group's script is `tests/programs/<name>.sh`.
 */
export interface Group {
  name: string;
  /** Debian packages for arm64, besides dash, which runs the script; what they depend on comes with them. */
  packages: readonly string[];
  /** Keep, of all packages, only these programs and the shared libraries that they need. */
  only?: readonly string[];
  /** Files and folders that the group has no use for, as paths in the tree. */
  without?: readonly string[];
  /** Symbolic links that Debian's maintainer scripts would make: path and target. */
  links?: Readonly<Record<string, string>>;
  /** The guest's memory, in MiB. */
  memory: number;
  /** It is short enough for every run of the tests, with these environment variables for its script. */
  quick?: string;
}

export const GROUPS: readonly Group[] = [
  {
    name: 'coreutils',
    packages: 'coreutils diffutils findutils grep sed mawk bc dc'.split(' '),
    links: { 'usr/bin/awk': 'mawk' },
    memory: 512,
  },
  { name: 'busybox', packages: [], memory: 512, quick: '' },
  { name: 'perl', packages: ['perl'], memory: 768, quick: '' },
  { name: 'sqlite3', packages: ['sqlite3'], memory: 512 },
  { name: 'python3', packages: ['python3.11', 'libpython3.11-testsuite'], memory: 1024 },
  { name: 'openssl', packages: ['openssl'], memory: 512 },
  { name: 'gcc', packages: ['gcc', 'libc6-dev'], memory: 1536 },
  { name: 'compress', packages: ['gzip', 'xz-utils', 'zstd', 'bzip2', 'openssl'], memory: 1536, quick: 'MEGABYTES=1' },
  {
    name: 'ffmpeg',
    packages: ['ffmpeg'],
    only: ['usr/bin/ffmpeg'],
    links: {
      'usr/lib/aarch64-linux-gnu/libblas.so.3': 'blas/libblas.so.3',
      'usr/lib/aarch64-linux-gnu/liblapack.so.3': 'lapack/liblapack.so.3',
    },
    memory: 1536,
  },
  { name: 'nodejs', packages: ['nodejs'], memory: 1536 },
  { name: 'luajit', packages: ['luajit'], memory: 512 },
];

/** What a bare machine at EL2 runs: Linux as a host of KVM, and in it a machine of QEMU's. */
export const KVM: Group = {
  name: 'kvm',
  packages: ['qemu-system-arm'],
  only: ['usr/bin/qemu-system-aarch64'],
  memory: 768,
};
