/** Compiles the package into dist/: JavaScript, type declarations, and the other files that the sources read. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const rooms = ['arch', 'board', 'kernel', 'vcpu', 'vgic', 'vmmio', 'hypervisor', 'guests'];

rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
if (status !== 0) process.exit(1);

// tsc rewrites the extension in imports, but not in the URLs that workers are started from.
const workerUrl = /(new URL\(\s*(['"])\.{1,2}\/[^'"]+)\.ts(\2,\s*import\.meta\.url\s*\))/g;
for (const file of globSync('**/*.js', { cwd: dist })) {
  const text = readFileSync(join(dist, file), 'utf8');
  const rewritten = text.replace(workerUrl, '$1.js$3');
  if (rewritten !== text) writeFileSync(join(dist, file), rewritten);
}

// Typed arrays have a type parameter from TypeScript 5.7 on; for users of an older one the declarations go without.
for (const file of globSync('**/*.d.ts', { cwd: dist })) {
  const text = readFileSync(join(dist, file), 'utf8');
  const rewritten = text.replace(/\b((?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array)<[^<>]*>/g, '$1');
  if (rewritten !== text) writeFileSync(join(dist, file), rewritten);
}

for (const room of rooms.filter((name) => existsSync(join(root, name)))) {
  for (const entry of globSync('**/*', { cwd: join(root, room), withFileTypes: true })) {
    if (!entry.isFile() || /\.(ts|md)$/.test(entry.name)) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(dist, source.slice(root.length));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(source, target);
  }
}
