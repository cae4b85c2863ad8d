/** A kept thread comes back after a crash, stays away after a stop, and is ended where it does not end by itself. */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createLogger } from '@flotilla/shared/runtime';
import { waitFor } from '@flotilla/shared/testing';
import { KeptThread } from './kept-thread.ts';

const log = createLogger({ level: 'silent', nodeId: 'n1', thread: 'main' });

const CRASHES = "throw new Error('crashed')";
const ENDS_WHEN_TOLD = "const { parentPort } = require('node:worker_threads'); parentPort.once('message', () => {});";
const NEVER_ENDS = 'setInterval(() => {}, 1000)';

function keep(codes: readonly string[], onCrash: (error: unknown) => boolean = () => true) {
  const started: string[] = [];
  const thread = new KeptThread({
    name: 'test',
    log,
    spawn: () => {
      const code = codes[Math.min(started.length, codes.length - 1)] ?? '';
      started.push(code);
      return new Worker(code, { eval: true });
    },
    onCrash,
  });
  return { thread, started };
}

it('starts a crashed thread again', async () => {
  const { thread, started } = keep([CRASHES, CRASHES, ENDS_WHEN_TOLD]);
  thread.start();
  await waitFor('the third start', () => started.length === 3);
  await thread.stop(1_000);
  expect(thread.worker).toBeNull();
});

it('hands the failure over and does not start again where it is told not to', async () => {
  const failures: unknown[] = [];
  const { thread, started } = keep([CRASHES], (error) => {
    failures.push(error);
    return false;
  });
  thread.start();
  await waitFor('the failure', () => failures.length === 1);
  expect((failures[0] as Error).message).toBe('crashed');
  await thread.stop(0);
  expect(started).toHaveLength(1);
});

it('ends a thread that does not end by itself', async () => {
  const { thread } = keep([NEVER_ENDS]);
  thread.start();
  await thread.stop(0);
  expect(thread.worker).toBeNull();
});

it('does not start again what was stopped between crash and restart', async () => {
  const { thread, started } = keep([CRASHES]);
  thread.start();
  await waitFor('the crash', () => thread.worker === null);
  await thread.stop(1_000);
  expect(started).toHaveLength(1);
});
