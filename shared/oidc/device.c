/* Devices at a provider (RFC 8628), and at GitHub, which says who it is by an API of its own. */
#include <stdio.h>

#include "json/write.h"
#include "oidc/oidc_private.h"

enum { FORM_MAX = 4096, LINE_MAX_N = 1024 };

#define GRANT "urn:ietf:params:oauth:grant-type:device_code"

/* ---- begin ---- */

static bool address_shown_ok(struct str address)
{
	if (!str_starts(address, STR_LIT("https://")) && !str_starts(address, STR_LIT("http://"))) {
		return false;
	}
	for (size_t i = 0; i < address.n; i++) {
		if (address.p[i] <= ' ' || address.p[i] >= 0x7f) {
			return false;
		}
	}
	return address.n <= ISSUER_URL_MAX;
}

static bool text_shown_ok(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < ' ' || text.p[i] >= 0x7f) {
			return false;
		}
	}
	return text.n > 0 && text.n <= 64;
}

static uint64_t within(int64_t value, uint64_t otherwise, uint64_t most)
{
	uint64_t said = value > 0 ? (uint64_t)value : otherwise;

	return said < most ? said : most;
}

static enum err_code read_begun(const struct json_value *json, struct arena *arena,
                                struct oidc_device *ret, struct err *err)
{
	const struct json_value *address = json_get(json, "verification_uri");
	struct str complete = json_as_str(json_get(json, "verification_uri_complete"));

	/* The name before it was a standard. */
	address = address != NULL ? address : json_get(json, "verification_url");
	*ret = (struct oidc_device){
		.code = arena_str(arena, json_as_str(json_get(json, "device_code"))),
		.user_code = arena_str(arena, json_as_str(json_get(json, "user_code"))),
		.address = arena_str(arena, json_as_str(address)),
		.expires_s = within(json_as_i64(json_get(json, "expires_in")), OIDC_DEVICE_MAX_S,
		                    OIDC_DEVICE_MAX_S),
		.interval_s = within(json_as_i64(json_get(json, "interval")), OIDC_INTERVAL_S,
		                     OIDC_INTERVAL_MAX_S),
	};
	if (complete.n > 0 && address_shown_ok(complete)) {
		ret->address_complete = arena_str(arena, complete);
	}
	if (ret->code.n == 0 || ret->code.n > OIDC_CODE_MAX || !text_shown_ok(ret->user_code) ||
	    !address_shown_ok(ret->address)) {
		return err_set(err, ERR_UNAVAILABLE, "the provider gives no code now");
	}
	return ERR_OK;
}

static enum err_code endpoints(struct oidc *oidc, const struct oidc_provider *provider,
                               struct oidc_document *ret, struct err *err)
{
	if (provider->kind == OIDC_STANDARD) {
		enum err_code code = oidc_look(oidc, provider, ret, err);

		return code == ERR_OK && ret->device[0] == '\0'
		               ? err_set(err, ERR_INVALID, "this provider is not for devices")
		               : code;
	}
	*ret = (struct oidc_document){ .says_iss = false };
	(void)str_copy(ret->device, sizeof(ret->device), provider->device_endpoint);
	(void)str_copy(ret->token, sizeof(ret->token), provider->token_endpoint);
	return ERR_OK;
}

static enum err_code begin_fake(struct oidc_device *ret)
{
	*ret = (struct oidc_device){
		.code = STR_LIT("fake-device-code-123"),
		.user_code = STR_LIT("FAKE-CODE"),
		.address = STR_LIT("http://localhost/fake-verify"),
		.expires_s = 300,
		.interval_s = 1,
	};
	return ERR_OK;
}

enum err_code oidc_device_begin(struct oidc *oidc, const struct oidc_provider *provider,
                                struct arena *arena, struct oidc_device *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	CLEANUP(buf_fini) struct buf form = { 0 };
	struct oidc_document document;
	enum err_code code;
	int status = 0;

	if (provider->kind == OIDC_FAKE) {
		return begin_fake(ret);
	}
	code = endpoints(oidc, provider, &document, err);
	if (code != ERR_OK) {
		return code;
	}
	buf_init(&form, FORM_MAX);
	buf_add_cstr(&form, "response_type=device_code");
	oidc_form_add(&form, "scope", provider->scopes);
	code = oidc_ask_as_client(oidc, provider, document.device, document.basic, &form, &status,
	                          &json, err);
	if (code == ERR_OK && status != 200) {
		code = err_set(err, ERR_UNAVAILABLE, "the provider gives no code now");
	}
	return code == ERR_OK ? read_begun(json, arena, ret, err) : code;
}

/* ---- GitHub ---- */

static enum err_code ask_github(const struct oidc *oidc, struct str url, struct str access,
                                struct json_value **ret, struct err *err)
{
	char line[LINE_MAX_N], address[ISSUER_URL_MAX + 1];
	enum err_code code;
	int status = 0;

	*ret = NULL;
	if (!text_shown_ok(str_make(access.p, access.n < 64 ? access.n : 64)) || access.n > 512 ||
	    !str_copy(address, sizeof(address), url)) {
		return err_set(err, ERR_UNAUTHORIZED, "the provider gives no token");
	}
	(void)snprintf(line, sizeof(line), "Authorization: Bearer %" STR_FMT, STR_ARG(access));
	code = oidc_ask(oidc, &(struct oidc_ask){ .url = address, .authorization = line }, &status,
	                ret, err);
	cred_wipe(line, sizeof(line));
	return code == ERR_OK && status != 200
	               ? err_set(err, ERR_UNAVAILABLE, "the provider does not say who it is")
	               : code;
}

/* The address that is primary and verified. */
static struct str address_of(const struct json_value *emails)
{
	for (size_t i = 0; i < json_count(emails); i++) {
		const struct json_value *one = json_at(emails, i);

		if (json_as_bool(json_get(one, "primary")) &&
		    json_as_bool(json_get(one, "verified"))) {
			return json_as_str(json_get(one, "email"));
		}
	}
	return STR_LIT("");
}

/* As if it were claims. */
static struct json_value *claims_of(const struct json_value *user, struct str email,
                                    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { 0 };
	struct str name = json_as_str(json_get(user, "name"));
	struct jsonw w;

	buf_init(&text, LINE_MAX_N * 4);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (json_is_int(json_get(user, "id"))) {
		char id[32];

		(void)snprintf(id, sizeof(id), "%lld",
		               (long long)json_as_i64(json_get(user, "id")));
		jsonw_cstr(&w, "sub", id);
	}
	jsonw_str(&w, "name", name.n > 0 ? name : json_as_str(json_get(user, "login")));
	jsonw_str(&w, "email", email);
	jsonw_bool(&w, "email_verified", email.n > 0);
	jsonw_end_object(&w);
	return json_parse(buf_str(&text), err);
}

static enum err_code read_github(const struct oidc *oidc, const struct oidc_provider *provider,
                                 struct str access, struct arena *arena, struct oidc_person *ret,
                                 struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *user = NULL;
	CLEANUP(json_value_cleanup) struct json_value *emails = NULL;
	CLEANUP(json_value_cleanup) struct json_value *claims = NULL;
	enum err_code code = ask_github(oidc, provider->user_endpoint, access, &user, err);

	if (code == ERR_OK) {
		code = ask_github(oidc, provider->emails_endpoint, access, &emails, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	claims = claims_of(user, address_of(emails), err);
	return claims != NULL ? oidc_person_read(provider, claims, arena, ret, err) : err->code;
}

/* ---- poll ---- */

static enum err_code poll_fake(const struct oidc_provider *provider, struct arena *arena,
                               struct oidc_person *ret, struct err *err)
{
	CLEANUP(json_value_cleanup)
	struct json_value *claims = json_parse(
		STR_LIT("{\"sub\":\"fake-user-id-456\",\"name\":\"ci-test-user\"}"), err);

	return claims != NULL ? oidc_person_read(provider, claims, arena, ret, err) : err->code;
}

/* RFC 8628 section 3.5; GitHub says it with 200. */
static enum oidc_polled read_error(const struct json_value *json, struct err *err)
{
	struct str error = json_as_str(json_get(json, "error"));

	if (str_eq(error, STR_LIT("authorization_pending"))) {
		return OIDC_PENDING;
	}
	if (str_eq(error, STR_LIT("slow_down"))) {
		return OIDC_SLOW_DOWN;
	}
	(void)err_set(err, ERR_FORBIDDEN, "%s",
	              str_eq(error, STR_LIT("expired_token"))   ? "expired_token"
	              : str_eq(error, STR_LIT("access_denied")) ? "access_denied"
	                                                        : "refused_by_provider");
	return OIDC_REFUSED;
}

static enum err_code read_polled(struct oidc *oidc, const struct oidc_provider *provider,
                                 const struct oidc_document *document,
                                 const struct json_value *json, struct arena *arena,
                                 struct oidc_person *ret, struct err *err)
{
	return provider->kind == OIDC_GITHUB
	               ? read_github(oidc, provider, json_as_str(json_get(json, "access_token")),
	                             arena, ret, err)
	               : oidc_read_tokens(oidc, provider, document, json, NULL, arena, ret, err);
}

enum err_code oidc_device_poll(struct oidc *oidc, const struct oidc_provider *provider,
                               struct str code, struct arena *arena, enum oidc_polled *ret_what,
                               struct oidc_person *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	CLEANUP(buf_fini) struct buf form = { 0 };
	struct oidc_document document;
	enum err_code done;
	int status = 0;

	*ret_what = OIDC_DONE;
	if (provider->kind == OIDC_FAKE) {
		return poll_fake(provider, arena, ret, err);
	}
	done = endpoints(oidc, provider, &document, err);
	if (done != ERR_OK) {
		return done;
	}
	buf_init(&form, FORM_MAX);
	buf_add_cstr(&form, "grant_type=" GRANT);
	oidc_form_add(&form, "device_code", code);
	done = oidc_ask_as_client(oidc, provider, document.token, document.basic, &form, &status,
	                          &json, err);
	if (done != ERR_OK) {
		return done;
	}
	if (status != 200 || json_get(json, "error") != NULL) {
		*ret_what = read_error(json, err);
		return ERR_OK;
	}
	done = read_polled(oidc, provider, &document, json, arena, ret, err);
	if (done == ERR_FORBIDDEN || done == ERR_UNAUTHORIZED) {
		*ret_what = OIDC_REFUSED;
		return ERR_OK;
	}
	return done;
}
