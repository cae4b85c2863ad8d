/**
 * Membership, membership changes and snapshot descriptions as bytes.
 */
import type { ConfChange, ConfState, ConfStep, SnapshotMeta } from '../core/types.ts';
import { FormatError } from './bytes.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';

const MEMBERS_MAX_COUNT = 1024;
const OPS: readonly ConfStep['op'][] = ['add-voter', 'add-learner', 'remove'];

export function writeConf(writer: ByteWriter, conf: ConfState): void {
  writer.texts(conf.voters);
  writer.texts(conf.votersOutgoing);
  writer.texts(conf.learners);
  writer.texts(conf.learnersNext);
  writer.bool(conf.autoLeave);
}

export function readConf(reader: ByteReader): ConfState {
  return {
    voters: reader.texts(MEMBERS_MAX_COUNT),
    votersOutgoing: reader.texts(MEMBERS_MAX_COUNT),
    learners: reader.texts(MEMBERS_MAX_COUNT),
    learnersNext: reader.texts(MEMBERS_MAX_COUNT),
    autoLeave: reader.bool(),
  };
}

export function writeConfChange(writer: ByteWriter, change: ConfChange): void {
  writer.u32(change.steps.length);
  for (const step of change.steps) {
    writer.u8(OPS.indexOf(step.op));
    writer.text(step.id);
  }
  writer.bytes(change.context);
}

export function readConfChange(reader: ByteReader): ConfChange {
  const count = reader.u32();
  if (count > MEMBERS_MAX_COUNT) throw new FormatError(`membership change of ${count} steps`);
  const steps = Array.from({ length: count }, (): ConfStep => {
    const op = OPS[reader.u8()];
    if (op === undefined) throw new FormatError('unknown step of a membership change');
    return { op, id: reader.text() };
  });
  return { steps, context: reader.bytes() };
}

export function writeSnapshotMeta(writer: ByteWriter, meta: SnapshotMeta): void {
  writer.u53(meta.index);
  writer.u53(meta.term);
  writeConf(writer, meta.conf);
  writer.text(meta.digest);
  writer.u53(meta.sizeBytes);
  writer.text(meta.checksum ?? '');
}

export function readSnapshotMeta(reader: ByteReader): SnapshotMeta {
  const index = reader.u53();
  const term = reader.u53();
  const conf = readConf(reader);
  const digest = reader.text();
  const sizeBytes = reader.u53();
  const checksum = reader.text();
  return { index, term, conf, digest, sizeBytes, ...(checksum === '' ? {} : { checksum }) };
}
