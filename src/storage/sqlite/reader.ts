// One question to the store, answered within one read transaction and in steps: what was found and the bodies sent are
// of the same instant, so that no resource is shown in a version that does not satisfy the plan.
import type { SearchPlan } from '../../search/plan.js';
import type { Explanation, HistoryScope, Page } from '../store.js';
import type { Connection } from './connection.js';
import { explain } from './explain.js';
import type { Steps } from './query.js';
import { history } from './history.js';
import { currentOf } from './record.js';
import { countAll, search } from './search.js';

export type Question =
  | { readonly ask: 'search'; readonly plan: SearchPlan }
  | { readonly ask: 'count'; readonly plan: SearchPlan }
  | { readonly ask: 'explain'; readonly plan: SearchPlan }
  | { readonly ask: 'history'; readonly scope: HistoryScope };

export type Answered = Page | number | Explanation;

export function* answer(connection: Connection, question: Question): Steps<Answered> {
  connection.run('BEGIN');
  try {
    switch (question.ask) {
      case 'search': {
        const { hits, ...rest } = yield* search(connection, question.plan);
        return { ...rest, versions: currentOf(connection, hits.map(hit => hit.r)) }; // prettier-ignore
      }
      case 'count':
        return yield* countAll(connection, question.plan, Infinity);
      case 'explain':
        return yield* explain(connection, question.plan);
      case 'history':
        return yield* history(connection, question.scope);
    }
  } finally {
    connection.run('COMMIT');
  }
}
