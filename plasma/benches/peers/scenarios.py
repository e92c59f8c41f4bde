"""Who is measured in which scenario: the tables of scripts/bench-peers."""

# Harness: where it is, how long it may take (seconds), what it needs.
HARNESSES = {
    "zql": {"js": "zero/zql_ivm.mjs", "limit": 120},
    "TanStack DB": {"js": "ivm/tanstack_db.mjs", "limit": 180},
    "db-ivm": {"js": "ivm/db_ivm.mjs", "limit": 120},
    "Replicache": {"js": "client/replicache.mjs", "limit": 120},
    "TinyBase": {"js": "client/tinybase.mjs", "limit": 120},
    "PowerSync": {"js": "client/powersync.mjs", "limit": 180},
    "Triplit": {"js": "client/triplit.mjs", "limit": 120},
    "RxDB": {"js": "client/rxdb.mjs", "limit": 60},
    "Zero": {"js": "zero/zero_whole.mjs", "limit": 240, "postgres": True},
    "bare ws": {"js": "srv/bare_ws.mjs", "limit": 60},
    "Hocuspocus": {"js": "srv/hocuspocus.mjs", "limit": 90},
    "TinyBase WsServer": {"js": "srv/tinybase_ws.mjs", "limit": 120},
    "Jazz": {"js": "jazz/jazz_ws.mjs", "limit": 120},
    "differential-dataflow": {"rust": "dataflow", "limit": 120},
    "raw TCP": {"rust": "fanout_tcp", "limit": 60},
    "automerge": {"rust": "columns_automerge", "limit": 120},
    "loro": {"rust": "columns_loro", "limit": 120},
    "yrs": {"rust": "columns_yrs", "limit": 120},
}

# Scenario: plasma's benchmark (target, arguments), the features it needs, who else is measured, and which of their
# figures belong to which of plasma's, where the names differ: the peer's parameter (or peer and parameter) -> plasma's.
SCENARIOS = {
    "mutate_durable": {
        "bench": ["mutate_durable"],
        "peers": ["PowerSync"],
        "same": {"mutate to one-row subscriber": "mutate to a one-row subscriber, 100k rows"},
    },
    "mutate_memory": {
        "bench": ["mutate_memory"],
        "peers": ["Replicache", "TanStack DB", "TinyBase", "RxDB", "Triplit", "Zero"],
        "same": {
            "mutate to one-row subscriber": "mutate to a one-row subscriber, write-behind",
            "mutate call, while synced": "mutate to a one-row subscriber, write-behind",
        },
    },
    "ivm_top50": {
        "bench": ["ivm", "ivm_top50"],
        "peers": ["zql", "db-ivm", "TanStack DB", "TinyBase", "RxDB", "Triplit", "differential-dataflow"],
    },
    "ivm_group": {
        "bench": ["ivm", "ivm_group"],
        "peers": ["db-ivm", "TanStack DB", "TinyBase", "differential-dataflow"],
    },
    "ivm_fanout_views": {"bench": ["ivm", "ivm_fanout_views"], "peers": ["zql"]},
    "bootstrap_rows": {
        "bench": ["bootstrap_rows"],
        "peers": ["Replicache"],
        "same": {"100,000 rows, in memory": "first sync of 100000 rows by pages"},
    },
    "bootstrap_image": {"bench": ["bootstrap_image"], "peers": []},
    "cold_start": {"bench": ["cold_start"], "peers": []},
    "rebase": {
        "bench": ["rebase"],
        "peers": ["Replicache"],
        # The pulled row is one that no pending mutation has touched.
        "same": {f"pending={count}": f"disjoint, pending={count}" for count in (0, 10, 100, 1000)},
    },
    "push_sqlite": {"bench": ["push_sqlite"], "peers": []},
    "push_postgres": {
        "bench": ["push_postgres"],
        "peers": ["Zero"],
        "features": "postgres",
        "same": {"one client, pipelined": "push_postgres, 32 mutations a push"},
    },
    "fanout_50": {
        "bench": ["fanout_50"],
        "peers": ["raw TCP", "bare ws", "Hocuspocus", "TinyBase WsServer", "Jazz", "Zero"],
        "features": "postgres",
        # Zero is on Postgres; the others have no disk.
        "same": {
            "clients=50": "fanout_50, SQLite: to each of 50",
            "clients=50, the last": "fanout_50, SQLite: to the last of 50",
            ("Zero", "clients=50"): "fanout_50, Postgres: to each of 50",
            ("Zero", "clients=50, the last"): "fanout_50, Postgres: to the last of 50",
        },
    },
    "pull_catchup": {"bench": ["pull_catchup"], "peers": [], "features": "postgres"},
    "pull_catchup_apply": {"bench": ["pull_catchup_apply"], "peers": []},
    "columns": {"bench": ["columns"], "peers": ["automerge", "loro", "yrs"], "features": "client,sqlite,encryption"},
}
