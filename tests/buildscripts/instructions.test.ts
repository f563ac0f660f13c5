import { describe, expect, it } from 'vitest';
import { table } from '../../arch/a64/table/index.ts';
import { hasFeature } from '../../arch/core/idregs.ts';
import { groupOf, groups } from '../../buildscripts/encoding-groups.ts';
import { document } from '../../buildscripts/instructions.ts';

const advertised = (feature: string): boolean => hasFeature(feature as Parameters<typeof hasFeature>[0]);

describe('the list of instructions', () => {
  it('has every row of the table in an encoding group', () => {
    expect(() => table.forEach(groupOf)).not.toThrow();
  });

  it('has something to say about every group', () => {
    const filled = new Set(table.map(groupOf));
    expect(groups.filter((g) => !filled.has(g) && g.absent.length === 0).map((g) => g.name)).toEqual([]);
  });

  it('has only rows whose features the processor advertises', () => {
    expect(table.filter((row) => row.feature !== undefined && !advertised(row.feature)).map((row) => row.name)).toEqual(
      [],
    );
  });

  it('calls UNDEFINED only what the processor does not advertise', () => {
    const features = groups.flatMap((g) => g.absent.flatMap(({ feature }) => feature.split(', ')));
    expect(features.filter(advertised)).toEqual([]);
  });

  it('names every instruction once in a group', () => {
    const text = document();
    const names = new Set(table.map((row) => row.name));
    expect([...names].filter((name) => !text.includes(`| ${name} |`))).toEqual([]);
  });
});
