/**
 * The lint rule for the project's import arrows: which room (top-level folder) may import which.
 * A room that stands in no list here (tests, buildscripts, docs, root files) may import anything.
 */
import { dirname, relative, resolve, sep } from 'node:path';
import type { Rule } from 'eslint';

/** For each room the paths of the project that it may import besides itself. */
export const ARROWS: Record<string, readonly string[]> = {
  arch: [],
  board: ['arch'],
  kernel: ['arch'],
  // The user-side contract: what it imported would reach every service.
  'kernel/abi': ['arch'],
  vcpu: ['kernel/abi', 'arch'],
  vgic: ['kernel/abi', 'arch'],
  vmmio: ['kernel/abi', 'arch'],
  guests: ['kernel/abi', 'arch'],
  hypervisor: ['kernel/abi', 'vcpu', 'vgic', 'vmmio', 'board', 'guests', 'arch'],
  // The one file that composes the whole: it boots the microkernel.
  'hypervisor/system.ts': ['kernel', 'kernel/abi', 'vcpu', 'vgic', 'vmmio', 'board', 'guests', 'arch', 'hypervisor'],
};

const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

/** The most specific room that holds a path, or undefined when the path is free to import anything. */
function roomOf(path: string): string | undefined {
  return Object.keys(ARROWS)
    .filter((room) => isWithin(path, room))
    .sort((a, b) => b.length - a.length)[0];
}

/** Both paths are relative to the project's root, with forward slashes. */
export function mayImport(importer: string, imported: string): boolean {
  const room = roomOf(importer);
  if (room === undefined || isWithin(imported, room)) return true;
  return (ARROWS[room] ?? []).some((folder) => isWithin(imported, folder));
}

interface Specifier {
  type: string;
  value?: unknown;
}

/** ESLint rule `naxos/import-arrows`: reports relative imports (static, dynamic, types, worker URLs) against the arrows. */
export const importArrows: Rule.RuleModule = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { forbidden: '{{room}} may not import {{imported}}: {{allowed}}.' },
  },
  create(context) {
    const path = (file: string): string => relative(context.cwd, file).split(sep).join('/');
    const importer = path(context.filename);

    function check(node: Rule.Node, source: Specifier | null | undefined): void {
      if (source?.type !== 'Literal' || typeof source.value !== 'string' || !source.value.startsWith('.')) return;
      const imported = path(resolve(dirname(context.filename), source.value));
      if (mayImport(importer, imported)) return;
      const room = roomOf(importer) ?? importer;
      const allowed = ARROWS[room]?.length
        ? `it imports only ${ARROWS[room].join(', ')}`
        : 'it imports nothing of ours';
      context.report({ node, messageId: 'forbidden', data: { room, imported, allowed } });
    }

    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      // import('./x.ts').Type in a type position
      TSImportType: (node: Rule.Node & { source?: Specifier }) => check(node, node.source),
      NewExpression(node) {
        const isUrl = node.callee.type === 'Identifier' && node.callee.name === 'URL';
        if (isUrl && node.arguments.length === 2) check(node, node.arguments[0]);
      },
    };
  },
};
