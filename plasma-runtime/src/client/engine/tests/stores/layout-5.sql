-- A store of layout 5: the tables as that layout had them, rows of a server, two mutations in the queue (the first was
-- sent and not answered), an outcome, a local draft. Written once; whatever comes later must open it.
CREATE TABLE _plasma_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE _plasma_outbox (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  args TEXT NOT NULL,
  ts INTEGER NOT NULL,
  state TEXT NOT NULL,
  skip TEXT,
  sent_at INTEGER,
  failing TEXT,
  reads TEXT NOT NULL,
  read_digest TEXT,
  write_digest TEXT,
  bases TEXT,
  made_by TEXT,
  observed TEXT
);
CREATE TABLE _plasma_effects (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  mid INTEGER NOT NULL,
  before TEXT,
  after TEXT,
  PRIMARY KEY (table_name, row_id, mid)
) WITHOUT ROWID;
CREATE INDEX _plasma_effects_mid ON _plasma_effects (mid);
CREATE TABLE _plasma_inbox (
  seq INTEGER PRIMARY KEY,
  clears INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE _plasma_outcomes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  id INTEGER NOT NULL,
  client_id TEXT NOT NULL,
  name TEXT NOT NULL,
  args TEXT,
  ts INTEGER NOT NULL,
  status TEXT NOT NULL,
  code TEXT,
  message TEXT,
  data TEXT,
  at INTEGER NOT NULL
);
CREATE INDEX _plasma_outcomes_applied ON _plasma_outcomes (seq) WHERE status = 'applied';
CREATE TABLE "lists" (
  "id" TEXT PRIMARY KEY NOT NULL CONSTRAINT "id" CHECK (length("id") = 36 AND "id" NOT GLOB '*[^0-9a-f-]*'),
  "name" TEXT NOT NULL CONSTRAINT "name" CHECK (instr("name", char(0)) = 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE "todos" (
  "id" TEXT PRIMARY KEY NOT NULL CONSTRAINT "id" CHECK (length("id") = 36 AND "id" NOT GLOB '*[^0-9a-f-]*'),
  "list_id" TEXT NOT NULL CONSTRAINT "list_id" CHECK (length("list_id") = 36 AND "list_id" NOT GLOB '*[^0-9a-f-]*'),
  "title" TEXT NOT NULL CONSTRAINT "title" CHECK (instr("title", char(0)) = 0),
  "slug" TEXT UNIQUE CONSTRAINT "slug" CHECK (instr("slug", char(0)) = 0),
  "done" INTEGER NOT NULL CONSTRAINT "done" CHECK ("done" IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE TABLE "drafts" (
  "id" TEXT PRIMARY KEY NOT NULL CONSTRAINT "id" CHECK (length("id") = 36 AND "id" NOT GLOB '*[^0-9a-f-]*'),
  "body" TEXT NOT NULL CONSTRAINT "body" CHECK (instr("body", char(0)) = 0)
) STRICT, WITHOUT ROWID;
INSERT INTO _plasma_meta VALUES
  ('layout', '5'),
  ('client_id', '00000000-0000-4000-9000-000000000099'),
  ('group', 'alice'),
  ('issued', '1'),
  ('acknowledged', '1'),
  ('acknowledged_key', '00000000-0000-4000-9000-000000000001'),
  ('cookie', 'c9'),
  ('last_pull', '999000'),
  ('shapes', '{"drafts":"l6cc41ca89cef94ed","lists":"se676128351a47806","todos":"s5cd9dea6325ea135"}'),
  ('schema', '{"version":"test-1","fingerprint":"0457e87c2d8ae2ec","shape":"table drafts local_only\nid: id\nbody: text\ntable lists\nid: id\nname: text\ntable todos\nid: id\ndone: bool\nlist_id: id -> lists on_delete cascade\nslug: text null unique\ntitle: text\n","before":[]}');
INSERT INTO _plasma_outbox (id, key, name, args, ts, state, skip, sent_at, failing, reads, read_digest, write_digest, bases, made_by, observed)
  VALUES (2, '00000000-0000-4000-9000-000000000002', 'list.add', '{"id":"00000000-0000-4000-8000-000000000002","name":"mine"}', 1000000, 'queued', NULL, 1000500, NULL, '{}', '0011223344556677', '8899aabbccddeeff', NULL, 'test-1', NULL);
INSERT INTO _plasma_outbox (id, key, name, args, ts, state, skip, sent_at, failing, reads, read_digest, write_digest, bases, made_by, observed)
  VALUES (3, '00000000-0000-4000-9000-000000000003', 'todo.title', '{"id":"00000000-0000-4000-8000-000000000011","title":"new"}', 1000000, 'queued', NULL, NULL, NULL, '{}', '0011223344556677', '8899aabbccddeeff', NULL, 'test-1', '{"todos":{"00000000-0000-4000-8000-000000000011":{"likes":[7]}}}');
INSERT INTO _plasma_effects VALUES
  ('lists', '00000000-0000-4000-8000-000000000002', 2, NULL, '{"id":"00000000-0000-4000-8000-000000000002","name":"mine"}'),
  ('todos', '00000000-0000-4000-8000-000000000011', 3, '{"id":"00000000-0000-4000-8000-000000000011","list_id":"00000000-0000-4000-8000-000000000001","title":"old","slug":null,"done":false}', '{"id":"00000000-0000-4000-8000-000000000011","list_id":"00000000-0000-4000-8000-000000000001","title":"new","slug":null,"done":false}');
INSERT INTO _plasma_outcomes (key, id, client_id, name, args, ts, status, code, message, at)
  VALUES ('00000000-0000-4000-9000-000000000001', 1, '00000000-0000-4000-9000-000000000099', 'list.add', '{}', 900000, 'rejected', 'conflict', 'taken', 990000);
INSERT INTO lists VALUES ('00000000-0000-4000-8000-000000000001', 'base'), ('00000000-0000-4000-8000-000000000002', 'mine');
INSERT INTO todos VALUES ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001', 'new', NULL, 0);
INSERT INTO drafts VALUES ('00000000-0000-4000-8000-000000000005', 'local');
