/** Addresses of the other replicas: which source wins, and how addresses are written. */
import { EMPTY_CONF } from '@flotilla/raft';
import { describe, expect, it } from 'vitest';
import { ClusterStateMachine } from '../state/index.ts';
import { formatHostPort, parseHostPort, peerAddresses } from './address-book.ts';

describe('address book', () => {
  it('takes the settings for first members and what a join told for others; leaves out who cannot be placed', () => {
    const conf = { ...EMPTY_CONF, voters: ['n1#aa', 'n2#bb'], learners: ['n9#cc', 'n8#dd'] };
    const found = peerAddresses({
      self: 'n1#aa',
      conf,
      state: new ClusterStateMachine().state,
      told: new Map([['n9#cc', { host: '10.0.0.9', port: 9 }]]),
      peers: [
        { id: 'n1', host: '10.0.0.1', port: 1 },
        { id: 'n2', host: '10.0.0.2', port: 2 },
      ],
    });
    expect(found).toEqual([
      { replica: 'n1#aa', host: '10.0.0.1', port: 1 },
      { replica: 'n2#bb', host: '10.0.0.2', port: 2 },
      { replica: 'n9#cc', host: '10.0.0.9', port: 9 },
    ]);
  });

  it('counts whoever a join named until the node itself is a member: the leader may not be one of the first', () => {
    const sources = {
      state: new ClusterStateMachine().state,
      told: new Map([
        ['n1#aa', { host: '10.0.0.1', port: 1 }],
        ['n2#new', { host: '10.0.0.2', port: 2 }],
      ]),
      peers: [],
    };
    const first = { ...EMPTY_CONF, voters: ['n1#aa', 'n2#old'] };
    const replicas = (conf: typeof first): string[] =>
      peerAddresses({ ...sources, self: 'n3#cc', conf }).map(({ replica }) => replica);
    expect(replicas(first)).toEqual(['n1#aa', 'n2#new']);
    expect(replicas({ ...EMPTY_CONF, voters: ['n1#aa', 'n4#dd'], learners: ['n3#cc'] })).toEqual(['n1#aa']);
  });

  it('reads what it writes', () => {
    for (const address of [
      { host: '10.0.0.1', port: 7500 },
      { host: 'node-1.example', port: 1 },
      { host: '::1', port: 65_535 },
    ])
      expect(parseHostPort(formatHostPort(address))).toEqual(address);
    for (const text of ['', 'host', 'host:', ':1', '::1:7', 'host:x']) expect(parseHostPort(text)).toBeNull();
  });
});
