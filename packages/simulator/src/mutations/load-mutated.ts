/**
 * Replaces a piece of the product's source while it is loaded into this process. Must be called before anything of the
 * product is imported; the files themselves stay as they are.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import type { Mutation } from './table.ts';

/** Where the sources of raft are; found without loading them. */
function raftRoot(): string {
  return dirname(fileURLToPath(import.meta.resolve('@flotilla/raft')));
}

/** Answers whether the replacement took place, once the file was loaded. Throws while loading where it does not fit exactly once. */
export function loadMutated(mutation: Mutation): () => boolean {
  const target = join(raftRoot(), mutation.file);
  let applied = false;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || fileURLToPath(url) !== target || !loaded.source) return loaded;
      applied = true;
      return { ...loaded, source: mutate(String(loaded.source), mutation) };
    },
  });
  return () => applied;
}

/** The source with the fault in it. */
export function mutate(source: string, mutation: Mutation): string {
  const places = source.split(mutation.find).length - 1;
  if (places !== 1) throw new Error(`${mutation.name}: what it replaces stands ${places} times in ${mutation.file}`);
  // A function, since a text would give `$` a meaning.
  return source.replace(mutation.find, () => mutation.replace);
}
