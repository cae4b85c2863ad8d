/**
 * Prometheus families about backends: what the cluster decided about them and what this node has open to them.
 */
import type { RoutingSnapshot, SharedMemory } from '@flotilla/shared';
import { type Family, sample } from './exposition.ts';
import type { Shares } from './shares.ts';

const HELP = {
  flotilla_backend_up: '1 where the verdict is up, 0 where it is down or ejected, -1 where it is not known.',
  flotilla_backend_weight: 'Configured weight; 0 where the state takes no new work.',
  flotilla_backend_connections: 'Requests and tunnels in flight from this node.',
  flotilla_backend_share_ratio: "Share of its pool's requests in the last minute on this node.",
} as const;

type Name = keyof typeof HELP;
const UP: Readonly<Record<string, number>> = { up: 1, unknown: -1 };

/** Pins of the pools that have affinity, whatever its kind. */
export function pinFamily(snapshot: RoutingSnapshot | null, countOf: (pool: string) => number): Family {
  const pools = (snapshot?.pools ?? []).filter(({ affinity }) => affinity !== null && affinity.type !== 'cookie');
  const lines = pools.map(({ name }) => sample('flotilla_pins', { pool: name }, countOf(name)));
  return { name: 'flotilla_pins', type: 'gauge', help: 'Sessions in the pin table.', lines };
}

export function backendFamilies(snapshot: RoutingSnapshot | null, memory: SharedMemory, shares: Shares): Family[] {
  const inFlight = new Int32Array(memory.inFlight);
  const lines: Record<Name, string[]> = {
    flotilla_backend_up: [],
    flotilla_backend_weight: [],
    flotilla_backend_connections: [],
    flotilla_backend_share_ratio: [],
  };
  for (const pool of snapshot?.pools ?? []) {
    const ratios = shares.of(pool.name);
    for (const { id, verdict, weight, state, slot } of pool.backends) {
      const add = (name: Name, value: number) =>
        lines[name].push(sample(name, { pool: pool.name, backend: id }, value));
      add('flotilla_backend_up', UP[verdict] ?? 0);
      add('flotilla_backend_weight', state === 'enabled' ? weight : 0);
      add('flotilla_backend_connections', slot < inFlight.length ? Atomics.load(inFlight, slot) : 0);
      const ratio = ratios.get(id);
      if (ratio !== undefined) add('flotilla_backend_share_ratio', Math.round(ratio * 1e6) / 1e6);
    }
  }
  return (Object.keys(HELP) as Name[]).map((name) => ({ name, type: 'gauge', help: HELP[name], lines: lines[name] }));
}
