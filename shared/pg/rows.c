#include "pg/rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"

struct pg_rows {
	PGresult *result;
	struct arena *decoded; /* bytea columns; NULL until one was asked for */
};

/* ---- parameters ---- */

static unsigned next_param(struct pg_params *params)
{
	assert(params->count < PG_PARAMS_MAX);
	params->lengths[params->count] = 0;
	params->formats[params->count] = 0;
	return params->count++;
}

void pg_param_cstr(struct pg_params *params, const char *s)
{
	params->values[next_param(params)] = s;
}

void pg_param_u64(struct pg_params *params, uint64_t v)
{
	unsigned i = next_param(params);

	(void)snprintf(params->scratch[i], sizeof(params->scratch[i]), "%" PRIu64, v);
	params->values[i] = params->scratch[i];
}

void pg_param_i64(struct pg_params *params, int64_t v)
{
	unsigned i = next_param(params);

	(void)snprintf(params->scratch[i], sizeof(params->scratch[i]), "%" PRId64, v);
	params->values[i] = params->scratch[i];
}

void pg_param_bool(struct pg_params *params, bool v)
{
	pg_param_cstr(params, v ? "t" : "f");
}

void pg_param_bytes(struct pg_params *params, struct str bytes)
{
	unsigned i = next_param(params);

	assert(bytes.n <= INT32_MAX);
	params->values[i] = bytes.n > 0 ? bytes.p : "";
	params->lengths[i] = (int)bytes.n;
	params->formats[i] = 1;
}

void pg_param_text(struct pg_params *params, struct str s)
{
	/* The binary form of text is its bytes, so nothing needs to end in NUL. */
	pg_param_bytes(params, s);
}

void pg_param_null(struct pg_params *params)
{
	pg_param_cstr(params, NULL);
}

/* ---- rows ---- */

struct pg_rows *pg_rows_new(PGresult *result)
{
	struct pg_rows *rows = mem_calloc(1, sizeof(*rows));

	rows->result = result;
	return rows;
}

void pg_rows_free(struct pg_rows *rows)
{
	if (rows == NULL) {
		return;
	}
	arena_free(rows->decoded);
	PQclear(rows->result);
	free(rows);
}

void pg_rows_cleanup(struct pg_rows **rows)
{
	pg_rows_free(*rows);
}

size_t pg_rows_count(const struct pg_rows *rows)
{
	return (size_t)PQntuples(rows->result);
}

uint64_t pg_rows_affected(const struct pg_rows *rows)
{
	uint64_t n = 0;

	/* "" for a statement that affects no rows by nature. */
	return parse_u64(str_of(PQcmdTuples(rows->result)), UINT64_MAX, &n) ? n : 0;
}

static void must_be_cell(const struct pg_rows *rows, size_t row, unsigned column)
{
	assert(row < pg_rows_count(rows) && column < (unsigned)PQnfields(rows->result));
}

bool pg_is_null(const struct pg_rows *rows, size_t row, unsigned column)
{
	must_be_cell(rows, row, column);
	return PQgetisnull(rows->result, (int)row, (int)column) != 0;
}

struct str pg_str(const struct pg_rows *rows, size_t row, unsigned column)
{
	must_be_cell(rows, row, column);
	return str_make(PQgetvalue(rows->result, (int)row, (int)column),
	                (size_t)PQgetlength(rows->result, (int)row, (int)column));
}

uint64_t pg_u64(const struct pg_rows *rows, size_t row, unsigned column)
{
	uint64_t v = 0;

	if (!pg_is_null(rows, row, column)) {
		bool is_number = parse_u64(pg_str(rows, row, column), UINT64_MAX, &v);

		assert(is_number); /* the query and its decoder disagree about a column */
	}
	return v;
}

int64_t pg_i64(const struct pg_rows *rows, size_t row, unsigned column)
{
	int64_t v = 0;

	if (!pg_is_null(rows, row, column)) {
		bool is_number = parse_i64(pg_str(rows, row, column), &v);

		assert(is_number);
	}
	return v;
}

bool pg_bool(const struct pg_rows *rows, size_t row, unsigned column)
{
	return str_eq(pg_str(rows, row, column), STR_LIT("t"));
}

static unsigned char hex_digit(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

struct str pg_bytes(struct pg_rows *rows, size_t row, unsigned column)
{
	struct str hex = pg_str(rows, row, column);
	char *bytes;
	size_t n;

	if (pg_is_null(rows, row, column)) {
		return str_make("", 0);
	}
	/* bytea_output = hex is set when connecting: "\x" and two digits a byte. */
	assert(str_starts(hex, STR_LIT("\\x")));
	n = (hex.n - 2) / 2;
	if (rows->decoded == NULL) {
		rows->decoded = arena_new();
	}
	bytes = arena_take(rows->decoded, n + 1);
	for (size_t i = 0; i < n; i++) {
		bytes[i] = (char)(hex_digit(hex.p[2 + 2 * i]) << 4 | hex_digit(hex.p[3 + 2 * i]));
	}
	return str_make(bytes, n);
}
