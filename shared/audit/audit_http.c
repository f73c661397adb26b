#include "audit/audit_http.h"

static struct str kind_of(const struct principal *principal)
{
	if (!id_is_nil(&principal->key) && principal->kind == AUTH_KEY) {
		return STR_LIT("key");
	}
	if (auth_actor(principal)[0] == '\0') {
		return STR_LIT("nobody");
	}
	return principal->kind == AUTH_SERVICE ? STR_LIT("service") : STR_LIT("user");
}

struct audit_who audit_who_is(const struct principal *principal)
{
	return (struct audit_who){ .kind = kind_of(principal),
		                   .id = str_of(auth_actor(principal)),
		                   .name = str_of(principal->name),
		                   .address = STR_LIT(""),
		                   .agent = STR_LIT(""),
		                   .request = STR_LIT("") };
}

struct audit_who audit_who_of(const struct http_request *req, const struct principal *principal)
{
	struct audit_who who = { .kind = STR_LIT("nobody"),
		                 .id = STR_LIT(""),
		                 .name = STR_LIT("") };

	if (principal != NULL) {
		who = audit_who_is(principal);
	}
	who.address = req->peer;
	who.agent = http_header(req, "User-Agent");
	who.request = str_of(req->request_id);
	return who;
}
