/**
 * `?dryRun=true`: the very command, applied to a copy of the state. What it would be refused for is refused, what it would
 * change is answered; nothing can differ from the real thing because it is the real thing.
 */
import { EMPTY_CONF, EntryKind } from '@flotilla/raft';
import { FlotillaError } from '@flotilla/shared';
import type { ClusterHost, Draft } from '../cluster/host.ts';
import {
  ClusterStateMachine,
  type Command,
  type CommandResult,
  diffConfig,
  encodeCommand,
  readConfig,
} from '../state/index.ts';

export async function dryRun(host: ClusterHost, draft: Draft): Promise<object> {
  const copy = new ClusterStateMachine();
  const before = readConfig(host.state);
  const { revision } = host;
  const { index, logTimeMs } = host.state.meta;
  const { chunks, sizeBytes, digest } = host.machine.capture();
  await copy.restore({ index, term: 0, conf: EMPTY_CONF, digest, sizeBytes }, chunks);
  // Without its key: a dry run must not be taken for the deed.
  const { key: _key, ...rest } = draft as Draft & { readonly key?: string };
  const data = encodeCommand({ v: 1, ...rest } as Command);
  const entry = {
    index: index + 1,
    term: 0,
    kind: EntryKind.normal,
    stampMs: logTimeMs,
    origin: '',
    seq: 0,
    data,
  };
  const [result] = copy.apply([entry]) as readonly CommandResult[];
  if (result === undefined) throw new Error('the copy gave no result');
  if (!result.ok) throw new FlotillaError(result.code, result.message, { details: result.details });
  return { dryRun: true, revision, changed: result.changed, diff: diffConfig(before, readConfig(copy.state)) };
}
