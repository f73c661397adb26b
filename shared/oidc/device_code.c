#include "oidc/device_code.h"

#include "cred/subkey.h"
#include "oidc_sql_gen.h"

#define LETTERS "BCDFGHJKLMNPQRSTVWXZ"

enum { LETTER_COUNT = sizeof(LETTERS) - 1, HALF = 4 };
enum { WON_STATE, WON_TENANT, WON_USER, WON_SCOPES, WON_NAMESPACES, WON_CLIENT };
enum { SHOWN_CLIENT, SHOWN_ADDRESS, SHOWN_SCOPES, SHOWN_CREATED, SHOWN_EXPIRES };

static const struct text *sql(enum oidc_sql_id id)
{
	return &oidc_sql_texts[id];
}

static struct cred_digest hash_of(const struct cred_pepper *secret, const char *word,
                                  struct str code)
{
	const struct str parts[] = { str_of(word), code };
	struct cred_pepper key = cred_subkey(secret, "device codes");
	struct cred_digest hash = cred_digest(parts, ARRAY_LEN(parts), &key);

	cred_wipe(&key, sizeof(key));
	return hash;
}

/* ---- user codes ---- */

bool device_user_code_parse(struct str text, char ret[DEVICE_USER_LEN + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		c = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
		if (c == '-' || c == ' ') {
			continue;
		}
		if (c == '\0' || strchr(LETTERS, c) == NULL || n == DEVICE_USER_LEN) {
			return false;
		}
		if (n == HALF) {
			ret[n++] = '-';
		}
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n == DEVICE_USER_LEN;
}

/* Each letter as likely as the others: what a byte has beyond a multiple of 20 is thrown away. */
static void make_user_code(char ret[DEVICE_USER_LEN + 1])
{
	size_t n = 0;

	while (n < DEVICE_USER_LEN) {
		char hex[3];
		uint64_t byte = 0;

		cred_random_hex(hex, 1);
		if (!parse_hex_u64(str_of(hex), &byte) ||
		    byte >= 256 / LETTER_COUNT * LETTER_COUNT) {
			continue;
		}
		if (n == HALF) {
			ret[n++] = '-';
		}
		ret[n++] = LETTERS[byte % LETTER_COUNT];
	}
	ret[n] = '\0';
}

/* ---- the program ---- */

enum err_code device_code_create(struct pg *pg, const struct cred_pepper *secret,
                                 const struct device_code_new *what, struct device_code_made *ret,
                                 struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest device, user;
	struct pg_params params = { 0 };
	enum err_code code;

	cred_random_hex(ret->device, DEVICE_CODE_LEN / 2);
	make_user_code(ret->user);
	device = hash_of(secret, "device", str_of(ret->device));
	user = hash_of(secret, "user", str_of(ret->user));
	pg_param_bytes(&params, cred_digest_str(&device));
	pg_param_bytes(&params, cred_digest_str(&user));
	pg_param_cstr(&params, what->client);
	pg_param_cstr(&params, what->address);
	pg_param_cstr(&params, what->scopes);
	pg_param_u64(&params, DEVICE_CODE_INTERVAL_S);
	pg_param_u64(&params, DEVICE_CODE_LIFE_S);
	pg_param_u64(&params, DEVICE_LOGINS_MAX);
	pg_param_u64(&params, DEVICE_LOGINS_ADDRESS_MAX);
	code = pg_query(pg, "", sql(OIDC_SQL_DEVICE_CODE_CREATE), &params, &rows, err);
	return code == ERR_OK && pg_rows_affected(rows) == 0
	               ? err_set(err, ERR_LIMIT, "too many devices wait for somebody to log in")
	               : code;
}

static const char *text_of(struct pg_rows *rows, unsigned column, struct arena *arena)
{
	return pg_is_null(rows, 0, column) ? NULL : arena_strdup(arena, pg_str(rows, 0, column));
}

static enum device_code_state state_of(struct str word)
{
	static const char *const words[] = {
		[DEVICE_UNKNOWN] = "",        [DEVICE_PENDING] = "pending",
		[DEVICE_TOO_OFTEN] = "early", [DEVICE_EXPIRED] = "expired",
		[DEVICE_DENIED] = "denied",   [DEVICE_ALLOWED] = "allowed",
	};

	for (unsigned i = DEVICE_UNKNOWN; i < ARRAY_LEN(words); i++) {
		if (str_eq(word, str_of(words[i]))) {
			return (enum device_code_state)i;
		}
	}
	return DEVICE_UNKNOWN;
}

enum err_code device_code_poll(struct pg *pg, const struct cred_pepper *secret, struct str device,
                               struct arena *arena, enum device_code_state *ret_state,
                               struct device_code_won *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest hash = hash_of(secret, "device", device);
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_bytes(&params, cred_digest_str(&hash));
	code = pg_query(pg, "", sql(OIDC_SQL_DEVICE_CODE_POLL), &params, &rows, err);
	*ret_state = DEVICE_UNKNOWN;
	if (code != ERR_OK || pg_rows_count(rows) == 0) {
		return code;
	}
	*ret_state = state_of(pg_str(rows, 0, WON_STATE));
	*ret = (struct device_code_won){
		.tenant = text_of(rows, WON_TENANT, arena),
		.scopes = text_of(rows, WON_SCOPES, arena),
		.namespaces = text_of(rows, WON_NAMESPACES, arena),
		.client = text_of(rows, WON_CLIENT, arena),
	};
	if (*ret_state == DEVICE_ALLOWED && !id_parse(pg_str(rows, 0, WON_USER), &ret->user)) {
		return err_set(err, ERR_INTERNAL, "a device code's row does not decode");
	}
	return ERR_OK;
}

/* ---- the person ---- */

/* Counted before it is looked at, and forgiven when it was right, so that many at once gain
 * nothing. */
static enum err_code charge(struct pg *pg, const struct id *user, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_cstr(&params, user->s);
	pg_param_u64(&params, DEVICE_GUESSES_S);
	code = pg_query(pg, "", sql(OIDC_SQL_DEVICE_GUESS), &params, &rows, err);
	if (code == ERR_OK && pg_u64(rows, 0, 0) > DEVICE_GUESSES_MAX) {
		return err_set(err, ERR_LIMIT, "too many codes that are none: try again later");
	}
	return code;
}

static enum err_code forgive(struct pg *pg, const struct id *user, struct err *err)
{
	struct pg_params params = { 0 };

	pg_param_cstr(&params, user->s);
	return pg_query(pg, "", sql(OIDC_SQL_DEVICE_GUESSED), &params, NULL, err);
}

static enum err_code no_such(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no program waits for this code (any more)");
}

enum err_code device_code_look(struct pg *pg, const struct cred_pepper *secret,
                               const struct id *user, const char *code, struct arena *arena,
                               struct device_code_shown *ret, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest hash = hash_of(secret, "user", str_of(code));
	struct pg_params params = { 0 };
	enum err_code done = charge(pg, user, err);

	if (done != ERR_OK) {
		return done;
	}
	pg_param_bytes(&params, cred_digest_str(&hash));
	done = pg_query(pg, "", sql(OIDC_SQL_DEVICE_CODE_LOOK), &params, &rows, err);
	if (done != ERR_OK) {
		return done;
	}
	if (pg_rows_count(rows) == 0) {
		return no_such(err);
	}
	*ret = (struct device_code_shown){
		.client = arena_str(arena, pg_str(rows, 0, SHOWN_CLIENT)),
		.address = arena_str(arena, pg_str(rows, 0, SHOWN_ADDRESS)),
		.scopes = arena_str(arena, pg_str(rows, 0, SHOWN_SCOPES)),
		.created_us = pg_i64(rows, 0, SHOWN_CREATED),
		.expires_us = pg_i64(rows, 0, SHOWN_EXPIRES),
	};
	return forgive(pg, user, err);
}

enum err_code device_code_decide(struct pg *pg, const struct cred_pepper *secret, const char *code,
                                 const struct device_code_decision *decision, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct cred_digest hash = hash_of(secret, "user", str_of(code));
	struct pg_params params = { 0 };
	enum err_code done = charge(pg, decision->user, err);

	if (done != ERR_OK) {
		return done;
	}
	pg_param_bytes(&params, cred_digest_str(&hash));
	pg_param_cstr(&params, decision->allow ? "allowed" : "denied");
	pg_param_cstr(&params, decision->tenant);
	pg_param_cstr(&params, decision->user->s);
	pg_param_cstr(&params, decision->scopes);
	pg_param_cstr(&params, decision->namespaces);
	done = pg_query(pg, "", sql(OIDC_SQL_DEVICE_CODE_DECIDE), &params, &rows, err);
	if (done != ERR_OK) {
		return done;
	}
	return pg_rows_affected(rows) == 0 ? no_such(err) : forgive(pg, decision->user, err);
}
