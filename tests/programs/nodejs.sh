# Node.js: a just-in-time compiler that writes, changes and throws away its own code.
cat >a.js <<'END'
const crypto = require('crypto'), zlib = require('zlib'), assert = require('assert');
console.log(process.version, process.arch, process.versions.v8);
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
console.log(fib(27));
let x = 0.1; for (let i = 0; i < 2e6; i++) x = x * 1.0000001 + Math.sin(x) * 1e-7; console.log(x);
class A { constructor(v) { this.v = v; } get twice() { return this.v * 2; } } class B extends A { get twice() { return super.twice + 1; } }
let s = 0; for (let i = 0; i < 300000; i++) { const o = i % 3 ? new A(i) : i % 2 ? new B(i) : { twice: i & 7 }; s += o.twice; } console.log(s);
const t = new Float64Array(4096).map((_, i) => Math.sqrt(i) * Math.cos(i)); for (let k = 0; k < 50; k++) for (let i = 1; i < t.length; i++) t[i] = t[i] * 0.999 + t[i - 1] * 0.001; console.log(t.reduce((a, b) => a + b));
const m = new Map(); let r = 12345; for (let i = 0; i < 200000; i++) { r = (Math.imul(r, 1103515245) + 12345) >>> 1; m.set(r % 1000, (m.get(r % 1000) ?? 0) + 1); } console.log([...m].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 5).join(' '));
let b = 1n; for (let i = 1n; i <= 300n; i++) b *= i; console.log(String(b).length, b % 1000000007n, BigInt.asIntN(64, b >> 1200n));
console.log('the quick brown fox'.repeat(500).replace(/(\w+) (\w+)/g, '$2 $1').length, /(?<y>\d{4})-(?<m>\d\d)/u.exec('on 2024-02-29').groups.m, 'äöü€😀'.normalize('NFD').length, [..."a😀"].length, 'ß'.toUpperCase(), (1234567.891).toLocaleString('en-US'), new Intl.DateTimeFormat('de', { timeZone: 'UTC' }).format(0));
console.log(JSON.stringify({ a: [1, 2.5, null, { b: 'x\n' }], n: -0, big: 1e21, d: new Date(0) }), JSON.parse('{"a":[1e400,0.1]}'), 0.1 + 0.2, (25).toString(36), parseFloat('1e-7'), (123.456).toFixed(1), 5e-324, 2 ** 53 + 1, -7 % 3, 1 / -0, ~~-3.7, -1 >>> 28, 1 << 33, Math.fround(0.1), Math.hypot(3, 4), Math.clz32(5), Math.atan2(1, -1), Math.expm1(1e-10), Math.cbrt(27), Math.trunc(-2.5), Math.round(-2.5));
for (let i = 0; i < 60; i++) { const f = new Function('a', `let s = 0; for (let i = 0; i < 3000; i++) s = (s + a * i + ${i}) | 0; return s`); s = (s ^ f(i)) | 0; } console.log(s);
function poly(o) { return o.x + o.y; } let p = 0; for (let i = 0; i < 100000; i++) p += poly(i < 50000 ? { x: i, y: 1 } : i % 2 ? { y: i, x: 0.5 } : { x: 'a', y: i, z: 1 }).length ?? 1; console.log(p);
function opt(a) { return a + 1; } for (let i = 0; i < 100000; i++) opt(i); console.log(opt('x'), opt(2 ** 31), opt(1.5), opt(undefined), opt(null));
const d = Buffer.alloc(1 << 20, 'naxos'); for (const h of ['md5', 'sha1', 'sha256', 'sha512', 'sha3-256']) console.log(h, crypto.createHash(h).update(d).digest('hex'));
const z = zlib.deflateSync(d, { level: 9 }); console.log(z.length, zlib.inflateSync(z).equals(d), zlib.brotliDecompressSync(zlib.brotliCompressSync(d.subarray(0, 100000), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } })).length);
const c = crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32, 1), Buffer.alloc(12, 2)); console.log(crypto.createHash('sha256').update(c.update(d)).update(c.final()).update(c.getAuthTag()).digest('hex'));
// WebAssembly: (func (param i32) (result i64) factorial by a loop)
const w = new Uint8Array([0,97,115,109,1,0,0,0,1,6,1,96,1,126,1,126,3,2,1,0,7,5,1,1,102,0,0,10,33,1,31,1,1,126,66,1,33,1,3,64,32,1,32,0,126,33,1,32,0,66,1,125,34,0,66,0,82,13,0,11,32,1,11]);
w[8 + 27] = w.length - 8 - 28;
function* gen() { let i = 0; while (true) yield i++; } let g = 0; for (const v of gen()) { if (v > 50000) break; g += v; } console.log(g);
async function main() {
  let n = 0; for (let i = 0; i < 5000; i++) n += await Promise.resolve(i); console.log(n);
  const { Worker } = require('worker_threads');
  const results = await Promise.all([1, 2, 3].map((k) => new Promise((ok, bad) => { const v = new Worker(`const { parentPort, workerData: k } = require('worker_threads'); let s = 0; for (let i = 0; i < 1e6; i++) s = (s * 31 + i * k) | 0; parentPort.postMessage(s);`, { eval: true, workerData: k }); v.on('message', ok); v.on('error', bad); })));
  console.log(results);
  await new Promise((ok) => setTimeout(ok, 20));
  const a = []; for (let i = 0; i < 100000; i++) a.push({ k: `key${(i * 7919) % 100003}`, v: [i] }); a.sort((p, q) => (p.k < q.k ? -1 : 1)); console.log(a[0].k, a[99999].k, a[5000].v);
  try { null.x; } catch (e) { console.log(e.message); } try { (function f() { f(); })(); } catch (e) { console.log(e.constructor.name); }
  process.exitCode = 3;
}
main();
END
sed -i '/WebAssembly: /d; /^const w = new Uint8Array/d; /^w\[8 + 27\]/d' a.js
node a.js 2>&1; echo "status $?"
node --jitless a.js 2>/dev/null | sha256sum
cat >w.mjs <<'END'
// a WebAssembly module: (func (export "f") (param i64) (result i64)): the product of 1 to n, wrapping
const body = [1, 1, 0x7e, 0x42, 1, 0x21, 1, 3, 0x40, 0x20, 1, 0x20, 0, 0x7e, 0x21, 1, 0x20, 0, 0x42, 1, 0x7d, 0x22, 0, 0x42, 0, 0x52, 0x0d, 0, 0x0b, 0x20, 1, 0x0b];
const section = (id, bytes) => [id, bytes.length, ...bytes];
const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, [1, 0x60, 1, 0x7e, 1, 0x7e]), ...section(3, [1, 0]), ...section(7, [1, 1, 0x66, 0, 0]), ...section(10, [1, body.length, ...body])];
const { instance } = await WebAssembly.instantiate(new Uint8Array(bytes)); let s = 0n; for (let i = 1n; i < 30000n; i++) s ^= instance.exports.f(i % 50n + 1n); console.log(s, instance.exports.f(20n));
END
node w.mjs 2>&1; echo "status $?"
