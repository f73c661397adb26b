/* `fairlead admin audit ...`: what was written down, and whether it still is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit_check.h"
#include "audit/audit_list.h"
#include "base/clock.h"
#include "cli/admin.h"

enum { PAGE = 500, AUDIT_OUT_MAX = 8 * 1024 * 1024, LISTED = 100 };

/* ---- verify ---- */

static void on_found(void *arg, const char *chain, uint64_t n, const char *what)
{
	const struct call *call = arg;

	if (call_has(call, OPTION_JSON)) {
		(void)printf("{\"tenant\":\"%s\",\"n\":%" PRIu64 ",\"flaw\":\"%s\"}\n", chain, n,
		             what);
	} else if (n == 0) {
		(void)printf("FLAW  %s: the chain %s\n", chain, what);
	} else {
		(void)printf("FLAW  %s: row %" PRIu64 " %s\n", chain, n, what);
	}
}

static void on_checked(void *arg, const struct audit_end *end, bool is_whole)
{
	const struct call *call = arg;
	char hash[2 * CRED_DIGEST_SIZE + 1];

	cred_digest_hex(&end->hash, hash);
	if (call_has(call, OPTION_JSON)) {
		(void)printf("{\"tenant\":\"%s\",\"rows\":%" PRIu64
		             ",\"hash\":\"%s\",\"whole\":%s}\n",
		             end->chain, end->n, hash, is_whole ? "true" : "false");
	} else {
		(void)printf("%-5s %s: %" PRIu64 " rows, ends with %" PRIu64 ":%s\n",
		             is_whole ? "ok" : "BAD", end->chain, end->n, end->n, hash);
	}
}

static bool take_anchor(const struct call *call, struct audit_end *ret)
{
	struct str rest = str_of(call_text(call, OPTION_ANCHOR)), n = str_split(&rest, ':');
	bool ok = parse_u64(n, INT64_MAX, &ret->n) && rest.n == 2 * (size_t)CRED_DIGEST_SIZE;

	for (size_t i = 0; ok && i < CRED_DIGEST_SIZE; i++) {
		uint64_t byte = 0;

		ok = parse_hex_u64(str_make(rest.p + 2 * i, 2), &byte);
		ret->hash.bytes[i] = (unsigned char)byte;
	}
	return ok;
}

static int run_verify(struct call *call)
{
	struct audit_end anchor = { .chain = admin_tenant_of(call) };
	struct cred_pepper secret, key;
	struct audit_check check = { .pg = admin_local(call)->pg,
		                     .key = &key,
		                     .chain = call_text(call, OPTION_TENANT),
		                     .arg = call,
		                     .found = on_found,
		                     .checked = on_checked };
	uint64_t flaws = 0;
	struct err err;

	if (call_has(call, OPTION_ANCHOR)) {
		if (!take_anchor(call, &anchor)) {
			return admin_wrong("--anchor must be N:HASH, as verify prints it");
		}
		check.anchor = &anchor;
	}
	if (admin_pepper(call, &secret, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	key = audit_key(&secret);
	if (audit_check(&check, &flaws, &err) != ERR_OK) {
		return admin_fail(&err);
	}
	return flaws == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- list, export ---- */

static void print_row(const struct audit_row *row)
{
	char at[CLOCK_RFC3339_SIZE];

	clock_format(row->at_us, at);
	(void)printf("%-20.19s %-10.*s %-7.*s %-22.*s %-34.*s %-15.*s %-34.*s ", at,
	             (int)row->chain.n, row->chain.p, (int)row->outcome.n, row->outcome.p,
	             (int)row->action.n, row->action.p, (int)row->object.n, row->object.p,
	             (int)row->who.address.n, row->who.address.p, (int)row->who.id.n,
	             row->who.id.p);
	(void)printf("%" STR_FMT "\n", STR_ARG(row->who.name));
}

static void print_page(const struct call *call, const struct audit_list *list, bool export)
{
	struct buf out;

	buf_init(&out, AUDIT_OUT_MAX);
	for (size_t i = 0; i < list->count; i++) {
		if (export && call_has(call, OPTION_CSV)) {
			audit_write_csv(&out, &list->items[i]);
		} else if (export || call_has(call, OPTION_JSON)) {
			audit_write_line(&out, &list->items[i]);
		} else {
			print_row(&list->items[i]);
		}
	}
	if (out.len > 0) {
		(void)fwrite(out.data, 1, out.len, stdout);
	}
	buf_fini(&out);
}

static bool is_outcome(const char *word)
{
	bool known = word == NULL;

	for (unsigned i = 0; audit_outcome_name(i) != NULL; i++) {
		known = known || strcmp(word, audit_outcome_name(i)) == 0;
	}
	return known;
}

static bool take_time(const struct call *call, enum option_id option, int64_t *ret)
{
	return !call_has(call, option) || clock_parse(str_of(call_text(call, option)), ret);
}

/* False: a sentence was printed. */
static bool take_filter(const struct call *call, struct audit_filter *ret)
{
	*ret = (struct audit_filter){ .chain = call_has(call, OPTION_ALL) ? NULL
		                                                          : admin_tenant_of(call),
		                      .actor = call_text(call, OPTION_ACTOR),
		                      .action = call_text(call, OPTION_ACTION),
		                      .object = call_text(call, OPTION_OBJECT),
		                      .outcome = call_text(call, OPTION_OUTCOME) };
	if (!is_outcome(ret->outcome)) {
		(void)admin_wrong("--outcome must be done, denied or failed");
		return false;
	}
	if (!take_time(call, OPTION_SINCE, &ret->since_us) ||
	    !take_time(call, OPTION_BEFORE, &ret->until_us)) {
		(void)admin_wrong("a time must be one such as 2026-11-21T09:00:00Z");
		return false;
	}
	return call_either(call, OPTION_ALL, OPTION_TENANT);
}

static int print_all(struct call *call, bool export)
{
	uint64_t left = export ? UINT64_MAX : LISTED;
	struct audit_list list = { .more = true };
	struct audit_filter filter;
	struct err err;
	enum err_code code = ERR_OK;

	if (!take_filter(call, &filter)) {
		return EXIT_USAGE;
	}
	if (call_has(call, OPTION_LIMIT)) {
		left = call->said[OPTION_LIMIT].number;
	}
	if (!export && !call_has(call, OPTION_JSON)) {
		(void)printf("%-20s %-10s %-7s %-22s %-34s %-15s %-34s %s\n", "AT", "TENANT",
		             "OUTCOME", "ACTION", "OBJECT", "ADDRESS", "ACTOR", "NAME");
	}
	while (code == ERR_OK && list.more && left > 0) {
		struct arena *arena = arena_new();

		filter.max = left < PAGE ? (unsigned)left : PAGE;
		code = audit_list(admin_local(call)->pg, "", &filter, arena, &list, &err);
		if (code == ERR_OK) {
			print_page(call, &list, export);
			left -= list.count;
			filter.before = list.count > 0 ? list.items[list.count - 1].seq : 0;
		}
		arena_free(arena);
	}
	return code == ERR_OK ? EXIT_DONE : admin_fail(&err);
}

static int run_list(struct call *call)
{
	return print_all(call, false);
}

static int run_export(struct call *call)
{
	struct buf head;

	if (call_has(call, OPTION_CSV)) {
		buf_init(&head, PAGE);
		audit_write_csv_head(&head);
		(void)fputs(buf_cstr(&head), stdout);
		buf_fini(&head);
	}
	return print_all(call, true);
}

#define FILTERS                                                                                    \
	OPTION_TENANT, OPTION_ALL, OPTION_ACTOR, OPTION_ACTION, OPTION_OBJECT, OPTION_OUTCOME,     \
		OPTION_SINCE, OPTION_BEFORE, OPTION_LIMIT

static const struct verb verbs[] = {
	{ "list",
	  NULL,
	  0,
	  0,
	  run_list,
	  "Who did what, and who was refused what, newest first; with --json a line each.",
	  { FILTERS, OPTION_JSON } },
	{ "export",
	  NULL,
	  0,
	  0,
	  run_export,
	  "All of it, newest first: a line of JSON each, or CSV.",
	  { FILTERS, OPTION_CSV } },
	{ "verify",
	  NULL,
	  0,
	  0,
	  run_verify,
	  "Is it what was written? Status 1: a row was changed, removed or put in.",
	  { OPTION_TENANT, OPTION_ANCHOR, OPTION_JSON } },
};

const struct verb_group admin_audit = {
	.command = "admin",
	.name = "audit",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.around = admin_around,
	.notes = "verify looks at all tenants unless one is named; TENANT \".\" is what is of "
		 "none. It prints\nwhere each chain ends: kept elsewhere and given again as "
		 "--anchor with its --tenant, that shows\na chain that was put back to an older "
		 "state too (docs/audit.md).\n",
};
