// The API server that zero-cache asks: /query and /mutate. ZERO_UPSTREAM_DB is the database, API_PORT the port.
import { mustGetMutator, mustGetQuery } from '@rocicorp/zero';
import { handleMutateRequest, handleQueryRequest } from '@rocicorp/zero/server';
import { zeroPostgresJS } from '@rocicorp/zero/server/adapters/postgresjs';
import http from 'node:http';
import postgres from 'postgres';
import { mutators, queries, schema } from './schema.mjs';

const dbProvider = zeroPostgresJS(schema, postgres(process.env.ZERO_UPSTREAM_DB, { max: 10 }));
async function answer(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const url = new URL(request.url, 'http://localhost');
  const common = {
    query: Object.fromEntries(url.searchParams),
    body: JSON.parse(body),
    userID: (request.headers.authorization ?? '').replace('Bearer ', '') || null,
  };
  if (url.pathname === '/query') {
    return handleQueryRequest({ ...common, schema, handler: (name, args) => mustGetQuery(queries, name).fn({ args, ctx: {} }) });
  }
  const handler = (transact) => transact((tx, name, args) => mustGetMutator(mutators, name).fn({ tx, args, ctx: {} }));
  return handleMutateRequest({ ...common, dbProvider, handler });
}
http
  .createServer(async (request, response) => {
    try {
      const out = await answer(request);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(out));
    } catch (error) {
      console.error(error);
      response.statusCode = 500;
      response.end(String(error));
    }
  })
  .listen(Number(process.env.API_PORT), '127.0.0.1');
