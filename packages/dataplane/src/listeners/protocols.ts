/** Which protocol speaks on which kind of listener. */
import type { ListenerProtocol } from '@flotilla/shared';
import type { ProtocolHandler } from './connection.ts';

/** udp has no connections: `udp-listener.ts`. */
export type Protocols = Readonly<Record<Exclude<ListenerProtocol, 'udp'>, ProtocolHandler>>;
