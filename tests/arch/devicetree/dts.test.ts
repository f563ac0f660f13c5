import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDtb, writeDtb } from '../../../arch/devicetree/dtb.ts';
import { compileDts, writeDts } from '../../../arch/devicetree/dts.ts';
import { cells, DeviceTree, DeviceTreeError, strings } from '../../../arch/devicetree/tree.ts';
import type { DeviceTreeNode } from '../../../arch/devicetree/tree.ts';
import { anyTree } from './arbitrary.ts';
import { dtc, dtcNote, hasDtc } from './dtc.ts';

const compile = (body: string) => compileDts(`/dts-v1/;\n${body}`, { file: 'x.dts' });
const cellsOf = (list: string) => compile(`/ { p = <${list}>; };`).root.cells('p');
const paths = (tree: DeviceTree) => [...tree.nodes()].map((node: DeviceTreeNode) => node.path);

/** Sources that show each part of the language; dtc must make the same bytes of them. */
const SOURCES: Record<string, string> = {
  'comments and the smallest tree': '/* a */ / { // b\n /* c\n d */ };',
  'memory reservations': '/memreserve/ 0x10000000 0x4000;\nlabel: /memreserve/ 1 (2 + 3);\n/ { };',
  'names of all sorts': '/ { #a-cells; ?b; c,d = "e"; 8bit; +x; .y; _z; *w; 0 { }; cpu@0 { }; \\escaped { }; };',
  'strings with escapes': String.raw`/ { p = "\a\b\t\n\v\f\r\\\"\'", "\x41\x4g\101\0\1234\777", "é", "", "//", "/*";};`,
  'a string over two lines': '/ { p = "a\nb"; };',
  numbers: '/ { p = <0 1 010 0x10 0XaBcD 4294967295 0xffffffffUL 1U 1ULL (-1) 00>; };',
  'character literals': String.raw`/ { p = <'a' '\'' '\n' '\xff' '\377' '"' '\\'>; };`,
  expressions:
    '/ { p = <(1 + 2 * 3) (7 / 2 % 2) (1 << 4 | 3 & ~1 ^ 8) (!0) (!5) (-(-3)) (2 < 3 == 1) (1 ? 2 : 0 ? 3 : 4) ' +
    '(0 || 2 && 3) (5 - 2 - 1) (64 >> 2 >> 1) (0xfffffffff & 0xff) (1 <= 1) (2 >= 3) (2 > 1) (1 != 1) ((0)) >; };',
  'wide expressions': '/ { p = /bits/ 64 <(1 << 63) ((-1) / 2) (-1) 0xffffffffffffffff (0 - 1 > 1)>; };',
  'element sizes': '/ { p = /bits/ 8 <1 (-1) 255>, /bits/ 16 <0x1234 (-2)>, /bits/ 32 <5>, /bits/ 64 <6>, <7>; };',
  'byte strings': '/ { p = [00 ff], [abcd12 aB 0f], []; };',
  'mixed values': '/ { p = <1 2>, "text", [ab], <>, <3>; n { }; };',
  'labels everywhere':
    '/ { a: b: p = c: <d: 1 e: 2 f:>, g: "h" i:, [j: 01 k: 02 l:] m:; n: o: node { }; };\ns: &n { };',
  'references to phandles': '/ { p = <&b 1 &a>; a: a { q = <&a>; }; b: b@1 { c { r = <&{/a} &{/b@1/c} &{/}>; }; }; };',
  'references to paths': '/ { p = &a, "x", &{/a/b}; r = &{/}; a { a: b { }; }; };',
  'phandles given in the source':
    '/ { a { phandle = <2>; }; b: b { phandle = <&b>; }; c: c { linux,phandle = <7>; }; d: d { p = <&d &b &c>; }; };',
  'a phandle that is reserved by a later node': '/ { p = <&a>; a: a { }; b { phandle = <1>; }; };',
  'merged nodes':
    '/ { p = <1>; n { a; b; }; }; / { q; p = <2>; n { b = <3>; c { }; }; m { }; }; / { n { c { d; }; }; };',
  'extended nodes': '/ { a { b: b { x = <1>; }; }; }; &b { y = <2>; c: c { }; }; &{/a/b/c} { z; }; &c { w; };',
  'what comes later wins in an extension': '/ { n: n { p; }; }; &n { p = <1>; p = <2>; };',
  'deleted properties': '/ { a; b; c; }; / { /delete-property/ a; d; /delete-property/ none; }; / { a = <1>; };',
  'a property that is deleted and defined in one extension':
    '/ { n: n { a; b; }; }; &n { /delete-property/ a; a = <1>; };',
  'a deletion in the first body, which does nothing': '/ { a; /delete-property/ a; /delete-node/ b; b { }; };',
  'deleted nodes':
    '/ { a { x; b { y; }; }; c { }; l: d { }; }; / { /delete-node/ a; }; /delete-node/ &l; / { a { z; }; };',
  'a label that moves to another node': '/ { l: a { }; }; /delete-node/ &l; / { p = &l; l: b { }; };',
  'a node deleted by its path': '/ { a { b { }; }; c { }; };\n/delete-node/ &{/a/b};',
  'nodes that go where no one refers to them':
    '/ { p = <&b>; /omit-if-no-ref/ a: a { x { }; }; /omit-if-no-ref/ b: b { }; c: c { }; };\n/omit-if-no-ref/ &c;',
  'the number of the booting CPU': '/ { cpus { #address-cells = <1>; #size-cells = <0>; cpu@5 { reg = <5>; }; }; };',
  'more than one version tag': '/dts-v1/;\n/ { };',
};

describe('the compiler', () => {
  it.skipIf(!hasDtc).each(Object.entries(SOURCES))(`makes what dtc makes of %s${dtcNote}`, (_, source) => {
    const text = `/dts-v1/;\n${source}`;
    expect(Buffer.from(writeDtb(compileDts(text)))).toEqual(dtc(text, 'dts', 'dtb'));
  });

  it.skipIf(!hasDtc)(`computes what dtc computes${dtcNote}`, () => {
    const number = fc.oneof(fc.nat(70), fc.bigInt(0n, 2n ** 64n - 1n)).map((value) => `0x${value.toString(16)}`);
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4 },
        number,
        fc.tuple(fc.constantFrom('-', '~', '!'), tie('expression')).map(([op, a]) => `${op} ${a}`),
        fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
        fc
          .tuple(
            tie('expression'),
            fc.constantFrom(...'+ - * | & ^ == != < > <= >= && ||'.split(' ')),
            tie('expression'),
          )
          .map(([a, op, b]) => `${a} ${op} ${b}`),
        // The divisor is not zero and the shift below 64: C has no answer there.
        fc
          .tuple(tie('expression'), fc.constantFrom('/', '%'), fc.integer({ min: 1 }))
          .map(([a, op, b]) => `(${a}) ${op} ${b}`),
        fc.tuple(tie('expression'), fc.constantFrom('<<', '>>'), fc.nat(63)).map(([a, op, b]) => `(${a}) ${op} ${b}`),
      ),
    }));
    const list = fc.sample(expression, { seed: 4, numRuns: 1000 });
    const text = `/dts-v1/; / { p = /bits/ 64 <${list.map((found) => `(${found})`).join('\n')}>; };`;
    expect(Buffer.from(writeDtb(compileDts(text)))).toEqual(dtc(text, 'dts', 'dtb'));
  });

  it('reads numbers, characters and expressions', () => {
    expect(cellsOf(String.raw`1 0x10 010 'a' '\n' (1 + 2 * 3) (-1) (1 << 31) (0 ? 1 : 2)`)).toEqual([
      1, 16, 8, 97, 10, 7, 0xffffffff, 0x80000000, 2,
    ]);
  });

  it('resolves references, and gives phandles in their order', () => {
    const tree = compile('/ { p = <&b &a>; q = &a; a: a { }; b: b { phandle = <9>; }; };');
    expect(tree.root.cells('p')).toEqual([9, 1]);
    expect(tree.root.string('q')).toBe('/a');
    expect(tree.byPhandle(1)?.path).toBe('/a');
  });

  it('merges, extends and deletes', () => {
    const tree = compile(
      '/ { a { x; }; l: b { }; c { }; }; / { a { y; }; /delete-node/ c; }; &l { z; }; /delete-node/ &l;',
    );
    expect(paths(tree)).toEqual(['/', '/a']);
    expect([...tree.find('/a')!.properties.keys()]).toEqual(['x', 'y']);
  });

  it('includes files through its caller, also inside a node', () => {
    const files: Record<string, string> = {
      'soc.dtsi': '/dts-v1/; / { soc: soc { /include/ "inner.dtsi" }; };',
      'inner.dtsi': 'p = "inner"; // no newline at the end',
    };
    const asked: string[] = [];
    const include = (name: string, from: string) => {
      asked.push(`${from} asks for ${name}`);
      return files[name];
    };
    const tree = compileDts('/include/ "soc.dtsi"\n&soc { q; };', { file: 'board.dts', include });
    expect([...tree.find('/soc')!.properties.keys()]).toEqual(['p', 'q']);
    expect(asked).toEqual(['board.dts asks for soc.dtsi', 'soc.dtsi asks for inner.dtsi']);
  });

  it("reads a preprocessor's line marks", () => {
    const source = '# 1 "a.dts"\n/dts-v1/;\n# 20 "b.dtsi" 1\n/ {\n  #size-cells = <1>;\n#line 7\n  p = <&none>;\n};\n';
    expect(() => compileDts(source)).toThrow('b.dtsi:7:8: no node has the label none');
  });
});

describe('a wrong source', () => {
  it.each<[string, string, string]>([
    ['nothing', '', 'x.dts:1:1: expected "/dts-v1/", found the end of the file'],
    ['no version', '/ { };', 'x.dts:1:1: expected "/dts-v1/", found "/"'],
    ['no root', '/dts-v1/;', 'x.dts:1:10: expected "/ {", found the end of the file'],
    ['an unfinished node', '/dts-v1/;\n/ {', 'x.dts:2:4: expected a property, a node or "}", found the end'],
    ['a missing semicolon', '/dts-v1/;\n/ {\n\ta = <1>\n\tb;\n};', 'x.dts:4:2: expected "," or ";", found "b"'],
    ['no semicolon after a node', '/dts-v1/;\n/ { }', 'x.dts:2:6: expected ";", found the end of the file'],
    ['no value', '/dts-v1/; / { a = ; };', 'x.dts:1:19: expected a value, found ";"'],
    ['a property after a node', '/dts-v1/; / { a { }; b; };', 'x.dts:1:22: the property b must come before'],
    ['an unknown label', '/dts-v1/; / { a = <&b>; };', 'x.dts:1:20: no node has the label b'],
    ['an unknown path', '/dts-v1/; / { a = &{/b/c}; };', 'x.dts:1:19: there is no node /b/c'],
    ['an extension of nothing', '/dts-v1/; / { };\n&b { };', 'x.dts:2:1: no node has the label b'],
    ['a label twice', '/dts-v1/; / { l: a { }; l: b { }; };', 'x.dts:1:25: the label l already belongs to /a'],
    ['a label twice, in values', '/dts-v1/; / { a = l: <1>; b = l: <2>; };', 'the label l is used twice'],
    ['a property twice', '/dts-v1/; / { a; a; };', 'x.dts:1:18: the property a of / is defined twice'],
    ['a node twice', '/dts-v1/; / { a { }; a { }; };', 'x.dts:1:22: the node /a is defined twice'],
    ['a phandle twice', '/dts-v1/; / { a { phandle = <1>; }; b { phandle = <1>; }; };', 'phandle 0x1 is used twice'],
    ['a phandle of 0', '/dts-v1/; / { phandle = <0>; };', 'phandle cannot be 0x0'],
    ['a phandle of two cells', '/dts-v1/; / { phandle = <1 2>; };', 'phandle must be one cell'],
    ["another node's phandle", '/dts-v1/; / { a: a { }; b { phandle = <&a>; }; };', 'reference to its own node'],
    [
      'a cell that is too large',
      '/dts-v1/; / { a = <0x100000000>; };',
      'x.dts:1:20: the value 0x100000000 does not fit 32',
    ],
    ['a byte that is too large', '/dts-v1/; / { a = /bits/ 8 <256>; };', 'does not fit 8 bits'],
    ['a number that is too large', '/dts-v1/; / { a = /bits/ 64 <0x10000000000000000>; };', 'does not fit 64 bits'],
    ['an enormous number', `/dts-v1/; / { a = <${'9'.repeat(100000)}>; };`, 'bad number "999'],
    ['an odd number', '/dts-v1/; / { a = <08>; };', 'x.dts:1:20: bad number "08"'],
    ['an odd element size', '/dts-v1/; / { a = /bits/ 24 <1>; };', '/bits/ must be 8, 16, 32 or 64'],
    [
      'a reference that does not fit',
      '/dts-v1/; / { a: b { c = /bits/ 64 <&a>; }; };',
      'a reference needs 32-bit cells',
    ],
    ['a sum without parentheses', '/dts-v1/; / { a = <1 + 2>; };', 'x.dts:1:22: expected a number, found "+"'],
    ['a division by zero', '/dts-v1/; / { a = <(1 / (1 - 1))>; };', 'x.dts:1:23: division by zero'],
    ['half a byte', '/dts-v1/; / { a = [ab c]; };', 'expected two hexadecimal digits or "]"'],
    ['an open string', '/dts-v1/;\n/ { a = "b; };', 'x.dts:2:9: this literal has no closing quote'],
    ['an open comment', '/dts-v1/; /* ', 'x.dts:1:11: this comment has no end'],
    ['an empty character', "/dts-v1/; / { a = <''>; };", 'must be one byte, not 0'],
    ['a long character', "/dts-v1/; / { a = <'ab'>; };", 'must be one byte, not 2'],
    ['an escape without digits', '/dts-v1/; / { a = "\\xg"; };', '\\x needs hexadecimal digits'],
    ['two unit addresses', '/dts-v1/; / { a@1@2 { }; };', 'the node name a@1@2 has two @'],
    [
      'an include without a reader',
      '/dts-v1/; /include/ "y.dtsi"',
      'x.dts:1:11: cannot find the included file "y.dtsi"',
    ],
    ['an overlay', '/dts-v1/; /plugin/; / { };', 'overlays (/plugin/) cannot be compiled'],
    ['a binary include', '/dts-v1/; / { a = /incbin/("f"); };', '/incbin/ is not supported'],
    ['a deleted root', '/dts-v1/; r: / { };\n/delete-node/ &r;', 'the root node cannot be deleted'],
    ['a use of a deleted node', '/dts-v1/; / { b = <&a>; a: a { }; };\n/delete-node/ &a;', 'no node has the label a'],
    ['a name that is too long', `/dts-v1/; / { ${'a'.repeat(256)}; };`, 'cannot be the name of a property'],
    ['nodes that nest too deep', `/dts-v1/; / { ${'a { '.repeat(100000)}`, 'nodes nest more than 63 deep'],
    ['parentheses that nest too deep', `/dts-v1/; / { a = <${'('.repeat(100000)}1>; };`, 'this expression is too deep'],
    ['signs that nest too deep', `/dts-v1/; / { a = <(${'-'.repeat(100000)}1)>; };`, 'this expression is too deep'],
    [
      'conditions that nest too deep',
      `/dts-v1/; / { a = <(${'1?1:'.repeat(100000)}1)>; };`,
      'this expression is too deep',
    ],
  ])('with %s is refused, with the place', (_, source, message) => {
    const run = () => compileDts(source, { file: 'x.dts' });
    expect(run).toThrow(DeviceTreeError);
    expect(run).toThrow(message);
  });

  it('names the included file where the error is', () => {
    const include = () => 'a = <1>;\nb = <&none>;';
    expect(() => compileDts('/dts-v1/; / { /include/ "i.dtsi"\n};', { file: 'x.dts', include })).toThrow(
      'i.dtsi:2:6: no node has the label none',
    );
  });

  it('that includes itself without end is refused', () => {
    const include = () => '/include/ "x" /include/ "x"';
    expect(() => compileDts('/dts-v1/; /include/ "x"', { include })).toThrow('more than 1000 files are included');
  });

  it('gives a tree or a DeviceTreeError, whatever is changed in it', () => {
    const words = Object.values(SOURCES)
      .join('\n')
      .match(/\s+|[\w,#@-]+|./g)!;
    const source = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), { maxLength: 30 });
    const mutated = fc
      .tuple(fc.constantFrom(...Object.values(SOURCES)), fc.nat(), fc.nat(20), source)
      .map(([text, at, length, other]) => {
        const start = at % (text.length + 1);
        return `/dts-v1/;\n${text.slice(0, start)}${other.join('')}${text.slice(start + length)}`;
      });
    fc.assert(
      fc.property(mutated, (text) => {
        try {
          writeDtb(compileDts(text));
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceTreeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the writer', () => {
  it('makes source that compiles to the same tree, whatever the tree', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const back = compileDts(writeDts(tree));
        back.bootCpu = tree.bootCpu;
        expect(writeDtb(back)).toEqual(writeDtb(tree));
      }),
    );
  });

  it.skipIf(!hasDtc)(`makes source of which dtc makes the same tree${dtcNote}`, () => {
    for (const tree of fc.sample(anyTree, { seed: 23, numRuns: 20 })) {
      const dtb = dtc(writeDts(tree), 'dts', 'dtb', '-f', '-b', `${tree.bootCpu}`);
      expect(parseDtb(dtb)).toEqual(tree);
    }
  });

  it('writes strings, cells and bytes as a person would', () => {
    const tree = new DeviceTree();
    tree.reservations.push({ address: 1n, size: 2n });
    tree.root
      .set('compatible', strings('a,b', 'say "hi"\\'))
      .set('reg', cells(0, 0x9000000))
      .set('zero', cells(0))
      .set('mac', new Uint8Array([0, 0xab, 2]))
      .set('flag');
    tree.root.child('n@1').child('m');
    expect(writeDts(tree)).toBe(`/dts-v1/;

/memreserve/ 0x0000000000000001 0x0000000000000002;

/ {
\tcompatible = "a,b", "say \\"hi\\"\\\\";
\treg = <0x00 0x9000000>;
\tzero = <0x00>;
\tmac = [00 ab 02];
\tflag;

\tn@1 {
\t\tm {
\t\t};
\t};
};
`);
  });

  it('refuses a name that source cannot express', () => {
    const tree = new DeviceTree();
    tree.root.child('a').set('b!');
    expect(() => writeDts(tree)).toThrow('/a: the name b! cannot be written as source');
  });
});
