/*
 * One state of the whole database, to be copied and counted by several connections: what is
 * committed meanwhile is seen by none of them (PostgreSQL, "Snapshot Synchronization Functions").
 */
#pragma once

#include "pg/pg.h"

enum { PG_SNAPSHOT_SIZE = 64 };

/* *ret holds it, of all tenants and read only, until it ends; name is what pg_dump --snapshot
 * takes. pg has one connection and serves nothing else. */
enum err_code pg_snapshot(struct pg *pg, struct pg_tx **ret, char name[PG_SNAPSHOT_SIZE],
                          struct err *err) MUST_CHECK;

/* Of each table its name and how many rows it has, in order of names; reads all of them. */
enum err_code pg_tables(struct pg_tx *tx, struct pg_rows **ret, struct err *err) MUST_CHECK;

/* The migrations that were applied, in order: name, sha1. */
enum err_code pg_applied(struct pg_tx *tx, struct pg_rows **ret, struct err *err) MUST_CHECK;
