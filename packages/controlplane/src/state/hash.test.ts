/** The hash of a row is that of its text, although that text is never made. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashRow, hashText, newLanes } from './hash.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('\ud800', '"', '\\', '→', '😀'),
);
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(
    0,
    -0,
    9,
    10,
    999_999_999,
    1e9,
    -1e9,
    1e9 + 1,
    1e21,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.constantFrom(null, true, false),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('10', '9', 'api/b1')), fc.option(tie('value'), { nil: undefined }), {
      maxKeys: 5,
    }),
  ),
}));

it('hashes a row as its JSON text', () => {
  fc.assert(
    fc.property(text, value, fc.integer(), (key, row, seed) => {
      const [ofRow, ofText] = [newLanes(), newLanes()];
      hashRow(key, row, seed, ofRow);
      const json = JSON.stringify([key, row]);
      hashText(json, seed, ofText);
      expect(ofRow).toEqual(ofText);
      expect(ofRow.utf8Bytes).toBe(Buffer.byteLength(json));
    }),
    { numRuns: 2_000 },
  );
});
