// Pages of searches that were just answered, to be sent again while nothing in the store has changed: desks and wards
// ask the same search every few seconds. Never stale: the store's generation says whether anything was committed.
// Surprising why: entries also end after a few seconds, for what a search depends on besides the store (grants, code systems).
import type { Grant } from '../auth/grant.js';
import type { FhirRequest, FhirResponse } from './exchange.js';

interface Page {
  readonly generation: string;
  /** ms */
  readonly until: number;
  readonly response: FhirResponse;
  readonly size: number;
}

/** ms */
const lifetime = 10_000;
/** A page may take this part of the room. */
const largestPart = 1 / 16;
/** Characters of an entry's key and what the runtime adds, as bytes. */
const overhead = 1000;

export class PageCache {
  private readonly pages = new Map<string, Page>();
  private readonly grants = new WeakMap<Grant, number>();
  private lastGrant = 0;
  private size = 0;

  /** @param room bytes; 0 keeps nothing */
  constructor(private readonly room: number) {}

  /**
   * The response that `search` makes, or made under this very grant at this generation of the store.
   * @param generation of the store and of the search parameters now; undefined where it has none, which keeps nothing
   */
  async page(
    request: FhirRequest,
    grant: Grant,
    generation: string | undefined,
    search: () => Promise<FhirResponse>,
  ): Promise<FhirResponse> {
    if (generation === undefined || this.room === 0 || request.method === 'POST') return search();
    const key = this.keyOf(request, grant);
    const now = performance.now();
    const known = this.pages.get(key);
    if (known !== undefined) {
      this.forget(key, known);
      if (known.generation === generation && known.until > now) {
        this.keep(key, known); // as the one used last
        return known.response;
      }
    }
    const response = await search();
    const size = (response.body?.length ?? 0) + key.length + overhead;
    if (response.status === 200 && size <= this.room * largestPart)
      this.keep(key, { generation, until: now + lifetime, response, size });
    return response;
  }

  private keep(key: string, page: Page): void {
    const before = this.pages.get(key); // where two searched at the same time
    if (before !== undefined) this.forget(key, before);
    this.pages.set(key, page);
    this.size += page.size;
    for (const [oldest, one] of this.pages) {
      if (this.size <= this.room) break;
      this.forget(oldest, one);
    }
  }
  private forget(key: string, page: Page): void {
    this.pages.delete(key);
    this.size -= page.size;
  }

  /** A grant is told apart by its identity, not by what it says of itself: two of them never share a page. */
  private keyOf(request: FhirRequest, grant: Grant): string {
    let number = this.grants.get(grant);
    if (number === undefined) this.grants.set(grant, (number = ++this.lastGrant));
    const { method, base, path, query, headers } = request;
    return JSON.stringify([number, method, base, path, query, headers['prefer']]);
  }
}
