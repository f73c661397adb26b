/* The code flow of browsers (OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207, RFC 9700). */
#include "base/clock.h"
#include "cred/base64url.h"
#include "cred/jws.h"
#include "cred/seal.h"
#include "oidc/oidc_private.h"

enum { SECRET_BYTES = 32, SECRET_LEN = 2 * SECRET_BYTES, MICRO = 1000000, FORM_MAX = 8192 };

#define BOUND "oidc login"

/* What is in the cookie while the browser is away. */
struct away {
	struct str provider, state, nonce, verifier, return_to;
	uint64_t begun_s;
};

/* ---- the cookie ---- */

/* Lines; none of the values has a line break. */
static void seal_away(const struct oidc *oidc, const struct away *away, struct buf *out)
{
	CLEANUP(buf_fini) struct buf plain = { 0 };
	CLEANUP(buf_fini) struct buf sealed = { 0 };

	buf_init(&plain, OIDC_COOKIE_MAX);
	buf_init(&sealed, OIDC_COOKIE_MAX);
	buf_add_u64(&plain, away->begun_s);
	buf_add_char(&plain, '\n');
	buf_add_str(&plain, away->provider);
	buf_add_char(&plain, '\n');
	buf_add_str(&plain, away->state);
	buf_add_char(&plain, '\n');
	buf_add_str(&plain, away->nonce);
	buf_add_char(&plain, '\n');
	buf_add_str(&plain, away->verifier);
	buf_add_char(&plain, '\n');
	buf_add_str(&plain, away->return_to);
	cred_seal(&oidc->seal, STR_LIT(BOUND), buf_str(&plain), &sealed);
	cred_base64url_encode(buf_str(&sealed), out);
	cred_wipe(plain.data, plain.size);
}

static bool unseal_away(const struct oidc *oidc, struct str cookie, struct arena *arena,
                        struct away *ret)
{
	CLEANUP(buf_fini) struct buf plain = { 0 };
	CLEANUP(buf_fini) struct buf sealed = { 0 };
	struct str rest, begun;

	buf_init(&plain, OIDC_COOKIE_MAX);
	buf_init(&sealed, OIDC_COOKIE_MAX);
	if (cookie.n == 0 || cookie.n > 2 * (size_t)OIDC_COOKIE_MAX ||
	    !cred_base64url_decode(cookie, &sealed) ||
	    !cred_unseal(&oidc->seal, STR_LIT(BOUND), buf_str(&sealed), &plain)) {
		return false;
	}
	rest = arena_str(arena, buf_str(&plain));
	begun = str_split(&rest, '\n');
	ret->provider = str_split(&rest, '\n');
	ret->state = str_split(&rest, '\n');
	ret->nonce = str_split(&rest, '\n');
	ret->verifier = str_split(&rest, '\n');
	ret->return_to = rest;
	return parse_u64(begun, INT64_MAX, &ret->begun_s) && rest.p != NULL;
}

/* ---- there ---- */

/* RFC 7636 section 4.2. SHA-256 comes from a signature's world, so it is asked of shared/cred. */
static void challenge_of(const char *verifier, struct buf *out)
{
	unsigned char digest[CRED_SHA256_SIZE];

	cred_sha256(str_of(verifier), digest);
	cred_base64url_encode(str_make((const char *)digest, sizeof(digest)), out);
}

static void write_address(const struct oidc_provider *provider,
                          const struct oidc_document *document, const char *redirect_uri,
                          const struct away *away, struct buf *out)
{
	CLEANUP(buf_fini) struct buf challenge = { 0 };
	CLEANUP(buf_fini) struct buf query = { 0 };
	struct str pairs;

	buf_init(&challenge, SECRET_LEN);
	buf_init(&query, OIDC_ADDRESS_MAX);
	challenge_of(away->verifier.p, &challenge);
	oidc_form_add(&query, "response_type", STR_LIT("code"));
	oidc_form_add(&query, "client_id", str_of(provider->as.audience));
	oidc_form_add(&query, "redirect_uri", str_of(redirect_uri));
	oidc_form_add(&query, "scope", provider->scopes);
	oidc_form_add(&query, "state", away->state);
	oidc_form_add(&query, "nonce", away->nonce);
	oidc_form_add(&query, "code_challenge", buf_str(&challenge));
	oidc_form_add(&query, "code_challenge_method", STR_LIT("S256"));
	buf_add_cstr(out, document->authorization);
	buf_add_char(out, strchr(document->authorization, '?') != NULL ? '&' : '?');
	pairs = buf_str(&query);
	buf_add_str(out, str_make(pairs.p + 1, pairs.n - 1));
}

enum err_code oidc_begin(struct oidc *oidc, const struct oidc_provider *provider,
                         const char *redirect_uri, struct str return_to, struct buf *ret_address,
                         struct buf *ret_cookie, struct err *err)
{
	char state[SECRET_LEN + 1], nonce[SECRET_LEN + 1], verifier[SECRET_LEN + 1];
	struct oidc_document document;
	struct away away;
	enum err_code code;

	if (provider->kind != OIDC_STANDARD) {
		return err_set(err, ERR_INVALID, "this provider is for devices");
	}
	code = oidc_look(oidc, provider, &document, err);
	if (code != ERR_OK) {
		return code;
	}
	cred_random_hex(state, SECRET_BYTES);
	cred_random_hex(nonce, SECRET_BYTES);
	cred_random_hex(verifier, SECRET_BYTES);
	away = (struct away){
		.provider = str_of(provider->name),
		.state = str_of(state),
		.nonce = str_of(nonce),
		.verifier = str_of(verifier),
		.return_to = return_to,
		.begun_s = (uint64_t)clock_wall_us() / MICRO,
	};
	write_address(provider, &document, redirect_uri, &away, ret_address);
	seal_away(oidc, &away, ret_cookie);
	cred_wipe(verifier, sizeof(verifier));
	if (buf_failed(ret_address) || buf_failed(ret_cookie)) {
		return err_set(err, ERR_INVALID, "the address to go to is too long");
	}
	return ERR_OK;
}

/* ---- and back ---- */

static enum err_code check_answer(const struct oidc *oidc, const struct away *away,
                                  const struct oidc_answer *answer,
                                  const struct oidc_provider **ret, struct err *err)
{
	uint64_t now_s = (uint64_t)clock_wall_us() / MICRO;

	if (away->begun_s > now_s + CRED_LEEWAY_S || now_s > away->begun_s + OIDC_AWAY_S) {
		return err_set(err, ERR_INVALID, "this login took too long: begin again");
	}
	*ret = oidc_provider_find(&oidc->options.providers, away->provider);
	if (*ret == NULL || answer->state.n == 0 || !str_eq(answer->state, away->state)) {
		return err_set(err, ERR_INVALID, "this answer belongs to another login");
	}
	/* RFC 9207 section 2.4, also for answers that say no. */
	if (answer->iss.p != NULL && !str_eq(answer->iss, str_of((*ret)->as.issuer))) {
		return err_set(err, ERR_INVALID, "this answer is of another provider");
	}
	return ERR_OK;
}

/* RFC 6749 section 4.1.2.1: nothing of what it says is repeated but the word, if it is one. */
static enum err_code refused(struct str error, struct err *err)
{
	bool denied = str_eq(error, STR_LIT("access_denied"));

	return err_set(err, ERR_FORBIDDEN,
	               denied ? "the provider says that access was denied"
	                      : "the provider does not log you in");
}

static enum err_code exchange(const struct oidc *oidc, const struct oidc_provider *provider,
                              const struct oidc_document *document, struct str auth_code,
                              const struct away *away, const char *redirect_uri,
                              struct json_value **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf form = { 0 };
	enum err_code code;
	int status = 0;

	buf_init(&form, FORM_MAX);
	buf_add_cstr(&form, "grant_type=authorization_code");
	oidc_form_add(&form, "code", auth_code);
	oidc_form_add(&form, "redirect_uri", str_of(redirect_uri));
	oidc_form_add(&form, "code_verifier", away->verifier);
	code = oidc_ask_as_client(oidc, provider, document->token, document->basic, &form, &status,
	                          ret, err);
	if (code == ERR_OK && status != 200) {
		bool spent = str_eq(json_as_str(json_get(*ret, "error")), STR_LIT("invalid_grant"));

		return spent ? err_set(err, ERR_INVALID,
		                       "the provider does not take this code (any more)")
		             : err_set(err, ERR_UNAVAILABLE, "the provider gives no token now");
	}
	return code;
}

enum err_code oidc_finish(struct oidc *oidc, struct str cookie, const struct oidc_answer *answer,
                          const char *redirect_uri, struct arena *arena, struct oidc_person *ret,
                          struct str *ret_return_to, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *tokens = NULL;
	const struct oidc_provider *provider = NULL;
	struct oidc_document document;
	struct away away;
	enum err_code code;

	if (!unseal_away(oidc, cookie, arena, &away)) {
		return err_set(err, ERR_INVALID,
		               "this browser began no login here, or its cookie is gone");
	}
	code = check_answer(oidc, &away, answer, &provider, err);
	if (code == ERR_OK) {
		code = oidc_look(oidc, provider, &document, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (document.says_iss && answer->iss.p == NULL) {
		return err_set(err, ERR_INVALID,
		               "this answer does not say of which provider it is");
	}
	if (answer->error.p != NULL || answer->code.n == 0 || answer->code.n > OIDC_CODE_MAX) {
		return refused(answer->error, err);
	}
	code = exchange(oidc, provider, &document, answer->code, &away, redirect_uri, &tokens, err);
	if (code == ERR_OK) {
		code = oidc_read_tokens(oidc, provider, &document, tokens,
		                        arena_strdup(arena, away.nonce), arena, ret, err);
	}
	*ret_return_to = away.return_to;
	return code;
}

void oidc_end_address(struct oidc *oidc, const struct oidc_provider *provider,
                      const char *return_to, struct buf *out)
{
	CLEANUP(buf_fini) struct buf query = { 0 };
	struct oidc_document document;
	struct err ignored;

	if (provider->kind != OIDC_STANDARD ||
	    oidc_look(oidc, provider, &document, &ignored) != ERR_OK ||
	    document.end_session[0] == '\0') {
		return;
	}
	buf_init(&query, OIDC_ADDRESS_MAX);
	oidc_form_add(&query, "client_id", str_of(provider->as.audience));
	oidc_form_add(&query, "post_logout_redirect_uri", str_of(return_to));
	buf_add_cstr(out, document.end_session);
	buf_add_char(out, strchr(document.end_session, '?') != NULL ? '&' : '?');
	buf_add_str(out, str_make(buf_cstr(&query) + 1, query.len > 0 ? query.len - 1 : 0));
}
