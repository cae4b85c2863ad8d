/** A thread that reads pins as fast as it can and counts what must never be. */
import { parentPort, workerData } from 'node:worker_threads';
import { PinReader } from '../pin-reader.ts';

const READS = 1_000_000;
/** No verdict on the writer because it lost its processor. */
const PATIENCE_MS = 60_000;
const { memory, keys } = workerData as { readonly memory: SharedArrayBuffer; readonly keys: number };
const reader = new PinReader(memory, PATIENCE_MS);
let torn = 0;
let missed = 0;
for (let n = 0; n < READS; n += 1) {
  const pin = reader.get('p', `kept-${n % keys}`, 0);
  if (pin === null) missed += 1;
  else if (pin.backend !== pin.revision || pin.expiresS !== pin.revision + 1) torn += 1;
}
parentPort?.postMessage({ reads: READS, torn, missed });
