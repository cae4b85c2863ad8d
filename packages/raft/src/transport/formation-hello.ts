/**
 * What nodes tell one another while they look for a cluster.
 */
import { ByteReader, FormatError } from '../codec/bytes.ts';
import type { ByteWriter } from '../codec/bytes.ts';
import { readConf, writeConf } from '../codec/meta.ts';
import type { ConfState, ReplicaId } from '../core/types.ts';

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

export function writeFormation(writer: ByteWriter, state: FormationState): void {
  writer.text(state.replica);
  writer.text(state.clusterId);
  writeConf(writer, state.initialConf);
  writer.texts(state.members);
  writer.texts([...state.view.keys()]);
  writer.texts([...state.view.values()]);
}

export function readFormation(payload: Buffer): FormationState {
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
