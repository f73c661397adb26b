#include "audit/audit_check.h"

#include <string.h>

#include "audit/audit_row.h"
#include "audit_sql_gen.h"

enum { PAGE = 1000 };

/* One chain, row by row. */
struct walk {
	const struct audit_check *check;
	const char *chain;
	uint64_t n, seq; /* of the last row */
	bool is_known;   /* prev is its hash */
	struct cred_digest prev;
	bool anchored;
	uint64_t flaws;
	struct arena *arena;
	struct begun *begun; /* chains that the one of no tenant names */
};

struct begun {
	const char *chain;
	struct begun *next;
};

static void flaw(struct walk *walk, uint64_t n, const char *what)
{
	walk->flaws++;
	walk->check->found(walk->check->arg, walk->chain, n, what);
}

static void check_anchor(struct walk *walk, const struct audit_row *row)
{
	const struct audit_end *anchor = walk->check->anchor;

	if (anchor == NULL || row->n != anchor->n || strcmp(anchor->chain, walk->chain) != 0) {
		return;
	}
	walk->anchored = true;
	if (!str_eq(row->hash, cred_digest_str(&anchor->hash))) {
		flaw(walk, row->n, "is not the row that was told once");
	}
}

static void note_begun(struct walk *walk, const struct audit_row *row)
{
	struct str object = row->object;
	struct begun *begun;

	if (strcmp(walk->chain, AUDIT_SYSTEM) != 0 ||
	    !str_eq(row->action, STR_LIT("audit.begin"))) {
		return;
	}
	(void)str_split(&object, ':');
	for (begun = walk->begun; begun != NULL; begun = begun->next) {
		if (str_eq(str_of(begun->chain), object)) {
			flaw(walk, row->n, "begins a chain that had begun: what it had is gone");
			return;
		}
	}
	begun = arena_take(walk->arena, sizeof(*begun));
	*begun = (struct begun){ arena_strdup(walk->arena, object), walk->begun };
	walk->begun = begun;
}

static void check_row(struct walk *walk, const struct audit_row *row)
{
	struct cred_digest hash = audit_row_hash(row);

	if (row->n != walk->n + 1) {
		flaw(walk, walk->n + 1, "and perhaps others after it are missing");
	} else if (walk->is_known && !str_eq(row->prev, cred_digest_str(&walk->prev))) {
		flaw(walk, row->n, "does not follow the row before it");
	}
	if (!str_eq(row->hash, cred_digest_str(&hash))) {
		flaw(walk, row->n, "was changed");
	}
	if (row->seq <= walk->seq) {
		flaw(walk, row->n, "was put in later");
	}
	if (str_eq(row->action, STR_LIT("audit.broken"))) {
		flaw(walk, row->n, "says that the end of the chain had been changed by then");
	}
	check_anchor(walk, row);
	note_begun(walk, row);
	walk->is_known = cred_digest_from(row->hash, &walk->prev);
	walk->n = row->n;
	walk->seq = row->seq;
}

/* Up to the head as it was when we began; what is added meanwhile is for the next time. */
static enum err_code check_rows(struct walk *walk, uint64_t until, struct err *err)
{
	enum err_code code = ERR_OK;
	size_t count = PAGE;

	while (code == ERR_OK && count == PAGE && walk->n < until) {
		struct pg_rows *rows = NULL;
		struct pg_params params = { 0 };

		pg_param_cstr(&params, walk->chain);
		pg_param_u64(&params, walk->n);
		pg_param_u64(&params, PAGE);
		code = pg_query(walk->check->pg, "", &audit_sql_texts[AUDIT_SQL_AUDIT_READ],
		                &params, &rows, err);
		count = code == ERR_OK ? pg_rows_count(rows) : 0;
		for (size_t i = 0; i < count && walk->n < until; i++) {
			const struct audit_row row = audit_row_from(rows, i);

			if (row.n > until) {
				break;
			}
			check_row(walk, &row);
		}
		pg_rows_free(rows);
	}
	return code;
}

/* Rows beyond the head, as of one moment. */
static enum err_code check_beyond(struct walk *walk, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, walk->chain);
	code = pg_query(walk->check->pg, "", &audit_sql_texts[AUDIT_SQL_AUDIT_LAST], &params, &rows,
	                err);
	if (code == ERR_OK && pg_u64(rows, 0, 0) > pg_u64(rows, 0, 1)) {
		flaw(walk, pg_u64(rows, 0, 1) + 1, "and perhaps others lie beyond the chain's end");
	}
	return code;
}

static void check_end(struct walk *walk, uint64_t n, struct str hash, struct str mac)
{
	struct cred_digest expected =
		audit_head_mac(walk->check->key, str_of(walk->chain), n, hash);

	if (!str_eq(mac, cred_digest_str(&expected))) {
		flaw(walk, 0, "has an end that is not ours");
	}
	if (walk->n < n) {
		flaw(walk, walk->n + 1, "and all after it are missing");
	} else if (n > 0 && !str_eq(hash, cred_digest_str(&walk->prev))) {
		flaw(walk, n, "is not the row that the chain ends with");
	}
}

static enum err_code check_chain(struct walk *walk, struct pg_rows *heads, size_t i,
                                 struct err *err)
{
	const struct audit_check *check = walk->check;
	bool has_head = !pg_is_null(heads, i, 1);
	uint64_t n = has_head ? pg_u64(heads, i, 1) : UINT64_MAX;
	uint64_t before = walk->flaws;
	enum err_code code = check_rows(walk, n, err);
	struct audit_end end;

	if (code == ERR_OK) {
		code = check_beyond(walk, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (has_head) {
		check_end(walk, n, pg_bytes(heads, i, 2), pg_bytes(heads, i, 3));
	}
	if (check->anchor != NULL && strcmp(check->anchor->chain, walk->chain) == 0 &&
	    !walk->anchored) {
		flaw(walk, check->anchor->n, "is missing, and was told once");
	}
	end = (struct audit_end){ walk->chain, walk->n, walk->prev };
	check->checked(check->arg, &end, walk->flaws == before);
	return ERR_OK;
}

/* Each chain is named by the one of no tenant, and each that is named is there. */
static void compare(struct walk *walk, struct pg_rows *heads)
{
	for (const struct begun *begun = walk->begun; begun != NULL; begun = begun->next) {
		bool found = false;

		for (size_t i = 0; i < pg_rows_count(heads); i++) {
			found = found || (str_eq(pg_str(heads, i, 0), str_of(begun->chain)) &&
			                  !pg_is_null(heads, i, 1));
		}
		walk->chain = begun->chain;
		if (!found) {
			flaw(walk, 0, "is gone, all of it or its head");
		}
	}
	for (size_t i = 0; i < pg_rows_count(heads); i++) {
		const struct begun *begun = walk->begun;

		while (begun != NULL && !str_eq(str_of(begun->chain), pg_str(heads, i, 0))) {
			begun = begun->next;
		}
		walk->chain = pg_str(heads, i, 0).p;
		if (begun == NULL && strcmp(walk->chain, AUDIT_SYSTEM) != 0) {
			flaw(walk, 0, "is not named by the chain of no tenant");
		}
	}
}

enum err_code audit_check(const struct audit_check *check, uint64_t *ret_flaws, struct err *err)
{
	struct pg_rows *heads CLEANUP(pg_rows_cleanup) = NULL;
	struct arena *arena = arena_new();
	struct walk walk = { .check = check, .arena = arena };
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, check->chain);
	code = pg_query(check->pg, "", &audit_sql_texts[AUDIT_SQL_AUDIT_CHAINS], &params, &heads,
	                err);
	for (size_t i = 0; code == ERR_OK && i < pg_rows_count(heads); i++) {
		walk.chain = pg_str(heads, i, 0).p;
		walk.n = walk.seq = 0;
		walk.prev = (struct cred_digest){ { 0 } };
		walk.is_known = true;
		walk.anchored = false;
		code = check_chain(&walk, heads, i, err);
	}
	if (code == ERR_OK && check->chain == NULL) {
		compare(&walk, heads);
	}
	*ret_flaws = walk.flaws;
	arena_free(arena);
	return code;
}
