// RxDB over its memory storage, 20,000 rows.
import { createRxDatabase } from 'rxdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { check, now, recordMemory, recordTimes, row, signal } from '../util.mjs';

const NAME = 'RxDB (20,000 rows)';
const whole = (maximum) => ({ type: 'number', minimum: 0, maximum, multipleOf: 1 });
const text = { type: 'string', maxLength: 40 };
const schema = {
  version: 0, primaryKey: 'id', type: 'object',
  properties: { id: text, title: { type: 'string' }, done: whole(1), owner: text, prio: whole(100_000), created: { type: 'number' } },
  required: ['id', 'done', 'prio', 'owner'],
  indexes: [['done', 'prio', 'id']],
};
const db = await createRxDatabase({ name: 'bench', storage: getRxStorageMemory(), multiInstance: false });
const { todos } = await db.addCollections({ todos: { schema } });
for (let i = 0; i < 20_000; i += 5_000) await todos.bulkInsert(Array.from({ length: 5_000 }, (_, j) => row(i + j)));

// Mutations, each until the live query has it.
async function mutations(query, count, chosen) {
  const heard = signal();
  let subscription;
  await new Promise((resolve) => {
    subscription = query.$.subscribe(() => {
      resolve();
      heard.hit();
    });
  });
  const times = [];
  for (let k = 0; k < count; k++) {
    const document = await todos.findOne(chosen(k)).exec();
    const told = heard.arm();
    const start = now();
    await document.incrementalPatch({ prio: 5000 + k });
    times.push((await told) - start);
  }
  subscription.unsubscribe();
  return times;
}
const one = await mutations(todos.findOne(row(7).id), 1000, () => row(7).id);
check((await todos.findOne(row(7).id).exec()).prio === 5999, 'the last mutation is there');
recordTimes('mutate_memory', 'mutate to one-row subscriber', NAME, one);
const best = todos.find({ selector: { done: 0 }, sort: [{ prio: 'desc' }, { id: 'asc' }], limit: 50 });
recordTimes('ivm_top50', 'edit in the window', NAME, await mutations(best, 200, (k) => row(2 * (k % 40)).id));
recordMemory('memory', 'at the end', NAME);
process.exit(0);
