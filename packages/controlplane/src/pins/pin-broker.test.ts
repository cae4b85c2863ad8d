/** Proposals become few commands, wait for a leader, survive a failure, and are bounded under a flood. */
import { PIN_NEEDED, PIN_PROPOSAL_WORDS } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { pinBatchMax, pinCommandsMax, pinQueueMax } from '../limits.ts';
import { PinBroker } from './pin-broker.ts';

class Log {
  readonly slots: number[][] = [];
  skipped = 0;
  quiet = false;
  fails = 0;
  stuck: (() => void)[] | null = null;
  readonly broker = new PinBroker({
    propose: async (items) => {
      if (this.fails-- > 0) throw new Error('no leader');
      if (this.stuck !== null) await new Promise<void>((resolve) => this.stuck?.push(resolve));
      this.slots.push(slotsOf(items));
    },
    quiet: () => this.quiet,
    onSkipped: (count) => (this.skipped += count),
  });

  get committed(): number[] {
    return this.slots.flat();
  }
}

function words(slots: readonly number[]): Int32Array {
  return Int32Array.from(slots.flatMap((slot) => [1, 2, 3, 4, 5, slot]));
}

function slotsOf(items: Int32Array): number[] {
  return [...items].filter((_, at) => at % PIN_PROPOSAL_WORDS === PIN_PROPOSAL_WORDS - 1);
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => from + at);

let log: Log;
afterEach(() => log.broker.close());

describe('proposed pins', () => {
  it('of one moment are one command, in order, whoever needs them', async () => {
    log = new Log();
    log.broker.offer(words([1, 2 | PIN_NEEDED]), 0);
    log.broker.offer(words([3]), 5);
    await waitFor('the command', () => log.committed.length === 3);
    expect([log.slots, log.skipped]).toEqual([[[1, 2, 3]], 5]);
  });

  it('wait while there is no leader, and are proposed again where that failed', async () => {
    log = new Log();
    log.quiet = true;
    log.fails = 2;
    log.broker.offer(words([1, 2]), 0);
    expect(log.broker.waiting).toBe(2);
    log.quiet = false;
    await waitFor('the command', () => log.committed.length === 2);
    expect([log.committed, log.skipped]).toEqual([[1, 2], 0]);
  });

  it('under a flood are bounded, those first that are needed', async () => {
    log = new Log();
    log.stuck = [];
    for (let from = 0; from < pinQueueMax; from += 1_024) log.broker.offer(words(range(from, 1_024)), 0);
    await waitFor('all commands under way', () => log.stuck?.length === pinCommandsMax);
    const room = pinCommandsMax * pinBatchMax;
    expect(log.broker.waiting).toBe(pinQueueMax - room);
    log.broker.offer(words(range(0, room)), 0);
    expect([log.skipped, log.broker.flooded]).toEqual([0, true]);
    log.broker.offer(words([7, 8 | PIN_NEEDED, 9]), 0);
    expect([log.skipped, log.broker.waiting]).toEqual([2, pinQueueMax + 1]);
    log.broker.offer(words(range(0, 2 * pinQueueMax).map((slot) => slot | PIN_NEEDED)), 0);
    expect(log.broker.waiting).toBe(2 * pinQueueMax);
    const held = log.stuck;
    log.stuck = null;
    for (const release of held) release();
    await waitFor('all that was taken', () => log.committed.length === 2 * pinQueueMax + room);
    expect(log.broker.flooded).toBe(false);
  });

  it('are worth nothing after the end', () => {
    log = new Log();
    log.broker.close();
    log.broker.offer(words([1]), 0);
    expect([log.skipped, log.broker.waiting]).toEqual([1, 0]);
  });
});
