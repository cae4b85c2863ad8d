/**
 * Commands for the control plane's state, drawn at random: a small world of nodes, backends and configurations, with
 * repeated keys and refused requests among them. Nobody waits for their answers.
 */
import { featureLevel, PIN_PARTITIONS_COUNT } from '@flotilla/controlplane/state';
import type { Command } from '@flotilla/controlplane/state';
import { encodeKey, newPinKey } from '@flotilla/shared';
import type { SimRandom } from '../engine/random.ts';

/** Nodes that are only talked about. */
const NODES = ['m1', 'm2', 'm3'];
const BACKENDS = ['b1', 'b2', 'b3', 'b4'];
const KEYS_COUNT = 40;

function documentOf(random: SimRandom): unknown {
  const backends = BACKENDS.slice(0, 1 + random.integer(BACKENDS.length)).map((id, at) => ({
    id,
    address: `10.0.0.${at + 1}:80`,
    weight: 1 + random.integer(100),
  }));
  return {
    version: 1,
    listeners: [{ name: 'web', protocol: 'http', bind: '127.0.0.1:8080', pool: 'main' }],
    pools: [{ name: 'main', protocol: 'http', affinity: { type: 'source-ip', ttlMs: 60_000 }, backends }],
  };
}

/** Pins a few sessions of the pool to any slots. */
function pinsOf(random: SimRandom): Int32Array {
  const key = newPinKey();
  const words = Array.from({ length: 1 + random.integer(4) }, () => {
    encodeKey('main', `10.0.0.${random.integer(200)}`, key);
    return [key.pool, ...key.words, random.integer(6)];
  });
  return Int32Array.from(words.flat());
}

function draw(random: SimRandom, nowMs: number): Command {
  const id = random.pick(NODES);
  const backend = random.pick(BACKENDS);
  const v = 1;
  const key = random.chance(0.3) ? { key: `k${random.integer(KEYS_COUNT)}`, author: 'simulator' } : {};
  switch (random.integer(11)) {
    case 0:
      return { v, ...key, type: 'config.replace', document: documentOf(random) };
    case 1:
      return { v, ...key, type: 'backend.set', pool: 'main', id: backend, weight: random.integer(50) };
    case 2:
      return {
        v,
        type: 'member.announce',
        id,
        replica: `${id}#${random.integer(2)}`,
        raft: `${id}:1`,
        api: `${id}:2`,
        version: '1',
        featureLevel,
      };
    case 3:
      return { v, type: 'member.liveness', items: NODES.map((node) => ({ id: node, alive: random.chance(0.7) })) };
    case 4:
      return { v, ...key, type: 'drain.set', id, deadlineMs: 1000 + random.integer(5000), force: random.chance(0.3) };
    case 5:
      return { v, ...key, type: 'drain.cancel', id };
    case 6:
      return { v, type: 'outlier.propose', pool: 'main', backend, node: id };
    case 7:
      return { v, type: 'tick' };
    case 8:
      return { v, ...key, type: 'pins.clear', pool: 'main', partition: random.integer(PIN_PARTITIONS_COUNT) };
    case 9:
      return { v, type: 'pins.put', items: pinsOf(random) };
    default:
      return {
        v,
        type: 'observe',
        node: id,
        incarnation: String(random.integer(2)),
        observations: [
          { pool: 'main', backend, ok: random.chance(0.7), latencyMs: random.integer(50), detail: '', atMs: nowMs },
        ],
      };
  }
}

export function drawControlCommand(random: SimRandom, nowMs: number): Command {
  return draw(random, Math.floor(nowMs));
}
