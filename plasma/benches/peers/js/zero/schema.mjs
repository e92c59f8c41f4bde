// Schema, queries and mutators, shared by Zero's API server and its clients.
import { createBuilder, createSchema, defineMutator, defineMutators, defineQueries, defineQuery, number, string, table } from '@rocicorp/zero';

const columns = { id: string(), title: string(), done: number(), owner: string(), prio: number(), created: number() };
export const schema = createSchema({ tables: [table('todos').columns(columns).primaryKey('id')] });
const zql = createBuilder(schema);
export const queries = defineQueries({
  todos: { list: defineQuery(({ args }) => zql.todos.where('owner', args.owner).orderBy('created', 'desc').limit(50)) },
});
export const mutators = defineMutators({
  todos: { put: defineMutator(async ({ tx, args }) => await tx.mutate.todos.upsert(args)) },
});
