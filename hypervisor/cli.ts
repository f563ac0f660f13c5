/** The command line: `naxos <verb>`. */
import { enableCompileCache } from 'node:module';

// The program's own compiled code, kept by the host's Node.js for the next start. Without it a start takes twice as long.
enableCompileCache();
const { main } = await import('./cli/main.ts');
process.exit(await main(process.argv.slice(2)));
