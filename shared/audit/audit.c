#include "audit/audit.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit_row.h"
#include "audit_sql_gen.h"
#include "base/clock.h"
#include "cred/subkey.h"
#include "log/log.h"

static const struct text *sql(enum audit_sql_id id)
{
	return &audit_sql_texts[id];
}

static const char *const outcomes[AUDIT_OUTCOME_COUNT] = {
	[AUDIT_DONE] = "done", [AUDIT_DENIED] = "denied", [AUDIT_FAILED] = "failed"
};

const char *audit_outcome_name(unsigned outcome)
{
	return outcome < AUDIT_OUTCOME_COUNT ? outcomes[outcome] : NULL;
}

struct cred_pepper audit_key(const struct cred_pepper *secret)
{
	return cred_subkey(secret, "audit");
}

/* ---- what a peer wrote ---- */

/* The fields as they are kept: a row must never fail for what somebody calls himself. */
struct cleaned {
	char kind[AUDIT_WORD_MAX + 1], id[AUDIT_NAME_MAX + 1], name[AUDIT_NAME_MAX + 1];
	char address[AUDIT_WORD_MAX + 1], agent[AUDIT_NAME_MAX + 1], request[AUDIT_WORD_MAX + 1];
	char action[AUDIT_WORD_MAX + 1], object[AUDIT_OBJECT_MAX + 1];
};

static struct str clean(char *out, size_t max, struct str text)
{
	size_t n = 0;

	while (text.n > 0) {
		size_t step = str_utf8_step(text);
		bool shows = step > 1 || (step == 1 && text.p[0] >= ' ' && text.p[0] != 0x7f);
		size_t taken = step > 0 ? step : 1;

		if (n + (shows ? step : 1) > max) {
			break;
		}
		if (shows) {
			memcpy(out + n, text.p, step);
		} else {
			out[n] = '?';
		}
		n += shows ? step : 1;
		text = str_make(text.p + taken, text.n - taken);
	}
	out[n] = '\0';
	return str_make(out, n);
}

static struct audit_row clean_row(const struct audit_entry *entry, struct cleaned *out)
{
#define CLEAN(field, from) clean(out->field, sizeof(out->field) - 1, from)
	return (struct audit_row){
		.at_us = clock_wall_us(),
		.chain = str_of(entry->chain),
		.who = { .kind = CLEAN(kind, entry->who.kind),
		         .id = CLEAN(id, entry->who.id),
		         .name = CLEAN(name, entry->who.name),
		         .address = CLEAN(address, entry->who.address),
		         .agent = CLEAN(agent, entry->who.agent),
		         .request = CLEAN(request, entry->who.request) },
		.action = CLEAN(action, entry->action),
		.object = CLEAN(object, entry->object),
		.outcome = str_of(audit_outcome_name(entry->outcome)),
		.detail = entry->detail.n == 0                  ? STR_LIT("{}")
		          : entry->detail.n <= AUDIT_DETAIL_MAX ? entry->detail
		                                                : STR_LIT("{\"tooLarge\":true}"),
	};
#undef CLEAN
}

/* ---- the chain ---- */

struct head {
	uint64_t n;
	struct cred_digest hash, mac;
};

static bool take_head(struct pg_rows *rows, struct head *ret)
{
	ret->n = pg_u64(rows, 0, 0);
	return cred_digest_from(pg_bytes(rows, 0, 1), &ret->hash) &&
	       cred_digest_from(pg_bytes(rows, 0, 2), &ret->mac);
}

/* *ret_found false: the chain has not begun. */
static enum err_code lock(struct pg_tx *tx, const char *chain, bool *ret_found, bool *ret_reads,
                          struct head *ret, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, chain);
	code = pg_tx_query(tx, sql(AUDIT_SQL_AUDIT_LOCK), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_found = pg_rows_count(rows) > 0;
		*ret_reads = *ret_found && take_head(rows, ret);
	}
	return code;
}

static enum err_code begin(struct pg_tx *tx, const struct cred_pepper *key, const char *chain,
                           struct err *err)
{
	const struct cred_digest none = { { 0 } };
	struct cred_digest mac = audit_head_mac(key, str_of(chain), 0, cred_digest_str(&none));
	struct pg_params params = { 0 };

	pg_param_cstr(&params, chain);
	pg_param_bytes(&params, cred_digest_str(&none));
	pg_param_bytes(&params, cred_digest_str(&mac));
	return pg_tx_query(tx, sql(AUDIT_SQL_AUDIT_BEGIN), &params, NULL, err);
}

/* *ret_added false: there is a row of that number. */
static enum err_code add(struct pg_tx *tx, const struct cred_pepper *key,
                         const struct audit_row *row, struct head *head, bool *ret_added,
                         struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct audit_row next = *row;
	struct pg_params params = { 0 };
	struct cred_digest hash, mac;
	enum err_code code;

	next.n = head->n + 1;
	next.prev = cred_digest_str(&head->hash);
	hash = audit_row_hash(&next);
	mac = audit_head_mac(key, next.chain, next.n, cred_digest_str(&hash));
	pg_param_text(&params, next.chain);
	pg_param_u64(&params, next.n);
	pg_param_i64(&params, next.at_us);
	pg_param_text(&params, next.who.kind);
	pg_param_text(&params, next.who.id);
	pg_param_text(&params, next.who.name);
	pg_param_text(&params, next.who.address);
	pg_param_text(&params, next.who.agent);
	pg_param_text(&params, next.action);
	pg_param_text(&params, next.object);
	pg_param_text(&params, next.outcome);
	pg_param_text(&params, next.who.request);
	pg_param_text(&params, next.detail);
	pg_param_bytes(&params, next.prev);
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_bytes(&params, cred_digest_str(&mac));
	code = pg_tx_query(tx, sql(AUDIT_SQL_AUDIT_ADD), &params, &rows, err);
	if (code == ERR_OK) {
		*ret_added = pg_rows_affected(rows) > 0;
	}
	if (code == ERR_OK && *ret_added) {
		*head = (struct head){ next.n, hash, mac };
	}
	return code;
}

/* Acts are not refused for a trail that somebody meddled with: it goes on behind the last row that
 * there is, and says from then on what was found, which audit_check() reports. */
static enum err_code mend(struct pg_tx *tx, const struct cred_pepper *key, const char *chain,
                          struct head *head, struct err *err)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	const struct audit_row told = { .at_us = clock_wall_us(),
		                        .chain = str_of(chain),
		                        .who = { .kind = STR_LIT("fairlead"),
		                                 .id = STR_LIT("audit"),
		                                 .name = STR_LIT(""),
		                                 .address = STR_LIT(""),
		                                 .agent = STR_LIT(""),
		                                 .request = STR_LIT("") },
		                        .action = STR_LIT("audit.broken"),
		                        .object = STR_LIT(""),
		                        .outcome = STR_LIT("failed"),
		                        .detail = STR_LIT("{}") };
	struct pg_params params = { 0 };
	bool added = false;
	enum err_code code;

	log_error("audit.broken", "tenant=%s row=%llu: its head is not ours", chain,
	          (unsigned long long)head->n);
	pg_param_cstr(&params, chain);
	code = pg_tx_query(tx, sql(AUDIT_SQL_AUDIT_LAST), &params, &rows, err);
	if (code == ERR_OK) {
		uint64_t last = pg_u64(rows, 0, 0);

		head->n = head->n > last && head->n < last + UINT32_MAX ? head->n : last;
		code = add(tx, key, &told, head, &added, err);
	}
	return code == ERR_OK && !added ? err_set(err, ERR_INTERNAL, "the audit has no end") : code;
}

static enum err_code append(struct pg_tx *tx, const struct cred_pepper *key,
                            const struct audit_entry *entry, bool *ret_is_first, struct err *err)
{
	struct cleaned cleaned;
	const struct audit_row row = clean_row(entry, &cleaned);
	struct head head = { .n = 0 };
	struct cred_digest mac;
	bool found = false, reads = false, added = false;
	enum err_code code = pg_tx_act_for(tx, entry->chain, err);

	if (code == ERR_OK) {
		code = lock(tx, entry->chain, &found, &reads, &head, err);
	}
	if (code == ERR_OK && !found) {
		code = begin(tx, key, entry->chain, err);
		code = code == ERR_OK ? lock(tx, entry->chain, &found, &reads, &head, err) : code;
	}
	if (code != ERR_OK) {
		return code;
	}
	*ret_is_first = head.n == 0;
	mac = audit_head_mac(key, row.chain, head.n, cred_digest_str(&head.hash));
	if (!reads || !cred_digest_eq(&mac, &head.mac)) {
		code = mend(tx, key, entry->chain, &head, err);
	}
	code = code == ERR_OK ? add(tx, key, &row, &head, &added, err) : code;
	if (code == ERR_OK && !added) {
		code = mend(tx, key, entry->chain, &head, err);
		code = code == ERR_OK ? add(tx, key, &row, &head, &added, err) : code;
	}
	return code == ERR_OK && !added ? err_set(err, ERR_INTERNAL, "the audit has no end") : code;
}

enum err_code audit_append(struct pg_tx *tx, const struct cred_pepper *key,
                           const struct audit_entry *entry, struct err *err)
{
	bool is_first = false;
	enum err_code code = append(tx, key, entry, &is_first, err);
	char object[AUDIT_OBJECT_MAX];

	/* So that a chain that is missing with its head is missed. */
	if (code == ERR_OK && is_first && !str_eq(str_of(entry->chain), STR_LIT(AUDIT_SYSTEM))) {
		struct audit_entry begun = *entry;

		(void)snprintf(object, sizeof(object), "tenant:%s", entry->chain);
		begun.chain = AUDIT_SYSTEM;
		begun.action = STR_LIT("audit.begin");
		begun.object = str_of(object);
		begun.outcome = AUDIT_DONE;
		begun.detail = str_make(NULL, 0);
		code = append(tx, key, &begun, &is_first, err);
	}
	return code;
}

enum err_code audit_write(struct pg *pg, const struct cred_pepper *key,
                          const struct audit_entry *entry, struct err *err)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	struct pg_tx *ready;
	enum err_code code = pg_begin(pg, entry->chain, &tx, err);

	if (code == ERR_OK) {
		code = audit_append(tx, key, entry, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	ready = tx;
	tx = NULL;
	return pg_commit(ready, err);
}
