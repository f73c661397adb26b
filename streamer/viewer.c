#include "streamer/viewer.h"

#include <assert.h>
#include <stdlib.h>

#include "auth/auth_bell.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "event/event.h"
#include "json/write.h"
#include "session/session_store.h"
#include "streamer/audience.h"
#include "streamer/subscriber.h"

enum { NOTE_MAX = 512, SHARE_KEY_SIZE = AUTH_TENANT_MAX + AUTH_OWNER_MAX + 4 };

LIST_HEAD(watched_viewers, viewer);

/* A key with streams. */
struct watched {
	struct id id;
	size_t streams;
	struct watched_viewers viewers;
};

struct share {
	size_t streams;
};

struct viewers {
	struct viewer_limits limits;
	struct map *by_key;  /* struct watched */
	struct map *by_name; /* struct share of tenants and users */
};

/* ---- counting ---- */

static struct str tenant_name(const struct principal *principal, char out[SHARE_KEY_SIZE])
{
	(void)str_copy(out, SHARE_KEY_SIZE, str_of(principal->tenant));
	return str_of(out);
}

/* "" without an owner. No tenant has a line break in its name. */
static struct str user_name(const struct principal *principal, char out[SHARE_KEY_SIZE])
{
	struct buf name;
	struct str made;

	buf_init(&name, SHARE_KEY_SIZE);
	if (principal->owner[0] != '\0') {
		buf_addf(&name, "%s\n%s", principal->tenant, principal->owner);
	}
	(void)str_copy(out, SHARE_KEY_SIZE, buf_str(&name));
	made = str_of(out);
	buf_fini(&name);
	return made;
}

static size_t count_of(const struct viewers *viewers, struct str name)
{
	const struct share *share = name.n > 0 ? map_get(viewers->by_name, name) : NULL;

	return share != NULL ? share->streams : 0;
}

static void add_to(struct viewers *viewers, struct str name)
{
	struct share *share = name.n > 0 ? map_get(viewers->by_name, name) : NULL;

	if (name.n > 0 && share == NULL) {
		share = mem_calloc(1, sizeof(*share));
		(void)map_put(viewers->by_name, name, share);
	}
	if (share != NULL) {
		share->streams++;
	}
}

static void take_from(struct viewers *viewers, struct str name)
{
	struct share *share = name.n > 0 ? map_get(viewers->by_name, name) : NULL;

	if (share != NULL && --share->streams == 0) {
		free(map_remove(viewers->by_name, name));
	}
}

static bool is_over(size_t count, size_t limit)
{
	return limit != 0 && count >= limit;
}

static struct watched *watched_of(const struct viewers *viewers, const struct id *key)
{
	return map_get(viewers->by_key, str_make(key->s, ID_LEN));
}

static enum err_code check_limits(const struct viewers *viewers, const struct principal *principal,
                                  struct err *err)
{
	const struct viewer_limits *limits = &viewers->limits;
	const struct watched *watched = watched_of(viewers, auth_lender(principal));
	char name[SHARE_KEY_SIZE];

	if (is_over(watched != NULL ? watched->streams : 0, limits->key)) {
		return err_set(err, ERR_LIMIT, "this key has %zu streams here (limit.streams_key)",
		               limits->key);
	}
	if (is_over(count_of(viewers, user_name(principal, name)), limits->user)) {
		return err_set(err, ERR_LIMIT,
		               "this key's owner has %zu streams here (limit.streams_user)",
		               limits->user);
	}
	if (is_over(count_of(viewers, tenant_name(principal, name)), limits->tenant)) {
		return err_set(err, ERR_LIMIT,
		               "this tenant has %zu streams here (limit.streams_tenant)",
		               limits->tenant);
	}
	return ERR_OK;
}

/* ---- life ---- */

struct viewers *viewers_new(const struct viewer_limits *limits)
{
	struct viewers *viewers = mem_calloc(1, sizeof(*viewers));

	viewers->limits = *limits;
	viewers->by_key = map_new();
	viewers->by_name = map_new();
	return viewers;
}

void viewers_free(struct viewers *viewers)
{
	assert(map_count(viewers->by_key) == 0 && map_count(viewers->by_name) == 0);
	map_free(viewers->by_key);
	map_free(viewers->by_name);
	free(viewers);
}

/* A token ends before what it hangs on does. */
static bool same_end(const struct principal *a, const struct principal *b)
{
	bool by_token = a->means == AUTH_BY_TOKEN;

	return by_token == (b->means == AUTH_BY_TOKEN) &&
	       (!by_token || a->expires_us == b->expires_us);
}

/* Those that hang on nothing, guests among them, are all found under the same id. */
static struct viewer *find_alike(const struct watched *watched, const struct principal *principal)
{
	struct viewer *viewer;

	LIST_FOREACH(viewer, &watched->viewers, of_key)
	{
		const struct principal *other = &viewer->principal;

		if (viewer->over == NULL && auth_same_user(other, principal) &&
		    other->lent == principal->lent && other->observes == principal->observes &&
		    same_end(other, principal) && id_eq(&other->session, &principal->session)) {
			return viewer;
		}
	}
	return NULL;
}

struct viewer *viewer_hold(struct viewers *viewers, const struct principal *principal)
{
	struct watched *watched = watched_of(viewers, auth_lender(principal));
	char name[SHARE_KEY_SIZE];
	struct viewer *viewer;

	if (watched == NULL) {
		watched = mem_calloc(1, sizeof(*watched));
		watched->id = *auth_lender(principal);
		(void)map_put(viewers->by_key, str_make(watched->id.s, ID_LEN), watched);
	}
	viewer = find_alike(watched, principal);
	if (viewer == NULL) {
		viewer = mem_calloc(1, sizeof(*viewer));
		viewer->viewers = viewers;
		viewer->watched = watched;
		viewer->principal = *principal;
		LIST_INSERT_HEAD(&watched->viewers, viewer, of_key);
	}
	viewer->streams++;
	watched->streams++;
	add_to(viewers, tenant_name(principal, name));
	add_to(viewers, user_name(principal, name));
	return viewer;
}

struct viewer *viewer_enter(struct viewers *viewers, const struct principal *principal,
                            struct err *err)
{
	return check_limits(viewers, principal, err) == ERR_OK ? viewer_hold(viewers, principal)
	                                                       : NULL;
}

void viewer_release(struct viewer *viewer)
{
	struct viewers *viewers = viewer->viewers;
	struct watched *watched = viewer->watched;
	char name[SHARE_KEY_SIZE];

	take_from(viewers, tenant_name(&viewer->principal, name));
	take_from(viewers, user_name(&viewer->principal, name));
	if (--watched->streams == 0) {
		(void)map_remove(viewers->by_key, str_make(watched->id.s, ID_LEN));
	}
	if (--viewer->streams == 0) {
		assert(LIST_EMPTY(&viewer->outlets));
		LIST_REMOVE(viewer, of_key);
		free(viewer);
	}
	if (watched->streams == 0) {
		free(watched);
	}
}

uint64_t viewer_sees(const struct viewer *viewer)
{
	const struct principal *who = &viewer->principal;

	return event_classes_seen(
		event_see_of(auth_part_of(who) == AUTH_PARTICIPANT, auth_allows(who, AUTH_ADMIN)));
}

/* ---- what streams are told ---- */

static void begin_note(struct jsonw *w, struct buf *json)
{
	buf_init(json, NOTE_MAX);
	jsonw_init(w, json);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", "auth");
}

static void say_note(struct outlet *outlet, struct jsonw *w, struct buf *json)
{
	char stream[AUTH_STREAM_LEN + 1];

	auth_stream_format(outlet->stream, stream);
	jsonw_cstr(w, "stream", stream);
	jsonw_end_object(w);
	outlet->face->say(outlet, "auth", buf_str(json));
	buf_fini(json);
}

static void warn(struct outlet *outlet, int64_t left_us)
{
	struct jsonw w;
	struct buf json;

	begin_note(&w, &json);
	jsonw_u64(&w, "expiresIn", (uint64_t)((left_us + 999999) / 1000000));
	say_note(outlet, &w, &json);
}

/* How it stands by now. */
static void say_standing(struct outlet *outlet)
{
	const struct principal *principal = &outlet->viewer->principal;
	struct jsonw w;
	struct buf json;

	begin_note(&w, &json);
	jsonw_cstr(&w, "role", auth_part_name(auth_part_of(principal)));
	if (principal->expires_us != 0) {
		jsonw_time(&w, "expiresAt", principal->expires_us);
	}
	say_note(outlet, &w, &json);
}

/* Who is slow to read is not waited for. */
static void dismiss(struct outlet *outlet, const char *why)
{
	struct jsonw w;
	struct buf json;

	if (!outlet_is_quiet(outlet)) {
		outlet_end(outlet);
		return;
	}
	begin_note(&w, &json);
	jsonw_cstr(&w, "reason", why);
	say_note(outlet, &w, &json);
	outlet->face->dismiss(outlet, why);
}

static void dismiss_all(struct viewer *viewer, const char *why)
{
	struct outlet *outlet;

	if (viewer->over != NULL) {
		return;
	}
	viewer->over = why;
	LIST_FOREACH(outlet, &viewer->outlets, of_viewer)
	{
		if (outlet->conn != NULL && !outlet->ended) {
			dismiss(outlet, why);
		}
	}
}

/* It acts in another role now, or for somebody else. */
static void adjust(struct outlet *outlet)
{
	uint64_t seen = viewer_sees(outlet->viewer);
	struct subscriber *subscriber;

	LIST_FOREACH(subscriber, &outlet->followings, of_outlet)
	{
		subscriber->position.types &= seen;
		audience_move(subscriber);
	}
}

static void say_standing_to_all(struct viewer *viewer)
{
	struct outlet *outlet;

	LIST_FOREACH(outlet, &viewer->outlets, of_viewer)
	{
		adjust(outlet);
		if (outlet->conn != NULL && !outlet->ended) {
			say_standing(outlet);
		}
	}
}

/* ---- outlets ---- */

static bool same_namespaces(const struct principal *a, const struct principal *b)
{
	return a->any_namespace == b->any_namespace && strcmp(a->namespaces, b->namespaces) == 0;
}

uint64_t viewer_stream_name(void)
{
	char digits[AUTH_STREAM_LEN + 1];
	uint64_t name = 0;

	cred_random_hex(digits, AUTH_STREAM_LEN / 2);
	(void)!parse_hex_u64(str_of(digits), &name);
	return name;
}

void viewer_join(struct viewer *viewer, struct outlet *outlet)
{
	outlet->viewer = viewer;
	LIST_INSERT_HEAD(&viewer->outlets, outlet, of_viewer);
}

void viewer_part(struct outlet *outlet)
{
	LIST_REMOVE(outlet, of_viewer);
	viewer_release(outlet->viewer);
}

void viewer_opened(struct outlet *outlet)
{
	const struct viewer *viewer = outlet->viewer;

	if (viewer->over != NULL) {
		dismiss(outlet, viewer->over);
	} else if (viewer->warned) {
		warn(outlet, viewer->principal.expires_us - clock_wall_us());
	}
}

enum err_code viewer_exchange(struct outlet *outlet, const struct principal *principal,
                              struct err *err)
{
	struct viewer *old = outlet->viewer;
	struct principal next = *principal;

	if (!auth_same_user(&old->principal, principal)) {
		return err_set(err, ERR_FORBIDDEN, "the key is of another tenant or another owner");
	}
	if (!auth_allows(principal, AUTH_SESSION_READ)) {
		return err_set(err, ERR_FORBIDDEN, "this needs a key with the scope %s",
		               auth_scope_name(AUTH_SESSION_READ));
	}
	if (!principal->any_namespace && !same_namespaces(principal, &old->principal)) {
		return err_set(err, ERR_FORBIDDEN, "the key is for other namespaces");
	}
	/* What the stream was limited to it stays limited to. */
	next.observes = next.observes || old->principal.observes;
	next.session = old->principal.session;
	if (old->principal.lent != AUTH_ALL) {
		next.lent = old->principal.lent;
		auth_renew(&next, principal);
	}
	LIST_REMOVE(outlet, of_viewer);
	viewer_join(viewer_hold(old->viewers, &next), outlet);
	viewer_release(old);
	adjust(outlet);
	say_standing(outlet);
	return ERR_OK;
}

struct outlet *viewers_find(const struct viewers *viewers, uint64_t stream)
{
	size_t at = 0;
	struct str key;
	void *value;

	while (map_next(viewers->by_key, &at, &key, &value)) {
		const struct watched *watched = value;
		const struct viewer *viewer;
		struct outlet *outlet;

		LIST_FOREACH(viewer, &watched->viewers, of_key)
		{
			LIST_FOREACH(outlet, &viewer->outlets, of_viewer)
			{
				if (viewer->over == NULL && outlet->stream == stream &&
				    outlet->conn != NULL && !outlet->ended) {
					return outlet;
				}
			}
		}
	}
	return NULL;
}

/* ---- keys ---- */

size_t viewers_keys(const struct viewers *viewers, struct id **ret)
{
	size_t count = 0, at = 0;
	struct str key;
	void *value;

	*ret = mem_calloc(map_count(viewers->by_key) + 1, sizeof(**ret));
	while (map_next(viewers->by_key, &at, &key, &value)) {
		const struct watched *watched = value;

		if (!id_is_nil(&watched->id)) { /* else nothing can be looked up: it ends by its
			                           clock */
			(*ret)[count++] = watched->id;
		}
	}
	return count;
}

static void renew(struct viewer *viewer, const struct principal *key)
{
	const struct principal before = viewer->principal;

	if (!same_namespaces(&before, key)) {
		dismiss_all(viewer, "changed"); /* who reconnects is looked at anew */
		return;
	}
	/* Counted under these names, until they end. */
	if (!auth_same_user(&before, key)) {
		dismiss_all(viewer, "changed");
		return;
	}
	auth_renew(&viewer->principal, key);
	if (!auth_allows(&viewer->principal, AUTH_SESSION_READ)) {
		dismiss_all(viewer, "forbidden");
		return;
	}
	if (key->expires_us != before.expires_us) {
		viewer->warned = false;
	}
	/* Who administers sees more: told as any other change of what is seen. */
	if (auth_part_of(&viewer->principal) != auth_part_of(&before) ||
	    auth_allows(&viewer->principal, AUTH_ADMIN) != auth_allows(&before, AUTH_ADMIN)) {
		say_standing_to_all(viewer);
	}
}

void viewers_renew(struct viewers *viewers, const struct id *key,
                   const struct auth_key_found *found)
{
	struct watched *watched = watched_of(viewers, key);
	struct viewer *viewer;

	if (watched == NULL) {
		return;
	}
	LIST_FOREACH(viewer, &watched->viewers, of_key)
	{
		if (viewer->over != NULL) {
			continue;
		}
		if (found != NULL && found->usable) {
			renew(viewer, &found->principal);
		} else {
			dismiss_all(viewer,
			            found != NULL && found->expired ? "expired" : "revoked");
		}
	}
}

static void tick(struct viewer *viewer, int64_t now_us)
{
	int64_t left_us = viewer->principal.expires_us - now_us;
	struct outlet *outlet;

	if (viewer->over != NULL || viewer->principal.expires_us == 0) {
		return;
	}
	if (left_us <= 0) {
		dismiss_all(viewer, "expired");
		return;
	}
	if (left_us > VIEWER_WARN_S * INT64_C(1000000) || viewer->warned) {
		return;
	}
	viewer->warned = true;
	LIST_FOREACH(outlet, &viewer->outlets, of_viewer)
	{
		if (outlet->conn != NULL && !outlet->ended) {
			warn(outlet, left_us);
		}
	}
}

void viewers_tick(struct viewers *viewers, int64_t now_us)
{
	size_t at = 0;
	struct str key;
	void *value;

	while (map_next(viewers->by_key, &at, &key, &value)) {
		const struct watched *watched = value;
		struct viewer *viewer;

		LIST_FOREACH(viewer, &watched->viewers, of_key)
		{
			tick(viewer, now_us);
		}
	}
}

enum err_code viewer_may_see(const struct principal *principal, struct pg *pg, const struct id *sid,
                             struct arena *arena, struct err *err)
{
	struct session *session;
	enum err_code code;

	if (!auth_allows_session(principal, sid)) {
		return err_set(err, ERR_NOT_FOUND, "no such session");
	}
	if (principal->any_namespace) {
		return ERR_OK;
	}
	session = arena_take(arena, sizeof(*session));
	code = session_get(pg, principal->tenant, sid, arena, session, err);
	if (code == ERR_OK && !auth_allows_namespace(principal, session->namespace)) {
		return err_set(err, ERR_NOT_FOUND, "no such session");
	}
	return code;
}
