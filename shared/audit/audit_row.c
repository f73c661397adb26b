#include "audit/audit_row.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_SIZE = 24 };

struct cred_digest audit_row_hash(const struct audit_row *row)
{
	char n[NUMBER_SIZE], at[NUMBER_SIZE];
	int n_length = snprintf(n, sizeof(n), "%" PRIu64, row->n);
	int at_length = snprintf(at, sizeof(at), "%" PRId64, row->at_us);
	const struct str parts[] = {
		STR_LIT("fairlead audit 1"),
		row->chain,
		str_make(n, (size_t)n_length),
		str_make(at, (size_t)at_length),
		row->who.kind,
		row->who.id,
		row->who.name,
		row->who.address,
		row->who.agent,
		row->action,
		row->object,
		row->outcome,
		row->who.request,
		row->detail,
		row->prev,
	};

	return cred_digest(parts, ARRAY_LEN(parts), NULL);
}

struct cred_digest audit_head_mac(const struct cred_pepper *key, struct str chain, uint64_t n,
                                  struct str hash)
{
	char text[NUMBER_SIZE];
	int length = snprintf(text, sizeof(text), "%" PRIu64, n);
	const struct str parts[] = { STR_LIT("fairlead audit head 1"), chain,
		                     str_make(text, (size_t)length), hash };

	return cred_digest(parts, ARRAY_LEN(parts), key);
}

enum {
	COL_SEQ,
	COL_CHAIN,
	COL_N,
	COL_AT,
	COL_KIND,
	COL_ACTOR,
	COL_NAME,
	COL_ADDRESS,
	COL_AGENT,
	COL_ACTION,
	COL_OBJECT,
	COL_OUTCOME,
	COL_REQUEST,
	COL_DETAIL,
	COL_PREV,
	COL_HASH,
};

struct audit_row audit_row_from(struct pg_rows *rows, size_t i)
{
	return (struct audit_row){
		.seq = pg_u64(rows, i, COL_SEQ),
		.n = pg_u64(rows, i, COL_N),
		.at_us = pg_i64(rows, i, COL_AT),
		.chain = pg_str(rows, i, COL_CHAIN),
		.who = { .kind = pg_str(rows, i, COL_KIND),
		         .id = pg_str(rows, i, COL_ACTOR),
		         .name = pg_str(rows, i, COL_NAME),
		         .address = pg_str(rows, i, COL_ADDRESS),
		         .agent = pg_str(rows, i, COL_AGENT),
		         .request = pg_str(rows, i, COL_REQUEST) },
		.action = pg_str(rows, i, COL_ACTION),
		.object = pg_str(rows, i, COL_OBJECT),
		.outcome = pg_str(rows, i, COL_OUTCOME),
		.detail = pg_str(rows, i, COL_DETAIL),
		.prev = pg_bytes(rows, i, COL_PREV),
		.hash = pg_bytes(rows, i, COL_HASH),
	};
}
