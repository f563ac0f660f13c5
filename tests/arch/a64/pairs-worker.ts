import { parentPort, workerData } from 'node:worker_threads';
import { Harness } from './harness.ts';
import { runTask, type Task } from './pairs.ts';

const h = new Harness(workerData as WebAssembly.Memory);
parentPort!.on('message', (task: Task) => parentPort!.postMessage(runTask(h, task)));
