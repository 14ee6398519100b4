// Items of a sliced element to their slices, and what slicing asks of them together: how many of each, in which order,
// and whether others may be there. https://hl7.org/fhir/R4/profiling.html#slicing
import type { ElementNode } from './element-tree.js';
import { matches } from './discriminators.js';
import type { Item } from './items.js';
import type { Frame, Run } from './run.js';

const isDefault = (slice: ElementNode): boolean => slice.sliceName === '@default';

/** The slice that a reslice `a/b` narrows; a name with a bar and no such slice is just a name. */
function resliced(slice: ElementNode, node: ElementNode): string | undefined {
  const name = slice.sliceName ?? '';
  const bar = name.lastIndexOf('/');
  if (bar < 0) return undefined;
  const parent = name.slice(0, bar);
  return node.slices.some(({ sliceName }) => sliceName === parent) ? parent : undefined;
}

/** Slices of the element itself, or those of one of its slices. */
const slicesOf = (node: ElementNode, parent: string | undefined): readonly ElementNode[] =>
  node.slices.filter(slice => resliced(slice, node) === parent && !isDefault(slice));

/** `judge` is called for each item of a slice, with the slice's node. */
export function checkSlices(
  items: readonly Item[],
  node: ElementNode,
  path: string,
  frame: Frame,
  run: Run,
  judge: (item: Item, slice: ElementNode) => void,
): void {
  checkLevel(items, node, node, undefined, path, frame, run, judge);
}

function checkLevel(
  items: readonly Item[],
  sliced: ElementNode,
  holder: ElementNode,
  parent: string | undefined,
  path: string,
  frame: Frame,
  run: Run,
  judge: (item: Item, slice: ElementNode) => void,
): void {
  const slices = slicesOf(sliced, parent);
  const rules = holder.slicing;
  if (slices.length === 0 && rules?.rules !== 'closed') return;
  const discriminators = (rules ?? sliced.slicing)?.discriminators ?? [];
  const say = (expression: string, rule: string, text: string, profile = holder.profile): void =>
    run.report({ severity: 'error', code: 'structure', expression, text, rule, profile });
  const found = new Map<ElementNode, Item[]>(slices.map(slice => [slice, []]));
  const others = sliced.slices.find(isDefault);
  let last = -1;
  let unmatched: Item | undefined;
  for (const item of items) {
    const fitting = slices.filter(slice => belongs(item, slice, discriminators, frame, run));
    if (fitting.length > 1)
      say(
        item.path,
        'slicing-several',
        `This fits more than one slice: ${fitting.map(({ sliceName }) => sliceName).join(', ')}.`,
      );
    const slice = fitting[0];
    if (slice) {
      found.get(slice)!.push(item);
      const place = slices.indexOf(slice);
      if (rules?.ordered === true && place < last)
        say(
          item.path,
          'slicing-order',
          `Slice ${slice.sliceName} must come before ${slices[last]!.sliceName}.`,
        );
      last = Math.max(last, place);
      if (rules?.rules === 'openAtEnd' && unmatched)
        say(unmatched.path, 'slicing-end', 'What is of no slice must come after what is of one.');
    } else {
      if (others) judge(item, others);
      else if (rules?.rules === 'closed') {
        const names = slices.map(({ sliceName }) => sliceName).join(', ');
        say(item.path, 'slicing-closed', `This fits none of the slices ${names}, and no others are allowed.`);
      }
      unmatched ??= item;
    }
  }
  for (const [slice, own] of found) {
    const name = slice.sliceName ?? '';
    if (own.length < slice.min)
      say(
        items.length === 0 ? parentOf(path) : parentOf(path),
        'slice-min',
        `Slice ${lastOf(path)}:${name} is there ${own.length} times; at least ${slice.min} needed.`,
        slice.profile,
      );
    if (own.length > slice.max)
      say(
        path,
        'slice-max',
        `Slice ${lastOf(path)}:${name} is there ${own.length} times; at most ${slice.max} allowed.`,
        slice.profile,
      );
    for (const item of own) judge(item, slice);
    checkLevel(own, sliced, slice, name, path, frame, run, judge);
  }
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('.'));
const lastOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** A slice that says nothing of one discriminator fits it; one that says nothing of any fits nothing. */
function belongs(
  item: Item,
  slice: ElementNode,
  discriminators: readonly { readonly type: string; readonly path: string }[],
  frame: Frame,
  run: Run,
): boolean {
  let says = false;
  for (const discriminator of discriminators) {
    const answer = matches(item, slice, discriminator, frame, run);
    if (answer === false) return false;
    if (answer === true) says = true;
  }
  return says;
}
