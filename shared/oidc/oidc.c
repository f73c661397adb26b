/* What a provider says of itself, and how it is asked. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cred/subkey.h"
#include "oidc/oidc_private.h"

enum { DOCUMENT_MAX = 64 * 1024, ANSWER_MAX = 64 * 1024, RETRY_MS = 2000, LINE_MAX_N = 6144 };

#define DISCOVERY "/.well-known/openid-configuration"

struct oidc *oidc_new(const struct oidc_options *options)
{
	struct oidc *oidc = mem_calloc(1, sizeof(*oidc));

	oidc->options = *options;
	oidc->seal = cred_subkey(&options->secret, "oidc");
	oidc->keys = issuer_keys_new(
		&(struct issuer_options){ .fetch = options->fetch, .plain = options->plain });
	for (size_t i = 0; i < options->providers.count; i++) {
		oidc->known[i].as = options->providers.items[i].as;
		fiber_signal_init(&oidc->known[i].asked);
	}
	return oidc;
}

void oidc_free(struct oidc *oidc)
{
	if (oidc != NULL) {
		issuer_keys_free(oidc->keys);
		oidc_providers_fini(&oidc->options.providers);
		cred_wipe(oidc, sizeof(*oidc));
		free(oidc);
	}
}

const struct oidc_providers *oidc_providers_of(const struct oidc *oidc)
{
	return &oidc->options.providers;
}

/* ---- asking ---- */

enum err_code oidc_ask(const struct oidc *oidc, const struct oidc_ask *ask, int *ret_status,
                       struct json_value **ret, struct err *err)
{
	const struct fetch_request request = {
		.method = ask->form.p != NULL ? "POST" : "GET",
		.url = ask->url,
		.headers = { "Accept: application/json", "User-Agent: fairlead",
		             ask->form.p != NULL ? "Content-Type: application/x-www-form-urlencoded"
		                                 : ask->authorization,
		             ask->form.p != NULL ? ask->authorization : NULL },
		.body = ask->form,
		.timeout_ms = OIDC_FETCH_MS,
		.response_max = ANSWER_MAX,
		.flags = oidc->options.plain ? FETCH_PLAIN_LOOPBACK : 0,
	};
	struct fetch_response response;
	enum err_code code = fetch(oidc->options.fetch, &request, &response, err);

	*ret = NULL;
	if (code == ERR_OK) {
		*ret_status = response.status;
		*ret = json_parse(buf_str(&response.body), err);
		code = *ret != NULL ? ERR_OK : err_set(err, ERR_BACKEND, "it is no JSON");
	}
	fetch_response_fini(&response);
	if (code != ERR_OK && code != ERR_CANCELLED) {
		return err_set(err, ERR_UNAVAILABLE, "the provider cannot be asked now");
	}
	return code;
}

/* application/x-www-form-urlencoded: what is not unreserved (RFC 3986 section 2.3) is encoded. */
static void add_encoded(struct buf *out, struct str value)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~') {
			buf_add_char(out, (char)c);
		} else {
			buf_add_char(out, '%');
			buf_add_char(out, digits[c >> 4]);
			buf_add_char(out, digits[c & 15]);
		}
	}
}

void oidc_form_add(struct buf *form, const char *name, struct str value)
{
	buf_add_char(form, '&');
	buf_add_cstr(form, name);
	buf_add_char(form, '=');
	add_encoded(form, value);
}

/* RFC 4648 section 4, for RFC 7617. */
static void add_base64(struct buf *out, struct str in)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)in.p;

	for (size_t i = 0; i < in.n; i += 3) {
		unsigned bits = (unsigned)p[i] << 16;

		bits |= i + 1 < in.n ? (unsigned)p[i + 1] << 8 : 0;
		bits |= i + 2 < in.n ? (unsigned)p[i + 2] : 0;
		buf_add_char(out, digits[bits >> 18]);
		buf_add_char(out, digits[bits >> 12 & 63]);
		buf_add_char(out, i + 1 < in.n ? digits[bits >> 6 & 63] : '=');
		buf_add_char(out, i + 2 < in.n ? digits[bits & 63] : '=');
	}
}

/* RFC 6749 section 2.3.1: both parts are form-encoded first. */
static void basic_of(const struct oidc_provider *provider, struct buf *out)
{
	CLEANUP(buf_fini) struct buf plain = { 0 };

	buf_init(&plain, LINE_MAX_N / 2);
	add_encoded(&plain, str_of(provider->as.audience));
	buf_add_char(&plain, ':');
	add_encoded(&plain, provider->client_secret);
	buf_add_cstr(out, "Authorization: Basic ");
	add_base64(out, buf_str(&plain));
	cred_wipe(plain.data, plain.size);
}

enum err_code oidc_ask_as_client(const struct oidc *oidc, const struct oidc_provider *provider,
                                 const char *url, bool basic, struct buf *form, int *ret_status,
                                 struct json_value **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf line = { 0 };
	bool has_secret = provider->client_secret.n > 0;
	enum err_code code;

	buf_init(&line, LINE_MAX_N);
	oidc_form_add(form, "client_id", str_of(provider->as.audience));
	if (has_secret && basic) {
		basic_of(provider, &line);
	} else if (has_secret) {
		oidc_form_add(form, "client_secret", provider->client_secret);
	}
	if (buf_failed(form) || buf_failed(&line)) {
		*ret = NULL;
		return err_set(err, ERR_INVALID, "what the provider would be asked is too long");
	}
	code = oidc_ask(
		oidc,
		&(struct oidc_ask){ url, line.len > 0 ? buf_cstr(&line) : NULL, buf_str(form) },
		ret_status, ret, err);
	cred_wipe(form->data, form->size);
	cred_wipe(line.data, line.size);
	return code;
}

/* ---- discovery ---- */

/* Where browsers are sent, and what we ask: fetch() holds to the same. */
static bool address_ok(const struct oidc *oidc, struct str address)
{
	static const char *const loopback[] = { "http://127.0.0.1", "http://localhost",
		                                "http://[::1]" };

	for (size_t i = 0; i < address.n; i++) {
		if (address.p[i] <= ' ' || address.p[i] >= 0x7f) {
			return false;
		}
	}
	if (str_starts(address, STR_LIT("https://"))) {
		return true;
	}
	for (size_t i = 0; oidc->options.plain && i < ARRAY_LEN(loopback); i++) {
		struct str host = str_of(loopback[i]);

		if (str_starts(address, host) &&
		    (address.n == host.n || address.p[host.n] == ':' || address.p[host.n] == '/')) {
			return true;
		}
	}
	return false;
}

static bool take_address(const struct oidc *oidc, const struct json_value *document,
                         const char *name, char ret[ISSUER_URL_MAX + 1])
{
	struct str address = json_as_str(json_get(document, name));

	ret[0] = '\0';
	return address.n == 0 ||
	       (address_ok(oidc, address) && str_copy(ret, ISSUER_URL_MAX + 1, address));
}

/* RFC 8414 section 2: without a list it is the header. */
static bool takes_basic(const struct json_value *methods)
{
	bool basic = json_count(methods) == 0;

	for (size_t i = 0; i < json_count(methods); i++) {
		basic |= str_eq(json_as_str(json_at(methods, i)), STR_LIT("client_secret_basic"));
	}
	return basic;
}

static enum err_code read_document(const struct oidc *oidc, const struct oidc_provider *provider,
                                   const struct json_value *json, struct oidc_document *ret,
                                   struct err *err)
{
	const struct {
		const char *name;
		char *to;
		bool needed;
	} addresses[] = {
		{ "authorization_endpoint", ret->authorization, true },
		{ "token_endpoint", ret->token, true },
		{ "jwks_uri", ret->jwks, true },
		{ "userinfo_endpoint", ret->userinfo, false },
		{ "device_authorization_endpoint", ret->device, false },
		{ "end_session_endpoint", ret->end_session, false },
	};

	if (!str_eq(json_as_str(json_get(json, "issuer")), str_of(provider->as.issuer))) {
		return err_set(err, ERR_UNAVAILABLE,
		               "the provider's discovery document is another issuer's");
	}
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		if (!take_address(oidc, json, addresses[i].name, addresses[i].to) ||
		    (addresses[i].needed && addresses[i].to[0] == '\0')) {
			return err_set(err, ERR_UNAVAILABLE,
			               "the provider's discovery document has no good %s",
			               addresses[i].name);
		}
	}
	ret->says_iss =
		json_as_bool(json_get(json, "authorization_response_iss_parameter_supported"));
	ret->basic = takes_basic(json_get(json, "token_endpoint_auth_methods_supported"));
	return ERR_OK;
}

static enum err_code discover(const struct oidc *oidc, const struct oidc_provider *provider,
                              struct oidc_document *ret, struct err *err)
{
	char url[ISSUER_URL_MAX + sizeof(DISCOVERY)];
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	struct str base = str_of(provider->as.issuer);
	enum err_code code;
	int status = 0;

	base.n -= str_ends(base, STR_LIT("/"));
	(void)snprintf(url, sizeof(url), "%" STR_FMT DISCOVERY, STR_ARG(base));
	code = oidc_ask(oidc, &(struct oidc_ask){ .url = url }, &status, &json, err);
	if (code == ERR_OK && status != 200) {
		code = err_set(err, ERR_UNAVAILABLE, "the provider cannot be asked now");
	}
	return code == ERR_OK ? read_document(oidc, provider, json, ret, err) : code;
}

static struct oidc_known *known_of(struct oidc *oidc, const struct oidc_provider *provider)
{
	return &oidc->known[provider - oidc->options.providers.items];
}

const struct issuer *oidc_issuer_of(const struct oidc *oidc, const struct oidc_provider *provider)
{
	return &oidc->known[provider - oidc->options.providers.items].as;
}

/* One asks, for all who want it. */
static enum err_code ask_once(struct oidc *oidc, const struct oidc_provider *provider,
                              struct err *err)
{
	struct oidc_known *known = known_of(oidc, provider);
	struct oidc_document fresh = { .says_iss = false };
	enum err_code code;

	if (known->asking) {
		code = fiber_signal_wait(&known->asked, OIDC_FETCH_MS);
		return code == ERR_OK ? code
		                      : err_set(err, code, "the provider cannot be asked now");
	}
	known->asking = true;
	code = discover(oidc, provider, &fresh, err);
	known->asking = false;
	if (code == ERR_OK) {
		known->document = fresh;
		known->fetched_ms = clock_mono_ms();
		known->tried_ms = 0;
		(void)str_copy(known->as.jwks_uri, sizeof(known->as.jwks_uri), str_of(fresh.jwks));
	} else if (code != ERR_CANCELLED) {
		known->tried_ms = clock_mono_ms(); /* only a failure makes the next one wait */
		known->failed = *err;
	}
	fiber_signal_raise(&known->asked);
	return code;
}

static bool has_within(const struct oidc_known *known, uint64_t ms)
{
	return known->fetched_ms != 0 && clock_mono_ms() - known->fetched_ms < ms;
}

static bool may_ask(const struct oidc_known *known)
{
	return known->tried_ms == 0 || clock_mono_ms() - known->tried_ms >= RETRY_MS;
}

enum err_code oidc_look(struct oidc *oidc, const struct oidc_provider *provider,
                        struct oidc_document *ret, struct err *err)
{
	struct oidc_known *known = known_of(oidc, provider);
	enum err_code code = ERR_OK;

	if (!has_within(known, OIDC_KEEP_MS) && !known->asking && may_ask(known)) {
		code = ask_once(oidc, provider, err);
	}
	/* Whoever has no document has to wait for what others hear. */
	while (code == ERR_OK && !has_within(known, OIDC_STALE_MS) &&
	       (known->asking || may_ask(known))) {
		code = ask_once(oidc, provider, err);
	}
	if (has_within(known, OIDC_STALE_MS)) {
		*ret = known->document;
		return ERR_OK;
	}
	if (code == ERR_OK) {
		*err = known->failed;
	}
	return err->code;
}
