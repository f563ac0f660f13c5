import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDtb, parseDtb, writeDtb } from '../../../arch/devicetree/dtb.ts';
import { cells, DeviceTree, DeviceTreeError, strings } from '../../../arch/devicetree/tree.ts';
import { anyTree } from './arbitrary.ts';
import { dtc, dtcNote, hasDtc } from './dtc.ts';

function sample(): DeviceTree {
  const tree = new DeviceTree();
  tree.bootCpu = 3;
  tree.reservations.push({ address: 0x48000000n, size: 0x1000n });
  tree.root.set('compatible', strings('naxos,sample')).child('a@1').set('reg', cells(1)).child('b').set('flag');
  return tree;
}

// Fields of the header (Devicetree 0.4, 5.2), by byte offset.
const HEADER = {
  totalsize: 4,
  off_dt_struct: 8,
  off_dt_strings: 12,
  off_mem_rsvmap: 16,
  version: 20,
  last_comp_version: 24,
  size_dt_strings: 32,
  size_dt_struct: 36,
};

const u32 = (dtb: Uint8Array, at: number) => new DataView(dtb.buffer, dtb.byteOffset).getUint32(at);

function patched(at: number, value: number, dtb = writeDtb(sample())): Uint8Array {
  new DataView(dtb.buffer, dtb.byteOffset).setUint32(at, value);
  return dtb;
}

/** A DTB with this structure block, whose one name is "p". */
function withStructure(...words: number[]): Uint8Array {
  const dtb = new Uint8Array(40 + 16 + 4 * words.length + 2);
  const view = new DataView(dtb.buffer);
  const structSize = 4 * words.length;
  const header = [0xd00dfeed, dtb.length, 56, 56 + structSize, 40, 17, 16, 0, 2, structSize];
  header.forEach((word, index) => view.setUint32(4 * index, word));
  words.forEach((word, index) => view.setUint32(56 + 4 * index, word));
  dtb[56 + structSize] = 0x70;
  return dtb;
}

const [BEGIN, END_NODE, PROP, NOP, END] = [1, 2, 3, 4, 9] as const;

describe('a flattened tree', () => {
  it('comes back as it was written, whatever the tree', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const dtb = writeDtb(tree);
        const back = parseDtb(dtb);
        expect(back).toEqual(tree);
        expect(writeDtb(back)).toEqual(dtb);
      }),
    );
  });

  it('is read at any alignment and with bytes behind it', () => {
    const dtb = writeDtb(sample());
    const shifted = new Uint8Array(dtb.length + 8);
    shifted.set(dtb, 1);
    expect(parseDtb(shifted.subarray(1))).toEqual(sample());
  });

  it('stores a name once, and one that ends another inside it', () => {
    const tree = new DeviceTree();
    tree.root.set('phys-reg').set('reg').child('a').set('reg').set('phys-reg');
    expect(u32(writeDtb(tree), HEADER.size_dt_strings)).toBe('phys-reg\0'.length);
  });

  it.skipIf(!hasDtc)(`is what dtc writes for the same tree, byte for byte${dtcNote}`, () => {
    const ours = writeDtb(sample());
    expect(Buffer.from(ours)).toEqual(dtc(ours, 'dtb', 'dtb'));
    for (const tree of fc.sample(anyTree, { seed: 17, numRuns: 20 })) {
      const dtb = writeDtb(tree);
      // -f: dtc has its own opinion on some names (such as "-"), but compiles them.
      expect(Buffer.from(dtb)).toEqual(dtc(dtb, 'dtb', 'dtb', '-f'));
    }
  });

  it('of version 16, which has no size of the structure block, is read', () => {
    const dtb = patched(HEADER.size_dt_struct, 0, patched(HEADER.version, 16));
    expect(parseDtb(dtb)).toEqual(sample());
  });

  it('may have NOPs anywhere in its structure', () => {
    const dtb = withStructure(NOP, BEGIN, 0, NOP, PROP, 0, 0, NOP, END_NODE, NOP, END);
    expect([...parseDtb(dtb).root.properties.keys()]).toEqual(['p']);
  });

  it('owns its values: a change of the file does not show', () => {
    const dtb = Buffer.from(writeDtb(sample()));
    const tree = parseDtb(dtb);
    dtb.fill(0);
    expect(tree).toEqual(sample());
  });

  it('is recognised by its magic number', () => {
    expect(isDtb(writeDtb(sample()))).toBe(true);
    expect(isDtb(new Uint8Array(40))).toBe(false);
    expect(isDtb(new Uint8Array([0xd0, 0x0d]))).toBe(false);
  });
});

describe('a damaged DTB', () => {
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'does not start with'],
    ['another file', new TextEncoder().encode('#!/bin/sh'), 'does not start with'],
    ['only the magic number', writeDtb(sample()).subarray(0, 4), 'header block is cut short'],
    ['half of it', writeDtb(sample()).subarray(0, 100), 'cut short: 100 of'],
    ['version 3', patched(HEADER.version, 3), 'version 3'],
    ['a version that 17 cannot read', patched(HEADER.last_comp_version, 18), 'can be read'],
    ['a structure outside', patched(HEADER.off_dt_struct, 0xfffffffc), 'structure block'],
    ['a misaligned structure', patched(HEADER.off_dt_struct, 57), 'misaligned'],
    ['misaligned reservations', patched(HEADER.off_mem_rsvmap, 44), 'misaligned'],
    ['reservations without an end', patched(HEADER.off_mem_rsvmap, 0x7ffffff8), 'memory reservation block'],
    ['strings that reach past the end', patched(HEADER.size_dt_strings, 0xffffffff), 'strings block'],
    ['a structure that is too large', patched(HEADER.size_dt_struct, 0xffffffff), 'structure block'],
    ['a structure without an end', withStructure(BEGIN, 0, END_NODE), 'structure block is cut short'],
    ['an unfinished node', withStructure(BEGIN, 0, END), 'ends inside this node'],
    ['no node', withStructure(END), 'no root node'],
    ['two roots', withStructure(BEGIN, 0, END_NODE, BEGIN, 0, END_NODE, END), 'two root nodes'],
    ['a node end too many', withStructure(BEGIN, 0, END_NODE, END_NODE, END), 'unexpected token 0x2'],
    ['an unknown token', withStructure(BEGIN, 0, 77, END_NODE, END), 'unexpected token 0x4d at 0x8'],
    ['a property outside', withStructure(PROP, 0, 0, END), 'unexpected token 0x3'],
    ['a property twice', withStructure(BEGIN, 0, PROP, 0, 0, PROP, 0, 0, END_NODE, END), '/: the DTB has two'],
    ['a value that is too long', withStructure(BEGIN, 0, PROP, 0xffffffff, 0, END_NODE, END), 'cut short'],
    ['a name outside', withStructure(BEGIN, 0, PROP, 0, 5, END_NODE, END), 'has no end'],
    ['an empty name', withStructure(BEGIN, 0, PROP, 0, 1, END_NODE, END), 'cannot be the name'],
    [
      'a child twice',
      withStructure(BEGIN, 0, ...[BEGIN, 0x61000000, END_NODE], ...[BEGIN, 0x61000000, END_NODE], END_NODE, END),
      'two children a',
    ],
    [
      'a property after a child',
      withStructure(BEGIN, 0, BEGIN, 0x61000000, END_NODE, PROP, 0, 0, END_NODE, END),
      'comes after a child',
    ],
    ['nodes without end', withStructure(...Array<number[]>(5000).fill([BEGIN, 0x61000000]).flat(), END), '63 deep'],
  ])('%s is refused with a reason', (_, dtb, message) => {
    expect(() => parseDtb(dtb)).toThrow(DeviceTreeError);
    expect(() => parseDtb(dtb)).toThrow(message);
  });

  it('gives a tree or a DeviceTreeError, whatever bytes are changed', () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(anyTree, change, fc.nat(), (tree, changes, cut) => {
        const dtb = writeDtb(tree);
        for (const [at, byte] of changes) dtb[at % dtb.length] = byte;
        const bytes = cut % 4 ? dtb : dtb.subarray(0, cut % dtb.length);
        try {
          writeDtb(parseDtb(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceTreeError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives a tree or a DeviceTreeError when any field of the header is extreme', () => {
    for (let at = 4; at < 40; at += 4) {
      for (const value of [0, 1, 4, 39, 40, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffffc, 0xffffffff]) {
        try {
          parseDtb(patched(at, value));
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceTreeError);
        }
      }
    }
  });
});
