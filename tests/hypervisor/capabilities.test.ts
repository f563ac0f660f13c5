/**
 * The VMM can do what its capabilities allow, and nothing else. Each test takes one thing out of the policy and compares all
 * that happens with an undisturbed run: it must be the same up to the one operation that needs what is missing, and
 * after that the VMM may only say so.
 */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ServiceDescription, SystemDescription } from '../../hypervisor/description.ts';
import type { SystemEnd } from '../../hypervisor/system.ts';
import { VmmSlot } from '../../hypervisor/vmm.ts';
import { Exit } from '../../kernel/abi/faults.ts';
import { Op, Rights, Syscall, maskOf } from '../../kernel/abi/numbers.ts';
import { start } from './small-guest.ts';

interface Entry {
  syscall: number;
  capability: number;
  label: number;
}

interface Observed {
  end: SystemEnd;
  /** The VMM's system calls. */
  calls: Entry[];
  text: string;
  faults: number[];
}

async function observe(guest: string, change: (vmm: ServiceDescription) => void = () => {}): Promise<Observed> {
  const calls: { thread: number; entry: Entry }[] = [];
  const faults: number[] = [];
  const { end, text, input } = start(guest, {
    policy: (description: SystemDescription) => change(description.services[0]!),
    hooks: {
      onSyscall: (thread, syscall, capability, label) => calls.push({ thread, entry: { syscall, capability, label } }),
      onFault: (_thread, label) => faults.push(label),
    },
  });
  input.write('q');
  const result = await end;
  // The root service is the first to make a call, the VMM the second.
  const root = calls[0]?.thread;
  return {
    end: result,
    calls: calls.filter(({ thread }) => thread !== root).map(({ entry }) => entry),
    text: text(),
    faults,
  };
}

const without =
  (slot: number) =>
  (vmm: ServiceDescription): void => {
    vmm.grants = vmm.grants.filter((grant) => grant.slot !== slot);
  };

/** Compares a run with less in its policy to the whole one. */
async function expectOneFailure(
  change: (vmm: ServiceDescription) => void,
  failing: { capability: number; label: number },
  error: string,
): Promise<void> {
  const whole = await observe('hello');
  const less = await observe('hello', change);
  expect(whole.end).toEqual({ reason: 'poweroff', text: '' });
  expect(less.end.reason).toBe('failed');
  expect(less.end.text).toContain(error);
  const at = whole.calls.findIndex((call) => call.capability === failing.capability && call.label === failing.label);
  expect(at).toBeGreaterThanOrEqual(0);
  expect(less.calls.slice(0, at + 1)).toEqual(whole.calls.slice(0, at + 1));
  expect(less.calls.slice(at + 1)).toEqual([{ syscall: Syscall.SEND, capability: VmmSlot.SUPERVISOR, label: 4 }]);
  // The guest has not run.
  expect(less.text).toBe('');
  expect(less.faults.filter((label) => label >= Exit.STAGE2_ABORT)).toEqual([]);
}

describe('a VMM without', () => {
  it('its VCPU cannot bind it to a thread', () =>
    expectOneFailure(without(VmmSlot.VCPU), { capability: VmmSlot.VCPU, label: Op.VCPU_BIND }, 'INVALID_CAPABILITY'));

  it('memory for the guest cannot make its frames', () =>
    expectOneFailure(
      without(VmmSlot.MEMORY),
      { capability: VmmSlot.MEMORY, label: Op.UNTYPED_INFO },
      'INVALID_CAPABILITY',
    ));

  it('memory for its objects cannot make the stage-2 tables', () =>
    expectOneFailure(
      without(VmmSlot.OBJECTS),
      { capability: VmmSlot.OBJECTS, label: Op.UNTYPED_RETYPE },
      'INVALID_CAPABILITY',
    ));

  it('the interrupt of the UART cannot bind it', () =>
    expectOneFailure(
      without(VmmSlot.UART_IRQ),
      { capability: VmmSlot.UART_IRQ, label: Op.IRQ_BIND },
      'INVALID_CAPABILITY',
    ));

  it('the right to call fails in its first call', () =>
    expectOneFailure(
      (vmm) => {
        vmm.systemCalls &= ~maskOf(Syscall.CALL);
      },
      { capability: VmmSlot.OBJECTS, label: Op.UNTYPED_RETYPE },
      'MASKED',
    ));

  it('enough memory for its objects gets none beyond its own', () =>
    expectOneFailure(
      (vmm) => {
        for (const grant of vmm.grants)
          if (grant.kind === 'memory' && grant.slot === VmmSlot.OBJECTS) grant.bytes = 4096;
      },
      { capability: VmmSlot.OBJECTS, label: Op.UNTYPED_RETYPE },
      'NO_MEMORY',
    ));

  it('a share of the core has no processor time to give', () =>
    expectOneFailure(without(VmmSlot.SHARE), { capability: 0x1a0, label: Op.THREAD_BIND_SCHED }, 'INVALID_CAPABILITY'));

  it('the UART cannot open its registers', async () => {
    const { end, text } = await observe('hello', without(VmmSlot.UART));
    expect([end.reason, end.text, text]).toEqual(['failed', `capability ${VmmSlot.UART} is not a frame`, '']);
  });

  it('the right to write to the UART cannot set it up', async () => {
    const { end, text } = await observe('hello', (vmm) => {
      for (const grant of vmm.grants)
        if (grant.kind === 'device' && grant.slot === VmmSlot.UART) grant.rights = Rights.READ;
    });
    expect([end.reason, end.text, text]).toEqual(['failed', 'the capability does not allow this access', '']);
  });

  it('the interrupt of the virtual timer or the performance monitors runs a guest until that interrupt comes', async () => {
    const { end, text } = await observe('echo', without(VmmSlot.TIMER_IRQ));
    expect([end.reason, text]).toEqual(['poweroff', '>q']);
    const timers = await observe('timers', without(VmmSlot.TIMER_IRQ));
    expect(timers.end).toMatchObject({ reason: 'failed', text: 'injection of interrupt 27: INVALID_CAPABILITY' });
    expect(timers.text).toBe('');
    const counters = await observe('pmu', without(VmmSlot.PMU_IRQ));
    expect(counters.end).toMatchObject({ reason: 'failed', text: 'injection of interrupt 23: INVALID_CAPABILITY' });
    expect(counters.text).toBe('');
  });

  it('the right to receive builds the machine, and then hears nothing of it', async () => {
    const { end, text } = await observe('hello', (vmm) => {
      vmm.systemCalls &= ~maskOf(Syscall.RECV);
    });
    expect([end.reason, end.text, text]).toEqual(['failed', 'receive of exits: MASKED', '']);
  });
});

describe('the policy', () => {
  it('is all that the VMM has: no slot holds what it was not given', async () => {
    const { OWN, UART1, UART1_IRQ, ...given } = VmmSlot;
    for (const [options, slots] of [
      [{}, Object.values(given)],
      [{ second: new PassThrough() }, [...Object.values(given), UART1, UART1_IRQ]],
    ] as const) {
      const { system, end } = start('hello', options);
      const granted = new Set(system.description.services[0]!.grants.map((grant) => grant.slot));
      expect(granted).toEqual(new Set<number>(slots));
      expect(granted.has(OWN)).toBe(false);
      await end;
    }
  });
});
