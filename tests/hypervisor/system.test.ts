import { describe, expect, it } from 'vitest';
import { parseDtb } from '../../arch/devicetree/dtb.ts';
import { layOut, reseed } from '../../hypervisor/guest-image.ts';
import { start } from './small-guest.ts';

describe('a virtual machine', () => {
  it('starts as the Linux boot protocol says: X0 its device tree, EL1, interrupts masked, MMU off', async () => {
    const { end, text } = start('hello');
    expect(await end).toEqual({ reason: 'poweroff', text: '' });
    expect(text()).toBe('hi\n');
  });

  it('sleeps until a character arrives, and gets it by interrupt', async () => {
    const { end, text, input } = start('echo');
    input.write('hello, world');
    setTimeout(() => input.write(' again q'), 50);
    expect((await end).reason).toBe('poweroff');
    expect(text()).toBe('>hello, world again q');
  });

  it('has its virtual and its physical timer', async () => {
    const { end, text } = start('timers');
    expect((await end).reason).toBe('poweroff');
    expect(text()).toBe('vvvppp\n');
  });

  it('counts with its performance monitors, and gets their interrupt as long as an overflow stands', async () => {
    const { end, text } = start('pmu');
    expect((await end).reason).toBe('poweroff');
    expect(text()).toBe('oooabpm\n');
  });

  it('has an interrupt of its timer or its performance monitors pending as long as the cause stands, and not after it', async () => {
    const { end, text } = start('levels');
    expect((await end).reason).toBe('poweroff');
    expect(text()).toBe('tpTPvm\n');
  });

  it('has what its identification registers show, and cache maintenance of anything', async () => {
    const { end, text } = start('registers');
    expect((await end).reason).toBe('poweroff');
    expect(text()).toBe('cUUUUwd\n');
  });

  it('gets the exceptions that hardware would give it for what it may not do', async () => {
    const { end, text } = start('faults');
    expect((await end).reason).toBe('poweroff');
    // Loads and stores of nothing and of no memory, a load of two registers; PMSCR_EL1 and S3_0_C15_C0_0; a misaligned load.
    expect(text()).toBe('EEEEUUE\n');
  });
});

describe('a reset', () => {
  it('ends the system where it is not to restart', async () => {
    const { end, text } = start('restart');
    expect(await end).toEqual({ reason: 'reset', text: '' });
    expect(text()).toBe('1');
  });

  it('builds the machine again from nothing', async () => {
    const { system, end, text } = start('restart', { restarts: true });
    const look = setInterval(() => {
      if (text().length >= 20) system.stop();
    }, 1);
    expect((await end).reason).toBe('stopped');
    clearInterval(look);
    expect(text()).toMatch(/^1{20,}$/);
  });
});

describe('another start', () => {
  it('has other seeds in its device tree, at the same place', () => {
    const kernel = {
      kind: 'flat' as const,
      bytes: new Uint8Array(64),
      textOffset: 0,
      imageSize: 64,
      entryOffset: 0,
      pageSize: undefined,
    };
    const first = layOut({ kernel, append: '', memory: 8 << 20, cpus: 1, seed: new Uint8Array(40) });
    const again = reseed(first, new Uint8Array(40).fill(7));
    const seeds = (dtb: Uint8Array): number[] => {
      const chosen = parseDtb(dtb).find('/chosen')!;
      return [...chosen.get('rng-seed')!, ...chosen.get('kaslr-seed')!];
    };
    expect([seeds(first.dtb), seeds(again.dtb)]).toEqual([new Array(40).fill(0), new Array(40).fill(7)]);
    expect(again.dtb.length).toBe(first.dtb.length);
    expect(again.parts).toEqual([first.parts[0], { address: first.dtbAddress, bytes: again.dtb }]);
  });
});

describe('a panic', () => {
  it('ends the system, with what the kernel said', async () => {
    const { end } = start('panic');
    expect(await end).toEqual({ reason: 'panic', text: 'Kernel panic - not syncing: no reason' });
  });

  it('is not believed of a guest that says the words and sleeps', async () => {
    const { end } = start('words');
    expect((await end).reason).toBe('poweroff');
  });
});

describe('the host', () => {
  it('can stop a system that sleeps', async () => {
    const { system, end, text } = start('echo');
    const look = setInterval(() => {
      if (text() === '>') system.stop('enough');
    }, 1);
    expect(await end).toEqual({ reason: 'stopped', text: 'enough' });
    clearInterval(look);
  });
});
