/**
 * Requests: the backend behind the proxy is the reference, and so is a reader of the same bytes without a proxy. Whatever
 * reaches the backend must be what the reference reads in the client's bytes: no request more, none with another content.
 */
import { connect } from 'node:net';
import { areForwarded, isBeyondReference } from './agreement.ts';
import { render, requestDraft } from './draft.ts';
import { mutate, REQUEST_MUTATIONS } from './mutations.ts';
import type { Random } from './random.ts';
import { ReferenceBed } from './reference-bed.ts';
import { readRequests } from './reference.ts';
import { clientAddress, difference } from './round.ts';
import type { Outcome, Round } from './round.ts';

/** The reference knows methods by name only; any token is one. */
const UNKNOWN_METHOD = 'HPE_INVALID_METHOD';

export async function startRequestRound(): Promise<Round> {
  const bed = await ReferenceBed.start();

  async function run(random: Random): Promise<Outcome> {
    bed.reset();
    const { names, text } = conversation(random);
    const read = await readRequests(text);
    const answers = await exchange(bed.port, text, random);
    const { seen, faults } = await bed.forwarded();
    const refused = /\r\nX-Flotilla-Error: ([a-z0-9-]+)\r\n/.exec(answers)?.[1] ?? '';
    const outcome = { mutations: names, result: refused === '' ? 'forwarded' : 'refused' };
    if (faults.includes(UNKNOWN_METHOD) || isBeyondReference(text))
      return { ...outcome, result: 'beyond the reference', disagreement: '' };
    const isPlain = names.every((name) => name === 'none');
    const isWhole = !isPlain || seen.length === read.requests.length;
    if (faults.length === 0 && isWhole && areForwarded(read.requests, seen)) return { ...outcome, disagreement: '' };
    return { ...outcome, disagreement: difference(text, read, { seen, faults, refused }) };
  }

  return {
    name: 'request',
    mutations: Object.keys(REQUEST_MUTATIONS),
    run,
    close: () => bed.close(),
  };
}

/** One to three requests behind one another, of which one is changed. */
function conversation(random: Random): { names: readonly string[]; text: string } {
  const before = random.chance(0.3) ? render(requestDraft(random)) : '';
  const draft = requestDraft(random);
  const { names, text } = mutate(REQUEST_MUTATIONS, random, (change) => {
    change(draft);
    return render(draft);
  });
  return { names, text: before + text + (random.chance(0.5) ? render(requestDraft(random)) : '') };
}

/** Sends the bytes in a few pieces and says that there are no more; answers all that comes back. */
async function exchange(port: number, text: string, random: Random): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: clientAddress(random), allowHalfOpen: true });
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  const ended = new Promise<void>((resolve) => {
    socket.once('end', resolve);
    socket.once('close', () => resolve());
    socket.once('error', () => resolve());
  });
  socket.setNoDelay(true);
  const cut = random.chance(0.5) ? random.below(text.length + 1) : 0;
  if (cut > 0) {
    socket.write(text.slice(0, cut), 'latin1');
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  socket.end(text.slice(cut), 'latin1');
  await ended;
  socket.destroy();
  return received;
}
