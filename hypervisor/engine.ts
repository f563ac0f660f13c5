/** The host's engine: what is known of the version that Naxos was measured with, beside the settings in bin/naxos.js. */
import { setFlagsFromString } from 'node:v8';

/** Another version might not know a setting, or mean something else by it. */
export const ENGINE_KNOWN = process.versions.node.startsWith('24.');

/** Ends the growth of the young generation: the translator's short-lived objects would let it take 128 MB. */
export function holdYoungGeneration(): void {
  if (ENGINE_KNOWN) setFlagsFromString('--semi-space-growth-factor=1');
}
