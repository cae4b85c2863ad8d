/**
 * Replaces a piece of the product's source while it is loaded into this process. Must be called before anything of the
 * product is imported; the files themselves stay as they are.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import type { Change, Mutation } from './table.ts';

/** Where a file of the product is; found without loading it. */
export function sourceOf({ file }: Change): string {
  const entry = file.startsWith('state/') ? '@flotilla/controlplane/state' : '@flotilla/raft';
  const directory = dirname(fileURLToPath(import.meta.resolve(entry)));
  return file.startsWith('state/') ? join(directory, '..', file) : join(directory, file);
}

/** Answers whether the replacement took place, once the file was loaded. Throws while loading where it does not fit exactly once. */
export function loadMutated(mutation: Mutation): () => boolean {
  const targets = Map.groupBy(mutation.changes, sourceOf);
  const applied = new Set<string>();
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const changes = url.startsWith('file:') ? targets.get(fileURLToPath(url)) : undefined;
      if (changes === undefined || !loaded.source) return loaded;
      applied.add(url);
      return { ...loaded, source: mutate(String(loaded.source), changes) };
    },
  });
  return () => applied.size === targets.size;
}

/** The source with the changes in it. */
export function mutate(source: string, changes: readonly Change[]): string {
  let mutated = source;
  for (const { file, find, replace } of changes) {
    const places = mutated.split(find).length - 1;
    if (places !== 1) throw new Error(`what is to be replaced stands ${places} times in ${file}: ${find}`);
    // A function, since a text would give `$` a meaning.
    mutated = mutated.replace(find, () => replace);
  }
  return mutated;
}
