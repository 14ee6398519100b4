// Many short texts in one block of bytes: four hundred thousand displays as strings would take three times the memory.
// An empty text stands for none.

/** The bytes of all texts one after another (UTF-8), and where each starts; one offset more than texts. */
export interface TextBlock {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

export interface Texts {
  readonly size: number;
  readonly block: TextBlock;
  /** '' where there is none. */
  at(index: number): string;
  equals(index: number, text: string): boolean;
}

export function textsOf(block: TextBlock): Texts {
  const { offsets } = block;
  const bytes = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.byteLength);
  const at = (index: number): string => bytes.toString('utf8', offsets[index], offsets[index + 1]);
  return {
    size: offsets.length - 1,
    block,
    at,
    equals(index, text) {
      const start = offsets[index]!;
      const length = offsets[index + 1]! - start;
      if (length < text.length) return false;
      for (let i = 0; i < text.length; i++) {
        const char = text.charCodeAt(i);
        if (char > 127) return at(index) === text;
        if (bytes[start + i] !== char) return false;
      }
      return length === text.length;
    },
  };
}

/** Takes texts in their order. */
export interface TextWriter {
  add(text: string): void;
  readonly count: number;
  finish(): TextBlock;
}

export function textWriter(): TextWriter {
  let bytes = Buffer.allocUnsafe(1024);
  let used = 0;
  let offsets = new Uint32Array(64);
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(text) {
      const most = used + text.length * 3;
      if (most > bytes.length) {
        const wider = Buffer.allocUnsafe(Math.max(most, bytes.length * 2));
        bytes.copy(wider, 0, 0, used);
        bytes = wider;
      }
      used += bytes.write(text, used, 'utf8');
      count++;
      if (count === offsets.length) {
        const longer = new Uint32Array(offsets.length * 2);
        longer.set(offsets);
        offsets = longer;
      }
      offsets[count] = used;
    },
    finish: () => ({
      bytes: new Uint8Array(bytes.subarray(0, used)),
      offsets: offsets.slice(0, count + 1),
    }),
  };
}

/** Texts that repeat, each kept once. */
export function textDictionary(): { indexOf(text: string): number; finish(): TextBlock } {
  const known = new Map<string, number>();
  const writer = textWriter();
  return {
    indexOf(text) {
      let index = known.get(text);
      if (index === undefined) {
        index = writer.count;
        known.set(text, index);
        writer.add(text);
      }
      return index;
    },
    finish: () => writer.finish(),
  };
}

/** Finds texts by themselves: a hash table of their indexes. `fold` makes texts that count as the same the same. */
export function textIndex(texts: Texts, fold?: (text: string) => string): (text: string) => number {
  let size = 16;
  while (size < texts.size * 2) size *= 2;
  const slots = new Uint32Array(size);
  const mask = size - 1;
  for (let i = 0; i < texts.size; i++) {
    const text = texts.at(i);
    let slot = hash(fold ? fold(text) : text) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = i + 1;
  }
  return text => {
    const wanted = fold ? fold(text) : text;
    for (let slot = hash(wanted) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = slots[slot]! - 1;
      if (fold ? fold(texts.at(index)) === wanted : texts.equals(index, wanted)) return index;
    }
    return -1;
  };
}

/** FNV-1a over UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
