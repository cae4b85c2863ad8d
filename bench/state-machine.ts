/**
 * What the replicated state costs per command, without log and network: 10,000 backends in 1,000 pools, three observers.
 *
 *   ./scripts/with-node node bench/state-machine.ts
 *
 * Printed: microseconds per weight change (decode, apply, digest) and per observation, milliseconds of the operations on
 * the whole.
 */
import { type Command, ClusterStateMachine, compileRouting, encodeCommand } from '@flotilla/controlplane/state';

const POOLS = 1_000;
const BACKENDS_PER_POOL = 10;
const WRITES = 50_000;
const BATCH = 20;
const nodes = ['n1', 'n2', 'n3'];

type Draft = Command extends infer C ? (C extends Command ? Omit<C, 'v'> : never) : never;

const machine = new ClusterStateMachine();
let index = 0;
const entry = (draft: Draft) => {
  index++;
  const data = encodeCommand({ v: 1, ...draft } as Command);
  return { index, term: 1, kind: 0 as const, stampMs: 1e12 + index, origin: 'n1#bench', seq: index, data };
};

function measure(what: string, unit: 'µs' | 'ms', count: number, run: () => void): void {
  const startMs = performance.now();
  run();
  const elapsed = (performance.now() - startMs) / count;
  console.log(`${what.padEnd(52)} ${(unit === 'µs' ? elapsed * 1_000 : elapsed).toFixed(2)} ${unit}`);
}

const pools = Array.from({ length: POOLS }, (_, pool) => ({
  name: `p${pool}`,
  backends: Array.from({ length: BACKENDS_PER_POOL }, (_unused, at) => ({
    id: `b${at}`,
    address: `10.0.${pool % 256}.${at}:80`,
  })),
}));
const replace = (slowStartMs: number) =>
  entry({ type: 'config.replace', document: { pools: pools.map((pool) => ({ ...pool, slowStartMs })) } });
measure('config.replace, 10,000 backends, first', 'ms', 1, () => void machine.apply([replace(0)]));
const again = [replace(1), replace(2), replace(3)];
measure('config.replace, all pools changed', 'ms', again.length, () => void machine.apply(again));

for (const id of nodes) {
  const facts = { replica: `${id}#1`, raft: `${id}:7500`, api: `${id}:7400`, version: '0', featureLevel: 1 };
  machine.apply([entry({ type: 'member.announce', id, ...facts })]);
}
const report = (node: string, ok: boolean) => {
  const observations = pools.flatMap(({ name, backends }) =>
    backends.map(({ id }) => ({ pool: name, backend: id, ok, latencyMs: 1.5, detail: '200', atMs: 1e12 })),
  );
  return entry({ type: 'observe', node, incarnation: '1', observations });
};
for (const ok of [true, false, true]) {
  const reports = nodes.map((node) => report(node, ok));
  const what = `observation, ${ok ? 'up' : 'down'}, every one an edge`;
  measure(what, 'µs', POOLS * BACKENDS_PER_POOL * nodes.length, () => void machine.apply(reports));
}

for (let round = 0; round < 3; round++) {
  const entries = Array.from({ length: WRITES }, (_, at) => {
    const [pool, id] = [`p${at % POOLS}`, `b${at % BACKENDS_PER_POOL}`];
    return entry({
      type: 'backend.set',
      pool,
      id,
      weight: (Math.floor(at / POOLS) * 7 + round + 1) % 1_000,
      author: 'admin',
      source: '127.0.0.1',
    });
  });
  measure('backend.set, decode + apply + digest', 'µs', WRITES, () => {
    for (let at = 0; at < WRITES; at += BATCH) {
      machine.apply(entries.slice(at, at + BATCH));
      machine.digest();
    }
  });
}

measure('tick', 'ms', 1, () => void machine.apply([entry({ type: 'tick' })]));
measure('compileRouting', 'ms', 3, () => {
  for (let time = 0; time < 3; time++) compileRouting(machine.state);
});
let captured: ReturnType<ClusterStateMachine['capture']> | null = null;
measure('capture', 'ms', 1, () => {
  captured = machine.capture();
});
console.log(`snapshot: ${((captured as { sizeBytes: number } | null)?.sizeBytes ?? 0) / 1_000_000} MB`);
