/**
 * The Huffman code of HPACK (RFC 7541 §5.2, appendix B). Decoding only: what we send is short and goes as it is.
 *
 * The code is canonical, so the lengths alone define it. It is walked four bits at a time; the shortest code has five bits, so
 * each step yields one byte at most.
 */

/** Bits of the code of each byte, and of the end of string (256): number, or number × count. */
const LENGTHS =
  '13 23 28x7 24 30 28x2 30 28x8 30 28x9 6 10x2 12 13 6 8 11 10x2 8 11 8 6x3 5x3 6x7 7 8 15 6 12 10 13 6 7x22 8 7 8 13 19 13 14 6 ' +
  '15 5 6 5 6 5 6x3 5 7x2 6x3 5 6 7 6 5x2 6 7x5 15 11 14 13 28 20 22 20x2 22x3 23 22 23x5 24 23 24x2 22 23 24 23x4 21 22 23 22 ' +
  '23x2 24 22 21 20 22x2 23x2 21 23 22x2 24 21 22 23x2 21x2 22 21 23 22 23x2 20 22x3 23 22x2 23 26x2 20 19 22 23 22 25 26x3 27x2 ' +
  '26 24 25 19 21 26 27x2 26 27 24 21x2 26x2 28 27x3 20 24 20 21 22 21x2 23 22x2 25x2 24x2 26 23 26 27 26x2 27x5 28 27x5 26 30';
const SYMBOL_COUNT = 257;
const END_OF_STRING = 256;
const FAILED = 0xffff;
const NOTHING = -1;

/** Indexed by state × 16 + nibble. A state is an inner node of the code's tree; 0 is its root. */
const nextState = new Uint16Array(256 * 16);
const emitted = new Int16Array(256 * 16).fill(NOTHING);
/** States in which a string may end: the root, or less than eight bits of the end of string. */
const accepting = new Uint8Array(256);

function codeLengths(): number[] {
  return LENGTHS.split(' ').flatMap((part) => {
    const [bits, count] = part.split('x').map(Number);
    return new Array<number>(count ?? 1).fill(bits as number);
  });
}

/** Children of inner nodes: ≥ 0 another inner node, < 0 the symbol -1 - child. */
function buildTree(): Int32Array {
  const lengths = codeLengths();
  const tree = new Int32Array(2 * SYMBOL_COUNT);
  const order = lengths
    .map((_, symbol) => symbol)
    .sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  let nodes = 1;
  let code = 0;
  let previous = 0;
  for (const symbol of order) {
    const length = lengths[symbol] as number;
    code = previous === 0 ? 0 : (code + 1) * 2 ** (length - previous);
    previous = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = node * 2 + (Math.floor(code / 2 ** bit) & 1);
      if (tree[at] === 0) tree[at] = nodes++;
      node = tree[at] as number;
    }
    tree[node * 2 + (code & 1)] = -1 - symbol;
  }
  return tree;
}

function compile(): void {
  const tree = buildTree();
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      const at = state * 16 + nibble;
      let node = state;
      for (let bit = 3; bit >= 0 && node !== FAILED; bit--) {
        const child = tree[node * 2 + ((nibble >> bit) & 1)] as number;
        if (child >= 0) node = child;
        else if (-1 - child === END_OF_STRING) node = FAILED;
        else {
          emitted[at] = -1 - child;
          node = 0;
        }
      }
      nextState[at] = node;
    }
  }
  for (let depth = 0, node = 0; depth < 8; depth++) {
    accepting[node] = 1;
    node = tree[node * 2 + 1] as number;
  }
}

compile();

/** Decodes into `target`, which must have room for 8/5 of the input; answers the length, -1 where the input is no such string. */
export function huffmanDecode(source: Buffer, start: number, end: number, target: Buffer): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = source[at] as number;
    const high = state * 16 + (byte >> 4);
    if ((emitted[high] as number) >= 0) target[length++] = emitted[high] as number;
    state = nextState[high] as number;
    if (state === FAILED) return -1;
    const low = state * 16 + (byte & 15);
    if ((emitted[low] as number) >= 0) target[length++] = emitted[low] as number;
    state = nextState[low] as number;
    if (state === FAILED) return -1;
  }
  return accepting[state] === 1 ? length : -1;
}
