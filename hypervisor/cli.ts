/** The command line: `naxos <verb>`. */
import { main } from './cli/main.ts';
import { holdYoungGeneration } from './engine.ts';

holdYoungGeneration();

process.exit(await main(process.argv.slice(2)));
