/** The kernel's user-side contract: all that a task or service may know of the kernel. */
export * from './numbers.ts';
export * from './message.ts';
export * from './faults.ts';
export * from './boot.ts';
export * from './service.ts';
export * from './objects.ts';
