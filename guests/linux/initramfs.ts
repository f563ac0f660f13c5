/** The default guest's initramfs: busybox, `/init`, and what one boot adds to it. */
import { writeCpio, type CpioEntry } from './cpio.ts';
import { beginMarker, endMarker } from './exec-stream.ts';

const dir = (path: string, mode = 0o755): CpioEntry => ({ kind: 'dir', path, mode });
const file = (path: string, data: Uint8Array | string, mode = 0o644): CpioEntry => ({ kind: 'file', path, mode, data });

/** What /dev has besides devices, for devtmpfs has only those. */
const DEV: readonly CpioEntry[] = [
  dir('dev/pts'),
  dir('dev/shm'),
  { kind: 'symlink', path: 'dev/fd', target: '/proc/self/fd' },
  { kind: 'symlink', path: 'dev/stdin', target: '/proc/self/fd/0' },
  { kind: 'symlink', path: 'dev/stdout', target: '/proc/self/fd/1' },
  { kind: 'symlink', path: 'dev/stderr', target: '/proc/self/fd/2' },
];
const DEV_ENTRIES = DEV.map(({ path }) => path.slice('dev/'.length)).join(' ');

/** Not /etc/fstab, which belongs to a tree that is unpacked over this one. */
const MOUNTS = '/etc/init.fstab';

/** What is mounted once /dev is there, as fstab(5) has it. */
const FSTAB = `proc /proc proc nosuid,nodev,noexec 0 0
sysfs /sys sysfs nosuid,nodev,noexec 0 0
devpts /dev/pts devpts nosuid,noexec,gid=5,mode=620,ptmxmode=666 0 0
tmpfs /dev/shm tmpfs nosuid,nodev 0 0
tmpfs /run tmpfs nosuid,nodev,mode=755 0 0
tmpfs /tmp tmpfs nosuid,nodev 0 0
`;

/**
 * PID 1, until it becomes busybox's init (called linuxrc in Debian's build). The shell is given the real terminal
 * behind /dev/console, because /dev/console itself can never be a controlling terminal and without one there is no
 * job control.
 *
 * A process costs the guest tens of milliseconds, so what the shell can do itself it does itself.
 *
 * The command of `--exec` writes into a FIFO, so that it sees no terminal (as with `docker run` without -t) and
 * cannot change its settings; `cat` moves the bytes to the terminal, which is raw meanwhile. What the command leaves
 * running in the background is killed, or `cat` would wait for it.
 */
const INIT = String.raw`#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=xterm
/bin/busybox --install -s 2>/dev/null
# from here the archive's /dev can still be reached when it is covered
cd /dev
/bin/busybox mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
cp -a ${DEV_ENTRIES} /dev
cd /
mount -a -T ${MOUNTS}
read -r name </etc/hostname
echo "$name" >/proc/sys/kernel/hostname
ip link set lo up

tty=console
read -r names </sys/class/tty/console/active
for name in $names; do
  [ -c "/dev/$name" ] && tty=$name
done
cd /root

if [ -e /naxos/exec ]; then
  if [ -e /naxos/tty ]; then
    read -r tty </naxos/tty
  else
    echo 1 >/proc/sys/kernel/printk
  fi
  stty -F "/dev/$tty" raw -echo
  cat </naxos/output >"/dev/$tty" &
  cat=$!
  exec 3>/naxos/output
  read -r begin </naxos/begin
  read -r end </naxos/end
  printf %s "$begin" >&3
  setsid sh -c '. /naxos/exec' sh </dev/null >&3 2>&1 3>&-
  status=$?
  printf "$end" "$status" >&3
  exec 3>&-
  for process in /proc/[0-9]*; do
    pid=${'$'}{process#/proc/}
    [ "$pid" = 1 ] || [ "$pid" = "$cat" ] || kill -9 "$pid" 2>/dev/null
  done
  wait
  # setting the attributes waits until the terminal has sent everything
  stty -F "/dev/$tty" raw -echo
  exec busybox poweroff -f
fi

if [ -e /naxos/terminal ]; then
  read -r size </naxos/terminal
  stty -F "/dev/$tty" $size
fi
echo "$tty::once:/etc/session
::ctrlaltdel:reboot
::shutdown:umount -a -r" >/etc/inittab
exec /linuxrc
`;

/** What runs on the console, on a terminal of its own. The machine ends with its shell. */
const SESSION = `#!/bin/busybox sh
cd /root
sh -l
exec busybox poweroff -f
`;

/**
 * At the prompt there is nothing for init to wait for, and asking it takes seconds. A serial line does not tell that the
 * window's size has changed, but the terminal can be asked where its last character is (ECMA-48's CPR; DECSC and DECRC).
 */
const PROFILE = String.raw`PS1='\u@\h:\w\$ '
for applet in poweroff reboot halt; do
  alias $applet="$applet -f"
done
resize() {
  saved=$(stty -g)
  stty raw -echo min 0 time 20
  printf '\0337\033[9999;9999H\033[6n\0338'
  IFS='[;' read -r -d R escape rows columns
  stty "$saved"
  [ -n "$columns" ] && stty rows "$rows" columns "$columns"
}
`;

/** The default guest's initramfs around a static arm64 busybox: the same busybox gives the same bytes. */
export function buildInitramfs(busybox: Uint8Array): Uint8Array {
  return writeCpio([
    ...['bin', 'dev', 'etc', 'proc', 'run', 'sbin', 'sys', 'usr', 'usr/bin', 'usr/sbin'].map((path) => dir(path)),
    dir('root', 0o700),
    dir('tmp', 0o1777),
    { kind: 'char', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'char', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    ...DEV,
    file('bin/busybox', busybox, 0o755),
    { kind: 'symlink', path: 'bin/sh', target: 'busybox' },
    { kind: 'symlink', path: 'linuxrc', target: 'bin/busybox' },
    file('etc/session', SESSION, 0o755),
    file('etc/hostname', 'naxos\n'),
    file('etc/hosts', '127.0.0.1 localhost naxos\n::1 localhost\n'),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
    file('etc/group', 'root:x:0:\ntty:x:5:\n'),
    file('etc/profile', PROFILE),
    file(MOUNTS.slice(1), FSTAB),
    file('init', INIT, 0o755),
  ]);
}

/** What one boot asks of the default guest's `/init`. */
export interface BootRequest {
  /** A shell command to run instead of the interactive shell, framed by markers made from `token` (see exec-stream.ts). */
  exec?: {
    command: string;
    token: string;
    /** The terminal for its output, below /dev; the console's when left out, on which the kernel is then quiet meanwhile. */
    tty?: string;
  };
  /** The size of the terminal that shows the console. */
  terminal?: { rows: number; columns: number };
}

/**
 * The second archive of the default guest's initrd, which tells `/init` what this boot is for: Linux unpacks
 * concatenated archives in turn, so nothing has to go through the kernel's command line.
 *
 * @param initrd the guest's initramfs, uncompressed
 * @returns the initrd to load
 */
export function withBootRequest(initrd: Uint8Array, request: BootRequest): Uint8Array {
  const entries: CpioEntry[] = [];
  if (request.exec) {
    const { command, token, tty } = request.exec;
    entries.push({ kind: 'fifo', path: 'naxos/output', mode: 0o644 });
    entries.push(file('naxos/exec', `${command}\n`));
    entries.push(file('naxos/begin', beginMarker(token)));
    entries.push(file('naxos/end', endMarker(token, '%d')));
    if (tty !== undefined) entries.push(file('naxos/tty', `${tty}\n`));
  }
  if (request.terminal) {
    const { rows, columns } = request.terminal;
    entries.push(file('naxos/terminal', `rows ${rows} columns ${columns}\n`));
  }
  if (entries.length === 0) return initrd;
  const extra = writeCpio([dir('naxos', 0o700), ...entries]);
  const start = (initrd.length + 3) & ~3;
  const out = new Uint8Array(start + extra.length);
  out.set(initrd);
  out.set(extra, start);
  return out;
}
