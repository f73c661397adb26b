#include "aomi/aomi_door.h"

#include "cred/digest.h"

/* Of guests, for the queue's fairness and the audit: nobody. */
#define GUEST "guest"

bool aomi_is_guest(const struct principal *who)
{
	return who->tenant[0] == '\0';
}

bool aomi_shows_key(const struct http_request *req)
{
	return str_trim(http_header(req, "X-API-Key")).n > 0 ||
	       str_trim(http_header(req, "Authorization")).n > 0 || auth_has_ticket(req);
}

/* ERR_NOT_FOUND: there is none. */
static enum err_code find_open(struct auth *auth, struct http_request *req, struct err *err)
{
	struct namespace_list list;
	enum err_code code =
		namespace_list_open(auth_options_of(auth)->pg, 1, req->arena, &list, err);

	if (code == ERR_OK && list.count == 0) {
		return err_set(err, ERR_NOT_FOUND, "no namespace is open");
	}
	return code;
}

bool aomi_admit(aomi_admit_fn *admit, struct auth *auth, struct http_request *req,
                enum auth_scope scope, struct principal *ret, struct http_reply *reply)
{
	struct err err;
	enum err_code code;

	if (admit(auth, req, scope, ret, reply)) {
		return true;
	}
	if (reply->status != err_http_status(ERR_UNAUTHORIZED)) {
		return false;
	}
	code = find_open(auth, req, &err);
	if (code == ERR_NOT_FOUND) {
		return false; /* as it was refused */
	}
	reply->status = 200;
	reply->content_type = "application/json";
	buf_reset(&reply->headers);
	buf_reset(&reply->body);
	if (code != ERR_OK) {
		http_problem(reply, req, ERR_UNAVAILABLE, NULL);
		http_retry_after(reply, 1);
		return false;
	}
	*ret = (struct principal){ .lent = AUTH_ALL };
	return true;
}

/* The only header of that name. */
static bool sole_header(const struct http_request *req, const char *name, struct str *ret)
{
	size_t count = 0;

	*ret = STR_LIT("");
	for (size_t i = 0; i < req->header_count; i++) {
		if (str_eq_nocase(req->headers[i].name, str_of(name))) {
			*ret = req->headers[i].value;
			count++;
		}
	}
	return count <= 1;
}

const char *aomi_session_of(const struct http_request *req, bool guest, struct str *ret,
                            const char **ret_field)
{
	const char *rule;

	*ret_field = "X-Session-Id";
	if (!sole_header(req, "X-Session-Id", ret)) {
		return "must be given once";
	}
	rule = aomi_check_id(*ret, guest);
	if (rule == NULL && req->params[0].n > 0 && !str_eq(req->params[0], *ret)) {
		*ret_field = "session";
		return "must be what X-Session-Id says";
	}
	return rule;
}

static void set_owner(const struct principal *who, struct chat_key *ret)
{
	struct buf text;

	buf_init(&text, sizeof(ret->owner) - 1);
	if (!id_is_nil(&who->user)) {
		buf_addf(&text, "user:%s", who->user.s);
	} else if (who->owner[0] != '\0') {
		buf_addf(&text, "owner:%s", who->owner);
	} else {
		buf_addf(&text, "key:%s", who->key.s);
	}
	(void)str_copy(ret->owner, sizeof(ret->owner), buf_str(&text));
	buf_fini(&text);
}

void aomi_chat_key(const struct auth *auth, const struct principal *who, struct str session,
                   struct chat_key *ret)
{
	const struct str parts[] = { STR_LIT("chat of a guest"), session };
	struct cred_digest digest;

	*ret = (struct chat_key){ .tenant = "" };
	if (aomi_is_guest(who)) {
		digest = cred_digest(parts, ARRAY_LEN(parts), &auth_options_of(auth)->pepper);
		cred_digest_hex(&digest, ret->name);
	} else {
		(void)str_copy(ret->tenant, sizeof(ret->tenant), str_of(who->tenant));
		(void)str_copy(ret->name, sizeof(ret->name), session);
		set_owner(who, ret);
	}
}

struct principal aomi_acting(const struct principal *who, const char *tenant)
{
	struct principal acting = { .owner = GUEST,
		                    .name = GUEST,
		                    .lent = AUTH_ALL,
		                    .scopes = auth_bit(AUTH_SESSION_READ) |
		                              auth_bit(AUTH_SESSION_WRITE) |
		                              auth_bit(AUTH_TASK_WRITE) };

	if (!aomi_is_guest(who)) {
		return *who;
	}
	(void)str_copy(acting.tenant, sizeof(acting.tenant), str_of(tenant));
	acting.any_namespace = true; /* of those that its chat has been in */
	return acting;
}
