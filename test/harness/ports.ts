/**
 * Ports for processes that are killed and started again on the same address: below the range from which the system takes
 * the source ports of outgoing connections, so that nobody sits on them meanwhile.
 */
import { createServer } from 'node:net';

const FIRST = 12_000;
const LAST = 30_000;
const given = new Set<number>();

export async function stablePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => settle(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => settle(true)));
  });
}
