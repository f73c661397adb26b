#include "auth/auth_http.h"

enum { RETRY_S = 1 };

/* The only header of that name. False: there are two, and which one counts is anybody's guess. */
static bool sole_header(const struct http_request *req, const char *name, struct str *ret)
{
	struct str value = { NULL, 0 };

	for (size_t i = 0; i < req->header_count; i++) {
		const struct http_header *header = &req->headers[i];

		if (!str_eq_nocase(header->name, str_of(name))) {
			continue;
		}
		if (value.p != NULL) {
			return false;
		}
		value = header->value.p != NULL ? header->value : STR_LIT("");
	}
	*ret = value;
	return true;
}

static enum err_code find_principal(struct auth *auth, const struct http_request *req,
                                    struct principal *ret, struct err *err)
{
	struct str authorization, x_api_key, key;
	enum err_code code;

	if (!sole_header(req, "Authorization", &authorization) ||
	    !sole_header(req, "X-API-Key", &x_api_key)) {
		return err_set(err, ERR_UNAUTHORIZED, "a credential header is repeated");
	}
	code = auth_key_given(authorization, x_api_key, &key, err);
	return code != ERR_OK ? code : auth_check(auth, key, ret, err);
}

bool auth_admit(struct auth *auth, const struct http_request *req, enum auth_scope scope,
                struct principal *ret, struct http_reply *reply)
{
	struct err err;
	enum err_code code = find_principal(auth, req, ret, &err);

	if (code == ERR_UNAUTHORIZED) {
		http_problem(reply, req, code, err.msg);
		http_reply_header(reply, "WWW-Authenticate", "ApiKey realm=\"fairlead\"");
		return false;
	}
	if (code != ERR_OK) {
		http_problem(reply, req, code, NULL);
		if (err_retryable(code)) {
			http_retry_after(reply, RETRY_S);
		}
		return false;
	}
	if (!auth_allows(ret, scope)) {
		(void)err_set(&err, ERR_FORBIDDEN, "this needs a key with the scope %s",
		              auth_scope_name(scope));
		http_problem(reply, req, ERR_FORBIDDEN, err.msg);
		return false;
	}
	return true;
}
