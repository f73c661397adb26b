#include <stdio.h>

#include "auth/auth.h"
#include "auth/auth_bell.h"
#include "auth/auth_cache.h"
#include "auth/auth_grant.h"
#include "auth/auth_origin.h"
#include "auth/auth_shown.h"
#include "base/clock.h"
#include "tests/support/test.h"

static const struct str none = { NULL, 0 };

/* What a request with these headers shows; a NULL is not sent. */
static enum err_code shown(const char *authorization, const char *x_api_key,
                           struct auth_shown_set *ret, struct err *err)
{
	struct http_header headers[2];
	struct http_request req = { .headers = headers, .path = STR_LIT("/api/v1/agents") };

	if (authorization != NULL) {
		headers[req.header_count++] =
			(struct http_header){ STR_LIT("authorization"), str_of(authorization) };
	}
	if (x_api_key != NULL) {
		headers[req.header_count++] =
			(struct http_header){ STR_LIT("X-Api-Key"), str_of(x_api_key) };
	}
	return auth_shown_find(&req, false, ret, err);
}

static void given(const char *authorization, const char *x_api_key, const char *wanted)
{
	struct auth_shown_set set;
	struct err err;

	assert_int_equal(shown(authorization, x_api_key, &set, &err), ERR_OK);
	assert_true(set.is_given);
	assert_true(str_eq(set.given.text, str_of(wanted)));
}

static void refused(const char *authorization, const char *x_api_key, const char *reason)
{
	struct auth_shown_set set;
	struct err err;

	assert_int_equal(shown(authorization, x_api_key, &set, &err), ERR_UNAUTHORIZED);
	assert_non_null(strstr(err.msg, reason));
}

static void a_key_comes_in_either_header_or_the_same_in_both(void **state)
{
	(void)state;
	given("ApiKey abc", NULL, "abc");
	given("apikey   abc ", NULL, "abc");
	given(NULL, "abc", "abc");
	given("ApiKey abc", "abc", "abc");
	given("bearer a.b.c", NULL, "a.b.c");
}

static void everything_else_is_refused_with_a_reason(void **state)
{
	(void)state;
	refused("Bearer abc", "abc", "two different");
	refused("abc", NULL, "must be ApiKey");
	refused("", NULL, "must be ApiKey");
	refused("Basic abc", "abc", "must be ApiKey");
	refused("ApiKey abc", "abd", "two different keys");
	refused("ApiKey", "abc", "two different keys");
}

static void what_is_not_a_key_is_refused_without_asking(void **state)
{
	struct auth_options options = { .pg = NULL, .cache_ms = 1000 };
	struct auth *auth = auth_new(&options);
	struct principal principal;
	struct err err;

	(void)state;
	assert_int_equal(auth_check(auth, STR_LIT("sk-1"), &principal, &err), ERR_UNAUTHORIZED);
	assert_string_equal(err.msg, "this is not a key of Fairlead");
	assert_int_equal(auth_check(auth, STR_LIT("fl_live_1"), &principal, &err),
	                 ERR_UNAUTHORIZED);
	assert_string_equal(err.msg, "this key is cut short or mistyped");
	assert_int_equal(auth_check(auth, none, &principal, &err), ERR_UNAUTHORIZED);
	auth_free(auth);
}

static void nothing_is_allowed_without_its_scope(void **state)
{
	struct principal principal = { .scopes = 0 };

	(void)state;
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_false(auth_allows(&principal, (enum auth_scope)i));
	}
	principal.scopes = auth_bit(AUTH_SESSION_READ);
	assert_true(auth_allows(&principal, AUTH_SESSION_READ));
	assert_false(auth_allows(&principal, AUTH_SESSION_WRITE));
	assert_false(auth_allows(&principal, AUTH_ADMIN));
	principal.scopes = auth_bit(AUTH_ADMIN);
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_true(auth_allows(&principal, (enum auth_scope)i) == (i != AUTH_SYSTEM));
	}
	principal.scopes = auth_bit(AUTH_SYSTEM);
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_true(auth_allows(&principal, (enum auth_scope)i) == (i == AUTH_SYSTEM));
	}
}

static void a_role_is_a_set_of_scopes_and_none_has_system(void **state)
{
	static const char *const names[] = { "viewer", "operator", "admin" };
	enum auth_role role;

	(void)state;
	for (unsigned i = 0; i < AUTH_ROLE_COUNT; i++) {
		unsigned scopes = auth_role_scopes((enum auth_role)i);

		assert_string_equal(auth_role_name((enum auth_role)i), names[i]);
		assert_true(auth_role_parse(str_of(names[i]), &role) && role == i);
		assert_int_equal(scopes & auth_bit(AUTH_SYSTEM), 0);
		/* A greater role has all of a lesser one. */
		assert_true(i == 0 || (auth_role_scopes((enum auth_role)(i - 1)) & ~scopes) == 0);
	}
	assert_int_equal(auth_role_scopes(AUTH_ROLE_VIEWER), auth_bit(AUTH_SESSION_READ));
	assert_int_equal(auth_role_scopes(AUTH_ROLE_OPERATOR) & auth_bit(AUTH_ADMIN), 0);
	assert_int_equal(auth_scopes_meant(auth_bit(AUTH_ADMIN)),
	                 auth_role_scopes(AUTH_ROLE_ADMIN));
	assert_false(auth_role_parse(STR_LIT("owner"), &role));
	assert_false(auth_role_parse(STR_LIT(""), &role));
}

static void keys_of_one_user_are_one_user_whatever_they_are_called(void **state)
{
	struct principal a = { .tenant = "acme", .owner = "me" }, b = a;

	(void)state;
	assert_true(auth_same_user(&a, &b));
	a.user = id_new();
	assert_false(auth_same_user(&a, &b));
	b.user = a.user;
	b.owner[0] = '\0';
	assert_true(auth_same_user(&a, &b));
	b.tenant[0] = 'b';
	assert_false(auth_same_user(&a, &b));
}

static void a_key_for_some_namespaces_sees_no_others(void **state)
{
	struct principal principal = { .namespaces = "ci,prod" };

	(void)state;
	assert_true(auth_allows_namespace(&principal, STR_LIT("ci")));
	assert_true(auth_allows_namespace(&principal, STR_LIT("prod")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("pro")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("ci,prod")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("")));
	principal.namespaces[0] = '\0';
	assert_false(auth_allows_namespace(&principal, STR_LIT("ci")));
	assert_false(auth_allows_namespace(&principal, STR_LIT("")));
	principal.any_namespace = true;
	assert_true(auth_allows_namespace(&principal, STR_LIT("")));
}

static void namespaces(const char *given, const char *wanted)
{
	char made[AUTH_NAMESPACES_MAX + 1] = "untouched";

	assert_true(auth_namespaces_parse(str_of(given), made) == (wanted != NULL));
	assert_string_equal(made, wanted != NULL ? wanted : "untouched");
}

static void lists_of_namespaces_have_one_form(void **state)
{
	char many[2 * AUTH_NAMESPACES_MAX];

	(void)state;
	namespaces("ci", "ci");
	namespaces(" CI ,\tProd.1", "ci,prod.1");
	namespaces("ci,CI,cı", NULL);
	namespaces("ci,prod,CI,prod,c", "ci,prod,c");
	namespaces("", NULL);
	namespaces(" ", NULL);
	namespaces("ci,", NULL);
	namespaces(",ci", NULL);
	namespaces("a,,b", NULL);
	namespaces("a b", NULL);
	namespaces("a;b", NULL);
	memset(many, 'a', sizeof(many));
	many[AUTH_NAMESPACES_MAX] = '\0';
	namespaces(many, many);
	many[AUTH_NAMESPACES_MAX] = 'a';
	many[AUTH_NAMESPACES_MAX + 1] = '\0';
	namespaces(many, NULL);
	/* What is said twice takes no room. */
	memset(many, 'b', sizeof(many));
	for (size_t i = 3; i < sizeof(many); i += 4) {
		many[i] = ',';
	}
	many[sizeof(many) - 1] = '\0';
	namespaces(many, "bbb");
}

static void namespaces_are_cut_to_what_both_have(void **state)
{
	struct principal principal = { .any_namespace = true };

	(void)state;
	assert_true(auth_namespaces_cut(&principal, STR_LIT("ci,prod,test")));
	assert_false(principal.any_namespace);
	assert_true(auth_namespaces_cut(&principal, STR_LIT("test,ci,other")));
	assert_string_equal(principal.namespaces, "ci,test");
	assert_true(auth_namespaces_cut(&principal, STR_LIT("other")));
	assert_string_equal(principal.namespaces, "");
	assert_false(auth_allows_namespace(&principal, STR_LIT("other")));
}

static void nobody_gives_more_than_they_have(void **state)
{
	struct principal who = { .scopes = auth_bit(AUTH_ADMIN), .any_namespace = true };

	(void)state;
	assert_true(auth_may_give(&who, AUTH_SCOPES_OF_TENANT, NULL));
	assert_true(auth_may_give(&who, auth_bit(AUTH_TASK_WRITE), "ci"));
	assert_false(auth_may_give(&who, auth_bit(AUTH_SYSTEM), NULL));
	who.scopes |= auth_bit(AUTH_SYSTEM);
	assert_true(auth_may_give(&who, auth_bit(AUTH_SYSTEM), NULL));
	who = (struct principal){ .scopes = auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_TASK_WRITE),
		                  .namespaces = "ci,prod" };
	assert_true(auth_may_give(&who, auth_bit(AUTH_TASK_WRITE), "prod,ci"));
	assert_false(auth_may_give(&who, auth_bit(AUTH_TASK_WRITE), "prod,test"));
	assert_false(auth_may_give(&who, auth_bit(AUTH_TASK_WRITE), NULL));
	assert_false(auth_may_give(&who, auth_bit(AUTH_SESSION_WRITE), "ci"));
	assert_false(auth_may_give(&who, auth_bit(AUTH_ADMIN), "ci"));
}

/* ---- what is remembered ---- */

static void a_bell_empties_the_slots_of_whom_it_names(void **state)
{
	struct auth_cache *cache = auth_cache_new(AUTH_CACHE_MS_MAX);
	struct auth_cached what = { .known = true };
	const struct cred_mark one = { { 1 } }, two = { { 2 } }, three = { { 3 } };
	struct auth_bell bell = { .kind = AUTH_BELL_USER };

	(void)state;
	what.principal.key = id_new();
	what.principal.user = id_new();
	auth_cache_put(cache, &one, auth_cache_turn(cache), &what);
	bell.id = what.principal.user;
	what.principal.key = id_new();
	what.principal.login = id_new();
	auth_cache_put(cache, &two, auth_cache_turn(cache), &what);
	what.principal.user = id_new();
	auth_cache_put(cache, &three, auth_cache_turn(cache), &what);
	assert_true(auth_cache_find(cache, &one) != NULL && auth_cache_find(cache, &two) != NULL &&
	            auth_cache_find(cache, &three) != NULL);
	auth_cache_forget(cache, &bell);
	assert_true(auth_cache_find(cache, &one) == NULL && auth_cache_find(cache, &two) == NULL);
	assert_non_null(auth_cache_find(cache, &three));
	bell = (struct auth_bell){ .kind = AUTH_BELL_LOGIN, .id = what.principal.login };
	auth_cache_forget(cache, &bell);
	assert_null(auth_cache_find(cache, &three));
	auth_cache_put(cache, &one, auth_cache_turn(cache), &what);
	auth_cache_clear(cache);
	assert_null(auth_cache_find(cache, &one));
	auth_cache_free(cache);
}

static void what_was_asked_before_a_bell_is_not_kept_after_it(void **state)
{
	struct auth_cache *cache = auth_cache_new(AUTH_CACHE_MS_MAX);
	const struct cred_mark shown = { { 1 } };
	struct auth_cached what = { .known = true };
	const struct auth_bell bell = { .kind = AUTH_BELL_KEY, .id = id_new() };
	uint64_t turn = auth_cache_turn(cache);

	(void)state;
	auth_cache_forget(cache, &bell);
	auth_cache_put(cache, &shown, turn, &what);
	assert_null(auth_cache_find(cache, &shown));
	auth_cache_put(cache, &shown, auth_cache_turn(cache), &what);
	assert_non_null(auth_cache_find(cache, &shown));
	auth_cache_free(cache);
}

static void what_comes_of_a_look_up_is_good_no_longer_than_that(void **state)
{
	struct auth_cache *cache = auth_cache_new(AUTH_CACHE_MS_MAX);
	struct cred_mark id = auth_cache_mark(cache, AUTH_CACHE_ID, STR_LIT("x"));
	struct cred_mark token = auth_cache_mark(cache, AUTH_CACHE_TOKEN, STR_LIT("x"));
	struct auth_cached what = { .known = true };
	uint64_t turn = auth_cache_turn(cache);

	(void)state;
	assert_false(cred_mark_eq(&id, &token));
	auth_cache_put(cache, &id, turn, &what);
	assert_true(what.until_ms > 0);
	auth_cache_put(cache, &token, turn, &what);
	assert_int_equal(auth_cache_find(cache, &token)->until_ms, what.until_ms);
	what.until_ms = clock_mono_ms();
	auth_cache_put(cache, &token, turn, &what);
	assert_null(auth_cache_find(cache, &token));
	assert_non_null(auth_cache_find(cache, &id));
	auth_cache_free(cache);
}

static void lists_of_scopes_are_parsed_strictly(void **state)
{
	unsigned set = 0;

	(void)state;
	assert_true(auth_scopes_parse(STR_LIT("session:read, admin"), &set));
	assert_int_equal(set, auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_ADMIN));
	assert_false(auth_scopes_parse(STR_LIT(""), &set));
	assert_false(auth_scopes_parse(STR_LIT("admin,"), &set));
	assert_false(auth_scopes_parse(STR_LIT("admin,,worker"), &set));
	assert_false(auth_scopes_parse(STR_LIT("root"), &set));
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		assert_true(auth_scopes_parse(str_of(auth_scope_name((enum auth_scope)i)), &set));
		assert_int_equal(set, auth_bit((enum auth_scope)i));
	}
}

/* ---- what is lent ---- */

static void a_grant_comes_back_as_it_was_written(void **state)
{
	struct auth_grant grant = { .tenant = "acme",
		                    .scopes =
		                            auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_TASK_WRITE),
		                    .observes = true,
		                    .session = id_new(),
		                    .path = "/api/v1/ws" };
	struct auth_grant read;
	struct buf text;

	(void)state;
	buf_init(&text, AUTH_GRANT_SIZE_MAX);
	auth_grant_encode(&grant, &text);
	assert_true(auth_grant_decode(buf_str(&text), &read));
	assert_string_equal(read.tenant, "acme");
	assert_int_equal(read.scopes, grant.scopes);
	assert_true(read.observes);
	assert_true(id_eq(&read.session, &grant.session));
	assert_string_equal(read.path, "/api/v1/ws");
	for (size_t n = 0; n < text.len; n++) {
		assert_false(auth_grant_decode(str_make(text.data, n), &read));
	}
	buf_add_char(&text, 'x');
	assert_false(auth_grant_decode(buf_str(&text), &read));
	buf_reset(&text);
	grant = (struct auth_grant){ .tenant = "acme" };
	auth_grant_encode(&grant, &text);
	assert_true(auth_grant_decode(buf_str(&text), &read));
	assert_true(read.scopes == 0 && !read.observes && id_is_nil(&read.session));
	assert_string_equal(read.path, "");
	assert_false(auth_grant_decode(STR_LIT("2\nacme\n\nobserver\n\n\n"), &read));
	assert_false(auth_grant_decode(STR_LIT("1\n\n\nobserver\n\n\n"), &read));
	assert_false(auth_grant_decode(STR_LIT("1\nacme\n\nking\n\n\n"), &read));
	assert_false(auth_grant_decode(STR_LIT("1\nacme\n\nobserver\nxx\n\n"), &read));
	buf_fini(&text);
}

static void a_path_is_the_same_with_and_without_the_prefix(void **state)
{
	(void)state;
	assert_true(str_eq(auth_grant_path(STR_LIT("/stream/api/v1/ws")), STR_LIT("/api/v1/ws")));
	assert_true(str_eq(auth_grant_path(STR_LIT("/api/v1/ws")), STR_LIT("/api/v1/ws")));
	assert_true(str_eq(auth_grant_path(STR_LIT("/streams")), STR_LIT("/streams")));
	assert_true(str_eq(auth_grant_path(STR_LIT("/stream/")), STR_LIT("/")));
}

static void what_was_lent_names_its_key(void **state)
{
	char text[AUTH_LENT_LEN + 1], secret[AUTH_SECRET_LEN + 1];
	struct id key = id_new(), read;

	(void)state;
	cred_random_hex(secret, AUTH_SECRET_LEN / 2);
	(void)snprintf(text, sizeof(text), "%s%s_%s", AUTH_TICKET_PREFIX, key.s, secret);
	assert_true(auth_lent_parse(str_of(text), AUTH_TICKET_PREFIX, &read));
	assert_true(id_eq(&read, &key));
	assert_false(auth_lent_parse(str_of(text), AUTH_COOKIE_PREFIX, &read));
	for (size_t n = 0; n < AUTH_LENT_LEN; n++) {
		assert_false(auth_lent_parse(str_make(text, n), AUTH_TICKET_PREFIX, &read));
	}
	text[AUTH_LENT_LEN - 1] = 'G';
	assert_false(auth_lent_parse(str_of(text), AUTH_TICKET_PREFIX, &read));
	assert_false(auth_lent_parse((struct str){ NULL, 0 }, AUTH_TICKET_PREFIX, &read));
}

static void what_was_lent_shrinks_with_its_key_and_never_grows(void **state)
{
	struct principal lent = { .lent = auth_bit(AUTH_SESSION_READ) |
		                          auth_bit(AUTH_SESSION_WRITE),
		                  .means = AUTH_BY_COOKIE };
	struct principal key = { .tenant = "acme", .lent = AUTH_ALL, .scopes = AUTH_ALL };

	(void)state;
	auth_renew(&lent, &key);
	assert_string_equal(lent.tenant, "acme");
	assert_int_equal(lent.scopes, auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_SESSION_WRITE));
	assert_int_equal(auth_part_of(&lent), AUTH_PARTICIPANT);
	assert_false(auth_allows(&lent, AUTH_TASK_WRITE));
	key.scopes = auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_TASK_WRITE);
	auth_renew(&lent, &key);
	assert_int_equal(lent.scopes, auth_bit(AUTH_SESSION_READ));
	assert_int_equal(auth_part_of(&lent), AUTH_OBSERVER);
	key.scopes = auth_bit(AUTH_ADMIN);
	auth_renew(&lent, &key);
	assert_int_equal(auth_part_of(&lent), AUTH_PARTICIPANT);
	assert_false(auth_allows(&lent, AUTH_ADMIN));
	lent.observes = true;
	assert_int_equal(auth_part_of(&lent), AUTH_OBSERVER);
	assert_int_equal(lent.means, AUTH_BY_COOKIE);
}

/* ---- pages ---- */

static void an_origin_is_the_host_with_a_scheme(void **state)
{
	static const struct {
		const char *origin, *host;
		bool https, same;
	} cases[] = {
		{ "http://a.example", "a.example", false, true },
		{ "https://a.example", "a.example", false, true },
		{ "https://A.example", "a.Example", true, true },
		{ "http://a.example", "a.example", true,
		  false }, /* a page that anybody may change */
		{ "http://a.example:8080", "a.example:8080", false, true },
		{ "http://a.example:80", "a.example", false, true },
		{ "https://a.example", "a.example:443", false, true },
		{ "https://a.example", "a.example:80", false, false },
		{ "http://a.example:8080", "a.example", false, false },
		{ "http://[::1]:7080", "[::1]:7080", false, true },
		{ "http://a.example.evil.example", "a.example", false, false },
		{ "http://evil.example", "a.example", false, false },
		{ "http://a.example/", "a.example", false, false },
		{ "http://a.example@evil.example", "a.example", false, false },
		{ "null", "a.example", false, false },
		{ "file://", "a.example", false, false },
		{ "", "a.example", false, false },
		{ "http://", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (auth_origin_same(str_of(cases[i].origin), str_of(cases[i].host),
		                     cases[i].https) != cases[i].same) {
			fail_msg("%s at %s", cases[i].origin, cases[i].host);
		}
	}
}

static enum auth_site site(const char *origins, const char *const (*fields)[2], size_t count)
{
	struct http_header headers[4];
	struct http_request req = { .headers = headers, .header_count = count };

	assert_true(count <= ARRAY_LEN(headers));
	for (size_t i = 0; i < count; i++) {
		headers[i] = (struct http_header){ str_of(fields[i][0]), str_of(fields[i][1]) };
	}
	return auth_site_of(&req, origins);
}

static void a_page_is_known_by_what_its_browser_says(void **state)
{
	static const char list[] = "https://ui.example, https://b.example";
	static const struct {
		const char *origins;
		const char *fields[3][2];
		enum auth_site site;
	} cases[] = {
		{ "", { { "Host", "h" } }, AUTH_SITE_UNTOLD },
		{ "", { { "Host", "h" }, { "Origin", "http://h" } }, AUTH_SITE_OURS },
		{ "", { { "Host", "h" }, { "Origin", "http://x" } }, AUTH_SITE_FOREIGN },
		{ "", { { "Host", "h" }, { "Origin", "null" } }, AUTH_SITE_FOREIGN },
		{ list, { { "Host", "h" }, { "Origin", "https://ui.example" } }, AUTH_SITE_OURS },
		{ list, { { "Host", "h" }, { "Origin", "http://ui.example" } }, AUTH_SITE_FOREIGN },
		{ "*", { { "Host", "h" }, { "Origin", "http://x" } }, AUTH_SITE_ANY },
		{ "*", { { "Host", "h" }, { "Origin", "http://h" } }, AUTH_SITE_OURS },
		{ "",
		  { { "Host", "h" }, { "Origin", "http://h" }, { "Origin", "http://x" } },
		  AUTH_SITE_FOREIGN },
		{ "", { { "Host", "h" }, { "Sec-Fetch-Site", "same-origin" } }, AUTH_SITE_OURS },
		{ "", { { "Host", "h" }, { "Sec-Fetch-Site", "same-site" } }, AUTH_SITE_FOREIGN },
		{ "", { { "Host", "h" }, { "Sec-Fetch-Site", "none" } }, AUTH_SITE_FOREIGN },
		{ "", { { "Host", "h" }, { "Referer", "http://h/page?x=1" } }, AUTH_SITE_OURS },
		{ "", { { "Host", "h" }, { "Referer", "http://h.evil/page" } }, AUTH_SITE_FOREIGN },
		{ "",
		  { { "Host", "h" },
		    { "Sec-Fetch-Site", "cross-site" },
		    { "Referer", "http://h/" } },
		  AUTH_SITE_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count = 0;

		while (count < ARRAY_LEN(cases[i].fields) && cases[i].fields[count][0] != NULL) {
			count++;
		}
		if (site(cases[i].origins, cases[i].fields, count) != cases[i].site) {
			fail_msg("case %zu", i);
		}
	}
}

/* ---- bells ---- */

static void bells_are_decoded_strictly(void **state)
{
	static const char *const bad[] = { "",
		                           "key",
		                           "key x",
		                           "key 01JD0M6T3Q8XK5V7W9YB2C4EFG x",
		                           "stream 0123456789abcdef 01JD0M6T3Q8XK5V7W9YB2C4EFG",
		                           "stream 0123456789abcde 01JD0M6T3Q8XK5V7W9YB2C4EFG "
		                           "01JD0M6T3Q8XK5V7W9YB2C4EFG",
		                           "stream 0123456789abcdef 01JD0M6T3Q8XK5V7W9YB2C4EFG "
		                           "01JD0M6T3Q8XK5V7W9YB2C4EFG x" };
	struct auth_bell bell;
	char name[AUTH_STREAM_LEN + 1];

	(void)state;
	assert_true(auth_bell_decode(STR_LIT("key 01JD0M6T3Q8XK5V7W9YB2C4EFG"), &bell));
	assert_int_equal(bell.kind, AUTH_BELL_KEY);
	assert_string_equal(bell.id.s, "01JD0M6T3Q8XK5V7W9YB2C4EFG");
	assert_true(auth_bell_decode(STR_LIT("user 01JD0M6T3Q8XK5V7W9YB2C4EFG"), &bell));
	assert_int_equal(bell.kind, AUTH_BELL_USER);
	assert_true(auth_bell_decode(STR_LIT("login 01JD0M6T3Q8XK5V7W9YB2C4EFG"), &bell));
	assert_int_equal(bell.kind, AUTH_BELL_LOGIN);
	assert_true(auth_bell_decode(STR_LIT("stream 0123456789abcdef 01JD0M6T3Q8XK5V7W9YB2C4EFG "
	                                     "01JD0M7A9B1C2D3E4F5G6H7J8K"),
	                             &bell));
	assert_int_equal(bell.kind, AUTH_BELL_STREAM);
	auth_stream_format(bell.stream, name);
	assert_string_equal(name, "0123456789abcdef");
	assert_string_equal(bell.asked.s, "01JD0M7A9B1C2D3E4F5G6H7J8K");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(auth_bell_decode(str_of(bad[i]), &bell));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_comes_in_either_header_or_the_same_in_both),
		cmocka_unit_test(everything_else_is_refused_with_a_reason),
		cmocka_unit_test(what_is_not_a_key_is_refused_without_asking),
		cmocka_unit_test(nothing_is_allowed_without_its_scope),
		cmocka_unit_test(a_role_is_a_set_of_scopes_and_none_has_system),
		cmocka_unit_test(keys_of_one_user_are_one_user_whatever_they_are_called),
		cmocka_unit_test(a_key_for_some_namespaces_sees_no_others),
		cmocka_unit_test(lists_of_namespaces_have_one_form),
		cmocka_unit_test(namespaces_are_cut_to_what_both_have),
		cmocka_unit_test(nobody_gives_more_than_they_have),
		cmocka_unit_test(a_bell_empties_the_slots_of_whom_it_names),
		cmocka_unit_test(what_was_asked_before_a_bell_is_not_kept_after_it),
		cmocka_unit_test(what_comes_of_a_look_up_is_good_no_longer_than_that),
		cmocka_unit_test(lists_of_scopes_are_parsed_strictly),
		cmocka_unit_test(a_grant_comes_back_as_it_was_written),
		cmocka_unit_test(a_path_is_the_same_with_and_without_the_prefix),
		cmocka_unit_test(what_was_lent_names_its_key),
		cmocka_unit_test(what_was_lent_shrinks_with_its_key_and_never_grows),
		cmocka_unit_test(an_origin_is_the_host_with_a_scheme),
		cmocka_unit_test(a_page_is_known_by_what_its_browser_says),
		cmocka_unit_test(bells_are_decoded_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
