/**
 * Responses: the backend answers with bytes of any kind; what a client behind the proxy reads must be what the reference reads in
 * them, or an error of the proxy's own, and never anything of them as the answer to the next request.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { backendSpec, InProcessProxy, listenerSpec, poolSpec, routingSnapshot } from '@flotilla/dataplane/testing';
import { isBeyondReference, isSameResponse, ownReason, withoutBlanksBeforeColons } from './agreement.ts';
import { render, responseDraft } from './draft.ts';
import { mutate, RESPONSE_MUTATIONS } from './mutations.ts';
import type { Random } from './random.ts';
import { AnswerReader, readResponse } from './reference.ts';
import type { ResponseRead } from './reference.ts';
import { clientAddress, difference } from './round.ts';
import type { Outcome, Round } from './round.ts';

const SECOND = '/second';
const SECOND_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond';

export async function startResponseRound(): Promise<Round> {
  let answer: (socket: Socket) => void = () => {};
  const sockets = new Set<Socket>();
  const backend = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    let asked = '';
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      asked += chunk.toString('latin1');
      if (!asked.endsWith('\r\n\r\n')) return;
      if (asked.includes(` ${SECOND} `)) socket.write(SECOND_ANSWER);
      else answer(socket);
      asked = '';
    });
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const backends = [backendSpec('b1', { port: (backend.address() as AddressInfo).port })];
  const snapshot = routingSnapshot({ listeners: [listenerSpec('web')], pools: [poolSpec('app', { backends })] });
  const proxy = await new InProcessProxy(snapshot).listen();

  async function run(random: Random): Promise<Outcome> {
    const method = random.chance(0.15) ? 'HEAD' : 'GET';
    const draft = responseDraft(random);
    if (method === 'HEAD') draft.body = '';
    const { names, text } = mutate(RESPONSE_MUTATIONS, random, (change) => {
      change(draft);
      return render(draft);
    });
    const read = await readResponse(withoutBlanksBeforeColons(text), method);
    const cut = random.chance(0.5) ? random.below(text.length + 1) : 0;
    answer = (socket) => {
      socket.write(text.slice(0, cut), 'latin1');
      setImmediate(() => {
        socket.write(text.slice(cut), 'latin1');
        if (read.kind !== 'whole') socket.end();
      });
    };
    const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: clientAddress(random) });
    const ask = (path: string, by: string): Promise<ResponseRead> => {
      const asked = request({ host: '127.0.0.1', port: proxy.port, path, method: by, agent });
      const reader = new AnswerReader(asked);
      asked.end();
      return reader.done;
    };
    const got = await ask('/', method);
    const second = await ask(SECOND, 'GET');
    agent.destroy();
    const isRelayed = got.kind === 'whole' && ownReason(got) === '';
    const outcome = { mutations: names, result: isRelayed ? 'forwarded' : 'refused' };
    if (isBeyondReference(text)) return { ...outcome, result: 'beyond the reference', disagreement: '' };
    const isPlain = names.every((name) => name === 'none');
    const isRead = read.kind === 'whole' || read.kind === 'until-end';
    const agrees = isRelayed ? isRead && isSameResponse(read, got) : !isPlain;
    const isSecondOurs = second.status === 200 && second.body === 'second';
    if (agrees && isSecondOurs) return { ...outcome, disagreement: '' };
    return { ...outcome, disagreement: difference(text, read, { got, second }) };
  }

  return {
    name: 'response',
    mutations: Object.keys(RESPONSE_MUTATIONS),
    run,
    async close() {
      await proxy.close();
      for (const socket of sockets) socket.destroy();
      backend.close();
    },
  };
}
