/** HPACK: the examples of RFC 7541, and that what is encoded is what is decoded, whatever it is and whatever came before. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

const BIG = 1_000_000;

function decodeHex(decoder: HpackDecoder, hex: string, maxBytes: number = BIG): string[] | null {
  const block = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(block, 0, block.length, maxBytes);
}

it('decodes the examples of appendix C.4: Huffman, static and dynamic table', () => {
  const decoder = new HpackDecoder();
  const first = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
  expect(decodeHex(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')).toEqual(first);
  expect(decodeHex(decoder, '8286 84be 5886 a8eb 1064 9cbf')).toEqual([...first, 'cache-control', 'no-cache']);
  expect(decodeHex(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')?.slice(2)).toEqual([
    ':scheme',
    'https',
    ':path',
    '/index.html',
    ':authority',
    'www.example.com',
    'custom-key',
    'custom-value',
  ]);
});

it.each([
  ['index 0', '80'],
  ['an index beyond the tables', 'be'],
  ['an integer without end', 'ffffffffffffffff'],
  ['a string longer than the block', '4001610a62'],
  ['a Huffman string with the end of string in it', '40016184ffffffff'],
  ['padding of eight bits or more', '4001618207ff'],
  ['a table size above the limit', '3fe21f'],
  ['a table size after a field', '8220'],
])('refuses %s', (_name, hex) => {
  expect(decodeHex(new HpackDecoder(), hex)).toBeNull();
});

it('drops a list that is too long, and keeps its table', () => {
  const decoder = new HpackDecoder();
  expect(decodeHex(decoder, '40 01 61 03 626364', 10)).toEqual([]);
  expect(decoder.tooLarge).toBe(true);
  expect(decodeHex(decoder, 'be')).toEqual(['a', 'bcd']);
  expect(decoder.tooLarge).toBe(false);
});

it('decodes what was encoded, over many blocks and changes of the table’s size', () => {
  const latin1 = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 300,
  });
  const name = fc.oneof(
    fc.constantFrom(':status', 'date', 'set-cookie', 'x-a', 'x-b', ':path', 'authorization'),
    latin1,
  );
  const value = fc.oneof(fc.constantFrom('200', '/', '', 'same'), latin1);
  const block = fc.record({
    fields: fc.array(fc.tuple(name, value), { maxLength: 20 }),
    sizes: fc.array(fc.constantFrom(0, 60, 100, 4_096, 65_536), { maxLength: 2 }),
  });
  const target = Buffer.alloc(65_536);
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      for (const { fields, sizes } of blocks) {
        for (const size of sizes) encoder.setPeerTableBytes(size);
        const flat = fields.flat();
        const length = encoder.encode(flat, target);
        expect(decoder.decode(target, 0, length, BIG)).toEqual(flat);
      }
    }),
    { numRuns: 300 },
  );
});

it('never throws on junk', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const bytes of blocks) {
        const fields = decoder.decode(Buffer.from(bytes), 0, bytes.length, BIG);
        if (fields === null) return;
        expect(fields.every((text) => typeof text === 'string')).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});
