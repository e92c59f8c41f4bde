// TanStack DB: a collection with a B-tree index, one live query at a time for each scenario; edits come by its sync
// interface, mutations are optimistic and confirmed.
import { BTreeIndex, count, createCollection, createLiveQueryCollection, eq, sum } from '@tanstack/db';
import { EDITS, ROWS, check, groups, now, random, record, recordMemory, recordTimes, row, top50 } from '../util.mjs';

const NAME = 'TanStack DB';
let sync;
const put = (value) => {
  sync.begin();
  sync.write({ type: 'update', value });
  sync.commit();
};
const started = now();
const todos = createCollection({
  id: 'todos',
  getKey: (r) => r.id,
  startSync: true,
  autoIndex: 'eager',
  defaultIndexType: BTreeIndex,
  sync: {
    sync: (given) => {
      sync = given;
      sync.begin();
      for (let i = 0; i < ROWS; i++) sync.write({ type: 'insert', value: row(i) });
      sync.commit();
      sync.markReady();
    },
  },
  onUpdate: async ({ transaction }) => {
    for (const mutation of transaction.mutations) put(mutation.modified);
  },
});
await todos.preload();
record('memory', 'load of the rows', NAME, 'time', (now() - started) / 1e6, 'ms');

const plain = (r) => ({ id: r.id, title: r.title, done: r.done, owner: r.owner, prio: r.prio, created: r.created });
function edits(make) {
  const times = [];
  for (let k = 0; k < EDITS; k++) {
    const value = make(plain(todos.get(row(random(ROWS)).id)));
    const start = now();
    put(value);
    times.push(now() - start);
  }
  return times;
}

// Optimistic mutations, each until the live query of its row has it, which is within the call.
{
  let seen = 0;
  const one = createLiveQueryCollection((q) => q.from({ t: todos }).where(({ t }) => eq(t.id, row(7).id)));
  await one.preload();
  one.subscribeChanges(() => (seen = now()));
  const times = [];
  for (let k = 0; k < 2000; k++) {
    seen = 0;
    const start = now();
    const mutation = todos.update(row(7).id, (draft) => void (draft.prio = 10000 + k));
    check(seen > 0, 'the subscriber was told');
    times.push(seen - start);
    await mutation.isPersisted.promise;
  }
  check(todos.get(row(7).id).prio === 11999, 'the last mutation is there');
  recordTimes('mutate_memory', 'mutate to one-row subscriber', NAME, times);
  await one.cleanup();
}

{
  let notified = 0;
  const best = createLiveQueryCollection((q) =>
    q.from({ t: todos }).where(({ t }) => eq(t.done, 0)).orderBy(({ t }) => t.prio, 'desc').orderBy(({ t }) => t.id).limit(50));
  await best.preload();
  best.subscribeChanges(() => notified++);
  // The first edit after hydration costs seconds; it is not part of the figure.
  put({ ...row(1), prio: 1 });
  const times = [...edits((r) => ({ ...r, done: 1 - r.done })), ...edits((r) => ({ ...r, prio: random(1000) }))];
  recordTimes('ivm_top50', 'edit off the window', NAME, times);
  const within = [];
  for (let k = 0; k < 1000; k++) {
    const value = { ...row(2 * (k % 40)), prio: 5000 + k };
    const start = now();
    put(value);
    within.push(now() - start);
  }
  check(notified >= 1000, 'the subscriber was told');
  check(top50(todos.toArray.map(plain)).join() === best.toArray.map((r) => r.id).join(), 'the top 50');
  recordTimes('ivm_top50', 'edit in the window', NAME, within);
  await best.cleanup();
}

{
  const live = createLiveQueryCollection((q) =>
    q.from({ t: todos }).groupBy(({ t }) => t.owner).select(({ t }) => ({ owner: t.owner, n: count(t.id), total: sum(t.prio) })));
  await live.preload();
  live.subscribeChanges(() => {});
  const times = edits((r) => ({ ...r, owner: 'user' + random(100) }));
  const right = groups(todos.toArray);
  for (const { owner, n, total } of live.toArray) check(n === right.get(owner).n && total === right.get(owner).total, 'a group');
  recordTimes('ivm_group', 'a row moves to another group', NAME, times);
}
recordMemory('memory', 'at the end', NAME);
process.exit(0);
