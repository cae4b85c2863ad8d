/** A thread takes its own niceness, and only its own. */
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';

/** Prints through its port the niceness that it has afterwards: the field 19 of stat, which is the 17th after the name. */
const CODE = `
  const { readFileSync } = require('node:fs');
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ preferThisThread }) => {
    preferThisThread(workerData.niceness, { debug: () => undefined });
    const stat = readFileSync('/proc/thread-self/stat', 'utf8');
    parentPort.postMessage(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
  });`;

it.runIf(process.platform === 'linux')('sets the niceness of the calling thread alone', async () => {
  const before = getPriority();
  // Giving way is allowed to everybody.
  const niceness = before + 1;
  const module = new URL('./thread-priority.ts', import.meta.url).href;
  const worker = new Worker(CODE, { eval: true, workerData: { module, niceness } });
  const [found] = (await once(worker, 'message')) as [number];
  expect(found).toBe(niceness);
  expect(getPriority()).toBe(before);
  await worker.terminate();
});
