// The small numbers that stand for texts in postings: types, parameters, systems, units, targets. Readers look up and
// never make one; the writer makes them inside its transaction and forgets what it knows when that is rolled back.
import type { RowKind } from '../../search/rows.js';
import type { Statements } from './statements.js';

export interface Kind {
  readonly id: number;
  readonly name: string;
  /** The date parameter whose highest value is `d` of the type's postings; null until a resource has one. */
  readonly primaryDate: string | null;
}

export interface Param {
  readonly p: number;
  readonly type: number;
  readonly code: string;
  readonly kind: RowKind;
  /** Whether `cur.b` holds the values, not only that there are some. */
  readonly packed: boolean;
}

const cacheLimit = 100_000;

function keep<K, V>(map: Map<K, V>, key: K, value: V): V {
  if (map.size >= cacheLimit) map.clear();
  map.set(key, value);
  return value;
}

interface KindRow {
  id: number;
  name: string;
  primary_date: string | null;
}
interface ParamRow {
  p: number;
  type: number;
  code: string;
  kind: RowKind;
  packed: number;
}

const isLocal = /^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

export class Dictionary {
  private readonly kinds = new Map<string, Kind>();
  private readonly kindIds = new Map<number, Kind>();
  /** By type, kind and code. */
  private readonly params = new Map<number, Map<RowKind, Map<string, Param>>>();
  private readonly paramIds = new Map<number, Param>();
  private readonly systems = new Map<string, number>();
  private readonly units = new Map<string, number>();
  private readonly rids = new Map<string, number>();
  /** Whether numbers were made since the last `settle`. */
  private made = false;

  constructor(private readonly statements: Statements) {}

  /** Forgets what a rolled back transaction may have made. */
  rollback(): void {
    if (this.made) this.forget();
  }
  settle(): void {
    this.made = false;
  }
  forget(): void {
    for (const map of [
      this.kinds,
      this.kindIds,
      this.params,
      this.paramIds,
      this.systems,
      this.units,
      this.rids,
    ])
      map.clear();
    this.made = false;
  }

  kind(name: string): Kind | undefined {
    const known = this.kinds.get(name);
    // A reader may know a kind from before its primary date was chosen.
    if (known !== undefined && known.primaryDate !== null) return known;
    return this.knowKind(
      this.statements.get<KindRow>('SELECT id, name, primary_date FROM kind WHERE name = ?', name),
    );
  }
  /** The number of a type; cheaper than `kind`, which may have to look again. */
  kindId(name: string): number | undefined {
    return (this.kinds.get(name) ?? this.kind(name))?.id;
  }
  kindOf(id: number): Kind {
    return (
      this.kindIds.get(id) ??
      this.knowKind(this.statements.get<KindRow>('SELECT id, name, primary_date FROM kind WHERE id = ?', id))!
    );
  }
  allKinds(): readonly Kind[] {
    return this.statements
      .all<KindRow>('SELECT id, name, primary_date FROM kind ORDER BY name')
      .map(row => this.knowKind(row)!);
  }
  private knowKind(row: KindRow | undefined): Kind | undefined {
    if (row === undefined) return undefined;
    const kind = { id: row.id, name: row.name, primaryDate: row.primary_date };
    this.kindIds.set(row.id, kind);
    return keep(this.kinds, row.name, kind);
  }
  makeKind(name: string): Kind {
    const known = this.kinds.get(name) ?? this.kind(name);
    if (known !== undefined) return known;
    this.made = true;
    const id = Number(this.statements.run('INSERT INTO kind (name) VALUES (?)', name).lastInsertRowid);
    return this.knowKind({ id, name, primary_date: null })!;
  }
  choosePrimaryDate(kind: Kind, param: string | null): Kind {
    this.made = true;
    this.statements.run('UPDATE kind SET primary_date = ? WHERE id = ?', param, kind.id);
    return this.knowKind({ id: kind.id, name: kind.name, primary_date: param })!;
  }

  param(type: number, code: string, kind: RowKind): Param | undefined {
    return (
      this.params.get(type)?.get(kind)?.get(code) ??
      this.knowParam(
        this.statements.get<ParamRow>(
          'SELECT * FROM param WHERE type = ? AND code = ? AND kind = ?',
          type,
          code,
          kind,
        ),
      )
    );
  }
  paramOf(p: number): Param {
    return (
      this.paramIds.get(p) ??
      this.knowParam(this.statements.get<ParamRow>('SELECT * FROM param WHERE p = ?', p))!
    );
  }
  private knowParam(row: ParamRow | undefined): Param | undefined {
    if (row === undefined) return undefined;
    const param = { ...row, packed: row.packed === 1 };
    let ofType = this.params.get(param.type);
    if (ofType === undefined) this.params.set(param.type, (ofType = new Map<RowKind, Map<string, Param>>()));
    let ofKind = ofType.get(param.kind);
    if (ofKind === undefined) ofType.set(param.kind, (ofKind = new Map<string, Param>()));
    ofKind.set(param.code, param);
    this.paramIds.set(param.p, param);
    return param;
  }
  makeParam(type: number, code: string, kind: RowKind, packed: boolean): Param {
    const known = this.param(type, code, kind);
    if (known !== undefined) return known;
    this.made = true;
    const p = Number(
      this.statements.run(
        'INSERT INTO param (type, code, kind, packed) VALUES (?, ?, ?, ?)',
        type,
        code,
        kind,
        packed ? 1 : 0,
      ).lastInsertRowid,
    );
    return this.knowParam({ p, type, code, kind, packed: packed ? 1 : 0 })!;
  }

  /** The number of a token's system; 0 for none. */
  system(url: string): number | undefined {
    if (url === '') return 0;
    const known = this.systems.get(url);
    if (known !== undefined) return known;
    const id = this.statements.one<number>('SELECT id FROM sys WHERE url = ?', url);
    return id === undefined ? undefined : keep(this.systems, url, id);
  }
  makeSystem(url: string): number {
    const known = this.system(url);
    if (known !== undefined) return known;
    this.made = true;
    return keep(
      this.systems,
      url,
      Number(this.statements.run('INSERT INTO sys (url) VALUES (?)', url).lastInsertRowid),
    );
  }

  makeUnit(system: string, code: string): number {
    if (system === '' && code === '') return 0;
    const key = `${system}\n${code}`;
    const known =
      this.units.get(key) ??
      this.statements.one<number>('SELECT id FROM unit WHERE system = ? AND code = ?', system, code);
    if (known !== undefined) return keep(this.units, key, known);
    this.made = true;
    return keep(
      this.units,
      key,
      Number(
        this.statements.run('INSERT INTO unit (system, code) VALUES (?, ?)', system, code).lastInsertRowid,
      ),
    );
  }

  /** The number of a resource, deleted ones included. */
  rid(target: string): number | undefined {
    const known = this.rids.get(target);
    if (known !== undefined) return known;
    const slash = target.indexOf('/');
    const kind = this.kindId(target.slice(0, slash));
    if (kind === undefined) return undefined;
    const rid = this.statements.one<number>(
      'SELECT rid FROM res WHERE type = ? AND id = ?',
      kind,
      target.slice(slash + 1),
    );
    return rid === undefined ? undefined : keep(this.rids, target, rid);
  }
  knowRid(target: string, rid: number): void {
    this.made = true;
    keep(this.rids, target, rid);
  }
  /** What a reference posting carries: the resource's number, or the negative number of a target that is none. */
  target(target: string): number | undefined {
    const rid = isLocal.test(target) ? this.rid(target) : undefined;
    if (rid !== undefined) return rid;
    const id = this.statements.one<number>('SELECT id FROM tgt WHERE t = ?', target);
    return id === undefined ? undefined : -id;
  }
  makeTarget(target: string, p: number): number {
    const local = isLocal.test(target);
    const known = this.target(target);
    if (known !== undefined && known > 0) return known;
    const id =
      known === undefined
        ? Number(this.statements.run('INSERT INTO tgt (t) VALUES (?)', target).lastInsertRowid)
        : -known;
    const isDangling = (): boolean =>
      this.statements.one('SELECT 1 FROM dangling WHERE t = ? AND p = ?', id, p) !== undefined;
    if (local && (known === undefined || !isDangling()))
      this.statements.run('INSERT INTO dangling (t, p) VALUES (?, ?)', id, p);
    return -id;
  }
}
