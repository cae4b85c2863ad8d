/**
 * The simplest state machine that can tell right from wrong: it remembers every command in order, with a running
 * checksum as digest.
 */
import { crc32 } from 'node:zlib';
import { EntryKind } from '../core/types.ts';
import type { Entry, SnapshotMeta } from '../core/types.ts';
import type { ApplyResult, StateMachine } from '../driver/ports.ts';

export class RecordingMachine implements StateMachine {
  commands: string[] = [];
  #crc = 0;

  /** The result of a command is its position. */
  apply(entries: readonly Entry[]): readonly ApplyResult[] {
    return entries.map((entry) => {
      if (entry.kind !== EntryKind.normal) return undefined;
      this.#crc = crc32(entry.data, this.#crc);
      this.commands.push(Buffer.from(entry.data).toString('utf8'));
      return this.commands.length;
    });
  }

  digest(): string {
    return `${this.#crc.toString(16)}-${this.commands.length}`;
  }

  capture(): { sizeBytes: number; digest: string; chunks: AsyncIterable<Uint8Array> } {
    const bytes = Buffer.from(JSON.stringify(this.commands));
    return { sizeBytes: bytes.length, digest: this.digest(), chunks: pieces(bytes) };
  }

  async restore(_meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    this.commands = JSON.parse(Buffer.concat(parts).toString('utf8')) as string[];
    this.#crc = this.commands.reduce((crc, command) => crc32(command, crc), 0);
  }
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  const pieceBytes = 100_000;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
    await Promise.resolve();
  }
}
