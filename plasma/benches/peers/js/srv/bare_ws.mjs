// A relay of bare WebSocket messages, in a process of its own: what no server in Node can be faster than. No disk.
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import { freePort, listening } from '../util.mjs';
import { CLIENTS, fanout } from './fanout.mjs';

const port = await freePort();
const code = `
  import { WebSocketServer } from 'ws';
  const server = new WebSocketServer({ port: ${port}, host: '127.0.0.1' });
  server.on('connection', (one) => one.on('message', (message) => {
    for (const other of server.clients) if (other !== one) other.send(message, { binary: false });
  }));`;
const relay = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
process.on('exit', () => relay.kill());
await listening(port);
const connect = () => new Promise((resolve) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  socket.on('open', () => resolve(socket));
});
const writer = await connect();
const { seen, go } = fanout('bare ws relay', async (k) => writer.send(JSON.stringify({ id: 'row1', title: 'x'.repeat(40), prio: k })));
for (let i = 0; i < CLIENTS; i++) (await connect()).on('message', (message) => seen(i, JSON.parse(message).prio));
await go();
process.exit(0);
