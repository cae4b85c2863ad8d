/**
 * Whether this node could open a port for a listener, found out by opening it for a moment in the way that the proxy threads
 * do. Asked of every node before a configuration that needs a new port is committed.
 */
import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';

/** A port as the configuration names it. */
export interface ListenerPort {
  readonly port: number;
  readonly udp: boolean;
}

export interface PortFault extends ListenerPort {
  /** For people: which port of this node, and what the system says. */
  readonly message: string;
}

export interface Binding {
  readonly bindAddress: string;
  /** Added to the configured port on this node. */
  readonly portOffset: number;
}

/** Those that cannot be opened here now. */
export async function portFaults(ports: readonly ListenerPort[], binding: Binding): Promise<PortFault[]> {
  const checked = await Promise.all(ports.map((one) => portFault(one, binding)));
  return checked.filter((one) => one !== null);
}

async function portFault({ port, udp }: ListenerPort, { bindAddress, portOffset }: Binding): Promise<PortFault | null> {
  const own = port + portOffset;
  const error = own < 1 || own > 65_535 ? 'there is no such port' : await (udp ? tryUdp : tryTcp)(bindAddress, own);
  return error === ''
    ? null
    : { port, udp, message: `cannot listen on ${bindAddress}:${own}${udp ? '/udp' : ''}: ${error}` };
}

function tryTcp(host: string, port: number): Promise<string> {
  // Whoever connects in this moment is refused, as before.
  const server = createServer((socket) => socket.resetAndDestroy());
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(error.message));
    server.listen({ host, port, reusePort: true }, () => server.close(() => resolve('')));
  });
}

function tryUdp(address: string, port: number): Promise<string> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', reusePort: true });
  return new Promise((resolve) => {
    socket.once('error', (error) => {
      socket.close();
      resolve(error.message);
    });
    socket.bind({ address, port }, () => socket.close(() => resolve('')));
  });
}
