/**
 * Refuses a Node.js that is too old, before something that it lacks is reached. What imports this first must not import
 * by name what an older one does not export: that fails before anything runs.
 */
const OLDEST = 24;

const version = globalThis.process?.versions?.node;
if (version !== undefined && Number.parseInt(version) < OLDEST)
  throw new Error(`naxos needs Node.js ${OLDEST} or newer, this is ${version}: only its command brings one of its own`);

export {};
