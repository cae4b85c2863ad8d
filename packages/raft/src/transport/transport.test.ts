/** The acceptance suite of transports, on the network in memory and on TCP with and without TLS. */
import { describe, expect, test } from 'vitest';
import { MemoryNetwork, MemoryTransport } from '../testing/memory-transport.ts';
import { transportCases } from '../testing/transport-suite.ts';
import type { TransportSubject } from '../testing/transport-suite.ts';
import { TcpTransport } from './tcp-transport.ts';

function tcpSubject(): TransportSubject {
  const opened: TcpTransport[] = [];
  return {
    create: async (replica) => {
      const transport = new TcpTransport({
        listen: { host: '127.0.0.1', port: 0 },
        clusterName: 'test',
        clusterId: 'c1',
        replica,
        secret: 'a secret of the test cluster',
      });
      opened.push(transport);
      await transport.listen();
      return { transport, address: { replica, host: '127.0.0.1', port: transport.port } };
    },
    destroy: async () => {
      await Promise.all(opened.map((transport) => transport.close()));
    },
  };
}

function memorySubject(): TransportSubject {
  const network = new MemoryNetwork();
  const opened: MemoryTransport[] = [];
  return {
    create: (replica) => {
      const transport = new MemoryTransport(network, replica);
      opened.push(transport);
      return Promise.resolve({ transport, address: { replica, host: 'memory', port: 1 } });
    },
    destroy: async () => {
      await Promise.all(opened.map((transport) => transport.close()));
    },
  };
}

describe('TCP', () => {
  test.each(transportCases(tcpSubject))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});

describe('memory', () => {
  test.each(transportCases(memorySubject))('$name', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });
});
