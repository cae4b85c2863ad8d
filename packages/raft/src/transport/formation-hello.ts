/**
 * What nodes tell one another while they look for a cluster.
 */
import { ByteReader, FormatError } from '../codec/bytes.ts';
import type { ByteWriter } from '../codec/bytes.ts';
import { readConf, writeConf } from '../codec/meta.ts';
import type { ConfState, ReplicaId } from '../core/types.ts';
import type { Clock } from '../driver/ports.ts';
import type { Connection } from './connection.ts';
import { FrameType } from './framing.ts';
import { FORMATION_HELLO_TIMEOUT_MS } from './limits.ts';

export interface FormationState {
  readonly replica: ReplicaId;
  /** '' where the node belongs to no cluster yet. */
  readonly clusterId: string;
  /** First membership of the cluster; empty before. */
  readonly initialConf: ConfState;
  /** Members that the node knows of; empty before. */
  readonly members: readonly ReplicaId[];
  /** Unformed: which replica answers for each name, as this node saw it last. Itself included. */
  readonly view: ReadonlyMap<string, ReplicaId>;
}

const LIST_MAX_COUNT = 1024;

function writeFormation(writer: ByteWriter, state: FormationState): void {
  writer.text(state.replica);
  writer.text(state.clusterId);
  writeConf(writer, state.initialConf);
  writer.texts(state.members);
  writer.texts([...state.view.keys()]);
  writer.texts([...state.view.values()]);
}

function readFormation(payload: Buffer): FormationState {
  const reader = new ByteReader(payload);
  const replica = reader.text();
  const clusterId = reader.text();
  const initialConf = readConf(reader);
  const members = reader.texts(LIST_MAX_COUNT);
  const names = reader.texts(LIST_MAX_COUNT);
  const replicas = reader.texts(LIST_MAX_COUNT);
  if (names.length !== replicas.length) throw new FormatError('names and replicas differ in number');
  reader.finish();
  return { replica, clusterId, initialConf, members, view: new Map(names.map((name, i) => [name, replicas[i] ?? ''])) };
}

/** Tells our state and resolves with the other side's. */
export function askFormation(connection: Connection, own: FormationState, clock: Clock): Promise<FormationState> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(clock.nowMs() + FORMATION_HELLO_TIMEOUT_MS, () => connection.close('silent'));
    connection.handlers = {
      onFrame: (type, payload) => {
        if (type !== FrameType.formation) throw new FormatError(`frame ${type} while forming`);
        timer.cancel();
        resolve(readFormation(payload));
      },
      onClosed: (cause) => {
        timer.cancel();
        reject(new Error(`connection over: ${cause}`));
      },
    };
    connection.send(FrameType.formation, (writer) => writeFormation(writer, own));
  });
}

/** Answers whoever asks on this connection. */
export function answerFormation(connection: Connection, state: () => FormationState | null): void {
  connection.handlers = {
    onFrame: (type, payload) => {
      if (type !== FrameType.formation) throw new FormatError(`frame ${type} while forming`);
      readFormation(payload);
      const own = state();
      if (own) connection.send(FrameType.formation, (writer) => writeFormation(writer, own));
    },
    onClosed: () => undefined,
  };
}
